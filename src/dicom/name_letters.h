/* Letters of names without what spelling may add to them. GLib knows the letters. */
#ifndef REPRISE_DICOM_NAME_LETTERS_H
#define REPRISE_DICOM_NAME_LETTERS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum name_kind {
    NAME_LETTER,    /* or digit */
    NAME_SEPARATOR, /* between words */
    NAME_NOTHING,   /* accents, full stops, apostrophes */
    NAME_UNREADABLE /* what a wrong character set makes */
} name_kind;

enum { NAME_MOST_LETTERS = 24 };

/* What is left of a code point in one case and normal form, without marks, katakana as hiragana,
 * digits of any script as 0 to 9: so many letters, of accents alone none. */
size_t name_fold(uint32_t code, uint32_t letters[NAME_MOST_LETTERS]);

/* What a code point is in a name. */
name_kind name_kind_of(uint32_t code);

/* A bit for the script of a folded letter; 0 for digits and others that are of several. */
uint64_t name_script(uint32_t letter);

#ifdef __cplusplus
}
#endif
#endif
