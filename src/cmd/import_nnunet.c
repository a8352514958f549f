/* Folders with a dataset.json: the Medical Segmentation Decathlon's, nnU-Net's of either version.
 */
#include "import.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

typedef struct dataset {
    import_job *job;
    const rp_json *json;
    char values[64];  /* of the lesion: "1", or "1+2" for a region */
    int channel;      /* the CT's */
    char ending[32];  /* ".nii.gz" */
    char file[4096];  /* dataset.json, for messages */
    char others[512]; /* what labels there are, for messages */
} dataset;

/* ---- which label ------------------------------------------------------------------------- */

/* A label is a value, or a region of several: "1", "1+2". */
typedef struct label {
    const char *name;
    char values[64];
} label;

static bool add_value(label *l, int64_t value)
{
    const size_t length = strlen(l->values);
    if (value < 0 || value > INT32_MAX) return false;
    const int more = snprintf(l->values + length, sizeof l->values - length, "%s%d",
                              length ? "+" : "", (int)value);
    return more > 0 && length + (size_t)more < sizeof l->values;
}

/* The decathlon maps values to names, nnU-Net 2 names to values or to lists of them. */
static bool label_at(const rp_json *labels, size_t i, label *l)
{
    const char *key = rp_json_key_at(labels, i);
    const rp_json *child = rp_json_at(labels, i);
    const char *text = rp_json_as_string(child);
    int64_t number;
    int value;
    *l = (label){.name = key};
    if (!key || !child) return false;
    if (text && cmd_parse_int(key, 0, INT32_MAX, &value)) {
        l->name = text;
        return add_value(l, value);
    }
    if (text) return cmd_parse_int(text, 0, INT32_MAX, &value) && add_value(l, value);
    if (rp_json_as_int(child, &number)) return add_value(l, number);
    for (size_t k = 0; k < rp_json_length(child); k++)
        if (!rp_json_as_int(rp_json_at(child, k), &number) || !add_value(l, number)) return false;
    return l->values[0];
}

static bool sounds_like_lesion(const char *name)
{
    static const char *const words[] = {"tumor",   "tumour", "lesion", "cancer",
                                        "metasta", "nodule", "gtv"};
    for (const char *at = name; *at; at++)
        for (size_t i = 0; i < sizeof words / sizeof *words; i++)
            if (strncasecmp(at, words[i], strlen(words[i])) == 0) return true;
    return false;
}

static void list_label(dataset *d, const label *l)
{
    const size_t length = strlen(d->others);
    snprintf(d->others + length, sizeof d->others - length, "%s%.40s (%s)", length ? ", " : "",
             l->name, l->values);
}

/* Asked for, or the only one, or the only one whose name says that it is a lesion. */
static rp_status choose_label(dataset *d, rp_error *err)
{
    const rp_json *labels = rp_json_get(d->json, "labels");
    const char *wanted = d->job->label;
    int any = 0, lesions = 0, asked = 0;
    label l, last = {0}, lesion = {0}, asked_for = {0};
    for (size_t i = 0; labels && i < rp_json_length(labels); i++) {
        if (!label_at(labels, i, &l) || strcmp(l.values, "0") == 0 || strcmp(l.name, "ignore") == 0)
            continue;
        list_label(d, &l);
        any++;
        last = l;
        if (sounds_like_lesion(l.name)) {
            lesions++;
            lesion = l;
        }
        if (wanted && (strcmp(l.values, wanted) == 0 || strcasecmp(l.name, wanted) == 0)) {
            asked++;
            asked_for = l;
        }
    }
    const label *taken = wanted ? &asked_for : lesions == 1 ? &lesion : &last;
    memcpy(d->values, taken->values, sizeof d->values);
    const bool clear = wanted ? asked == 1 : lesions == 1 || (lesions == 0 && any == 1);
    if (clear) return RP_OK;
    if (wanted)
        return rp_fail(err, RP_ERR_ARGUMENT, "%s: has no label '%s'; there are: %s", d->file,
                       wanted, d->others[0] ? d->others : "none");
    return rp_fail(err, RP_ERR_ARGUMENT, "%s: which label is the lesion? --label one of: %s",
                   d->file, d->others[0] ? d->others : "(there are none)");
}

/* ---- which channel ----------------------------------------------------------------------- */

static rp_status choose_channel(dataset *d, rp_error *err)
{
    const rp_json *channels = rp_json_get(d->json, "channel_names");
    if (!channels) channels = rp_json_get(d->json, "modality");
    d->channel = 0;
    if (!channels || rp_json_length(channels) == 0) return RP_OK;
    for (size_t i = 0; i < rp_json_length(channels); i++) {
        const char *name = rp_json_as_string(rp_json_at(channels, i));
        if (!name || strcasecmp(name, "CT") != 0) continue;
        return cmd_parse_int(rp_json_key_at(channels, i), 0, 9999, &d->channel)
                   ? RP_OK
                   : rp_fail(err, RP_ERR_FORMAT, "%s: channels are numbered", d->file);
    }
    return rp_fail(err, RP_ERR_UNSUPPORTED, "%s: no channel is CT", d->file);
}

/* ---- cases ------------------------------------------------------------------------------- */

static bool ends_in(const char *text, const char *ending)
{
    const size_t length = strlen(text), tail = strlen(ending);
    return length >= tail && strcmp(text + length - tail, ending) == 0;
}

/* "./imagesTr/a.nii.gz" below the folder; rp_alloc'd. */
static char *below(const dataset *d, const char *path)
{
    while (strncmp(path, "./", 2) == 0) path += 2;
    return path[0] == '/' ? rp_strdup(path) : rp_path_join(d->job->folder, path);
}

/* nnU-Net numbers channels in the file's name, and its first version left that out of the list. */
static char *with_channel(const dataset *d, const char *path)
{
    const size_t stem = strlen(path) - (ends_in(path, d->ending) ? strlen(d->ending) : 0);
    char *numbered = rp_format("%.*s_%04d%s", (int)stem, path, d->channel, path + stem);
    if (numbered && (!rp_path_exists(numbered) && (rp_path_exists(path)))) {
        rp_free(numbered);
        return rp_strdup(path);
    }
    return numbered;
}

/* The name of the mask without folder and ending. rp_alloc'd. */
static char *case_name(const dataset *d, const char *mask)
{
    const char *slash = strrchr(mask, '/');
    const char *name = slash ? slash + 1 : mask;
    const size_t length = strlen(name) - (ends_in(name, d->ending) ? strlen(d->ending) : 0);
    return rp_format("%.*s", (int)length, name);
}

static rp_status add_case(dataset *d, const char *image, const char *mask, rp_error *err)
{
    RP_AUTOFREE char *whole = below(d, image);
    RP_AUTOFREE char *image_path = whole ? with_channel(d, whole) : NULL;
    RP_AUTOFREE char *mask_path = below(d, mask);
    RP_AUTOFREE char *id = case_name(d, mask);
    if (!image_path || !mask_path || !id)
        return rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", d->file);
    return import_pair(d->job, id, image_path, mask_path, d->values, err);
}

/* {"image": ..., "label": ...}; nnU-Net 2 has {"images": [...], "label": ...}. */
static rp_status add_listed(dataset *d, const rp_json *one, size_t number, rp_error *err)
{
    const rp_json *images = rp_json_get(one, "images");
    const char *mask = rp_json_get_string(one, "label");
    const char *image = images ? rp_json_as_string(rp_json_at(images, (size_t)d->channel))
                               : rp_json_get_string(one, "image");
    if (mask && image) return add_case(d, image, mask, err);
    char what[64];
    snprintf(what, sizeof what, "case %zu of dataset.json", number + 1);
    import_leave_out(d->job, what, "has no image or no label");
    return RP_OK;
}

static rp_status add_list(dataset *d, const rp_json *list, rp_error *err)
{
    const size_t count = rp_json_length(list);
    rp_status status = RP_OK;
    for (size_t i = 0; !status && i < count; i++) {
        status = add_listed(d, rp_json_at(list, i), i, err);
        rp_progress_report(d->job->progress, "cases", (double)i + 1, (double)count, NULL);
        if (!status && rp_progress_cancelled(d->job->progress))
            status = rp_fail(err, RP_ERR_CANCELLED, "interrupted; nothing was written");
    }
    return status;
}

static rp_status add_found(dataset *d, const char *name, rp_error *err)
{
    RP_AUTOFREE char *mask = rp_format("labelsTr/%s", name);
    RP_AUTOFREE char *image = rp_format("imagesTr/%s", name);
    if (!mask || !image) return rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", d->file);
    if (ends_in(name, d->ending)) return add_case(d, image, mask, err);
    import_leave_out(d->job, mask, "does not end in %s", d->ending);
    return RP_OK;
}

/* nnU-Net 2 lists nothing: every mask in labelsTr is a case. */
static rp_status add_folder(dataset *d, rp_error *err)
{
    char **names;
    size_t count;
    RP_AUTOFREE char *folder = rp_path_join(d->job->folder, "labelsTr");
    if (!folder) return rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", d->file);
    rp_status status = import_entries(folder, &names, &count, err);
    for (size_t i = 0; !status && i < count; i++) {
        status = add_found(d, names[i], err);
        rp_progress_report(d->job->progress, "cases", (double)i + 1, (double)count, NULL);
        if (!status && rp_progress_cancelled(d->job->progress))
            status = rp_fail(err, RP_ERR_CANCELLED, "interrupted; nothing was written");
    }
    if (!status) rp_string_list_free(names, count);
    return status;
}

/* ---- what has no label ------------------------------------------------------------------- */

/* The images of the cohort, by name without folder. */
static bool map_imported(const dataset *d, rp_map *images)
{
    bool complete = true;
    for (size_t i = 0; complete && i < d->job->cohort.patient_count; i++) {
        const char *image = d->job->cohort.patients[i].visits[0].image;
        const char *slash = strrchr(image, '/');
        complete = rp_map_put(images, slash ? slash + 1 : image, i);
    }
    return complete;
}

/* "a_0001.nii.gz" is another channel of a case, not a case. */
static bool is_other_channel(const dataset *d, const char *name)
{
    const size_t ending = strlen(d->ending), length = strlen(name);
    int channel;
    char digits[5] = "";
    if (length < ending + 5 || name[length - ending - 5] != '_') return false;
    memcpy(digits, name + length - ending - 4, 4);
    return cmd_parse_int(digits, 0, 9999, &channel) && channel != d->channel;
}

/* Whether dataset.json or labelsTr has the case, so that its fate has been told. */
static bool has_mask(const dataset *d, const char *name)
{
    const size_t ending = strlen(d->ending), length = strlen(name);
    const size_t stem = length >= ending ? length - ending : length;
    RP_AUTOFREE char *plain = rp_format("%s/labelsTr/%s", d->job->folder, name);
    RP_AUTOFREE char *numbered = rp_format("%s/labelsTr/%.*s%s", d->job->folder,
                                           (int)(stem > 5 ? stem - 5 : stem), name, d->ending);
    return (plain && rp_path_exists(plain)) || (numbered && rp_path_exists(numbered));
}

static rp_status tell_unlabelled(dataset *d, rp_error *err)
{
    RP_AUTOFREE char *training = rp_path_join(d->job->folder, "imagesTr");
    RP_AUTOFREE char *test = rp_path_join(d->job->folder, "imagesTs");
    char **names;
    size_t count, without = 0;
    if (!training || !test) return rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", d->file);
    if (rp_path_is_directory(training)) {
        rp_map images = {0};
        rp_status status = import_entries(training, &names, &count, err);
        if (status) return status;
        if (!map_imported(d, &images))
            status = rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", d->file);
        for (size_t i = 0; !status && i < count; i++)
            if (rp_map_find(&images, names[i]) == RP_MAP_NONE && !is_other_channel(d, names[i]) &&
                !has_mask(d, names[i]))
                import_leave_out(d->job, names[i], "no mask of that name in labelsTr");
        rp_map_release(&images);
        rp_string_list_free(names, count);
        if (status) return status;
    }
    if (!rp_path_is_directory(test)) return RP_OK;
    rp_status status = import_entries(test, &names, &count, err);
    if (status) return status;
    for (size_t i = 0; i < count; i++) without += !is_other_channel(d, names[i]);
    if (without) import_leave_out(d->job, "imagesTs", "%zu images without masks", without);
    rp_string_list_free(names, count);
    return RP_OK;
}

/* ---- the whole --------------------------------------------------------------------------- */

static rp_status import_cases(dataset *d, rp_error *err)
{
    const rp_json *listed = rp_json_get(d->json, "training");
    if (!listed) listed = rp_json_get(d->json, "dataset");
    const char *ending = rp_json_get_string(d->json, "file_ending");
    snprintf(d->ending, sizeof d->ending, "%s", ending ? ending : ".nii.gz");
    rp_status status = choose_label(d, err);
    if (!status) status = choose_channel(d, err);
    if (!status)
        status = listed && rp_json_length(listed) ? add_list(d, listed, err) : add_folder(d, err);
    return status ? status : tell_unlabelled(d, err);
}

rp_status import_nnunet(import_job *job, rp_error *err)
{
    dataset d = {.job = job};
    rp_json *json = NULL;
    RP_AUTOFREE char *path = rp_path_join(job->folder, "dataset.json");
    if (!path) return rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", job->folder);
    snprintf(d.file, sizeof d.file, "%s", path);
    rp_status status = rp_json_read(path, &json, err);
    if (!status) {
        d.json = json;
        status = import_cases(&d, err);
    }
    rp_json_destroy(json);
    return status;
}
