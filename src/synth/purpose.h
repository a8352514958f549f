/* Names of the random streams of this module (see rp_random_init). */
#ifndef REPRISE_SYNTH_PURPOSE_H
#define REPRISE_SYNTH_PURPOSE_H

enum {
    PURPOSE_SIMULATE = 0x53494d00, /* table position, grid */
    PURPOSE_DEFORMATION,
    PURPOSE_NOISE,                /* step: slice */
    PURPOSE_ANATOMY = 0x50484100, /* step: patient */
    PURPOSE_TEXTURE,
    PURPOSE_BASELINE_NOISE,
    PURPOSE_FOLLOWUP_NOISE
};

#endif
