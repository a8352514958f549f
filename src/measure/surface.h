/* Surface elements of a mask and the distance to the nearest of them. Internal to this module. */
#ifndef REPRISE_MEASURE_SURFACE_H
#define REPRISE_MEASURE_SURFACE_H

#include "reprise/volume.h"

/* A cell of 2x2x2 voxel centres with inside and outside among them. */
typedef struct surface_element {
    int32_t cell[3]; /* voxel at its lowest corner, from -1 */
    double area_mm2;
} surface_element;

typedef struct surface {
    double spacing[3];
    surface_element *items;
    size_t count, room;
    /* A tree of boxes over the items; see nearest.c. */
    struct surface_box *boxes;
    size_t box_count, box_room;
} surface;

/* Area of the element for each of the 256 patterns of inside (bit 1 << corner; corner: 1 for +x, 2
 * for +y, 4 for +z). */
void surface_pattern_areas(const double spacing[3], double area_mm2[256]);
/* Every element of the mask; none when it is empty. Release with surface_release on every end. */
rp_status surface_collect(const rp_mask *mask, surface *s, rp_error *err);
/* Sorts the items into a tree, for surface_distance_mm. */
rp_status surface_index(surface *s, rp_error *err);
/* From the middle of a cell to the middle of the nearest element; needs at least one. */
double surface_distance_mm(const surface *s, const int32_t cell[3]);
void surface_release(surface *s);

/* Room for one more of size bytes in an array of count; items moves. */
rp_status surface_grow(void **items, size_t count, size_t *room, size_t size, rp_error *err);

#endif
