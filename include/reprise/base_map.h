/**
 * @file base_map.h
 * Numbers by name, found without looking through all of them.
 */
#ifndef REPRISE_BASE_MAP_H
#define REPRISE_BASE_MAP_H

#include "reprise/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Zero-initialise; names are borrowed and must outlive it. */
typedef struct rp_map {
    const char **names;
    size_t *values;
    size_t count, room;
} rp_map;

#define RP_MAP_NONE SIZE_MAX

/** RP_MAP_NONE where the name is not there. */
size_t rp_map_find(const rp_map *map, const char *name);
/** Replaces the value of a name that is there. False when memory is short. */
bool rp_map_put(rp_map *map, const char *name, size_t value);
void rp_map_release(rp_map *map);

#ifdef __cplusplus
}
#endif
#endif
