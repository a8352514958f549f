/**
 * @file io.h
 * NIfTI images, safetensors files, JSON and CSV.
 */
#ifndef REPRISE_IO_H
#define REPRISE_IO_H

#include "reprise/volume.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- NIfTI-1/2 (single file, plain or gzip, either byte order) --------------------------------
 * gzip is recognised by content and may have several members. Geometry: the sform where its code
 * is set, else the qform, else pixdim (nifti1.h: axes R, A, S, first voxel at the origin). A
 * singular sform gives way to a valid qform, a sheared one only where that lies within a voxel of
 * it everywhere and has its volume. xyzt_units m, mm and micron are honoured, unknown is mm.
 * scl_slope 0 or not finite means unscaled. Files are held in memory once as stored and once as
 * delivered. All functions are thread safe.
 *
 * `remarks` (NULL: the log) takes what is odd about a header: "forms_disagree" (sform against qform
 * or pixdim, with what the other one would change), "sform_unusable", "sform_sheared",
 * "qform_unusable", "position_unknown" (neither is set), "length_unit" (not millimetres). */

/** True if the path names a NIfTI file (.nii, .nii.gz) or the file starts like one; for either
 *  file of an .hdr/.img pair too, so that the readers can say why they refuse it. */
bool rp_nifti_probe(const char *path);

typedef struct rp_nifti_info {
    int version; /**< 1 or 2 */
    bool swapped, gzip;
    int datatype; /**< NIfTI code */
    rp_grid grid; /**< as delivered by the readers */
    double scl_slope, scl_inter;
    const char *geometry; /**< "sform", "qform" or "pixdim" : what the grid was taken from */
} rp_nifti_info;

rp_status rp_nifti_info_read(const char *path, rp_nifti_info *info, rp_remarks *remarks,
                             rp_error *err);

/**
 * Any integer or float type, scl_slope/inter applied; RAS becomes LPS; voxel order stays as
 * stored. Refused with RP_ERR_FORMAT: truncated, impossible header, sheared or singular geometry,
 * voxels that no scanner makes (an edge below 0.01 or above 100 mm), NaN or infinite voxels (their
 * number is in the message); RP_ERR_UNSUPPORTED: more than one volume, RGB and complex types, pairs
 * of .hdr and .img.
 */
rp_status rp_nifti_read_image(const char *path, rp_image *image, rp_remarks *remarks,
                              rp_error *err);
/** Values must be whole numbers within int32, but for what rounding leaves (0.001). */
rp_status rp_nifti_read_labels(const char *path, rp_labels *labels, rp_remarks *remarks,
                               rp_error *err);
/** Non-zero is inside. A mask with values other than 0 and one other whole number is refused
 *  unless all labels shall count (any_label); values that are not whole are refused always. */
rp_status rp_nifti_read_mask(const char *path, bool any_label, rp_mask *mask, rp_remarks *remarks,
                             rp_error *err);
#define RP_NIFTI_COMMENT_MAX (32 << 10)
/** The text of the first comment among the header's extensions, to be released with rp_free; NULL:
 *  there is none within the file's first 128 KiB. Extensions that contradict their sizes end the
 *  search; the voxels are not looked at. */
rp_status rp_nifti_read_comment(const char *path, char **comment, rp_error *err);
/** gzip where the name ends in .gz (level 6, no time: same input, same bytes). float32 data;
 *  NIfTI-1, or NIfTI-2 where a size exceeds 32767; sform and qform set, both "scanner"; whole or
 *  not at all. comment (NULL: none; at most RP_NIFTI_COMMENT_MAX bytes) becomes a header extension
 *  of that code. RP_ERR_NUMERIC for NaN or infinite voxels. */
rp_status rp_nifti_write_image(const char *path, const rp_image *image, const char *comment,
                               rp_error *err);
/** As int16 (rounded, clipped): the usual type for CT. */
rp_status rp_nifti_write_image_int16(const char *path, const rp_image *image, const char *comment,
                                     rp_error *err);
rp_status rp_nifti_write_mask(const char *path, const rp_mask *mask, const char *comment,
                              rp_error *err);
rp_status rp_nifti_write_labels(const char *path, const rp_labels *labels, const char *comment,
                                rp_error *err);

/* ---- safetensors ------------------------------------------------------------------------- */

#define RP_TENSOR_MAX_RANK 8

/** One tensor of a safetensors file; data is float32 (F16, BF16 and F64 are converted at reading,
 *  integer types too). */
typedef struct rp_named_tensor {
    char *name;
    int rank;
    int64_t shape[RP_TENSOR_MAX_RANK];
    float *data; /**< see the owner rules of the function at hand */
    bool half;   /**< at writing: stored as F16, rounded to nearest even; false after reading */
} rp_named_tensor;

typedef struct rp_key_value {
    char *key, *value;
} rp_key_value;

typedef struct rp_tensor_file {
    rp_named_tensor *tensors;
    size_t tensor_count;
    rp_key_value *metadata;
    size_t metadata_count;
} rp_tensor_file;

/**
 * Everything owned by *file, in the order of the header. NaN passes. Hostile headers are refused:
 * header longer than the file or 64 MiB, offsets that overlap, leave holes, leave the file or
 * disagree with the shape, duplicate names.
 */
rp_status rp_safetensors_read(const char *path, rp_tensor_file *file, rp_error *err);
/** F32, or F16 where a tensor asks for it; names in the order given, metadata as strings and first,
 *  data at a multiple of 8 bytes; whole or not at all. RP_ERR_ARGUMENT for equal names and invalid
 *  shapes, RP_ERR_NUMERIC for a finite value that F16 cannot hold. Copies no F32 data. */
rp_status rp_safetensors_write(const char *path, const rp_tensor_file *file, rp_error *err);
void rp_tensor_file_release(rp_tensor_file *file);
/** NULL when absent. */
const rp_named_tensor *rp_tensor_file_find(const rp_tensor_file *file, const char *name);
const char *rp_tensor_file_metadata(const rp_tensor_file *file, const char *key);

/* ---- JSON (jansson inside) --------------------------------------------------------------------
 * Values are reference-free trees: setting a child moves it into its parent. Allocation failure is
 * remembered and reported by rp_json_text/rp_json_write, so builders need no checks in between.
 * Members keep their order; setting a key again replaces its value. Numbers are written with the
 * fewest digits that read back as the same double; bytes that are no UTF-8 become U+FFFD. */

typedef struct rp_json rp_json;

rp_json *rp_json_object(void);
rp_json *rp_json_array(void);
void rp_json_destroy(rp_json *value);
/** NaN and infinities become null. */
void rp_json_set_number(rp_json *object, const char *key, double value);
void rp_json_set_int(rp_json *object, const char *key, int64_t value);
void rp_json_set_bool(rp_json *object, const char *key, bool value);
/** NULL becomes null. */
void rp_json_set_string(rp_json *object, const char *key, const char *value);
void rp_json_set(rp_json *object, const char *key, rp_json *child);
void rp_json_set_numbers(rp_json *object, const char *key, const double *values, size_t count);
void rp_json_append(rp_json *array, rp_json *child);
void rp_json_append_number(rp_json *array, double value);
void rp_json_append_int(rp_json *array, int64_t value);
void rp_json_append_string(rp_json *array, const char *value);
/** Indented text with final newline, rp_alloc'd; NULL if anything failed on the way. */
char *rp_json_text(const rp_json *value);
/** The same in one line, without spaces and final newline. */
char *rp_json_compact_text(const rp_json *value);
rp_status rp_json_write(const char *path, const rp_json *value, rp_error *err);

/** Bytes of the mark that some programs set before UTF-8: 3 or 0. */
size_t rp_utf8_mark(const void *text, size_t size);
/** Reading, also behind such a mark; the message of a syntax error names path, line and column. */
rp_status rp_json_read(const char *path, rp_json **value, rp_error *err);
rp_status rp_json_parse(const char *text, rp_json **value, rp_error *err);
/** Takes one value of many; it is destroyed afterwards. */
typedef rp_status (*rp_json_item)(void *context, size_t index, const rp_json *value, rp_error *err);
/** Of a file that is an object with an array of objects or arrays under that key, each of them in
 *  turn, from the calling thread, with the memory of some hundred at a time (all threads parse); of
 *  any other file the whole as the only one. What stands round the array is checked last. Stops
 *  where item fails. */
rp_status rp_json_read_each(const char *path, const char *key, rp_json_item item, void *context,
                            rp_error *err);
/** Borrowed child or NULL. */
const rp_json *rp_json_get(const rp_json *object, const char *key);
const rp_json *rp_json_at(const rp_json *array, size_t index);
size_t rp_json_length(const rp_json *array);
/** Objects too have a length and children by index, in the order of the text; this is the key of
 *  one. Borrowed; NULL for arrays and beyond the end. */
const char *rp_json_key_at(const rp_json *object, size_t index);
bool rp_json_is_array(const rp_json *value);
bool rp_json_is_object(const rp_json *value);
/** Of NULL too. */
bool rp_json_is_null(const rp_json *value);
/** The value itself as a number (an int too), int or string; false or NULL for any other type. */
bool rp_json_as_number(const rp_json *value, double *out);
bool rp_json_as_int(const rp_json *value, int64_t *out);
const char *rp_json_as_string(const rp_json *value);
/** False (and *out untouched) when absent or of another type. */
bool rp_json_get_number(const rp_json *object, const char *key, double *out);
bool rp_json_get_int(const rp_json *object, const char *key, int64_t *out);
bool rp_json_get_bool(const rp_json *object, const char *key, bool *out);
/** Borrowed string or NULL. */
const char *rp_json_get_string(const rp_json *object, const char *key);

/* ---- CSV (RFC 4180) ---------------------------------------------------------------------------
 */

typedef struct rp_csv_row {
    size_t line; /**< on which the row starts; 1 is the first of the file */
    char **cells;
    size_t count;
} rp_csv_row;

typedef struct rp_csv_fault {
    size_t line;
    const char *text; /**< what is wrong there */
} rp_csv_fault;

typedef struct rp_csv_table {
    rp_csv_row *rows; /**< without those that hold nothing */
    rp_csv_fault *faults;
    size_t count, fault_count;
    char separator;
    char **cells, *text; /**< of all rows */
    char **made;         /**< cells that rp_csv_dates rewrote */
    size_t made_count;
} rp_csv_table;

/** Text of size bytes in UTF-8 or UTF-16 (with or without byte order mark). Cells are separated by
 *  what a first line "sep=;" says, else by whichever of comma, semicolon, tabulator and | the
 *  header has most of. Lines end in LF, CRLF or CR; blanks round a cell without quotes and empty
 *  cells beyond the header's last do not count. An apostrophe before = + - @ goes
 *  (rp_csv_write_cell puts it there). What is no CSV, no UTF-8, or
 *  the file of a spreadsheet is listed among the faults; the rows that can be told are delivered
 *  nevertheless. RP_ERR_MEMORY only. */
rp_status rp_csv_parse(const uint8_t *text, size_t size, rp_csv_table *table, rp_error *err);
void rp_csv_release(rp_csv_table *table);
/** In the columns at these places, below the header: decimal commas become points, where the
 *  numbers of all of them together leave no doubt that the comma is one (12,5; not 1,234 alone
 *  unless semicolons separate) and none has a point. Cells may hold several numbers with semicolons
 *  between. What stays as it is fails to be read as a number. Returns what else is not clear, a
 *  sentence without full stop: points that may stand between thousands, in a table of a country
 *  that has them there; NULL: nothing. */
const char *rp_csv_numbers(rp_csv_table *table, const size_t *places, size_t count);
/** Why a cell is no number, and what to write instead: "has a decimal comma ...". */
const char *rp_csv_number_fault(const char *cell);
/** In the column at this place, below the header: dates as people write them become YYYY-MM-DD,
 *  where the date itself or the others of the column tell day from month (rp_date_read). */
rp_status rp_csv_dates(rp_csv_table *table, size_t place, rp_error *err);
/** What a row with more cells than the header may be about, for the end of a message; or "". */
const char *rp_csv_width_fault(const rp_csv_table *table, const rp_csv_row *row);
/** One cell and what follows it; in quotes where it needs them. Text that begins with = + - @ (of
 *  full width too), a tabulator or a line end gets an apostrophe before it, so that no spreadsheet
 * executes it; numbers do not. rp_csv_parse gives back the same text. */
rp_status rp_csv_write_cell(rp_outfile *out, const char *cell, const char *after, rp_error *err);

#ifdef __cplusplus
}
#endif
#endif
