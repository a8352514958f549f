#include "test.h"
#include "../../../src/report/chart.h"

#include <math.h>

/* Ticks are whole multiples of a step of 1, 2 or 5 times a power of ten and hold both values. */
static void check_axis(double low, double high)
{
    rp_axis axis = {.low = 0};
    rp_axis_fit(&axis, low, high, 5);
    double power = pow(10, floor(log10(axis.step) + 1e-9)), digit = axis.step / power;
    assert_true(fabs(digit - 1) < 1e-6 || fabs(digit - 2) < 1e-6 || fabs(digit - 5) < 1e-6);
    assert_true(axis.low < axis.high);
    assert_close(axis.low / axis.step, round(axis.low / axis.step), 1e-6);
    assert_close(axis.high / axis.step, round(axis.high / axis.step), 1e-6);
    double ticks = (axis.high - axis.low) / axis.step;
    if (!isfinite(low) || !isfinite(high) || low > high) return;
    assert_true(axis.low <= low + 1e-6 * axis.step && axis.high >= high - 1e-6 * axis.step);
    assert_true(ticks >= 1.5 && ticks < 9);
}

static void axes_have_round_ticks(void **state)
{
    (void)state;
    static const double spans[][2] = {{0, 1},
                                      {0, 0.37},
                                      {-52.6, 2.1},
                                      {40, 183},
                                      {7, 7},
                                      {0, 0},
                                      {-3, -3},
                                      {1e-7, 3e-7},
                                      {-1e6, 2e6},
                                      {99.9, 100.1},
                                      {0.19999, 0.60001},
                                      {5, 4},
                                      {NAN, 1},
                                      {0, INFINITY},
                                      {INFINITY, -INFINITY}};
    for (size_t i = 0; i < sizeof spans / sizeof *spans; i++) check_axis(spans[i][0], spans[i][1]);
}

static void tick_labels_tell_neighbours_apart(void **state)
{
    (void)state;
    rp_axis axis = {.low = 0};
    rp_axis_fit(&axis, 0.19, 0.61, 5);
    assert_close(axis.step, 0.1, 1e-12);
    assert_int_equal(axis.decimals, 1);
    rp_axis_fit(&axis, 0, 400, 5);
    assert_int_equal(axis.decimals, 0);
}

static void values_and_places_follow_the_axes(void **state)
{
    (void)state;
    rp_chart chart = {
        .area = {50, 20, 200, 100}, .x = {.low = 0, .high = 10}, .y = {.low = -1, .high = 1}};
    assert_close(rp_chart_x(&chart, 0), 50, 1e-9);
    assert_close(rp_chart_x(&chart, 10), 250, 1e-9);
    assert_close(rp_chart_y(&chart, 1), 20, 1e-9);
    assert_close(rp_chart_y(&chart, -1), 120, 1e-9);
}

static void words_are_cut_at_whole_characters(void **state)
{
    (void)state;
    char out[40];
    rp_type_fit("P-001", 12, 100, out, sizeof out);
    assert_string_equal(out, "P-001");
    rp_type_fit("a patient with a long name", 12, 60, out, sizeof out);
    assert_string_equal(out + strlen(out) - 3, "\xE2\x80\xA6");
    assert_true(rp_type_width(out, 12, false) <= 60);
    rp_type_fit("\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9", 12, 40, out,
                sizeof out);
    assert_int_equal(strlen(out) % 2, 1); /* characters of two bytes and the ellipsis of three */
    rp_type_fit("anything", 12, 0, out, sizeof out);
    assert_string_equal(out, "\xE2\x80\xA6");
}

static void p_values_are_words(void **state)
{
    (void)state;
    char out[RP_WORDS];
    assert_string_equal(rp_words_p(out, 0.03212), "p = 0.032");
    assert_string_equal(rp_words_p(out, 0.00002), "p < 0.001");
    assert_string_equal(rp_words_p(out, 1), "p = 1.00");
}

static void what_is_no_number_is_not_drawn(void **state)
{
    (void)state;
    rp_text page = {0};
    rp_canvas canvas = rp_canvas_svg(&page);
    const rp_style style = {.line = RP_INK, .width = 1, .fill = RP_INK, .opacity = 1};
    const rp_type type = {12, RP_INK, RP_START, false, 0};
    rp_canvas_line(&canvas, (double[]){0, NAN}, (double[]){1, 1}, &style);
    rp_canvas_circle(&canvas, INFINITY, 0, 3, &style);
    rp_canvas_text(&canvas, 0, NAN, "words", &type);
    rp_canvas_rectangle(&canvas, &(rp_box){0, 0, NAN, 1}, &style);
    for (int shape = RP_CIRCLE; shape <= RP_CROSS; shape++)
        rp_marker(&canvas, NAN, 1, (rp_shape)shape, 4, &style);
    assert_int_equal(page.length, 0);
    rp_canvas_text(&canvas, 1, 2, "<&\">", &type);
    assert_non_null(strstr(page.data, ">&lt;&amp;&quot;&gt;</text>"));
    rp_text_release(&page);
}

/* Points close together: their labels never cover a point or each other, and stay inside. */
static void labels_keep_apart(void **state)
{
    (void)state;
    rp_text page = {0};
    rp_canvas canvas = rp_canvas_svg(&page);
    rp_taken taken = {.count = 0};
    const rp_box area = {0, 0, 300, 200};
    int placed = 0;
    for (int i = 0; i < 30; i++) rp_taken_add(&taken, (rp_box){10 * i, 90 + i % 7, 9, 9});
    size_t points = taken.count;
    for (int i = 0; i < 30; i++)
        placed += rp_label_beside(&canvas, &taken, &area, (double[]){10 * i + 4.5, 94.5}, "P-0001");
    assert_true(placed >= 4 && placed < 30);
    assert_int_equal(taken.count, points + (size_t)placed);
    for (size_t a = points; a < taken.count; a++) {
        const rp_box *p = &taken.boxes[a];
        assert_true(p->x >= 0 && p->y >= 0 && p->x + p->width <= 300 && p->y + p->height <= 200);
        for (size_t b = 0; b < a; b++) {
            const rp_box *q = &taken.boxes[b];
            assert_true(p->x >= q->x + q->width || q->x >= p->x + p->width ||
                        p->y >= q->y + q->height || q->y >= p->y + p->height);
        }
    }
    rp_text_release(&page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(axes_have_round_ticks),
        cmocka_unit_test(tick_labels_tell_neighbours_apart),
        cmocka_unit_test(values_and_places_follow_the_axes),
        cmocka_unit_test(words_are_cut_at_whole_characters),
        cmocka_unit_test(p_values_are_words),
        cmocka_unit_test(what_is_no_number_is_not_drawn),
        cmocka_unit_test(labels_keep_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
