#include "test.h"
#include "reprise/io.h"

#include <math.h>

/* A file from its header text and data, where the announced header length may lie. */
static void write_raw(const char *path, uint64_t announced, const char *header, const void *data,
                      size_t size)
{
    size_t length = strlen(header);
    uint8_t *bytes = rp_alloc(8 + length + size, 1);
    rp_error err = {0};
    memcpy(bytes, &announced, 8);
    memcpy(bytes + 8, header, length);
    if (size) memcpy(bytes + 8 + length, data, size);
    assert_ok(rp_file_write(path, bytes, 8 + length + size, &err), err);
    rp_free(bytes);
}

typedef struct fixture {
    char *folder, *path;
} fixture;

static int set_up(void **state)
{
    fixture *f = rp_alloc(1, sizeof *f);
    f->folder = make_folder();
    f->path = rp_path_join(f->folder, "model.safetensors");
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    remove_folder(f->folder);
    rp_free(f->path);
    rp_free(f);
    return 0;
}

static rp_tensor_file sample(void)
{
    static float first[6] = {1, -2, 3.5F, 0, 1e-40F, 3e38F}, second[1] = {7}, none[1];
    static rp_named_tensor tensors[3] = {
        {.name = "stem.conv.weight", .rank = 2, .shape = {2, 3}, .data = first},
        {.name = "step", .rank = 0, .data = second},
        {.name = "nothing", .rank = 2, .shape = {0, 5}, .data = none}};
    static rp_key_value metadata[2] = {{"seed", "1"}, {"json", "{\"a\": \"\\u00e9\"}"}};
    return (rp_tensor_file){tensors, 3, metadata, 2};
}

static void round_trip(void **state)
{
    fixture *f = *state;
    rp_error err = {0};
    rp_tensor_file from = sample(), to = {0};
    assert_ok(rp_safetensors_write(f->path, &from, &err), err);
    assert_ok(rp_safetensors_read(f->path, &to, &err), err);
    assert_int_equal(to.tensor_count, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(to.tensors[i].name, from.tensors[i].name);
        assert_int_equal(to.tensors[i].rank, from.tensors[i].rank);
        assert_memory_equal(to.tensors[i].shape, from.tensors[i].shape,
                            sizeof from.tensors[i].shape);
    }
    assert_memory_equal(rp_tensor_file_find(&to, "stem.conv.weight")->data, from.tensors[0].data,
                        24);
    assert_close(rp_tensor_file_find(&to, "step")->data[0], 7, 0);
    assert_null(rp_tensor_file_find(&to, "absent"));
    assert_string_equal(rp_tensor_file_metadata(&to, "json"), "{\"a\": \"\\u00e9\"}");
    assert_null(rp_tensor_file_metadata(&to, "absent"));
    rp_tensor_file_release(&to);
    rp_tensor_file_release(&to);
}

static void written_bytes_are_as_published(void **state)
{
    fixture *f = *state;
    rp_error err = {0};
    rp_tensor_file from = sample();
    uint8_t *data;
    size_t size;
    assert_ok(rp_safetensors_write(f->path, &from, &err), err);
    assert_ok(rp_file_read(f->path, &data, &size, &err), err);
    const char *expected =
        "{\"__metadata__\":{\"seed\":\"1\",\"json\":\"{\\\"a\\\": \\\"\\\\u00e9\\\"}\"},"
        "\"stem.conv.weight\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]},"
        "\"step\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[24,28]},"
        "\"nothing\":{\"dtype\":\"F32\",\"shape\":[0,5],\"data_offsets\":[28,28]}}";
    uint64_t length;
    memcpy(&length, data, 8);
    assert_int_equal(length % 8, 0);
    assert_int_equal(length, (strlen(expected) + 7) / 8 * 8);
    assert_int_equal(size, 8 + length + 28);
    assert_memory_equal(data + 8, expected, strlen(expected));
    for (size_t i = strlen(expected); i < length; i++) assert_int_equal(data[8 + i], ' ');
    rp_free(data);
}

typedef struct conversion {
    const char *dtype;
    uint8_t bytes[16];
    size_t size;
    float expected[2];
} conversion;

static void every_type_becomes_float32(void **state)
{
    fixture *f = *state;
    const conversion conversions[] = {
        {"F16", {0x00, 0x3C, 0xFF, 0xFB}, 4, {1, -65504}},
        {"F16", {0x01, 0x00, 0x00, 0x04}, 4, {0x1p-24F, 0x1p-14F}},
        {"F16", {0x00, 0xFC, 0x00, 0x80}, 4, {-INFINITY, -0.0F}},
        {"BF16", {0x80, 0x3F, 0x49, 0xC0}, 4, {1, -3.140625F}},
        {"F64", {0, 0, 0, 0, 0, 0, 0xF8, 0x3F, 0, 0, 0, 0, 0, 0, 0, 0xC0}, 16, {1.5F, -2}},
        {"I8", {0x80, 0x7F}, 2, {-128, 127}},
        {"U8", {0xFF, 0x01}, 2, {255, 1}},
        {"BOOL", {0, 1}, 2, {0, 1}},
        {"I16", {0, 0x80, 0xFF, 0x7F}, 4, {-32768, 32767}},
        {"U16", {0, 0x80, 0xFF, 0xFF}, 4, {32768, 65535}},
        {"I32", {0xFE, 0xFF, 0xFF, 0xFF, 0, 0, 1, 0}, 8, {-2, 65536}},
        {"U32", {0, 0, 0, 0x80, 1, 0, 0, 0}, 8, {0x1p31F, 1}},
        {"I64", {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0, 1}, 16, {-1, 0x1p32F}},
        {"U64", {0, 0, 0, 0, 0, 0, 0, 0x80, 5}, 16, {0x1p63F, 5}},
        {"F32", {0, 0, 0x80, 0x3F, 0, 0, 0x20, 0xC1}, 8, {1, -10}},
    };
    for (size_t i = 0; i < sizeof conversions / sizeof conversions[0]; i++) {
        const conversion *c = &conversions[i];
        rp_error err = {0};
        rp_tensor_file file = {0};
        char *header =
            rp_format("{\"t\":{\"dtype\":\"%s\",\"shape\":[2],\"data_offsets\":[0,%zu]}}   ",
                      c->dtype, c->size);
        write_raw(f->path, strlen(header), header, c->bytes, c->size);
        assert_ok(rp_safetensors_read(f->path, &file, &err), err);
        assert_memory_equal(file.tensors[0].data, c->expected, sizeof c->expected);
        rp_tensor_file_release(&file);
        rp_free(header);
    }
}

static void long_tensors_are_converted_whole(void **state)
{
    fixture *f = *state;
    enum { COUNT = 10001 };
    int16_t *values = rp_alloc(COUNT, sizeof *values);
    for (int i = 0; i < COUNT; i++) values[i] = (int16_t)(3 * i - 15000);
    const char *header = "{\"t\":{\"dtype\":\"I16\",\"shape\":[10001],\"data_offsets\":[0,20002]}}";
    rp_error err = {0};
    rp_tensor_file file = {0};
    write_raw(f->path, strlen(header), header, values, COUNT * 2);
    assert_ok(rp_safetensors_read(f->path, &file, &err), err);
    for (int i = 0; i < COUNT; i++) assert_close(file.tensors[0].data[i], values[i], 0);
    rp_tensor_file_release(&file);
    rp_free(values);
}

typedef struct hostile {
    const char *header, *reason;
    rp_status status;
} hostile;

#define TENSOR(name, dtype, shape, begin, end)                                                     \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" #begin "," #end \
    "]}"

/* Each comes with 16 bytes of data. */
static const hostile hostiles[] = {
    {"{" TENSOR("a", "F32", "[2]", 0, 8) "," TENSOR("b", "F32", "[3]", 4, 16) "}", "overlap",
     RP_ERR_FORMAT},
    {"{" TENSOR("a", "F32", "[1]", 0, 4) "," TENSOR("b", "F32", "[2]", 8, 16) "}", "hole",
     RP_ERR_FORMAT},
    {"{" TENSOR("a", "F32", "[3]", 4, 16) "}", "hole", RP_ERR_FORMAT},
    {"{" TENSOR("a", "F32", "[3]", 0, 12) "}", "4 bytes behind", RP_ERR_FORMAT},
    {"{}", "16 bytes behind", RP_ERR_FORMAT},
    {"{" TENSOR("a", "F32", "[5]", 0, 20) "}", "beyond the end", RP_ERR_FORMAT},
    {"{" TENSOR("a", "F32", "[3]", 0, 16) "}", "disagree", RP_ERR_FORMAT},
    {"{" TENSOR("a", "F32", "[4]", 16, 0) "}", "rising", RP_ERR_FORMAT},
    {"{" TENSOR("a", "F32", "[4]", -16, 0) "}", "rising", RP_ERR_FORMAT},
    {"{" TENSOR("a", "F32", "[4]", 0, 16.5) "}", "rising", RP_ERR_FORMAT},
    {"{" TENSOR("a", "F32", "[4]", 0, 18446744073709551632) "}", "line", RP_ERR_FORMAT},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16,16]}}", "rising",
     RP_ERR_FORMAT},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":{\"a\":0,\"b\":16}}}", "rising",
     RP_ERR_FORMAT},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4]}}", "rising", RP_ERR_FORMAT},
    {"{" TENSOR("a", "F32", "[-4]", 0, 16) "}", "dimension", RP_ERR_FORMAT},
    {"{" TENSOR("a", "F32", "[4.0]", 0, 16) "}", "dimension", RP_ERR_FORMAT},
    {"{" TENSOR("a", "F32", "[4611686018427387904,4,4]", 0, 16) "}", "overflow", RP_ERR_FORMAT},
    {"{" TENSOR("a", "F32", "[4611686018427387905]", 0, 4) "}", "disagree", RP_ERR_FORMAT},
    {"{" TENSOR("a", "F32", "4", 0, 16) "}", "shape", RP_ERR_FORMAT},
    {"{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,16]}}", "shape", RP_ERR_FORMAT},
    {"{\"a\":{\"shape\":[4],\"data_offsets\":[0,16]}}", "dtype", RP_ERR_FORMAT},
    {"{\"a\":[]}", "dtype", RP_ERR_FORMAT},
    {"{" TENSOR("a", "F32", "[2]", 0, 8) "," TENSOR("a", "F32", "[2]", 8, 16) "}", "duplicate",
     RP_ERR_FORMAT},
    {"{\"__metadata__\":{\"a\":1}," TENSOR("a", "F32", "[4]", 0, 16) "}", "map of strings",
     RP_ERR_FORMAT},
    {"{\"__metadata__\":[\"a\"]," TENSOR("a", "F32", "[4]", 0, 16) "}", "map of strings",
     RP_ERR_FORMAT},
    {"{" TENSOR("a", "F8_E4M3", "[16]", 0, 16) "}", "F8_E4M3", RP_ERR_UNSUPPORTED},
    {"{" TENSOR("a", "F32", "[1,1,1,1,1,1,1,1,4]", 0, 16) "}", "9 dimensions", RP_ERR_UNSUPPORTED},
    {"["
     "1]",
     "no JSON object", RP_ERR_FORMAT},
    {"", "no JSON object", RP_ERR_FORMAT},
    {"{\"a\":", "line 1", RP_ERR_FORMAT},
};

static void hostile_headers_are_refused(void **state)
{
    fixture *f = *state;
    const uint8_t data[16] = {0};
    for (size_t i = 0; i < sizeof hostiles / sizeof hostiles[0]; i++) {
        const hostile *h = &hostiles[i];
        rp_error err = {0};
        rp_tensor_file file = {0};
        write_raw(f->path, strlen(h->header), h->header, data, sizeof data);
        rp_status status = rp_safetensors_read(f->path, &file, &err);
        if (status != h->status || !strstr(err.message, h->reason) || !strstr(err.message, f->path))
            fail_msg("%s: status %d, message '%s'", h->header, (int)status, err.message);
        assert_null(file.tensors);
    }
}

static void lying_lengths_are_refused(void **state)
{
    fixture *f = *state;
    const uint64_t lengths[] = {3, 1000, (64u << 20) + 1, UINT64_MAX, UINT64_MAX - 7};
    rp_error err = {0};
    rp_tensor_file file = {0};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        write_raw(f->path, lengths[i], "{}", NULL, 0);
        assert_int_equal(rp_safetensors_read(f->path, &file, &err), RP_ERR_FORMAT);
        assert_non_null(strstr(err.message, "announced"));
    }
    assert_ok(rp_file_write(f->path, "1234567", 7, &err), err);
    assert_int_equal(rp_safetensors_read(f->path, &file, &err), RP_ERR_FORMAT);
    assert_int_equal(rp_safetensors_read(f->folder, &file, &err), RP_ERR_IO);
    write_raw(f->path, 2, "{}", NULL, 0);
    assert_ok(rp_safetensors_read(f->path, &file, &err), err);
    assert_int_equal(file.tensor_count, 0);
    rp_tensor_file_release(&file);
}

/* Whatever one byte of the header says, there are tensors or a message, and no crash. */
static void any_header_byte_may_be_wrong(void **state)
{
    fixture *f = *state;
    rp_error err = {0};
    rp_tensor_file from = sample();
    uint8_t *bytes;
    size_t size;
    int read = 0, refused = 0;
    assert_ok(rp_safetensors_write(f->path, &from, &err), err);
    assert_ok(rp_file_read(f->path, &bytes, &size, &err), err);
    for (size_t at = 0; at < size - 28; at++) {
        for (const char *other = "09\"{]-e\xFF"; *other; other++) {
            uint8_t kept = bytes[at];
            rp_tensor_file file = {0};
            bytes[at] = (uint8_t)*other;
            unlink(f->path); /* rp_file_write would wait for the disk */
            FILE *stream = fopen(f->path, "wb");
            assert_non_null(stream);
            assert_int_equal(fwrite(bytes, 1, size, stream), size);
            assert_int_equal(fclose(stream), 0);
            bytes[at] = kept;
            rp_status status = rp_safetensors_read(f->path, &file, &err);
            read += !status;
            refused += status != RP_OK;
            if (status) assert_null(file.tensors);
            if (status) assert_non_null(strstr(err.message, f->path));
            rp_tensor_file_release(&file);
        }
    }
    assert_true(read > 100);
    assert_true(refused > 1000);
    rp_free(bytes);
}

static void bad_arguments_are_refused(void **state)
{
    fixture *f = *state;
    float data[4] = {0};
    rp_named_tensor tensors[2] = {{.name = "a", .rank = 1, .shape = {2}, .data = data},
                                  {.name = "a", .rank = 1, .shape = {2}, .data = data}};
    rp_tensor_file file = {tensors, 2, NULL, 0};
    rp_error err = {0};
    assert_int_equal(rp_safetensors_write(f->path, &file, &err), RP_ERR_ARGUMENT);
    tensors[1].name = "__metadata__";
    assert_int_equal(rp_safetensors_write(f->path, &file, &err), RP_ERR_ARGUMENT);
    tensors[1].name = "b";
    tensors[1].rank = 9;
    assert_int_equal(rp_safetensors_write(f->path, &file, &err), RP_ERR_ARGUMENT);
    tensors[1].rank = 1;
    tensors[1].shape[0] = -1;
    assert_int_equal(rp_safetensors_write(f->path, &file, &err), RP_ERR_ARGUMENT);
    tensors[1].shape[0] = 2;
    tensors[1].data = NULL;
    assert_int_equal(rp_safetensors_write(f->path, &file, &err), RP_ERR_ARGUMENT);
    assert_false(rp_path_exists(f->path));
}

/* Values and bytes by hand from IEEE 754 binary16. */
static void half_precision_is_written_on_request(void **state)
{
    fixture *f = *state;
    enum { COUNT = 5000 }; /* more than one piece */
    static float data[COUNT] = {1, -2, 1 + 0x1p-11F, 1 + 0x3p-11F, 0x1p-24F, -65504, 0x1p-26F};
    const float expected[7] = {1, -2, 1, 1 + 0x1p-9F, 0x1p-24F, -65504, 0};
    data[COUNT - 1] = 0.5F;
    float single = 3;
    rp_named_tensor tensors[2] = {
        {.name = "w", .rank = 1, .shape = {COUNT}, .data = data, .half = true},
        {.name = "b", .rank = 1, .shape = {1}, .data = &single}};
    rp_tensor_file from = {tensors, 2, NULL, 0}, to = {0};
    rp_error err = {0};
    uint8_t *bytes;
    size_t size;
    uint64_t header;
    assert_ok(rp_safetensors_write(f->path, &from, &err), err);
    assert_ok(rp_file_read(f->path, &bytes, &size, &err), err);
    memcpy(&header, bytes, sizeof header);
    assert_int_equal(size, 8 + header + 2 * COUNT + 4);
    assert_memory_equal(bytes + 8 + header, "\x00\x3c\x00\xc0\x00\x3c\x02\x3c\x01\x00\xff\xfb", 12);
    assert_non_null(strstr((char *)bytes + 8, "\"F16\""));
    rp_free(bytes);
    assert_ok(rp_safetensors_read(f->path, &to, &err), err);
    assert_memory_equal(to.tensors[0].data, expected, sizeof expected);
    assert_close(to.tensors[0].data[COUNT - 1], 0.5, 0);
    assert_close(to.tensors[1].data[0], 3, 0);
    assert_false(to.tensors[0].half);
    rp_tensor_file_release(&to);
    data[COUNT - 1] = 65520; /* the first that rounds to infinity */
    assert_int_equal(rp_safetensors_write(f->path, &from, &err), RP_ERR_NUMERIC);
    assert_non_null(strstr(err.message, "'w'"));
}

static void every_failed_allocation_or_write_leaves_nothing(void **state)
{
    fixture *f = *state;
    rp_tensor_file from = sample(), to = {0};
    rp_error err = {0};
    long n = 1;
    for (;; n++) {
        rp_test_fail_write(n);
        rp_status status = rp_safetensors_write(f->path, &from, &err);
        rp_test_fail_write(0);
        if (!status) break;
        assert_int_equal(status, RP_ERR_IO);
        assert_false(rp_path_exists(f->path));
    }
    assert_true(n > 4);
    for (n = 1;; n++) {
        rp_test_fail_allocation(n);
        rp_status status = rp_safetensors_write(f->path, &from, &err);
        rp_test_fail_allocation(0);
        if (!status) break;
        assert_int_equal(status, RP_ERR_MEMORY);
    }
    assert_true(n > 20);
    for (n = 1;; n++) {
        rp_test_fail_allocation(n);
        rp_status status = rp_safetensors_read(f->path, &to, &err);
        rp_test_fail_allocation(0);
        if (!status) break;
        assert_int_equal(status, RP_ERR_MEMORY);
        assert_null(to.tensors);
    }
    assert_true(n > 10);
    rp_tensor_file_release(&to);
    char **paths;
    size_t count;
    assert_ok(rp_directory_list(f->folder, &paths, &count, &err), err);
    assert_int_equal(count, 1);
    rp_string_list_free(paths, count);
}

#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(round_trip),
        WITH_FOLDER(written_bytes_are_as_published),
        WITH_FOLDER(every_type_becomes_float32),
        WITH_FOLDER(long_tensors_are_converted_whole),
        WITH_FOLDER(hostile_headers_are_refused),
        WITH_FOLDER(lying_lengths_are_refused),
        WITH_FOLDER(any_header_byte_may_be_wrong),
        WITH_FOLDER(bad_arguments_are_refused),
        WITH_FOLDER(half_precision_is_written_on_request),
        WITH_FOLDER(every_failed_allocation_or_write_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
