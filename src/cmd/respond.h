/* What respond.c leaves to respond_timeline.c. */
#ifndef REPRISE_CMD_RESPOND_H
#define REPRISE_CMD_RESPOND_H

#include "cmd.h"
#include "reprise/timeline.h"

typedef struct respond_timeline {
    const char *file; /* with --sr the first report */
    const char **reports;
    size_t report_count;
    const char *subject; /* with --sr */
    const char *csv, *cdisc, *study, *evaluator, *spider, *waterfall;
    rp_response_options options;
    bool allow_ineligible, minimum_given;
    const char *first_option; /* that has no meaning without a timeline; NULL: none was given */
} respond_timeline;

/* As an argp child whose input is a respond_timeline*. */
extern const struct argp respond_timeline_argp;
/* Returns an exit code. */
int respond_to_timelines(const respond_timeline *r, bool json);
/* respond_archive.c: one more --sr; false when memory is short. */
bool respond_add_report(respond_timeline *r, const char *path);
/* One timeline of all reports; what they leave open goes to the log. */
rp_status respond_read_reports(const respond_timeline *r, rp_timelines *timelines, rp_error *err);
/* Plots and CDISC's domains of all patients, as far as they were asked for. */
rp_status respond_write_reports(const respond_timeline *r, const rp_timelines *timelines,
                                rp_error *err);

#endif
