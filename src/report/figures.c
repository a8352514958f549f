/* Both visits' measured slices side by side, and the strips of further slices. */
#include "sections.h"

#include <math.h>
#include <stdlib.h>

enum { MAIN_WIDTH = 760, TILE_WIDTH = 300 };

/* What a picture of one visit is made of. */
typedef struct scene {
    const rp_report_visit *visit;
    const rp_frame *frame;
    rp_window window;
    int number;    /* 0 baseline, 1 follow-up */
    bool measured; /* axes are drawn */
    double scale_bar_mm;
} scene;

static double percent_across(const scene *s, double mm)
{
    return 100 * mm / s->frame->size[0];
}

static double percent_down(const scene *s, double mm)
{
    return 100 * mm / s->frame->size[1];
}

/* ---- lines over the picture -------------------------------------------------------------------
 */

/* Outline with a dark halo, so that it shows on bright and dark tissue alike. */
static rp_status add_outline(rp_text *page, const rp_mask *mask, const scene *s, const char *kind,
                             rp_error *err)
{
    rp_text path = {0};
    rp_status status = rp_outline_add(&path, mask, s->frame, err);
    if (path.failed) page->failed = true;
    if (!status && path.length) {
        rp_text_printf(page, "<g class=\"%s\"><path class=\"halo\" d=\"", kind);
        rp_text_add(page, path.data);
        rp_text_add(page, "\"/><path d=\"");
        rp_text_add(page, path.data);
        rp_text_add(page, "\"/></g>");
    }
    rp_text_release(&path);
    return status;
}

/* Where the contour could as well run. */
static rp_status add_band(rp_text *page, const scene *s, rp_error *err)
{
    const double levels[2] = {0.25, 0.75};
    rp_text path = {0};
    rp_status status = rp_band_add(&path, s->visit->probability, s->frame, levels, err);
    if (path.failed) page->failed = true;
    if (!status && path.length) {
        rp_text_add(page, "<path class=\"band\" fill-rule=\"evenodd\" d=\"");
        rp_text_add(page, path.data);
        rp_text_add(page, "\"/>");
    }
    rp_text_release(&path);
    return status;
}

/* Ends are told along the slice's two axes in the file's order. */
static void axis_points(const scene *s, const rp_point2 ends[2], double mm[2][2])
{
    const int lower = s->frame->view.normal == 0 ? 1 : 0;
    for (int e = 0; e < 2; e++) {
        double index[2] = {ends[e].x, ends[e].y};
        for (int d = 0; d < 2; d++)
            mm[e][d] = rp_frame_from_index(s->frame, &s->visit->image->grid, d,
                                           index[s->frame->view.axis[d] != lower]);
    }
}

/* A caliper: the line with a stroke across each end. */
static void add_axis(rp_text *page, const scene *s, const rp_point2 ends[2], const char *kind)
{
    double p[2][2];
    axis_points(s, ends, p);
    double dx = p[1][0] - p[0][0], dy = p[1][1] - p[0][1], length = hypot(dx, dy);
    if (!(length > 0)) return;
    double half = 0.012 * s->frame->size[0], tx = -dy / length * half, ty = dx / length * half;
    rp_text path = {0};
    rp_text_printf(&path, "M%.2f %.2fL%.2f %.2f", p[0][0], p[0][1], p[1][0], p[1][1]);
    for (int e = 0; e < 2; e++)
        rp_text_printf(&path, "M%.2f %.2fL%.2f %.2f", p[e][0] - tx, p[e][1] - ty, p[e][0] + tx,
                       p[e][1] + ty);
    if (path.failed)
        page->failed = true;
    else
        rp_text_printf(page,
                       "<g class=\"axis %s\"><path class=\"halo\" d=\"%s\"/><path d=\"%s\"/></g>",
                       kind, path.data, path.data);
    rp_text_release(&path);
}

/* Scale bar at the lower right; its words are HTML so that they keep their size. */
static void add_scale_line(rp_text *page, const scene *s)
{
    double right = 0.965 * s->frame->size[0], y = 0.955 * s->frame->size[1];
    double left = right - s->scale_bar_mm, tick = 0.011 * s->frame->size[0];
    if (s->scale_bar_mm <= 0) return;
    const char *const kinds[] = {"halo", "scale"};
    for (int i = 0; i < 2; i++)
        rp_text_printf(page, "<path class=\"%s\" d=\"M%.2f %.2fV%.2fH%.2fV%.2f\"/>", kinds[i], left,
                       y - tick, y, right, y - tick);
}

static rp_status add_lines(rp_text *page, const scene *s, rp_error *err)
{
    const rp_lesion *lesion = s->visit->lesion;
    rp_text_printf(page, "<svg viewBox=\"0 0 %.2f %.2f\" aria-hidden=\"true\">", s->frame->size[0],
                   s->frame->size[1]);
    rp_status status = s->visit->probability ? add_band(page, s, err) : RP_OK;
    if (!status) status = add_outline(page, s->visit->mask, s, "contour", err);
    if (!status && s->visit->truth) status = add_outline(page, s->visit->truth, s, "truth", err);
    if (s->measured) {
        add_axis(page, s, lesion->short_axis_index, "short");
        add_axis(page, s, lesion->long_axis_index, "long");
    }
    if (s->scale_bar_mm > 0) add_scale_line(page, s);
    rp_text_add(page, "</svg>");
    return status;
}

/* ---- words over the picture ---------------------------------------------------------------------
 */

/* The axis's length beside one of its ends, outside the lesion: the end that lies further up or to
 * the right for the long axis, the other way for the short one, so that they keep apart. */
static void add_length(rp_text *page, const scene *s, const rp_point2 ends[2], double length_mm,
                       const char *kind, bool upper)
{
    double p[2][2];
    axis_points(s, ends, p);
    double dx = p[1][0] - p[0][0], dy = p[1][1] - p[0][1], length = hypot(dx, dy);
    if (!(length > 0)) return;
    bool second_higher = fabs(dy) > 0.3 * length ? dy < 0 : dx > 0;
    int end = second_higher == upper ? 1 : 0;
    double ux = (end ? dx : -dx) / length, uy = (end ? dy : -dy) / length;
    double x = fmin(fmax(percent_across(s, p[end][0]), 9), 91);
    double y = fmin(fmax(percent_down(s, p[end][1]), 7), 88);
    rp_text_printf(page,
                   "<span class=\"length %s\" style=\"left:%.2f%%;top:%.2f%%;"
                   "transform:translate(%.1f%%,%.1f%%)\">",
                   kind, x, y, -50 + 62 * ux, -50 + 85 * uy);
    rp_text_number(page, length_mm, 1, false);
    rp_text_add(page, "&nbsp;mm</span>");
}

static void add_letters(rp_text *page, const scene *s)
{
    rp_view_letters letters;
    rp_view_label(&s->visit->image->grid, &s->frame->view, &letters);
    rp_text_printf(page,
                   "<span class=\"edge left\">%s</span><span class=\"edge right\">%s</span>"
                   "<span class=\"edge top\">%s</span><span class=\"edge bottom\">%s</span>",
                   letters.left, letters.right, letters.top, letters.bottom);
}

static void add_scale_words(rp_text *page, const scene *s)
{
    if (s->scale_bar_mm <= 0) return;
    double left = percent_across(s, 0.965 * s->frame->size[0] - 0.5 * s->scale_bar_mm);
    rp_text_printf(page, "<span class=\"bar\" style=\"left:%.2f%%\">", left);
    if (s->scale_bar_mm >= 10)
        rp_text_printf(page, "%g&nbsp;cm</span>", s->scale_bar_mm / 10);
    else
        rp_text_printf(page, "%g&nbsp;mm</span>", s->scale_bar_mm);
}

/* "z -12.3 mm": the slice's place along the patient axis that it is most nearly across. */
static void add_position(rp_text *page, const rp_grid *grid, const rp_frame *frame)
{
    static const char *const names[] = {"x", "y", "z"};
    const int normal = frame->view.normal;
    double index[3] = {0, 0, 0}, world[3];
    int along = 0;
    index[normal] = frame->slice;
    rp_grid_to_world(grid, index, world);
    for (int r = 1; r < 3; r++)
        if (fabs(grid->direction[r][normal]) >= fabs(grid->direction[along][normal])) along = r;
    rp_text_printf(page, "%s&nbsp;", names[along]);
    rp_text_number(page, world[along], 1, false);
    rp_text_add(page, "&nbsp;mm");
}

/* ---- one picture --------------------------------------------------------------------------------
 */

/* The box that holds image, lines and words; `alt` is markup-free text of this module. */
static rp_status add_box(rp_text *page, const scene *s, int width, const char *alt, rp_error *err)
{
    rp_text_printf(page, "<div class=\"box\" style=\"aspect-ratio:%.2f/%.2f\"><img alt=\"",
                   s->frame->size[0], s->frame->size[1]);
    rp_text_escape(page, s->visit->title);
    rp_text_printf(page, ", %s\" width=\"%d\" height=\"%d\" src=\"", alt, width,
                   rp_picture_height(s->frame, width));
    rp_status status = rp_picture_add(page, s->visit->image, s->frame, s->window, width, err);
    rp_text_add(page, "\">");
    if (!status) status = add_lines(page, s, err);
    return status;
}

static rp_status add_main(rp_text *page, const scene *s, bool found, rp_error *err)
{
    const rp_lesion *lesion = s->visit->lesion;
    rp_text_printf(page, "<figure class=\"main visit%d\"><figcaption><b>", s->number);
    rp_text_escape(page, s->visit->title);
    rp_text_add(page, "</b> <span>");
    rp_report_add_date(page, s->visit->date);
    rp_text_printf(page, "</span> <span class=\"where\">slice %d &middot; ", s->frame->slice);
    add_position(page, &s->visit->image->grid, s->frame);
    rp_text_add(page, "</span></figcaption>");
    rp_status status = add_box(
        page, s, MAIN_WIDTH, found ? "measured slice" : "slice where the lesion is expected", err);
    if (s->measured) {
        add_length(page, s, lesion->short_axis_index, lesion->short_axis_mm, "short", false);
        add_length(page, s, lesion->long_axis_index, lesion->longest_diameter_mm, "long", true);
    }
    add_letters(page, s);
    add_scale_words(page, s);
    rp_text_printf(page, "<span class=\"window\">W %g L %g</span>",
                   s->window.high_hu - s->window.low_hu,
                   0.5 * (s->window.high_hu + s->window.low_hu));
    if (!found) rp_text_add(page, "<span class=\"missing\">No lesion found</span>");
    rp_text_add(page, "</div></figure>");
    return status;
}

static rp_status add_tile(rp_text *page, const scene *s, rp_error *err)
{
    rp_text_printf(page, "<figure class=\"tile%s\">", s->measured ? " chosen" : "");
    rp_status status = add_box(page, s, TILE_WIDTH, "further slice", err);
    rp_text_printf(page, "</div><figcaption>%d &middot; ", s->frame->slice);
    add_position(page, &s->visit->image->grid, s->frame);
    rp_text_add(page, "</figcaption></figure>");
    return status;
}

/* Across the slices, with lines where the strip's slices and the measured one lie. */
static rp_status add_overview(rp_text *page, const scene *s, const rp_visit_layout *layout,
                              rp_error *err)
{
    static const char *const planes[] = {"sagittal", "coronal", "axial"};
    const rp_grid *grid = &s->visit->image->grid;
    int across = 0;
    for (int r = 1; r < 3; r++)
        if (fabs(grid->direction[r][s->frame->view.normal]) >
            fabs(grid->direction[across][s->frame->view.normal]))
            across = r;
    int d = s->frame->view.axis[0] == layout->main.view.normal ? 0 : 1;
    rp_text_add(page, "<figure class=\"tile overview\">");
    rp_status status = add_box(page, s, TILE_WIDTH, planes[across], err);
    rp_text_printf(page, "<svg viewBox=\"0 0 %.2f %.2f\" aria-hidden=\"true\">", s->frame->size[0],
                   s->frame->size[1]);
    double at = rp_frame_from_index(s->frame, grid, d, layout->main.slice);
    if (d == 1)
        rp_text_printf(page, "<path class=\"level\" d=\"M0 %.2fH%.2f\"/></svg>", at,
                       s->frame->size[0]);
    else
        rp_text_printf(page, "<path class=\"level\" d=\"M%.2f 0V%.2f\"/></svg>", at,
                       s->frame->size[1]);
    add_letters(page, s);
    add_scale_words(page, s);
    rp_text_printf(page, "</div><figcaption>%s, line: slice %d</figcaption></figure>",
                   planes[across], layout->main.slice);
    return status;
}

/* ---- all of them ------------------------------------------------------------------------- */

static rp_status add_strip(rp_text *page, const rp_report_visit *visit, int number,
                           const rp_layout *layout, rp_window window, rp_error *err)
{
    const rp_visit_layout *placed = &layout->visit[number];
    scene overview = {
        visit, &placed->overview, window, number, false, layout->overview_scale_bar_mm};
    rp_text_printf(page, "<h3 class=\"visit%d\">", number);
    rp_text_escape(page, visit->title);
    rp_text_printf(page, "</h3><div class=\"strip visit%d\">", number);
    rp_status status = add_overview(page, &overview, placed, err);
    for (int i = 0; !status && i < placed->strip_count; i++) {
        rp_frame frame = placed->main;
        frame.slice = placed->strip[i];
        scene tile = {
            visit, &frame, window, number, placed->found && frame.slice == placed->main.slice, 0};
        status = add_tile(page, &tile, err);
    }
    rp_text_add(page, "</div>");
    return status;
}

static void add_legend(rp_text *page, bool truth, bool band)
{
    rp_text_add(
        page, "<div class=\"legend\"><label><input type=\"checkbox\" id=\"show-contour\" checked>"
              "<i class=\"key visit0\"></i><i class=\"key visit1\"></i>contour: baseline as given, "
              "follow-up as predicted</label>");
    if (truth)
        rp_text_add(page, "<label><input type=\"checkbox\" id=\"show-truth\" checked>"
                          "<i class=\"key dashed\"></i>true contour</label>");
    if (band)
        rp_text_add(page, "<label><input type=\"checkbox\" id=\"show-band\" checked>"
                          "<i class=\"key filled\"></i>band in which the follow-up's contour is "
                          "uncertain (probability 0.25 to 0.75)</label>");
    rp_text_add(page, "<label><input type=\"checkbox\" id=\"show-axes\" checked>"
                      "<i class=\"key axes\"></i>longest diameter and short axis</label></div>");
}

/* Where the file's own slices lie in another plane than the measured one. */
static void add_axis_note(rp_text *page, const rp_report_visit *visit, int normal)
{
    static const char *const names[] = {"first", "second"};
    if (normal == 2) return;
    rp_text_add(page, "; of ");
    rp_text_escape(page, visit->title);
    rp_text_printf(page, ", which is not stored as axial slices, along its %s axis", names[normal]);
}

rp_status rp_report_add_pictures(rp_text *page, const rp_report *report, const rp_layout *layout,
                                 rp_window window, rp_error *err)
{
    const rp_report_visit *const visits[2] = {&report->baseline, &report->followup};
    rp_status status = RP_OK;
    rp_text_add(page, "<section class=\"pictures\"><h2>Measured slices</h2>");
    add_legend(page, report->baseline.truth || report->followup.truth,
               report->followup.probability);
    rp_text_add(page, "<div class=\"pair\">");
    for (int v = 0; !status && v < 2; v++) {
        const rp_visit_layout *placed = &layout->visit[v];
        scene s = {visits[v], &placed->main, window, v, placed->found, layout->scale_bar_mm};
        status = add_main(page, &s, placed->found, err);
    }
    rp_text_add(page, "</div><h2>Further slices</h2>");
    for (int v = 0; !status && v < 2; v++)
        status = add_strip(page, visits[v], v, layout, window, err);
    rp_text_add(page,
                "<p class=\"note\">Measured slices and further slices of both visits have one "
                "magnification; further slices run evenly through the lesion, the measured "
                "one is framed. Slice numbers "
                "count from 0 in the order of the image file");
    for (int v = 0; v < 2; v++) add_axis_note(page, visits[v], layout->visit[v].main.view.normal);
    rp_text_add(page, ".</p></section>");
    return status;
}
