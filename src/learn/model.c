/* Model files: safetensors with PyTorch's names and shapes, and JSON texts as metadata. */
#include "inputs.h"
#include "internal.h"

#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <string.h>

#define KEY_VERSION "reprise.model"
#define KEY_ARCHITECTURE "reprise.architecture"
#define KEY_PREPROCESSING "reprise.preprocessing"
#define KEY_PROVENANCE "reprise.provenance"
#define KEY_GUARD "reprise.guard"
#define MODEL_VERSION "1"

/* No honest network comes near these; they bound what a hostile file can make us allocate. */
enum { MAX_WIDTH = 4096, MAX_LAYERS = 64, MAX_REGION = 1024 };

/* ---- tensors against parameters ---------------------------------------------------------- */

rp_named_tensor rp_parameter_tensor(const rp_parameter *parameter, char *name, float *values)
{
    rp_named_tensor tensor = {.name = name, .rank = parameter->rank, .data = values};
    for (int d = 0; d < parameter->rank; d++) tensor.shape[d] = parameter->shape[d];
    return tensor;
}

static void shape_text(int rank, const int64_t *shape, char text[128])
{
    size_t used = 1;
    text[0] = '[';
    text[1] = 0;
    for (int d = 0; d < rank && used < 100; d++)
        used += (size_t)snprintf(text + used, 128 - used, "%s%" PRId64, d ? "," : "", shape[d]);
    snprintf(text + used, 128 - used, "]");
}

static bool ends_with(const char *text, const char *tail)
{
    size_t a = strlen(text), b = strlen(tail);
    return a >= b && strcmp(text + a - b, tail) == 0;
}

rp_status rp_tensor_check(const char *path, const char *name, const rp_named_tensor *tensor,
                          const rp_parameter *parameter, rp_error *err)
{
    if (!tensor)
        return rp_fail(err, RP_ERR_FORMAT, "%s: tensor %s is missing: another architecture?", path,
                       name);
    bool same = tensor->rank == parameter->rank;
    for (int d = 0; same && d < parameter->rank; d++)
        same = tensor->shape[d] == parameter->shape[d];
    if (!same) {
        char have[128], want[128];
        shape_text(tensor->rank, tensor->shape, have);
        shape_text(parameter->rank, parameter->shape, want);
        return rp_fail(err, RP_ERR_FORMAT,
                       "%s: tensor %s has shape %s where the architecture needs %s", path, name,
                       have, want);
    }
    const bool variance = ends_with(parameter->name, ".running_var");
    for (size_t i = 0; i < parameter->count; i++) {
        if (!isfinite(tensor->data[i]))
            return rp_fail(err, RP_ERR_FORMAT, "%s: tensor %s holds NaN or infinity", path, name);
        if (variance && tensor->data[i] < 0.0f)
            return rp_fail(err, RP_ERR_FORMAT, "%s: tensor %s holds a negative variance", path,
                           name);
    }
    return RP_OK;
}

/* ---- metadata: writing ------------------------------------------------------------------- */

static char *architecture_text(const rp_fcd_config *config)
{
    rp_json *object = rp_json_object(), *layers = rp_json_array();
    rp_json_set_string(object, "family", "FCD");
    rp_json_set_int(object, "in_channels", config->in_channels);
    if (config->in_channels > 1 && rp_inputs_known(config->in_channels))
        rp_json_set_string(object, "inputs", rp_inputs_name((rp_inputs)config->in_channels));
    rp_json_set_int(object, "classes", config->classes);
    rp_json_set_int(object, "first_filters", config->first_filters);
    rp_json_set_int(object, "growth", config->growth);
    rp_json_set_int(object, "levels", config->levels);
    for (int i = 0; i < config->levels; i++) rp_json_append_int(layers, config->down_layers[i]);
    rp_json_set(object, "down_layers", layers);
    rp_json_set_int(object, "bottleneck_layers", config->bottleneck_layers);
    rp_json_set_number(object, "dropout", config->dropout);
    rp_json_set_string(object, "norm", rp_norm_mode_name(config->norm));
    char *text = rp_json_text(object);
    rp_json_destroy(object);
    return text;
}

static char *preprocessing_text(const rp_model *model)
{
    const rp_preprocessing *p = &model->preprocessing;
    rp_json *object = rp_json_object();
    rp_json_set_number(object, "window_low_hu", p->window_low_hu);
    rp_json_set_number(object, "window_high_hu", p->window_high_hu);
    rp_json_set_numbers(object, "spacing_mm", p->spacing, 3);
    if (model->region[0]) {
        rp_json *voxels = rp_json_array();
        for (int a = 0; a < 3; a++) rp_json_append_int(voxels, model->region[a]);
        rp_json_set(object, "region_voxels", voxels);
    }
    char *text = rp_json_text(object);
    rp_json_destroy(object);
    return text;
}

static char *provenance_text(const rp_model_provenance *provenance)
{
    char seed[32]; /* text, because JSON readers lose integers above 2^53 */
    snprintf(seed, sizeof seed, "%" PRIu64, provenance->seed);
    rp_json *object = rp_json_object();
    rp_json_set_string(object, "program_version", provenance->program_version);
    rp_json_set_string(object, "trained_on_image_sha256", provenance->trained_on_image_sha256);
    rp_json_set_string(object, "trained_on_mask_sha256", provenance->trained_on_mask_sha256);
    rp_json_set_string(object, "base_model_sha256", provenance->base_model_sha256);
    rp_json_set_string(object, "label", provenance->label);
    if (provenance->image_repair[0])
        rp_json_set_string(object, "image_repair", provenance->image_repair);
    rp_json_set_string(object, "seed", seed);
    rp_json_set_int(object, "epochs", provenance->epochs);
    rp_json_set_string(object, "kernels", provenance->kernels);
    if (provenance->has_self_dice) rp_json_set_number(object, "self_dice", provenance->self_dice);
    char *text = rp_json_text(object);
    rp_json_destroy(object);
    return text;
}

static rp_status write_model(const char *path, const rp_model *model, bool half, rp_error *err)
{
    const size_t count = rp_fcd_parameter_count(model->net);
    rp_status status = RP_OK;
    RP_AUTOFREE char *architecture = architecture_text(rp_fcd_config_of(model->net));
    RP_AUTOFREE char *preprocessing = preprocessing_text(model);
    RP_AUTOFREE char *provenance = provenance_text(&model->provenance);
    RP_AUTOFREE rp_named_tensor *tensors = rp_alloc(count + RP_BASELINE_TENSORS, sizeof *tensors);
    RP_AUTOFREE float *lesion = NULL;
    const size_t kept = model->baseline.data ? RP_BASELINE_TENSORS : 0;
    if (!architecture || !preprocessing || !provenance || !tensors)
        return rp_fail(err, RP_ERR_MEMORY, "%s: no memory to write the model", path);
    rp_key_value metadata[] = {{(char *)KEY_VERSION, (char *)MODEL_VERSION},
                               {(char *)KEY_ARCHITECTURE, architecture},
                               {(char *)KEY_PREPROCESSING, preprocessing},
                               {(char *)KEY_PROVENANCE, provenance},
                               {(char *)KEY_GUARD, model->guard}};
    for (size_t i = 0; i < count && !status; i++) {
        const rp_parameter *parameter = rp_fcd_parameter(model->net, i);
        tensors[i] = rp_parameter_tensor(parameter, (char *)parameter->name, parameter->value);
        tensors[i].half = half && ends_with(parameter->name, ".conv.weight");
        for (size_t v = 0; v < parameter->count && !status; v++)
            if (!isfinite(parameter->value[v]))
                status = rp_fail(err, RP_ERR_NUMERIC,
                                 "%s: not written, because %s holds NaN or infinity", path,
                                 parameter->name);
    }
    if (!status && kept) status = rp_baseline_tensors(model, tensors + count, &lesion, err);
    if (status) return status;
    const rp_tensor_file file = {.tensors = tensors,
                                 .tensor_count = count + kept,
                                 .metadata = metadata,
                                 .metadata_count =
                                     sizeof metadata / sizeof *metadata - !model->guard};
    return rp_safetensors_write(path, &file, err);
}

rp_status rp_model_write(const char *path, const rp_model *model, rp_error *err)
{
    return write_model(path, model, false, err);
}

rp_status rp_model_write_half(const char *path, const rp_model *model, rp_error *err)
{
    return write_model(path, model, true, err);
}

/* ---- metadata: reading ------------------------------------------------------------------- */

static rp_status parse_metadata(const char *path, const rp_tensor_file *file, const char *key,
                                rp_json **value, rp_error *err)
{
    const char *text = rp_tensor_file_metadata(file, key);
    if (!text) return rp_fail(err, RP_ERR_FORMAT, "%s: metadata %s is missing", path, key);
    rp_status status = rp_json_parse(text, value, err);
    return status ? rp_fail_in(err, RP_ERR_FORMAT, "%s: metadata %s", path, key) : RP_OK;
}

static bool read_int(const rp_json *object, const char *key, int low, int high, int *out)
{
    int64_t value;
    if (!rp_json_get_int(object, key, &value) || value < low || value > high) return false;
    *out = (int)value;
    return true;
}

static bool read_numbers(const rp_json *object, const char *key, size_t count, double *out)
{
    const rp_json *array = rp_json_get(object, key);
    if (!array || rp_json_length(array) != count) return false;
    for (size_t i = 0; i < count; i++)
        if (!rp_json_as_number(rp_json_at(array, i), &out[i])) return false;
    return true;
}

static bool read_layers(const rp_json *object, int levels, int *out)
{
    const rp_json *array = rp_json_get(object, "down_layers");
    if (!array || rp_json_length(array) != (size_t)levels) return false;
    for (int i = 0; i < levels; i++) {
        int64_t value;
        if (!rp_json_as_int(rp_json_at(array, (size_t)i), &value) || value < 1 ||
            value > MAX_LAYERS)
            return false;
        out[i] = (int)value;
    }
    return true;
}

/* What the channels are. Contours beside the image had no name at first; what a baseline beside it
 * is has changed with its name. */
static rp_status check_inputs(const char *path, const rp_json *object, int channels, rp_error *err)
{
    const char *name = rp_json_get_string(object, "inputs");
    if (!name && channels != RP_INPUTS_BASELINE) return RP_OK;
    if (name && rp_inputs_known(channels) && strcmp(name, rp_inputs_name((rp_inputs)channels)) == 0)
        return RP_OK;
    return rp_fail(err, RP_ERR_UNSUPPORTED,
                   "%s: its network was made for other inputs (%.60s) than this program gives it: "
                   "it has to be adapted, or trained, anew",
                   path, name ? name : "without a name");
}

static bool read_architecture(const rp_json *object, rp_fcd_config *config)
{
    const char *norm = rp_json_get_string(object, "norm");
    *config = (rp_fcd_config){0};
    return read_int(object, "in_channels", 1, 64, &config->in_channels) &&
           read_int(object, "classes", 2, 256, &config->classes) &&
           read_int(object, "first_filters", 1, MAX_WIDTH, &config->first_filters) &&
           read_int(object, "growth", 1, MAX_WIDTH, &config->growth) &&
           read_int(object, "levels", 1, RP_FCD_MAX_LEVELS, &config->levels) &&
           read_int(object, "bottleneck_layers", 1, MAX_LAYERS, &config->bottleneck_layers) &&
           read_layers(object, config->levels, config->down_layers) &&
           rp_json_get_number(object, "dropout", &config->dropout) && norm &&
           rp_norm_mode_parse(norm, &config->norm);
}

static void copy_text(const rp_json *object, const char *key, char *out, size_t size)
{
    const char *text = rp_json_get_string(object, key);
    snprintf(out, size, "%s", text ? text : "");
}

static void read_provenance(const rp_json *object, rp_model_provenance *out)
{
    const char *seed = rp_json_get_string(object, "seed");
    *out = (rp_model_provenance){0};
    copy_text(object, "program_version", out->program_version, sizeof out->program_version);
    copy_text(object, "trained_on_image_sha256", out->trained_on_image_sha256, RP_SHA256_HEX);
    copy_text(object, "trained_on_mask_sha256", out->trained_on_mask_sha256, RP_SHA256_HEX);
    copy_text(object, "base_model_sha256", out->base_model_sha256, RP_SHA256_HEX);
    copy_text(object, "label", out->label, sizeof out->label);
    copy_text(object, "image_repair", out->image_repair, sizeof out->image_repair);
    copy_text(object, "kernels", out->kernels, sizeof out->kernels);
    if (seed) sscanf(seed, "%20" SCNu64, &out->seed);
    read_int(object, "epochs", 0, INT_MAX, &out->epochs);
    out->has_self_dice = rp_json_get_number(object, "self_dice", &out->self_dice) &&
                         out->self_dice >= 0.0 && out->self_dice <= 1.0;
}

/* Models of whole images have none. */
static bool read_region(const rp_json *object, int region[3])
{
    const rp_json *array = rp_json_get(object, "region_voxels");
    if (!array) return true;
    if (rp_json_length(array) != 3) return false;
    for (int a = 0; a < 3; a++) {
        int64_t value;
        if (!rp_json_as_int(rp_json_at(array, (size_t)a), &value) || value < 1 ||
            value > MAX_REGION)
            return false;
        region[a] = (int)value;
    }
    return true;
}

static rp_status keep_guard(const char *path, const rp_tensor_file *file, rp_model *model,
                            rp_error *err)
{
    const char *text = rp_tensor_file_metadata(file, KEY_GUARD);
    if (!text) return RP_OK;
    model->guard = rp_strdup(text);
    return model->guard ? RP_OK : rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", path);
}

static rp_status read_metadata(const char *path, const rp_tensor_file *file, rp_fcd_config *config,
                               rp_model *model, rp_error *err)
{
    const char *version = rp_tensor_file_metadata(file, KEY_VERSION);
    rp_json *architecture = NULL, *preprocessing = NULL, *provenance = NULL;
    rp_preprocessing *p = &model->preprocessing;
    if (!version) return RP_OK; /* not written by this program: the defaults stand */
    if (strcmp(version, MODEL_VERSION) != 0)
        return rp_fail(err, RP_ERR_UNSUPPORTED,
                       "%s: model format %.32s; this program reads format " MODEL_VERSION, path,
                       version);
    rp_status status = parse_metadata(path, file, KEY_ARCHITECTURE, &architecture, err);
    if (!status) status = parse_metadata(path, file, KEY_PREPROCESSING, &preprocessing, err);
    if (!status) status = parse_metadata(path, file, KEY_PROVENANCE, &provenance, err);
    if (status) goto done;
    if (!read_architecture(architecture, config)) {
        status = rp_fail(err, RP_ERR_FORMAT,
                         "%s: metadata " KEY_ARCHITECTURE " is incomplete or out of range", path);
        goto done;
    }
    status = check_inputs(path, architecture, config->in_channels, err);
    if (status) goto done;
    if (!rp_json_get_number(preprocessing, "window_low_hu", &p->window_low_hu) ||
        !rp_json_get_number(preprocessing, "window_high_hu", &p->window_high_hu) ||
        !read_numbers(preprocessing, "spacing_mm", 3, p->spacing) ||
        !read_region(preprocessing, model->region)) {
        status = rp_fail(err, RP_ERR_FORMAT,
                         "%s: metadata " KEY_PREPROCESSING " is incomplete or out of range", path);
        goto done;
    }
    status = rp_preprocessing_check(p, err);
    if (status) status = rp_fail_in(err, RP_ERR_FORMAT, "%s", path);
    read_provenance(provenance, &model->provenance);
    if (!status) status = keep_guard(path, file, model, err);
done:
    rp_json_destroy(architecture);
    rp_json_destroy(preprocessing);
    rp_json_destroy(provenance);
    return status;
}

/* ---- reading -----------------------------------------------------------------------------------
 */

/* Compared before any memory is taken for the network, so that the metadata of a small hostile
 * file cannot ask for a huge one. */
static rp_status check_widths(const char *path, const rp_tensor_file *file,
                              const rp_fcd_config *config, rp_error *err)
{
    const rp_named_tensor *stem = rp_tensor_file_find(file, "stem.conv.weight");
    const rp_named_tensor *layer = rp_tensor_file_find(file, "down.0.layer.0.conv.weight");
    if (!stem || !layer)
        return rp_fail(err, RP_ERR_FORMAT,
                       "%s: tensor %s is missing: not a model of this program's architecture", path,
                       stem ? "down.0.layer.0.conv.weight" : "stem.conv.weight");
    int layers = config->bottleneck_layers;
    for (int i = 0; i < config->levels; i++) layers += 2 * config->down_layers[i];
    if (stem->rank != 5 || stem->shape[0] != config->first_filters ||
        stem->shape[1] != config->in_channels || layer->rank != 5 ||
        layer->shape[0] != config->growth || file->tensor_count < (size_t)layers)
        return rp_fail(err, RP_ERR_FORMAT,
                       "%s: its tensors are of another architecture than %d filters, growth %d, "
                       "%d dense layers",
                       path, config->first_filters, config->growth, layers);
    return RP_OK;
}

static const rp_parameter *find_parameter(rp_fcd *net, const char *name)
{
    const size_t count = rp_fcd_parameter_count(net);
    for (size_t i = 0; i < count; i++)
        if (strcmp(rp_fcd_parameter(net, i)->name, name) == 0) return rp_fcd_parameter(net, i);
    return NULL;
}

static rp_status load_weights(const char *path, const rp_tensor_file *file, rp_fcd *net,
                              rp_error *err)
{
    const size_t count = rp_fcd_parameter_count(net);
    for (size_t i = 0; i < count; i++) {
        rp_parameter *parameter = rp_fcd_parameter(net, i);
        const rp_named_tensor *tensor = rp_tensor_file_find(file, parameter->name);
        rp_status status = rp_tensor_check(path, parameter->name, tensor, parameter, err);
        if (status) return status;
        memcpy(parameter->value, tensor->data, parameter->count * sizeof(float));
    }
    for (size_t i = 0; i < file->tensor_count; i++) {
        const char *name = file->tensors[i].name;
        if (!ends_with(name, ".num_batches_tracked") && !find_parameter(net, name) &&
            !rp_baseline_named(name))
            return rp_fail(err, RP_ERR_FORMAT,
                           "%s: tensor %.200s does not belong to the architecture", path, name);
    }
    return RP_OK;
}

rp_status rp_model_read(const char *path, rp_model *model, rp_error *err)
{
    rp_tensor_file file = {0};
    rp_fcd_config config;
    *model = (rp_model){0};
    rp_fcd_config_defaults(&config);
    rp_preprocessing_defaults(&model->preprocessing);
    rp_status status = rp_safetensors_read(path, &file, err);
    if (!status) status = read_metadata(path, &file, &config, model, err);
    if (!status) status = check_widths(path, &file, &config, err);
    if (status) goto done;
    status = rp_fcd_create(&config, 0, &model->net, err);
    if (status) {
        status = rp_fail_in(err, status == RP_ERR_ARGUMENT ? RP_ERR_FORMAT : status, "%s", path);
        goto done;
    }
    status = load_weights(path, &file, model->net, err);
    if (!status) status = rp_baseline_read(path, &file, model, err);
    if (!status) status = rp_sha256_file(path, model->sha256, err);
done:
    rp_tensor_file_release(&file);
    if (status) rp_model_release(model);
    return status;
}

/* ---- in memory ---------------------------------------------------------------------------------
 */

rp_status rp_model_create(const rp_fcd_config *config, const rp_preprocessing *p, uint64_t seed,
                          rp_model *model, rp_error *err)
{
    *model = (rp_model){.preprocessing = *p};
    rp_status status = rp_preprocessing_check(p, err);
    if (!status) status = rp_fcd_create(config, seed, &model->net, err);
    if (status) {
        *model = (rp_model){0};
        return status;
    }
    snprintf(model->provenance.program_version, sizeof model->provenance.program_version, "%s",
             RP_VERSION);
    model->provenance.seed = seed;
    return RP_OK;
}

/* Weights of the stem are [out][in][taps]; every other tensor keeps its shape. */
static void widen_stem(const rp_parameter *from, rp_parameter *to)
{
    const size_t filters = (size_t)from->shape[0], taps = from->count / filters;
    memset(to->value, 0, to->count * sizeof *to->value);
    for (size_t f = 0; f < filters; f++)
        memcpy(to->value + 2 * f * taps, from->value + f * taps, taps * sizeof *to->value);
}

rp_status rp_model_add_prior(rp_model *model, rp_error *err)
{
    rp_fcd_config config = *rp_fcd_config_of(model->net);
    rp_fcd *wide = NULL;
    if (config.in_channels == 2) return RP_OK;
    if (config.in_channels != 1)
        return rp_fail(err, RP_ERR_UNSUPPORTED,
                       "the model takes %d images at once: it cannot take a contour besides",
                       config.in_channels);
    config.in_channels = 2;
    rp_status status = rp_fcd_create(&config, 0, &wide, err);
    if (status) return status;
    for (size_t i = 0; i < rp_fcd_parameter_count(wide); i++) {
        const rp_parameter *from = rp_fcd_parameter(model->net, i);
        rp_parameter *to = rp_fcd_parameter(wide, i);
        if (from->count == to->count)
            memcpy(to->value, from->value, to->count * sizeof *to->value);
        else
            widen_stem(from, to);
    }
    rp_fcd_destroy(model->net);
    model->net = wide;
    return RP_OK;
}

void rp_model_release(rp_model *model)
{
    if (!model) return;
    rp_fcd_destroy(model->net);
    rp_image_release(&model->baseline);
    rp_mask_release(&model->baseline_lesion);
    rp_free(model->guard);
    *model = (rp_model){0};
}
