/* The table of a patient: lesions by visits, sums, changes, calls. */
#include "respond_timeline.h"

#include <math.h>
#include <string.h>

enum { LEAST_FIRST = 26, CELL = 24, NAME = 96 };

static const rp_timeline_finding *finding_of(const rp_timeline_visit *v, const char *lesion)
{
    for (size_t i = 0; i < v->finding_count; i++)
        if (strcmp(v->findings[i].lesion, lesion) == 0) return &v->findings[i];
    return NULL;
}

/* Characters, not bytes, so that columns stand under one another. */
static size_t width_of(const char *text)
{
    size_t width = 0;
    for (; *text; text++) width += (*text & 0xC0) != 0x80;
    return width;
}

static void put(const char *text, size_t width)
{
    const size_t used = width_of(text);
    printf("%s%*s", text, (int)(used < width ? width - used : 1), "");
}

static void put_right(const char *text, size_t width)
{
    const size_t used = width_of(text);
    printf("%*s%s", (int)(used < width ? width - used : 1), "", text);
}

static double size_of(const rp_timeline_lesion *lesion, const rp_timeline_finding *f,
                      rp_criteria criteria)
{
    if (criteria == RP_VOLUMETRIC) return f->volume_cc;
    if (lesion->nodal) return f->short_axis_mm;
    return criteria == RP_MRECIST ? f->viable_mm : f->longest_mm;
}

static void cell_of(const rp_timeline_lesion *lesion, const rp_timeline_finding *f,
                    rp_criteria criteria, char out[CELL])
{
    const char *state = f ? rp_state_code(f->state) : "";
    const double size = f ? size_of(lesion, f, criteria) : NAN;
    if (!f)
        snprintf(out, CELL, "%s", lesion->role == RP_ROLE_NEW ? "" : "not evaluated");
    else if (f->state == RP_FOUND_MERGED)
        snprintf(out, CELL, "in %.19s", f->into);
    else if (f->state == RP_FOUND_SPLIT && f->part_count && criteria != RP_VOLUMETRIC) {
        size_t used = 0;
        for (size_t i = 0; i < f->part_count && used + 8 < CELL; i++)
            used +=
                (size_t)snprintf(out + used, CELL - used, "%s%.1f", i ? "+" : "", f->parts_mm[i]);
    } else if (f->state == RP_FOUND_MEASURED || f->state == RP_FOUND_SPLIT)
        snprintf(out, CELL, "%.1f", size);
    else if (isfinite(size))
        snprintf(out, CELL, "%.12s %.1f", state ? state : "", size);
    else
        snprintf(out, CELL, "%s", state ? state : "");
}

static void name_of(const rp_timeline_lesion *lesion, char out[NAME])
{
    snprintf(out, NAME, "  %.20s  %.30s%s%.10s%s", lesion->id, lesion->organ,
             lesion->side[0] ? ", " : "", lesion->side, lesion->nodal ? " (node, short axis)" : "");
}

static size_t first_width(const rp_timeline *t)
{
    size_t width = LEAST_FIRST;
    char name[NAME];
    for (size_t l = 0; l < t->lesion_count; l++) {
        name_of(&t->lesions[l], name);
        if (width_of(name) + 1 > width) width = width_of(name) + 1;
    }
    return width;
}

static size_t column_width(const rp_timeline *t, const rp_timeline_result *r, size_t visit)
{
    size_t width = 12;
    char text[CELL];
    if (width_of(t->visits[visit].id) + 2 > width) width = width_of(t->visits[visit].id) + 2;
    for (size_t l = 0; l < t->lesion_count; l++) {
        const rp_timeline_lesion *lesion = &t->lesions[l];
        cell_of(lesion, finding_of(&t->visits[visit], lesion->id), r->options.criteria, text);
        if (width_of(text) + 2 > width) width = width_of(text) + 2;
    }
    return width;
}

static void print_lesions(const rp_timeline *t, const rp_timeline_result *r, rp_lesion_role role)
{
    static const char *const heads[] = {"target lesions", "non-target lesions", "new lesions"};
    bool begun = false;
    for (size_t l = 0; l < t->lesion_count; l++) {
        const rp_timeline_lesion *lesion = &t->lesions[l];
        char name[NAME];
        if (lesion->role != role) continue;
        if (!begun) printf("%s\n", heads[role]);
        begun = true;
        name_of(lesion, name);
        put(name, first_width(t));
        for (size_t v = 0; v < t->visit_count; v++) {
            char text[CELL];
            cell_of(lesion, finding_of(&t->visits[v], lesion->id), r->options.criteria, text);
            put_right(text, column_width(t, r, v));
        }
        printf("\n");
    }
}

/* So many that a change does not look like a threshold which it has not reached. */
static int decimals(double percent)
{
    static const double thresholds[] = {-30.0, 20.0, -65.7, 72.8};
    for (size_t i = 0; i < sizeof thresholds / sizeof *thresholds; i++)
        if (fabs(percent - thresholds[i]) < 0.05 && fabs(percent - thresholds[i]) > 1e-9) return 3;
    return 1;
}

static void print_numbers(const char *name, const rp_timeline *t, const rp_timeline_result *r,
                          double (*value)(const rp_visit_result *), bool percent)
{
    put(name, first_width(t));
    for (size_t v = 0; v < t->visit_count; v++) {
        char text[CELL] = "";
        const double x = value(&r->visits[v]);
        if (isfinite(x))
            snprintf(text, sizeof text, percent ? "%+.*f%%" : "%.*f", percent ? decimals(x) : 1, x);
        put_right(text, column_width(t, r, v));
    }
    printf("\n");
}

static double sum_of(const rp_visit_result *v)
{
    return v->sum;
}

static double change_of(const rp_visit_result *v)
{
    return v->rule ? v->baseline_change_percent : NAN;
}

static double nadir_change_of(const rp_visit_result *v)
{
    return v->rule ? v->nadir_change_percent : NAN;
}

static void print_calls(const char *name, const rp_timeline *t, const rp_timeline_result *r,
                        rp_call (*call)(const rp_visit_result *))
{
    put(name, first_width(t));
    for (size_t v = 0; v < t->visit_count; v++) {
        const char *code = rp_call_code(call(&r->visits[v]));
        put_right(code ? code : "", column_width(t, r, v));
    }
    printf("\n");
}

static rp_call target_of(const rp_visit_result *v)
{
    return v->target;
}

static rp_call non_target_of(const rp_visit_result *v)
{
    return v->non_target;
}

static rp_call overall_of(const rp_visit_result *v)
{
    return v->overall;
}

static void print_head(const rp_timeline *t, const rp_timeline_result *r)
{
    const bool volume = r->options.criteria == RP_VOLUMETRIC;
    const size_t first = first_width(t);
    printf("%s%s%s: %s\n", t->patient, t->label[0] ? ", " : "", t->label,
           rp_criteria_name(r->options.criteria));
    put(volume ? "cc" : "mm", first);
    for (size_t v = 0; v < t->visit_count; v++) put_right(t->visits[v].id, column_width(t, r, v));
    printf("\n");
    put("", first);
    for (size_t v = 0; v < t->visit_count; v++) put_right(t->visits[v].date, column_width(t, r, v));
    printf("\n");
}

static void print_visit_notes(const rp_timeline *t, const rp_timeline_result *r)
{
    for (size_t v = 1; v < t->visit_count; v++) {
        const rp_visit_result *visit = &r->visits[v];
        printf("%s  %s\n", t->visits[v].id, visit->sentence ? visit->sentence : "");
        for (size_t i = 0; i < visit->borderline_count; i++) {
            const rp_borderline *b = &visit->borderline[i];
            const bool cc =
                r->options.criteria == RP_VOLUMETRIC && b->threshold != RP_THRESHOLD_NODE;
            printf("    borderline: %.2f %s from the threshold of %s%s%s\n", b->distance,
                   cc ? "cc" : "mm", rp_threshold_code(b->threshold), b->lesion >= 0 ? ", " : "",
                   b->lesion >= 0 ? t->lesions[b->lesion].id : "");
        }
        for (size_t i = 0; i < visit->note_count; i++) printf("    note: %s\n", visit->notes[i]);
    }
}

static void print_over_visits(const rp_timeline *t, const rp_timeline_result *r)
{
    const char *best = rp_call_code(r->best);
    printf("best overall response %s (%s)", best ? best : "-",
           best ? rp_call_name(r->best) : "none");
    if (isfinite(r->depth_percent))
        printf(", best change %+.1f%% at %s", r->depth_percent, t->visits[r->depth_visit].id);
    printf("\n");
    if (r->response_visit >= 0)
        printf("response since %s, lasting %d days%s\n", t->visits[r->response_visit].date,
               r->duration_days, r->duration_censored ? " at least" : "");
    if (r->progression_visit >= 0)
        printf("progression on %s, %d days after baseline\n", t->visits[r->progression_visit].date,
               r->progression_free_days);
    else
        printf("no progression within %d days\n", r->progression_free_days);
    for (size_t i = 0; i < r->note_count; i++) printf("note: %s\n", r->notes[i]);
}

void respond_print_table(const rp_timeline *t, const rp_timeline_result *r)
{
    print_head(t, r);
    for (int role = RP_ROLE_TARGET; role <= RP_ROLE_NEW; role++)
        print_lesions(t, r, (rp_lesion_role)role);
    print_numbers(r->options.criteria == RP_VOLUMETRIC ? "sum of volumes" : "sum of diameters", t,
                  r, sum_of, false);
    print_numbers("change from baseline", t, r, change_of, true);
    print_numbers("change from nadir", t, r, nadir_change_of, true);
    print_calls("target response", t, r, target_of);
    print_calls("non-target response", t, r, non_target_of);
    print_calls("overall response", t, r, overall_of);
    print_visit_notes(t, r);
    print_over_visits(t, r);
    printf("\n");
}
