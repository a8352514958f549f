/* What the matching of a visit means: links, with what is for a person to decide. */
#include "internal.h"

#include <math.h>
#include <string.h>

/* Another partner that costs so little more could be meant as well. */
static const double CLEARLY = 0.1;
static const double SHOWN = 0.5;

/* Of the visit: what each found lesion is besides a partner, and what each known one lies in. */
typedef struct reading {
    matching *m;
    int *part_of; /* each found: the known that it is a further part of, or -1 */
    int *lies_in; /* each known: the found that it has become a part of, or -1 */
} reading;

static pair *pair_of(const matching *m, size_t k, size_t f)
{
    return &m->pairs[k * m->found_count + f];
}

static const rp_track_visit *visit_of(const matching *m)
{
    return &m->t->visits[m->visit];
}

static const char *id_of(const matching *m, int lesion)
{
    return m->t->out->lesions[lesion].id;
}

static const char *name_of(const matching *m, size_t found)
{
    return visit_of(m)->found[found].name;
}

void found_names(const rp_track_visit *visit, const size_t *found, size_t count, char *text,
                 size_t size)
{
    size_t length = 0;
    text[0] = '\0';
    for (size_t i = 0; i < count && length < size; i++)
        length += (size_t)snprintf(text + length, size - length, "%s%s", i ? ";" : "",
                                   visit->found[found[i]].name);
}

/* ---- splits and merges ------------------------------------------------------------------- */

/* Most of what is left over lies where a lesion was that has a partner already. */
static void find_parts(reading *r)
{
    const matching *m = r->m;
    for (size_t f = 0; f < m->found_count; f++) {
        double most = m->t->options->overlap;
        r->part_of[f] = -1;
        if (m->owner[f] >= 0) continue;
        for (size_t k = 0; k < m->known_count; k++) {
            const pair *p = pair_of(m, k, f);
            if (m->partner[k] < 0 || p->no_part || p->of_found < most) continue;
            most = p->of_found;
            r->part_of[f] = (int)k;
        }
    }
}

static void find_merged(reading *r)
{
    const matching *m = r->m;
    for (size_t k = 0; k < m->known_count; k++) {
        double most = m->t->options->overlap;
        r->lies_in[k] = -1;
        if (m->partner[k] >= 0 || m->t->known[k].merged_into >= 0) continue;
        for (size_t f = 0; f < m->found_count; f++) {
            const pair *p = pair_of(m, k, f);
            if (m->owner[f] < 0 || p->no_part || p->of_known < most) continue;
            most = p->of_known;
            r->lies_in[k] = (int)f;
        }
    }
}

/* ---- is a match clear? ------------------------------------------------------------------- */

static bool exchangeable(const matching *m, size_t k, size_t f, size_t other)
{
    const int g = m->partner[other];
    if (g < 0 || other == k || pair_of(m, other, (size_t)g)->forced ||
        pair_of(m, other, f)->forbidden || pair_of(m, k, (size_t)g)->forbidden)
        return false;
    const double now = pair_of(m, k, f)->cost + pair_of(m, other, (size_t)g)->cost;
    const double swapped = pair_of(m, k, (size_t)g)->cost + pair_of(m, other, f)->cost;
    return swapped - now < CLEARLY;
}

/* Writes why not, and returns false, where a person should look. */
static bool is_clear(const reading *r, size_t k, size_t f, char *why, size_t size)
{
    const matching *m = r->m;
    const pair *p = pair_of(m, k, f);
    if (p->overlap <= 0.0) {
        snprintf(why, size, "they do not overlap: the surfaces are %.1f mm apart", p->gap_mm);
    } else if (p->overlap < m->t->options->overlap) {
        snprintf(why, size, "they overlap little: %.0f%% of the smaller lies in the other",
                 100.0 * p->overlap);
    } else if (visit_of(m)->doubt) {
        snprintf(why, size, "the registration is in doubt: %s", visit_of(m)->doubt);
    } else {
        for (size_t g = 0; g < m->found_count; g++) {
            if (m->owner[g] >= 0 || r->part_of[g] >= 0 || pair_of(m, k, g)->no_part ||
                !(pair_of(m, k, g)->cost - p->cost < CLEARLY))
                continue;
            snprintf(why, size, "'%.60s' fits as well", name_of(m, g));
            return false;
        }
        for (size_t c = 0; c < m->known_count; c++) {
            const bool alone = m->partner[c] < 0 && r->lies_in[c] < 0 &&
                               m->t->known[c].merged_into < 0 && !pair_of(m, c, f)->no_part &&
                               pair_of(m, c, f)->cost - p->cost < CLEARLY;
            if (!alone && !exchangeable(m, k, f, c)) continue;
            snprintf(why, size, "%s fits as well", id_of(m, (int)c));
            return false;
        }
        return true;
    }
    return false;
}

/* ---- links ------------------------------------------------------------------------------- */

static void set_numbers(const matching *m, size_t k, size_t f, rp_link *link)
{
    const pair *p = pair_of(m, k, f);
    link->overlap = p->overlap;
    link->dice = p->dice;
    link->gap_mm = isinf(p->gap_mm) ? NAN : p->gap_mm;
    link->centroid_mm = p->centroid_mm;
}

static void decide(rp_link *link, const char *word)
{
    link->state = word ? RP_LINK_DECIDED : RP_LINK_PROPOSED;
    snprintf(link->decision, sizeof link->decision, "%s", word ? word : "");
}

/* New lesions stay equivocal until a person has called them new. */
static void call_new(matching *m, size_t k, rp_link *link)
{
    known *lesion = &m->t->known[k];
    link->unequivocal = lesion->unequivocal;
    if (m->t->out->lesions[k].table >= 0 || link->state != RP_LINK_MATCHED) return;
    const char *word =
        decision_on(m->t, m->visit, RP_LINK_NEW, "", name_of(m, link->found[0]), NULL);
    if (!word && lesion->unequivocal) return;
    link->kind = RP_LINK_NEW;
    decide(link, word);
    snprintf(link->reason, sizeof link->reason,
             "seen again; first found at visit '%.60s' and %s there",
             m->t->visits[m->t->out->lesions[k].first_visit].id,
             lesion->unequivocal ? "called new" : "not called new");
    link->unequivocal = lesion->unequivocal = strcmp(link->decision, "new") == 0;
}

static rp_status link_match(const reading *r, size_t k)
{
    matching *m = r->m;
    const size_t f = (size_t)m->partner[k];
    const pair *p = pair_of(m, k, f);
    char why[160];
    rp_link *link = link_add(m->t, m->visit, (int)k, RP_LINK_MATCH, &f, 1);
    if (!link) return RP_ERR_MEMORY;
    set_numbers(m, k, f, link);
    if (p->forced) {
        decide(link, "yes");
        snprintf(link->reason, sizeof link->reason, "matched by a person");
    } else if (is_clear(r, k, f, why, sizeof why)) {
        link->state = RP_LINK_MATCHED;
        snprintf(link->reason, sizeof link->reason, "Dice %.2f, %.0f%% of the smaller in the other",
                 p->dice, 100.0 * p->overlap);
    } else {
        decide(link, NULL);
        snprintf(link->reason, sizeof link->reason, "%s", why);
    }
    call_new(m, k, link);
    return RP_OK;
}

static rp_status link_split(const reading *r, size_t k)
{
    matching *m = r->m;
    size_t parts[RP_TRACK_MOST] = {(size_t)m->partner[k]}, count = 1;
    char names[1024];
    for (size_t f = 0; f < m->found_count; f++)
        if (r->part_of[f] == (int)k) parts[count++] = f;
    found_names(visit_of(m), parts, count, names, sizeof names);
    rp_link *link = link_add(m->t, m->visit, (int)k, RP_LINK_SPLIT, parts, count);
    if (!link) return RP_ERR_MEMORY;
    set_numbers(m, k, parts[0], link);
    link->unequivocal = m->t->known[k].unequivocal;
    const char *word = decision_on(m->t, m->visit, RP_LINK_SPLIT, id_of(m, (int)k), names, NULL);
    if (!word && m->t->known[k].split && !visit_of(m)->doubt) {
        link->state = RP_LINK_MATCHED;
        snprintf(link->reason, sizeof link->reason, "split before, and still is");
        return RP_OK;
    }
    decide(link, word);
    snprintf(link->reason, sizeof link->reason, "%zu lesions lie where it was: %.0f%% of '%.60s'",
             count, 100.0 * pair_of(m, k, parts[1])->of_found, name_of(m, parts[1]));
    return RP_OK;
}

static rp_status link_merged(const reading *r, size_t k)
{
    matching *m = r->m;
    const size_t f = (size_t)r->lies_in[k];
    const int into = m->owner[f];
    rp_link *link = link_add(m->t, m->visit, (int)k, RP_LINK_MERGED, &f, 1);
    if (!link) return RP_ERR_MEMORY;
    set_numbers(m, k, f, link);
    link->into = into;
    link->unequivocal = m->t->known[k].unequivocal;
    decide(link, decision_on(m->t, m->visit, RP_LINK_MERGED, id_of(m, (int)k), name_of(m, f),
                             id_of(m, into)));
    snprintf(link->reason, sizeof link->reason, "%.0f%% of it lies in '%.60s', which is %s",
             100.0 * pair_of(m, k, f)->of_known, name_of(m, f), id_of(m, into));
    return RP_OK;
}

static rp_status link_merged_before(const reading *r, size_t k)
{
    matching *m = r->m;
    const int into = m->t->known[k].merged_into;
    const size_t f = m->partner[into] < 0 ? 0 : (size_t)m->partner[into];
    rp_link *link =
        link_add(m->t, m->visit, (int)k, RP_LINK_MERGED, &f, m->partner[into] < 0 ? 0 : 1);
    if (!link) return RP_ERR_MEMORY;
    link->into = into;
    link->unequivocal = m->t->known[k].unequivocal;
    snprintf(link->reason, sizeof link->reason, "merged into %s before", id_of(m, into));
    if (m->partner[into] < 0) return RP_OK;
    const char *word = decision_on(m->t, m->visit, RP_LINK_MERGED, id_of(m, (int)k), name_of(m, f),
                                   id_of(m, into));
    if (word) decide(link, word);
    return RP_OK;
}

static rp_status link_missing(const reading *r, size_t k)
{
    matching *m = r->m;
    const bool shown = share_shown(m->t, &m->t->known[k], m->visit) >= SHOWN;
    const rp_link_kind kind = shown ? RP_LINK_VANISHED : RP_LINK_OUTSIDE;
    size_t nearest = m->found_count;
    rp_link *link = link_add(m->t, m->visit, (int)k, kind, NULL, 0);
    if (!link) return RP_ERR_MEMORY;
    link->unequivocal = m->t->known[k].unequivocal;
    decide(link, decision_on(m->t, m->visit, kind, id_of(m, (int)k), NULL, NULL));
    for (size_t f = 0; f < m->found_count; f++)
        if (m->owner[f] >= 0 && !isinf(pair_of(m, k, f)->cost) &&
            (nearest == m->found_count || pair_of(m, k, f)->cost < pair_of(m, k, nearest)->cost))
            nearest = f;
    if (!shown)
        snprintf(link->reason, sizeof link->reason, "this visit's image does not show its place");
    else if (nearest < m->found_count)
        snprintf(link->reason, sizeof link->reason,
                 "nothing is left for it: '%.60s', %.1f mm away, is %s", name_of(m, nearest),
                 pair_of(m, k, nearest)->gap_mm, id_of(m, m->owner[nearest]));
    else
        snprintf(link->reason, sizeof link->reason, "nothing was found within %.0f mm of its place",
                 m->t->options->gap_mm);
    return RP_OK;
}

static rp_status link_known(const reading *r, size_t k)
{
    const matching *m = r->m;
    bool parts = false;
    for (size_t f = 0; f < m->found_count; f++) parts |= r->part_of[f] == (int)k;
    const size_t before = m->t->out->link_count;
    rp_status status = m->t->known[k].merged_into >= 0 ? link_merged_before(r, k)
                       : m->partner[k] >= 0            ? parts ? link_split(r, k) : link_match(r, k)
                                  : r->lies_in[k] >= 0 ? link_merged(r, k)
                                                       : link_missing(r, k);
    if (!status) m->t->out->links[before].shift_mm = m->shift_mm[k];
    return status;
}

/* ---- new lesions ------------------------------------------------------------------------- */

static void new_reason(matching *m, size_t k, size_t f, rp_link *link)
{
    size_t nearest = m->known_count;
    for (size_t c = 0; c < m->known_count; c++)
        if (!isinf(pair_of(m, c, f)->cost) &&
            (nearest == m->known_count || pair_of(m, c, f)->cost < pair_of(m, nearest, f)->cost))
            nearest = c;
    if (share_shown(m->t, &m->t->known[k], 0) < SHOWN)
        snprintf(link->reason, sizeof link->reason, "the baseline's image does not show its place");
    else if (nearest < m->known_count)
        snprintf(link->reason, sizeof link->reason, "nothing known is it; %s is %.1f mm away",
                 id_of(m, (int)nearest), pair_of(m, nearest, f)->gap_mm);
    else
        snprintf(link->reason, sizeof link->reason, "nothing known lies within %.0f mm of it",
                 m->t->options->gap_mm);
}

/* Bytes of a text that has no room for more than so many, without cutting a character. */
static int fitting(const char *text, size_t most)
{
    size_t length = strlen(text);
    if (length <= most) return (int)length;
    for (length = most; length && ((unsigned char)text[length] & 0xC0) == 0x80;) length--;
    return (int)length;
}

static bool is_taken(const tracker *t, const char *id)
{
    for (size_t i = 0; i < t->out->lesion_count; i++)
        if (strcmp(t->out->lesions[i].id, id) == 0) return true;
    return false;
}

/* After its visit and name. What is cut, or taken, is told apart by a hash of the whole, so that an
 * id does not depend on which other lesions a person lets stand. */
static rp_status name_new(const matching *m, size_t f, char id[RP_TRACK_ID])
{
    enum { VISIT = 20, NAME = 36, CUT_NAME = 29, DIGITS = 6 };
    const char *visit = visit_of(m)->id, *name = name_of(m, f);
    const int v = fitting(visit, VISIT), n = fitting(name, NAME), c = fitting(name, CUT_NAME);
    char hash[RP_SHA256_HEX];
    snprintf(id, RP_TRACK_ID, "N-%.*s-%.*s", v, visit, n, name);
    if (!visit[v] && !name[n] && !is_taken(m->t, id)) return RP_OK;
    RP_AUTOFREE char *whole = rp_format("%s\n%s", visit, name);
    if (!whole) return rp_fail(m->t->err, RP_ERR_MEMORY, "tracking: out of memory");
    rp_sha256(whole, strlen(whole), hash);
    snprintf(id, RP_TRACK_ID, "N-%.*s-%.*s-%.*s", v, visit, c, name, DIGITS, hash);
    for (int k = 2; is_taken(m->t, id) && k <= RP_TRACK_MOST; k++)
        snprintf(id, RP_TRACK_ID, "N-%.*s-%.*s-%.*s-%d", v, visit, c, name, DIGITS, hash, k);
    return RP_OK;
}

static rp_status link_new(matching *m, size_t f)
{
    tracker *t = m->t;
    char id[RP_TRACK_ID];
    const char *word = decision_on(t, m->visit, RP_LINK_NEW, "", name_of(m, f), NULL);
    const bool lesion = !word || strcmp(word, "no lesion") != 0;
    const int index = lesion ? (int)t->out->lesion_count : -1;
    rp_status status = name_new(m, f, id);
    if (!status && lesion) status = lesion_add(t, id, -1, m->visit, f);
    if (status) return status;
    rp_link *link = link_add(t, m->visit, index, RP_LINK_NEW, &f, 1);
    if (!link) return RP_ERR_MEMORY;
    decide(link, word);
    if (lesion) {
        new_reason(m, (size_t)index, f, link);
        link->unequivocal = word && strcmp(word, "new") == 0;
        t->known[index].unequivocal = link->unequivocal;
    } else {
        snprintf(link->reason, sizeof link->reason, "no lesion, as a person says");
    }
    return RP_OK;
}

/* ---- what is known afterwards -------------------------------------------------------------- */

/* A lesion that is there again counts from here on; a proposal changes nothing. */
static void learn(matching *m, const rp_link *link)
{
    known *k = &m->t->known[link->lesion];
    const bool new_again = link->kind == RP_LINK_NEW && (size_t)link->lesion < m->known_count;
    const bool certain = link->state != RP_LINK_PROPOSED || new_again;
    if (!certain) return;
    if (link->kind == RP_LINK_MERGED) {
        k->merged_into = link->into;
        return;
    }
    if (link->kind != RP_LINK_MATCH && link->kind != RP_LINK_SPLIT && !new_again) return;
    k->visit = m->visit;
    k->part_count = link->found_count;
    memcpy(k->parts, link->found, link->found_count * sizeof *k->parts);
    memcpy(k->shift, m->shift[link->lesion], sizeof k->shift);
    k->split = link->kind == RP_LINK_SPLIT;
}

/* What a lesion measures is open while another may have merged with it. */
static void follow_merges(const matching *m, size_t first)
{
    rp_tracking *out = m->t->out;
    for (size_t i = first; i < out->link_count; i++) {
        if (out->links[i].kind != RP_LINK_MERGED || out->links[i].state != RP_LINK_PROPOSED)
            continue;
        for (size_t j = first; j < out->link_count; j++) {
            rp_link *other = &out->links[j];
            if (other->lesion != out->links[i].into || other->state == RP_LINK_PROPOSED) continue;
            other->state = RP_LINK_PROPOSED;
            other->follows = true;
            snprintf(other->reason, sizeof other->reason, "%s seems to have merged with it",
                     id_of(m, out->links[i].lesion));
        }
    }
}

rp_status links_make(matching *m)
{
    const size_t first = m->t->out->link_count;
    RP_AUTOFREE int *ends = rp_alloc(m->known_count + m->found_count, sizeof *ends);
    if (!ends) return rp_fail(m->t->err, RP_ERR_MEMORY, "tracking: out of memory");
    reading r = {m, ends, ends + m->found_count};
    rp_status status = RP_OK;
    find_parts(&r);
    find_merged(&r);
    for (size_t k = 0; !status && k < m->known_count; k++) status = link_known(&r, k);
    for (size_t f = 0; !status && f < m->found_count; f++)
        if (m->owner[f] < 0 && r.part_of[f] < 0) status = link_new(m, f);
    if (!status) follow_merges(m, first);
    for (size_t i = first; !status && i < m->t->out->link_count; i++)
        if (m->t->out->links[i].lesion >= 0) learn(m, &m->t->out->links[i]);
    return status;
}
