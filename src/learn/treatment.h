/* A lesion changed as treatment changes it: another surface, other texture on what changed sides.
 */
#ifndef REPRISE_LEARN_TREATMENT_H
#define REPRISE_LEARN_TREATMENT_H

#include "lattice.h"
#include "reprise/learn.h"

/** What one step drew. */
typedef struct rp_treatment_drawn {
    bool changed;  /**< false: image and mask are the original ones */
    bool vanished; /**< no lesion is left */
    double size;   /**< factor on the lesion's radii, before the surface's noise */
    double turn;   /**< share of it that scales about the centroid, the rest moves the surface */
    double roughness, roughness_mm; /**< rms in local radii, correlation length */
    double density, mottle;         /**< shift of the lesion, and rms of its smooth variation */
    double core, core_depth;        /**< shift of the core, and where it begins in local radii */
    double part;                    /**< shift of some parts */
    double rim, rim_mm;             /**< darkening next to the lesion, and its extent */
    bool drags;                     /**< tissue follows the surface; else a seam of along_mm does */
    double along_mm;
    double margin_mm; /**< of tissue round the old surface that is replaced as well */
    double stretch;   /**< of the mirror: 1 takes from as far as it fills */
    double deep_mm;   /**< beyond it patches take over from the mirror */
} rp_treatment_drawn;

/** What a voxel outside the lesion may serve for; RP_TREATED_LESION inside. */
typedef enum rp_treated_kind {
    RP_TREATED_LESION,
    RP_TREATED_TISSUE,  /**< of the sort that predominates round the lesion: a source of texture */
    RP_TREATED_OTHER,   /**< other tissue, or in part lesion */
    RP_TREATED_FOREIGN, /**< neither like that tissue nor like the lesion: bone, air, fat */
} rp_treated_kind;

/** A connected part of the lesion. */
typedef struct rp_treated_part {
    double centre[3]; /**< centroid, in voxels of the box */
    double voxels;
    double compact; /**< 0..1: share that scaling about the centroid would leave inside */
    double scale;   /**< about the centroid, in the change drawn */
} rp_treated_part;

/** One image and its lesion, with what a change needs; a box round the lesion is all it touches. */
typedef struct rp_treated {
    const rp_image *image; /**< borrowed: preprocessed, 0..1 */
    const rp_mask *mask;   /**< borrowed: on the image's grid */
    rp_treatment options;
    int low[3], size[3]; /**< the box, in voxels of the image */
    float *level;        /**< [box] signed distance to the lesion's surface in mm, inside below 0 */
    float *radius;       /**< [box] mm: of the lobe that is nearest */
    float *base;         /**< [box] local mean of the tissue, at its voxels */
    int32_t *owner;      /**< [box] nearest part, from 0 */
    uint8_t *kind;       /**< [box] rp_treated_kind */
    double low_value, high_value; /**< of the tissue that predominates round the lesion */
    double contrast;              /**< between the medians of that tissue and the lesion */
    rp_treated_part *part;
    size_t parts;
    double extent_mm;        /**< largest distance of a voxel of a part from the part's centroid */
    uint32_t *site;          /**< places that texture is taken from, as index in the box */
    size_t sites;            /**< 0: there is none */
    int block[3], blocks[3]; /**< voxels between the middles of blocks, and their number */
    uint32_t *chosen;        /**< [blocks z][y][x] the place drawn for each block */
    rp_lattice lattice;      /**< surface's noise, mottle, parts; unit variance */
    double *scratch;         /**< partial sums of the lattice, one part per slice of the box */
    size_t scratch_slice;
    float *values;   /**< [image] the changed image, where drawn.changed */
    uint8_t *lesion; /**< [image] and its lesion, 0 or 1 */
    rp_treatment_drawn drawn;
} rp_treated;

/** image and mask are borrowed and share a grid. RP_ERR_REFUSED: the mask is empty or covers all.
 *  After an error there is nothing to release. */
rp_status rp_treated_init(rp_treated *treated, const rp_image *image, const rp_mask *mask,
                          const rp_treatment *options, rp_error *err);
void rp_treated_release(rp_treated *treated);

/**
 * Changes the lesion as (seed, step) say, into values and lesion. To draw two different visits of
 * one case, take two of these, or copy what the first draw left: seeds and steps that differ are
 * independent.
 */
void rp_treated_draw(rp_treated *treated, uint64_t seed, uint64_t step);

/** Signed distance, local radius, parts and texture sites of a new rp_treated (treatment_map.c). */
rp_status rp_treated_map(rp_treated *treated, rp_error *err);

static inline size_t rp_treated_index(const rp_treated *t, int x, int y, int z)
{
    return ((size_t)z * (size_t)t->size[1] + (size_t)y) * (size_t)t->size[0] + (size_t)x;
}

/** Renders what was drawn, and whose lattice and sites were (treatment_render.c). */
void rp_treated_render(rp_treated *treated);

/** Voxel of the box at an index in it. */
void rp_treated_position(const rp_treated *treated, size_t index, int at[3]);

/** Index in the image of a voxel of the box. */
static inline size_t rp_treated_in_image(const rp_treated *t, const int at[3])
{
    return rp_grid_index(&t->image->grid, t->low[0] + at[0], t->low[1] + at[1], t->low[2] + at[2]);
}

/** Of a position in the box, in its voxels: unit normal of the level, in mm. */
void rp_treated_normal(const rp_treated *treated, const int at[3], double normal[3]);

#endif
