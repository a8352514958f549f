/* Prediction: the whole volume in one pass, or blended tiles under a memory budget. */
#include "inputs.h"
#include "internal.h"
#include "reprise/learn_ranges.h"

#include <math.h>
#include <string.h>

enum { UNIT = 16 };

void rp_predict_defaults(rp_predict_options *options)
{
    *options = (rp_predict_options){.threshold = 0.5, .prior_reach_mm = 20.0};
}

void rp_prediction_release(rp_prediction *prediction)
{
    rp_mask_release(&prediction->mask);
    rp_image_release(&prediction->probability);
    *prediction = (rp_prediction){0};
}

/* ---- how an axis is cut ------------------------------------------------------------------ */

static int round_up(int value, int unit)
{
    return (value + unit - 1) / unit * unit;
}

/* Tiles and their overlap are multiples of this, or as long as the volume. */
static int unit_of(const rp_fcd_config *config)
{
    int stride = rp_fcd_stride(config);
    return stride > UNIT ? stride : UNIT;
}

/* Smaller tiles would consist of overlap. */
static int smallest_tile(int padded, int unit)
{
    return padded < 2 * unit ? padded : 2 * unit;
}

static int overlap_of(int tile, int unit)
{
    return round_up((tile + 3) / 4, unit);
}

static int tiles_along(int padded, int tile, int unit)
{
    if (tile >= padded) return 1;
    int step = tile - overlap_of(tile, unit);
    return (padded - tile + step - 1) / step + 1;
}

typedef struct axis_cut {
    int padded, tile, count, unit, stride;
    float *weight; /* [count][tile], summing to 1 over the tiles at every voxel */
} axis_cut;

/* A multiple of the network's stride, so that pooling pairs the same voxels as in the whole volume;
 * and the volume is padded no further than the network would pad it. */
static int tile_start(const axis_cut *cut, int k)
{
    if (cut->count == 1) return 0;
    int64_t room = cut->padded - cut->tile;
    return (int)(room * k / (cut->count - 1)) / cut->stride * cut->stride;
}

/* Near a face the network sees the least, so the outer quarter of the overlap counts nothing.
 * Within the two middle quarters a squared sine rises: smooth, and two facing one another sum to 1.
 * Faces of the volume itself are no seams. */
static double window(const axis_cut *cut, int k, int i)
{
    const double overlap = overlap_of(cut->tile, cut->unit), margin = 0.25 * overlap;
    double distance = INFINITY;
    if (k > 0) distance = i + 0.5;
    if (k < cut->count - 1) distance = fmin(distance, cut->tile - i - 0.5);
    double t = fmin(fmax((distance - margin) / (0.5 * overlap), 0.0), 1.0),
           rise = sin(0.5 * M_PI * t);
    return rise * rise;
}

static rp_status make_weights(axis_cut *cut, rp_error *err)
{
    const size_t size = (size_t)cut->count * (size_t)cut->tile;
    RP_AUTOFREE double *sum = rp_alloc((size_t)cut->padded, sizeof *sum);
    cut->weight = rp_alloc(size, sizeof *cut->weight);
    if (!sum || !cut->weight) return rp_fail(err, RP_ERR_MEMORY, "no memory for the tiles");
    for (int k = 0; k < cut->count; k++)
        for (int i = 0; i < cut->tile; i++) sum[tile_start(cut, k) + i] += window(cut, k, i);
    for (int k = 0; k < cut->count; k++)
        for (int i = 0; i < cut->tile; i++)
            cut->weight[k * cut->tile + i] =
                (float)(window(cut, k, i) / sum[tile_start(cut, k) + i]);
    return RP_OK;
}

/* ---- which tile -------------------------------------------------------------------------- */

/* The extents worth trying along one axis: the smallest tile for each possible number of tiles. */
static int candidates(int padded, int unit, int out[], int room)
{
    int count = 0, smallest = smallest_tile(padded, unit);
    int before = 0;
    for (int tile = smallest; count < room; tile = tile + unit < padded ? tile + unit : padded) {
        int tiles = tiles_along(padded, tile, unit);
        if (count == 0 || tiles < before) out[count++] = tile;
        before = tiles;
        if (tile >= padded) break;
    }
    return count;
}

enum { MAX_CANDIDATES = 32 };

/* Of the tiles within the budget the one that makes the least work, which is the largest but for
 * tiles that hardly save one. */
static rp_status choose_tile(const rp_fcd_config *config, const int padded[3], size_t budget,
                             int tile[3], rp_error *err)
{
    int choice[3][MAX_CANDIDATES], count[3], unit = unit_of(config);
    size_t needed = 0;
    double best = INFINITY;
    for (int a = 0; a < 3; a++) count[a] = candidates(padded[a], unit, choice[a], MAX_CANDIDATES);
    for (int i = 0; i < count[0] * count[1] * count[2]; i++) {
        const int at[3] = {i % count[0], i / count[0] % count[1], i / count[0] / count[1]};
        int size[3];
        double work = 1.0;
        for (int a = 0; a < 3; a++) {
            size[a] = choice[a][at[a]];
            work *= (double)size[a] * tiles_along(padded[a], size[a], unit);
        }
        if (i > 0 && work >= best) continue;
        size_t bytes;
        rp_status status = rp_session_bytes(config, size, RP_RUN_PREDICT, &bytes, err);
        if (status) return status;
        if (i == 0) needed = bytes; /* the smallest of all comes first */
        if (bytes > budget) continue;
        best = work;
        memcpy(tile, size, 3 * sizeof *tile);
    }
    if (isfinite(best)) return RP_OK;
    return rp_fail(
        err, RP_ERR_BUDGET,
        "the network needs %zu MiB even for its smallest tile of %d x %d x %d voxels; the "
        "limit is %zu MiB",
        (needed + 1048575) / 1048576, choice[0][0], choice[1][0], choice[2][0], budget / 1048576);
}

/* Decides how the volume is cut: tile 0 means one pass. */
static rp_status plan_tiles(const rp_fcd_config *config, const int extent[3],
                            const rp_predict_options *o, int tile[3], rp_error *err)
{
    int padded[3], unit = unit_of(config);
    size_t bytes;
    for (int a = 0; a < 3; a++) padded[a] = round_up(extent[a], rp_fcd_stride(config));
    memset(tile, 0, 3 * sizeof *tile);
    if (o->tile[0] || o->tile[1] || o->tile[2]) {
        bool whole = true;
        for (int a = 0; a < 3; a++) {
            int smallest = smallest_tile(padded[a], unit);
            if (o->tile[a] < 1)
                return rp_fail(err, RP_ERR_ARGUMENT, "a tile of %d x %d x %d voxels is impossible",
                               o->tile[0], o->tile[1], o->tile[2]);
            tile[a] = o->tile[a] < padded[a] ? round_up(o->tile[a], unit) : padded[a];
            if (tile[a] > padded[a]) tile[a] = padded[a];
            if (tile[a] < smallest) tile[a] = smallest;
            whole &= tile[a] >= padded[a];
        }
        if (whole) memset(tile, 0, 3 * sizeof *tile);
        return RP_OK;
    }
    rp_status status = rp_session_bytes(config, extent, RP_RUN_PREDICT, &bytes, err);
    if (status || o->memory_bytes == 0 || bytes <= o->memory_bytes) return status;
    return choose_tile(config, padded, o->memory_bytes, tile, err);
}

/* ---- running it -------------------------------------------------------------------------- */

/* What the network sees of a volume: [channel][z][y][x]. */
typedef struct volume_input {
    const rp_grid *grid;
    const float *data;
    int channels;
} volume_input;

static rp_status predict_whole(rp_fcd *net, const volume_input *input, size_t budget,
                               const rp_progress *progress, float *out, rp_error *err)
{
    rp_session *session = NULL;
    rp_status status =
        rp_session_create(net, input->grid->size, RP_RUN_PREDICT, budget, &session, err);
    rp_progress_report(progress, "segment", 0, 1, NULL);
    if (!status && rp_progress_cancelled(progress))
        status = rp_fail(err, RP_ERR_CANCELLED, "stopped before the prediction");
    if (!status) status = rp_session_forward(session, input->data, 0.0f, 0, 0, err);
    if (!status) rp_session_probability(session, 1, out);
    if (!status) rp_progress_report(progress, "segment", 1, 1, NULL);
    rp_session_destroy(session);
    return status;
}

typedef struct tiling {
    axis_cut axis[3];
    float *input, *probability; /* of one tile */
    float *out;                 /* of the volume */
} tiling;

/* What lies beyond the image is air, as the network pads the whole volume itself. */
static void cut_tile(const tiling *t, const rp_grid *grid, const float *channel, const int start[3],
                     float *out)
{
    const int *size = grid->size;
    const axis_cut *axis = t->axis;
    memset(out, 0,
           (size_t)axis[0].tile * (size_t)axis[1].tile * (size_t)axis[2].tile * sizeof *out);
    int width = size[0] - start[0] < axis[0].tile ? size[0] - start[0] : axis[0].tile;
    if (width <= 0) return;
    for (int z = 0; z < axis[2].tile && start[2] + z < size[2]; z++)
        for (int y = 0; y < axis[1].tile && start[1] + y < size[1]; y++)
            memcpy(out + ((size_t)z * (size_t)axis[1].tile + (size_t)y) * (size_t)axis[0].tile,
                   channel + rp_grid_index(grid, start[0], start[1] + y, start[2] + z),
                   (size_t)width * sizeof *out);
}

static void add_tile(const tiling *t, const rp_grid *grid, const int index[3], const int start[3])
{
    const axis_cut *axis = t->axis;
    const float *weight[3];
    for (int a = 0; a < 3; a++) weight[a] = axis[a].weight + index[a] * axis[a].tile;
    for (int z = 0; z < axis[2].tile && start[2] + z < grid->size[2]; z++)
        for (int y = 0; y < axis[1].tile && start[1] + y < grid->size[1]; y++) {
            const float rows = weight[2][z] * weight[1][y];
            const float *p = t->probability +
                             ((size_t)z * (size_t)axis[1].tile + (size_t)y) * (size_t)axis[0].tile;
            float *out = t->out + rp_grid_index(grid, start[0], start[1] + y, start[2] + z);
            for (int x = 0; x < axis[0].tile && start[0] + x < grid->size[0]; x++)
                out[x] += rows * weight[0][x] * p[x];
        }
}

static rp_status run_tiles(const tiling *t, rp_session *session, const volume_input *input,
                           const rp_progress *progress, rp_error *err)
{
    const axis_cut *axis = t->axis;
    const int total = axis[0].count * axis[1].count * axis[2].count;
    const size_t voxels = rp_grid_voxels(input->grid);
    const size_t tile = (size_t)axis[0].tile * (size_t)axis[1].tile * (size_t)axis[2].tile;
    for (int i = 0; i < total; i++) {
        const int index[3] = {i % axis[0].count, i / axis[0].count % axis[1].count,
                              i / axis[0].count / axis[1].count};
        int start[3];
        for (int a = 0; a < 3; a++) start[a] = tile_start(&axis[a], index[a]);
        rp_progress_report(progress, "segment", i, total, NULL);
        if (rp_progress_cancelled(progress))
            return rp_fail(err, RP_ERR_CANCELLED, "stopped after tile %d of %d", i, total);
        for (int c = 0; c < input->channels; c++)
            cut_tile(t, input->grid, input->data + (size_t)c * voxels, start,
                     t->input + (size_t)c * tile);
        rp_status status = rp_session_forward(session, t->input, 0.0f, 0, 0, err);
        if (status) return status;
        rp_session_probability(session, 1, t->probability);
        add_tile(t, input->grid, index, start);
    }
    /* The weights sum to 1 but for rounding. */
    for (size_t i = 0; i < voxels; i++) t->out[i] = fminf(t->out[i], 1.0f);
    rp_progress_report(progress, "segment", total, total, NULL);
    return RP_OK;
}

/* Tiles of the extent given. Boxes of a region begin anywhere; those of a volume that one pass
 * could take as well, where its pooling has its pairs. */
typedef struct tile_plan {
    int tile[3], unit, stride;
    size_t budget;
} tile_plan;

static rp_status predict_tiles(rp_fcd *net, const volume_input *input, const tile_plan *plan,
                               const rp_progress *progress, float *out, int *tiles, rp_error *err)
{
    tiling t = {.out = out};
    const int *tile = plan->tile;
    rp_session *session = NULL;
    rp_status status = RP_OK;
    const int unit = plan->unit, stride = plan->stride;
    size_t voxels = 1;
    *tiles = 1;
    for (int a = 0; a < 3 && !status; a++) {
        int padded = round_up(input->grid->size[a], stride);
        if (padded < tile[a]) padded = tile[a];
        t.axis[a] = (axis_cut){.padded = padded,
                               .tile = tile[a],
                               .count = tiles_along(padded, tile[a], unit),
                               .unit = unit,
                               .stride = stride};
        voxels *= (size_t)tile[a];
        *tiles *= t.axis[a].count;
        status = make_weights(&t.axis[a], err);
    }
    if (status) goto done;
    t.input = rp_alloc((size_t)input->channels * voxels, sizeof *t.input);
    t.probability = rp_alloc(voxels, sizeof *t.probability);
    if (!t.input || !t.probability)
        status = rp_fail(err, RP_ERR_MEMORY, "no memory for a tile of %zu voxels", voxels);
    if (!status) status = rp_session_create(net, tile, RP_RUN_PREDICT, plan->budget, &session, err);
    if (!status) status = run_tiles(&t, session, input, progress, err);
done:
    rp_session_destroy(session);
    for (int a = 0; a < 3; a++) rp_free(t.axis[a].weight);
    rp_free(t.input);
    rp_free(t.probability);
    return status;
}

rp_status rp_predict_check(const rp_fcd_config *config, const int extent[3],
                           const rp_predict_options *options, rp_error *err)
{
    int tile[3];
    size_t bytes;
    rp_status status = plan_tiles(config, extent, options, tile, err);
    const int *size = tile[0] ? tile : extent;
    if (!status) status = rp_session_bytes(config, size, RP_RUN_PREDICT, &bytes, err);
    if (!status && options->memory_bytes && bytes > options->memory_bytes)
        status =
            rp_fail(err, RP_ERR_BUDGET,
                    "prediction of %dx%dx%d voxels takes %zu MiB, the memory budget leaves %zu "
                    "MiB for it",
                    size[2], size[1], size[0], bytes >> 20, options->memory_bytes >> 20);
    return status;
}

/* The image, and behind it the further channels of a model that has them; *all is NULL for one. */
static rp_status join_channels(const rp_image *working, const float *beside, int channels,
                               float **all, volume_input *input, rp_error *err)
{
    const size_t voxels = rp_grid_voxels(&working->grid);
    *all = NULL;
    *input = (volume_input){&working->grid, working->data, channels};
    if (channels == 1) return RP_OK;
    *all = rp_alloc((size_t)channels * voxels, sizeof **all);
    if (!*all) return rp_fail(err, RP_ERR_MEMORY, "no memory for an input of %zu voxels", voxels);
    memcpy(*all, working->data, voxels * sizeof **all);
    memcpy(*all + voxels, beside, (size_t)(channels - 1) * voxels * sizeof **all);
    input->data = *all;
    return RP_OK;
}

rp_status rp_predict_working(const rp_model *model, const rp_image *working, const float *beside,
                             const rp_predict_options *o, const rp_progress *progress,
                             rp_image *probability, int *tiles, size_t *memory_bytes, rp_error *err)
{
    const rp_fcd_config *config = rp_fcd_config_of(model->net);
    tile_plan plan = {
        .unit = unit_of(config), .stride = rp_fcd_stride(config), .budget = o->memory_bytes};
    rp_status status = RP_OK;
    if (model->region[0]) {
        memcpy(plan.tile, model->region, sizeof plan.tile);
        plan.unit = plan.stride = 1;
    } else {
        status = plan_tiles(config, working->grid.size, o, plan.tile, err);
    }
    if (!status)
        status = rp_session_bytes(config, plan.tile[0] ? plan.tile : working->grid.size,
                                  RP_RUN_PREDICT, memory_bytes, err);
    volume_input input;
    RP_AUTOFREE float *all = NULL;
    if (!status) status = join_channels(working, beside, config->in_channels, &all, &input, err);
    if (!status) status = rp_image_init(probability, &working->grid, err);
    if (status) return status;
    return plan.tile[0]
               ? predict_tiles(model->net, &input, &plan, progress, probability->data, tiles, err)
               : predict_whole(model->net, &input, o->memory_bytes, progress, probability->data,
                               err);
}

static rp_status check_options(const rp_model *model, const rp_predict_options *options,
                               rp_error *err)
{
    const int channels = rp_fcd_config_of(model->net)->in_channels;
    if (!rp_inputs_known(channels))
        return rp_fail(err, RP_ERR_UNSUPPORTED, "the model takes %d images at once, not one CT",
                       channels);
    if (channels == RP_INPUTS_BASELINE && !model->baseline.data)
        return rp_fail(err, RP_ERR_UNSUPPORTED,
                       "a general model that sees a baseline beside the image contours nothing "
                       "before it is adapted to one");
    if (channels == RP_INPUTS_CONTOUR && !options->prior)
        return rp_fail(err, RP_ERR_ARGUMENT,
                       "the model was adapted with the baseline contour as a second input: it "
                       "needs that contour (the prior) to contour an image");
#define THRESHOLD(name, low, high)                                                                 \
    if (!(options->name >= (low) && options->name <= (high)))                                      \
        return rp_fail(err, RP_ERR_ARGUMENT, "a threshold of %g does not lie between 0 and 1",     \
                       options->name);
    RP_RANGE_THRESHOLD(THRESHOLD)
    if (options->prior && !(options->prior_reach_mm > 0.0))
        return rp_fail(err, RP_ERR_ARGUMENT, "a reach of %g mm is not above 0",
                       options->prior_reach_mm);
    return RP_OK;
}

void rp_predict_threshold(rp_prediction *out, double threshold)
{
    const size_t voxels = rp_grid_voxels(&out->mask.grid);
    for (size_t i = 0; i < voxels; i++)
        out->mask.data[i] = (double)out->probability.data[i] >= threshold;
}

static rp_status predict_image(const rp_model *model, const rp_image *image,
                               const rp_predict_options *options, const rp_progress *progress,
                               rp_prediction *out, rp_error *err)
{
    rp_image working = {0}, probability = {0};
    rp_mask prior = {0};
    RP_AUTOFREE float *beside = NULL;
    rp_status status = rp_preprocess_image(&model->preprocessing, image, &working, err);
    if (!status && rp_fcd_config_of(model->net)->in_channels == RP_INPUTS_CONTOUR) {
        status = rp_working_mask(&model->preprocessing, options->prior, &image->grid, &prior, err);
        if (!status) status = rp_beside_contour(&prior, &beside, err);
    }
    if (!status)
        status = rp_predict_working(model, &working, beside, options, progress, &probability,
                                    &out->tiles, &out->memory_bytes, err);
    rp_image_release(&working);
    rp_mask_release(&prior);
    if (!status) status = rp_deliver(&image->grid, &probability, &out->probability, err);
    rp_image_release(&probability);
    if (!status) status = rp_mask_init(&out->mask, &out->probability.grid, err);
    if (status) return status;
    rp_predict_threshold(out, options->threshold);
    status = choose_component(out, options, err);
    if (!status) status = rp_mask_restore(&out->mask, &image->grid, err);
    if (!status) status = rp_image_restore(&out->probability, &image->grid, err);
    return status;
}

rp_status rp_predict(const rp_model *model, const rp_image *image,
                     const rp_predict_options *options, const rp_progress *progress,
                     rp_prediction *out, rp_error *err)
{
    *out = (rp_prediction){.tiles = 1};
    rp_status status = check_options(model, options, err);
    if (!status)
        status = model->region[0] ? rp_predict_region(model, image, options, progress, out, err)
                                  : predict_image(model, image, options, progress, out, err);
    if (status) rp_prediction_release(out);
    return status;
}
