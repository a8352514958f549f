/* Settings from YAML, checked against a schema by libcyaml. */
#include "cmd.h"

#include "reprise/learn_ranges.h"

#include <cyaml/cyaml.h>
#include <math.h>
#include <string.h>

/* ---- what a file may hold: everything optional, hence pointers ---------------------------------
 */

typedef struct file_network {
    int *first_filters, *growth, *bottleneck_layers;
    int *down_layers;
    unsigned down_layers_count;
    double *dropout;
    char *norm;
} file_network;

typedef struct file_preprocessing {
    double *window_low_hu, *window_high_hu;
    double *spacing_mm;
} file_preprocessing;

typedef struct file_loss {
    double *cross_entropy, *dual_cross_entropy, *dice, *dual_alpha, *dual_beta, *dice_smooth;
} file_loss;

typedef struct file_augmentation {
    double *brightness, *rotation_degrees, *shift_mm, *scale, *elastic_mm, *elastic_scale_mm,
        *noise;
} file_augmentation;

typedef struct file_treatment {
    double *share, *vanish, *shrink, *grow, *roughness, *roughness_low_mm, *roughness_high_mm,
        *density, *core, *rim, *rim_mm;
} file_treatment;

/* Of adaptation and of training, which alone validates. */
typedef struct file_adapt {
    int *epochs, *copies, *validate_every;
    int *crop;
    double *tumour_share, *learning_rate, *power, *dropout, *average, *checkpoint_seconds;
    bool *prior_channel;
    uint64_t *seed;
    file_loss *loss;
    file_augmentation *augmentation;
    file_treatment *treatment;
} file_adapt;

typedef struct file_region {
    bool *whole;
    double *margin_mm, *jitter_mm, *finest_mm, *coarsest_mm;
    int *voxels;
} file_region;

typedef struct file_predict {
    double *threshold;
    bool *all_components;
    int *tile;
} file_predict;

typedef struct file_verify {
    double *self_dice;
} file_verify;

typedef struct file_guard {
    int *trials, *vanished;
    double *mean_dice, *low_dice, *train_dice, *spread, *failures, *decided;
} file_guard;

typedef struct file_settings {
    file_network *network;
    file_preprocessing *preprocessing;
    file_adapt *adapt, *train;
    file_region *region;
    file_predict *predict;
    file_verify *verify;
    file_guard *guard;
    char *diameter, *recipe;
} file_settings;

enum { MAYBE = CYAML_FLAG_OPTIONAL | CYAML_FLAG_POINTER };

static const cyaml_schema_value_t int_entry = {CYAML_VALUE_INT(CYAML_FLAG_DEFAULT, int)};
static const cyaml_schema_value_t number_entry = {CYAML_VALUE_FLOAT(CYAML_FLAG_DEFAULT, double)};

#define NUMBER(type, name) CYAML_FIELD_FLOAT_PTR(#name, MAYBE, type, name)
#define WHOLE(type, name) CYAML_FIELD_INT_PTR(#name, MAYBE, type, name)
#define WORD(type, name) CYAML_FIELD_STRING_PTR(#name, MAYBE, type, name, 1, 32)
#define THREE(type, name, entry) CYAML_FIELD_SEQUENCE_FIXED(#name, MAYBE, type, name, entry, 3)
#define GROUP(type, name, fields) CYAML_FIELD_MAPPING_PTR(#name, MAYBE, type, name, fields)

static const cyaml_schema_field_t network_fields[] = {
    WHOLE(file_network, first_filters),
    WHOLE(file_network, growth),
    WHOLE(file_network, bottleneck_layers),
    CYAML_FIELD_SEQUENCE("down_layers", MAYBE, file_network, down_layers, &int_entry, 1,
                         RP_FCD_MAX_LEVELS),
    NUMBER(file_network, dropout),
    WORD(file_network, norm),
    CYAML_FIELD_END};

static const cyaml_schema_field_t preprocessing_fields[] = {
    NUMBER(file_preprocessing, window_low_hu), NUMBER(file_preprocessing, window_high_hu),
    THREE(file_preprocessing, spacing_mm, &number_entry), CYAML_FIELD_END};

static const cyaml_schema_field_t loss_fields[] = {NUMBER(file_loss, cross_entropy),
                                                   NUMBER(file_loss, dual_cross_entropy),
                                                   NUMBER(file_loss, dice),
                                                   NUMBER(file_loss, dual_alpha),
                                                   NUMBER(file_loss, dual_beta),
                                                   NUMBER(file_loss, dice_smooth),
                                                   CYAML_FIELD_END};

static const cyaml_schema_field_t augmentation_fields[] = {
    NUMBER(file_augmentation, brightness), NUMBER(file_augmentation, rotation_degrees),
    NUMBER(file_augmentation, shift_mm),   NUMBER(file_augmentation, scale),
    NUMBER(file_augmentation, elastic_mm), NUMBER(file_augmentation, elastic_scale_mm),
    NUMBER(file_augmentation, noise),      CYAML_FIELD_END};

static const cyaml_schema_field_t treatment_fields[] = {NUMBER(file_treatment, share),
                                                        NUMBER(file_treatment, vanish),
                                                        NUMBER(file_treatment, shrink),
                                                        NUMBER(file_treatment, grow),
                                                        NUMBER(file_treatment, roughness),
                                                        NUMBER(file_treatment, roughness_low_mm),
                                                        NUMBER(file_treatment, roughness_high_mm),
                                                        NUMBER(file_treatment, density),
                                                        NUMBER(file_treatment, core),
                                                        NUMBER(file_treatment, rim),
                                                        NUMBER(file_treatment, rim_mm),
                                                        CYAML_FIELD_END};

/* clang-format off */
#define STEP_FIELDS                                                                                \
    WHOLE(file_adapt, epochs), WHOLE(file_adapt, copies), THREE(file_adapt, crop, &int_entry),     \
    NUMBER(file_adapt, tumour_share), NUMBER(file_adapt, learning_rate), NUMBER(file_adapt, power),\
    NUMBER(file_adapt, dropout), NUMBER(file_adapt, checkpoint_seconds),                           \
    CYAML_FIELD_UINT_PTR("seed", MAYBE, file_adapt, seed), GROUP(file_adapt, loss, loss_fields),   \
    GROUP(file_adapt, augmentation, augmentation_fields),                                          \
    GROUP(file_adapt, treatment, treatment_fields)
/* clang-format on */

static const cyaml_schema_field_t adapt_fields[] = {
    STEP_FIELDS, CYAML_FIELD_BOOL_PTR("prior_channel", MAYBE, file_adapt, prior_channel),
    NUMBER(file_adapt, average), CYAML_FIELD_END};

static const cyaml_schema_field_t region_fields[] = {
    CYAML_FIELD_BOOL_PTR("whole", MAYBE, file_region, whole),
    NUMBER(file_region, margin_mm),
    NUMBER(file_region, jitter_mm),
    NUMBER(file_region, finest_mm),
    THREE(file_region, coarsest_mm, &number_entry),
    THREE(file_region, voxels, &int_entry),
    CYAML_FIELD_END};

static const cyaml_schema_field_t train_fields[] = {STEP_FIELDS, WHOLE(file_adapt, validate_every),
                                                    CYAML_FIELD_END};

static const cyaml_schema_field_t predict_fields[] = {
    NUMBER(file_predict, threshold),
    CYAML_FIELD_BOOL_PTR("all_components", MAYBE, file_predict, all_components),
    THREE(file_predict, tile, &int_entry), CYAML_FIELD_END};

static const cyaml_schema_field_t verify_fields[] = {NUMBER(file_verify, self_dice),
                                                     CYAML_FIELD_END};

static const cyaml_schema_field_t guard_fields[] = {
    WHOLE(file_guard, trials),    WHOLE(file_guard, vanished),    NUMBER(file_guard, mean_dice),
    NUMBER(file_guard, low_dice), NUMBER(file_guard, train_dice), NUMBER(file_guard, spread),
    NUMBER(file_guard, failures), NUMBER(file_guard, decided),    CYAML_FIELD_END};

static const cyaml_schema_field_t settings_fields[] = {
    GROUP(file_settings, network, network_fields),
    GROUP(file_settings, preprocessing, preprocessing_fields),
    GROUP(file_settings, adapt, adapt_fields),
    GROUP(file_settings, train, train_fields),
    GROUP(file_settings, region, region_fields),
    GROUP(file_settings, predict, predict_fields),
    GROUP(file_settings, verify, verify_fields),
    GROUP(file_settings, guard, guard_fields),
    WORD(file_settings, diameter),
    WORD(file_settings, recipe),
    CYAML_FIELD_END};

static const cyaml_schema_value_t settings_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, file_settings, settings_fields)};

/* ---- taking over what was given ---------------------------------------------------------- */

/* Where the values go, and what went wrong first. */
typedef struct taking {
    const char *path, *group;
    rp_status status;
    rp_error *err;
} taking;

static void out_of_range(taking *t, const char *key, const char *wanted)
{
    if (t->status) return;
    t->status = rp_fail(t->err, RP_ERR_ARGUMENT, "%s: %s%s%s must be %s", t->path, t->group,
                        *t->group ? "." : "", key, wanted);
}

static void take_numbers(taking *t, const char *key, const double *from, int count, double *to,
                         const double range[2])
{
    char wanted[80];
    snprintf(wanted, sizeof wanted, "from %g to %g", range[0], range[1]);
    for (int i = 0; from && i < count; i++) {
        if (!(from[i] >= range[0] && from[i] <= range[1])) out_of_range(t, key, wanted);
        to[i] = from[i];
    }
}

static void take_ints(taking *t, const char *key, const int *from, int count, int *to,
                      const int range[2])
{
    char wanted[80];
    snprintf(wanted, sizeof wanted, "from %d to %d", range[0], range[1]);
    for (int i = 0; from && i < count; i++) {
        if (from[i] < range[0] || from[i] > range[1]) out_of_range(t, key, wanted);
        to[i] = from[i];
    }
}

#define TAKE_NUMBER(name, low, high)                                                               \
    take_numbers(t, #name, from->name, 1, &to->name, (const double[2]){low, high});
#define TAKE_WHOLE(name, low, high)                                                                \
    take_ints(t, #name, from->name, 1, &to->name, (const int[2]){low, high});
#define TAKE_THREE(name, low, high)                                                                \
    take_ints(t, #name, from->name, 3, to->name, (const int[2]){low, high});

static void take_network(taking *t, const file_network *from, rp_fcd_config *to)
{
    t->group = "network";
    if (from->first_filters) to->first_filters = *from->first_filters;
    if (from->growth) to->growth = *from->growth;
    if (from->bottleneck_layers) to->bottleneck_layers = *from->bottleneck_layers;
    if (from->dropout) to->dropout = *from->dropout;
    if (from->down_layers) {
        to->levels = (int)from->down_layers_count;
        for (int i = 0; i < RP_FCD_MAX_LEVELS; i++)
            to->down_layers[i] = i < to->levels ? from->down_layers[i] : 0;
    }
    if (from->norm && !rp_norm_mode_parse(from->norm, &to->norm))
        out_of_range(t, "norm", "running, batch or instance");
    if (!t->status && rp_fcd_config_check(to, t->err))
        t->status = rp_fail_in(t->err, RP_ERR_ARGUMENT, "%s", t->path);
}

static void take_preprocessing(taking *t, const file_preprocessing *from, rp_preprocessing *to)
{
    t->group = "preprocessing";
    RP_RANGES_WINDOW(TAKE_NUMBER)
#define TAKE_SPACING(name, low, high)                                                              \
    take_numbers(t, #name "_mm", from->spacing_mm, 3, to->name, (const double[2]){low, high});
    RP_RANGE_SPACING(TAKE_SPACING)
    if (to->window_high_hu <= to->window_low_hu)
        out_of_range(t, "window_high_hu", "above window_low_hu");
}

static void take_loss(taking *t, const char *group, const file_loss *from, rp_loss_weights *to)
{
    t->group = group;
    RP_RANGES_LOSS(TAKE_NUMBER)
}

static void take_augmentation(taking *t, const char *group, const file_augmentation *from,
                              rp_augmentation *to)
{
    t->group = group;
    RP_RANGES_AUGMENTATION(TAKE_NUMBER)
    RP_RANGE_ELASTIC_SCALE(TAKE_NUMBER)
}

static void take_treatment(taking *t, const char *group, const file_treatment *from,
                           rp_treatment *to)
{
    t->group = group;
    RP_RANGES_TREATMENT(TAKE_NUMBER)
}

/* Of the groups "adapt" and "train". */
static void take_steps(taking *t, const char *const groups[4], const file_adapt *from,
                       rp_adapt_options *to)
{
    t->group = groups[0];
    RP_RANGES_STEPS_WHOLE(TAKE_WHOLE)
    RP_RANGES_STEPS(TAKE_NUMBER)
    RP_RANGE_CHECKPOINT(TAKE_NUMBER)
    RP_RANGE_CROP(TAKE_THREE)
    if (from->seed && *from->seed > INT64_MAX) out_of_range(t, "seed", "below 9223372036854775808");
    if (from->seed) to->seed = *from->seed;
    if (from->loss) take_loss(t, groups[1], from->loss, &to->loss);
    if (from->augmentation) take_augmentation(t, groups[2], from->augmentation, &to->augmentation);
    if (from->treatment) take_treatment(t, groups[3], from->treatment, &to->treatment);
    /* What the library says of values that are each within their ranges. */
    rp_error why = {0};
    if (!t->status && rp_adapt_options_check(to, &why))
        t->status = rp_fail(t->err, RP_ERR_ARGUMENT, "%s: %s.%s", t->path, groups[0], why.message);
    t->group = groups[0];
}

static void take_adapt(taking *t, const file_adapt *from, rp_adapt_options *to)
{
    static const char *const groups[] = {"adapt", "adapt.loss", "adapt.augmentation",
                                         "adapt.treatment"};
    if (from->prior_channel) to->prior_channel = *from->prior_channel;
    t->group = groups[0];
    RP_RANGE_AVERAGE(TAKE_NUMBER)
    take_steps(t, groups, from, to);
}

static void take_region(taking *t, const file_region *from, rp_region_options *to)
{
    t->group = "region";
    if (from->whole) to->whole = *from->whole;
    RP_RANGES_REGION(TAKE_NUMBER)
    take_ints(t, "voxels", from->voxels, 3, to->voxels, (const int[2]){1, 4096});
    take_numbers(t, "coarsest_mm", from->coarsest_mm, 3, to->coarsest_mm,
                 (const double[2]){0.05, 100.0});
}

/* A crop, or a grid of one's own, is one of whole images. Both and a region cannot be. */
static void settle_region(taking *t, const file_settings *from, rp_region_options *region)
{
    const bool crop = from->adapt && from->adapt->crop;
    const bool spacing = from->preprocessing && from->preprocessing->spacing_mm;
    if (!crop && !spacing) return;
    t->group = crop ? "adapt" : "preprocessing";
    if (from->region && !region->whole)
        out_of_range(t, crop ? "crop" : "spacing_mm",
                     "left out where there is a region, whose grid is fitted and whose crops are "
                     "boxes");
    region->whole = true;
}

static void take_train(taking *t, const file_adapt *from, rp_train_options *to)
{
    static const char *const groups[] = {"train", "train.loss", "train.augmentation",
                                         "train.treatment"};
    take_steps(t, groups, from, &to->base);
    RP_RANGE_VALIDATION(TAKE_WHOLE)
}

static void take_predict(taking *t, const file_predict *from, rp_predict_options *to)
{
    t->group = "predict";
    RP_RANGE_THRESHOLD(TAKE_NUMBER)
    if (from->all_components) to->all_components = *from->all_components;
    RP_RANGE_TILE(TAKE_THREE)
}

static void take_verify(taking *t, const file_verify *from, rp_verify_limits *to)
{
    t->group = "verify";
    TAKE_NUMBER(self_dice, 0.0, 1.0)
}

static void take_guard_limits(taking *t, const file_guard *from, rp_guard_limits *to)
{
    TAKE_NUMBER(mean_dice, 0.0, 1.0)
    TAKE_NUMBER(low_dice, 0.0, 1.0)
    TAKE_NUMBER(train_dice, 0.0, 1.0)
    TAKE_NUMBER(spread, 0.01, 10.0)
    TAKE_NUMBER(failures, 0.0, 1.0)
    TAKE_NUMBER(decided, 0.0, 1.0)
}

static void take_guard(taking *t, const file_guard *from, cmd_settings *settings)
{
    rp_guard_options *to = &settings->guard;
    const int most = RP_GUARD_MOST_TRIALS / 2;
    t->group = "guard";
    TAKE_WHOLE(trials, 0, most)
    TAKE_WHOLE(vanished, 0, most)
    take_guard_limits(t, from, &settings->guard_limits);
}

static rp_status take_all(const char *path, const file_settings *from, cmd_settings *to,
                          rp_error *err)
{
    taking t = {.path = path, .group = "", .err = err};
    rp_recipe recipe;
    if (from->recipe && !rp_recipe_parse(from->recipe, &recipe))
        out_of_range(&t, "recipe", "quick or study");
    else if (from->recipe && !to->has_recipe)
        cmd_settings_take_recipe(to, recipe);
    if (from->diameter && !cmd_parse_definition(from->diameter, &to->diameter))
        out_of_range(&t, "diameter", "convex or inside");
    if (from->network) take_network(&t, from->network, &to->network);
    if (from->preprocessing) take_preprocessing(&t, from->preprocessing, &to->preprocessing);
    if (from->adapt) take_adapt(&t, from->adapt, &to->adapt);
    to->has_epochs = from->adapt && from->adapt->epochs;
    if (from->region) take_region(&t, from->region, &to->adapt.region);
    settle_region(&t, from, &to->adapt.region);
    if (from->train) take_train(&t, from->train, &to->train);
    if (from->predict) take_predict(&t, from->predict, &to->predict);
    if (from->verify) take_verify(&t, from->verify, &to->verify);
    if (from->guard) take_guard(&t, from->guard, to);
    return t.status;
}

/* ---- reading ----------------------------------------------------------------------------- */

/* The lines that libcyaml logs on an error, as one sentence. */
typedef struct complaint {
    char text[512];
} complaint;

static void collect(cyaml_log_t level, void *context, const char *format, va_list arguments)
{
    complaint *c = context;
    char line[256];
    if (level < CYAML_LOG_ERROR) return;
    vsnprintf(line, sizeof line, format, arguments);
    line[strcspn(line, "\n")] = '\0';
    const char *words = strncmp(line, "Load:", 5) == 0 ? line + 5 : line;
    words += strspn(words, " ");
    const size_t used = strlen(c->text);
    /* What went wrong comes first, then where, from the inside out. */
    if (*words && strcmp(words, "Backtrace:") != 0)
        snprintf(c->text + used, sizeof c->text - used, "%s%s", used ? "; " : "", words);
}

void cmd_settings_defaults(cmd_settings *settings)
{
    *settings = (cmd_settings){.diameter = RP_DIAMETER_CONVEX};
    rp_fcd_config_defaults(&settings->network);
    rp_preprocessing_defaults(&settings->preprocessing);
    cmd_settings_take_recipe(settings, RP_RECIPE_QUICK);
    rp_train_defaults(&settings->train);
    rp_predict_defaults(&settings->predict);
    rp_verify_defaults(&settings->verify);
    rp_guard_defaults(&settings->guard);
    rp_guard_limits_defaults(&settings->guard_limits);
}

void cmd_settings_take_recipe(cmd_settings *settings, rp_recipe recipe)
{
    settings->recipe = recipe;
    rp_adapt_recipe(&settings->adapt, recipe);
}

void cmd_settings_take_crop(cmd_settings *settings, const int crop[3])
{
    memcpy(settings->adapt.crop, crop, sizeof settings->adapt.crop);
    settings->adapt.region.whole = true;
}

rp_status cmd_settings_read(const char *path, cmd_settings *settings, rp_error *err)
{
    complaint why = {0};
    const cyaml_config_t config = {.log_fn = collect,
                                   .log_ctx = &why,
                                   .log_level = CYAML_LOG_ERROR,
                                   .mem_fn = cyaml_mem,
                                   .flags = CYAML_CFG_DEFAULT};
    RP_AUTOFREE uint8_t *text = NULL;
    size_t size;
    rp_status status = rp_file_read(path, &text, &size, err);
    if (status) return status;
    file_settings *file = NULL;
    const cyaml_err_t code =
        cyaml_load_data(text, size, &config, &settings_schema, (cyaml_data_t **)&file, NULL);
    if (code != CYAML_OK)
        return rp_fail(err, RP_ERR_FORMAT, "%s: %s", path,
                       why.text[0] ? why.text : cyaml_strerror(code));
    cmd_settings changed = *settings;
    if (file) status = take_all(path, file, &changed, err);
    cyaml_free(&config, &settings_schema, file, 0);
    if (!status) *settings = changed;
    return status;
}

/* ---- as JSON ----------------------------------------------------------------------------- */

static rp_json *ints_json(const int *values, int count)
{
    rp_json *array = rp_json_array();
    for (int i = 0; i < count; i++) rp_json_append_int(array, values[i]);
    return array;
}

#define SET(json, from, name) rp_json_set_number(json, #name, (from)->name)

static rp_json *network_json(const rp_fcd_config *c)
{
    rp_json *json = rp_json_object();
    SET(json, c, first_filters);
    SET(json, c, growth);
    rp_json_set(json, "down_layers", ints_json(c->down_layers, c->levels));
    SET(json, c, bottleneck_layers);
    SET(json, c, dropout);
    rp_json_set_string(json, "norm", rp_norm_mode_name(c->norm));
    return json;
}

static rp_json *loss_json(const rp_loss_weights *w)
{
    rp_json *json = rp_json_object();
    SET(json, w, cross_entropy);
    SET(json, w, dual_cross_entropy);
    SET(json, w, dice);
    SET(json, w, dual_alpha);
    SET(json, w, dual_beta);
    SET(json, w, dice_smooth);
    return json;
}

static rp_json *augmentation_json(const rp_augmentation *a)
{
    rp_json *json = rp_json_object();
    SET(json, a, brightness);
    SET(json, a, rotation_degrees);
    SET(json, a, shift_mm);
    SET(json, a, scale);
    SET(json, a, elastic_mm);
    SET(json, a, elastic_scale_mm);
    SET(json, a, noise);
    return json;
}

static rp_json *treatment_json(const rp_treatment *t)
{
    rp_json *json = rp_json_object();
    SET(json, t, share);
    SET(json, t, vanish);
    SET(json, t, shrink);
    SET(json, t, grow);
    SET(json, t, roughness);
    SET(json, t, roughness_low_mm);
    SET(json, t, roughness_high_mm);
    SET(json, t, density);
    SET(json, t, core);
    SET(json, t, rim);
    SET(json, t, rim_mm);
    return json;
}

static rp_json *steps_json(const rp_adapt_options *o)
{
    rp_json *json = rp_json_object();
    SET(json, o, epochs);
    SET(json, o, copies);
    rp_json_set(json, "crop", ints_json(o->crop, 3));
    SET(json, o, tumour_share);
    SET(json, o, learning_rate);
    SET(json, o, power);
    SET(json, o, dropout);
    rp_json_set_int(json, "seed", (int64_t)o->seed);
    rp_json_set(json, "loss", loss_json(&o->loss));
    rp_json_set(json, "augmentation", augmentation_json(&o->augmentation));
    rp_json_set(json, "treatment", treatment_json(&o->treatment));
    return json;
}

static rp_json *preprocessing_json(const rp_preprocessing *p)
{
    rp_json *json = rp_json_object();
    SET(json, p, window_low_hu);
    SET(json, p, window_high_hu);
    rp_json_set_numbers(json, "spacing_mm", p->spacing, 3);
    return json;
}

static rp_json *region_json(const rp_region_options *o)
{
    rp_json *json = rp_json_object();
    rp_json_set_bool(json, "whole", o->whole);
    SET(json, o, margin_mm);
    SET(json, o, jitter_mm);
    rp_json_set(json, "voxels", ints_json(o->voxels, 3));
    SET(json, o, finest_mm);
    rp_json_set_numbers(json, "coarsest_mm", o->coarsest_mm, 3);
    return json;
}

rp_json *cmd_train_settings_json(const cmd_settings *s)
{
    rp_json *json = rp_json_object(), *train = steps_json(&s->train.base);
    SET(train, &s->train, validate_every);
    rp_json_set(json, "network", network_json(&s->network));
    rp_json_set(json, "preprocessing", preprocessing_json(&s->preprocessing));
    rp_json_set(json, "train", train);
    return json;
}

static rp_json *guard_json(const cmd_settings *s)
{
    rp_json *json = rp_json_object();
    SET(json, &s->guard, trials);
    SET(json, &s->guard, vanished);
    SET(json, &s->guard_limits, mean_dice);
    SET(json, &s->guard_limits, low_dice);
    SET(json, &s->guard_limits, train_dice);
    SET(json, &s->guard_limits, spread);
    SET(json, &s->guard_limits, failures);
    SET(json, &s->guard_limits, decided);
    return json;
}

rp_json *cmd_settings_json(const cmd_settings *s)
{
    rp_json *json = rp_json_object(), *group = rp_json_object(), *adapt = steps_json(&s->adapt);
    rp_json *verify = rp_json_object();
    rp_json_set_bool(adapt, "prior_channel", s->adapt.prior_channel);
    SET(adapt, &s->adapt, average);
    rp_json_set_string(json, "recipe", rp_recipe_name(s->recipe));
    rp_json_set(json, "region", region_json(&s->adapt.region));
    rp_json_set(json, "network", network_json(&s->network));
    rp_json_set(json, "preprocessing", preprocessing_json(&s->preprocessing));
    rp_json_set(json, "adapt", adapt);
    SET(group, &s->predict, threshold);
    rp_json_set_bool(group, "all_components", s->predict.all_components);
    rp_json_set(group, "tile", ints_json(s->predict.tile, 3));
    rp_json_set(json, "predict", group);
    SET(verify, &s->verify, self_dice);
    rp_json_set(json, "verify", verify);
    rp_json_set(json, "guard", guard_json(s));
    rp_json_set_string(json, "diameter", rp_diameter_definition_name(s->diameter));
    return json;
}
