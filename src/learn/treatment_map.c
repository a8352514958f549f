/* What one lesion has that every change of it needs: made once per image. */
#include "treatment.h"

#include <math.h>
#include <string.h>

/* Texture comes in blocks of about this extent, from a shell of tissue of this thickness. */
static const double BLOCK_MM = 8.0, SHELL_MM = 12.0;
/* Of the signed distance, in voxels: enough to take the steps of the voxels off the surface. */
static const double SMOOTH_VOXELS = 0.6;
static const double RADIUS_SMOOTH_MM = 4.0;

static size_t box_voxels(const rp_treated *t)
{
    return (size_t)t->size[0] * (size_t)t->size[1] * (size_t)t->size[2];
}

void rp_treated_position(const rp_treated *t, size_t index, int at[3])
{
    const size_t row = (size_t)t->size[0], slice = row * (size_t)t->size[1];
    at[0] = (int)(index % row);
    at[1] = (int)(index % slice / row);
    at[2] = (int)(index / slice);
}

/* ---- signed distance --------------------------------------------------------------------- */

static int clamp_index(int i, int size)
{
    return i < 0 ? 0 : i >= size ? size - 1 : i;
}

void rp_treated_normal(const rp_treated *t, const int at[3], double normal[3])
{
    double length = 0.0;
    for (int a = 0; a < 3; a++) {
        int before[3] = {at[0], at[1], at[2]}, after[3] = {at[0], at[1], at[2]};
        before[a] = clamp_index(at[a] - 1, t->size[a]);
        after[a] = clamp_index(at[a] + 1, t->size[a]);
        const double rise = t->level[rp_treated_index(t, after[0], after[1], after[2])] -
                            t->level[rp_treated_index(t, before[0], before[1], before[2])];
        const int steps = after[a] - before[a];
        normal[a] = steps ? rise / (steps * t->image->grid.spacing[a]) : 0.0;
        length += normal[a] * normal[a];
    }
    length = sqrt(length);
    for (int a = 0; a < 3; a++) normal[a] = length > 1e-9 ? normal[a] / length : a == 0;
}

/* Distances run between centres of voxels; the surface runs along the faces of the nearest voxel
 * of the other side, half a voxel before its centre in the direction of the normal. */
static void correct_to_faces(const rp_treated *t, float *corrected)
{
    const size_t voxels = box_voxels(t);
    for (size_t i = 0; i < voxels; i++) {
        int at[3];
        double normal[3], half = INFINITY;
        rp_treated_position(t, i, at);
        rp_treated_normal(t, at, normal);
        for (int a = 0; a < 3; a++)
            if (fabs(normal[a]) > 1e-6)
                half = fmin(half, 0.5 * t->image->grid.spacing[a] / fabs(normal[a]));
        const double distance = fmax(fabs((double)t->level[i]) - half, 0.05 * half);
        corrected[i] = (float)(t->level[i] < 0.0f ? -distance : distance);
    }
}

/* Smoothing draws convex surfaces in: the level set that holds as many voxels as the lesion is the
 * one to keep. */
static void keep_volume(rp_treated *t, size_t wanted)
{
    const size_t voxels = box_voxels(t);
    double low = -20.0, high = 20.0;
    for (int round = 0; round < 40; round++) {
        const double middle = 0.5 * (low + high);
        size_t count = 0;
        for (size_t i = 0; i < voxels; i++) count += (double)t->level[i] < middle;
        if (count < wanted)
            low = middle;
        else
            high = middle;
    }
    for (size_t i = 0; i < voxels; i++) t->level[i] -= (float)high;
}

static rp_status signed_distance(rp_treated *t, rp_mask *box, rp_error *err)
{
    const double sigma[3] = {SMOOTH_VOXELS, SMOOTH_VOXELS, SMOOTH_VOXELS};
    const size_t voxels = box_voxels(t), wanted = rp_mask_count(box);
    rp_image out = {0}, in = {0};
    if (wanted == 0 || wanted == voxels)
        return rp_fail(err, RP_ERR_REFUSED, "a lesion of %zu of %zu voxels cannot be changed",
                       wanted, voxels);
    rp_status status = rp_mask_distance(box, &out, err);
    for (size_t i = 0; i < voxels; i++) box->data[i] = !box->data[i];
    if (!status) status = rp_mask_distance(box, &in, err);
    for (size_t i = 0; i < voxels; i++) box->data[i] = !box->data[i];
    for (size_t i = 0; i < voxels && !status; i++) t->level[i] = out.data[i] - in.data[i];
    if (!status) {
        correct_to_faces(t, out.data);
        memcpy(t->level, out.data, voxels * sizeof *t->level);
        status = rp_smooth(t->level, t->size, sigma, err);
    }
    if (!status) keep_volume(t, wanted);
    rp_image_release(&out);
    rp_image_release(&in);
    return status;
}

/* ---- parts and radii --------------------------------------------------------------------- */

/* The deepest of the 26 neighbours, or the voxel itself. */
static size_t deeper(const rp_treated *t, size_t index)
{
    int at[3];
    size_t best = index;
    rp_treated_position(t, index, at);
    for (int z = at[2] - 1; z <= at[2] + 1; z++)
        for (int y = at[1] - 1; y <= at[1] + 1; y++)
            for (int x = at[0] - 1; x <= at[0] + 1; x++) {
                if (x < 0 || y < 0 || z < 0 || x >= t->size[0] || y >= t->size[1] ||
                    z >= t->size[2])
                    continue;
                const size_t other = rp_treated_index(t, x, y, z);
                if (t->level[other] < t->level[best]) best = other;
            }
    return best;
}

/* The radius of a lobe is the depth of its middle, where the way downhill from its voxels ends. */
static void lobe_radii(rp_treated *t, const rp_mask *box)
{
    const size_t voxels = box_voxels(t);
    for (size_t i = 0; i < voxels; i++) {
        if (!box->data[i]) continue;
        size_t here = i;
        for (size_t next = deeper(t, here); next != here; next = deeper(t, here)) here = next;
        t->radius[i] = fmaxf(-t->level[here], 0.5f * (float)t->image->grid.spacing[0]);
    }
}

/* Carries part and radius outwards from the lesion, over the faces of voxels. */
static rp_status spread(rp_treated *t, const rp_mask *box, rp_error *err)
{
    const size_t voxels = box_voxels(t);
    const size_t stride[3] = {1, (size_t)t->size[0], (size_t)t->size[0] * (size_t)t->size[1]};
    RP_AUTOFREE uint32_t *queue = rp_alloc(voxels, sizeof *queue);
    size_t end = 0;
    if (!queue) return rp_fail(err, RP_ERR_MEMORY, "no memory for the lesion's parts");
    for (size_t i = 0; i < voxels; i++)
        if (box->data[i]) queue[end++] = (uint32_t)i;
    for (size_t begin = 0; begin < end; begin++) {
        int at[3];
        const size_t here = queue[begin];
        rp_treated_position(t, here, at);
        for (int a = 0; a < 3; a++)
            for (int way = -1; way <= 1; way += 2) {
                if (at[a] + way < 0 || at[a] + way >= t->size[a]) continue;
                const size_t there = way < 0 ? here - stride[a] : here + stride[a];
                if (t->owner[there] >= 0) continue;
                t->owner[there] = t->owner[here];
                t->radius[there] = t->radius[here];
                queue[end++] = (uint32_t)there;
            }
    }
    return RP_OK;
}

static void part_centres(rp_treated *t, const rp_mask *box)
{
    const size_t voxels = box_voxels(t);
    for (size_t i = 0; i < voxels; i++) {
        int at[3];
        if (!box->data[i]) continue;
        rp_treated_position(t, i, at);
        rp_treated_part *part = &t->part[t->owner[i]];
        for (int a = 0; a < 3; a++) part->centre[a] += at[a];
        part->voxels += 1.0;
    }
    for (size_t p = 0; p < t->parts; p++)
        for (int a = 0; a < 3; a++) t->part[p].centre[a] /= t->part[p].voxels;
}

/* A ring or a crescent scaled about its centroid leaves its place: such a part is to be changed by
 * moving its surface alone. Counted is what stays inside at two thirds of the size. */
static void part_shapes(rp_treated *t, const rp_mask *box)
{
    const size_t voxels = box_voxels(t);
    for (size_t i = 0; i < voxels; i++) {
        int at[3], scaled[3];
        double squares = 0.0;
        if (!box->data[i]) continue;
        rp_treated_part *part = &t->part[t->owner[i]];
        rp_treated_position(t, i, at);
        for (int a = 0; a < 3; a++) {
            const double away = at[a] - part->centre[a];
            scaled[a] = (int)lround(part->centre[a] + 2.0 / 3.0 * away);
            squares += away * away * t->image->grid.spacing[a] * t->image->grid.spacing[a];
        }
        t->extent_mm = fmax(t->extent_mm, sqrt(squares));
        part->compact += box->data[rp_treated_index(t, scaled[0], scaled[1], scaled[2])];
    }
    for (size_t p = 0; p < t->parts; p++) {
        const double share = t->part[p].compact / t->part[p].voxels;
        t->part[p].compact = fmax(0.0, 4.0 * share - 3.0);
    }
}

static rp_status find_parts(rp_treated *t, const rp_mask *box, rp_error *err)
{
    const size_t voxels = box_voxels(t);
    double sigma[3];
    rp_labels labels = {0};
    int32_t count = 0;
    rp_status status = rp_mask_components(box, 26, &labels, &count, NULL, err);
    if (status) return status;
    for (size_t i = 0; i < voxels; i++) t->owner[i] = labels.data[i] - 1;
    rp_labels_release(&labels);
    t->parts = (size_t)count;
    t->part = rp_alloc(t->parts, sizeof *t->part);
    if (!t->part) return rp_fail(err, RP_ERR_MEMORY, "no memory for the lesion's parts");
    lobe_radii(t, box);
    status = spread(t, box, err);
    if (status) return status;
    part_centres(t, box);
    part_shapes(t, box);
    for (int a = 0; a < 3; a++) sigma[a] = RADIUS_SMOOTH_MM / t->image->grid.spacing[a];
    return rp_smooth(t->radius, t->size, sigma, err);
}

/* ---- texture ----------------------------------------------------------------------------- */

static float image_value(const rp_treated *t, size_t index)
{
    int at[3];
    rp_treated_position(t, index, at);
    return t->image->data[rp_treated_in_image(t, at)];
}

enum { BINS = 1024 };

/* The value below which this share of what was counted lies. */
static double quantile(const size_t histogram[BINS], double share)
{
    size_t all = 0, below = 0;
    int bin = 0;
    for (int i = 0; i < BINS; i++) all += histogram[i];
    for (; bin < BINS - 1; bin++) {
        below += histogram[bin];
        if ((double)below >= share * (double)all) break;
    }
    return (bin + 0.5) / BINS;
}

static int bin_of(double value)
{
    const int bin = (int)(value * BINS);
    return bin < 0 ? 0 : bin >= BINS ? BINS - 1 : bin;
}

/* Median of the voxels whose level lies between two values; their spread as a range of values. */
static double usual_values(const rp_treated *t, double nearest_mm, double farthest_mm, double *low,
                           double *high)
{
    const size_t voxels = box_voxels(t);
    size_t histogram[BINS] = {0}, away[BINS] = {0};
    for (size_t i = 0; i < voxels; i++)
        if ((double)t->level[i] > nearest_mm && (double)t->level[i] < farthest_mm)
            histogram[bin_of((double)image_value(t, i))]++;
    const double median = quantile(histogram, 0.5);
    for (int i = 0; i < BINS; i++) away[bin_of(fabs((i + 0.5) / BINS - median))] += histogram[i];
    const double width = fmin(fmax(3.0 * 1.4826 * quantile(away, 0.5), 0.05), 0.12);
    /* The window's ends hold much that is not alike. */
    *low = fmax(median - width, fmin(0.02, median));
    *high = fmin(median + width, fmax(0.98, median));
    return median;
}

static bool touches_foreign(const rp_treated *t, size_t index)
{
    const size_t stride[3] = {1, (size_t)t->size[0], (size_t)t->size[0] * (size_t)t->size[1]};
    int at[3];
    rp_treated_position(t, index, at);
    for (int a = 0; a < 3; a++) {
        if (at[a] > 0 && t->kind[index - stride[a]] == RP_TREATED_FOREIGN) return true;
        if (at[a] + 1 < t->size[a] && t->kind[index + stride[a]] == RP_TREATED_FOREIGN) return true;
    }
    return false;
}

/* Of noise a little freed, one side without the other, so that kinds are of a piece. */
static rp_status quiet_values(const rp_treated *t, const rp_mask *box, float *value, rp_error *err)
{
    static const double sigma[3] = {0.8, 0.8, 0.8};
    const size_t voxels = box_voxels(t);
    RP_AUTOFREE float *weight = rp_alloc(voxels, sizeof *weight);
    if (!weight) return rp_fail(err, RP_ERR_MEMORY, "no memory for a lesion's texture");
    for (size_t i = 0; i < voxels; i++) {
        weight[i] = !box->data[i];
        value[i] = weight[i] * image_value(t, i);
    }
    rp_status status = rp_smooth(value, t->size, sigma, err);
    if (!status) status = rp_smooth(weight, t->size, sigma, err);
    for (size_t i = 0; i < voxels && !status; i++) value[i] /= fmaxf(weight[i], 1e-6f);
    return status;
}

/* Voxels that are in part foreign are no source of texture either. */
static rp_status sort_voxels(rp_treated *t, const rp_mask *box, rp_error *err)
{
    const size_t voxels = box_voxels(t);
    const double step = t->image->grid.spacing[2];
    double low, high;
    RP_AUTOFREE float *quiet = rp_alloc(voxels, sizeof *quiet);
    if (!quiet) return rp_fail(err, RP_ERR_MEMORY, "no memory for a lesion's texture");
    const rp_status status = quiet_values(t, box, quiet, err);
    if (status) return status;
    const double lesion = usual_values(t, -1e9, 0.0, &low, &high);
    t->contrast = fabs(lesion - usual_values(t, step, step + 10.0, &t->low_value, &t->high_value));
    for (size_t i = 0; i < voxels; i++) {
        const double value = (double)quiet[i], own = (double)image_value(t, i);
        if (value < fmin(low, t->low_value) || value > fmax(high, t->high_value))
            t->kind[i] = RP_TREATED_FOREIGN;
        else if (fmin(value, own) < t->low_value || fmax(value, own) > t->high_value)
            t->kind[i] = RP_TREATED_OTHER;
        else
            t->kind[i] = RP_TREATED_TISSUE;
        if (box->data[i]) t->kind[i] = RP_TREATED_LESION;
    }
    for (size_t i = 0; i < voxels; i++)
        if (t->kind[i] == RP_TREATED_TISSUE && touches_foreign(t, i)) t->kind[i] = RP_TREATED_OTHER;
    return RP_OK;
}

/* Mean of the tissue over a neighbourhood, at its voxels. */
static rp_status tissue_means(rp_treated *t, rp_error *err)
{
    const size_t voxels = box_voxels(t);
    double sigma[3];
    RP_AUTOFREE float *sum = rp_alloc(voxels, sizeof *sum);
    RP_AUTOFREE float *weight = rp_alloc(voxels, sizeof *weight);
    if (!sum || !weight) return rp_fail(err, RP_ERR_MEMORY, "no memory for a lesion's texture");
    for (int a = 0; a < 3; a++) sigma[a] = 0.4 * BLOCK_MM / t->image->grid.spacing[a];
    for (size_t i = 0; i < voxels; i++) {
        weight[i] = t->kind[i] == RP_TREATED_TISSUE;
        sum[i] = weight[i] * image_value(t, i);
    }
    rp_status status = rp_smooth(sum, t->size, sigma, err);
    if (!status) status = rp_smooth(weight, t->size, sigma, err);
    for (size_t i = 0; i < voxels && !status; i++)
        if (t->kind[i] == RP_TREATED_TISSUE) t->base[i] = sum[i] / fmaxf(weight[i], 1e-6f);
    return status;
}

/* Far enough from the lesion that a block about them holds tissue, and no farther than a shell. */
static bool is_site(const rp_treated *t, size_t index)
{
    const double level = (double)t->level[index], nearest = 0.7 * BLOCK_MM;
    return t->kind[index] == RP_TREATED_TISSUE && level >= nearest && level <= nearest + SHELL_MM;
}

static rp_status find_texture(rp_treated *t, const rp_mask *box, rp_error *err)
{
    const size_t voxels = box_voxels(t);
    size_t count = 0, blocks = 1;
    rp_status status = sort_voxels(t, box, err);
    if (!status) status = tissue_means(t, err);
    if (status) return status;
    for (int a = 0; a < 3; a++) {
        t->block[a] = (int)fmax(2.0, round(BLOCK_MM / t->image->grid.spacing[a]));
        t->blocks[a] = (t->size[a] - 1) / t->block[a] + 2;
        blocks *= (size_t)t->blocks[a];
    }
    for (size_t i = 0; i < voxels; i++) count += is_site(t, i);
    t->site = rp_alloc(count, sizeof *t->site);
    t->chosen = rp_alloc(blocks, sizeof *t->chosen);
    if (!t->site || !t->chosen)
        return rp_fail(err, RP_ERR_MEMORY, "no memory for a lesion's texture");
    for (size_t i = 0; i < voxels; i++)
        if (is_site(t, i)) t->site[t->sites++] = (uint32_t)i;
    return RP_OK;
}

/* ---- all together ------------------------------------------------------------------------ */

/* As far as the lesion can grow, its rim, and tissue to take texture from. */
static void place_box(rp_treated *t)
{
    const rp_treatment *o = &t->options;
    const rp_grid *grid = &t->image->grid;
    int low[3] = {0}, high[3] = {0};
    rp_mask_bounds(t->mask, low, high);
    for (int a = 0; a < 3; a++) {
        const double half = 0.5 * (high[a] - low[a] + 1) * grid->spacing[a];
        const double margin = (o->grow + 2.0 * o->roughness) * half + fmax(o->rim_mm, 20.0) + 8.0;
        const int voxels = (int)ceil(margin / grid->spacing[a]) + 2;
        t->low[a] = clamp_index(low[a] - voxels, grid->size[a]);
        t->size[a] = clamp_index(high[a] + voxels, grid->size[a]) - t->low[a] + 1;
    }
}

static rp_status copy_box(const rp_treated *t, rp_mask *box, rp_error *err)
{
    const double *spacing = t->image->grid.spacing;
    const rp_grid grid =
        rp_grid_make(t->size[0], t->size[1], t->size[2], spacing[0], spacing[1], spacing[2]);
    const rp_status status = rp_mask_init(box, &grid, err);
    for (int z = 0; z < t->size[2] && !status; z++)
        for (int y = 0; y < t->size[1]; y++) {
            const uint8_t *from = t->mask->data + rp_grid_index(&t->mask->grid, t->low[0],
                                                                t->low[1] + y, t->low[2] + z);
            uint8_t *to = box->data + rp_treated_index(t, 0, y, z);
            for (int x = 0; x < t->size[0]; x++) to[x] = from[x] != 0;
        }
    return status;
}

rp_status rp_treated_map(rp_treated *t, rp_error *err)
{
    rp_mask box = {0};
    place_box(t);
    const size_t voxels = box_voxels(t);
    t->level = rp_alloc(voxels, sizeof *t->level);
    t->radius = rp_alloc(voxels, sizeof *t->radius);
    t->base = rp_alloc(voxels, sizeof *t->base);
    t->owner = rp_alloc(voxels, sizeof *t->owner);
    t->kind = rp_alloc(voxels, sizeof *t->kind);
    if (!t->level || !t->radius || !t->base || !t->owner || !t->kind)
        return rp_fail(err, RP_ERR_MEMORY, "no memory for a box of %zu voxels", voxels);
    rp_status status = copy_box(t, &box, err);
    if (!status) status = signed_distance(t, &box, err);
    if (!status) status = find_parts(t, &box, err);
    if (!status) status = find_texture(t, &box, err);
    rp_mask_release(&box);
    return status;
}
