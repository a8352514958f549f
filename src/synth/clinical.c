/* Clinical columns for synthetic patients. */
#include "clinical.h"
#include "purpose.h"

#include <math.h>

/* Of a log-normal distribution, in whole units. */
static double draw_marker(rp_random *r, double median, double spread)
{
    return fmax(1, round(median * exp(spread * rp_random_normal(r))));
}

/* Death at a constant rate, seen unless the last contact comes first. */
static void draw_survival(rp_random *r, double median_months, rp_phantom_clinical *c)
{
    const double death = -median_months / M_LN2 * log(1 - rp_random_uniform(r));
    const double contact = rp_random_range(r, 6, 48);
    c->event = death <= contact;
    c->followup_months =
        fmax(3, round(10 * fmin(death, contact)) / 10); /* the follow-up CT's age */
}

void clinical_draw(const rp_phantom_options *options, rp_phantom *phantom)
{
    rp_phantom_clinical *c = &phantom->clinical;
    const double size = phantom->baseline_diameter_mm / 80;
    double median_months = 24;
    rp_random r;
    rp_random_init(&r, options->seed, PURPOSE_CLINICAL, (uint64_t)options->patient);
    c->female = rp_random_uniform(&r) < 0.25;
    c->age_years = (int)round(fmin(88, fmax(35, 63 + 9 * rp_random_normal(&r))));
    c->afp_ng_ml = draw_marker(&r, 60 * size, 2.2);
    c->pivka_ii_mau_ml = draw_marker(&r, 600 * size, 1.8);
    if (phantom->change_percent <= -30) median_months = 36;
    if (phantom->change_percent >= 20) median_months = 12;
    if (phantom->thrombus) median_months *= 0.6;
    draw_survival(&r, median_months, c);
}
