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

/* ---- folders ----------------------------------------------------------------------------- */

rp_status cmd_prepare_folder(const char *path, rp_error *err)
{
    rp_status status = rp_directory_create(path, err);
    if (status) return status;
    RP_AUTOFREE char *probe = rp_path_join(path, "reprise-probe");
    if (!probe) return rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", path);
    rp_outfile *file = NULL;
    status = rp_outfile_create(probe, &file, NULL);
    rp_outfile_destroy(file);
    return status ? rp_fail(err, RP_ERR_IO, "%s: no file can be written in this folder", path)
                  : RP_OK;
}

/* "." for a bare name; rp_alloc'd. */
static char *folder_of(const char *path)
{
    RP_AUTOFREE char *copy = rp_strdup(path);
    return copy ? rp_strdup(dirname(copy)) : NULL;
}

rp_status cmd_prepare_file(const char *path, rp_error *err)
{
    if (rp_path_is_directory(path))
        return rp_fail(err, RP_ERR_IO, "%s: a folder, not the name of a file", path);
    RP_AUTOFREE char *folder = folder_of(path);
    if (!folder) return rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", path);
    return cmd_prepare_folder(folder, err);
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

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *walk)
{
    (void)info, (void)kind, (void)walk;
    remove(path);
    return 0;
}

void cmd_remove_tree(const char *path)
{
    nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
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
        filled = strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    closedir(list);
    if (!filled) return RP_OK;
    return rp_fail(err, RP_ERR_IO, "%s: exists already and is not empty; choose another folder",
                   folder);
}

rp_status cmd_stage_begin(const char *folder, cmd_stage *stage, rp_error *err)
{
    const bool existed = rp_path_exists(folder);
    *stage = (cmd_stage){0};
    rp_status status = rp_directory_create(folder, err);
    if (status) return status;
    stage->made_folder = !existed;
    stage->folder = rp_strdup(folder);
    char *name = rp_path_join(folder, ".reprise-XXXXXX");
    if (!stage->folder || !name) {
        status = rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", folder);
    } else if (!mkdtemp(name)) {
        status =
            rp_fail(err, RP_ERR_IO, "%s: no folder can be made in it: %s", folder, strerror(errno));
    } else {
        stage->temporary = name;
        return RP_OK;
    }
    rp_free(name);
    cmd_stage_release(stage);
    return status;
}

/* Checks, or with move does, the transfer of every entry of the temporary folder. */
static rp_status stage_each(cmd_stage *stage, bool move, rp_error *err)
{
    rp_status status = RP_OK;
    DIR *list = opendir(stage->temporary);
    if (!list) return rp_fail(err, RP_ERR_IO, "%s: %s", stage->temporary, strerror(errno));
    for (struct dirent *e; !status && (e = readdir(list));) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        RP_AUTOFREE char *from = rp_path_join(stage->temporary, e->d_name);
        RP_AUTOFREE char *to = rp_path_join(stage->folder, e->d_name);
        if (!from || !to)
            status = rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", stage->folder);
        else if (!move)
            status = cmd_refuse_existing(stage->folder, e->d_name, err);
        else if (rename(from, to) != 0)
            status = rp_fail(err, RP_ERR_IO, "%s: %s", to, strerror(errno));
    }
    closedir(list);
    return status;
}

rp_status cmd_stage_commit(cmd_stage *stage, rp_error *err)
{
    rp_status status = stage_each(stage, false, err);
    if (!status) status = stage_each(stage, true, err);
    if (!status) stage->made_folder = false;
    return status;
}

void cmd_stage_release(cmd_stage *stage)
{
    if (stage->temporary) cmd_remove_tree(stage->temporary);
    if (stage->folder && stage->made_folder) rmdir(stage->folder);
    rp_free(stage->temporary);
    rp_free(stage->folder);
    *stage = (cmd_stage){0};
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
    if (lesion->voxels > 0)
        set_places(json, lesion);
    else
        for (size_t i = 0; i < sizeof places / sizeof *places; i++)
            rp_json_set_string(json, places[i], NULL);
    const bool known = series && series->sop_uids && z >= 0 && z < series->image.grid.size[2];
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
