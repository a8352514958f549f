/* evaluation.html and evaluation.pdf: images on demand, and how the general model learnt. */
#include "evaluate.h"
#include "reprise/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- images of a case ------------------------------------------------------------------------ */

static rp_status load_mask(const evaluate_patient *p, rp_source source, rp_mask *out, rp_error *err)
{
    RP_AUTOFREE char *path = evaluate_mask_path(p, source);
    if (!path) return rp_fail(err, RP_ERR_MEMORY, "out of memory");
    return rp_nifti_read_mask(path, false, out, NULL, err);
}

/* The report takes image and masks over. */
static rp_status load_visit(void *context, size_t index, int visit, rp_case_visit *out,
                            rp_error *err)
{
    const evaluate_run *run = context;
    const evaluate_patient *p = &run->patients[run->patient_of_case[index]];
    const rp_case *one = &run->evaluation.cases[index];
    cmd_ct ct = {0};
    cmd_contour contour = {0};
    *out = (rp_case_visit){0};
    rp_status status = cmd_cohort_load(p->visit[visit], cmd_progress(&run->arguments->common), &ct,
                                       &contour, NULL, err);
    if (!status) {
        out->image = ct.series.image;
        out->manual = contour.mask;
        ct.series.image = (rp_image){0};
        contour.mask = (rp_mask){0};
    }
    for (int s = 0; s < RP_SOURCE_COUNT && !status; s++) {
        const int of = s == RP_SOURCE_GENERAL_PRE ? 0 : 1;
        if (one->score[s].present && of == visit)
            status = load_mask(p, (rp_source)s, &out->source[s], err);
    }
    cmd_contour_release(&contour);
    cmd_ct_release(&ct);
    return status;
}

/* ---- the general model's training ---------------------------------------------------------------
 */

typedef struct learning {
    double *epoch, *loss, *training_dice, *validation_dice;
    size_t count;
} learning;

static void release_learning(learning *l)
{
    rp_free(l->epoch);
    rp_free(l->loss);
    rp_free(l->training_dice);
    rp_free(l->validation_dice);
}

static rp_status make_room(learning *l, size_t lines, rp_error *err)
{
    l->epoch = rp_alloc(lines, sizeof *l->epoch);
    l->loss = rp_alloc(lines, sizeof *l->loss);
    l->training_dice = rp_alloc(lines, sizeof *l->training_dice);
    l->validation_dice = rp_alloc(lines, sizeof *l->validation_dice);
    return l->epoch && l->loss && l->training_dice && l->validation_dice
               ? RP_OK
               : rp_fail(err, RP_ERR_MEMORY, "out of memory");
}

static void take_validations(learning *l, const rp_json *run)
{
    const rp_json *list = rp_json_get(run, "validations");
    for (size_t v = 0; list && v < rp_json_length(list); v++) {
        double epoch, dice;
        const rp_json *one = rp_json_at(list, v);
        if (!rp_json_get_number(one, "epoch", &epoch) ||
            !rp_json_get_number(one, "mean_dice", &dice))
            continue;
        for (size_t i = 0; i < l->count; i++)
            if (l->epoch[i] == epoch) l->validation_dice[i] = dice;
    }
}

/* What `train` left in its folder; a folder without it has no curve. */
static rp_status read_learning(const char *folder, learning *l, rp_error *err)
{
    RP_AUTOFREE char *table = rp_path_join(folder, "learning_curve.csv");
    RP_AUTOFREE char *record = rp_path_join(folder, "run.json");
    RP_AUTOFREE uint8_t *bytes = NULL;
    size_t size, lines = 1;
    rp_json *run = NULL;
    if (!table || !record) return rp_fail(err, RP_ERR_MEMORY, "out of memory");
    if (rp_file_read(table, &bytes, &size, NULL) || rp_json_read(record, &run, NULL)) return RP_OK;
    RP_AUTOFREE char *text = rp_alloc(size + 1, 1);
    if (text) memcpy(text, bytes, size);
    for (size_t i = 0; i < size; i++) lines += bytes[i] == '\n';
    rp_status status =
        text ? make_room(l, lines, err) : rp_fail(err, RP_ERR_MEMORY, "out of memory");
    char *rest = text;
    for (char *line; !status && (line = strsep(&rest, "\n"));) {
        double epoch, loss, dice;
        if (sscanf(line, "%lf,%lf,%lf", &epoch, &loss, &dice) != 3) continue;
        l->epoch[l->count] = epoch;
        l->loss[l->count] = loss;
        l->validation_dice[l->count] = NAN;
        l->training_dice[l->count++] = dice;
    }
    if (!status) take_validations(l, run);
    rp_json_destroy(run);
    return status;
}

/* ---- both files --------------------------------------------------------------------------------
 */

rp_status evaluate_write_reports(evaluate_run *run, const rp_json *record, const char *folder,
                                 rp_error *err)
{
    const evaluate_arguments *a = run->arguments;
    learning l = {0};
    char date[32];
    rp_timestamp_utc(date);
    RP_AUTOFREE char *title = rp_format("Evaluation of %zu patients", run->evaluation.case_count);
    RP_AUTOFREE char *html = rp_path_join(folder, "evaluation.html");
    RP_AUTOFREE char *pdf = rp_path_join(folder, "evaluation.pdf");
    if (!title || !html || !pdf) return rp_fail(err, RP_ERR_MEMORY, "out of memory");
    rp_status status =
        a->model && rp_path_is_directory(a->model) ? read_learning(a->model, &l, err) : RP_OK;
    const rp_evaluation_report report = {
        .title = title,
        .date = date,
        .evaluation = &run->evaluation,
        .summary = rp_json_get(record, "summary"),
        .record = record,
        .curve = {l.epoch, l.loss, l.training_dice, l.validation_dice, l.count},
        .load = load_visit,
        .named = a->shown,
        .named_count = a->shown_count,
        .context = run};
    if (!status) status = rp_report_write_evaluation_html(html, &report, err);
    if (!status) status = rp_report_write_evaluation_pdf(pdf, &report, err);
    release_learning(&l);
    return status;
}
