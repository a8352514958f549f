/* Looking through a tree of DICOM files: series, their folders, their contours. */
#define _GNU_SOURCE

#include "import_dicom.h"

#include <string.h>
#include <strings.h>

void found_tree_release(found_tree *tree)
{
    for (size_t i = 0; i < tree->count; i++) {
        rp_free(tree->series[i].folder);
        rp_free(tree->series[i].contour);
    }
    rp_free(tree->series);
    *tree = (found_tree){0};
}

/* ---- series and their folders ------------------------------------------------------------ */

static found_series *find_series(const found_tree *tree, const char *uid)
{
    for (size_t i = 0; uid[0] && i < tree->count; i++)
        if (strcmp(tree->series[i].info.header.series_uid, uid) == 0) return &tree->series[i];
    return NULL;
}

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
    d->chosen = roi != NULL;
    if (roi) memcpy(d->roi, roi->name, sizeof d->roi);
    rp_rtstruct_release(&rs);
    return RP_OK;
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

/* Archives rename series; the frame of reference, where only one series has it, is as good. */
static found_series *series_of(const found_tree *tree, const drawn *d)
{
    const rp_dicom_header *h = &d->header;
    found_series *found = find_series(tree, d->series_uid);
    if (found) return found;
    for (size_t i = 0; h->frame_of_reference_uid[0] && i < tree->count; i++) {
        found_series *s = &tree->series[i];
        if (!s->info.usable ||
            strcmp(s->info.header.frame_of_reference_uid, h->frame_of_reference_uid) != 0)
            continue;
        if (found) return NULL;
        found = s;
    }
    return found;
}

static rp_status take_contour(import_job *job, found_tree *tree, const char *path, rp_error *err)
{
    rp_error why = {0};
    drawn d = {0};
    rp_status status = rp_rtstruct_probe(path) ? read_rtstruct(job, path, &d, &why)
                                               : read_seg(job, path, &d, &why);
    found_series *s = status ? NULL : series_of(tree, &d);
    if (!status && !s) {
        import_leave_out(job, path, "no series of the tree is the one that it was drawn on");
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

static rp_status copy_listing(const rp_dicom_listing *listing, found_tree *tree, rp_error *err)
{
    tree->series = rp_alloc(listing->count, sizeof *tree->series);
    if (!tree->series) return rp_fail(err, RP_ERR_MEMORY, "out of memory for the series");
    for (size_t i = 0; i < listing->count; i++) /* a SEG is a contour, though it has pixels */
        if (strcmp(listing->series[i].header.modality, "SEG") != 0)
            tree->series[tree->count++].info = listing->series[i];
    return RP_OK;
}

/* One file: into the folder of its series, or onto the heap of contours. */
static rp_status place_file(found_tree *tree, const char *path, bool *is_contour, rp_error *err)
{
    rp_dicom_listing one = {0};
    *is_contour = rp_rtstruct_probe(path) || rp_seg_probe(path);
    if (*is_contour) return RP_OK;
    rp_status status = rp_dicom_list(path, &one, err);
    if (status) return status;
    found_series *s = one.count == 1 ? find_series(tree, one.series[0].header.series_uid) : NULL;
    if (s)
        status = note_folder(s, path, err);
    else
        tree->not_images++;
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
        status = place_file(tree, paths[i], &contours[i], err);
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
