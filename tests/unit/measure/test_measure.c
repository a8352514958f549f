/* Diameters against brute force over all pairs of contour points, and against shapes whose
 * diameters are known. */
#include "reprise/measure.h"
#include "../orders.h"

#include <math.h>

static rp_mask make_mask(int nx, int ny, int nz, double sx, double sy, double sz)
{
    rp_grid g = rp_grid_make(nx, ny, nz, sx, sy, sz);
    rp_mask m;
    rp_error err = {0};
    assert_ok(rp_mask_init(&m, &g, &err), err);
    return m;
}

static bool at(const rp_mask *m, int x, int y, int z)
{
    const int *n = m->grid.size;
    return x >= 0 && y >= 0 && x < n[0] && y < n[1] && m->data[rp_grid_index(&m->grid, x, y, z)];
}

/* ---- brute force -------------------------------------------------------------------------------
 */

typedef struct point {
    double x, y;
} point;

/* Midpoints between inside and outside neighbours, the slice's border included. */
static size_t contour_points(const rp_mask *m, int z, point *out)
{
    size_t n = 0;
    for (int y = -1; y < m->grid.size[1]; y++)
        for (int x = -1; x < m->grid.size[0]; x++) {
            if (at(m, x, y, z) != at(m, x + 1, y, z)) out[n++] = (point){x + 0.5, y};
            if (at(m, x, y, z) != at(m, x, y + 1, z)) out[n++] = (point){x, y + 0.5};
        }
    return n;
}

/* Inside or on the contour: a generalised bilinear test by sub-triangles would do, but the cut
 * corners are plain half planes. */
static bool point_in(const rp_mask *m, int z, double px, double py)
{
    int x = (int)floor(px), y = (int)floor(py), count = 0;
    double fx = px - x, fy = py - y, e = 1e-6;
    bool c[4] = {at(m, x, y, z), at(m, x + 1, y, z), at(m, x + 1, y + 1, z), at(m, x, y + 1, z)};
    double r[4] = {fx + fy, 1 - fx + fy, 2 - fx - fy, fx + 1 - fy};
    for (int i = 0; i < 4; i++) count += c[i];
    if (count == 0) return false;
    if (count == 2 && c[0] && c[1]) return fy <= 0.5 + e;
    if (count == 2 && c[2] && c[3]) return fy >= 0.5 - e;
    if (count == 2 && c[0] && c[3]) return fx <= 0.5 + e;
    if (count == 2 && c[1] && c[2]) return fx >= 0.5 - e;
    for (int i = 0; i < 4; i++) {
        if (count == 1 && c[i]) return r[i] <= 0.5 + e;
        if (count != 1 && !c[i] && r[i] < 0.5 - e) return false;
    }
    return true;
}

/* Sampled densely: 64 points a pixel side see every part of the outside that is worth seeing. */
static bool segment_in(const rp_mask *m, int z, point a, point b)
{
    int n = 64 * (int)ceil(fabs(a.x - b.x) + fabs(a.y - b.y)) + 1;
    for (int i = 0; i <= n; i++) {
        double t = (double)i / n;
        if (!point_in(m, z, a.x + t * (b.x - a.x), a.y + t * (b.y - a.y))) return false;
    }
    return true;
}

static double brute_longest(const rp_mask *m, int z, rp_diameter_definition definition)
{
    size_t room = 2 * (size_t)(m->grid.size[0] + 1) * (size_t)(m->grid.size[1] + 1);
    point *p = rp_alloc(room, sizeof *p);
    size_t n = contour_points(m, z, p);
    double best = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t j = i + 1; j < n; j++) {
            double d = hypot((p[i].x - p[j].x) * m->grid.spacing[0],
                             (p[i].y - p[j].y) * m->grid.spacing[1]);
            if (d > best && (definition == RP_DIAMETER_CONVEX || segment_in(m, z, p[i], p[j])))
                best = d;
        }
    rp_free(p);
    return best;
}

/* The longest perpendicular extent found on many parallel lines, sampled along each. A lower bound
 * that comes near. */
static double brute_short(const rp_mask *m, int z, rp_diameter_definition definition,
                          const rp_point2 axis[2])
{
    const double *s = m->grid.spacing, step = 0.02;
    double ux = (axis[1].x - axis[0].x) * s[0], uy = (axis[1].y - axis[0].y) * s[1];
    double length = hypot(ux, uy), best = 0,
           reach = m->grid.size[0] * s[0] + m->grid.size[1] * s[1];
    ux /= length;
    uy /= length;
    for (double t = -reach; t < reach; t += step) {
        double first = NAN, last = NAN;
        for (double v = -reach; v < reach; v += step) {
            bool in = point_in(m, z, (t * ux - v * uy) / s[0], (t * uy + v * ux) / s[1]);
            if (!in && definition == RP_DIAMETER_INSIDE) first = NAN;
            if (!in) continue;
            if (isnan(first)) first = v;
            last = v;
            best = fmax(best, last - first);
        }
    }
    return best;
}

static double end_distance(const rp_mask *m, const rp_point2 e[2])
{
    return hypot((e[0].x - e[1].x) * m->grid.spacing[0], (e[0].y - e[1].y) * m->grid.spacing[1]);
}

/* Whether some point within a hundredth of a pixel is inside and some is outside. */
static bool on_contour(const rp_mask *m, int z, rp_point2 p)
{
    bool inside = false, outside = false;
    for (int j = -1; j <= 1; j++)
        for (int i = -1; i <= 1; i++) {
            bool in = point_in(m, z, p.x + 0.01 * i, p.y + 0.01 * j);
            inside = inside || in;
            outside = outside || !in;
        }
    return inside && outside;
}

static void check_slice(const rp_mask *m, int z, rp_diameter_definition definition, bool also_short)
{
    double longest, across;
    rp_point2 a[2], b[2];
    rp_error err = {0};
    assert_ok(rp_measure_slice(m, z, definition, &longest, a, &across, b, &err), err);
    assert_close(longest, brute_longest(m, z, definition), 1e-9);
    if (longest == 0) return;
    assert_close(end_distance(m, a), longest, 1e-9);
    assert_close(end_distance(m, b), across, 1e-9);
    assert_true(across > 0);
    for (int i = 0; i < 2; i++) assert_true(on_contour(m, z, a[i]) && on_contour(m, z, b[i]));
    const double *s = m->grid.spacing;
    double dot = (a[1].x - a[0].x) * (b[1].x - b[0].x) * s[0] * s[0] +
                 (a[1].y - a[0].y) * (b[1].y - b[0].y) * s[1] * s[1];
    assert_close(dot, 0, 1e-9 * longest * across);
    if (definition == RP_DIAMETER_INSIDE) {
        assert_true(segment_in(m, z, (point){a[0].x, a[0].y}, (point){a[1].x, a[1].y}));
        assert_true(segment_in(m, z, (point){b[0].x, b[0].y}, (point){b[1].x, b[1].y}));
    }
    if (!also_short) return;
    double brute = brute_short(m, z, definition, a);
    if (!(across >= brute - 1e-6 && across <= brute + 0.15))
        fail_msg("short axis %.4f, by sampling %.4f", across, brute);
}

/* ---- shapes ------------------------------------------------------------------------------------
 */

static void fill_random(rp_mask *m, uint64_t seed, double density)
{
    rp_random r;
    rp_random_init(&r, seed, 1, 0);
    for (size_t i = 0; i < rp_grid_voxels(&m->grid); i++)
        m->data[i] = rp_random_uniform(&r) < density;
}

static void fill_ellipse(rp_mask *m, double a_mm, double b_mm, double angle)
{
    const rp_grid *g = &m->grid;
    for (int z = 0; z < g->size[2]; z++)
        for (int y = 0; y < g->size[1]; y++)
            for (int x = 0; x < g->size[0]; x++) {
                double px = (x - 0.5 * (g->size[0] - 1)) * g->spacing[0];
                double py = (y - 0.5 * (g->size[1] - 1)) * g->spacing[1];
                double u = (px * cos(angle) + py * sin(angle)) / a_mm;
                double v = (-px * sin(angle) + py * cos(angle)) / b_mm;
                m->data[rp_grid_index(g, x, y, z)] = u * u + v * v <= 1;
            }
}

static void test_random_masks(void **state)
{
    (void)state;
    static const double densities[] = {0.02, 0.2, 0.5, 0.8, 0.95};
    for (int i = 0; i < 40; i++) {
        rp_mask m = make_mask(5 + i % 9, 4 + i % 7, 1, 0.6 + 0.07 * (i % 11), 0.9, 3);
        fill_random(&m, (uint64_t)i, densities[i % 5]);
        check_slice(&m, 0, RP_DIAMETER_CONVEX, i < 8);
        check_slice(&m, 0, RP_DIAMETER_INSIDE, i < 8);
        rp_mask_release(&m);
    }
}

static void test_ellipses(void **state)
{
    (void)state;
    for (int i = 0; i < (SHORT ? 1 : SLOW ? 2 : 6); i++) {
        rp_mask m = make_mask(70, 50, 1, 0.8, 1.1, 5);
        double a = 20 + i, b = 9 + i;
        fill_ellipse(&m, a, b, 0.5 * i);
        check_slice(&m, 0, RP_DIAMETER_CONVEX, i == 1);
        check_slice(&m, 0, RP_DIAMETER_INSIDE, i == 1);
        rp_lesion l;
        rp_error err = {0};
        assert_ok(rp_measure_mask(&m, RP_DIAMETER_CONVEX, &l, &err), err);
        assert_close(l.longest_diameter_mm, 2 * a, 1.2);
        assert_close(l.short_axis_mm, 2 * b, 1.2);
        assert_close(l.volume_cc, M_PI * a * b * 5 / 1000, 0.05);
        rp_mask_release(&m);
    }
}

static void test_box_is_exact(void **state)
{
    (void)state;
    rp_mask m = make_mask(40, 30, 3, 0.5, 0.75, 2);
    for (int y = 10; y < 20; y++)
        for (int x = 5; x < 25; x++) m.data[rp_grid_index(&m.grid, x, y, 1)] = 1;
    rp_lesion l;
    rp_error err = {0};
    assert_ok(rp_measure_mask(&m, RP_DIAMETER_CONVEX, &l, &err), err);
    /* 20 x 10 voxels whose corners are cut: from (5, 9.5) to (24, 19.5). */
    assert_close(l.longest_diameter_mm, hypot(19 * 0.5, 10 * 0.75), 1e-12);
    assert_int_equal(l.slice_index, 1);
    assert_int_equal(l.first_slice, 1);
    assert_int_equal(l.last_slice, 1);
    assert_int_equal(l.voxels, 200);
    assert_close(l.volume_cc, 200 * 0.75 / 1000, 1e-12);
    assert_close(l.centroid_lps[0], 14.5 * 0.5, 1e-12);
    assert_close(l.centroid_lps[1], 14.5 * 0.75, 1e-12);
    assert_close(l.centroid_lps[2], 2, 1e-12);
    assert_close(l.slice_position_lps[2], 2, 1e-12);
    assert_close(l.long_axis_lps[0][0], l.long_axis_index[0].x * 0.5, 1e-12);
    rp_mask_release(&m);
}

static void test_single_voxel(void **state)
{
    (void)state;
    rp_mask m = make_mask(1, 1, 1, 0.7, 0.9, 3);
    m.data[0] = 1;
    for (int d = 0; d < 2; d++) {
        rp_lesion l;
        rp_error err = {0};
        assert_ok(rp_measure_mask(&m, (rp_diameter_definition)d, &l, &err), err);
        assert_close(l.longest_diameter_mm, 0.9, 1e-12);
        assert_close(l.short_axis_mm, 0.7, 1e-12);
    }
    rp_mask_release(&m);
}

/* A voxel more at an end of an axis that lies along a row, along a column, and aslant. */
static void test_voxel_along_axes(void **state)
{
    (void)state;
    rp_error err = {0};
    rp_lesion lesion;
    rp_mask m = make_mask(40, 40, 3, 0.7, 0.9, 5);
    for (int x = 5; x < 30; x++) m.data[rp_grid_index(&m.grid, x, 20, 1)] = 1;
    assert_ok(rp_measure_mask(&m, RP_DIAMETER_CONVEX, &lesion, &err), err);
    assert_close(lesion.long_voxel_mm, 0.7, 1e-9);
    assert_close(lesion.short_voxel_mm, 0.9, 1e-9);
    memset(m.data, 0, rp_grid_voxels(&m.grid));
    for (int i = 5; i < 30; i++) m.data[rp_grid_index(&m.grid, i, i, 1)] = 1;
    assert_ok(rp_measure_mask(&m, RP_DIAMETER_CONVEX, &lesion, &err), err);
    const double before = lesion.longest_diameter_mm, extent = lesion.long_voxel_mm;
    m.data[rp_grid_index(&m.grid, 30, 30, 1)] = 1;
    assert_ok(rp_measure_mask(&m, RP_DIAMETER_CONVEX, &lesion, &err), err);
    assert_close(lesion.longest_diameter_mm - before, extent, 0.01);
    rp_mask_release(&m);
}

static void test_empty(void **state)
{
    (void)state;
    rp_mask m = make_mask(4, 4, 2, 1, 1, 1);
    rp_lesion l;
    double longest, across;
    rp_point2 a[2], b[2];
    rp_error err = {0};
    assert_ok(rp_measure_mask(&m, RP_DIAMETER_CONVEX, &l, &err), err);
    assert_int_equal(l.slice_index, -1);
    assert_true(l.longest_diameter_mm == 0 && l.voxels == 0 && l.volume_cc == 0);
    assert_ok(rp_measure_slice(&m, 1, RP_DIAMETER_INSIDE, &longest, a, &across, b, &err), err);
    assert_true(longest == 0 && across == 0);
    assert_int_equal(rp_measure_slice(&m, 2, RP_DIAMETER_CONVEX, &longest, a, &across, b, &err),
                     RP_ERR_ARGUMENT);
    rp_mask_release(&m);
}

/* A ring: the convex diameter crosses the hole, the inside one must not. */
static void test_hole(void **state)
{
    (void)state;
    rp_mask outer = make_mask(41, 41, 1, 1, 1, 1), inner = make_mask(41, 41, 1, 1, 1, 1);
    fill_ellipse(&outer, 18, 18, 0);
    fill_ellipse(&inner, 10, 10, 0);
    for (size_t i = 0; i < rp_grid_voxels(&outer.grid); i++)
        outer.data[i] = outer.data[i] && !inner.data[i];
    double convex, inside, across;
    rp_point2 a[2], b[2];
    rp_error err = {0};
    assert_ok(rp_measure_slice(&outer, 0, RP_DIAMETER_CONVEX, &convex, a, &across, b, &err), err);
    assert_ok(rp_measure_slice(&outer, 0, RP_DIAMETER_INSIDE, &inside, a, &across, b, &err), err);
    assert_close(convex, 36.5, 1);
    assert_close(inside, 2 * sqrt(18.3 * 18.3 - 10.3 * 10.3), 1);
    assert_close(inside, brute_longest(&outer, 0, RP_DIAMETER_INSIDE), 1e-9);
    rp_mask_release(&outer);
    rp_mask_release(&inner);
}

/* The largest slice by convex diameter is a horseshoe; the longest straight line is elsewhere. */
static void test_longest_slice_depends_on_the_definition(void **state)
{
    (void)state;
    rp_mask m = make_mask(40, 40, 4, 1, 1, 3);
    for (int i = 5; i < 35; i++) {
        m.data[rp_grid_index(&m.grid, i, 5, 1)] = 1;
        m.data[rp_grid_index(&m.grid, 5, i, 1)] = 1;
        m.data[rp_grid_index(&m.grid, 34, i, 1)] = 1;
    }
    for (int x = 2; x < 36; x++) m.data[rp_grid_index(&m.grid, x, 20, 3)] = 1;
    rp_lesion l;
    rp_error err = {0};
    assert_ok(rp_measure_mask(&m, RP_DIAMETER_CONVEX, &l, &err), err);
    assert_int_equal(l.slice_index, 1);
    assert_ok(rp_measure_mask(&m, RP_DIAMETER_INSIDE, &l, &err), err);
    assert_int_equal(l.slice_index, 3);
    assert_close(l.longest_diameter_mm, 34, 1e-12);
    rp_mask_release(&m);
}

/* A patient who is rotated and mirrored on the table has lesions elsewhere, not longer ones. */
static void test_rotated_world(void **state)
{
    (void)state;
    rp_mask m = make_mask(50, 40, 3, 0.9, 1.3, 4);
    fill_ellipse(&m, 19, 11, 0.7);
    rp_lesion straight, turned;
    rp_error err = {0};
    assert_ok(rp_measure_mask(&m, RP_DIAMETER_CONVEX, &straight, &err), err);
    double c = cos(0.4), s = sin(0.4);
    double direction[3][3] = {{c, -s, 0}, {s, c, 0}, {0, 0, -1}};
    memcpy(m.grid.direction, direction, sizeof direction);
    m.grid.origin[1] = -71;
    assert_ok(rp_measure_mask(&m, RP_DIAMETER_CONVEX, &turned, &err), err);
    assert_close(turned.longest_diameter_mm, straight.longest_diameter_mm, 1e-12);
    double sum = 0;
    for (int i = 0; i < 3; i++) {
        double d = turned.long_axis_lps[1][i] - turned.long_axis_lps[0][i];
        sum += d * d;
    }
    assert_close(sqrt(sum), turned.longest_diameter_mm, 1e-9);
    rp_mask_release(&m);
}

/* ---- orders of axes ---------------------------------------------------------------------------
 */

/* The file's own index of an end lies where the patient's coordinates say. */
static void check_end(const rp_lesion *l, const rp_grid *grid, rp_point2 index, const double lps[3])
{
    double at[3], world[3];
    const int across = l->slice_axis;
    at[across] = l->slice_index;
    at[across == 0 ? 1 : 0] = index.x;
    at[across == 2 ? 1 : 2] = index.y;
    rp_grid_to_world(grid, at, world);
    for (int r = 0; r < 3; r++) assert_close(world[r], lps[r], 1e-9);
}

static void check_same_lesion(const rp_lesion *want, const rp_lesion *l, const rp_grid *grid,
                              int order)
{
    assert_int_equal(order_axis(order, l->slice_axis), 2);
    assert_true(l->voxels == want->voxels && l->volume_cc == want->volume_cc);
    assert_true(l->longest_diameter_mm == want->longest_diameter_mm);
    assert_true(l->short_axis_mm == want->short_axis_mm);
    const int last = grid->size[l->slice_axis] - 1;
    const bool turned = order_turned(order, l->slice_axis);
    assert_int_equal(l->slice_index, turned ? last - want->slice_index : want->slice_index);
    assert_int_equal(l->first_slice, turned ? last - want->last_slice : want->first_slice);
    assert_int_equal(l->last_slice, turned ? last - want->first_slice : want->last_slice);
    for (int r = 0; r < 3; r++) {
        assert_close(l->centroid_lps[r], want->centroid_lps[r], 1e-4);
        for (int end = 0; end < 2; end++) {
            assert_close(l->long_axis_lps[end][r], want->long_axis_lps[end][r], 1e-4);
            assert_close(l->short_axis_lps[end][r], want->short_axis_lps[end][r], 1e-4);
        }
    }
    for (int end = 0; end < 2; end++) {
        check_end(l, grid, l->long_axis_index[end], l->long_axis_lps[end]);
        check_end(l, grid, l->short_axis_index[end], l->short_axis_lps[end]);
    }
}

static void check_slice_in_order(const rp_mask *stored, const rp_lesion *l,
                                 rp_diameter_definition definition)
{
    double longest, across;
    rp_point2 ends[2], short_ends[2];
    rp_error err = {0};
    assert_ok(rp_measure_slice(stored, l->slice_index, definition, &longest, ends, &across,
                               short_ends, &err),
              err);
    assert_true(longest == l->longest_diameter_mm);
    assert_close(across, l->short_axis_mm, 1e-9);
}

static void check_orders(const rp_mask *m)
{
    for (int d = 0; d < 2; d++) {
        const rp_diameter_definition definition = d ? RP_DIAMETER_INSIDE : RP_DIAMETER_CONVEX;
        rp_lesion want, l;
        rp_error err = {0};
        assert_ok(rp_measure_mask(m, definition, &want, &err), err);
        assert_int_equal(want.slice_axis, 2);
        for (int order = 0; order < ORDERS; order += SLOW ? 5 : 1) {
            rp_mask stored = order_mask(m, order);
            assert_ok(rp_measure_mask(&stored, definition, &l, &err), err);
            check_same_lesion(&want, &l, &stored.grid, order);
            check_slice_in_order(&stored, &l, definition);
            rp_mask_release(&stored);
        }
    }
}

static void test_all_orders(void **state)
{
    (void)state;
    rp_mask m = make_mask(17, 13, 6, 0.7, 1.1, 3);
    memcpy(m.grid.origin, (const double[3]){-31.4, 17.25, 802.5}, sizeof m.grid.origin);
    for (int i = 0; i < (SLOW ? 1 : 4); i++) {
        fill_random(&m, 7 + (uint64_t)i, i % 2 ? 0.3 : 0.8);
        check_orders(&m);
    }
    const double c = cos(0.3), s = sin(0.3);
    const double direction[3][3] = {{c, -s, 0}, {s * c, c * c, -s}, {s * s, c * s, c}};
    memcpy(m.grid.direction, direction, sizeof direction);
    check_orders(&m);
    rp_mask_release(&m);
}

/* Two slices share the longest diameter, or three also the short axis; in a circle many pairs of
 * one slice do. */
static void test_ties_in_all_orders(void **state)
{
    (void)state;
    rp_mask m = make_mask(40, 40, 6, 1.5, 1.5, 3);
    for (int z = 2; z < 5; z++)
        for (int x = 5; x < 30; x++) m.data[rp_grid_index(&m.grid, x, 20, z)] = 1;
    for (int z = 3; z < 5; z++)
        for (int y = 16; y < 25; y++)
            for (int x = 14; x < 21; x++) m.data[rp_grid_index(&m.grid, x, y, z)] = 1;
    rp_lesion l;
    rp_error err = {0};
    for (int d = 0; d < 2; d++) {
        assert_ok(rp_measure_mask(&m, d ? RP_DIAMETER_INSIDE : RP_DIAMETER_CONVEX, &l, &err), err);
        assert_close(l.longest_diameter_mm, 37.5, 1e-12);
        assert_close(l.short_axis_mm, 13.5, 1e-12);
        assert_int_equal(l.slice_index, 3); /* of 3 and 4 the one nearer the feet */
    }
    check_orders(&m);
    for (int z = 0; z < 6; z++)
        for (int y = 0; y < 40; y++)
            for (int x = 0; x < 40; x++)
                m.data[rp_grid_index(&m.grid, x, y, z)] =
                    (x - 19) * (x - 19) + (y - 21) * (y - 21) <= 81;
    check_orders(&m);
    rp_mask_release(&m);
}

static void test_labels(void **state)
{
    (void)state;
    rp_grid g = rp_grid_make(30, 20, 5, 1, 2, 3);
    rp_labels labels;
    rp_error err = {0};
    rp_lesion *found = NULL, alone;
    size_t count = 0;
    assert_ok(rp_labels_init(&labels, &g, &err), err);
    assert_ok(rp_measure_labels(&labels, RP_DIAMETER_CONVEX, &found, &count, &err), err);
    assert_int_equal(count, 0);
    rp_free(found);
    rp_random r;
    rp_random_init(&r, 3, 1, 0);
    static const int32_t values[] = {0, 0, 7, 2, 2000000000};
    for (size_t i = 0; i < rp_grid_voxels(&g); i++) labels.data[i] = values[rp_random_u32(&r) % 5];
    assert_ok(rp_measure_labels(&labels, RP_DIAMETER_INSIDE, &found, &count, &err), err);
    assert_int_equal(count, 3);
    static const int32_t expected[] = {2, 7, 2000000000};
    for (size_t i = 0; i < 3; i++) {
        rp_mask m;
        assert_int_equal(found[i].label, expected[i]);
        assert_ok(rp_labels_select(&labels, expected[i], &m, &err), err);
        assert_ok(rp_measure_mask(&m, RP_DIAMETER_INSIDE, &alone, &err), err);
        alone.label = found[i].label;
        assert_memory_equal(&alone, &found[i], sizeof alone);
        rp_mask_release(&m);
    }
    rp_free(found);
    rp_labels_release(&labels);
}

/* A large horseshoe with a ragged border, where nearly every long pair is hidden, is still exact on
 * a coarse copy and finds the same on the fine one within a pixel. */
static void test_large_horseshoe(void **state)
{
    (void)state;
    double found[2];
    for (int fine = 0; fine < 2; fine++) {
        int n = fine ? 240 : 60;
        double s = 180.0 / n;
        rp_mask m = make_mask(n, n, 1, s, s, 3);
        for (int y = 0; y < n; y++)
            for (int x = 0; x < n; x++) {
                double px = (x + 0.5) * s - 90, py = (y + 0.5) * s - 90;
                double radius = hypot(px, py) + 2 * sin(9 * atan2(py, px));
                m.data[(size_t)y * (size_t)n + (size_t)x] =
                    radius < 80 && radius > 45 && !(py > 0 && fabs(px) < 20);
            }
        double across;
        rp_point2 a[2], b[2];
        rp_error err = {0};
        assert_ok(rp_measure_slice(&m, 0, RP_DIAMETER_INSIDE, &found[fine], a, &across, b, &err),
                  err);
        if (!fine) assert_close(found[0], brute_longest(&m, 0, RP_DIAMETER_INSIDE), 1e-9);
        rp_mask_release(&m);
    }
    assert_close(found[0], found[1], 6);
}

static void test_dice(void **state)
{
    (void)state;
    rp_mask a = make_mask(4, 4, 1, 1, 1, 1), b = make_mask(4, 4, 1, 1, 1, 1);
    rp_mask c = make_mask(4, 5, 1, 1, 1, 1);
    double dice;
    rp_error err = {0};
    assert_ok(rp_measure_dice(&a, &b, &dice, &err), err);
    assert_true(dice == 1);
    a.data[0] = a.data[1] = a.data[2] = 1;
    assert_ok(rp_measure_dice(&a, &b, &dice, &err), err);
    assert_true(dice == 0);
    b.data[2] = 1;
    assert_ok(rp_measure_dice(&a, &b, &dice, &err), err);
    assert_close(dice, 0.5, 1e-15);
    assert_int_equal(rp_measure_dice(&a, &c, &dice, &err), RP_ERR_ARGUMENT);
    rp_mask_release(&a);
    rp_mask_release(&b);
    rp_mask_release(&c);
}

/* Each allocation in turn fails: an error, no leak (under the sanitizer), nothing half-written. */
static void test_out_of_memory(void **state)
{
    (void)state;
    rp_mask m = make_mask(12, 12, 3, 1, 1, 1);
    fill_ellipse(&m, 5, 3, 0.3);
    for (int d = 0; d < 2; d++) {
        long n = 1;
        for (;; n++) {
            rp_lesion l = {.label = 77};
            rp_error err = {0};
            rp_test_fail_allocation(n);
            rp_status status = rp_measure_mask(&m, (rp_diameter_definition)d, &l, &err);
            rp_test_fail_allocation(0);
            if (status == RP_OK) break;
            assert_int_equal(status, RP_ERR_MEMORY);
            assert_int_equal(l.label, 77);
        }
        assert_true(n > 5);
    }
    rp_mask_release(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_masks),
        cmocka_unit_test(test_ellipses),
        cmocka_unit_test(test_box_is_exact),
        cmocka_unit_test(test_single_voxel),
        cmocka_unit_test(test_voxel_along_axes),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_hole),
        cmocka_unit_test(test_longest_slice_depends_on_the_definition),
        cmocka_unit_test(test_rotated_world),
        cmocka_unit_test(test_all_orders),
        cmocka_unit_test(test_ties_in_all_orders),
        cmocka_unit_test(test_labels),
        cmocka_unit_test(test_large_horseshoe),
        cmocka_unit_test(test_dice),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
