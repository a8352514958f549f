/* Words set by pango, for those who draw on cairo. */
#ifndef REPRISE_REPORT_CANVAS_PANGO_H
#define REPRISE_REPORT_CANVAS_PANGO_H

#include <stdbool.h>

#include <pango/pangocairo.h>

/** An empty layout in the report's font, size in user space units; g_object_unref it. */
PangoLayout *rp_type_layout(cairo_t *cr, double size, bool bold);

#endif
