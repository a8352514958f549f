/* The report of an evaluation: its parts in order. */
#include "evaluation_parts.h"

#include <string.h>

static void compose(rp_document *document, const void *context)
{
    const rp_evaluation_view *view = context;
    rp_evaluation_add_head(document, view);
    rp_evaluation_add_failures(document, view);
    if (view->evaluation->case_count) {
        rp_document_section(document, "Segmentation");
        rp_evaluation_add_dice(document, view);
        rp_evaluation_add_table3(document, view);
        rp_evaluation_add_comparisons(document, view);
        rp_evaluation_add_ways(document, view);
        if (view->group[RP_RECIST].count) rp_evaluation_add_table2(document, view, RP_RECIST);
        rp_document_section(document, "Diameter and response");
        rp_evaluation_add_waterfall(document, view);
        rp_evaluation_add_agreement(document, view);
        rp_evaluation_add_response(document, view);
        rp_evaluation_add_table4(document, view);
        rp_evaluation_add_pictures(document, view);
        rp_document_section(document, "The cohort");
        rp_evaluation_add_table1(document, view);
        rp_evaluation_add_table2(document, view, RP_ENTIRE);
        rp_evaluation_add_distances(document, view);
        rp_evaluation_add_survival(document, view);
    }
    rp_evaluation_add_learning(document, view);
    rp_evaluation_add_record(document, view);
}

/* ---- preparation ------------------------------------------------------------------------- */

static rp_status check_report(const rp_evaluation_report *report, rp_error *err)
{
    if (!report->evaluation || !report->summary || !report->title || !report->date)
        return rp_fail(err, RP_ERR_ARGUMENT,
                       "report: the evaluation, its summary, title or date is missing");
    if (report->named_count && !report->named)
        return rp_fail(err, RP_ERR_ARGUMENT, "report: named cases are counted but not given");
    return RP_OK;
}

static rp_window choose_window(const rp_json *record)
{
    const rp_json *named = record ? rp_json_get(record, "window") : NULL;
    rp_window window;
    if (named && rp_json_get_number(named, "low_hu", &window.low_hu) &&
        rp_json_get_number(named, "high_hu", &window.high_hu) && window.high_hu > window.low_hu)
        return window;
    return (rp_window){-150, 250};
}

static bool prepare(rp_evaluation_view *view, const rp_evaluation_report *report)
{
    const rp_evaluation *evaluation = report->evaluation;
    *view = (rp_evaluation_view){
        .report = report,
        .evaluation = evaluation,
        .group = {{.key = "entire", .name = "entire cohort"},
                  {.key = "recist", .name = "RECIST cohort"}},
        .window = choose_window(report->record),
        .loaded = rp_loaded_create(),
    };
    for (int g = 0; g < 2; g++) {
        rp_group *group = &view->group[g];
        group->cases = rp_alloc(evaluation->case_count, sizeof *group->cases);
        for (size_t i = 0; group->cases && i < evaluation->case_count; i++)
            if (g == RP_ENTIRE || evaluation->cases[i].recist_evaluable == RP_EVALUABLE_YES)
                group->cases[group->count++] = &evaluation->cases[i];
    }
    view->measured = view->group[RP_RECIST].count ? RP_RECIST : RP_ENTIRE;
    return view->loaded && view->group[0].cases && view->group[1].cases;
}

static void release(rp_evaluation_view *view)
{
    for (int g = 0; g < 2; g++) rp_free(view->group[g].cases);
    rp_loaded_destroy(view->loaded);
}

static rp_status write(const char *path, const rp_evaluation_report *report,
                       rp_status (*writer)(const char *, const rp_document *, rp_compose,
                                           const void *, rp_error *),
                       rp_error *err)
{
    rp_evaluation_view view = {0};
    rp_status status = check_report(report, err);
    if (status) return rp_fail_in(err, status, "%s", path);
    if (prepare(&view, report)) {
        rp_document head = {
            .title = report->title, .label = report->evaluation->label, .date = report->date};
        status = writer(path, &head, compose, &view, err);
    } else {
        status = rp_fail(err, RP_ERR_MEMORY, "%s: report: no memory", path);
    }
    release(&view);
    return status;
}

rp_status rp_report_write_evaluation_html(const char *path, const rp_evaluation_report *report,
                                          rp_error *err)
{
    return write(path, report, rp_document_write_html, err);
}

rp_status rp_report_write_evaluation_pdf(const char *path, const rp_evaluation_report *report,
                                         rp_error *err)
{
    return write(path, report, rp_document_write_pdf, err);
}
