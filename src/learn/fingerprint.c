/* What a checkpoint belongs to: hashes of what was given, and every setting by name. */
#include "loop.h"
#include "reprise/kernels.h"
#include "reprise/learn_ranges.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* ---- hashes ------------------------------------------------------------------------------ */

static rp_status hash_weights(rp_fcd *net, char hash[RP_SHA256_HEX], rp_error *err)
{
    const size_t count = rp_fcd_parameter_count(net);
    const size_t room = RP_SHA256_HEX - 1;
    RP_AUTOFREE char *all = rp_alloc(count * room + 1, 1);
    if (!all) return rp_fail(err, RP_ERR_MEMORY, "no memory to fingerprint the model");
    for (size_t i = 0; i < count; i++) {
        char one[RP_SHA256_HEX];
        const rp_parameter *parameter = rp_fcd_parameter(net, i);
        rp_sha256(parameter->value, parameter->count * sizeof *parameter->value, one);
        memcpy(all + i * room, one, room);
    }
    rp_sha256(all, count * room, hash);
    return RP_OK;
}

/* ---- settings ---------------------------------------------------------------------------- */

enum { SETTINGS_ROOM = 4096 };

typedef struct text {
    char *at;
    size_t left;
} text;

static void add(text *t, const char *format, ...) RP_PRINTF(2, 3);

static void add(text *t, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(t->at, t->left, format, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length >= t->left) return;
    t->at += length;
    t->left -= (size_t)length;
}

/* The shortest decimals that give every bit back. */
static void add_number(text *t, const char *name, double value)
{
    char number[40];
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(number, sizeof number, "%.*g", digits, value);
        if (!(strtod(number, NULL) < value) && !(strtod(number, NULL) > value)) break;
    }
    add(t, "%s=%s\n", name, number);
}

static void add_steps(text *t, const rp_adapt_options *o)
{
    const rp_loss_weights *w = &o->loss;
    const rp_augmentation *a = &o->augmentation;
#define STEP(name, low, high) add_number(t, #name, (double)o->name);
#define LOSS(name, low, high) add_number(t, "loss." #name, w->name);
#define AUGMENTATION(name, low, high) add_number(t, "augmentation." #name, a->name);
    RP_RANGES_STEPS_WHOLE(STEP)
    RP_RANGES_STEPS(STEP)
    add(t, "seed=%" PRIu64 "\n", o->seed);
    add(t, "crop=%dx%dx%d\n", o->crop[2], o->crop[1], o->crop[0]);
    RP_RANGES_LOSS(LOSS)
    RP_RANGES_AUGMENTATION(AUGMENTATION)
    RP_RANGE_ELASTIC_SCALE(AUGMENTATION)
    const rp_treatment *c = &o->treatment;
#define TREATMENT(name, low, high) add_number(t, "treatment." #name, c->name);
    if (c->share > 0.0) {
        RP_RANGES_TREATMENT(TREATMENT)
    }
}

static void add_model(text *t, const rp_model *model)
{
    const rp_fcd_config *c = rp_fcd_config_of(model->net);
    const rp_preprocessing *p = &model->preprocessing;
#define WINDOW(name, low, high) add_number(t, "preprocessing." #name, p->name);
    RP_RANGES_WINDOW(WINDOW)
    add(t, "preprocessing.spacing_mm=%.9gx%.9gx%.9g\n", p->spacing[0], p->spacing[1],
        p->spacing[2]);
    add(t, "prior_channel=%s\n", c->in_channels == RP_INPUTS_CONTOUR ? "true" : "false");
    if (c->in_channels == RP_INPUTS_BASELINE)
        add(t, "inputs=%s\n", rp_inputs_name(RP_INPUTS_BASELINE));
    add(t, "network.classes=%d\nnetwork.first_filters=%d\nnetwork.growth=%d\n", c->classes,
        c->first_filters, c->growth);
    add(t, "network.down_layers=");
    for (int i = 0; i < c->levels; i++) add(t, "%s%d", i ? "," : "", c->down_layers[i]);
    add(t, "\nnetwork.bottleneck_layers=%d\n", c->bottleneck_layers);
    add_number(t, "network.dropout", c->dropout);
    add(t, "network.norm=%s\n", rp_norm_mode_name(c->norm));
}

rp_status rp_fingerprint_complete(rp_loop *loop, rp_error *err)
{
    rp_fingerprint *f = &loop->state.fingerprint;
    f->settings = rp_alloc(SETTINGS_ROOM, 1);
    if (!f->settings) return rp_fail(err, RP_ERR_MEMORY, "no memory to fingerprint the options");
    text t = {f->settings, SETTINGS_ROOM};
    add_steps(&t, loop->options);
    if (loop->average > 0.0) add_number(&t, "average", loop->average);
    add(&t, "%s", loop->more);
    add_model(&t, loop->model);
    add(&t, "program version=" RP_VERSION "\ninstruction set=%s\n", rp_kernels_get()->name);
    f->name[2] = "starting model";
    return hash_weights(loop->model->net, f->hash[2], err);
}

/* ---- what differs ------------------------------------------------------------------------ */

void rp_fingerprint_add(char *list, size_t size, const char *format, ...)
{
    const size_t used = strlen(list);
    va_list arguments;
    if (used + 3 >= size) return;
    if (used) strcpy(list + used, ", ");
    const size_t start = used ? used + 2 : 0;
    va_start(arguments, format);
    vsnprintf(list + start, size - start, format, arguments);
    va_end(arguments);
}

/* The value of a name, with its length; NULL where the list has none. */
static const char *value_of(const char *list, const char *name, size_t name_length, size_t *length)
{
    for (const char *line = list; *line; line += *line == '\n') {
        const size_t all = strcspn(line, "\n");
        if (all > name_length && line[name_length] == '=' &&
            strncmp(line, name, name_length) == 0) {
            *length = all - name_length - 1;
            return line + name_length + 1;
        }
        line += all;
    }
    return NULL;
}

/* Lines of the first list that the second holds otherwise or not at all. */
static void compare_lines(const char *here, const char *there, bool missing_alone, char *list,
                          size_t size)
{
    for (const char *line = here; *line; line += *line == '\n') {
        const char *name = line;
        const size_t all = strcspn(line, "\n"), length = strcspn(line, "=\n");
        const size_t own = all > length ? all - length - 1 : 0;
        size_t other = 0;
        const char *found = value_of(there, name, length, &other);
        line += all;
        if (!found)
            rp_fingerprint_add(list, size, "%.*s (%s)", (int)length, name,
                               missing_alone ? "only there" : "only here");
        else if (!missing_alone && (own != other || strncmp(name + length + 1, found, own) != 0))
            rp_fingerprint_add(list, size, "%.*s (%.*s there, %.*s here)", (int)length, name,
                               (int)other, found, (int)own, name + length + 1);
    }
}

void rp_fingerprint_compare(const char *there, const char *here, char *list, size_t size)
{
    compare_lines(here, there, false, list, size);
    compare_lines(there, here, true, list, size);
}
