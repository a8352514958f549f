/* Connected components by union-find over runs along x. */
#include "reprise/volume.h"

#include <stdlib.h>
#include <string.h>

typedef struct run {
    int first, last; /* x, inclusive */
    size_t parent;   /* a run that is not later in memory */
} run;

typedef struct component {
    size_t root, voxels;
    size_t first; /* of its voxels in canonical order */
} component;

typedef struct forest {
    run *runs;
    size_t *row_start; /* rows + 1 indices into runs */
    size_t *rank;      /* of each root run: place in items, filled by forest_rank */
    component *items;  /* in order of decreasing size */
    size_t rows, count;
} forest;

static void forest_release(forest *f)
{
    rp_free(f->runs);
    rp_free(f->row_start);
    rp_free(f->rank);
    rp_free(f->items);
    *f = (forest){0};
}

static size_t find_root(run *runs, size_t i)
{
    while (runs[i].parent != i) i = runs[i].parent = runs[runs[i].parent].parent;
    return i;
}

static void join(run *runs, size_t a, size_t b)
{
    a = find_root(runs, a);
    b = find_root(runs, b);
    if (a < b)
        runs[b].parent = a;
    else
        runs[a].parent = b;
}

/* Runs of the row appended at out, or only counted when out is NULL. */
static size_t scan_row(const uint8_t *row, int nx, run *out, size_t number)
{
    size_t count = 0;
    for (int x = 0; x < nx; x++) {
        if (!row[x]) continue;
        int first = x;
        while (x + 1 < nx && row[x + 1]) x++;
        if (out) out[count] = (run){first, x, number + count};
        count++;
    }
    return count;
}

static rp_status forest_scan(forest *f, const rp_mask *mask, rp_error *err)
{
    int nx = mask->grid.size[0];
    f->rows = (size_t)mask->grid.size[1] * (size_t)mask->grid.size[2];
    f->row_start = rp_alloc(f->rows + 1, sizeof *f->row_start);
    if (!f->row_start) return rp_fail(err, RP_ERR_MEMORY, "no memory for connected components");
    for (size_t row = 0; row < f->rows; row++)
        f->row_start[row + 1] =
            f->row_start[row] + scan_row(mask->data + row * (size_t)nx, nx, NULL, 0);
    f->runs = rp_alloc(f->row_start[f->rows], sizeof *f->runs);
    if (!f->runs) return rp_fail(err, RP_ERR_MEMORY, "no memory for connected components");
    for (size_t row = 0; row < f->rows; row++)
        scan_row(mask->data + row * (size_t)nx, nx, f->runs + f->row_start[row], f->row_start[row]);
    return RP_OK;
}

/* Joins the runs of two rows that touch; reach 1 lets them touch diagonally in x. */
static void join_rows(forest *f, size_t row, size_t other, int reach)
{
    size_t a = f->row_start[row], b = f->row_start[other];
    while (a < f->row_start[row + 1] && b < f->row_start[other + 1]) {
        const run *ra = &f->runs[a], *rb = &f->runs[b];
        if (ra->first <= rb->last + reach && rb->first <= ra->last + reach) join(f->runs, a, b);
        if (ra->last < rb->last)
            a++;
        else
            b++;
    }
}

static void forest_join(forest *f, const int size[3], int connectivity)
{
    int face = connectivity > 6, edge = connectivity > 18;
    for (int z = 0; z < size[2]; z++) {
        for (int y = 0; y < size[1]; y++) {
            size_t row = (size_t)z * (size_t)size[1] + (size_t)y;
            if (y > 0) join_rows(f, row, row - 1, face);
            if (z == 0) continue;
            size_t below = row - (size_t)size[1];
            join_rows(f, row, below, face);
            if (connectivity > 6 && y > 0) join_rows(f, row, below - 1, edge);
            if (connectivity > 6 && y + 1 < size[1]) join_rows(f, row, below + 1, edge);
        }
    }
}

static int compare_components(const void *left, const void *right)
{
    const component *a = left, *b = right;
    if (a->voxels != b->voxels) return a->voxels > b->voxels ? -1 : 1;
    return a->first < b->first ? -1 : a->first > b->first;
}

/* Places of voxels in canonical order: linear in the stored index. */
typedef struct places {
    size_t first;
    ptrdiff_t step[3]; /* of the stored axes */
    size_t ny;
} places;

static places make_places(const rp_grid *grid)
{
    const rp_orientation o = rp_grid_orientation(grid);
    const rp_grid canonical = rp_grid_canonical(grid);
    places p = {.ny = (size_t)grid->size[1]};
    ptrdiff_t step = 1;
    for (int a = 0; a < 3; a++) {
        p.step[o.axis[a]] = o.flip[a] ? -step : step;
        if (o.flip[a]) p.first += (size_t)(step * (canonical.size[a] - 1));
        step *= canonical.size[a];
    }
    return p;
}

/* The first voxel of a run lies at one of its ends. */
static size_t first_place(const places *p, size_t row, const run *r)
{
    const ptrdiff_t start = (ptrdiff_t)p->first + (ptrdiff_t)(row % p->ny) * p->step[1] +
                            (ptrdiff_t)(row / p->ny) * p->step[2];
    return (size_t)(start + (p->step[0] < 0 ? r->last : r->first) * p->step[0]);
}

static void forest_count(forest *f, const places *p)
{
    size_t next = 0;
    for (size_t row = 0; row < f->rows; row++)
        for (size_t i = f->row_start[row]; i < f->row_start[row + 1]; i++) {
            const size_t root = find_root(f->runs, i), first = first_place(p, row, &f->runs[i]);
            if (root == i) {
                f->rank[i] = next;
                f->items[next++] = (component){.root = i, .first = first};
            }
            component *c = &f->items[f->rank[root]];
            c->voxels += (size_t)(f->runs[i].last - f->runs[i].first + 1);
            if (first < c->first) c->first = first;
        }
}

static rp_status forest_rank(forest *f, const rp_grid *grid, rp_error *err)
{
    const places p = make_places(grid);
    size_t runs = f->row_start[f->rows];
    for (size_t i = 0; i < runs; i++) f->count += f->runs[i].parent == i;
    if (f->count > INT32_MAX)
        return rp_fail(err, RP_ERR_UNSUPPORTED, "more than %d connected components", INT32_MAX);
    f->rank = rp_alloc(runs, sizeof *f->rank);
    f->items = rp_alloc(f->count, sizeof *f->items);
    if (!f->rank || !f->items)
        return rp_fail(err, RP_ERR_MEMORY, "no memory for %zu connected components", f->count);
    forest_count(f, &p);
    qsort(f->items, f->count, sizeof *f->items, compare_components);
    for (size_t i = 0; i < f->count; i++) f->rank[f->items[i].root] = i;
    return RP_OK;
}

static rp_status forest_build(forest *f, const rp_mask *mask, int connectivity, rp_error *err)
{
    *f = (forest){0};
    if (connectivity != 6 && connectivity != 18 && connectivity != 26)
        return rp_fail(err, RP_ERR_ARGUMENT, "connectivity is %d and must be 6, 18 or 26",
                       connectivity);
    rp_status status = forest_scan(f, mask, err);
    if (!status) {
        forest_join(f, mask->grid.size, connectivity);
        status = forest_rank(f, &mask->grid, err);
    }
    if (status) forest_release(f);
    return status;
}

static size_t rank_of(forest *f, size_t i)
{
    return f->rank[find_root(f->runs, i)];
}

static void write_labels(forest *f, rp_labels *labels)
{
    size_t nx = (size_t)labels->grid.size[0];
    for (size_t row = 0; row < f->rows; row++) {
        for (size_t i = f->row_start[row]; i < f->row_start[row + 1]; i++) {
            int32_t label = (int32_t)rank_of(f, i) + 1;
            for (int x = f->runs[i].first; x <= f->runs[i].last; x++)
                labels->data[row * nx + (size_t)x] = label;
        }
    }
}

rp_status rp_mask_components(const rp_mask *mask, int connectivity, rp_labels *labels,
                             int32_t *count, size_t **sizes, rp_error *err)
{
    forest f;
    size_t *voxels = NULL;
    *labels = (rp_labels){0};
    *count = 0;
    if (sizes) *sizes = NULL;
    rp_status status = forest_build(&f, mask, connectivity, err);
    if (status) return status;
    if (sizes) {
        voxels = rp_alloc(f.count, sizeof *voxels);
        if (!voxels) status = rp_fail(err, RP_ERR_MEMORY, "no memory for connected components");
    }
    if (!status) status = rp_labels_init(labels, &mask->grid, err);
    if (status) {
        rp_free(voxels);
    } else {
        write_labels(&f, labels);
        *count = (int32_t)f.count;
        for (size_t i = 0; voxels && i < f.count; i++) voxels[i] = f.items[i].voxels;
        if (sizes) *sizes = voxels;
    }
    forest_release(&f);
    return status;
}

rp_status rp_mask_keep_largest(rp_mask *mask, int connectivity, int32_t *components, rp_error *err)
{
    forest f;
    rp_status status = forest_build(&f, mask, connectivity, err);
    if (status) return status;
    size_t nx = (size_t)mask->grid.size[0];
    for (size_t row = 0; row < f.rows; row++)
        for (size_t i = f.row_start[row]; i < f.row_start[row + 1]; i++)
            if (rank_of(&f, i) != 0)
                memset(mask->data + row * nx + (size_t)f.runs[i].first, 0,
                       (size_t)(f.runs[i].last - f.runs[i].first + 1));
    if (components) *components = (int32_t)f.count;
    forest_release(&f);
    return status;
}
