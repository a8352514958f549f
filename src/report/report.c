#include "sections.h"

static const rp_window usual_window = {-150, 250};

/* ---- checks -------------------------------------------------------------------------------------
 */

static rp_status check_visit(const rp_report_visit *visit, const char *name, rp_error *err)
{
    if (!visit->image || !visit->mask || !visit->lesion || !visit->title)
        return rp_fail(err, RP_ERR_ARGUMENT, "report: the %s lacks an image, mask, lesion or title",
                       name);
    rp_status status = rp_grid_check(&visit->image->grid, err);
    if (status) return rp_fail_in(err, status, "report: %s", name);
    if (visit->probability && !rp_grid_same(&visit->image->grid, &visit->probability->grid, 0.01))
        return rp_fail(err, RP_ERR_ARGUMENT,
                       "report: the probability of the %s is not on its image's grid", name);
    const rp_mask *const masks[2] = {visit->mask, visit->truth};
    for (int i = 0; i < 2; i++)
        if (masks[i] && !rp_grid_same(&visit->image->grid, &masks[i]->grid, 0.01))
            return rp_fail(err, RP_ERR_ARGUMENT,
                           "report: a mask of the %s is not on its image's grid", name);
    const rp_grid *grid = &visit->image->grid;
    if (visit->lesion->slice_index >= grid->size[rp_grid_axial_axis(grid)])
        return rp_fail(err, RP_ERR_ARGUMENT,
                       "report: the measured slice of the %s lies outside its "
                       "image",
                       name);
    return RP_OK;
}

static rp_status check_report(const rp_report *report, rp_error *err)
{
    if (!report->response) return rp_fail(err, RP_ERR_ARGUMENT, "report: no response is given");
    if (report->flag_count && !report->flags)
        return rp_fail(err, RP_ERR_ARGUMENT, "report: flags are counted but not given");
    rp_status status = check_visit(&report->baseline, "baseline", err);
    return status ? status : check_visit(&report->followup, "follow-up", err);
}

static rp_window choose_window(const rp_json *result)
{
    rp_window window;
    const rp_json *named = result ? rp_json_get(result, "window") : NULL;
    if (named && rp_json_get_number(named, "low_hu", &window.low_hu) &&
        rp_json_get_number(named, "high_hu", &window.high_hu) && window.high_hu > window.low_hu)
        return window;
    return usual_window;
}

/* ---- page -------------------------------------------------------------------------------- */

static void add_start(rp_text *page, const rp_report *report)
{
    rp_text_add(page, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
                      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
                      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
                      "img-src data:; style-src 'unsafe-inline'\">"
                      "<meta name=\"generator\" content=\"Reprise " RP_VERSION "\"><title>");
    if (report->subject && *report->subject) {
        rp_text_escape(page, report->subject);
        rp_text_add(page, ": ");
    }
    rp_text_printf(page, "%s, response assessment</title><style>",
                   rp_response_code(report->response->response));
    rp_text_add(page, rp_report_style);
    rp_text_add(page, "</style></head>\n<body>");
}

static rp_status make_page(rp_text *page, const rp_report *report, rp_error *err)
{
    rp_layout layout;
    rp_window window = choose_window(report->result);
    rp_layout_make(report, &layout);
    add_start(page, report);
    rp_report_add_head(page, report);
    rp_text_add(page, "<main>");
    rp_report_add_verdict(page, report);
    rp_report_add_flags(page, report);
    rp_status status = rp_report_add_pictures(page, report, &layout, window, err);
    if (status) return status;
    rp_text_add(page, "<div class=\"columns\">");
    rp_report_add_numbers(page, report);
    rp_report_add_scores(page, report);
    rp_text_add(page, "</div>");
    rp_report_add_guard(page, report);
    rp_report_add_curve(page, report);
    rp_report_add_record(page, report, window);
    rp_text_add(page, "</main></body></html>\n");
    return page->failed ? rp_fail(err, RP_ERR_MEMORY, "report: no memory for the page") : RP_OK;
}

rp_status rp_report_write_html(const char *path, const rp_report *report, rp_error *err)
{
    rp_text page = {0};
    rp_status status = check_report(report, err);
    if (!status) status = make_page(&page, report, err);
    if (status)
        rp_fail_in(err, status, "%s", path);
    else
        status = rp_file_write(path, page.data, page.length, err);
    rp_text_release(&page);
    return status;
}
