/* Lines, shapes, words and pictures on a plane, drawn either as SVG or by cairo. Every figure is
 * drawn once, on this. Units are CSS pixels, y down; the origin is the figure's upper left corner.
 * What is not finite is not drawn. */
#ifndef REPRISE_REPORT_CANVAS_H
#define REPRISE_REPORT_CANVAS_H

#include "picture.h"
#include "text.h"

/** 0xRRGGBB. Hues of Okabe and Ito; the darker ones are for lines and words on white. */
enum {
    RP_INK = 0x16202a,
    RP_MUTED = 0x55616d,
    RP_RULE = 0xd8dee4,
    RP_WHITE = 0xffffff,
    RP_BLACK = 0x000000,
    RP_ORANGE = 0xe69f00,
    RP_SKY = 0x56b4e9,
    RP_GREEN = 0x009e73,
    RP_PURPLE = 0xcc79a7,
    RP_BLUE = 0x0072b2,
    RP_VERMILION = 0xd55e00,
    RP_DARK_ORANGE = 0x7a4f00,
    RP_DARK_BLUE = 0x005a8c,
    RP_DARK_GREEN = 0x00533c,
    RP_DARK_PURPLE = 0x7d3c5e
};

typedef enum rp_dash { RP_SOLID, RP_DASHED, RP_SHORT_DASHED, RP_DOTTED, RP_DASH_DOTTED } rp_dash;

/** How a shape is drawn: width 0 has no line, opacity 0 no filling. */
typedef struct rp_style {
    uint32_t line;
    double width;
    rp_dash dash;
    uint32_t fill;
    double opacity;
} rp_style;

typedef enum rp_anchor { RP_START, RP_MIDDLE, RP_END } rp_anchor;

/** How words are set: the point given is on the base line, at the anchor. */
typedef struct rp_type {
    double size;
    uint32_t colour;
    rp_anchor anchor;
    bool bold;
    double angle; /**< degrees, counter-clockwise, about the point */
} rp_type;

typedef struct rp_box {
    double x, y, width, height;
} rp_box;

typedef struct rp_canvas rp_canvas;

/** What a kind of canvas can do; figures call the functions below. */
typedef struct rp_canvas_kind {
    void (*polyline)(rp_canvas *, const rp_point2 *points, size_t count, bool closed,
                     const rp_style *style);
    void (*circle)(rp_canvas *, double x, double y, double radius, const rp_style *style);
    void (*text)(rp_canvas *, double x, double y, const char *text, const rp_type *type);
    void (*picture)(rp_canvas *, const rp_box *box, const rp_grey *grey);
    void (*clip)(rp_canvas *, const rp_box *box);
    void (*unclip)(rp_canvas *);
} rp_canvas_kind;

struct rp_canvas {
    const rp_canvas_kind *kind;
    rp_text *page; /**< of SVG: where the elements go */
    void *context; /**< of cairo: its cairo_t */
    bool failed;   /**< memory was short */
};

/** Adds SVG elements to the page. */
rp_canvas rp_canvas_svg(rp_text *page);
/** Draws on a cairo_t, in its user space. */
rp_canvas rp_canvas_cairo(void *cairo);

void rp_canvas_polyline(rp_canvas *canvas, const rp_point2 *points, size_t count, bool closed,
                        const rp_style *style);
void rp_canvas_line(rp_canvas *canvas, const double from[2], const double to[2],
                    const rp_style *style);
void rp_canvas_horizontal(rp_canvas *canvas, double x0, double x1, double y, const rp_style *style);
void rp_canvas_vertical(rp_canvas *canvas, double x, double y0, double y1, const rp_style *style);
void rp_canvas_rectangle(rp_canvas *canvas, const rp_box *box, const rp_style *style);
void rp_canvas_circle(rp_canvas *canvas, double x, double y, double radius, const rp_style *style);
/** Text may be anybody's words; it is made safe. */
void rp_canvas_text(rp_canvas *canvas, double x, double y, const char *text, const rp_type *type);
void rp_canvas_picture(rp_canvas *canvas, const rp_box *box, const rp_grey *grey);
/** Until the matching unclip, nothing is drawn outside the box. */
void rp_canvas_clip(rp_canvas *canvas, const rp_box *box);
void rp_canvas_unclip(rp_canvas *canvas);

/** Width of words by Helvetica's advance widths, which Liberation Sans and Arial share: layout does
 *  not depend on the fonts that are installed. */
double rp_type_width(const char *text, double size, bool bold);
/** As much of the text as fits the width, with an ellipsis where something is left out. */
void rp_type_fit(const char *text, double size, double width, char *out, size_t room);

/** Lengths of strokes and gaps for a line of this width, and their number; 0 for solid. */
int rp_dash_lengths(rp_dash dash, double width, double lengths[4]);

#endif
