/*
 * What the commands share: the table, exit codes, common options, progress, loading of inputs,
 * settings. Only this folder prints, exits or reads the environment.
 */
#ifndef REPRISE_CMD_H
#define REPRISE_CMD_H

#include <argp.h>

#include "reprise/base_stage.h"
#include "reprise/dicom_seg.h"
#include "reprise/guard.h"
#include "reprise/io.h"
#include "reprise/kernels.h"
#include "reprise/learn.h"
#include "reprise/measure.h"
#include "reprise/response.h"
#include "reprise/track_verify.h"
#include "reprise/volume_values.h"

enum { CMD_DONE = 0, CMD_FAILED = 1, CMD_USAGE = 2, CMD_REFUSED = 3 };

typedef struct cmd_entry {
    const char *name, *summary;
    int (*run)(int argc, char **argv); /* argv[0] is "reprise NAME"; returns an exit code */
} cmd_entry;

/* One per command, in a file of its own. */
int cmd_assess(int argc, char **argv);
int cmd_adapt(int argc, char **argv);
int cmd_segment(int argc, char **argv);
int cmd_measure(int argc, char **argv);
int cmd_respond(int argc, char **argv);
int cmd_track(int argc, char **argv);
int cmd_register(int argc, char **argv);
int cmd_compare_masks(int argc, char **argv);
int cmd_simulate(int argc, char **argv);
int cmd_phantom(int argc, char **argv);
int cmd_import(int argc, char **argv);
int cmd_manifest(int argc, char **argv);
int cmd_convert(int argc, char **argv);
int cmd_info(int argc, char **argv);
int cmd_anonymize(int argc, char **argv);
int cmd_send(int argc, char **argv);
int cmd_receive(int argc, char **argv);
int cmd_bench(int argc, char **argv);
int cmd_train(int argc, char **argv);
int cmd_pretrain(int argc, char **argv);
int cmd_evaluate(int argc, char **argv);

/* ---- errors (errors.c) ------------------------------------------------------------------- */

/* Prints "reprise: MESSAGE" to stderr and returns the exit code: RP_ERR_REFUSED gives CMD_REFUSED,
 * anything else CMD_FAILED. */
int cmd_fail(const rp_error *err);
/* "reprise NAME: MESSAGE" and a pointer to --help on stderr; returns CMD_USAGE. */
int cmd_usage(const char *command, const char *format, ...) RP_PRINTF(2, 3);

/* ---- options that every command takes (common.c) ----------------------------------------- */

typedef struct cmd_common {
    int threads;         /* 0: all */
    size_t memory_bytes; /* --memory; 0: not given */
    const char *cpu;     /* --cpu ref|avx2|avx512|neon */
    bool quiet;
} cmd_common;

/* As an argp child whose input is a cmd_common*: --threads --memory --cpu --quiet. argp itself ends
 * the program on --help, and with CMD_USAGE on wrong usage. */
extern const struct argp cmd_common_argp;
/* Sets threads and kernels. */
rp_status cmd_common_apply(const cmd_common *common, rp_error *err);
/* False when the text is not wholly such a value. */
bool cmd_parse_int(const char *text, int low, int high, int *value);
bool cmd_parse_seed(const char *text, uint64_t *seed);
bool cmd_parse_number(const char *text, double *value);
/* "AxBxC" or "A,B,C", in the order of the text. */
bool cmd_parse_numbers(const char *text, double values[3]);
/* Voxels as "ZxYxX", whole numbers from 1 to largest; size is x, y, z. */
bool cmd_parse_extent(const char *text, int largest, int size[3]);
/* The largest extent that a network is asked to take. */
enum { CMD_LARGEST_EXTENT = 4096 };
bool cmd_parse_definition(const char *text, rp_diameter_definition *definition);
/* "8G", "512M", "1.5GiB" or plain bytes. */
bool cmd_parse_bytes(const char *text, size_t *bytes);
/* --memory, or three quarters of what the system has available. */
size_t cmd_memory_budget(const cmd_common *common);

/* ---- progress and interruption (progress.c) ---------------------------------------------- */

/* Installs handlers of SIGINT, SIGTERM, SIGHUP and SIGXCPU on first use. A rewritten line with rate
 * and time left on a terminal, never wider than that, plain lines every few seconds otherwise,
 * nothing when quiet. */
const rp_progress *cmd_progress(const cmd_common *common);
/* What goes on from now on, "reading PATH", shown where it takes longer than a second and a half
 * and nothing is reported meanwhile; NULL: nothing that has a name. */
void cmd_doing(const char *format, ...) RP_PRINTF(1, 2);
/* Ends the current line and whatever was going on, so that a message may follow. */
void cmd_progress_end(void);
/* Of cmd_common_apply: from now on a silent step is told of, unless quiet, until cmd_progress_end
 * or something is printed to stdout. */
void cmd_progress_start(bool quiet);
bool cmd_interrupted(void);
/* Sink for the library's log: warnings and errors to stderr. */
void cmd_log(rp_log_level level, const char *line, void *context);

/* ---- what a terminal is shown (streams.c) ------------------------------------------------- */

/* From now on whatever is printed to stdout and stderr goes there without control characters
 * (rp_text_show) other than line ends and tabs. False when memory is short. */
bool cmd_filter_streams(void);
/* Whether whoever read stdout has closed it. */
bool cmd_reader_left(void);
/* To the begin of the terminal's line, which is cleared: past the filter of stderr. */
void cmd_rewrite_line(void);
/* A text of a file, or a name of one, so that it takes one line: the text itself, or where it holds
 * something to be escaped up to 1023 bytes, valid until the eighth next call of the thread. */
const char *cmd_shown(const char *text);

/* ---- inputs (input.c) -------------------------------------------------------------------- */

/* A CT from a DICOM folder or a NIfTI file. */
typedef struct cmd_ct {
    const char *path; /* as given; borrowed */
    bool is_dicom;
    rp_dicom_series series;     /* image is always in series.image; the header is empty for NIfTI */
    char sha256[RP_SHA256_HEX]; /* of geometry and voxels */
    char label[32];             /* "synthetic" or "simulated" when the input says so, else "" */
    char repair[512];           /* how it differs from the slices acquired, in words; else "" */
    rp_values values;           /* taken of a CT, and of NIfTI; else slices is 0 */
    rp_remarks remarks;         /* what is odd about it */
} cmd_ct;

typedef struct cmd_ct_options {
    const char *series; /* --series */
    bool allow_non_ct, allow_mixed_patients;
} cmd_ct_options;

/* The option --repair of every command that loads CTs; a child of its argp, without input. */
extern const struct argp cmd_repair_argp;
/* What was done to an image. */
rp_json *cmd_repair_json(const rp_dicom_repair *repair);
/* Of all that this run has loaded, "repaired_images" and "remarks" ([{"path", "key", "text"}]),
 * where there are any. cmd_provenance_json holds both. */
void cmd_set_told(rp_json *json);
/* remarks.c: warns on the terminal of what is odd about an input, and keeps it for cmd_set_told.
 * Each remark of a path is told once in a run. cmd_ct_load and cmd_contour_load do it for theirs.
 */
void cmd_tell(const char *path, const rp_remarks *remarks);
/* The same for remarks that are not kept anywhere else: releases them too. */
void cmd_tell_all(const char *path, rp_remarks *remarks);
void cmd_set_remarks(rp_json *json);

/* A DICOM folder, file or DICOMDIR, or a NIfTI file. Uneven series are loaded with --repair only.
 */
rp_status cmd_ct_load(const char *path, const cmd_ct_options *options, const rp_progress *progress,
                      cmd_ct *ct, rp_error *err);
void cmd_ct_release(cmd_ct *ct);
/* plane.c: tells of slices that are not axial. NIfTI does not say which of its axes lies across the
 * slices, so there a clearly coarser spacing counts. */
void cmd_remark_plane(const rp_grid *grid, bool is_dicom, rp_remarks *remarks);
/* Between axial planes, whichever axis of the file they lie across. */
double cmd_slice_spacing(const cmd_ct *ct);

typedef enum cmd_contour_format { CMD_NIFTI, CMD_RTSTRUCT, CMD_SEG } cmd_contour_format;

/* A lesion from FILE[:ROI] on the grid of a CT. */
typedef struct cmd_contour {
    rp_mask mask;
    char sha256[RP_SHA256_HEX]; /* of the file */
    cmd_contour_format format;
    bool other_series;            /* refers to another series in the same frame of reference */
    char roi_name[RP_DICOM_NAME]; /* of a structure or segment */
    rp_remarks remarks;           /* what is odd about it, beside the report */
    char label[32];
} cmd_contour;

typedef struct cmd_contour_options {
    bool allow_series_mismatch; /* contour of another series or frame of reference */
    bool allow_patient_mismatch;
    double fraction;  /* of a fractional SEG, as in rp_seg_mask_options */
    bool allow_empty; /* a NIfTI mask or a segment without any voxel says that the lesion is gone */
} cmd_contour_options;

/* RP_ERR_REFUSED, naming the file: another patient's contour or one in another frame of reference
 * (or, where that is unknown, of another series), outside the image, empty, or covering everything
 * (more than half of the image). A NIfTI mask or a SEG whose grid differs from the CT's is
 * resampled when it lies in the same place, refused when it does not overlap. */
rp_status cmd_contour_load(const char *spec, const cmd_ct *ct, const cmd_contour_options *options,
                           cmd_contour *contour, rp_error *err);
void cmd_contour_release(cmd_contour *contour);
/* Whether a .dcm to be written is a SEG by its name ("...seg.dcm"). */
bool cmd_is_seg_name(const char *path);
double cmd_mask_cc(const rp_mask *mask);
/* True for what has a grid of its own: NIfTI and SEG. */
bool cmd_mask_probe(const char *file);
/* A NIfTI mask, label selecting one value (NULL: the only one), or a segment of a SEG by name or
 * number.
 */
rp_status cmd_mask_read(const char *file, const char *label, rp_mask *mask, rp_remarks *remarks,
                        rp_error *err);
/* A mask FILE[:ROI] that may come without an image: NIfTI and SEG as they are, or with image (may
 * be NULL) on its grid as cmd_contour_load does; an RTSTRUCT needs the image. *ct is loaded where
 * image is given, else zero; the caller releases both. An empty NIfTI mask is allowed without
 * image. */
rp_status cmd_mask_load(const char *spec, const char *image, const rp_progress *progress,
                        cmd_ct *ct, rp_mask *mask, rp_error *err);
/* Splits FILE[:ROI]: the whole text if it names an existing file, else at the last colon whose left
 * side does. *file is rp_alloc'd; *roi points into spec or is NULL. */
rp_status cmd_split_roi(const char *spec, char **file, const char **roi, rp_error *err);
/* Label of material made by `simulate` or `phantom`: from the description of a DICOM series or
 * object (header may be NULL, then it is read), from what a NIfTI file tells of its origin, or from
 * a truth.json beside it whose "files" list it. */
void cmd_find_label(const char *path, const rp_dicom_header *header, char label[32]);
/* Label of material that is partly `a`, partly `b`: synthetic weighs more than simulated. */
const char *cmd_label_of_both(const char *a, const char *b);
/* Makes it the label of both. */
void cmd_add_label(char label[32], const char *other);

/* ---- settings (settings.c, YAML by libcyaml) --------------------------------------------- */

/* Everything that can be tuned: a recipe's, what a file names, the command line, each going before
 * the one named first. */
typedef struct cmd_settings {
    rp_recipe recipe;
    bool has_recipe; /* the command line names it: a file's does not count */
    bool has_epochs; /* of the adaptation, from a file or the command line */
    bool attempts;   /* the way of adapting is to be found (attempts.h) */
    rp_fcd_config network;
    rp_preprocessing preprocessing;
    rp_adapt_options adapt;
    rp_train_options train;
    rp_predict_options predict;
    rp_verify_limits verify;
    rp_guard_options guard;
    rp_guard_limits guard_limits;
    rp_diameter_definition diameter;
} cmd_settings;

void cmd_settings_defaults(cmd_settings *settings);
/* All settings of the adaptation become the recipe's. */
void cmd_settings_take_recipe(cmd_settings *settings, rp_recipe recipe);
/* A crop is one of whole images. */
void cmd_settings_take_crop(cmd_settings *settings, const int crop[3]);
/* Unknown keys and values out of range are errors that name the file and the key. */
rp_status cmd_settings_read(const char *path, cmd_settings *settings, rp_error *err);
/* All of them as JSON, for the provenance of a result. */
rp_json *cmd_settings_json(const cmd_settings *settings);
/* Those that a training depends on. */
rp_json *cmd_train_settings_json(const cmd_settings *settings);

/* ---- outputs (output.c) ------------------------------------------------------------------ */

/* Creates the folder if need be, holds it against other runs until the program ends, proves that a
 * file can be written there, before hours of work, and clears up what a killed run left in it. */
rp_status cmd_prepare_folder(const char *path, rp_error *err);
/* The same for a file to be written. */
rp_status cmd_prepare_file(const char *path, rp_error *err);
/* Lets go what was held; a folder that was made for a run that failed goes where it is empty. */
void cmd_release_outputs(bool failed);
/* RP_ERR_REFUSED when output is the same file as input, or lies in the input folder. */
rp_status cmd_protect_input(const char *input, const char *output, rp_error *err);
/* RP_ERR_IO where the folder holds such a name: what commit would find after the work. */
rp_status cmd_refuse_existing(const char *folder, const char *name, rp_error *err);
/* RP_ERR_IO where the folder exists and holds anything but what killed runs left. */
rp_status cmd_refuse_filled(const char *folder, rp_error *err);
/* {"longest_diameter_mm", "short_axis_mm", "volume_cc", "slice_index", "endpoints_lps", ...}; the
 * series (may be NULL) gives the SOPInstanceUID of the slice. Of an absent lesion the places are
 * null. */
rp_json *cmd_lesion_json(const rp_lesion *lesion, const rp_dicom_series *series);
/* [z, y, x] of x, y, z. */
rp_json *cmd_zyx_json(const int size[3]);
/* To stdout; takes the JSON over. */
rp_status cmd_print_json(rp_json *json, rp_error *err);
/* Program version, kernel table, threads, command line, time. */
rp_json *cmd_provenance_json(int argc, char **argv);
/* The command line as it was typed, with spaces quoted; rp_alloc'd. */
char *cmd_command_line(int argc, char **argv);

#endif
