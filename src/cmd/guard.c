#include "guard.h"

#include <math.h>
#include <string.h>

/* ---- options ----------------------------------------------------------------------------- */

enum { KEY_GUARD = 0x3100, TRIALS_FOR_A_VANISHED_ONE = 8 };

static const struct argp_option guard_options[] = {
    {"guard", KEY_GUARD, "N|off", 0,
     "Simulated follow-ups of the baseline on which the patient model is tried, for the interval "
     "and the chances of the responses (default: 16)",
     51},
    {0}};

static error_t parse_guard(int key, char *argument, struct argp_state *state)
{
    cmd_guard_choice *choice = state->input;
    const int most =
        RP_GUARD_MOST_TRIALS * TRIALS_FOR_A_VANISHED_ONE / (TRIALS_FOR_A_VANISHED_ONE + 1);
    if (key != KEY_GUARD) return ARGP_ERR_UNKNOWN;
    choice->given = true;
    if (strcmp(argument, "off") == 0)
        choice->trials = 0;
    else if (!cmd_parse_int(argument, 1, most, &choice->trials))
        argp_error(state, "--guard takes a whole number from 1 to %d, or off, not '%s'", most,
                   argument);
    return 0;
}

const struct argp cmd_guard_argp = {.options = guard_options, .parser = parse_guard};

void cmd_guard_apply(const cmd_guard_choice *choice, cmd_settings *settings)
{
    if (!choice->given) return;
    settings->guard.trials = choice->trials;
    settings->guard.vanished =
        (choice->trials + TRIALS_FOR_A_VANISHED_ONE - 1) / TRIALS_FOR_A_VANISHED_ONE;
}

/* ---- trials ------------------------------------------------------------------------------ */

static rp_status recall(const rp_model *model, cmd_guarded *out, rp_error *err)
{
    rp_json *json = NULL;
    rp_status status = rp_json_parse(model->guard, &json, err);
    if (!status) status = rp_guard_trials_read(json, &out->trials, err);
    rp_json_destroy(json);
    return status;
}

static rp_status keep(rp_model *model, const rp_guard_trials *trials, rp_error *err)
{
    rp_json *json = rp_guard_trials_json(trials);
    model->guard = rp_json_text(json);
    rp_json_destroy(json);
    return model->guard ? RP_OK : rp_fail(err, RP_ERR_MEMORY, "out of memory");
}

static void summarise(cmd_guarded *out)
{
    for (int s = 0; s < RP_GUARD_SOURCES; s++) {
        rp_guard_trials of;
        rp_guard_trials_of(&out->trials, (rp_guard_source)s, &of);
        if (s == RP_GUARD_MODEL || out->trials.compared) rp_guard_summarise(&of, &out->by[s]);
    }
    out->better = rp_guard_choose(&out->trials);
}

rp_status cmd_guard_try(const cmd_settings *settings, rp_model *model, const rp_image *image,
                        const rp_mask *contour, const rp_progress *progress, cmd_guarded *out,
                        rp_error *err)
{
    rp_guard_options how = settings->guard;
    rp_status status;
    *out = (cmd_guarded){.on = how.trials > 0};
    if (!out->on) return RP_OK;
    if (model->guard) {
        status = recall(model, out, err);
    } else {
        how.seed = settings->adapt.seed;
        how.predict = settings->predict;
        how.diameter = settings->diameter;
        for (int a = 0; a < 3; a++)
            how.extent_mm[a] = (model->region[a] ? model->region[a] : settings->adapt.crop[a]) *
                               model->preprocessing.spacing[a];
        status = rp_guard_try(model, image, contour, &how, progress, &out->trials, err);
        if (!status) status = keep(model, &out->trials, err);
    }
    if (!status) summarise(out);
    return status;
}

bool cmd_guard_prefers_registered(const rp_model *model, char clause[200])
{
    cmd_guarded kept = {0};
    rp_error err = {0};
    if (!model->guard || recall(model, &kept, &err)) return false;
    summarise(&kept);
    snprintf(clause, 200,
             "on simulated follow-ups of its baseline a registered contour was better than the "
             "patient model's (mean Dice %.2f against %.2f), and assess uses that",
             kept.by[RP_GUARD_REGISTERED].mean_dice, kept.by[RP_GUARD_MODEL].mean_dice);
    return kept.better == RP_GUARD_REGISTERED;
}

rp_status cmd_guard_ask(cmd_guarded *guard, const rp_lesion *found,
                        const rp_response_input *response, rp_error *err)
{
    const double voxel_mm = found->voxels ? found->long_voxel_mm : response->baseline_voxel_mm;
    rp_guard_trials trials;
    rp_guard_trials_of(&guard->trials, guard->source, &trials);
    const rp_guard_question question = {.calibration = rp_guard_calibration_of(guard->source),
                                        .trials = &trials,
                                        .found_mm = found->longest_diameter_mm,
                                        .found_cc = found->volume_cc,
                                        .voxel_mm = voxel_mm,
                                        .response = *response};
    return guard->on ? rp_guard_interval(&question, &guard->answer, err) : RP_OK;
}

void cmd_guard_judge(const cmd_guarded *guard, const cmd_settings *settings,
                     const rp_adapt_curve *curve, rp_doubts *doubts)
{
    if (!guard || !guard->on) return;
    rp_guard_trials trials;
    rp_guard_trials_of(&guard->trials, guard->source, &trials);
    rp_guard_judge(&trials, &guard->answer, curve ? curve->dice : NULL, curve ? curve->epochs : 0,
                   &settings->guard_limits, doubts);
}

/* ---- JSON -------------------------------------------------------------------------------- */

static void set_summary(rp_json *json, const rp_guard_summary *s)
{
    rp_json_set_number(json, "mean_dice", s->mean_dice);
    rp_json_set_number(json, "low_dice", s->low_dice);
    rp_json_set_number(json, "worst_dice", s->worst_dice);
    rp_json_set_number(json, "bias_mm", s->bias_mm);
    rp_json_set_number(json, "error_mm", s->error_mm);
    rp_json_set_int(json, "missed", s->missed);
    rp_json_set_int(json, "false_finds", s->false_finds);
}

static rp_json *sources_json(const cmd_guarded *guard)
{
    rp_json *json = rp_json_object();
    for (int s = 0; s < RP_GUARD_SOURCES; s++) {
        if (s != RP_GUARD_MODEL && !guard->trials.compared) break;
        rp_json *one = rp_json_object();
        set_summary(one, &guard->by[s]);
        rp_json_set(json, rp_guard_source_name((rp_guard_source)s), one);
    }
    return json;
}

rp_json *cmd_guard_json(const cmd_guarded *guard, const cmd_settings *settings)
{
    if (!guard->on) return NULL;
    const rp_guard_summary *s = &guard->by[guard->source];
    const rp_guard_limits *l = &settings->guard_limits;
    rp_json *json = rp_guard_trials_json(&guard->trials);
    rp_json_set_int(json, "count", guard->trials.count);
    rp_json_set_int(json, "vanished", s->vanished);
    set_summary(json, s);
    rp_json_set(json, "sources", sources_json(guard));
    rp_json_set_string(json, "better", rp_guard_source_name(guard->better));
    rp_json_set_number(json, "least_mean_dice", l->mean_dice);
    rp_json_set_number(json, "least_low_dice", l->low_dice);
    rp_json_set_number(json, "least_training_dice", l->train_dice);
    rp_json_set_number(json, "most_spread", l->spread);
    rp_json_set_number(json, "most_failures", l->failures);
    rp_json_set_number(json, "least_probability", l->decided);
    return json;
}

static rp_json *by_level(const double low[RP_GUARD_LEVELS], const double high[RP_GUARD_LEVELS])
{
    rp_json *json = rp_json_object();
    for (int i = 0; i < RP_GUARD_LEVELS; i++) {
        const double ends[2] = {low[i], high[i]};
        char key[8];
        snprintf(key, sizeof key, "%.0f", 100.0 * rp_guard_level(i));
        rp_json_set_numbers(json, key, ends, 2);
    }
    return json;
}

rp_json *cmd_interval_json(const cmd_guarded *guard)
{
    const rp_guard_answer *a = &guard->answer;
    if (!guard->on) return NULL;
    rp_json *json = rp_json_object();
    rp_json_set_number(json, "gone", a->gone);
    rp_json_set_number(json, "failure", a->failure);
    rp_json_set_number(json, "failure_near", a->failure_near);
    rp_json_set_string(json, "calibration", rp_guard_calibration_of(guard->source)->name);
    if (!a->found) return json;
    rp_json *chances = rp_json_object();
    for (int r = RP_CR; r < RP_NE; r++)
        rp_json_set_number(chances, rp_response_code((rp_response)r), a->probability[r]);
    rp_json_set_number(json, "centre_mm", a->centre_mm);
    rp_json_set_number(json, "scale_mm", a->scale_mm);
    rp_json_set_number(json, "trials", a->weight);
    rp_json_set(json, "diameter_mm", by_level(a->low_mm, a->high_mm));
    rp_json_set(json, "change_percent", by_level(a->low_percent, a->high_percent));
    rp_json_set(json, "probability", chances);
    return json;
}

/* ---- words ------------------------------------------------------------------------------- */

void cmd_interval_text(const cmd_guarded *guard, double found_mm, char text[64])
{
    text[0] = '\0';
    if (guard->on && guard->answer.found)
        snprintf(text, 64, "%.1f mm (95 %%: %.1f to %.1f)", found_mm, guard->answer.low_mm[1],
                 guard->answer.high_mm[1]);
}

void cmd_chances_text(const cmd_guarded *guard, char text[96])
{
    text[0] = '\0';
    if (!guard->on || !guard->answer.found) return;
    for (int r = RP_CR; r < RP_NE; r++) {
        const size_t used = strlen(text);
        if (guard->answer.probability[r] >= 0.005)
            snprintf(text + used, 96 - used, "%s%s %.2f", used ? ", " : "",
                     rp_response_code((rp_response)r), guard->answer.probability[r]);
    }
}
