/* Before the work starts: one patient, the right order of time, enough memory. */
#include "assess.h"
#include "reprise/dicom_patient.h"

#include <math.h>
#include <string.h>
#include <time.h>

/* ---- patient and time -------------------------------------------------------------------- */

/* YYYYMMDD as days since 1970; false for anything else. */
static bool date_days(const char *text, int *days)
{
    int number = 0;
    if (strlen(text) != 8) return false;
    for (int i = 0; i < 8; i++) {
        if (text[i] < '0' || text[i] > '9') return false;
        number = 10 * number + (text[i] - '0');
    }
    struct tm day = {.tm_year = number / 10000 - 1900,
                     .tm_mon = number / 100 % 100 - 1,
                     .tm_mday = number % 100};
    const struct tm asked = day;
    const time_t seconds = timegm(&day);
    /* timegm turns 31 February into March. */
    if (day.tm_mon != asked.tm_mon || day.tm_mday != asked.tm_mday || number < 10000000)
        return false;
    *days = (int)(seconds / 86400 - (seconds % 86400 < 0));
    return true;
}

static rp_status check_patient(assess *a, rp_error *err)
{
    const assess_arguments *g = a->arguments;
    const rp_dicom_header *before = &a->baseline_ct.series.header;
    const rp_dicom_header *after = &a->followup_ct.series.header;
    const unsigned differs = rp_dicom_identity_differs(before, after);
    char what[96];
    rp_dicom_identity_text(differs, what);
    if (differs && !g->learning.allow_patient_mismatch)
        return rp_fail(err, RP_ERR_REFUSED,
                       "%s: the follow-up is of another patient than the baseline %s (their %s "
                       "differ); --allow-patient-mismatch overrides this",
                       g->followup, g->baseline, what);
    if (differs)
        assess_flag_add(a, "patient_mismatch",
                        "The two images are of different patients: their %s differ; the user "
                        "overrode the refusal.",
                        what);
    else if (!before->patient_id[0] || !after->patient_id[0])
        assess_flag_add(a, "patient_id_missing",
                        "%s no patient ID: that they show one patient could not be checked.",
                        before->patient_id[0] || after->patient_id[0]
                            ? "One of the two images carries"
                            : "The two images carry");
    return RP_OK;
}

static rp_status check_dates(assess *a, rp_error *err)
{
    const assess_arguments *g = a->arguments;
    int before, after;
    if (!date_days(a->baseline_ct.series.header.acquisition_date, &before) ||
        !date_days(a->followup_ct.series.header.acquisition_date, &after)) {
        assess_flag_add(a, "date_missing",
                        "The date of at least one image is unknown: the order of the two could not "
                        "be checked.");
        return RP_OK;
    }
    a->has_interval = true;
    a->interval_days = after - before;
    if (after == before) {
        assess_flag_add(a, "same_day", "Both images were acquired on the same day.");
    } else if (after < before) {
        if (!g->allow_date_order)
            return rp_fail(err, RP_ERR_REFUSED,
                           "%s: the follow-up is %d days older than the baseline %s; "
                           "--allow-date-order overrides this",
                           g->followup, before - after, g->baseline);
        assess_flag_add(a, "date_order",
                        "The follow-up is %d days older than the baseline; the user overrode the "
                        "refusal.",
                        before - after);
    }
    return RP_OK;
}

/* Half the spacing, or a wrong header: of the plane, and of the slices. */
static void check_spacing(assess *a)
{
    const double notable = 1.5 - 1e-3;
    static const char *const names[2] = {"pixels", "slices"};
    const rp_grid *grids[2] = {&a->baseline_ct.series.image.grid,
                               &a->followup_ct.series.image.grid};
    double mm[2][2]; /* visit; in the plane, between slices */
    for (int v = 0; v < 2; v++) {
        const int across = rp_grid_axial_axis(grids[v]);
        const double *s = grids[v]->spacing;
        mm[v][1] = s[across];
        mm[v][0] = sqrt(s[(across + 1) % 3] * s[(across + 2) % 3]);
    }
    for (int k = 0; k < 2; k++) {
        const double ratio = mm[1][k] / mm[0][k];
        if (ratio < notable && ratio > 1.0 / notable) continue;
        assess_flag_add(
            a, k ? "slice_spacing_differs" : "pixel_spacing_differs",
            "The spacing of the %s is %.2f mm at baseline and %.2f mm at follow-up: where "
            "one of the two headers is wrong, every length and the response are.",
            names[k], mm[0][k], mm[1][k]);
    }
}

rp_status assess_check_pair(assess *a, rp_error *err)
{
    rp_status status = check_patient(a, err);
    if (!status) status = check_dates(a, err);
    if (!status) check_spacing(a);
    if (!status && rp_image_same(&a->baseline_ct.series.image, &a->followup_ct.series.image, 0.01))
        assess_flag_add(a, "same_image", "Baseline and follow-up are the same image.");
    return status;
}

/* ---- memory ------------------------------------------------------------------------------ */

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* Images stay loaded throughout; the follow-up's masks and the probabilities of either come and go.
 */
static size_t image_bytes(const assess *a, const rp_preprocessing *p)
{
    const rp_grid *before = &a->baseline_ct.series.image.grid;
    const rp_grid *after = &a->followup_ct.series.image.grid;
    const rp_grid before_working = rp_working_grid(p, before);
    const rp_grid after_working = rp_working_grid(p, after);
    enum { IMAGE = 4, PROBABILITY = 4, LABELS = 4, MASK = 1 };
    const size_t kept =
        (IMAGE + MASK) * rp_grid_voxels(before) + (IMAGE + 4 * MASK) * rp_grid_voxels(after);
    const size_t passing = (IMAGE + PROBABILITY + LABELS + MASK) *
                           larger(rp_grid_voxels(before), rp_grid_voxels(after));
    return kept + passing +
           (IMAGE + PROBABILITY) *
               larger(rp_grid_voxels(&before_working), rp_grid_voxels(&after_working));
}

static size_t mib(size_t bytes)
{
    return bytes / 1048576 + (bytes % 1048576 != 0);
}

rp_status assess_check_memory(assess *a, rp_error *err)
{
    assess_memory *m = &a->memory;
    const cmd_settings *settings = &a->settings;
    const rp_grid *before = &a->baseline_ct.series.image.grid;
    const rp_grid *after = &a->followup_ct.series.image.grid;
    size_t at_baseline = 0;
    rp_preprocessing p = a->model.preprocessing;
    int region[3];
    m->budget = cmd_memory_budget(&a->arguments->common);
    memcpy(region, a->model.region, sizeof region);
    rp_status status = RP_OK;
    if (!a->arguments->patient_model)
        status = cmd_region_bounds(settings, before, &a->contour.mask, &p, region, err);
    if (!status && !a->arguments->patient_model)
        status = cmd_training_bytes(settings, before, region, &m->training, err);
    if (!status) status = cmd_prediction_bytes(settings, before, region, &at_baseline, err);
    if (!status) status = cmd_prediction_bytes(settings, after, region, &m->prediction, err);
    if (status) return status;
    m->images = image_bytes(a, &p);
    m->prediction = larger(m->prediction, at_baseline);
    const size_t network = larger(m->training, m->prediction);
    if (m->images + network > m->budget)
        return rp_fail(err, RP_ERR_BUDGET,
                       "this assessment needs %zu MiB (images %zu MiB, network %zu MiB), but the "
                       "memory limit is %zu MiB: raise --memory, or choose a smaller --crop",
                       mib(m->images + network), mib(m->images), mib(network), m->budget / 1048576);
    a->settings.adapt.memory_bytes = a->settings.predict.memory_bytes = m->budget - m->images;
    return RP_OK;
}
