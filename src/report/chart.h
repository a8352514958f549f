/* Axes, markers, legends and labels of the figures. */
#ifndef REPRISE_REPORT_CHART_H
#define REPRISE_REPORT_CHART_H

#include "canvas.h"

enum { RP_WORDS = 64 };

/** The number as words: minus sign, no negative zero, an en dash where it is not finite. */
const char *rp_words(char out[RP_WORDS], double value, int decimals, bool plus);
/** A p value: "p = 0.032", "p < 0.001". */
const char *rp_words_p(char out[RP_WORDS], double p);

/** A value axis; `step` apart are its ticks. */
typedef struct rp_axis {
    double low, high, step;
    int decimals;
    bool plus; /**< ticks above 0 bear a sign */
    const char *title;
} rp_axis;

/** About `parts` steps of 1, 2 or 5 times a power of ten that hold both values. Equal or missing
 *  values are given room. */
void rp_axis_fit(rp_axis *axis, double low, double high, int parts);

/** The plotting area, and what its sides mean. */
typedef struct rp_chart {
    rp_canvas *canvas;
    rp_box area;
    rp_axis x, y;
    bool no_x; /**< the figure draws its own x axis: categories */
} rp_chart;

double rp_chart_x(const rp_chart *chart, double value);
double rp_chart_y(const rp_chart *chart, double value);
/** Grid, ticks, titles. */
void rp_chart_frame(const rp_chart *chart);
/** A straight line between two places in values that lie within the area. */
void rp_chart_segment(const rp_chart *chart, const double from[2], const double to[2],
                      const rp_style *style);
/** A straight line through the area, from (x0, y0) to (x1, y1) in values, clipped. */
void rp_chart_line(const rp_chart *chart, const double from[2], const double to[2],
                   const rp_style *style);

typedef enum rp_shape {
    RP_CIRCLE,
    RP_SQUARE,
    RP_DIAMOND,
    RP_TRIANGLE,
    RP_TRIANGLE_DOWN,
    RP_CROSS
} rp_shape;

void rp_marker(rp_canvas *canvas, double x, double y, rp_shape shape, double radius,
               const rp_style *style);

/** What a colour, a shape or a line stands for. */
typedef struct rp_legend_item {
    const char *words;
    rp_style style;
    bool line; /**< else a marker */
    rp_shape shape;
} rp_legend_item;

/** Items in rows from `left` to `right`, the first base line at y; y of the line after the last. */
double rp_legend(rp_canvas *canvas, double left, double right, double y,
                 const rp_legend_item *items, size_t count);

/** Places that words and markers have taken already. */
typedef struct rp_taken {
    rp_box boxes[600];
    size_t count;
} rp_taken;

void rp_taken_add(rp_taken *taken, rp_box box);
/** Words beside a point, where they cover nothing that is taken and stay within the area; false
 *  where there is no such place. */
bool rp_label_beside(rp_canvas *canvas, rp_taken *taken, const rp_box *area, const double at[2],
                     const char *words);

#endif
