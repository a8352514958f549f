/* Whether two headers can be of one patient. */
#include "reprise/dicom_patient.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "name_letters.h"

enum { MOST_WORDS = 16, LONGEST_WORD = 32, GROUPS = 3 };

/* One word of a name, folded: what is left of it when spelling does not count. */
typedef struct word {
    uint32_t letters[LONGEST_WORD];
    int length;
} word;

/* One group of a name. */
typedef struct name {
    word words[MOST_WORDS];
    int count;
    uint64_t scripts;          /* bits of name_script */
    bool unreadable;           /* some character was lost to a wrong character set */
    char ascii[RP_DICOM_TEXT]; /* its letters without accents, whatever became of the others */
} name;

/* ---- reading a name ---------------------------------------------------------------------- */

/* The next code point of UTF-8; U+FFFD for a byte that is none. */
static uint32_t next_letter(const unsigned char **at)
{
    const unsigned char *s = *at;
    const int more = s[0] < 0x80       ? 0
                     : s[0] >> 5 == 6  ? 1
                     : s[0] >> 4 == 14 ? 2
                     : s[0] >> 3 == 30 ? 3
                                       : -1;
    static const unsigned char kept[] = {0x7f, 0x1f, 0x0f, 0x07};
    (*at)++;
    if (more < 0) return 0xfffd;
    uint32_t code = s[0] & kept[more];
    for (int i = 1; i <= more; i++) {
        if (s[i] >> 6 != 2) return 0xfffd;
        code = code << 6 | (s[i] & 0x3fu);
    }
    *at += more;
    return code;
}

/* AE, OE and UE stand for the letters with diaeresis, SS for the sharp s. */
static void add_letter(word *w, uint32_t letter)
{
    const uint32_t before = w->length ? w->letters[w->length - 1] : 0;
    if (letter == before) return;
    if (letter == 'E' && (before == 'A' || before == 'O' || before == 'U')) return;
    if (w->length < LONGEST_WORD) w->letters[w->length++] = letter;
}

static bool is_word(const word *w, const char *text, bool beginning)
{
    const int length = (int)strlen(text);
    if (w->length < length || (!beginning && w->length > length)) return false;
    for (int i = 0; i < length; i++)
        if (w->letters[i] != (uint32_t)text[i]) return false;
    return true;
}

/* Before and behind a name; folded as names are. */
static bool is_title(const word *w)
{
    static const char *const titles[] = {"DR",  "PROF", "MR",   "MRS", "MS", "MIS",
                                         "MD",  "PHD",  "DIPL", "ING", "JR", "SR",
                                         "HER", "FRAU", "SIR",  "I",   "IV"};
    for (size_t i = 0; i < sizeof titles / sizeof *titles; i++)
        if (is_word(w, titles[i], false)) return true;
    return false;
}

static void end_word(name *n, bool *open)
{
    if (*open && n->words[n->count].length && n->count < MOST_WORDS - 1) n->count++;
    n->words[n->count] = (word){.length = 0};
    *open = false;
}

static void drop_titles(name *n)
{
    int kept = 0, titles = 0;
    for (int i = 0; i < n->count; i++) titles += is_title(&n->words[i]);
    if (titles == n->count) return;
    for (int i = 0; i < n->count; i++)
        if (!is_title(&n->words[i])) n->words[kept++] = n->words[i];
    n->count = kept;
}

static void add_code(name *n, uint32_t code)
{
    uint32_t letters[NAME_MOST_LETTERS];
    const size_t count = name_fold(code, letters);
    for (size_t i = 0; i < count; i++) {
        n->scripts |= name_script(letters[i]);
        add_letter(&n->words[n->count],
                   letters[i] < 0x80 ? (uint32_t)toupper((int)letters[i]) : letters[i]);
    }
}

static name read_name(const char *text, size_t length)
{
    name n = {.count = 0};
    bool open = false;
    size_t ascii = 0;
    const unsigned char *at = (const unsigned char *)text, *end = at + length;
    while (at < end && *at) {
        const uint32_t code = next_letter(&at);
        switch (name_kind_of(code)) {
        case NAME_LETTER:
            open = true;
            add_code(&n, code);
            if (code < 0x80 && ascii + 1 < sizeof n.ascii)
                n.ascii[ascii++] = (char)toupper((int)code);
            break;
        case NAME_SEPARATOR:
            end_word(&n, &open);
            break;
        case NAME_UNREADABLE:
            n.unreadable = true;
            break;
        case NAME_NOTHING:
            break;
        }
    }
    end_word(&n, &open);
    drop_titles(&n);
    return n;
}

/* ---- what stands for nothing ------------------------------------------------------------- */

static bool is_number(const word *w)
{
    for (int i = 0; i < w->length; i++)
        if (w->letters[i] < '0' || w->letters[i] > '9') return false;
    return true;
}

/* Words of anonymizers, folded as names are. */
static const char *const always[] = {"ANON", "DEIDENT", "PSEUDON", "REMOVED", "REDACT", "DELETED"};

static bool is_any(const word *w, const char *const *list, size_t count, bool beginning)
{
    for (size_t i = 0; i < count; i++)
        if (is_word(w, list[i], beginning)) return true;
    return false;
}

#define IS_ANY(word, list, beginning) is_any(word, list, sizeof(list) / sizeof *(list), beginning)

/* One of the first says it alone, the others where nothing else is there. */
static bool is_no_name(const name *n)
{
    static const char *const alone[] = {
        "NO",      "NAME",    "NONAME",       "NA",    "NUL",     "NIL",       "NONE",
        "PATIENT", "SUBJECT", "CASE",         "X",     "UNKNOWN", "UNAMED",    "BLANK",
        "EMPTY",   "MISING",  "CONFIDENTIAL", "HIDEN", "DE",      "IDENTIFIED"};
    int nothing = 0;
    for (int w = 0; w < n->count; w++) {
        if (IS_ANY(&n->words[w], always, true)) return true;
        nothing += is_number(&n->words[w]) || IS_ANY(&n->words[w], alone, false);
    }
    return nothing == n->count;
}

/* A pseudonym with a number is an ID like any other. */
static bool is_no_id(const name *n)
{
    static const char *const alone[] = {"NUL",   "NIL",   "NONE",  "UNKNOWN",
                                        "BLANK", "EMPTY", "MISING"};
    if (n->count != 1) return n->count == 0;
    for (int i = 0; i < n->words[0].length; i++)
        if (n->words[0].letters[i] <= '9') return false;
    return IS_ANY(&n->words[0], always, true) || IS_ANY(&n->words[0], alone, false);
}

/* ---- comparing names --------------------------------------------------------------------- */

/* Equal, or an initial. */
static bool same_word(const word *a, const word *b)
{
    const int shorter = a->length < b->length ? a->length : b->length;
    if (a->length != b->length && shorter != 1) return false;
    return memcmp(a->letters, b->letters, (size_t)shorter * sizeof *a->letters) == 0;
}

static bool holds_words(const name *all, const name *some)
{
    bool used[MOST_WORDS] = {0};
    for (int i = 0; i < some->count; i++) {
        int k = 0;
        while (k < all->count && (used[k] || !same_word(&all->words[k], &some->words[i]))) k++;
        if (k == all->count) return false;
        used[k] = true;
    }
    return true;
}

/* Letter by letter, wherever the words end: "de la Cruz" and "Delacruz". */
static bool same_letters(const name *a, const name *b)
{
    int i = 0, k = 0, at = 0, other = 0;
    for (;;) {
        while (i < a->count && at == a->words[i].length) i++, at = 0;
        while (k < b->count && other == b->words[k].length) k++, other = 0;
        if (i == a->count || k == b->count) return i == a->count && k == b->count;
        if (a->words[i].letters[at++] != b->words[k].letters[other++]) return false;
    }
}

typedef enum likeness { UNKNOWN, SAME, OTHER } likeness;

static likeness compare_groups(const name *a, const name *b)
{
    enum { TOO_FEW = 2 };
    if (!a->count || !b->count || is_no_name(a) || is_no_name(b)) return UNKNOWN;
    if (holds_words(a, b) || holds_words(b, a) || same_letters(a, b)) return SAME;
    if (a->unreadable || b->unreadable) {
        const size_t length = strlen(a->ascii), other = strlen(b->ascii);
        const size_t shorter = length < other ? length : other;
        if (shorter <= TOO_FEW) return UNKNOWN;
        return strncmp(a->ascii, b->ascii, shorter) == 0 ? SAME : OTHER;
    }
    return a->scripts & b->scripts ? OTHER : UNKNOWN;
}

/* The groups of a name, between equals signs. */
static int split_name(const char *text, name groups[GROUPS])
{
    int count = 0;
    for (; count < GROUPS; count++) {
        const size_t length = strcspn(text, "=");
        groups[count] = read_name(text, length);
        text += length;
        if (!*text++) return count + 1;
    }
    return count;
}

static bool names_differ(const rp_dicom_header *a, const rp_dicom_header *b)
{
    name of_a[GROUPS], of_b[GROUPS];
    const int groups_a = split_name(a->patient_name, of_a),
              groups_b = split_name(b->patient_name, of_b);
    const name id_a = read_name(a->patient_id, strlen(a->patient_id));
    const name id_b = read_name(b->patient_id, strlen(b->patient_id));
    bool other = false;
    for (int i = 0; i < groups_a; i++)
        for (int k = 0; k < groups_b; k++) {
            const bool repeats =
                compare_groups(&of_a[i], &id_a) == SAME || compare_groups(&of_b[k], &id_b) == SAME;
            const likeness found = compare_groups(&of_a[i], &of_b[k]);
            if (found == SAME) return false;
            if (found == OTHER && !repeats) other = true;
        }
    return other;
}

/* ---- the other attributes ---------------------------------------------------------------- */

/* Equal without the spaces round them, or one of them nothing. */
static bool texts_differ(const char *a, const char *b)
{
    while (isspace((unsigned char)*a)) a++;
    while (isspace((unsigned char)*b)) b++;
    size_t long_a = strlen(a), long_b = strlen(b);
    while (long_a && isspace((unsigned char)a[long_a - 1])) long_a--;
    while (long_b && isspace((unsigned char)b[long_b - 1])) long_b--;
    const name word_a = read_name(a, long_a), word_b = read_name(b, long_b);
    if (!long_a || !long_b || (long_a == long_b && memcmp(a, b, long_a) == 0)) return false;
    const bool no_a = !word_a.unreadable && is_no_id(&word_a);
    const bool no_b = !word_b.unreadable && is_no_id(&word_b);
    return !no_a && !no_b;
}

/* A day that somebody may have been born on; with dots in the form of ACR-NEMA. */
static bool read_birth(const char *text, char day[9])
{
    size_t length = 0;
    for (; *text && length < 9; text++)
        if (isdigit((unsigned char)*text))
            day[length < 8 ? length++ : 8] = *text;
        else if (*text != '.' && *text != '-' && *text != ' ')
            return false;
    day[8] = 0;
    return length == 8 && memcmp(day, "19010101", 8) >= 0 && memcmp(day + 4, "1232", 4) < 0;
}

static bool births_differ(const char *a, const char *b)
{
    char day_a[9], day_b[9];
    if (!read_birth(a, day_a) || !read_birth(b, day_b) || strcmp(day_a, day_b) == 0) return false;
    const bool year_alone = strcmp(day_a + 4, "0101") == 0 || strcmp(day_b + 4, "0101") == 0;
    return !(year_alone && memcmp(day_a, day_b, 4) == 0);
}

static bool sexes_differ(const char *a, const char *b)
{
    const int x = toupper((unsigned char)a[strspn(a, " ")]),
              y = toupper((unsigned char)b[strspn(b, " ")]);
    return (x == 'M' && y == 'F') || (x == 'F' && y == 'M');
}

unsigned rp_dicom_identity_differs(const rp_dicom_header *a, const rp_dicom_header *b)
{
    unsigned differs = 0;
    if (texts_differ(a->patient_id, b->patient_id)) differs |= RP_IDENTITY_ID;
    if (texts_differ(a->patient_id_issuer, b->patient_id_issuer)) differs |= RP_IDENTITY_ISSUER;
    if (names_differ(a, b)) differs |= RP_IDENTITY_NAME;
    if (births_differ(a->patient_birth_date, b->patient_birth_date))
        differs |= RP_IDENTITY_BIRTH_DATE;
    if (sexes_differ(a->patient_sex, b->patient_sex)) differs |= RP_IDENTITY_SEX;
    return differs;
}

void rp_dicom_identity_text(unsigned differs, char text[96])
{
    static const char *const words[] = {"patient IDs", "issuers of the patient ID", "names",
                                        "dates of birth", "sexes"};
    enum { COUNT = sizeof words / sizeof *words };
    int left = 0;
    size_t length = 0;
    for (unsigned i = 0; i < COUNT; i++) left += (differs >> i) & 1;
    text[0] = 0;
    for (unsigned i = 0; i < COUNT; i++) {
        if (!((differs >> i) & 1)) continue;
        length += (size_t)snprintf(text + length, 96 - length, "%s%s", words[i],
                                   --left > 1  ? ", "
                                   : left == 1 ? " and "
                                               : "");
    }
}
