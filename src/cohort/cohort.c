/* Cohorts in memory, and the list of what is wrong with one. */
#include "reprise/cohort.h"

#include "grow.h"

#include <stdarg.h>
#include <string.h>

rp_status grow(void *items_address, size_t count, size_t size, rp_error *err)
{
    enum { FIRST = 8 };
    void **items = items_address;
    const bool full = count == 0 || (count >= FIRST && (count & (count - 1)) == 0);
    if (!full) return RP_OK;
    void *more = rp_alloc(count ? 2 * count : FIRST, size);
    if (!more) return rp_fail(err, RP_ERR_MEMORY, "manifest: out of memory");
    if (count) memcpy(more, *items, count * size);
    rp_free(*items);
    *items = more;
    return RP_OK;
}

/* ---- visits and patients ----------------------------------------------------------------- */

static void release_visit(rp_cohort_visit *v, size_t clinical)
{
    rp_free(v->date);
    rp_free(v->image);
    rp_free(v->contour);
    rp_free(v->roi);
    rp_free(v->series);
    rp_free(v->label);
    rp_string_list_free(v->clinical, clinical);
    *v = (rp_cohort_visit){0};
}

void rp_cohort_release(rp_cohort *cohort)
{
    for (size_t i = 0; i < cohort->patient_count; i++) {
        rp_cohort_patient *p = &cohort->patients[i];
        for (size_t k = 0; k < p->visit_count; k++)
            release_visit(&p->visits[k], cohort->clinical_count);
        rp_free(p->visits);
        rp_free(p->id);
        rp_free(p->split);
    }
    rp_free(cohort->patients);
    rp_map_release(&cohort->by_id);
    rp_string_list_free(cohort->clinical_columns, cohort->clinical_count);
    rp_free(cohort->path);
    *cohort = (rp_cohort){0};
}

rp_status rp_cohort_add_column(rp_cohort *cohort, const char *name, rp_error *err)
{
    if (cohort->patient_count)
        return rp_fail(err, RP_ERR_ARGUMENT, "manifest: column '%s' comes after visits", name);
    for (size_t i = 0; i < cohort->clinical_count; i++)
        if (strcmp(cohort->clinical_columns[i], name) == 0)
            return rp_fail(err, RP_ERR_ARGUMENT, "manifest: column '%s' twice", name);
    rp_status status = grow(&cohort->clinical_columns, cohort->clinical_count, sizeof(char *), err);
    if (status) return status;
    char *copy = rp_strdup(name);
    if (!copy) return rp_fail(err, RP_ERR_MEMORY, "manifest: out of memory");
    cohort->clinical_columns[cohort->clinical_count++] = copy;
    return RP_OK;
}

static char *copy_or_empty(const char *text, bool *complete)
{
    char *copy = rp_strdup(text ? text : "");
    *complete = *complete && copy;
    return copy;
}

static bool copy_visit(const rp_cohort_visit *from, size_t clinical, rp_cohort_visit *to)
{
    bool complete = true;
    *to = (rp_cohort_visit){.row = from->row, .kind = from->kind};
    to->date = copy_or_empty(from->date, &complete);
    to->image = copy_or_empty(from->image, &complete);
    to->contour = copy_or_empty(from->contour, &complete);
    to->roi = copy_or_empty(from->roi, &complete);
    to->series = copy_or_empty(from->series, &complete);
    to->label = copy_or_empty(from->label, &complete);
    to->clinical = rp_alloc(clinical, sizeof *to->clinical);
    for (size_t i = 0; to->clinical && i < clinical; i++)
        to->clinical[i] = copy_or_empty(from->clinical ? from->clinical[i] : NULL, &complete);
    return complete && to->clinical;
}

size_t rp_cohort_find(const rp_cohort *cohort, const char *id)
{
    return rp_map_find(&cohort->by_id, id);
}

/* A map forgets nothing by itself. */
static void remove_last(rp_cohort *cohort)
{
    rp_cohort_patient *last = &cohort->patients[--cohort->patient_count];
    rp_map_release(&cohort->by_id);
    for (size_t i = 0; i < cohort->patient_count; i++)
        rp_map_put(&cohort->by_id, cohort->patients[i].id, i);
    rp_free(last->id);
    rp_free(last->split);
}

static rp_status find_or_make(rp_cohort *cohort, const char *id, rp_cohort_patient **patient,
                              rp_error *err)
{
    const size_t place = rp_cohort_find(cohort, id);
    if (place != RP_MAP_NONE) {
        *patient = &cohort->patients[place];
        return RP_OK;
    }
    rp_status status = grow(&cohort->patients, cohort->patient_count, sizeof **patient, err);
    if (status) return status;
    rp_cohort_patient made = {.id = rp_strdup(id), .split = rp_strdup("")};
    if (!made.id || !made.split || !rp_map_put(&cohort->by_id, made.id, cohort->patient_count)) {
        rp_free(made.id);
        rp_free(made.split);
        return rp_fail(err, RP_ERR_MEMORY, "manifest: out of memory");
    }
    *patient = &cohort->patients[cohort->patient_count++];
    **patient = made;
    return RP_OK;
}

rp_status rp_cohort_add_visit(rp_cohort *cohort, const char *id, const rp_cohort_visit *visit,
                              rp_cohort_patient **patient, rp_error *err)
{
    rp_cohort_visit copy = {0};
    rp_cohort_patient *whose = NULL;
    rp_status status = RP_OK;
    if (!copy_visit(visit, cohort->clinical_count, &copy))
        status = rp_fail(err, RP_ERR_MEMORY, "manifest: out of memory");
    if (!status) status = find_or_make(cohort, id, &whose, err);
    if (!status) status = grow(&whose->visits, whose->visit_count, sizeof copy, err);
    if (status) {
        release_visit(&copy, cohort->clinical_count);
        /* A patient without visits would be a surprise to everybody. */
        if (whose && whose->visit_count == 0) remove_last(cohort);
        return status;
    }
    whose->visits[whose->visit_count++] = copy;
    if (patient) *patient = whose;
    return RP_OK;
}

/* ---- splits asked for -------------------------------------------------------------------- */

static bool is_fold(const char *text, size_t length)
{
    return length > 0 && strspn(text, "0123456789") >= length;
}

static bool same_split(const char *split, const char *wanted, size_t length)
{
    if (length == 5 && strncmp(wanted, "train", length) == 0) return strcmp(split, "training") == 0;
    if (length == 3 && strncmp(wanted, "val", length) == 0) return strcmp(split, "validation") == 0;
    return strlen(split) == length && strncmp(split, wanted, length) == 0;
}

static bool in_one(const char *split, const char *wanted, size_t length)
{
    if (length == 3 && strncmp(wanted, "all", length) == 0) return true;
    if (!split[0]) return false;
    if (length < 4 || strncmp(wanted, "not:", 4) != 0) return same_split(split, wanted, length);
    wanted += 4;
    length -= 4;
    /* Who is kept for the test is in no fold, hence in no complement of one. */
    if (is_fold(wanted, length) && !is_fold(split, strlen(split))) return false;
    return !same_split(split, wanted, length);
}

bool rp_cohort_in_split(const rp_cohort_patient *patient, const char *wanted)
{
    for (;;) {
        const size_t length = strcspn(wanted, ",");
        if (in_one(patient->split, wanted, length)) return true;
        if (!wanted[length]) return false;
        wanted += length + 1;
    }
}

/* ---- problems ---------------------------------------------------------------------------- */

void rp_cohort_problems_release(rp_cohort_problems *problems)
{
    rp_free(problems->items);
    *problems = (rp_cohort_problems){0};
}

/* One line for a terminal, and whole characters, whatever was in the file. */
static void make_printable(char *text)
{
    size_t length = strlen(text), start = length;
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7F) text[i] = '?';
    while (start > 0 && ((unsigned char)text[start - 1] & 0xC0) == 0x80) start--;
    if (start == 0 || (unsigned char)text[start - 1] < 0xC0) return;
    const unsigned char lead = (unsigned char)text[start - 1];
    const size_t wanted = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (length - (start - 1) < wanted) text[start - 1] = '\0';
}

rp_status rp_cohort_problem_add(rp_cohort_problems *problems, size_t row, const char *column,
                                bool warning, rp_error *err, const char *format, ...)
{
    rp_cohort_problem made = {.row = row, .warning = warning};
    va_list arguments;
    rp_status status = grow(&problems->items, problems->count, sizeof made, err);
    if (status) return status;
    snprintf(made.column, sizeof made.column, "%s", column);
    va_start(arguments, format);
    vsnprintf(made.text, sizeof made.text, format, arguments);
    va_end(arguments);
    make_printable(made.column);
    make_printable(made.text);
    problems->items[problems->count++] = made;
    if (!warning) problems->errors++;
    return RP_OK;
}
