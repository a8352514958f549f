/**
 * @file learn_ranges.h
 * The range of every setting of this module, once: what settings files are held against, what the
 * library refuses, and what a checkpoint remembers. X(name, lowest, highest), both allowed; the
 * names are those of the structs in learn.h and nn.h, and of the keys in settings files.
 */
#ifndef REPRISE_LEARN_RANGES_H
#define REPRISE_LEARN_RANGES_H

/** rp_preprocessing; the window's ends in order, too. */
#define RP_RANGES_WINDOW(X) X(window_low_hu, -32768.0, 65535.0) X(window_high_hu, -32768.0, 65535.0)
#define RP_RANGE_SPACING(X) X(spacing, 0.05, 100.0)

/** rp_adapt_options: whole numbers and others. */
#define RP_RANGES_STEPS_WHOLE(X) X(epochs, 1, 1000000) X(copies, 1, 1000)
#define RP_RANGES_STEPS(X)                                                                         \
    X(tumour_share, 0.0, 1.0)                                                                      \
    X(learning_rate, 1e-12, 10.0)                                                                  \
    X(power, 0.0, 100.0)                                                                           \
    X(dropout, -1.0, 0.999)
/** 0: off, and then no part of what a checkpoint remembers. */
#define RP_RANGE_AVERAGE(X) X(average, 0.0, 0.999999)
#define RP_RANGE_CHECKPOINT(X) X(checkpoint_seconds, 0.0, 1e9)
#define RP_RANGE_CROP(X) X(crop, 1, 4096)

/** rp_train_options. */
#define RP_RANGE_VALIDATION(X) X(validate_every, 0, 1000000)

/** rp_region_options, and each of their axes. */
#define RP_RANGES_REGION(X)                                                                        \
    X(margin_mm, 0.0, 1000.0)                                                                      \
    X(jitter_mm, 0.0, 1000.0)                                                                      \
    X(finest_mm, 0.05, 100.0)
#define RP_RANGES_REGION_AXES(X) X(voxels, 1, 4096) X(coarsest_mm, 0.05, 100.0)

/** rp_loss_weights; one of the first three above 0, too. */
#define RP_RANGES_LOSS(X)                                                                          \
    X(cross_entropy, 0.0, 1e6)                                                                     \
    X(dual_cross_entropy, 0.0, 1e6)                                                                \
    X(dice, 0.0, 1e6)                                                                              \
    X(dual_alpha, 1e-6, 1e6)                                                                       \
    X(dual_beta, 0.0, 1e6)                                                                         \
    X(dice_smooth, 0.0, 1e6)

/** rp_augmentation; elastic_mm at most 0.3 of its scale, too. */
#define RP_RANGES_AUGMENTATION(X)                                                                  \
    X(brightness, 0.0, 0.95)                                                                       \
    X(rotation_degrees, 0.0, 180.0)                                                                \
    X(shift_mm, 0.0, 1000.0)                                                                       \
    X(scale, 0.0, 0.9)                                                                             \
    X(elastic_mm, 0.0, 100.0)                                                                      \
    X(noise, 0.0, 1.0)
/** Counts where elastic_mm is not 0. */
#define RP_RANGE_ELASTIC_SCALE(X) X(elastic_scale_mm, 5.0, 10000.0)

/** rp_treatment; roughness_low_mm not above roughness_high_mm, too. */
#define RP_RANGES_TREATMENT(X)                                                                     \
    X(share, 0.0, 1.0)                                                                             \
    X(vanish, 0.0, 1.0)                                                                            \
    X(shrink, 0.0, 0.95)                                                                           \
    X(grow, 0.0, 2.0)                                                                              \
    X(roughness, 0.0, 0.5)                                                                         \
    X(roughness_low_mm, 3.0, 1000.0)                                                               \
    X(roughness_high_mm, 3.0, 1000.0)                                                              \
    X(density, 0.0, 0.5)                                                                           \
    X(core, 0.0, 1.0)                                                                              \
    X(rim, 0.0, 0.5)                                                                               \
    X(rim_mm, 0.0, 100.0)

/** rp_predict_options. */
#define RP_RANGE_THRESHOLD(X) X(threshold, 1e-6, 0.999999)
#define RP_RANGE_TILE(X) X(tile, 0, 4096)

#endif
