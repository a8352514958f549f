/* Lesions: which slice is longest, where, and how large the whole is. */
#include "slice.h"

#include <math.h>
#include <string.h>

/* What makes a voxel part of the lesion: any voxel of a mask, or one value of a label image. All
 * coordinates here are in canonical order, so that the order of the file decides nothing. */
typedef struct source {
    const rp_grid *stored;
    rp_orientation orientation;
    rp_grid grid; /* in canonical order */
    rp_strides strides;
    const uint8_t *mask;
    const int32_t *labels;
    int32_t label;
} source;

/* Inclusive voxel box. */
typedef struct box {
    int low[3], high[3];
} box;

static source make_source(const rp_grid *stored)
{
    source s = {.stored = stored,
                .orientation = rp_grid_orientation(stored),
                .grid = rp_grid_canonical(stored)};
    s.strides = rp_orientation_strides(&s.orientation, stored);
    return s;
}

static bool source_at(const source *s, int x, int y, int z)
{
    const ptrdiff_t *step = s->strides.step;
    const size_t voxel =
        (size_t)((ptrdiff_t)s->strides.first + x * step[0] + y * step[1] + z * step[2]);
    return s->mask ? s->mask[voxel] != 0 : s->labels[voxel] == s->label;
}

/* From a box of the file's own indices. */
static box canonical_box(const source *s, const box *stored)
{
    box b;
    for (int a = 0; a < 3; a++) {
        const int from = s->orientation.axis[a], last = s->stored->size[from] - 1;
        const bool flip = s->orientation.flip[a];
        b.low[a] = flip ? last - stored->high[from] : stored->low[from];
        b.high[a] = flip ? last - stored->low[from] : stored->high[from];
    }
    return b;
}

static int stored_slice(const source *s, int z)
{
    return s->orientation.flip[2] ? s->grid.size[2] - 1 - z : z;
}

const char *rp_diameter_definition_name(rp_diameter_definition definition)
{
    return definition == RP_DIAMETER_INSIDE ? "inside" : "convex";
}

/* ---- one slice --------------------------------------------------------------------------- */

static rp_status plane_load(const source *s, const box *b, int z, plane *p, rp_error *err)
{
    *p = (plane){.nx = b->high[0] - b->low[0] + 3,
                 .ny = b->high[1] - b->low[1] + 3,
                 .x0 = b->low[0] - 1,
                 .y0 = b->low[1] - 1,
                 .sx = s->grid.spacing[0],
                 .sy = s->grid.spacing[1]};
    p->in = rp_alloc((size_t)p->nx * (size_t)p->ny, 1);
    if (!p->in) return rp_fail(err, RP_ERR_MEMORY, "no memory for a slice of the mask");
    for (int y = b->low[1]; y <= b->high[1]; y++) {
        uint8_t *row = p->in + (size_t)(y - p->y0) * (size_t)p->nx + 1;
        for (int x = b->low[0]; x <= b->high[0]; x++) row[x - b->low[0]] = source_at(s, x, y, z);
    }
    return RP_OK;
}

typedef struct axes {
    chord longest, perpendicular; /* in fractional voxel index once finished */
} axes;

static void shift_ends(chord *c, const plane *p)
{
    for (int i = 0; i < 2; i++) {
        c->ends[i].x += p->x0;
        c->ends[i].y += p->y0;
    }
}

/* Longest axis only. For `inside` a slice that holds nothing longer than at_least_mm stays empty.
 */
static rp_status slice_longest(const source *s, const box *b, int z,
                               rp_diameter_definition definition, double at_least_mm,
                               chord *longest, rp_error *err)
{
    plane p = {0};
    node_list nodes = {0};
    rp_status status = plane_load(s, b, z, &p, err);
    if (status == RP_OK) status = slice_contour_nodes(&p, &nodes, err);
    if (status == RP_OK && definition == RP_DIAMETER_CONVEX)
        status = slice_longest_convex(&p, &nodes, longest, err);
    if (status == RP_OK && definition == RP_DIAMETER_INSIDE) {
        *longest = (chord){.length_mm = at_least_mm};
        if (!slice_longest_inside(&p, &nodes, longest)) *longest = (chord){0};
    }
    if (status == RP_OK && longest->length_mm > 0) shift_ends(longest, &p);
    rp_free(nodes.items);
    rp_free(p.in);
    return status;
}

static rp_status slice_short(const source *s, const box *b, int z,
                             rp_diameter_definition definition, axes *a, rp_error *err)
{
    plane p = {0};
    node_list nodes = {0};
    rp_status status = plane_load(s, b, z, &p, err);
    if (status == RP_OK) status = slice_contour_nodes(&p, &nodes, err);
    if (status == RP_OK)
        status = slice_perpendicular(&p, &nodes, &a->longest, definition, &a->perpendicular, err);
    if (status == RP_OK) shift_ends(&a->perpendicular, &p);
    rp_free(nodes.items);
    rp_free(p.in);
    return status;
}

static bool slice_bounds(const source *s, int z, box *b)
{
    bool any = false;
    *b = (box){{s->grid.size[0], s->grid.size[1], z}, {-1, -1, z}};
    for (int y = 0; y < s->grid.size[1]; y++)
        for (int x = 0; x < s->grid.size[0]; x++) {
            if (!source_at(s, x, y, z)) continue;
            any = true;
            if (x < b->low[0]) b->low[0] = x;
            if (x > b->high[0]) b->high[0] = x;
            if (y < b->low[1]) b->low[1] = y;
            if (y > b->high[1]) b->high[1] = y;
        }
    return any;
}

/* Ends in the file's own index, along the two axes of the slice in the file's order. */
static void stored_ends(const source *s, int z, const chord *c, rp_point2 index[2])
{
    const int across = s->orientation.axis[2];
    const int first = across == 0 ? 1 : 0, second = across == 2 ? 1 : 2;
    for (int i = 0; i < 2; i++) {
        const double at[3] = {c->ends[i].x, c->ends[i].y, z};
        double stored[3];
        rp_orientation_to_stored(&s->orientation, s->stored, at, stored);
        index[i] = (rp_point2){stored[first], stored[second]};
    }
}

rp_status rp_measure_slice(const rp_mask *mask, int slice, rp_diameter_definition definition,
                           double *longest_mm, rp_point2 long_axis[2], double *short_mm,
                           rp_point2 short_axis[2], rp_error *err)
{
    source s = make_source(&mask->grid);
    box b;
    axes a = {0};
    s.mask = mask->data;
    if (slice < 0 || slice >= s.grid.size[2])
        return rp_fail(err, RP_ERR_ARGUMENT, "slice %d does not exist: the mask has %d", slice,
                       s.grid.size[2]);
    const int z = stored_slice(&s, slice); /* its own inverse */
    *longest_mm = *short_mm = 0;
    memset(long_axis, 0, 2 * sizeof *long_axis);
    memset(short_axis, 0, 2 * sizeof *short_axis);
    if (!slice_bounds(&s, z, &b)) return RP_OK;
    rp_status status = slice_longest(&s, &b, z, definition, 0, &a.longest, err);
    if (status == RP_OK) status = slice_short(&s, &b, z, definition, &a, err);
    if (status != RP_OK) return status;
    *longest_mm = a.longest.length_mm;
    *short_mm = a.perpendicular.length_mm;
    stored_ends(&s, z, &a.longest, long_axis);
    stored_ends(&s, z, &a.perpendicular, short_axis);
    return RP_OK;
}

/* ---- one lesion -------------------------------------------------------------------------- */

static void measure_extent(const source *s, const box *b, rp_lesion *lesion)
{
    /* Whole numbers, so the order of summation does not matter. */
    uint64_t sum[3] = {0, 0, 0}, count = 0;
    for (int z = b->low[2]; z <= b->high[2]; z++)
        for (int y = b->low[1]; y <= b->high[1]; y++)
            for (int x = b->low[0]; x <= b->high[0]; x++) {
                if (!source_at(s, x, y, z)) continue;
                count++;
                sum[0] += (uint64_t)x;
                sum[1] += (uint64_t)y;
                sum[2] += (uint64_t)z;
            }
    double centre[3];
    for (int i = 0; i < 3; i++) centre[i] = (double)sum[i] / (double)count;
    rp_grid_to_world(&s->grid, centre, lesion->centroid_lps);
    lesion->voxels = count;
    lesion->volume_cc = (double)count * rp_grid_voxel_mm3(&s->grid) / 1000.0;
    const int ends[2] = {stored_slice(s, b->low[2]), stored_slice(s, b->high[2])};
    lesion->first_slice = ends[0] < ends[1] ? ends[0] : ends[1];
    lesion->last_slice = ends[0] < ends[1] ? ends[1] : ends[0];
}

/* Lengths that differ by rounding alone are the same. */
static const double SAME_LONG = 1e-12, SAME_SHORT = 1e-9;

/* The slice whose convex diameter is the largest among those not yet taken, the first of equals. */
static int next_slice(const chord *convex, const bool *taken, int count)
{
    int best = -1;
    for (int i = 0; i < count; i++)
        if (!taken[i] && (best < 0 || convex[i].length_mm > convex[best].length_mm)) best = i;
    return best;
}

/* Slices in the order of their convex diameters, which bound what lies inside. longest holds the
 * convex diameters of all slices, and then those inside of the slices that may be the longest. */
static rp_status search_inside(const source *s, const box *b, chord *longest, rp_error *err)
{
    const int count = b->high[2] - b->low[2] + 1;
    RP_AUTOFREE bool *taken = rp_alloc((size_t)count, sizeof *taken);
    RP_AUTOFREE chord *convex = rp_alloc((size_t)count, sizeof *convex);
    if (!taken || !convex)
        return rp_fail(err, RP_ERR_MEMORY, "no memory for the slices of a lesion");
    memcpy(convex, longest, (size_t)count * sizeof *convex);
    memset(longest, 0, (size_t)count * sizeof *longest);
    double best_mm = 0;
    for (int n = 0; n < count; n++) {
        int i = next_slice(convex, taken, count);
        if (convex[i].length_mm < best_mm * (1 - SAME_LONG)) break;
        taken[i] = true;
        /* What is as long as the best so far must be found as well. */
        rp_status status = slice_longest(s, b, b->low[2] + i, RP_DIAMETER_INSIDE,
                                         best_mm * (1 - 10 * SAME_LONG), &longest[i], err);
        if (status != RP_OK) return status;
        best_mm = fmax(best_mm, longest[i].length_mm);
    }
    return RP_OK;
}

/* Of the slices with the longest diameter the one with the largest short axis, and of those the one
 * nearest the feet. */
static rp_status choose_slice(const source *s, const box *b, rp_diameter_definition definition,
                              const chord *longest, int *slice, axes *chosen, rp_error *err)
{
    const int count = b->high[2] - b->low[2] + 1;
    double best_mm = 0;
    for (int i = 0; i < count; i++) best_mm = fmax(best_mm, longest[i].length_mm);
    *slice = -1;
    for (int i = 0; i < count; i++) {
        if (longest[i].length_mm < best_mm * (1 - SAME_LONG)) continue;
        axes a = {.longest = longest[i]};
        rp_status status = slice_short(s, b, b->low[2] + i, definition, &a, err);
        if (status != RP_OK) return status;
        const double so_far = chosen->perpendicular.length_mm;
        if (*slice >= 0 && a.perpendicular.length_mm <= so_far * (1 + SAME_SHORT)) continue;
        *chosen = a;
        *slice = b->low[2] + i;
    }
    return RP_OK;
}

static rp_status find_axes(const source *s, const box *b, rp_diameter_definition definition,
                           int *slice, axes *found, rp_error *err)
{
    const int count = b->high[2] - b->low[2] + 1;
    RP_AUTOFREE chord *longest = rp_alloc((size_t)count, sizeof *longest);
    if (!longest) return rp_fail(err, RP_ERR_MEMORY, "no memory for the slices of a lesion");
    for (int i = 0; i < count; i++) {
        rp_status status =
            slice_longest(s, b, b->low[2] + i, RP_DIAMETER_CONVEX, 0, &longest[i], err);
        if (status != RP_OK) return status;
    }
    rp_status status = definition == RP_DIAMETER_INSIDE ? search_inside(s, b, longest, err) : RP_OK;
    return status ? status : choose_slice(s, b, definition, longest, slice, found, err);
}

static void place_ends(const source *s, int z, const chord *c, rp_point2 index[2], double lps[2][3])
{
    stored_ends(s, z, c, index);
    for (int i = 0; i < 2; i++) {
        const double at[3] = {c->ends[i].x, c->ends[i].y, z};
        rp_grid_to_world(&s->grid, at, lps[i]);
    }
}

static double voxel_along(const rp_grid *g, const double ends[2][3])
{
    double extent = 0, length = 0;
    for (int a = 0; a < 3; a++) {
        double along = 0;
        for (int r = 0; r < 3; r++) along += (ends[1][r] - ends[0][r]) * g->direction[r][a];
        extent += fabs(along) * g->spacing[a];
        length += along * along;
    }
    return length > 0 ? extent / sqrt(length) : 0;
}

static rp_status measure_source(const source *s, const box *stored,
                                rp_diameter_definition definition, rp_lesion *lesion, rp_error *err)
{
    const box b = canonical_box(s, stored);
    axes a = {0};
    int z = -1;
    rp_status status = find_axes(s, &b, definition, &z, &a, err);
    if (status != RP_OK) return status;
    measure_extent(s, &b, lesion);
    lesion->longest_diameter_mm = a.longest.length_mm;
    lesion->short_axis_mm = a.perpendicular.length_mm;
    lesion->slice_index = stored_slice(s, z);
    double corner[3] = {0, 0, 0};
    corner[lesion->slice_axis] = lesion->slice_index;
    rp_grid_to_world(s->stored, corner, lesion->slice_position_lps);
    place_ends(s, z, &a.longest, lesion->long_axis_index, lesion->long_axis_lps);
    place_ends(s, z, &a.perpendicular, lesion->short_axis_index, lesion->short_axis_lps);
    lesion->long_voxel_mm = voxel_along(&s->grid, lesion->long_axis_lps);
    lesion->short_voxel_mm = voxel_along(&s->grid, lesion->short_axis_lps);
    return RP_OK;
}

rp_status rp_measure_mask(const rp_mask *mask, rp_diameter_definition definition, rp_lesion *lesion,
                          rp_error *err)
{
    source s = make_source(&mask->grid);
    box b;
    rp_lesion found = {.label = 1, .slice_index = -1, .slice_axis = s.orientation.axis[2]};
    s.mask = mask->data;
    if (!rp_mask_bounds(mask, b.low, b.high)) {
        *lesion = (rp_lesion){.slice_index = -1, .slice_axis = found.slice_axis};
        return RP_OK;
    }
    rp_status status = measure_source(&s, &b, definition, &found, err);
    if (status == RP_OK) *lesion = found;
    return status;
}

/* ---- labels ------------------------------------------------------------------------------ */

typedef struct label_box {
    int32_t label;
    box bounds;
} label_box;

typedef struct label_table {
    label_box *items;
    size_t count, room;
} label_table;

static rp_status table_grow(label_table *table, rp_error *err)
{
    if (table->count < table->room) return RP_OK;
    size_t room = table->room ? 2 * table->room : 16;
    label_box *items = rp_alloc(room, sizeof *items);
    if (!items) return rp_fail(err, RP_ERR_MEMORY, "no memory for %zu labels", room);
    if (table->count) memcpy(items, table->items, table->count * sizeof *items);
    rp_free(table->items);
    table->items = items;
    table->room = room;
    return RP_OK;
}

/* Position of the label in the ascending table, inserted where it is new. */
static rp_status table_find(label_table *table, int32_t label, size_t *at, rp_error *err)
{
    size_t low = 0, high = table->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (table->items[middle].label < label)
            low = middle + 1;
        else
            high = middle;
    }
    *at = low;
    if (low < table->count && table->items[low].label == label) return RP_OK;
    rp_status status = table_grow(table, err);
    if (status != RP_OK) return status;
    memmove(table->items + low + 1, table->items + low,
            (table->count - low) * sizeof *table->items);
    table->items[low] = (label_box){label, {{INT32_MAX, INT32_MAX, INT32_MAX}, {-1, -1, -1}}};
    table->count++;
    return RP_OK;
}

static void box_extend(box *b, int x, int y, int z)
{
    int at[3] = {x, y, z};
    for (int i = 0; i < 3; i++) {
        if (at[i] < b->low[i]) b->low[i] = at[i];
        if (at[i] > b->high[i]) b->high[i] = at[i];
    }
}

static rp_status collect_labels(const rp_labels *labels, label_table *table, rp_error *err)
{
    const rp_grid *g = &labels->grid;
    size_t at = 0;
    for (int z = 0; z < g->size[2]; z++)
        for (int y = 0; y < g->size[1]; y++)
            for (int x = 0; x < g->size[0]; x++) {
                int32_t label = labels->data[rp_grid_index(g, x, y, z)];
                if (label == 0) continue;
                if (at >= table->count || table->items[at].label != label) {
                    rp_status status = table_find(table, label, &at, err);
                    if (status != RP_OK) return status;
                }
                box_extend(&table->items[at].bounds, x, y, z);
            }
    return RP_OK;
}

rp_status rp_measure_labels(const rp_labels *labels, rp_diameter_definition definition,
                            rp_lesion **lesions, size_t *count, rp_error *err)
{
    label_table table = {0};
    rp_lesion *found = NULL;
    source s = make_source(&labels->grid);
    s.labels = labels->data;
    rp_status status = collect_labels(labels, &table, err);
    if (status != RP_OK) goto done;
    found = rp_alloc(table.count, sizeof *found);
    if (!found) {
        status = rp_fail(err, RP_ERR_MEMORY, "no memory for %zu lesions", table.count);
        goto done;
    }
    for (size_t i = 0; i < table.count && status == RP_OK; i++) {
        s.label = table.items[i].label;
        found[i] =
            (rp_lesion){.label = s.label, .slice_index = -1, .slice_axis = s.orientation.axis[2]};
        status = measure_source(&s, &table.items[i].bounds, definition, &found[i], err);
    }
    if (status != RP_OK) goto done;
    *lesions = found;
    *count = table.count;
    found = NULL;
done:
    rp_free(found);
    rp_free(table.items);
    return status;
}
