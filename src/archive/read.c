/* Reports of several visits gathered into findings. */
#define _GNU_SOURCE /* strcasestr */
#include "reprise/archive.h"
#include "reprise/dicom_patient.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

static const struct {
    const char *value, *scheme;
} long_axis = {"103339001", "SCT"}, short_axis = {"103340004", "SCT"},
  volume = {"118565006", "SCT"}, response = {"112048", "DCM"}, not_evaluable = {"C62222", "NCIt"};

/* ---- lists ------------------------------------------------------------------------------- */

/* Appends room for one item, zeroed; NULL when memory is short. */
static void *append(void **items, size_t *count, size_t size)
{
    void *grown = rp_alloc(*count + 1, size);
    if (!grown) return NULL;
    if (*count) memcpy(grown, *items, *count * size);
    rp_free(*items);
    *items = grown;
    return (char *)grown + (*count)++ * size;
}

static rp_status out_of_memory(const char *path, rp_error *err)
{
    return rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", path);
}

static rp_status warn(rp_archive *a, const char *path, const char *text, rp_error *err)
{
    RP_AUTOFREE char *line = rp_format("%s: %s", path, text);
    char **place = line ? append((void **)&a->warnings, &a->warning_count, sizeof *place) : NULL;
    if (!place) return out_of_memory(path, err);
    *place = line;
    line = NULL;
    return RP_OK;
}

/* ---- one report -------------------------------------------------------------------------- */

static rp_status check_patient(rp_archive *a, const char *path, const rp_sr *report, rp_error *err)
{
    const unsigned differs = rp_dicom_identity_differs(&report->header, &a->patient);
    char what[96];
    rp_dicom_identity_text(differs, what);
    if (differs)
        return rp_fail(err, RP_ERR_REFUSED,
                       "%s: of another patient than the reports before it (their %s differ)", path,
                       what);
    if (!a->patient.patient_id[0]) a->patient = report->header;
    if (!report->header.patient_id[0])
        return warn(a, path, "carries no patient ID: whose it is could not be checked", err);
    return RP_OK;
}

static void take_label(rp_archive *a, const rp_sr *report)
{
    static const char *const labels[] = {"synthetic", "simulated"};
    for (size_t i = 0; i < sizeof labels / sizeof *labels; i++)
        if (!a->label[0] && strcasestr(report->header.series_description, labels[i]))
            snprintf(a->label, sizeof a->label, "%s", labels[i]);
}

/* YYYYMMDD, or with DICOM's older dots, as YYYY-MM-DD; false for what is no date. */
static bool readable_date(const char *dicom, char date[16])
{
    int days;
    size_t digits = 0;
    char plain[9] = "";
    for (; *dicom; dicom++) {
        if (*dicom == '.') continue;
        if (!isdigit((unsigned char)*dicom) || digits == 8) return false;
        plain[digits++] = *dicom;
    }
    snprintf(date, 16, "%.4s-%.2s-%.2s", plain, plain + (digits == 8 ? 4 : 0),
             plain + (digits == 8 ? 6 : 0));
    return digits == 8 && rp_date_days(date, &days) && strcmp(plain, "19000101") != 0;
}

static bool same_lesion(const rp_archive_lesion *lesion, const rp_sr_group *group)
{
    if (lesion->tracking_uid[0] && group->tracking_uid[0])
        return strcmp(lesion->tracking_uid, group->tracking_uid) == 0;
    return lesion->tracking_id[0] && strcmp(lesion->tracking_id, group->tracking_id) == 0;
}

static void complete_lesion(rp_archive_lesion *lesion, const rp_sr_group *group)
{
    const char *site = group->site.meaning[0] ? group->site.meaning : group->site.value;
    if (!lesion->tracking_id[0])
        snprintf(lesion->tracking_id, sizeof lesion->tracking_id, "%s", group->tracking_id);
    if (!lesion->tracking_uid[0])
        snprintf(lesion->tracking_uid, sizeof lesion->tracking_uid, "%s", group->tracking_uid);
    if (!lesion->site[0]) snprintf(lesion->site, sizeof lesion->site, "%s", site);
    lesion->by_identifier |= !group->tracking_uid[0];
    lesion->nodal |= rp_sr_code_is_node(&group->site) || rp_sr_code_is_node(&group->finding) ||
                     rp_sr_code_is_node(&group->site_modifier);
}

static rp_status find_lesion(rp_archive *a, const char *path, const rp_sr_group *group,
                             size_t *index, rp_error *err)
{
    for (*index = 0; *index < a->lesion_count; ++*index)
        if (same_lesion(&a->lesions[*index], group)) break;
    if (*index == a->lesion_count &&
        !append((void **)&a->lesions, &a->lesion_count, sizeof *a->lesions))
        return out_of_memory(path, err);
    complete_lesion(&a->lesions[*index], group);
    return RP_OK;
}

/* False where both are known and differ in what a decimal string keeps. */
static bool agree(double a, double b)
{
    return isnan(a) || isnan(b) || fabs(a - b) <= 1e-6 * fmax(fabs(a), fabs(b));
}

static void complete(double *known, double other)
{
    if (isnan(*known)) *known = other;
}

static rp_status add_finding(rp_archive *a, const rp_archive_finding *found, rp_error *err)
{
    for (size_t i = 0; i < a->finding_count; i++) {
        rp_archive_finding *f = &a->findings[i];
        if (f->lesion != found->lesion || strcmp(f->date, found->date) != 0) continue;
        if (!agree(f->longest_mm, found->longest_mm) ||
            !agree(f->short_axis_mm, found->short_axis_mm) ||
            !agree(f->volume_cc, found->volume_cc))
            return rp_fail(err, RP_ERR_FORMAT,
                           "%s: lesion '%s' on %s measures otherwise than in %s", found->path,
                           a->lesions[f->lesion].tracking_id, f->date, f->path);
        complete(&f->longest_mm, found->longest_mm);
        complete(&f->short_axis_mm, found->short_axis_mm);
        complete(&f->volume_cc, found->volume_cc);
        return RP_OK;
    }
    rp_archive_finding *place =
        append((void **)&a->findings, &a->finding_count, sizeof *a->findings);
    if (!place) return out_of_memory(found->path, err);
    *place = *found;
    return RP_OK;
}

static rp_status measure(const rp_sr_group *g, rp_archive_finding *f, rp_error *err)
{
    const rp_sr_measurement *longest, *shortest, *size;
    rp_status status =
        rp_sr_find(g, f->path, long_axis.value, long_axis.scheme, RP_SR_LENGTH, &longest, err);
    if (!status)
        status = rp_sr_find(g, f->path, short_axis.value, short_axis.scheme, RP_SR_LENGTH,
                            &shortest, err);
    if (!status)
        status = rp_sr_find(g, f->path, volume.value, volume.scheme, RP_SR_VOLUME, &size, err);
    if (status) return status;
    f->longest_mm = longest ? longest->value : NAN;
    f->short_axis_mm = shortest ? shortest->value : NAN;
    f->volume_cc = size ? size->value : NAN;
    if (f->short_axis_mm > f->longest_mm * (1 + 1e-9))
        return rp_fail(err, RP_ERR_FORMAT,
                       "%s: lesion '%s': the short axis is longer than the long axis", f->path,
                       g->tracking_id);
    return RP_OK;
}

static rp_status take_group(rp_archive *a, const char *path, const rp_sr_group *g, size_t number,
                            rp_error *err)
{
    rp_archive_finding f = {.path = path};
    rp_status status = measure(g, &f, err);
    if (status) return status;
    if (isnan(f.longest_mm) && isnan(f.short_axis_mm) && isnan(f.volume_cc)) {
        RP_AUTOFREE char *text = rp_format(
            "group %zu ('%s') has neither Long Axis, Short Axis nor Volume and was passed over",
            number, g->tracking_id);
        return text ? warn(a, path, text, err) : out_of_memory(path, err);
    }
    if (!g->tracking_id[0] && !g->tracking_uid[0])
        return rp_fail(err, RP_ERR_FORMAT,
                       "%s: group %zu has neither tracking identifier nor UID: which lesion it "
                       "measures is not known",
                       path, number);
    if (!readable_date(g->date, f.date))
        return rp_fail(err, RP_ERR_FORMAT, "%s: lesion '%s': the day of its images is not known",
                       path, g->tracking_id);
    status = find_lesion(a, path, g, &f.lesion, err);
    return status ? status : add_finding(a, &f, err);
}

/* A visit at which nothing could be measured leaves no group behind, but its response says so. */
static rp_status take_response(rp_archive *a, const char *path, const rp_sr *report, rp_error *err)
{
    char date[16];
    for (size_t i = 0; i < report->evaluation_count; i++) {
        const rp_sr_evaluation *e = &report->evaluations[i];
        if (!rp_sr_code_is(&e->name, response.value, response.scheme) ||
            !rp_sr_code_is(&e->value, not_evaluable.value, not_evaluable.scheme))
            continue;
        if (!readable_date(report->header.study_date, date))
            return rp_fail(err, RP_ERR_FORMAT, "%s: the day of its response is not known", path);
        rp_archive_day *day =
            append((void **)&a->not_evaluated, &a->not_evaluated_count, sizeof *a->not_evaluated);
        if (!day) return out_of_memory(path, err);
        snprintf(day->date, sizeof day->date, "%s", date);
    }
    return RP_OK;
}

static rp_status take_report(rp_archive *a, const char *path, const rp_sr *report, rp_error *err)
{
    rp_status status = check_patient(a, path, report, err);
    take_label(a, report);
    for (size_t i = 0; !status && i < report->problem_count; i++)
        status = warn(a, path, report->problems[i], err);
    for (size_t i = 0; !status && i < report->group_count; i++)
        status = take_group(a, path, &report->groups[i], i + 1, err);
    return status ? status : take_response(a, path, report, err);
}

/* ---- all of them ------------------------------------------------------------------------- */

/* Two lesions may bear one identifier, as "Lesion" does where nobody gave another. */
static rp_status ambiguous(const rp_archive *a, size_t lesion, rp_error *err)
{
    const char *path = "";
    for (size_t i = 0; i < a->finding_count; i++)
        if (a->findings[i].lesion == lesion) path = a->findings[i].path;
    return rp_fail(
        err, RP_ERR_FORMAT,
        "%s: lesion '%s' could be any of several that bear this identifier, for a report "
        "of it has no tracking UID",
        path, a->lesions[lesion].tracking_id);
}

/* What a person calls a node and no code does is measured by its longest diameter: that is told. */
static rp_status doubt_nodes(rp_archive *a, rp_error *err)
{
    rp_status status = RP_OK;
    for (size_t i = 0; !status && i < a->lesion_count; i++) {
        const rp_archive_lesion *one = &a->lesions[i];
        const char *path = "";
        if (one->nodal || !rp_says_lymph_node(one->tracking_id)) continue;
        for (size_t k = 0; k < a->finding_count; k++)
            if (a->findings[k].lesion == i) path = a->findings[k].path;
        RP_AUTOFREE char *text =
            rp_format("lesion '%s' is not coded as a lymph node: its longest diameter counts",
                      one->tracking_id);
        status = text ? warn(a, path, text, err) : out_of_memory(path, err);
    }
    return status;
}

static rp_status name_lesions(rp_archive *a, rp_error *err)
{
    for (size_t i = 0; i < a->lesion_count; i++) {
        rp_archive_lesion *one = &a->lesions[i];
        bool alone = one->tracking_id[0] != 0;
        for (size_t k = 0; k < a->lesion_count; k++)
            if (k != i && strcmp(one->tracking_id, a->lesions[k].tracking_id) == 0) alone = false;
        if (!alone && one->tracking_id[0] && one->by_identifier) return ambiguous(a, i, err);
        if (alone || !one->tracking_uid[0])
            snprintf(one->id, sizeof one->id, "%s", one->tracking_id);
        else if (one->tracking_id[0])
            snprintf(one->id, sizeof one->id, "%s (%s)", one->tracking_id, one->tracking_uid);
        else
            snprintf(one->id, sizeof one->id, "%s", one->tracking_uid);
    }
    return RP_OK;
}

rp_status rp_archive_read(const char *const *paths, size_t count, rp_archive *archive,
                          rp_error *err)
{
    rp_status status = RP_OK;
    *archive = (rp_archive){0};
    for (size_t i = 0; !status && i < count; i++) {
        rp_sr report;
        status = rp_sr_read(paths[i], &report, err);
        if (!status) status = take_report(archive, paths[i], &report, err);
        rp_sr_release(&report);
    }
    if (!status) status = name_lesions(archive, err);
    if (!status) status = doubt_nodes(archive, err);
    if (status) rp_archive_release(archive);
    return status;
}

void rp_archive_release(rp_archive *archive)
{
    for (size_t i = 0; i < archive->warning_count; i++) rp_free(archive->warnings[i]);
    rp_free(archive->lesions);
    rp_free(archive->findings);
    rp_free(archive->not_evaluated);
    rp_free(archive->warnings);
    *archive = (rp_archive){0};
}
