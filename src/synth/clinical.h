/*
 * What a synthetic patient's record says.
 */
#ifndef REPRISE_SYNTH_CLINICAL_H
#define REPRISE_SYNTH_CLINICAL_H

#include "reprise/synth.h"

/* Fills phantom->clinical from diameters and thrombus; a stream of its own, so that images do not
 * depend on it. */
void clinical_draw(const rp_phantom_options *options, rp_phantom *phantom);

#endif
