#include "view.h"

#include <math.h>
#include <string.h>

static void axis_vector(const rp_grid *grid, int axis, int sign, double out[3])
{
    for (int r = 0; r < 3; r++) out[r] = sign * grid->direction[r][axis];
}

static double dot(const double a[3], const double b[3])
{
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

static void cross(const double a[3], const double b[3], double out[3])
{
    for (int r = 0; r < 3; r++) {
        int s = (r + 1) % 3, t = (r + 2) % 3;
        out[r] = a[s] * b[t] - a[t] * b[s];
    }
}

/* Where the picture's right and bottom should point (LPS) for a plane with this normal. */
static void wanted_directions(const double normal[3], double right[3], double down[3])
{
    double x = fabs(normal[0]), y = fabs(normal[1]), z = fabs(normal[2]);
    memset(right, 0, 3 * sizeof *right);
    memset(down, 0, 3 * sizeof *down);
    if (z >= x && z >= y) { /* axial: left, posterior */
        right[0] = 1;
        down[1] = 1;
    } else if (y >= x) { /* coronal: left, feet */
        right[0] = 1;
        down[2] = -1;
    } else { /* sagittal: posterior, feet */
        right[1] = 1;
        down[2] = -1;
    }
}

void rp_view_choose(const rp_grid *grid, int normal, rp_view *view)
{
    double n[3], right[3], down[3], towards[3], best = -INFINITY;
    int first = normal == 0 ? 1 : 0, second = normal == 2 ? 1 : 2;
    axis_vector(grid, normal, 1, n);
    wanted_directions(n, right, down);
    cross(right, down, towards);
    for (int choice = 0; choice < 8; choice++) {
        rp_view v = {{choice & 1 ? second : first, choice & 1 ? first : second},
                     {choice & 2 ? -1 : 1, choice & 4 ? -1 : 1},
                     normal};
        double u[3], w[3], across[3];
        axis_vector(grid, v.axis[0], v.sign[0], u);
        axis_vector(grid, v.axis[1], v.sign[1], w);
        cross(u, w, across);
        if (dot(across, towards) <= 0) continue; /* a mirror image */
        double score = dot(u, right) + dot(w, down);
        if (score <= best + 1e-9) continue;
        best = score;
        *view = v;
    }
}

static void direction_letters(const double vector[3], char out[4])
{
    static const char letters[3][2] = {{'R', 'L'}, {'A', 'P'}, {'F', 'H'}};
    const double least = 0.25881904510252074; /* sin 15 degrees */
    bool used[3] = {false};
    int count = 0;
    for (int pass = 0; pass < 3; pass++) {
        int largest = -1;
        for (int r = 0; r < 3; r++)
            if (!used[r] && (largest < 0 || fabs(vector[r]) > fabs(vector[largest]) + 1e-9))
                largest = r;
        used[largest] = true;
        if (count > 0 && fabs(vector[largest]) < least) break;
        out[count++] = letters[largest][vector[largest] > 0];
    }
    out[count] = 0;
}

void rp_view_label(const rp_grid *grid, const rp_view *view, rp_view_letters *letters)
{
    double vector[3];
    axis_vector(grid, view->axis[0], view->sign[0], vector);
    direction_letters(vector, letters->right);
    axis_vector(grid, view->axis[0], -view->sign[0], vector);
    direction_letters(vector, letters->left);
    axis_vector(grid, view->axis[1], view->sign[1], vector);
    direction_letters(vector, letters->bottom);
    axis_vector(grid, view->axis[1], -view->sign[1], vector);
    direction_letters(vector, letters->top);
}

double rp_frame_from_index(const rp_frame *frame, const rp_grid *grid, int direction, double index)
{
    double along = frame->view.sign[direction] * index * grid->spacing[frame->view.axis[direction]];
    return along - frame->origin[direction];
}

double rp_frame_to_index(const rp_frame *frame, const rp_grid *grid, int direction, double mm)
{
    double along = frame->view.sign[direction] * (mm + frame->origin[direction]);
    return along / grid->spacing[frame->view.axis[direction]];
}

void rp_frame_centre(rp_frame *frame, const rp_grid *grid, const double centre[3])
{
    for (int d = 0; d < 2; d++) {
        int axis = frame->view.axis[d];
        double a = frame->view.sign[d] * -0.5 * grid->spacing[axis];
        double b = frame->view.sign[d] * (grid->size[axis] - 0.5) * grid->spacing[axis];
        double low = fmin(a, b), high = fmax(a, b);
        double middle = frame->view.sign[d] * centre[axis] * grid->spacing[axis];
        double origin = middle - 0.5 * frame->size[d];
        if (high - low <= frame->size[d])
            origin = 0.5 * (low + high - frame->size[d]);
        else
            origin = fmin(fmax(origin, low), high - frame->size[d]);
        frame->origin[d] = origin;
    }
}
