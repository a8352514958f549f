/* Every table this processor can run against the reference, on shapes chosen to hurt. */
#include "test.h"

#include <math.h>

#include "reprise/kernels.h"

/* From SMALL on they are large enough for Winograd's algorithm, and no multiples of its tiles. */
enum { SMALL = 11 };
static const int shapes[][3] = {{1, 1, 1},   {2, 2, 2},   {16, 4, 4},  {15, 3, 2}, {17, 5, 3},
                                {33, 7, 2},  {4, 16, 5},  {50, 31, 1}, {1, 13, 7}, {64, 6, 6},
                                {2, 3, 11},  {131, 4, 4}, {23, 13, 7}, {64, 7, 5}, {3, 29, 24},
                                {1, 47, 46}, {96, 8, 4},  {17, 16, 8}, {200, 3, 4}};
static const int channels[][2] = {{1, 12}, {12, 12}, {3, 2}, {17, 13}, {36, 24}, {35, 12}};

/* Sanitizers slow the reference down by twenty, an emulated processor by more: they see each shape
 * with some of the channels, or some shapes. */
#if defined(__SANITIZE_THREAD__)
enum { EVERY = 12, MANY_IN = 20, MANY_OUT = 13 };
#elif defined(RP_TEST_SHORT)
enum { EVERY = 6, MANY_IN = 20, MANY_OUT = 13 };
#elif defined(__SANITIZE_ADDRESS__)
enum { EVERY = 6, MANY_IN = 40, MANY_OUT = 24 };
#else
enum { EVERY = 1, MANY_IN = 40, MANY_OUT = 24 };
#endif

static float *noise(size_t count, uint64_t seed)
{
    rp_random r;
    rp_random_init(&r, seed, 1, count);
    float *x = rp_alloc(count, sizeof *x);
    for (size_t i = 0; i < count; i++) x[i] = (float)rp_random_normal(&r);
    return x;
}

static double largest_difference(const float *a, const float *b, size_t count)
{
    double worst = 0, largest = 1e-30;
    for (size_t i = 0; i < count; i++) {
        double d = fabs((double)a[i] - (double)b[i]);
        if (!(d <= worst)) worst = d;
        if (fabs((double)b[i]) > largest) largest = fabs((double)b[i]);
    }
    return worst / largest;
}

typedef struct case_data {
    rp_conv_shape shape;
    size_t in, out, weights;
    float *input, *weight, *bias, *keep, *grad_output, *grad_before;
    float *scale, *shift, *mean, *rstd;
    rp_conv_norm norm;
    void *workspace;
} case_data;

static case_data make_case(rp_conv_kind kind, const int size[3], int in, int out, bool with_norm)
{
    case_data c = {.shape = {kind, in, out, {size[0], size[1], size[2]}}};
    size_t voxels = (size_t)size[0] * (size_t)size[1] * (size_t)size[2];
    c.in = voxels * (size_t)in;
    c.out = voxels * (size_t)out * (kind == RP_CONV_UP ? 8 : 1);
    c.weights = (size_t)in * (size_t)out * (kind == RP_CONV_POINT ? 1 : 27);
    c.input = noise(c.in, 1);
    c.weight = noise(c.weights, 2);
    c.bias = noise((size_t)out, 3);
    c.keep = noise((size_t)out, 4);
    c.grad_output = noise(c.out, 5);
    c.grad_before = noise(c.in, 6);
    c.scale = noise((size_t)in, 7);
    c.shift = noise((size_t)in, 8);
    c.mean = noise((size_t)in, 9);
    c.rstd = noise((size_t)in, 10);
    if (with_norm) c.norm = (rp_conv_norm){c.scale, c.shift, c.mean, c.rstd};
    c.workspace = rp_alloc(rp_conv_workspace_bytes(&c.shape, rp_threads_get()), 1);
    assert_non_null(c.workspace);
    return c;
}

static void free_case(case_data *c)
{
    float *all[] = {c->input,       c->weight, c->bias,  c->keep, c->grad_output,
                    c->grad_before, c->scale,  c->shift, c->mean, c->rstd};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) rp_free(all[i]);
    rp_free(c->workspace);
}

typedef struct results {
    float *output, *grad_input, *grad_weight;
    double *sums;
} results;

/* Outputs start as NaN, so that a voxel left out shows. */
static results compute(const rp_kernels *k, const case_data *c, bool accumulate)
{
    size_t in = (size_t)c->shape.in_channels;
    results r = {rp_alloc(c->out, 4), rp_alloc(c->in, 4), rp_alloc(c->weights, 4),
                 rp_alloc(2 * in, sizeof(double))};
    for (size_t i = 0; i < c->out; i++) r.output[i] = NAN;
    for (size_t i = 0; i < c->weights; i++) r.grad_weight[i] = NAN;
    for (size_t i = 0; i < c->in; i++) r.grad_input[i] = accumulate ? c->grad_before[i] : NAN;
    k->conv_forward(&(rp_conv_forward){c->shape, c->input, c->norm, c->weight, c->bias,
                                       accumulate ? c->keep : NULL, r.output, c->workspace});
    k->conv_data_gradient(&(rp_conv_data_gradient){c->shape, c->grad_output, c->weight, c->input,
                                                   c->norm, accumulate, r.grad_input, r.sums,
                                                   r.sums + in, c->workspace});
    k->conv_weight_gradient(&(rp_conv_weight_gradient){c->shape, c->input, c->norm, c->grad_output,
                                                       r.grad_weight, c->workspace});
    return r;
}

static void free_results(results *r)
{
    rp_free(r->output);
    rp_free(r->grad_input);
    rp_free(r->grad_weight);
    rp_free(r->sums);
}

static void compare(const rp_kernels *k, const case_data *c, bool accumulate, const results *want)
{
    size_t in = (size_t)c->shape.in_channels;
    results have = compute(k, c, accumulate);
    double forward = largest_difference(have.output, want->output, c->out);
    double data = largest_difference(have.grad_input, want->grad_input, c->in);
    double weight = largest_difference(have.grad_weight, want->grad_weight, c->weights);
    double sums = 0, largest = 1e-30;
    for (size_t i = 0; c->norm.scale && i < 2 * in; i++) {
        sums = fmax(sums, fabs(have.sums[i] - want->sums[i]));
        largest = fmax(largest, fabs(want->sums[i]));
    }
    if (!(forward < 1e-5 && data < 1e-5 && weight < 1e-5 && sums / largest < 1e-5))
        fail_msg("%s, kind %d, %d to %d channels, %dx%dx%d: differs by %g forward, %g data, %g "
                 "weight, %g sums",
                 k->name, (int)c->shape.kind, c->shape.in_channels, c->shape.out_channels,
                 c->shape.size[2], c->shape.size[1], c->shape.size[0], forward, data, weight,
                 sums / largest);
    free_results(&have);
}

/* Every table but the first, the reference, on one case; returns how many. */
static int compare_all(rp_conv_kind kind, const int size[3], const int in_out[2], bool norm,
                       bool accumulate)
{
    const rp_kernels *tables[8];
    int count = rp_kernels_available(tables, 8);
    case_data c = make_case(kind, size, in_out[0], in_out[1], norm);
    results want = compute(tables[0], &c, accumulate);
    for (int t = 1; t < count; t++) compare(tables[t], &c, accumulate, &want);
    free_results(&want);
    free_case(&c);
    return count - 1;
}

static void variants_equal_reference(void **state)
{
    (void)state;
    int compared = 0;
    for (int kind = RP_CONV_POINT; kind <= RP_CONV_UP; kind++)
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
            for (size_t c = 0; c < sizeof channels / sizeof *channels; c++) {
                if ((s + c + (size_t)kind) % EVERY) continue;
                if (s < SMALL || (kind == RP_CONV_SAME && (s + c) % 2))
                    compared += compare_all((rp_conv_kind)kind, shapes[s], channels[c],
                                            (s + c / 2) % 2, (s + 2 * c) % 3 == 0);
            }
    print_message("%d comparisons\n", compared);
    if (!compared) skip(); /* nothing but the reference runs here */
}

static void same_bits_for_any_thread_count(void **state)
{
    (void)state;
    const int size[3] = {37, 29, 11};
    const rp_kernels *tables[8];
    int count = rp_kernels_available(tables, 8);
    for (int t = 0; t < count; t++)
        for (int kind = RP_CONV_POINT; kind <= RP_CONV_UP; kind++) {
            results r[2];
            case_data c;
            for (int i = 0; i < 2; i++) {
                rp_threads_set(i ? 3 : 1);
                c = make_case((rp_conv_kind)kind, size, t ? MANY_IN : 5, t ? MANY_OUT : 3, true);
                r[i] = compute(tables[t], &c, true);
                if (!i) free_case(&c);
            }
            assert_memory_equal(r[0].output, r[1].output, c.out * 4);
            assert_memory_equal(r[0].grad_input, r[1].grad_input, c.in * 4);
            assert_memory_equal(r[0].grad_weight, r[1].grad_weight, c.weights * 4);
            assert_memory_equal(r[0].sums, r[1].sums, 2 * (size_t)c.shape.in_channels * 8);
            free_case(&c);
            free_results(&r[0]);
            free_results(&r[1]);
        }
    rp_threads_set(2);
}

static void pooling_and_its_gradient(void **state)
{
    (void)state;
    const int size[3] = {6, 4, 2};
    float *x = noise(3 * 48, 11), *g = noise(3 * 6, 12), keep[3] = {1, 0.5f, 0};
    const rp_kernels *tables[8];
    int count = rp_kernels_available(tables, 8);
    for (int t = 0; t < count; t++) {
        float pooled[18], back[144];
        uint8_t choice[18];
        tables[t]->max_pool(x, 3, size, pooled, choice);
        tables[t]->max_unpool(g, choice, keep, 3, size, back);
        for (int c = 0; c < 3; c++)
            for (int v = 0; v < 48; v++) {
                int i = v % 6, j = v / 6 % 4, cell = c * 6 + j / 2 * 3 + i / 2;
                float value = x[c * 48 + v];
                assert_true(value <= pooled[cell]);
                assert_true(back[c * 48 + v] == (value == pooled[cell] ? keep[c] * g[cell] : 0));
            }
    }
    rp_free(x);
    rp_free(g);
}

static void statistics_and_finished_gradient(void **state)
{
    (void)state;
    enum { N = 1003 };
    float *x = noise(2 * N, 13), *g = noise(2 * N, 14), *work = rp_alloc(2 * N, 4);
    float offset[2] = {0.5f, -1}, slope[2] = {2, 0.25f}, keep[2] = {1.25f, 1}, means[2];
    const rp_kernels *tables[8];
    int count = rp_kernels_available(tables, 8);
    for (int t = 0; t < count; t++) {
        double mean[2], variance[2], sum[2];
        tables[t]->channel_statistics(x, 2, N, mean, variance);
        for (int c = 0; c < 2; c++) {
            double m = 0, v = 0;
            for (int i = 0; i < N; i++) m += (double)x[c * N + i];
            m /= N;
            for (int i = 0; i < N; i++) v += (x[c * N + i] - m) * (x[c * N + i] - m);
            assert_close(mean[c], m, 1e-12);
            assert_close(variance[c], v / N, 1e-10);
            means[c] = (float)m;
        }
        memcpy(work, g, 2 * N * 4);
        tables[t]->finish_gradient(
            &(rp_finish_gradient){2, N, x, means, offset, slope, keep, work, sum});
        for (int c = 0; c < 2; c++) {
            double total = 0;
            for (int i = c * N; i < (c + 1) * N; i++) {
                double want = keep[c] * (g[i] + offset[c] + slope[c] * (double)(x[i] - means[c]));
                assert_close((double)work[i], want, 1e-5);
                total += want;
            }
            assert_close(sum[c], total, 1e-3);
        }
    }
    rp_free(x);
    rp_free(g);
    rp_free(work);
}

static void selection_names_what_there_is(void **state)
{
    (void)state;
    rp_error err = {0};
    assert_ok(rp_kernels_select("ref", &err), err);
    assert_string_equal(rp_kernels_get()->name, "ref");
    assert_int_equal(rp_kernels_select("sse9", &err), RP_ERR_UNSUPPORTED);
    assert_non_null(strstr(err.message, "ref"));
    assert_ok(rp_kernels_select(NULL, &err), err);
}

int main(void)
{
    rp_threads_set(2);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(variants_equal_reference),
        cmocka_unit_test(same_bits_for_any_thread_count),
        cmocka_unit_test(pooling_and_its_gradient),
        cmocka_unit_test(statistics_and_finished_gradient),
        cmocka_unit_test(selection_names_what_there_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
