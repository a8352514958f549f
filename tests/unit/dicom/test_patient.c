/* Which headers can be of one patient. */
#include "reprise/dicom_patient.h"
#include "test.h"

static unsigned names(const char *a, const char *b)
{
    rp_dicom_header one = {.patient_id = "7"}, other = {.patient_id = "7"};
    snprintf(one.patient_name, sizeof one.patient_name, "%s", a);
    snprintf(other.patient_name, sizeof other.patient_name, "%s", b);
    const unsigned there = rp_dicom_identity_differs(&one, &other);
    assert_int_equal(there, rp_dicom_identity_differs(&other, &one));
    return there;
}

static void test_one_name_in_many_spellings(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"DOE^JANE", "doe^jane"},
        {"DOE^JANE", "Doe, Jane"},
        {"DOE^JANE", "JANE DOE"},
        {"DOE^JANE", "DOE^JANE^^^"},
        {"DOE^JANE", "DOE^JANE^MARIE^DR^PHD"},
        {"DOE^J", "DOE^JANE"},
        {"DOE", "DOE^JANE"},
        {"O'BRIEN^PAT", "OBRIEN^PAT"},
        {"SMITH-JONES^ANN", "SMITH JONES^ANN"},
        {"M\xc3\xbcller^J\xc3\xb6rg", "MUELLER^JOERG"},
        {"M\xc3\xbcller^J\xc3\xb6rg", "MULLER^JORG"},
        {"M\xc3\xbcller^J\xc3\xb6rg", "Mu\xcc\x88ller^Jo\xcc\x88rg"}, /* decomposed */
        {"M\xc3\xbcller^J\xc3\xb6rg", "M\xc3\x9cLLER^J\xc3\x96RG"},   /* capitals */
        {"M\xc3\xbcller^J\xc3\xb6rg", "M\xfcller^J\xf6rg"},           /* Latin-1 not declared */
        {"M\xc3\xbcller^J\xc3\xb6rg",
         "M\xc3\x83\xc2\xbcller^J\xc3\x83\xc2\xb6rg"}, /* twice UTF-8 */
        {"M\xc3\xbcller^J\xc3\xb6rg", "M?ller^J?rg"},
        {"Stra\xc3\x9f"
         "e^A",
         "STRASSE^A"},
        {"\xd0\x98\xd0\x92\xd0\x90\xd0\x9d\xd0\x9e\xd0\x92",
         "\xd0\xb8\xd0\xb2\xd0\xb0\xd0\xbd\xd0\xbe\xd0\xb2"},
        {"Yamada^Tarou=\xe5\xb1\xb1\xe7\x94\xb0^\xe5\xa4\xaa\xe9\x83\x8e",
         "\xe5\xb1\xb1\xe7\x94\xb0^\xe5\xa4\xaa\xe9\x83\x8e"},
        {"YAMADA^TAROU",
         "\xe5\xb1\xb1\xe7\x94\xb0^\xe5\xa4\xaa\xe9\x83\x8e"}, /* scripts of their own */
        {"ヤマダ^タロウ", "ﾔﾏﾀﾞ^ﾀﾛｳ"},                         /* half width */
        {"ヤマダ^タロウ", "やまだ^たろう"},
        {"ヤマダ^タロウ", "山田^太郎"},
        {"김^철수", "\u1100\u1175\u11b7^\u110e\u1165\u11af\u1109\u116e"}, /* decomposed */
        {"Նազարյան^Անի", "ՆԱԶԱՐՅԱՆ^ԱՆԻ"},
        {"أحمد^علي", "احمد^علي"},
        {"דָּוִד^כהן", "דוד^כהן"},
        {"Қасым^А", "қасым^а"},
        {"Þór^Jón", "THOR^JON"},
        {"ﬁona^A", "FIONA^A"},
        {"van der Berg^Jan", "VANDERBERG^JAN"},
        {"McDonald^R", "MC DONALD^R"},
        {"ʻAlohi^K", "ALOHI^K"},
        {"DOE^JANE", ""},
        {"DOE^JANE", "^^^"},
        {"DOE^JANE", "ANONYMOUS"},
        {"DOE^JANE", "Anonymized^Patient 12"},
        {"DOE^JANE", "NO NAME"},
        {"DOE^JANE", "XXXX^XXXX"},
        {"DOE^JANE", "7"}, /* the ID again */
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (names(pairs[i][0], pairs[i][1]) != 0)
            fail_msg("'%s' is not '%s'", pairs[i][0], pairs[i][1]);
}

static void test_two_names(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"DOE^JANE", "DOE^JOHN"},
        {"DOE^JANE", "ROE^JANE"},
        {"DOE^JANE^MARIE", "DOE^JANE^ANN"},
        {"SYNTHETIC^PHANTOM", "SYNTHETIC^OTHER"},
        {"PHANTOM^001", "PHANTOM^002"},
        {"M\xc3\xbcller^J\xc3\xb6rg", "M\xc3\xb6ller^Anna"},
        {"M\xc3\xbcller^J\xc3\xb6rg", "Schmidt^Anna"},
        {"M?ller^J?rg", "Schmidt^Anna"},
        {"\xd0\x98\xd0\x92\xd0\x90\xd0\x9d\xd0\x9e\xd0\x92",
         "\xd0\x9f\xd0\x95\xd0\xa2\xd0\xa0\xd0\x9e\xd0\x92"},
        {"Yamada^Tarou=\xe5\xb1\xb1\xe7\x94\xb0", "Suzuki^Ichirou=\xe9\x88\xb4\xe6\x9c\xa8"},
        {"김^철수", "이^영희"},
        {"ヤマダ^タロウ", "ﾔﾏﾀﾞ^ﾊﾅｺ"},
        {"山田^太郎", "山田^花子"},
        {"أحمد^علي", "أحمد^حسن"},
        {"van der Berg^Jan", "van den Burg^Jan"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (names(pairs[i][0], pairs[i][1]) != RP_IDENTITY_NAME)
            fail_msg("'%s' passes for '%s'", pairs[i][0], pairs[i][1]);
}

static void test_other_attributes(void **state)
{
    (void)state;
    const rp_dicom_header one = {.patient_id = "A-1",
                                 .patient_id_issuer = "Hospital A",
                                 .patient_birth_date = "19600517",
                                 .patient_sex = "F"};
    rp_dicom_header other = one;
    assert_int_equal(rp_dicom_identity_differs(&one, &other), 0);
    const rp_dicom_header nothing = {.patient_id = ""};
    assert_int_equal(rp_dicom_identity_differs(&one, &nothing), 0);
    snprintf(other.patient_id, sizeof other.patient_id, " A-1 ");
    snprintf(other.patient_birth_date, sizeof other.patient_birth_date, "1960.05.17");
    snprintf(other.patient_sex, sizeof other.patient_sex, "O");
    assert_int_equal(rp_dicom_identity_differs(&one, &other), 0);
    snprintf(other.patient_birth_date, sizeof other.patient_birth_date,
             "19600101"); /* the year alone */
    assert_int_equal(rp_dicom_identity_differs(&one, &other), 0);
    snprintf(other.patient_birth_date, sizeof other.patient_birth_date, "19000101"); /* nobody's */
    assert_int_equal(rp_dicom_identity_differs(&one, &other), 0);
    snprintf(other.patient_birth_date, sizeof other.patient_birth_date, "19600518");
    assert_int_equal(rp_dicom_identity_differs(&one, &other), RP_IDENTITY_BIRTH_DATE);
    other = one;
    snprintf(other.patient_id_issuer, sizeof other.patient_id_issuer, "Hospital B");
    assert_int_equal(rp_dicom_identity_differs(&one, &other), RP_IDENTITY_ISSUER);
    other = one;
    snprintf(other.patient_sex, sizeof other.patient_sex, "M");
    assert_int_equal(rp_dicom_identity_differs(&one, &other), RP_IDENTITY_SEX);
    other = one;
    snprintf(other.patient_id, sizeof other.patient_id, "ANONYMOUS");
    assert_int_equal(rp_dicom_identity_differs(&one, &other), 0);
    const char *const ids[][2] = {
        {"A-1", "0017"}, {"X", "Y"},    {"ANON-001", "ANON-002"}, {"PATIENT 1", "PATIENT 2"},
        {"17", "71"},    {"ANON1", "B"}};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        rp_dicom_header a = {.patient_sex = ""}, b = {.patient_sex = ""};
        snprintf(a.patient_id, sizeof a.patient_id, "%s", ids[i][0]);
        snprintf(b.patient_id, sizeof b.patient_id, "%s", ids[i][1]);
        assert_int_equal(rp_dicom_identity_differs(&a, &b), RP_IDENTITY_ID);
    }
}

static void test_words_for_a_message(void **state)
{
    (void)state;
    char text[96];
    rp_dicom_identity_text(RP_IDENTITY_NAME, text);
    assert_string_equal(text, "names");
    rp_dicom_identity_text(RP_IDENTITY_NAME | RP_IDENTITY_BIRTH_DATE | RP_IDENTITY_SEX, text);
    assert_string_equal(text, "names, dates of birth and sexes");
    rp_dicom_identity_text(31, text);
    assert_string_equal(text,
                        "patient IDs, issuers of the patient ID, names, dates of birth and sexes");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_name_in_many_spellings), cmocka_unit_test(test_two_names),
        cmocka_unit_test(test_other_attributes), cmocka_unit_test(test_words_for_a_message)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
