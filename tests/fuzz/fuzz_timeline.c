/* Timelines as CSV or JSON, and the responses of what is read. */
#include "fuzz.h"
#include "reprise/timeline.h"

static void assess(const rp_timeline *timeline, rp_timeline_problems *problems, rp_error *err)
{
    for (rp_criteria criteria = RP_RECIST_1_1; criteria <= RP_VOLUMETRIC; criteria++) {
        const rp_response_options options = rp_response_defaults(criteria);
        rp_timeline_result result;
        if (rp_timeline_assess(timeline, &options, true, problems, &result, err)) continue;
        fuzz_check(result.visit_count == timeline->visit_count, "every visit has a result");
        for (size_t v = 1; v < result.visit_count; v++)
            fuzz_check(result.visits[v].sentence && rp_call_code(result.visits[v].overall),
                       "every visit after the baseline has a call and a sentence");
        rp_timeline_result_release(&result);
    }
}

void fuzz_input(const uint8_t *data, size_t size)
{
    const char *path = fuzz_file(data, size);
    rp_timelines timelines;
    rp_timeline_problems problems = {0};
    rp_error err = {0};
    const rp_status status = rp_timelines_read(path, &timelines, &problems, &err);
    fuzz_check_error(status, &err, path);
    for (size_t i = 0; !status && i < timelines.count; i++)
        if (timelines.items[i].patient) assess(&timelines.items[i], &problems, &err);
    rp_timelines_release(&timelines);
    rp_timeline_problems_release(&problems);
}
