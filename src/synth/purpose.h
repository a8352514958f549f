/* Names of the random streams of this module (see rp_random_init). */
#ifndef REPRISE_SYNTH_PURPOSE_H
#define REPRISE_SYNTH_PURPOSE_H

enum {
    PURPOSE_SIMULATE = 0x53494d00, /* table position, grid */
    PURPOSE_DEFORMATION,
    PURPOSE_NOISE,         /* step: slice */
    PURPOSE_REMODEL,       /* step: part */
    PURPOSE_REMODEL_NOISE, /* step: part << 32 | slice */
    PURPOSE_COHORT = 0x50484100,
    PURPOSE_ANATOMY,        /* step: patient */
    PURPOSE_VISITS,         /* step: patient */
    PURPOSE_BASELINE_NOISE, /* step: patient << 32 | slice */
    PURPOSE_FOLLOWUP_NOISE,
    PURPOSE_CLINICAL,         /* step: patient */
    PURPOSE_PAIR = 0x50414900 /* step: pair and try */
};

#endif
