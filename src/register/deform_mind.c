/* Self-similarity descriptors (Heinrich et al., "Towards realtime multimodal fusion for
 * image-guided interventions using self-similarities", MICCAI 2013). */
#include "deform.h"

#include <math.h>
#include <string.h>

enum { DISTANCE = 2, PATCH = 1, PAD = DISTANCE + PATCH };

/* The image with its border repeated, so that no loop has to look where it is. */
typedef struct padded {
    float *data;
    int size[3]; /* of the padded one */
} padded;

static int within(int i, int size)
{
    return i < 0 ? 0 : i >= size ? size - 1 : i;
}

static rp_status pad(const float *data, const int size[3], padded *p, rp_error *err)
{
    for (int a = 0; a < 3; a++) p->size[a] = size[a] + 2 * PAD;
    const size_t row = (size_t)p->size[0], slice = row * (size_t)p->size[1];
    p->data = rp_alloc(slice * (size_t)p->size[2], sizeof *p->data);
    if (!p->data) return rp_fail(err, RP_ERR_MEMORY, "registration: out of memory");
    for (int z = 0; z < p->size[2]; z++)
        for (int y = 0; y < p->size[1]; y++) {
            const float *from = data + ((size_t)within(z - PAD, size[2]) * (size_t)size[1] +
                                        (size_t)within(y - PAD, size[1])) *
                                           (size_t)size[0];
            float *to = p->data + (size_t)z * slice + (size_t)y * row;
            for (int x = 0; x < p->size[0]; x++) to[x] = from[within(x - PAD, size[0])];
        }
    return RP_OK;
}

typedef struct mind_job {
    padded image;
    int size[3];
    ptrdiff_t first[MIND_CHANNELS], second[MIND_CHANNELS]; /* the two neighbours of a pair */
    float floor;
    float *out;
    float *scratch; /* per worker: columns of one slice's sums, with a rim of a patch */
    size_t scratch_floats;
} mind_job;

/* The six neighbours in the order -x +x -y +y -z +z; pairs on different axes. */
static void name_pairs(mind_job *job)
{
    const ptrdiff_t row = job->image.size[0], slice = row * job->image.size[1];
    const ptrdiff_t step[3] = {DISTANCE, DISTANCE * row, DISTANCE * slice};
    int channel = 0;
    for (int a = 0; a < 6; a++)
        for (int b = a + 1; b < 6; b++) {
            if (a / 2 == b / 2) continue;
            job->first[channel] = a % 2 ? step[a / 2] : -step[a / 2];
            job->second[channel++] = b % 2 ? step[b / 2] : -step[b / 2];
        }
}

/* Squared differences of a pair, summed over the three slices of a patch, for one slice and a rim
 * of a patch round it. */
static void sum_slices(const mind_job *job, int channel, size_t z, float *sums)
{
    const int nx = job->size[0] + 2 * PATCH, ny = job->size[1] + 2 * PATCH;
    const size_t row = (size_t)job->image.size[0], slice = row * (size_t)job->image.size[1];
    for (int y = 0; y < ny; y++)
        for (int k = 0; k < 2 * PATCH + 1; k++) {
            const float *at = job->image.data + (z + DISTANCE + (size_t)k) * slice +
                              (size_t)(y + DISTANCE) * row + DISTANCE;
            const float *p = at + job->first[channel], *q = at + job->second[channel];
            float *to = sums + (size_t)y * (size_t)nx;
            for (int x = 0; x < nx; x++) {
                const float d = p[x] - q[x];
                to[x] = k ? to[x] + d * d : d * d;
            }
        }
}

static void patch_means(const mind_job *job, const float *sums, int channel, float *out)
{
    const int nx = job->size[0], wide = nx + 2 * PATCH;
    const float share = 1.0f / 27.0f;
    for (int y = 0; y < job->size[1]; y++) {
        const float *a = sums + (size_t)y * (size_t)wide, *b = a + wide, *c = b + wide;
        float *to = out + (size_t)y * (size_t)nx * MIND_CHANNELS + channel;
        for (int x = 0; x < nx; x++) {
            const float left = a[x] + b[x] + c[x], middle = a[x + 1] + b[x + 1] + c[x + 1];
            const float right = a[x + 2] + b[x + 2] + c[x + 2];
            to[(size_t)x * MIND_CHANNELS] = share * (left + middle + right);
        }
    }
}

static void finish(float *d, float floor)
{
    float least = d[0], sum = d[0];
    for (int c = 1; c < MIND_CHANNELS; c++) {
        least = d[c] < least ? d[c] : least;
        sum += d[c];
    }
    /* As the mean of what is left when the least is taken away; at least the noise. */
    float mean = sum / MIND_CHANNELS - least;
    if (mean < floor) mean = floor;
    for (int c = 0; c < MIND_CHANNELS; c++) d[c] = expf(-(d[c] - least) / mean);
}

/* Task: one slice. */
static void mind_slice(void *context, size_t z, int worker)
{
    const mind_job *job = context;
    const size_t voxels = (size_t)job->size[0] * (size_t)job->size[1];
    float *sums = job->scratch + (size_t)worker * job->scratch_floats;
    float *out = job->out + z * voxels * MIND_CHANNELS;
    for (int c = 0; c < MIND_CHANNELS; c++) {
        sum_slices(job, c, z, sums);
        patch_means(job, sums, c, out);
    }
    for (size_t i = 0; i < voxels; i++) finish(out + i * MIND_CHANNELS, job->floor);
}

rp_status mind_describe(const float *data, const int size[3], float floor_hu, float *out,
                        rp_error *err)
{
    mind_job job = {.floor = floor_hu * floor_hu, .out = out};
    memcpy(job.size, size, sizeof job.size);
    rp_status status = pad(data, size, &job.image, err);
    if (status) return status;
    name_pairs(&job);
    job.scratch_floats = (size_t)(size[0] + 2 * PATCH) * (size_t)(size[1] + 2 * PATCH);
    job.scratch = rp_alloc((size_t)rp_threads_get() * job.scratch_floats, sizeof *job.scratch);
    if (job.scratch)
        rp_parallel_for((size_t)size[2], mind_slice, &job);
    else
        status = rp_fail(err, RP_ERR_MEMORY, "registration: out of memory");
    rp_free(job.scratch);
    rp_free(job.image.data);
    return status;
}
