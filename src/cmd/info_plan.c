/* reprise info --plan: what a network's memory consists of, and when each piece of it is needed. */
#include "info.h"
#include "learning.h"

#include <stdlib.h>
#include <string.h>

enum { COLUMNS = 40 };

/* What is needed at once, where most is. */
typedef struct plan_peak {
    size_t bytes;
    int step;
} plan_peak;

/* ---- what there is ------------------------------------------------------------------------- */

static rp_status read_config(const char *path, rp_fcd_config *config, rp_error *err)
{
    rp_fcd_config_defaults(config);
    if (!path) return RP_OK;
    rp_model model = {0};
    rp_status status = rp_model_read(path, &model, err);
    if (!status) *config = *rp_fcd_config_of(model.net);
    rp_model_release(&model);
    return status;
}

/* What is needed first comes first. */
static int by_lifetime(const void *a, const void *b)
{
    const rp_plan_entry *x = a, *y = b;
    if (x->first != y->first) return x->first - y->first;
    if (x->last != y->last) return x->last - y->last;
    return (x->offset > y->offset) - (x->offset < y->offset);
}

static rp_status make_plan(const rp_fcd_config *config, const int size[3], rp_run_mode mode,
                           rp_plan *plan, rp_error *err)
{
    rp_status status = rp_session_plan(config, size, mode, plan, err);
    if (!status) qsort(plan->entries, (size_t)plan->count, sizeof *plan->entries, by_lifetime);
    return status;
}

static size_t needed_at(const rp_plan *plan, int step)
{
    size_t bytes = 0;
    for (int i = 0; i < plan->count; i++)
        if (plan->entries[i].first <= step && step <= plan->entries[i].last)
            bytes += plan->entries[i].bytes;
    return bytes;
}

static plan_peak peak_of(const rp_plan *plan)
{
    plan_peak peak = {0};
    for (int step = 0; step < plan->steps; step++) {
        const size_t bytes = needed_at(plan, step);
        if (bytes > peak.bytes) peak = (plan_peak){bytes, step};
    }
    return peak;
}

static size_t without_sharing(const rp_plan *plan)
{
    return plan->bytes - plan->shared_bytes + plan->unshared_bytes;
}

/* ---- for people ---------------------------------------------------------------------------- */

static double mib(size_t bytes)
{
    return (double)bytes / 1048576;
}

/* Where a step lies in the chart; short plans have a column for each step. */
static int column_of(const rp_plan *plan, int step)
{
    return plan->steps > COLUMNS ? step * COLUMNS / plan->steps : step;
}

static void print_mib(size_t bytes)
{
    printf(" %8.*f", mib(bytes) < 99999 ? 2 : 0, mib(bytes));
}

/* "forward        |loss, backward    " over the chart. */
static void print_head(const rp_plan *plan, rp_run_mode mode)
{
    const int loss = column_of(plan, plan->forward_steps);
    printf("%5s  %-18s %-4s %8s %8s %8s  ", "level", "name", "part", "MiB", "offset", "steps");
    if (mode == RP_RUN_TRAIN)
        printf("%-*.*s|loss, backward\n", loss, loss, "forward");
    else
        printf("forward\n");
}

static void print_entry(const rp_plan *plan, const rp_plan_entry *e)
{
    char steps[16], chart[COLUMNS + 1] = "";
    snprintf(steps, sizeof steps, "%d..%d", e->first, e->last);
    for (int c = 0; c <= column_of(plan, plan->steps - 1); c++)
        chart[c] = column_of(plan, e->first) <= c && c <= column_of(plan, e->last) ? '#' : '.';
    printf("%5d  %-18s %-4s", e->level, e->name, e->part);
    print_mib(e->bytes);
    print_mib(e->offset);
    printf(" %8s  %s\n", steps, chart);
}

/* Tenths of the shared memory that the steps of each column need. */
static void print_use(const rp_plan *plan)
{
    size_t most[COLUMNS] = {0};
    const plan_peak peak = peak_of(plan);
    for (int step = 0; step < plan->steps; step++) {
        const size_t bytes = needed_at(plan, step);
        size_t *column = &most[column_of(plan, step)];
        if (bytes > *column) *column = bytes;
    }
    printf("%5s  %-23s", "", "needed at once, tenths");
    print_mib(peak.bytes);
    printf(" %8s %8d  ", "at most", peak.step);
    for (int c = 0; c <= column_of(plan, plan->steps - 1); c++) {
        const int tenths = (int)(10.0 * (double)most[c] / (double)plan->shared_bytes);
        putchar(tenths > 9 ? '9' : '0' + tenths);
    }
    putchar('\n');
}

static void print_plan(const char *name, const rp_plan *plan, rp_run_mode mode)
{
    printf("\n%-10s %10.2f MiB in all; without sharing %.2f MiB\n", name, mib(plan->bytes),
           mib(without_sharing(plan)));
    printf("%-10s %10.2f MiB of it shared by what is needed at different steps, listed here\n\n",
           "", mib(plan->shared_bytes));
    print_head(plan, mode);
    for (int i = 0; i < plan->count; i++) print_entry(plan, &plan->entries[i]);
    print_use(plan);
}

static void padded_extent(const rp_fcd_config *config, const int size[3], int padded[3])
{
    const int stride = rp_fcd_stride(config);
    for (int a = 0; a < 3; a++) padded[a] = (size[a] + stride - 1) / stride * stride;
}

static void print_title(const char *model, const rp_fcd_config *config, const int size[3],
                        const double *spacing)
{
    int padded[3];
    padded_extent(config, size, padded);
    printf("network    %s\n", model ? model : "default");
    printf("extent     %dx%dx%d voxels", size[2], size[1], size[0]);
    if (memcmp(size, padded, sizeof padded) != 0)
        printf(", computed at %dx%dx%d", padded[2], padded[1], padded[0]);
    if (spacing) printf(" of %.3gx%.3gx%.3g mm", spacing[2], spacing[1], spacing[0]);
    printf("\nthreads    %d\n", rp_threads_get());
}

/* ---- for programs -------------------------------------------------------------------------- */

static rp_json *entry_json(const rp_plan_entry *e)
{
    rp_json *json = rp_json_object();
    rp_json_set_int(json, "level", e->level);
    rp_json_set_string(json, "name", e->name);
    rp_json_set_string(json, "part", e->part);
    rp_json_set_int(json, "bytes", (int64_t)e->bytes);
    rp_json_set_int(json, "offset", (int64_t)e->offset);
    rp_json_set_int(json, "first_step", e->first);
    rp_json_set_int(json, "last_step", e->last);
    return json;
}

static rp_json *plan_json(const rp_plan *plan)
{
    rp_json *json = rp_json_object(), *entries = rp_json_array();
    const plan_peak peak = peak_of(plan);
    for (int i = 0; i < plan->count; i++) rp_json_append(entries, entry_json(&plan->entries[i]));
    rp_json_set_int(json, "bytes", (int64_t)plan->bytes);
    rp_json_set_int(json, "bytes_without_sharing", (int64_t)without_sharing(plan));
    rp_json_set_int(json, "shared_bytes", (int64_t)plan->shared_bytes);
    rp_json_set_int(json, "needed_at_once_bytes", (int64_t)peak.bytes);
    rp_json_set_int(json, "needed_at_once_step", peak.step);
    rp_json_set_int(json, "steps", plan->steps);
    rp_json_set_int(json, "forward_steps", plan->forward_steps);
    rp_json_set(json, "entries", entries);
    return json;
}

static rp_json *whole_json(const char *model, const rp_fcd_config *config, const int size[3],
                           const rp_plan *predict, const rp_plan *train)
{
    int padded[3];
    rp_json *json = rp_json_object();
    padded_extent(config, size, padded);
    rp_json_set_string(json, "model", model);
    rp_json_set(json, "architecture", info_architecture_json(config));
    rp_json_set(json, "extent_zyx", cmd_zyx_json(size));
    rp_json_set(json, "padded_zyx", cmd_zyx_json(padded));
    rp_json_set_int(json, "threads", rp_threads_get());
    rp_json_set(json, "prediction", plan_json(predict));
    rp_json_set(json, "training", plan_json(train));
    return json;
}

rp_status info_plan(const char *model, const int size[3], const double *spacing, bool json,
                    rp_error *err)
{
    rp_fcd_config config;
    rp_plan predict, train;
    rp_status status = read_config(model, &config, err);
    if (!status) status = make_plan(&config, size, RP_RUN_PREDICT, &predict, err);
    if (!status) status = make_plan(&config, size, RP_RUN_TRAIN, &train, err);
    if (status) return status;
    if (json) {
        rp_json *whole = whole_json(model, &config, size, &predict, &train);
        if (spacing) rp_json_set_numbers(whole, "spacing_mm", spacing, 3);
        return cmd_print_json(whole, err);
    }
    print_title(model, &config, size, spacing);
    print_plan("prediction", &predict, RP_RUN_PREDICT);
    print_plan("training", &train, RP_RUN_TRAIN);
    return RP_OK;
}

rp_status info_plan_box(const char *path, const char *spec, bool json, rp_error *err)
{
    const cmd_ct_options how = {0};
    const cmd_contour_options drawn = {0};
    cmd_ct ct = {0};
    cmd_contour contour = {0};
    cmd_settings settings;
    rp_preprocessing p;
    int region[3];
    cmd_settings_defaults(&settings);
    RP_AUTOFREE char *start = cmd_start_model();
    rp_status status = cmd_ct_load(path, &how, NULL, &ct, err);
    if (!status) status = cmd_contour_load(spec, &ct, &drawn, &contour, err);
    if (!status)
        status =
            cmd_region_bounds(&settings, &ct.series.image.grid, &contour.mask, &p, region, err);
    if (!status) status = info_plan(start, region, p.spacing, json, err);
    cmd_contour_release(&contour);
    cmd_ct_release(&ct);
    return status;
}
