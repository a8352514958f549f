/*
 * SDTM's TU, TR and RS. Terms and their use after CDISC's Disease Response Supplement for
 * RECIST 1.1, the examples of SDTM's implementation guide, and the controlled terminology: LDIAM
 * for lesions, LPERP for the short axis of nodes, a result that is missing as NOT DONE with its
 * reason, what is too small to measure with a standard value of its own, split lesions as T04.1,
 * T04.2, merged ones as T01/T02, LNSTATE for all target nodes together, NEWLPROG for whether a new
 * lesion is one beyond doubt. VIABDIAM is this project's: CDISC has no term for what mRECIST
 * measures.
 */
#include "sheet.h"
#include "reprise/timeline.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

typedef struct domain {
    sheet sheet;
    const char *study, *evaluator;
    const rp_assessed *patient;
    long sequence; /* of the patient's records in this domain */
} domain;

static const char *group_of(const rp_timeline_lesion *lesion)
{
    switch (lesion->role) {
    case RP_ROLE_TARGET:
        return "TARGET";
    case RP_ROLE_NON_TARGET:
        return "NON-TARGET";
    default:
        return "NEW";
    }
}

/* Controlled terms are upper case. */
static void upper(const char *text, char out[64])
{
    size_t i = 0;
    for (; text[i] && i < 63; i++) out[i] = (char)toupper((unsigned char)text[i]);
    out[i] = 0;
}

static const char *location(const rp_timeline_lesion *lesion, char out[64])
{
    upper(lesion->organ, out);
    return lesion->nodal && !strstr(out, "LYMPH") ? "LYMPH NODE" : out;
}

static void begin_record(domain *d, const char *name)
{
    sheet_words(&d->sheet, d->study);
    sheet_words(&d->sheet, name);
    sheet_words(&d->sheet, d->patient->timeline->patient);
    sheet_whole(&d->sheet, ++d->sequence);
}

/* --EVAL, VISITNUM, VISIT, --DTC, --DY: the baseline is day 1, and there is no day 0. */
static void end_record(domain *d, size_t visit)
{
    const rp_timeline_visit *v = &d->patient->timeline->visits[visit];
    sheet_words(&d->sheet, d->evaluator);
    sheet_whole(&d->sheet, (long)visit + 1);
    sheet_words(&d->sheet, v->id);
    sheet_words(&d->sheet, v->date);
    sheet_whole(&d->sheet, d->patient->result->visits[visit].day + 1);
    sheet_end_row(&d->sheet);
}

static const rp_timeline_finding *finding_of(const rp_timeline_visit *v, const char *lesion)
{
    for (size_t i = 0; i < v->finding_count; i++)
        if (strcmp(v->findings[i].lesion, lesion) == 0) return &v->findings[i];
    return NULL;
}

static rp_finding_state state_of(const rp_timeline *t, size_t visit, size_t lesion)
{
    const rp_timeline_finding *f = finding_of(&t->visits[visit], t->lesions[lesion].id);
    return f ? f->state : RP_FOUND_NOT_EVALUATED;
}

/* Whether the lesion is part of the other at the visit, by way of others too: there is no circle.
 */
static bool merges_into(const rp_timeline *t, size_t visit, size_t lesion, size_t other)
{
    const char *id = t->lesions[lesion].id;
    for (;;) {
        const rp_timeline_finding *f = finding_of(&t->visits[visit], id);
        if (!f || f->state != RP_FOUND_MERGED) return false;
        if (strcmp(f->into, t->lesions[other].id) == 0) return true;
        id = f->into;
    }
}

/* "T1", or "T1/T2" where T2 has become part of it and it of no other; NULL, and the sheet has
 * failed, when memory is short. */
static char *link_of(domain *d, size_t visit, size_t lesion)
{
    const rp_timeline *t = d->patient->timeline;
    const bool part = state_of(t, visit, lesion) == RP_FOUND_MERGED;
    RP_AUTOFREE char *link = rp_strdup(t->lesions[lesion].id);
    for (size_t l = 0; link && l < t->lesion_count; l++) {
        if (part || l == lesion || !merges_into(t, visit, l, lesion)) continue;
        RP_AUTOFREE char *before = link;
        link = rp_format("%s/%s", before, t->lesions[l].id);
    }
    if (!link && !d->sheet.status)
        d->sheet.status = rp_fail(d->sheet.err, RP_ERR_MEMORY, "out of memory");
    char *made = link;
    link = NULL;
    return made;
}

/* ---- TU: identification ---------------------------------------------------------------------- */

static const char *const tu_columns[] = {"STUDYID",  "DOMAIN",   "USUBJID", "TUSEQ",    "TULNKID",
                                         "TUTESTCD", "TUTEST",   "TUORRES", "TUSTRESC", "TULOC",
                                         "TULAT",    "TUMETHOD", "TUEVAL",  "VISITNUM", "VISIT",
                                         "TUDTC",    "TUDY",     NULL};

typedef struct identification {
    const rp_timeline_lesion *lesion;
    const char *link, *code, *test, *term;
} identification;

static void identify(domain *d, const identification *i, size_t visit)
{
    char place[64], side[64];
    begin_record(d, "TU");
    sheet_words(&d->sheet, i->link);
    sheet_words(&d->sheet, i->code);
    sheet_words(&d->sheet, i->test);
    sheet_words(&d->sheet, i->term);
    sheet_words(&d->sheet, i->term);
    sheet_words(&d->sheet, location(i->lesion, place));
    upper(i->lesion->side, side);
    sheet_words(&d->sheet, side);
    sheet_words(&d->sheet, "CT SCAN");
    end_record(d, visit);
}

/* Parts that no visit before had. */
static void identify_parts(domain *d, size_t lesion, const char *link, size_t visit)
{
    const rp_timeline *t = d->patient->timeline;
    const rp_timeline_lesion *one = &t->lesions[lesion];
    size_t known = 0;
    for (size_t v = 0; v < visit; v++) {
        const rp_timeline_finding *f = finding_of(&t->visits[v], one->id);
        RP_AUTOFREE char *before = link_of(d, v, lesion);
        if (f && f->state == RP_FOUND_SPLIT && before && strcmp(before, link) == 0 &&
            f->part_count > known)
            known = f->part_count;
    }
    const rp_timeline_finding *now = finding_of(&t->visits[visit], one->id);
    for (size_t part = known; part < now->part_count; part++) {
        RP_AUTOFREE char *name = rp_format("%s.%zu", link, part + 1);
        identify(d, &(identification){one, name, "TUSPLIT", "Tumor Split", group_of(one)}, visit);
    }
}

/* What has become of a known target at a visit. */
static void identify_changes(domain *d, size_t lesion, size_t visit)
{
    const rp_timeline *t = d->patient->timeline;
    const rp_timeline_lesion *one = &t->lesions[lesion];
    if (visit == 0 || one->role != RP_ROLE_TARGET) return;
    const rp_finding_state state = state_of(t, visit, lesion);
    RP_AUTOFREE char *link = link_of(d, visit, lesion), *before = link_of(d, visit - 1, lesion);
    if (!link || !before || state == RP_FOUND_MERGED) return;
    if (strcmp(link, one->id) != 0 && strcmp(link, before) != 0)
        identify(d, &(identification){one, link, "TUMERGE", "Tumor Merged", group_of(one)}, visit);
    if (state == RP_FOUND_SPLIT) identify_parts(d, lesion, link, visit);
}

/* A new lesion where it is first seen, and where it is first seen beyond doubt: until then it is no
 * new one. */
static void identify_new(domain *d, size_t lesion)
{
    const rp_timeline *t = d->patient->timeline;
    identification i = {&t->lesions[lesion], t->lesions[lesion].id, "TUMIDENT",
                        "Tumor Identification", "EQUIVOCAL"};
    bool known = false;
    for (size_t v = 0; v < t->visit_count; v++) {
        const rp_finding_state state = state_of(t, v, lesion);
        if (state == RP_FOUND_NOT_EVALUATED || state == RP_FOUND_ABSENT) continue;
        const bool doubt = state == RP_FOUND_EQUIVOCAL;
        if (!doubt) i.term = "NEW";
        if (!known || !doubt) identify(d, &i, v);
        known = true;
        if (!doubt) return;
    }
}

static void identify_all(domain *d)
{
    const rp_timeline *t = d->patient->timeline;
    for (size_t l = 0; l < t->lesion_count; l++) {
        const rp_timeline_lesion *one = &t->lesions[l];
        if (one->role == RP_ROLE_NEW) {
            identify_new(d, l);
            continue;
        }
        identify(d,
                 &(identification){one, one->id, "TUMIDENT", "Tumor Identification", group_of(one)},
                 0);
        for (size_t v = 1; v < t->visit_count; v++) identify_changes(d, l, v);
    }
}

/* ---- TR: results ----------------------------------------------------------------------------- */

static const char *const tr_columns[] = {
    "STUDYID",  "DOMAIN",  "USUBJID",  "TRSEQ",    "TRGRPID",  "TRLNKID",  "TRLNKGRP", "TRTESTCD",
    "TRTEST",   "TRORRES", "TRORRESU", "TRSTRESC", "TRSTRESN", "TRSTRESU", "TRSTAT",   "TRREASND",
    "TRMETHOD", "TREVAL",  "VISITNUM", "VISIT",    "TRDTC",    "TRDY",     NULL};

/* What stands in one record; text is a word's result, or empty for a number's. */
typedef struct result {
    const char *group, *link, *code, *test, *text, *unit, *missing;
    double value;
} result;

/* As few decimals as leave the value on its side of a limit that it does not reach. */
static void percentage(double value, char out[32])
{
    static const double limits[] = {-30, 20};
    int digits = 2;
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
        while (digits < 6 && fabs(value - limits[i]) > 1e-9 &&
               fabs(value - limits[i]) < 0.5 * pow(10, -digits))
            digits++;
    snprintf(out, 32, "%.*f", digits, value);
    size_t length = strlen(out);
    while (length && out[length - 1] == '0') out[--length] = '\0';
    if (length && out[length - 1] == '.') out[--length] = '\0';
    if (strcmp(out, "-0") == 0) memcpy(out, "0", 2);
}

static void record(domain *d, const result *r, size_t visit)
{
    sheet *s = &d->sheet;
    char group[32], number[32] = "";
    snprintf(group, sizeof group, "A%zu", visit + 1);
    if (isfinite(r->value) && strcmp(r->unit, "%") == 0)
        percentage(r->value, number);
    else if (isfinite(r->value))
        snprintf(number, sizeof number, "%.10g", r->value);
    begin_record(d, "TR");
    sheet_words(s, r->group);
    sheet_words(s, r->link);
    sheet_words(s, group);
    sheet_words(s, r->code);
    sheet_words(s, r->test);
    sheet_words(s, r->missing ? "" : r->text ? r->text : number);
    sheet_words(s, r->text || r->missing ? "" : r->unit);
    sheet_words(s, r->missing ? "" : *number ? number : r->text);
    sheet_words(s, number);
    sheet_words(s, *number ? r->unit : "");
    sheet_words(s, r->missing ? "NOT DONE" : "");
    sheet_words(s, r->missing);
    sheet_words(s, r->link ? "CT SCAN" : "");
    end_record(d, visit);
}

/* ---- targets ---- */

typedef enum size_kind { LONGEST, SHORT_AXIS, VIABLE } size_kind;

static result size_result(const rp_timeline_lesion *lesion, size_kind kind)
{
    static const char *const codes[] = {"LDIAM", "LPERP", "VIABDIAM"};
    static const char *const tests[] = {"Longest Diameter", "Longest Perpendicular",
                                        "Longest Viable Diameter"};
    return (result){.group = group_of(lesion),
                    .link = lesion->id,
                    .code = codes[kind],
                    .test = tests[kind],
                    .unit = "mm",
                    .value = NAN};
}

static double measure_of(const rp_timeline_finding *f, size_kind kind)
{
    return kind == SHORT_AXIS ? f->short_axis_mm : kind == VIABLE ? f->viable_mm : f->longest_mm;
}

static void record_parts(domain *d, const result *whole, const rp_timeline_finding *f,
                         size_kind kind, size_t visit)
{
    const double *parts = kind == VIABLE ? f->parts_viable_mm : f->parts_mm;
    const size_t count = kind == VIABLE ? f->viable_count : f->part_count;
    for (size_t part = 0; part < count; part++) {
        RP_AUTOFREE char *link = rp_format("%s.%zu", whole->link, part + 1);
        result one = *whole;
        one.link = link;
        one.value = parts[part];
        record(d, &one, visit);
    }
}

/* One kind of size of a target, under its own name or that of what has merged into it. */
static void record_size(domain *d, result r, const rp_timeline_finding *f, size_kind kind,
                        size_t visit)
{
    switch (f ? f->state : RP_FOUND_NOT_EVALUATED) {
    case RP_FOUND_MEASURED:
        r.value = measure_of(f, kind);
        break;
    case RP_FOUND_ABSENT:
        r.value = 0.0;
        break;
    case RP_FOUND_TOO_SMALL:
        r.text = "TOO SMALL TO MEASURE";
        r.value = d->patient->result->options.too_small_mm;
        break;
    case RP_FOUND_SPLIT:
        record_parts(d, &r, f, kind, visit);
        if (!strchr(r.link, '/')) return;
        r.missing = "TUMOR SPLIT";
        break;
    case RP_FOUND_MERGED:
        r.missing = "TUMOR MERGED";
        break;
    default:
        r.missing = "NOT EVALUABLE";
        break;
    }
    record(d, &r, visit);
}

static void record_kind(domain *d, size_t lesion, size_kind kind, size_t visit)
{
    const rp_timeline *t = d->patient->timeline;
    const rp_timeline_lesion *one = &t->lesions[lesion];
    const rp_timeline_finding *f = finding_of(&t->visits[visit], one->id);
    RP_AUTOFREE char *link = link_of(d, visit, lesion);
    result r = size_result(one, kind);
    if (!link) return;
    if (strcmp(link, one->id) != 0) { /* its size is that of all that have merged */
        result own = r;
        own.missing = "TUMOR MERGED";
        record(d, &own, visit);
        r.link = link;
    }
    record_size(d, r, f, kind, visit);
}

static void record_target(domain *d, size_t lesion, size_t visit)
{
    const bool nodal = d->patient->timeline->lesions[lesion].nodal;
    record_kind(d, lesion, nodal ? SHORT_AXIS : LONGEST, visit);
    if (!nodal && d->patient->result->options.criteria == RP_MRECIST)
        record_kind(d, lesion, VIABLE, visit);
}

/* ---- other lesions ---- */

/* What has worsened since the visit before stands in words of its own: it confirms an iUPD. */
static const char *state_term(rp_finding_state state, rp_lesion_role role)
{
    switch (state) {
    case RP_FOUND_FURTHER:
        return role == RP_ROLE_NEW ? "UNEQUIVOCAL PROGRESSION" : "FURTHER UNEQUIVOCAL PROGRESSION";
    case RP_FOUND_ABSENT:
        return "ABSENT";
    case RP_FOUND_PROGRESSION:
        return "UNEQUIVOCAL PROGRESSION";
    case RP_FOUND_UNEQUIVOCAL:
        return "UNEQUIVOCAL";
    case RP_FOUND_EQUIVOCAL:
        return "EQUIVOCAL";
    default:
        return "PRESENT";
    }
}

static bool was_seen(const rp_timeline *t, size_t visit, size_t lesion)
{
    for (size_t v = 0; v <= visit; v++) {
        const rp_finding_state state = state_of(t, v, lesion);
        if (state != RP_FOUND_NOT_EVALUATED && state != RP_FOUND_ABSENT) return true;
    }
    return false;
}

static void record_state(domain *d, size_t lesion, size_t visit)
{
    const rp_timeline *t = d->patient->timeline;
    const rp_timeline_lesion *one = &t->lesions[lesion];
    const rp_timeline_finding *f = finding_of(&t->visits[visit], one->id);
    const bool unknown = !f || f->state == RP_FOUND_NOT_EVALUATED;
    /* Before it was seen there is nothing to say of a new lesion. */
    if (one->role == RP_ROLE_NEW && (!f || !was_seen(t, visit, lesion))) return;
    const result r = {.group = group_of(one),
                      .link = one->id,
                      .code = "TUMSTATE",
                      .test = "Tumor State",
                      .unit = "",
                      .text = unknown ? NULL : state_term(f->state, one->role),
                      .missing = unknown ? "NOT EVALUABLE" : NULL,
                      .value = NAN};
    record(d, &r, visit);
    const size_kind kind = one->nodal ? SHORT_AXIS : LONGEST;
    result size = size_result(one, kind);
    if (f) size.value = measure_of(f, kind);
    if (isfinite(size.value)) record(d, &size, visit);
}

/* ---- the visit ---- */

static void record_nodes(domain *d, size_t visit)
{
    static const char *const terms[] = {NULL, "NON-PATHOLOGICAL", "PATHOLOGICAL", NULL};
    const rp_node_state state = d->patient->result->visits[visit].nodes;
    if (state == RP_NODES_NONE) return;
    record(d,
           &(result){.group = "TARGET",
                     .code = "LNSTATE",
                     .test = "Lymph Node State",
                     .unit = "",
                     .text = terms[state],
                     .missing = terms[state] ? NULL : "NOT EVALUABLE",
                     .value = NAN},
           visit);
}

/* Sums belong to the visit, not to a lesion. */
static void record_sums(domain *d, size_t visit)
{
    const rp_visit_result *v = &d->patient->result->visits[visit];
    const result sums[] = {
        {.code = "SUMDIAM", .test = "Sum of Diameter", .unit = "mm", .value = v->sum},
        {.code = "SUMNLNLD",
         .test = "Sum Diameters of Non-Lymph Node Tumors",
         .unit = "mm",
         .value = v->nodes == RP_NODES_NONE ? NAN : v->sum - v->nodes_sum},
        {.code = "PCBSD",
         .test = "Percent Change Baseline in Sum of Diam",
         .unit = "%",
         .value = v->baseline_change_percent},
        {.code = "ACNSD",
         .test = "Absolute Change Nadir in Sum of Diam",
         .unit = "mm",
         .value = v->sum - v->nadir},
        {.code = "PCNSD",
         .test = "Percent Change Nadir in Sum of Diam",
         .unit = "%",
         .value = v->nadir_change_percent}};
    enum { AT_BASELINE = 2 };
    for (size_t i = 0; i < sizeof sums / sizeof *sums; i++) {
        result one = sums[i];
        one.group = "TARGET";
        if (isfinite(one.value) && (visit || i < AT_BASELINE)) record(d, &one, visit);
    }
}

static void record_all(domain *d)
{
    const rp_timeline *t = d->patient->timeline;
    for (size_t v = 0; v < t->visit_count; v++) {
        for (size_t l = 0; l < t->lesion_count; l++) {
            if (t->lesions[l].role == RP_ROLE_TARGET)
                record_target(d, l, v);
            else
                record_state(d, l, v);
        }
        record_nodes(d, v);
        record_sums(d, v);
    }
}

/* ---- RS: responses --------------------------------------------------------------------------- */

static const char *const rs_columns[] = {
    "STUDYID", "DOMAIN",   "USUBJID", "RSSEQ",    "RSLNKGRP", "RSTESTCD", "RSTEST", "RSCAT",
    "RSORRES", "RSSTRESC", "RSEVAL",  "VISITNUM", "VISIT",    "RSDTC",    "RSDY",   NULL};

/* NULL where there is nothing to call. */
static const char *response_term(rp_call call)
{
    if (call == RP_CALL_NA) return NULL;
    if (call == RP_CALL_NN) return "NON-CR/NON-PD";
    if (call == RP_CALL_INN) return "NON-iCR/NON-iUPD";
    return rp_call_code(call);
}

/* iRECIST's name for a call of targets or non-targets. confirmed: their progression is. */
static rp_call immune_call(rp_call call, bool confirmed)
{
    return confirmed && call == RP_CALL_PD ? RP_CALL_ICPD : rp_call_immune(call);
}

static void respond(domain *d, const char *group, const char *code, const char *test,
                    const char *term, size_t visit)
{
    if (!term) return;
    begin_record(d, "RS");
    sheet_words(&d->sheet, group);
    sheet_words(&d->sheet, code);
    sheet_words(&d->sheet, test);
    sheet_words(&d->sheet, rp_criteria_name(d->patient->result->options.criteria));
    sheet_words(&d->sheet, term);
    sheet_words(&d->sheet, term);
    end_record(d, visit);
}

typedef enum new_lesions { NEW_NONE, NEW_STAY, NEW_EQUIVOCAL, NEW_UNEQUIVOCAL } new_lesions;

static new_lesions new_lesions_at(const rp_timeline *t, size_t visit)
{
    new_lesions most = NEW_NONE;
    for (size_t l = 0; l < t->lesion_count; l++) {
        const rp_finding_state state = state_of(t, visit, l);
        new_lesions one = NEW_NONE;
        if (t->lesions[l].role != RP_ROLE_NEW) continue;
        if (state == RP_FOUND_PRESENT) one = NEW_STAY;
        if (state == RP_FOUND_EQUIVOCAL) one = NEW_EQUIVOCAL;
        if (state == RP_FOUND_UNEQUIVOCAL || state == RP_FOUND_FURTHER) one = NEW_UNEQUIVOCAL;
        if (one > most) most = one;
    }
    return most;
}

/* Whether there is one, and whether it is one beyond doubt. */
static void respond_new(domain *d, const char *group, size_t visit)
{
    const new_lesions there = new_lesions_at(d->patient->timeline, visit);
    const bool doubt = there == NEW_EQUIVOCAL;
    const bool any = d->patient->result->visits[visit].new_lesion;
    respond(d, group, "NEWLIND", "New Lesion Indicator", any ? "Y" : doubt ? "U" : "N", visit);
    respond(d, group, "NEWLPROG", "New Lesion Progression",
            doubt                      ? "EQUIVOCAL"
            : there == NEW_UNEQUIVOCAL ? "UNEQUIVOCAL"
                                       : NULL,
            visit);
}

/* Confirmed from the visit on at which they confirmed, as long as they progress. */
typedef struct confirmed {
    bool targets, non_targets;
} confirmed;

static void update(confirmed *c, const rp_visit_result *v)
{
    c->targets = v->target == RP_CALL_PD && (c->targets || v->targets_confirm);
    c->non_targets = v->non_target == RP_CALL_PD && (c->non_targets || v->non_targets_confirm);
}

static void respond_all(domain *d)
{
    const rp_timeline_result *r = d->patient->result;
    const bool immune = r->options.criteria == RP_IRECIST;
    confirmed c = {false, false};
    for (size_t v = 1; v < r->visit_count; v++) {
        const rp_visit_result *visit = &r->visits[v];
        rp_call targets = visit->target, others = visit->non_target;
        char group[32];
        snprintf(group, sizeof group, "A%zu", v + 1);
        update(&c, visit);
        if (immune) targets = immune_call(targets, c.targets);
        if (immune) others = immune_call(others, c.non_targets);
        respond(d, group, "TRGRESP", "Target Response", response_term(targets), v);
        respond(d, group, "NTRGRESP", "Non-target Response", response_term(others), v);
        respond_new(d, group, v);
        respond(d, group, "OVRLRESP", "Overall Response", response_term(visit->overall), v);
    }
    if (r->visit_count > 1)
        respond(d, "", "BESTRESP", "Best Response", response_term(r->best), r->visit_count - 1);
}

/* ---- files ----------------------------------------------------------------------------------- */

static rp_status write_domain(const char *folder, const char *name, const char *const *columns,
                              const rp_cdisc_options *o, const rp_assessed *patients, size_t count,
                              void (*write)(domain *), rp_error *err)
{
    domain d = {.study = o->study ? o->study : "",
                .evaluator = o->evaluator ? o->evaluator : "INVESTIGATOR"};
    RP_AUTOFREE char *path = rp_path_join(folder, name);
    if (!path) return rp_fail(err, RP_ERR_MEMORY, "out of memory");
    sheet_begin(&d.sheet, path, columns, err);
    for (size_t i = 0; i < count; i++) {
        d.patient = &patients[i];
        d.sequence = 0;
        write(&d);
    }
    return sheet_end(&d.sheet);
}

rp_status rp_timeline_write_cdisc(const char *folder, const rp_cdisc_options *o,
                                  const rp_assessed *patients, size_t count, rp_error *err)
{
    for (size_t i = 0; i < count; i++)
        if (patients[i].result->options.criteria == RP_VOLUMETRIC)
            return rp_fail(err, RP_ERR_UNSUPPORTED,
                           "CDISC has no terms for a response by volume, which is exploratory");
    rp_status status =
        write_domain(folder, "tu.csv", tu_columns, o, patients, count, identify_all, err);
    if (!status)
        status = write_domain(folder, "tr.csv", tr_columns, o, patients, count, record_all, err);
    if (!status)
        status = write_domain(folder, "rs.csv", rs_columns, o, patients, count, respond_all, err);
    return status;
}
