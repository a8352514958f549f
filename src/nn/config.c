#include "fcd.h"

#include <math.h>
#include <string.h>

static const char *const norm_names[] = {"running", "batch", "instance"};

const char *rp_norm_mode_name(rp_norm_mode mode)
{
    return norm_names[mode];
}

bool rp_norm_mode_parse(const char *name, rp_norm_mode *mode)
{
    for (int i = 0; i < 3; i++)
        if (!strcmp(name, norm_names[i])) {
            *mode = (rp_norm_mode)i;
            return true;
        }
    return false;
}

void rp_fcd_config_defaults(rp_fcd_config *config)
{
    *config = (rp_fcd_config){
        .in_channels = 1,
        .classes = 2,
        .first_filters = 48,
        .growth = 12,
        .levels = 4,
        .down_layers = {2, 3, 4, 5},
        .bottleneck_layers = 7,
        .dropout = 0.2,
        .norm = RP_NORM_RUNNING,
    };
}

static rp_status check_range(const char *what, int value, int low, int high, rp_error *err)
{
    if (value >= low && value <= high) return RP_OK;
    return rp_fail(err, RP_ERR_ARGUMENT, "network: %s is %d, must be %d to %d", what, value, low,
                   high);
}

rp_status rp_fcd_config_check(const rp_fcd_config *config, rp_error *err)
{
    rp_status status = check_range("in_channels", config->in_channels, 1, 64, err);
    if (!status) status = check_range("classes", config->classes, 2, 64, err);
    if (!status) status = check_range("first_filters", config->first_filters, 1, 1024, err);
    if (!status) status = check_range("growth", config->growth, 1, 256, err);
    if (!status) status = check_range("levels", config->levels, 1, RP_FCD_MAX_LEVELS, err);
    for (int i = 0; !status && i < config->levels; i++)
        status = check_range("down_layers", config->down_layers[i], 1, 16, err);
    if (!status) status = check_range("bottleneck_layers", config->bottleneck_layers, 1, 32, err);
    if (!status && !(config->dropout >= 0 && config->dropout < 1))
        status = rp_fail(err, RP_ERR_ARGUMENT, "network: dropout is %g, must be 0 to below 1",
                         config->dropout);
    if (!status) status = check_range("norm", (int)config->norm, 0, 2, err);
    return status;
}

bool rp_fcd_config_same(const rp_fcd_config *a, const rp_fcd_config *b)
{
    bool same = a->in_channels == b->in_channels && a->classes == b->classes &&
                a->first_filters == b->first_filters && a->growth == b->growth &&
                a->levels == b->levels && a->bottleneck_layers == b->bottleneck_layers &&
                fabs(a->dropout - b->dropout) < 1e-12 && a->norm == b->norm;
    for (int i = 0; same && i < a->levels; i++) same = a->down_layers[i] == b->down_layers[i];
    return same;
}

int rp_fcd_stride(const rp_fcd_config *config)
{
    return 1 << config->levels;
}

void rp_loss_weights_defaults(rp_loss_weights *weights)
{
    *weights = (rp_loss_weights){
        .cross_entropy = 1,
        .dual_cross_entropy = 1,
        .dice = 1,
        .dual_alpha = 1,
        .dual_beta = 1,
        .dice_smooth = 1,
    };
}
