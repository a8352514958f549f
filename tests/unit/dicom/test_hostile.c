/* Inputs that once were taken for sound, or could have led a reader astray: found by the fuzz
 * targets or beside what they found. */
#include "phantom.h"

enum {
    POSITION = 0x00200032,
    ORIENTATION = 0x00200037,
    SLOPE = 0x00281053,
};

/* A slope that a double holds may still make voxels that a float does not. */
static void voxels_are_finite(void **state)
{
    (void)state;
    char *folder = small_series("slope"), *path = slice_file(folder, 3);
    edit_text(path, SLOPE, "DS", "1E300");
    assert_load_fails(folder, RP_ERR_FORMAT, "RescaleSlope");
    edit_text(path, SLOPE, "DS", "1E30");
    assert_load_fails(folder, RP_ERR_FORMAT, "RescaleSlope");
    rp_free(path);
    remove_folder(folder);
}

/* Positions whose sums overflow have no order: sorting by them is undefined. */
static void positions_are_within_reason(void **state)
{
    (void)state;
    char *folder = small_series("far");
    for (int i = 1; i <= NZ; i++) {
        char *path = slice_file(folder, i);
        RP_AUTOFREE char *position = rp_format("1.7E308\\1.7E308\\%d", i);
        edit_text(path, POSITION, "DS", position);
        edit_text(path, ORIENTATION, "DS", "0\\0\\1\\0.8\\-0.6\\0");
        rp_free(path);
    }
    assert_load_fails(folder, RP_ERR_FORMAT, "ImagePositionPatient");
    remove_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(voxels_are_finite),
        cmocka_unit_test(positions_are_within_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
