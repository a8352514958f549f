/* Manifests out: whole or not at all, with paths that survive a move of the folder. */
#define _GNU_SOURCE

#include "columns.h"

#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct writer {
    const rp_cohort *cohort;
    char *folder; /* of the manifest, absolute, with a slash behind */
    bool used[COLUMN_COUNT];
    rp_outfile *out;
    rp_error *err;
} writer;

/* Absolute, without "." and empty parts; symbolic links stay, so that a folder of links counts as
 * holding what it links to. rp_alloc'd. */
static char *absolute(const char *path)
{
    char here[PATH_MAX];
    if (path[0] != '/' && !getcwd(here, sizeof here)) return NULL;
    char *whole = path[0] == '/' ? rp_strdup(path) : rp_format("%s/%s", here, path);
    if (!whole) return NULL;
    char *to = whole;
    for (const char *from = whole; *from;) {
        const size_t length = strcspn(from + 1, "/") + 1; /* "/part" */
        const bool nothing = length == 1 || (length == 2 && from[1] == '.');
        if (!nothing) {
            memmove(to, from, length);
            to += length;
        }
        from += length;
    }
    *to = '\0';
    /* What ".." leaves depends on links: the system knows. */
    char resolved[PATH_MAX];
    if (!strstr(whole, "/..") || !realpath(whole, resolved)) return whole;
    rp_free(whole);
    return rp_strdup(resolved);
}

static rp_status write_path(const writer *w, const char *path, const char *after)
{
    if (!path[0]) return rp_csv_write_cell(w->out, path, after, w->err);
    RP_AUTOFREE char *whole = absolute(path);
    if (!whole) return rp_fail(w->err, RP_ERR_MEMORY, "%s: out of memory", path);
    const size_t length = strlen(w->folder);
    const bool below = strncmp(whole, w->folder, length) == 0 && whole[length];
    return rp_csv_write_cell(w->out, below ? whole + length : whole, after, w->err);
}

static const char *evaluable_text(rp_recist_evaluable evaluable)
{
    return evaluable == RP_EVALUABLE_YES ? "yes" : evaluable == RP_EVALUABLE_NO ? "no" : "";
}

static const char *cell_of(const rp_cohort_patient *p, const rp_cohort_visit *v, known_column c)
{
    const char *const cells[COLUMN_COUNT] = {
        [COLUMN_PATIENT] = p->id,
        [COLUMN_VISIT] = v->kind == RP_VISIT_BASELINE ? "baseline" : "followup",
        [COLUMN_DATE] = v->date,
        [COLUMN_IMAGE] = v->image,
        [COLUMN_SERIES] = v->series,
        [COLUMN_CONTOUR] = v->contour,
        [COLUMN_ROI] = v->roi,
        [COLUMN_SPLIT] = p->split,
        [COLUMN_EVALUABLE] = evaluable_text(p->recist_evaluable),
        [COLUMN_LABEL] = v->label};
    return cells[c] ? cells[c] : "";
}

static void find_used(writer *w)
{
    static const known_column required[] = {COLUMN_PATIENT, COLUMN_VISIT, COLUMN_IMAGE,
                                            COLUMN_CONTOUR};
    for (size_t i = 0; i < sizeof required / sizeof *required; i++) w->used[required[i]] = true;
    for (size_t i = 0; i < w->cohort->patient_count; i++) {
        const rp_cohort_patient *p = &w->cohort->patients[i];
        for (size_t k = 0; k < p->visit_count; k++)
            for (int c = 0; c < COLUMN_COUNT; c++)
                if (cell_of(p, &p->visits[k], (known_column)c)[0]) w->used[c] = true;
    }
}

static rp_status write_header(const writer *w)
{
    rp_status status = RP_OK;
    const size_t clinical = w->cohort->clinical_count;
    int last = 0;
    for (int c = 0; c < COLUMN_COUNT; c++)
        if (w->used[c]) last = c;
    for (int c = 0; !status && c < COLUMN_COUNT; c++)
        if (w->used[c])
            status = rp_csv_write_cell(w->out, column_names[c], c < last || clinical ? "," : "\n",
                                       w->err);
    for (size_t i = 0; !status && i < clinical; i++)
        status = rp_csv_write_cell(w->out, w->cohort->clinical_columns[i],
                                   i + 1 < clinical ? "," : "\n", w->err);
    return status;
}

static rp_status write_row(const writer *w, const rp_cohort_patient *p, const rp_cohort_visit *v)
{
    rp_status status = RP_OK;
    const size_t clinical = w->cohort->clinical_count;
    int last = 0;
    for (int c = 0; c < COLUMN_COUNT; c++)
        if (w->used[c]) last = c;
    for (int c = 0; !status && c < COLUMN_COUNT; c++) {
        if (!w->used[c]) continue;
        const char *after = c < last || clinical ? "," : "\n",
                   *cell = cell_of(p, v, (known_column)c);
        const bool is_path = c == COLUMN_IMAGE || c == COLUMN_CONTOUR;
        status =
            is_path ? write_path(w, cell, after) : rp_csv_write_cell(w->out, cell, after, w->err);
    }
    for (size_t i = 0; !status && i < clinical; i++) {
        const char *cell = v->clinical && v->clinical[i] ? v->clinical[i] : "";
        status = rp_csv_write_cell(w->out, cell, i + 1 < clinical ? "," : "\n", w->err);
    }
    return status;
}

static rp_status write_all(const writer *w)
{
    rp_status status = write_header(w);
    for (size_t i = 0; !status && i < w->cohort->patient_count; i++) {
        const rp_cohort_patient *p = &w->cohort->patients[i];
        for (size_t k = 0; !status && k < p->visit_count; k++)
            status = write_row(w, p, &p->visits[k]);
    }
    return status ? status : rp_outfile_commit(w->out, w->err);
}

rp_status rp_cohort_write(const char *path, const rp_cohort *cohort, rp_error *err)
{
    writer w = {.cohort = cohort, .err = err};
    RP_AUTOFREE char *copy = rp_strdup(path);
    RP_AUTOFREE char *parent = copy ? absolute(dirname(copy)) : NULL;
    RP_AUTOFREE char *folder = parent ? rp_format("%s/", parent) : NULL;
    if (!folder) return rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", path);
    w.folder = folder;
    find_used(&w);
    rp_status status = rp_outfile_create(path, &w.out, err);
    if (!status) status = write_all(&w);
    rp_outfile_destroy(w.out);
    return status;
}
