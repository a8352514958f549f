/* Where a lesion was found, against where it was; and whether it is cut off. */
#include "reprise/track_verify.h"

#include <math.h>
#include <string.h>

/* ---- voxels ------------------------------------------------------------------------------ */

typedef struct walk {
    const rp_mask *mask;
    int low[3], high[3], at[3];
} walk;

static bool walk_start(walk *w, const rp_mask *mask)
{
    w->mask = mask;
    if (!rp_mask_bounds(mask, w->low, w->high)) return false;
    memcpy(w->at, w->low, sizeof w->at);
    w->at[0]--;
    return true;
}

/* The next voxel inside; false at the end. */
static bool walk_next(walk *w)
{
    for (;;) {
        int axis = 0;
        while (axis < 3 && ++w->at[axis] > w->high[axis]) w->at[axis] = w->low[axis], axis++;
        if (axis == 3) return false;
        if (w->mask->data[rp_grid_index(&w->mask->grid, w->at[0], w->at[1], w->at[2])]) return true;
    }
}

static void world_of(const walk *w, double world[3])
{
    const double index[3] = {w->at[0], w->at[1], w->at[2]};
    rp_grid_to_world(&w->mask->grid, index, world);
}

/* The nearest voxel; false outside the grid. */
static bool voxel_at(const rp_grid *grid, const double world[3], int voxel[3])
{
    double index[3];
    rp_grid_from_world(grid, world, index);
    for (int a = 0; a < 3; a++) {
        voxel[a] = (int)floor(index[a] + 0.5);
        if (voxel[a] < 0 || voxel[a] >= grid->size[a]) return false;
    }
    return true;
}

static bool centre_of(const rp_mask *mask, double centre[3], size_t *count, double *radius_mm)
{
    walk w;
    *count = 0;
    memset(centre, 0, 3 * sizeof *centre);
    if (!walk_start(&w, mask)) return false;
    while (walk_next(&w)) {
        double world[3];
        world_of(&w, world);
        for (int a = 0; a < 3; a++) centre[a] += world[a];
        ++*count;
    }
    for (int a = 0; a < 3; a++) centre[a] /= (double)*count;
    *radius_mm = cbrt(0.75 / M_PI * (double)*count * rp_grid_voxel_mm3(&mask->grid));
    return true;
}

/* ---- one placement ----------------------------------------------------------------------- */

/* world of the baseline -> world of the follow-up */
typedef struct placement {
    rp_rigid rigid;
    double shift[3];
} placement;

static void carry(const placement *p, const double from[3], double to[3])
{
    rp_rigid_apply(&p->rigid, from, to);
    for (int a = 0; a < 3; a++) to[a] += p->shift[a];
}

static double share_in_view(const placement *p, const rp_mask *baseline, const rp_grid *followup)
{
    walk w;
    size_t all = 0, inside = 0;
    if (!walk_start(&w, baseline)) return NAN;
    while (walk_next(&w)) {
        double from[3], to[3];
        int voxel[3];
        world_of(&w, from);
        carry(p, from, to);
        inside += voxel_at(followup, to, voxel);
        all++;
    }
    return (double)inside / (double)all;
}

/* Voxels of what was found that lie in the carried lesion. */
static size_t count_shared(const placement *p, const rp_mask *baseline, const rp_mask *found)
{
    const rp_rigid back = rp_rigid_inverse(&p->rigid);
    const rp_grid *g = &baseline->grid;
    walk w;
    size_t shared = 0;
    if (!walk_start(&w, found)) return 0;
    while (walk_next(&w)) {
        double here[3], there[3];
        int v[3];
        world_of(&w, here);
        for (int a = 0; a < 3; a++) here[a] -= p->shift[a];
        rp_rigid_apply(&back, here, there);
        shared += voxel_at(g, there, v) && baseline->data[rp_grid_index(g, v[0], v[1], v[2])];
    }
    return shared;
}

typedef struct lesions {
    const rp_mask *baseline, *found;
    double centre[2][3], radius_mm[2];
    size_t count[2]; /* voxels; of found 0 where there are none */
} lesions;

static rp_place place_by(const lesions *l, const placement *p)
{
    rp_place place = {.shared = NAN, .centre_mm = NAN};
    place.in_view = share_in_view(p, l->baseline, &l->found->grid);
    if (!l->count[1]) return place;
    const double before = (double)l->count[0] * rp_grid_voxel_mm3(&l->baseline->grid);
    const double voxel = rp_grid_voxel_mm3(&l->found->grid);
    const double smaller = fmin(before, (double)l->count[1] * voxel);
    double carried[3], square = 0.0;
    place.shared = fmin(1.0, (double)count_shared(p, l->baseline, l->found) * voxel / smaller);
    carry(p, l->centre[0], carried);
    for (int a = 0; a < 3; a++)
        square += (carried[a] - l->centre[1][a]) * (carried[a] - l->centre[1][a]);
    place.centre_mm = sqrt(square);
    return place;
}

/* More in common, or else nearer; where nothing was found, more of it in view. */
static bool speaks_more(const rp_place *a, const rp_place *b)
{
    if (isnan(a->shared)) return a->in_view > b->in_view;
    return a->shared > b->shared || (a->shared == b->shared && a->centre_mm < b->centre_mm);
}

void rp_compare_places(const rp_alignment *alignment, const rp_mask *baseline, const rp_mask *found,
                       rp_place *out)
{
    const double least_radius_mm = 35.0, rim_mm = 20.0;
    lesions l = {.baseline = baseline, .found = found};
    placement p = {.rigid = alignment->registration.transform};
    *out = (rp_place){NAN, NAN, NAN};
    if (!centre_of(baseline, l.centre[0], &l.count[0], &l.radius_mm[0])) return;
    centre_of(found, l.centre[1], &l.count[1], &l.radius_mm[1]);
    *out = place_by(&l, &p);
    const double radius_mm = fmax(least_radius_mm, l.radius_mm[0] + rim_mm);
    if (rp_register_local(alignment->fixed, alignment->moving, &p.rigid, l.centre[0], radius_mm,
                          p.shift)) {
        const rp_place local = place_by(&l, &p);
        if (speaks_more(&local, out)) *out = local;
    }
    if (alignment->registration.quality == RP_REGISTRATION_GOOD) return;
    p = (placement){.rigid = rp_rigid_identity()};
    const rp_place as_given = place_by(&l, &p);
    if (speaks_more(&as_given, out)) *out = as_given;
}

/* ---- the field of view ------------------------------------------------------------------- */

static bool touches_border(const rp_mask *mask, int margin)
{
    int low[3], high[3];
    if (!rp_mask_bounds(mask, low, high)) return false;
    for (int a = 0; a < 3; a++)
        if (mask->grid.size[a] > 1 &&
            (low[a] <= margin || high[a] >= mask->grid.size[a] - 1 - margin))
            return true;
    return false;
}

/* Squared distance of a voxel from the middle of its plane. */
static double from_middle(const rp_grid *g, int across, const int at[3])
{
    double square = 0.0;
    for (int a = 0; a < 3; a++) {
        const double mm = a == across ? 0.0 : (at[a] - 0.5 * (g->size[a] - 1)) * g->spacing[a];
        square += mm * mm;
    }
    return square;
}

/* Squared radius of what holds more than the value of the image's first voxel; that of the corners
 * where the corners differ. */
static double scan_circle(const rp_image *image, int across)
{
    const rp_grid *g = &image->grid;
    const float outside = image->data[0];
    double largest = 0.0;
    for (int z = 0; z < g->size[2]; z++)
        for (int y = 0; y < g->size[1]; y++) {
            const float *row = image->data + rp_grid_index(g, 0, y, z);
            int first = 0, last = g->size[0] - 1;
            while (first <= last && row[first] == outside) first++;
            while (last > first && row[last] == outside) last--;
            if (first > last) continue;
            largest = fmax(largest, from_middle(g, across, (const int[3]){first, y, z}));
            largest = fmax(largest, from_middle(g, across, (const int[3]){last, y, z}));
        }
    return largest;
}

static bool touches_circle(const rp_image *image, const rp_mask *lesion, int margin)
{
    const rp_grid *g = &image->grid;
    const int across = rp_grid_axial_axis(g);
    const double corner = from_middle(g, across, (const int[3]){0, 0, 0});
    const double circle = scan_circle(image, across);
    double voxel = 0.0;
    for (int a = 0; a < 3; a++)
        if (a != across) voxel = fmax(voxel, g->spacing[a]);
    /* No circle: something is seen in the corners. */
    if (sqrt(circle) > sqrt(corner) - voxel) return false;
    walk w;
    if (!walk_start(&w, lesion)) return false;
    while (walk_next(&w))
        if (sqrt(from_middle(g, across, w.at)) > sqrt(circle) - (1.5 + margin) * voxel) return true;
    return false;
}

bool rp_leaves_view(const rp_image *image, const rp_mask *lesion, int margin)
{
    return touches_border(lesion, margin) || touches_circle(image, lesion, margin);
}
