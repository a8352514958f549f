/* `reprise respond --timeline`: many lesions, many visits. */
#ifndef REPRISE_CMD_RESPOND_TIMELINE_H
#define REPRISE_CMD_RESPOND_TIMELINE_H

#include "cmd.h"
#include "reprise/timeline.h"

typedef struct respond_timeline {
    const char *path; /* NULL: not asked for */
    const char *csv, *cdisc, *study, *spider, *waterfall;
    rp_criteria criteria;
    bool allow_ineligible;
    /* Negative: not given. */
    int confirmation_days, minimum_sd_days, irecist_earliest_days, irecist_latest_days;
    double too_small_mm, progression_minimum_mm, node_normal_mm, irecist_further_mm;
    double reader_error_mm, reader_error_percent;
    bool confirmation, keep_pr, reappearance_is_pd;
} respond_timeline;

/* As an argp child whose input is a respond_timeline*. */
extern const struct argp respond_timeline_argp;

/* Reads, checks, assesses, prints and writes what was asked for. RP_ERR_FORMAT or RP_ERR_REFUSED
 * after every problem was told on standard error. */
rp_status respond_to_timelines(const respond_timeline *o, const cmd_common *common, bool json,
                               rp_error *err);

/* The table that a trial's reader expects: lesions by visits, sums, changes, calls. */
void respond_print_table(const rp_timeline *t, const rp_timeline_result *r);

#endif
