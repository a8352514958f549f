/* assess --prior-sr: baseline and nadir as earlier visits' structured reports have them. */
#include "assess.h"
#include "lesion.h"
#include "reprise/dicom_patient.h"

#include <math.h>
#include <string.h>

/* Two readings of one baseline that differ by more than both are of two lesions, or by two
 * definitions of the longest diameter. The figures are this project's own. */
static const double baseline_slack_mm = 2.0, baseline_slack_share = 0.05;

bool assess_add_prior(assess_arguments *g, const char *path)
{
    const char **grown = rp_alloc(g->prior_count + 1, sizeof *grown);
    if (!grown) return false;
    if (g->prior_count) memcpy(grown, g->priors, g->prior_count * sizeof *grown);
    rp_free(g->priors);
    g->priors = grown;
    g->priors[g->prior_count++] = path;
    return true;
}

/* ---- whose, and which lesion ------------------------------------------------------------- */

static rp_status check_patient(assess *a, rp_error *err)
{
    const assess_arguments *g = a->arguments;
    const rp_dicom_header *in_reports = &a->prior.archive.patient;
    const rp_dicom_header *after = &a->followup_ct.series.header;
    const rp_dicom_header *before = &a->baseline_ct.series.header;
    const unsigned differs = rp_dicom_identity_differs(in_reports, after) |
                             rp_dicom_identity_differs(in_reports, before);
    char what[96];
    rp_dicom_identity_text(differs, what);
    if (differs && !g->learning.allow_patient_mismatch)
        return rp_fail(err, RP_ERR_REFUSED,
                       "%s: a report of another patient than the images (their %s differ); "
                       "--allow-patient-mismatch overrides this",
                       g->priors[0], what);
    if (differs)
        assess_flag_add(a, "prior_patient_mismatch",
                        "The earlier reports are of another patient than the images: their %s "
                        "differ; the user overrode the refusal.",
                        what);
    else if (!in_reports->patient_id[0] || !(after->patient_id[0] || before->patient_id[0]))
        assess_flag_add(a, "prior_patient_unknown",
                        "Whether the earlier reports are of this patient could not be checked: "
                        "there is no patient ID in %s.",
                        in_reports->patient_id[0] ? "the images" : "them");
    return RP_OK;
}

/* By what the user says, else by UID, else the only one. */
static bool is_lesion(const assess *a, const rp_archive_lesion *lesion)
{
    const char *asked = a->arguments->prior_lesion;
    if (!asked) return strcmp(lesion->tracking_uid, a->tracking_uid) == 0;
    return strcmp(lesion->id, asked) == 0 || strcmp(lesion->tracking_uid, asked) == 0;
}

static rp_status lesion_not_found(const assess *a, rp_error *err)
{
    const assess_arguments *g = a->arguments;
    const rp_archive *all = &a->prior.archive;
    RP_AUTOFREE char *list = rp_strdup("");
    for (size_t i = 0; list && i < all->lesion_count; i++) {
        char *longer = rp_format("%s%s'%s'", list, i ? ", " : "", all->lesions[i].id);
        rp_free(list);
        list = longer;
    }
    return rp_fail(err, RP_ERR_REFUSED,
                   "%s: %s; --prior-lesion chooses one of the reports' lesions: %s", g->priors[0],
                   g->prior_lesion ? "the reports have no such lesion"
                                   : "which of the reports' lesions the contour shows is not known",
                   list && *list ? list : "there are none");
}

static rp_status choose_lesion(assess *a, rp_error *err)
{
    const rp_archive *all = &a->prior.archive;
    size_t i = 0;
    while (i < all->lesion_count && !is_lesion(a, &all->lesions[i])) i++;
    if (i == all->lesion_count && all->lesion_count == 1 && !a->arguments->prior_lesion) {
        i = 0;
        assess_flag_add(a, "prior_lesion_assumed",
                        "The earlier reports measure one lesion, '%s', which was taken for the "
                        "contoured one; its tracking UID does not tell.",
                        all->lesions[0].id);
    }
    if (i == all->lesion_count) return lesion_not_found(a, err);
    const rp_archive_lesion *lesion = &all->lesions[i];
    if (lesion->nodal)
        return rp_fail(err, RP_ERR_REFUSED,
                       "%s: lesion '%s' is a lymph node, whose short axis counts; assess compares "
                       "longest diameters",
                       a->arguments->priors[0], lesion->id);
    a->prior.lesion = i;
    if (lesion->tracking_id[0])
        snprintf(a->tracking_id, sizeof a->tracking_id, "%s", lesion->tracking_id);
    if (lesion->tracking_uid[0])
        snprintf(a->tracking_uid, sizeof a->tracking_uid, "%s", lesion->tracking_uid);
    return RP_OK;
}

/* ---- values ------------------------------------------------------------------------------ */

static void readable(const cmd_ct *ct, char date[16])
{
    const char *plain = ct->series.header.acquisition_date;
    snprintf(date, 16, "%.4s-%.2s-%.2s", plain, strlen(plain) == 8 ? plain + 4 : "",
             strlen(plain) == 8 ? plain + 6 : "");
}

static rp_status check_baseline(assess *a, const rp_archive_finding *f, double measured_mm,
                                rp_error *err)
{
    const double apart = fabs(f->longest_mm - measured_mm);
    if (apart > fmax(baseline_slack_mm, baseline_slack_share * measured_mm))
        return rp_fail(err, RP_ERR_REFUSED,
                       "%s: the baseline's long axis is %.1f mm there, but the contour measures "
                       "%.1f mm: another lesion, another contour or another definition",
                       f->path, f->longest_mm, measured_mm);
    if (apart > 0.05)
        assess_flag_add(a, "prior_baseline_differs",
                        "An earlier report has %.1f mm for the baseline; the contour measures "
                        "%.1f mm, which is what counts here.",
                        f->longest_mm, measured_mm);
    return RP_OK;
}

static rp_status take_finding(assess *a, const rp_archive_finding *f, const int days[2],
                              double measured_mm, rp_error *err)
{
    int day = 0;
    rp_date_days(f->date, &day);
    if (!isfinite(f->longest_mm))
        return rp_fail(err, RP_ERR_REFUSED, "%s: lesion '%s' has no long axis on %s", f->path,
                       a->prior.archive.lesions[a->prior.lesion].id, f->date);
    if (day < days[0])
        return rp_fail(err, RP_ERR_REFUSED,
                       "%s: measures the lesion on %s, before the baseline: it is no follow-up of "
                       "it",
                       f->path, f->date);
    if (day >= days[1])
        return rp_fail(err, RP_ERR_REFUSED,
                       "%s: measures the lesion on %s, which is not before the follow-up", f->path,
                       f->date);
    if (day == days[0]) return check_baseline(a, f, measured_mm, err);
    if (f->longest_mm >= a->prior.nadir_mm) return RP_OK;
    a->prior.nadir_mm = f->longest_mm;
    snprintf(a->prior.nadir_date, sizeof a->prior.nadir_date, "%s", f->date);
    return RP_OK;
}

static rp_status find_nadir(assess *a, rp_error *err)
{
    const rp_archive *all = &a->prior.archive;
    rp_lesion baseline;
    int32_t components, days[2];
    char date[16];
    readable(&a->baseline_ct, date);
    bool known = rp_date_days(date, &days[0]);
    snprintf(a->prior.nadir_date, sizeof a->prior.nadir_date, "%s", date);
    readable(&a->followup_ct, date);
    known = known && rp_date_days(date, &days[1]);
    if (!known)
        return rp_fail(err, RP_ERR_REFUSED,
                       "%s: earlier reports need the days of baseline and follow-up, and the "
                       "images do not tell them",
                       a->arguments->priors[0]);
    rp_status status =
        cmd_measure_lesion(&a->settings, &a->contour.mask, &baseline, &components, err);
    a->prior.nadir_mm = baseline.longest_diameter_mm;
    for (size_t i = 0; !status && i < all->finding_count; i++)
        if (all->findings[i].lesion == a->prior.lesion)
            status = take_finding(a, &all->findings[i], days, baseline.longest_diameter_mm, err);
    return status;
}

rp_status assess_read_priors(assess *a, rp_error *err)
{
    const assess_arguments *g = a->arguments;
    if (g->prior_count == 0) return RP_OK;
    rp_status status = rp_archive_read(g->priors, g->prior_count, &a->prior.archive, err);
    for (size_t i = 0; !status && i < a->prior.archive.warning_count; i++)
        rp_log(RP_LOG_WARNING, "%s", a->prior.archive.warnings[i]);
    if (!status) status = check_patient(a, err);
    if (!status) status = choose_lesion(a, err);
    return status ? status : find_nadir(a, err);
}

/* ---- result.json ------------------------------------------------------------------------- */

rp_json *assess_prior_json(const assess *a)
{
    const rp_archive *all = &a->prior.archive;
    const bool dates = !a->arguments->no_dates;
    rp_json *json = rp_json_object(), *measured = rp_json_array();
    rp_json_set_string(json, "tracking_identifier", a->tracking_id);
    rp_json_set_string(json, "tracking_uid", a->tracking_uid);
    rp_json_set_number(json, "nadir_mm", a->prior.nadir_mm);
    rp_json_set_string(json, "nadir_date", dates ? a->prior.nadir_date : NULL);
    rp_json_set_number(json, "change_nadir_percent", a->response.change_nadir_percent);
    for (size_t i = 0; i < all->finding_count; i++) {
        const rp_archive_finding *f = &all->findings[i];
        if (f->lesion != a->prior.lesion) continue;
        rp_json *one = rp_json_object();
        rp_json_set_string(one, "date", dates ? f->date : NULL);
        rp_json_set_number(one, "longest_diameter_mm", f->longest_mm);
        rp_json_append(measured, one);
    }
    rp_json_set(json, "measurements", measured);
    return json;
}
