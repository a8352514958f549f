/*
 * What the files of this module share: a timeline whose ids have been resolved, and the steps from
 * findings to calls.
 */
#ifndef REPRISE_RESPONSE_INTERNAL_H
#define REPRISE_RESPONSE_INTERNAL_H

#include "reprise/response.h"

#include "arena.h"
#include "compare.h"
#include "rules.h"

enum { NO_INDEX = -1 };

typedef const rp_timeline_finding *finding_at;

typedef struct decision {
    rp_call call;
    const char *rule;
    int lesion;
} decision;

/* [visit][lesion] where two indices are needed: visit * lesions + lesion. */
typedef struct course {
    const rp_timeline *timeline;
    const rp_response_options *options;
    size_t lesions, visits, targets, non_targets;
    finding_at *at; /* [visit][lesion]; NULL: none */
    int *day;       /* since 1970 */
    double *value;  /* [visit][lesion], of targets: size that counts; NaN: not evaluated */
    bool *gone;     /* [visit][lesion], of targets */
    rp_arena **memory;
    rp_visit_result *results; /* of each visit */
    decision *beside;         /* of each visit: the call if new lesions did not count */
} course;

static inline finding_at found(const course *c, size_t visit, size_t lesion)
{
    return c->at[visit * c->lesions + lesion];
}

static inline rp_lesion_role role_of(const course *c, size_t lesion)
{
    return c->timeline->lesions[lesion].role;
}

/* That a lesion has worsened further, or a new one stays as it was, matters to iRECIST alone. */
static inline rp_finding_state plain_state(finding_at f, rp_lesion_role role)
{
    if (role == RP_ROLE_NEW && f->state == RP_FOUND_PRESENT) return RP_FOUND_UNEQUIVOCAL;
    if (f->state != RP_FOUND_FURTHER) return f->state;
    return role == RP_ROLE_NEW ? RP_FOUND_UNEQUIVOCAL : RP_FOUND_PROGRESSION;
}

/* A target or non-target without a finding counts as not evaluated. */
static inline rp_finding_state state_at(const course *c, size_t visit, size_t lesion)
{
    finding_at f = found(c, visit, lesion);
    return f ? plain_state(f, role_of(c, lesion)) : RP_FOUND_NOT_EVALUATED;
}

static inline bool is_volumetric(const course *c)
{
    return c->options->criteria == RP_VOLUMETRIC;
}

/* Index of a lesion, NO_INDEX where no lesion has that id. */
int lesion_index(const rp_timeline *timeline, const char *id);

/* Short axis of a node in mm as far as it is evaluated: measured, or the sum of a split node's
 * parts; NaN else. */
double node_axis(const rp_timeline_finding *finding);

/* values.c: value and gone of every target at every visit, sums, nadirs, limits. */
void evaluate_targets(course *c);

/* calls.c: target, non-target and overall response of each visit, with rule and lesion. */
void call_visits(course *c);

/* Indices of the lesions with a role in a state at a visit, the first of them; NO_INDEX: none. */
int first_in_state(const course *c, size_t visit, rp_lesion_role role, rp_finding_state state);

/* immune.c: overall becomes iUPD, iCPD and so on; returns the visit from which on progression is
 * confirmed (the first iUPD of its run), or NO_INDEX. False when memory is short. */
bool call_immune(course *c, int *confirmed_from);

/* best.c: best response, dates, durations, depth. */
bool summarise(const course *c, int confirmed_from, rp_timeline_result *result);

/* Whether the visit's PR is one that stays: of a size that is none. It confirms no response. */
bool is_kept(const rp_visit_result *r);

/* trace.c: sentences and borderline flags. False when memory is short. */
bool explain_visits(course *c);
bool add_note(rp_arena **memory, const char ***notes, size_t *count, const char *text);

#endif
