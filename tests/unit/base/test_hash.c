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

/* RFC 4231, test cases 2 and 6. */
static void test_hmac(void **state)
{
    (void)state;
    static const uint8_t second[] = {0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e,
                                     0x6a, 0x04, 0x24, 0x26, 0x08, 0x95, 0x75, 0xc7,
                                     0x5a, 0x00, 0x3f, 0x08, 0x9d, 0x27, 0x39, 0x83,
                                     0x9d, 0xec, 0x58, 0xb9, 0x64, 0xec, 0x38, 0x43};
    static const uint8_t sixth[] = {0x60, 0xe4, 0x31, 0x59, 0x1e, 0xe0, 0xb6, 0x7f,
                                    0x0d, 0x8a, 0x26, 0xaa, 0xcb, 0xf5, 0xb7, 0x7f,
                                    0x8e, 0x0b, 0xc6, 0x21, 0x37, 0x28, 0xc5, 0x14,
                                    0x05, 0x46, 0x04, 0x0f, 0x0e, 0xe3, 0x7f, 0x54};
    const char *data = "Test Using Larger Than Block-Size Key - Hash Key First";
    uint8_t digest[32], key[131];
    assert_true(rp_hmac_sha256("Jefe", 4, "what do ya want for nothing?", 28, digest));
    assert_memory_equal(digest, second, 32);
    memset(key, 0xaa, sizeof key);
    assert_true(rp_hmac_sha256(key, sizeof key, data, strlen(data), digest));
    assert_memory_equal(digest, sixth, 32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_answers),
        cmocka_unit_test(test_file),
        cmocka_unit_test(test_hmac),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
