/* Layout and weights of the network. */
#include "fcd.h"

#include <math.h>
#include <string.h>

enum { PURPOSE_WEIGHTS = 0x77000000 };

/* ---- layout ------------------------------------------------------------------------------------
 */

typedef struct widths {
    int up[MAX_LEVELS], base[MAX_LEVELS], skip[MAX_LEVELS];
} widths;

static int block_layers(const rp_fcd_config *c, int level)
{
    return level == c->levels ? c->bottleneck_layers : c->down_layers[level];
}

static widths stack_widths(const rp_fcd_config *c)
{
    widths w = {0};
    for (int l = 0; l <= c->levels; l++) {
        w.base[l] = l ? w.skip[l - 1] : c->first_filters;
        w.skip[l] = w.base[l] + c->growth * block_layers(c, l);
        w.up[l] = l < c->levels ? c->growth * block_layers(c, l + 1) : 0;
    }
    return w;
}

static void add_unit(rp_fcd *net, unit u)
{
    net->units[net->unit_count++] = u;
}

static void add_dense_block(rp_fcd *net, int level, int first, int channels, int layers)
{
    int growth = net->config.growth;
    for (int j = 0; j < layers; j++, channels += growth)
        add_unit(net, (unit){.type = UNIT_DENSE,
                             .kind = RP_CONV_SAME,
                             .level = level,
                             .in_first = first,
                             .in_channels = channels,
                             .out_level = level,
                             .out_first = first + channels,
                             .out_channels = growth,
                             .has_norm = true,
                             .has_dropout = true});
}

static void add_action(rp_fcd *net, int index, int first, int channels, bool finish)
{
    if (channels || finish)
        net->actions[net->action_count++] = (backward_action){index, first, channels, finish};
}

/* Reads the skip connection of a level from above: its layers on the way up, or the head. */
static bool reads_skip(const rp_fcd *net, const unit *u, int level)
{
    if (u->level != level || level == net->config.levels) return false;
    return u->type == UNIT_HEAD ||
           (u->type == UNIT_DENSE && u->out_first >= net->part_first[level][PART_NEW]);
}

static void build_actions(rp_fcd *net)
{
    for (int i = net->unit_count - 1; i >= 0; i--) {
        const unit *u = &net->units[i];
        const int *part = net->part_first[u->level];
        if (reads_skip(net, u, u->level)) {
            add_action(net, i, 0, part[PART_SKIP], true);
            add_action(net, i, part[PART_NEW], u->in_channels - part[PART_NEW], false);
            continue;
        }
        for (int j = net->unit_count - 1; u->type == UNIT_DOWN && j >= 0; j--)
            if (reads_skip(net, &net->units[j], u->level))
                add_action(net, j, part[PART_SKIP], part[PART_NEW] - part[PART_SKIP], false);
        /* The new channels of a bottleneck lie behind what came down, in a part of their own. */
        int end = u->in_first + u->in_channels, own = part[PART_NEW] - u->in_first;
        if (u->type == UNIT_STEM) {
            add_action(net, i, 0, 0, true);
        } else if (u->level == net->config.levels && own > 0 && end > part[PART_NEW]) {
            add_action(net, i, 0, own, true);
            add_action(net, i, own, u->in_channels - own, false);
        } else {
            add_action(net, i, 0, u->in_channels, true);
        }
    }
}

void fcd_build_units(rp_fcd *net)
{
    const rp_fcd_config *c = &net->config;
    widths w = stack_widths(c);
    for (int l = 0; l <= c->levels; l++) {
        net->stack_channels[l] =
            w.up[l] + w.skip[l] + (l < c->levels ? c->growth * c->down_layers[l] : 0);
        net->part_first[l][PART_SKIP] = w.up[l];
        /* The bottleneck has no way up: its new channels are what goes up. */
        net->part_first[l][PART_NEW] = w.up[l] + (l < c->levels ? w.skip[l] : w.base[l]);
        net->part_first[l][STACK_PARTS] = net->stack_channels[l];
    }
    add_unit(net, (unit){.type = UNIT_STEM,
                         .kind = RP_CONV_SAME,
                         .in_channels = c->in_channels,
                         .out_first = w.up[0],
                         .out_channels = c->first_filters});
    for (int l = 0; l < c->levels; l++) {
        add_dense_block(net, l, w.up[l], w.base[l], c->down_layers[l]);
        add_unit(net, (unit){.type = UNIT_DOWN,
                             .kind = RP_CONV_POINT,
                             .level = l,
                             .in_first = w.up[l],
                             .in_channels = w.skip[l],
                             .out_level = l + 1,
                             .out_first = w.up[l + 1],
                             .out_channels = w.skip[l],
                             .has_norm = true,
                             .has_dropout = true});
    }
    add_dense_block(net, c->levels, 0, w.base[c->levels], c->bottleneck_layers);
    for (int l = c->levels - 1; l >= 0; l--) {
        int below = l + 1, first = below == c->levels ? w.base[below] : w.up[below] + w.skip[below];
        add_unit(net, (unit){.type = UNIT_UP,
                             .kind = RP_CONV_UP,
                             .level = below,
                             .in_first = first,
                             .in_channels = w.up[l],
                             .out_level = l,
                             .out_first = 0,
                             .out_channels = w.up[l]});
        add_dense_block(net, l, 0, w.up[l] + w.skip[l], c->down_layers[l]);
    }
    add_unit(net, (unit){.type = UNIT_HEAD,
                         .kind = RP_CONV_POINT,
                         .in_channels = net->stack_channels[0],
                         .out_channels = c->classes});
    build_actions(net);
}

/* ---- parameters ---------------------------------------------------------------------------------
 */

enum { MAX_PARAMETERS = MAX_UNITS * 6 };

static int add_parameter(rp_fcd *net, const char *prefix, const char *suffix, bool trainable,
                         int rank, const int64_t shape[])
{
    size_t index = net->parameter_count++;
    rp_parameter *p = &net->parameters[index];
    snprintf(net->names[index], sizeof net->names[index], "%s.%s", prefix, suffix);
    p->name = net->names[index];
    p->rank = rank;
    p->count = 1;
    for (int i = 0; i < rank; i++) {
        p->shape[i] = shape[i];
        p->count *= (size_t)shape[i];
    }
    /* A mark only; place_parameters turns it into the real address. */
    p->gradient = trainable ? (float *)net : NULL;
    if (trainable) net->trainable += p->count;
    return (int)index;
}

static void add_unit_parameters(rp_fcd *net, unit *u, const char *name)
{
    char conv[56], norm[56];
    snprintf(conv, sizeof conv, "%s%sconv", name, *name ? "." : "");
    snprintf(norm, sizeof norm, "%s.norm", name);
    if (u->has_norm) {
        int64_t channels[] = {u->in_channels};
        u->norm_weight = add_parameter(net, norm, "weight", true, 1, channels);
        u->norm_bias = add_parameter(net, norm, "bias", true, 1, channels);
        u->running_mean = add_parameter(net, norm, "running_mean", false, 1, channels);
        u->running_var = add_parameter(net, norm, "running_var", false, 1, channels);
    }
    int64_t extent = u->kind == RP_CONV_POINT ? 1 : 3;
    int64_t shape[] = {u->out_channels, u->in_channels, extent, extent, extent};
    if (u->kind == RP_CONV_UP) {
        shape[0] = u->in_channels;
        shape[1] = u->out_channels;
    }
    u->conv_weight = add_parameter(net, conv, "weight", true, 5, shape);
    u->conv_bias = add_parameter(net, conv, "bias", true, 1, (int64_t[]){u->out_channels});
}

/* Names count blocks along the data flow, from 0. */
static void name_parameters(rp_fcd *net)
{
    char name[48];
    int layer = 0, ups = 0, levels = net->config.levels;
    for (int i = 0; i < net->unit_count; i++) {
        unit *u = &net->units[i];
        layer = u->type == UNIT_DENSE ? layer : 0;
        if (u->type == UNIT_STEM) snprintf(name, sizeof name, "stem");
        if (u->type == UNIT_HEAD) snprintf(name, sizeof name, "head");
        if (u->type == UNIT_DOWN) snprintf(name, sizeof name, "transition_down.%d", u->level);
        if (u->type == UNIT_UP) snprintf(name, sizeof name, "transition_up.%d", ups++);
        if (u->type == UNIT_DENSE) {
            if (u->level == levels)
                snprintf(name, sizeof name, "bottleneck.layer.%d", layer++);
            else if (ups)
                snprintf(name, sizeof name, "up.%d.layer.%d", ups - 1, layer++);
            else
                snprintf(name, sizeof name, "down.%d.layer.%d", u->level, layer++);
        }
        add_unit_parameters(net, u, name);
    }
}

static rp_status place_parameters(rp_fcd *net, rp_error *err)
{
    size_t floats = 0, at = 0;
    for (size_t i = 0; i < net->parameter_count; i++)
        floats +=
            (net->parameters[i].gradient ? 2 : 1) * ((net->parameters[i].count + 15) / 16 * 16);
    net->memory = rp_alloc(floats, sizeof *net->memory);
    if (!net->memory) return rp_fail(err, RP_ERR_MEMORY, "no memory for the network's weights");
    for (size_t i = 0; i < net->parameter_count; i++) {
        rp_parameter *p = &net->parameters[i];
        size_t room = (p->count + 15) / 16 * 16;
        p->value = net->memory + at;
        at += room;
        if (p->gradient) {
            p->gradient = net->memory + at;
            at += room;
        }
    }
    return RP_OK;
}

/* He et al. 2015, uniform, fan in. */
static void draw_weights(rp_fcd *net, uint64_t seed)
{
    for (int i = 0; i < net->unit_count; i++) {
        const unit *u = &net->units[i];
        const rp_parameter *w = &net->parameters[u->conv_weight];
        double fan_in = (double)u->in_channels * (u->kind == RP_CONV_POINT ? 1 : 27);
        double bound = sqrt(6.0 / fan_in);
        rp_random r;
        rp_random_init(&r, seed, PURPOSE_WEIGHTS, (uint64_t)i);
        for (size_t k = 0; k < w->count; k++)
            w->value[k] = (float)rp_random_range(&r, -bound, bound);
        for (int c = 0; u->has_norm && c < u->in_channels; c++) {
            parameter_value(net, u->norm_weight)[c] = 1;
            parameter_value(net, u->running_var)[c] = 1;
        }
    }
}

rp_status rp_fcd_create(const rp_fcd_config *config, uint64_t seed, rp_fcd **out, rp_error *err)
{
    rp_status status = rp_fcd_config_check(config, err);
    if (status) return status;
    rp_fcd *net = rp_alloc(1, sizeof *net);
    if (!net) return rp_fail(err, RP_ERR_MEMORY, "no memory for the network");
    net->config = *config;
    net->parameters = rp_alloc(MAX_PARAMETERS, sizeof *net->parameters);
    net->names = rp_alloc(MAX_PARAMETERS, sizeof *net->names);
    if (!net->parameters || !net->names) {
        status = rp_fail(err, RP_ERR_MEMORY, "no memory for the network");
    } else {
        fcd_build_units(net);
        name_parameters(net);
        status = place_parameters(net, err);
    }
    if (status) {
        rp_fcd_destroy(net);
        return status;
    }
    draw_weights(net, seed);
    *out = net;
    return RP_OK;
}

void rp_fcd_destroy(rp_fcd *net)
{
    if (!net) return;
    rp_free(net->parameters);
    rp_free(net->names);
    rp_free(net->memory);
    rp_free(net);
}

const rp_fcd_config *rp_fcd_config_of(const rp_fcd *net)
{
    return &net->config;
}

size_t rp_fcd_parameter_count(const rp_fcd *net)
{
    return net->parameter_count;
}

rp_parameter *rp_fcd_parameter(rp_fcd *net, size_t index)
{
    return &net->parameters[index];
}

size_t rp_fcd_trainable(const rp_fcd *net)
{
    return net->trainable;
}

void rp_fcd_set_norm(rp_fcd *net, rp_norm_mode norm)
{
    net->config.norm = norm;
}

void rp_fcd_set_dropout(rp_fcd *net, double rate)
{
    net->config.dropout = rate;
}
