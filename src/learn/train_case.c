/* Visits of a cohort, preprocessed once and kept on disk. */
#include "internal.h"

#include <string.h>

void rp_train_case_release(rp_train_case *one)
{
    rp_free(one->name);
    rp_free(one->image_path);
    rp_free(one->mask_path);
    *one = (rp_train_case){0};
}

/* What the files are made of, as a name for them. */
static rp_status make_key(const rp_preprocessing *p, const char *source_sha256,
                          char key[RP_SHA256_HEX], rp_error *err)
{
    RP_AUTOFREE char *text =
        rp_format("%s %a %a %a %a %a %s in canonical order", source_sha256, p->window_low_hu,
                  p->window_high_hu, p->spacing[0], p->spacing[1], p->spacing[2], RP_VERSION);
    if (!text) return rp_fail(err, RP_ERR_MEMORY, "out of memory");
    rp_sha256(text, strlen(text), key);
    return RP_OK;
}

static rp_status name_files(rp_train_case *one, const char *name, const char *folder,
                            const char *key, char **record, rp_error *err)
{
    one->name = rp_strdup(name);
    one->image_path = rp_format("%s/%.32s-image.nii", folder, key);
    one->mask_path = rp_format("%s/%.32s-mask.nii", folder, key);
    *record = rp_format("%s/%.32s.json", folder, key);
    return one->name && one->image_path && one->mask_path && *record
               ? RP_OK
               : rp_fail(err, RP_ERR_MEMORY, "out of memory");
}

/* ---- the record beside the two files, written last ---------------------------------------------
 */

static rp_status hash_files(rp_train_case *one, rp_error *err)
{
    rp_status status = rp_sha256_file(one->image_path, one->image_sha256, err);
    return status ? status : rp_sha256_file(one->mask_path, one->mask_sha256, err);
}

static rp_status write_record(const char *path, const rp_train_case *one, rp_error *err)
{
    rp_json *json = rp_json_object();
    rp_json *size = rp_json_array();
    for (int a = 0; a < 3; a++) rp_json_append_int(size, one->size[a]);
    rp_json_set_string(json, "image_sha256", one->image_sha256);
    rp_json_set_string(json, "mask_sha256", one->mask_sha256);
    rp_json_set(json, "size_xyz", size);
    rp_json_set_int(json, "tumour_voxels", (int64_t)one->tumour_voxels);
    const rp_status status = rp_json_write(path, json, err);
    rp_json_destroy(json);
    return status;
}

static bool same_hash(const rp_json *json, const char *key, const char *hash)
{
    const char *text = rp_json_get_string(json, key);
    return text && strcmp(text, hash) == 0;
}

static bool take_count(const rp_json *value, int64_t high, int64_t *count)
{
    return value && rp_json_as_int(value, count) && *count >= 1 && *count <= high;
}

/* False where anything is missing or not as it was written; whatever it is, it can be made anew. */
static bool read_record(const char *path, rp_train_case *one)
{
    rp_json *json = NULL;
    int64_t count;
    if (rp_json_read(path, &json, NULL)) return false;
    bool good = hash_files(one, NULL) == RP_OK &&
                same_hash(json, "image_sha256", one->image_sha256) &&
                same_hash(json, "mask_sha256", one->mask_sha256);
    const rp_json *size = rp_json_get(json, "size_xyz");
    for (size_t a = 0; a < 3 && good; a++) {
        good = size && take_count(rp_json_at(size, a), 1 << 20, &count);
        if (good) one->size[a] = (int)count;
    }
    good = good && take_count(rp_json_get(json, "tumour_voxels"), INT64_MAX, &count);
    if (good) one->tumour_voxels = (size_t)count;
    rp_json_destroy(json);
    return good;
}

/* ---- making them -------------------------------------------------------------------------------
 */

static rp_status make_files(const rp_preprocessing *p, const rp_image *image, const rp_mask *mask,
                            rp_train_case *one, rp_error *err)
{
    rp_image working = {0};
    rp_mask lesion = {0};
    rp_status status = rp_working_pair(p, image, mask, &working, &lesion, err);
    if (!status) {
        memcpy(one->size, working.grid.size, sizeof one->size);
        one->tumour_voxels = rp_mask_count(&lesion);
        status = rp_nifti_write_image(one->image_path, &working, NULL, err);
    }
    if (!status) status = rp_nifti_write_mask(one->mask_path, &lesion, NULL, err);
    if (!status) status = hash_files(one, err);
    rp_image_release(&working);
    rp_mask_release(&lesion);
    return status;
}

rp_status rp_train_case_prepare(const rp_preprocessing *p, const char *name, const rp_image *image,
                                const rp_mask *mask, const char *source_sha256, const char *folder,
                                rp_train_case *out, rp_error *err)
{
    char key[RP_SHA256_HEX];
    RP_AUTOFREE char *record = NULL;
    *out = (rp_train_case){0};
    memcpy(out->spacing, p->spacing, sizeof out->spacing);
    rp_status status = make_key(p, source_sha256, key, err);
    if (!status) status = name_files(out, name, folder, key, &record, err);
    if (!status) status = rp_directory_create(folder, err);
    if (status) goto done;
    out->reused = read_record(record, out);
    if (out->reused) goto done;
    status = make_files(p, image, mask, out, err);
    if (!status) status = write_record(record, out, err);
done:
    if (status) rp_train_case_release(out);
    return status;
}
