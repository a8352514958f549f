/* Keyed pseudonyms and moved dates. */
#include "deidentify.hpp"

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <stdexcept>

namespace rp_dicom
{

/* ---- keyed ------------------------------------------------------------------------------- */

/** The purpose keeps a UID, a text and a patient of equal spelling apart. */
std::string Pseudonyms::digest(const char *purpose, const std::string &text) const
{
    const std::string message = std::string(purpose) + '\0' + text;
    uint8_t bytes[32];
    if (!rp_hmac_sha256(key_.data(), key_.size(), message.data(), message.size(), bytes))
        throw std::runtime_error("OpenSSL gives no HMAC-SHA-256");
    return std::string(reinterpret_cast<const char *>(bytes), sizeof bytes);
}

static uint64_t number_of(const std::string &digest)
{
    uint64_t number = 0;
    for (int i = 0; i < 8; i++) number = number << 8 | static_cast<unsigned char>(digest[i]);
    return number;
}

std::string Pseudonyms::patient(const std::string &identity) const
{
    char text[32];
    const unsigned long long digits = number_of(digest("patient", identity)) % 1000000000000ULL;
    snprintf(text, sizeof text, "RP-%012llu", digits);
    return text;
}

std::string Pseudonyms::text(const std::string &text) const
{
    char token[32];
    const unsigned long long bits = number_of(digest("text", text)) >> 24;
    snprintf(token, sizeof token, "anon-%010llx", bits);
    return token;
}

std::string Pseudonyms::uid(const std::string &uid) const
{
    /* Of the standard's root only what PS3.6 lists names no thing of a hospital. */
    const bool listed = uid.rfind("1.2.840.10008.", 0) == 0 && dcmFindNameOfUID(uid.c_str());
    if (uid.empty() || listed) return uid;
    return uid_from(digest("uid", uid));
}

int Pseudonyms::shift_days(const std::string &pseudonym) const
{
    enum { YEAR = 366, RANGE = 9 * 365 + 2 };
    return -(YEAR + static_cast<int>(number_of(digest("dates", pseudonym)) % RANGE));
}

/* ---- dates ------------------------------------------------------------------------------- */

/** Days since 1970-01-01 in the proleptic Gregorian calendar, by years that begin with March. */
static long days_from(int year, int month, int day)
{
    const long y = year - (month <= 2), era = y / 400, of_era = y - era * 400;
    const long of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static std::string date_of(long days)
{
    const long shifted = days + 719468, era = shifted / 146097, of_era = shifted - era * 146097;
    const long year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    const long of_year = of_era - (365 * year + year / 4 - year / 100);
    const long m = (5 * of_year + 2) / 153, day = of_year - (153 * m + 2) / 5 + 1;
    const long month = m < 10 ? m + 3 : m - 9;
    char text[80];
    snprintf(text, sizeof text, "%04ld%02ld%02ld", year + era * 400 + (month <= 2), month, day);
    return text;
}

static bool all_digits(const std::string &text)
{
    for (const char c : text)
        if (!isdigit(static_cast<unsigned char>(c))) return false;
    return !text.empty();
}

/** Of YYYYMMDD. Years so early that moving them leaves the calendar count as no dates. */
static bool parse_date(const std::string &text, long &days)
{
    if (text.size() != 8 || !all_digits(text)) return false;
    const int year = std::stoi(text.substr(0, 4)), month = std::stoi(text.substr(4, 2)),
              day = std::stoi(text.substr(6));
    if (year < 100 || month < 1 || month > 12 || day < 1 || day > 31) return false;
    days = days_from(year, month, day);
    return date_of(days) == text;
}

std::string shifted_date(const std::string &date, int days)
{
    long at = 0;
    std::string plain = date;
    if (date.size() == 10 && date[4] == '.' && date[7] == '.') /* as ACR-NEMA wrote it */
        plain = date.substr(0, 4) + date.substr(5, 2) + date.substr(8);
    return parse_date(plain, at) ? date_of(at + days) : "";
}

std::string shifted_datetime(const std::string &datetime, int days)
{
    const size_t end = std::min(datetime.find_first_not_of("0123456789"), datetime.size());
    const size_t known = std::min<size_t>(end, 8);
    if (known < 4 || known % 2) return "";
    /* Of a year or month alone, the middle is moved, and told as exactly as before. */
    const std::string middle[] = {"0701", "15", ""};
    const std::string moved =
        shifted_date(datetime.substr(0, known) + middle[(known - 4) / 2], days);
    return moved.empty() ? "" : moved.substr(0, known) + datetime.substr(known);
}

} // namespace rp_dicom
