/* Headers that contradict themselves, or tell less than they should: what is read, and what is said
 * about it. The right figures are worked out by hand from the fields. */
#include "test.h"
#include "reprise/io.h"

#include <math.h>
#include <stddef.h>

/* nifti1.h, on a little-endian machine. */
typedef struct nifti1 {
    int32_t sizeof_hdr;
    char unused1[36];
    int16_t dim[8];
    float intent[3];
    int16_t intent_code, datatype, bitpix, slice_start;
    float pixdim[8], vox_offset, scl_slope, scl_inter;
    int16_t slice_end;
    char slice_code, xyzt_units;
    float cal_max, cal_min, slice_duration, toffset;
    int32_t glmax, glmin;
    char descrip[80], aux_file[24];
    int16_t qform_code, sform_code;
    float quatern[3], qoffset[3], srow[3][4];
    char intent_name[16], magic[4];
    uint8_t extension[4];
    float voxels[4 * 5 * 6];
} nifti1;

_Static_assert(offsetof(nifti1, srow) == 280 && offsetof(nifti1, voxels) == 352, "as stored");

enum { VOXELS = 4 * 5 * 6 };

static char *folder, *path;

static int set_up(void **state)
{
    (void)state;
    folder = make_folder();
    path = rp_path_join(folder, "image.nii");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    remove_folder(folder);
    rp_free(path);
    return 0;
}

/* 4 x 5 x 6 voxels of 1 x 2 x 3 mm along R, A, S from (10, 20, 30); sform and qform agree. */
static nifti1 agreeing(void)
{
    nifti1 h = {.sizeof_hdr = 348,
                .dim = {3, 4, 5, 6, 1, 1, 1, 1},
                .datatype = 16,
                .bitpix = 32,
                .pixdim = {1, 1, 2, 3, 1, 1, 1, 1},
                .vox_offset = 352,
                .scl_slope = 1,
                .xyzt_units = 2,
                .qform_code = 1,
                .sform_code = 1,
                .qoffset = {10, 20, 30},
                .srow = {{1, 0, 0, 10}, {0, 2, 0, 20}, {0, 0, 3, 30}}};
    memcpy(h.magic, "n+1", 4);
    return h;
}

static void save(const nifti1 *h)
{
    FILE *stream = fopen(path, "wb");
    assert_non_null(stream);
    assert_int_equal(fwrite(h, 1, sizeof *h, stream), sizeof *h);
    assert_int_equal(fclose(stream), 0);
}

static rp_nifti_info read_info(const nifti1 *h, rp_remarks *remarks)
{
    rp_error err = {0};
    rp_nifti_info info = {0};
    save(h);
    *remarks = (rp_remarks){0};
    assert_ok(rp_nifti_info_read(path, &info, remarks, &err), err);
    return info;
}

/* One remark of that key that holds all the words; releases them. */
static void assert_told(rp_remarks *remarks, const char *key, const char *const words[])
{
    const rp_remark *remark = rp_remark_find(remarks, key);
    if (!remark || remarks->count != 1)
        fail_msg("%zu remarks, the first '%s', not one '%s'", remarks->count,
                 remarks->count ? remarks->items[0].text : "", key);
    for (size_t i = 0; words[i]; i++)
        if (!strstr(remark->text, words[i])) fail_msg("no '%s' in: %s", words[i], remark->text);
    rp_remarks_release(remarks);
}

static void assert_refused(const nifti1 *h, const char *const words[])
{
    rp_error err = {0};
    rp_nifti_info info;
    rp_remarks remarks = {0};
    save(h);
    assert_int_equal(rp_nifti_info_read(path, &info, &remarks, &err), RP_ERR_FORMAT);
    for (size_t i = 0; words[i]; i++)
        if (!strstr(err.message, words[i])) fail_msg("no '%s' in: %s", words[i], err.message);
    rp_remarks_release(&remarks);
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void what_agrees_is_not_told(void **state)
{
    (void)state;
    rp_remarks remarks;
    nifti1 h = agreeing();
    rp_nifti_info info = read_info(&h, &remarks);
    assert_int_equal(remarks.count, 0);
    assert_close(rp_grid_voxel_mm3(&info.grid), 6, 1e-6);
    h.qoffset[2] += 0.02F; /* what rounding makes of it */
    h.pixdim[3] *= 1.0001F;
    read_info(&h, &remarks);
    assert_int_equal(remarks.count, 0);
    h.qform_code = 0;
    h.xyzt_units = 0;
    h.pixdim[3] = 3.01F;
    read_info(&h, &remarks);
    assert_int_equal(remarks.count, 0);
}

static void forms_that_disagree_are_told(void **state)
{
    (void)state;
    rp_remarks remarks;
    nifti1 h = agreeing(); /* thickness: 4 mm against 3 */
    h.srow[2][2] = 4;
    rp_nifti_info info = read_info(&h, &remarks);
    assert_close(rp_grid_voxel_mm3(&info.grid), 8, 1e-6);
    assert_told(&remarks, "forms_disagree",
                WORDS("25.0% smaller", "0 degrees", "5.0 mm elsewhere"));
    h = agreeing(); /* x runs the other way; the farthest voxel lies 2 * 3 mm elsewhere */
    h.srow[0][0] = -1;
    read_info(&h, &remarks);
    assert_told(&remarks, "forms_disagree",
                WORDS("the same", "180 degrees", "mirrored", "6.0 mm elsewhere"));
    h = agreeing(); /* a quarter turn about z: (b, c, d) = (0, 0, sqrt(1/2)) */
    h.quatern[2] = 0.70710678F;
    read_info(&h, &remarks);
    assert_told(&remarks, "forms_disagree", WORDS("90 degrees", "the same"));
    h = agreeing(); /* half a slice */
    h.qoffset[2] += 1.5F;
    info = read_info(&h, &remarks);
    assert_close(info.grid.origin[2], 30, 1e-6);
    assert_told(&remarks, "forms_disagree", WORDS("the same", "1.5 mm elsewhere"));
    h = agreeing(); /* no qform: pixdim is all there is to hold against it */
    h.qform_code = 0;
    h.pixdim[3] = 6;
    read_info(&h, &remarks);
    assert_told(&remarks, "forms_disagree", WORDS("pixdim", "100.0% larger"));
    h = agreeing(); /* a qform that is none */
    h.quatern[0] = 7;
    info = read_info(&h, &remarks);
    assert_string_equal(info.geometry, "sform");
    assert_told(&remarks, "qform_unusable", WORDS("quaternion"));
}

static void an_empty_sform_gives_way(void **state)
{
    (void)state;
    rp_remarks remarks;
    nifti1 h = agreeing();
    memset(h.srow, 0, sizeof h.srow);
    rp_nifti_info info = read_info(&h, &remarks);
    assert_string_equal(info.geometry, "qform");
    assert_close(rp_grid_voxel_mm3(&info.grid), 6, 1e-6);
    assert_close(info.grid.origin[0], -10, 1e-6);
    assert_told(&remarks, "sform_unusable", WORDS("singular", "qform was used"));
    h.srow[1][1] = NAN;
    read_info(&h, &remarks);
    assert_told(&remarks, "sform_unusable", WORDS("not finite"));
    h.qform_code = 0;
    assert_refused(&h, WORDS("sform", "no valid qform"));
}

/* 20 degrees of gantry tilt left in the sform; a qform takes over only where that changes nothing.
 */
static void shear_is_no_grid(void **state)
{
    (void)state;
    rp_remarks remarks;
    nifti1 h = agreeing();
    const double lean = tan(20 * M_PI / 180);
    h.srow[1][2] = (float)(-3 * lean);
    assert_refused(&h,
                   WORDS("sheared by 20.0 degrees", "volumes are the same", "5.5 mm elsewhere"));
    h.pixdim[3] = (float)(3 / cos(20 * M_PI / 180)); /* along the slant: 6.4% more volume */
    assert_refused(&h, WORDS("sheared by 20.0 degrees", "6.4% larger"));
    h.qform_code = 0;
    assert_refused(&h, WORDS("sheared by 20.0 degrees", "resample"));
    h = agreeing(); /* 0.01 rad: 0.15 mm at the last slice */
    h.srow[1][2] = -0.03F;
    rp_nifti_info info = read_info(&h, &remarks);
    assert_string_equal(info.geometry, "qform");
    assert_close(rp_grid_voxel_mm3(&info.grid), 6, 1e-6);
    assert_told(&remarks, "sform_sheared", WORDS("0.57 degrees", "0.15 mm", "the same"));
}

static void a_place_that_is_not_told_is_told(void **state)
{
    (void)state;
    rp_remarks remarks;
    nifti1 h = agreeing();
    h.qform_code = h.sform_code = 0;
    rp_nifti_info info = read_info(&h, &remarks);
    assert_string_equal(info.geometry, "pixdim");
    assert_told(&remarks, "position_unknown", WORDS("neither sform nor qform"));
    h.pixdim[1] = -1; /* the sign means nothing, and qfac 0 is 1 */
    h.pixdim[0] = 0;
    info = read_info(&h, &remarks);
    assert_close(rp_grid_voxel_mm3(&info.grid), 6, 1e-6);
    rp_remarks_release(&remarks);
    h.pixdim[1] = 0;
    assert_refused(&h, WORDS("pixdim gives no valid voxel size"));
}

static void units_are_told_or_refused(void **state)
{
    (void)state;
    rp_remarks remarks;
    for (int metre = 0; metre < 2; metre++) {
        nifti1 h = agreeing();
        h.xyzt_units = metre ? 1 : 3;
        assert_refused(&h, WORDS("cannot be", metre ? "(metre)" : "(micrometre)"));
        const float factor = metre ? 1e-3F : 1e3F;
        for (int i = 0; i < 3; i++) {
            h.pixdim[i + 1] *= factor;
            h.qoffset[i] *= factor;
            for (int k = 0; k < 4; k++) h.srow[i][k] *= factor;
        }
        rp_nifti_info info = read_info(&h, &remarks);
        assert_close(rp_grid_voxel_mm3(&info.grid), 6, 1e-4);
        assert_told(&remarks, "length_unit", WORDS(metre ? "metre" : "micrometre", "1 x 2 x 3 mm"));
        h.xyzt_units = 0; /* the same numbers, taken as millimetres */
        assert_refused(&h, WORDS("cannot be", "unit of length (unknown)"));
    }
}

/* ---- values of masks --------------------------------------------------------------------- */

static void rounded_ones_are_ones(void **state)
{
    (void)state;
    static const float inside[] = {1.0000001F, 0.99999994F, 1.0002F, 1};
    rp_error err = {0};
    rp_mask mask;
    rp_labels labels;
    for (int scaled = 0; scaled < 2; scaled++) {
        nifti1 h = agreeing();
        for (int i = 0; i < VOXELS; i++)
            h.voxels[i] = i % 3 ? (float)(i % 7) * 1e-8F : scaled ? 255 : inside[i % 4];
        if (scaled) h.scl_slope = 1.0F / 255;
        save(&h);
        assert_ok(rp_nifti_read_mask(path, false, &mask, NULL, &err), err);
        assert_ok(rp_nifti_read_labels(path, &labels, NULL, &err), err);
        for (int i = 0; i < VOXELS; i++) {
            assert_int_equal(mask.data[i], i % 3 == 0);
            assert_int_equal(labels.data[i], i % 3 == 0);
        }
        rp_mask_release(&mask);
        rp_labels_release(&labels);
    }
    nifti1 h = agreeing(); /* a probability is none */
    h.voxels[0] = 0.5F;
    save(&h);
    assert_int_equal(rp_nifti_read_mask(path, true, &mask, NULL, &err), RP_ERR_FORMAT);
    assert_non_null(strstr(err.message, "not whole numbers"));
}

/* ---- pairs ------------------------------------------------------------------------------- */

static void pairs_are_refused_as_such(void **state)
{
    (void)state;
    RP_AUTOFREE char *header = rp_path_join(folder, "a.hdr");
    RP_AUTOFREE char *voxels = rp_path_join(folder, "a.img");
    for (int analyze = 0; analyze < 2; analyze++) {
        rp_error err = {0};
        rp_image image;
        nifti1 h = agreeing();
        memcpy(h.magic, analyze ? "\0\0\0" : "ni1", 4);
        assert_ok(rp_file_write(header, &h, 348, &err), err);
        assert_ok(rp_file_write(voxels, h.voxels, sizeof h.voxels, &err), err);
        const char *const files[] = {header, voxels};
        for (int i = 0; i < 2; i++) {
            assert_true(rp_nifti_probe(files[i]));
            assert_int_equal(rp_nifti_read_image(files[i], &image, NULL, &err), RP_ERR_UNSUPPORTED);
            assert_non_null(strstr(err.message, "pair of .hdr and .img"));
        }
    }
    assert_int_equal(unlink(header), 0);
    assert_false(rp_nifti_probe(voxels));
}

#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(what_agrees_is_not_told),
        WITH_FOLDER(forms_that_disagree_are_told),
        WITH_FOLDER(an_empty_sform_gives_way),
        WITH_FOLDER(shear_is_no_grid),
        WITH_FOLDER(a_place_that_is_not_told_is_told),
        WITH_FOLDER(units_are_told_or_refused),
        WITH_FOLDER(rounded_ones_are_ones),
        WITH_FOLDER(pairs_are_refused_as_such),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
