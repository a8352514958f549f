/* An open hash table, half full at most. */
#include "reprise/base_map.h"

#include <string.h>

/* FNV-1a (Fowler, Noll, Vo), 64 bits. */
static size_t hash_of(const char *name)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (; *name; name++) hash = (hash ^ (unsigned char)*name) * 0x100000001b3u;
    return (size_t)(hash ^ hash >> 32);
}

/* Where the name is, or would be. */
static size_t place_of(const rp_map *map, const char *name)
{
    size_t at = hash_of(name) & (map->room - 1);
    while (map->names[at] && strcmp(map->names[at], name) != 0) at = (at + 1) & (map->room - 1);
    return at;
}

size_t rp_map_find(const rp_map *map, const char *name)
{
    if (!map->count) return RP_MAP_NONE;
    const size_t at = place_of(map, name);
    return map->names[at] ? map->values[at] : RP_MAP_NONE;
}

static bool make_room(rp_map *map)
{
    if (2 * (map->count + 1) <= map->room) return true;
    rp_map larger = {.count = map->count, .room = map->room ? 2 * map->room : 64};
    larger.names = rp_alloc(larger.room, sizeof *larger.names);
    larger.values = rp_alloc(larger.room, sizeof *larger.values);
    if (!larger.names || !larger.values) {
        rp_map_release(&larger);
        return false;
    }
    for (size_t i = 0; i < map->room; i++) {
        if (!map->names[i]) continue;
        const size_t at = place_of(&larger, map->names[i]);
        larger.names[at] = map->names[i];
        larger.values[at] = map->values[i];
    }
    rp_map_release(map);
    *map = larger;
    return true;
}

bool rp_map_put(rp_map *map, const char *name, size_t value)
{
    if (!make_room(map)) return false;
    const size_t at = place_of(map, name);
    if (!map->names[at]) map->count++;
    map->names[at] = name;
    map->values[at] = value;
    return true;
}

void rp_map_release(rp_map *map)
{
    rp_free(map->names);
    rp_free(map->values);
    *map = (rp_map){0};
}
