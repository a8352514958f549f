/* The assignment problem by shortest augmenting paths (Kuhn, Munkres; Jonker and Volgenant 1987).
 */
#include "internal.h"

#include <math.h>

/* Rows and columns count from 1; column 0 stands for the row that looks for a place. */
typedef struct state {
    const double *cost;
    size_t rows, columns;
    double *row_price, *column_price, *least;
    size_t *row_of, *way;
    bool *seen;
} state;

static double reduced(const state *s, size_t row, size_t column)
{
    return s->cost[(row - 1) * s->columns + column - 1] - s->row_price[row] -
           s->column_price[column];
}

/* The next column on the shortest path. */
static size_t advance(state *s, size_t from)
{
    size_t next = 0;
    double step = INFINITY;
    s->seen[from] = true;
    for (size_t c = 1; c <= s->columns; c++) {
        if (s->seen[c]) continue;
        const double length = reduced(s, s->row_of[from], c);
        if (length < s->least[c]) s->least[c] = length, s->way[c] = from;
        if (s->least[c] < step) step = s->least[c], next = c;
    }
    for (size_t c = 0; c <= s->columns; c++) {
        if (s->seen[c]) {
            s->row_price[s->row_of[c]] += step;
            s->column_price[c] -= step;
        } else {
            s->least[c] -= step;
        }
    }
    return next;
}

static void place_row(state *s, size_t row)
{
    for (size_t c = 0; c <= s->columns; c++) s->least[c] = INFINITY, s->seen[c] = false;
    s->row_of[0] = row;
    size_t at = 0;
    do at = advance(s, at);
    while (s->row_of[at]);
    for (; at; at = s->way[at]) s->row_of[at] = s->row_of[s->way[at]];
}

rp_status assign_least(const double *cost, size_t rows, size_t columns, int *column_of,
                       rp_error *err)
{
    RP_AUTOFREE double *numbers = rp_alloc(rows + 1 + 2 * (columns + 1), sizeof *numbers);
    RP_AUTOFREE size_t *indices = rp_alloc(2 * (columns + 1), sizeof *indices);
    RP_AUTOFREE bool *seen = rp_alloc(columns + 1, sizeof *seen);
    if (!numbers || !indices || !seen)
        return rp_fail(err, RP_ERR_MEMORY, "tracking: out of memory");
    state s = {cost,
               rows,
               columns,
               numbers,
               numbers + rows + 1,
               numbers + rows + 1 + columns + 1,
               indices,
               indices + columns + 1,
               seen};
    for (size_t r = 1; r <= rows; r++) place_row(&s, r);
    for (size_t c = 1; c <= columns; c++)
        if (s.row_of[c]) column_of[s.row_of[c] - 1] = (int)(c - 1);
    return RP_OK;
}
