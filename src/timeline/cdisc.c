/*
 * SDTM's TU, TR and RS. Terms and their use after CDISC's Disease Response Supplement for
 * RECIST 1.1 and its controlled terminology: LDIAM for lesions, LPERP for the short axis of nodes,
 * a result that is missing as NOT DONE with its reason, what is too small to measure with a
 * standard value of its own, split lesions as T04.1, T04.2.
 */
#include "sheet.h"
#include "reprise/timeline.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

typedef struct domain {
    sheet sheet;
    const char *study;
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

/* VISITNUM, VISIT, --DTC, --DY: the baseline is day 1, and there is no day 0. */
static void end_record(domain *d, size_t visit)
{
    const rp_timeline_visit *v = &d->patient->timeline->visits[visit];
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

static bool follows(const rp_timeline *t, size_t visit, const char *lesion, rp_finding_state state)
{
    const rp_timeline_finding *before = visit ? finding_of(&t->visits[visit - 1], lesion) : NULL;
    return before && before->state == state;
}

/* ---- TU: identification ---------------------------------------------------------------------- */

static const char *const tu_columns[] = {"STUDYID",  "DOMAIN",   "USUBJID",  "TUSEQ",    "TULNKID",
                                         "TUTESTCD", "TUTEST",   "TUORRES",  "TUSTRESC", "TULOC",
                                         "TULAT",    "TUMETHOD", "VISITNUM", "VISIT",    "TUDTC",
                                         "TUDY",     NULL};

static void identify(domain *d, const rp_timeline_lesion *lesion, const char *link,
                     const char *code, const char *test, size_t visit)
{
    char place[64], side[64];
    begin_record(d, "TU");
    sheet_words(&d->sheet, link);
    sheet_words(&d->sheet, code);
    sheet_words(&d->sheet, test);
    sheet_words(&d->sheet, group_of(lesion));
    sheet_words(&d->sheet, group_of(lesion));
    sheet_words(&d->sheet, location(lesion, place));
    upper(lesion->side, side);
    sheet_words(&d->sheet, side);
    sheet_words(&d->sheet, "CT SCAN");
    end_record(d, visit);
}

static void identify_parts(domain *d, const rp_timeline_lesion *lesion,
                           const rp_timeline_finding *f, size_t visit)
{
    for (size_t part = 0; part < f->part_count; part++) {
        RP_AUTOFREE char *link = rp_format("%s.%zu", lesion->id, part + 1);
        identify(d, lesion, link, "TUSPLIT", "Tumor Split", visit);
    }
}

/* Targets and non-targets are known at baseline, a new lesion where it is first seen. */
static void identify_all(domain *d)
{
    const rp_timeline *t = d->patient->timeline;
    for (size_t l = 0; l < t->lesion_count; l++) {
        bool known = false;
        for (size_t v = 0; v < t->visit_count; v++) {
            const rp_timeline_finding *f = finding_of(&t->visits[v], t->lesions[l].id);
            if (f && !known && f->state != RP_FOUND_ABSENT)
                identify(d, &t->lesions[l], t->lesions[l].id, "TUMIDENT", "Tumor Identification",
                         v);
            known |= f && f->state != RP_FOUND_ABSENT;
            if (f && f->state == RP_FOUND_SPLIT && !follows(t, v, t->lesions[l].id, RP_FOUND_SPLIT))
                identify_parts(d, &t->lesions[l], f, v);
            if (f && f->state == RP_FOUND_MERGED &&
                !follows(t, v, t->lesions[l].id, RP_FOUND_MERGED)) {
                RP_AUTOFREE char *link = rp_format("%s/%s", f->into, t->lesions[l].id);
                identify(d, &t->lesions[l], link, "TUMERGE", "Tumor Merged", v);
            }
        }
    }
}

/* ---- TR: results ----------------------------------------------------------------------------- */

static const char *const tr_columns[] = {
    "STUDYID",  "DOMAIN",   "USUBJID",  "TRSEQ",    "TRGRPID",  "TRLNKID",  "TRLNKGRP", "TRTESTCD",
    "TRTEST",   "TRORRES",  "TRORRESU", "TRSTRESC", "TRSTRESN", "TRSTRESU", "TRSTAT",   "TRREASND",
    "TRMETHOD", "VISITNUM", "VISIT",    "TRDTC",    "TRDY",     NULL};

/* What stands in one record; text is a word's result, or empty for a number's. */
typedef struct result {
    const char *group, *link, *code, *test, *text, *unit, *missing;
    double value;
} result;

static void record(domain *d, const result *r, size_t visit)
{
    sheet *s = &d->sheet;
    char group[32], number[32] = "";
    snprintf(group, sizeof group, "A%zu", visit + 1);
    if (isfinite(r->value)) snprintf(number, sizeof number, "%.15g", r->value);
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
    sheet_words(s, r->group ? "CT SCAN" : "");
    end_record(d, visit);
}

static void record_parts(domain *d, const result *whole, const rp_timeline_finding *f, size_t visit)
{
    for (size_t part = 0; part < f->part_count; part++) {
        RP_AUTOFREE char *link = rp_format("%s.%zu", whole->link, part + 1);
        result one = *whole;
        one.link = link;
        one.value = f->parts_mm[part];
        record(d, &one, visit);
    }
}

static void record_target(domain *d, const rp_timeline_lesion *lesion, const rp_timeline_finding *f,
                          size_t visit)
{
    result r = {.group = group_of(lesion),
                .link = lesion->id,
                .code = lesion->nodal ? "LPERP" : "LDIAM",
                .test = lesion->nodal ? "Longest Perpendicular" : "Longest Diameter",
                .unit = "mm",
                .value = NAN};
    switch (f ? f->state : RP_FOUND_NOT_EVALUATED) {
    case RP_FOUND_MEASURED:
        r.value = lesion->nodal ? f->short_axis_mm : f->longest_mm;
        break;
    case RP_FOUND_ABSENT:
        r.value = 0.0;
        break;
    case RP_FOUND_TOO_SMALL:
        r.text = "TOO SMALL TO MEASURE";
        r.value = d->patient->result->options.too_small_mm;
        break;
    case RP_FOUND_SPLIT:
        record_parts(d, &r, f, visit);
        return;
    case RP_FOUND_MERGED:
        r.missing = "TUMOR MERGED";
        break;
    default:
        r.missing = "NOT EVALUABLE";
        break;
    }
    record(d, &r, visit);
}

static const char *state_term(rp_finding_state state, rp_lesion_role role)
{
    switch (state) {
    case RP_FOUND_FURTHER:
        return state_term(role == RP_ROLE_NEW ? RP_FOUND_UNEQUIVOCAL : RP_FOUND_PROGRESSION, role);
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

static void record_state(domain *d, const rp_timeline_lesion *lesion, const rp_timeline_finding *f,
                         size_t visit)
{
    const bool unknown = !f || f->state == RP_FOUND_NOT_EVALUATED;
    /* Before it was seen there is nothing to say of a new lesion. */
    if (!f && lesion->role == RP_ROLE_NEW) return;
    const result r = {.group = group_of(lesion),
                      .link = lesion->id,
                      .code = "TUMSTATE",
                      .test = "Tumor State",
                      .text = unknown ? NULL : state_term(f->state, lesion->role),
                      .missing = unknown ? "NOT EVALUABLE" : NULL,
                      .value = NAN};
    record(d, &r, visit);
    if (!f || !isfinite(lesion->nodal ? f->short_axis_mm : f->longest_mm)) return;
    const result size = {.group = group_of(lesion),
                         .link = lesion->id,
                         .code = lesion->nodal ? "LPERP" : "LDIAM",
                         .test = lesion->nodal ? "Longest Perpendicular" : "Longest Diameter",
                         .unit = "mm",
                         .value = lesion->nodal ? f->short_axis_mm : f->longest_mm};
    record(d, &size, visit);
}

/* Sums belong to the visit, not to a lesion. */
static void record_sums(domain *d, size_t visit)
{
    const rp_visit_result *v = &d->patient->result->visits[visit];
    const result sums[] = {
        {.code = "SUMDIAM", .test = "Sum of Diameter", .unit = "mm", .value = v->sum},
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
    for (size_t i = 0; i < sizeof sums / sizeof *sums; i++)
        if (isfinite(sums[i].value) && (visit || i == 0)) record(d, &sums[i], visit);
}

static void record_all(domain *d)
{
    const rp_timeline *t = d->patient->timeline;
    for (size_t v = 0; v < t->visit_count; v++) {
        for (size_t l = 0; l < t->lesion_count; l++) {
            const rp_timeline_lesion *lesion = &t->lesions[l];
            const rp_timeline_finding *f = finding_of(&t->visits[v], lesion->id);
            if (lesion->role == RP_ROLE_TARGET)
                record_target(d, lesion, f, v);
            else
                record_state(d, lesion, f, v);
        }
        record_sums(d, v);
    }
}

/* ---- RS: responses --------------------------------------------------------------------------- */

static const char *const rs_columns[] = {"STUDYID",  "DOMAIN", "USUBJID", "RSSEQ",   "RSLNKGRP",
                                         "RSTESTCD", "RSTEST", "RSCAT",   "RSORRES", "RSSTRESC",
                                         "VISITNUM", "VISIT",  "RSDTC",   "RSDY",    NULL};

static const char *response_term(rp_call call)
{
    if (call == RP_CALL_NN) return "NON-CR/NON-PD";
    if (call == RP_CALL_INN) return "NON-iCR/NON-iUPD";
    return rp_call_code(call);
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

static void respond_all(domain *d)
{
    const rp_timeline_result *r = d->patient->result;
    for (size_t v = 1; v < r->visit_count; v++) {
        const rp_visit_result *visit = &r->visits[v];
        char group[32];
        snprintf(group, sizeof group, "A%zu", v + 1);
        respond(d, group, "TRGRESP", "Target Response", response_term(visit->target), v);
        respond(d, group, "NTRGRESP", "Non-target Response", response_term(visit->non_target), v);
        respond(d, group, "NEWLIND", "New Lesion Indicator", visit->new_lesion ? "Y" : "N", v);
        respond(d, group, "OVRLRESP", "Overall Response", response_term(visit->overall), v);
    }
    if (r->visit_count > 1)
        respond(d, "", "BESTRESP", "Best Response", response_term(r->best), r->visit_count - 1);
}

/* ---- files ----------------------------------------------------------------------------------- */

static rp_status write_domain(const char *folder, const char *name, const char *const *columns,
                              const char *study, const rp_assessed *patients, size_t count,
                              void (*write)(domain *), rp_error *err)
{
    domain d = {.study = study};
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

rp_status rp_timeline_write_cdisc(const char *folder, const char *study,
                                  const rp_assessed *patients, size_t count, rp_error *err)
{
    for (size_t i = 0; i < count; i++)
        if (patients[i].result->options.criteria == RP_VOLUMETRIC)
            return rp_fail(err, RP_ERR_UNSUPPORTED,
                           "CDISC has no terms for a response by volume, which is exploratory");
    rp_status status =
        write_domain(folder, "tu.csv", tu_columns, study, patients, count, identify_all, err);
    if (!status)
        status =
            write_domain(folder, "tr.csv", tr_columns, study, patients, count, record_all, err);
    return status ? status
                  : write_domain(folder, "rs.csv", rs_columns, study, patients, count, respond_all,
                                 err);
}
