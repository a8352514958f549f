/* respond --sr: the timeline of a patient from structured reports of several visits. */
#include "respond.h"
#include "reprise/archive.h"

#include <string.h>

bool respond_add_report(respond_timeline *r, const char *path)
{
    const char **grown = rp_alloc(r->report_count + 1, sizeof *grown);
    if (!grown) return false;
    if (r->report_count) memcpy(grown, r->reports, r->report_count * sizeof *grown);
    rp_free(r->reports);
    r->reports = grown;
    r->reports[r->report_count++] = path;
    return true;
}

static rp_status protect_reports(const respond_timeline *r, rp_error *err)
{
    const char *const outputs[] = {r->csv, r->spider, r->waterfall};
    rp_status status = RP_OK;
    for (size_t i = 0; i < r->report_count; i++)
        for (size_t k = 0; !status && k < sizeof outputs / sizeof *outputs; k++)
            if (outputs[k]) status = cmd_protect_input(r->reports[i], outputs[k], err);
    return status;
}

rp_status respond_read_reports(const respond_timeline *r, rp_timelines *timelines, rp_error *err)
{
    rp_archive archive;
    rp_status status = protect_reports(r, err);
    if (!status) status = rp_archive_read(r->reports, r->report_count, &archive, err);
    if (status) return status;
    for (size_t i = 0; i < archive.warning_count; i++)
        rp_log(RP_LOG_WARNING, "%s", archive.warnings[i]);
    timelines->items = rp_alloc(1, sizeof *timelines->items);
    timelines->count = timelines->items ? 1 : 0;
    status = timelines->items ? rp_archive_timeline(&archive, r->subject ? r->subject : "unnamed",
                                                    timelines->items, err)
                              : rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", r->file);
    rp_archive_release(&archive);
    return status;
}
