/* What `info` shows of a structured report of measurements. */
#include "info.h"
#include "reprise/dicom_sr.h"

#include <string.h>

/* "Long Axis"; codes without meaning by their value. */
static void set_code(rp_json *json, const char *key, const rp_sr_code *code)
{
    if (!code->value[0]) return;
    rp_json *of = rp_json_object();
    rp_json_set_string(of, "meaning", code->meaning);
    rp_json_set_string(of, "code", code->value);
    rp_json_set_string(of, "scheme", code->scheme);
    rp_json_set(json, key, of);
}

static void set_text(rp_json *json, const char *key, const char *text)
{
    if (text[0]) rp_json_set_string(json, key, text);
}

static rp_json *image_json(const rp_sr_image *image)
{
    rp_json *json = rp_json_object();
    rp_json_set_string(json, "sop_instance_uid", image->sop_uid);
    if (image->frame) rp_json_set_int(json, "frame", image->frame);
    if (image->segment) rp_json_set_int(json, "segment", image->segment);
    return json;
}

static rp_json *points_json(const rp_sr_region *region)
{
    rp_json *all = rp_json_array();
    for (size_t i = 0; i < region->count; i++) {
        rp_json *point = rp_json_array();
        for (int a = 0; a < (region->in_space ? 3 : 2); a++)
            rp_json_append_number(point, region->points[i][a]);
        rp_json_append(all, point);
    }
    return all;
}

static void set_regions(rp_json *json, const rp_sr_region *regions, size_t count)
{
    rp_json *all = rp_json_array();
    for (size_t i = 0; i < count; i++) {
        const rp_sr_region *r = &regions[i];
        rp_json *one = rp_json_object();
        set_code(one, "name", &r->name);
        rp_json_set_string(one, "type", r->type);
        rp_json_set(one, r->in_space ? "points_lps" : "points_column_row", points_json(r));
        if (r->image.sop_uid[0]) rp_json_set(one, "image", image_json(&r->image));
        rp_json_append(all, one);
    }
    if (count)
        rp_json_set(json, "regions", all);
    else
        rp_json_destroy(all);
}

static rp_json *measurement_json(const rp_sr_measurement *m)
{
    static const char *const keys[] = {"value", "value_mm", "value_cc"};
    rp_json *json = rp_json_object();
    set_code(json, "name", &m->name);
    rp_json_set_number(json, "stored", m->stored);
    set_code(json, "unit", &m->unit);
    rp_json_set_number(json, keys[m->quantity], m->value);
    set_code(json, "derivation", &m->derivation);
    set_regions(json, m->regions, m->region_count);
    return json;
}

static void set_evaluations(rp_json *json, const rp_sr_evaluation *evaluations, size_t count)
{
    rp_json *all = rp_json_array();
    for (size_t i = 0; i < count; i++) {
        rp_json *one = rp_json_object();
        set_code(one, "name", &evaluations[i].name);
        set_code(one, "value", &evaluations[i].value);
        rp_json_append(all, one);
    }
    if (count)
        rp_json_set(json, "evaluations", all);
    else
        rp_json_destroy(all);
}

static rp_json *group_json(const rp_sr_group *g, bool identifiers)
{
    rp_json *json = rp_json_object(), *measurements = rp_json_array(), *images = rp_json_array();
    rp_json_set_string(json, "tracking_identifier", g->tracking_id);
    rp_json_set_string(json, "tracking_uid", g->tracking_uid);
    set_text(json, "time_point", g->time_point);
    if (identifiers) rp_json_set_string(json, "date", g->date);
    set_code(json, "category", &g->category);
    set_code(json, "finding", &g->finding);
    set_code(json, "site", &g->site);
    set_code(json, "site_modifier", &g->site_modifier);
    set_code(json, "method", &g->method);
    for (size_t i = 0; i < g->measurement_count; i++)
        rp_json_append(measurements, measurement_json(&g->measurements[i]));
    rp_json_set(json, "measurements", measurements);
    set_evaluations(json, g->evaluations, g->evaluation_count);
    set_regions(json, g->regions, g->region_count);
    for (size_t i = 0; i < g->image_count; i++) rp_json_append(images, image_json(&g->images[i]));
    rp_json_set(json, "images", images);
    set_text(json, "source_series_uid", g->source_series_uid);
    return json;
}

rp_status info_report(const char *path, bool identifiers, rp_json *json, rp_dicom_header *header,
                      rp_error *err)
{
    rp_sr report;
    const rp_status status = rp_sr_read(path, &report, err);
    if (status) return status;
    rp_json *groups = rp_json_array(), *problems = rp_json_array();
    *header = report.header;
    rp_json_set_string(json, "kind", "SR");
    rp_json_set_string(json, "title", report.title.meaning);
    for (size_t i = 0; i < report.group_count; i++)
        rp_json_append(groups, group_json(&report.groups[i], identifiers));
    rp_json_set(json, "groups", groups);
    set_evaluations(json, report.evaluations, report.evaluation_count);
    for (size_t i = 0; i < report.problem_count; i++) {
        rp_json *problem = rp_json_object();
        rp_json_set_string(problem, "message", report.problems[i]);
        rp_json_append(problems, problem);
    }
    rp_json_set(json, "problems", problems);
    rp_sr_release(&report);
    return RP_OK;
}
