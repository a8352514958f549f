/* What `reprise track` prints: registrations, lesions by visits, what is open. */
#include "track.h"

#include <math.h>
#include <string.h>

enum { CELL = 48 };

static const rp_timeline_finding *finding_of(const track_work *w, size_t lesion, size_t visit)
{
    const rp_timeline_visit *v = &w->timeline.visits[visit];
    for (size_t i = 0; i < v->finding_count; i++)
        if (strcmp(v->findings[i].lesion, w->tracking.lesions[lesion].id) == 0)
            return &v->findings[i];
    return NULL;
}

static double length_of(const track_work *w, size_t lesion, const rp_lesion *l)
{
    return w->timeline.lesions[lesion].nodal ? l->short_axis_mm : l->longest_diameter_mm;
}

/* Sizes of everything that the link names, as "12.0+9.5". */
static void sizes(const track_work *w, const rp_link *link, char *text)
{
    size_t length = 0;
    for (size_t i = 0; i < link->found_count && length < CELL - 1; i++) {
        const rp_lesion *l = &w->tracked[link->visit].found[link->found[i]].measured;
        length += (size_t)snprintf(text + length, CELL - length, "%s%.1f", i ? "+" : "",
                                   length_of(w, (size_t)link->lesion, l));
    }
}

/* A proposal shows what was seen, or its kind. */
static void open_cell(const track_work *w, const rp_link *link, char text[CELL])
{
    char seen[CELL] = "";
    const bool new_one = link->kind == RP_LINK_NEW;
    if (new_one || link->kind == RP_LINK_MATCH || link->kind == RP_LINK_SPLIT) sizes(w, link, seen);
    snprintf(text, CELL, "%.46s?", seen[0] ? seen : rp_link_kind_code(link->kind));
}

static void cell_of(const track_work *w, size_t lesion, size_t visit, char text[CELL])
{
    const rp_link *link = track_link(w, lesion, visit);
    const rp_timeline_finding *f = finding_of(w, lesion, visit);
    if (link && link->state == RP_LINK_PROPOSED)
        open_cell(w, link, text);
    else if (link && f && (!isnan(f->longest_mm) || f->part_count))
        sizes(w, link, text);
    else if (f && f->state == RP_FOUND_MERGED)
        snprintf(text, CELL, "in %.40s", f->into);
    else
        snprintf(text, CELL, "%.40s", f ? rp_state_code(f->state) : "-");
}

static int widest(const track_work *w, size_t visit)
{
    int width = (int)strlen(w->tracked[visit].id);
    for (size_t l = 0; l < w->tracking.lesion_count; l++) {
        char text[CELL];
        cell_of(w, l, visit, text);
        if ((int)strlen(text) > width) width = (int)strlen(text);
    }
    return width;
}

static void print_lesions(const track_work *w)
{
    int id_width = 6;
    for (size_t l = 0; l < w->tracking.lesion_count; l++)
        if ((int)strlen(w->tracking.lesions[l].id) > id_width)
            id_width = (int)strlen(w->tracking.lesions[l].id);
    printf("\nmm: longest diameter (%s), of nodes the short axis; ? is open\n%-*s  %-10s",
           rp_diameter_definition_name(w->options->definition), id_width, "lesion", "role");
    for (size_t v = 0; v < w->plan.visit_count; v++)
        printf("  %*s", widest(w, v), cmd_shown(w->tracked[v].id));
    putchar('\n');
    for (size_t l = 0; l < w->tracking.lesion_count; l++) {
        const rp_timeline_lesion *lesion = &w->timeline.lesions[l];
        printf("%-*s  %-10s", id_width, cmd_shown(lesion->id), rp_role_code(lesion->role));
        for (size_t v = 0; v < w->plan.visit_count; v++) {
            char text[CELL];
            cell_of(w, l, v, text);
            printf("  %*s", widest(w, v), cmd_shown(text));
        }
        putchar('\n');
    }
}

/* ---- registrations ------------------------------------------------------------------------- */

static void print_number(int width, int digits, double value)
{
    if (isnan(value))
        printf("  %*s", width, "-");
    else
        printf("  %*.*f", width, digits, value);
}

static void print_registration(const track_work *w, size_t v)
{
    const rp_registration *r = &w->visits[v].registration;
    double median, largest;
    track_shifts(w, v, &median, &largest);
    printf("  %-12s", rp_registration_quality_name(r->quality));
    print_number(8, 1, rp_rigid_shift_mm(&r->transform));
    print_number(7, 1, rp_rigid_degrees(&r->transform));
    print_number(11, 3, r->correlation);
    print_number(6, 3, r->correlation_at_start);
    printf("  %8.0f%%", 100.0 * r->overlap);
    print_number(8, 1, median);
    print_number(4, 1, largest);
    if (r->reason[0]) printf("\n    %s", cmd_shown(r->reason));
}

static void print_visits(const track_work *w)
{
    int width = 5;
    for (size_t v = 0; v < w->plan.visit_count; v++)
        if ((int)strlen(w->tracked[v].id) > width) width = (int)strlen(w->tracked[v].id);
    if (w->label[0]) printf("label: %s\n", w->label);
    printf("%-*s  %-10s  %7s  registration  moved mm  degrees  correlation  before  in common"
           "  error mm   max\n",
           width, "visit", "date", "lesions");
    for (size_t v = 0; v < w->plan.visit_count; v++) {
        printf("%-*s  %-10s  %7zu", width, cmd_shown(w->tracked[v].id), w->tracked[v].date,
               w->visits[v].masks.count);
        if (v > 0) print_registration(w, v);
        if (w->visits[v].masks.passed_over)
            printf("\n    %zu parts of the mask were passed over: too small, or without contours",
                   w->visits[v].masks.passed_over);
        putchar('\n');
    }
}

/* ---- what a person must know ----------------------------------------------------------------- */

static void print_open(const track_work *w, const char *proposals)
{
    const size_t open = rp_tracking_open(&w->tracking);
    if (!open) {
        printf("\nnothing is open\n");
        return;
    }
    printf("\n%zu open; to be decided in %s:\n", open, proposals);
    for (size_t i = 0; i < w->tracking.link_count; i++) {
        const rp_link *l = &w->tracking.links[i];
        if (l->state != RP_LINK_PROPOSED || l->follows) continue;
        RP_AUTOFREE char *names = track_names(w, l);
        printf("  %s: %s %s%s%s%s: %s\n", cmd_shown(w->tracked[l->visit].id),
               rp_link_kind_code(l->kind), cmd_shown(w->tracking.lesions[l->lesion].id),
               l->found_count ? " (" : "", cmd_shown(l->found_count && names ? names : ""),
               l->found_count ? ")" : "", cmd_shown(l->reason));
    }
}

static void print_notes(const track_work *w)
{
    const rp_response_options options = rp_response_defaults(RP_RECIST_1_1);
    rp_timeline_problems problems = {0};
    if (!w->options->lesions)
        printf("\nnote: without a table of lesions the largest, up to five, are targets of an "
               "unknown organ, the rest non-target\n");
    if (!rp_timeline_check(&w->timeline, &options, &problems, NULL))
        for (size_t i = 0; i < problems.count; i++) {
            RP_AUTOFREE char *text = rp_timeline_problem_text(&problems.items[i]);
            if (text) printf("note: by RECIST 1.1: %s\n", cmd_shown(text));
        }
    rp_timeline_problems_release(&problems);
}

void track_print(const track_work *w, const char *proposals)
{
    if (w->options->common.quiet) return;
    print_visits(w);
    print_lesions(w);
    print_open(w, proposals);
    print_notes(w);
}
