#include "picture.h"

#include <math.h>
#include <string.h>

#include <cairo.h>

enum { OUTSIDE_GREY = 44 };

/* ---- interpolation ----------------------------------------------------------------------- */

/* The four voxels along one axis that make up a sample there, as element offsets. */
typedef struct tap {
    size_t offset[4];
    float weight[4];
    bool outside;
} tap;

/* One direction of a picture: `per_pixel` samples in each of `count` pixels. */
typedef struct tap_row {
    tap *taps;
    int count, per_pixel;
} tap_row;

static int clamp_int(int value, int low, int high)
{
    return value < low ? low : value > high ? high : value;
}

/* Catmull-Rom: passes through the voxels' values and keeps edges. */
static tap tap_at(double index, int size, size_t stride)
{
    tap t = {.outside = !(index >= -0.5 && index <= size - 0.5)};
    if (t.outside) return t;
    double whole = floor(index), f = index - whole;
    t.weight[0] = (float)(f * (-0.5 + f * (1 - 0.5 * f)));
    t.weight[1] = (float)(1 + f * f * (-2.5 + 1.5 * f));
    t.weight[2] = (float)(f * (0.5 + f * (2 - 1.5 * f)));
    t.weight[3] = (float)(f * f * (-0.5 + 0.5 * f));
    for (int i = 0; i < 4; i++)
        t.offset[i] = (size_t)clamp_int((int)whole - 1 + i, 0, size - 1) * stride;
    return t;
}

static bool taps_make(tap_row *row, const rp_grid *grid, const rp_frame *frame, int direction,
                      int pixels)
{
    int axis = frame->view.axis[direction];
    size_t strides[3] = {1, (size_t)grid->size[0], (size_t)grid->size[0] * (size_t)grid->size[1]};
    double pitch = frame->size[direction] / pixels;
    row->per_pixel = clamp_int((int)ceil(pitch / grid->spacing[axis] - 1e-6), 1, 8);
    row->count = pixels;
    int samples = row->per_pixel * pixels;
    row->taps = rp_alloc((size_t)samples, sizeof *row->taps);
    if (!row->taps) return false;
    for (int i = 0; i < samples; i++) {
        double mm = (i + 0.5) * pitch / row->per_pixel;
        double index = rp_frame_to_index(frame, grid, direction, mm);
        row->taps[i] = tap_at(index, grid->size[axis], strides[axis]);
    }
    return true;
}

static float sample(const float *plane, const tap *across, const tap *down)
{
    float sum = 0;
    for (int j = 0; j < 4; j++) {
        const float *line = plane + down->offset[j];
        float along = 0;
        for (int i = 0; i < 4; i++) along += across->weight[i] * line[across->offset[i]];
        sum += down->weight[j] * along;
    }
    return sum;
}

static uint8_t pixel(const float *plane, const tap_row *across, const tap_row *down, int x, int y,
                     rp_window window)
{
    double sum = 0;
    int inside = 0;
    for (int j = 0; j < down->per_pixel; j++) {
        const tap *v = &down->taps[y * down->per_pixel + j];
        for (int i = 0; i < across->per_pixel; i++) {
            const tap *u = &across->taps[x * across->per_pixel + i];
            if (v->outside || u->outside) continue;
            sum += (double)sample(plane, u, v);
            inside++;
        }
    }
    if (inside == 0) return OUTSIDE_GREY;
    double shown = (sum / inside - window.low_hu) / (window.high_hu - window.low_hu);
    return shown >= 1 ? 255 : shown > 0 ? (uint8_t)lrint(255 * shown) : 0;
}

/* ---- PNG --------------------------------------------------------------------------------- */

static cairo_status_t png_bytes(void *closure, const unsigned char *data, unsigned int length)
{
    rp_text *png = closure;
    rp_text_bytes(png, data, length);
    return png->failed ? CAIRO_STATUS_NO_MEMORY : CAIRO_STATUS_SUCCESS;
}

rp_status rp_png_encode(void *surface, rp_text *png, rp_error *err)
{
    cairo_status_t status = cairo_surface_status(surface);
    if (status == CAIRO_STATUS_SUCCESS)
        status = cairo_surface_write_to_png_stream(surface, png_bytes, png);
    if (status == CAIRO_STATUS_SUCCESS) return RP_OK;
    return rp_fail(err, RP_ERR_MEMORY, "report: cannot encode a picture: %s",
                   cairo_status_to_string(status));
}

rp_status rp_grey_encode(const rp_grey *grey, rp_text *out, rp_error *err)
{
    rp_text png = {0};
    cairo_surface_t *surface =
        cairo_image_surface_create(CAIRO_FORMAT_A8, grey->width, grey->height);
    uint8_t *rows = cairo_image_surface_get_data(surface); /* NULL where creation failed */
    if (rows) {
        size_t width = (size_t)grey->width,
               stride = (size_t)cairo_image_surface_get_stride(surface);
        cairo_surface_flush(surface);
        for (size_t y = 0; y < (size_t)grey->height; y++)
            memcpy(rows + y * stride, grey->data + y * width, width);
        cairo_surface_mark_dirty(surface);
    }
    const rp_status status = rp_png_encode(surface, &png, err);
    if (!status) {
        rp_text_add(out, "data:image/png;base64,");
        rp_text_base64(out, (const uint8_t *)png.data, png.length);
    }
    rp_text_release(&png);
    cairo_surface_destroy(surface);
    return status;
}

void rp_grey_release(rp_grey *grey)
{
    rp_free(grey->data);
    *grey = (rp_grey){0};
}

/* ---- pictures ---------------------------------------------------------------------------- */

int rp_picture_height(const rp_frame *frame, int width)
{
    return clamp_int((int)lround(width * frame->size[1] / frame->size[0]), 1, 4 * width);
}

rp_status rp_picture_draw(const rp_image *image, const rp_frame *frame, rp_window window, int width,
                          rp_grey *grey, rp_error *err)
{
    const rp_grid *grid = &image->grid;
    int height = rp_picture_height(frame, width);
    tap_row across = {0}, down = {0};
    rp_status status = RP_OK;
    *grey = (rp_grey){rp_alloc((size_t)width, (size_t)height), width, height};
    if (!grey->data || !taps_make(&across, grid, frame, 0, width) ||
        !taps_make(&down, grid, frame, 1, height)) {
        status = rp_fail(err, RP_ERR_MEMORY, "report: no memory for a picture");
        rp_grey_release(grey);
        goto done;
    }
    int corner[3] = {0};
    corner[frame->view.normal] = frame->slice;
    const float *plane = image->data + rp_grid_index(grid, corner[0], corner[1], corner[2]);
    uint8_t *at = grey->data;
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) *at++ = pixel(plane, &across, &down, x, y, window);
done:
    rp_free(across.taps);
    rp_free(down.taps);
    return status;
}

rp_status rp_picture_add(rp_text *out, const rp_image *image, const rp_frame *frame,
                         rp_window window, int width, rp_error *err)
{
    rp_grey grey;
    rp_status status = rp_picture_draw(image, frame, window, width, &grey, err);
    if (status) return status;
    status = rp_grey_encode(&grey, out, err);
    rp_grey_release(&grey);
    return status;
}

/* ---- outlines ----------------------------------------------------------------------------------
 */

/* The mask's plane across any axis, traced with one empty voxel around it, so that outlines close
 * at the image's border. Points come back in the plane's own index (lower grid axis first). */
static rp_status trace_plane(const rp_mask *mask, int normal, int slice, rp_contours *contours,
                             rp_error *err)
{
    int a = normal == 0 ? 1 : 0, b = normal == 2 ? 1 : 2;
    int nx = mask->grid.size[a] + 2, ny = mask->grid.size[b] + 2;
    RP_AUTOFREE float *field = rp_alloc((size_t)nx * (size_t)ny, sizeof *field);
    if (!field) return rp_fail(err, RP_ERR_MEMORY, "report: no memory for an outline");
    for (int y = 1; y < ny - 1; y++)
        for (int x = 1; x < nx - 1; x++) {
            int at[3];
            at[normal] = slice;
            at[a] = x - 1;
            at[b] = y - 1;
            field[y * nx + x] = mask->data[rp_grid_index(&mask->grid, at[0], at[1], at[2])] != 0;
        }
    rp_status status = rp_contours_trace_field(field, nx, ny, 0.5f, contours, err);
    for (size_t i = 0; !status && i < contours->count; i++)
        for (size_t p = 0; p < contours->items[i].count; p++) {
            contours->items[i].points[p].x -= 1;
            contours->items[i].points[p].y -= 1;
        }
    return status;
}

/* From the slice's two stored axes to mm of the frame. */
static void place_points(rp_contours *contours, const rp_grid *grid, const rp_frame *frame)
{
    const int lower = frame->view.normal == 0 ? 1 : 0;
    for (size_t i = 0; i < contours->count; i++)
        for (size_t p = 0; p < contours->items[i].count; p++) {
            rp_point2 *point = &contours->items[i].points[p];
            double index[2] = {point->x, point->y}, mm[2];
            for (int d = 0; d < 2; d++)
                mm[d] = rp_frame_from_index(frame, grid, d, index[frame->view.axis[d] != lower]);
            *point = (rp_point2){mm[0], mm[1]};
        }
}

rp_status rp_outline_trace(const rp_mask *mask, const rp_frame *frame, rp_contours *contours,
                           rp_error *err)
{
    int normal = frame->view.normal;
    rp_status status = normal == 2 ? rp_contours_trace(mask, frame->slice, contours, err)
                                   : trace_plane(mask, normal, frame->slice, contours, err);
    if (!status) place_points(contours, &mask->grid, frame);
    return status;
}

static void add_paths(rp_text *out, const rp_contours *contours)
{
    for (size_t i = 0; i < contours->count; i++) {
        const rp_contour *contour = &contours->items[i];
        for (size_t p = 0; p < contour->count; p++)
            rp_text_printf(out, "%s%.2f %.2f", p ? "L" : "M", contour->points[p].x,
                           contour->points[p].y);
        rp_text_add(out, "Z");
    }
}

rp_status rp_outline_add(rp_text *out, const rp_mask *mask, const rp_frame *frame, rp_error *err)
{
    rp_contours contours = {0};
    rp_status status = rp_outline_trace(mask, frame, &contours, err);
    if (!status) add_paths(out, &contours);
    rp_contours_release(&contours);
    return status;
}

/* The frame's slice along its two stored axes; rp_alloc'd. */
static float *slice_of(const rp_image *image, const rp_frame *frame, int size[2])
{
    const rp_grid *g = &image->grid;
    const int normal = frame->view.normal, axis[2] = {normal == 0 ? 1 : 0, normal == 2 ? 1 : 2};
    int at[3];
    for (int d = 0; d < 2; d++) size[d] = g->size[axis[d]];
    float *field = rp_alloc((size_t)size[0] * (size_t)size[1], sizeof *field);
    at[normal] = frame->slice;
    for (int v = 0; field && v < size[1]; v++)
        for (int u = 0; u < size[0]; u++) {
            at[axis[0]] = u;
            at[axis[1]] = v;
            field[(size_t)v * (size_t)size[0] + (size_t)u] =
                image->data[rp_grid_index(g, at[0], at[1], at[2])];
        }
    return field;
}

rp_status rp_band_add(rp_text *out, const rp_image *field, const rp_frame *frame,
                      const double levels[2], rp_error *err)
{
    int size[2];
    RP_AUTOFREE float *slice = slice_of(field, frame, size);
    if (!slice) return rp_fail(err, RP_ERR_MEMORY, "report: no memory for a slice");
    rp_status status = RP_OK;
    for (int i = 0; i < 2 && !status; i++) {
        rp_contours contours = {0};
        status = rp_contours_trace_field(slice, size[0], size[1], (float)levels[i], &contours, err);
        if (!status) place_points(&contours, &field->grid, frame);
        if (!status) add_paths(out, &contours);
        rp_contours_release(&contours);
    }
    return status;
}
