/* What respond --timeline writes of all patients together: plots and CDISC's domains. */
#include "learning.h"
#include "respond.h"
#include "reprise/report.h"
#include "reprise/timeline.h"

/* Every patient's result at once, unlike what is printed patient by patient. */
typedef struct reports {
    rp_timeline_result *results;
    rp_assessed *patients;
    rp_response_course *courses;
    size_t count;
    const char *label;
} reports;

static rp_status assess(const respond_timeline *r, const rp_timelines *timelines, reports *all,
                        rp_error *err)
{
    all->results = rp_alloc(timelines->count, sizeof *all->results);
    all->patients = rp_alloc(timelines->count, sizeof *all->patients);
    all->courses = rp_alloc(timelines->count, sizeof *all->courses);
    if (!all->results || !all->patients || !all->courses)
        return rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", r->file);
    rp_status status = RP_OK;
    for (; !status && all->count < timelines->count; all->count += !status) {
        const rp_timeline *t = &timelines->items[all->count];
        rp_timeline_result *result = &all->results[all->count];
        status = rp_timeline_assess(t, &r->options, r->allow_ineligible, NULL, result, err);
        all->patients[all->count] = (rp_assessed){t, result};
        all->courses[all->count] = (rp_response_course){t->patient, result};
        all->label = cmd_label_of_both(all->label, t->label);
    }
    return status;
}

/* The three domains tell one story, so that they are replaced together. */
static rp_status write_cdisc(const respond_timeline *r, const reports *all, rp_error *err)
{
    const rp_cdisc_options how = {.study = r->study, .evaluator = r->evaluator};
    rp_stage stage = {0};
    rp_status status = cmd_prepare_folder(r->cdisc, err);
    if (!status) status = rp_stage_begin(r->cdisc, &stage, err);
    if (!status)
        status = rp_timeline_write_cdisc(stage.temporary, &how, all->patients, all->count, err);
    if (!status) status = rp_stage_replace(&stage, "rs.csv", NULL, 0, err);
    rp_stage_release(&stage);
    return status;
}

static rp_status write_all(const respond_timeline *r, const reports *all, rp_error *err)
{
    rp_status status = RP_OK;
    if (r->cdisc && !(r->study && r->study[0]))
        rp_log(RP_LOG_WARNING, "%s: STUDYID, which SDTM requires, stays empty; --study gives it",
               r->cdisc);
    if (r->cdisc) status = write_cdisc(r, all, err);
    if (!status && r->spider)
        status = rp_report_write_spider(r->spider, all->courses, all->count, all->label, err);
    if (!status && r->waterfall)
        status = rp_report_write_waterfall(r->waterfall, all->courses, all->count, all->label, err);
    return status;
}

rp_status respond_write_reports(const respond_timeline *r, const rp_timelines *timelines,
                                rp_error *err)
{
    const char *const outputs[] = {r->spider, r->waterfall};
    reports all = {.label = ""};
    rp_status status = RP_OK;
    if (!r->cdisc && !r->spider && !r->waterfall) return RP_OK;
    for (size_t i = 0; i < sizeof outputs / sizeof *outputs && !status; i++) {
        if (!outputs[i]) continue;
        status = cmd_protect_input(r->file, outputs[i], err);
        if (!status) status = cmd_prepare_file(outputs[i], err);
    }
    if (!status) status = assess(r, timelines, &all, err);
    if (!status) status = write_all(r, &all, err);
    for (size_t i = 0; i < all.count; i++) rp_timeline_result_release(&all.results[i]);
    rp_free(all.results);
    rp_free(all.patients);
    rp_free(all.courses);
    return status;
}
