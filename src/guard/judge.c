/* What the trials and the interval say against an answer. */
#include "reprise/guard.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void rp_guard_limits_defaults(rp_guard_limits *limits)
{
    *limits = (rp_guard_limits){.mean_dice = 0.6,
                                .low_dice = 0.35,
                                .train_dice = 0.5,
                                .spread = 0.15,
                                .failures = 0.3,
                                .decided = 0.75};
}

/* ---- the trials in figures ------------------------------------------------------------------- */

/* Into ascending order. */
static void insert(double *sorted, int count, double value)
{
    for (; count > 0 && sorted[count - 1] > value; count--) sorted[count] = sorted[count - 1];
    sorted[count] = value;
}

static double lower_quartile(const double *sorted, int count)
{
    const double at = 0.25 * (count - 1);
    const int below = (int)at;
    return below + 1 < count ? sorted[below] + (at - below) * (sorted[below + 1] - sorted[below])
                             : sorted[below];
}

void rp_guard_summarise(const rp_guard_trials *trials, rp_guard_summary *out)
{
    double dice[RP_GUARD_MOST_TRIALS], sum = 0.0, bias = 0.0, error = 0.0;
    int found = 0;
    *out = (rp_guard_summary){0};
    for (int k = 0; k < trials->count; k++) {
        const rp_guard_trial *t = &trials->item[k];
        const bool finds = t->found_mm > 0;
        if (t->gone) {
            out->vanished++;
            out->false_finds += finds;
            continue;
        }
        insert(dice, out->present++, t->dice);
        sum += t->dice;
        out->missed += !finds;
        if (!finds) continue;
        found++;
        bias += t->found_mm - t->true_mm;
        error += fabs(t->found_mm - t->true_mm);
    }
    const bool any = out->present > 0;
    out->mean_dice = any ? sum / out->present : NAN;
    out->low_dice = any ? lower_quartile(dice, out->present) : NAN;
    out->worst_dice = any ? dice[0] : NAN;
    out->bias_mm = found ? bias / found : NAN;
    out->error_mm = found ? error / found : NAN;
}

/* ---- the judgement --------------------------------------------------------------------------- */

RP_PRINTF(3, 4) static void doubt(rp_doubts *out, rp_doubt which, const char *format, ...)
{
    va_list arguments;
    out->found[which] = true;
    va_start(arguments, format);
    vsnprintf(out->clause[which], sizeof out->clause[which], format, arguments);
    va_end(arguments);
}

static void judge_trials(const rp_guard_trials *trials, const rp_guard_limits *l, rp_doubts *out)
{
    rp_guard_summary s;
    rp_guard_summarise(trials, &s);
    if (s.mean_dice < l->mean_dice || s.low_dice < l->low_dice)
        doubt(out, RP_DOUBT_GUARD,
              "the %s fails on simulated follow-ups of its own baseline (mean Dice "
              "%.2f, a quarter below %.2f; %.2f and %.2f are needed)",
              rp_guard_source_name(trials->source), s.mean_dice, s.low_dice, l->mean_dice,
              l->low_dice);
}

static void judge_training(const double *dice, size_t epochs, const rp_guard_limits *l,
                           rp_doubts *out)
{
    const size_t last = (epochs + 4) / 5;
    double sum = 0.0;
    for (size_t i = epochs - last; i < epochs; i++) sum += dice[i];
    if (sum / (double)last < l->train_dice)
        doubt(out, RP_DOUBT_SETTLED,
              "the adaptation had not settled when it ended (training Dice %.2f, %.2f is needed)",
              sum / (double)last, l->train_dice);
}

static void judge_answer(const char *source, const rp_guard_answer *a, const rp_guard_limits *l,
                         rp_doubts *out)
{
    const double chance = a->response == RP_NE ? 0.0 : a->probability[a->response];
    if (a->failure_near > l->failures)
        doubt(out, RP_DOUBT_GUARD,
              "where the %s had such a size on simulated follow-ups, it was of another thing too "
              "often (%.2f of them, %.2f at most)",
              source, a->failure_near, l->failures);
    if (a->scale_mm > l->spread * a->centre_mm)
        doubt(out, RP_DOUBT_SETTLED,
              "the %s's errors on simulated follow-ups spread so widely that the "
              "diameter may be anything from %.1f to %.1f mm",
              source, a->low_mm[1], a->high_mm[1]);
    if (chance < l->decided)
        doubt(out, RP_DOUBT_UNDECIDED,
              "the diameter lies too close to a limit for what such contours get wrong (%s, which "
              "it stands for, has a chance of %.2f; %.2f is needed)",
              rp_response_code(a->response), chance, l->decided);
}

void rp_guard_judge(const rp_guard_trials *trials, const rp_guard_answer *answer,
                    const double *train_dice, size_t epochs, const rp_guard_limits *limits,
                    rp_doubts *doubts)
{
    judge_trials(trials, limits, doubts);
    if (train_dice && epochs) judge_training(train_dice, epochs, limits, doubts);
    if (answer && answer->found)
        judge_answer(rp_guard_source_name(trials->source), answer, limits, doubts);
}
