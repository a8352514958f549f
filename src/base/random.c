#include "reprise/base.h"

#include <math.h>

/* Philox4x32-10, Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3",
 * SC 2011. Multipliers and Weyl constants from the paper. */
void rp_philox4x32(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
        uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0, n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        c0 = n0;
        c2 = n2;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

void rp_random_init(rp_random *r, uint64_t seed, uint32_t purpose, uint64_t step)
{
    *r = (rp_random){
        .key = {(uint32_t)seed, (uint32_t)(seed >> 32)},
        .counter = {0, purpose, (uint32_t)step, (uint32_t)(step >> 32)},
        .used = 4,
    };
}

uint32_t rp_random_u32(rp_random *r)
{
    if (r->used == 4) {
        rp_philox4x32(r->counter, r->key, r->block);
        r->counter[0]++;
        r->used = 0;
    }
    return r->block[r->used++];
}

double rp_random_uniform(rp_random *r)
{
    uint64_t high = rp_random_u32(r) >> 5, low = rp_random_u32(r) >> 6;
    return (double)(high * 67108864u + low) / 9007199254740992.0;
}

double rp_random_range(rp_random *r, double low, double high)
{
    return low + (high - low) * rp_random_uniform(r);
}

double rp_random_normal(rp_random *r)
{
    if (r->has_spare) {
        r->has_spare = false;
        return r->spare;
    }
    double radius = sqrt(-2.0 * log(1.0 - rp_random_uniform(r)));
    double angle = 2.0 * M_PI * rp_random_uniform(r);
    r->spare = radius * sin(angle);
    r->has_spare = true;
    return radius * cos(angle);
}
