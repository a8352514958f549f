/* Every lesion of a mask: labels, components or ROIs. */
#define _GNU_SOURCE

#include "track.h"

#include "input.h"

#include <fnmatch.h>
#include <string.h>

typedef struct loader {
    const track_options *options;
    const track_row *row;
    const cmd_ct *ct;
    track_masks *out;
    rp_remarks *remarks; /* on the row's mask */
    rp_error *err;
    bool foreign; /* an ROI belongs to another image; err says why */
} loader;

static rp_status no_memory(const loader *l)
{
    return rp_fail(l->err, RP_ERR_MEMORY, "%s: out of memory", l->row->mask);
}

static rp_status add(loader *l, const rp_mask *mask, const char *name)
{
    if (l->out->count == RP_TRACK_MOST)
        return rp_fail(l->err, RP_ERR_REFUSED,
                       "%s: more than %d lesions: the column 'rois' says which labels or ROIs are "
                       "lesions",
                       l->row->mask, RP_TRACK_MOST);
    /* Tables list several names with semicolons between them. */
    char plain[RP_TRACK_NAME];
    snprintf(plain, sizeof plain, "%s", name);
    for (char *c = plain; *c; c++)
        if (*c == ';') *c = ',';
    RP_AUTOFREE char *told = rp_format("%s: '%s'", l->row->mask, name);
    if (!told) return no_memory(l);
    rp_status status = input_check_extent(told, l->ct, mask, l->err);
    if (!status)
        status = rp_found_make(mask, plain, l->options->definition, &l->out->found[l->out->count],
                               l->err);
    if (!status) l->out->count++;
    return status;
}

/* By name or number; the table's list may hold * and ?. */
static bool is_asked_for(const char *rois, const char *name, int number)
{
    char by_number[16], pattern[RP_DICOM_NAME];
    snprintf(by_number, sizeof by_number, "%d", number);
    if (!rois[0]) return true;
    for (const char *at = rois; at; at = strchr(at, ';') ? strchr(at, ';') + 1 : NULL) {
        while (*at == ' ') at++;
        size_t length = strcspn(at, ";");
        while (length && at[length - 1] == ' ') length--;
        snprintf(pattern, sizeof pattern, "%.*s", (int)length, at);
        if (fnmatch(pattern, name, 0) == 0 || strcmp(pattern, by_number) == 0) return true;
    }
    return false;
}

static rp_status place(loader *l, rp_mask *mask)
{
    return input_place(l->row->mask, mask, l->ct, l->remarks, l->err);
}

/* ---- NIfTI ------------------------------------------------------------------------------- */

typedef struct values {
    int32_t items[RP_TRACK_MOST + 1];
    size_t count;
} values;

/* Ascending; one more than RP_TRACK_MOST at most. */
static values find_values(const rp_labels *labels)
{
    values v = {.count = 0};
    int32_t last = 0;
    for (size_t i = 0; i < rp_grid_voxels(&labels->grid) && v.count <= RP_TRACK_MOST; i++) {
        const int32_t value = labels->data[i];
        if (value == 0 || value == last) continue;
        size_t at = 0;
        last = value;
        while (at < v.count && v.items[at] < value) at++;
        if (at < v.count && v.items[at] == value) continue;
        memmove(v.items + at + 1, v.items + at, (v.count - at) * sizeof *v.items);
        v.items[at] = value;
        v.count++;
    }
    return v;
}

static rp_status add_labels(loader *l, const rp_labels *labels, const values *v)
{
    rp_status status = RP_OK;
    for (size_t i = 0; !status && i < v->count; i++) {
        char name[16];
        rp_mask mask;
        snprintf(name, sizeof name, "%d", v->items[i]);
        if (!is_asked_for(l->row->rois, name, v->items[i])) continue;
        status = rp_labels_select(labels, v->items[i], &mask, l->err);
        if (status) break;
        status = place(l, &mask);
        if (!status) status = add(l, &mask, name);
        rp_mask_release(&mask);
    }
    return status;
}

/* The largest first, those too small left out. */
static rp_status add_components(loader *l, rp_mask *mask)
{
    rp_labels parts = {0};
    int32_t count = 0;
    size_t *sizes = NULL;
    const double voxel_cc = rp_grid_voxel_mm3(&l->ct->series.image.grid) / 1000.0;
    rp_status status = place(l, mask);
    if (!status) status = rp_mask_components(mask, 26, &parts, &count, &sizes, l->err);
    for (int32_t i = 1; !status && i <= count; i++) {
        char name[16];
        rp_mask part;
        snprintf(name, sizeof name, "%d", i);
        if ((double)sizes[i - 1] * voxel_cc < l->options->min_volume_cc) {
            l->out->passed_over += (size_t)(count - i + 1);
            break;
        }
        status = rp_labels_select(&parts, i, &part, l->err);
        if (status) break;
        status = add(l, &part, name);
        rp_mask_release(&part);
    }
    rp_labels_release(&parts);
    rp_free(sizes);
    return status;
}

static rp_status load_nifti(loader *l)
{
    rp_labels labels;
    rp_mask mask;
    rp_status status = rp_nifti_read_labels(l->row->mask, &labels, l->remarks, l->err);
    if (status) return status;
    const values v = find_values(&labels);
    cmd_find_label(l->row->mask, NULL, l->out->label);
    if (v.count && v.items[0] < 0) {
        status = rp_fail(l->err, RP_ERR_FORMAT, "%s: holds the value %d: an image, not a mask",
                         l->row->mask, v.items[0]);
    } else if (v.count == 1 && !l->row->rois[0]) {
        status = rp_labels_any(&labels, &mask, l->err);
        if (!status) {
            status = add_components(l, &mask);
            rp_mask_release(&mask);
        }
    } else {
        status = add_labels(l, &labels, &v);
    }
    rp_labels_release(&labels);
    return status;
}

/* ---- RTSTRUCT ---------------------------------------------------------------------------- */

/* Outlines within one another (GTV, CTV, PTV, organs) are not several lesions. */
static rp_status claim(const loader *l, const rp_mask *mask, const char *name, uint16_t *owner)
{
    const double most_share = 0.1;
    size_t common = 0, other = 0, inside = 0;
    for (size_t i = 0; i < rp_grid_voxels(&mask->grid); i++) {
        if (!mask->data[i]) continue;
        inside++;
        if (owner[i]) common++, other = owner[i] - 1U;
        owner[i] = (uint16_t)(l->out->count + 1);
    }
    if ((double)common <= most_share * (double)inside) return RP_OK;
    return rp_fail(l->err, RP_ERR_REFUSED,
                   "%s: %.0f%% of '%s' lies in '%s': the column 'rois' says which are lesions",
                   l->row->mask, 100.0 * (double)common / (double)inside, name,
                   l->out->found[other].name);
}

static cmd_contour_options contour_options(const loader *l)
{
    return (cmd_contour_options){.allow_series_mismatch = l->options->allow_series_mismatch,
                                 .allow_patient_mismatch = l->options->allow_patient_mismatch};
}

static void pass_over(loader *l, const rp_roi *r, const char *why)
{
    rp_remarks remarks = {0};
    rp_remark_add(&remarks, "roi_passed_over", "The ROI '%s' %s and was passed over.", r->name,
                  why);
    cmd_tell(l->row->mask, &remarks);
    rp_remarks_release(&remarks);
    l->out->passed_over++;
}

/* Where the table does not ask for it by name, an ROI that cannot be used, or of another image,
 * does not spoil the others. */
static rp_status add_roi(loader *l, const input_roi *from, uint16_t *owner)
{
    const rp_roi *r = from->roi;
    const bool named = l->row->rois[0] != '\0';
    const cmd_contour_options options = contour_options(l);
    rp_remarks remarks = {0};
    rp_mask mask;
    bool other_series;
    if (!is_asked_for(l->row->rois, r->name, r->number)) return RP_OK;
    if (r->fault[0] && !named) {
        pass_over(l, r, "cannot be used");
        return RP_OK;
    }
    if (r->contour_count == 0) {
        pass_over(l, r, "has no contours");
        return RP_OK;
    }
    rp_status status = input_check_roi(from, l->ct, &options, &other_series, l->err);
    if (status == RP_ERR_REFUSED && !named) {
        pass_over(l, r, "is of another image");
        l->foreign = true;
        return RP_OK;
    }
    if (!status) status = input_fill_roi(from, l->ct, &mask, &remarks, l->err);
    if (status) return status;
    cmd_tell(l->row->mask, &remarks);
    rp_remarks_release(&remarks);
    status = claim(l, &mask, r->name, owner);
    if (!status) status = add(l, &mask, r->name);
    rp_mask_release(&mask);
    return status;
}

/* Where no ROI belongs, the file is another image's. */
static rp_status load_rtstruct(loader *l)
{
    rp_rtstruct rs = {0};
    rp_status status = rp_rtstruct_read(l->row->mask, &rs, l->err);
    if (status) return status;
    cmd_find_label(l->row->mask, &rs.header, l->out->label);
    RP_AUTOFREE uint16_t *owner =
        rp_alloc(rp_grid_voxels(&l->ct->series.image.grid), sizeof *owner);
    if (!owner) status = no_memory(l);
    for (size_t i = 0; !status && i < rs.roi_count; i++) {
        const input_roi from = {l->row->mask, &rs, &rs.rois[i]};
        status = add_roi(l, &from, owner);
    }
    rp_rtstruct_release(&rs);
    return !status && l->foreign && l->out->count == 0 ? RP_ERR_REFUSED : status;
}

/* ---- SEG --------------------------------------------------------------------------------- */

static rp_status add_segment(loader *l, const rp_seg *seg, const rp_seg_segment *segment,
                             uint16_t *owner)
{
    rp_mask mask;
    if (!is_asked_for(l->row->rois, segment->name, segment->number)) return RP_OK;
    const input_segment from = {.file = l->row->mask, .seg = seg, .segment = segment};
    rp_status status = input_seg_mask(&from, l->ct, &mask, l->remarks, l->err);
    if (status) return status;
    if (rp_mask_count(&mask) == 0) {
        rp_log(RP_LOG_WARNING, "%s: the segment '%s' is empty and was passed over", l->row->mask,
               segment->name);
        l->out->passed_over++;
    } else {
        status = claim(l, &mask, segment->name, owner);
        if (!status) status = add(l, &mask, segment->name);
    }
    rp_mask_release(&mask);
    return status;
}

static rp_status load_seg(loader *l)
{
    const cmd_contour_options options = contour_options(l);
    rp_seg seg = {0};
    bool other_series;
    rp_status status = rp_seg_read(l->row->mask, &seg, l->err);
    if (status) return status;
    RP_AUTOFREE uint16_t *owner =
        rp_alloc(rp_grid_voxels(&l->ct->series.image.grid), sizeof *owner);
    if (!owner) status = no_memory(l);
    cmd_find_label(l->row->mask, &seg.header, l->out->label);
    if (!status)
        status = input_check_seg(l->row->mask, &seg, l->ct, &options, &other_series, l->err);
    if (!status) status = input_place_seg(l->row->mask, &seg, l->ct, l->err);
    for (size_t i = 0; !status && i < seg.segment_count; i++)
        status = add_segment(l, &seg, &seg.segments[i], owner);
    rp_seg_release(&seg);
    return status;
}

/* ---- any of them ------------------------------------------------------------------------- */

/* Names are how a person and the tables speak of what was found. */
static rp_status check_names(const loader *l)
{
    for (size_t i = 0; i < l->out->count; i++)
        for (size_t k = 0; k < i; k++)
            if (strcmp(l->out->found[i].name, l->out->found[k].name) == 0)
                return rp_fail(l->err, RP_ERR_FORMAT, "%s: two ROIs are called '%s'", l->row->mask,
                               l->out->found[i].name);
    if (l->row->rois[0] && l->out->count == 0)
        return rp_fail(l->err, RP_ERR_ARGUMENT, "%s: nothing in it is called '%s'", l->row->mask,
                       l->row->rois);
    return RP_OK;
}

rp_status track_masks_load(const track_options *options, const track_row *row, const cmd_ct *ct,
                           track_masks *masks, rp_error *err)
{
    rp_remarks odd = {0};
    loader l = {
        .options = options, .row = row, .ct = ct, .out = masks, .remarks = &odd, .err = err};
    rp_status status;
    *masks = (track_masks){0};
    masks->found = rp_alloc(RP_TRACK_MOST, sizeof *masks->found);
    if (!masks->found)
        status = no_memory(&l);
    else if (!rp_path_exists(row->mask))
        status = rp_fail(err, RP_ERR_IO, "%s: no such file", row->mask);
    else if (rp_path_is_directory(row->mask))
        status = rp_fail(err, RP_ERR_FORMAT, "%s: a folder, not an RTSTRUCT, SEG or NIfTI file",
                         row->mask);
    else if (rp_nifti_probe(row->mask))
        status = load_nifti(&l);
    else if (rp_rtstruct_probe(row->mask))
        status = load_rtstruct(&l);
    else if (rp_seg_probe(row->mask))
        status = load_seg(&l);
    else
        status = rp_fail(err, RP_ERR_FORMAT, "%s: no RTSTRUCT, SEG or NIfTI mask", row->mask);
    if (!status) status = check_names(&l);
    if (!status) status = rp_sha256_file(row->mask, masks->sha256, err);
    cmd_tell_all(row->mask, &odd);
    if (status) track_masks_release(masks);
    return status;
}

void track_masks_release(track_masks *masks)
{
    for (size_t i = 0; i < masks->count; i++) rp_found_release(&masks->found[i]);
    rp_free(masks->found);
    *masks = (track_masks){0};
}
