/* Words that resemble each other, and words for lymph nodes. */
#define _GNU_SOURCE /* strcasestr */
#include "reprise/base.h"

#include <string.h>
#include <strings.h>

size_t rp_letters_apart(const char *a, const char *b)
{
    enum { LONGEST = 31 };
    size_t row[LONGEST + 1];
    const size_t la = strlen(a), lb = strlen(b);
    if (la > LONGEST || lb > LONGEST) return LONGEST;
    for (size_t j = 0; j <= lb; j++) row[j] = j;
    for (size_t i = 1; i <= la; i++) {
        size_t corner = row[0];
        row[0] = i;
        for (size_t j = 1; j <= lb; j++) {
            const bool same = strncasecmp(&a[i - 1], &b[j - 1], 1) == 0;
            size_t best = corner + (same ? 0 : 1);
            corner = row[j];
            if (row[j] + 1 < best) best = row[j] + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[lb];
}

bool rp_says_lymph_node(const char *text)
{
    static const char *const words[] = {"lymph node",
                                        "lymphnode",
                                        "lymph-node",
                                        "lymph gland",
                                        "lymphadenop",
                                        "lymphknoten",
                                        "linfonod",
                                        "ganglio linf",
                                        "ganglios linf",
                                        "ganglion lymph",
                                        "ganglions lymph",
                                        "lymfklier",
                                        "lymfeknu",
                                        "lymfk\u00f6rt",
                                        "w\u0119z\u0142y ch\u0142onn",
                                        "w\u0119ze\u0142 ch\u0142onn",
                                        "\u043b\u0438\u043c\u0444\u043e\u0443\u0437",
                                        "\u30ea\u30f3\u30d1\u7bc0",
                                        "\u6dcb\u5df4\u7ed3",
                                        "\u6dcb\u5df4\u7d50"};
    if (strcasestr(text, "combined site")) return false; /* of nodes and what they lie in */
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcasestr(text, words[i])) return true;
    return false;
}
