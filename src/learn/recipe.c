/* What an adaptation is by default: the study's way, and the quick one. */
#include "reprise/learn.h"

#include <string.h>

static const char *const names[] = {"study", "quick"};

const char *rp_recipe_name(rp_recipe recipe)
{
    return names[recipe];
}

bool rp_recipe_parse(const char *name, rp_recipe *recipe)
{
    for (int i = 0; i < 2; i++)
        if (!strcmp(name, names[i])) {
            *recipe = (rp_recipe)i;
            return true;
        }
    return false;
}

void rp_adapt_recipe(rp_adapt_options *options, rp_recipe recipe)
{
    *options = (rp_adapt_options){
        .epochs = 350,
        .copies = 1,
        .crop = {96, 96, 48},
        .tumour_share = 0.7,
        .learning_rate = 1e-3,
        .power = 0.9,
        .augmentation = {.brightness = 0.15,
                         .rotation_degrees = 10.0,
                         .shift_mm = 5.0,
                         .scale = 0.15,
                         .elastic_mm = 3.0,
                         .elastic_scale_mm = 30.0,
                         .noise = 0.02},
        .dropout = 0.0,
        .checkpoint_seconds = 60.0,
    };
    rp_loss_weights_defaults(&options->loss);
    rp_region_defaults(&options->region);
    options->region.whole = recipe == RP_RECIPE_STUDY;
    rp_treatment_defaults(&options->treatment);
    if (recipe == RP_RECIPE_STUDY) options->treatment.share = 0.0;
    if (recipe == RP_RECIPE_QUICK) options->epochs = 120;
}

void rp_adapt_defaults(rp_adapt_options *options)
{
    rp_adapt_recipe(options, RP_RECIPE_STUDY);
}
