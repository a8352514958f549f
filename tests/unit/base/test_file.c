#include "test.h"

#include <dirent.h>
#include <sys/stat.h>

static char *folder;

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

static size_t entries(void)
{
    size_t count = 0;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));)
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(dir);
    return count;
}

static void assert_content(const char *path, const char *expected)
{
    rp_error err;
    RP_AUTOFREE uint8_t *data = NULL;
    size_t size = 0;
    assert_ok(rp_file_read(path, &data, &size, &err), err);
    assert_int_equal(size, strlen(expected));
    assert_memory_equal(data, expected, size + 1); /* the final 0 as well */
}

static void test_write_and_read(void **state)
{
    (void)state;
    rp_error err;
    RP_AUTOFREE char *path = rp_path_join(folder, "a");
    assert_false(rp_path_exists(path));
    assert_ok(rp_file_write(path, "first", 5, &err), err);
    assert_content(path, "first");
    assert_ok(rp_file_write(path, "second time", 11, &err), err);
    assert_content(path, "second time");
    assert_ok(rp_file_write(path, NULL, 0, &err), err);
    assert_content(path, "");
    assert_int_equal(entries(), 1);
    assert_true(rp_path_exists(path) && !rp_path_is_directory(path));
}

static void test_nothing_appears_before_commit(void **state)
{
    (void)state;
    rp_error err;
    rp_outfile *out;
    RP_AUTOFREE char *path = rp_path_join(folder, "a");
    assert_ok(rp_outfile_create(path, &out, &err), err);
    assert_ok(rp_outfile_write(out, "one ", 4, &err), err);
    assert_ok(rp_outfile_printf(out, &err, "two %d", 3), err);
    assert_false(rp_path_exists(path));
    assert_true(rp_path_exists(rp_outfile_temporary_path(out)));
    assert_ok(rp_outfile_commit(out, &err), err);
    assert_content(path, "one two 3");
    rp_outfile_destroy(out);
    assert_content(path, "one two 3");
    assert_int_equal(entries(), 1);
}

static void test_commit_new_never_replaces(void **state)
{
    (void)state;
    rp_error err;
    rp_outfile *out;
    RP_AUTOFREE char *draft = rp_path_join(folder, "draft");
    RP_AUTOFREE char *path = rp_path_join(folder, "a");
    for (int round = 0; round < 2; round++) {
        assert_ok(rp_outfile_create(draft, &out, &err), err);
        assert_ok(rp_outfile_write(out, round ? "two" : "one", 3, &err), err);
        assert_int_equal(rp_outfile_commit_new(out, path, &err), round ? RP_ERR_REFUSED : RP_OK);
        rp_outfile_destroy(out);
        assert_content(path, "one");
        assert_int_equal(entries(), 1);
    }
    assert_ok(rp_outfile_create(draft, &out, &err), err);
    RP_AUTOFREE char *nowhere = rp_path_join(folder, "none/a");
    assert_int_equal(rp_outfile_commit_new(out, nowhere, &err), RP_ERR_IO);
    rp_outfile_destroy(out);
    assert_ok(rp_outfile_create(draft, &out, &err), err);
    RP_AUTOFREE char *other = rp_path_join(folder, "b");
    rp_test_fail_write(1);
    assert_int_equal(rp_outfile_commit_new(out, other, &err), RP_ERR_IO);
    rp_test_fail_write(0);
    rp_outfile_destroy(out);
    assert_int_equal(entries(), 1);
}

static void test_destroy_without_commit_leaves_nothing(void **state)
{
    (void)state;
    rp_error err;
    rp_outfile *out;
    RP_AUTOFREE char *path = rp_path_join(folder, "a");
    assert_ok(rp_file_write(path, "kept", 4, &err), err);
    assert_ok(rp_outfile_create(path, &out, &err), err);
    assert_ok(rp_outfile_write(out, "dropped", 7, &err), err);
    assert_int_equal(entries(), 2);
    rp_outfile_destroy(out);
    assert_content(path, "kept");
    assert_int_equal(entries(), 1);
    rp_outfile_destroy(NULL);
}

/* A library that writes by name may replace the temporary file altogether. */
static void test_temporary_replaced_by_name(void **state)
{
    (void)state;
    rp_error err;
    rp_outfile *out;
    RP_AUTOFREE char *path = rp_path_join(folder, "a");
    assert_ok(rp_outfile_create(path, &out, &err), err);
    assert_int_equal(unlink(rp_outfile_temporary_path(out)), 0);
    FILE *file = fopen(rp_outfile_temporary_path(out), "w");
    fputs("other", file);
    fclose(file);
    assert_ok(rp_outfile_commit(out, &err), err);
    rp_outfile_destroy(out);
    assert_content(path, "other");
    assert_int_equal(entries(), 1);
}

/* Each write of the file fails once: the old content stays, no temporary file is left. */
static void test_full_disk(void **state)
{
    (void)state;
    rp_error err;
    RP_AUTOFREE char *path = rp_path_join(folder, "a");
    assert_ok(rp_file_write(path, "old", 3, &err), err);
    int failures = 0;
    for (long n = 1;; n++) {
        rp_test_fail_write(n);
        rp_status status = rp_file_write(path, "new content", 11, &err);
        rp_test_fail_write(0);
        assert_int_equal(entries(), 1);
        if (!status) break;
        failures++;
        assert_int_equal(status, RP_ERR_IO);
        assert_non_null(strstr(err.message, path));
        assert_non_null(strstr(err.message, "No space left"));
        assert_content(path, "old");
    }
    assert_int_equal(failures, 2); /* the write and the commit */
    assert_content(path, "new content");
}

static void test_no_memory_leaves_nothing(void **state)
{
    (void)state;
    rp_error err;
    RP_AUTOFREE char *path = rp_path_join(folder, "a");
    for (long n = 1; n <= 3; n++) {
        rp_test_fail_allocation(n);
        assert_int_equal(rp_file_write(path, "x", 1, &err), RP_ERR_MEMORY);
        rp_test_fail_allocation(0);
        assert_int_equal(entries(), 0);
    }
    assert_ok(rp_file_write(path, "x", 1, &err), err);
    uint8_t *data = NULL;
    size_t size;
    rp_test_fail_allocation(1);
    assert_int_equal(rp_file_read(path, &data, &size, &err), RP_ERR_MEMORY);
    rp_test_fail_allocation(0);
    assert_null(data);
}

static void test_unreadable_and_unwritable(void **state)
{
    (void)state;
    rp_error err;
    uint8_t *data = NULL;
    size_t size;
    RP_AUTOFREE char *missing = rp_path_join(folder, "none/a");
    assert_int_equal(rp_file_read(missing, &data, &size, &err), RP_ERR_IO);
    assert_non_null(strstr(err.message, "none/a"));
    assert_non_null(strstr(err.message, "No such file"));
    assert_int_equal(rp_file_read(folder, &data, &size, &err), RP_ERR_IO);
    assert_non_null(strstr(err.message, "not a regular file"));
    assert_int_equal(rp_file_write(missing, "x", 1, &err), RP_ERR_IO);
    assert_non_null(strstr(err.message, "none/a"));
    assert_int_equal(rp_file_write(folder, "x", 1, &err), RP_ERR_IO);
    assert_null(data);
    assert_int_equal(entries(), 0);
}

static void test_directories(void **state)
{
    (void)state;
    rp_error err;
    RP_AUTOFREE char *deep = rp_path_join(folder, "b/c//d/"), *file = rp_path_join(folder, "f");
    RP_AUTOFREE char *through = rp_path_join(folder, "f/g");
    assert_ok(rp_directory_create(deep, &err), err);
    assert_ok(rp_directory_create(deep, &err), err);
    assert_true(rp_path_is_directory(deep));
    assert_ok(rp_file_write(file, "x", 1, &err), err);
    assert_int_equal(rp_directory_create(file, &err), RP_ERR_IO);
    assert_non_null(strstr(err.message, "not a folder"));
    assert_int_equal(rp_directory_create(through, &err), RP_ERR_IO);
    assert_non_null(strstr(err.message, "f/g"));
}

static void touch(const char *name)
{
    rp_error err;
    RP_AUTOFREE char *path = rp_path_join(folder, name);
    assert_ok(rp_file_write(path, name, strlen(name), &err), err);
}

static void test_listing(void **state)
{
    (void)state;
    rp_error err;
    RP_AUTOFREE char *sub = rp_path_join(folder, "b/a"), *link = rp_path_join(folder, "link");
    RP_AUTOFREE char *circle = rp_path_join(folder, "b/circle"),
                     *dangling = rp_path_join(folder, "dangling");
    assert_ok(rp_directory_create(sub, &err), err);
    touch("z");
    touch("b/a/2");
    touch("b/a/1");
    touch(".hidden");
    assert_int_equal(symlink("z", link), 0);
    assert_int_equal(symlink(folder, circle), 0);
    assert_int_equal(symlink("nowhere", dangling), 0);

    char **paths = NULL;
    size_t count = 0;
    const char *const expected[] = {".hidden", "b/a/1", "b/a/2", "dangling", "link", "z"};
    assert_ok(rp_directory_list(folder, &paths, &count, &err), err);
    assert_int_equal(count, 6);
    for (size_t i = 0; i < count; i++)
        assert_string_equal(paths[i] + strlen(folder) + 1, expected[i]);
    rp_string_list_free(paths, count);

    RP_AUTOFREE char *missing = rp_path_join(folder, "missing");
    assert_int_equal(rp_directory_list(missing, &paths, &count, &err), RP_ERR_IO);
    assert_non_null(strstr(err.message, "missing"));
    rp_string_list_free(NULL, 0);
}

/* What a run writes, or left when it was killed, is nothing to read. */
static void test_listing_passes_over_temporary_names(void **state)
{
    (void)state;
    rp_error err;
    RP_AUTOFREE char *stage = rp_path_join(folder, ".reprise-Ab3xYz");
    RP_AUTOFREE char *deep = rp_path_join(folder, "b");
    assert_ok(rp_directory_create(stage, &err), err);
    assert_ok(rp_directory_create(deep, &err), err);
    touch(".reprise-Ab3xYz/1.dcm");
    touch(".reprise-lock");
    touch("b/1.dcm.part-Ab3xYz");
    touch("b/1.dcm.part-000123");
    touch("b/1.part-Ab3xY");
    touch("reprise-1");
    char **paths = NULL;
    size_t count = 0;
    const char *const expected[] = {"b/1.dcm.part-000123", "b/1.part-Ab3xY", "reprise-1"};
    assert_ok(rp_directory_list(folder, &paths, &count, &err), err);
    assert_int_equal(count, 3);
    for (size_t i = 0; i < count; i++)
        assert_string_equal(paths[i] + strlen(folder) + 1, expected[i]);
    rp_string_list_free(paths, count);
    assert_ok(rp_directory_list_all(folder, &paths, &count, &err), err);
    assert_int_equal(count, 6);
    rp_string_list_free(paths, count);
    assert_ok(rp_directory_list(stage, &paths, &count, &err), err); /* named as it is */
    assert_int_equal(count, 1);
    rp_string_list_free(paths, count);
}

/* Those of the same file alone. */
static void test_clean_up_after_a_kill(void **state)
{
    (void)state;
    touch("a.part-Ab3xYz");
    touch("a.part-123456");
    touch("aa.part-Ab3xYz");
    RP_AUTOFREE char *path = rp_path_join(folder, "a");
    rp_outfile_clean(path);
    assert_int_equal(entries(), 2);
    RP_AUTOFREE char *other = rp_path_join(folder, "aa.part-Ab3xYz");
    assert_true(rp_path_exists(other));
}

/* As any other new file's, whatever the mask is when it is made. */
static void test_permissions(void **state)
{
    (void)state;
    static const mode_t masks[] = {0, 022, 077, 027};
    const mode_t before = umask(022);
    for (int i = 0; i < 4; i++) {
        struct stat info;
        RP_AUTOFREE char *path = rp_path_join(folder, "a");
        umask(masks[i]);
        touch("a");
        assert_int_equal(stat(path, &info), 0);
        assert_int_equal(info.st_mode & 0777, 0666 & ~masks[i]);
    }
    umask(before);
}

static void test_listing_many_files_and_no_memory(void **state)
{
    (void)state;
    rp_error err;
    char name[16], **paths = NULL;
    size_t count = 0;
    for (int i = 0; i < 150; i++) {
        snprintf(name, sizeof name, "%03d", i);
        touch(name);
    }
    int failures = 0;
    for (long n = 1;; n++) {
        rp_test_fail_allocation(n);
        rp_status status = rp_directory_list(folder, &paths, &count, &err);
        rp_test_fail_allocation(0);
        if (!status) break;
        failures++;
        assert_int_equal(status, RP_ERR_MEMORY);
    }
    assert_int_equal(failures, 150 + 3); /* each path, and the list growing to 64, 128, 256 */
    assert_int_equal(count, 150);
    rp_string_list_free(paths, count);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_write_and_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nothing_appears_before_commit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_commit_new_never_replaces, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_destroy_without_commit_leaves_nothing, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_temporary_replaced_by_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_full_disk, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_memory_leaves_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_unreadable_and_unwritable, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_directories, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_listing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_listing_passes_over_temporary_names, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_clean_up_after_a_kill, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_permissions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_listing_many_files_and_no_memory, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
