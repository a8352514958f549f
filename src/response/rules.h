/* The rules of targets: the same for one lesion at two visits and for all over a timeline. */
#ifndef REPRISE_RESPONSE_RULES_H
#define REPRISE_RESPONSE_RULES_H

#include "reprise/response.h"

/* The targets of a visit and what earlier visits left behind. Sizes in mm, by volume in cc. */
typedef struct target_sizes {
    double sum;       /* of all; NaN unless all are evaluated */
    double evaluated; /* of those that are; NaN where none is */
    double baseline, nadir;
    bool gone;     /* all of them, nodes below the normal size */
    bool back;     /* one is there again after a complete response */
    bool response; /* they were PR or CR since their last PD */
} target_sizes;

typedef struct target_call {
    rp_call call;
    const char *rule; /* "PD-sum", ...: docs/response.md */
} target_call;

double partial_factor(const rp_response_options *options);
double progression_factor(const rp_response_options *options);
/* Sizes that are just PR, just PD. */
double partial_limit(const rp_response_options *options, double baseline);
double progression_limit(const rp_response_options *options, double nadir);
bool node_is_normal_at(const rp_response_options *options, double axis_mm);

/* The first rule that holds. */
target_call call_targets(const rp_response_options *options, const target_sizes *t);

#endif
