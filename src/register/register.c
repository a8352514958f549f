/* From a search to a registration, and how good it is. */
#include "internal.h"

#include <math.h>
#include <string.h>

enum { COARSE_SAMPLES = 4000, MIDDLE_SAMPLES = 30000, FINE_SAMPLES = 200000, KEPT = 3 };
enum { COARSE_STEPS = 25, MIDDLE_STEPS = 25, FINE_STEPS = 20 };
static const double MIDDLE_SCALE_HU = 150.0, FINE_SCALE_HU = 75.0;
static const double ELSEWHERE_MM = 10.0;
/* Below these a person should look; figures in docs/track.md. */
static const double FAILED_BELOW = 0.3, DOUBTFUL_BELOW = 0.6, LITTLE_OVERLAP = 0.4;
static const double CLOSE_SECOND = 0.02, LARGE_DEGREES = 20.0, START_SHARE = 0.1;

/* ---- the steps --------------------------------------------------------------------------- */

/* Insertion sort, the best first; equal ones stay in order. */
static void sort(candidate *c, size_t count)
{
    for (size_t i = 1; i < count; i++)
        for (size_t k = i; k > 0 && c[k].score > c[k - 1].score; k--) {
            const candidate swap = c[k];
            c[k] = c[k - 1];
            c[k - 1] = swap;
        }
}

typedef struct refinement {
    int level;
    size_t most;
    fit_options options;
} refinement;

static const refinement coarse = {LEVEL_COARSE, COARSE_SAMPLES, {.iterations = COARSE_STEPS}};
static const refinement middle = {
    LEVEL_MIDDLE, MIDDLE_SAMPLES, {.scale_hu = MIDDLE_SCALE_HU, .iterations = MIDDLE_STEPS}};
static const refinement fine = {
    LEVEL_FINE, FINE_SAMPLES, {.scale_hu = FINE_SCALE_HU, .iterations = FINE_STEPS}};

/* Fits each and sorts them anew; *best (may be NULL) is what the first came to. */
static rp_status refine(const rp_register_image *fixed, const rp_register_image *moving,
                        const refinement *how, candidate *c, size_t count, fitted *best,
                        rp_error *err)
{
    samples s;
    rp_status status =
        samples_collect(fixed, how->level, fixed->centre, NULL, 0.0, how->most, &s, err);
    if (status) return status;
    for (size_t i = 0; i < count; i++)
        c[i].score = score_of(fixed, moving,
                              fit_pose(&s, &moving->levels[how->level], &how->options, &c[i].pose));
    sort(c, count);
    if (best && count) *best = fit_nothing(&s, &moving->levels[how->level], &c[0].pose);
    samples_release(&s);
    return RP_OK;
}

/* Mean way, over points 100 mm off the centre, between where two poses put them. */
static double apart_mm(const pose *a, const pose *b)
{
    const double reach = 100.0;
    double sum = 0.0;
    for (int p = 0; p < 6; p++) {
        double square = 0.0;
        for (int r = 0; r < 3; r++) {
            const double turned =
                (p % 2 ? reach : -reach) * (a->rotation[r][p / 2] - b->rotation[r][p / 2]);
            const double way = a->origin[r] - b->origin[r] + turned;
            square += way * way;
        }
        sum += sqrt(square) / 6.0;
    }
    return sum;
}

static double second_best(const candidate *c, size_t count)
{
    for (size_t i = 1; i < count; i++)
        if (apart_mm(&c[0].pose, &c[i].pose) > ELSEWHERE_MM) return c[i].score;
    return NAN;
}

/* Those that came to the same place as a better one are left out. */
static size_t keep_distinct(candidate *c, size_t count, size_t most)
{
    size_t kept = 0;
    for (size_t i = 0; i < count && kept < most; i++) {
        bool again = false;
        for (size_t k = 0; k < kept; k++) again |= apart_mm(&c[k].pose, &c[i].pose) <= ELSEWHERE_MM;
        if (!again) c[kept++] = c[i];
    }
    return kept;
}

/* ---- the verdict ------------------------------------------------------------------------- */

static void doubt(rp_registration *r, const char *reason)
{
    if (r->quality != RP_REGISTRATION_GOOD) return;
    r->quality = RP_REGISTRATION_DOUBTFUL;
    snprintf(r->reason, sizeof r->reason, "%s", reason);
}

static void fail(rp_registration *r, const char *reason)
{
    r->quality = RP_REGISTRATION_FAILED;
    r->transform = rp_rigid_identity();
    snprintf(r->reason, sizeof r->reason, "%s", reason);
}

static void judge(rp_registration *r, double best)
{
    if (r->correlation < FAILED_BELOW) {
        fail(r, "the images have nothing in common");
        return;
    }
    if (r->correlation < DOUBTFUL_BELOW) doubt(r, "the images agree little");
    if (r->common < LITTLE_OVERLAP) doubt(r, "the images show little of the body in common");
    if (r->correlation < r->correlation_at_start - 0.01)
        doubt(r, "the images agree better where their own coordinates place them");
    if (best - r->runner_up < CLOSE_SECOND)
        doubt(r, "another place, more than 10 mm away, fits almost as well");
    if (rp_rigid_degrees(&r->transform) > LARGE_DEGREES) doubt(r, "the rotation is large");
}

static rp_status at_start(const rp_register_image *fixed, const rp_register_image *moving,
                          double *correlation, rp_error *err)
{
    samples s;
    pose here = {.rotation = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}};
    memcpy(here.origin, fixed->centre, sizeof here.origin);
    rp_status status =
        samples_collect(fixed, LEVEL_FINE, fixed->centre, NULL, 0.0, MIDDLE_SAMPLES, &s, err);
    if (status) return status;
    const fitted f = fit_nothing(&s, &moving->levels[LEVEL_FINE], &here);
    *correlation = f.share >= START_SHARE ? f.correlation : NAN;
    samples_release(&s);
    return RP_OK;
}

static rp_rigid rigid_of(const rp_register_image *fixed, const pose *p)
{
    rp_rigid rigid;
    memcpy(rigid.rotation, p->rotation, sizeof rigid.rotation);
    for (int a = 0; a < 3; a++) {
        rigid.centre[a] = fixed->centre[a];
        rigid.translation[a] = p->origin[a] - fixed->centre[a];
    }
    return rigid;
}

static pose pose_of(const rp_rigid *rigid)
{
    pose p;
    memcpy(p.rotation, rigid->rotation, sizeof p.rotation);
    for (int a = 0; a < 3; a++) p.origin[a] = rigid->centre[a] + rigid->translation[a];
    return p;
}

rp_status rp_register_rigid(const rp_register_image *fixed, const rp_register_image *moving,
                            rp_registration *out, rp_error *err)
{
    candidate c[CANDIDATES];
    size_t count;
    fitted final = {.correlation = -1.0};
    double best = -1.0;
    rp_registration r = {.runner_up = NAN, .correlation = NAN};
    rp_status status = at_start(fixed, moving, &r.correlation_at_start, err);
    if (!status) status = search_places(fixed, moving, fixed->centre, c, &count, err);
    if (!status) status = refine(fixed, moving, &coarse, c, count, NULL, err);
    if (!status) count = keep_distinct(c, count, KEPT);
    if (!status) status = refine(fixed, moving, &middle, c, count, NULL, err);
    if (status) return status;
    if (count) {
        best = c[0].score;
        r.runner_up = second_best(c, count);
        status = refine(fixed, moving, &fine, c, 1, &final, err);
        if (status) return status;
        r.transform = rigid_of(fixed, &c[0].pose);
        r.correlation = final.correlation;
        r.overlap = final.share;
        const double smaller = fmin(fixed->body_mm3, moving->body_mm3);
        r.common = fmin(1.0, final.share * fixed->body_mm3 / smaller);
        judge(&r, best);
    } else {
        fail(&r, "the images have nothing in common");
    }
    *out = r;
    return RP_OK;
}

/* ---- round a point ----------------------------------------------------------------------- */

bool rp_register_local(const rp_register_image *fixed, const rp_register_image *moving,
                       const rp_rigid *transform, const double point[3], double radius_mm,
                       double shift[3])
{
    const double reach_mm = 30.0, least_share = 0.5;
    const rp_rigid *t = transform;
    static const refinement *const steps[] = {&middle, &fine};
    pose now = pose_of(t);
    fitted before = {0}, after = {0};
    memset(shift, 0, 3 * sizeof *shift);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        samples s;
        fit_options options = steps[i]->options;
        options.translation_only = true;
        if (samples_collect(fixed, steps[i]->level, t->centre, point, radius_mm, steps[i]->most, &s,
                            NULL))
            return false;
        const rp_image *level = &moving->levels[steps[i]->level];
        const pose start = pose_of(t);
        after = fit_pose(&s, level, &options, &now);
        before = fit_nothing(&s, level, &start);
        samples_release(&s);
        if (before.share < least_share || after.share < least_share) return false;
    }
    double square = 0.0, way[3];
    const pose start = pose_of(t);
    for (int a = 0; a < 3; a++) {
        way[a] = now.origin[a] - start.origin[a];
        square += way[a] * way[a];
    }
    if (!(after.correlation > before.correlation) || square > reach_mm * reach_mm) return false;
    memcpy(shift, way, sizeof way);
    return true;
}
