/* What is shown of both visits: slices, frames, magnification. */
#ifndef REPRISE_REPORT_LAYOUT_H
#define REPRISE_REPORT_LAYOUT_H

#include "reprise/report.h"
#include "view.h"

enum { RP_STRIP_MAX = 7 };

/** One visit's pictures. */
typedef struct rp_visit_layout {
    bool found;              /**< a lesion was measured */
    rp_frame main;           /**< the measured slice, or where the lesion was before */
    rp_frame overview;       /**< the whole image across the slices, through the lesion's middle */
    int strip[RP_STRIP_MAX]; /**< slices from head to feet (for axial stacks) */
    int strip_count;
} rp_visit_layout;

typedef struct rp_layout {
    rp_visit_layout visit[2];
    double scale_bar_mm; /**< for main and strip pictures, which share one magnification */
    double overview_scale_bar_mm;
} rp_layout;

/** Frames of one size in mm for both visits, round the lesions with enough surrounding. */
void rp_layout_make(const rp_report *report, rp_layout *layout);

#endif
