/* From a manifest to cases that training can take. */
#include "train.h"

#include <string.h>

void train_run_release(train_run *run)
{
    for (size_t i = 0; i < run->case_count; i++) rp_train_case_release(&run->cases[i]);
    rp_free(run->cases);
    rp_free(run->sources);
    rp_train_curve_release(&run->curve);
    rp_model_release(&run->model);
    rp_cohort_release(&run->cohort);
    rp_free(run->checkpoint);
    rp_free(run->best);
    rp_free(run->cache);
}

static bool validates(const train_run *run)
{
    return strcmp(run->arguments->validation, "none") != 0 && run->settings.train.validate_every;
}

/* ---- who ----------------------------------------------------------------------------------- */

static rp_status check_splits(const train_run *run, rp_error *err)
{
    const train_arguments *a = run->arguments;
    size_t training = 0, validation = 0;
    for (size_t i = 0; i < run->cohort.patient_count; i++) {
        const rp_cohort_patient *p = &run->cohort.patients[i];
        const bool trains = rp_cohort_in_split(p, a->split);
        const bool validating = validates(run) && rp_cohort_in_split(p, a->validation);
        training += trains;
        validation += validating;
        if (trains && validating)
            return rp_fail(err, RP_ERR_REFUSED,
                           "%s:%zu: the patient would be trained on and validated on: --split %s "
                           "and --validation %s overlap",
                           a->manifest, p->visits[0].row, a->split, a->validation);
    }
    if (!training)
        return rp_fail(err, RP_ERR_ARGUMENT, "%s: no patient is in split '%s'", a->manifest,
                       a->split);
    if (validates(run) && !validation)
        return rp_fail(err, RP_ERR_ARGUMENT,
                       "%s: no patient is in split '%s'; --validation none trains without",
                       a->manifest, a->validation);
    return RP_OK;
}

static rp_status check_files(train_run *run, rp_error *err)
{
    const train_arguments *a = run->arguments;
    rp_cohort_problems problems = {0};
    RP_AUTOFREE char *both =
        validates(run) ? rp_format("%s,%s", a->split, a->validation) : rp_strdup(a->split);
    if (!both) return rp_fail(err, RP_ERR_MEMORY, "out of memory");
    rp_status status =
        cmd_cohort_check_files(&run->cohort, both, cmd_progress(&a->common), &problems, err);
    cmd_progress_end();
    cmd_cohort_print_problems(stderr, a->manifest, &problems);
    if (!status && problems.errors)
        status = rp_fail(err, RP_ERR_FORMAT, "%s: %zu problem%s, nothing was trained", a->manifest,
                         problems.errors, problems.errors == 1 ? "" : "s");
    rp_cohort_problems_release(&problems);
    return status;
}

/* ---- their visits -------------------------------------------------------------------------- */

static rp_status prepare_visit(train_run *run, train_source *source, const cmd_ct *ct,
                               const cmd_contour *contour, rp_train_case *out, rp_error *err)
{
    static const char *const kinds[] = {"baseline", "followup"};
    RP_AUTOFREE char *name = rp_format("%s %s", source->patient->id, kinds[source->visit->kind]);
    RP_AUTOFREE char *both = rp_format("%s %s", ct->sha256, contour->sha256);
    char key[RP_SHA256_HEX];
    if (!name || !both) return rp_fail(err, RP_ERR_MEMORY, "out of memory");
    memcpy(source->image_sha256, ct->sha256, sizeof source->image_sha256);
    memcpy(source->contour_sha256, contour->sha256, sizeof source->contour_sha256);
    /* One file may hold several structures. */
    rp_sha256(contour->mask.data, rp_grid_voxels(&contour->mask.grid), key);
    RP_AUTOFREE char *all = rp_format("%s %s", both, key);
    if (!all) return rp_fail(err, RP_ERR_MEMORY, "out of memory");
    rp_sha256(all, strlen(all), key);
    return rp_train_case_prepare(&run->settings.preprocessing, name, &ct->series.image,
                                 &contour->mask, key, run->cache, out, err);
}

static rp_status add_visit(train_run *run, const rp_cohort_patient *patient,
                           const rp_cohort_visit *visit, rp_error *err)
{
    const train_arguments *a = run->arguments;
    train_source *source = &run->sources[run->case_count];
    rp_model_provenance *own = &run->model.provenance;
    cmd_ct ct = {0};
    cmd_contour contour = {0};
    char label[sizeof own->label];
    *source = (train_source){.patient = patient, .visit = visit};
    rp_status status = cmd_cohort_load(visit, cmd_progress(&a->common), &ct, &contour, NULL, err);
    if (status) return rp_fail_in(err, status, "%s:%zu", a->manifest, visit->row);
    if (rp_mask_count(&contour.mask) == 0) {
        /* The lesion is gone: there is nothing to learn its look from. */
        run->without_contour++;
        cmd_contour_release(&contour);
        cmd_ct_release(&ct);
        return RP_OK;
    }
    status = prepare_visit(run, source, &ct, &contour, &run->cases[run->case_count], err);
    if (status) rp_fail_in(err, status, "%s:%zu: %s", a->manifest, visit->row, visit->contour);
    const char *labels[] = {visit->label, ct.label, contour.label};
    for (size_t i = 0; i < sizeof labels / sizeof *labels; i++) {
        snprintf(label, sizeof label, "%s", cmd_label_of_both(labels[i], own->label));
        memcpy(own->label, label, sizeof label);
    }
    cmd_contour_release(&contour);
    cmd_ct_release(&ct);
    run->case_count += status == RP_OK;
    return status;
}

static rp_status add_split(train_run *run, const char *split, size_t *patients, rp_error *err)
{
    rp_status status = RP_OK;
    for (size_t i = 0; i < run->cohort.patient_count && !status; i++) {
        const rp_cohort_patient *p = &run->cohort.patients[i];
        if (!rp_cohort_in_split(p, split)) continue;
        const size_t before = run->case_count;
        for (size_t v = 0; v < p->visit_count && !status; v++) {
            const bool contoured = p->visits[v].contour[0];
            run->without_contour += !contoured;
            if (contoured) status = add_visit(run, p, &p->visits[v], err);
        }
        if (patients) *patients += run->case_count > before;
    }
    return status;
}

static rp_status allocate(train_run *run, rp_error *err)
{
    size_t visits = 0;
    for (size_t i = 0; i < run->cohort.patient_count; i++)
        visits += run->cohort.patients[i].visit_count;
    run->cases = rp_alloc(visits, sizeof *run->cases);
    run->sources = rp_alloc(visits, sizeof *run->sources);
    return run->cases && run->sources ? RP_OK
                                      : rp_fail(err, RP_ERR_MEMORY, "no memory for the cases");
}

rp_status train_read_cases(train_run *run, rp_error *err)
{
    const train_arguments *a = run->arguments;
    rp_status status = cmd_cohort_read(a->manifest, &run->cohort, err);
    if (!status) status = rp_sha256_file(a->manifest, run->manifest_sha256, err);
    if (!status) status = check_splits(run, err);
    if (!status) status = check_files(run, err);
    if (!status) status = allocate(run, err);
    if (!status) status = add_split(run, a->split, &run->training_patients, err);
    run->training_count = run->case_count;
    if (!status && validates(run)) status = add_split(run, a->validation, NULL, err);
    if (!status && run->training_count == 0)
        status = rp_fail(err, RP_ERR_ARGUMENT, "%s: no visit in split '%s' has a contour",
                         a->manifest, a->split);
    run->prepared = rp_seconds();
    return status;
}
