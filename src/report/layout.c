#include "layout.h"

#include <math.h>
#include <stdlib.h>

/* Where the lesion is, in voxels of the visit's own grid. */
typedef struct lesion_box {
    bool known;
    double low[3], high[3];
    int axial;    /* the grid's axis across the slices */
    double slice; /* the one to show large */
} lesion_box;

static void box_add(lesion_box *box, const rp_mask *mask)
{
    int low[3], high[3];
    if (!mask || !rp_mask_bounds(mask, low, high)) return;
    for (int a = 0; a < 3; a++) {
        box->low[a] = box->known ? fmin(box->low[a], low[a]) : low[a];
        box->high[a] = box->known ? fmax(box->high[a], high[a]) : high[a];
    }
    box->known = true;
}

/* A lesion that was not found is looked for where the other visit has it: the same place in world
 * coordinates where the image reaches there, else the image's middle. */
static void box_borrow(lesion_box *box, const rp_grid *grid, const lesion_box *other,
                       const rp_grid *other_grid)
{
    double centre[3], world[3], index[3];
    bool within = other->known;
    for (int a = 0; a < 3; a++) centre[a] = 0.5 * (other->low[a] + other->high[a]);
    if (within) centre[other->axial] = other->slice;
    rp_grid_to_world(other_grid, centre, world);
    rp_grid_from_world(grid, world, index);
    for (int a = 0; a < 3; a++)
        within = within && index[a] >= -0.5 && index[a] <= grid->size[a] - 0.5;
    for (int a = 0; a < 3; a++) {
        double half = 0.5 * (other->high[a] - other->low[a]);
        half *= other_grid->spacing[a] / grid->spacing[a];
        if (!within) index[a] = 0.5 * (grid->size[a] - 1);
        box->low[a] = fmax(index[a] - half, 0);
        box->high[a] = fmin(index[a] + half, grid->size[a] - 1);
    }
    box->slice = index[box->axial];
}

static double box_centre(const lesion_box *box, int axis)
{
    return 0.5 * (box->low[axis] + box->high[axis]);
}

static double box_extent_mm(const lesion_box *box, const rp_grid *grid, int axis)
{
    return (box->high[axis] - box->low[axis] + 1) * grid->spacing[axis];
}

static double image_extent_mm(const rp_grid *grid, int axis)
{
    return grid->size[axis] * grid->spacing[axis];
}

/* Wide enough for the lesion and to recognise the anatomy, no wider than the larger image, and not
 * far from square. */
static void choose_size(const rp_report_visit *const visits[2], const lesion_box boxes[2],
                        const rp_visit_layout layouts[2], double size[2])
{
    double extent = 0, limit[2] = {0, 0};
    for (int v = 0; v < 2; v++)
        for (int d = 0; d < 2; d++) {
            const rp_grid *grid = &visits[v]->image->grid;
            int axis = layouts[v].main.view.axis[d];
            if (boxes[v].known) extent = fmax(extent, box_extent_mm(&boxes[v], grid, axis));
            limit[d] = fmax(limit[d], image_extent_mm(grid, axis));
        }
    double wanted = fmax(fmax(1.7 * extent, extent + 90), 200);
    for (int d = 0; d < 2; d++) size[d] = fmin(wanted, limit[d]);
    size[0] = fmax(size[0], size[1] / 1.1);
    size[1] = fmax(size[1], size[0] / 1.35);
}

/* The longest round length of at most a third of the width. */
static double scale_bar(double width_mm)
{
    static const double lengths[] = {200, 100, 50, 20, 10, 5, 2, 1};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
        if (lengths[i] <= width_mm / 3) return lengths[i];
    return 0;
}

/* Slices evenly over the lesion, counted from the feet, both end slices included, the measured one
 * taken where one comes near it; then turned, so that those nearest the head come first. */
static void choose_strip(const rp_grid *grid, const lesion_box *box, int measured,
                         rp_visit_layout *layout)
{
    const int axial = box->axial;
    int first = (int)lround(box->low[axial]), last = (int)lround(box->high[axial]);
    int count = last - first + 1 < RP_STRIP_MAX ? last - first + 1 : RP_STRIP_MAX;
    int nearest = 0;
    for (int i = 0; i < count; i++) {
        int above = count > 1 ? (int)lround((double)i * (last - first) / (count - 1)) : 0;
        int slice = grid->direction[2][axial] > 0 ? first + above : last - above;
        layout->strip[i] = slice;
        if (abs(slice - measured) < abs(layout->strip[nearest] - measured)) nearest = i;
    }
    layout->strip_count = count;
    if (measured >= first && measured <= last) layout->strip[nearest] = measured;
    for (int i = 0; i < count / 2; i++) {
        int kept = layout->strip[i];
        layout->strip[i] = layout->strip[count - 1 - i];
        layout->strip[count - 1 - i] = kept;
    }
}

static int clamp_index(double index, int size)
{
    return (int)fmin(fmax(lround(index), 0), size - 1);
}

static void place_visit(const rp_report_visit *visit, const lesion_box *box, const double size[2],
                        rp_visit_layout *layout)
{
    const rp_grid *grid = &visit->image->grid;
    double centre[3], whole[3];
    for (int a = 0; a < 3; a++) {
        centre[a] = box_centre(box, a);
        whole[a] = 0.5 * (grid->size[a] - 1);
    }
    layout->main.slice = clamp_index(box->slice, grid->size[box->axial]);
    layout->main.size[0] = size[0];
    layout->main.size[1] = size[1];
    rp_frame_centre(&layout->main, grid, centre);
    choose_strip(grid, box, layout->main.slice, layout);

    rp_frame *overview = &layout->overview;
    rp_view_choose(grid, layout->main.view.axis[1], &overview->view);
    overview->slice = clamp_index(centre[overview->view.normal], grid->size[overview->view.normal]);
    rp_frame_centre(overview, grid, whole);
}

/* Both overviews show their whole image, at one magnification and in the main pictures' shape. */
static void size_overviews(const rp_report_visit *const visits[2], rp_layout *layout,
                           const double size[2])
{
    double width = 0;
    for (int v = 0; v < 2; v++) {
        const rp_grid *grid = &visits[v]->image->grid;
        rp_view view;
        rp_view_choose(grid, layout->visit[v].main.view.axis[1], &view);
        width = fmax(width, image_extent_mm(grid, view.axis[0]));
        width = fmax(width, image_extent_mm(grid, view.axis[1]) * size[0] / size[1]);
    }
    for (int v = 0; v < 2; v++) {
        layout->visit[v].overview.size[0] = width;
        layout->visit[v].overview.size[1] = width * size[1] / size[0];
    }
    layout->overview_scale_bar_mm = scale_bar(width);
}

void rp_layout_make(const rp_report *report, rp_layout *layout)
{
    const rp_report_visit *const visits[2] = {&report->baseline, &report->followup};
    lesion_box boxes[2] = {{0}, {0}};
    double size[2];
    *layout = (rp_layout){0};
    for (int v = 0; v < 2; v++) {
        box_add(&boxes[v], visits[v]->mask);
        layout->visit[v].found = visits[v]->lesion->slice_index >= 0;
        box_add(&boxes[v], visits[v]->truth);
        boxes[v].axial = rp_grid_axial_axis(&visits[v]->image->grid);
        boxes[v].slice = visits[v]->lesion->slice_index;
        if (boxes[v].slice < 0) boxes[v].slice = box_centre(&boxes[v], boxes[v].axial);
        rp_view_choose(&visits[v]->image->grid, boxes[v].axial, &layout->visit[v].main.view);
    }
    choose_size(visits, boxes, layout->visit, size);
    size_overviews(visits, layout, size);
    for (int v = 0; v < 2; v++) {
        if (!boxes[v].known)
            box_borrow(&boxes[v], &visits[v]->image->grid, &boxes[1 - v],
                       &visits[1 - v]->image->grid);
        place_visit(visits[v], &boxes[v], size, &layout->visit[v]);
    }
    layout->scale_bar_mm = scale_bar(size[0]);
}
