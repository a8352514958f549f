/* The list of what is wrong with a timeline. */
#include "reprise/response.h"

#include <stdarg.h>
#include <string.h>

static bool make_room(rp_timeline_problems *p)
{
    enum { FIRST = 8 };
    const bool full = p->count == 0 || (p->count >= FIRST && (p->count & (p->count - 1)) == 0);
    if (!full) return true;
    rp_timeline_problem *more = rp_alloc(p->count ? 2 * p->count : FIRST, sizeof *more);
    if (!more) return false;
    if (p->count) memcpy(more, p->items, p->count * sizeof *more);
    rp_free(p->items);
    p->items = more;
    return true;
}

static void release_problem(rp_timeline_problem *p)
{
    rp_free(p->patient);
    rp_free(p->visit);
    rp_free(p->lesion);
    rp_free(p->text);
}

rp_status rp_timeline_problem_add(rp_timeline_problems *problems, rp_severity severity,
                                  const char *patient, const char *visit, const char *lesion,
                                  rp_error *err, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    rp_timeline_problem p = {.severity = severity,
                             .patient = rp_strdup(patient ? patient : ""),
                             .visit = rp_strdup(visit ? visit : ""),
                             .lesion = rp_strdup(lesion ? lesion : ""),
                             .text = rp_strdup(text)};
    if (!p.patient || !p.visit || !p.lesion || !p.text || !make_room(problems)) {
        release_problem(&p);
        return rp_fail(err, RP_ERR_MEMORY, "timeline: out of memory");
    }
    problems->items[problems->count++] = p;
    problems->counts[severity]++;
    return RP_OK;
}

char *rp_timeline_problem_text(const rp_timeline_problem *p)
{
    const char *parts[] = {p->patient[0] ? "patient " : "", p->patient,
                           p->visit[0] ? "visit " : "",     p->visit,
                           p->lesion[0] ? "lesion " : "",   p->lesion};
    const bool first = p->patient[0], second = p->visit[0], third = p->lesion[0];
    return rp_format("%s%s%s%s%s%s%s%s%s%s", parts[0], parts[1],
                     first && (second || third) ? ", " : "", parts[2], parts[3],
                     second && third ? ", " : "", parts[4], parts[5],
                     first || second || third ? ": " : "", p->text);
}

void rp_timeline_problems_release(rp_timeline_problems *problems)
{
    for (size_t i = 0; i < problems->count; i++) release_problem(&problems->items[i]);
    rp_free(problems->items);
    *problems = (rp_timeline_problems){0};
}
