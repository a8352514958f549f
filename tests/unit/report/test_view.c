#include "test.h"
#include "../../../src/report/view.h"

#include <math.h>

static const int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};

/* Grid axis a runs along world axis order[a], backwards where bit a of flips is set. */
static rp_grid stored(const int order[3], int flips)
{
    rp_grid grid = rp_grid_make(40, 50, 60, 0.7, 1.1, 3);
    memset(grid.direction, 0, sizeof grid.direction);
    for (int a = 0; a < 3; a++) grid.direction[order[a]][a] = flips >> a & 1 ? -1 : 1;
    return grid;
}

/* Unit vector of the patient that the picture's direction d shows, told from what the public
 * mapping does with two voxels. */
static void shown_direction(const rp_grid *grid, const rp_frame *frame, int d, double out[3])
{
    double a[3] = {0}, b[3] = {0}, from[3], to[3], length = 0;
    b[frame->view.axis[d]] = 1;
    if (rp_frame_from_index(frame, grid, d, 1) < rp_frame_from_index(frame, grid, d, 0)) {
        a[frame->view.axis[d]] = 1;
        b[frame->view.axis[d]] = 0;
    }
    rp_grid_to_world(grid, a, from);
    rp_grid_to_world(grid, b, to);
    for (int r = 0; r < 3; r++) length = hypot(length, to[r] - from[r]);
    for (int r = 0; r < 3; r++) out[r] = (to[r] - from[r]) / length;
}

/* By world axis across the picture: edges left, right, top, bottom. */
static const char *const expected[3][4] = {
    {"A", "P", "H", "F"}, /* sagittal */
    {"R", "L", "H", "F"}, /* coronal */
    {"R", "L", "A", "P"}, /* axial */
};

static void every_axis_order_and_flip_is_shown_the_radiological_way(void **state)
{
    (void)state;
    static const double right[3][3] = {{0, 1, 0}, {1, 0, 0}, {1, 0, 0}};
    static const double down[3][3] = {{0, 0, -1}, {0, 0, -1}, {0, 1, 0}};
    int checked = 0;
    for (int o = 0; o < 6; o++)
        for (int flips = 0; flips < 8; flips++)
            for (int normal = 0; normal < 3; normal++) {
                rp_grid grid = stored(orders[o], flips);
                rp_frame frame = {.size = {30, 30}};
                rp_view_letters letters;
                double u[3], v[3];
                int across = orders[o][normal];
                rp_view_choose(&grid, normal, &frame.view);
                rp_view_label(&grid, &frame.view, &letters);
                assert_string_equal(letters.left, expected[across][0]);
                assert_string_equal(letters.right, expected[across][1]);
                assert_string_equal(letters.top, expected[across][2]);
                assert_string_equal(letters.bottom, expected[across][3]);
                shown_direction(&grid, &frame, 0, u);
                shown_direction(&grid, &frame, 1, v);
                for (int r = 0; r < 3; r++) {
                    assert_close(u[r], right[across][r], 1e-12);
                    assert_close(v[r], down[across][r], 1e-12);
                }
                checked++;
            }
    assert_int_equal(checked, 144);
}

/* Rotation about an axis of the world by an angle, as columns. */
static void rotate(rp_grid *grid, int axis, double degrees)
{
    double c = cos(degrees * M_PI / 180), s = sin(degrees * M_PI / 180);
    int p = (axis + 1) % 3, q = (axis + 2) % 3;
    for (int a = 0; a < 3; a++) {
        double x = grid->direction[p][a], y = grid->direction[q][a];
        grid->direction[p][a] = c * x - s * y;
        grid->direction[q][a] = s * x + c * y;
    }
}

static void oblique_edges_name_every_large_component(void **state)
{
    (void)state;
    rp_view view;
    rp_view_letters letters;
    rp_grid grid = stored(orders[0], 0);
    rotate(&grid, 2, 10); /* below 15 degrees: no second letter */
    rp_view_choose(&grid, 2, &view);
    rp_view_label(&grid, &view, &letters);
    assert_string_equal(letters.right, "L");
    assert_string_equal(letters.top, "A");
    rotate(&grid, 2, 20); /* 30 now: the x axis turns towards posterior, the y axis towards right */
    rp_view_choose(&grid, 2, &view);
    rp_view_label(&grid, &view, &letters);
    assert_string_equal(letters.right, "LP");
    assert_string_equal(letters.left, "RA");
    assert_string_equal(letters.bottom, "PR");
    assert_string_equal(letters.top, "AL");
}

static double sum_product(const double a[3], const double b[3])
{
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

/* Whatever the angles: seen from the feet, from in front, or from the patient's left; never from
 * behind the mirror. */
static void no_rotation_gives_a_mirror_image(void **state)
{
    (void)state;
    static const double viewer[3][3] = {{-1, 0, 0}, {0, 1, 0}, {0, 0, 1}};
    rp_random random;
    rp_random_init(&random, 5, 1, 0);
    for (int i = 0; i < 2000; i++) {
        rp_grid grid = stored(orders[i % 6], (i / 6) % 8);
        rp_frame frame = {.size = {30, 30}};
        double u[3], v[3], n[3], away[3];
        for (int axis = 0; axis < 3; axis++) rotate(&grid, axis, rp_random_range(&random, 0, 360));
        rp_view_choose(&grid, 2, &frame.view);
        shown_direction(&grid, &frame, 0, u);
        shown_direction(&grid, &frame, 1, v);
        int across = 0;
        for (int r = 0; r < 3; r++) n[r] = grid.direction[r][2];
        for (int r = 1; r < 3; r++)
            if (fabs(n[r]) > fabs(n[across])) across = r;
        for (int r = 0; r < 3; r++) {
            int s = (r + 1) % 3, t = (r + 2) % 3;
            away[r] = u[s] * v[t] - u[t] * v[s];
        }
        assert_true(sum_product(away, viewer[across]) > 0.5);
    }
}

static void frames_keep_millimetres_and_stay_in_the_image(void **state)
{
    (void)state;
    for (int o = 0; o < 6; o++)
        for (int flips = 0; flips < 8; flips++) {
            rp_grid grid = stored(orders[o], flips);
            rp_frame frame = {.size = {20, 20}};
            double centre[3] = {1, 48, 30};
            rp_view_choose(&grid, 2, &frame.view);
            rp_frame_centre(&frame, &grid, centre);
            for (int d = 0; d < 2; d++) {
                int axis = frame.view.axis[d];
                double first = rp_frame_to_index(&frame, &grid, d, 0);
                double last = rp_frame_to_index(&frame, &grid, d, 20);
                double at = rp_frame_from_index(&frame, &grid, d, centre[axis]);
                assert_close(fabs(last - first) * grid.spacing[axis], 20, 1e-9);
                assert_true(fmin(first, last) >= -0.5 - 1e-9);
                assert_true(fmax(first, last) <= grid.size[axis] - 0.5 + 1e-9);
                assert_true(at >= 0 && at <= 20);
                assert_close(rp_frame_to_index(&frame, &grid, d, at), centre[axis], 1e-9);
            }
        }
}

static void an_image_smaller_than_the_frame_is_centred(void **state)
{
    (void)state;
    rp_grid grid = rp_grid_make(10, 20, 5, 1, 1, 1);
    rp_frame frame = {.size = {40, 40}};
    double centre[3] = {0, 0, 0};
    rp_view_choose(&grid, 2, &frame.view);
    rp_frame_centre(&frame, &grid, centre);
    assert_close(rp_frame_from_index(&frame, &grid, 0, 4.5), 20, 1e-9);
    assert_close(rp_frame_from_index(&frame, &grid, 1, 9.5), 20, 1e-9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_axis_order_and_flip_is_shown_the_radiological_way),
        cmocka_unit_test(oblique_edges_name_every_large_component),
        cmocka_unit_test(no_rotation_gives_a_mirror_image),
        cmocka_unit_test(frames_keep_millimetres_and_stay_in_the_image),
        cmocka_unit_test(an_image_smaller_than_the_frame_is_centred),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
