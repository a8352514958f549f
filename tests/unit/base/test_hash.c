#include "test.h"

/* FIPS 180-2, appendix B, and the empty message. */
static void test_known_answers(void **state)
{
    (void)state;
    static const struct {
        const char *text, *hex;
    } known[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    };
    char hex[RP_SHA256_HEX];
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        rp_sha256(known[i].text, strlen(known[i].text), hex);
        assert_string_equal(hex, known[i].hex);
    }
    char *million = rp_alloc(1000000, 1);
    memset(million, 'a', 1000000);
    rp_sha256(million, 1000000, hex);
    assert_string_equal(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    rp_free(million);
}

static void test_file(void **state)
{
    (void)state;
    rp_error err;
    char *folder = make_folder(), hex[RP_SHA256_HEX];
    RP_AUTOFREE char *path = rp_path_join(folder, "a");
    assert_ok(rp_file_write(path, "abc", 3, &err), err);
    assert_ok(rp_sha256_file(path, hex, &err), err);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rp_sha256_file(path, hex, &err), RP_ERR_IO);
    remove_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_answers),
        cmocka_unit_test(test_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
