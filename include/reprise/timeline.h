/**
 * @file timeline.h
 * Timelines of lesions as files, and what response.h says of them: JSON, CSV, CDISC.
 * docs/response.md describes the formats.
 */
#ifndef REPRISE_TIMELINE_H
#define REPRISE_TIMELINE_H

#include "reprise/io.h"
#include "reprise/response.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Patients in the order of their file. */
typedef struct rp_timelines {
    rp_timeline *items;
    size_t count;
} rp_timelines;

void rp_timelines_release(rp_timelines *timelines);

/**
 * JSON ("reprise.timeline/1": one patient, or several under "timelines") or CSV, told apart by the
 * first character. RP_ERR_IO, or RP_ERR_FORMAT where the file as a whole is none of both or has not
 * the columns needed. What is wrong with a single entry is appended to problems as an error, and
 * reading goes on; such an entry is left out or marked unknown. Whether what was read makes sense
 * is rp_timeline_check's business.
 */
rp_status rp_timelines_read(const char *path, rp_timelines *out, rp_timeline_problems *problems,
                            rp_error *err);

/** What rp_timelines_read reads back the same. The caller's to destroy. */
rp_json *rp_timeline_json(const rp_timeline *timeline);

/** Everything of a result, with null for what is undefined. The caller's to destroy. */
rp_json *rp_timeline_result_json(const rp_timeline *timeline, const rp_timeline_result *result);

/** One patient of what is written below; borrowed. */
typedef struct rp_assessed {
    const rp_timeline *timeline;
    const rp_timeline_result *result;
} rp_assessed;

/** A row for each patient and visit: sums, changes, calls, the rule. Whole or not at all. */
rp_status rp_timeline_write_csv(const char *path, const rp_assessed *patients, size_t count,
                                rp_error *err);

/**
 * SDTM's oncology domains as tu.csv, tr.csv and rs.csv in an existing folder: identification of the
 * lesions, their results at each visit with sums and changes, and the responses, with the terms of
 * CDISC's controlled terminology for RECIST 1.1 (Disease Response Supplement). study goes to
 * STUDYID. Each file whole or not at all.
 */
rp_status rp_timeline_write_cdisc(const char *folder, const char *study,
                                  const rp_assessed *patients, size_t count, rp_error *err);

#ifdef __cplusplus
}
#endif
#endif
