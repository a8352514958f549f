/* Sender and receiver in one process: what a failure to write tells the sender, and memory of both.
 */
#include "phantom.h"
#include "test.h"

#include "reprise/dicom_network.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

typedef struct station {
    rp_receive_options how;
    rp_receive_summary summary;
    rp_progress progress;
    rp_error err;
    rp_status status;
    pthread_t thread;
    atomic_int port;
    atomic_bool stop;
} station;

static bool stopped(void *context)
{
    return atomic_load(&((station *)context)->stop);
}

static void on_listening(void *context, int port)
{
    atomic_store(&((station *)context)->port, port);
}

static void *run(void *context)
{
    station *s = context;
    const rp_receive_sinks sinks = {on_listening, NULL, s};
    s->status = rp_dicom_receive(&s->how, &sinks, &s->progress, &s->summary, &s->err);
    if (!atomic_load(&s->port)) atomic_store(&s->port, -1);
    return NULL;
}

static void station_start(station *s, const char *folder)
{
    memset(s, 0, sizeof *s);
    s->how = (rp_receive_options){.aet = "UNIT", .folder = folder, .timeout_seconds = 20};
    s->progress = (rp_progress){.cancelled = stopped, .context = s};
    assert_int_equal(pthread_create(&s->thread, NULL, run, s), 0);
    while (!atomic_load(&s->port)) usleep(1000);
    assert_true(atomic_load(&s->port) > 0);
}

static void station_end(station *s)
{
    atomic_store(&s->stop, true);
    pthread_join(s->thread, NULL);
    assert_ok(s->status, s->err);
}

typedef struct outcome {
    size_t failed;
    char why[256];
} outcome;

static void on_result(void *context, const rp_send_result *result)
{
    outcome *o = context;
    if (result->state != RP_SEND_FAILED) return;
    o->failed++;
    snprintf(o->why, sizeof o->why, "%s", result->why);
}

static rp_status send_to(station *s, const char *path, const char *called, outcome *o)
{
    const rp_send_options how = {.host = "127.0.0.1",
                                 .port = atomic_load(&s->port),
                                 .called_aet = called,
                                 .calling_aet = "SENDER",
                                 .timeout_seconds = 20};
    rp_send_summary summary;
    rp_error err = {0};
    *o = (outcome){0};
    return rp_dicom_send(&path, 1, &how, on_result, o, NULL, &summary, &err);
}

static size_t files_in(const char *folder)
{
    char **paths = NULL;
    size_t count = 0;
    rp_error err = {0};
    assert_ok(rp_directory_list(folder, &paths, &count, &err), err);
    rp_string_list_free(paths, count);
    return count;
}

static void test_failure_to_write_is_told(void **state)
{
    (void)state;
    char *series = small_series("network"), *folder = make_folder();
    RP_AUTOFREE char *first = slice_file(series, 1);
    station s;
    outcome o;
    station_start(&s, folder);
    rp_test_fail_write(1);
    assert_int_equal(send_to(&s, first, "UNIT", &o), RP_ERR_IO);
    rp_test_fail_write(0);
    assert_int_equal(o.failed, 1);
    assert_non_null(strstr(o.why, "A700H")); /* the hook tells of a full disk */
    assert_int_equal(files_in(folder), 0);
    assert_int_equal(send_to(&s, series, "UNIT", &o), RP_OK);
    assert_int_equal(files_in(folder), NZ);
    station_end(&s);
    assert_int_equal(s.summary.stored, NZ);
    assert_int_equal(s.summary.failed, 1);
    remove_folder(series);
    remove_folder(folder);
}

static void test_titles(void **state)
{
    (void)state;
    assert_true(rp_aet_valid("A"));
    assert_true(rp_aet_valid("SIXTEEN LETTERS!"));
    assert_false(rp_aet_valid(""));
    assert_false(rp_aet_valid("SEVENTEEN LETTERS"));
    assert_false(rp_aet_valid(" A"));
    assert_false(rp_aet_valid("A\\B"));
    assert_false(rp_aet_valid("\xc3\xa4"));
}

/* The answers come in order on one association; another title opens none. */
static void test_refused_association_sends_nothing(void **state)
{
    (void)state;
    char *series = small_series("network"), *folder = make_folder();
    station s;
    outcome o;
    station_start(&s, folder);
    assert_int_equal(send_to(&s, series, "OTHER", &o), RP_ERR_IO);
    assert_int_equal(o.failed, 0);
    station_end(&s);
    assert_int_equal(s.summary.associations, 0);
    assert_int_equal(files_in(folder), 0);
    remove_folder(series);
    remove_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_titles),
        cmocka_unit_test(test_failure_to_write_is_told),
        cmocka_unit_test(test_refused_association_sends_nothing),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
