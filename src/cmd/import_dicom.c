/* A tree of DICOM studies with RTSTRUCT or SEG: of each patient the first study with a contour, and
 * the next. */
#include "import_dicom.h"
#include "input.h"

#include <stdlib.h>
#include <string.h>

enum { SEX, AGE, COLUMNS };

/* ---- dates ------------------------------------------------------------------------------- */

static const char *day_of(const found_series *s)
{
    const rp_dicom_header *h = &s->info.header;
    return h->acquisition_date[0] ? h->acquisition_date : h->study_date;
}

static bool has_day(const found_series *s)
{
    const char *day = day_of(s);
    return strlen(day) == 8 && strspn(day, "0123456789") == 8;
}

/* Whole years; -1 where a date is missing or makes no sense. */
static int age_at(const char *birth, const char *day)
{
    if (strlen(birth) != 8 || strspn(birth, "0123456789") != 8) return -1;
    const int years = (atoi(day) - atoi(birth)) / 10000; /* YYYYMMDD: the birthday decides */
    return years >= 0 && years <= 120 ? years : -1;
}

/* ---- what is left out -------------------------------------------------------------------- */

static void leave_out(import_job *job, found_series *s, const char *why)
{
    const char *folder = s->folder ? s->folder : job->folder;
    RP_AUTOFREE char *named = rp_format("%s, series %s", folder, s->name);
    import_leave_out(job, s->alone || !named ? folder : named, "%s", why);
    s->told = true;
}

static void leave_out_dateless(import_job *job, found_series *s)
{
    RP_AUTOFREE char *why =
        rp_format("has no date that can be read (YYYYMMDD)%s%s%s: its place "
                  "among the studies cannot be told",
                  day_of(s)[0] ? ", but '" : "", day_of(s), day_of(s)[0] ? "'" : "");
    leave_out(job, s, why ? why : "has no date that can be read");
}

static void leave_out_unusable(import_job *job, found_series *s)
{
    const rp_dicom_header *h = &s->info.header;
    const bool usable = s->info.usable || (s->info.repairable && input_repair_wanted());
    if (!usable)
        leave_out(job, s, s->info.why_not[0] ? s->info.why_not : "no CT that can be read");
    else if (!h->patient_id[0])
        leave_out(job, s, "has no PatientID: whose it is cannot be told");
    else if (!h->series_uid[0] || !s->folder)
        leave_out(job, s, "has no SeriesInstanceUID");
    else if (s->others)
        leave_out(job, s, "its folder also holds images of other patients; sort them apart first");
    else if (!has_day(s))
        leave_out_dateless(job, s);
    else if (s->drawn > 1)
        leave_out(job, s,
                  "several RTSTRUCT or SEG hold such a structure on it; which one counts "
                  "cannot be told");
}

/* ---- choosing ---------------------------------------------------------------------------- */

static int compare_text(const char *a, const char *b, int otherwise)
{
    const int order = strcmp(a, b);
    return order ? order : otherwise;
}

/* By patient, day and study; within a study those with a contour first, then the finer ones. */
static int compare_series(const void *a, const void *b)
{
    const found_series *s = *(found_series *const *)a, *t = *(found_series *const *)b;
    const rp_dicom_header *h = &s->info.header, *k = &t->info.header;
    int order = compare_text(h->series_uid, k->series_uid, s->info.part - t->info.part);
    if (s->info.files != t->info.files) order = s->info.files > t->info.files ? -1 : 1;
    if (!s->drawn != !t->drawn) order = s->drawn ? -1 : 1;
    order = compare_text(h->study_uid, k->study_uid, order);
    order = compare_text(day_of(s), day_of(t), order);
    return compare_text(h->patient_id, k->patient_id, order);
}

static bool same_patient(const found_series *s, const found_series *t)
{
    return strcmp(s->info.header.patient_id, t->info.header.patient_id) == 0;
}

static bool same_study(const found_series *s, const found_series *t)
{
    return strcmp(s->info.header.study_uid, t->info.header.study_uid) == 0 &&
           strcmp(day_of(s), day_of(t)) == 0;
}

/* Whether a study, whose first series this is, can be the follow-up: its contoured series, or its
 * only one. */
static bool is_clear(found_series *const *list, size_t i, size_t end)
{
    return list[i]->drawn || i + 1 == end || !same_study(list[i], list[i + 1]);
}

/* Of one patient's series, sorted: which is the baseline, which the follow-up; end where there is
 * none. The others are told. */
static void choose(import_job *job, found_series *const *list, size_t start, size_t end,
                   size_t *baseline, size_t *followup)
{
    *baseline = *followup = end;
    for (size_t i = start; i < end; i++) {
        found_series *s = list[i];
        const found_series *first = *baseline < end ? list[*baseline] : NULL;
        if (first && same_study(s, first))
            leave_out(job, s, "another series of the baseline study is taken");
        else if (*followup < end && same_study(s, list[*followup]))
            leave_out(job, s, "another series of the follow-up study is taken");
        else if (*followup < end)
            leave_out(job, s, "a later study than the one after the baseline");
        else if (!first && s->drawn)
            *baseline = i;
        else if (!first)
            leave_out(job, s, "no contour refers to it, nor to an earlier study of the patient");
        else if (strcmp(day_of(s), day_of(first)) == 0)
            leave_out(job, s, "of the day of the baseline, but of another study");
        else if (is_clear(list, i, end) && !(i > start && same_study(s, list[i - 1])))
            *followup = i;
        else
            leave_out(job, s, "no contour tells which series of the study is meant");
    }
}

/* ---- rows -------------------------------------------------------------------------------- */

/* An id that may be a file's name. rp_alloc'd. */
static char *clean_id(const char *id)
{
    char *clean = rp_format("%.64s", id);
    for (char *c = clean; c && *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7F || strchr("/\\ ", *c)) *c = '_';
    if (clean && (clean[0] == '.' || clean[0] == '-')) clean[0] = '_';
    return clean;
}

static rp_status add_visit(import_job *job, const char *id, const found_series *s, bool followup,
                           rp_error *err)
{
    const rp_dicom_header *h = &s->info.header;
    const char *day = day_of(s);
    const int age = age_at(h->patient_birth_date, day);
    char date[16], years[8] = "", label[32];
    char *clinical[COLUMNS] = {[SEX] = (char *)h->patient_sex, [AGE] = years};
    snprintf(date, sizeof date, "%.4s-%.2s-%.2s", day, day + 4, day + 6);
    if (age >= 0) snprintf(years, sizeof years, "%d", age);
    cmd_find_label(s->folder, h, label);
    const rp_cohort_visit v = {.kind = followup ? RP_VISIT_FOLLOWUP : RP_VISIT_BASELINE,
                               .date = date,
                               .image = s->folder,
                               .series = s->alone ? NULL : (char *)s->name,
                               .contour = s->contour,
                               .roi = (char *)s->roi,
                               .label = label,
                               .clinical = clinical};
    return rp_cohort_add_visit(&job->cohort, id, &v, NULL, err);
}

static rp_status add_patient(import_job *job, found_series *const *list, size_t start, size_t end,
                             rp_error *err)
{
    size_t baseline, followup;
    choose(job, list, start, end, &baseline, &followup);
    if (baseline == end) return RP_OK;
    RP_AUTOFREE char *id = job->keep_ids ? clean_id(list[start]->info.header.patient_id)
                                         : rp_format("P%03zu", job->cohort.patient_count + 1);
    if (!id) return rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", job->folder);
    if (rp_cohort_find(&job->cohort, id) != RP_MAP_NONE)
        return rp_fail(err, RP_ERR_UNSUPPORTED,
                       "%s: two PatientIDs are alike once they can be file names; leave "
                       "--keep-ids away",
                       job->folder);
    rp_status status = add_visit(job, id, list[baseline], false, err);
    if (!status && followup < end) status = add_visit(job, id, list[followup], true, err);
    return status;
}

static rp_status add_patients(import_job *job, found_tree *tree, rp_error *err)
{
    size_t usable = 0;
    RP_AUTOFREE found_series **list = rp_alloc(tree->count, sizeof *list);
    if (!list) return rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", job->folder);
    for (size_t i = 0; i < tree->count; i++) {
        leave_out_unusable(job, &tree->series[i]);
        if (!tree->series[i].told) list[usable++] = &tree->series[i];
    }
    if (usable) qsort(list, usable, sizeof *list, compare_series);
    rp_status status = RP_OK;
    for (size_t start = 0, end; !status && start < usable; start = end) {
        for (end = start + 1; end < usable && same_patient(list[start], list[end]);) end++;
        status = add_patient(job, list, start, end, err);
    }
    return status;
}

rp_status import_dicom(import_job *job, rp_error *err)
{
    found_tree tree;
    rp_status status = rp_cohort_add_column(&job->cohort, "sex", err);
    if (!status) status = rp_cohort_add_column(&job->cohort, "age", err);
    if (!status) status = found_tree_read(job, &tree, err);
    if (status) return status;
    status = add_patients(job, &tree, err);
    if (!status && tree.not_images)
        import_leave_out(job, job->folder, "%zu files are neither DICOM images nor RTSTRUCT or SEG",
                         tree.not_images);
    found_tree_release(&tree);
    return status;
}
