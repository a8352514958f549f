/* What every fuzz target includes. A target defines fuzz_input, which hands one input to a reader
 * and holds the reader to its contract with fuzz_check; fuzz.c makes libFuzzer's entry point of it,
 * and replay.c a program that runs given files. README.md says how to add one. */
#ifndef REPRISE_FUZZ_H
#define REPRISE_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "reprise/base.h"

/** One input of any content; data may be NULL where size is 0. */
void fuzz_input(const uint8_t *data, size_t size);

/** A path under which the bytes can be read, of a file in memory that no other process sees; it is
 *  valid until the next call. */
const char *fuzz_file(const uint8_t *data, size_t size);

/** A folder in memory with the parts of the input, between lines of FUZZ_CUT, as files; valid until
 *  the next call. At most 16 parts; what follows belongs to the last. */
const char *fuzz_folder(const uint8_t *data, size_t size);
#define FUZZ_CUT "\n--next file--\n"

/** Ends the process, as a finding, where the contract is broken. */
void fuzz_check(bool holds, const char *contract);

/** The contract of each reader: a failure is told in words, with the path, and a success is none.
 */
void fuzz_check_error(rp_status status, const rp_error *err, const char *path);

/** Of delivered values: none is NaN or infinite. */
void fuzz_check_finite(const float *values, size_t count);

#endif
