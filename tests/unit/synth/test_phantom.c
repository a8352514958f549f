/* Synthetic patients: what they state about themselves must be true of their images. */
#include "reprise/measure.h"
#include "reprise/synth.h"
#include "test.h"

#include <math.h>

/* A small grid keeps the tests quick; the anatomy is the same. */
static rp_phantom_options small(uint64_t seed, int patient)
{
    rp_phantom_options o;
    rp_phantom_defaults(&o);
    o.seed = seed;
    o.patient = patient;
    for (int i = 0; i < 2; i++) o.spacing[i] = 6.7;
    o.spacing[2] = 9.6;
    o.size[0] = 48;
    o.size[1] = 40;
    o.size[2] = 20;
    return o;
}

static rp_phantom make(const rp_phantom_options *o)
{
    rp_phantom p = {0};
    rp_error err = {0};
    assert_ok(rp_phantom_make(o, &p, &err), err);
    return p;
}

static bool touches_border(const rp_mask *m)
{
    int low[3], high[3];
    assert_true(rp_mask_bounds(m, low, high));
    for (int i = 0; i < 3; i++)
        if (low[i] == 0 || high[i] == m->grid.size[i] - 1) return true;
    return false;
}

static double largest_diameter(const rp_mask *m)
{
    rp_mask copy;
    rp_lesion lesion;
    rp_error err = {0};
    assert_ok(rp_mask_copy(m, &copy, &err), err);
    assert_ok(rp_mask_keep_largest(&copy, 26, NULL, &err), err);
    assert_ok(rp_measure_mask(&copy, RP_DIAMETER_CONVEX, &lesion, &err), err);
    rp_mask_release(&copy);
    return lesion.longest_diameter_mm;
}

static void check_patient(const rp_phantom *p)
{
    assert_true(rp_grid_same(&p->baseline.grid, &p->baseline_lesion.grid, 0));
    assert_true(rp_grid_same(&p->followup.grid, &p->followup_lesion.grid, 0));
    assert_false(touches_border(&p->baseline_lesion));
    assert_false(touches_border(&p->followup_lesion));
    assert_close(p->baseline_diameter_mm, largest_diameter(&p->baseline_lesion), 1e-9);
    assert_close(p->followup_diameter_mm, largest_diameter(&p->followup_lesion), 1e-9);
    assert_close(p->change_percent, 100 * (p->followup_diameter_mm / p->baseline_diameter_mm - 1),
                 1e-9);
    assert_int_equal(p->recist_evaluable, !p->thrombus);
    assert_true(p->baseline_diameter_mm > 30 && p->baseline_diameter_mm < 200);
    for (size_t i = 0; i < rp_grid_voxels(&p->baseline.grid); i++) {
        assert_true(isfinite(p->baseline.data[i]) && p->baseline.data[i] >= -1024);
        assert_true(isfinite(p->followup.data[i]) && p->followup.data[i] <= 3071);
    }
}

/* What a table and a survival curve take for granted. */
static void check_clinical(const rp_phantom_clinical *c)
{
    assert_in_range(c->age_years, 35, 88);
    assert_true(c->afp_ng_ml >= 1 && c->afp_ng_ml < 1e7);
    assert_true(c->pivka_ii_mau_ml >= 1 && c->pivka_ii_mau_ml < 1e7);
    assert_true(c->followup_months >= 3 && c->followup_months <= 48);
}

static void test_cohort(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 2; seed++) {
        int partial = 0, stable = 0, progressive = 0, thrombus = 0, satellites = 0, necrosis = 0;
        int events = 0, women = 0;
        for (int patient = 0; patient < 14; patient++) {
            rp_phantom_options o = small(seed, patient);
            rp_phantom p = make(&o);
            check_patient(&p);
            check_clinical(&p.clinical);
            events += p.clinical.event;
            women += p.clinical.female;
            if (p.change_percent <= -30)
                partial++;
            else if (p.change_percent >= 20)
                progressive++;
            else
                stable++;
            assert_true(p.change_percent > -70 && p.change_percent < 45);
            thrombus += p.thrombus;
            satellites += p.satellites;
            necrosis += p.necrosis;
            rp_phantom_release(&p);
        }
        assert_true(partial >= 2 && stable >= 2 && progressive >= 1);
        assert_true(thrombus >= 2 && satellites >= 2 && necrosis >= 2 && necrosis < 14);
        assert_true(events > 0 && events < 14 && women < 10);
    }
}

static double mean_where(const rp_image *image, const rp_mask *mask, bool inside)
{
    double sum = 0, count = 0;
    for (size_t i = 0; i < rp_grid_voxels(&image->grid); i++)
        if ((mask->data[i] != 0) == inside && image->data[i] > 60 && image->data[i] < 140) {
            sum += image->data[i];
            count++;
        }
    assert_true(count > 30);
    return sum / count;
}

/* There is air round the body, bone and gas in it, and the tumour is darker than the liver. */
static void test_looks_like_an_abdomen(void **state)
{
    (void)state;
    rp_phantom_options o = small(4, 1);
    rp_phantom p = make(&o);
    size_t n = rp_grid_voxels(&p.baseline.grid), air = 0, fat = 0, soft = 0, bone = 0;
    for (size_t i = 0; i < n; i++) {
        float hu = p.baseline.data[i];
        air += hu < -800;
        fat += hu > -150 && hu < -50;
        soft += hu > 0 && hu < 150;
        bone += hu > 250;
    }
    assert_true(air > n / 5 && air < n / 2);
    assert_true(fat > n / 50 && soft > n / 4 && bone > n / 100 && bone < n / 10);
    assert_true(p.baseline.data[0] < -900);
    assert_true(mean_where(&p.baseline, &p.baseline_lesion, true) + 8 <
                mean_where(&p.baseline, &p.baseline_lesion, false));
    rp_phantom_release(&p);
}

static void test_deterministic(void **state)
{
    (void)state;
    rp_phantom_options o = small(11, 2), other = small(11, 3), reseeded = small(12, 2);
    rp_threads_set(1);
    rp_phantom a = make(&o);
    rp_threads_set(3);
    rp_phantom b = make(&o);
    rp_threads_set(0);
    rp_phantom c = make(&other), d = make(&reseeded);
    size_t n = rp_grid_voxels(&a.baseline.grid);
    assert_memory_equal(a.baseline.data, b.baseline.data, n * sizeof(float));
    assert_memory_equal(a.followup.data, b.followup.data, n * sizeof(float));
    assert_memory_equal(a.followup_lesion.data, b.followup_lesion.data, n);
    assert_int_equal(a.clinical.age_years, b.clinical.age_years);
    assert_true(a.clinical.followup_months == b.clinical.followup_months);
    assert_true(a.clinical.pivka_ii_mau_ml != c.clinical.pivka_ii_mau_ml);
    assert_memory_not_equal(a.baseline_lesion.data, c.baseline_lesion.data, n);
    assert_memory_not_equal(a.baseline_lesion.data, d.baseline_lesion.data, n);
    assert_memory_not_equal(a.baseline.data, a.followup.data, n * sizeof(float));
    rp_phantom_release(&a);
    rp_phantom_release(&b);
    rp_phantom_release(&c);
    rp_phantom_release(&d);
}

/* The same patient on finer pixels is the same patient; in a smaller image, a smaller one. */
static void test_sizes(void **state)
{
    (void)state;
    rp_phantom_options coarse = small(6, 5), fine = coarse, little = coarse;
    for (int i = 0; i < 2; i++) {
        fine.size[i] *= 2;
        fine.spacing[i] /= 2;
        little.spacing[i] = 2;
    }
    little.spacing[2] = 4;
    rp_phantom a = make(&coarse), b = make(&fine), c = make(&little);
    assert_close(a.baseline_diameter_mm, b.baseline_diameter_mm, 6);
    assert_true(c.baseline_diameter_mm < a.baseline_diameter_mm);
    check_patient(&b);
    assert_false(touches_border(&c.baseline_lesion));
    rp_phantom_release(&a);
    rp_phantom_release(&b);
    rp_phantom_release(&c);
}

static void assert_refused(const rp_phantom_options *o)
{
    rp_phantom p = {0};
    rp_error err = {0};
    assert_int_equal(rp_phantom_make(o, &p, &err), RP_ERR_ARGUMENT);
    assert_true(strlen(err.message) > 10);
    assert_null(p.baseline.data);
}

static void test_bad_input(void **state)
{
    (void)state;
    rp_phantom_options bad[5];
    for (int i = 0; i < 5; i++) bad[i] = small(1, 0);
    bad[0].patient = -1;
    bad[1].size[1] = 0;
    bad[2].spacing[0] = NAN;
    bad[3].spacing[0] = 0.5;
    bad[4].size[2] = 3;
    for (int i = 0; i < 5; i++) assert_refused(&bad[i]);
    rp_phantom_options o = small(1, 0);
    for (long n = 1; n < 30; n += 4) {
        rp_phantom p = {0};
        rp_error err = {0};
        rp_test_fail_allocation(n);
        rp_status status = rp_phantom_make(&o, &p, &err);
        rp_test_fail_allocation(0);
        assert_true(status == RP_OK || status == RP_ERR_MEMORY);
        rp_phantom_release(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cohort),        cmocka_unit_test(test_looks_like_an_abdomen),
        cmocka_unit_test(test_deterministic), cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_bad_input),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
