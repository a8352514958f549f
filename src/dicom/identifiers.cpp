/* Names and numbers of persons in texts, however they are spelled. GLib knows the letters. */
#include "identifiers.hpp"

#include "name_letters.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include <glib.h>

namespace rp_dicom
{

enum { ANYWHERE_FROM = 6, WORD_FROM = 3, RESPELLED_FROM = 4 };

/* ---- letters ------------------------------------------------------------------------------- */

static std::u32string folded(const std::string &text)
{
    const auto release = [](char *block) { g_free(block); };
    const std::unique_ptr<char, decltype(release)> valid(
        g_utf8_make_valid(text.data(), gssize(text.size())), release);
    std::u32string out;
    for (const char *c = valid.get(); *c; c = g_utf8_next_char(c)) {
        uint32_t letters[NAME_MOST_LETTERS];
        const size_t count = name_fold(g_utf8_get_char(c), letters);
        out.append(letters, letters + count);
    }
    return out;
}

static bool is_digit(char32_t c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char32_t c)
{
    return !is_digit(c) && (g_unichar_isalnum(c) || g_unichar_ismark(c));
}

/** Of a script without blanks between words: Han, kana, Hangul and their relatives, decomposed too.
 */
static bool is_dense(const std::u32string &word)
{
    return std::any_of(word.begin(), word.end(), [](char32_t c) {
        return (c >= 0x2E80 && c <= 0xABFF) || (c >= 0x1100 && c <= 0x11FF) ||
               (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x20000 && c <= 0x3FFFF);
    });
}

/** Umlauts written as two letters are as if they had one: Mueller, Muller and Müller are the same.
 */
static std::u32string respelled(const std::u32string &word)
{
    std::u32string out;
    for (const char32_t c : word) {
        const char32_t before = out.empty() ? 0 : out.back();
        if (c == 'e' && (before == 'a' || before == 'o' || before == 'u')) continue;
        if ((c == 'a' || c == 's') && before == c) continue;
        out += c;
    }
    return out;
}

/* ---- words --------------------------------------------------------------------------------- */

/** A run of letters or of digits. */
struct Identifiers::Word {
    std::u32string letters;
    bool number;
    bool capital; /**< as it was written */
    bool joined;  /**< nothing stands between it and the one before */
};

/** Whether the text's words begin with capitals, in their order. */
static std::vector<bool> capitals_of(const std::string &text)
{
    std::vector<bool> out;
    const auto release = [](char *block) { g_free(block); };
    const std::unique_ptr<char, decltype(release)> valid(
        g_utf8_make_valid(text.data(), gssize(text.size())), release);
    const std::unique_ptr<char, decltype(release)> whole(
        g_utf8_normalize(valid.get(), -1, G_NORMALIZE_ALL_COMPOSE), release);
    bool inside = false;
    for (const char *c = whole ? whole.get() : ""; *c; c = g_utf8_next_char(c)) {
        const gunichar letter = g_utf8_get_char(c);
        const bool is = g_unichar_isalpha(letter) || g_unichar_ismark(letter);
        if (is && !inside) out.push_back(g_unichar_isupper(letter) || g_unichar_istitle(letter));
        inside = is;
    }
    return out;
}

std::vector<Identifiers::Word> Identifiers::words_of(const std::string &text)
{
    std::vector<Word> words;
    const std::vector<bool> capitals = capitals_of(text);
    size_t seen = 0;
    bool inside = false;
    for (const char32_t c : folded(text)) {
        const bool number = is_digit(c);
        if (!number && !is_letter(c)) {
            inside = false;
            continue;
        }
        if (!inside || words.back().number != number) {
            const bool capital = !number && seen < capitals.size() && capitals[seen];
            words.push_back({U"", number, capital, inside});
            seen += !number;
        }
        words.back().letters += c;
        inside = true;
    }
    return words;
}

/* ---- remembering ----------------------------------------------------------------------------- */

void Identifiers::clear()
{
    *this = Identifiers();
}

static bool identifies_nobody(const std::u32string &word)
{
    static const std::set<std::u32string> nobody = {
        U"al",   U"bin", U"da",  U"dal", U"das", U"de",  U"del", U"den",  U"der", U"des", U"di",
        U"do",   U"dos", U"dr",  U"du",  U"el",  U"ibn", U"jr",  U"la",   U"le",  U"les", U"lo",
        U"mbbs", U"md",  U"med", U"mr",  U"mrs", U"ms",  U"phd", U"prof", U"sir", U"sr",  U"st",
        U"ten",  U"ter", U"the", U"und", U"van", U"vom", U"von", U"zu",   U"zum", U"zur"};
    return nobody.count(word) > 0;
}

void Identifiers::add_part(const std::u32string &part)
{
    if (identifies_nobody(part)) return;
    const std::u32string other = respelled(part);
    if (is_dense(part)) {
        (part.size() >= 2 ? anywhere_ : words_).insert(part);
        return;
    }
    if (part.size() >= ANYWHERE_FROM)
        anywhere_.insert(part);
    else if (part.size() >= WORD_FROM)
        words_.insert(part);
    else if (part.size() == 2)
        short_.insert(part);
    if (other.size() >= ANYWHERE_FROM)
        respelled_anywhere_.insert(other);
    else if (other.size() >= RESPELLED_FROM)
        respelled_.insert(other);
}

static std::vector<std::string> split_at(const std::string &text, char separator)
{
    std::vector<std::string> parts(1);
    for (const char c : text) {
        if (c == separator)
            parts.emplace_back();
        else
            parts.back() += c;
    }
    return parts;
}

/** One of the representations of a name: FAMILY^GIVEN^MIDDLE^PREFIX^SUFFIX. */
void Identifiers::add_group(const std::string &group)
{
    std::u32string joined[2]; /* family and given name without anything between, in both orders */
    size_t at = 0;
    for (const std::string &component : split_at(group, '^')) {
        std::u32string whole;
        for (const Word &word : words_of(component)) {
            if (word.number) continue;
            add_part(word.letters);
            whole += word.letters;
        }
        if (whole.size() >= ANYWHERE_FROM) add_part(whole);
        if (at < 2) joined[0] += whole, joined[1] = whole + joined[1];
        at++;
    }
    for (const std::u32string &both : joined)
        if (is_dense(both) || both.size() >= ANYWHERE_FROM + 2) add_part(both);
}

void Identifiers::add_name(const std::string &name)
{
    for (const std::string &value : split_at(name, '\\'))
        for (const std::string &group : split_at(value, '=')) add_group(group);
}

void Identifiers::add_number(const std::string &number)
{
    for (const std::string &value : split_at(number, '\\')) {
        std::u32string whole;
        bool digits = false;
        for (const Word &word : words_of(value)) {
            whole += word.letters;
            digits = digits || word.number;
        }
        if (!digits) add_name(value);
        const size_t zeros = std::min(whole.find_first_not_of(U'0'), whole.size());
        for (const std::u32string &id : {whole, whole.substr(zeros)}) {
            if (id.size() >= ANYWHERE_FROM && digits) anywhere_.insert(id);
            if (id.size() >= WORD_FROM && (id == whole || id.size() > WORD_FROM))
                numbers_.insert(id);
        }
    }
}

void Identifiers::add_birth_date(const std::string &date)
{
    int year = 0, month = 0, day = 0;
    if (sscanf(date.c_str(), "%4d%*[.-]%2d%*[.-]%2d", &year, &month, &day) != 3 &&
        sscanf(date.c_str(), "%4d%2d%2d", &year, &month, &day) != 3)
        return;
    if (year < 1800 || month < 1 || month > 12 || day < 1 || day > 31) return;
    year_ = year;
    month_ = month;
    day_ = day;
}

/* ---- finding --------------------------------------------------------------------------------- */

/** The number of a month by the begin of its name in Western languages; 0 for none. */
static int month_of(const std::u32string &word)
{
    static const char32_t *const names[12] = {U"jan gen ene",     U"feb fev",     U"mar mae mrz",
                                              U"apr abr avr",     U"may mai mag", U"jun juin giu",
                                              U"jul juil lug",    U"aug aou ago", U"sep set",
                                              U"oct okt out ott", U"nov",         U"dec dez dic"};
    if (word.size() < 3) return 0;
    for (int m = 11; m >= 0; m--)
        if (std::u32string(names[m]).find(word.substr(0, 3)) != std::u32string::npos) return m + 1;
    return 0;
}

static int number_in(const std::u32string &digits)
{
    int number = 0;
    for (const char32_t c : digits.substr(0, 8)) number = 10 * number + int(c - '0');
    return number;
}

bool Identifiers::has_birth_date(const std::vector<Word> &words) const
{
    if (!year_) return false;
    const int y = year_, m = month_, d = day_, yy = y % 100;
    const int whole[] = {y * 10000 + m * 100 + d, d * 1000000 + m * 10000 + y,
                         m * 1000000 + d * 10000 + y};
    const int brief[] = {yy * 10000 + m * 100 + d, d * 10000 + m * 100 + yy,
                         m * 10000 + d * 100 + yy};
    for (size_t i = 0; i < words.size(); i++) {
        const std::u32string &text = words[i].letters;
        for (int k = 0; k < 3 && words[i].number; k++)
            if ((text.size() == 8 && number_in(text) == whole[k]) ||
                (text.size() == 6 && number_in(text) == brief[k]))
                return true;
        if (i + 2 >= words.size()) continue;
        int parts[3];
        for (int k = 0; k < 3; k++)
            parts[k] = words[i + k].number ? number_in(words[i + k].letters)
                                           : 100000 * month_of(words[i + k].letters);
        std::sort(parts, parts + 3);
        for (const int month : {m, 100000 * m})
            for (const int year : {y, yy}) {
                int date[3] = {d, month, year};
                std::sort(date, date + 3);
                if (std::equal(parts, parts + 3, date)) return true;
            }
    }
    return false;
}

static bool holds_any(const std::u32string &text, const std::set<std::u32string> &parts)
{
    return std::any_of(parts.begin(), parts.end(), [&](const std::u32string &part) {
        return text.find(part) != std::u32string::npos;
    });
}

/** The word itself, or with an initial or the s of a genitive at one end. */
static bool holds_word(const std::u32string &text, const std::set<std::u32string> &words)
{
    if (words.count(text)) return true;
    return text.size() > RESPELLED_FROM &&
           (words.count(text.substr(1)) || words.count(text.substr(0, text.size() - 1)));
}

bool Identifiers::in(const std::string &text, bool code) const
{
    const std::vector<Word> words = words_of(text);
    std::u32string all, run;
    for (const Word &word : words) {
        all += word.letters;
        run = word.joined ? run + word.letters : word.letters;
        const bool last = &word == &words.back() || !(&word)[1].joined;
        if (last && numbers_.count(run)) return true;
        if (numbers_.count(word.letters) || holds_word(word.letters, words_) ||
            holds_word(respelled(word.letters), respelled_))
            return true;
        if (word.capital && !code && short_.count(word.letters)) return true;
    }
    return holds_any(all, anywhere_) || holds_any(respelled(all), respelled_anywhere_) ||
           has_birth_date(words);
}

} // namespace rp_dicom
