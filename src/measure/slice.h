/* One slice of a lesion and what is measured on it. Internal to src/measure. */
#ifndef REPRISE_MEASURE_SLICE_H
#define REPRISE_MEASURE_SLICE_H

#include "reprise/measure.h"

/* The lesion's voxels of one slice with a margin of background all round, so that every voxel of
 * the lesion has neighbours and every coordinate is positive. */
typedef struct plane {
    int nx, ny;    /* with the margin */
    int x0, y0;    /* voxel index of (0,0) in the mask's slice */
    double sx, sy; /* mm */
    uint8_t *in;
} plane;

/* Twice the plane's fractional voxel index: a contour point, midway between two voxel centres, has
 * whole coordinates, so hulls and visibility are exact. */
typedef struct node {
    int32_t x, y;
} node;

typedef struct node_list {
    node *items;
    size_t count;
} node_list;

/* A measured line; its ends are in the plane's fractional voxel index. */
typedef struct chord {
    double length_mm;
    rp_point2 ends[2];
} chord;

static inline bool plane_at(const plane *p, int x, int y)
{
    return p->in[(size_t)y * (size_t)p->nx + (size_t)x] != 0;
}

/** Contour points, sorted by y, then x. Release with rp_free(list->items). */
rp_status slice_contour_nodes(const plane *p, node_list *list, rp_error *err);

/** Largest distance between two contour points: hull, then rotating calipers. */
rp_status slice_longest_convex(const plane *p, const node_list *nodes, chord *out, rp_error *err);

/** Longest segment between two contour points that stays within the lesion, if it is longer than
 *  out->length_mm; otherwise *out stays as it is. Returns whether it was. */
bool slice_longest_inside(const plane *p, const node_list *nodes, chord *out);

/** Longest extent perpendicular to the long axis. */
rp_status slice_perpendicular(const plane *p, const node_list *nodes, const chord *long_axis,
                              rp_diameter_definition definition, chord *out, rp_error *err);

#endif
