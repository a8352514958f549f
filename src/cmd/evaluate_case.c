/* One patient of an evaluation: every source's contour on its visit, scored, kept on disk. */
#include "evaluate.h"
#include "origin.h"
#include "registered.h"
#include "reprise/dicom_patient.h"
#include "reprise/kernels.h"
#include "source.h"

#include <math.h>
#include <string.h>

static const double tolerances_mm[] = {2.0, 5.0};
enum { PARTS = 9, PART_SETTINGS = 5 };

/* What is in memory while a patient is worked on. */
typedef struct work {
    const evaluate_run *run;
    const evaluate_patient *patient;
    cmd_ct ct[2];
    cmd_contour contour[2];
    rp_case *one;
    const char *part_name[PARTS];
    char part[PARTS][RP_SHA256_HEX]; /* what the results depend on */
    rp_adapt_curve curve;
    cmd_guarded guard;
    cmd_attempts_made attempts;
    cmd_sources sources;
    rp_stage stage;
    char *checkpoint;
} work;

char *evaluate_mask_path(const evaluate_patient *patient, rp_source source)
{
    return rp_format("%s/%s.nii.gz", patient->folder, rp_source_key(source));
}

static void release(work *w)
{
    for (int v = 0; v < 2; v++) {
        cmd_contour_release(&w->contour[v]);
        cmd_ct_release(&w->ct[v]);
    }
    rp_adapt_curve_release(&w->curve);
    cmd_sources_release(&w->sources);
    rp_stage_release(&w->stage);
    rp_free(w->checkpoint);
}

static const rp_progress *progress_of(const work *w)
{
    return cmd_progress(&w->run->arguments->common);
}

/* ---- what the results depend on ------------------------------------------------------------- */

static void hash_text(const char *text, char hash[RP_SHA256_HEX])
{
    rp_sha256(text, strlen(text), hash);
}

static void hash_mask(const rp_mask *mask, char hash[RP_SHA256_HEX])
{
    rp_sha256(mask->data, rp_grid_voxels(&mask->grid), hash);
}

rp_json *evaluate_settings_json(const evaluate_run *run)
{
    rp_json *json = cmd_settings_json(&run->settings);
    rp_json_set_bool(json, "attempts", run->settings.attempts);
    return json;
}

static rp_status make_parts(work *w, rp_error *err)
{
    static const char *const names[PARTS] = {
        "baseline image",    "baseline contour", "follow-up image",
        "follow-up contour", "general model",    "settings",
        "program",           "instruction set",  "registration"};
    rp_json *settings = evaluate_settings_json(w->run), *accepted = rp_json_array();
    cmd_doubts_overrides(&w->run->arguments->accept, accepted);
    rp_json_set(settings, "accepted", accepted);
    RP_AUTOFREE char *text = rp_json_text(settings);
    rp_json_destroy(settings);
    if (!text) return rp_fail(err, RP_ERR_MEMORY, "out of memory");
    memcpy(w->part_name, names, sizeof names);
    for (int v = 0; v < 2; v++) {
        memcpy(w->part[2 * v], w->ct[v].sha256, RP_SHA256_HEX);
        hash_mask(&w->contour[v].mask, w->part[2 * v + 1]);
    }
    hash_text(w->run->model_sha256, w->part[4]);
    hash_text(text, w->part[PART_SETTINGS]);
    hash_text(RP_VERSION, w->part[6]);
    hash_text(rp_kernels_get()->name, w->part[7]);
    hash_text(w->run->registers, w->part[8]);
    return RP_OK;
}

/* The keys of the settings whose values differ, "adapt.epochs"; "" where none was kept. */
static void name_differing(const rp_json *there, const rp_json *here, const char *group, char *list,
                           size_t size)
{
    for (size_t i = 0; here && i < rp_json_length(here); i++) {
        const char *key = rp_json_key_at(here, i);
        const rp_json *mine = rp_json_at(here, i), *its = there ? rp_json_get(there, key) : NULL;
        RP_AUTOFREE char *name = rp_format("%s%s%s", group, *group ? "." : "", key);
        RP_AUTOFREE char *mine_text = rp_json_text(mine),
                         *its_text = its ? rp_json_text(its) : NULL;
        const size_t used = strlen(list);
        if (!name || !mine_text || (its_text && strcmp(mine_text, its_text) == 0)) continue;
        if (rp_json_is_object(mine))
            name_differing(its, mine, name, list, size);
        else
            snprintf(list + used, size - used, "%s%s", used ? ", " : "", name);
    }
}

static rp_status refuse_part(const work *w, const char *path, const rp_json *json, int part,
                             rp_error *err)
{
    char differing[400] = "";
    const rp_json *settings = rp_json_get(json, "settings");
    if (part == PART_SETTINGS && settings) {
        rp_json *mine = evaluate_settings_json(w->run);
        name_differing(settings, mine, "", differing, sizeof differing);
        rp_json_destroy(mine);
    }
    return rp_fail(err, RP_ERR_REFUSED,
                   "%s: this result was made with another %s%s%s%s; evaluate into another folder, "
                   "or remove this one",
                   path, w->part_name[part], differing[0] ? " (" : "", differing,
                   differing[0] ? ")" : "");
}

static rp_status check_parts(const work *w, const char *path, const rp_json *json, rp_error *err)
{
    const rp_json *parts = rp_json_get(json, "depends_on");
    for (int i = 0; i < PARTS; i++) {
        const char *was = parts ? rp_json_get_string(parts, w->part_name[i]) : NULL;
        if (!was || strcmp(was, w->part[i]) != 0) return refuse_part(w, path, json, i, err);
    }
    return RP_OK;
}

/* ---- finished already? ------------------------------------------------------------------------
 */

static rp_status read_finished(work *w, const char *path, rp_error *err)
{
    rp_json *json = NULL;
    rp_status status = rp_json_read(path, &json, err);
    if (!status) status = check_parts(w, path, json, err);
    if (!status) {
        const rp_json *found = rp_json_get(json, "case");
        status = found ? rp_case_from_json(found, path, w->run->cohort.clinical_count, w->one, err)
                       : rp_fail(err, RP_ERR_FORMAT, "%s: 'case' is missing", path);
    }
    rp_json_destroy(json);
    return status;
}

static rp_status write_finished(work *w, rp_error *err)
{
    RP_AUTOFREE char *path = rp_path_join(w->stage.temporary, "case.json");
    if (!path) return rp_fail(err, RP_ERR_MEMORY, "out of memory");
    rp_json *json = rp_json_object(), *parts = rp_json_object(), *curve = rp_json_object();
    for (int i = 0; i < PARTS; i++) rp_json_set_string(parts, w->part_name[i], w->part[i]);
    rp_json_set_numbers(curve, "loss", w->curve.loss, w->curve.epochs);
    rp_json_set_numbers(curve, "dice", w->curve.dice, w->curve.epochs);
    rp_json_set(json, "depends_on", parts);
    if (w->attempts.count) rp_json_set(curve, "attempts", cmd_attempts_json(&w->attempts));
    if (w->guard.trials.compared) rp_json_set(json, "sources", cmd_sources_json(&w->sources, true));
    rp_json_set(json, "settings", evaluate_settings_json(w->run));
    rp_json_set(json, "adaptation", curve);
    rp_json_set(json, "case", rp_case_json(w->one, w->run->cohort.clinical_count));
    const rp_status status = rp_json_write(path, json, err);
    rp_json_destroy(json);
    return status;
}

/* ---- sources ----------------------------------------------------------------------------------
 */

/* Measures a contour, holds it against the manual one of its visit and keeps it. */
static rp_status score(work *w, rp_source source, const rp_mask *mask, double started,
                       rp_error *err)
{
    const int visit = source == RP_SOURCE_GENERAL_PRE ? 0 : 1;
    rp_case_score *s = &w->one->score[source];
    int32_t components;
    s->present = true;
    s->empty = rp_mask_count(mask) == 0;
    s->seconds = rp_seconds() - started;
    /* A contour of the baseline has no response. */
    s->response = (rp_response_result){.response = RP_NE,
                                       .change_percent = NAN,
                                       .change_nadir_percent = NAN,
                                       .change_nadir_mm = NAN};
    RP_AUTOFREE char *path = rp_format("%s/%s.nii.gz", w->stage.temporary, rp_source_key(source));
    if (!path) return rp_fail(err, RP_ERR_MEMORY, "out of memory");
    const cmd_origin origin = {.command = "evaluate",
                               .what = rp_source_key(source),
                               .label = w->one->label,
                               .image = &w->ct[visit]};
    rp_status status = cmd_write_mask(path, mask, &origin, err);
    if (!status) status = cmd_measure_lesion(&w->run->settings, mask, &s->lesion, &components, err);
    if (!status)
        status = rp_measure_overlap(&w->contour[visit].mask, mask, tolerances_mm,
                                    sizeof tolerances_mm / sizeof *tolerances_mm, &s->overlap, err);
    if (!status && visit == 1)
        status = cmd_classify_lesion(&w->one->manual[0], &s->lesion, false,
                                     cmd_slice_spacing(&w->ct[0]), &s->response, err);
    return status;
}

static rp_status predict(work *w, const rp_model *model, int visit, rp_source source,
                         double started, rp_error *err)
{
    rp_prediction found = {0};
    rp_status status = rp_predict(model, &w->ct[visit].series.image, &w->run->settings.predict,
                                  progress_of(w), &found, err);
    if (!status) status = score(w, source, &found.mask, started, err);
    rp_prediction_release(&found);
    return status;
}

/* A response that cannot be believed is NE, and every reason a failure of the case. */
static rp_status doubt(work *w, const rp_model *model, const cmd_place *place,
                       const rp_prediction *found, rp_error *err)
{
    rp_status status = RP_OK;
    const cmd_doubt_input input = {.settings = &w->run->settings,
                                   .accept = &w->run->arguments->accept,
                                   .baseline = &w->ct[0].series.image,
                                   .followup = &w->ct[1].series.image,
                                   .contour = &w->contour[0].mask,
                                   .found = &found->mask,
                                   .prediction = found,
                                   .place = place,
                                   .model = model,
                                   .guard = &w->guard,
                                   .curve = &w->curve};
    cmd_doubts doubts;
    cmd_doubt(&input, &w->one->score[RP_SOURCE_IDOL_POST].response, &doubts);
    for (int i = 0; !status && i < RP_DOUBTS; i++) {
        RP_AUTOFREE char *text =
            rp_format("%s: %s", rp_doubt_key((rp_doubt)i), doubts.doubts.clause[i]);
        if (!doubts.doubts.found[i]) continue;
        status = text ? rp_case_add_failure(
                            w->one, doubts.accepted[i] ? "accepted" : "not answered", text, err)
                      : rp_fail(err, RP_ERR_MEMORY, "out of memory");
    }
    return status;
}

static rp_status ask_guard(work *w, rp_error *err)
{
    const rp_lesion *found = &w->one->score[RP_SOURCE_IDOL_POST].lesion;
    const rp_response_input input =
        cmd_response_input(&w->one->manual[0], found, false, cmd_slice_spacing(&w->ct[0]));
    const rp_guard_answer *a = &w->guard.answer;
    rp_status status = cmd_guard_ask(&w->guard, found, &input, err);
    if (!status && w->guard.on && a->found)
        w->one->interval = (rp_case_interval){.given = true,
                                              .low80_mm = a->low_mm[0],
                                              .high80_mm = a->high_mm[0],
                                              .low95_mm = a->low_mm[1],
                                              .high95_mm = a->high_mm[1],
                                              .p_cr = a->probability[RP_CR],
                                              .p_pr = a->probability[RP_PR],
                                              .p_sd = a->probability[RP_SD],
                                              .p_pd = a->probability[RP_PD]};
    return status;
}

/* Whose contour it is, how the place was found, and that a box grew. */
static rp_status remark(work *w, const cmd_place *place, const rp_prediction *found, rp_error *err)
{
    const double baseline_mm = w->one->manual[0].longest_diameter_mm;
    const bool by_model = w->guard.source == RP_GUARD_MODEL;
    const char *key[4];
    char text[4][400];
    const bool odd[4] = {cmd_source_remark(&w->sources, &w->guard, &key[0], text[0]),
                         cmd_disagreement_remark(&w->sources, baseline_mm, &key[1], text[1]),
                         cmd_place_remark(place, &key[2], text[2]),
                         by_model && cmd_box_remark(found, &key[3], text[3])};
    rp_status status = RP_OK;
    for (int i = 0; i < 4 && !status; i++) {
        if (!odd[i]) continue;
        RP_AUTOFREE char *both = rp_format("%s: %s", key[i], text[i]);
        status = both ? rp_case_add_failure(w->one, "to check", both, err)
                      : rp_fail(err, RP_ERR_MEMORY, "out of memory");
    }
    return status;
}

static rp_status choose_source(work *w, const cmd_place *place, rp_prediction *found, rp_error *err)
{
    const cmd_source_input input = {.settings = &w->run->settings,
                                    .baseline = &w->ct[0].series.image,
                                    .followup = &w->ct[1].series.image,
                                    .contour = &w->contour[0].mask,
                                    .truth = &w->contour[1].mask,
                                    .place = place,
                                    .progress = progress_of(w)};
    const rp_status status = cmd_source_choose(&input, &w->guard, found, &w->sources, err);
    rp_case *one = w->one;
    snprintf(one->way, sizeof one->way, "%s", cmd_attempts_way(&w->attempts));
    snprintf(one->contour_source, sizeof one->contour_source, "%s",
             rp_guard_source_name(w->guard.source));
    return status;
}

/* What the baseline contour tells about the lesion's place is known to the patient model's user, so
 * it chooses among components; the general model has its largest. */
static rp_status contour_followup(work *w, rp_model *model, const cmd_place *place, double started,
                                  rp_error *err)
{
    rp_predict_options how = w->run->settings.predict;
    rp_prediction found = {0};
    cmd_place_apply(place, &how);
    rp_status status = rp_predict(model, &w->ct[1].series.image, &how, progress_of(w), &found, err);
    if (!status) status = choose_source(w, place, &found, err);
    if (!status) status = score(w, RP_SOURCE_IDOL_POST, &found.mask, started, err);
    if (!status)
        status = cmd_self_dice(model, &w->ct[0].series.image, &w->contour[0].mask,
                               &w->run->settings, progress_of(w), err);
    if (!status) status = ask_guard(w, err);
    if (!status) status = doubt(w, model, place, &found, err);
    if (!status) status = remark(w, place, &found, err);
    rp_prediction_release(&found);
    return status;
}

static rp_status predict_adapted(work *w, rp_model *model, double started, rp_error *err)
{
    const cmd_settings *settings = &w->run->settings;
    const cmd_place_request request = {.baseline = &w->ct[0].series.image,
                                       .followup = &w->ct[1].series.image,
                                       .contour = &w->contour[0].mask,
                                       .as_stored = settings->recipe == RP_RECIPE_STUDY &&
                                                    settings->adapt.region.whole};
    cmd_place place;
    rp_status status = cmd_place_find(&request, &place, err);
    if (status) return status;
    status = contour_followup(w, model, &place, started, err);
    cmd_place_release(&place);
    return status;
}

static rp_status run_general(work *w, rp_error *err)
{
    rp_model model;
    if (!w->run->model_path) return RP_OK;
    double started = rp_seconds();
    rp_status status = rp_model_read(w->run->model_path, &model, err);
    if (status) return status;
    status = predict(w, &model, 0, RP_SOURCE_GENERAL_PRE, started, err);
    started = rp_seconds();
    if (!status) status = predict(w, &model, 1, RP_SOURCE_GENERAL_POST, started, err);
    rp_model_release(&model);
    return status;
}

static rp_status run_idol(work *w, rp_error *err)
{
    cmd_settings settings = w->run->settings;
    rp_model model;
    const double started = rp_seconds();
    settings.adapt.checkpoint_path = w->checkpoint;
    settings.adapt.resume = true;
    rp_status status = cmd_learning_model(&w->run->learning, w->one->label, &settings, &model, err);
    if (status) return status;
    const cmd_attempts_input way = {.settings = &settings,
                                    .model = &model,
                                    .curve = &w->curve,
                                    .guard = &w->guard,
                                    .image = &w->ct[0].series.image,
                                    .contour = &w->contour[0].mask,
                                    .progress = progress_of(w)};
    status = cmd_attempts_begin(&way, err);
    if (!status) status = cmd_attempts_finish(&way, &w->attempts, err);
    if (!status) status = predict_adapted(w, &model, started, err);
    rp_model_release(&model);
    return status;
}

static rp_status run_carry(work *w, rp_error *err)
{
    rp_mask carried = {0};
    const double started = rp_seconds();
    rp_status status =
        rp_mask_resample(&w->contour[0].mask, &w->ct[1].series.image.grid, &carried, err);
    if (!status) status = score(w, RP_SOURCE_CARRY_POST, &carried, started, err);
    rp_mask_release(&carried);
    return status;
}

static rp_status carry_by_elastix(work *w, rp_mask *moved, rp_error *err)
{
    RP_AUTOFREE char *folder = rp_path_join(w->patient->folder, "registration");
    if (!folder) return rp_fail(err, RP_ERR_MEMORY, "out of memory");
    return evaluate_by_elastix(&w->ct[0].series.image, &w->contour[0].mask, &w->ct[1].series.image,
                               folder, rp_threads_get(), moved, err);
}

static rp_status carry_by_own(work *w, rp_mask *moved, rp_error *err)
{
    cmd_registered registered;
    rp_status status =
        cmd_register_visits(&w->ct[0].series.image, &w->contour[0].mask, &w->ct[1].series.image,
                            progress_of(w), &registered, err);
    if (!status) {
        *moved = registered.carried;
        registered.carried = (rp_mask){0};
    }
    cmd_registered_release(&registered);
    return status;
}

/* A registration that fails is a failure of the comparator, not of the case. */
static rp_status run_registration(work *w, rp_error *err)
{
    rp_error why = {0};
    rp_mask moved = {0};
    const double started = rp_seconds();
    if (strcmp(w->run->registers, "none") == 0) return RP_OK;
    rp_progress_report(progress_of(w), "register", 0.0, 1.0, "");
    rp_status status = strcmp(w->run->registers, "own") == 0 ? carry_by_own(w, &moved, &why)
                                                             : carry_by_elastix(w, &moved, &why);
    rp_progress_report(progress_of(w), "register", 1.0, 1.0, "");
    if (status == RP_ERR_CANCELLED || status == RP_ERR_MEMORY)
        return rp_fail(err, status, "%s", why.message);
    if (status) return rp_case_add_failure(w->one, "not registered", why.message, err);
    status = score(w, RP_SOURCE_REGISTERED_POST, &moved, started, err);
    rp_mask_release(&moved);
    return status;
}

/* ---- one patient ------------------------------------------------------------------------------
 */

static rp_status describe(work *w, rp_error *err)
{
    const rp_cohort_patient *p = w->patient->patient;
    const rp_cohort *cohort = &w->run->cohort;
    rp_case *one = w->one;
    one->patient = rp_strdup(p->id);
    one->baseline_date = rp_strdup(w->patient->visit[0]->date);
    one->followup_date = rp_strdup(w->patient->visit[1]->date);
    const char *label = "";
    for (int v = 0; v < 2; v++) {
        label = cmd_label_of_both(label, w->patient->visit[v]->label);
        label = cmd_label_of_both(label, w->ct[v].label);
        label = cmd_label_of_both(label, w->contour[v].label);
    }
    one->label = rp_strdup(label);
    one->recist_evaluable = p->recist_evaluable;
    one->clinical = rp_alloc(cohort->clinical_count, sizeof *one->clinical);
    bool complete =
        one->patient && one->baseline_date && one->followup_date && one->label && one->clinical;
    for (size_t i = 0; complete && i < cohort->clinical_count; i++)
        complete = (one->clinical[i] = rp_strdup(w->patient->visit[0]->clinical[i])) != NULL;
    return complete ? RP_OK : rp_fail(err, RP_ERR_MEMORY, "out of memory");
}

/* A person who draws nothing at the follow-up says that the lesion is gone. */
static rp_status measure_manual(work *w, rp_error *err)
{
    rp_status status = RP_OK;
    int32_t components;
    for (int v = 0; v < 2 && !status; v++)
        status = cmd_measure_lesion(&w->run->settings, &w->contour[v].mask, &w->one->manual[v],
                                    &components, err);
    if (!status)
        status = cmd_classify_lesion(&w->one->manual[0], &w->one->manual[1], true,
                                     cmd_slice_spacing(&w->ct[0]), &w->one->manual_response, err);
    return status;
}

static rp_status compute(work *w, rp_error *err)
{
    rp_status status = rp_stage_begin(w->patient->folder, &w->stage, err);
    if (!status) status = describe(w, err);
    if (!status) status = measure_manual(w, err);
    if (!status) status = run_general(w, err);
    if (!status) status = run_carry(w, err);
    if (!status) status = run_registration(w, err);
    if (!status) status = run_idol(w, err);
    if (!status) status = rp_case_find_failures(w->one, err);
    if (!status) status = write_finished(w, err);
    if (!status) status = rp_stage_commit(&w->stage, err);
    if (!status) cmd_checkpoint_remove(w->checkpoint);
    return status;
}

static rp_status check_patient(const work *w, rp_error *err)
{
    char what[96];
    const unsigned differs =
        rp_dicom_identity_differs(&w->ct[0].series.header, &w->ct[1].series.header);
    if (!differs) return RP_OK;
    rp_dicom_identity_text(differs, what);
    return rp_fail(err, RP_ERR_REFUSED, "%s: of another patient than %s (their %s differ)",
                   w->ct[1].path, w->ct[0].path, what);
}

rp_status evaluate_case(const evaluate_run *run, const evaluate_patient *patient, rp_case *out,
                        rp_error *err)
{
    work w = {.run = run, .patient = patient, .one = out};
    *out = (rp_case){0};
    RP_AUTOFREE char *finished = rp_path_join(patient->folder, "case.json");
    w.checkpoint = rp_path_join(patient->folder, "checkpoint.safetensors");
    rp_status status =
        finished && w.checkpoint ? RP_OK : rp_fail(err, RP_ERR_MEMORY, "out of memory");
    for (int v = 0; v < 2 && !status; v++)
        status =
            cmd_cohort_load(patient->visit[v], progress_of(&w), &w.ct[v], &w.contour[v], NULL, err);
    if (!status) status = check_patient(&w, err);
    /* What the loader refuses is this patient's fault alone; a refusal below ends the evaluation.
     */
    if (status == RP_ERR_REFUSED) status = RP_ERR_FORMAT;
    if (!status) status = make_parts(&w, err);
    if (!status)
        status = rp_path_exists(finished) ? read_finished(&w, finished, err) : compute(&w, err);
    if (status) rp_case_release(out, run->cohort.clinical_count);
    release(&w);
    return status;
}
