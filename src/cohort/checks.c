/* What only the rows together show: visits in disorder, divided patients, files used twice. */
#define _GNU_SOURCE

#include "columns.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

/* ---- visits of a patient ----------------------------------------------------------------- */

static int compare_visits(const void *a, const void *b)
{
    const rp_cohort_visit *v = a, *w = b;
    if (v->kind != w->kind) return v->kind == RP_VISIT_BASELINE ? -1 : 1;
    const int dates = strcmp(v->date, w->date);
    if (dates) return dates;
    return v->row < w->row ? -1 : v->row > w->row;
}

static rp_status check_after_baseline(const rp_cohort_visit *baseline, const rp_cohort_visit *v,
                                      rp_cohort_problems *problems, rp_error *err)
{
    if (!v->date[0] || !baseline->date[0]) return RP_OK;
    const int order = strcmp(v->date, baseline->date);
    if (order > 0) return RP_OK;
    return rp_cohort_problem_add(problems, v->row, "date", order == 0, err,
                                 order == 0 ? "the day of the baseline in row %zu"
                                            : "before the baseline in row %zu",
                                 baseline->row);
}

static rp_status check_followups(const rp_cohort_visit *before, const rp_cohort_visit *v,
                                 bool half_read, rp_cohort_problems *problems, rp_error *err)
{
    if (!before->date[0])
        return half_read ? RP_OK
                         : rp_cohort_problem_add(problems, before->row, "date", false, err,
                                                 "one of several followups, which need their "
                                                 "dates");
    if (strcmp(before->date, v->date) != 0) return RP_OK;
    return rp_cohort_problem_add(problems, v->row, "visit", false, err,
                                 "the same visit as row %zu: a followup of that day", before->row);
}

static rp_status check_order(const rp_cohort_patient *p, bool half_read,
                             rp_cohort_problems *problems, rp_error *err)
{
    const rp_cohort_visit *first = &p->visits[0];
    rp_status status = RP_OK;
    if (first->kind == RP_VISIT_FOLLOWUP && !half_read)
        status = rp_cohort_problem_add(problems, first->row, "visit", false, err,
                                       "a followup of a patient without baseline");
    for (size_t i = 1; !status && i < p->visit_count; i++) {
        const rp_cohort_visit *v = &p->visits[i];
        if (v->kind == RP_VISIT_BASELINE)
            status = rp_cohort_problem_add(problems, v->row, "visit", false, err,
                                           "a second baseline; the first is row %zu", first->row);
        else if (first->kind == RP_VISIT_BASELINE)
            status = check_after_baseline(first, v, problems, err);
        if (!status && v->kind == RP_VISIT_FOLLOWUP && v[-1].kind == RP_VISIT_FOLLOWUP)
            status = check_followups(&v[-1], v, half_read, problems, err);
    }
    return status;
}

/* ---- splits ------------------------------------------------------------------------------ */

static bool is_fold(const char *split)
{
    return split[0] >= '1' && split[0] <= '9';
}

static rp_status check_splits(const rp_cohort *cohort, rp_cohort_problems *problems, rp_error *err)
{
    size_t named = 0, folds = 0, without = 0, example = 0;
    for (size_t i = 0; i < cohort->patient_count; i++) {
        const rp_cohort_patient *p = &cohort->patients[i];
        if (!p->split[0]) {
            example = without++ ? example : p->visits[0].row;
        } else if (is_fold(p->split)) {
            folds++;
        } else if (strcmp(p->split, "test") != 0) {
            named++;
        }
    }
    rp_status status = RP_OK;
    if (named && folds)
        status = rp_cohort_problem_add(problems, 0, "split", false, err,
                                       "training and validation beside numbered folds: use either");
    if (!status && without && without < cohort->patient_count)
        status = rp_cohort_problem_add(
            problems, 0, "split", true, err,
            "%zu of %zu patients are in no split and will not be used (the first in row %zu)",
            without, cohort->patient_count, example);
    return status;
}

static int compare_spelling(const void *a, const void *b)
{
    const rp_cohort_patient *const *p = a, *const *q = b;
    const int order = strcasecmp((*p)->id, (*q)->id);
    return order ? order : *p < *q ? -1 : *p > *q;
}

/* Each is told of the first one that is spelt like it. */
static rp_status check_spelling(const rp_cohort *cohort, rp_cohort_problems *problems,
                                rp_error *err)
{
    const size_t count = cohort->patient_count;
    RP_AUTOFREE const rp_cohort_patient **sorted = rp_alloc(count, sizeof *sorted);
    if (!sorted) return rp_fail(err, RP_ERR_MEMORY, "manifest: out of memory");
    for (size_t i = 0; i < count; i++) sorted[i] = &cohort->patients[i];
    if (count) qsort(sorted, count, sizeof *sorted, compare_spelling);
    rp_status status = RP_OK;
    for (size_t i = 1, first = 0; !status && i < count; i++) {
        if (strcasecmp(sorted[i]->id, sorted[first]->id) != 0)
            first = i;
        else
            status = rp_cohort_problem_add(problems, sorted[i]->visits[0].row, "patient", true, err,
                                           "differs from the patient of row %zu in capitals only",
                                           sorted[first]->visits[0].row);
    }
    return status;
}

static rp_status check_each(rp_cohort *cohort, const rp_map *half_read,
                            rp_cohort_problems *problems, rp_error *err)
{
    rp_status status = RP_OK;
    for (size_t i = 0; !status && i < cohort->patient_count; i++) {
        rp_cohort_patient *p = &cohort->patients[i];
        qsort(p->visits, p->visit_count, sizeof *p->visits, compare_visits);
        status = check_order(p, rp_map_find(half_read, p->id) != RP_MAP_NONE, problems, err);
    }
    return status;
}

rp_status check_patients(rp_cohort *cohort, const id_list *half_read, rp_cohort_problems *problems,
                         rp_error *err)
{
    rp_map ids = {0};
    bool complete = true;
    for (size_t i = 0; complete && i < half_read->count; i++)
        complete = rp_map_put(&ids, half_read->items[i], i);
    rp_status status = complete ? check_each(cohort, &ids, problems, err)
                                : rp_fail(err, RP_ERR_MEMORY, "manifest: out of memory");
    rp_map_release(&ids);
    if (!status) status = check_splits(cohort, problems, err);
    return status ? status : check_spelling(cohort, problems, err);
}

/* ---- files ------------------------------------------------------------------------------- */

rp_status check_exists(size_t row, known_column which, const char *path,
                       rp_cohort_problems *problems, rp_error *err)
{
    const char *name = column_names[which];
    if (!path[0]) return RP_OK;
    if (rp_path_exists(path)) {
        if (which != COLUMN_CONTOUR || !rp_path_is_directory(path)) return RP_OK;
        return rp_cohort_problem_add(problems, row, name, false, err,
                                     "%s: a folder, where a file is needed", path);
    }
    RP_AUTOFREE char *start = rp_strdup(path);
    char *colon = start ? strrchr(start, ':') : NULL;
    if (colon) *colon = '\0';
    const bool named = colon && which == COLUMN_CONTOUR && rp_path_exists(start);
    return rp_cohort_problem_add(problems, row, name, false, err, "%s: does not exist%s", path,
                                 named ? "; a structure's name belongs in the column roi" : "");
}

/* A file that a row names. */
typedef struct named_file {
    const rp_cohort_patient *patient;
    const rp_cohort_visit *visit;
    known_column which;
    char *real;       /* without links and detours */
    const char *part; /* series or structure within it */
    long long bytes;  /* -1 for a folder */
    char sha256[RP_SHA256_HEX];
} named_file;

typedef struct file_list {
    named_file *items;
    size_t count;
} file_list;

static rp_status add_file(file_list *files, const rp_cohort_patient *p, const rp_cohort_visit *v,
                          known_column which, rp_error *err)
{
    const bool is_image = which == COLUMN_IMAGE;
    const char *path = is_image ? v->image : v->contour;
    char real[PATH_MAX];
    struct stat info;
    if (!path[0] || !realpath(path, real) || stat(path, &info) != 0) return RP_OK;
    rp_status status = grow(&files->items, files->count, sizeof *files->items, err);
    if (status) return status;
    named_file f = {.patient = p, .visit = v, .which = which, .real = rp_strdup(real)};
    f.part = is_image ? v->series : v->roi;
    f.bytes = S_ISDIR(info.st_mode) ? -1 : (long long)info.st_size;
    if (!f.real) return rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", path);
    files->items[files->count++] = f;
    return RP_OK;
}

static int compare_rows(const named_file *f, const named_file *g)
{
    if (f->visit->row != g->visit->row) return f->visit->row < g->visit->row ? -1 : 1;
    return (int)f->which - (int)g->which;
}

static int by_name(const void *a, const void *b)
{
    const named_file *f = a, *g = b;
    int order = strcmp(f->real, g->real);
    if (!order) order = strcmp(f->part, g->part);
    return order ? order : compare_rows(f, g);
}

static int by_content(const void *a, const void *b)
{
    const named_file *f = a, *g = b;
    if (f->bytes != g->bytes) return f->bytes < g->bytes ? -1 : 1;
    const int order = strcmp(f->sha256, g->sha256);
    return order ? order : compare_rows(f, g);
}

/* f comes later in the file than the one that it repeats. */
static rp_status complain_of_copy(const named_file *first, const named_file *f, const char *what,
                                  rp_cohort_problems *problems, rp_error *err)
{
    const bool same_patient = f->patient == first->patient;
    const bool divided = !same_patient && strcmp(f->patient->split, first->patient->split) != 0;
    return rp_cohort_problem_add(problems, f->visit->row, column_names[f->which], false, err,
                                 "%s row %zu%s%s", what, first->visit->row,
                                 same_patient ? "" : ", of another patient",
                                 divided ? " in another split" : "");
}

static rp_status find_repeated_names(const file_list *files, rp_cohort_problems *problems,
                                     rp_error *err)
{
    rp_status status = RP_OK;
    size_t first = 0;
    qsort(files->items, files->count, sizeof *files->items, by_name);
    for (size_t i = 1; !status && i < files->count; i++) {
        const named_file *f = &files->items[i], *g = &files->items[first];
        if (strcmp(f->real, g->real) != 0 || strcmp(f->part, g->part) != 0) {
            first = i;
            continue;
        }
        status = complain_of_copy(
            g, f, f->which == g->which ? "the same file as in" : "a file also used in", problems,
            err);
    }
    return status;
}

/* Only files of one size can be copies, so few have to be read. */
static rp_status hash_candidates(const file_list *files, rp_error *err)
{
    rp_status status = RP_OK;
    qsort(files->items, files->count, sizeof *files->items, by_content);
    for (size_t i = 0; !status && i < files->count; i++) {
        named_file *f = &files->items[i];
        const bool alike =
            (i > 0 && f[-1].bytes == f->bytes) || (i + 1 < files->count && f[1].bytes == f->bytes);
        if (f->bytes >= 0 && alike) status = rp_sha256_file(f->real, f->sha256, err);
    }
    return status;
}

static rp_status find_copies(const file_list *files, rp_cohort_problems *problems, rp_error *err)
{
    rp_status status = hash_candidates(files, err);
    size_t first = 0;
    if (status) return status;
    qsort(files->items, files->count, sizeof *files->items, by_content);
    for (size_t i = 1; !status && i < files->count; i++) {
        const named_file *f = &files->items[i], *g = &files->items[first];
        if (!f->sha256[0] || strcmp(f->sha256, g->sha256) != 0) {
            first = i;
            continue;
        }
        /* Masks may be equal by chance, and one file twice has been told. */
        const bool image = f->which == COLUMN_IMAGE && g->which == COLUMN_IMAGE;
        if (image && strcmp(f->real, g->real) != 0)
            status = complain_of_copy(g, f, "a copy of the image in", problems, err);
    }
    return status;
}

rp_status check_files(const rp_cohort *cohort, rp_cohort_problems *problems, rp_error *err)
{
    file_list files = {0};
    rp_status status = RP_OK;
    for (size_t i = 0; !status && i < cohort->patient_count; i++) {
        const rp_cohort_patient *p = &cohort->patients[i];
        for (size_t k = 0; !status && k < p->visit_count; k++) {
            const rp_cohort_visit *v = &p->visits[k];
            status = add_file(&files, p, v, COLUMN_IMAGE, err);
            if (!status) status = add_file(&files, p, v, COLUMN_CONTOUR, err);
        }
    }
    if (!status && files.count) status = find_repeated_names(&files, problems, err);
    if (!status && files.count) status = find_copies(&files, problems, err);
    for (size_t i = 0; i < files.count; i++) rp_free(files.items[i].real);
    rp_free(files.items);
    return status;
}
