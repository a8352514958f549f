/* What the readers of JSON and CSV share. */
#ifndef REPRISE_TIMELINE_INTERNAL_H
#define REPRISE_TIMELINE_INTERNAL_H

#include "reprise/timeline.h"

/* Room for one more, zeroed; NULL when memory is short. */
rp_timeline *timelines_add(rp_timelines *timelines);

/* RP_ROLE_UNKNOWN and RP_FOUND_UNKNOWN where there is no such word. */
rp_lesion_role role_of_word(const char *word);
rp_finding_state state_of_word(const char *word);

rp_status read_json(const char *path, rp_timelines *timelines, rp_timeline_problems *problems,
                    rp_error *err);
rp_status read_csv(const char *path, const uint8_t *text, size_t size, rp_timelines *timelines,
                   rp_timeline_problems *problems, rp_error *err);

#endif
