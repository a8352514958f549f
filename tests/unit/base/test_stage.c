#define _GNU_SOURCE

#include "test.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "reprise/base_stage.h"

static char *folder;

/* In place of the C library's: the process dies instead of the n-th move. */
static long dies_at;

int renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned flags)
{
    if (dies_at > 0 && --dies_at == 0) _exit(9);
    return (int)syscall(SYS_renameat2, from_folder, from, to_folder, to, flags);
}

static int set_up(void **state)
{
    (void)state;
    folder = make_folder();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    remove_folder(folder);
    return 0;
}

static void put(const char *below, const char *name, const char *text)
{
    rp_error err;
    RP_AUTOFREE char *path = rp_path_join(below, name);
    assert_ok(rp_file_write(path, text, strlen(text), &err), err);
}

/* "-" for what is not there. */
static void assert_holds(const char *name, const char *expected)
{
    rp_error err;
    RP_AUTOFREE char *path = rp_path_join(folder, name);
    RP_AUTOFREE uint8_t *text = NULL;
    size_t size;
    if (strcmp(expected, "-") == 0) {
        assert_false(rp_path_exists(path));
        return;
    }
    assert_ok(rp_file_read(path, &text, &size, &err), err);
    assert_string_equal((char *)text, expected);
}

/* Names that begin with ".reprise-". */
static int leftovers(void)
{
    int count = 0;
    DIR *list = opendir(folder);
    assert_non_null(list);
    for (struct dirent *e; (e = readdir(list));) count += strncmp(e->d_name, ".reprise-", 9) == 0;
    closedir(list);
    return count;
}

static const char *const set[] = {"a", "b", "gone", "tables/t", "z-last"};
enum { SET = sizeof set / sizeof *set };

static void put_old(void)
{
    rp_error err;
    RP_AUTOFREE char *tables = rp_path_join(folder, "tables");
    assert_ok(rp_directory_create(tables, &err), err);
    put(folder, "a", "old a");
    put(folder, "gone", "old gone");
    put(folder, "tables/t", "old t");
    put(folder, "z-last", "old last");
    put(folder, "another's", "x");
}

static void assert_all(const char *a, const char *b, const char *gone, const char *t,
                       const char *last)
{
    assert_holds("a", a);
    assert_holds("b", b);
    assert_holds("gone", gone);
    assert_holds("tables/t", t);
    assert_holds("z-last", last);
    assert_holds("another's", "x");
}

static void assert_old(void)
{
    assert_all("old a", "-", "old gone", "old t", "old last");
}

static void assert_new(void)
{
    assert_all("new a", "new b", "-", "new t", "new last");
}

static void begin_new(rp_stage *stage)
{
    rp_error err;
    assert_ok(rp_stage_begin(folder, stage, &err), err);
    RP_AUTOFREE char *tables = rp_path_join(stage->temporary, "tables");
    assert_ok(rp_directory_create(tables, &err), err);
    put(stage->temporary, "a", "new a");
    put(stage->temporary, "b", "new b");
    put(stage->temporary, "tables/t", "new t");
    put(stage->temporary, "z-last", "new last");
}

/* Each write and each move fails once: the old set stays whole, and then the new one is there. */
static void test_replace_all_or_none(void **state)
{
    (void)state;
    rp_error err;
    int failures = 0;
    put_old();
    for (long n = 1;; n++) {
        rp_stage stage = {0};
        begin_new(&stage);
        rp_test_fail_write(n);
        const rp_status status = rp_stage_replace(&stage, "z-last", set, SET, &err);
        rp_test_fail_write(0);
        rp_stage_release(&stage);
        assert_int_equal(leftovers(), 0);
        if (!status) break;
        failures++;
        assert_int_equal(status, RP_ERR_IO);
        assert_old();
    }
    assert_true(failures > 8); /* four go aside, four come in, and the journal */
    assert_new();
}

/* In a process of its own. */
static void die_at(long n)
{
    const pid_t child = fork();
    if (child == 0) {
        rp_stage stage = {0};
        begin_new(&stage);
        dies_at = n;
        rp_stage_replace(&stage, "z-last", set, SET, NULL);
        _exit(0);
    }
    int ended;
    assert_int_equal(waitpid(child, &ended, 0), child);
}

/* Whoever comes next finds the old set, or the new one where the last move was done. */
static void test_killed_among_the_moves(void **state)
{
    (void)state;
    int undone = 0, done = 0;
    for (long n = 1; n <= 20 && !done; n++) {
        RP_AUTOFREE char *b = rp_path_join(folder, "b");
        put_old();
        unlink(b);
        die_at(n);
        rp_stage_recover(folder);
        assert_int_equal(leftovers(), 0);
        RP_AUTOFREE char *gone = rp_path_join(folder, "gone");
        done = !rp_path_exists(gone);
        undone += !done;
        if (done)
            assert_new();
        else
            assert_old();
    }
    assert_int_equal(undone, 8); /* four moves aside and four in */
    assert_true(done);
}

static void test_commit_never_replaces(void **state)
{
    (void)state;
    rp_error err;
    rp_stage stage = {0};
    put(folder, "b", "mine");
    assert_ok(rp_stage_begin(folder, &stage, &err), err);
    put(stage.temporary, "a", "a");
    put(stage.temporary, "b", "b");
    assert_int_equal(rp_stage_commit(&stage, &err), RP_ERR_IO);
    assert_non_null(strstr(err.message, "/b: exists already"));
    rp_stage_release(&stage);
    assert_holds("a", "-");
    assert_holds("b", "mine");
    assert_int_equal(leftovers(), 0);
}

static void test_a_folder_in_the_way(void **state)
{
    (void)state;
    rp_error err;
    rp_stage stage = {0};
    put_old();
    RP_AUTOFREE char *b = rp_path_join(folder, "b");
    assert_int_equal(mkdir(b, 0777), 0);
    begin_new(&stage);
    assert_int_equal(rp_stage_replace(&stage, "z-last", set, SET, &err), RP_ERR_IO);
    assert_non_null(strstr(err.message, "/b: a folder"));
    rp_stage_release(&stage);
    rmdir(b);
    assert_old();
}

/* A living stage, and folders of others that look alike, stay. */
static void test_recover_touches_the_dead_alone(void **state)
{
    (void)state;
    rp_error err;
    rp_stage living = {0}, second = {0};
    const char *const others[] = {".reprise-backup", ".reprise-notes1x", ".other-Ab12Cd"};
    for (int i = 0; i < 3; i++) {
        RP_AUTOFREE char *path = rp_path_join(folder, others[i]);
        assert_ok(rp_directory_create(path, &err), err);
        put(path, "mine", "x");
    }
    RP_AUTOFREE char *dead = rp_path_join(folder, ".reprise-Ab12Cd");
    assert_ok(rp_directory_create(dead, &err), err);
    put(dead, "half", "x");
    assert_ok(rp_stage_begin(folder, &living, &err), err);
    assert_false(rp_path_exists(dead));
    put(living.temporary, "a", "a");
    assert_ok(rp_stage_begin(folder, &second, &err), err);
    assert_ok(rp_stage_commit(&living, &err), err);
    rp_stage_release(&second);
    rp_stage_release(&living);
    assert_holds("a", "a");
    for (int i = 0; i < 3; i++) {
        RP_AUTOFREE char *path = rp_format("%s/%s/mine", folder, others[i]);
        assert_true(rp_path_exists(path));
    }
}

/* ---- locks -------------------------------------------------------------------------------- */

static void check_lock(const char *path)
{
    rp_error err;
    rp_lock *first = NULL, *second = NULL;
    assert_ok(rp_lock_take(path, &first, &err), err);
    assert_true(rp_lock_holds(first));
    assert_int_equal(rp_lock_take(path, &second, &err), RP_ERR_IO);
    assert_non_null(strstr(err.message, "in use by another run"));
    rp_lock_drop(first);
    assert_int_equal(leftovers(), 0);
    assert_ok(rp_lock_take(path, &second, &err), err);
    rp_lock_drop(second);
    assert_int_equal(leftovers(), 0);
}

static void test_locks(void **state)
{
    (void)state;
    rp_error err;
    rp_lock *one = NULL, *other = NULL;
    RP_AUTOFREE char *file = rp_path_join(folder, "out.json");
    RP_AUTOFREE char *beside = rp_path_join(folder, "other.json");
    RP_AUTOFREE char *nowhere = rp_path_join(folder, "none/out.json");
    check_lock(folder);
    check_lock(file);
    assert_ok(rp_lock_take(file, &one, &err), err);
    assert_ok(rp_lock_take(beside, &other, &err), err);
    rp_lock_drop(one);
    rp_lock_drop(other);
    assert_int_equal(rp_lock_take(nowhere, &one, &err), RP_ERR_IO);
    rp_lock_drop(NULL);
}

/* Whatever way a process ends, its locks end with it. */
static void test_lock_of_a_dead_process(void **state)
{
    (void)state;
    rp_lock *lock = NULL;
    RP_AUTOFREE char *file = rp_path_join(folder, "out.json");
    const pid_t child = fork();
    if (child == 0) {
        const bool held = !rp_lock_take(folder, &lock, NULL) && !rp_lock_take(file, &lock, NULL);
        _exit(held ? 0 : 1);
    }
    int ended;
    assert_int_equal(waitpid(child, &ended, 0), child);
    assert_int_equal(ended, 0);
    assert_int_equal(leftovers(), 1); /* the empty file of the second lock */
    check_lock(file);
    check_lock(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_replace_all_or_none, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_killed_among_the_moves, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_commit_never_replaces, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_folder_in_the_way, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_recover_touches_the_dead_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_locks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_lock_of_a_dead_process, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
