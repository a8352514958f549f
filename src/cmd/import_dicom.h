/*
 * What a tree of DICOM files holds, as the importer sees it.
 */
#ifndef REPRISE_CMD_IMPORT_DICOM_H
#define REPRISE_CMD_IMPORT_DICOM_H

#include "import.h"

typedef struct found_series {
    rp_dicom_series_info info;
    char name[RP_DICOM_UID + 16]; /* its UID, with #PART of a part */
    char *folder;  /* the smallest that holds all its files; NULL: no file was found */
    bool alone;    /* no other series there */
    bool others;   /* images of other patients there */
    size_t drawn;  /* RTSTRUCT or SEG with the lesion on it */
    char *contour; /* the first of them */
    char roi[RP_DICOM_NAME];
    bool told; /* taken or left out with a reason */
} found_series;

typedef struct found_tree {
    found_series *series;
    size_t count;
    size_t not_images; /* files */
} found_tree;

/* Every series below the folder of the job, the contours that belong to each. RTSTRUCT and SEG that
 * belong to none are left out. */
rp_status found_tree_read(import_job *job, found_tree *tree, rp_error *err);
void found_tree_release(found_tree *tree);

#endif
