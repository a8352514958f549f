/* Model files: every bit comes back, and every damaged file is refused in words. */
#include "fixture.h"

typedef struct place {
    char *folder, *path;
    rp_model model;
} place;

static int set_up(void **state)
{
    static place p;
    p.folder = make_folder();
    p.path = rp_path_join(p.folder, "model.safetensors");
    make_model(&p.model, 11);
    *state = &p;
    return 0;
}

static int tear_down(void **state)
{
    place *p = *state;
    rp_model_release(&p->model);
    rp_free(p->path);
    remove_folder(p->folder);
    return 0;
}

static void test_round_trip(void **state)
{
    place *p = *state;
    rp_error err = {0};
    rp_model read = {0};
    char hash[RP_SHA256_HEX];
    rp_model_provenance *from = &p->model.provenance;
    p->model.preprocessing = (rp_preprocessing){-160.1, 240.7, {1.1, 1.2, 2.9}};
    from->seed = 18446744073709551615u;
    from->epochs = 350;
    snprintf(from->label, sizeof from->label, "simulated \"x\"");
    snprintf(from->kernels, sizeof from->kernels, "avx2");
    snprintf(from->image_repair, sizeof from->image_repair, "a gap of 8.00 mm was filled");
    rp_sha256("a", 1, from->trained_on_image_sha256);
    rp_sha256("b", 1, from->trained_on_mask_sha256);
    rp_sha256("c", 1, from->base_model_sha256);
    rp_fcd_set_norm(p->model.net, RP_NORM_INSTANCE);
    /* values that a decimal detour would lose */
    float *weight = rp_fcd_parameter(p->model.net, 0)->value;
    weight[0] = -0.0f;
    weight[1] = 1e-42f;
    weight[2] = 0x1.fffffep127f;
    assert_ok(rp_model_write(p->path, &p->model, &err), err);
    assert_ok(rp_model_read(p->path, &read, &err), err);
    assert_true(same_weights(&p->model, &read));
    assert_true(rp_fcd_config_same(rp_fcd_config_of(p->model.net), rp_fcd_config_of(read.net)));
    assert_memory_equal(&read.preprocessing, &p->model.preprocessing, sizeof(rp_preprocessing));
    assert_int_equal(read.provenance.epochs, 350);
    assert_true(read.provenance.seed == from->seed);
    assert_string_equal(read.provenance.label, from->label);
    assert_string_equal(read.provenance.kernels, from->kernels);
    assert_string_equal(read.provenance.image_repair, from->image_repair);
    assert_string_equal(read.provenance.program_version, from->program_version);
    assert_string_equal(read.provenance.trained_on_image_sha256, from->trained_on_image_sha256);
    assert_string_equal(read.provenance.trained_on_mask_sha256, from->trained_on_mask_sha256);
    assert_string_equal(read.provenance.base_model_sha256, from->base_model_sha256);
    assert_ok(rp_sha256_file(p->path, hash, &err), err);
    assert_string_equal(read.sha256, hash);
    rp_model_release(&read);
    rp_model_release(&read);
}

/* Convolutions' weights are rounded to 11 bits, all else keeps every bit. */
static void test_half_the_size(void **state)
{
    place *p = *state;
    rp_error err = {0};
    rp_model read = {0};
    size_t rounded = 0, whole;
    uint8_t *bytes;
    size_t size;
    assert_ok(rp_model_write(p->path, &p->model, &err), err);
    assert_ok(rp_file_read(p->path, &bytes, &whole, &err), err);
    rp_free(bytes);
    assert_ok(rp_model_write_half(p->path, &p->model, &err), err);
    assert_ok(rp_file_read(p->path, &bytes, &size, &err), err);
    rp_free(bytes);
    assert_ok(rp_model_read(p->path, &read, &err), err);
    for (size_t i = 0; i < rp_fcd_parameter_count(read.net); i++) {
        const rp_parameter *was = rp_fcd_parameter(p->model.net, i);
        const rp_parameter *is = rp_fcd_parameter(read.net, i);
        const bool conv = strstr(was->name, "conv.weight");
        for (size_t v = 0; v < was->count; v++) {
            const double error = fabs((double)is->value[v] - (double)was->value[v]);
            if (error > (conv ? fabs((double)was->value[v]) * 0x1p-11 + 0x1p-25 : 0.0))
                fail_msg("%s: %g became %g", was->name, (double)was->value[v],
                         (double)is->value[v]);
        }
        rounded += conv ? was->count : 0;
    }
    assert_in_range(whole - size, 2 * rounded, 2 * rounded + 1024); /* offsets with fewer digits */
    rp_model_release(&read);
}

/* ---- damage: read the file as tensors, change it, write it again -------------------------------
 */

typedef void (*damage)(rp_tensor_file *file);

static void expect_refusal(place *p, damage change, const char *words)
{
    rp_error err = {0};
    rp_tensor_file file = {0};
    rp_model read = {0};
    assert_ok(rp_model_write(p->path, &p->model, &err), err);
    assert_ok(rp_safetensors_read(p->path, &file, &err), err);
    change(&file);
    assert_ok(rp_safetensors_write(p->path, &file, &err), err);
    rp_tensor_file_release(&file);
    rp_status status = rp_model_read(p->path, &read, &err);
    if (status != RP_ERR_FORMAT && status != RP_ERR_UNSUPPORTED)
        fail_msg("expected a refusal about \"%s\", got %s", words, rp_status_text(status));
    if (!strstr(err.message, words) || !strstr(err.message, p->path))
        fail_msg("\"%s\" does not speak of \"%s\" and the file", err.message, words);
    assert_null(read.net);
}

static rp_named_tensor *tensor(rp_tensor_file *file, const char *name)
{
    rp_named_tensor *found = (rp_named_tensor *)rp_tensor_file_find(file, name);
    assert_non_null(found);
    return found;
}

static void rename_tensor(rp_tensor_file *file, const char *name, const char *to)
{
    rp_named_tensor *t = tensor(file, name);
    rp_free(t->name);
    t->name = rp_strdup(to);
}

static void set_metadata(rp_tensor_file *file, const char *key, const char *value)
{
    for (size_t i = 0; i < file->metadata_count; i++) {
        if (strcmp(file->metadata[i].key, key) != 0) continue;
        rp_free(file->metadata[i].value);
        file->metadata[i].value = rp_strdup(value);
        return;
    }
    fail_msg("no metadata %s", key);
}

static void put_nan(rp_tensor_file *file)
{
    tensor(file, "bottleneck.layer.1.conv.weight")->data[3] = NAN;
}
static void put_infinity(rp_tensor_file *file)
{
    tensor(file, "head.conv.bias")->data[1] = -INFINITY;
}
static void put_negative_variance(rp_tensor_file *file)
{
    tensor(file, "down.0.layer.0.norm.running_var")->data[0] = -1;
}
static void lose_tensor(rp_tensor_file *file)
{
    rename_tensor(file, "up.1.layer.0.conv.bias", "up.1.layer.9.conv.bias");
}
static void lose_stem(rp_tensor_file *file)
{
    rename_tensor(file, "stem.conv.weight", "conv1.weight");
}
static void misshape(rp_tensor_file *file)
{
    rp_named_tensor *t = tensor(file, "transition_up.0.conv.weight");
    t->rank = 2;
    t->shape[1] *= 27;
}
static void swap_shape(rp_tensor_file *file)
{
    rp_named_tensor *t = tensor(file, "down.1.layer.0.conv.weight");
    int64_t first = t->shape[0];
    t->shape[0] = t->shape[1];
    t->shape[1] = first;
}
static void other_growth(rp_tensor_file *file)
{
    set_metadata(
        file, "reprise.architecture",
        "{\"in_channels\":1,\"classes\":2,\"first_filters\":8,\"growth\":200,\"levels\":2,"
        "\"down_layers\":[16,16],\"bottleneck_layers\":32,\"dropout\":0.1,\"norm\":\"batch\"}");
}
static void fewer_layers(rp_tensor_file *file)
{
    set_metadata(
        file, "reprise.architecture",
        "{\"in_channels\":1,\"classes\":2,\"first_filters\":8,\"growth\":4,\"levels\":2,"
        "\"down_layers\":[1,1],\"bottleneck_layers\":1,\"dropout\":0.1,\"norm\":\"batch\"}");
}
static void huge_architecture(rp_tensor_file *file)
{
    set_metadata(
        file, "reprise.architecture",
        "{\"in_channels\":1,\"classes\":2,\"first_filters\":1e9,\"growth\":4,\"levels\":2,"
        "\"down_layers\":[1,1],\"bottleneck_layers\":2,\"dropout\":0.1,\"norm\":\"batch\"}");
}
static void bad_dropout(rp_tensor_file *file)
{
    set_metadata(
        file, "reprise.architecture",
        "{\"in_channels\":1,\"classes\":2,\"first_filters\":8,\"growth\":4,\"levels\":2,"
        "\"down_layers\":[1,1],\"bottleneck_layers\":2,\"dropout\":1.5,\"norm\":\"batch\"}");
}
static void bad_norm(rp_tensor_file *file)
{
    set_metadata(
        file, "reprise.architecture",
        "{\"in_channels\":1,\"classes\":2,\"first_filters\":8,\"growth\":4,\"levels\":2,"
        "\"down_layers\":[1,1],\"bottleneck_layers\":2,\"dropout\":0.1,\"norm\":\"group\"}");
}
static void old_inputs(rp_tensor_file *file)
{
    set_metadata(file, "reprise.architecture",
                 "{\"in_channels\":4,\"inputs\":\"image+baseline+distance+likeness\",\"classes\":2,"
                 "\"first_filters\":8,\"growth\":4,\"levels\":2,\"down_layers\":[1,1],"
                 "\"bottleneck_layers\":2,\"dropout\":0.1,\"norm\":\"batch\"}");
}
static void no_inputs(rp_tensor_file *file)
{
    set_metadata(
        file, "reprise.architecture",
        "{\"in_channels\":4,\"classes\":2,\"first_filters\":8,\"growth\":4,\"levels\":2,"
        "\"down_layers\":[1,1],\"bottleneck_layers\":2,\"dropout\":0.1,\"norm\":\"batch\"}");
}
static void not_json(rp_tensor_file *file)
{
    set_metadata(file, "reprise.architecture", "{\"in_channels\":");
}
static void bad_spacing(rp_tensor_file *file)
{
    set_metadata(file, "reprise.preprocessing",
                 "{\"window_low_hu\":-150,\"window_high_hu\":250,\"spacing_mm\":[1.5,0,3]}");
}
static void bad_region(rp_tensor_file *file)
{
    set_metadata(file, "reprise.preprocessing",
                 "{\"window_low_hu\":-150,\"window_high_hu\":250,\"spacing_mm\":[1.5,1.5,3],"
                 "\"region_voxels\":[64,64,0]}");
}
static void short_spacing(rp_tensor_file *file)
{
    set_metadata(file, "reprise.preprocessing",
                 "{\"window_low_hu\":-150,\"window_high_hu\":250,\"spacing_mm\":[1.5,3]}");
}
static void bad_window(rp_tensor_file *file)
{
    set_metadata(file, "reprise.preprocessing",
                 "{\"window_low_hu\":250,\"window_high_hu\":-150,\"spacing_mm\":[1.5,1.5,3]}");
}
static void newer_format(rp_tensor_file *file)
{
    set_metadata(file, "reprise.model", "2");
}

static void test_damaged_tensors(void **state)
{
    place *p = *state;
    expect_refusal(p, put_nan, "bottleneck.layer.1.conv.weight holds NaN");
    expect_refusal(p, put_infinity, "head.conv.bias holds NaN or infinity");
    expect_refusal(p, put_negative_variance, "negative variance");
    expect_refusal(p, lose_tensor, "up.1.layer.0.conv.bias is missing");
    expect_refusal(p, lose_stem, "stem.conv.weight is missing");
    expect_refusal(p, misshape, "transition_up.0.conv.weight has shape");
    expect_refusal(p, swap_shape, "down.1.layer.0.conv.weight has shape");
}

static void test_damaged_metadata(void **state)
{
    place *p = *state;
    expect_refusal(p, other_growth, "another architecture");
    expect_refusal(p, fewer_layers, "transition_up.0.conv.weight has shape");
    expect_refusal(p, huge_architecture, "out of range");
    expect_refusal(p, bad_dropout, "dropout");
    expect_refusal(p, bad_norm, "out of range");
    expect_refusal(p, old_inputs, "other inputs (image+baseline+distance+likeness)");
    expect_refusal(p, no_inputs, "without a name");
    expect_refusal(p, not_json, "reprise.architecture");
    expect_refusal(p, bad_spacing, "working grid");
    expect_refusal(p, bad_region, "out of range");
    expect_refusal(p, short_spacing, "incomplete");
    expect_refusal(p, bad_window, "window");
    expect_refusal(p, newer_format, "format 2");
}

/* Whatever the length, a cut file is an error that names it. */
static void test_truncated(void **state)
{
    place *p = *state;
    rp_error err = {0};
    uint8_t *bytes = NULL;
    size_t size = 0;
    assert_ok(rp_model_write(p->path, &p->model, &err), err);
    assert_ok(rp_file_read(p->path, &bytes, &size, &err), err);
    for (int i = 0; i < 40; i++) {
        size_t cut = i < 12 ? (size_t)i : size - 1 - (size_t)(i - 12) * (size / 29);
        rp_model read = {0};
        assert_ok(rp_file_write(p->path, bytes, cut, &err), err);
        err.message[0] = 0;
        assert_int_equal(rp_model_read(p->path, &read, &err), RP_ERR_FORMAT);
        assert_non_null(strstr(err.message, p->path));
        assert_null(read.net);
    }
    bytes[0] = bytes[1] = bytes[2] = bytes[3] = bytes[4] = bytes[5] = bytes[6] = bytes[7] = 0xff;
    rp_model read = {0};
    assert_ok(rp_file_write(p->path, bytes, size, &err), err);
    assert_int_equal(rp_model_read(p->path, &read, &err), RP_ERR_FORMAT);
    assert_int_equal(rp_model_read(p->folder, &read, &err), RP_ERR_IO);
    rp_free(bytes);
}

/* Any single changed byte of the header is refused or harmless, never a crash. */
static void test_changed_header_bytes(void **state)
{
    place *p = *state;
    rp_error err = {0};
    uint8_t *bytes = NULL;
    size_t size = 0;
    uint64_t header;
    rp_random random;
    rp_random_init(&random, 5, 1, 0);
    assert_ok(rp_model_write(p->path, &p->model, &err), err);
    assert_ok(rp_file_read(p->path, &bytes, &size, &err), err);
    memcpy(&header, bytes, sizeof header);
    for (int i = 0; i < 300; i++) {
        size_t at = (size_t)(rp_random_uniform(&random) * (double)(header + 8));
        uint8_t kept = bytes[at];
        bytes[at] = (uint8_t)rp_random_u32(&random);
        rp_model read = {0};
        assert_ok(rp_file_write(p->path, bytes, size, &err), err);
        rp_status status = rp_model_read(p->path, &read, &err);
        if (status) assert_non_null(strstr(err.message, p->path));
        rp_model_release(&read);
        bytes[at] = kept;
    }
    rp_free(bytes);
}

/* As PyTorch saves it: no metadata of ours, and counters of batches. */
static void test_file_of_pytorch(void **state)
{
    place *p = *state;
    rp_error err = {0};
    rp_fcd_config config;
    rp_preprocessing preprocessing;
    rp_model model = {0}, read = {0};
    float counter = 3;
    rp_fcd_config_defaults(&config);
    rp_preprocessing_defaults(&preprocessing);
    assert_ok(rp_model_create(&config, &preprocessing, 3, &model, &err), err);
    const size_t count = rp_fcd_parameter_count(model.net);
    rp_named_tensor *tensors = rp_alloc(count + 1, sizeof *tensors);
    for (size_t i = 0; i < count; i++) {
        const rp_parameter *parameter = rp_fcd_parameter(model.net, i);
        tensors[i] = (rp_named_tensor){
            .name = (char *)parameter->name, .rank = parameter->rank, .data = parameter->value};
        memcpy(tensors[i].shape, parameter->shape, sizeof parameter->shape);
    }
    tensors[count] = (rp_named_tensor){.name = (char *)"down.0.layer.0.norm.num_batches_tracked",
                                       .data = &counter};
    rp_key_value metadata = {(char *)"format", (char *)"pt"};
    rp_tensor_file file = {tensors, count + 1, &metadata, 1};
    assert_ok(rp_safetensors_write(p->path, &file, &err), err);
    assert_ok(rp_model_read(p->path, &read, &err), err);
    assert_true(same_weights(&model, &read));
    assert_int_equal(rp_fcd_trainable(read.net), 2698682);
    rp_model_release(&read);
    tensors[count].name = (char *)"extra.weight";
    assert_ok(rp_safetensors_write(p->path, &file, &err), err);
    assert_int_equal(rp_model_read(p->path, &read, &err), RP_ERR_FORMAT);
    assert_non_null(strstr(err.message, "extra.weight"));
    rp_free(tensors);
    rp_model_release(&model);
}

static void test_writing_fails_whole(void **state)
{
    place *p = *state;
    rp_error err = {0};
    rp_model read = {0};
    assert_ok(rp_model_write(p->path, &p->model, &err), err);
    rp_fcd_parameter(p->model.net, 1)->value[0] = NAN;
    assert_int_equal(rp_model_write(p->path, &p->model, &err), RP_ERR_NUMERIC);
    rp_fcd_parameter(p->model.net, 1)->value[0] = 0.25f;
    int failures = 0;
    for (long n = 1; n < 1000; n++, failures++) {
        rp_test_fail_write(n);
        rp_status status = rp_model_write(p->path, &p->model, &err);
        rp_test_fail_write(0);
        if (!status) break;
        assert_int_equal(status, RP_ERR_IO);
        if (n % 16 != 1) continue;
        assert_ok(rp_model_read(p->path, &read, &err), err); /* the old one is still there, whole */
        assert_true(rp_fcd_parameter(read.net, 1)->value[0] < 0.2f);
        rp_model_release(&read);
    }
    assert_true(failures > 3 && failures < 999);
    assert_ok(rp_model_read(p->path, &read, &err), err);
    assert_true(same_weights(&p->model, &read));
    rp_model_release(&read);
    RP_AUTOFREE char *nowhere = rp_path_join(p->folder, "missing/model.safetensors");
    assert_int_equal(rp_model_write(nowhere, &p->model, &err), RP_ERR_IO);
}

static void test_memory_fails(void **state)
{
    place *p = *state;
    rp_error err = {0};
    long n = 1;
    assert_ok(rp_model_write(p->path, &p->model, &err), err);
    for (;; n += n < 40 ? 1 : 7) {
        rp_model read = {0};
        rp_test_fail_allocation(n);
        rp_status status = rp_model_read(p->path, &read, &err);
        rp_test_fail_allocation(0);
        if (!status) {
            rp_model_release(&read);
            break;
        }
        assert_null(read.net);
    }
    assert_true(n > 20);
}

#define WITH_MODEL(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_MODEL(test_round_trip),      WITH_MODEL(test_half_the_size),
        WITH_MODEL(test_damaged_tensors), WITH_MODEL(test_damaged_metadata),
        WITH_MODEL(test_truncated),       WITH_MODEL(test_changed_header_bytes),
        WITH_MODEL(test_file_of_pytorch), WITH_MODEL(test_writing_fails_whole),
        WITH_MODEL(test_memory_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
