/* Timelines in a few words, for the tests of this module. */
#ifndef TEST_RESPONSE_MAKE_H
#define TEST_RESPONSE_MAKE_H

#include "reprise/response.h"
#include "test.h"

#include <math.h>

/* Lesions by their first letters: T and n are targets (n: a node), B non-target bone, m a
 * non-target node, N new. */
static inline void add_lesion(rp_timeline *t, const char *id)
{
    static const char *const organs[] = {"liver", "lung", "kidney", "brain", "spleen", "skin"};
    const char kind = id[0];
    rp_error err = {0};
    const rp_timeline_lesion l = {.id = id,
                                  .organ = organs[t->lesion_count % 6],
                                  .nodal = kind == 'n' || kind == 'm',
                                  .role = kind == 'N'                  ? RP_ROLE_NEW
                                          : kind == 'T' || kind == 'n' ? RP_ROLE_TARGET
                                                                       : RP_ROLE_NON_TARGET};
    assert_ok(rp_timeline_add_lesion(t, &l, &err), err);
}

static inline void format_date(int days, char date[32])
{
    int left = days, year = 2020, month = 0;
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    for (;; year++) {
        const int length = year % 4 == 0 ? 366 : 365;
        if (left < length) break;
        left -= length;
    }
    for (;; month++) {
        const int length = lengths[month] + (month == 1 && year % 4 == 0);
        if (left < length) break;
        left -= length;
    }
    snprintf(date, 32, "%04d-%02d-%02d", year % 10000, (month + 1) % 100, (left + 1) % 100);
}

/* One word a lesion: a number (its size in every way), or
 *  - no finding   NE not evaluated   0 absent   < too small   >T1 merged   a+b split
 *  P present   P9.5 present with that short axis   ! progression   !! further progression   U
 * unequivocal   U12 with that size ? equivocal */
static inline void add_word(rp_timeline *t, size_t lesion, const char *word)
{
    const char *id = t->lesions[lesion].id;
    const rp_lesion_role role = t->lesions[lesion].role;
    rp_timeline_finding f = rp_timeline_finding_of(id, RP_FOUND_MEASURED);
    double parts[2], a;
    rp_error err = {0};
    if (strcmp(word, "-") == 0) return;
    if (strcmp(word, "NE") == 0) {
        f.state = RP_FOUND_NOT_EVALUATED;
    } else if (strcmp(word, "0") == 0) {
        f.state = RP_FOUND_ABSENT;
    } else if (strcmp(word, "<") == 0) {
        f.state = RP_FOUND_TOO_SMALL;
    } else if (word[0] == '>') {
        f.state = RP_FOUND_MERGED;
        f.into = word + 1;
    } else if (word[0] == '!') {
        f.state = word[1] == '!' ? RP_FOUND_FURTHER : RP_FOUND_PROGRESSION;
    } else if (word[0] == '?') {
        f.state = RP_FOUND_EQUIVOCAL;
    } else if (word[0] == 'U' || word[0] == 'P') {
        f.state = word[0] == 'U' ? RP_FOUND_UNEQUIVOCAL : RP_FOUND_PRESENT;
        if (word[1]) {
            f.short_axis_mm = strtod(word + 1, NULL);
            if (role == RP_ROLE_NEW) f.longest_mm = f.short_axis_mm;
        }
    } else if (sscanf(word, "%lf+%lf", &parts[0], &parts[1]) == 2) {
        f.state = RP_FOUND_SPLIT;
        f.parts_mm = f.parts_viable_mm = parts;
        f.part_count = f.viable_count = 2;
        f.volume_cc = parts[0] + parts[1];
    } else {
        assert_int_equal(sscanf(word, "%lf", &a), 1);
        f.longest_mm = f.short_axis_mm = f.viable_mm = f.volume_cc = a;
    }
    assert_ok(rp_timeline_add_finding(t, t->visit_count - 1, &f, &err), err);
}

/* "T1 n1 B1 | 30 18 P | 20 9 0 @60 | ..." : lesions, then visits with a word for each lesion; @days
 * since baseline, else 56 days after the visit before. */
static inline void make_timeline(rp_timeline *t, const char *text)
{
    char copy[1024], *rest = copy, *part;
    int day = -56;
    rp_error err = {0};
    snprintf(copy, sizeof copy, "%s", text);
    assert_ok(rp_timeline_init(t, "P", "", &err), err);
    for (int visit = -1; (part = strsep(&rest, "|")); visit++) {
        char *words[16], *place = NULL, id[16], date[32];
        size_t count = 0;
        day += visit >= 0 ? 56 : 0;
        for (char *w = strtok_r(part, " ", &place); w; w = strtok_r(NULL, " ", &place))
            if (w[0] == '@')
                day = atoi(w + 1);
            else
                words[count++] = w;
        if (visit < 0) {
            for (size_t i = 0; i < count; i++) add_lesion(t, words[i]);
            continue;
        }
        snprintf(id, sizeof id, "v%d", visit);
        format_date(day, date);
        const rp_timeline_visit v = {
            .id = id, .date = date, .phase = "arterial", .slice_spacing_mm = NAN};
        assert_ok(rp_timeline_add_visit(t, &v, &err), err);
        if (count != t->lesion_count) fail_msg("%s: visit %d: %zu words", text, visit, count);
        for (size_t i = 0; i < count; i++) add_word(t, i, words[i]);
    }
}

/* Released by the caller. */
static inline rp_timeline_result assess_timeline(const rp_timeline *t,
                                                 const rp_response_options *options)
{
    rp_timeline_result r;
    rp_error err = {0};
    assert_ok(rp_timeline_assess(t, options, true, NULL, &r, &err), err);
    return r;
}

/* Overall calls of the visits after baseline, "PR PD ..."; rules where rules is true. */
static inline void join_calls(const rp_timeline_result *r, bool rules, char text[512])
{
    size_t length = 0;
    text[0] = '\0';
    for (size_t v = 1; v < r->visit_count; v++)
        length += (size_t)snprintf(text + length, 512 - length, "%s%s", v > 1 ? " " : "",
                                   rules ? r->visits[v].rule : rp_call_code(r->visits[v].overall));
}

#endif
