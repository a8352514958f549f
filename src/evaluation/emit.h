/* Statistics as JSON: {"value": ...} or {"undefined": reason}, always with n. */
#ifndef REPRISE_EVALUATION_EMIT_H
#define REPRISE_EVALUATION_EMIT_H

#include "internal.h"

/** A list of numbers that grows, for one statistic. */
typedef struct rp_column {
    double *values;
    size_t count;
} rp_column;

/** Room for this many. */
rp_status rp_column_make(rp_column *column, size_t room, rp_error *err);
void rp_column_release(rp_column *column);

/** The number itself stands under `key`: "mean", "value", "difference", ... */
rp_json *rp_emit_stat(const rp_stat *stat, const char *key);
/** The statistic under `key`, with p, n and method. */
rp_json *rp_emit_test(const rp_stat_test *test, const char *key);
rp_json *rp_emit_proportion(const rp_stat_proportion *proportion);
rp_json *rp_emit_bland_altman(const rp_stat_bland_altman *b);

#endif
