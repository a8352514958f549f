/* Series written, spoilt in one way each, and read. */
#include "phantom.h"

#include <math.h>
#include <sys/stat.h>

enum {
    IMAGE_TYPE = 0x00080008,
    SOP_CLASS = 0x00080016,
    SOP_UID = 0x00080018,
    MODALITY = 0x00080060,
    PATIENT_ID = 0x00100020,
    THICKNESS = 0x00180050,
    SERIES_UID = 0x0020000e,
    SERIES_NUMBER = 0x00200011,
    POSITION = 0x00200032,
    ORIENTATION = 0x00200037,
    SAMPLES = 0x00280002,
    PHOTOMETRIC = 0x00280004,
    FRAMES = 0x00280008,
    ROWS = 0x00280010,
    SPACING = 0x00280030,
    BITS_ALLOCATED = 0x00280100,
    BITS_STORED = 0x00280101,
    HIGH_BIT = 0x00280102,
    REPRESENTATION = 0x00280103,
    PADDING = 0x00280120,
    PADDING_LIMIT = 0x00280121,
    INTERCEPT = 0x00281052,
    SLOPE = 0x00281053
};

static rp_dicom_series load(const char *path)
{
    rp_dicom_series series;
    rp_error err = {0};
    assert_ok(rp_dicom_series_load(path, NULL, NULL, &series, &err), err);
    return series;
}

static void assert_same_image(const rp_image *a, const rp_image *b)
{
    assert_true(rp_grid_same(&a->grid, &b->grid, 1e-6));
    for (size_t i = 0; i < rp_grid_voxels(&a->grid); i++)
        if (a->data[i] != b->data[i])
            fail_msg("voxel %zu: %g and %g", i, (double)a->data[i], (double)b->data[i]);
}

/* ---- sound input ------------------------------------------------------------------------- */

static void round_trip_keeps_everything(void **state)
{
    (void)state;
    char *folder = make_folder();
    rp_image image = small_image();
    rp_dicom_header header = small_header();
    rp_dicom_series written;
    rp_error err = {0};
    assert_ok(rp_dicom_series_write(folder, &image, &header, "s", &written, &err), err);
    rp_dicom_series read = load(folder);
    assert_same_image(&image, &read.image);
    assert_string_equal(written.image_sha256, read.image_sha256);
    for (int z = 0; z < NZ; z++) assert_string_equal(written.sop_uids[z], read.sop_uids[z]);
    assert_string_equal(read.header.patient_id, "ID-1");
    assert_string_equal(read.header.patient_name, "Test^One");
    assert_string_equal(read.header.series_description, "portal venous");
    assert_string_equal(read.header.acquisition_date, "20240102");
    assert_string_equal(read.header.modality, "CT");
    assert_string_equal(read.header.series_uid, written.header.series_uid);
    assert_int_equal(read.padded_voxels, 0);
    rp_dicom_series_release(&written);
    rp_dicom_series_release(&read);
    rp_image_release(&image);
    remove_folder(folder);
}

static void uids_follow_from_seed_and_content(void **state)
{
    (void)state;
    char *a = small_series("one"), *b = small_series("one"), *c = small_series("two");
    rp_dicom_series sa = load(a), sb = load(b), sc = load(c);
    assert_string_equal(sa.header.series_uid, sb.header.series_uid);
    assert_string_equal(sa.sop_uids[2], sb.sop_uids[2]);
    assert_string_not_equal(sa.header.series_uid, sc.header.series_uid);
    assert_string_not_equal(sa.sop_uids[2], sc.sop_uids[2]);
    assert_string_not_equal(sa.sop_uids[2], sa.sop_uids[3]);
    assert_memory_equal(sa.header.series_uid, "2.25.", 5);
    rp_dicom_series_release(&sa);
    rp_dicom_series_release(&sb);
    rp_dicom_series_release(&sc);
    remove_folder(a);
    remove_folder(b);
    remove_folder(c);
}

static void left_handed_grids_are_turned_over(void **state)
{
    (void)state;
    char *folder = make_folder();
    rp_image image = small_image();
    rp_dicom_header header = small_header();
    rp_dicom_series written;
    rp_error err = {0};
    image.grid.direction[2][2] = -1;
    assert_ok(rp_dicom_series_write(folder, &image, &header, "s", &written, &err), err);
    rp_dicom_series read = load(folder);
    assert_same_image(&written.image, &read.image);
    assert_close(read.image.grid.origin[2], image.grid.origin[2] - 15, 1e-9);
    size_t plane = NX * NY;
    assert_memory_equal(read.image.data, image.data + (NZ - 1) * plane, plane * sizeof(float));
    rp_dicom_series_release(&written);
    rp_dicom_series_release(&read);
    rp_image_release(&image);
    remove_folder(folder);
}

/* Names in no order, subfolders, no extension, other files in between, a copy of one slice. */
static void folders_in_disorder_are_read(void **state)
{
    (void)state;
    char *folder = small_series("s");
    rp_dicom_series before = load(folder);
    rp_error err = {0};
    char *sub = rp_path_join(folder, "a/b"), *junk = rp_path_join(folder, "notes.txt");
    char *first = slice_file(folder, 1), *moved = rp_path_join(folder, "zz");
    char *third = slice_file(folder, 3), *deep = rp_path_join(folder, "a/b/IM3");
    char *fifth = slice_file(folder, 5), *copy = rp_path_join(folder, "copy of 5");
    assert_ok(rp_directory_create(sub, &err), err);
    assert_ok(rp_file_write(junk, "not an image", 12, &err), err);
    assert_int_equal(rename(first, moved), 0);
    assert_int_equal(rename(third, deep), 0);
    copy_file(fifth, copy);
    rp_dicom_series after = load(folder);
    assert_same_image(&before.image, &after.image);
    assert_string_equal(before.image_sha256, after.image_sha256);
    rp_dicom_listing listing;
    assert_ok(rp_dicom_list(folder, &listing, &err), err);
    assert_int_equal(listing.count, 1);
    assert_int_equal(listing.other_files, 1);
    assert_true(listing.series[0].usable);
    assert_close(listing.series[0].slice_spacing_mm, 3, 1e-9);
    assert_int_equal(listing.series[0].columns, NX);
    rp_dicom_listing_release(&listing);
    assert_true(rp_dicom_probe(moved));
    assert_false(rp_dicom_probe(junk));
    assert_false(rp_rtstruct_probe(moved));
    rp_dicom_series_release(&before);
    rp_dicom_series_release(&after);
    char *paths[] = {sub, junk, first, moved, third, deep, fifth, copy};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) rp_free(paths[i]);
    remove_folder(folder);
}

/* Each file may have a preamble or none. */
static void files_without_preamble_are_read(void **state)
{
    (void)state;
    char *folder = small_series("s"), *path = slice_file(folder, 2);
    rp_dicom_series before = load(folder);
    uint8_t *data = NULL;
    size_t size = 0;
    rp_error err = {0};
    assert_ok(rp_file_read(path, &data, &size, &err), err);
    assert_ok(rp_file_write(path, data + 132, size - 132, &err), err);
    assert_true(rp_dicom_probe(path));
    rp_dicom_series after = load(folder);
    assert_same_image(&before.image, &after.image);
    rp_dicom_series_release(&before);
    rp_dicom_series_release(&after);
    rp_free(data);
    rp_free(path);
    remove_folder(folder);
}

static void a_single_file_is_a_series_of_one_slice(void **state)
{
    (void)state;
    char *folder = small_series("s"), *path = slice_file(folder, 4);
    rp_dicom_series one = load(path);
    assert_int_equal(one.image.grid.size[2], 1);
    assert_close(one.image.grid.spacing[2], 3, 1e-9);
    assert_close(one.image.grid.origin[2], -301.7 + 9, 1e-9);
    rp_dicom_series_release(&one);
    remove_element(path, THICKNESS);
    assert_load_fails(path, RP_ERR_FORMAT, "single slice");
    rp_free(path);
    remove_folder(folder);
}

/* ---- values ------------------------------------------------------------------------------ */

static void rescale_and_padding_are_applied_slice_by_slice(void **state)
{
    (void)state;
    char *folder = small_series("s"), *one = slice_file(folder, 1), *two = slice_file(folder, 2);
    char *three = slice_file(folder, 3), *four = slice_file(folder, 4);
    edit_text(one, SLOPE, "DS", "+2.5E0");
    edit_text(one, INTERCEPT, "DS", "-1000");
    edit_pixel(one, 0, 400);
    remove_element(two, SLOPE); /* 1 and 0 are then meant, not 0 and 0 */
    edit_text(two, INTERCEPT, "DS", "");
    edit_pixel(two, 0, 77);
    edit_u16(three, PADDING, "US", 900);
    edit_u16(three, PADDING_LIMIT, "US", 910);
    for (unsigned i = 0; i < 4; i++) edit_pixel(three, i, (unsigned[]){899, 900, 910, 911}[i]);
    edit_text(four, INTERCEPT, "DS", "-3024");
    edit_pixel(four, 0, 0); /* -3024 HU and no PixelPaddingValue */
    for (unsigned i = 1; i < NX * NY; i++) edit_pixel(four, i, 2000 + i);
    edit_pixel(four, 1, 2000);
    rp_dicom_series s = load(folder);
    const float *v = s.image.data;
    assert_close((double)v[0], 0, 0);
    assert_close((double)v[NX * NY], 77, 0);
    const float *third = v + 2 * NX * NY, *fourth = v + 3 * NX * NY;
    assert_close((double)third[0], 899 - 1024, 0);
    assert_close((double)third[1], -1000, 0);
    assert_close((double)third[2], -1000, 0);
    assert_close((double)third[3], 911 - 1024, 0);
    assert_close((double)fourth[0], -1000, 0);
    assert_close((double)fourth[1], -1024, 0);
    assert_int_equal(s.padded_voxels, 3);
    rp_dicom_series_release(&s);
    char *paths[] = {one, two, three, four};
    for (int i = 0; i < 4; i++) rp_free(paths[i]);
    remove_folder(folder);
}

/* 12 bits, signed, not at the low end of the cell, with rubbish in the bits above and below. */
static void bits_are_taken_from_where_the_header_says(void **state)
{
    (void)state;
    char *folder = small_series("s"), *path = slice_file(folder, 1);
    edit_u16(path, BITS_STORED, "US", 12);
    edit_u16(path, HIGH_BIT, "US", 13);
    edit_u16(path, REPRESENTATION, "US", 1);
    edit_text(path, INTERCEPT, "DS", "0");
    edit_pixel(path, 0, (0xFFFu & (unsigned)-700) << 2 | 0xC003);
    edit_pixel(path, 1, 700u << 2 | 0x4001);
    edit_u16(path, PADDING, "US", 0xFFFF & (unsigned)-1001); /* signed value in an unsigned field */
    edit_pixel(path, 2, (0xFFFu & (unsigned)-1001) << 2);
    rp_dicom_series s = load(path);
    assert_close((double)s.image.data[0], -700, 0);
    assert_close((double)s.image.data[1], 700, 0);
    assert_close((double)s.image.data[2], -1000, 0);
    rp_dicom_series_release(&s);
    edit_u16(path, BITS_STORED, "US", 17);
    assert_load_fails(path, RP_ERR_FORMAT, "do not fit");
    edit_u16(path, BITS_ALLOCATED, "US", 32);
    assert_load_fails(path, RP_ERR_UNSUPPORTED, "32 bits");
    rp_free(path);
    remove_folder(folder);
}

/* ---- faults of one slice -----------------------------------------------------------------------
 */

typedef struct fault {
    uint32_t tag;
    const char *vr, *text;
    rp_status status;
    const char *words;
} fault;

static const fault faults[] = {
    {POSITION, "DS", "-10.5\\20.125\\-295.7", RP_ERR_FORMAT, "same position -295.70 mm"},
    {POSITION, "DS", "-10.5\\20.125\\-298.2", RP_ERR_REFUSED, "uneven slice spacing"},
    {POSITION, "DS", "-10.5\\21.625\\-298.7", RP_ERR_FORMAT, "shifted by 1.50 mm"},
    {POSITION, "DS", "-10.5\\nan\\-298.7", RP_ERR_FORMAT, "ImagePositionPatient"},
    {POSITION, "", "", RP_ERR_FORMAT, "ImagePositionPatient"},
    {ORIENTATION, "DS", "1\\0\\0\\0\\1", RP_ERR_FORMAT, "ImageOrientationPatient"},
    {ORIENTATION, "DS", "0.99\\0.141\\0\\-0.141\\0.99\\0", RP_ERR_ARGUMENT,
     "1 slices, ImageOrientationPatient 0.99 0.141 0 -0.141 0.99 0 (axial)"},
    {SPACING, "DS", "1.25\\0.76", RP_ERR_FORMAT, "PixelSpacing differs"},
    {SPACING, "DS", "0\\0", RP_ERR_FORMAT, "PixelSpacing"},
    {SLOPE, "DS", "0", RP_ERR_FORMAT, "RescaleSlope"},
    {SLOPE, "DS", "1,0", RP_ERR_FORMAT, "RescaleSlope"},
    {PHOTOMETRIC, "CS", "MONOCHROME1", RP_ERR_FORMAT, "MONOCHROME1"},
    {MODALITY, "CS", "MR", RP_ERR_FORMAT, "Modality differs"},
    {PATIENT_ID, "LO", "ID-2", RP_ERR_REFUSED, "more than one patient"},
};

static void faults_of_a_slice_are_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        const fault *f = &faults[i];
        char *folder = small_series("s"), *path = slice_file(folder, 2);
        edit_text(path, f->tag, f->vr, f->text);
        assert_load_fails(folder, f->status, f->words);
        rp_dicom_listing listing;
        rp_error err = {0};
        assert_ok(rp_dicom_list(folder, &listing, &err), err);
        /* A turned slice is a part by itself, and leaves a gap in the other. */
        assert_int_equal(listing.count, f->status == RP_ERR_ARGUMENT ? 2 : 1);
        if (f->tag != PATIENT_ID) {
            assert_false(listing.series[0].usable);
            assert_string_not_equal(listing.series[0].why_not, "");
        }
        rp_dicom_listing_release(&listing);
        rp_free(path);
        remove_folder(folder);
    }
}

static void patients_are_never_named(void **state)
{
    (void)state;
    char *folder = small_series("s"), *path = slice_file(folder, 2);
    edit_text(path, PATIENT_ID, "LO", "ID-2");
    rp_dicom_series series;
    rp_error err = {0};
    assert_int_equal(rp_dicom_series_load(folder, NULL, NULL, &series, &err), RP_ERR_REFUSED);
    assert_null(strstr(err.message, "ID-1"));
    assert_null(strstr(err.message, "ID-2"));
    rp_dicom_load_options options = {.allow_mixed_patients = true};
    assert_ok(rp_dicom_series_load(folder, &options, NULL, &series, &err), err);
    rp_dicom_series_release(&series);
    edit_text(path, PATIENT_ID, "LO",
              ""); /* missing on some slices: the same series all the same */
    assert_ok(rp_dicom_series_load(folder, NULL, NULL, &series, &err), err);
    rp_dicom_series_release(&series);
    rp_free(path);
    remove_folder(folder);
}

static void missing_slices_are_an_error_with_the_gap(void **state)
{
    (void)state;
    char *folder = small_series("s"), *path = slice_file(folder, 4);
    unlink(path);
    assert_load_fails(folder, RP_ERR_REFUSED,
                      "gap of 6.00 mm between positions -295.70 and -289.70");
    rp_free(path);
    remove_folder(folder);
}

/* Positions of the small series: the height of each slice, and what it is shifted by in y for each
 * mm. */
static void move_slices(const char *folder, double lean, double (*z_of)(int z))
{
    for (int z = 0; z < NZ; z++) {
        char *path = slice_file(folder, z + 1);
        char *text = rp_format("-10.5\\%.6f\\%.6f", 20.125 + lean * z_of(z), -301.7 + z_of(z));
        edit_text(path, POSITION, "DS", text);
        rp_free(text);
        rp_free(path);
    }
}

static double even(int z)
{
    return 3.0 * z;
}

static void gantry_tilt_is_resampled_to_an_upright_grid(void **state)
{
    (void)state;
    char *folder = small_series("s"), text[512];
    move_slices(folder, tan(12 * M_PI / 180), even);
    rp_dicom_series s = load(folder);
    const rp_grid *g = &s.image.grid;
    assert_close(s.repair.tilt_degrees, 12, 0.001);
    assert_true(s.repair.resampled);
    assert_false(s.repair.uneven);
    rp_dicom_repair_text(&s.repair, text);
    assert_string_equal(text, "a gantry tilt of 12.0 degrees was resampled to an upright grid");
    /* z along the table's way, which leans by 12 degrees against the slices' normal */
    assert_close(g->direction[1][2], sin(12 * M_PI / 180), 1e-6);
    assert_close(g->direction[2][2], cos(12 * M_PI / 180), 1e-6);
    assert_close(g->direction[0][0], 1, 1e-9);
    assert_close(g->spacing[2], 3 / cos(12 * M_PI / 180), 1e-6);
    assert_close(g->spacing[0], 0.75, 1e-9);
    assert_close(g->spacing[1], 1.25, 1e-9);
    assert_int_equal(g->size[0], NX);
    for (int z = 0; z < g->size[2]; z++) assert_string_equal(s.sop_uids[z], "");
    assert_int_equal(s.acquired_count, NZ);
    assert_int_equal(s.acquired_grid.size[2], NZ);
    assert_true(s.acquired_grid.size[1] > NY);
    rp_dicom_series_release(&s);
    remove_folder(folder);
}

/* HU = 100 + 20 x + 3 y - z in mm: interpolation is exact for it, on any grid within the slices. */
static double ramp(const double at[3])
{
    return 100 + 20 * (at[0] + 10) + 3 * (at[1] - 20) - (at[2] + 300);
}

static void write_ramp(const char *folder, double lean, double (*z_of)(int z))
{
    move_slices(folder, lean, z_of);
    for (int z = 0; z < NZ; z++) {
        char *path = slice_file(folder, z + 1);
        edit_text(path, SLOPE, "DS", "0.01");
        edit_text(path, INTERCEPT, "DS", "0");
        for (int i = 0; i < NX * NY; i++) {
            const double at[3] = {-10.5 + i % NX * 0.75, 20.125 + lean * z_of(z) + i / NX * 1.25,
                                  -301.7 + z_of(z)};
            edit_pixel(path, (size_t)i, (unsigned)lround(100 * ramp(at)) & 0xFFFF);
        }
        rp_free(path);
    }
}

/* Voxels off the border that are not air, each compared with the ramp. */
static size_t count_on_ramp(const rp_image *image)
{
    size_t inside = 0;
    const rp_grid *g = &image->grid;
    for (int z = 0; z < g->size[2]; z++)
        for (int y = 1; y + 1 < g->size[1]; y++)
            for (int x = 0; x < g->size[0]; x++) {
                const double index[3] = {x, y, z};
                double at[3];
                rp_grid_to_world(g, index, at);
                const size_t i = rp_grid_index(g, x, y, z), row = (size_t)g->size[0];
                const float value = image->data[i];
                if (value <= -999 || image->data[i - row] <= -999 || image->data[i + row] <= -999)
                    continue; /* air, or a border that was repeated */
                if (z == 0 || z + 1 == g->size[2]) continue;
                assert_close((double)value, ramp(at), 0.02);
                inside++;
            }
    return inside;
}

static double with_a_gap(int z)
{
    return 3.0 * (z < 3 ? z : z + 1);
}

static double uneven(int z)
{
    static const double at[NZ] = {0, 3, 6, 8, 10, 12};
    return at[z];
}

static void resampling_keeps_every_value_in_its_place(void **state)
{
    (void)state;
    const double leans[] = {0, tan(12 * M_PI / 180)};
    double (*const heights[])(int) = {even, with_a_gap, uneven};
    for (int i = 0; i < 6; i++) {
        char *folder = small_series("s");
        write_ramp(folder, leans[i % 2], heights[i / 2]);
        const rp_dicom_load_options options = {.repair = true};
        rp_dicom_series s;
        rp_error err = {0};
        if (i / 2) assert_load_fails(folder, RP_ERR_REFUSED, "--repair");
        assert_ok(rp_dicom_series_load(folder, &options, NULL, &s, &err), err);
        assert_int_equal(s.repair.uneven, i / 2 > 0);
        assert_int_equal(s.repair.missing_slices, i / 2 == 1);
        assert_true(count_on_ramp(&s.image) >= NX * 8);
        rp_dicom_series_release(&s);
        remove_folder(folder);
    }
}

static void gaps_are_filled_on_request_and_told(void **state)
{
    (void)state;
    char *folder = small_series("s"), *path = slice_file(folder, 4), text[512];
    rp_dicom_series whole = load(folder), s;
    unlink(path);
    const rp_dicom_load_options options = {.repair = true};
    rp_error err = {0};
    assert_ok(rp_dicom_series_load(folder, &options, NULL, &s, &err), err);
    assert_true(rp_grid_same(&whole.image.grid, &s.image.grid, 1e-6));
    for (int z = 0; z < NZ; z++) {
        const size_t plane = NX * NY, at = (size_t)z * plane;
        assert_string_equal(s.sop_uids[z], z == 3 ? "" : whole.sop_uids[z]);
        for (size_t i = at; i < at + plane; i++)
            assert_close((double)s.image.data[i],
                         z == 3 ? ((double)whole.image.data[i - plane] +
                                   (double)whole.image.data[i + plane]) /
                                      2
                                : (double)whole.image.data[i],
                         1e-4);
    }
    rp_dicom_repair_text(&s.repair, text);
    assert_string_equal(
        text, "1 missing slice was filled by interpolation to an even spacing of 3.00 mm, "
              "the widest gap 6.00 mm between positions -295.70 and -289.70 mm");
    rp_dicom_series_release(&s);
    rp_dicom_series_release(&whole);
    rp_free(path);
    remove_folder(folder);
}

static void slices_sent_twice_count_once(void **state)
{
    (void)state;
    char *folder = small_series("s"), *path = slice_file(folder, 2);
    char *twin = rp_path_join(folder, "twin"), text[512];
    copy_file(path, twin);
    edit_text(twin, SOP_UID, "UI", "1.2.3.4");
    rp_dicom_series s = load(folder);
    assert_int_equal(s.image.grid.size[2], NZ);
    assert_int_equal(s.repair.duplicates, 1);
    rp_dicom_repair_text(&s.repair, text);
    assert_string_equal(text, "1 slice of the same place and pixels counted once");
    rp_dicom_series_release(&s);
    edit_pixel(twin, 3, 9); /* another image of the place: which one counts cannot be told */
    assert_load_fails(folder, RP_ERR_FORMAT, "same position -298.70 mm");
    rp_free(twin);
    rp_free(path);
    remove_folder(folder);
}

static void rounded_positions_are_tolerated(void **state)
{
    (void)state;
    char *folder = small_series("s");
    for (int z = 0; z < NZ; z++) {
        char *path = slice_file(folder, z + 1);
        char *text = rp_format("-10.5\\20.1\\%.2f", -301.7 + 1.0 / 3 * z);
        edit_text(path, POSITION, "DS", text);
        rp_free(text);
        rp_free(path);
    }
    rp_dicom_series s = load(folder);
    assert_close(s.image.grid.spacing[2], 1.0 / 3, 0.003);
    rp_dicom_series_release(&s);
    remove_folder(folder);
}

static void another_object_under_the_same_uid_is_an_error(void **state)
{
    (void)state;
    char *folder = small_series("s"), *path = slice_file(folder, 2);
    char *copy = rp_path_join(folder, "copy");
    copy_file(path, copy);
    edit_pixel(copy, 3, 9);
    assert_load_fails(folder, RP_ERR_FORMAT, "same SOPInstanceUID");
    rp_free(copy);
    rp_free(path);
    remove_folder(folder);
}

static void truncated_files_are_named(void **state)
{
    (void)state;
    char *folder = small_series("s"), *path = slice_file(folder, 5);
    uint8_t *data = NULL;
    size_t size = 0;
    rp_error err = {0};
    assert_ok(rp_file_read(path, &data, &size, &err), err);
    assert_ok(rp_file_write(path, data, size - 10, &err), err);
    assert_load_fails(folder, RP_ERR_FORMAT, "slice-0005.dcm: truncated");
    /* cut within the header: it must not pass for a slice that was never there */
    assert_ok(rp_file_write(path, data, 700, &err), err);
    assert_load_fails(folder, RP_ERR_FORMAT, "slice-0005.dcm: truncated");
    rp_free(data);
    rp_free(path);
    remove_folder(folder);
}

static void sizes_beyond_the_pixels_are_an_error(void **state)
{
    (void)state;
    char *folder = small_series("s"), *path = slice_file(folder, 1);
    edit_u16(path, ROWS, "US", 8192);
    assert_load_fails(path, RP_ERR_FORMAT, "truncated pixel data");
    edit_u16(path, ROWS, "US", 65535);
    assert_load_fails(path, RP_ERR_FORMAT, "Rows or Columns");
    edit_u16(path, ROWS, "US", 0);
    assert_load_fails(path, RP_ERR_FORMAT, "Rows or Columns");
    rp_free(path);
    remove_folder(folder);
}

/* ---- several series ---------------------------------------------------------------------- */

static void what_is_no_slice_is_passed_over(void **state)
{
    (void)state;
    static const struct {
        uint32_t tag;
        const char *vr, *text;
    } marks[] = {{IMAGE_TYPE, "CS", "ORIGINAL\\PRIMARY\\LOCALIZER"},
                 {SOP_CLASS, "UI", "1.2.840.10008.5.1.4.1.1.7"},
                 {SOP_CLASS, "UI", "1.2.840.10008.5.1.4.1.1.2.1"},
                 {FRAMES, "IS", "2"}};
    char *folder = small_series("s"), *path = slice_file(folder, 1);
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        char *extra = rp_format("%s/extra%zu", folder, i), *uid = rp_format("1.2.3.%zu", i);
        copy_file(path, extra);
        edit_text(extra, marks[i].tag, marks[i].vr, marks[i].text);
        edit_text(extra, SOP_UID, "UI", uid);
        if (i % 2) edit_text(extra, SERIES_UID, "UI", uid); /* within the series, or beside it */
        assert_load_fails(extra, RP_ERR_FORMAT, "no CT slices");
        rp_free(uid);
        rp_free(extra);
    }
    rp_dicom_series s = load(folder);
    assert_int_equal(s.image.grid.size[2], NZ);
    rp_dicom_series_release(&s);
    rp_free(path);
    remove_folder(folder);
}

static void several_series_are_listed_and_chosen(void **state)
{
    (void)state;
    char *folder = small_series("one"), *other = small_series("two");
    rp_dicom_series first = load(folder), second = load(other);
    char *sub = rp_path_join(folder, "second");
    assert_int_equal(rename(other, sub), 0);
    assert_load_fails(folder, RP_ERR_ARGUMENT, "--series");
    assert_load_fails(folder, RP_ERR_ARGUMENT, first.header.series_uid);
    assert_load_fails(folder, RP_ERR_ARGUMENT, second.header.series_uid);
    assert_load_fails(folder, RP_ERR_ARGUMENT, "\"portal venous\" 6 slices");
    const char *uid = second.header.series_uid;
    rp_dicom_load_options options = {.series_uid = uid + strlen(uid) - 8};
    rp_dicom_series chosen;
    rp_error err = {0};
    assert_ok(rp_dicom_series_load(folder, &options, NULL, &chosen, &err), err);
    assert_string_equal(chosen.header.series_uid, uid);
    options.series_uid = "99.99";
    assert_load_fails_with(folder, &options, RP_ERR_ARGUMENT, "no series");
    rp_dicom_series_release(&chosen);
    rp_dicom_series_release(&first);
    rp_dicom_series_release(&second);
    rp_free(sub);
    rp_free(other);
    remove_folder(folder);
}

static void other_modalities_are_refused(void **state)
{
    (void)state;
    char *folder = small_series("s");
    for (int z = 0; z < NZ; z++) {
        char *path = slice_file(folder, z + 1);
        edit_text(path, MODALITY, "CS", "MR");
        if (z == 0) edit_text(path, INTERCEPT, "DS", "-3000");
        rp_free(path);
    }
    assert_load_fails(folder, RP_ERR_REFUSED, "modality MR, expected CT");
    rp_dicom_load_options options = {.allow_non_ct = true};
    rp_dicom_series s;
    rp_error err = {0};
    assert_ok(rp_dicom_series_load(folder, &options, NULL, &s, &err), err);
    assert_true(s.image.data[0] < -1024); /* air in Hounsfield units means nothing here */
    rp_dicom_series_release(&s);
    remove_folder(folder);
}

/* Some anonymisers blank every UID. */
static void blanked_uids_are_tolerated(void **state)
{
    (void)state;
    char *folder = small_series("s");
    for (int z = 0; z < NZ; z++) {
        char *path = slice_file(folder, z + 1);
        edit_text(path, SERIES_UID, "UI", "");
        edit_text(path, SOP_UID, "UI", "");
        edit_text(path, SERIES_NUMBER, "IS", "");
        rp_free(path);
    }
    rp_dicom_series s = load(folder);
    assert_int_equal(s.image.grid.size[2], NZ);
    assert_string_equal(s.header.series_uid, "");
    assert_string_not_equal(s.sop_uids[1], ""); /* from the meta header */
    rp_dicom_series_release(&s);
    remove_folder(folder);
}

static void folders_without_ct_are_errors(void **state)
{
    (void)state;
    char *folder = make_folder(), *junk = rp_path_join(folder, "x.dcm");
    rp_error err = {0};
    assert_load_fails(folder, RP_ERR_FORMAT, "no CT images");
    assert_ok(rp_file_write(junk, "", 0, &err), err);
    assert_load_fails(folder, RP_ERR_FORMAT, "no CT images");
    assert_load_fails(junk, RP_ERR_FORMAT, "no CT images");
    assert_load_fails("/nowhere/at/all", RP_ERR_IO, "no such");
    assert_false(rp_dicom_probe(junk));
    rp_free(junk);
    remove_folder(folder);
}

/* ---- cancelling, writing -----------------------------------------------------------------------
 */

static bool say_yes(void *context)
{
    (void)context;
    return true;
}

static void loading_can_be_cancelled(void **state)
{
    (void)state;
    char *folder = small_series("s");
    rp_progress progress = {.cancelled = say_yes};
    rp_dicom_series series;
    rp_error err = {0};
    assert_int_equal(rp_dicom_series_load(folder, NULL, &progress, &series, &err),
                     RP_ERR_CANCELLED);
    assert_null(series.image.data);
    remove_folder(folder);
}

static void failed_writes_leave_nothing(void **state)
{
    (void)state;
    char *base = make_folder(), *folder = rp_path_join(base, "out");
    rp_image image = small_image();
    rp_dicom_header header = small_header();
    rp_dicom_series written;
    rp_error err = {0};
    for (long n = 1; n <= 2 * NZ; n++) { /* each slice is one write and one commit */
        rp_test_fail_write(n);
        assert_int_equal(rp_dicom_series_write(folder, &image, &header, "s", &written, &err),
                         RP_ERR_IO);
        rp_test_fail_write(0);
        assert_false(rp_path_exists(folder));
        assert_null(written.image.data);
    }
    image.data[17] = NAN;
    assert_int_equal(rp_dicom_series_write(folder, &image, &header, "s", NULL, &err),
                     RP_ERR_NUMERIC);
    assert_false(rp_path_exists(folder));
    image.data[17] = 1e9f;
    image.data[18] = -1e9f;
    image.data[19] = 0.6f;
    assert_ok(rp_dicom_series_write(folder, &image, &header, "s", &written, &err), err);
    assert_close((double)written.image.data[17], 65535 - 1024, 0);
    assert_close((double)written.image.data[18], -1024, 0);
    assert_close((double)written.image.data[19], 1, 0);
    assert_int_equal(rp_dicom_series_write(folder, &image, &header, "s", NULL, &err), RP_ERR_IO);
    assert_non_null(strstr(err.message, "holds a series already"));
    rp_dicom_series_release(&written);
    rp_image_release(&image);
    rp_free(folder);
    remove_folder(base);
}

static void failed_allocations_are_errors(void **state)
{
    (void)state;
    char *folder = small_series("s");
    rp_status status = RP_ERR_MEMORY;
    long n = 1;
    for (; n < 500 && status; n++) {
        rp_dicom_series series;
        rp_error err = {0};
        rp_test_fail_allocation(n);
        status = rp_dicom_series_load(folder, NULL, NULL, &series, &err);
        rp_test_fail_allocation(0);
        if (status)
            assert_null(series.image.data);
        else
            rp_dicom_series_release(&series);
    }
    assert_int_equal(status, RP_OK);
    assert_true(n > 3);
    remove_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip_keeps_everything),
        cmocka_unit_test(uids_follow_from_seed_and_content),
        cmocka_unit_test(left_handed_grids_are_turned_over),
        cmocka_unit_test(folders_in_disorder_are_read),
        cmocka_unit_test(files_without_preamble_are_read),
        cmocka_unit_test(a_single_file_is_a_series_of_one_slice),
        cmocka_unit_test(rescale_and_padding_are_applied_slice_by_slice),
        cmocka_unit_test(bits_are_taken_from_where_the_header_says),
        cmocka_unit_test(faults_of_a_slice_are_named),
        cmocka_unit_test(patients_are_never_named),
        cmocka_unit_test(missing_slices_are_an_error_with_the_gap),
        cmocka_unit_test(gantry_tilt_is_resampled_to_an_upright_grid),
        cmocka_unit_test(resampling_keeps_every_value_in_its_place),
        cmocka_unit_test(gaps_are_filled_on_request_and_told),
        cmocka_unit_test(slices_sent_twice_count_once),
        cmocka_unit_test(rounded_positions_are_tolerated),
        cmocka_unit_test(another_object_under_the_same_uid_is_an_error),
        cmocka_unit_test(truncated_files_are_named),
        cmocka_unit_test(sizes_beyond_the_pixels_are_an_error),
        cmocka_unit_test(what_is_no_slice_is_passed_over),
        cmocka_unit_test(several_series_are_listed_and_chosen),
        cmocka_unit_test(other_modalities_are_refused),
        cmocka_unit_test(blanked_uids_are_tolerated),
        cmocka_unit_test(folders_without_ct_are_errors),
        cmocka_unit_test(loading_can_be_cancelled),
        cmocka_unit_test(failed_writes_leave_nothing),
        cmocka_unit_test(failed_allocations_are_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
