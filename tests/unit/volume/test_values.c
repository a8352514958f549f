#include "volume_cases.h"

#include "reprise/volume_values.h"

enum { NX = 40, NY = 32, NZ = 12 };

static float noise(size_t i, float sigma)
{
    float sum = 0;
    for (int k = 0; k < 4; k++) sum += (float)(scramble(4 * i + (size_t)k) % 2001) / 1000 - 1;
    return sum * 0.87f * sigma;
}

/* A body of fat and muscle in air, with spongy and compact bone, in HU. */
static float body_hu(int x, int y)
{
    const double u = (x - NX / 2) / (0.45 * NX), v = (y - NY / 2) / (0.45 * NY);
    const double r = sqrt(u * u + v * v), bone = hypot(x - NX / 2, y - NY / 2);
    if (r > 1) return -1000;
    if (r > 0.85) return -100;
    return bone < 3 ? 450 : bone < 4 ? 1000 : 50;
}

static rp_image make_image(float (*hu)(int x, int y), float sigma)
{
    rp_grid grid = rp_grid_make(NX, NY, NZ, 2, 2, 4);
    rp_image image;
    rp_error err;
    assert_ok(rp_image_init(&image, &grid, &err), err);
    for (size_t i = 0; i < rp_grid_voxels(&grid); i++)
        image.data[i] = hu((int)(i % NX), (int)(i / NX % NY)) + noise(i, sigma);
    return image;
}

static rp_values values_of(const rp_image *image)
{
    rp_values values;
    rp_error err;
    assert_ok(rp_image_values(image, &values, &err), err);
    return values;
}

/* The keys of the remarks on an image, joined by blanks. */
static void keys_of(const rp_image *image, char keys[128])
{
    const rp_values values = values_of(image);
    rp_remarks remarks = {0};
    rp_values_check(&values, &remarks);
    keys[0] = '\0';
    for (size_t i = 0; i < remarks.count; i++)
        snprintf(keys + strlen(keys), 128 - strlen(keys), "%s%s", i ? " " : "",
                 remarks.items[i].key);
    rp_remarks_release(&remarks);
}

static void assert_keys(const rp_image *image, const char *expected)
{
    char keys[128];
    keys_of(image, keys);
    assert_string_equal(keys, expected);
}

static void test_figures(void **state)
{
    (void)state;
    rp_image image = make_image(body_hu, 0);
    size_t air = 0, fat = 0, spongy = 0, compact = 0, all = (size_t)NX * NY;
    for (int y = 0; y < NY; y++)
        for (int x = 0; x < NX; x++) {
            const float hu = body_hu(x, y);
            air += hu == -1000;
            fat += hu == -100;
            spongy += hu == 450;
            compact += hu == 1000;
        }
    const double tissue = (double)(all - air);
    const rp_values v = values_of(&image);
    assert_close(v.lowest, -1000, 0);
    assert_close(v.highest, 1000, 0);
    assert_close(v.lowest_share, (double)air / (double)all, 1e-12);
    assert_close(v.air_share, (double)air / (double)all, 1e-12);
    assert_close(v.tissue_share, tissue / (double)all, 1e-12);
    assert_close(v.tissue_median, 50, 0);
    assert_close(v.fat_share, (double)fat / tissue, 1e-12);
    assert_close(v.bone_share, (double)(spongy + compact) / tissue, 1e-12);
    assert_close(v.spongy_share, (double)spongy / tissue, 1e-12);
    assert_close(v.compact_share, (double)compact / tissue, 1e-12);
    assert_close(v.deep_share + v.lung_share + v.plateau_share, 0, 0);
    assert_int_equal(v.slices, NZ);
    assert_int_equal(v.blank_slices, 0);
    rp_image_release(&image);
}

/* What is done to every value of an honest image, and what is to be said of it. */
static void test_scales(void **state)
{
    (void)state;
    static const struct {
        float slope, offset, low, high;
        const char *keys;
    } cases[] = {
        {1, 0, -1024, 3071, ""},
        {1, 0, -9999, 9999, ""},
        {1, 60, -9999, 9999, ""}, /* a shift is seen between two visits only */
        {1, 0, -160, 9999, ""},   /* cut off at a window, still HU */
        {1, 1024, 0, 9999, "values_not_hu"},
        {1, 1000, -9999, 9999, "values_not_hu"},
        {1, 32768, 0, 65535, "values_not_hu"},
        {1, -1024, -9999, 9999, "values_not_hu"},
        {2, 1024, -9999, 9999, "values_not_hu"},
        {0.5f, -512, -9999, 9999, "values_not_hu"},
        {0.5f, 0, -9999, 9999, "values_not_hu"},
        {10, 0, -32768, 32767, "values_not_hu"},
        {1 / 400.0f, 0.4f, 0, 1, "values_not_hu"},
        {1 / 300.0f, 0, -9, 9, "values_not_hu"},
        {255 / 400.0f, 102, 0, 255, "values_not_hu"},
        {0, 7, -9999, 9999, "values_uniform"},
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        rp_image image = make_image(body_hu, 10);
        for (size_t i = 0; i < rp_grid_voxels(&image.grid); i++)
            image.data[i] =
                fminf(fmaxf(image.data[i] * cases[c].slope + cases[c].offset, cases[c].low),
                      cases[c].high);
        assert_keys(&image, cases[c].keys);
        rp_image_release(&image);
    }
}

static float liver(int x, int y)
{
    (void)x;
    (void)y;
    return 110;
}

static float water_bath(int x, int y)
{
    return x < 2 || y < 2 ? -1000 : 0;
}

static float half_lung(int x, int y)
{
    return (x + y) % 9 == 0 ? 30 : x < NX / 2 ? -850 : 40;
}

static float head(int x, int y)
{
    const double r = hypot(x - NX / 2, y - NY / 2) / (0.45 * NY);
    return r > 1 ? -1000 : r > 0.95 ? 20 : r > 0.88 ? 1200 : r > 0.8 ? 600 : 38;
}

static float padded_circle(int x, int y)
{
    return hypot(x - NX / 2, y - NY / 2) > 0.5 * NX ? -3024 : body_hu(x, y);
}

/* A small leg in a wide field: the air of the offset image outweighs what lies near 1024. */
static float leg(int x, int y)
{
    const double r = hypot(x - 10, y - 12);
    return r < 1.5 ? 1100 : r < 2 ? 500 : r < 5 ? 50 : r < 6 ? -100 : -1000;
}

static void test_honest_shapes(void **state)
{
    (void)state;
    float (*const shapes[])(int, int) = {body_hu, liver, water_bath,   half_lung,
                                         head,    leg,   padded_circle};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        rp_image image = make_image(shapes[s], 12);
        assert_keys(&image, "");
        rp_image_release(&image);
    }
    rp_image image = make_image(leg, 12);
    for (size_t i = 0; i < rp_grid_voxels(&image.grid); i++) image.data[i] += 1024;
    assert_keys(&image, "values_not_hu");
    rp_image_release(&image);
}

/* Slices first to last set to one value, or to air with noise. */
static void blank(rp_image *image, int first, int last, float value, float sigma)
{
    for (size_t i = (size_t)first * NX * NY; i < (size_t)(last + 1) * NX * NY; i++)
        image->data[i] = value + noise(i, sigma);
}

static void test_blank_slices(void **state)
{
    (void)state;
    static const struct {
        int first, last;
        float value, sigma;
        const char *keys;
        int blank, inside;
    } cases[] = {
        {0, 0, -1000, 12, "", 1, 0}, /* above the head */
        {0, NZ / 2 - 1, -1024, 0, "blank_slices", NZ / 2, 0},
        {NZ / 2, NZ - 1, -1000, 12, "blank_slices", NZ / 2, 0},
        {5, 5, 0, 0, "blank_slices", 1, 1},
        {5, 6, -1000, 12, "blank_slices", 2, 2},
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        rp_image image = make_image(body_hu, 12);
        blank(&image, cases[c].first, cases[c].last, cases[c].value, cases[c].sigma);
        const rp_values v = values_of(&image);
        assert_int_equal(v.blank_slices, cases[c].blank);
        assert_int_equal(v.blank_inside, cases[c].inside);
        assert_keys(&image, cases[c].keys);
        rp_image_release(&image);
    }
}

/* Head to foot along each stored axis: planes are counted across it. Air beside the body is none.
 */
static void test_storage_order(void **state)
{
    (void)state;
    for (int axis = 0; axis < 3; axis++) {
        rp_image image = make_image(body_hu, 12);
        rp_grid *g = &image.grid;
        memset(g->direction, 0, sizeof g->direction);
        for (int a = 0; a < 3; a++) g->direction[(a + 2 - axis) % 3][a] = a == 1 ? -1 : 1;
        const rp_values v = values_of(&image);
        assert_int_equal(v.slices, g->size[axis]);
        assert_int_equal(v.blank_inside, 0);
        rp_image_release(&image);
    }
}

static void test_memory_and_threads(void **state)
{
    (void)state;
    rp_image image = make_image(body_hu, 12);
    rp_values v, again;
    rp_error err;
    for (long n = 1; n <= 2; n++) {
        rp_test_fail_allocation(n);
        assert_int_equal(rp_image_values(&image, &v, &err), RP_ERR_MEMORY);
    }
    rp_test_fail_allocation(0);
    const int threads = rp_threads_get();
    rp_threads_set(1);
    v = values_of(&image);
    rp_threads_set(3);
    again = values_of(&image);
    rp_threads_set(threads);
    assert_close(v.tissue_share, again.tissue_share, 0);
    assert_close(v.tissue_median, again.tissue_median, 0);
    assert_close(v.lowest_share, again.lowest_share, 0);
    rp_image_release(&image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_figures),       cmocka_unit_test(test_scales),
        cmocka_unit_test(test_honest_shapes), cmocka_unit_test(test_blank_slices),
        cmocka_unit_test(test_storage_order), cmocka_unit_test(test_memory_and_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
