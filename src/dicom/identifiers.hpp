/**
 * @file identifiers.hpp
 * What names a patient or anyone else in an object, and whether a text holds some of it.
 */
#ifndef REPRISE_DICOM_IDENTIFIERS_HPP
#define REPRISE_DICOM_IDENTIFIERS_HPP

#include <set>
#include <string>
#include <vector>

namespace rp_dicom
{

/**
 * All texts are UTF-8. Spelling does not count: case and normal form of any script, accents,
 * umlauts written as two letters, full width, hiragana or katakana, hyphens, apostrophes and
 * blanks.
 *
 * Names count by their parts, as words of their own up to five letters, anywhere from six on (from
 * two on in scripts that are written without blanks). Parts of two letters count where they begin
 * with a capital. Initials, titles and particles ("von", "de") identify nobody.
 */
class Identifiers
{
  public:
    void clear();
    /** A value of VR PN. */
    void add_name(const std::string &name);
    /** An ID: from three characters on as a word, from six on anywhere. */
    void add_number(const std::string &number);
    /** YYYYMMDD; found in every usual order and with months in words. */
    void add_birth_date(const std::string &date);
    /** code: the text is a code string, all in capitals. */
    bool in(const std::string &text, bool code) const;

  private:
    struct Word;
    static std::vector<Word> words_of(const std::string &text);
    void add_group(const std::string &group);
    void add_part(const std::u32string &part);
    bool has_birth_date(const std::vector<Word> &words) const;

    std::set<std::u32string> words_, short_, anywhere_, numbers_;
    std::set<std::u32string> respelled_, respelled_anywhere_; /**< umlauts as single letters */
    int year_ = 0, month_ = 0, day_ = 0;                      /**< of birth; 0: unknown */
};

} // namespace rp_dicom

#endif
