/* The origin of NIfTI files, as a comment in their header. */
#include "origin.h"

#include <string.h>

static void set_text(rp_json *json, const char *key, const char *text)
{
    if (text && text[0]) rp_json_set_string(json, key, text);
}

rp_json *cmd_origin_read(const char *path)
{
    char *comment = NULL;
    rp_json *json = NULL;
    if (rp_nifti_read_comment(path, &comment, NULL) || !comment) return NULL;
    /* What is shown on a terminal holds no control characters, and Reprise writes none. */
    const bool parsed = !strstr(comment, "\\u00") && rp_json_parse(comment, &json, NULL) == RP_OK;
    const char *program = parsed ? rp_json_get_string(json, "program") : NULL;
    rp_free(comment);
    if (program && strcmp(program, "reprise") == 0) return json;
    rp_json_destroy(json);
    return NULL;
}

void cmd_origin_remark(const char *path, rp_remarks *remarks)
{
    rp_json *json = cmd_origin_read(path);
    const char *why = json ? rp_json_get_string(json, "not_accepted") : NULL;
    if (why)
        rp_remark_add(remarks, "mask_not_accepted",
                      "Reprise made this contour and did not accept it: %s", why);
    rp_json_destroy(json);
}

static char *origin_text(const cmd_origin *o)
{
    rp_json *json = rp_json_object(), *source = o->source ? cmd_origin_read(o->source) : NULL;
    rp_json_set_string(json, "program", "reprise");
    rp_json_set_string(json, "version", RP_VERSION);
    set_text(json, "command", o->command);
    set_text(json, "what", o->what);
    set_text(json, "label", o->label);
    set_text(json, "image_sha256", o->image ? o->image->sha256 : NULL);
    set_text(json, "image_repair", o->image ? o->image->repair : NULL);
    set_text(json, "contour_sha256", o->contour_sha256);
    set_text(json, "model_sha256", o->model_sha256);
    set_text(json, "model_label", o->model_label);
    set_text(json, "not_accepted", o->doubt);
    if (source) rp_json_set(json, "source", source);
    char *text = rp_json_text(json);
    rp_json_destroy(json);
    /* a chain of conversions may outgrow the header: then without what came before */
    if (!source || !text || strlen(text) <= RP_NIFTI_COMMENT_MAX) return text;
    rp_free(text);
    cmd_origin alone = *o;
    alone.source = NULL;
    return origin_text(&alone);
}

static rp_status no_memory(const char *path, rp_error *err)
{
    return rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", path);
}

rp_status cmd_write_mask(const char *path, const rp_mask *mask, const cmd_origin *origin,
                         rp_error *err)
{
    RP_AUTOFREE char *text = origin_text(origin);
    return text ? rp_nifti_write_mask(path, mask, text, err) : no_memory(path, err);
}

rp_status cmd_write_labels(const char *path, const rp_labels *labels, const cmd_origin *origin,
                           rp_error *err)
{
    RP_AUTOFREE char *text = origin_text(origin);
    return text ? rp_nifti_write_labels(path, labels, text, err) : no_memory(path, err);
}

rp_status cmd_write_image(const char *path, const rp_image *image, bool int16,
                          const cmd_origin *origin, rp_error *err)
{
    RP_AUTOFREE char *text = origin_text(origin);
    if (!text) return no_memory(path, err);
    return int16 ? rp_nifti_write_image_int16(path, image, text, err)
                 : rp_nifti_write_image(path, image, text, err);
}
