#include "canvas.h"

#include <math.h>
#include <string.h>

/* ---- drawing ----------------------------------------------------------------------------- */

void rp_canvas_polyline(rp_canvas *canvas, const rp_point2 *points, size_t count, bool closed,
                        const rp_style *style)
{
    for (size_t i = 0; i < count; i++)
        if (!isfinite(points[i].x) || !isfinite(points[i].y)) return;
    if (count >= 2) canvas->kind->polyline(canvas, points, count, closed, style);
}

void rp_canvas_line(rp_canvas *canvas, const double from[2], const double to[2],
                    const rp_style *style)
{
    rp_point2 points[2] = {{from[0], from[1]}, {to[0], to[1]}};
    rp_canvas_polyline(canvas, points, 2, false, style);
}

void rp_canvas_horizontal(rp_canvas *canvas, double x0, double x1, double y, const rp_style *style)
{
    rp_canvas_line(canvas, (double[]){x0, y}, (double[]){x1, y}, style);
}

void rp_canvas_vertical(rp_canvas *canvas, double x, double y0, double y1, const rp_style *style)
{
    rp_canvas_line(canvas, (double[]){x, y0}, (double[]){x, y1}, style);
}

void rp_canvas_rectangle(rp_canvas *canvas, const rp_box *box, const rp_style *style)
{
    rp_point2 points[4] = {{box->x, box->y},
                           {box->x + box->width, box->y},
                           {box->x + box->width, box->y + box->height},
                           {box->x, box->y + box->height}};
    rp_canvas_polyline(canvas, points, 4, true, style);
}

void rp_canvas_circle(rp_canvas *canvas, double x, double y, double radius, const rp_style *style)
{
    if (isfinite(x) && isfinite(y)) canvas->kind->circle(canvas, x, y, radius, style);
}

void rp_canvas_text(rp_canvas *canvas, double x, double y, const char *text, const rp_type *type)
{
    if (text && *text && isfinite(x) && isfinite(y)) canvas->kind->text(canvas, x, y, text, type);
}

void rp_canvas_picture(rp_canvas *canvas, const rp_box *box, const rp_grey *grey)
{
    canvas->kind->picture(canvas, box, grey);
}

void rp_canvas_clip(rp_canvas *canvas, const rp_box *box)
{
    canvas->kind->clip(canvas, box);
}

void rp_canvas_unclip(rp_canvas *canvas)
{
    canvas->kind->unclip(canvas);
}

int rp_dash_lengths(rp_dash dash, double width, double lengths[4])
{
    static const double shapes[][4] = {
        [RP_DASHED] = {4.5, 2.5},
        [RP_SHORT_DASHED] = {2.4, 1.8},
        [RP_DOTTED] = {1.1, 1.7},
        [RP_DASH_DOTTED] = {4.5, 1.8, 1.1, 1.8},
    };
    if (dash == RP_SOLID) return 0;
    int count = dash == RP_DASH_DOTTED ? 4 : 2;
    for (int i = 0; i < count; i++) lengths[i] = shapes[dash][i] * fmax(width, 1);
    return count;
}

/* ---- width of words ---------------------------------------------------------------------- */

/* Advance widths of Helvetica in thousandths of its size, from the blank on. */
static const short advances[] = {
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333,  278, 278, 556, 556, 556,
    556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556, 1015, 667, 667, 722, 722, 667,
    611, 778, 722, 278, 500, 667, 556, 833, 722, 778, 667, 778, 722, 667,  611, 722, 667, 944, 667,
    667, 611, 278, 278, 278, 469, 556, 333, 556, 556, 500, 556, 556, 278,  556, 556, 222, 222, 500,
    222, 833, 556, 556, 556, 556, 333, 500, 278, 556, 500, 722, 500, 500,  500, 334, 260, 334, 584};

/* Bytes of the character and its width; letters beyond U+2E80 are as wide as high. */
static size_t character(const unsigned char *at, double *width)
{
    size_t length = 1;
    if (*at < 0x80) {
        *width = *at >= ' ' && *at < 0x7F ? advances[*at - ' '] : 600;
        return 1;
    }
    while ((at[length] & 0xC0) == 0x80 && length < 4) length++;
    *width = *at >= 0xE3 ? 1000 : 584;
    return length;
}

double rp_type_width(const char *text, double size, bool bold)
{
    double sum = 0, width;
    for (const unsigned char *at = (const unsigned char *)text; *at; sum += width)
        at += character(at, &width);
    return sum * size / 1000 * (bold ? 1.07 : 1);
}

void rp_type_fit(const char *text, double size, double width, char *out, size_t room)
{
    const unsigned char *at = (const unsigned char *)text;
    double ellipsis = size, used = 0, next = 0;
    size_t kept = 0;
    snprintf(out, room, "%s", text);
    if (rp_type_width(text, size, false) <= width && strlen(text) < room) return;
    while (at[kept]) {
        size_t length = character(at + kept, &next);
        used += next * size / 1000;
        if (used + ellipsis > width || kept + length + 4 > room) break;
        kept += length;
    }
    memcpy(out + kept, "\xE2\x80\xA6", 4);
}
