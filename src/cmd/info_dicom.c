/* What `info` shows of a tree of DICOM images: patients, studies, series. */
#include "info.h"

#include <stdlib.h>
#include <string.h>

/* ---- order ------------------------------------------------------------------------------- */

/* Whose it is: by ID, else by name, else by study. */
static int compare_patient(const rp_dicom_header *a, const rp_dicom_header *b)
{
    int order = strcmp(a->patient_id, b->patient_id);
    if (!order && !a->patient_id[0]) order = strcmp(a->patient_name, b->patient_name);
    if (!order && !a->patient_id[0] && !a->patient_name[0])
        order = strcmp(a->study_uid, b->study_uid);
    return order;
}

static int compare_study(const rp_dicom_header *a, const rp_dicom_header *b)
{
    const int order = strcmp(a->study_date, b->study_date);
    return order ? order : strcmp(a->study_uid, b->study_uid);
}

static int compare_series(const void *a, const void *b)
{
    const rp_dicom_series_info *s = a, *t = b;
    int order = compare_patient(&s->header, &t->header);
    if (!order) order = compare_study(&s->header, &t->header);
    if (!order) order = strcmp(s->header.acquisition_date, t->header.acquisition_date);
    if (!order) order = strcmp(s->acquisition_time, t->acquisition_time);
    if (!order) order = atoi(s->header.series_number) - atoi(t->header.series_number);
    if (!order) order = strcmp(s->header.series_uid, t->header.series_uid);
    return order ? order : s->part - t->part;
}

/* ---- JSON -------------------------------------------------------------------------------- */

/* YYYYMMDD as YYYY-MM-DD, HHMMSS as HH:MM:SS; anything else as null. */
static void set_date(rp_json *json, const char *key, const char *date)
{
    char text[16] = "";
    if (strlen(date) == 8) snprintf(text, sizeof text, "%.4s-%.2s-%.2s", date, date + 4, date + 6);
    rp_json_set_string(json, key, text[0] ? text : NULL);
}

static void set_time(rp_json *json, const char *key, const char *time)
{
    char text[16] = "";
    if (strlen(time) >= 6) snprintf(text, sizeof text, "%.2s:%.2s:%.2s", time, time + 2, time + 4);
    rp_json_set_string(json, key, text[0] ? text : NULL);
}

static rp_json *series_json(const rp_dicom_series_info *s, bool identifiers)
{
    rp_json *json = rp_json_object();
    rp_json_set_string(json, "series_uid", s->header.series_uid);
    if (s->part) {
        RP_AUTOFREE char *choose = rp_format("%s#%d", s->header.series_uid, s->part);
        rp_json_set_int(json, "part", s->part);
        rp_json_set_int(json, "parts", s->parts);
        rp_json_set_string(json, "part_text", s->part_text);
        rp_json_set_string(json, "choose", choose);
    }
    rp_json_set_string(json, "description", s->header.series_description);
    rp_json_set_string(json, "modality", s->header.modality);
    set_date(json, "study_date", s->header.study_date);
    set_date(json, "date", s->header.acquisition_date);
    set_time(json, "time", s->acquisition_time);
    rp_json_set_string(json, "phase", s->phase);
    rp_json_set_string(json, "kernel", s->kernel);
    rp_json_set_int(json, "slices", (int64_t)s->files);
    rp_json_set_int(json, "passed_over", (int64_t)s->passed_over);
    rp_json_set_bool(json, "multi_frame", s->multi_frame);
    rp_json_set_int(json, "columns", s->columns);
    rp_json_set_int(json, "rows", s->rows);
    rp_json_set_numbers(json, "pixel_spacing_mm", s->pixel_spacing_mm, 2);
    rp_json_set_number(json, "slice_spacing_mm", s->slice_spacing_mm);
    rp_json_set_number(json, "slice_thickness_mm", s->slice_thickness_mm);
    rp_json_set_number(json, "tilt_degrees", s->tilt_degrees);
    rp_json_set_string(json, "frame_of_reference_uid", s->header.frame_of_reference_uid);
    rp_json_set_bool(json, "usable", s->usable);
    rp_json_set_bool(json, "usable_with_repair", s->usable || s->repairable);
    if (!s->usable) rp_json_set_string(json, "why_not", s->why_not);
    if (identifiers) info_set_identifiers(json, &s->header);
    return json;
}

static rp_json *all_series_json(rp_dicom_listing *listing, bool identifiers, int *patients,
                                int *studies)
{
    rp_json *all = rp_json_array();
    int study = 0;
    *patients = *studies = 0;
    qsort(listing->series, listing->count, sizeof *listing->series, compare_series);
    for (size_t i = 0; i < listing->count; i++) {
        const rp_dicom_header *now = &listing->series[i].header;
        const rp_dicom_header *before = i ? &listing->series[i - 1].header : NULL;
        const bool new_patient = !before || compare_patient(before, now) != 0;
        if (new_patient) study = 0, ++*patients;
        if (new_patient || compare_study(before, now) != 0) study++, ++*studies;
        rp_json *one = series_json(&listing->series[i], identifiers);
        rp_json_set_int(one, "patient", *patients);
        rp_json_set_int(one, "study", study);
        rp_json_append(all, one);
    }
    return all;
}

static rp_status fail_without_images(const char *path, const rp_dicom_listing *listing,
                                     rp_error *err)
{
    if (listing->broken_file)
        return rp_fail(err, RP_ERR_FORMAT, "%s: %s", listing->broken_file, listing->broken_why);
    if (listing->other_modalities[0])
        return rp_fail(err, RP_ERR_FORMAT, "%s: no DICOM images in it (found modality %s)", path,
                       listing->other_modalities);
    return rp_fail(err, RP_ERR_FORMAT, "%s: no DICOM images in it (%zu other files)", path,
                   listing->other_files);
}

rp_status info_dicom(const char *path, bool identifiers, rp_json *json, rp_error *err)
{
    rp_dicom_listing listing = {0};
    rp_status status = rp_dicom_list(path, &listing, err);
    if (!status && listing.count == 0) status = fail_without_images(path, &listing, err);
    if (!status) {
        int patients, studies;
        rp_json *all = all_series_json(&listing, identifiers, &patients, &studies);
        rp_json_set_string(json, "kind", "DICOM images");
        rp_json_set_int(json, "patients", patients);
        rp_json_set_int(json, "studies", studies);
        rp_json_set(json, "series", all);
        rp_json_set_int(json, "other_files", (int64_t)listing.other_files);
        rp_json_set_string(json, "other_modalities", listing.other_modalities);
        rp_json_set_int(json, "broken_files", (int64_t)listing.broken_files);
        if (listing.broken_file) {
            rp_json_set_string(json, "broken_file", listing.broken_file);
            rp_json_set_string(json, "broken_why", listing.broken_why);
        }
    }
    rp_dicom_listing_release(&listing);
    return status;
}

/* ---- for people -------------------------------------------------------------------------- */

static const char *text_of(const rp_json *json, const char *key)
{
    const char *text = rp_json_get_string(json, key);
    return text ? cmd_shown(text) : "";
}

static double number_of(const rp_json *json, const char *key)
{
    double number = 0;
    rp_json_get_number(json, key, &number);
    return number;
}

static bool is_true(const rp_json *json, const char *key)
{
    bool flag = false;
    return rp_json_get_bool(json, key, &flag) && flag;
}

static void print_line(const char *name, const char *text)
{
    if (text[0]) printf("      %-10s %s\n", name, text);
}

static void print_identifiers(const rp_json *series)
{
    const rp_json *of = rp_json_get(series, "identifiers");
    for (size_t i = 0; of && i < rp_json_length(of); i++) {
        const char *text = rp_json_as_string(rp_json_at(of, i));
        if (text && text[0]) printf("      %s: %s\n", rp_json_key_at(of, i), cmd_shown(text));
    }
}

static void print_size(const rp_json *series)
{
    const rp_json *pixels = rp_json_get(series, "pixel_spacing_mm");
    const double thickness = number_of(series, "slice_thickness_mm");
    const double spacing = number_of(series, "slice_spacing_mm");
    double x = 0, y = 0;
    if (pixels && rp_json_length(pixels) == 2) {
        rp_json_as_number(rp_json_at(pixels, 0), &x);
        rp_json_as_number(rp_json_at(pixels, 1), &y);
    }
    printf("      %-10s %.0f%s", "slices", number_of(series, "slices"),
           is_true(series, "multi_frame") ? " frames" : "");
    if (number_of(series, "columns") > 0)
        printf(", %.0f x %.0f pixels", number_of(series, "columns"), number_of(series, "rows"));
    if (x > 0) printf(" of %.4g x %.4g mm", x, y);
    if (spacing > 0) printf(", spacing %.4g mm", spacing);
    if (thickness > 0) printf(", thickness %.4g mm", thickness);
    if (number_of(series, "passed_over") > 0)
        printf("; %.0f more that are no slices", number_of(series, "passed_over"));
    putchar('\n');
}

static void print_use(const rp_json *series)
{
    const double tilt = number_of(series, "tilt_degrees");
    const char *why = text_of(series, "why_not");
    if (is_true(series, "usable") && tilt > 0)
        printf(
            "      %-10s yes, resampled to an upright grid: the gantry is tilted by %.1f degrees\n",
            "usable", tilt);
    else if (is_true(series, "usable"))
        print_line("usable", "yes");
    else
        printf("      %-10s %s: %s\n", "usable",
               is_true(series, "usable_with_repair") ? "with --repair only" : "no", why);
}

static void print_series(const rp_json *series)
{
    const char *name = text_of(series, "description"), *modality = text_of(series, "modality");
    const bool is_part = number_of(series, "part") > 0;
    char when[40];
    const char *date = text_of(series, "date"), *time = text_of(series, "time");
    snprintf(when, sizeof when, "%.10s%s%.8s", date, date[0] && time[0] ? " " : "", time);
    printf("    series %s\n",
           text_of(series, "series_uid")[0] ? text_of(series, "series_uid") : "without UID");
    if (is_part)
        printf("      %-10s %.0f of %.0f that lie upon or between one another: %s; --series %s\n",
               "part", number_of(series, "part"), number_of(series, "parts"),
               text_of(series, "part_text"), text_of(series, "choose"));
    printf("      %-10s %s%s%s\n", "what", modality[0] ? modality : "modality missing",
           name[0] ? ", " : "", name);
    print_line("acquired", when);
    print_line("phase", text_of(series, "phase"));
    print_line("kernel", text_of(series, "kernel"));
    print_size(series);
    print_use(series);
    print_identifiers(series);
}

void info_print_dicom(const rp_json *json)
{
    const rp_json *all = rp_json_get(json, "series");
    double patient = 0, study = 0;
    printf("path: %s\nkind: %s\n", text_of(json, "path"), text_of(json, "kind"));
    for (size_t i = 0; i < rp_json_length(all); i++) {
        const rp_json *series = rp_json_at(all, i);
        const double now = number_of(series, "patient"), its = number_of(series, "study");
        const char *date = text_of(series, "study_date");
        if (now != patient) printf("patient %.0f\n", now), study = 0;
        if (its != study) printf("  study %.0f%s%s\n", its, date[0] ? ", " : "", date);
        patient = now;
        study = its;
        print_series(series);
    }
    const char *modalities = text_of(json, "other_modalities");
    printf("other files: %.0f%s%s%s\n", number_of(json, "other_files"),
           modalities[0] ? " (among them " : "", modalities, modalities[0] ? ")" : "");
    if (number_of(json, "broken_files") > 0)
        printf("unreadable files: %.0f, such as %s: %s\n", number_of(json, "broken_files"),
               text_of(json, "broken_file"), text_of(json, "broken_why"));
    if (text_of(json, "label")[0]) printf("label: %s\n", text_of(json, "label"));
}
