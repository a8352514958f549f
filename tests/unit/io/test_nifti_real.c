/* Files written by other programs. Expected figures come from their own documentation. */
#include "test.h"
#include "reprise/io.h"

static char *find(void **state, const char *name)
{
    (void)state;
    char *path = test_data() ? rp_path_join(test_data(), name) : NULL;
    if (!path || !rp_path_exists(path)) {
        print_message("skipped: %s is not among the test data\n", name);
        rp_free(path);
        skip();
    }
    return path;
}

static void totalsegmentator_example(void **state)
{
    RP_AUTOFREE char *path = find(state, "totalseg/example_ct.nii.gz");
    rp_error err = {0};
    rp_image image = {0};
    assert_ok(rp_nifti_read_image(path, &image, NULL, &err), err);
    const int size[3] = {122, 101, 112};
    float low = image.data[0], high = image.data[0];
    for (size_t i = 0; i < rp_grid_voxels(&image.grid); i++) {
        if (image.data[i] < low) low = image.data[i];
        if (image.data[i] > high) high = image.data[i];
    }
    for (int a = 0; a < 3; a++) {
        assert_int_equal(image.grid.size[a], size[a]);
        assert_close(image.grid.spacing[a], 3, 1e-4);
    }
    assert_close(low, -1207, 0);
    assert_close(high, 3382, 0);
    rp_image_release(&image);
}

static void sarcoma_volumes(void **state)
{
    const struct {
        const char *name;
        double cc;
    } cases[] = {{"sts/STS_001/CT/nifti/mask/mask.nii.gz", 365.32},
                 {"sts/STS_002/CT/nifti/mask/mask.nii.gz", 53.30}};
    for (int i = 0; i < 2; i++) {
        RP_AUTOFREE char *path = find(state, cases[i].name);
        rp_error err = {0};
        rp_mask mask = {0};
        assert_ok(rp_nifti_read_mask(path, false, &mask, NULL, &err), err);
        double voxels = 0;
        for (size_t k = 0; k < rp_grid_voxels(&mask.grid); k++) voxels += mask.data[k];
        assert_close(voxels * rp_grid_voxel_mm3(&mask.grid) / 1000, cases[i].cc, 0.005);
        rp_mask_release(&mask);
    }
}

static void image_and_mask_lie_on_one_grid(void **state)
{
    RP_AUTOFREE char *image = find(state, "sts/STS_001/CT/nifti/image/image.nii.gz");
    RP_AUTOFREE char *mask = find(state, "sts/STS_001/CT/nifti/mask/mask.nii.gz");
    rp_error err = {0};
    rp_nifti_info a, b;
    assert_ok(rp_nifti_info_read(image, &a, NULL, &err), err);
    assert_ok(rp_nifti_info_read(mask, &b, NULL, &err), err);
    assert_true(rp_grid_same(&a.grid, &b.grid, 1e-3));
    assert_string_equal(a.geometry, "qform");
}

#define NIBABEL "malformed/deb_pydicom_nibabel/nibabel_tests/"

static void files_of_nibabel(void **state)
{
    const struct {
        const char *name;
        rp_status status;
        const char *reason;
    } cases[] = {{NIBABEL "anatomical.nii", RP_OK, NULL},
                 {NIBABEL "standard.nii.gz", RP_OK, NULL},
                 {NIBABEL "reoriented_anat_moved.nii", RP_OK, NULL},
                 {NIBABEL "resampled_anat_moved.nii", RP_ERR_FORMAT, "153 of 1071 voxels"},
                 {NIBABEL "example4d.nii.gz", RP_ERR_UNSUPPORTED, "more than one volume"},
                 {NIBABEL "example_nifti2.nii.gz", RP_ERR_UNSUPPORTED, "more than one volume"},
                 {NIBABEL "functional.nii", RP_ERR_UNSUPPORTED, "more than one volume"},
                 {NIBABEL "row_major.dconn.nii", RP_ERR_UNSUPPORTED, "more than one volume"},
                 {NIBABEL "analyze.hdr", RP_ERR_UNSUPPORTED, "pair of .hdr and .img"},
                 {NIBABEL "0.dcm", RP_ERR_FORMAT, "not a NIfTI file"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        RP_AUTOFREE char *path = find(state, cases[i].name);
        rp_error err = {0};
        rp_image image = {0};
        rp_status status = rp_nifti_read_image(path, &image, NULL, &err);
        if (status != cases[i].status || (status && !strstr(err.message, cases[i].reason)))
            fail_msg("%s: status %d: %s", cases[i].name, (int)status, err.message);
        rp_image_release(&image);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(totalsegmentator_example),
        cmocka_unit_test(sarcoma_volumes),
        cmocka_unit_test(image_and_mask_lie_on_one_grid),
        cmocka_unit_test(files_of_nibabel),
    };
    if (!test_data()) {
        printf("skipped: REPRISE_TEST_DATA names no folder\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
