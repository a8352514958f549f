/* One figure as a file of its own. */
#ifndef REPRISE_REPORT_FIGURE_FILE_H
#define REPRISE_REPORT_FIGURE_FILE_H

#include "chart.h"
#include "document.h"
#include "reprise/report.h"

/** Title, a line on what is shown, and the label ("" for none) at the right; y below them. */
double rp_figure_heading(rp_canvas *canvas, const rp_figure *figure, const char *label,
                         const char *title, const char *words);

/** The figure with a margin on white, by the path's ending: SVG, PNG at twice its size, or PDF.
 *  RP_ERR_ARGUMENT for another ending. Whole or not at all. */
rp_status rp_figure_write(const char *path, const rp_figure *figure, rp_error *err);

#endif
