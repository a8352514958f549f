/* The taps of a kernel as offsets in a packed tile. */

typedef struct tap_list {
    int count;
    ptrdiff_t offset[RP_TAPS]; /* in the packed tile, from the output's own position */
    int weight[RP_TAPS];       /* index within the 27 of the weight tensor */
} tap_list;

static void push_tap(tap_list *taps, const conv_tiling *t, const int at[3], int weight)
{
    taps->offset[taps->count] =
        (ptrdiff_t)t->plane * at[2] + (ptrdiff_t)t->pitch * at[1] + (ptrdiff_t)at[0];
    taps->weight[taps->count++] = weight;
}

/* RP_CONV_UP along one axis: output 2m takes tap 1 of input m; output 2m+1 takes tap 0 of input m+1
 * and tap 2 of input m. Seen from the input i (the data gradient): tap 1 of 2i, tap 0 of 2i-1 =
 * phase 1 of m = i-1, tap 2 of 2i+1 = phase 1 of m = i; there the tile's halo is on the low side.
 */
static int up_taps(int phase_bit, bool backward, int weight[2], int offset[2])
{
    if (!phase_bit) {
        weight[0] = 1;
        offset[0] = backward ? 1 : 0;
        return 1;
    }
    weight[0] = 0;
    offset[0] = backward ? 0 : 1;
    weight[1] = 2;
    offset[1] = backward ? 1 : 0;
    return 2;
}

static void up_tap_list(const conv_tiling *t, int phase, bool backward, tap_list *taps)
{
    int weight[3][2], offset[3][2], count[3];
    for (int a = 0; a < 3; a++) count[a] = up_taps(phase >> a & 1, backward, weight[a], offset[a]);
    for (int z = 0; z < count[2]; z++)
        for (int y = 0; y < count[1]; y++)
            for (int x = 0; x < count[0]; x++) {
                int at[3] = {offset[0][x], offset[1][y], offset[2][z]};
                push_tap(taps, t, at, (weight[2][z] * 3 + weight[1][y]) * 3 + weight[0][x]);
            }
}

static tap_list list_taps(rp_conv_kind kind, const conv_tiling *t, int phase, bool backward)
{
    tap_list taps = {0};
    if (kind == RP_CONV_POINT) {
        push_tap(&taps, t, (int[3]){0, 0, 0}, 0);
    } else if (kind == RP_CONV_UP) {
        up_tap_list(t, phase, backward, &taps);
    } else {
        for (int i = 0; i < RP_TAPS; i++)
            push_tap(&taps, t, (int[3]){i % 3, i / 3 % 3, i / 9}, backward ? RP_TAPS - 1 - i : i);
    }
    return taps;
}

static int phase_count(rp_conv_kind kind)
{
    return kind == RP_CONV_UP ? 8 : 1;
}
