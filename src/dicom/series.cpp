/* One CT series of a folder as an image. */
#include "internal.hpp"
#include "reprise/dicom_patient.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <map>

namespace rp_dicom
{

static const size_t slices_per_report = 16;
static const float air_outside = -1000; /* HU */

/* ---- which series ------------------------------------------------------------------------------
 */

static std::string identity_of(const rp_dicom_header &h)
{
    const char *const parts[] = {h.patient_id, h.patient_id_issuer, h.patient_name,
                                 h.patient_birth_date, h.patient_sex};
    std::string text;
    for (const char *part : parts) text += std::string(part) + '\n';
    return text;
}

/** In what the files contradict one another about whose they are. */
static unsigned identities_differ(const std::vector<File> &files)
{
    std::map<std::string, const rp_dicom_header *> known;
    unsigned differs = 0;
    for (const File &file : files) {
        if (!file.is_dicom || !known.emplace(identity_of(file.header), &file.header).second)
            continue;
        for (const auto &other : known)
            differs |= rp_dicom_identity_differs(other.second, &file.header);
    }
    return differs;
}

static bool ends_with(const std::string &text, const std::string &ending)
{
    return text.size() >= ending.size() &&
           text.compare(text.size() - ending.size(), ending.size(), ending) == 0;
}

/** What --series takes. */
static std::string name_of(const Series &series)
{
    return series.uid() + (series.part ? "#" + std::to_string(series.part) : std::string());
}

/** What the user may choose from, as far as it fits into a message. */
static std::string choices(const std::vector<const Series *> &list)
{
    std::string text;
    size_t shown = 0;
    for (const Series *series : list) {
        const std::string line = (shown ? "; " : " ") + name_of(*series) + " \"" +
                                 series->first().header.series_description + "\" " +
                                 std::to_string(series->slices.size()) + " slices" +
                                 (series->part ? ", " + series->what : std::string());
        if (text.size() + line.size() > 700) break;
        text += line;
        shown++;
    }
    if (shown < list.size()) text += "; and " + std::to_string(list.size() - shown) + " more";
    return text;
}

static rp_status refuse_modality(const char *path, const Series &series, rp_error *err)
{
    const char *modality = series.first().header.modality;
    return rp_fail(err, RP_ERR_REFUSED, "%s: modality %s, expected CT", path,
                   modality[0] ? modality : "missing");
}

static rp_status no_series(const char *path, bool any_modality, const std::vector<Series> &all,
                           const std::vector<File> &files, rp_error *err)
{
    for (const Series &series : all)
        if (!any_modality && !series.slices.empty() && !series.first().is_ct())
            return refuse_modality(path, series, err);
    for (const Series &series : all)
        if (!any_modality && !series.first().is_ct()) return refuse_modality(path, series, err);
    for (const Series &series : all)
        return rp_fail(err, RP_ERR_FORMAT, "%s: no %sslices: %s", series.first().path.c_str(),
                       series.first().is_ct() ? "CT " : "", series.first().why.c_str());
    for (const File &file : files)
        if (file.broken)
            return rp_fail(err, RP_ERR_FORMAT, "%s: %s", file.path.c_str(), file.why.c_str());
    for (const File &file : files)
        if (file.is_dicom && file.header.modality[0])
            return rp_fail(err, RP_ERR_FORMAT, "%s: no CT images (found modality %s)", path,
                           file.header.modality);
    return rp_fail(err, RP_ERR_FORMAT, "%s: no CT images in DICOM format", path);
}

/** UID, UID#PART, or an ending of it; exact where the whole UID is there. */
static bool is_wanted(const Series &series, const std::string &wanted, bool &exact)
{
    const size_t hash = wanted.find('#');
    const std::string uid = wanted.substr(0, hash);
    if (hash != std::string::npos && wanted.substr(hash + 1) != std::to_string(series.part))
        return false;
    exact = uid == series.uid();
    return ends_with(series.uid(), uid);
}

static std::vector<const Series *> matching(const std::vector<Series> &all,
                                            const rp_dicom_load_options &options)
{
    std::vector<const Series *> list, whole;
    for (const Series &series : all) {
        const bool loadable =
            !series.slices.empty() && (options.allow_non_ct || series.first().is_ct());
        bool exact = false;
        if (options.series_uid ? is_wanted(series, options.series_uid, exact) : loadable)
            list.push_back(&series);
        if (exact) whole.push_back(&series);
    }
    return whole.empty() ? list : whole;
}

static rp_status refuse_several(const char *path, const std::vector<const Series *> &list,
                                rp_error *err)
{
    bool one_series = true;
    for (const Series *series : list)
        if (strcmp(series->uid(), list[0]->uid()) != 0) one_series = false;
    if (one_series && list[0]->part)
        return rp_fail(err, RP_ERR_ARGUMENT,
                       "%s: the series holds %zu acquisitions, phases or reconstructions that lie "
                       "upon or between one another; choose one with --series UID#PART:%s",
                       path, list.size(), choices(list).c_str());
    return rp_fail(err, RP_ERR_ARGUMENT, "%s: %zu series; choose one with --series UID:%s", path,
                   list.size(), choices(list).c_str());
}

static rp_status choose_series(const char *path, const rp_dicom_load_options &options,
                               const std::vector<File> &files, const std::vector<Series> &all,
                               const Series **chosen, rp_error *err)
{
    const std::vector<const Series *> list = matching(all, options);
    if (list.size() == 1) {
        *chosen = list[0];
        const File &first = list[0]->first();
        if (list[0]->slices.empty())
            return rp_fail(err, RP_ERR_FORMAT, "%s: %s", first.path.c_str(), first.why.c_str());
        if (!first.is_ct() && !options.allow_non_ct) return refuse_modality(path, *list[0], err);
        return RP_OK;
    }
    if (list.empty() && options.series_uid && strchr(options.series_uid, '#'))
        return rp_fail(err, RP_ERR_ARGUMENT, "%s: no series with such a part: %s", path,
                       options.series_uid);
    if (list.empty() && options.series_uid)
        return rp_fail(err, RP_ERR_ARGUMENT, "%s: no series whose UID ends with %s", path,
                       options.series_uid);
    if (list.empty()) return no_series(path, options.allow_non_ct, all, files, err);
    return refuse_several(path, list, err);
}

/** What was not read: of the series, with --repair; and elsewhere, where no name or header tells
 *  whose it is. */
static void note_unread(const std::vector<File> &files, const Series &chosen, rp_remarks &remarks)
{
    size_t elsewhere = 0;
    for (const File &file : files) elsewhere += file.broken && !file.header.series_uid[0];
    for (const File *file : chosen.lost)
        rp_log(RP_LOG_WARNING, "%s: %s", file->path.c_str(), file->why.c_str());
    if (!chosen.lost.empty())
        rp_remark_add(&remarks, "unreadable_slices",
                      "%zu file%s that stood among the slices of the series cannot be read (%s): "
                      "slices are missing.",
                      chosen.lost.size(), chosen.lost.size() > 1 ? "s" : "",
                      chosen.lost[0]->why.c_str());
    if (elsewhere)
        rp_remark_add(&remarks, "unreadable_files",
                      "%zu DICOM file%s in other folders cannot be read; slices of the series may "
                      "be among them.",
                      elsewhere, elsewhere > 1 ? "s" : "");
}

/* ---- pixels ------------------------------------------------------------------------------------
 */

struct LoadJob {
    const Stack *stack;
    float *values;
    size_t pixels, first;
    struct Result {
        rp_status status;
        size_t padded;
        rp_error err;
    };
    std::vector<Result> results;
    std::vector<SliceReader> readers;
};

static void load_task(void *context, size_t task, int worker)
{
    LoadJob &job = *static_cast<LoadJob *>(context);
    const size_t i = job.first + task;
    const File &file = *job.stack->slices[i].file;
    LoadJob::Result &result = job.results[task];
    result = {};
    result.status = guarded(file.path.c_str(), &result.err, [&] {
        return job.readers[size_t(worker)].read(file, job.values + i * job.pixels, &result.padded,
                                                &result.err);
    });
}

static rp_status load_pixels(const char *path, const Stack &stack, const rp_progress *progress,
                             float *values, rp_dicom_series &series, rp_error *err)
{
    const File &first = *stack.slices[0].file;
    LoadJob job = {&stack, values, size_t(first.columns) * size_t(first.rows), 0, {}, {}};
    const size_t count = stack.slices.size();
    job.results.resize(slices_per_report);
    job.readers = std::vector<SliceReader>(size_t(rp_threads_get()));
    for (; job.first < count; job.first += slices_per_report) {
        if (rp_progress_cancelled(progress))
            return rp_fail(err, RP_ERR_CANCELLED, "%s: cancelled", path);
        const size_t tasks = std::min(slices_per_report, count - job.first);
        rp_parallel_for(tasks, load_task, &job);
        for (size_t i = 0; i < tasks; i++) {
            if (job.results[i].status)
                return rp_fail(err, job.results[i].status, "%s", job.results[i].err.message);
            series.padded_voxels += job.results[i].padded;
        }
        rp_progress_report(progress, "reading slices", double(job.first + tasks), double(count),
                           nullptr);
    }
    size_t settled = 0;
    for (const SliceReader &reader : job.readers) settled += reader.settled();
    series.padded_voxels += settled;
    if (settled)
        rp_remark_add(&series.remarks, "padding_like_tissue",
                      "PixelPaddingValue stands for what tissue may hold as well: %zu voxels in "
                      "regions of it that reach the border were taken for padding, the others for "
                      "tissue.",
                      settled);
    return RP_OK;
}

/** Decodes one slice on its own first: a header may claim a size that its pixels do not have, and
 *  the volume is allocated (and zeroed) by what the header claims. */
static rp_status check_first_slice(const Stack &stack, rp_error *err)
{
    const File &file = *stack.slices.front().file;
    std::vector<float> values(size_t(file.rows) * size_t(file.columns));
    size_t padded = 0;
    SliceReader reader;
    return reader.read(file, values.data(), &padded, err);
}

/** Into the image, by way of the slices as acquired where these do not lie on its grid. */
static rp_status load_image(const char *path, const Stack &stack, const rp_progress *progress,
                            rp_dicom_series &series, rp_error *err)
{
    rp_status status = check_first_slice(stack, err);
    if (status) return status;
    if (!stack.repair.resampled) {
        status = rp_image_init(&series.image, &stack.grid, err);
        return status ? status : load_pixels(path, stack, progress, series.image.data, series, err);
    }
    const File &file = *stack.slices[0].file;
    const size_t pixels = size_t(file.rows) * size_t(file.columns);
    std::vector<float> values(stack.slices.size() * pixels);
    status = load_pixels(path, stack, progress, values.data(), series, err);
    if (status) return status;
    return resample_stack(stack, values, file.is_ct() ? air_outside : 0, series.image, err);
}

/* ---- the image's hash --------------------------------------------------------------------------
 */

struct HashJob {
    const rp_image *image;
    size_t pixels;
    std::vector<std::string> *parts;
};

static void hash_task(void *context, size_t task, int)
{
    const HashJob &job = *static_cast<HashJob *>(context);
    rp_sha256(job.image->data + task * job.pixels, job.pixels * sizeof(float),
              (*job.parts)[task].data());
}

/** A length or cosine as text that rounding errors do not change (and without negative zero). */
static std::string rounded_text(double value)
{
    char text[64];
    snprintf(text, sizeof text, "%.5f ", std::round(value * 1e5) / 1e5 + 0.0);
    return text;
}

/** Hash of the grid as text and of each slice's hash. */
static void hash_image(const rp_image &image, char hex[RP_SHA256_HEX])
{
    const rp_grid &grid = image.grid;
    std::vector<std::string> parts(size_t(grid.size[2]), std::string(RP_SHA256_HEX, '\0'));
    HashJob job = {&image, size_t(grid.size[0]) * size_t(grid.size[1]), &parts};
    rp_parallel_for(parts.size(), hash_task, &job);
    std::string all;
    for (int a = 0; a < 3; a++) {
        all += std::to_string(grid.size[a]) + " " + rounded_text(grid.spacing[a]) +
               rounded_text(grid.origin[a]);
        for (int r = 0; r < 3; r++) all += rounded_text(grid.direction[r][a]);
    }
    for (const std::string &part : parts) all += part;
    rp_sha256(all.data(), all.size(), hex);
}

rp_status finish_series(const char *path, const std::vector<std::string> &sop_uids,
                        rp_dicom_series &series, rp_error *err)
{
    series.sop_uids =
        static_cast<char(*)[RP_DICOM_UID]>(rp_alloc(sop_uids.size(), sizeof *series.sop_uids));
    if (!series.sop_uids) return rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", path);
    for (size_t i = 0; i < sop_uids.size(); i++) copy_text(series.sop_uids[i], sop_uids[i]);
    hash_image(series.image, series.image_sha256);
    return RP_OK;
}

/* ---- which object a slice is of -----------------------------------------------------------
 */

/** The acquired slice that lies where slice z of the grid does; NULL where none does. */
static const File *slice_at(const Stack &stack, int z)
{
    if (!stack.repair.resampled) return stack.slices[size_t(z)].file;
    if (stack.repair.tilt_degrees > 0) return nullptr;
    const double at = stack.slices[0].at[2] + z * stack.spacing;
    for (const Placed &p : stack.slices)
        if (std::fabs(p.at[2] - at) < 0.01 * stack.spacing) return p.file;
    return nullptr;
}

static rp_status note_objects(const char *path, const Stack &stack, rp_dicom_series &series,
                              rp_error *err)
{
    std::vector<std::string> objects;
    for (const Placed &p : stack.slices)
        if (objects.empty() || objects.back() != p.file->sop_uid)
            objects.push_back(p.file->sop_uid);
    const size_t slices = size_t(stack.grid.size[2]);
    series.acquired_uids =
        static_cast<char(*)[RP_DICOM_UID]>(rp_alloc(objects.size(), sizeof *series.acquired_uids));
    series.frame_numbers = static_cast<int *>(rp_alloc(slices, sizeof *series.frame_numbers));
    if (!series.acquired_uids || !series.frame_numbers)
        return rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", path);
    for (const std::string &uid : objects)
        copy_text(series.acquired_uids[series.acquired_count++], uid);
    std::vector<std::string> uids(slices);
    for (size_t z = 0; z < slices; z++) {
        const File *file = slice_at(stack, int(z));
        if (!file) continue;
        uids[z] = file->sop_uid;
        series.frame_numbers[z] = file->frame + 1;
    }
    return finish_series(path, uids, series, err);
}

/** What the headers say against values in HU. */
static void note_rescale(const Stack &stack, rp_remarks &remarks)
{
    size_t missing = 0, others = 0;
    const size_t all = stack.slices.size();
    std::string type;
    for (const Placed &p : stack.slices) {
        const File &file = *p.file;
        missing += file.is_ct() && !file.rescaled;
        if (!file.is_ct() || file.rescale_type.empty() || file.rescale_type == "HU") continue;
        type = file.rescale_type;
        others++;
    }
    if (missing)
        rp_remark_add(&remarks, "rescale_missing",
                      "%zu of %zu slices have neither RescaleSlope nor RescaleIntercept: their "
                      "stored values were taken for HU.",
                      missing, all);
    if (others)
        rp_remark_add(&remarks, "rescale_type",
                      "RescaleType of %zu of %zu slices is %s, not HU: their values were taken for "
                      "HU all the same.",
                      others, all, type.c_str());
}

/** Files that a DICOMDIR names, and that are not there, may be slices of any of its series. */
static void note_absent(const char *path, rp_remarks &remarks)
{
    std::vector<std::string> named;
    size_t missing = 0;
    if (rp_path_is_directory(path) || !read_dicomdir(path, named, missing) || !missing) return;
    rp_remark_add(
        &remarks, "dicomdir_incomplete",
        "%zu of the %zu files that the DICOMDIR names are not there; slices of the series "
        "may be among them.",
        missing, missing + named.size());
}

static rp_status load_series(const char *path, const rp_dicom_load_options &options,
                             const rp_progress *progress, rp_dicom_series &series, rp_error *err)
{
    std::vector<File> files;
    rp_status status = scan_path(path, progress, files, err);
    if (status) return status;
    const std::vector<Series> all = group_series(files);
    const unsigned differs = options.allow_mixed_patients ? 0 : identities_differ(files);
    if (differs) {
        char what[96];
        rp_dicom_identity_text(differs, what);
        return rp_fail(err, RP_ERR_REFUSED,
                       "%s: holds images of more than one patient (their %s differ)", path, what);
    }
    const Series *chosen = nullptr;
    status = choose_series(path, options, files, all, &chosen, err);
    if (status) return status;
    Stack stack;
    status = order_stack(*chosen, options.repair, stack, err);
    if (status) return rp_fail_in(err, status, "%s", path);
    status = load_image(path, stack, progress, series, err);
    if (status) return status;
    series.header = stack.slices.front().file->header;
    series.part = chosen->part;
    note_rescale(stack, series.remarks);
    note_unread(files, *chosen, series.remarks);
    note_absent(path, series.remarks);
    if (chosen->part)
        rp_remark_add(&series.remarks, "series_part",
                      "The series holds %d acquisitions, phases or reconstructions of one place; "
                      "part %d was taken (%s).",
                      chosen->parts, chosen->part, chosen->what.c_str());
    series.repair = stack.repair;
    series.acquired_grid = stack.acquired;
    return note_objects(path, stack, series, err);
}

} // namespace rp_dicom

using namespace rp_dicom;

extern "C" rp_status rp_dicom_series_load(const char *path, const rp_dicom_load_options *options,
                                          const rp_progress *progress, rp_dicom_series *series,
                                          rp_error *err)
{
    const rp_dicom_load_options defaults = {};
    *series = {};
    const rp_status status = guarded(path, err, [&] {
        return load_series(path, options ? *options : defaults, progress, *series, err);
    });
    if (status) rp_dicom_series_release(series);
    return status;
}

extern "C" void rp_dicom_series_release(rp_dicom_series *series)
{
    rp_image_release(&series->image);
    rp_free(series->sop_uids);
    rp_free(series->frame_numbers);
    rp_free(series->acquired_uids);
    rp_remarks_release(&series->remarks);
    *series = {};
}
