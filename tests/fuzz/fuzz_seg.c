/* The SEG reader, and every segment that it delivers on its own grid and on another. */
#include "fuzz.h"
#include "reprise/dicom_seg.h"

static const size_t most_voxels = 1 << 22; /* what one input may take to fill */

static void fill(const rp_seg *seg, const rp_seg_segment *segment, const rp_grid *grid)
{
    rp_mask mask = {0};
    rp_seg_report report = {0};
    rp_error err = {0};
    if (rp_seg_to_mask(seg, segment, NULL, grid, &mask, &report, &err)) {
        fuzz_check(err.message[0] && !mask.data, "a failure has a message and no mask");
        return;
    }
    fuzz_check(report.frames_used == segment->frames, "the report counts the frames");
    fuzz_check(report.frames_used > 0 || rp_mask_count(&mask) == 0, "no frame, no voxel");
    rp_mask_release(&mask);
}

void fuzz_input(const uint8_t *data, size_t size)
{
    const char *path = fuzz_file(data, size);
    const rp_grid small = rp_grid_make(9, 8, 7, 2, 1.5, 3);
    rp_seg seg;
    rp_grid own;
    rp_error err = {0};
    const rp_seg_segment *found = NULL;
    rp_seg_probe(path);
    rp_status status = rp_seg_read(path, &seg, &err);
    fuzz_check_error(status, &err, path);
    fuzz_check(status ? !seg.segments : seg.segment_count > 0,
               "there are segments, or there is an error");
    const bool regular = !status && !rp_seg_grid(&seg, &own, NULL, NULL);
    for (size_t i = 0; i < seg.segment_count && i < 4; i++) {
        rp_seg_find_segment(&seg, path, seg.segments[i].name, &found, NULL);
        if (regular && rp_grid_voxels(&own) > most_voxels) continue;
        fill(&seg, &seg.segments[i], &small);
        if (regular) fill(&seg, &seg.segments[i], &own);
    }
    rp_seg_release(&seg);
}
