/* A made-up patient in any storage order, and a report on it. Everything is placed in world
 * coordinates, so that the same anatomy can be stored with any axis order and flip. */
#ifndef REPRISE_TEST_REPORT_SAMPLE_H
#define REPRISE_TEST_REPORT_SAMPLE_H

#include "test.h"
#include "reprise/report.h"

#include <math.h>

typedef struct sample {
    rp_image image[2];
    rp_mask mask[2], truth;
    rp_lesion lesion[2];
    rp_response_result response;
    double loss[40], dice[40];
    const char *flags[2];
    rp_json *result;
    rp_report report;
} sample;

/* Grid axis a of the storage runs along world axis order[a], backwards where bit a of flips is
 * set. */
static inline rp_grid sample_grid(const int order[3], int flips)
{
    static const int sizes[3] = {70, 44, 9};
    static const double spacings[3] = {2.5, 3.0, 5.0}, low[3] = {-76.25, -84.5, 10};
    rp_grid grid = rp_grid_make(1, 1, 1, 1, 1, 1);
    memset(grid.direction, 0, sizeof grid.direction);
    memcpy(grid.origin, low, sizeof low);
    for (int a = 0; a < 3; a++) {
        int w = order[a];
        bool flipped = flips >> a & 1;
        grid.size[a] = sizes[w];
        grid.spacing[a] = spacings[w];
        grid.direction[w][a] = flipped ? -1 : 1;
        if (flipped) grid.origin[w] += (sizes[w] - 1) * spacings[w];
    }
    return grid;
}

static inline double ellipsoid(const double p[3], double x, double y, double z, double rx,
                               double ry, double rz)
{
    return hypot(hypot((p[0] - x) / rx, (p[1] - y) / ry), (p[2] - z) / rz);
}

/* A body with a bone at the patient's left and one in front, and the lesion. */
static inline void sample_fill(rp_image *image, rp_mask *mask, const rp_grid *grid, double scale)
{
    rp_error err;
    assert_ok(rp_image_init(image, grid, &err), err);
    assert_ok(rp_mask_init(mask, grid, &err), err);
    for (int z = 0; z < grid->size[2]; z++)
        for (int y = 0; y < grid->size[1]; y++)
            for (int x = 0; x < grid->size[0]; x++) {
                double index[3] = {x, y, z}, p[3];
                size_t at = rp_grid_index(grid, x, y, z);
                rp_grid_to_world(grid, index, p);
                image->data[at] = ellipsoid(p, 10, -20, 30, 75, 58, 900) < 1 ? 20 : -1000;
                if (ellipsoid(p, 70, -20, 30, 8, 8, 900) < 1) image->data[at] = 900;
                if (ellipsoid(p, 10, -64, 30, 7, 7, 900) < 1) image->data[at] = 900;
                if (ellipsoid(p, -15, -10, 30, 24 * scale, 15 * scale, 14) >= 1) continue;
                image->data[at] = 90;
                mask->data[at] = 1;
            }
}

static inline void sample_measure(sample *s, rp_lesion_state state)
{
    rp_error err;
    for (int v = 0; v < 2; v++)
        assert_ok(rp_measure_mask(&s->mask[v], RP_DIAMETER_CONVEX, &s->lesion[v], &err), err);
    rp_response_input input = {.baseline_mm = s->lesion[0].longest_diameter_mm,
                               .state = state,
                               .followup_mm = s->lesion[1].longest_diameter_mm};
    assert_ok(rp_response_classify(&input, &s->response, &err), err);
}

static inline rp_json *sample_result(const char *text)
{
    char hash[RP_SHA256_HEX];
    rp_json *result = rp_json_object(), *definitions = rp_json_object();
    rp_json *provenance = rp_json_object(), *inputs = rp_json_object(), *timing = rp_json_object();
    rp_sha256("x", 1, hash);
    rp_json_set_number(result, "dice", 0.875);
    rp_json_set_number(result, "dice_carry_forward", 0.5);
    rp_json_set_number(result, "diameter_error_mm", -2.5);
    rp_json_set_string(definitions, "diameter", text);
    rp_json_set_string(provenance, "command", text);
    rp_json_set_int(provenance, "seed", 12345);
    rp_json_set_string(inputs, "followup_image_sha256", hash);
    rp_json_set(provenance, "inputs", inputs);
    rp_json_set_number(timing, "adapt_seconds", 83.2);
    rp_json_set(result, "definitions", definitions);
    rp_json_set(result, "provenance", provenance);
    rp_json_set(result, "timing", timing);
    return result;
}

/* `text` goes wherever a user's or another program's words go. */
static inline sample *sample_make(const int order[3], int flips, const char *text)
{
    sample *s = rp_alloc(1, sizeof *s);
    rp_image unused;
    rp_grid grid = sample_grid(order, flips);
    assert_non_null(s);
    sample_fill(&s->image[0], &s->mask[0], &grid, 1);
    sample_fill(&s->image[1], &s->mask[1], &grid, 0.8);
    sample_fill(&unused, &s->truth, &grid, 0.75);
    rp_image_release(&unused);
    sample_measure(s, RP_LESION_MEASURED);
    for (int i = 0; i < 40; i++) {
        s->loss[i] = 2.0 / (i + 1);
        s->dice[i] = 1 - 1.0 / (i + 1);
    }
    s->flags[0] = text;
    s->flags[1] = "The second flag.";
    s->result = sample_result(text);
    s->report = (rp_report){
        .subject = text,
        .label = "synthetic",
        .baseline = {"Baseline", "20240112", &s->image[0], &s->mask[0], NULL, &s->lesion[0], NULL},
        .followup = {"Follow-up", "2024-04-08", &s->image[1], &s->mask[1], &s->truth,
                     &s->lesion[1], NULL},
        .response = &s->response,
        .loss = s->loss,
        .dice = s->dice,
        .epochs = 40,
        .flags = s->flags,
        .flag_count = 2,
        .result = s->result,
    };
    return s;
}

static inline void sample_destroy(sample *s)
{
    for (int v = 0; v < 2; v++) {
        rp_image_release(&s->image[v]);
        rp_mask_release(&s->mask[v]);
    }
    rp_mask_release(&s->truth);
    rp_json_destroy(s->result);
    rp_free(s);
}

#endif
