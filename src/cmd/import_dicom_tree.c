/* Looking through a tree of DICOM files: series, their folders, their contours. */
#define _GNU_SOURCE

#include "import_dicom.h"

#include <string.h>
#include <strings.h>

void found_tree_release(found_tree *tree)
{
    for (size_t i = 0; i < tree->count; i++) {
        rp_free(tree->series[i].info.sop_uids);
        rp_free(tree->series[i].folder);
        rp_free(tree->series[i].contour);
    }
    rp_free(tree->series);
    *tree = (found_tree){0};
}

/* ---- series and their folders ------------------------------------------------------------ */

/* Shortens folder until the file lies below it. */
static void widen(char *folder, const char *file)
{
    size_t length = strlen(folder);
    while (length && (strncmp(folder, file, length) != 0 || file[length] != '/')) {
        char *slash = strrchr(folder, '/');
        length = slash ? (size_t)(slash - folder) : 0;
        folder[length] = '\0';
    }
}

static rp_status note_folder(found_series *s, const char *file, rp_error *err)
{
    const char *slash = strrchr(file, '/');
    if (s->folder) {
        widen(s->folder, file);
        return RP_OK;
    }
    s->folder = rp_format("%.*s", (int)(slash - file), file);
    return s->folder ? RP_OK : rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", file);
}

static bool lies_below(const char *path, const char *folder)
{
    const size_t length = strlen(folder);
    return strncmp(path, folder, length) == 0 && (path[length] == '/' || !path[length]);
}

static void compare_folders(found_tree *tree)
{
    for (size_t i = 0; i < tree->count; i++) {
        found_series *s = &tree->series[i];
        s->alone = true;
        for (size_t k = 0; s->folder && k < tree->count; k++) {
            const found_series *other = &tree->series[k];
            if (k == i || !other->folder || !lies_below(other->folder, s->folder)) continue;
            s->alone = false;
            if (strcmp(other->info.header.patient_id, s->info.header.patient_id) != 0)
                s->others = true;
        }
    }
}

/* ---- contours ---------------------------------------------------------------------------- */

static bool sounds_like_lesion(const char *name)
{
    static const char *const words[] = {"gtv", "tumor", "tumour", "lesion"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcasestr(name, words[i])) return true;
    return false;
}

/* An RTSTRUCT or SEG, and the lesion in it. */
typedef struct drawn {
    rp_dicom_header header;
    char series_uid[RP_DICOM_UID]; /* that it refers to */
    char sop_uid[RP_DICOM_UID];    /* an object that the lesion refers to */
    bool chosen;                   /* which one is meant can be told */
    char roi[RP_DICOM_NAME];       /* its name */
} drawn;

/* The only one that sounds like a lesion; -1 where none or several do. */
typedef struct lesion_search {
    size_t found;
    long index;
} lesion_search;

static void search_lesion(lesion_search *search, const char *name, size_t index)
{
    if (!sounds_like_lesion(name)) return;
    search->found++;
    search->index = search->found == 1 ? (long)index : -1;
}

/* The series that it was drawn on: an ROI has a frame of reference of its own. */
static rp_status note_roi(const char *path, const rp_rtstruct *rs, const rp_roi *roi, drawn *d,
                          rp_error *why)
{
    rp_rtstruct_frame frame;
    if (roi->fault[0])
        return rp_fail(why, RP_ERR_FORMAT, "%s: ROI number %d: %s", path, roi->number, roi->fault);
    rp_rtstruct_frame_of(rs, roi, d->header.frame_of_reference_uid, &frame);
    memcpy(d->header.frame_of_reference_uid, frame.uid, sizeof frame.uid);
    memcpy(d->series_uid, frame.series_uid, sizeof d->series_uid);
    memcpy(d->roi, roi->name, sizeof d->roi);
    if (roi->contour_count) memcpy(d->sop_uid, roi->contours[0].sop_uid, sizeof d->sop_uid);
    return RP_OK;
}

/* By name where one was asked for; otherwise the only one, or the only one that sounds like it. */
static rp_status read_rtstruct(const import_job *job, const char *path, drawn *d, rp_error *why)
{
    rp_rtstruct rs = {0};
    const rp_roi *roi = NULL;
    lesion_search lesion = {.index = -1};
    rp_status status = rp_rtstruct_read(path, &rs, why);
    if (status) return status;
    d->header = rs.header;
    memcpy(d->series_uid, rs.referenced_series_uid, sizeof d->series_uid);
    for (size_t i = 0; i < rs.roi_count; i++) search_lesion(&lesion, rs.rois[i].name, i);
    if (!job->label && rs.roi_count > 1 && lesion.index >= 0)
        roi = &rs.rois[lesion.index];
    else
        rp_rtstruct_find_roi(&rs, path, job->label, &roi, why);
    if (roi) status = note_roi(path, &rs, roi, d, why);
    d->chosen = roi && !status;
    rp_rtstruct_release(&rs);
    return status;
}

static rp_status read_seg(const import_job *job, const char *path, drawn *d, rp_error *why)
{
    rp_seg seg = {0};
    const rp_seg_segment *segment = NULL;
    lesion_search lesion = {.index = -1};
    rp_status status = rp_seg_read(path, &seg, why);
    if (status) return status;
    d->header = seg.header;
    memcpy(d->series_uid, seg.referenced_series_uid, sizeof d->series_uid);
    for (size_t i = 0; i < seg.segment_count; i++) search_lesion(&lesion, seg.segments[i].name, i);
    if (!job->label && seg.segment_count > 1 && lesion.index >= 0)
        segment = &seg.segments[lesion.index];
    else
        rp_seg_find_segment(&seg, path, job->label, &segment, why);
    d->chosen = segment != NULL;
    if (segment) memcpy(d->roi, segment->name, sizeof d->roi);
    rp_seg_release(&seg);
    return RP_OK;
}

static bool holds_object(const found_series *s, const char *sop_uid)
{
    for (size_t i = 0; i < s->info.sop_count; i++)
        if (strcmp(s->info.sop_uids[i], sop_uid) == 0) return true;
    return false;
}

/* The only one that is meant by its UID or, with by_frame, by its frame of reference; of several
 * parts of a series the only one that holds the object. */
static found_series *only_series(const found_tree *tree, const drawn *d, bool by_frame)
{
    const char *wanted = by_frame ? d->header.frame_of_reference_uid : d->series_uid;
    found_series *found = NULL;
    size_t count = 0;
    for (size_t i = 0; wanted[0] && i < tree->count; i++) {
        found_series *s = &tree->series[i];
        const rp_dicom_header *h = &s->info.header;
        if (strcmp(by_frame ? h->frame_of_reference_uid : h->series_uid, wanted) != 0) continue;
        if (by_frame && !s->info.usable) continue;
        if (s->info.part && !holds_object(s, d->sop_uid)) continue;
        found = s;
        count++;
    }
    return count == 1 ? found : NULL;
}

/* Archives rename series; the frame of reference, where only one series has it, is as good. */
static found_series *series_of(const found_tree *tree, const drawn *d)
{
    found_series *found = only_series(tree, d, false);
    return found ? found : only_series(tree, d, true);
}

static rp_status take_contour(import_job *job, found_tree *tree, const char *path, rp_error *err)
{
    rp_error why = {0};
    drawn d = {0};
    rp_status status = rp_rtstruct_probe(path) ? read_rtstruct(job, path, &d, &why)
                                               : read_seg(job, path, &d, &why);
    found_series *s = status ? NULL : series_of(tree, &d);
    if (!status && !s) {
        import_leave_out(
            job, path, "no series of the tree, or no single part of one, is what it was drawn on");
    } else if (!d.chosen) {
        import_leave_out(job, path, "%s", why.message);
    } else if (strcmp(d.header.patient_id, s->info.header.patient_id) != 0) {
        import_leave_out(job, path, "of another patient than the series that it was drawn on");
    } else if (s->drawn++ == 0) {
        s->contour = rp_strdup(path);
        memcpy(s->roi, d.roi, sizeof s->roi);
        if (!s->contour) rp_fail(&why, RP_ERR_MEMORY, "%s: out of memory", path);
    }
    return why.status == RP_ERR_MEMORY ? rp_fail(err, why.status, "%s", why.message) : RP_OK;
}

/* ---- the tree ---------------------------------------------------------------------------- */

static rp_status copy_listing(rp_dicom_listing *listing, found_tree *tree, rp_error *err)
{
    tree->series = rp_alloc(listing->count, sizeof *tree->series);
    if (!tree->series) return rp_fail(err, RP_ERR_MEMORY, "out of memory for the series");
    for (size_t i = 0; i < listing->count; i++) { /* a SEG is a contour, though it has pixels */
        rp_dicom_series_info *info = &listing->series[i];
        if (strcmp(info->header.modality, "SEG") == 0) continue;
        found_series *s = &tree->series[tree->count++];
        s->info = *info;
        info->sop_uids = NULL; /* the tree's now */
        snprintf(s->name, sizeof s->name, "%s", info->header.series_uid);
        if (info->part)
            snprintf(s->name, sizeof s->name, "%s#%d", info->header.series_uid, info->part);
    }
    return RP_OK;
}

/* Into the folders of all parts of its series. */
static rp_status place_image(found_tree *tree, const char *uid, const char *path, bool *placed,
                             rp_error *err)
{
    rp_status status = RP_OK;
    for (size_t i = 0; !status && uid[0] && i < tree->count; i++) {
        if (strcmp(tree->series[i].info.header.series_uid, uid) != 0) continue;
        status = note_folder(&tree->series[i], path, err);
        *placed = true;
    }
    return status;
}

/* One file: into the folder of its series, or onto the heap of contours. What cannot be listed, as
 * a DICOMDIR whose files are gone, is left out. */
static rp_status place_file(import_job *job, found_tree *tree, const char *path, bool *is_contour,
                            rp_error *err)
{
    rp_dicom_listing one = {0};
    rp_error why = {0};
    bool placed = false;
    *is_contour = rp_rtstruct_probe(path) || rp_seg_probe(path);
    if (*is_contour) return RP_OK;
    rp_status status = rp_dicom_list(path, &one, &why);
    if (status == RP_ERR_MEMORY) return rp_fail(err, status, "%s", why.message);
    if (status) {
        import_leave_out(job, path, "%s", why.message);
        return RP_OK;
    }
    if (one.count) status = place_image(tree, one.series[0].header.series_uid, path, &placed, err);
    if (!placed) tree->not_images++;
    rp_dicom_listing_release(&one);
    return status;
}

static rp_status place_files(import_job *job, found_tree *tree, char **paths, size_t count,
                             rp_error *err)
{
    RP_AUTOFREE bool *contours = rp_alloc(count, sizeof *contours);
    rp_status status =
        contours ? RP_OK : rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", job->folder);
    for (size_t i = 0; !status && i < count; i++) {
        status = place_file(job, tree, paths[i], &contours[i], err);
        rp_progress_report(job->progress, "files", (double)i + 1, (double)count, NULL);
        if (!status && rp_progress_cancelled(job->progress))
            status = rp_fail(err, RP_ERR_CANCELLED, "interrupted; nothing was written");
    }
    if (!status) compare_folders(tree);
    for (size_t i = 0; !status && i < count; i++)
        if (contours[i]) status = take_contour(job, tree, paths[i], err);
    return status;
}

rp_status found_tree_read(import_job *job, found_tree *tree, rp_error *err)
{
    rp_dicom_listing listing = {0};
    char **paths = NULL;
    size_t count = 0;
    *tree = (found_tree){0};
    rp_status status = rp_dicom_list(job->folder, &listing, err);
    if (!status) status = copy_listing(&listing, tree, err);
    rp_dicom_listing_release(&listing);
    if (!status) status = rp_directory_list(job->folder, &paths, &count, err);
    if (!status) status = place_files(job, tree, paths, count, err);
    rp_string_list_free(paths, count);
    if (status) found_tree_release(tree);
    return status;
}
