/* The reader of structured reports: what it delivers is finite, and what it cannot place is told.
 */
#include "fuzz.h"
#include "reprise/dicom_sr.h"

#include <math.h>

static void check_regions(const rp_sr_region *regions, size_t count)
{
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < regions[i].count; k++)
            for (int a = 0; a < 3; a++)
                fuzz_check(isfinite(regions[i].points[k][a]), "points are finite");
}

static void check_group(const rp_sr_group *group, const char *path)
{
    const rp_sr_measurement *found = NULL;
    rp_error err = {0};
    check_regions(group->regions, group->region_count);
    for (size_t i = 0; i < group->measurement_count; i++) {
        const rp_sr_measurement *m = &group->measurements[i];
        fuzz_check(isfinite(m->stored) || isnan(m->stored), "a value is finite, or there is none");
        check_regions(m->regions, m->region_count);
    }
    if (rp_sr_find(group, path, "103339001", "SCT", RP_SR_LENGTH, &found, &err) == RP_OK)
        fuzz_check(!found || found->value > 0, "a long axis is above 0");
}

void fuzz_input(const uint8_t *data, size_t size)
{
    const char *path = fuzz_file(data, size);
    rp_sr report;
    rp_error err = {0};
    rp_sr_probe(path);
    rp_status status = rp_sr_read(path, &report, &err);
    fuzz_check_error(status, &err, path);
    fuzz_check(!status || !report.groups, "a failure delivers nothing");
    for (size_t i = 0; i < report.group_count; i++) check_group(&report.groups[i], path);
    rp_sr_release(&report);
}
