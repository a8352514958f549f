/*
 * Winograd's minimal filtering F(4x4, 3x3) along z and y (Lavin and Gray 2016); the three taps
 * along x stay as they are, for x lies in the vectors. Four outputs along an axis come from six
 * inputs through six products instead of twelve, so a 3x3x3 convolution takes a quarter of the
 * multiplications:
 *
 *     output = A^T [ (G weight G^T) . (B^T input B) ] A
 *
 * The polynomials are evaluated at 0, +-3/4, +-3/2 and infinity. Those points are exact in binary
 * and lie evenly around 1 in magnitude, which keeps the rounding error at about twice that of the
 * plain sum; the usual 0, +-1, +-2 cost ten times.
 */

enum { WINO = RP_WINO, POINTS_1D = RP_WINO + 2, POINTS = RP_WINO_POINTS };

static const float point_a = 0.75f, point_b = 1.5f;

/* B^T x: six inputs of one axis to six points. */
static inline __attribute__((always_inline)) void input_points(const vec x[POINTS_1D],
                                                               vec u[POINTS_1D])
{
    const float a2 = point_a * point_a, b2 = point_b * point_b;
    vec even_a = x[4] - b2 * x[2], odd_a = point_a * (x[3] - b2 * x[1]);
    vec even_b = x[4] - a2 * x[2], odd_b = point_b * (x[3] - a2 * x[1]);
    u[0] = a2 * b2 * x[0] + (x[4] - (a2 + b2) * x[2]);
    u[1] = even_a + odd_a;
    u[2] = even_a - odd_a;
    u[3] = even_b + odd_b;
    u[4] = even_b - odd_b;
    u[5] = a2 * b2 * x[1] + (x[5] - (a2 + b2) * x[3]);
}

/* A^T m: six points of one axis to four outputs. */
static inline __attribute__((always_inline)) void output_values(const vec m[POINTS_1D], vec y[WINO])
{
    const float a = point_a, b = point_b;
    vec sum_a = m[1] + m[2], difference_a = m[1] - m[2];
    vec sum_b = m[3] + m[4], difference_b = m[3] - m[4];
    y[0] = m[0] + sum_a + sum_b;
    y[1] = a * difference_a + b * difference_b;
    y[2] = a * a * sum_a + b * b * sum_b;
    y[3] = m[5] + (a * a * a * difference_a + b * b * b * difference_b);
}

/* A g: gradients of four outputs of one axis to six points. */
static inline __attribute__((always_inline)) void gradient_points(const vec g[WINO],
                                                                  vec v[POINTS_1D])
{
    const float a = point_a, b = point_b;
    vec even_a = g[0] + a * a * g[2], odd_a = a * (g[1] + a * a * g[3]);
    vec even_b = g[0] + b * b * g[2], odd_b = b * (g[1] + b * b * g[3]);
    v[0] = g[0];
    v[1] = even_a + odd_a;
    v[2] = even_a - odd_a;
    v[3] = even_b + odd_b;
    v[4] = even_b - odd_b;
    v[5] = g[3];
}

/* G: the value of each tap at each point, over the product of the point's distances from others. */
static void weight_matrix(float g[POINTS_1D][3])
{
    const double point[5] = {0, (double)point_a, -(double)point_a, (double)point_b,
                             -(double)point_b};
    for (int i = 0; i < 5; i++) {
        double product = 1;
        for (int j = 0; j < 5; j++)
            if (j != i) product *= point[i] - point[j];
        g[i][0] = (float)(1 / product);
        g[i][1] = (float)(point[i] / product);
        g[i][2] = (float)(point[i] * point[i] / product);
    }
    g[5][0] = g[5][1] = 0;
    g[5][2] = 1;
}

/* Six rows of six planes at one place of a packed channel, to its points. */
static inline __attribute__((always_inline)) void
transform_column(const float *from, size_t plane, size_t pitch, float *to, size_t stride)
{
    vec column[POINTS_1D][POINTS_1D]; /* [point along z][row] */
    for (size_t y = 0; y < POINTS_1D; y++) {
        vec in[POINTS_1D], out[POINTS_1D];
        for (size_t z = 0; z < POINTS_1D; z++) in[z] = load(from + z * plane + y * pitch);
        input_points(in, out);
        for (int z = 0; z < POINTS_1D; z++) column[z][y] = out[z];
    }
    for (int z = 0; z < POINTS_1D; z++) {
        vec out[POINTS_1D];
        input_points(column[z], out);
        for (int y = 0; y < POINTS_1D; y++) {
            store(to, out[y]);
            to += stride;
        }
    }
}

/* One packed channel to its points [36][run]. Four rows of outputs become a row of positions as
 * wide as the tile's own, halo included; those rows lie behind one another and make the run. */
static void transform_channel(const conv_tiling *t, const float *tile, float *points)
{
    size_t pitch = (size_t)t->pitch;
    /* Where the tile is as wide as the volume, the halo is zero and so are its points. */
    size_t first = t->tiles_x == 1, end = pitch - first;
    for (int row = 0; row < t->rows / WINO; row++, tile += WINO * pitch, points += pitch) {
        for (size_t x = first; x < end; x += VL)
            transform_column(tile + x, t->plane, pitch, points + x, t->point_stride);
        for (size_t p = 0; first && p < POINTS; p++)
            points[p * t->point_stride] = points[p * t->point_stride + pitch - 1] = 0;
    }
}

/* Products of one result [36][run] to its voxels [4][rows of acc_pitch]. */
static void inverse_transform(const conv_tiling *t, const float *products, float *acc)
{
    size_t pitch = (size_t)t->acc_pitch;
    for (int row = 0; row < t->rows / WINO; row++, products += t->pitch, acc += WINO * pitch)
        for (size_t x = 0; x < (size_t)t->width; x += VL) {
            vec column[WINO][POINTS_1D]; /* [row][point along z] */
            for (size_t z = 0; z < POINTS_1D; z++) {
                vec in[POINTS_1D], out[WINO];
                for (size_t y = 0; y < POINTS_1D; y++)
                    in[y] = load(products + (z * POINTS_1D + y) * t->product_stride + x);
                output_values(in, out);
                for (int y = 0; y < WINO; y++) column[y][z] = out[y];
            }
            for (size_t y = 0; y < WINO; y++) {
                vec out[WINO];
                output_values(column[y], out);
                for (size_t z = 0; z < WINO; z++) store(acc + z * t->flat + y * pitch + x, out[z]);
            }
        }
}
