/* The liver tumour challenge: volume-N.nii and segmentation-N.nii, anywhere below the folder. */
#include "import.h"

#include <stdlib.h>
#include <string.h>

enum { TUMOUR = 2 }; /* 1 is the liver */

/* The number in "volume-12.nii" or "volume-12.nii.gz"; -1 where the name is another. */
static int number_of(const char *path, const char *before)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    const size_t length = strlen(before);
    char *end;
    if (strncmp(name, before, length) != 0 || !name[length]) return -1;
    const long number = strtol(name + length, &end, 10);
    if (number < 0 || number > 99999 || end == name + length) return -1;
    return strcmp(end, ".nii") == 0 || strcmp(end, ".nii.gz") == 0 ? (int)number : -1;
}

static const char *find(char *const *paths, size_t count, const char *before, int number,
                        size_t *copies)
{
    const char *found = NULL;
    *copies = 0;
    for (size_t i = 0; i < count; i++)
        if (number_of(paths[i], before) == number) {
            found = found ? found : paths[i];
            (*copies)++;
        }
    return found;
}

static rp_status add_volume(import_job *job, char *const *paths, size_t count, const char *volume,
                            int value, rp_error *err)
{
    size_t copies, volumes;
    char id[32], roi[16];
    const int number = number_of(volume, "volume-");
    const char *mask = find(paths, count, "segmentation-", number, &copies);
    const char *first = find(paths, count, "volume-", number, &volumes);
    if (!mask) {
        import_leave_out(job, volume, "there is no segmentation-%d", number);
        return RP_OK;
    }
    if (copies > 1 || volumes > 1) {
        if (volume == first)
            import_leave_out(job, volume, "there are several of volume-%d or segmentation-%d",
                             number, number);
        return RP_OK;
    }
    snprintf(id, sizeof id, "lits-%d", number);
    snprintf(roi, sizeof roi, "%d", value);
    return import_pair(job, id, volume, mask, roi, err);
}

rp_status import_lits(import_job *job, rp_error *err)
{
    char **paths = NULL;
    size_t count = 0, copies;
    int value = TUMOUR;
    if (job->label && !cmd_parse_int(job->label, 1, INT32_MAX, &value))
        return rp_fail(err, RP_ERR_ARGUMENT, "--label: the labels of LiTS are numbers, not '%s'",
                       job->label);
    rp_status status = rp_directory_list(job->folder, &paths, &count, err);
    if (status) return status;
    qsort(paths, count, sizeof *paths, import_compare_names);
    for (size_t i = 0; !status && i < count; i++) {
        if (number_of(paths[i], "volume-") >= 0)
            status = add_volume(job, paths, count, paths[i], value, err);
        else if (number_of(paths[i], "test-volume-") >= 0)
            import_leave_out(job, paths[i], "a test volume without segmentation");
        else if (number_of(paths[i], "segmentation-") >= 0 &&
                 !find(paths, count, "volume-", number_of(paths[i], "segmentation-"), &copies))
            import_leave_out(job, paths[i], "there is no volume for it");
        rp_progress_report(job->progress, "files", (double)i + 1, (double)count, NULL);
        if (!status && rp_progress_cancelled(job->progress))
            status = rp_fail(err, RP_ERR_CANCELLED, "interrupted; nothing was written");
    }
    rp_string_list_free(paths, count);
    return status;
}
