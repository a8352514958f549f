#include "test.h"

#include "../../../src/track/internal.h"

/* The least sum over all ways to give each row a column of its own. */
static double least(const double *cost, int rows, int columns, int row, unsigned taken)
{
    double best = 1e300;
    if (row == rows) return 0.0;
    for (int c = 0; c < columns; c++) {
        if (taken >> c & 1) continue;
        const double sum =
            cost[row * columns + c] + least(cost, rows, columns, row + 1, taken | 1u << c);
        if (sum < best) best = sum;
    }
    return best;
}

static void check(const double *cost, int rows, int columns)
{
    rp_error err;
    int column_of[8];
    unsigned taken = 0;
    double sum = 0.0;
    assert_ok(assign_least(cost, (size_t)rows, (size_t)columns, column_of, &err), err);
    for (int r = 0; r < rows; r++) {
        assert_in_range(column_of[r], 0, columns - 1);
        assert_false(taken >> column_of[r] & 1);
        taken |= 1u << column_of[r];
        sum += cost[r * columns + column_of[r]];
    }
    assert_close(sum, least(cost, rows, columns, 0, 0), 1e-9);
}

static void test_against_all_ways(void **state)
{
    (void)state;
    rp_random r;
    rp_random_init(&r, 1, 1, 0);
    for (int trial = 0; trial < 400; trial++) {
        double cost[6 * 8];
        const int rows = (int)(rp_random_uniform(&r) * 7);
        const int columns = rows + (int)(rp_random_uniform(&r) * (9 - rows));
        for (int i = 0; i < rows * columns; i++) {
            cost[i] = rp_random_range(&r, -2, 2);
            /* Ties, and pairs that are never wanted or always. */
            if (trial % 3 == 0) cost[i] = (double)(int)cost[i];
            if (trial % 4 == 0 && rp_random_uniform(&r) < 0.3) cost[i] = 1e6;
            if (trial % 5 == 0 && rp_random_uniform(&r) < 0.1) cost[i] = -1e3;
        }
        check(cost, rows, columns);
    }
}

static void test_largest(void **state)
{
    (void)state;
    enum { ROWS = RP_TRACK_MOST, COLUMNS = 2 * RP_TRACK_MOST };
    rp_error err;
    static double cost[ROWS * COLUMNS];
    static int column_of[ROWS];
    for (int r = 0; r < ROWS; r++)
        for (int c = 0; c < COLUMNS; c++)
            cost[r * COLUMNS + c] = c == (r * 7 + 3) % COLUMNS ? 0.0 : 1.0 + (r * 31 + c) % 17;
    assert_ok(assign_least(cost, ROWS, COLUMNS, column_of, &err), err);
    for (int r = 0; r < ROWS; r++) assert_int_equal(column_of[r], (r * 7 + 3) % COLUMNS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_all_ways),
        cmocka_unit_test(test_largest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
