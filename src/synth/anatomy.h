/* A synthetic abdomen from equations. Internal to src/synth. Lengths in mm, x to the patient's
 * left, y to the back, z to the head, from the middle of the body. */
#ifndef REPRISE_SYNTH_ANATOMY_H
#define REPRISE_SYNTH_ANATOMY_H

#include "warp.h"

enum { TEXTURE_WAVES = 24, MOST_SATELLITES = 3 };

/* A stationary random field of mean 0 and variance 1 with a typical wavelength. */
typedef struct texture {
    double number[TEXTURE_WAVES][3], phase[TEXTURE_WAVES];
} texture;

void texture_draw(texture *t, double wavelength_mm, rp_random *r);
double texture_at(const texture *t, const double p[3]);

typedef struct tumour {
    double centre[3], radius[3]; /* mm; radii before the irregularity */
    double angle;                /* of the first radius, in the axial plane */
    double irregularity;         /* of the radius, relative */
    double hu;
    int satellite_count;
    double satellite_centre[MOST_SATELLITES][3], satellite_radius[MOST_SATELLITES];
    bool necrosis, thrombus, cava;
} tumour;

/* What a patient is, at any visit. */
typedef struct patient {
    double size; /* of the anatomy, 1: an adult */
    double body[2], liver_hu, ascites_mm, kidney_z, rib_z;
    tumour tumour;
    texture nodules, lumps, mottle, loops;
} patient;

/* What differs between visits. */
typedef struct visit {
    double liver_scale, tumour_scale;
    double vessel_hu, artery_hu, liver_change_hu, tumour_change_hu; /* contrast timing */
    double rim_hu, rim_mm, necrosis_level;
    double gas_level_mm, table_mm; /* heights along y */
    double shift_mm[3];            /* of the body in the world */
    deformation field;             /* breathing and posture */
} visit;

typedef struct tissue {
    double hu;
    bool lesion;
} tissue;

/** What lies at a point; pixel_mm is the width over which two tissues blend. */
tissue anatomy_at(const patient *who, const visit *when, const double world[3], double pixel_mm);

/** Half-axes of the abdominal cavity in x and y, and its centre's y, at size 1. */
void anatomy_cavity(const patient *who, double half[2], double *centre_y);

#endif
