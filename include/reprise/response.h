/**
 * @file response.h
 * Response criteria as pure functions: RECIST 1.1 (Eisenhauer et al., Eur J Cancer
 * 2009;45:228-247) for one lesion, and for a patient's lesions over all visits RECIST 1.1, iRECIST
 * (Seymour et al., Lancet Oncol 2017;18:e143-152), mRECIST (Lencioni and Llovet, Semin Liver Dis
 * 2010;30:52-60) and an exploratory response by volume. docs/response.md has every rule and tells
 * which are this project's own.
 */
#ifndef REPRISE_RESPONSE_H
#define REPRISE_RESPONSE_H

#include "reprise/base.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum rp_response { RP_CR, RP_PR, RP_SD, RP_PD, RP_NE } rp_response;
const char *rp_response_code(rp_response r); /**< "CR" ... "NE" */
const char *rp_response_name(rp_response r); /**< "complete response" ... */

/** How the one target lesion was found at a visit. */
typedef enum rp_lesion_state {
    RP_LESION_MEASURED,
    RP_LESION_TOO_SMALL,    /**< present but too small to measure: 5 mm by the guideline */
    RP_LESION_ABSENT,       /**< a person says that it is gone: 0 mm */
    RP_LESION_NOT_EVALUATED /**< not assessed, or segmentation failed */
} rp_lesion_state;

typedef struct rp_response_input {
    bool nodal; /**< diameters are short axes; CR below 10 mm */
    double baseline_mm;
    double nadir_mm; /**< smallest so far, baseline included; 0 means baseline */
    rp_lesion_state state;
    double followup_mm;      /**< where measured */
    double slice_spacing_mm; /**< for measurability at baseline; 0: not checked */
    double too_small_mm;     /**< value for RP_LESION_TOO_SMALL; 0 means the guideline's 5 */
    bool new_lesion;         /**< an unequivocal new lesion was seen */
    /** By how much one voxel lengthens either measurement; 0: not known, and nothing is borderline.
     *  A nadir of its own is taken as exact. */
    double baseline_voxel_mm, followup_voxel_mm;
} rp_response_input;

typedef enum rp_threshold { RP_THRESHOLD_PR, RP_THRESHOLD_PD, RP_THRESHOLD_NODE } rp_threshold;
const char *rp_threshold_code(rp_threshold threshold); /**< "PR", "PD", "node" */

typedef struct rp_borderline {
    rp_threshold threshold;
    int lesion;      /**< index, of a node of a timeline; else -1 */
    double distance; /**< from the threshold, not negative; mm, or cc of a sum of volumes */
} rp_borderline;

typedef struct rp_response_result {
    rp_response response;
    bool is_borderline;          /**< a voxel more or less at one visit would have changed it */
    rp_borderline borderline;    /**< then: the nearest threshold */
    rp_response otherwise;       /**< then: what it would have been */
    char doubt[256];             /**< then: a sentence for people; else "" */
    double change_percent;       /**< from baseline; NaN where not evaluated */
    double change_nadir_percent; /**< from nadir */
    double change_nadir_mm;
    bool measurable_at_baseline;
    char rule[256]; /**< one sentence: which rule decided, with its numbers in mm */
} rp_response_result;

/** PD is tested first; values are compared unrounded, with decimal inputs protected from binary
 *  rounding: lengths within 1e-9 of their size count as equal (exactly 30% is PR, exactly 20% and
 *  5 mm is PD, a node of exactly 10 mm is not CR). A new lesion is PD whatever else was found; not
 *  evaluated is NE. RP_ERR_ARGUMENT for negative or non-finite lengths, a baseline of 0, a nadir
 *  above the baseline, and a measured follow-up of 0 mm: what was not found is RP_LESION_ABSENT
 *  only if a person says so, else RP_LESION_NOT_EVALUATED. The rules are those of the timeline
 *  below, and a nadir is an earlier visit: after a response it stays PR until progression, and a
 *  node that was normal there and no longer is has progressed. */
rp_status rp_response_classify(const rp_response_input *input, rp_response_result *result,
                               rp_error *err);

/* ---- a patient's lesions over visits: the timeline ----------------------------------------- */

typedef enum rp_criteria { RP_RECIST_1_1, RP_IRECIST, RP_MRECIST, RP_VOLUMETRIC } rp_criteria;
/** "recist1.1", "irecist", "mrecist", "volume". */
const char *rp_criteria_code(rp_criteria criteria);
const char *rp_criteria_name(rp_criteria criteria); /**< "RECIST 1.1" ... */
/** False where no criteria have that code. */
bool rp_criteria_find(const char *code, rp_criteria *criteria);

typedef enum rp_lesion_role {
    RP_ROLE_TARGET,
    RP_ROLE_NON_TARGET,
    RP_ROLE_NEW,
    RP_ROLE_UNKNOWN /**< another word, kept in role_word */
} rp_lesion_role;
const char *rp_role_code(rp_lesion_role role); /**< "target", "non-target", "new"; NULL */

/** How a lesion was found at a visit. */
typedef enum rp_finding_state {
    RP_FOUND_MEASURED,      /**< target */
    RP_FOUND_ABSENT,        /**< any role; of a new lesion: seen before, not now */
    RP_FOUND_TOO_SMALL,     /**< target */
    RP_FOUND_NOT_EVALUATED, /**< target, non-target */
    RP_FOUND_MERGED,        /**< target, into another target */
    RP_FOUND_SPLIT,         /**< target */
    RP_FOUND_PRESENT,     /**< non-target; of a new lesion, unequivocal before: there still, and no
                               longer counted by iRECIST, while the other criteria count it */
    RP_FOUND_PROGRESSION, /**< non-target: a person's unequivocal call */
    RP_FOUND_UNEQUIVOCAL, /**< new */
    RP_FOUND_EQUIVOCAL,   /**< new */
    RP_FOUND_FURTHER,     /**< non-target in progression, or unequivocal new lesion, that has
                               worsened since the visit before: confirms iUPD by iRECIST */
    RP_FOUND_UNKNOWN      /**< another word, kept in state_word */
} rp_finding_state;
const char *rp_state_code(rp_finding_state state); /**< "measured", "too small" ...; NULL */

/** Strings are "" where nothing is said. Those handed to the functions below may be NULL for "". */
typedef struct rp_timeline_lesion {
    const char *id, *organ, *side, *description;
    bool nodal; /**< a lymph node: its short axis counts */
    rp_lesion_role role;
    const char *role_word; /**< of RP_ROLE_UNKNOWN */
} rp_timeline_lesion;

/** Lengths and volume are NaN where not given. */
typedef struct rp_timeline_finding {
    const char *lesion; /**< id */
    rp_finding_state state;
    const char *state_word; /**< of RP_FOUND_UNKNOWN */
    double longest_mm, short_axis_mm, viable_mm, volume_cc;
    const char *into; /**< of RP_FOUND_MERGED: id of the target that it has become part of */
    const double *parts_mm, *parts_viable_mm; /**< of RP_FOUND_SPLIT; of a node short axes */
    size_t part_count, viable_count;
} rp_timeline_finding;
/** Of that lesion in that state, without any measurement. */
rp_timeline_finding rp_timeline_finding_of(const char *lesion, rp_finding_state state);

typedef struct rp_timeline_visit {
    const char *id, *date;   /**< YYYY-MM-DD */
    double slice_spacing_mm; /**< NaN: not given */
    const char *phase;       /**< of contrast: "portal venous", "arterial" ... */
    rp_timeline_finding *findings;
    size_t finding_count;
} rp_timeline_visit;

/** A patient. The first visit is the baseline. Everything is owned by the timeline, in memory of
 *  its own. */
typedef struct rp_timeline {
    const char *patient, *label; /**< label: "", "synthetic" or "simulated" */
    rp_timeline_lesion *lesions;
    rp_timeline_visit *visits;
    size_t lesion_count, visit_count;
    struct rp_arena *memory;
} rp_timeline;

enum { RP_TIMELINE_MOST = 1000 }; /**< lesions, and visits, of one timeline */

/** An empty timeline. All of these copy what they are given, check nothing, and can fail with
 *  RP_ERR_MEMORY only; a timeline that failed is still to be released. */
rp_status rp_timeline_init(rp_timeline *timeline, const char *patient, const char *label,
                           rp_error *err);
rp_status rp_timeline_add_lesion(rp_timeline *timeline, const rp_timeline_lesion *lesion,
                                 rp_error *err);
/** Without the visit's findings. */
rp_status rp_timeline_add_visit(rp_timeline *timeline, const rp_timeline_visit *visit,
                                rp_error *err);
/** To the visit of that index. */
rp_status rp_timeline_add_finding(rp_timeline *timeline, size_t visit,
                                  const rp_timeline_finding *finding, rp_error *err);
void rp_timeline_release(rp_timeline *timeline);

/* ---- options of a protocol ----------------------------------------------------------------- */

typedef struct rp_response_options {
    rp_criteria criteria;
    bool confirmation;             /**< CR and PR count as best response once confirmed only */
    int confirmation_days;         /**< at least so far apart */
    int minimum_sd_days;           /**< since baseline, for SD as best response */
    bool keep_pr;                  /**< PR stays until progression */
    bool reappearance_is_pd;       /**< after CR */
    double too_small_mm;           /**< value of a target too small to measure */
    double progression_minimum_mm; /**< above the nadir; without meaning, and 0, for volumes */
    double node_normal_mm;         /**< nodes below are normal */
    double node_target_mm;         /**< nodes from here on can be targets */
    double target_mm;              /**< other lesions from here on can be targets */
    double reader_error_mm,
        reader_error_percent; /**< for borderline flags; 0: none; of volumes the percent alone */
    int irecist_earliest_days, irecist_latest_days; /**< to confirm progression, since iUPD */
    double irecist_further_mm;                      /**< further growth that confirms progression */
} rp_response_options;

rp_response_options rp_response_defaults(rp_criteria criteria);
/** RP_ERR_ARGUMENT, naming the option by its name in docs/response.md. */
rp_status rp_response_options_check(const rp_response_options *options, rp_error *err);

/* ---- checking ------------------------------------------------------------------------------ */

typedef enum rp_severity {
    RP_SEVERITY_WARNING,
    RP_SEVERITY_INELIGIBLE, /**< a timeline that the criteria don't allow; blocks unless overridden
                             */
    RP_SEVERITY_REFUSED,    /**< the criteria cannot be applied to these images */
    RP_SEVERITY_ERROR       /**< an inconsistency */
} rp_severity;

/** Strings are "" where no single visit or lesion is concerned. */
typedef struct rp_timeline_problem {
    rp_severity severity;
    char *patient, *visit, *lesion;
    char *text; /**< one line, no full stop */
} rp_timeline_problem;

typedef struct rp_timeline_problems {
    rp_timeline_problem *items;
    size_t count;
    size_t counts[RP_SEVERITY_ERROR + 1]; /**< by severity */
} rp_timeline_problems;

/** Appends one; RP_ERR_MEMORY only. visit and lesion may be NULL. */
rp_status rp_timeline_problem_add(rp_timeline_problems *problems, rp_severity severity,
                                  const char *patient, const char *visit, const char *lesion,
                                  rp_error *err, const char *format, ...) RP_PRINTF(7, 8);
/** "patient P01, visit v2, lesion T1: text"; rp_alloc'd. */
char *rp_timeline_problem_text(const rp_timeline_problem *problem);
void rp_timeline_problems_release(rp_timeline_problems *problems);

/** Appends every inconsistency and everything that the criteria don't allow, in one go.
 * RP_ERR_MEMORY only: what was found is in the list. */
rp_status rp_timeline_check(const rp_timeline *timeline, const rp_response_options *options,
                            rp_timeline_problems *problems, rp_error *err);

/* ---- the response over the visits ---------------------------------------------------------- */

typedef enum rp_call {
    RP_CALL_NONE, /**< there is no call: the baseline */
    RP_CALL_CR,
    RP_CALL_PR,
    RP_CALL_SD,
    RP_CALL_NN, /**< non-CR/non-PD: without targets */
    RP_CALL_PD,
    RP_CALL_NE,
    RP_CALL_NA, /**< there are no such lesions */
    RP_CALL_ICR,
    RP_CALL_IPR,
    RP_CALL_ISD,
    RP_CALL_INN,
    RP_CALL_IUPD,
    RP_CALL_ICPD
} rp_call;
const char *rp_call_code(rp_call call); /**< "CR", "NN", "iUPD" ...; NULL for none */
const char *rp_call_name(rp_call call); /**< "complete response" ... */
/** iRECIST's name for a call of RECIST 1.1, PD as the first, unconfirmed one (iUPD); any other call
 *  as it is. */
rp_call rp_call_immune(rp_call call);

/** The guideline's tables 1 to 3: target and non-target are RP_CALL_NA where there are no such
 *  lesions. */
rp_call rp_overall_response(rp_call target, rp_call non_target, bool new_lesion);

/** The target nodes of a visit together. */
typedef enum rp_node_state {
    RP_NODES_NONE,         /**< there are none */
    RP_NODES_NORMAL,       /**< all of them are */
    RP_NODES_PATHOLOGICAL, /**< one is not */
    RP_NODES_UNKNOWN       /**< not all are evaluated, and none is known to be enlarged */
} rp_node_state;

/** Sums are in mm, by volume in cc; NaN where undefined, as at all visits without targets. */
typedef struct rp_visit_result {
    int day;              /**< since baseline */
    bool complete;        /**< every target is evaluated, and there is one */
    double sum;           /**< of all targets; NaN unless complete */
    double evaluated_sum; /**< of the targets that are evaluated; NaN where none is */
    double nodes_sum;     /**< of the nodes in sum; 0 without nodes, NaN unless complete */
    rp_node_state nodes;
    double nadir;    /**< smallest complete sum of the visits before */
    int nadir_visit; /**< index; -1: none */
    double baseline_change_percent, nadir_change_percent; /**< of sum; NaN where it is, or from 0 */
    double partial_limit, progression_limit;              /**< sums that are just PR, just PD */
    rp_call target, non_target;
    const char *target_rule; /**< that decided the targets' response; NULL without targets */
    int target_lesion;       /**< that tipped it; -1: none */
    bool new_lesion;         /**< an unequivocal one */
    /** iRECIST: what confirms the progression at this visit; new lesions may, beside them. */
    bool targets_confirm, non_targets_confirm;
    rp_call recist; /**< overall, before iRECIST makes iUPD or iCPD of PD */
    rp_call overall;
    const char *rule; /**< "PD-sum", ...: docs/response.md; NULL at baseline */
    int lesion;       /**< that tipped it; -1: none */
    const char *sentence;
    rp_borderline *borderline;
    const char **notes;
    size_t borderline_count, note_count;
} rp_visit_result;

/** Indices of visits are -1, and days or percents without meaning, where there is none. */
typedef struct rp_timeline_result {
    rp_response_options options;
    rp_visit_result *visits; /**< as many as the timeline has */
    size_t visit_count;
    rp_call best;
    int response_visit, progression_visit; /**< whose dates are those of response and progression */
    int duration_days;                     /**< of response; with response_visit only */
    bool duration_censored;
    int progression_free_days;
    bool progression_free_censored;
    double depth_percent; /**< NaN where there is none */
    int depth_visit;
    const char **notes;
    size_t note_count;
    struct rp_arena *memory;
} rp_timeline_result;

/**
 * Everything over a timeline. It is checked first: RP_ERR_FORMAT for an inconsistency,
 * RP_ERR_REFUSED for what the criteria don't allow (ineligible timelines pass with
 * allow_ineligible and get notes), each naming the first; RP_ERR_ARGUMENT for options out of range.
 * problems (may be NULL) is appended to as by rp_timeline_check. Release the result.
 */
rp_status rp_timeline_assess(const rp_timeline *timeline, const rp_response_options *options,
                             bool allow_ineligible, rp_timeline_problems *problems,
                             rp_timeline_result *result, rp_error *err);
void rp_timeline_result_release(rp_timeline_result *result);

#ifdef __cplusplus
}
#endif
#endif
