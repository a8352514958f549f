/* Letters of names without what spelling may add to them. Latin, Greek and Cyrillic are folded,
 * other scripts kept as they are. */
#ifndef REPRISE_DICOM_NAME_LETTERS_H
#define REPRISE_DICOM_NAME_LETTERS_H

#include <stdint.h>

typedef enum name_kind {
    NAME_LETTER,    /* or digit */
    NAME_SEPARATOR, /* between words */
    NAME_NOTHING,   /* accents, full stops, apostrophes */
    NAME_UNREADABLE /* what a wrong character set makes */
} name_kind;

/* Of a Unicode code point; the folded letter where it is one. */
name_kind name_fold(uint32_t code, uint32_t *letter);

/* A bit for the script of a folded letter; 0 for digits, which are of all. */
unsigned name_script(uint32_t letter);

#endif
