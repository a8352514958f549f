/**
 * @file timeline.h
 * Timelines and their responses in files: JSON and CSV in; JSON, CSV, CDISC and a table of text
 * out. docs/response.md describes the formats, docs/timeline.schema.json the JSON of a timeline.
 */
#ifndef REPRISE_TIMELINE_H
#define REPRISE_TIMELINE_H

#include "reprise/io.h"
#include "reprise/response.h"

#ifdef __cplusplus
extern "C" {
#endif

#define RP_TIMELINE_FORMAT "reprise.timeline/1"

/** Patients in the order of the file. */
typedef struct rp_timelines {
    rp_timeline *items;
    size_t count;
} rp_timelines;

/**
 * A file of timelines: JSON (one object, or {"timelines": [...]}) where its first character is a
 * brace, else CSV. What is wrong with the form (a number that is none, a missing column) is
 * appended to problems in one go, as errors; members and columns that mean nothing here are
 * warnings. The timelines are not checked: rp_timeline_check. RP_ERR_FORMAT for a file that is no
 * JSON or holds no timeline; the caller releases timelines in every case.
 */
rp_status rp_timelines_read(const char *path, rp_timelines *timelines,
                            rp_timeline_problems *problems, rp_error *err);
void rp_timelines_release(rp_timelines *timelines);

/** As the reader takes it; what is empty or not given is left out. */
rp_json *rp_timeline_json(const rp_timeline *timeline);
/** Whole or not at all. */
rp_status rp_timeline_write(const char *path, const rp_timeline *timeline, rp_error *err);

/* ---- results ------------------------------------------------------------------------------- */

/** Lengths in mm; by volume the keys of sums end in _cc. null where undefined. */
rp_json *rp_timeline_result_json(const rp_timeline *timeline, const rp_timeline_result *result);

/** The table that a reader of a trial expects: lesions by visits, sums, changes and calls, in
 * blocks of at most 100 columns; then a sentence for each visit, best response and dates.
 * rp_alloc'd, NULL when memory is short. */
char *rp_timeline_table(const rp_timeline *timeline, const rp_timeline_result *result);

/** CSV, a row for each patient and visit: the header, then the rows of a patient. */
rp_status rp_timeline_csv_header(rp_outfile *out, rp_error *err);
rp_status rp_timeline_csv_rows(rp_outfile *out, const rp_timeline *timeline,
                               const rp_timeline_result *result, rp_error *err);

/** One patient; borrowed. */
typedef struct rp_assessed {
    const rp_timeline *timeline;
    const rp_timeline_result *result;
} rp_assessed;

/** What the tables cannot know. */
typedef struct rp_cdisc_options {
    const char *study;     /**< STUDYID; NULL: "" */
    const char *evaluator; /**< --EVAL: who measured and judged; NULL: "INVESTIGATOR" */
} rp_cdisc_options;

/**
 * SDTM's oncology domains as tu.csv, tr.csv and rs.csv in an existing folder: identification of the
 * lesions, their results at each visit with sums and changes, and the responses, with the terms of
 * CDISC's controlled terminology (Disease Response Supplement for RECIST 1.1, and iRECIST's names
 * of responses). Every TULNKID has results in TR and every TRLNKID its identification. Each file
 * whole or not at all. RP_ERR_UNSUPPORTED: responses by volume.
 */
rp_status rp_timeline_write_cdisc(const char *folder, const rp_cdisc_options *options,
                                  const rp_assessed *patients, size_t count, rp_error *err);

#ifdef __cplusplus
}
#endif
#endif
