/**
 * @file base.h
 * Status and errors, logging, progress, memory, files, hashing, threads, random numbers.
 *
 * Conventions of every header of this library:
 *  - functions that can fail return rp_status and take `rp_error *err` last; err may be NULL;
 *  - ownership of an output moves to the caller only on RP_OK, otherwise there is nothing to
 * release;
 *  - `_init/_release` act on caller-allocated structs, `_create/_destroy` on opaque heap objects;
 *    releasing a zero-initialised or already released struct is allowed;
 *  - millimetres, LPS (DICOM) world coordinates, Hounsfield units, unless a name says otherwise.
 */
#ifndef REPRISE_BASE_H
#define REPRISE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- status and errors ------------------------------------------------------------------- */

typedef enum rp_status {
    RP_OK = 0,
    RP_ERR_MEMORY,      /**< the system gave no memory */
    RP_ERR_IO,          /**< a file could not be opened, read, written or renamed */
    RP_ERR_FORMAT,      /**< a file is not what it should be, truncated or inconsistent */
    RP_ERR_UNSUPPORTED, /**< valid, but not handled by this program */
    RP_ERR_ARGUMENT,    /**< a value given by the caller is outside its range */
    RP_ERR_REFUSED,     /**< refused for safety (patients mixed, wrong modality, ...) */
    RP_ERR_BUDGET,      /**< the memory plan exceeds the caller's budget */
    RP_ERR_NUMERIC,     /**< NaN or infinity where a number was needed, or divergence */
    RP_ERR_CANCELLED    /**< the caller asked to stop; what was promised to be kept is kept */
} rp_status;

/** What failed, in words for the user; names the file where one is concerned. */
typedef struct rp_error {
    rp_status status;
    int number; /**< errno, where a call of the system failed with it; else 0 */
    char message[1024];
} rp_error;

#define RP_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/** Sets *err (unless NULL) and returns status, so that `return rp_fail(...)` works. */
rp_status rp_fail(rp_error *err, rp_status status, const char *format, ...) RP_PRINTF(3, 4);

/** Puts "prefix: " before the message already in *err; returns err's status. */
rp_status rp_fail_in(rp_error *err, rp_status status, const char *format, ...) RP_PRINTF(3, 4);

/** A short English noun phrase for a status, never NULL. */
const char *rp_status_text(rp_status status);

/* ---- log and progress -------------------------------------------------------------------- */

typedef enum rp_log_level { RP_LOG_DEBUG, RP_LOG_INFO, RP_LOG_WARNING, RP_LOG_ERROR } rp_log_level;

/** Receives complete lines without newline or any other control character (rp_text_printable). Must
 * be thread safe. No patient data may be logged. */
typedef void (*rp_log_sink)(rp_log_level level, const char *line, void *context);

/** Replaces the sink (default: none, everything is dropped). Not thread safe; call at start-up. */
void rp_log_set_sink(rp_log_sink sink, void *context);
void rp_log(rp_log_level level, const char *format, ...) RP_PRINTF(2, 3);

/** What is odd about an input that can be read all the same: for terminal, result and report. */
typedef struct rp_remark {
    const char *key; /**< for programs, in snake_case; a literal */
    char text[640];  /**< a sentence for people, with full stop; no patient data, no path */
} rp_remark;

/** Zero-initialised: none. Not thread safe. */
typedef struct rp_remarks {
    rp_remark *items;
    size_t count;
} rp_remarks;

/** Adds one; where its key is there with the same text, nothing. remarks may be NULL: then, and
 * when memory is short, it is logged as a warning instead, so that it is told in any case. */
void rp_remark_add(rp_remarks *remarks, const char *key, const char *format, ...) RP_PRINTF(3, 4);
/** NULL: there is none of that key. */
const rp_remark *rp_remark_find(const rp_remarks *remarks, const char *key);
void rp_remarks_release(rp_remarks *remarks);

/**
 * How long work reports itself and is asked to stop. A NULL rp_progress* is valid everywhere.
 * `report` is called from one thread at a time; done/total in units of the stage (steps, tiles,
 * files); note may be NULL. `cancelled` may be NULL; when it returns true the work stops at the
 * next safe point with RP_ERR_CANCELLED.
 */
typedef struct rp_progress {
    void (*report)(void *context, const char *stage, double done, double total, const char *note);
    bool (*cancelled)(void *context);
    void *context;
} rp_progress;

void rp_progress_report(const rp_progress *progress, const char *stage, double done, double total,
                        const char *note);
bool rp_progress_cancelled(const rp_progress *progress);

/* ---- texts of other people --------------------------------------------------------------- */

enum {
    RP_TEXT_SHOWN = 16 /**< bytes that one shown character takes at most, the end included */
};
/** Stands for a byte that is no UTF-8. */
#define RP_TEXT_INVALID 0xFFFFFFFFu

/** Bytes of the first character of a text in UTF-8 and its code point; RP_TEXT_INVALID and 1 for a
 *  byte that is none of UTF-8, 0 where the text ends within a character or is empty. */
size_t rp_text_character(const char *text, size_t length, uint32_t *code);
/**
 * How a terminal or a log may be shown the first character of a text: itself; or where it is a
 * control character (C0, DEL, C1), a line separator, a mark of writing direction or an invisible
 * one, "\u001b" as JSON writes it; or for a byte that is no UTF-8 "\xff". Gives the bytes of the
 * text that this stands for, 0 where the text ends within the character.
 */
size_t rp_text_show(char to[RP_TEXT_SHOWN], const char *text, size_t length);
/** A whole text so, on one line: tabs and line ends are shown too. As snprintf: cut at a character
 * to what fits, and the length that it would have had. */
size_t rp_text_printable(char *to, size_t size, const char *text);

/* ---- memory ------------------------------------------------------------------------------ */

/**
 * count * size bytes, zeroed, aligned to 64 bytes; NULL when the product overflows or memory is
 * short. count or size 0 gives a valid pointer. Free with rp_free().
 */
void *rp_alloc(size_t count, size_t size);
/** The same without the wide alignment (as malloc), for the many small pieces of trees and texts:
 *  several times faster. Free with rp_free(). */
void *rp_alloc_small(size_t count, size_t size);
void rp_free(void *block);
/** As strdup, by rp_alloc; NULL on NULL or when memory is short. */
char *rp_strdup(const char *text);
/** printf into a new rp_alloc'd string; NULL when memory is short. */
char *rp_format(const char *format, ...) RP_PRINTF(1, 2);

static inline void rp_free_indirect(void *pointer_to_block)
{
    rp_free(*(void **)pointer_to_block);
}
/** `RP_AUTOFREE char *s = ...;` frees s with rp_free when it leaves scope. */
#define RP_AUTOFREE __attribute__((cleanup(rp_free_indirect)))

/**
 * Bytes that the process may still take: what the machine has available, less where a memory limit
 * of its control group (v1 or v2) or of one of the groups around that one leaves less, or its limit
 * on address space. File cache that the kernel would give up counts as available. 0 where nothing
 * is known. root: "" for this system; another folder that holds proc/ and the mount points, for
 * tests.
 */
size_t rp_memory_available(const char *root);

/** Test hook: the n-th allocation from now on fails (n >= 1); 0 switches it off. */
void rp_test_fail_allocation(long n);
/** Test hook: the n-th file write from now on fails as if the disk were full; 0 switches off. */
void rp_test_fail_write(long n);

/* ---- files ------------------------------------------------------------------------------- */

/** Whole file into an rp_alloc'd buffer, followed by one 0 byte that *size does not count. */
rp_status rp_file_read(const char *path, uint8_t **data, size_t *size, rp_error *err);

/**
 * A file that appears whole or not at all: written beside its path under a temporary name,
 * fsync'd and renamed by commit. Destroy without commit removes the temporary file.
 */
typedef struct rp_outfile rp_outfile;
rp_status rp_outfile_create(const char *path, rp_outfile **out, rp_error *err);
rp_status rp_outfile_write(rp_outfile *out, const void *data, size_t size, rp_error *err);
rp_status rp_outfile_printf(rp_outfile *out, rp_error *err, const char *format, ...)
    RP_PRINTF(3, 4);
/** Path of the temporary file, for libraries that write by name. Valid until destroy. */
const char *rp_outfile_temporary_path(const rp_outfile *out);
/** Flushes, fsyncs, renames over the path. The object must still be destroyed. */
rp_status rp_outfile_commit(rp_outfile *out, rp_error *err);
/** As commit, but under another path of the same file system, and never over an existing file: that
 * is RP_ERR_REFUSED, and nothing changes. For files whose name shows only when they are there. */
rp_status rp_outfile_commit_new(rp_outfile *out, const char *path, rp_error *err);
void rp_outfile_destroy(rp_outfile *out);
/** Removes temporary files that processes which were killed left of this path. For whoever holds it
 *  against living ones (rp_lock_take). */
void rp_outfile_clean(const char *path);
/** create + write + commit. */
rp_status rp_file_write(const char *path, const void *data, size_t size, rp_error *err);

/** mkdir -p. RP_ERR_IO names the path and the reason. */
rp_status rp_directory_create(const char *path, rp_error *err);
/** True for the name (without folder) of what this program writes before it is whole:
 * ".reprise-..." and "NAME.part-" with six letters and digits, one letter at least. */
bool rp_name_is_temporary(const char *name);
/** Every regular file below a folder (recursively, symlinks to files followed), sorted by path, and
 *  links to nothing: whoever reads them finds that they are missing. RP_ERR_IO where a path below
 *  is too long or cannot be reached. Temporary names are passed over, files and folders, with a
 * warning. *paths and each string are rp_alloc'd; free with rp_string_list_free. */
rp_status rp_directory_list(const char *path, char ***paths, size_t *count, rp_error *err);
/** The same with temporary ones. */
rp_status rp_directory_list_all(const char *path, char ***paths, size_t *count, rp_error *err);
void rp_string_list_free(char **strings, size_t count);
bool rp_path_is_directory(const char *path);
bool rp_path_exists(const char *path);
/** "a/b" joined with one slash; rp_alloc'd. */
char *rp_path_join(const char *folder, const char *name);

/* ---- words ------------------------------------------------------------------------------- */

/** Letters that differ, are missing or too many (Levenshtein), capitals apart; 31 where one of the
 *  words is longer than that. */
size_t rp_letters_apart(const char *a, const char *b);
/** Whether words (UTF-8) speak of a lymph node: "lymph node", "lymphadenopathy", "Lymphknoten" and
 *  their like in other languages. */
bool rp_says_lymph_node(const char *text);

/* ---- hashes (SHA-256, lower-case hex) ---------------------------------------------------- */

#define RP_SHA256_HEX 65
void rp_sha256(const void *data, size_t size, char hex[RP_SHA256_HEX]);
rp_status rp_sha256_file(const char *path, char hex[RP_SHA256_HEX], rp_error *err);
/** HMAC-SHA-256 (RFC 2104) of data under a key of any size. False when OpenSSL gives none. */
bool rp_hmac_sha256(const void *key, size_t key_size, const void *data, size_t size,
                    uint8_t digest[32]);

/* ---- threads ----------------------------------------------------------------------------- */

/** Number of workers used by rp_parallel_for from now on; 0 = one per available processor. */
void rp_threads_set(int count);
int rp_threads_get(void);

/** task: 0..count-1; worker: 0..rp_threads_get()-1, unique among tasks running together. */
typedef void (*rp_task)(void *context, size_t task, int worker);

/**
 * Runs every task once, on any worker in any order, and returns when all are done. Results must
 * depend on the task alone, never on the worker, so that any thread count gives the same bits.
 * Called from inside a task it runs serially as worker of the caller.
 */
void rp_parallel_for(size_t count, rp_task task, void *context);
/** From now on loops of the calling thread run on it alone: for a thread that works beside the one
 *  that uses the pool, and must not take the pool from it. */
void rp_threads_keep_out(void);

/**
 * Denormal numbers (below 1.2e-38 in float32) are taken and given as 0 from now on in the calling
 * thread, float64 alike; returns what rp_denormals_restore wants. Intel processors take some
 * hundred cycles for each of them, and a trained network is full of them. rp_parallel_for does it
 * for its tasks on every thread, and so do the network's steps, so that what is computed depends
 * neither on the number of threads nor on the caller. x86-64 and 64-bit Arm; elsewhere nothing.
 */
uint64_t rp_denormals_flush(void);
void rp_denormals_restore(uint64_t state);

/* ---- random numbers ---------------------------------------------------------------------- */

/**
 * Counter-based generator, Philox4x32-10 (Salmon et al., SC 2011). (seed, purpose, step) name an
 * independent stream; drawing does not depend on any other stream.
 */
typedef struct rp_random {
    uint32_t key[2], counter[4], block[4];
    int used;
    bool has_spare;
    double spare;
} rp_random;

void rp_random_init(rp_random *r, uint64_t seed, uint32_t purpose, uint64_t step);
uint32_t rp_random_u32(rp_random *r);
/** Uniform in [0, 1) with 53 bits. */
double rp_random_uniform(rp_random *r);
double rp_random_range(rp_random *r, double low, double high);
/** Standard normal by Box-Muller. */
double rp_random_normal(rp_random *r);
/** One Philox4x32-10 block, for known-answer tests and direct indexing. */
void rp_philox4x32(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

/* ---- dates ------------------------------------------------------------------------------- */

/** Days since 1970-01-01; false for what is no date of the form YYYY-MM-DD from 1900 to 9999. */
bool rp_date_days(const char *date, int *days);

/** Of dates with the year last. */
typedef enum rp_date_order {
    RP_DATE_ORDER_UNKNOWN,
    RP_DATE_DAY_FIRST,
    RP_DATE_MONTH_FIRST
} rp_date_order;

/** What this date shows by itself: 27.4.2020 has the day first, 6.4.2020 may have either. */
rp_date_order rp_date_order_of(const char *text);
/** As YYYY-MM-DD, whatever a person wrote: year first or last, with - . or / between, or YYYYMMDD;
 *  a time of day behind it is dropped. False where it is none, or where neither the date nor the
 *  order told by others beside it says which is the day. */
bool rp_date_read(const char *text, rp_date_order order, char date[16]);
enum { RP_DATE_HINT = 128 };
/** "; write 2020-04-06", "; whether day or month ...", for messages about what is no YYYY-MM-DD; or
 *  "". */
void rp_date_hint(const char *text, char hint[RP_DATE_HINT]);

/* ---- clock ------------------------------------------------------------------------------- */

/** Monotonic seconds. */
double rp_seconds(void);
/** Now as "2026-01-31T12:34:56Z". */
void rp_timestamp_utc(char text[32]);

#ifdef __cplusplus
}
#endif
#endif
