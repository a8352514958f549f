/* reprise bench: this machine's limits, and how close each kernel of the network comes. */
#include "cmd.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_JSON = 1, KEY_EXTENT, KEY_ROUNDS, KEY_MODEL };
enum { MAX_ROWS = (RP_FCD_MAX_LEVELS + 1) * RP_LAYERS * RP_PROFILE_OPERATIONS, BAR = 10 };
static const double smallest_shown = 0.005;

typedef struct bench_options {
    cmd_common common;
    rp_benchmark_options run;
    const char *model;
    bool json;
} bench_options;

/* One kernel of one level. */
typedef struct bench_row {
    int level;
    rp_layer layer;
    rp_profile_operation operation;
    const rp_profile_entry *entry;
    double share, share_of_limit; /* NAN where nothing is counted */
    bool by_memory;
} bench_row;

typedef struct bench_table {
    int count;
    bench_row rows[MAX_ROWS];
} bench_table;

static const struct argp_option options[] = {
    {"json", KEY_JSON, NULL, 0, "Print JSON", 0},
    {"extent", KEY_EXTENT, "ZxYxX", 0, "Voxels of the network's input (48x96x96)", 0},
    {"rounds", KEY_ROUNDS, "N", 0, "Measurements of everything, of which the median counts (5)", 0},
    {"model", KEY_MODEL, "FILE", 0,
     "Time a training step of this model as well: trained weights can take longer than fresh ones",
     0},
    {0}};

static error_t parse(int key, char *argument, struct argp_state *state)
{
    bench_options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &o->common;
        return 0;
    case KEY_JSON:
        o->json = true;
        return 0;
    case KEY_EXTENT:
        if (!cmd_parse_extent(argument, CMD_LARGEST_EXTENT, o->run.size))
            argp_error(state, "--extent takes voxels as ZxYxX, such as 48x96x96, not '%s'",
                       argument);
        return 0;
    case KEY_ROUNDS:
        if (!cmd_parse_int(argument, 1, 1000, &o->run.rounds))
            argp_error(state, "--rounds takes a whole number from 1 to 1000, not '%s'", argument);
        return 0;
    case KEY_MODEL:
        o->model = argument;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "unexpected argument '%s'", argument);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* ---- what was measured --------------------------------------------------------------------- */

static int by_share(const void *a, const void *b)
{
    const bench_row *x = a, *y = b;
    return (x->share < y->share) - (x->share > y->share);
}

/* The kernels that ran, the longest first. */
static void make_table(const rp_benchmark *b, bench_table *table)
{
    for (int level = 0; level <= RP_FCD_MAX_LEVELS; level++)
        for (int layer = 0; layer < RP_LAYERS; layer++)
            for (int operation = 0; operation < RP_PROFILE_OPERATIONS; operation++) {
                const rp_profile_entry *e = &b->kernels.entries[level][layer][operation];
                if (!e->calls) continue;
                bench_row row = {.level = level,
                                 .layer = (rp_layer)layer,
                                 .operation = (rp_profile_operation)operation,
                                 .entry = e,
                                 .share = e->seconds / b->step.seconds.median};
                const double least = rp_benchmark_limit_seconds(b, e, &row.by_memory);
                row.share_of_limit = e->seconds > 0 && least > 0 ? least / e->seconds : NAN;
                table->rows[table->count++] = row;
            }
    qsort(table->rows, (size_t)table->count, sizeof *table->rows, by_share);
}

/* "conv 3x3x3 weight gradient" */
static void kernel_name(const bench_row *row, char name[48])
{
    static const char *const kinds[RP_LAYERS] = {
        [RP_LAYER_STEM] = "conv 3x3x3 ", [RP_LAYER_DENSE] = "conv 3x3x3 ",
        [RP_LAYER_DOWN] = "conv 1x1x1 ", [RP_LAYER_UP] = "transposed ",
        [RP_LAYER_HEAD] = "conv 1x1x1 ", [RP_LAYER_NONE] = ""};
    const bool conv = row->entry->flops > 0;
    snprintf(name, 48, "%s%s", conv ? kinds[row->layer] : "",
             rp_profile_operation_name(row->operation));
}

/* The processor as the system names it; "unknown" where it does not. */
static void processor_name(char name[128])
{
    char line[256];
    FILE *file = fopen("/proc/cpuinfo", "r");
    snprintf(name, 128, "unknown");
    while (file && fgets(line, sizeof line, file)) {
        const char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || !colon) continue;
        snprintf(name, 128, "%.*s", (int)strcspn(colon + 2, "\n"), colon + 2);
        break;
    }
    if (file) fclose(file);
}

/* Of the profile: where the arithmetic of a level goes, and what is left for the other kernels. */
static void add_shares(const bench_table *table, int level, bool whole, double shares[5])
{
    memset(shares, 0, 5 * sizeof *shares);
    for (int i = 0; i < table->count; i++) {
        const bench_row *row = &table->rows[i];
        if (row->level != level || (row->layer == RP_LAYER_NONE) != whole) continue;
        const int column = row->entry->flops > 0 ? (int)row->operation : 3;
        shares[column] += row->share;
        shares[4] += row->share;
    }
}

/* ---- for people ---------------------------------------------------------------------------- */

static void print_limits(const rp_benchmark *b)
{
    const double mib = (double)b->triad_bytes / 1048576;
    printf("%-20s %9s %9s\n", "limits", "median", "best");
    printf("%-20s %9.1f %9.1f GFLOP/s  float32 multiply-adds in registers\n", "arithmetic",
           1e-9 * b->multiply_add.median, 1e-9 * b->multiply_add.best);
    printf("%-20s %9.1f %9.1f GB/s     triad a = b + s c over %.0f MiB\n\n", "memory",
           1e-9 * b->triad.median, 1e-9 * b->triad.best, mib);
}

static void print_run(const char *name, const rp_benchmark *b, const rp_benchmark_run *run)
{
    const double speed = run->flops / run->seconds.median;
    printf("%-20s %7.3f s %7.3f s %8.2f %9.1f %8.1f%% %7.0f MiB %8.0f MiB\n", name,
           run->seconds.median, run->seconds.best, 1e-9 * run->flops, 1e-9 * speed,
           100 * speed / b->multiply_add.median, (double)run->planned_bytes / 1048576,
           (double)run->peak_bytes / 1048576);
}

static void print_shares(const bench_table *table)
{
    double shares[5];
    int deepest = 0;
    for (int i = 0; i < table->count; i++)
        if (table->rows[i].level > deepest) deepest = table->rows[i].level;
    printf("%-20s %10s %14s %15s %10s %10s\n", "share of a step", "forward", "data gradient",
           "weight gradient", "others", "sum");
    for (int level = 0; level <= deepest + 1; level++) {
        const bool whole = level > deepest;
        char name[32];
        snprintf(name, sizeof name, level == deepest ? "bottleneck, level %d" : "level %d", level);
        add_shares(table, whole ? 0 : level, whole, shares);
        printf("%-20s", whole ? "no level" : name);
        static const int widths[] = {10, 14, 15, 10, 10};
        for (int i = 0; i < 5; i++) printf(" %*.1f%%", widths[i] - 1, 100 * shares[i]);
        putchar('\n');
    }
    putchar('\n');
}

static void print_bar(double share, double largest)
{
    char bar[BAR + 1] = "";
    int length = largest > 0 ? (int)(share / largest * BAR + 0.5) : 0;
    memset(bar, '#', (size_t)(length > BAR ? BAR : length));
    printf(" %-*s", BAR, bar);
}

static void print_row(const bench_row *row, double largest)
{
    char name[48];
    const rp_profile_entry *e = row->entry;
    kernel_name(row, name);
    printf("%5d  %-5s  %-26s %5llu %8.1f %5.1f%%", row->level,
           row->layer == RP_LAYER_NONE ? "" : rp_layer_name(row->layer), name,
           (unsigned long long)e->calls, 1e3 * e->seconds, 100 * row->share);
    print_bar(row->share, largest);
    if (isfinite(row->share_of_limit))
        printf(" %7.1f %-7s %4.0f%%", 1e-9 * (row->by_memory ? e->bytes : e->flops) / e->seconds,
               row->by_memory ? "GB/s" : "GFLOP/s", 100 * row->share_of_limit);
    putchar('\n');
}

static void print_sum(const char *name, double seconds, double share)
{
    printf("%5s  %-5s  %-26s %5s %8.1f %5.1f%%\n", "", "", name, "", 1e3 * seconds, 100 * share);
}

static void print_table(const rp_benchmark *b, const bench_table *table)
{
    const double step = b->step.seconds.median;
    double small = 0, total = b->other_seconds;
    int smaller = 0;
    char name[48];
    printf("%-5s  %-5s  %-26s %5s %8s %6s %-*s %15s %5s\n", "level", "layer",
           "where a step's time goes", "calls", "ms", "share", BAR, "", "speed", "limit");
    for (int i = 0; i < table->count; i++) {
        const bench_row *row = &table->rows[i];
        total += row->entry->seconds;
        if (row->share >= smallest_shown) {
            print_row(row, table->rows[0].share);
        } else {
            small += row->entry->seconds;
            smaller++;
        }
    }
    snprintf(name, sizeof name, "%d smaller ones", smaller);
    if (smaller) print_sum(name, small, small / step);
    print_sum("between kernels", b->other_seconds, b->other_seconds / step);
    print_sum("sum", total, total / step);
}

static void print_text(const bench_options *o, const rp_benchmark *b)
{
    char cpu[128], extent[48], padded[64] = "";
    const int *n = o->run.size, *p = b->padded;
    bench_table table = {0};
    make_table(b, &table);
    processor_name(cpu);
    snprintf(extent, sizeof extent, "FCD %dx%dx%d", n[2], n[1], n[0]);
    if (memcmp(n, p, sizeof b->padded) != 0)
        snprintf(padded, sizeof padded, ", computed at %dx%dx%d", p[2], p[1], p[0]);
    printf("%.44s, kernels %s, %d thread%s, %d round%s%s\n\n", cpu, rp_kernels_get()->name,
           rp_threads_get(), rp_threads_get() == 1 ? "" : "s", o->run.rounds,
           o->run.rounds == 1 ? "" : "s", padded);
    print_limits(b);
    printf("%-20s %9s %9s %8s %9s %9s %11s %12s\n", extent, "median", "best", "GFLOP", "GFLOP/s",
           "of limit", "planned", "process");
    print_run("forward", b, &b->forward);
    print_run("training step", b, &b->step);
    if (o->model) print_run("trained weights", b, &b->trained_step);
    putchar('\n');
    print_shares(&table);
    print_table(b, &table);
}

/* ---- for programs -------------------------------------------------------------------------- */

static rp_json *figure_json(const rp_benchmark_figure *figure, double unit)
{
    rp_json *json = rp_json_object();
    rp_json_set_number(json, "median", unit * figure->median);
    rp_json_set_number(json, "best", unit * figure->best);
    return json;
}

static rp_json *machine_json(const rp_benchmark *b)
{
    char cpu[128];
    rp_json *json = rp_json_object();
    processor_name(cpu);
    rp_json_set_string(json, "cpu", cpu);
    rp_json_set(json, "multiply_add_gflops", figure_json(&b->multiply_add, 1e-9));
    rp_json_set(json, "triad_gb_per_s", figure_json(&b->triad, 1e-9));
    rp_json_set_int(json, "triad_bytes", (int64_t)b->triad_bytes);
    return json;
}

static rp_json *run_json(const rp_benchmark *b, const rp_benchmark_run *run)
{
    const double speed = run->flops / run->seconds.median;
    rp_json *json = rp_json_object();
    rp_json_set(json, "seconds", figure_json(&run->seconds, 1));
    rp_json_set_number(json, "flops", run->flops);
    rp_json_set_number(json, "gflops", 1e-9 * speed);
    rp_json_set_number(json, "share_of_peak", speed / b->multiply_add.median);
    rp_json_set_int(json, "planned_bytes", (int64_t)run->planned_bytes);
    rp_json_set_int(json, "peak_bytes", (int64_t)run->peak_bytes);
    return json;
}

static rp_json *row_json(const bench_row *row)
{
    char name[48];
    const rp_profile_entry *e = row->entry;
    const bool timed = e->seconds > 0;
    rp_json *json = rp_json_object();
    kernel_name(row, name);
    rp_json_set_int(json, "level", row->level);
    rp_json_set_string(json, "layer", rp_layer_name(row->layer));
    rp_json_set_string(json, "operation", rp_profile_operation_name(row->operation));
    rp_json_set_string(json, "kernel", name);
    rp_json_set_int(json, "calls", (int64_t)e->calls);
    rp_json_set_number(json, "seconds", e->seconds);
    rp_json_set_number(json, "share", row->share);
    rp_json_set_number(json, "flops", e->flops);
    rp_json_set_number(json, "bytes", e->bytes);
    rp_json_set_number(json, "gflops", timed ? 1e-9 * e->flops / e->seconds : 0);
    rp_json_set_number(json, "gb_per_s", timed ? 1e-9 * e->bytes / e->seconds : 0);
    rp_json_set_string(json, "limited_by",
                       isfinite(row->share_of_limit) ? row->by_memory ? "memory" : "arithmetic"
                                                     : NULL);
    rp_json_set_number(json, "share_of_limit", row->share_of_limit);
    return json;
}

static rp_json *bench_json(const bench_options *o, const rp_benchmark *b, int argc, char **argv)
{
    bench_table table = {0};
    make_table(b, &table);
    rp_json *json = rp_json_object(), *rows = rp_json_array();
    for (int i = 0; i < table.count; i++) rp_json_append(rows, row_json(&table.rows[i]));
    rp_json_set(json, "provenance", cmd_provenance_json(argc, argv));
    rp_json_set(json, "machine", machine_json(b));
    rp_json_set(json, "extent_zyx", cmd_zyx_json(o->run.size));
    rp_json_set(json, "padded_zyx", cmd_zyx_json(b->padded));
    rp_json_set_int(json, "rounds", o->run.rounds);
    rp_json_set(json, "forward", run_json(b, &b->forward));
    rp_json_set(json, "training_step", run_json(b, &b->step));
    if (o->model) rp_json_set(json, "trained_step", run_json(b, &b->trained_step));
    rp_json_set(json, "kernels", rows);
    rp_json_set_number(json, "other_seconds", b->other_seconds);
    rp_json_set_number(json, "other_share", b->other_seconds / b->step.seconds.median);
    return json;
}

int cmd_bench(int argc, char **argv)
{
    static const struct argp_child children[] = {{&cmd_common_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .children = children,
        .doc = "Measures this machine's arithmetic and memory, and how close each kernel of the "
               "network comes.\v"
               "GFLOP/s are those of the direct algorithm, whatever algorithm ran, so a kernel may "
               "pass the limit. What else runs on the machine shows in every figure."};
    bench_options o = {.run = {.size = {96, 96, 48}, .rounds = 5}};
    rp_error err = {0};
    argp_parse(&argp, argc, argv, 0, NULL, &o);
    rp_benchmark *b = rp_alloc(1, sizeof *b);
    rp_model model = {0};
    rp_status status = b ? RP_OK : rp_fail(&err, RP_ERR_MEMORY, "no memory for the benchmark");
    if (!status) status = cmd_common_apply(&o.common, &err);
    if (!status && o.model) status = rp_model_read(o.model, &model, &err);
    o.run.trained = model.net;
    o.run.memory_bytes = cmd_memory_budget(&o.common);
    if (!status) status = rp_benchmark_measure(&o.run, cmd_progress(&o.common), b, &err);
    cmd_progress_end();
    if (!status && o.json)
        status = cmd_print_json(bench_json(&o, b, argc, argv), &err);
    else if (!status)
        print_text(&o, b);
    rp_model_release(&model);
    rp_free(b);
    return status ? cmd_fail(&err) : CMD_DONE;
}
