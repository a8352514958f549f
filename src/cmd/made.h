/*
 * What simulate and phantom share: visits of made patients written as NIfTI and as DICOM.
 */
#ifndef REPRISE_CMD_MADE_H
#define REPRISE_CMD_MADE_H

#include "cmd.h"

#include "reprise/synth_remodel.h"

typedef struct made_visit {
    const rp_image *image;
    const rp_mask *mask;
    const rp_dicom_header *header; /* empty UIDs are made from uid_seed */
    const char *uid_seed;
    const char *image_name, *mask_name;      /* of the NIfTI files, such as "followup.nii.gz" */
    const char *series_name, *rtstruct_name; /* of the DICOM folder and file */
    const char *roi_name;
    const char *command, *label; /* of the NIfTI files' origin */
    const cmd_ct *source;        /* that it was made from; NULL: none */
    const char *contour_sha256;
} made_visit;

/* NIfTI image (int16) and mask into folder. */
rp_status made_write_nifti(const char *folder, const made_visit *visit, rp_error *err);
/* CT series and RTSTRUCT into folder; no RTSTRUCT of an empty mask. */
rp_status made_write_dicom(const char *folder, const made_visit *visit, rp_error *err);
/* Adds the names of the files to truth's "files". */
void made_list_files(rp_json *files, const made_visit *visit, bool dicom);
/* YYYYMMDD so many days later; "" where date is no date. */
void made_date_after(const char *date, int days, char later[16]);

/* "necrosis,scar", "random", "none"; false: no such word, which `wrong` then holds. */
bool made_parse_with(const char *text, rp_remodel_options *how, char wrong[64]);
/* The words of a set. */
rp_json *made_with_json(unsigned with);
/* new_lesion_mask.nii.gz, where there is a new lesion, and its name in truth's "files". */
rp_status made_write_new_lesion(const char *folder, const made_visit *visit, const rp_mask *mask,
                                rp_json *files, rp_error *err);
/* Adds what was drawn and measured to truth.json. */
void made_describe_remodel(rp_json *truth, const rp_remodeled *made);

#endif
