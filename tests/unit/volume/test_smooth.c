#include "volume_cases.h"

enum { NX = 5, NY = 4, NZ = 3, N = NX * NY * NZ };

static void fill_pattern(float *data)
{
    for (uint32_t i = 0; i < N; i++) data[i] = (float)((i * 2654435761u >> 16) % 1000 % 17);
}

/* scipy.ndimage.gaussian_filter 1.10, mode "nearest", truncate 4, sigma 0.6, 1.3, 0.9 along x, y,
 * z; the kernels are wider than the volume, so that the borders count. */
static void test_against_scipy(void **state)
{
    (void)state;
    static const double expected[N] = {
        4.408880, 7.359093, 7.988479, 7.591006, 5.669814, 5.980102, 7.931501, 7.321571,  8.213985,
        6.758636, 7.981367, 9.036967, 7.415467, 8.545164, 7.680627, 9.889612, 9.849422,  8.350082,
        9.059575, 7.843667, 5.728624, 6.703821, 7.756081, 8.628178, 5.421837, 6.945785,  7.599207,
        7.126745, 8.862197, 7.033208, 7.971693, 8.321192, 6.893695, 8.692438, 7.596780,  8.326397,
        8.221779, 6.834458, 8.500536, 6.986851, 6.222515, 6.951750, 9.077496, 10.299038, 5.166552,
        7.527198, 7.832586, 7.829107, 9.558726, 6.655323, 7.483439, 7.495554, 6.924739,  9.067753,
        6.689999, 6.222857, 5.941018, 6.131083, 9.171239, 5.603051};
    rp_error err;
    float data[N];
    fill_pattern(data);
    assert_ok(rp_smooth(data, (const int[3]){NX, NY, NZ}, (const double[3]){0.6, 1.3, 0.9}, &err),
              err);
    for (int i = 0; i < N; i++) assert_close(data[i], expected[i], 1e-5);
}

static void test_one_axis_alone(void **state)
{
    (void)state;
    static const double expected[4][NX] = {{5.605966, 9.989795, 10.476429, 8.339406, 6.406583},
                                           {6.380005, 9.996528, 10.509542, 8.778387, 6.468610},
                                           {7.166354, 10.003472, 10.562486, 9.221613, 6.531390},
                                           {7.949511, 10.010205, 10.634349, 9.660594, 6.593417}};
    rp_error err;
    float data[N], before[N];
    fill_pattern(data);
    memcpy(before, data, sizeof data);
    assert_ok(rp_smooth(data, (const int[3]){NX, NY, NZ}, (const double[3]){0, 7, 0}, &err), err);
    for (int i = 0; i < NX * NY; i++) assert_close(data[i], expected[i / NX][i % NX], 1e-5);

    memcpy(data, before, sizeof data);
    assert_ok(rp_smooth(data, (const int[3]){NX, NY, NZ}, (const double[3]){0, 0, 0}, &err), err);
    assert_memory_equal(data, before, sizeof data);
}

static void test_impulse(void **state)
{
    (void)state;
    enum { S = 33, C = 16 };
    rp_error err;
    float *data = rp_alloc(S * S * S, sizeof *data);
    const double sigma[3] = {1.5, 2.5, 2};
    data[(C * S + C) * S + C] = 1;
    assert_ok(rp_smooth(data, (const int[3]){S, S, S}, sigma, &err), err);
    double sum = 0, moment[3] = {0};
    for (int i = 0; i < S * S * S; i++) {
        int at[3] = {i % S - C, i / S % S - C, i / S / S - C};
        sum += data[i];
        for (int a = 0; a < 3; a++) moment[a] += data[i] * at[a] * at[a];
    }
    assert_close(sum, 1, 1e-5);
    for (int a = 0; a < 3; a++) assert_close(sqrt(moment[a]), sigma[a], 0.005);
    /* nothing beyond four sigma */
    assert_true(data[(C * S + C) * S + C + 6] > 0);
    assert_true(data[(C * S + C) * S + C + 7] == 0);
    rp_free(data);
}

static void test_same_bits_with_any_threads(void **state)
{
    (void)state;
    enum { S = 31 };
    rp_error err;
    static float one[S * S * S], eight[S * S * S];
    for (size_t i = 0; i < S * S * S; i++) one[i] = eight[i] = (float)(scramble(i) % 4096);
    const int size[3] = {S, S, S};
    const double sigma[3] = {1.1, 2.2, 0.7};
    rp_threads_set(1);
    assert_ok(rp_smooth(one, size, sigma, &err), err);
    rp_threads_set(8);
    assert_ok(rp_smooth(eight, size, sigma, &err), err);
    rp_threads_set(0);
    assert_memory_equal(one, eight, sizeof one);
}

static void test_refusals(void **state)
{
    (void)state;
    rp_error err;
    float data[8] = {0};
    const int size[3] = {2, 2, 2};
    const double bad[4] = {-1, NAN, INFINITY, 1e9};
    for (int i = 0; i < 4; i++)
        assert_int_equal(rp_smooth(data, size, (const double[3]){1, bad[i], 1}, &err),
                         RP_ERR_ARGUMENT);
    for (long n = 1; n <= 6; n++) {
        rp_test_fail_allocation(n);
        assert_int_equal(rp_smooth(data, size, (const double[3]){1, 1, 1}, &err), RP_ERR_MEMORY);
    }
    rp_test_fail_allocation(7);
    assert_ok(rp_smooth(data, size, (const double[3]){1, 1, 1}, &err), err);
    rp_test_fail_allocation(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_scipy), cmocka_unit_test(test_one_axis_alone),
        cmocka_unit_test(test_impulse),       cmocka_unit_test(test_same_bits_with_any_threads),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
