/* Timelines for tests, in few words. */
#ifndef REPRISE_TEST_TIMELINES_H
#define REPRISE_TEST_TIMELINES_H

#include "test.h"
#include "reprise/response.h"

#include <math.h>

static inline void begin(rp_timeline *t)
{
    rp_error err = {0};
    assert_ok(rp_timeline_init(t, "P", "synthetic", &err), err);
}

static inline void lesion(rp_timeline *t, const char *id, rp_lesion_role role, bool nodal,
                          const char *organ)
{
    rp_error err = {0};
    const rp_timeline_lesion one = {.id = id, .organ = organ, .nodal = nodal, .role = role};
    assert_ok(rp_timeline_add_lesion(t, &one, &err), err);
}

/* Visits are 56 days apart unless another day is given. */
static inline void visit_on(rp_timeline *t, int day)
{
    rp_error err = {0};
    static const int length[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    char id[32], date[48];
    int year = 2025, month = 0, left = day;
    while (left >= length[month]) {
        left -= length[month];
        if (++month == 12) {
            month = 0;
            year++;
        }
    }
    snprintf(id, sizeof id, "v%zu", t->visit_count);
    snprintf(date, sizeof date, "%04d-%02d-%02d", year, month + 1, left + 1);
    const rp_timeline_visit one = {
        .id = id, .date = date, .slice_spacing_mm = 3.0, .phase = "arterial"};
    assert_ok(rp_timeline_add_visit(t, &one, &err), err);
}

static inline void visit(rp_timeline *t)
{
    visit_on(t, 56 * (int)t->visit_count);
}

/* To the last visit. */
static inline void found(rp_timeline *t, const char *id, rp_finding_state state)
{
    rp_error err = {0};
    const rp_timeline_finding one = rp_timeline_finding_of(id, state);
    assert_ok(rp_timeline_add_finding(t, t->visit_count - 1, &one, &err), err);
}

/* Longest diameter and short axis alike, as far as a node allows. */
static inline void measured(rp_timeline *t, const char *id, double mm)
{
    rp_error err = {0};
    rp_timeline_finding one = rp_timeline_finding_of(id, RP_FOUND_MEASURED);
    one.longest_mm = one.short_axis_mm = one.viable_mm = mm;
    one.volume_cc = mm;
    assert_ok(rp_timeline_add_finding(t, t->visit_count - 1, &one, &err), err);
}

static inline void in_parts(rp_timeline *t, const char *id, const double parts[2])
{
    rp_error err = {0};
    rp_timeline_finding one = rp_timeline_finding_of(id, RP_FOUND_SPLIT);
    one.parts_mm = one.parts_viable_mm = parts;
    one.part_count = one.viable_count = 2;
    assert_ok(rp_timeline_add_finding(t, t->visit_count - 1, &one, &err), err);
}

static inline void merged(rp_timeline *t, const char *id, const char *into)
{
    rp_error err = {0};
    rp_timeline_finding one = rp_timeline_finding_of(id, RP_FOUND_MERGED);
    one.into = into;
    assert_ok(rp_timeline_add_finding(t, t->visit_count - 1, &one, &err), err);
}

static inline rp_timeline_result assessed(const rp_timeline *t, const rp_response_options *o)
{
    rp_error err = {0};
    rp_timeline_result r;
    const rp_response_options usual = rp_response_defaults(RP_RECIST_1_1);
    assert_ok(rp_timeline_assess(t, o ? o : &usual, false, NULL, &r, &err), err);
    return r;
}

/* The call of a visit, by its code; releases the timeline. */
static inline void expect_call(rp_timeline *t, const rp_response_options *o, size_t at,
                               const char *call, const char *rule)
{
    rp_timeline_result r = assessed(t, o);
    if (strcmp(rp_call_code(r.visits[at].overall), call) != 0 ||
        (rule && strcmp(r.visits[at].rule, rule) != 0))
        fail_msg("%s by %s, not %s by %s: %s", rp_call_code(r.visits[at].overall),
                 r.visits[at].rule, call, rule ? rule : "any", r.visits[at].sentence);
    assert_true(strlen(r.visits[at].sentence) > 10);
    rp_timeline_result_release(&r);
    rp_timeline_release(t);
}

#endif
