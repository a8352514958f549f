/* What `info` shows of a network. */
#ifndef REPRISE_CMD_INFO_H
#define REPRISE_CMD_INFO_H

#include "cmd.h"

rp_json *info_architecture_json(const rp_fcd_config *config);

/* DICOM images below path: "series", each with the numbers of its patient and study; patients are
 * numbered, and named with identifiers only. RP_ERR_FORMAT where there are none. */
rp_status info_dicom(const char *path, bool identifiers, rp_json *json, rp_error *err);
/* That for people, to stdout. */
void info_print_dicom(const rp_json *json);
void info_set_identifiers(rp_json *json, const rp_dicom_header *header);

/* The memory of prediction and training at an extent (x, y, z) to stdout, of a model's network or,
 * with model NULL, of the default one. spacing: mm of the voxels, where these are known; NULL. */
rp_status info_plan(const char *model, const int size[3], const double *spacing, bool json,
                    rp_error *err);
/* The same of what `assess` makes by default for a lesion FILE[:ROI] on a CT: the start's network
 * on the box that is fitted to it. */
rp_status info_plan_box(const char *ct, const char *contour, bool json, rp_error *err);

/* Groups, measurements and problems of a structured report into json; its header for the rest. */
rp_status info_report(const char *path, bool identifiers, rp_json *json, rp_dicom_header *header,
                      rp_error *err);

#endif
