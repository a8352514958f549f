/* reprise track: the lesions of several visits, which is which, and the timeline of their sizes. */
#include "track.h"
#include "reprise/dicom_patient.h"

#include <math.h>
#include <string.h>

enum {
    KEY_VISITS = 1,
    KEY_LESIONS,
    KEY_DECISIONS,
    KEY_OUT,
    KEY_PROPOSALS,
    KEY_SUBJECT,
    KEY_DEFINITION,
    KEY_GAP,
    KEY_OVERLAP,
    KEY_MIN_VOLUME,
    KEY_NO_LOCAL,
    KEY_NON_CT,
    KEY_PATIENT_MISMATCH,
    KEY_SERIES_MISMATCH
};

static const struct argp_option options[] = {
    {"visits", KEY_VISITS, "FILE", 0,
     "CSV, a row for each visit, the baseline first: visit, image, mask; date, phase, rois, series",
     0},
    {"lesions", KEY_LESIONS, "FILE", 0,
     "CSV, a row for each lesion of the baseline: id, label (in its mask); organ, side, nodal, "
     "role, description",
     0},
    {"decisions", KEY_DECISIONS, "FILE", 0,
     "CSV, what a person has decided: the table of proposals with its column decision filled in",
     0},
    {"out", KEY_OUT, "FILE", 0, "The timeline, JSON", 0},
    {"proposals", KEY_PROPOSALS, "FILE", 0,
     "The table of proposals (default: beside the timeline, FILE-proposals.csv)", 0},
    {"subject", KEY_SUBJECT, "PSEUDONYM", 0, "How the timeline calls the patient", 0},
    {"definition", KEY_DEFINITION, "NAME", 0, "Longest diameter: convex (default) or inside", 0},
    {"gap", KEY_GAP, "MM", 0, "Lesions farther apart are never the same (default 15)", 0},
    {"overlap", KEY_OVERLAP, "SHARE", 0,
     "Of the smaller of two that must lie in the other to be the same without a person (0.3)", 0},
    {"min-volume", KEY_MIN_VOLUME, "CC", 0,
     "Smaller components of a binary mask are passed over (default 0.02)", 0},
    {"no-local", KEY_NO_LOCAL, NULL, 0, "Rigid registration alone, no local shifts", 0},
    {"allow-non-ct", KEY_NON_CT, NULL, 0, "Take images of another modality", 0},
    {"allow-patient-mismatch", KEY_PATIENT_MISMATCH, NULL, 0, "Patient IDs may differ", 0},
    {"allow-series-mismatch", KEY_SERIES_MISMATCH, NULL, 0,
     "Contours may be of another series or frame of reference", 0},
    {0}};

static double parse_number(const char *name, const char *argument, double low, double high,
                           struct argp_state *state)
{
    double value = 0.0;
    if (!cmd_parse_number(argument, &value) || !(value >= low && value <= high))
        argp_error(state, "%s takes a number from %g to %g, not '%s'", name, low, high, argument);
    return value;
}

static error_t parse_rules(track_options *o, int key, char *argument, struct argp_state *state)
{
    switch (key) {
    case KEY_DEFINITION:
        if (!cmd_parse_definition(argument, &o->definition))
            argp_error(state, "--definition takes convex or inside, not '%s'", argument);
        return 0;
    case KEY_GAP:
        o->gap_mm = parse_number("--gap", argument, 0.1, 1000, state);
        return 0;
    case KEY_OVERLAP:
        o->overlap = parse_number("--overlap", argument, 0.01, 1, state);
        return 0;
    case KEY_MIN_VOLUME:
        o->min_volume_cc = parse_number("--min-volume", argument, 0, 1000, state);
        return 0;
    case KEY_NO_LOCAL:
        o->no_local = true;
        return 0;
    case KEY_NON_CT:
        o->allow_non_ct = true;
        return 0;
    case KEY_PATIENT_MISMATCH:
        o->allow_patient_mismatch = true;
        return 0;
    case KEY_SERIES_MISMATCH:
        o->allow_series_mismatch = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "unexpected argument '%s'", argument);
        return 0;
    case ARGP_KEY_END:
        if (!o->visits) argp_error(state, "--visits is missing");
        if (!o->out) argp_error(state, "--out is missing");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
    track_options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &o->common;
        return 0;
    case KEY_VISITS:
        o->visits = argument;
        return 0;
    case KEY_LESIONS:
        o->lesions = argument;
        return 0;
    case KEY_DECISIONS:
        o->decisions = argument;
        return 0;
    case KEY_OUT:
        o->out = argument;
        return 0;
    case KEY_PROPOSALS:
        o->proposals = argument;
        return 0;
    case KEY_SUBJECT:
        o->subject = argument;
        return 0;
    default:
        return parse_rules(o, key, argument, state);
    }
}

/* ---- loading ----------------------------------------------------------------------------- */

static rp_status check_patient(const track_work *w, const cmd_ct *ct, const rp_dicom_header *first,
                               rp_error *err)
{
    const unsigned differs = rp_dicom_identity_differs(&ct->series.header, first);
    char what[96];
    rp_dicom_identity_text(differs, what);
    if (!differs) return RP_OK;
    if (!w->options->allow_patient_mismatch)
        return rp_fail(err, RP_ERR_REFUSED,
                       "%s: of another patient than the visits before it (their %s differ); "
                       "--allow-patient-mismatch overrides this",
                       ct->path, what);
    rp_log(RP_LOG_WARNING, "%s: of another patient than the visits before it (their %s differ)",
           ct->path, what);
    return RP_OK;
}

/* The table's date wins, and a difference is told. */
static rp_status find_date(track_work *w, size_t v, const cmd_ct *ct, rp_error *err)
{
    const track_row *row = &w->plan.visits[v];
    const char *d = ct->series.header.acquisition_date;
    char *date = w->visits[v].date, own[16] = "";
    int days, before;
    if (strlen(d) == 8) snprintf(own, sizeof own, "%.4s-%.2s-%.2s", d, d + 4, d + 6);
    snprintf(date, sizeof w->visits[v].date, "%.15s", row->date[0] ? row->date : own);
    if (!rp_date_days(date, &days))
        return rp_fail(err, RP_ERR_ARGUMENT,
                       "%s: line %zu: the image tells no date; the column 'date' must",
                       w->options->visits, row->line);
    if (row->date[0] && rp_date_days(own, &before) && before != days)
        rp_log(RP_LOG_WARNING, "%s: line %zu: the image %s has another date", w->options->visits,
               row->line, row->image);
    if (v > 0 && rp_date_days(w->visits[v - 1].date, &before) && days <= before)
        return rp_fail(err, RP_ERR_REFUSED,
                       "%s: line %zu: visit '%.60s' is not later than the one before",
                       w->options->visits, row->line, row->visit);
    return RP_OK;
}

static void note_label(track_work *w, const char *label)
{
    if (!w->label[0]) snprintf(w->label, sizeof w->label, "%s", label);
}

/* Diameters are those of a slice: of other planes they are other diameters. */
static void warn_of_planes(const track_work *w, size_t v)
{
    const double alike = 0.94; /* 20 degrees */
    const rp_grid *mine = &w->tracked[v].grid, *first = &w->tracked[0].grid;
    double cosine = 0.0;
    const int a = rp_grid_axial_axis(mine), b = rp_grid_axial_axis(first);
    for (int r = 0; r < 3; r++) cosine += mine->direction[r][a] * first->direction[r][b];
    if (fabs(cosine) < alike)
        rp_log(RP_LOG_WARNING,
               "%s: its axial planes lie otherwise than the baseline's: diameters measured in them "
               "are not comparable",
               w->plan.visits[v].image);
}

static rp_status keep_visit(track_work *w, size_t v, const cmd_ct *ct, rp_error *err)
{
    track_visit *visit = &w->visits[v];
    const track_row *row = &w->plan.visits[v];
    rp_status status = find_date(w, v, ct, err);
    if (!status) status = track_masks_load(w->options, row, ct, &visit->masks, err);
    if (!status) status = rp_register_image_create(&ct->series.image, &visit->image, err);
    if (status) return status;
    memcpy(visit->image_sha256, ct->sha256, sizeof visit->image_sha256);
    note_label(w, ct->label);
    note_label(w, visit->masks.label);
    w->tracked[v] = (rp_track_visit){.id = row->visit,
                                     .date = visit->date,
                                     .phase = row->phase,
                                     .grid = ct->series.image.grid,
                                     .from_baseline = rp_rigid_identity(),
                                     .found = visit->masks.found,
                                     .found_count = visit->masks.count};
    warn_of_planes(w, v);
    for (size_t other = 0; other < v; other++)
        if (strcmp(w->visits[other].image_sha256, visit->image_sha256) == 0)
            rp_log(RP_LOG_WARNING, "%s: the same image as at visit '%s'", row->image,
                   w->plan.visits[other].visit);
    return RP_OK;
}

/* One image at a time: what is kept of each is small. */
static rp_status load(track_work *w, const rp_progress *progress, rp_error *err)
{
    rp_dicom_header patient = {0};
    rp_status status = RP_OK;
    w->visits = rp_alloc(w->plan.visit_count, sizeof *w->visits);
    w->tracked = rp_alloc(w->plan.visit_count, sizeof *w->tracked);
    if (!w->visits || !w->tracked) return rp_fail(err, RP_ERR_MEMORY, "track: out of memory");
    for (size_t v = 0; !status && v < w->plan.visit_count; v++) {
        cmd_ct ct = {0};
        const char *series = w->plan.visits[v].series;
        const cmd_ct_options o = {.series = series[0] ? series : NULL,
                                  .allow_non_ct = w->options->allow_non_ct,
                                  .allow_mixed_patients = w->options->allow_patient_mismatch};
        rp_progress_report(progress, "visits", (double)v, (double)w->plan.visit_count, NULL);
        if (rp_progress_cancelled(progress))
            return rp_fail(err, RP_ERR_CANCELLED, "track: interrupted");
        status = cmd_ct_load(w->plan.visits[v].image, &o, NULL, &ct, err);
        if (!status) status = check_patient(w, &ct, &patient, err);
        if (!status) status = keep_visit(w, v, &ct, err);
        if (!patient.patient_id[0]) patient = ct.series.header;
        cmd_ct_release(&ct);
    }
    if (!status && w->visits[0].masks.count == 0)
        status =
            rp_fail(err, RP_ERR_REFUSED, "%s: there is no lesion in it", w->plan.visits[0].mask);
    return status;
}

/* ---- the baseline's lesions ---------------------------------------------------------------- */

static rp_status describe_by_table(track_work *w, rp_error *err)
{
    const track_masks *masks = &w->visits[0].masks;
    for (size_t r = 0; r < w->plan.lesion_count; r++) {
        size_t f = 0;
        while (f < masks->count && strcmp(masks->found[f].name, w->plan.labels[r]) != 0) f++;
        if (f == masks->count)
            return rp_fail(err, RP_ERR_FORMAT,
                           "%s: lesion '%.60s': the baseline's mask %s has no label '%.60s'",
                           w->options->lesions, w->plan.lesions[r].id, w->plan.visits[0].mask,
                           w->plan.labels[r]);
        w->table[f] = w->plan.lesions[r];
        w->ids[f] = w->plan.lesions[r].id;
    }
    return RP_OK;
}

/* Larger longest diameters first, of equal ones the first found. */
static size_t rank_of(const track_masks *masks, size_t f)
{
    size_t rank = 0;
    const double mine = masks->found[f].measured.longest_diameter_mm;
    for (size_t i = 0; i < masks->count; i++) {
        const double its = masks->found[i].measured.longest_diameter_mm;
        rank += its > mine || (its == mine && i < f);
    }
    return rank;
}

/* Lesions that no table tells of: the five largest are targets where there is no table at all. */
static void describe_untold(track_work *w)
{
    enum { MOST_TARGETS = 5 };
    const track_masks *masks = &w->visits[0].masks;
    for (size_t f = 0; f < masks->count; f++) {
        if (w->ids[f]) continue;
        const size_t rank = rank_of(masks, f);
        const bool target = !w->options->lesions && rank < MOST_TARGETS;
        w->table[f] = (rp_timeline_lesion){.organ = "unknown",
                                           .role = target ? RP_ROLE_TARGET : RP_ROLE_NON_TARGET};
        if (w->options->lesions)
            snprintf(w->made_ids[f], sizeof *w->made_ids, "U%zu", ++w->untold);
        else
            snprintf(w->made_ids[f], sizeof *w->made_ids, target ? "T%zu" : "NT%zu",
                     target ? rank + 1 : rank + 1 - MOST_TARGETS);
        w->ids[f] = w->table[f].id = w->made_ids[f];
    }
    if (w->untold)
        rp_log(RP_LOG_WARNING,
               "%s: %zu lesions of the baseline are not in this table; they are non-target lesions "
               "of an unknown organ",
               w->options->lesions, w->untold);
}

static rp_status describe(track_work *w, rp_error *err)
{
    const size_t count = w->visits[0].masks.count;
    w->table = rp_alloc(count, sizeof *w->table);
    w->ids = rp_alloc(count, sizeof *w->ids);
    w->made_ids = rp_alloc(count, sizeof *w->made_ids);
    if (!w->table || !w->ids || !w->made_ids)
        return rp_fail(err, RP_ERR_MEMORY, "track: out of memory");
    rp_status status = w->options->lesions ? describe_by_table(w, err) : RP_OK;
    if (!status) describe_untold(w);
    return status;
}

/* ---- registration and tracking --------------------------------------------------------------- */

static rp_status register_visits(track_work *w, const rp_progress *progress, rp_error *err)
{
    rp_status status = RP_OK;
    for (size_t v = 1; !status && v < w->plan.visit_count; v++) {
        rp_registration *r = &w->visits[v].registration;
        rp_progress_report(progress, "registration", (double)(v - 1),
                           (double)(w->plan.visit_count - 1), NULL);
        if (rp_progress_cancelled(progress))
            return rp_fail(err, RP_ERR_CANCELLED, "track: interrupted");
        status = rp_register_rigid(w->visits[0].image, w->visits[v].image, r, err);
        if (status) break;
        w->tracked[v].from_baseline = r->transform;
        if (r->quality == RP_REGISTRATION_GOOD) continue;
        snprintf(w->visits[v].doubt, sizeof w->visits[v].doubt, "%s", r->reason);
        w->tracked[v].doubt = w->visits[v].doubt;
        rp_log(RP_LOG_WARNING, "visit '%s': the registration is %s: %s", w->tracked[v].id,
               rp_registration_quality_name(r->quality), r->reason);
    }
    return status;
}

static bool shift_at(void *context, size_t visit, const double point[3], double radius_mm,
                     double shift[3])
{
    const track_work *w = context;
    const rp_registration *r = &w->visits[visit].registration;
    return r->quality != RP_REGISTRATION_FAILED &&
           rp_register_local(w->visits[0].image, w->visits[visit].image, &r->transform, point,
                             radius_mm, shift);
}

/* Numbers of components mean nothing in another mask. */
static rp_status check_hashes(const track_work *w, rp_error *err)
{
    for (size_t i = 0; i < w->plan.decision_count; i++) {
        const rp_track_decision *d = &w->plan.decisions[i];
        const char *hash = w->plan.decision_hashes[i];
        for (size_t v = 0; v < w->plan.visit_count; v++)
            if (strcmp(w->plan.visits[v].visit, d->visit) == 0 && hash[0] &&
                strncmp(w->visits[v].masks.sha256, hash, TRACK_HASH - 1) != 0)
                return rp_fail(err, RP_ERR_REFUSED,
                               "%s: line %zu was decided on another mask than %s",
                               w->options->decisions, d->line, w->plan.visits[v].mask);
    }
    return RP_OK;
}

static rp_status track(track_work *w, rp_error *err)
{
    rp_track_options o;
    rp_track_defaults(&o);
    o.gap_mm = w->options->gap_mm;
    o.overlap = w->options->overlap;
    o.decisions = w->plan.decisions;
    o.decision_count = w->plan.decision_count;
    o.context = w;
    if (!w->options->no_local) o.local_shift = shift_at;
    rp_status status = check_hashes(w, err);
    if (status) return status;
    status = rp_track(w->tracked, w->plan.visit_count, w->ids, &o, &w->tracking, err);
    if (status == RP_ERR_FORMAT && w->options->decisions)
        rp_fail_in(err, status, "%s", w->options->decisions);
    if (!status)
        status = rp_tracking_timeline(&w->tracking, w->tracked, w->plan.visit_count, w->table,
                                      w->options->subject, w->label, &w->timeline, err);
    return status;
}

/* ---- the command ------------------------------------------------------------------------- */

/* "x.json" -> "x-proposals.csv"; rp_alloc'd. */
static char *proposals_name(const track_options *o)
{
    const size_t length = strlen(o->out);
    const size_t stem =
        length > 5 && strcmp(o->out + length - 5, ".json") == 0 ? length - 5 : length;
    if (o->proposals) return rp_strdup(o->proposals);
    return rp_format("%.*s-proposals.csv", (int)stem, o->out);
}

static rp_status protect(const track_work *w, const char *output, rp_error *err)
{
    const track_options *o = w->options;
    const char *const tables[] = {o->visits, o->lesions, o->decisions};
    rp_status status = cmd_prepare_file(output, err);
    for (size_t i = 0; !status && i < sizeof tables / sizeof *tables; i++)
        if (tables[i]) status = cmd_protect_input(tables[i], output, err);
    for (size_t v = 0; !status && v < w->plan.visit_count; v++) {
        status = cmd_protect_input(w->plan.visits[v].image, output, err);
        if (!status) status = cmd_protect_input(w->plan.visits[v].mask, output, err);
    }
    return status;
}

static rp_status run(track_work *w, const char *proposals, int argc, char **argv, rp_error *err)
{
    const rp_progress *progress = cmd_progress(&w->options->common);
    rp_status status = cmd_common_apply(&w->options->common, err);
    if (!status) status = track_plan_read(w->options, &w->plan, err);
    if (!status) status = protect(w, w->options->out, err);
    if (!status) status = protect(w, proposals, err);
    if (!status && strcmp(proposals, w->options->out) == 0)
        status =
            rp_fail(err, RP_ERR_ARGUMENT, "%s: both the timeline and the proposals", proposals);
    if (!status) status = load(w, progress, err);
    if (!status) status = describe(w, err);
    if (!status) status = register_visits(w, progress, err);
    if (!status) status = track(w, err);
    cmd_progress_end();
    if (!status) status = track_write(w, proposals, argc, argv, err);
    if (!status) track_print(w, proposals);
    return status;
}

static void release(track_work *w)
{
    for (size_t v = 0; w->visits && v < w->plan.visit_count; v++) {
        track_masks_release(&w->visits[v].masks);
        rp_register_image_destroy(w->visits[v].image);
    }
    rp_timeline_release(&w->timeline);
    rp_tracking_release(&w->tracking);
    rp_free(w->visits);
    rp_free(w->tracked);
    rp_free(w->table);
    rp_free(w->ids);
    rp_free(w->made_ids);
    track_plan_release(&w->plan);
}

int cmd_track(int argc, char **argv)
{
    static const struct argp_child children[] = {
        {&cmd_common_argp, 0, NULL, 0}, {&cmd_repair_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .children = children,
        .doc = "Follows a patient's lesions over several visits: registers the images, matches the "
               "lesions of their masks, measures them, writes a timeline for `respond`.\v"
               "What is not clear is a proposal: it stays open in the timeline until a person has "
               "decided it in the table of proposals. docs/track.md describes tables and rules."};
    track_options o = {.definition = RP_DIAMETER_CONVEX,
                       .subject = "subject",
                       .gap_mm = 15.0,
                       .overlap = 0.3,
                       .min_volume_cc = 0.02};
    track_work w = {.options = &o};
    rp_error err = {0};
    argp_parse(&argp, argc, argv, 0, NULL, &o);
    RP_AUTOFREE char *proposals = proposals_name(&o);
    rp_status status = proposals ? run(&w, proposals, argc, argv, &err)
                                 : rp_fail(&err, RP_ERR_MEMORY, "track: out of memory");
    release(&w);
    return status ? cmd_fail(&err) : CMD_DONE;
}
