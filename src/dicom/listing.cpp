/* What a folder holds, series by series. */
#include "internal.hpp"

#include <set>

namespace rp_dicom
{

struct ParseJob {
    std::vector<const File *> files;
    std::vector<std::string> problems;
};

static void parse_task(void *context, size_t task, int)
{
    ParseJob &job = *static_cast<ParseJob *>(context);
    const char *path = job.files[task]->path.c_str();
    guarded(path, nullptr, [&] {
        DcmFileFormat format;
        const OFCondition loaded = load_whole(path, format);
        if (loaded.bad())
            job.problems[task] = std::string("truncated or damaged: ") + loaded.text();
        return RP_OK;
    });
}

/** What loading would stumble over once the headers are read: the first slice is decoded, files
 *  whose pixels are not plainly there are parsed. */
static rp_status check_readable(const Stack &stack, rp_error *err)
{
    const File &first = *stack.slices[0].file;
    std::vector<float> values(size_t(first.rows) * size_t(first.columns));
    size_t padded = 0;
    SliceReader reader;
    const rp_status status = reader.read(first, values.data(), &padded, err);
    ParseJob job;
    std::set<std::string> seen;
    for (const Placed &p : stack.slices)
        if (!is_in_place(*p.file) && seen.insert(p.file->path).second) job.files.push_back(p.file);
    if (status || job.files.empty()) return status;
    job.problems.resize(job.files.size());
    rp_parallel_for(job.files.size(), parse_task, &job);
    for (size_t i = 0; i < job.files.size(); i++)
        if (!job.problems[i].empty())
            return rp_fail(err, RP_ERR_FORMAT, "%s: %s", job.files[i]->path.c_str(),
                           job.problems[i].c_str());
    return RP_OK;
}

static void describe_stack(const Series &series, rp_dicom_series_info &info)
{
    Stack stack, repaired;
    rp_error problem = {};
    bool stands = order_stack(series, false, stack, &problem) == RP_OK;
    if (stands) stands = check_readable(stack, &problem) == RP_OK;
    const bool is_ct = series.slices[0]->is_ct();
    info.usable = stands && is_ct;
    info.slice_spacing_mm = stack.spacing;
    info.tilt_degrees = stack.repair.tilt_degrees;
    if (!stands && problem.status == RP_ERR_REFUSED && is_ct)
        info.repairable = order_stack(series, true, repaired, nullptr) == RP_OK &&
                          check_readable(repaired, nullptr) == RP_OK;
    const File &lowest = stack.slices.empty() ? *series.slices[0] : *stack.slices[0].file;
    copy_text(info.acquisition_time, lowest.time.substr(0, 6));
    if (!is_ct)
        copy_text(info.why_not,
                  std::string("modality ") + series.slices[0]->header.modality + ", expected CT");
    else
        copy_text(info.why_not, problem.message);
}

/** Which of several parts a contour belongs to is told by the objects that it refers to. */
static void name_objects(const Series &series, rp_dicom_series_info &info)
{
    std::set<std::string> uids;
    for (const File *file : series.slices) uids.insert(file->sop_uid);
    info.sop_uids =
        static_cast<char(*)[RP_DICOM_UID]>(rp_alloc(uids.size(), sizeof *info.sop_uids));
    if (!info.sop_uids) throw std::bad_alloc();
    for (const std::string &uid : uids) copy_text(info.sop_uids[info.sop_count++], uid);
}

static void describe(const Series &series, rp_dicom_series_info &info)
{
    const File &first = series.first();
    info.header = first.header;
    info.files = series.slices.empty() ? series.others.size() : series.slices.size();
    info.passed_over = series.slices.empty() ? 0 : series.others.size();
    info.multi_frame = first.frames > 1;
    info.rows = first.rows;
    info.columns = first.columns;
    info.slice_thickness_mm = first.thickness;
    info.pixel_spacing_mm[0] = first.spacing[1];
    info.pixel_spacing_mm[1] = first.spacing[0];
    copy_text(info.kernel, first.kernel);
    copy_text(info.phase, first.phase);
    info.part = series.part;
    info.parts = series.parts;
    copy_text(info.part_text, series.what);
    if (series.part) name_objects(series, info);
    if (series.slices.empty())
        copy_text(info.why_not, first.why);
    else
        describe_stack(series, info);
}

static rp_status note_others(const char *path, const std::vector<File> &files,
                             rp_dicom_listing &listing, rp_error *err)
{
    std::set<std::string> modalities;
    for (const File &file : files) {
        listing.other_files += file.kind == Kind::not_image;
        if (file.broken && !listing.broken_files++) {
            listing.broken_file = rp_strdup(file.path.c_str());
            copy_text(listing.broken_why, file.why);
        }
        if (file.kind == Kind::not_image && !file.broken && file.header.modality[0])
            modalities.insert(file.header.modality);
    }
    if (listing.broken_files && !listing.broken_file)
        return rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", path);
    std::string words;
    for (const std::string &modality : modalities) words += (words.empty() ? "" : ", ") + modality;
    copy_text(listing.other_modalities, words);
    return RP_OK;
}

static rp_status list_series(const char *path, rp_dicom_listing *listing, rp_error *err)
{
    std::vector<File> files;
    const rp_status status = scan_path(path, nullptr, files, err);
    if (status) return status;
    const std::vector<Series> groups = group_series(files);
    const rp_status noted = note_others(path, files, *listing, err);
    if (noted) return noted;
    listing->series =
        static_cast<rp_dicom_series_info *>(rp_alloc(groups.size(), sizeof *listing->series));
    if (!listing->series) return rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", path);
    for (const Series &series : groups) describe(series, listing->series[listing->count++]);
    return RP_OK;
}

} // namespace rp_dicom

using namespace rp_dicom;

extern "C" rp_status rp_dicom_list(const char *path, rp_dicom_listing *listing, rp_error *err)
{
    *listing = {};
    const rp_status status = guarded(path, err, [&] { return list_series(path, listing, err); });
    if (status) rp_dicom_listing_release(listing);
    return status;
}

extern "C" void rp_dicom_listing_release(rp_dicom_listing *listing)
{
    for (size_t i = 0; i < listing->count; i++) rp_free(listing->series[i].sop_uids);
    rp_free(listing->series);
    rp_free(listing->broken_file);
    *listing = {};
}
