#include "mapping.h"

static void map_index(const rp_grid *source, const rp_grid *target, const double at[3],
                      double index[3])
{
    double world[3];
    rp_grid_to_world(target, at, world);
    rp_grid_from_world(source, world, index);
}

rp_mapping rp_mapping_make(const rp_grid *source, const rp_grid *target)
{
    rp_mapping m;
    const double zero[3] = {0, 0, 0};
    map_index(source, target, zero, m.start);
    for (int a = 0; a < 3; a++) {
        /* The far end of the axis, not its first step: less is lost to cancellation. */
        double reach = target->size[a], end[3] = {0, 0, 0}, index[3];
        end[a] = reach;
        map_index(source, target, end, index);
        for (int b = 0; b < 3; b++) m.step[a][b] = (index[b] - m.start[b]) / reach;
        m.source[a] = source->size[a];
        m.target[a] = target->size[a];
    }
    return m;
}
