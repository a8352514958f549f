/* Kernels that go once over memory: plain C that the compiler turns into vectors of the variant
 * that includes it. Sums are float64 in eight interleaved parts, the same for every thread count.
 */

static void add_parts(const double parts[8], double *sum)
{
    *sum = ((parts[0] + parts[4]) + (parts[1] + parts[5])) +
           ((parts[2] + parts[6]) + (parts[3] + parts[7]));
}

typedef struct statistics_job {
    const float *x;
    size_t voxels;
    double *mean, *variance;
} statistics_job;

static void statistics_task(void *context, size_t channel, int worker)
{
    (void)worker;
    const statistics_job *job = context;
    const float *x = job->x + channel * job->voxels;
    double sums[8] = {0}, squares[8] = {0}, sum, square;
    size_t i = 0, n = job->voxels;
    for (; i + 8 <= n; i += 8)
        for (int j = 0; j < 8; j++) {
            double v = (double)x[i + (size_t)j];
            sums[j] += v;
            squares[j] += v * v;
        }
    for (; i < n; i++) {
        sums[i % 8] += (double)x[i];
        squares[i % 8] += (double)x[i] * (double)x[i];
    }
    add_parts(sums, &sum);
    add_parts(squares, &square);
    double mean = sum / (double)n, variance = square / (double)n - mean * mean;
    job->mean[channel] = mean;
    job->variance[channel] = variance > 0 ? variance : 0;
}

static void channel_statistics(const float *x, int channels, size_t voxels, double *mean,
                               double *variance)
{
    statistics_job job = {x, voxels, mean, variance};
    rp_parallel_for((size_t)channels, statistics_task, &job);
}

static void finish_task(void *context, size_t channel, int worker)
{
    (void)worker;
    const rp_finish_gradient *op = context;
    const float *x = op->x + channel * op->voxels;
    float *g = op->gradient + channel * op->voxels;
    float keep = op->keep ? op->keep[channel] : 1, slope = op->slope[channel];
    float offset = op->offset[channel], mean = op->mean[channel];
    double sums[8] = {0};
    size_t i = 0;
    for (; i + 8 <= op->voxels; i += 8)
        for (size_t j = i; j < i + 8; j++) {
            float v = keep * (g[j] + (offset + slope * (x[j] - mean)));
            g[j] = v;
            sums[j - i] += (double)v;
        }
    for (; i < op->voxels; i++) {
        g[i] = keep * (g[i] + (offset + slope * (x[i] - mean)));
        sums[i % 8] += (double)g[i];
    }
    add_parts(sums, &op->sum[channel]);
}

static void finish_gradient(const rp_finish_gradient *op)
{
    rp_finish_gradient copy = *op;
    rp_parallel_for((size_t)op->channels, finish_task, &copy);
}

typedef struct pool_job {
    const float *input;
    float *output;
    uint8_t *choice;
    const uint8_t *chosen;
    const float *keep;
    const int *size;
} pool_job;

static void pool_task(void *context, size_t channel, int worker)
{
    (void)worker;
    const pool_job *job = context;
    const int nx = job->size[0], ny = job->size[1], nz = job->size[2];
    const size_t plane = (size_t)nx * (size_t)ny;
    const float *x = job->input + channel * plane * (size_t)nz;
    size_t at = channel * (plane / 4) * (size_t)(nz / 2);
    for (int z = 0; z < nz; z += 2)
        for (int y = 0; y < ny; y += 2) {
            const float *row = x + (size_t)z * plane + (size_t)y * (size_t)nx;
            for (int i = 0; i < nx; i += 2, at++) {
                float best = row[i];
                uint8_t choice = 0;
                for (int k = 1; k < 8; k++) {
                    float v = row[(size_t)(k >> 2) * plane + (size_t)(k >> 1 & 1) * (size_t)nx +
                                  (size_t)(i + (k & 1))];
                    choice = v > best ? (uint8_t)k : choice;
                    best = v > best ? v : best;
                }
                job->output[at] = best;
                if (job->choice) job->choice[at] = choice;
            }
        }
}

static void max_pool(const float *input, int channels, const int size[3], float *output,
                     uint8_t *choice)
{
    pool_job job = {.input = input, .output = output, .choice = choice, .size = size};
    rp_parallel_for((size_t)channels, pool_task, &job);
}

static void unpool_task(void *context, size_t channel, int worker)
{
    (void)worker;
    const pool_job *job = context;
    const int nx = job->size[0], ny = job->size[1], nz = job->size[2];
    const size_t plane = (size_t)nx * (size_t)ny;
    float *out = job->output + channel * plane * (size_t)nz;
    float keep = job->keep ? job->keep[channel] : 1;
    size_t at = channel * (plane / 4) * (size_t)(nz / 2);
    for (int z = 0; z < nz; z += 2)
        for (int y = 0; y < ny; y += 2) {
            float *row = out + (size_t)z * plane + (size_t)y * (size_t)nx;
            for (int i = 0; i < nx; i += 2, at++)
                for (int k = 0; k < 8; k++)
                    row[(size_t)(k >> 2) * plane + (size_t)(k >> 1 & 1) * (size_t)nx +
                        (size_t)(i + (k & 1))] = job->chosen[at] == k ? keep * job->input[at] : 0;
        }
}

static void max_unpool(const float *grad_output, const uint8_t *choice, const float *keep,
                       int channels, const int size[3], float *grad_input)
{
    pool_job job = {
        .input = grad_output, .output = grad_input, .chosen = choice, .keep = keep, .size = size};
    rp_parallel_for((size_t)channels, unpool_task, &job);
}

static void adam(float *value, const float *gradient, float *first, float *second, size_t count,
                 double learning_rate, uint64_t step)
{
    double correction1 = 1 - __builtin_pow(0.9, (double)step);
    double correction2 = 1 - __builtin_pow(0.999, (double)step);
    float rate = (float)(learning_rate / correction1);
    float root = (float)__builtin_sqrt(correction2);
    for (size_t i = 0; i < count; i++) {
        float g = gradient[i];
        first[i] = 0.9f * first[i] + 0.1f * g;
        second[i] = 0.999f * second[i] + 0.001f * g * g;
        value[i] -= rate * first[i] / (__builtin_sqrtf(second[i]) / root + 1e-8f);
    }
}
