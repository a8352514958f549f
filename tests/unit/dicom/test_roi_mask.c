/* Contours made by hand, filled on small grids and compared with what they must give. */
#include "test.h"

#include "reprise/dicom.h"

#include <math.h>

enum { SIDE = 20, DEPTH = 9, MOST = 16 };

/* An ROI under construction; z in mm, slices lie 2 mm apart, pixels 1 mm. */
typedef struct builder {
    rp_roi roi;
    rp_roi_contour contours[MOST];
    double points[MOST][32][3];
} builder;

static rp_grid test_grid(void)
{
    return rp_grid_make(SIDE, SIDE, DEPTH, 1, 1, 2);
}

static rp_roi_contour *add_points(builder *b, const double (*xy)[2], size_t count, double z)
{
    size_t n = b->roi.contour_count++;
    rp_roi_contour *contour = &b->contours[n];
    for (size_t i = 0; i < count; i++) {
        b->points[n][i][0] = xy[i][0];
        b->points[n][i][1] = xy[i][1];
        b->points[n][i][2] = z;
    }
    contour->points = b->points[n];
    contour->count = count;
    strcpy(contour->geometric_type, "CLOSED_PLANAR");
    b->roi.contours = b->contours;
    b->roi.number = 3;
    return contour;
}

/* Square with corners at low - 0.5 and high + 0.5: voxels low..high on both axes. */
static rp_roi_contour *add_square(builder *b, int low, int high, double z)
{
    double l = low - 0.5, h = high + 0.5;
    return add_points(b, (const double[4][2]){{l, l}, {h, l}, {h, h}, {l, h}}, 4, z);
}

static rp_mask fill(const builder *b, rp_roi_report *report)
{
    rp_grid grid = test_grid();
    rp_mask mask;
    rp_error err = {0};
    assert_ok(rp_roi_to_mask(&b->roi, &grid, &mask, report, &err), err);
    return mask;
}

static size_t slice_count(const rp_mask *mask, int z)
{
    size_t count = 0;
    for (int i = 0; i < SIDE * SIDE; i++) count += mask->data[z * SIDE * SIDE + i];
    return count;
}

static void assert_fails(const builder *b, const rp_grid *grid, rp_status status, const char *words)
{
    rp_mask mask;
    rp_error err = {0};
    assert_int_equal(rp_roi_to_mask(&b->roi, grid, &mask, NULL, &err), status);
    if (!strstr(err.message, words)) fail_msg("no \"%s\" in: %s", words, err.message);
    assert_null(mask.data);
}

static void a_square_fills_its_voxels(void **state)
{
    (void)state;
    builder b = {0};
    rp_roi_report report;
    add_square(&b, 3, 6, 4);
    rp_mask mask = fill(&b, &report);
    assert_int_equal(slice_count(&mask, 2), 16);
    assert_int_equal(rp_mask_count(&mask), 16);
    assert_int_equal(mask.data[rp_grid_index(&mask.grid, 3, 6, 2)], 1);
    assert_int_equal(report.contours_used, 1);
    assert_int_equal(report.points_used, 4);
    assert_close(report.sum_area_spacing_cc, 16 * 2 / 1000.0, 1e-12);
    rp_mask_release(&mask);
}

/* A ring as two contours, as a keyhole, and with an island: all by even-odd. */
static void holes_and_islands_alternate(void **state)
{
    (void)state;
    builder b = {0};
    rp_roi_report report;
    add_square(&b, 2, 11, 0);
    add_square(&b, 4, 9, 0);
    add_square(&b, 6, 7, 0);
    const double keyhole[12][2] = {{1.5, 1.5}, {11.5, 1.5}, {11.5, 5.2},  {9.5, 5.2},
                                   {9.5, 3.5}, {3.5, 3.5},  {3.5, 9.5},   {9.5, 9.5},
                                   {9.5, 5.2}, {11.5, 5.2}, {11.5, 11.5}, {1.5, 11.5}};
    add_points(&b, keyhole, 12, 2);
    rp_mask mask = fill(&b, &report);
    assert_int_equal(slice_count(&mask, 0), 100 - 36 + 4);
    assert_int_equal(slice_count(&mask, 1), 100 - 36);
    assert_close(report.sum_area_spacing_cc, (68 + 64) * 2 / 1000.0, 1e-12);
    rp_mask_release(&mask);
}

/* Planes 0.6 mm to either side of slice 3: each even-odd on its own, then united. */
static void planes_of_one_slice_are_united(void **state)
{
    (void)state;
    builder b = {0};
    rp_roi_report report;
    add_square(&b, 2, 9, 5.4);
    add_square(&b, 4, 5, 5.4);
    add_square(&b, 2, 10, 6.6);
    add_square(&b, 4, 6, 6.6);
    rp_mask mask = fill(&b, &report);
    assert_int_equal(rp_mask_count(&mask), slice_count(&mask, 3));
    assert_int_equal(slice_count(&mask, 3), 81 - 4);
    assert_int_equal(report.off_slice_contours, 4);
    rp_mask_release(&mask);
}

/* Positions in tenths of a millimetre, of contours and of slices 2 mm apart: 0.1 mm at the most. */
static void rounded_positions_are_on_their_slices(void **state)
{
    (void)state;
    builder b = {0};
    rp_roi_report report;
    add_square(&b, 2, 9, 3.9);
    add_square(&b, 2, 9, 6.05);
    add_square(&b, 2, 9, 8.1);
    rp_mask mask = fill(&b, &report);
    assert_int_equal(report.off_slice_contours, 0);
    assert_int_equal(rp_mask_count(&mask), 3 * 64);
    rp_mask_release(&mask);
    add_square(&b, 2, 9, 10.13);
    mask = fill(&b, &report);
    assert_int_equal(report.off_slice_contours, 1);
    rp_mask_release(&mask);
}

static void midway_planes_go_up_whatever_their_last_digit(void **state)
{
    (void)state;
    builder b = {0};
    add_square(&b, 2, 3, 5 - 1e-9);
    add_square(&b, 5, 7, 5 + 1e-9);
    rp_mask mask = fill(&b, NULL);
    assert_int_equal(slice_count(&mask, 3), 4 + 9);
    rp_mask_release(&mask);
}

static void forgotten_slices_are_interpolated(void **state)
{
    (void)state;
    builder b = {0};
    rp_roi_report report;
    add_square(&b, 4, 11, 2);
    add_square(&b, 4, 11, 4);
    add_square(&b, 6, 13, 8);
    add_square(&b, 6, 13, 10);
    rp_mask mask = fill(&b, &report);
    assert_int_equal(report.interpolated_slices, 1);
    assert_int_equal(report.gap_slices, 0);
    /* midway between the squares lies the one shifted by 1 along x and y, without three voxels at
     * each of the two corners that both squares leave out */
    assert_int_equal(slice_count(&mask, 3), 64 - 6);
    assert_int_equal(mask.data[rp_grid_index(&mask.grid, 5, 8, 3)], 1);
    assert_int_equal(mask.data[rp_grid_index(&mask.grid, 4, 8, 3)], 0);
    assert_int_equal(mask.data[rp_grid_index(&mask.grid, 12, 8, 3)], 1);
    assert_int_equal(mask.data[rp_grid_index(&mask.grid, 13, 8, 3)], 0);
    rp_mask_release(&mask);
}

/* Drawn on every third slice: shrinking by more than Dice 0.5 from one to the next. */
static void sparse_contours_are_interpolated(void **state)
{
    (void)state;
    builder b = {0};
    rp_roi_report report;
    add_square(&b, 3, 14, 0);
    add_square(&b, 5, 10, 6);
    add_square(&b, 7, 9, 12);
    rp_mask mask = fill(&b, &report);
    assert_close(report.step_mm, 6, 1e-9);
    size_t before = slice_count(&mask, 0);
    for (int z = 1; z <= 6; z++) {
        assert_true(slice_count(&mask, z) <= before && slice_count(&mask, z) >= 9);
        before = slice_count(&mask, z);
    }
    assert_true(slice_count(&mask, 1) < 144 && slice_count(&mask, 2) > 36);
    /* evenly spaced contours stand for half a step to either side */
    assert_int_equal(slice_count(&mask, 7), 9);
    assert_int_equal(slice_count(&mask, 8), 0);
    rp_mask_release(&mask);
}

static void other_gaps_stay(void **state)
{
    (void)state;
    builder apart = {0}, far = {0};
    rp_roi_report report;
    for (int z = 0; z < 3; z++) add_square(&apart, 2, 5, 2.0 * z);
    for (int z = 4; z < 7; z++) add_square(&apart, 5, 9, 2.0 * z);
    rp_mask mask = fill(&apart, &report);
    assert_int_equal(slice_count(&mask, 3), 0);
    assert_int_equal(report.gap_slices, 1);
    assert_int_equal(report.interpolated_slices, 0);
    rp_mask_release(&mask);
    add_square(&far, 2, 5, 0);
    add_square(&far, 2, 5, 10);
    mask = fill(&far, &report);
    assert_int_equal(rp_mask_count(&mask), 32);
    assert_int_equal(report.gap_slices, 4);
    rp_mask_release(&mask);
}

static void what_cannot_be_filled_is_counted(void **state)
{
    (void)state;
    builder b = {0};
    rp_roi_report report;
    add_square(&b, 3, 6, 4);
    add_square(&b, 3, 6, 4); /* twice the same: once */
    strcpy(add_square(&b, 8, 9, 4)->geometric_type, "OPEN_PLANAR");
    strcpy(add_square(&b, 8, 9, 4)->geometric_type, "POINT");
    add_square(&b, 8, 9, 4)->count = 2;
    add_square(&b, 8, 9, 4)->count = 0;
    add_points(&b, (const double[3][2]){{8, 8}, {9, 9}, {10, 10}}, 3, 4); /* no area */
    add_square(&b, 3, 6, -1.5); /* below the image, above it, beside it */
    add_square(&b, 3, 6, 2 * DEPTH);
    add_square(&b, SIDE + 3, SIDE + 6, 4);
    rp_mask mask = fill(&b, &report);
    assert_int_equal(rp_mask_count(&mask), 16);
    assert_int_equal(report.contours_used, 2);
    assert_int_equal(report.duplicate_contours, 1);
    assert_int_equal(report.open_contours, 2);
    assert_int_equal(report.degenerate_contours, 3);
    assert_int_equal(report.outside_contours, 3);
    assert_close(report.sum_area_spacing_cc, 0.032, 1e-12);
    rp_mask_release(&mask);
}

/* A circle of 24 points round (9.5, 9.5), like others in all but start, direction and rounding. */
static void add_circle(builder *b, double x, double radius, double z, int start, bool reverse,
                       double rounded_to)
{
    double xy[24][2];
    for (int i = 0; i < 24; i++) {
        const double angle = 2 * M_PI / 24 * (reverse ? start - i : start + i);
        xy[i][0] = x + radius * cos(angle);
        xy[i][1] = 9.5 + radius * sin(angle);
        for (int a = 0; a < 2 && rounded_to > 0; a++)
            xy[i][a] = round(xy[i][a] / rounded_to) * rounded_to;
    }
    add_points(b, (const double(*)[2])xy, 24, z);
}

static void a_contour_given_twice_counts_once(void **state)
{
    (void)state;
    builder once = {0}, twice = {0};
    rp_roi_report report;
    add_circle(&once, 9.5, 6, 4, 0, false, 0);
    add_circle(&once, 9.5, 3, 4, 0, false, 0); /* a hole */
    rp_mask expected = fill(&once, NULL);
    add_circle(&twice, 9.5, 6, 4, 0, false, 0);
    add_circle(&twice, 9.5, 6, 4, 5, false, 0);
    add_circle(&twice, 9.5, 3, 4, 0, false, 0);
    add_circle(&twice, 9.5, 6, 4, 0, true, 0);
    add_circle(&twice, 9.5, 6, 4, 7, true, 0.1);
    add_circle(&twice, 9.5, 3, 4, 3, true, 0.1);
    rp_roi_contour *closed = &twice.contours[0];
    memcpy(closed->points[24], closed->points[0], sizeof closed->points[0]);
    closed->count = 25;
    rp_mask mask = fill(&twice, &report);
    assert_memory_equal(mask.data, expected.data, SIDE * SIDE * DEPTH);
    assert_int_equal(report.duplicate_contours, 4);
    assert_int_equal(report.overlapping_contours, 0);
    assert_close(report.sum_area_spacing_cc, 12 * sin(M_PI / 12) * (36 - 9) * 2 / 1000, 1e-4);
    rp_mask_release(&expected);
    rp_mask_release(&mask);
}

/* The points of a contour, all of them once more behind it. */
static void go_round_again(rp_roi_contour *contour)
{
    for (size_t i = 0; i < contour->count; i++)
        memcpy(contour->points[contour->count + i], contour->points[i], sizeof contour->points[i]);
    contour->count *= 2;
}

static void a_contour_that_runs_round_twice_counts_once(void **state)
{
    (void)state;
    builder b = {0};
    go_round_again(add_square(&b, 3, 6, 4));
    rp_mask mask = fill(&b, NULL);
    assert_int_equal(rp_mask_count(&mask), 16);
    rp_mask_release(&mask);
}

/* Tenths of a millimetre beside the slices: holes and copies belong to the outlines there. */
static void heights_that_jitter_are_one_plane(void **state)
{
    (void)state;
    builder b = {0};
    rp_roi_report report;
    for (int z = 0; z < 3; z++) {
        add_square(&b, 2, 9, 2 * z);
        add_square(&b, 2, 9, 2 * z + 0.1);
        add_square(&b, 4, 6, 2 * z + 0.2);
    }
    rp_mask mask = fill(&b, &report);
    assert_int_equal(rp_mask_count(&mask), 3 * (64 - 9));
    assert_int_equal(report.duplicate_contours, 3);
    assert_close(report.step_mm, 0, 0);
    rp_mask_release(&mask);
}

/* A copy cut to whole millimetres, or a wall: both are possible, so it is told. */
static void a_thin_wall_is_told(void **state)
{
    (void)state;
    builder b = {0};
    rp_roi_report report;
    rp_remarks remarks = {0};
    add_circle(&b, 9.5, 8, 4, 0, false, 0);
    add_circle(&b, 9.5, 7.2, 4, 0, false, 0);
    rp_mask mask = fill(&b, &report);
    assert_int_equal(report.thin_walls, 1);
    rp_roi_remark(&report, 2, &remarks);
    assert_non_null(rp_remark_find(&remarks, "contour_thin_wall"));
    rp_remarks_release(&remarks);
    rp_mask_release(&mask);
}

/* Three contours 0.3 mm apart in all, between two slices: one slice, not two. */
static void a_sliver_between_slices_goes_to_one(void **state)
{
    (void)state;
    builder b = {0};
    for (int i = 0; i < 3; i++) add_square(&b, 2, 5, 4.9 + 0.15 * i);
    rp_mask mask = fill(&b, NULL);
    assert_int_equal(rp_mask_count(&mask), 16);
    rp_mask_release(&mask);
}

/* Two outlines that overlap, a hole in each, one in both, an island in that. */
static void overlapping_contours_are_united_round_their_holes(void **state)
{
    (void)state;
    builder b = {0};
    rp_roi_report report;
    add_square(&b, 1, 10, 4);
    add_points(&b, (const double[4][2]){{5.5, 0.5}, {15.5, 0.5}, {15.5, 10.5}, {5.5, 10.5}}, 4, 4);
    add_square(&b, 2, 3, 4);
    add_points(&b, (const double[4][2]){{12.5, 4.5}, {14.5, 4.5}, {14.5, 6.5}, {12.5, 6.5}}, 4, 4);
    add_points(&b, (const double[4][2]){{6.5, 4.5}, {9.5, 4.5}, {9.5, 7.5}, {6.5, 7.5}}, 4, 4);
    add_points(&b, (const double[4][2]){{7.5, 5.5}, {8.5, 5.5}, {8.5, 6.5}, {7.5, 6.5}}, 4, 4);
    const size_t expected = 100 + 50 - 4 - 4 - 9 + 1;
    rp_mask mask = fill(&b, &report);
    assert_int_equal(rp_mask_count(&mask), expected);
    assert_int_equal(mask.data[rp_grid_index(&mask.grid, 7, 5, 2)], 0);
    assert_int_equal(mask.data[rp_grid_index(&mask.grid, 8, 6, 2)], 1);
    assert_int_equal(report.overlapping_contours, 1);
    assert_close(report.sum_area_spacing_cc, (double)expected * 2 / 1000, 0.001);
    rp_mask_release(&mask);
    for (int i = 0; i < 6; i++) strcpy(b.contours[i].geometric_type, "CLOSEDPLANAR_XOR");
    mask = fill(&b, &report);
    assert_int_equal(rp_mask_count(&mask), 100 + 100 - 2 * 50 - 4 - 4 + 9 - 1);
    assert_int_equal(report.overlapping_contours, 0);
    rp_mask_release(&mask);
}

/* A common edge, a hole that touches the outline, a notch. */
static void contours_that_touch_are_no_overlap(void **state)
{
    (void)state;
    builder b = {0};
    rp_roi_report report;
    add_square(&b, 2, 5, 4);
    add_points(&b, (const double[4][2]){{5.5, 1.5}, {9.5, 1.5}, {9.5, 5.5}, {5.5, 5.5}}, 4, 4);
    add_square(&b, 2, 9, 6);
    add_square(&b, 2, 3, 6);
    add_points(&b, (const double[4][2]){{5.5, 1.5}, {7.5, 1.5}, {7.5, 3.5}, {5.5, 3.5}}, 4, 6);
    rp_mask mask = fill(&b, &report);
    assert_int_equal(slice_count(&mask, 2), 32);
    assert_int_equal(slice_count(&mask, 3), 64 - 4 - 4);
    assert_int_equal(report.overlapping_contours + report.duplicate_contours, 0);
    rp_mask_release(&mask);
}

/* Of a ball of 8 mm, on slices of 2 mm and pixels of 1 mm. */
static double ball_volume(double step, double offset, rp_roi_report *report)
{
    rp_roi_contour contours[64] = {0};
    rp_roi roi = {.number = 3, .contours = contours};
    double sum = 0, points[64][24][3];
    for (double z = 8 + offset - 8 * step; z < 16; z += step) {
        const double radius = sqrt(64 - (z - 8) * (z - 8));
        if (!(fabs(z - 8) < 7.99)) continue;
        for (int i = 0; i < 24; i++) {
            points[roi.contour_count][i][0] = 9.5 + radius * cos(2 * M_PI / 24 * i);
            points[roi.contour_count][i][1] = 9.5 + radius * sin(2 * M_PI / 24 * i);
            points[roi.contour_count][i][2] = z;
        }
        rp_roi_contour *c = &contours[roi.contour_count];
        *c = (rp_roi_contour){.points = points[roi.contour_count++], .count = 24};
        strcpy(c->geometric_type, "CLOSED_PLANAR");
        sum += 12 * sin(M_PI / 12) * radius * radius * step;
    }
    rp_grid grid = test_grid();
    rp_mask mask;
    rp_error err = {0};
    assert_ok(rp_roi_to_mask(&roi, &grid, &mask, report, &err), err);
    const double volume = (double)rp_mask_count(&mask) * 2;
    assert_close(report->sum_area_spacing_cc * 1000, sum, 1e-6 * sum);
    assert_close(report->mask_cc * 1000, volume, 1e-9);
    rp_mask_release(&mask);
    return volume / sum;
}

static void other_spacings_keep_the_volume(void **state)
{
    (void)state;
    static const struct {
        double step, offset;
    } cases[] = {{1, 0}, {1, 0.5}, {0.5, 0}, {1.25, 0}, {1.25, 0.3},
                 {3, 0}, {3, 1},   {4, 0},   {5, 1}};
    rp_roi_report report;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const double step = cases[i].step;
        assert_close(ball_volume(step, cases[i].offset, &report), 1, step < 3 ? 0.03 : 0.06);
        assert_close(report.step_mm, step, 1e-9);
        rp_remarks remarks = {0};
        rp_roi_remark(&report, 2, &remarks);
        const rp_remark *told = rp_remark_find(&remarks, "contour_spacing");
        assert_non_null(told);
        assert_non_null(strstr(told->text, "cc"));
        rp_remarks_release(&remarks);
    }
}

static void what_was_done_is_told_with_the_volumes(void **state)
{
    (void)state;
    const rp_roi_report clean = {.number = 3, .sum_area_spacing_cc = 1, .mask_cc = 1.05};
    rp_roi_report r = clean;
    rp_remarks remarks = {0};
    rp_roi_remark(&clean, 2, &remarks);
    assert_int_equal(remarks.count, 0);
    r.interpolated_slices = 2;
    rp_roi_remark(&r, 2, &remarks);
    const rp_remark *told = rp_remark_find(&remarks, "contour_interpolated");
    assert_non_null(told);
    assert_non_null(strstr(told->text, "1.00 cc, the mask 1.05 cc (+5.0%)"));
    assert_int_equal(remarks.count, 1);
    r = clean;
    r.mask_cc = 1.2;
    rp_roi_remark(&r, 2, &remarks);
    assert_non_null(rp_remark_find(&remarks, "contour_volume"));
    rp_remarks_release(&remarks);
}

static void the_image_border_cuts(void **state)
{
    (void)state;
    builder b = {0};
    add_square(&b, -5, 1, 0);
    rp_mask mask = fill(&b, NULL);
    assert_int_equal(rp_mask_count(&mask), 4);
    rp_mask_release(&mask);
}

static void unusable_regions_are_errors(void **state)
{
    (void)state;
    rp_grid grid = test_grid();
    builder none = {.roi = {.number = 3}}, outside = {0}, tiny = {0}, upright = {0}, open = {0};
    assert_fails(&none, &grid, RP_ERR_FORMAT, "no usable contour");
    add_square(&outside, 3, 6, 500);
    assert_fails(&outside, &grid, RP_ERR_REFUSED, "outside the image");
    add_points(&tiny, (const double[3][2]){{3.2, 3.2}, {3.4, 3.2}, {3.3, 3.4}}, 3, 4);
    assert_fails(&tiny, &grid, RP_ERR_FORMAT, "no voxel centre");
    add_square(&upright, 3, 6, 4);
    upright.points[0][1][2] = 9;
    assert_fails(&upright, &grid, RP_ERR_REFUSED, "planes of the image's slices");
    strcpy(add_square(&open, 3, 6, 4)->geometric_type, "OPEN_PLANAR");
    assert_fails(&open, &grid, RP_ERR_FORMAT, "1 open");
    add_square(&none, 3, 6, 4);
    none.points[0][1][0] = NAN;
    assert_fails(&none, &grid, RP_ERR_FORMAT, "no usable contour");
    none.points[0][1][0] = 1e308;
    none.points[0][1][2] = -1e308;
    assert_fails(&none, &grid, RP_ERR_REFUSED, "planes of the image's slices");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_square_fills_its_voxels),
        cmocka_unit_test(holes_and_islands_alternate),
        cmocka_unit_test(planes_of_one_slice_are_united),
        cmocka_unit_test(rounded_positions_are_on_their_slices),
        cmocka_unit_test(midway_planes_go_up_whatever_their_last_digit),
        cmocka_unit_test(forgotten_slices_are_interpolated),
        cmocka_unit_test(sparse_contours_are_interpolated),
        cmocka_unit_test(other_gaps_stay),
        cmocka_unit_test(what_cannot_be_filled_is_counted),
        cmocka_unit_test(a_contour_given_twice_counts_once),
        cmocka_unit_test(a_contour_that_runs_round_twice_counts_once),
        cmocka_unit_test(heights_that_jitter_are_one_plane),
        cmocka_unit_test(a_thin_wall_is_told),
        cmocka_unit_test(a_sliver_between_slices_goes_to_one),
        cmocka_unit_test(overlapping_contours_are_united_round_their_holes),
        cmocka_unit_test(contours_that_touch_are_no_overlap),
        cmocka_unit_test(other_spacings_keep_the_volume),
        cmocka_unit_test(what_was_done_is_told_with_the_volumes),
        cmocka_unit_test(the_image_border_cuts),
        cmocka_unit_test(unusable_regions_are_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
