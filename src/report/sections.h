/* The parts of the page, in its order. Each adds markup to the page. */
#ifndef REPRISE_REPORT_SECTIONS_H
#define REPRISE_REPORT_SECTIONS_H

#include "layout.h"
#include "picture.h"
#include "text.h"

/** Style sheet of the page (no surrounding element). */
extern const char *const rp_report_style;

/** Nothing lies within the follow-up mask, and nobody says that the lesion is gone. */
bool rp_report_unsegmented(const rp_report *report);
/** The diameter that the response compares: longest diameter, or the short axis of a node. */
bool rp_report_compares_short_axis(const rp_report *report);
double rp_report_diameter(const rp_report *report, const rp_lesion *lesion);

/** "2026-01-31" for DICOM's 20260131, other text as it is (escaped). */
void rp_report_add_date(rp_text *page, const char *date);
/** Whole days from a to b; false where either is no date. */
bool rp_report_days_between(const char *a, const char *b, long *days);

/* verdict.c */
void rp_report_add_head(rp_text *page, const rp_report *report);
void rp_report_add_verdict(rp_text *page, const rp_report *report);
void rp_report_add_flags(rp_text *page, const rp_report *report);
/* guard.c */
/** On the threshold bar, which shows -100 % to span - 100 %. */
void rp_report_add_interval(rp_text *page, const rp_report *report, double span);
void rp_report_add_chances(rp_text *page, const rp_report *report);
void rp_report_add_guard(rp_text *page, const rp_report *report);
/* figures.c */
rp_status rp_report_add_pictures(rp_text *page, const rp_report *report, const rp_layout *layout,
                                 rp_window window, rp_error *err);
/* tables.c */
void rp_report_add_numbers(rp_text *page, const rp_report *report);
void rp_report_add_scores(rp_text *page, const rp_report *report);
/* record.c */
void rp_report_add_record(rp_text *page, const rp_report *report, rp_window window);
/* plot.c */
void rp_report_add_curve(rp_text *page, const rp_report *report);

#endif
