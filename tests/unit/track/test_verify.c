/* What speaks against a measured change: of a made-up trunk that is no mirror image of itself. */
#include "reprise/track_verify.h"
#include "test.h"

#include <math.h>

enum { NX = 56, NY = 44, NZ = 36 };
static const double MM = 4.0;

static bool within(const double p[3], double x, double y, double z, double a, double b, double c)
{
    const double u = (p[0] - x) / a, v = (p[1] - y) / b, w = (p[2] - z) / c;
    return u * u + v * v + w * w < 1.0;
}

static bool in_lesion(const double p[3], const double centre[3], double radius)
{
    return within(p, centre[0], centre[1], centre[2], radius, radius, radius);
}

static const double home[3] = {-30, -8, 4}, far_away[3] = {34, 12, -20};

static float trunk_hu(const double world[3])
{
    /* narrower towards the feet */
    const double taper = 1.0 - world[2] / 400.0;
    const double p[3] = {taper * world[0], taper * world[1], world[2]};
    if (!within(p, 0, 0, 0, 98, 72, 400)) return -1000;
    if (within(p, 4, 52, 0, 14, 14, 400)) return 420; /* spine, behind */
    if (within(p, -62, 40, 0, 8, 8, 400) || within(p, 66, 30, 0, 6, 6, 400)) return 350;
    if (within(p, -36, -6, 26, 46, 44, 40)) return 110;  /* liver, right and up */
    if (within(p, 46, -10, 40, 30, 30, 26)) return -700; /* lung, left and up */
    if (within(p, -10, 20, -70, 60, 30, 20)) return 380; /* pelvis, below */
    if (within(p, 40, 10, -36, 16, 20, 24)) return 180;  /* kidney, left and down */
    return within(p, 0, 0, 0, 86, 60, 400) ? 45 : -90;
}

/* A lesion of 60 HU less than its surroundings; radius 0: none. */
static void make(const rp_grid *grid, const double centre[3], double radius, rp_image *image,
                 rp_mask *mask)
{
    rp_error err;
    rp_random r;
    rp_random_init(&r, 7, (uint64_t)(radius * 100), 0);
    assert_ok(rp_image_init(image, grid, &err), err);
    assert_ok(rp_mask_init(mask, grid, &err), err);
    for (int z = 0; z < grid->size[2]; z++)
        for (int y = 0; y < grid->size[1]; y++)
            for (int x = 0; x < grid->size[0]; x++) {
                const double index[3] = {x, y, z};
                double p[3];
                const size_t i = rp_grid_index(grid, x, y, z);
                rp_grid_to_world(grid, index, p);
                mask->data[i] = in_lesion(p, centre, radius);
                const float hu = trunk_hu(p);
                image->data[i] =
                    hu < -900 ? hu
                              : (mask->data[i] ? 20 : hu) + (float)(8.0 * rp_random_normal(&r));
            }
}

static rp_grid trunk_grid(void)
{
    rp_grid g = rp_grid_make(NX, NY, NZ, MM, MM, MM);
    for (int a = 0; a < 3; a++) g.origin[a] = -0.5 * MM * (g.size[a] - 1);
    return g;
}

/* The same voxels in another order. */
static void flip(rp_image *image, bool x, bool y, bool z)
{
    rp_error err;
    rp_image copy;
    const rp_grid *g = &image->grid;
    assert_ok(rp_image_copy(image, &copy, &err), err);
    for (int k = 0; k < NZ; k++)
        for (int j = 0; j < NY; j++)
            for (int i = 0; i < NX; i++)
                image->data[rp_grid_index(g, i, j, k)] = copy.data[rp_grid_index(
                    g, x ? NX - 1 - i : i, y ? NY - 1 - j : j, z ? NZ - 1 - k : k)];
    rp_image_release(&copy);
}

/* The doubts about a follow-up whose lesion is what is masked. */
static rp_doubts judge(const rp_image *after, const rp_mask *found, rp_place *place)
{
    const rp_grid grid = trunk_grid();
    rp_image before;
    rp_mask contour;
    rp_alignment alignment;
    rp_verify_limits limits;
    rp_doubts doubts;
    rp_error err;
    make(&grid, home, 16, &before, &contour);
    assert_ok(rp_align_visits(&before, after, &alignment, &err), err);
    rp_compare_places(&alignment, &contour, found, place);
    const double mm3[2] = {(double)rp_mask_count(&contour) * rp_grid_voxel_mm3(&contour.grid),
                           (double)rp_mask_count(found) * rp_grid_voxel_mm3(&found->grid)};
    const rp_verify_input input = {.self_dice = 0.9,
                                   .baseline_mm3 = mm3[0],
                                   .found_mm3 = mm3[1],
                                   .parts = 1,
                                   .part_share = 1,
                                   .voxel_mm3 = 8,
                                   .baseline_leaves_view = rp_leaves_view(&before, &contour, 0),
                                   .followup_leaves_view = rp_leaves_view(after, found, 0),
                                   .alignment = &alignment,
                                   .place = place};
    rp_verify_defaults(&limits);
    rp_verify(&input, &limits, &doubts);
    rp_alignment_release(&alignment);
    rp_image_release(&before);
    rp_mask_release(&contour);
    return doubts;
}

/* Exactly that doubt; RP_DOUBTS: none. */
static void assert_only(const rp_doubts *doubts, rp_doubt wanted)
{
    for (int d = 0; d < RP_DOUBTS; d++)
        if (doubts->found[d] != (d == (int)wanted))
            fail_msg("%s is %s: %s", rp_doubt_key((rp_doubt)d),
                     doubts->found[d] ? "found" : "missing", doubts->clause[d]);
}

typedef struct visit {
    rp_image image;
    rp_mask found;
    rp_place place;
} visit;

static visit at(const rp_grid *grid, const double centre[3], double radius)
{
    visit v;
    make(grid, centre, radius, &v.image, &v.found);
    return v;
}

static void end(visit *v, rp_doubt wanted)
{
    const rp_doubts doubts = judge(&v->image, &v->found, &v->place);
    assert_only(&doubts, wanted);
    rp_image_release(&v->image);
    rp_mask_release(&v->found);
}

static void test_honest_changes(void **state)
{
    (void)state;
    const double radii[] = {6, 11, 16, 26};
    for (size_t i = 0; i < sizeof radii / sizeof *radii; i++) {
        const rp_grid grid = trunk_grid();
        visit v = at(&grid, home, radii[i]);
        end(&v, RP_DOUBTS);
        assert_close(v.place.shared, 1, 0.1);
        assert_close(v.place.centre_mm, 0, 2);
        assert_close(v.place.in_view, 1, 1e-9);
    }
}

/* Another table: the world coordinates have nothing in common. */
static void test_another_table(void **state)
{
    values_only();
    (void)state;
    const rp_grid grid = trunk_grid();
    visit v = at(&grid, home, 11);
    const double way[3] = {240, -130, 500};
    for (int a = 0; a < 3; a++) {
        v.image.grid.origin[a] += way[a];
        v.found.grid.origin[a] += way[a];
    }
    end(&v, RP_DOUBTS);
    assert_close(v.place.shared, 1, 0.1);
}

static void test_another_lesion(void **state)
{
    (void)state;
    const rp_grid grid = trunk_grid();
    visit v = at(&grid, far_away, 12);
    end(&v, RP_DOUBT_ELSEWHERE);
    assert_close(v.place.shared, 0, 1e-9);
    assert_close(v.place.centre_mm, sqrt(64 * 64 + 20 * 20 + 24 * 24), 3);
}

static void test_turned_over(void **state)
{
    values_only();
    (void)state;
    const struct {
        bool x, y, z;
        rp_doubt doubt;
    } ways[] = {{true, false, false, RP_DOUBT_MIRRORED},
                {true, true, false, RP_DOUBT_TURNED},
                {false, false, true, RP_DOUBT_REVERSED},
                {true, false, true, RP_DOUBT_REVERSED}};
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        const rp_grid grid = trunk_grid();
        visit v = at(&grid, home, 16);
        flip(&v.image, ways[i].x, ways[i].y, ways[i].z);
        const rp_doubts doubts = judge(&v.image, &v.found, &v.place);
        if (!doubts.found[ways[i].doubt]) fail_msg("%s is missing", rp_doubt_key(ways[i].doubt));
        rp_image_release(&v.image);
        rp_mask_release(&v.found);
    }
}

static void test_wrong_spacing(void **state)
{
    values_only();
    (void)state;
    const rp_grid grid = trunk_grid();
    visit v = at(&grid, home, 16);
    for (int a = 0; a < 2; a++) {
        v.image.grid.spacing[a] *= 2;
        v.found.grid.spacing[a] *= 2;
    }
    const rp_doubts doubts = judge(&v.image, &v.found, &v.place);
    assert_true(doubts.found[RP_DOUBT_SCALE]);
    rp_image_release(&v.image);
    rp_mask_release(&v.found);
    /* Coarser pixels of the same body are no fault. */
    rp_grid coarse = rp_grid_respaced(&grid, (const double[3]){8, 8, 4});
    v = at(&coarse, home, 16);
    end(&v, RP_DOUBTS);
}

/* Slices above the lesion alone, and slices that end within it. */
static void test_place_out_of_view(void **state)
{
    values_only();
    (void)state;
    rp_grid grid = trunk_grid();
    grid.size[2] = 14;
    grid.origin[2] += MM * (NZ - 14);
    visit v = at(&grid, home, 0);
    end(&v, RP_DOUBT_OUTSIDE);
    assert_close(v.place.in_view, 0, 0.2);
    grid = trunk_grid();
    grid.size[2] = 22;
    v = at(&grid, home, 16);
    end(&v, RP_DOUBT_VIEW);
}

static void test_scan_circle(void **state)
{
    values_only();
    (void)state;
    const rp_grid grid = trunk_grid();
    visit v = at(&grid, home, 16);
    assert_false(rp_leaves_view(&v.image, &v.found, 0));
    for (int z = 0; z < NZ; z++)
        for (int y = 0; y < NY; y++)
            for (int x = 0; x < NX; x++) {
                const double dx = MM * (x - 0.5 * (NX - 1)), dy = MM * (y - 0.5 * (NY - 1));
                if (dx * dx + dy * dy > 36.0 * 36.0)
                    v.image.data[rp_grid_index(&grid, x, y, z)] = -1000;
            }
    assert_true(rp_leaves_view(&v.image, &v.found, 0));
    rp_image_release(&v.image);
    rp_mask_release(&v.found);
}

static void test_intensities(void **state)
{
    values_only();
    (void)state;
    const rp_grid grid = trunk_grid();
    visit a = at(&grid, home, 16), b = at(&grid, home, 11);
    rp_alignment alignment;
    rp_intensities seen;
    rp_error err;
    for (size_t i = 0; i < rp_grid_voxels(&grid); i++)
        if (b.image.data[i] > -900) b.image.data[i] = b.image.data[i] * 1.5f + 60;
    assert_ok(rp_align_visits(&a.image, &b.image, &alignment, &err), err);
    rp_compare_intensities(&alignment, &a.image, &b.image, &seen);
    assert_close(seen.median_hu[1], 1.5 * seen.median_hu[0] + 60, 5);
    assert_true(seen.bone_hu[1] > 1.4 * seen.bone_hu[0]);
    assert_close(seen.bone_hu[0], 400, 25);
    rp_alignment_release(&alignment);
    rp_image_release(&a.image), rp_image_release(&b.image);
    rp_mask_release(&a.found), rp_mask_release(&b.found);
}

/* ---- figures alone ----------------------------------------------------------------------- */

static const rp_verify_input good = {.self_dice = 0.7,
                                     .baseline_mm3 = 60000,
                                     .found_mm3 = 20000,
                                     .parts = 7,
                                     .part_share = 0.3,
                                     .voxel_mm3 = 8};

static void assert_figures(rp_verify_input input, rp_doubt wanted)
{
    rp_verify_limits limits;
    rp_doubts doubts;
    rp_verify_defaults(&limits);
    rp_verify(&input, &limits, &doubts);
    assert_only(&doubts, wanted);
}

static void test_limits(void **state)
{
    (void)state;
    rp_verify_input in = good;
    assert_figures(in, RP_DOUBTS);
    in.self_dice = 0.699;
    assert_figures(in, RP_DOUBT_SELF_DICE);
    in = good, in.parts = 8;
    assert_figures(in, RP_DOUBT_FRAGMENTS);
    in.part_share = 0.51;
    assert_figures(in, RP_DOUBTS);
    in.parts = 3, in.part_share = 0.09;
    assert_figures(in, RP_DOUBT_FRAGMENTS);
    in = good, in.voxel_mm3 = 2501;
    assert_figures(in, RP_DOUBT_RESOLUTION);
    in = good, in.found_mm3 = 60000 / 64.0 - 1;
    assert_figures(in, RP_DOUBT_VOLUME);
    in.found_mm3 = 60000 / 64.0 + 1;
    assert_figures(in, RP_DOUBTS);
    in.found_mm3 = 60000 * 27.1;
    assert_figures(in, RP_DOUBT_VOLUME);
    in = good, in.baseline_contrast = -1.2, in.found_contrast = -0.31;
    assert_figures(in, RP_DOUBTS);
    in.found_contrast = -0.29;
    assert_figures(in, RP_DOUBT_CONTRAST);
    in.found_contrast = 0.59; /* another phase may turn it over, but not to nearly nothing */
    assert_figures(in, RP_DOUBT_CONTRAST);
    in.found_contrast = 0.61;
    assert_figures(in, RP_DOUBTS);
    in.baseline_contrast = 0.29, in.found_contrast = 0.0; /* it never stood out */
    assert_figures(in, RP_DOUBTS);
    in.baseline_contrast = 1.2, in.found_contrast = NAN;
    assert_figures(in, RP_DOUBTS);
    in = good, in.found_mm3 = 0, in.part_share = 0; /* nothing was found: told elsewhere */
    assert_figures(in, RP_DOUBTS);
    in = good, in.baseline_leaves_view = true;
    assert_figures(in, RP_DOUBT_VIEW);
}

/* Stripes of 10 HU about 50 inside and 80 outside: three standard deviations. Fat at one side and
 * what lies farther than 10 mm are no surroundings. */
static void test_contrast(void **state)
{
    (void)state;
    rp_error err = {0};
    rp_image image;
    rp_mask lesion;
    const rp_grid grid = rp_grid_make(60, 60, 24, 1.0, 1.0, 2.5);
    assert_ok(rp_image_init(&image, &grid, &err), err);
    assert_ok(rp_mask_init(&lesion, &grid, &err), err);
    assert_true(isnan(rp_lesion_contrast(&image, &lesion)));
    size_t i = 0;
    for (int z = 0; z < 24; z++)
        for (int y = 0; y < 60; y++)
            for (int x = 0; x < 60; x++, i++) {
                const double dx = x - 30, dy = y - 30, dz = 2.5 * (z - 12);
                const double r = sqrt(dx * dx + dy * dy + dz * dz);
                const double stripe = (x + y + z) % 2 ? 10.0 : -10.0;
                lesion.data[i] = r < 12.0;
                image.data[i] = (float)((r < 12.0 ? 50.0 : r < 24.0 ? 80.0 : 190.0) + stripe);
                if (x > 43) image.data[i] = -110.0f;
            }
    assert_close(rp_lesion_contrast(&image, &lesion), -30.0 / sqrt(101.0), 0.02);
    for (i = 0; i < rp_grid_voxels(&grid); i++) image.data[i] = 60.0f + (float)(i % 2);
    assert_close(rp_lesion_contrast(&image, &lesion), 0.0, 0.02);
    rp_image_release(&image);
    rp_mask_release(&lesion);
}

static void test_keys(void **state)
{
    (void)state;
    for (int d = 0; d < RP_DOUBTS; d++) {
        rp_doubt found = RP_DOUBTS;
        assert_non_null(rp_doubt_key((rp_doubt)d));
        assert_true(rp_doubt_find(rp_doubt_key((rp_doubt)d), &found));
        assert_int_equal(found, d);
    }
    rp_doubt found;
    assert_false(rp_doubt_find("nothing", &found));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_honest_changes),
                                       cmocka_unit_test(test_another_table),
                                       cmocka_unit_test(test_another_lesion),
                                       cmocka_unit_test(test_turned_over),
                                       cmocka_unit_test(test_wrong_spacing),
                                       cmocka_unit_test(test_place_out_of_view),
                                       cmocka_unit_test(test_scan_circle),
                                       cmocka_unit_test(test_intensities),
                                       cmocka_unit_test(test_limits),
                                       cmocka_unit_test(test_contrast),
                                       cmocka_unit_test(test_keys)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
