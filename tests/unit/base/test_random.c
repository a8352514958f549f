#include "test.h"

#include <math.h>

/* The three vectors of "philox4x32 10" in the Random123 distribution's kat_vectors. */
static void test_known_answers(void **state)
{
    (void)state;
    static const struct {
        uint32_t counter[4], key[2], out[4];
    } known[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        uint32_t out[4];
        rp_philox4x32(known[i].counter, known[i].key, out);
        assert_memory_equal(out, known[i].out, sizeof out);
    }
}

/* A stream is the blocks of its counters, in order; seed, purpose and step each name another. */
static void test_streams(void **state)
{
    (void)state;
    rp_random r;
    const uint64_t seed = 0x0123456789abcdef, step = 0xfedcba9876543210;
    rp_random_init(&r, seed, 77, step);
    for (uint32_t block = 0; block < 5; block++) {
        const uint32_t counter[4] = {block, 77, 0x76543210, 0xfedcba98};
        const uint32_t key[2] = {0x89abcdef, 0x01234567};
        uint32_t expected[4];
        rp_philox4x32(counter, key, expected);
        for (int i = 0; i < 4; i++) assert_int_equal(rp_random_u32(&r), expected[i]);
    }
    rp_random others[4];
    rp_random_init(&others[0], seed, 77, step);
    rp_random_init(&others[1], seed + 1, 77, step);
    rp_random_init(&others[2], seed, 78, step);
    rp_random_init(&others[3], seed, 77, step + 1);
    uint32_t first[4];
    for (int i = 0; i < 4; i++) {
        first[i] = rp_random_u32(&others[i]);
        for (int j = 0; j < i; j++) assert_int_not_equal(first[i], first[j]);
    }
}

static void test_uniform(void **state)
{
    (void)state;
    enum { N = 200000, BINS = 20 };
    rp_random r;
    rp_random_init(&r, 1, 2, 3);
    int bins[BINS] = {0};
    double sum = 0, squares = 0;
    for (int i = 0; i < N; i++) {
        double u = rp_random_uniform(&r);
        assert_true(u >= 0 && u < 1);
        bins[(int)(u * BINS)]++;
        sum += u;
        squares += u * u;
    }
    /* five standard errors each */
    assert_close(sum / N, 0.5, 5 * sqrt(1 / 12.0 / N));
    assert_close(squares / N, 1 / 3.0, 5 * sqrt(4 / 45.0 / N));
    for (int b = 0; b < BINS; b++) assert_close(bins[b], N / BINS, 5 * sqrt(N / BINS));
    for (int i = 0; i < 1000; i++) {
        double v = rp_random_range(&r, -3, 7);
        assert_true(v >= -3 && v < 7);
    }
}

static void test_normal(void **state)
{
    (void)state;
    enum { N = 200000 };
    rp_random r;
    rp_random_init(&r, 4, 5, 6);
    double moment[5] = {0}, product = 0, previous = 0;
    int within = 0;
    for (int i = 0; i < N; i++) {
        double v = rp_random_normal(&r), power = 1;
        for (int m = 1; m <= 4; m++) moment[m] += (power *= v) / N;
        product += v * previous / N;
        previous = v;
        within += fabs(v) < 1;
    }
    assert_close(moment[1], 0, 5 * sqrt(1.0 / N));
    assert_close(moment[2], 1, 5 * sqrt(2.0 / N));
    assert_close(moment[3], 0, 5 * sqrt(15.0 / N));
    assert_close(moment[4], 3, 5 * sqrt(96.0 / N));
    assert_close(product, 0, 5 * sqrt(1.0 / N));
    assert_close((double)within / N, 0.6826894921, 5 * sqrt(0.217 / N));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_answers),
        cmocka_unit_test(test_streams),
        cmocka_unit_test(test_uniform),
        cmocka_unit_test(test_normal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
