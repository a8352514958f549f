#include "test.h"

#include <libgen.h>
#include <sys/resource.h>

static char *root;

static int set_up(void **state)
{
    (void)state;
    root = make_folder();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    remove_folder(root);
    return 0;
}

static void put(const char *path, const char *text)
{
    rp_error err;
    RP_AUTOFREE char *whole = rp_format("%s/%s", root, path);
    RP_AUTOFREE char *copy = rp_strdup(whole);
    assert_ok(rp_directory_create(dirname(copy), &err), err);
    assert_ok(rp_file_write(whole, text, strlen(text), &err), err);
}

static void put_machine(void)
{
    put("proc/meminfo", "MemTotal: 9000000 kB\nMemFree: 1 kB\nMemAvailable:  8000000 kB\n");
}

static const char two_mounts[] =
    "22 28 0:20 / /sys/fs/cgroup ro - tmpfs tmpfs ro,mode=755\n"
    "30 22 0:26 / /sys/fs/cgroup/uni\\040fied rw,nosuid shared:4 - cgroup2 cgroup2 rw\n"
    "33 22 0:29 / /sys/fs/cgroup/cpu rw shared:7 - cgroup cgroup rw,cpu,cpuacct\n"
    "34 22 0:30 / /sys/fs/cgroup/memory rw shared:9 - cgroup cgroup rw,memory\n";

static void test_machine_alone(void **state)
{
    (void)state;
    assert_int_equal(rp_memory_available(root), 0);
    put_machine();
    assert_int_equal(rp_memory_available(root), 8000000u * (size_t)1024);
}

/* Not the group at the top, but the process's own. */
static void test_own_group(void **state)
{
    (void)state;
    put_machine();
    put("proc/self/cgroup", "0::/jobs/one\n");
    put("proc/self/mountinfo", two_mounts);
    put("sys/fs/cgroup/uni fied/jobs/one/memory.max", "3000000\n");
    put("sys/fs/cgroup/uni fied/jobs/one/memory.current", "1000000\n");
    assert_int_equal(rp_memory_available(root), 2000000);
    put("sys/fs/cgroup/uni fied/jobs/one/memory.stat", "anon 5\ninactive_file 400000\n");
    assert_int_equal(rp_memory_available(root), 2400000);
    put("sys/fs/cgroup/uni fied/jobs/one/memory.current", "4000000\n"); /* beyond its limit */
    put("sys/fs/cgroup/uni fied/jobs/one/memory.stat", "anon 5\n");
    assert_int_equal(rp_memory_available(root), 1);
}

/* "max" of the own group says nothing of those around it; the tightest counts. */
static void test_groups_around(void **state)
{
    (void)state;
    put_machine();
    put("proc/self/cgroup", "0::/jobs/one\n");
    put("proc/self/mountinfo", two_mounts);
    put("sys/fs/cgroup/uni fied/jobs/one/memory.max", "max\n");
    put("sys/fs/cgroup/uni fied/jobs/one/memory.current", "10\n");
    put("sys/fs/cgroup/uni fied/jobs/memory.max", "5000000\n");
    put("sys/fs/cgroup/uni fied/jobs/memory.current", "1500000\n");
    assert_int_equal(rp_memory_available(root), 3500000);
    put("sys/fs/cgroup/uni fied/jobs/one/memory.max", "2000010\n");
    assert_int_equal(rp_memory_available(root), 2000000);
}

static void test_version_1(void **state)
{
    (void)state;
    put_machine();
    put("proc/self/cgroup", "5:cpu,cpuacct:/else\n4:memory:/jobs/two\n0::/\n");
    put("proc/self/mountinfo", two_mounts);
    put("sys/fs/cgroup/memory/jobs/two/memory.limit_in_bytes", "6000000\n");
    put("sys/fs/cgroup/memory/jobs/two/memory.usage_in_bytes", "2000000\n");
    put("sys/fs/cgroup/memory/jobs/two/memory.stat", "cache 9\ntotal_inactive_file 500000\n");
    put("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    put("sys/fs/cgroup/memory/memory.usage_in_bytes", "7000000\n");
    assert_int_equal(rp_memory_available(root), 4500000);
}

/* In a container the mount begins at its group, which /proc/self/cgroup may name from outside. */
static void test_container(void **state)
{
    (void)state;
    put_machine();
    put("proc/self/cgroup", "0::/docker/abc/inner\n");
    put("proc/self/mountinfo", "30 22 0:26 /docker/abc /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
    put("sys/fs/cgroup/inner/memory.max", "900000\n");
    put("sys/fs/cgroup/inner/memory.current", "0\n");
    assert_int_equal(rp_memory_available(root), 900000);
    put("proc/self/cgroup", "0::/../elsewhere\n"); /* not below the mount: its root */
    put("sys/fs/cgroup/memory.max", "800000\n");
    put("sys/fs/cgroup/memory.current", "100000\n");
    assert_int_equal(rp_memory_available(root), 700000);
}

static void test_address_space(void **state)
{
    (void)state;
    struct rlimit before, small;
    skip_where(SLOW, "sanitizers and the emulator reserve more address space than any limit");
    skip_where(getrlimit(RLIMIT_AS, &before) != 0, "the address space cannot be limited");
    small = before;
    small.rlim_cur = (size_t)1 << 30;
    assert_int_equal(setrlimit(RLIMIT_AS, &small), 0);
    const size_t left = rp_memory_available("");
    setrlimit(RLIMIT_AS, &before);
    assert_in_range(left, 1, (size_t)1 << 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_machine_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_own_group, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_groups_around, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_version_1, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_container, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_address_space, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
