/*
 * The kernels for processors with vectors, included once per variant. The includer defines
 *   VL     lanes of a vector of float, 4, 8 or 16,
 *   NV     vectors along x in a register block,
 *   RB     output channels in a register block (a divisor of RP_COUT),
 *   TABLE  name of the table,
 *   TABLE_NAME  its name as text,
 *   transpose_block(rows, stride, to, n): VL rows of VL floats, `stride` floats apart, to columns
 * that lie NV * VL floats apart; the first n of them are written.
 *
 * One idea serves all convolutions. A tile of the input is packed with its halo, normalised and
 * rectified on the way, so that a tap of the kernel is a constant offset in the tile. The tile's
 * plane is walked as one long row: whatever falls on the halo columns is computed and thrown away,
 * and short rows cost no more than long ones. RB x NV accumulators stay in registers while weights
 * are broadcast. Where Winograd's algorithm saves work, the tile is taken to its points first; each
 * point is then such a long row, with the three taps along x.
 */
#include "tables.h"

#include <string.h>

#include "vector.h"

#include "taps.h"

#include "pack.h"

#include "winograd.h"

#include "weights.h"

#include "correlate.h"

#include "forward.h"

#include "data_gradient.h"

#include "weight_gradient.h"

#include "elementwise.h"
#include "limits.h"

const rp_kernels TABLE = {
    .name = TABLE_NAME,
    .conv_forward = conv_forward,
    .conv_data_gradient = conv_data_gradient,
    .conv_weight_gradient = conv_weight_gradient,
    .channel_statistics = channel_statistics,
    .finish_gradient = finish_gradient,
    .max_pool = max_pool,
    .max_unpool = max_unpool,
    .adam = adam,
    .multiply_add = multiply_add,
    .triad = triad,
};
