/* Folders, protection of the inputs, and the JSON that several results share. */
#define _GNU_SOURCE

#include "cmd.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- paths ---------------------------------------------------------------------------------- */

/* "." for a bare name; rp_alloc'd. */
static char *folder_of(const char *path)
{
    RP_AUTOFREE char *copy = rp_strdup(path);
    return copy ? rp_strdup(dirname(copy)) : NULL;
}

/* The real path of something that need not exist yet: of what exists of it, and the rest. */
static bool resolve(const char *path, char resolved[PATH_MAX])
{
    if (realpath(path, resolved)) return true;
    RP_AUTOFREE char *folder = folder_of(path);
    RP_AUTOFREE char *copy = rp_strdup(path);
    char parent[PATH_MAX];
    if (!folder || !copy || strcmp(folder, path) == 0 || !resolve(folder, parent)) return false;
    const char *root = strcmp(parent, "/") == 0 ? "" : parent;
    const int length = snprintf(resolved, PATH_MAX, "%s/%s", root, basename(copy));
    return length > 0 && length < PATH_MAX;
}

/* ---- what this run writes ---------------------------------------------------------------- */

/* Everything held until the program ends. */
typedef struct held {
    rp_lock *lock;
    char *path;
    char *made; /* the folder */
    int depth;  /* how many of it and those around it were not there */
    struct held *next;
} held;

static held *all_held;

static void release_held(held *one)
{
    rp_lock_drop(one->lock);
    rp_free(one->path);
    rp_free(one->made);
    rp_free(one);
}

/* Folders of a path that are not there. */
static int missing_folders(const char *path)
{
    RP_AUTOFREE char *copy = rp_strdup(path);
    int count = 0;
    for (char *at = copy; at && !rp_path_exists(at); at = dirname(at)) count++;
    return count;
}

static int remove_empty(const char *path, const struct stat *info, int kind, struct FTW *walk)
{
    (void)info, (void)walk;
    if (kind == FTW_DP) rmdir(path); /* fails for what holds anything */
    return 0;
}

/* Those that were made, from the innermost on, as long as they are empty. */
static bool remove_folders(const char *path, int depth)
{
    RP_AUTOFREE char *copy = rp_strdup(path);
    if (!copy || depth == 0) return true;
    nftw(copy, remove_empty, 16, FTW_DEPTH | FTW_PHYS);
    for (char *at = dirname(copy); --depth > 0; at = dirname(at)) rmdir(at);
    return !rp_path_exists(path);
}

/* The folder is that of path, or path itself, and is made where it is missing. */
static rp_status hold(const char *path, const char *folder, rp_error *err)
{
    char real[PATH_MAX];
    const char *shown = resolve(path, real) ? real : path;
    const int depth = missing_folders(folder);
    rp_status status = rp_directory_create(folder, err);
    for (const held *h = all_held; !status && h; h = h->next)
        if (strcmp(h->path, shown) == 0) return RP_OK;
    held *one = rp_alloc(1, sizeof *one);
    if (one) *one = (held){.path = rp_strdup(shown), .made = rp_strdup(folder), .depth = depth};
    if (!status && (!one || !one->path || !one->made))
        status = rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", path);
    if (!status) status = rp_lock_take(path, &one->lock, err);
    if (status) {
        if (one) release_held(one);
        return status;
    }
    one->next = all_held;
    all_held = one;
    return RP_OK;
}

void cmd_release_outputs(bool failed)
{
    while (all_held) {
        held *one = all_held;
        all_held = one->next;
        /* Before others can lock them, unless the lock is what is in it. */
        const bool kept = failed && !remove_folders(one->made, one->depth);
        rp_lock_drop(one->lock);
        one->lock = NULL;
        if (kept) remove_folders(one->made, one->depth);
        release_held(one);
    }
}

rp_status cmd_prepare_folder(const char *path, rp_error *err)
{
    const rp_status status = hold(path, path, err);
    if (!status) rp_stage_recover(path);
    return status;
}

rp_status cmd_prepare_file(const char *path, rp_error *err)
{
    if (rp_path_is_directory(path))
        return rp_fail(err, RP_ERR_IO, "%s: a folder, not the name of a file", path);
    RP_AUTOFREE char *folder = folder_of(path);
    if (!folder) return rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", path);
    const rp_status status = hold(path, folder, err);
    if (!status && rp_lock_holds(all_held->lock)) rp_outfile_clean(path);
    return status;
}

rp_status cmd_protect_input(const char *input, const char *output, rp_error *err)
{
    char in[PATH_MAX], out[PATH_MAX];
    if (!resolve(input, in) || !resolve(output, out)) return RP_OK;
    if (strcmp(in, out) == 0)
        return rp_fail(err, RP_ERR_REFUSED, "%s: would overwrite an input", output);
    const size_t length = strlen(in);
    if (rp_path_is_directory(in) && strncmp(in, out, length) == 0 && out[length] == '/')
        return rp_fail(err, RP_ERR_REFUSED, "%s: lies in the input folder %s", output, input);
    return RP_OK;
}

rp_status cmd_refuse_existing(const char *folder, const char *name, rp_error *err)
{
    RP_AUTOFREE char *path = rp_path_join(folder, name);
    if (!path) return rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", folder);
    if (!rp_path_exists(path)) return RP_OK;
    return rp_fail(err, RP_ERR_IO, "%s: exists already; choose another folder", path);
}

rp_status cmd_refuse_filled(const char *folder, rp_error *err)
{
    DIR *list = opendir(folder);
    if (!list && errno == ENOENT) return RP_OK;
    if (!list) return rp_fail(err, RP_ERR_IO, "%s: %s", folder, strerror(errno));
    bool filled = false;
    for (struct dirent *e; !filled && (e = readdir(list));)
        filled = strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
                 !rp_name_is_temporary(e->d_name);
    closedir(list);
    if (!filled) return RP_OK;
    return rp_fail(err, RP_ERR_IO, "%s: exists already and is not empty; choose another folder",
                   folder);
}

/* ---- JSON -------------------------------------------------------------------------------- */

static rp_json *ends_json(const double ends[2][3])
{
    rp_json *both = rp_json_array();
    for (int i = 0; i < 2; i++) {
        rp_json *end = rp_json_array();
        for (int a = 0; a < 3; a++) rp_json_append_number(end, ends[i][a]);
        rp_json_append(both, end);
    }
    return both;
}

static void set_places(rp_json *json, const rp_lesion *lesion)
{
    rp_json_set(json, "endpoints_lps", ends_json(lesion->long_axis_lps));
    rp_json_set(json, "short_axis_endpoints_lps", ends_json(lesion->short_axis_lps));
    rp_json_set_numbers(json, "slice_position_lps", lesion->slice_position_lps, 3);
    rp_json_set_numbers(json, "centroid_lps", lesion->centroid_lps, 3);
    rp_json_set_int(json, "first_slice", lesion->first_slice);
    rp_json_set_int(json, "last_slice", lesion->last_slice);
}

rp_json *cmd_lesion_json(const rp_lesion *lesion, const rp_dicom_series *series)
{
    static const char *const places[] = {"endpoints_lps",      "short_axis_endpoints_lps",
                                         "slice_position_lps", "centroid_lps",
                                         "first_slice",        "last_slice"};
    rp_json *json = rp_json_object();
    const int z = lesion->slice_index;
    rp_json_set_int(json, "label", lesion->label);
    rp_json_set_number(json, "longest_diameter_mm", lesion->longest_diameter_mm);
    rp_json_set_number(json, "short_axis_mm", lesion->short_axis_mm);
    rp_json_set_number(json, "volume_cc", lesion->volume_cc);
    rp_json_set_int(json, "voxels", (int64_t)lesion->voxels);
    rp_json_set_int(json, "slice_index", z);
    rp_json_set_int(json, "slice_axis", lesion->slice_axis);
    if (lesion->voxels > 0)
        set_places(json, lesion);
    else
        for (size_t i = 0; i < sizeof places / sizeof *places; i++)
            rp_json_set_string(json, places[i], NULL);
    /* Across the slices of a sagittal or coronal series no image shows the plane measured. */
    const bool known = series && series->sop_uids && lesion->slice_axis == 2 && z >= 0 &&
                       z < series->image.grid.size[2];
    if (known && series->sop_uids[z][0])
        rp_json_set_string(json, "sop_instance_uid", series->sop_uids[z]);
    return json;
}

rp_json *cmd_zyx_json(const int size[3])
{
    rp_json *array = rp_json_array();
    for (int a = 2; a >= 0; a--) rp_json_append_int(array, size[a]);
    return array;
}

rp_status cmd_print_json(rp_json *json, rp_error *err)
{
    RP_AUTOFREE char *text = rp_json_text(json);
    rp_json_destroy(json);
    if (!text) return rp_fail(err, RP_ERR_MEMORY, "out of memory for the result");
    fputs(text, stdout);
    return RP_OK;
}

/* One argument for a shell; words of harmless characters stay as they are. */
static void quote(FILE *to, const char *argument)
{
    const char *harmless =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:=,+@%";
    if (*argument && strspn(argument, harmless) == strlen(argument)) {
        fputs(argument, to);
        return;
    }
    fputc('\'', to);
    for (; *argument; argument++) {
        if (*argument == '\'')
            fputs("'\\''", to);
        else
            fputc(*argument, to);
    }
    fputc('\'', to);
}

char *cmd_command_line(int argc, char **argv)
{
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    if (!to) return NULL;
    for (int i = 0; i < argc; i++) {
        if (i > 0) fputc(' ', to);
        if (i > 0)
            quote(to, argv[i]);
        else
            fputs(argv[i], to); /* "reprise NAME" */
    }
    char *line = fclose(to) == 0 ? rp_strdup(text) : NULL;
    free(text);
    return line;
}

rp_json *cmd_provenance_json(int argc, char **argv)
{
    rp_json *json = rp_json_object();
    RP_AUTOFREE char *line = cmd_command_line(argc, argv);
    char now[32];
    rp_timestamp_utc(now);
    rp_json_set_string(json, "program", "reprise");
    rp_json_set_string(json, "version", RP_VERSION);
    rp_json_set_string(json, "command_line", line);
    rp_json_set_string(json, "kernels", rp_kernels_get()->name);
    rp_json_set_int(json, "threads", rp_threads_get());
    rp_json_set_string(json, "finished", now);
    cmd_set_told(json);
    return json;
}
