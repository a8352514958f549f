#include "volume_cases.h"

static bool touching(int dx, int dy, int dz, int connectivity)
{
    int steps = (dx != 0) + (dy != 0) + (dz != 0);
    return steps > 0 && steps <= (connectivity == 6 ? 1 : connectivity == 18 ? 2 : 3);
}

static size_t visit(const rp_mask *mask, int32_t *mark, size_t at, int32_t value, int connectivity,
                    size_t *stack)
{
    const rp_grid *g = &mask->grid;
    size_t depth = 0, found = 0;
    stack[depth++] = at;
    mark[at] = value;
    while (depth) {
        size_t i = stack[--depth], row = i / (size_t)g->size[0];
        int x = (int)(i % (size_t)g->size[0]), y = (int)(row % (size_t)g->size[1]);
        int z = (int)(row / (size_t)g->size[1]);
        found++;
        for (int n = 0; n < 27; n++) {
            int dx = n % 3 - 1, dy = n / 3 % 3 - 1, dz = n / 9 - 1;
            int u = x + dx, v = y + dy, w = z + dz;
            if (!touching(dx, dy, dz, connectivity) || u < 0 || v < 0 || w < 0 || u >= g->size[0] ||
                v >= g->size[1] || w >= g->size[2])
                continue;
            size_t next = rp_grid_index(g, u, v, w);
            if (!mask->data[next] || mark[next]) continue;
            mark[next] = value;
            stack[depth++] = next;
        }
    }
    return found;
}

/* The same partition as a flood fill, sizes right, in order, ties by the first voxel. */
static void check_against_flood_fill(const rp_mask *mask, int connectivity)
{
    rp_error err;
    rp_labels labels;
    size_t *sizes = NULL, voxels = rp_grid_voxels(&mask->grid);
    int32_t count, floods = 0;
    assert_ok(rp_mask_components(mask, connectivity, &labels, &count, &sizes, &err), err);
    int32_t *mark = calloc(voxels, sizeof *mark), *label_of = calloc(voxels + 1, sizeof *label_of);
    size_t *stack = malloc(voxels * sizeof *stack), *first = calloc(voxels + 1, sizeof *first);
    for (size_t i = 0; i < voxels; i++) {
        assert_int_equal(labels.data[i] != 0, mask->data[i] != 0);
        if (!mask->data[i]) continue;
        if (!mark[i]) {
            size_t found = visit(mask, mark, i, ++floods, connectivity, stack);
            label_of[floods] = labels.data[i];
            assert_in_range(labels.data[i], 1, count);
            assert_int_equal(first[labels.data[i]], 0); /* no other flood has this label */
            first[labels.data[i]] = i + 1;
            assert_int_equal(sizes[labels.data[i] - 1], found);
        }
        assert_int_equal(labels.data[i], label_of[mark[i]]);
    }
    assert_int_equal(floods, count);
    for (int32_t c = 1; c < count; c++)
        assert_true(sizes[c - 1] > sizes[c] ||
                    (sizes[c - 1] == sizes[c] && first[c] < first[c + 1]));
    free(mark);
    free(label_of);
    free(stack);
    free(first);
    rp_free(sizes);
    rp_labels_release(&labels);
}

static void test_against_flood_fill(void **state)
{
    (void)state;
    rp_error err;
    rp_random r;
    rp_random_init(&r, 6, 1, 0);
    for (int trial = 0; trial < 60; trial++) {
        int size[3];
        for (int a = 0; a < 3; a++) size[a] = 1 + (int)(rp_random_uniform(&r) * 14);
        rp_grid grid = rp_grid_make(size[0], size[1], size[2], 1, 1, 1);
        rp_mask mask;
        assert_ok(rp_mask_init(&mask, &grid, &err), err);
        double share = rp_random_range(&r, 0, 0.7);
        for (size_t i = 0; i < rp_grid_voxels(&grid); i++)
            mask.data[i] = rp_random_uniform(&r) < share;
        check_against_flood_fill(&mask, 6);
        check_against_flood_fill(&mask, 18);
        check_against_flood_fill(&mask, 26);
        rp_mask_release(&mask);
    }
}

/* Counts and largest sizes by scipy.ndimage.label 1.10 on the same masks. */
static void test_against_scipy(void **state)
{
    (void)state;
    static const struct {
        uint32_t percent;
        int connectivity;
        int32_t count;
        size_t largest, second;
    } known[] = {
        {10, 6, 503, 9, 8},     {10, 18, 248, 29, 27},  {10, 26, 149, 157, 60},
        {20, 6, 669, 24, 22},   {20, 18, 73, 1364, 14}, {20, 26, 29, 1481, 4},
        {35, 6, 363, 1687, 34}, {35, 18, 12, 2582, 3},  {35, 26, 2, 2595, 1},
    };
    rp_error err;
    rp_grid grid = rp_grid_make(23, 19, 17, 1, 1, 1);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        rp_mask mask = scattered_mask(&grid, known[i].percent, 100);
        rp_labels labels;
        size_t *sizes;
        int32_t count;
        assert_ok(rp_mask_components(&mask, known[i].connectivity, &labels, &count, &sizes, &err),
                  err);
        assert_int_equal(count, known[i].count);
        assert_int_equal(sizes[0], known[i].largest);
        assert_int_equal(sizes[1], known[i].second);
        rp_free(sizes);
        rp_labels_release(&labels);

        assert_ok(rp_mask_keep_largest(&mask, known[i].connectivity, &count, &err), err);
        assert_int_equal(count, known[i].count);
        assert_int_equal(rp_mask_count(&mask), known[i].largest);
        rp_mask_release(&mask);
    }
}

static void test_keep_largest_keeps_the_right_voxels(void **state)
{
    (void)state;
    rp_error err;
    rp_grid grid = rp_grid_make(12, 1, 1, 1, 1, 1);
    rp_mask mask;
    assert_ok(rp_mask_init(&mask, &grid, &err), err);
    memcpy(mask.data, (const uint8_t[12]){1, 1, 0, 1, 1, 1, 0, 1, 1, 1, 0, 1}, 12);
    assert_ok(rp_mask_keep_largest(&mask, 26, NULL, &err), err);
    assert_memory_equal(mask.data, ((const uint8_t[12]){0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0}), 12);
    rp_mask_release(&mask);
}

static void test_empty_and_bad_input(void **state)
{
    (void)state;
    rp_error err;
    rp_grid grid = rp_grid_make(5, 5, 5, 1, 1, 1);
    rp_mask mask;
    rp_labels labels;
    int32_t count = -1;
    size_t *sizes = NULL;
    assert_ok(rp_mask_init(&mask, &grid, &err), err);
    assert_ok(rp_mask_components(&mask, 26, &labels, &count, &sizes, &err), err);
    assert_int_equal(count, 0);
    rp_free(sizes);
    rp_labels_release(&labels);
    assert_ok(rp_mask_keep_largest(&mask, 26, &count, &err), err);
    assert_int_equal(count, 0);
    assert_int_equal(rp_mask_components(&mask, 8, &labels, &count, NULL, &err), RP_ERR_ARGUMENT);
    assert_null(labels.data);
    assert_int_equal(rp_mask_keep_largest(&mask, 0, NULL, &err), RP_ERR_ARGUMENT);
    rp_mask_release(&mask);
}

static void test_allocation_failures(void **state)
{
    (void)state;
    rp_error err;
    rp_grid grid = rp_grid_make(9, 9, 9, 1, 1, 1);
    rp_mask mask = scattered_mask(&grid, 1, 4);
    rp_labels labels = {0};
    size_t *sizes = NULL, before = rp_mask_count(&mask);
    int32_t count;
    for (long n = 1; n <= 6; n++) {
        rp_test_fail_allocation(n);
        assert_int_equal(rp_mask_components(&mask, 26, &labels, &count, &sizes, &err),
                         RP_ERR_MEMORY);
        assert_true(!labels.data && !sizes);
        if (n > 4) continue; /* the last two are the labels and the sizes */
        rp_test_fail_allocation(n);
        assert_int_equal(rp_mask_keep_largest(&mask, 26, &count, &err), RP_ERR_MEMORY);
        assert_int_equal(rp_mask_count(&mask), before);
    }
    rp_test_fail_allocation(7);
    assert_ok(rp_mask_components(&mask, 26, &labels, &count, &sizes, &err), err);
    rp_test_fail_allocation(0);
    rp_free(sizes);
    rp_labels_release(&labels);
    rp_mask_release(&mask);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_flood_fill),
        cmocka_unit_test(test_against_scipy),
        cmocka_unit_test(test_keep_largest_keeps_the_right_voxels),
        cmocka_unit_test(test_empty_and_bad_input),
        cmocka_unit_test(test_allocation_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
