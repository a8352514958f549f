/* Contours over CT for chosen cases: the measured slice of both visits. */
#include "evaluation_parts.h"
#include "layout.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PANEL_WIDTH = 420, PANEL_HEIGHT = 370, PICTURE_WIDTH = 560, MOST_NAMED = 12 };

static const uint32_t manual_colour = 0xffffff;

/* ---- images ------------------------------------------------------------------------------ */

struct rp_loaded {
    bool tried;
    size_t index;
    rp_case_visit visit[2];
    rp_frame frame[2];
    double scale_bar_mm;
    rp_status status;
    rp_error error;
};

static void release_visit(rp_case_visit *visit)
{
    rp_image_release(&visit->image);
    rp_mask_release(&visit->manual);
    for (int s = 0; s < RP_SOURCE_COUNT; s++) rp_mask_release(&visit->source[s]);
    *visit = (rp_case_visit){0};
}

static void unload(rp_loaded *loaded)
{
    for (int v = 0; v < 2; v++) release_visit(&loaded->visit[v]);
    *loaded = (rp_loaded){0};
}

rp_loaded *rp_loaded_create(void)
{
    return rp_alloc(1, sizeof(rp_loaded));
}

void rp_loaded_destroy(rp_loaded *loaded)
{
    if (loaded) unload(loaded);
    rp_free(loaded);
}

static rp_status check_visit(const rp_case_visit *visit, rp_error *err)
{
    if (!visit->image.data || !visit->manual.data)
        return rp_fail(err, RP_ERR_ARGUMENT, "no image or no manual contour was given");
    rp_status status = rp_grid_check(&visit->image.grid, err);
    if (!status && !rp_grid_same(&visit->image.grid, &visit->manual.grid, 0.01))
        status = rp_fail(err, RP_ERR_ARGUMENT, "a contour is not on the image's grid");
    for (int s = 0; s < RP_SOURCE_COUNT && !status; s++)
        if (visit->source[s].data &&
            !rp_grid_same(&visit->image.grid, &visit->source[s].grid, 0.01))
            status = rp_fail(err, RP_ERR_ARGUMENT, "a contour is not on the image's grid");
    return status;
}

/* The frames of both visits share one magnification; all are brought to the panel's shape. */
static void place_frames(rp_loaded *loaded, const rp_case *one)
{
    rp_layout layout;
    rp_lesion lesion[2] = {one->manual[0], one->manual[1]};
    rp_report_visit visits[2];
    for (int v = 0; v < 2; v++) {
        rp_case_visit *from = &loaded->visit[v];
        const rp_mask *further = from->source[RP_SOURCE_IDOL_POST].data && v == 1
                                     ? &from->source[RP_SOURCE_IDOL_POST]
                                     : NULL;
        if (!rp_lesion_found(&lesion[v])) lesion[v].slice_index = -1;
        if (v == 1 && lesion[v].slice_index < 0 && one->score[RP_SOURCE_IDOL_POST].present)
            lesion[v].slice_index = one->score[RP_SOURCE_IDOL_POST].lesion.slice_index;
        const rp_grid *grid = &from->image.grid;
        if (lesion[v].slice_index >= grid->size[rp_grid_axial_axis(grid)])
            lesion[v].slice_index = -1;
        visits[v] =
            (rp_report_visit){"", "", &from->image, &from->manual, further, &lesion[v], NULL};
    }
    rp_report pair = {.baseline = visits[0], .followup = visits[1]};
    rp_layout_make(&pair, &layout);
    for (int v = 0; v < 2; v++) {
        rp_frame *frame = &loaded->frame[v];
        const rp_grid *grid = &loaded->visit[v].image.grid;
        const double shape[2] = {PANEL_WIDTH, PANEL_HEIGHT};
        double centre[3] = {0};
        *frame = layout.visit[v].main;
        double scale = fmax(frame->size[0] / shape[0], frame->size[1] / shape[1]);
        for (int d = 0; d < 2; d++) {
            centre[frame->view.axis[d]] = rp_frame_to_index(frame, grid, d, 0.5 * frame->size[d]);
            frame->size[d] = scale * shape[d];
        }
        rp_frame_centre(frame, grid, centre);
    }
    loaded->scale_bar_mm = layout.scale_bar_mm;
}

static rp_status load_case(const rp_evaluation_view *view, size_t index)
{
    rp_loaded *loaded = view->loaded;
    const rp_evaluation_report *report = view->report;
    if (loaded->tried && loaded->index == index) return loaded->status;
    unload(loaded);
    loaded->tried = true;
    loaded->index = index;
    for (int v = 0; v < 2 && !loaded->status; v++) {
        loaded->status = report->load(report->context, index, v, &loaded->visit[v], &loaded->error);
        if (loaded->status) loaded->visit[v] = (rp_case_visit){0};
        if (!loaded->status) loaded->status = check_visit(&loaded->visit[v], &loaded->error);
    }
    if (!loaded->status) place_frames(loaded, &view->evaluation->cases[index]);
    return loaded->status;
}

/* ---- one panel --------------------------------------------------------------------------- */

typedef struct panel {
    rp_canvas *canvas;
    rp_box box;
    const rp_case_visit *visit;
    const rp_frame *frame;
    double pitch; /* canvas units of a millimetre */
} panel;

static void to_canvas(const panel *p, rp_contours *contours)
{
    for (size_t i = 0; i < contours->count; i++)
        for (size_t k = 0; k < contours->items[i].count; k++) {
            rp_point2 *point = &contours->items[i].points[k];
            *point = (rp_point2){p->box.x + p->pitch * point->x, p->box.y + p->pitch * point->y};
        }
}

/* A dark line below a solid outline lets it show on bright and dark tissue alike; below a dashed
 * one it would fill the gaps. The manual outline is the broadest and lies below the others, which
 * it rims where they run along it. */
static rp_status add_outline(const panel *p, const rp_mask *mask, uint32_t colour, rp_dash dash,
                             double width, rp_error *err)
{
    rp_contours contours = {0};
    const rp_style halo = {.line = RP_BLACK, .width = width + 1.4};
    const rp_style line = {.line = colour, .width = width, .dash = dash};
    if (!mask->data) return RP_OK;
    rp_status status = rp_outline_trace(mask, p->frame, &contours, err);
    if (status) return status;
    to_canvas(p, &contours);
    for (size_t i = 0; i < contours.count; i++) {
        const rp_contour *contour = &contours.items[i];
        if (dash == RP_SOLID)
            rp_canvas_polyline(p->canvas, contour->points, contour->count, true, &halo);
        rp_canvas_polyline(p->canvas, contour->points, contour->count, true, &line);
    }
    rp_contours_release(&contours);
    return RP_OK;
}

static void add_letters(const panel *p)
{
    rp_view_letters letters;
    const rp_type type = {13, RP_WHITE, RP_MIDDLE, true, 0};
    const rp_style ground = {.fill = RP_BLACK, .opacity = 0.5};
    rp_view_label(&p->visit->image.grid, &p->frame->view, &letters);
    const struct {
        const char *words;
        double x, y;
    } places[] = {{letters.left, 14, 0.5 * p->box.height},
                  {letters.right, p->box.width - 14, 0.5 * p->box.height},
                  {letters.top, 0.5 * p->box.width, 14},
                  {letters.bottom, 0.5 * p->box.width, p->box.height - 14}};
    for (int i = 0; i < 4; i++) {
        double x = p->box.x + places[i].x, y = p->box.y + places[i].y;
        double width = rp_type_width(places[i].words, type.size, true) + 7;
        rp_canvas_rectangle(p->canvas, &(rp_box){x - 0.5 * width, y - 9, width, 18}, &ground);
        rp_canvas_text(p->canvas, x, y + 4.6, places[i].words, &type);
    }
}

static void add_scale(const panel *p, double mm)
{
    const rp_style line = {.line = RP_WHITE, .width = 2.2};
    const rp_style ground = {.fill = RP_BLACK, .opacity = 0.5};
    const rp_type type = {12, RP_WHITE, RP_MIDDLE, false, 0};
    char words[40];
    double length = mm * p->pitch, right = p->box.x + p->box.width - 14;
    double y = p->box.y + p->box.height - 12;
    if (!(mm > 0)) return;
    snprintf(words, sizeof words, mm >= 10 ? "%g cm" : "%g mm", mm >= 10 ? mm / 10 : mm);
    rp_canvas_rectangle(p->canvas, &(rp_box){right - length - 6, y - 20, length + 12, 27}, &ground);
    rp_canvas_horizontal(p->canvas, right - length, right, y, &line);
    rp_canvas_text(p->canvas, right - 0.5 * length, y - 6, words, &type);
}

static rp_status add_sources(const panel *p, int visit, rp_error *err)
{
    rp_status status = add_outline(p, &p->visit->manual, manual_colour, RP_SOLID, 3.6, err);
    if (visit == 0 && !status) {
        const rp_source_look *look = rp_source_look_of(RP_SOURCE_GENERAL_PRE);
        status = add_outline(p, &p->visit->source[RP_SOURCE_GENERAL_PRE], look->on_ct, look->dash,
                             2, err);
    }
    for (int i = 0; visit == 1 && i < 4 && !status; i++) {
        const rp_source_look *look = rp_source_look_of(rp_followup_sources[i]);
        status = add_outline(p, &p->visit->source[rp_followup_sources[i]], look->on_ct, look->dash,
                             2, err);
    }
    return status;
}

static rp_status draw_panel(panel *p, const rp_evaluation_view *view, int visit, rp_error *err)
{
    rp_grey grey = {0};
    p->visit = &view->loaded->visit[visit];
    p->frame = &view->loaded->frame[visit];
    p->pitch = p->box.width / p->frame->size[0];
    rp_status status =
        rp_picture_draw(&p->visit->image, p->frame, view->window, PICTURE_WIDTH, &grey, err);
    if (status) return status;
    rp_canvas_picture(p->canvas, &p->box, &grey);
    rp_grey_release(&grey);
    rp_canvas_clip(p->canvas, &p->box);
    status = add_sources(p, visit, err);
    add_letters(p);
    add_scale(p, view->loaded->scale_bar_mm);
    rp_canvas_unclip(p->canvas);
    return status;
}

/* ---- figures ----------------------------------------------------------------------------- */

/* Keys on dark ground, as the lines stand on the picture. */
static void add_keys(rp_canvas *canvas, const rp_case_visit *visit, int number, double y,
                     double width)
{
    const rp_style ground = {.fill = 0x33404c, .opacity = 1};
    const rp_type type = {11.5, RP_WHITE, RP_START, false, 0};
    rp_canvas_rectangle(canvas, &(rp_box){0, y, width, 22}, &ground);
    double x = 8;
    for (int i = -1; i < RP_SOURCE_COUNT; i++) {
        bool shown = i < 0 || (visit->source[i].data &&
                               (number == 0) == ((rp_source)i == RP_SOURCE_GENERAL_PRE));
        if (!shown) continue;
        const rp_source_look *look = i < 0 ? NULL : rp_source_look_of((rp_source)i);
        const rp_style line = {.line = look ? look->on_ct : manual_colour,
                               .width = 2,
                               .dash = look ? look->dash : RP_SOLID};
        const char *name = !look ? "manual" : number == 0 ? "FCD" : look->name;
        rp_canvas_horizontal(canvas, x, x + 25, y + 11, &line);
        rp_canvas_text(canvas, x + 29, y + 15, name, &type);
        x += 29 + rp_type_width(name, type.size, false) + 8;
    }
}

static void panel_words(const rp_evaluation_view *view, const rp_case *one, int visit,
                        char out[200])
{
    char manual[RP_WORDS], idol[RP_WORDS];
    const rp_case_score *score = &one->score[RP_SOURCE_IDOL_POST];
    int length = snprintf(out, 200, "slice %d; manual %s mm", view->loaded->frame[visit].slice,
                          rp_lesion_found(&one->manual[visit])
                              ? rp_words(manual, one->manual[visit].longest_diameter_mm, 1, false)
                              : "no lesion, \xE2\x80\x93");
    if (visit == 1 && score->present)
        snprintf(out + length, 200 - (size_t)length, "; IDOL %s%s",
                 score->empty ? "drew nothing"
                              : rp_words(idol, score->lesion.longest_diameter_mm, 1, false),
                 score->empty ? "" : " mm");
}

static rp_status draw_visit(rp_canvas *canvas, const rp_figure *figure, rp_error *err)
{
    const rp_evaluation_view *view = rp_figure_view(figure);
    size_t index = (size_t)figure->index / 2;
    int visit = figure->index % 2;
    const rp_case *one = &view->evaluation->cases[index];
    char title[200], words[200];
    rp_status status = load_case(view, index);
    snprintf(title, sizeof title, "%s, %.120s", visit ? "Follow-up" : "Baseline", one->patient);
    if (status == RP_ERR_MEMORY) return rp_fail(err, status, "%s", view->loaded->error.message);
    if (status) {
        rp_figure_head(canvas, figure, title, "");
        rp_figure_empty(canvas, figure, "The images of this case could not be loaded.");
        return RP_OK;
    }
    panel_words(view, one, visit, words);
    rp_figure_head(canvas, figure, title, words);
    panel p = {.canvas = canvas, .box = {0, 44, PANEL_WIDTH, PANEL_HEIGHT}};
    status = draw_panel(&p, view, visit, err);
    add_keys(canvas, &view->loaded->visit[visit], visit, 44 + PANEL_HEIGHT, PANEL_WIDTH);
    return status;
}

/* ---- choice of cases --------------------------------------------------------------------- */

typedef struct ranked {
    size_t index;
    double dice;
} ranked;

static int compare_ranked(const void *a, const void *b)
{
    const ranked *p = a, *q = b;
    if (p->dice != q->dice) return p->dice > q->dice ? -1 : 1;
    return p->index < q->index ? -1 : p->index > q->index;
}

static void add_dice_words(const rp_case *one, char out[200])
{
    size_t length = 0;
    char value[RP_WORDS];
    out[0] = 0;
    for (int i = 3; i >= 0; i--) {
        double dice = rp_case_dice(one, rp_followup_sources[i]);
        if (!isfinite(dice) || length > 150) continue;
        length += (size_t)snprintf(
            out + length, 200 - length, "%s%s %.20s",
            length ? ", " : "Dice: ", rp_source_look_of(rp_followup_sources[i])->name,
            rp_words(value, dice, 2, false));
    }
}

static void add_case(rp_document *document, const rp_evaluation_view *view, size_t index,
                     const char *rank)
{
    const rp_case *one = &view->evaluation->cases[index];
    char dice[200], title[200];
    rp_figure figures[2];
    snprintf(title, sizeof title, "%s: %.120s", rank, one->patient);
    rp_document_keep(document, 310);
    rp_document_heading(document, title);
    add_dice_words(one, dice);
    rp_document_words(document, RP_TONE_PLAIN, dice);
    for (int v = 0; v < 2; v++)
        figures[v] = (rp_figure){
            .alt = v ? "Follow-up CT with contours" : "Baseline CT with contours",
            .width = PANEL_WIDTH,
            .height = 44 + PANEL_HEIGHT + 22,
            .draw = draw_visit,
            .data = view,
            .index = (int)(2 * index) + v,
        };
    rp_document_figures(document, figures, 2);
    if (document->counting || !view->loaded->tried || view->loaded->index != index ||
        !view->loaded->status)
        return;
    rp_document_printf(document, RP_TONE_POOR, "Not drawn: %s", view->loaded->error.message);
}

static void rank_places(size_t count, size_t places[3])
{
    places[0] = 0;
    places[1] = count ? (count - 1) / 2 : 0;
    places[2] = count ? count - 1 : 0;
}

static void add_ranked(rp_document *document, const rp_evaluation_view *view, const ranked *order,
                       size_t count)
{
    static const char *const names[] = {"Best by IDOL's Dice", "Median by IDOL's Dice",
                                        "Worst by IDOL's Dice"};
    size_t places[3];
    rank_places(count, places);
    for (int i = 0; i < 3; i++) {
        bool before = false;
        for (int k = 0; k < i; k++) before = before || places[k] == places[i];
        if (!before) add_case(document, view, order[places[i]].index, names[i]);
    }
}

static bool is_ranked(const ranked *order, size_t count, size_t index)
{
    size_t places[3];
    rank_places(count, places);
    for (int i = 0; i < 3 && count; i++)
        if (order[places[i]].index == index) return true;
    return false;
}

/* Those that the reader asked for, unless they are there already. */
static void add_named(rp_document *document, const rp_evaluation_view *view, const ranked *order,
                      size_t count)
{
    const rp_evaluation *evaluation = view->evaluation;
    size_t shown = 0;
    for (size_t n = 0; n < view->report->named_count; n++)
        for (size_t i = 0; i < evaluation->case_count && shown < MOST_NAMED; i++) {
            if (strcmp(evaluation->cases[i].patient, view->report->named[n]) ||
                is_ranked(order, count, i))
                continue;
            add_case(document, view, i, "Chosen");
            shown++;
        }
}

void rp_evaluation_add_pictures(rp_document *document, const rp_evaluation_view *view)
{
    const rp_evaluation *evaluation = view->evaluation;
    const rp_evaluation_report *report = view->report;
    size_t count = 0;
    if (!report->load || !evaluation->case_count) return;
    RP_AUTOFREE ranked *order = rp_alloc(evaluation->case_count, sizeof *order);
    if (!order) {
        rp_error err;
        rp_document_fail(document, rp_fail(&err, RP_ERR_MEMORY, "report: no memory for a list"),
                         &err);
        return;
    }
    for (size_t i = 0; i < evaluation->case_count; i++) {
        double dice = rp_case_dice(&evaluation->cases[i], RP_SOURCE_IDOL_POST);
        if (isfinite(dice)) order[count++] = (ranked){i, dice};
    }
    qsort(order, count, sizeof *order, compare_ranked);
    rp_document_section(document, "Contours over CT");
    if (count)
        add_ranked(document, view, order, count);
    else
        rp_document_words(document, RP_TONE_PLAIN, "No case has a contour by IDOL to rank.");
    add_named(document, view, order, count);
    rp_document_printf(
        document, RP_TONE_NOTE,
        "Each picture shows the slice on which the manual contour has its longest "
        "diameter; IDOL's diameter is that of its own slice. Both visits of a case have one "
        "magnification. Window %g to %g HU. "
        "Patient right is at the left of the picture. L left, R right, A anterior, "
        "P posterior.",
        view->window.low_hu, view->window.high_hu);
}
