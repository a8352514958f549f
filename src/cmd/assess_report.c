/* measurements_sr.dcm: what was measured, and the response, as a DICOM structured report. */
#include "assess.h"
#include "reprise/dicom_sr.h"

#include <string.h>

/* Of a series that a report can refer to. */
static bool has_uids(const cmd_ct *ct)
{
    const rp_dicom_series *s = &ct->series;
    return ct->is_dicom && s->header.series_uid[0] && s->header.study_uid[0] && s->acquired_count &&
           s->acquired_uids[0][0];
}

/* The part of a mask that was measured. */
static rp_status measured_part(const assess *a, const rp_mask *mask, rp_mask *part, rp_error *err)
{
    int32_t components;
    rp_status status = rp_mask_copy(mask, part, err);
    if (!status && !a->settings.predict.all_components)
        status = rp_mask_keep_largest(part, 26, &components, err);
    return status;
}

static void set_measured(rp_sr_lesion *to, const rp_lesion *lesion, const rp_dicom_series *series)
{
    to->series = series;
    to->slice = lesion->slice_index;
    to->long_axis_mm = lesion->longest_diameter_mm;
    to->short_axis_mm = lesion->short_axis_mm;
    to->volume_cc = lesion->volume_cc;
    memcpy(to->long_axis, lesion->long_axis_index, sizeof to->long_axis);
    memcpy(to->short_axis, lesion->short_axis_index, sizeof to->short_axis);
    to->algorithm = "Reprise";
    to->algorithm_version = RP_VERSION;
}

/* What the document is made of, for as long as it is written. */
typedef struct material {
    rp_mask baseline, followup;
    char *model, *definition, *contour;
    const char *of_baseline[2], *of_followup[2];
    rp_dicom_header seg;
    char seg_sop_uid[RP_DICOM_UID];
    rp_sr_lesion lesions[2];
    size_t count;
} material;

static rp_status gather_words(const assess *a, material *m, rp_error *err)
{
    m->model = rp_format("%smodel SHA-256 %s",
                         a->guard.source == RP_GUARD_REGISTERED
                             ? "baseline contour carried by registration, preferred to that of "
                             : "",
                         a->model_sha256);
    m->contour = rp_format("contour given, file SHA-256 %s", a->contour.sha256);
    m->definition = rp_format("long axis: %s; short axis perpendicular to it on its slice",
                              a->settings.diameter == RP_DIAMETER_INSIDE
                                  ? "longest segment within the lesion on one axial slice"
                                  : "largest distance between two contour points of one axial "
                                    "slice");
    if (!m->model || !m->contour || !m->definition)
        return rp_fail(err, RP_ERR_MEMORY, "out of memory for the report");
    m->of_baseline[0] = m->contour;
    m->of_followup[0] = m->model;
    m->of_baseline[1] = m->of_followup[1] = m->definition;
    return RP_OK;
}

static rp_status gather(const assess *a, material *m, rp_error *err)
{
    rp_sr_lesion *lesion = m->lesions;
    rp_status status = gather_words(a, m, err);
    if (!status && has_uids(&a->baseline_ct)) {
        status = measured_part(a, &a->contour.mask, &m->baseline, err);
        set_measured(lesion, &a->baseline.lesion, &a->baseline_ct.series);
        lesion->time_point = "baseline";
        lesion->mask = &m->baseline;
        lesion->parameters = m->of_baseline;
        lesion++;
    }
    /* Whoever reads reports takes what stands in a group for a measurement. */
    if (!status && a->followup.lesion.voxels > 0 && a->doubts.answered) {
        status = measured_part(a, &a->prediction.mask, &m->followup, err);
        set_measured(lesion, &a->followup.lesion, &a->followup_ct.series);
        lesion->time_point = "follow-up";
        lesion->mask = &m->followup;
        lesion->parameters = m->of_followup;
        lesion++;
    }
    m->count = (size_t)(lesion - m->lesions);
    for (size_t i = 0; i < m->count; i++) {
        m->lesions[i].tracking_id = a->tracking_id;
        m->lesions[i].tracking_uid = a->tracking_uid;
        m->lesions[i].parameter_count = 2;
    }
    return status;
}

rp_status assess_track(assess *a, rp_error *err)
{
    const rp_mask *mask = &a->contour.mask;
    char voxels[RP_SHA256_HEX];
    rp_sha256(mask->data, rp_grid_voxels(&mask->grid), voxels);
    RP_AUTOFREE char *seed = rp_format("%s %s", a->baseline_ct.sha256, voxels);
    if (!seed) return rp_fail(err, RP_ERR_MEMORY, "out of memory");
    const char *name = a->contour.roi_name;
    snprintf(a->tracking_id, sizeof a->tracking_id, "%s", name[0] ? name : "Lesion");
    rp_sr_tracking_uid(seed, a->tracking_uid);
    return RP_OK;
}

/* Where the follow-up's contour stands beside the report as a SEG, its segment takes the place of
 * the outlines. */
static rp_status refer_to_segment(const char *path, material *m, rp_error *err)
{
    rp_sr_lesion *last = m->count ? &m->lesions[m->count - 1] : NULL;
    const char *name = strrchr(path, '/');
    if (!last || last->mask != &m->followup) return RP_OK;
    RP_AUTOFREE char *seg =
        rp_format("%.*sfollowup_seg.dcm", name ? (int)(name - path) + 1 : 0, path);
    if (!seg) return rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", path);
    if (!rp_path_exists(seg)) return RP_OK;
    last->segmentation_sop_uid = m->seg_sop_uid;
    last->segmentation_series_uid = m->seg.series_uid;
    last->segment = 1;
    return rp_dicom_object_read(seg, &m->seg, m->seg_sop_uid, err);
}

/* Figures that were not accepted are told in words alone. */
static char *comment_on(const assess *a)
{
    const char *notice = "Measured by Reprise " RP_VERSION ". For research use only.";
    const rp_response_result *m = &a->doubts.measured;
    if (a->doubts.answered || a->followup.lesion.voxels == 0) return rp_strdup(notice);
    return rp_format("%s The follow-up's measurement was not accepted and is left out: the contour "
                     "found measures %.1f mm (%+.1f %%, would be %s). %s",
                     notice, a->followup.lesion.longest_diameter_mm, m->change_percent,
                     rp_response_code(m->response), a->response.rule);
}

rp_status assess_write_report(assess *a, const char *path, rp_error *err)
{
    if (!a->followup_ct.is_dicom) return RP_OK;
    material m = {0};
    RP_AUTOFREE char *seed = rp_format("%s %s", a->model_sha256, a->followup_ct.sha256);
    RP_AUTOFREE char *comment = comment_on(a);
    rp_status status = seed && comment ? gather(a, &m, err)
                                       : rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", path);
    if (!status) status = refer_to_segment(path, &m, err);
    const rp_sr_write_options how = {.series = &a->followup_ct.series,
                                     .lesions = m.lesions,
                                     .lesion_count = m.count,
                                     .response = rp_response_code(a->response.response),
                                     .change_percent = a->response.change_percent,
                                     .rule = a->response.rule,
                                     .comment = comment,
                                     .label = a->label,
                                     .uid_seed = seed,
                                     .no_dates = a->arguments->no_dates};
    if (!status) status = rp_sr_write(path, &how, err);
    rp_mask_release(&m.baseline);
    rp_mask_release(&m.followup);
    rp_free(m.model);
    rp_free(m.contour);
    rp_free(m.definition);
    if (status != RP_ERR_UNSUPPORTED) return status;
    assess_flag_add(a, "no_sr",
                    "UIDs of the images were blanked, slices share one, or the lesion lies on a "
                    "slice that is no image in a series without frame of reference: no structured "
                    "report can refer to them, and none was written.");
    return RP_OK;
}
