/* A follow-up that is like treatment: the order of the work, and the level that gives the change.
 */
#include "remodel.h"
#include "purpose.h"
#include "reprise/measure.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const words[RP_REMODEL_KINDS] = {
    "pieces", "necrosis", "embolised", "scar",       "oedema",  "phase", "kernel",
    "thick",  "conebeam", "cut",       "new-lesion", "sliding", "table"};

const char *rp_remodel_word(int kind)
{
    return kind >= 0 && kind < RP_REMODEL_KINDS ? words[kind] : NULL;
}

void rp_remodel_defaults(rp_remodel_options *options)
{
    *options = (rp_remodel_options){
        .seed = 1, .random = true, .deformation_mm = 3, .deformation_scale_mm = 45, .noise_hu = 5};
}

void rp_remodeled_release(rp_remodeled *remodeled)
{
    rp_image_release(&remodeled->image);
    rp_mask_release(&remodeled->mask);
    rp_mask_release(&remodeled->new_lesion);
    *remodeled = (rp_remodeled){0};
}

/* ---- draws ------------------------------------------------------------------------------- */

void remodel_stream(const remodel *m, rp_random *r, int part)
{
    rp_random_init(r, m->options->seed, PURPOSE_REMODEL, (uint64_t)part);
}

void remodel_record(remodel *m, const char *name, double value)
{
    if (m->out->draw_count < RP_REMODEL_DRAWS)
        m->out->draws[m->out->draw_count++] = (rp_remodel_draw){name, value};
}

double remodel_draw(remodel *m, rp_random *r, const char *name, double low, double high)
{
    const double value = rp_random_range(r, low, high);
    remodel_record(m, name, value);
    return value;
}

/* What may come together in one follow-up, and how often. */
static unsigned draw_kinds(const remodel *m)
{
    static const double often[RP_REMODEL_KINDS] = {0.15, 0.3, 0.12, 0.25, 0.4, 0.5, 0.5,
                                                   0.1,  0,   0,    0,    0.3, 0.3};
    const double change = m->options->change_percent;
    unsigned with = 0;
    rp_random r;
    remodel_stream(m, &r, PART_KINDS);
    for (int k = 0; k < RP_REMODEL_KINDS; k++)
        if (rp_random_uniform(&r) < often[k]) with |= 1u << k;
    if (change >= 0) with &= ~(unsigned)(RP_REMODEL_SCAR | RP_REMODEL_PIECES);
    if (change <= -100)
        with &= ~(unsigned)(RP_REMODEL_PIECES | RP_REMODEL_NECROSIS | RP_REMODEL_EMBOLISED);
    return with;
}

/* ---- checks ------------------------------------------------------------------------------ */

static rp_status check_kinds(const rp_remodel_options *o, rp_error *err)
{
    const unsigned in_lesion = RP_REMODEL_PIECES | RP_REMODEL_NECROSIS | RP_REMODEL_EMBOLISED;
    if (o->with >> RP_REMODEL_KINDS)
        return rp_fail(err, RP_ERR_ARGUMENT, "there is no kind of change 0x%x", o->with);
    if (o->change_percent >= 0 && o->with & RP_REMODEL_SCAR)
        return rp_fail(err, RP_ERR_ARGUMENT, "scar: only a lesion that shrinks leaves one");
    for (int k = 0; k < RP_REMODEL_KINDS; k++)
        if (o->change_percent <= -100 && o->with & in_lesion & 1u << k)
            return rp_fail(err, RP_ERR_ARGUMENT, "%s: a lesion that is gone has none", words[k]);
    return RP_OK;
}

static rp_status check_options(const rp_remodel_options *o, rp_error *err)
{
    if (!(o->change_percent >= -100 && o->change_percent <= 100))
        return rp_fail(err, RP_ERR_ARGUMENT,
                       "the change of diameter must lie within -100%% and 100%%, not %g%%",
                       o->change_percent);
    if (o->deformation_mm != 0 &&
        !(o->deformation_mm > 0 && o->deformation_mm <= 0.25 * o->deformation_scale_mm))
        return rp_fail(err, RP_ERR_ARGUMENT,
                       "a deformation of %g mm over %g mm would fold the image: at most a quarter",
                       o->deformation_mm, o->deformation_scale_mm);
    if (!(o->noise_hu >= 0 && o->noise_hu <= 1000))
        return rp_fail(err, RP_ERR_ARGUMENT, "noise of %g HU is outside its range", o->noise_hu);
    for (int i = 0; i < 3; i++) {
        if (!(o->spacing[i] >= 0 && o->spacing[i] <= 100))
            return rp_fail(err, RP_ERR_ARGUMENT, "spacing must lie within 0..100 mm, not %g",
                           o->spacing[i]);
        if (o->shift_given && !(fabs(o->shift_mm[i]) <= 1000))
            return rp_fail(err, RP_ERR_ARGUMENT, "the table's shift of %g mm is too large",
                           o->shift_mm[i]);
    }
    return check_kinds(o, err);
}

/* ---- the level --------------------------------------------------------------------------- */

static rp_status see_lesion(const remodel *m, const rp_image *front, seen *s, rp_error *err)
{
    int low[3], high[3];
    for (int i = 0; i < 3; i++) {
        const int more = (int)ceil(m->reach_mm / m->box.grid.spacing[i]);
        low[i] = m->lesion_low[i] > more ? m->lesion_low[i] - more : 0;
        high[i] = m->lesion_high[i] + more;
        if (high[i] > m->box.grid.size[i] - 1) high[i] = m->box.grid.size[i] - 1;
    }
    return remodel_see(m, front, low, high, s, err);
}

static rp_status diameter_at(const remodel *m, const seen *s, double level, rp_mask *part,
                             double *diameter_mm, rp_error *err)
{
    rp_lesion lesion;
    rp_status status = remodel_part_mask(m, s, level, part, err);
    if (status == RP_OK) status = rp_measure_mask(part, RP_DIAMETER_CONVEX, &lesion, err);
    if (status == RP_OK) *diameter_mm = lesion.longest_diameter_mm;
    return status;
}

/* Bisection; the diameter never falls with the level, but jumps where parts come or go. */
static rp_status search_level(remodel *m, double target_mm, double *error_mm, rp_error *err)
{
    enum { HALVINGS = 22 };
    seen s = {0};
    rp_mask part = {0};
    double low = m->highest_level, high = m->highest_level;
    for (size_t i = 0; i < rp_grid_voxels(&m->front.grid); i++) low = fmin(low, m->front.data[i]);
    *error_mm = INFINITY;
    rp_status status = see_lesion(m, &m->front, &s, err);
    double best = low;
    for (int i = 0; status == RP_OK && i<HALVINGS && * error_mm> 0.002 * m->baseline_mm; i++) {
        const double level = 0.5 * (low + high);
        double diameter = 0;
        status = diameter_at(m, &s, level, &part, &diameter, err);
        if (status != RP_OK) break;
        if (diameter > 0 && fabs(diameter - target_mm) < *error_mm) {
            *error_mm = fabs(diameter - target_mm);
            best = level;
        }
        *(diameter < target_mm ? &low : &high) = level;
    }
    m->level = best;
    rp_free(s.front);
    rp_mask_release(&part);
    return status;
}

/* Parts that go take some of the diameter along: searched again without them. */
static rp_status fit_level(remodel *m, double target_mm, double *error_mm, rp_error *err)
{
    rp_status status = RP_OK;
    bool changed = true;
    for (int i = 0; status == RP_OK && changed && i < 4; i++) {
        status = search_level(m, target_mm, error_mm, err);
        if (status == RP_OK) status = remodel_tidy(m, &changed, err);
    }
    if (status == RP_OK && changed) *error_mm = INFINITY;
    return status;
}

/* A thin rest as long as a compact one is not what is left of a lesion; and what was asked to part
 * should. Neither is always to be had. */
static bool is_likely(const remodel *m)
{
    const double ratio = 1 + m->options->change_percent / 100, expected = pow(ratio, 3);
    size_t before = 0, after = 0;
    for (size_t i = 0; i < rp_grid_voxels(&m->front.grid); i++) {
        before += m->in_box.data[i];
        after += m->front.data[i] < m->level;
    }
    const double found = (double)after / (double)before;
    return found > 0.45 * expected && found < 2.2 * expected &&
           (m->rest_parts > 1 || !(m->options->with & RP_REMODEL_PIECES));
}

static rp_status find_fronts(remodel *m, const rp_progress *progress, rp_error *err)
{
    enum { ATTEMPTS = 16, LIKELY = 12 };
    const double target = (1 + m->options->change_percent / 100) * m->baseline_mm;
    const double tolerance =
        fmax(0.01 * m->baseline_mm, 0.5 * fmin(m->grid.spacing[0], m->grid.spacing[1]));
    double error = INFINITY;
    for (int i = 0; i < ATTEMPTS; i++) {
        rp_progress_report(progress, "moving the surface", i, ATTEMPTS, NULL);
        if (rp_progress_cancelled(progress)) return rp_fail(err, RP_ERR_CANCELLED, "cancelled");
        rp_status status = remodel_run_fronts(m, i, err);
        if (status == RP_OK) status = fit_level(m, target, &error, err);
        if (status != RP_OK) return status;
        if (error > tolerance || (i < LIKELY && !is_likely(m))) continue;
        remodel_record(m, "front.attempt", i);
        remodel_record(m, "front.level", m->level);
        return RP_OK;
    }
    return rp_fail(
        err, RP_ERR_NUMERIC,
        "no surface changes this lesion's diameter of %.1f mm by %.1f%%: it is too small "
        "for the follow-up's grid, or the image or bone and air end too close to it",
        m->baseline_mm, m->options->change_percent);
}

/* ---- the result -------------------------------------------------------------------------- */

static rp_status largest_part(const rp_mask *mask, double *diameter_mm, int *parts, rp_error *err)
{
    rp_mask copy = {0};
    rp_lesion lesion;
    int32_t count = 0;
    rp_status status = rp_mask_copy(mask, &copy, err);
    if (status == RP_OK) status = rp_mask_keep_largest(&copy, 26, &count, err);
    if (status == RP_OK) status = rp_measure_mask(&copy, RP_DIAMETER_CONVEX, &lesion, err);
    if (status == RP_OK) {
        *diameter_mm = lesion.longest_diameter_mm;
        *parts = count;
    }
    rp_mask_release(&copy);
    return status;
}

static rp_status make_masks(remodel *m, rp_mask *old_place, rp_error *err)
{
    seen s = {0};
    rp_status status = RP_OK;
    if (m->options->change_percent > -100) {
        status = see_lesion(m, &m->front, &s, err);
        if (status == RP_OK) status = remodel_mask(m, &s, m->level, &m->out->mask, err);
    } else {
        status = rp_mask_init(&m->out->mask, &m->grid, err);
    }
    rp_free(s.front);
    s.front = NULL;
    if (status == RP_OK) status = see_lesion(m, &m->before, &s, err);
    if (status == RP_OK) status = remodel_mask(m, &s, 0, old_place, err);
    rp_free(s.front);
    s.front = NULL;
    if (status != RP_OK || !m->new_front.data) return status;
    const int first[3] = {0};
    const int last[3] = {m->box.grid.size[0] - 1, m->box.grid.size[1] - 1, m->box.grid.size[2] - 1};
    status = remodel_see(m, &m->new_front, first, last, &s, err);
    if (status == RP_OK) status = remodel_mask(m, &s, 0, &m->out->new_lesion, err);
    rp_free(s.front);
    return status;
}

/* Within a box round the follow-up's lesion. */
static rp_status measure_contrast(remodel *m, rp_error *err)
{
    rp_remodeled *out = m->out;
    const contrast first = remodel_contrast(m, &m->original, &m->before, 1.5, 10);
    int low[3], high[3];
    out->baseline_contrast_hu = first.hu;
    out->baseline_cnr = first.sd > 0 ? first.hu / first.sd : 0;
    if (!rp_mask_bounds(&out->mask, low, high)) return RP_OK;
    rp_grid g = out->mask.grid;
    for (int i = 0; i < 3; i++) {
        const int more = (int)ceil(11 / g.spacing[i]);
        low[i] = low[i] > more ? low[i] - more : 0;
        high[i] = high[i] + more < g.size[i] ? high[i] + more : g.size[i] - 1;
        g.size[i] = high[i] - low[i] + 1;
    }
    rp_image part = {0}, away = {0};
    rp_mask inside = {0};
    rp_status status = rp_image_init(&part, &g, err);
    if (status == RP_OK) status = rp_mask_init(&inside, &g, err);
    for (size_t i = 0; status == RP_OK && i < rp_grid_voxels(&g); i++) {
        const size_t row = (size_t)g.size[0], slice = row * (size_t)g.size[1];
        const size_t at = rp_grid_index(&out->mask.grid, low[0] + (int)(i % row),
                                        low[1] + (int)(i % slice / row), low[2] + (int)(i / slice));
        part.data[i] = out->image.data[at];
        inside.data[i] = out->mask.data[at];
    }
    if (status == RP_OK) status = remodel_signed_distance(&inside, &away, err);
    if (status == RP_OK) {
        const contrast last = remodel_contrast(m, &part, &away, 1.5, 10);
        out->followup_contrast_hu = last.hu;
        out->followup_cnr = last.sd > 0 ? last.hu / last.sd : 0;
    }
    rp_image_release(&part);
    rp_image_release(&away);
    rp_mask_release(&inside);
    return status;
}

static rp_status measure_result(remodel *m, double whole_mm, rp_error *err)
{
    rp_remodeled *out = m->out;
    rp_lesion lesion;
    rp_status status = rp_measure_mask(&out->mask, RP_DIAMETER_CONVEX, &lesion, err);
    if (status != RP_OK) return status;
    out->baseline_diameter_mm = m->baseline_mm;
    out->followup_diameter_mm = lesion.longest_diameter_mm;
    out->followup_cc = lesion.volume_cc;
    out->whole_diameter_mm = whole_mm;
    out->true_change_percent = 100 * (lesion.longest_diameter_mm / m->baseline_mm - 1);
    out->with = m->with;
    memcpy(out->shift_mm, m->shift_mm, sizeof out->shift_mm);
    status = measure_contrast(m, err);
    if (status != RP_OK) return status;
    return largest_part(&out->mask, &out->largest_part_diameter_mm, &out->parts, err);
}

static rp_status make_images(remodel *m, const rp_progress *progress, rp_error *err)
{
    rp_mask old_place = {0};
    rp_lesion whole;
    double lesion_lps[3];
    rp_progress_report(progress, "rendering the follow-up", 0, 1, NULL);
    for (int i = 0; i < 3; i++) lesion_lps[i] = m->centre[i] + m->shift_mm[i];
    rp_status status = rp_image_copy(&m->box, &m->original, err);
    if (status == RP_OK) status = remodel_change_tissue(m, err);
    if (status == RP_OK && m->with & RP_REMODEL_PHASE) status = remodel_phase(m, err);
    if (status == RP_OK) status = remodel_render(m, &m->out->image, err);
    if (status == RP_OK) status = remodel_scan(m, &m->out->image, lesion_lps, err);
    if (status == RP_OK) status = make_masks(m, &old_place, err);
    if (status == RP_OK) status = rp_measure_mask(&m->out->mask, RP_DIAMETER_CONVEX, &whole, err);
    if (status == RP_OK && m->with & RP_REMODEL_CUT) status = remodel_cut(m, &old_place, err);
    if (status == RP_OK) status = measure_result(m, whole.longest_diameter_mm, err);
    rp_mask_release(&old_place);
    rp_progress_report(progress, "rendering the follow-up", 1, 1, NULL);
    return status;
}

/* ---- all of it --------------------------------------------------------------------------- */

static rp_status prepare(remodel *m, rp_error *err)
{
    rp_lesion measured;
    int32_t parts = 0;
    rp_labels labels = {0};
    rp_status status = check_options(m->options, err);
    if (status != RP_OK) return status;
    if (!rp_grid_same(&m->baseline->grid, &m->lesion->grid, 1e-2))
        return rp_fail(err, RP_ERR_ARGUMENT, "the lesion's mask is not on the image's grid");
    status = rp_measure_mask(m->lesion, RP_DIAMETER_CONVEX, &measured, err);
    if (status != RP_OK) return status;
    if (!rp_mask_centroid(m->lesion, m->centre))
        return rp_fail(err, RP_ERR_ARGUMENT, "the lesion's mask is empty");
    m->baseline_mm = measured.longest_diameter_mm;
    m->radius_mm = cbrt(3000 * measured.volume_cc / (4 * M_PI));
    m->out->baseline_cc = measured.volume_cc;
    m->with = m->options->with | (m->options->random ? draw_kinds(m) : 0);
    status = remodel_make_box(m, err);
    if (status == RP_OK) status = rp_mask_components(&m->in_box, 26, &labels, &parts, NULL, err);
    /* What has several parts keeps them. */
    if (parts > 1 && m->options->change_percent > -100) m->with |= RP_REMODEL_PIECES;
    rp_labels_release(&labels);
    return status == RP_OK ? remodel_place(m, err) : status;
}

static rp_status find_surface(remodel *m, const rp_progress *progress, rp_error *err)
{
    if (m->options->change_percent > -100) {
        rp_status status = find_fronts(m, progress, err);
        return status == RP_OK ? remodel_measure_now(m, err) : status;
    }
    rp_status status = rp_image_init(&m->now, &m->box.grid, err);
    for (size_t i = 0; status == RP_OK && i < rp_grid_voxels(&m->box.grid); i++)
        m->now.data[i] = 30;
    return status;
}

static rp_status make(const rp_image *baseline, const rp_mask *lesion,
                      const rp_remodel_options *options, const rp_progress *progress,
                      rp_remodeled *out, rp_error *err)
{
    remodel m = {.baseline = baseline, .lesion = lesion, .options = options, .out = out};
    *out = (rp_remodeled){0};
    rp_status status = prepare(&m, err);
    if (status == RP_OK) status = find_surface(&m, progress, err);
    if (status == RP_OK) status = make_images(&m, progress, err);
    deformation_release(&m.field);
    rp_image_release(&m.box);
    rp_image_release(&m.original);
    rp_image_release(&m.before);
    rp_image_release(&m.front);
    rp_image_release(&m.now);
    rp_image_release(&m.new_front);
    rp_image_release(&m.edited);
    rp_mask_release(&m.in_box);
    rp_mask_release(&m.inside);
    if (status != RP_OK) rp_remodeled_release(out);
    return status;
}

/* Everything is made in canonical order, so that one patient has one follow-up, and delivered in
 * the order of the baseline. */
rp_status rp_remodel_followup(const rp_image *baseline, const rp_mask *lesion,
                              const rp_remodel_options *options, const rp_progress *progress,
                              rp_remodeled *out, rp_error *err)
{
    const rp_orientation order = rp_grid_orientation(&baseline->grid);
    const rp_image *image;
    const rp_mask *mask;
    rp_image made_image;
    rp_mask made_mask = {0};
    *out = (rp_remodeled){0};
    rp_status status = rp_image_canonical(baseline, &made_image, &image, err);
    if (status == RP_OK) status = rp_mask_canonical(lesion, &made_mask, &mask, err);
    if (status == RP_OK) status = make(image, mask, options, progress, out, err);
    rp_image_release(&made_image);
    rp_mask_release(&made_mask);
    if (status != RP_OK) return status;
    const rp_grid grid = rp_grid_restored(&out->image.grid, &order);
    status = rp_image_restore(&out->image, &grid, err);
    if (status == RP_OK) status = rp_mask_restore(&out->mask, &grid, err);
    if (status == RP_OK && out->new_lesion.data)
        status = rp_mask_restore(&out->new_lesion, &grid, err);
    if (status != RP_OK) rp_remodeled_release(out);
    return status;
}
