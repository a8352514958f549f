/* What check.c and eligible.c share. */
#ifndef REPRISE_RESPONSE_CHECK_H
#define REPRISE_RESPONSE_CHECK_H

#include <stdarg.h>

#include "internal.h"

typedef struct checker {
    const rp_timeline *timeline;
    const rp_response_options *options;
    finding_at *at; /* [visit][lesion] */
    int *day;
    bool *dated; /* visits whose date is one */
    rp_timeline_problems *problems;
    rp_error *err;
    rp_status status;
} checker;

typedef struct place {
    const rp_timeline_visit *visit;
    const rp_timeline_lesion *lesion;
    const rp_timeline_finding *finding;
} place;

/* visit and lesion may be NULL; nothing where memory ran out before. */
void complain(checker *c, rp_severity severity, const char *visit, const char *lesion,
              const char *format, ...) RP_PRINTF(5, 6);
/* Appends what the criteria don't allow. */
void check_eligible(checker *c);
/* rp_timeline_check, and what it found out of a timeline that has no errors. */
rp_status check_timeline(const rp_timeline *timeline, const rp_response_options *options,
                         rp_arena **memory, rp_timeline_problems *problems, course *resolved,
                         rp_error *err);

#endif
