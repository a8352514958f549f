/* The kernels that measure the machine do the work that they are credited with. */
#include "test.h"

#include "reprise/kernels.h"

enum { ROOM = 8 };

static void multiply_adds_are_whole_vectors(void **state)
{
    (void)state;
    const rp_kernels *tables[ROOM];
    int count = rp_kernels_available(tables, ROOM);
    assert_true(count >= 1);
    for (int t = 0; t < count; t++) {
        double one = tables[t]->multiply_add(1);
        /* At least ten chains of four lanes, two for each multiply-add. */
        assert_true(one >= 2 * 10 * 4);
        assert_close(one, 8 * (double)(uint64_t)(one / 8), 0);
        assert_close(tables[t]->multiply_add(1000), 1000 * one, 0);
        assert_close(tables[t]->multiply_add(0), 0, 0);
    }
}

static void triad_computes_every_element(void **state)
{
    (void)state;
    const rp_kernels *tables[ROOM];
    int count = rp_kernels_available(tables, ROOM);
    float a[70], b[70], out[70];
    for (int t = 0; t < count; t++)
        for (int n = 0; n <= 67; n++) {
            for (int i = 0; i < 70; i++) {
                a[i] = (float)i;
                b[i] = (float)(100 - i);
                out[i] = -1;
            }
            /* Off by one, so that nothing relies on alignment. */
            tables[t]->triad(out + 1, a + 1, b + 1, 0.5f, (size_t)n);
            for (int i = 0; i < 70; i++)
                assert_close((double)out[i], i >= 1 && i <= n ? 0.5 * i + 50 : -1, 0);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(multiply_adds_are_whole_vectors),
        cmocka_unit_test(triad_computes_every_element),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
