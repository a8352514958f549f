/* Options that cannot be. */
#include "internal.h"
#include "reprise/learn_ranges.h"

static rp_status outside(const char *group, const char *name, double value, double low, double high,
                         rp_error *err)
{
    return rp_fail(err, RP_ERR_ARGUMENT, "%s%s is %.9g; it must be %g to %g", group, name, value,
                   low, high);
}

/* Not-a-number is outside too. */
#define CHECK(s, group, name, low, high)                                                           \
    if (!((double)(s)->name >= (low) && (double)(s)->name <= (high)))                              \
        return outside(group, #name, (double)(s)->name, low, high, err);

static rp_status check_loss(const rp_loss_weights *w, rp_error *err)
{
#define LOSS(name, low, high) CHECK(w, "loss.", name, low, high)
    RP_RANGES_LOSS(LOSS)
    if (!(w->cross_entropy + w->dual_cross_entropy + w->dice > 0.0))
        return rp_fail(err, RP_ERR_ARGUMENT,
                       "loss.cross_entropy, dual_cross_entropy and dice are all 0: nothing is left "
                       "to learn from");
    return RP_OK;
}

rp_status rp_augmentation_check(const rp_augmentation *a, rp_error *err)
{
#define AUGMENTATION(name, low, high) CHECK(a, "augmentation.", name, low, high)
    RP_RANGES_AUGMENTATION(AUGMENTATION)
    if (a->elastic_mm <= 0.0) return RP_OK;
    RP_RANGE_ELASTIC_SCALE(AUGMENTATION)
    if (a->elastic_mm > 0.3 * a->elastic_scale_mm)
        return rp_fail(err, RP_ERR_ARGUMENT,
                       "augmentation.elastic_mm is %g at an elastic_scale_mm of %g, which folds "
                       "space; at most 0.3 of the scale is allowed",
                       a->elastic_mm, a->elastic_scale_mm);
    return RP_OK;
}

rp_status rp_region_check(const rp_region_options *o, rp_error *err)
{
#define REGION(name, low, high) CHECK(o, "region.", name, low, high)
    RP_RANGES_REGION(REGION)
    for (int a = 0; a < 3; a++) {
#define REGION_AXIS(name, low, high)                                                               \
    if (!((double)o->name[a] >= (low) && (double)o->name[a] <= (high)))                            \
        return outside("region.", #name, (double)o->name[a], low, high, err);
        RP_RANGES_REGION_AXES(REGION_AXIS)
    }
    return RP_OK;
}

rp_status rp_treatment_check(const rp_treatment *t, rp_error *err)
{
#define TREATMENT(name, low, high) CHECK(t, "treatment.", name, low, high)
    RP_RANGES_TREATMENT(TREATMENT)
    if (t->roughness_low_mm > t->roughness_high_mm)
        return rp_fail(err, RP_ERR_ARGUMENT,
                       "treatment.roughness_low_mm is %g and roughness_high_mm %g, which is less",
                       t->roughness_low_mm, t->roughness_high_mm);
    return RP_OK;
}

rp_status rp_adapt_options_check(const rp_adapt_options *o, rp_error *err)
{
#define STEPS(name, low, high) CHECK(o, "", name, low, high)
    RP_RANGES_STEPS_WHOLE(STEPS)
    RP_RANGES_STEPS(STEPS)
    RP_RANGE_AVERAGE(STEPS)
    RP_RANGE_CHECKPOINT(STEPS)
    for (int a = 0; a < 3; a++) {
#define CROP(name, low, high)                                                                      \
    if (o->name[a] < (low) || o->name[a] > (high))                                                 \
        return outside("", #name, o->name[a], low, high, err);
        RP_RANGE_CROP(CROP)
    }
    rp_status status = check_loss(&o->loss, err);
    if (!status) status = rp_region_check(&o->region, err);
    if (!status) status = rp_augmentation_check(&o->augmentation, err);
    return status ? status : rp_treatment_check(&o->treatment, err);
}
