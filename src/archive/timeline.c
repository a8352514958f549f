/* The findings of an archive as a timeline. */
#include "reprise/archive.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int compare_days(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* Every day once, the earliest first; rp_alloc'd. */
static rp_archive_day *days_of(const rp_archive *a, size_t *count)
{
    const size_t most = a->finding_count + a->not_evaluated_count;
    rp_archive_day *days = rp_alloc(most, sizeof *days);
    if (!days) return NULL;
    for (size_t i = 0; i < a->finding_count; i++)
        memcpy(days[i].date, a->findings[i].date, sizeof days[i].date);
    if (a->not_evaluated_count)
        memcpy(days + a->finding_count, a->not_evaluated, a->not_evaluated_count * sizeof *days);
    qsort(days, most, sizeof *days, compare_days);
    *count = 0;
    for (size_t i = 0; i < most; i++)
        if (i == 0 || strcmp(days[i].date, days[*count - 1].date) != 0) days[(*count)++] = days[i];
    return days;
}

static const rp_archive_finding *finding_at(const rp_archive *a, size_t lesion, const char *date)
{
    for (size_t i = 0; i < a->finding_count; i++)
        if (a->findings[i].lesion == lesion && (!date || strcmp(a->findings[i].date, date) == 0))
            return &a->findings[i];
    return NULL;
}

static rp_status check_baseline(const rp_archive *a, const char *first, rp_error *err)
{
    for (size_t i = 0; i < a->lesion_count; i++)
        if (!finding_at(a, i, first))
            return rp_fail(err, RP_ERR_FORMAT,
                           "%s: lesion '%s' is not measured on %s, the first day of all reports: "
                           "whether it is new, a person has to say in a timeline (--timeline)",
                           finding_at(a, i, NULL)->path, a->lesions[i].id, first);
    return RP_OK;
}

static rp_status add_lesions(const rp_archive *a, rp_timeline *timeline, rp_error *err)
{
    rp_status status = RP_OK;
    for (size_t i = 0; !status && i < a->lesion_count; i++) {
        const rp_timeline_lesion lesion = {.id = a->lesions[i].id,
                                           .organ = a->lesions[i].site,
                                           .nodal = a->lesions[i].nodal,
                                           .role = RP_ROLE_TARGET};
        status = rp_timeline_add_lesion(timeline, &lesion, err);
    }
    return status;
}

static rp_status add_day(const rp_archive *a, const char *date, rp_timeline *timeline,
                         rp_error *err)
{
    const rp_timeline_visit visit = {.id = date, .date = date, .slice_spacing_mm = NAN};
    const size_t index = timeline->visit_count;
    rp_status status = rp_timeline_add_visit(timeline, &visit, err);
    for (size_t i = 0; !status && i < a->lesion_count; i++) {
        const rp_archive_finding *found = finding_at(a, i, date);
        rp_timeline_finding f = rp_timeline_finding_of(
            a->lesions[i].id, found ? RP_FOUND_MEASURED : RP_FOUND_NOT_EVALUATED);
        if (found) {
            f.longest_mm = found->longest_mm;
            f.short_axis_mm = found->short_axis_mm;
            f.volume_cc = found->volume_cc;
        }
        status = rp_timeline_add_finding(timeline, index, &f, err);
    }
    return status;
}

rp_status rp_archive_timeline(const rp_archive *archive, const char *patient, rp_timeline *timeline,
                              rp_error *err)
{
    size_t count = 0;
    rp_status status = rp_timeline_init(timeline, patient, archive->label, err);
    if (!status && archive->finding_count == 0)
        status = rp_fail(err, RP_ERR_FORMAT, "the reports measure no lesion");
    if (status) return status;
    RP_AUTOFREE rp_archive_day *days = days_of(archive, &count);
    if (!days) return rp_fail(err, RP_ERR_MEMORY, "out of memory for the timeline");
    status = check_baseline(archive, days[0].date, err);
    if (!status) status = add_lesions(archive, timeline, err);
    for (size_t i = 0; !status && i < count; i++)
        status = add_day(archive, days[i].date, timeline, err);
    return status;
}
