/* How lesions are measured and classified wherever a command does it. */
#ifndef REPRISE_CMD_LESION_H
#define REPRISE_CMD_LESION_H

#include "cmd.h"

/* One lesion as measured: its largest component, unless all components are to count. */
typedef struct cmd_measured {
    rp_lesion lesion;
    int32_t components;
} cmd_measured;

/* Alike at every visit: the largest component, as prediction delivers it, unless all components are
 * to count. components: how many there were. */
rp_status cmd_measure_lesion(const cmd_settings *settings, const rp_mask *mask, rp_lesion *lesion,
                             int32_t *components, rp_error *err);
/* One target lesion by RECIST 1.1. Nothing found is a failure to segment, never a complete
 * response, unless a person says that the lesion is gone. */
rp_status cmd_classify_lesion(const rp_lesion *baseline, const rp_lesion *followup, bool gone,
                              double slice_spacing_mm, rp_response_result *out, rp_error *err);
/* The same as input, for who knows a nadir. */
rp_response_input cmd_response_input(const rp_lesion *baseline, const rp_lesion *followup,
                                     bool gone, double slice_spacing_mm);

#endif
