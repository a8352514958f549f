/* What a reader must see first: how many cases, who is better, what failed. */
#include "evaluation_parts.h"

#include <math.h>
#include <string.h>

/* ---- failures ---------------------------------------------------------------------------- */

enum { MOST_KINDS = 24 };

typedef struct tally {
    const char *kind;
    size_t cases;
} tally;

static size_t failed_cases(const rp_evaluation *evaluation)
{
    size_t count = 0;
    for (size_t i = 0; i < evaluation->case_count; i++)
        count += evaluation->cases[i].failure_count > 0;
    return count;
}

/* Each case counts once for a kind. */
static size_t tally_kinds(const rp_evaluation *evaluation, tally kinds[MOST_KINDS])
{
    size_t count = 0;
    for (size_t i = 0; i < evaluation->case_count; i++) {
        const rp_case *one = &evaluation->cases[i];
        for (size_t f = 0; f < one->failure_count; f++) {
            size_t k = 0, before = 0;
            while (before < f && strcmp(one->failures[before].kind, one->failures[f].kind))
                before++;
            if (before < f) continue;
            while (k < count && strcmp(kinds[k].kind, one->failures[f].kind)) k++;
            if (k == MOST_KINDS) continue;
            if (k == count) kinds[count++] = (tally){one->failures[f].kind, 0};
            kinds[k].cases++;
        }
    }
    return count;
}

static void failure_words(const rp_evaluation *evaluation, char out[512])
{
    tally kinds[MOST_KINDS];
    size_t count = tally_kinds(evaluation, kinds), length = 0;
    snprintf(out, 512, "%s", count ? "" : "no failure was listed");
    for (size_t k = 0; k < count && length < 440; k++)
        length += (size_t)snprintf(out + length, 512 - length, "%s%zu %.32s", k ? ", " : "",
                                   kinds[k].cases, kinds[k].kind);
}

void rp_evaluation_add_failures(rp_document *document, const rp_evaluation_view *view)
{
    const rp_evaluation *evaluation = view->evaluation;
    rp_table table;
    rp_document_section(document, "Failures, case by case");
    if (!failed_cases(evaluation)) {
        rp_document_words(document, RP_TONE_PLAIN,
                          evaluation->case_count ? "No case failed in a way that is looked for."
                                                 : "There are no cases.");
        return;
    }
    rp_table_start(&table, NULL, "lll");
    rp_table_text(&table, 0, "Case");
    rp_table_text(&table, 0, "Failure");
    rp_table_text(&table, 0, "What happened");
    rp_table_end_head(&table);
    for (size_t i = 0; i < evaluation->case_count; i++)
        for (size_t f = 0; f < evaluation->cases[i].failure_count; f++) {
            const rp_case_failure *failure = &evaluation->cases[i].failures[f];
            rp_table_text(&table, 0, f ? "" : evaluation->cases[i].patient);
            rp_table_text(&table, RP_CELL_BOLD, failure->kind);
            rp_table_text(&table, 0, failure->text);
        }
    rp_document_table(document, &table);
}

/* ---- cards ------------------------------------------------------------------------------- */

static void agreement_card(const rp_evaluation_view *view, rp_card *card, char value[80],
                           char words[300])
{
    const rp_group *group = &view->group[view->measured];
    int64_t agree, of;
    const rp_json *summary = view->report->summary;
    rp_estimate e = rp_summary_response(summary, group->key, RP_SOURCE_IDOL_POST, "agreement");
    *card = (rp_card){.head = "Response agrees with manual", .value = value, .words = words};
    if (!rp_summary_agreeing(summary, group->key, RP_SOURCE_IDOL_POST, &agree, &of)) {
        snprintf(value, 80, "undefined");
        snprintf(words, 300, "%.200s", e.reason);
        return;
    }
    e.value *= 100;
    e.low *= 100;
    e.high *= 100;
    snprintf(value, 80, "%lld of %lld", (long long)agree, (long long)of);
    if (e.known)
        snprintf(words, 300, "%.0f%%, 95%% interval %.0f to %.0f%%; %s", e.value, e.low, e.high,
                 group->name);
    else
        snprintf(words, 300, "%s", group->name);
}

static void dice_card(const rp_evaluation_view *view, rp_card *card, char value[80],
                      char words[300])
{
    const rp_group *group = &view->group[view->measured];
    const rp_json *summary = view->report->summary;
    size_t length = 0;
    char number[RP_WORDS], interval[RP_WORDS];
    rp_estimate idol = rp_summary_mean(summary, group->key, "dice", RP_SOURCE_IDOL_POST);
    *card = (rp_card){.head = "Dice of IDOL at follow-up", .value = value, .words = words};
    snprintf(value, 80, "%s", idol.known ? rp_words(number, idol.value, 2, false) : "undefined");
    words[0] = 0;
    if (idol.known && isfinite(idol.low))
        length = (size_t)snprintf(words, 300, "95%% interval %.30s to %.30s; ",
                                  rp_words(interval, idol.low, 2, false),
                                  rp_words(number, idol.high, 2, false));
    for (int i = 2; i >= 0; i--) {
        rp_estimate e = rp_summary_mean(summary, group->key, "dice", rp_followup_sources[i]);
        if (!e.known || length > 220) continue;
        length += (size_t)snprintf(words + length, 300 - length, "%s %s, ",
                                   rp_source_look_of(rp_followup_sources[i])->name,
                                   rp_words(number, e.value, 2, false));
        card->poor = card->poor || !(idol.value > e.value);
    }
    snprintf(words + length, 300 - length, "%s", group->name);
}

static void add_cards(rp_document *document, const rp_evaluation_view *view)
{
    const rp_evaluation *evaluation = view->evaluation;
    rp_card cards[4];
    char values[4][80], words[4][512];
    size_t failed = failed_cases(evaluation);
    snprintf(values[0], sizeof values[0], "%zu", evaluation->case_count);
    snprintf(words[0], sizeof words[0], "%zu evaluable by RECIST%s", view->group[RP_RECIST].count,
             view->measured == RP_ENTIRE ? "; diameters are shown of all" : "");
    cards[0] =
        (rp_card){.head = "Cases, baseline and follow-up", .value = values[0], .words = words[0]};
    dice_card(view, &cards[1], values[1], words[1]);
    agreement_card(view, &cards[2], values[2], words[2]);
    snprintf(values[3], sizeof values[3], "%zu of %zu", failed, evaluation->case_count);
    failure_words(evaluation, words[3]);
    cards[3] = (rp_card){"Cases with a failure", values[3], words[3], failed > 0};
    rp_document_cards(document, cards, 4);
}

/* ---- verdict ----------------------------------------------------------------------------- */

/* The interval decides about the words, not the p value, which has not been corrected. */
static const char *standing(const rp_estimate *e)
{
    if (!isfinite(e->low) || !isfinite(e->high)) return "no interval can be given";
    if (e->low > 0) return "IDOL is above it";
    if (e->high < 0) return "IDOL is below it";
    return "the interval holds zero";
}

static void verdict_words(const rp_estimate *e, char out[300])
{
    char difference[128], p[RP_WORDS];
    rp_estimate percent = *e;
    if (!e->known) {
        snprintf(out, 300, "undefined%s%.200s", *e->reason ? ": " : "", e->reason);
        return;
    }
    snprintf(out, 300, "mean difference of Dice %s, n = %.0f%s%.20s: %s.",
             rp_estimate_words(difference, &percent, 3), e->n, isfinite(e->p) ? ", Wilcoxon " : "",
             isfinite(e->p) ? rp_words_p(p, e->p) : "", standing(e));
}

static void add_verdict(rp_document *document, const rp_evaluation_view *view)
{
    static const struct {
        rp_source source;
        const char *words;
    } against[] = {{RP_SOURCE_GENERAL_POST, "IDOL against FCD"},
                   {RP_SOURCE_CARRY_POST, "IDOL against carry-forward"},
                   {RP_SOURCE_REGISTERED_POST, "IDOL against registration"}};
    const rp_group *group = &view->group[view->measured];
    rp_list_item items[3];
    char words[3][300];
    for (int i = 0; i < 3; i++) {
        rp_estimate e = rp_summary_compare(view->report->summary, group->key, against[i].source);
        items[i] = (rp_list_item){against[i].words, words[i]};
        if (rp_group_has(group, against[i].source))
            verdict_words(&e, words[i]);
        else
            snprintf(words[i], sizeof words[i], "not run.");
    }
    rp_document_list(document, items, 3);
}

void rp_evaluation_add_head(rp_document *document, const rp_evaluation_view *view)
{
    rp_document_section(document, "At a glance");
    if (!view->evaluation->case_count) {
        rp_document_words(document, RP_TONE_LEAD, "There are no cases: nothing was evaluated.");
        return;
    }
    add_cards(document, view);
    add_verdict(document, view);
    rp_evaluation_add_forest(document, view);
    rp_document_words(
        document, RP_TONE_NOTE,
        "FCD: the general model. IDOL: the patient's model, made with the baseline, "
        "or what its trials preferred to it. "
        "Carry-forward: the baseline contour copied unchanged. Registration: the baseline "
        "contour moved by image registration. An adapted model that is not above "
        "carry-forward has learnt nothing; one that is not above registration is not "
        "worth its time.");
}
