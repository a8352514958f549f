/* Vectors of float of the variant that includes this. */
typedef float vec __attribute__((vector_size(4 * VL), aligned(4), may_alias));
typedef int32_t vec_int __attribute__((vector_size(4 * VL), aligned(4), may_alias));

enum { STEP = VL * NV, LANES = VL * NV };

static inline vec load(const float *p)
{
    return *(const vec *)p;
}

static inline void store(float *p, vec v)
{
    *(vec *)p = v;
}

static inline vec splat(float value)
{
    return value - (vec){0};
}

/* value where condition > 0, else 0 */
static inline vec where_positive(vec condition, vec value)
{
    return (vec)((vec_int)value & (condition > 0.0f));
}

static double lane_sum(vec v)
{
    double sum = 0;
    for (int i = 0; i < VL; i++) sum += (double)v[i];
    return sum;
}
