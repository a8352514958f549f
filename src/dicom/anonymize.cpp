/* Files in, files without their patient out. */
#include "reprise/dicom_anonymize.h"

#include "deidentify.hpp"

#include <algorithm>
#include <map>
#include <mutex>
#include <set>
#include <stdexcept>

namespace rp_dicom
{

static const size_t files_per_report = 64;

/** What became of one file. */
struct Outcome {
    rp_status status = RP_OK;
    std::string problem;
    const char *left_out = nullptr;
    bool duplicate = false;
    unsigned concerns = 0;
    std::string pseudonym, study, series, name; /**< as written */
};

struct Job {
    const rp_anonymize_options *options;
    Pseudonyms names;
    std::string folder;
    std::vector<std::string> paths;
    std::vector<Outcome> outcomes;
    std::mutex lock;
    /** Name of a file -> hash of its bytes, and whence they came. */
    std::map<std::string, std::pair<std::string, std::string>> written;
    size_t first = 0;
};

/* ---- one object -------------------------------------------------------------------------- */

/** Copies of a patient's objects must meet in one pseudonym: by PatientID, else by name and birth,
 * else by the study. */
static std::string identity_of(DcmItem &dataset)
{
    const std::string id = text_of(dataset, DCM_PatientID),
                      name = text_of(dataset, DCM_PatientName);
    if (!id.empty()) return "id " + id;
    if (!name.empty()) return "name " + name + "\n" + text_of(dataset, DCM_PatientBirthDate);
    return "study " + text_of(dataset, DCM_StudyInstanceUID);
}

static bool find_pseudonym(const Job &job, DcmItem &dataset, std::string &pseudonym)
{
    const rp_anonymize_options &how = *job.options;
    if (!how.table) {
        pseudonym = job.names.patient(identity_of(dataset));
        return true;
    }
    const std::string id = text_of(dataset, DCM_PatientID);
    for (size_t i = 0; i < how.table_count; i++)
        if (id == how.table[i].patient_id) {
            pseudonym = how.table[i].pseudonym;
            return true;
        }
    return false;
}

static const char *why_left_out(DcmFileFormat &format)
{
    DcmDataset &dataset = *format.getDataset();
    if (text_of(*format.getMetaInfo(), DCM_MediaStorageSOPClassUID) ==
            UID_MediaStorageDirectoryStorage ||
        dataset.tagExists(DCM_DirectoryRecordSequence))
        return "a DICOMDIR, whose records name patients";
    if (dataset.tagExists(DCM_EncapsulatedDocument))
        return "an encapsulated document, which cannot be cleaned";
    if (dataset.card() == 0) return "holds no data set";
    return nullptr;
}

/** The data set must name its class and itself: a file without does so in its meta header, or is
 *  named by what it holds. */
static void complete_identity(DcmFileFormat &format, const std::string &hash)
{
    DcmDataset &dataset = *format.getDataset();
    DcmMetaInfo &meta = *format.getMetaInfo();
    Writer w(dataset);
    if (text_of(dataset, DCM_SOPClassUID).empty())
        w.put_raw(DCM_SOPClassUID, text_of(meta, DCM_MediaStorageSOPClassUID));
    if (!text_of(dataset, DCM_SOPInstanceUID).empty()) return;
    const std::string in_meta = text_of(meta, DCM_MediaStorageSOPInstanceUID);
    w.put_raw(DCM_SOPInstanceUID, in_meta.empty() ? uid_from(hash) : in_meta);
}

static const char *const no_uid = "unknown";

static std::string or_unknown(const std::string &text)
{
    return text.empty() ? no_uid : text;
}

static void encode(DcmFileFormat &format, std::string &bytes)
{
    DcmDataset &dataset = *format.getDataset();
    E_TransferSyntax syntax = dataset.getOriginalXfer();
    if (syntax == EXS_Unknown) syntax = EXS_LittleEndianExplicit;
    /* A meta header and preamble of our own: those of the file may say whose it was. */
    DcmFileFormat fresh(format.getAndRemoveDataset(), OFFalse);
    encode_object(fresh, syntax, bytes);
}

/** Whether this is the first of its name; a copy of what came before is none. RP_ERR_FORMAT for
 * another object of the same name. */
static rp_status claim(Job &job, const std::string &path, const std::string &bytes, Outcome &out,
                       rp_error *err)
{
    char hex[RP_SHA256_HEX];
    rp_sha256(bytes.data(), bytes.size(), hex);
    const std::lock_guard<std::mutex> guard(job.lock);
    const auto place = job.written.emplace(out.name, std::make_pair(hex, path));
    const std::pair<std::string, std::string> &there = place.first->second;
    out.duplicate = !place.second;
    if (there.first == hex) return RP_OK;
    return rp_fail(err, RP_ERR_FORMAT, "%s: has the SOPInstanceUID of %s, but is another object",
                   path.c_str(), there.second.c_str());
}

static rp_status write_object(const Job &job, const Outcome &out, const std::string &bytes,
                              rp_error *err)
{
    for (const std::string &uid : {out.study, out.series, out.name})
        if (!is_uid(uid) && uid != no_uid)
            return rp_fail(err, RP_ERR_FORMAT, "a UID cannot be the name of a folder or file");
    const std::string where = job.folder + "/" + out.pseudonym + "/" + out.study + "/" + out.series;
    const rp_status status = rp_directory_create(where.c_str(), err);
    if (status) return status;
    return rp_file_write((where + "/" + out.name + ".dcm").c_str(), bytes.data(), bytes.size(),
                         err);
}

static rp_status read_object(const std::string &path, DcmFileFormat &format, std::string &hash,
                             rp_error *err)
{
    char hex[RP_SHA256_HEX];
    const OFCondition loaded = load_whole(path, format);
    if (loaded.bad())
        return rp_fail(err, RP_ERR_FORMAT, "%s: does not parse to its end (%s)", path.c_str(),
                       loaded.text());
    if (text_of(*format.getDataset(), DCM_SOPInstanceUID).empty()) {
        const rp_status status = rp_sha256_file(path.c_str(), hex, err);
        if (status) return status;
        hash = hex;
    }
    return RP_OK;
}

static rp_status anonymize_file(Job &job, const std::string &path, Outcome &out, rp_error *err)
{
    DcmFileFormat format;
    std::string hash, bytes;
    if (!looks_like_dicom(path)) {
        out.left_out = "not DICOM";
        return RP_OK;
    }
    rp_status status = read_object(path, format, hash, err);
    if (status) return status;
    out.left_out = why_left_out(format);
    if (out.left_out) return RP_OK;
    DcmDataset &dataset = *format.getDataset();
    if (!find_pseudonym(job, dataset, out.pseudonym))
        return rp_fail(err, RP_ERR_REFUSED, "%s: its patient is not in the table of pseudonyms",
                       path.c_str());
    complete_identity(format, hash);
    if (text_of(dataset, DCM_SOPClassUID).empty()) {
        out.left_out = "says not what kind of object it is (no SOPClassUID)";
        return RP_OK;
    }
    out.concerns = concerns_of(dataset);
    Cleaner(job.names, out.pseudonym).clean(dataset);
    out.study = or_unknown(text_of(dataset, DCM_StudyInstanceUID));
    out.series = or_unknown(text_of(dataset, DCM_SeriesInstanceUID));
    out.name = text_of(dataset, DCM_SOPInstanceUID);
    encode(format, bytes);
    status = claim(job, path, bytes, out, err);
    return status || out.duplicate ? status : write_object(job, out, bytes, err);
}

static void anonymize_task(void *context, size_t task, int)
{
    Job &job = *static_cast<Job *>(context);
    const size_t i = job.first + task;
    Outcome &out = job.outcomes[i];
    rp_error err = {};
    out.status = guarded(job.paths[i].c_str(), &err,
                         [&] { return anonymize_file(job, job.paths[i], out, &err); });
    if (out.status) out.problem = err.message;
}

/* ---- all of them ------------------------------------------------------------------------- */

static rp_status list_inputs(const char *const *inputs, size_t count, Job &job, rp_error *err)
{
    for (size_t i = 0; i < count; i++) {
        const rp_status status = list_paths(inputs[i], job.paths, err);
        if (status) return status;
    }
    std::sort(job.paths.begin(), job.paths.end());
    job.paths.erase(std::unique(job.paths.begin(), job.paths.end()), job.paths.end());
    job.outcomes.resize(job.paths.size());
    return RP_OK;
}

static rp_status run(Job &job, const rp_progress *progress, rp_error *err)
{
    const size_t count = job.paths.size();
    for (job.first = 0; job.first < count; job.first += files_per_report) {
        if (rp_progress_cancelled(progress)) return rp_fail(err, RP_ERR_CANCELLED, "cancelled");
        const size_t tasks = std::min(files_per_report, count - job.first);
        rp_parallel_for(tasks, anonymize_task, &job);
        for (size_t i = job.first; i < job.first + tasks; i++)
            if (job.outcomes[i].status)
                return rp_fail(err, job.outcomes[i].status, "%s", job.outcomes[i].problem.c_str());
        rp_progress_report(progress, "anonymizing", double(job.first + tasks), double(count),
                           nullptr);
    }
    return RP_OK;
}

static rp_status report_left_out(const Job &job, rp_anonymize_report &report)
{
    size_t count = 0;
    for (const Outcome &out : job.outcomes) count += out.left_out != nullptr;
    report.left_out =
        static_cast<rp_anonymize_left_out *>(rp_alloc(count, sizeof *report.left_out));
    if (!report.left_out) return RP_ERR_MEMORY;
    for (size_t i = 0; i < job.paths.size(); i++) {
        if (!job.outcomes[i].left_out) continue;
        rp_anonymize_left_out &entry = report.left_out[report.left_out_count++];
        entry.path = rp_strdup(job.paths[i].c_str());
        entry.why = job.outcomes[i].left_out;
        if (!entry.path) return RP_ERR_MEMORY;
    }
    return RP_OK;
}

static rp_status fill_report(const Job &job, rp_anonymize_report &report)
{
    std::set<std::string> patients, studies, series;
    std::map<std::string, std::pair<unsigned, size_t>> concerns;
    for (const Outcome &out : job.outcomes) {
        if (out.left_out) continue;
        const std::string where = out.pseudonym + "/" + out.study;
        patients.insert(out.pseudonym);
        studies.insert(where);
        series.insert(where + "/" + out.series);
        (out.duplicate ? report.duplicates : report.files)++;
        if (!out.concerns || out.duplicate) continue;
        auto &seen = concerns[where + "/" + out.series];
        seen.first |= out.concerns;
        seen.second++;
    }
    report.patients = patients.size();
    report.studies = studies.size();
    report.series = series.size();
    report.concerns =
        static_cast<rp_anonymize_concern *>(rp_alloc(concerns.size(), sizeof *report.concerns));
    if (!report.concerns) return RP_ERR_MEMORY;
    for (const auto &entry : concerns) {
        rp_anonymize_concern &concern = report.concerns[report.concern_count++];
        concern = {rp_strdup(entry.first.c_str()), entry.second.first, entry.second.second};
        if (!concern.series) return RP_ERR_MEMORY;
    }
    return report_left_out(job, report);
}

static rp_status anonymize(const char *const *inputs, size_t count, Job &job,
                           const rp_progress *progress, rp_anonymize_report *report, rp_error *err)
{
    rp_status status = prepare(err);
    if (!status) status = list_inputs(inputs, count, job, err);
    if (!status) status = run(job, progress, err);
    if (status) return status;
    status = fill_report(job, *report);
    if (status) return rp_fail(err, status, "out of memory");
    if (report->files == 0)
        return rp_fail(err, RP_ERR_FORMAT, "%s: holds no DICOM object that can be anonymized",
                       inputs[0]);
    return RP_OK;
}

} // namespace rp_dicom

using namespace rp_dicom;

extern "C" bool rp_pseudonym_valid(const char *pseudonym)
{
    static const char *allowed =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.";
    const std::string text = pseudonym;
    return !text.empty() && text.size() <= 64 && text[0] != '.' &&
           text.find_first_not_of(allowed) == std::string::npos;
}

extern "C" rp_status rp_dicom_anonymize(const char *const *inputs, size_t count, const char *folder,
                                        const rp_anonymize_options *options,
                                        const rp_progress *progress, rp_anonymize_report *report,
                                        rp_error *err)
{
    *report = {};
    if (options->key_size < RP_ANONYMIZE_KEY_BYTES)
        return rp_fail(err, RP_ERR_ARGUMENT, "a secret key has at least %d bytes, this one %zu",
                       int(RP_ANONYMIZE_KEY_BYTES), options->key_size);
    for (size_t i = 0; i < options->table_count; i++)
        if (!rp_pseudonym_valid(options->table[i].pseudonym))
            return rp_fail(err, RP_ERR_ARGUMENT,
                           "pseudonym %zu of the table has characters other than A-Z a-z 0-9 _ - .",
                           i + 1);
    const rp_status status = guarded(folder, err, [&] {
        Job job = {options, Pseudonyms(options->key, options->key_size), folder, {}, {}, {}, {}, 0};
        return anonymize(inputs, count, job, progress, report, err);
    });
    if (status) rp_anonymize_report_release(report);
    return status;
}

extern "C" void rp_anonymize_report_release(rp_anonymize_report *report)
{
    for (size_t i = 0; i < report->concern_count; i++) rp_free(report->concerns[i].series);
    for (size_t i = 0; i < report->left_out_count; i++) rp_free(report->left_out[i].path);
    rp_free(report->concerns);
    rp_free(report->left_out);
    *report = {};
}
