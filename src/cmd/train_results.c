/* What `reprise train` leaves: models, curves, and all that is needed to repeat the run. */
#include "train.h"
#include "reprise/report.h"

#include <math.h>
#include <string.h>

double train_mean_dice(const rp_train_curve *curve, int validation)
{
    double sum = 0.0;
    for (size_t i = 0; i < curve->cases; i++)
        sum += curve->validation_dice[(size_t)validation * curve->cases + i];
    return sum / (double)curve->cases;
}

/* ---- curves ------------------------------------------------------------------------------------
 */

static rp_status write_curve(const char *path, const rp_adapt_curve *c, rp_error *err)
{
    rp_outfile *out = NULL;
    rp_status status = rp_outfile_create(path, &out, err);
    if (!status) status = rp_outfile_printf(out, err, "epoch,loss,training_dice\n");
    for (size_t i = 0; i < c->epochs && !status; i++)
        status = rp_outfile_printf(out, err, "%zu,%.17g,%.17g\n", i + 1, c->loss[i], c->dice[i]);
    if (!status) status = rp_outfile_commit(out, err);
    rp_outfile_destroy(out);
    return status;
}

static rp_status write_validations(const train_run *run, const char *path, rp_error *err)
{
    const rp_train_curve *c = &run->curve;
    rp_outfile *out = NULL;
    rp_status status = rp_outfile_create(path, &out, err);
    if (!status) status = rp_outfile_printf(out, err, "epoch,row,dice\n");
    for (int v = 0; v < c->validations && !status; v++)
        for (size_t i = 0; i < c->cases && !status; i++)
            status = rp_outfile_printf(out, err, "%d,%zu,%.17g\n", c->validation_epoch[v],
                                       run->sources[run->training_count + i].visit->row,
                                       c->validation_dice[(size_t)v * c->cases + i]);
    if (!status) status = rp_outfile_commit(out, err);
    rp_outfile_destroy(out);
    return status;
}

static rp_status draw_curve(const train_run *run, const char *path, rp_error *err)
{
    const rp_train_curve *c = &run->curve;
    const size_t epochs = c->training.epochs;
    RP_AUTOFREE double *epoch = rp_alloc(epochs, sizeof *epoch);
    RP_AUTOFREE double *validation = rp_alloc(epochs, sizeof *validation);
    if (!epoch || !validation) return rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", path);
    for (size_t i = 0; i < epochs; i++) {
        epoch[i] = (double)(i + 1);
        validation[i] = NAN;
    }
    for (int v = 0; v < c->validations; v++)
        validation[c->validation_epoch[v] - 1] = train_mean_dice(c, v);
    const rp_learning_curve curve = {epoch, c->training.loss, c->training.dice, validation, epochs};
    return rp_report_write_learning_curve(path, &curve, run->model.provenance.label, err);
}

static rp_status copy_manifest(const char *from, const char *to, rp_error *err)
{
    RP_AUTOFREE uint8_t *bytes = NULL;
    size_t size;
    const rp_status status = rp_file_read(from, &bytes, &size, err);
    return status ? status : rp_file_write(to, bytes, size, err);
}

/* ---- run.json ----------------------------------------------------------------------------------
 */

static rp_json *case_json(const train_run *run, size_t index)
{
    const train_source *source = &run->sources[index];
    const rp_train_case *one = &run->cases[index];
    rp_json *json = rp_json_object();
    rp_json_set_string(json, "patient", source->patient->id);
    rp_json_set_int(json, "row", (int64_t)source->visit->row);
    rp_json_set_string(json, "used_for", index < run->training_count ? "training" : "validation");
    rp_json_set(json, "size_zyx", cmd_zyx_json(one->size));
    rp_json_set_int(json, "lesion_voxels", (int64_t)one->tumour_voxels);
    rp_json_set_string(json, "image_sha256", source->image_sha256);
    rp_json_set_string(json, "contour_sha256", source->contour_sha256);
    rp_json_set_string(json, "prepared_image_sha256", one->image_sha256);
    rp_json_set_string(json, "prepared_contour_sha256", one->mask_sha256);
    return json;
}

static rp_json *validation_json(const rp_train_curve *c)
{
    rp_json *array = rp_json_array();
    for (int v = 0; v < c->validations; v++) {
        rp_json *one = rp_json_object();
        rp_json_set_int(one, "epoch", c->validation_epoch[v]);
        rp_json_set_number(one, "mean_dice", train_mean_dice(c, v));
        rp_json_append(array, one);
    }
    return array;
}

static rp_json *timing_json(const train_run *run)
{
    rp_json *json = rp_json_object();
    rp_json_set_number(json, "prepare_seconds", run->prepared - run->started);
    rp_json_set_number(json, "train_seconds", run->curve.training.seconds);
    rp_json_set_int(json, "resumed_epochs", run->curve.training.resumed_epochs);
    return json;
}

static rp_json *run_json(const train_run *run, const char *model_sha256)
{
    const train_arguments *a = run->arguments;
    const rp_train_curve *c = &run->curve;
    rp_json *json = rp_json_object(), *cases = rp_json_array(), *manifest = rp_json_object();
    for (size_t i = 0; i < run->case_count; i++) rp_json_append(cases, case_json(run, i));
    rp_json_set_string(manifest, "sha256", run->manifest_sha256);
    rp_json_set_string(manifest, "split", a->split);
    rp_json_set_string(manifest, "validation", a->validation);
    rp_json_set_int(manifest, "visits_without_contour_left_out", (int64_t)run->without_contour);
    rp_json_set_string(json, "label", run->model.provenance.label);
    rp_json_set(json, "manifest", manifest);
    rp_json_set(json, "settings", cmd_train_settings_json(&run->settings));
    rp_json_set_int(json, "training_patients", (int64_t)run->training_patients);
    rp_json_set(json, "cases", cases);
    rp_json_set_number(json, "last_loss", c->training.loss[c->training.epochs - 1]);
    rp_json_set(json, "validations", validation_json(c));
    if (c->best >= 0) rp_json_set_int(json, "best_epoch", c->validation_epoch[c->best]);
    rp_json_set_string(json, "base_model_sha256", run->model.provenance.base_model_sha256);
    rp_json_set_string(json, "model_sha256", model_sha256);
    rp_json_set(json, "timing", timing_json(run));
    rp_json_set(json, "provenance", cmd_provenance_json(a->argc, a->argv));
    return json;
}

/* ---- all of them -------------------------------------------------------------------------------
 */

static rp_status write_staged(const train_run *run, const char *folder, rp_error *err)
{
    char hash[RP_SHA256_HEX];
    RP_AUTOFREE char *model = rp_path_join(folder, "model.safetensors");
    RP_AUTOFREE char *curve = rp_path_join(folder, "learning_curve.csv");
    RP_AUTOFREE char *drawn = rp_path_join(folder, "learning_curve.svg");
    RP_AUTOFREE char *validation = rp_path_join(folder, "validation.csv");
    RP_AUTOFREE char *manifest = rp_path_join(folder, "manifest.csv");
    RP_AUTOFREE char *record = rp_path_join(folder, "run.json");
    if (!model || !curve || !drawn || !validation || !manifest || !record)
        return rp_fail(err, RP_ERR_MEMORY, "out of memory");
    rp_status status = rp_model_write(model, &run->model, err);
    if (!status) status = rp_sha256_file(model, hash, err);
    if (!status) status = write_curve(curve, &run->curve.training, err);
    if (!status) status = draw_curve(run, drawn, err);
    if (!status && run->curve.validations) status = write_validations(run, validation, err);
    if (!status) status = copy_manifest(run->arguments->manifest, manifest, err);
    if (status) return status;
    rp_json *json = run_json(run, hash);
    status = rp_json_write(record, json, err);
    rp_json_destroy(json);
    return status;
}

rp_status train_write_results(train_run *run, rp_error *err)
{
    rp_stage stage = {0};
    rp_status status = rp_stage_begin(run->arguments->out, &stage, err);
    if (!status) status = write_staged(run, stage.temporary, err);
    if (!status) status = rp_stage_commit(&stage, err);
    rp_stage_release(&stage);
    return status;
}
