/* The parts of the report of an evaluation, and what they share. */
#ifndef REPRISE_REPORT_EVALUATION_PARTS_H
#define REPRISE_REPORT_EVALUATION_PARTS_H

#include "chart.h"
#include "document.h"
#include "evaluation_summary.h"
#include "reprise/report.h"

/** The cases of one of the two cohorts, in their order. */
typedef struct rp_group {
    const char *key, *name; /* as the summary and as a reader calls it */
    const rp_case **cases;
    size_t count;
} rp_group;

enum { RP_ENTIRE, RP_RECIST };

typedef struct rp_loaded rp_loaded;

typedef struct rp_evaluation_view {
    const rp_evaluation_report *report;
    const rp_evaluation *evaluation;
    rp_group group[2];
    int measured; /**< group whose diameters and responses are shown: RECIST where it has cases */
    rp_window window;
    rp_loaded *loaded; /**< the case whose images are in memory */
} rp_evaluation_view;

/** How a source is drawn everywhere. */
typedef struct rp_source_look {
    const char *name; /**< short: "IDOL" */
    rp_style style;   /**< of its markers */
    rp_shape shape;
    uint32_t on_ct;
    rp_dash dash;
} rp_source_look;

const rp_source_look *rp_source_look_of(rp_source source);
/** Sources of the follow-up in the order in which figures show them. */
extern const rp_source rp_followup_sources[4];

/** This source's Dice of this case; NaN where it was not run. */
double rp_case_dice(const rp_case *one, rp_source source);
bool rp_lesion_found(const rp_lesion *lesion);
/** Any case of the group has this source. */
bool rp_group_has(const rp_group *group, rp_source source);

/** Title, a line on what is shown and of how many, and the label; y below them. */
double rp_figure_head(rp_canvas *canvas, const rp_figure *figure, const char *title,
                      const char *words);
/** What stands in the place of a chart that has nothing to show. */
void rp_figure_empty(rp_canvas *canvas, const rp_figure *figure, const char *words);
const rp_evaluation_view *rp_figure_view(const rp_figure *figure);

/* evaluation_head.c */
void rp_evaluation_add_head(rp_document *document, const rp_evaluation_view *view);
void rp_evaluation_add_failures(rp_document *document, const rp_evaluation_view *view);
/* evaluation_dice.c */
void rp_evaluation_add_forest(rp_document *document, const rp_evaluation_view *view);
void rp_evaluation_add_dice(rp_document *document, const rp_evaluation_view *view);
/* evaluation_waterfall.c, evaluation_diameter.c */
void rp_evaluation_add_waterfall(rp_document *document, const rp_evaluation_view *view);
void rp_evaluation_add_agreement(rp_document *document, const rp_evaluation_view *view);
/* evaluation_roc.c */
rp_figure rp_evaluation_roc_figure(const rp_evaluation_view *view);
/* evaluation_curves.c */
void rp_evaluation_add_learning(rp_document *document, const rp_evaluation_view *view);
void rp_evaluation_add_survival(rp_document *document, const rp_evaluation_view *view);
/* evaluation_pictures.c */
void rp_evaluation_add_pictures(rp_document *document, const rp_evaluation_view *view);
/** NULL where memory is short. */
rp_loaded *rp_loaded_create(void);
void rp_loaded_destroy(rp_loaded *loaded);
/* evaluation_tables.c: tables of cases; evaluation_numbers.c: of the summary */
void rp_evaluation_add_table1(rp_document *document, const rp_evaluation_view *view);
void rp_evaluation_add_table2(rp_document *document, const rp_evaluation_view *view, int group);
void rp_evaluation_add_table3(rp_document *document, const rp_evaluation_view *view);
void rp_evaluation_add_table4(rp_document *document, const rp_evaluation_view *view);
/** How each case's contour by IDOL came about; nothing where no case says it. */
void rp_evaluation_add_ways(rp_document *document, const rp_evaluation_view *view);
void rp_evaluation_add_distances(rp_document *document, const rp_evaluation_view *view);
void rp_evaluation_add_comparisons(rp_document *document, const rp_evaluation_view *view);
void rp_evaluation_add_response(rp_document *document, const rp_evaluation_view *view);
/* evaluation_record.c */
void rp_evaluation_add_record(rp_document *document, const rp_evaluation_view *view);

#endif
