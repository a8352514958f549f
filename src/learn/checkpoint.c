/* One safetensors file with all that the next step depends on: parameters and buffers, both Adam
 * moments, their average where there is one, the curve, and what the adaptation belongs to. Doubles
 * are written as hexadecimal floating-point text, which gives every bit back. */
#include "internal.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define KEY_VERSION "reprise.checkpoint"
#define KEY_STEP "reprise.step"
#define KEY_LOSS "reprise.loss"
#define KEY_DICE "reprise.dice"
#define KEY_VALIDATION "reprise.validation"
#define KEY_FINGERPRINT "reprise.fingerprint."
#define KEY_SETTINGS "reprise.settings"
#define CHECKPOINT_VERSION "2" /* 1 held a hash of the settings alone */

enum { FIXED_KEYS = 6, KEYS = FIXED_KEYS + RP_FINGERPRINT_PARTS };
enum { NUMBER_ROOM = 32 }; /* "-0x1.fffffffffffffp-1022 " */

/* The sets of tensors; the moments of buffers are NULL, and the average where there is none. */
enum { SETS = 4 };
static const char *const prefixes[SETS] = {"", "adam.first.", "adam.second.", "average."};

static float *average_of(const rp_adapt_state *state, size_t index)
{
    float *at = state->average;
    for (size_t i = 0; at && i < index; i++) at += rp_fcd_parameter(state->net, i)->count;
    return at;
}

static float *values_of(const rp_adapt_state *state, size_t index, int set)
{
    if (set == 3) return average_of(state, index);
    if (set == 1) return rp_adam_first_moment(state->adam, index);
    if (set == 2) return rp_adam_second_moment(state->adam, index);
    return rp_fcd_parameter(state->net, index)->value;
}

/* ---- writing ----------------------------------------------------------------------------- */

static char *numbers_text(const double *values, uint64_t count)
{
    char *text = rp_alloc((size_t)count * NUMBER_ROOM + 1, 1), *at = text;
    for (uint64_t i = 0; text && i < count; i++) at += snprintf(at, NUMBER_ROOM, "%a ", values[i]);
    return text;
}

static bool fill_metadata(const rp_adapt_state *state, rp_key_value metadata[KEYS])
{
    bool complete = true;
    metadata[0] = (rp_key_value){rp_strdup(KEY_VERSION), rp_strdup(CHECKPOINT_VERSION)};
    metadata[1] = (rp_key_value){rp_strdup(KEY_STEP), rp_format("%" PRIu64, state->step)};
    metadata[2] = (rp_key_value){rp_strdup(KEY_LOSS), numbers_text(state->loss, state->step)};
    metadata[3] = (rp_key_value){rp_strdup(KEY_DICE), numbers_text(state->dice, state->step)};
    metadata[4] = (rp_key_value){rp_strdup(KEY_VALIDATION),
                                 numbers_text(state->validation, state->validated)};
    metadata[5] = (rp_key_value){rp_strdup(KEY_SETTINGS), rp_strdup(state->fingerprint.settings)};
    for (int i = 0; i < RP_FINGERPRINT_PARTS; i++)
        metadata[FIXED_KEYS + i] =
            (rp_key_value){rp_format(KEY_FINGERPRINT "%s", state->fingerprint.name[i]),
                           rp_strdup(state->fingerprint.hash[i])};
    for (int i = 0; i < KEYS; i++) complete &= metadata[i].key && metadata[i].value;
    return complete;
}

static bool fill_tensors(const rp_adapt_state *state, rp_named_tensor *tensors, size_t *count)
{
    const size_t parameters = rp_fcd_parameter_count(state->net);
    for (int set = 0; set < SETS; set++)
        for (size_t i = 0; i < parameters; i++) {
            const rp_parameter *parameter = rp_fcd_parameter(state->net, i);
            float *values = values_of(state, i, set);
            if (!values) continue;
            char *name = rp_format("%s%s", prefixes[set], parameter->name);
            if (!name) return false;
            tensors[(*count)++] = rp_parameter_tensor(parameter, name, values);
        }
    return true;
}

rp_status rp_checkpoint_write(const char *path, const rp_adapt_state *state, rp_error *err)
{
    rp_key_value metadata[KEYS] = {0};
    rp_tensor_file file = {.metadata = metadata, .metadata_count = KEYS};
    file.tensors = rp_alloc(SETS * rp_fcd_parameter_count(state->net), sizeof *file.tensors);
    bool complete = file.tensors && fill_metadata(state, metadata) &&
                    fill_tensors(state, file.tensors, &file.tensor_count);
    rp_status status = complete
                           ? rp_safetensors_write(path, &file, err)
                           : rp_fail(err, RP_ERR_MEMORY, "%s: no memory for a checkpoint", path);
    for (size_t i = 0; i < file.tensor_count; i++) rp_free(file.tensors[i].name);
    for (int i = 0; i < KEYS; i++) {
        rp_free(metadata[i].key);
        rp_free(metadata[i].value);
    }
    rp_free(file.tensors);
    return status;
}

/* ---- reading ----------------------------------------------------------------------------- */

static rp_status check_fingerprint(const char *path, const rp_tensor_file *file,
                                   const rp_fingerprint *expected, rp_error *err)
{
    char differing[700] = "";
    for (int i = 0; i < RP_FINGERPRINT_PARTS; i++) {
        RP_AUTOFREE char *key = rp_format(KEY_FINGERPRINT "%s", expected->name[i]);
        if (!key) return rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", path);
        const char *hash = rp_tensor_file_metadata(file, key);
        if (!hash || strcmp(hash, expected->hash[i]) != 0)
            rp_fingerprint_add(differing, sizeof differing, "%s", expected->name[i]);
    }
    const char *settings = rp_tensor_file_metadata(file, KEY_SETTINGS);
    rp_fingerprint_compare(settings ? settings : "", expected->settings, differing,
                           sizeof differing);
    if (!differing[0]) return RP_OK;
    return rp_fail(err, RP_ERR_REFUSED,
                   "%s: this checkpoint belongs to another run, from which this one differs in: "
                   "%s. Continue it with what it was started with, or remove it to start anew",
                   path, differing);
}

/* Exactly `count` finite numbers. */
static bool parse_numbers(const char *text, uint64_t count, double *out)
{
    char *end = NULL;
    for (uint64_t i = 0; i < count; i++) {
        out[i] = strtod(text, &end);
        if (end == text || *end != ' ' || !isfinite(out[i])) return false;
        text = end + 1;
    }
    return *text == 0;
}

static bool parse_step(const char *text, uint64_t *step)
{
    char *end = NULL;
    if (*text < '0' || *text > '9') return false;
    errno = 0;
    *step = strtoull(text, &end, 10);
    return errno == 0 && *end == 0;
}

typedef struct progress_so_far {
    uint64_t step, validated;
    double *loss, *dice, *validation;
} progress_so_far;

/* Numbers end in a blank each. */
static uint64_t count_numbers(const char *text)
{
    uint64_t count = 0;
    for (; *text; text++) count += *text == ' ';
    return count;
}

static rp_status read_validation(const char *path, const rp_tensor_file *file,
                                 const rp_adapt_state *state, progress_so_far *out, rp_error *err)
{
    const char *text = rp_tensor_file_metadata(file, KEY_VALIDATION);
    out->validated = text ? count_numbers(text) : 0;
    if (out->validated > state->validation_room)
        return rp_fail(err, RP_ERR_FORMAT, "%s: damaged checkpoint: too many validations", path);
    out->validation = rp_alloc((size_t)out->validated, sizeof *out->validation);
    if (!out->validation) return rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", path);
    if (text && !parse_numbers(text, out->validated, out->validation))
        return rp_fail(err, RP_ERR_FORMAT, "%s: damaged checkpoint: its validations are no numbers",
                       path);
    return RP_OK;
}

static rp_status read_progress(const char *path, const rp_tensor_file *file,
                               const rp_adapt_state *state, progress_so_far *out, rp_error *err)
{
    const char *step = rp_tensor_file_metadata(file, KEY_STEP);
    const char *loss = rp_tensor_file_metadata(file, KEY_LOSS);
    const char *dice = rp_tensor_file_metadata(file, KEY_DICE);
    if (!step || !loss || !dice || !parse_step(step, &out->step) || out->step > state->steps)
        return rp_fail(err, RP_ERR_FORMAT, "%s: damaged checkpoint: no valid step in it", path);
    out->loss = rp_alloc((size_t)out->step, sizeof *out->loss);
    out->dice = rp_alloc((size_t)out->step, sizeof *out->dice);
    if (!out->loss || !out->dice) return rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", path);
    if (!parse_numbers(loss, out->step, out->loss) || !parse_numbers(dice, out->step, out->dice))
        return rp_fail(err, RP_ERR_FORMAT,
                       "%s: damaged checkpoint: its curve is not %" PRIu64 " numbers", path,
                       out->step);
    return RP_OK;
}

/* Checks every tensor, or copies every tensor once all have been checked. */
static rp_status visit_tensors(const char *path, const rp_tensor_file *file,
                               const rp_adapt_state *state, bool copy, rp_error *err)
{
    const size_t parameters = rp_fcd_parameter_count(state->net);
    for (int set = 0; set < SETS; set++)
        for (size_t i = 0; i < parameters; i++) {
            const rp_parameter *parameter = rp_fcd_parameter(state->net, i);
            float *values = values_of(state, i, set);
            if (!values) continue;
            RP_AUTOFREE char *name = rp_format("%s%s", prefixes[set], parameter->name);
            if (!name) return rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", path);
            const rp_named_tensor *tensor = rp_tensor_file_find(file, name);
            if (copy) {
                memcpy(values, tensor->data, parameter->count * sizeof *values);
                continue;
            }
            rp_status status = rp_tensor_check(path, name, tensor, parameter, err);
            if (status) return status;
        }
    return RP_OK;
}

rp_status rp_checkpoint_read(const char *path, rp_adapt_state *state, rp_error *err)
{
    rp_tensor_file file = {0};
    progress_so_far so_far = {0};
    rp_status status = rp_safetensors_read(path, &file, err);
    if (status) goto done;
    const char *version = rp_tensor_file_metadata(&file, KEY_VERSION);
    if (!version) {
        status = rp_fail(err, RP_ERR_FORMAT, "%s: not a checkpoint of this program", path);
        goto done;
    }
    if (strcmp(version, CHECKPOINT_VERSION) != 0) {
        status = rp_fail(err, RP_ERR_FORMAT,
                         "%s: a checkpoint of another version of this program (its format is "
                         "%.20s, not " CHECKPOINT_VERSION
                         "): continue it with that version, or remove it to start anew",
                         path, version);
        goto done;
    }
    status = check_fingerprint(path, &file, &state->fingerprint, err);
    if (!status) status = read_progress(path, &file, state, &so_far, err);
    if (!status) status = read_validation(path, &file, state, &so_far, err);
    if (!status) status = visit_tensors(path, &file, state, false, err);
    if (!status) status = visit_tensors(path, &file, state, true, err);
    if (status) goto done;
    memcpy(state->loss, so_far.loss, (size_t)so_far.step * sizeof *state->loss);
    memcpy(state->dice, so_far.dice, (size_t)so_far.step * sizeof *state->dice);
    if (so_far.validated)
        memcpy(state->validation, so_far.validation,
               (size_t)so_far.validated * sizeof *state->validation);
    state->validated = so_far.validated;
    state->step = so_far.step;
    rp_adam_set_steps(state->adam, so_far.step);
done:
    rp_free(so_far.loss);
    rp_free(so_far.dice);
    rp_free(so_far.validation);
    rp_tensor_file_release(&file);
    return status;
}
