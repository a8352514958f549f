/* A growing text, and the ways in which a report puts things into it. */
#ifndef REPRISE_REPORT_TEXT_H
#define REPRISE_REPORT_TEXT_H

#include "reprise/base.h"

/** Zero-initialise; release with rp_text_release. An allocation that fails is remembered in
 *  `failed` and everything after it is dropped, so that callers check once, at the end. */
typedef struct rp_text {
    char *data; /**< always ends in a 0 byte once anything was added */
    size_t length, room;
    bool failed;
} rp_text;

void rp_text_release(rp_text *text);
void rp_text_bytes(rp_text *text, const void *bytes, size_t count);
/** As it is: for markup written by this module. NULL adds nothing. */
void rp_text_add(rp_text *text, const char *markup);
void rp_text_printf(rp_text *text, const char *format, ...) RP_PRINTF(2, 3);
/** Safe in element content and in quoted attributes: & < > " ' become entities, control characters
 *  other than tab and newline, and bytes that are not UTF-8, become U+FFFD. NULL adds nothing. */
void rp_text_escape(rp_text *text, const char *foreign);
/** For what is not markup (a PDF's words): as above, without the entities. */
void rp_text_plain(rp_text *text, const char *foreign);
void rp_text_base64(rp_text *text, const uint8_t *bytes, size_t count);
/** A signed number with a real minus sign (U+2212); plus asks for "+" before positive ones. What
 *  rounds to zero has no sign. An en dash when it is not finite. */
void rp_number_words(char *out, size_t room, double value, int decimals, bool plus);
/** The same, added to the text. */
void rp_text_number(rp_text *text, double value, int decimals, bool plus);

#endif
