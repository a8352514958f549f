/* Rigid transforms. */
#include "internal.h"

#include <math.h>
#include <string.h>

static const double DEGREES = 57.29577951308232;

rp_rigid rp_rigid_identity(void)
{
    return (rp_rigid){.rotation = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}};
}

void rp_rigid_apply(const rp_rigid *rigid, const double from[3], double to[3])
{
    double relative[3];
    for (int a = 0; a < 3; a++) relative[a] = from[a] - rigid->centre[a];
    for (int r = 0; r < 3; r++)
        to[r] = rigid->rotation[r][0] * relative[0] + rigid->rotation[r][1] * relative[1] +
                rigid->rotation[r][2] * relative[2] + rigid->centre[r] + rigid->translation[r];
}

/* x = R' (y - c - t) + c, and R' (y - c) - R' t + c. */
rp_rigid rp_rigid_inverse(const rp_rigid *rigid)
{
    rp_rigid back = *rigid;
    for (int r = 0; r < 3; r++) {
        back.translation[r] = 0.0;
        for (int c = 0; c < 3; c++) {
            back.rotation[r][c] = rigid->rotation[c][r];
            back.translation[r] -= rigid->rotation[c][r] * rigid->translation[c];
        }
    }
    return back;
}

double rp_rigid_degrees(const rp_rigid *rigid)
{
    const double(*m)[3] = rigid->rotation;
    const double x = m[2][1] - m[1][2], y = m[0][2] - m[2][0], z = m[1][0] - m[0][1];
    return DEGREES * atan2(sqrt(x * x + y * y + z * z), m[0][0] + m[1][1] + m[2][2] - 1.0);
}

double rp_rigid_shift_mm(const rp_rigid *rigid)
{
    const double *t = rigid->translation;
    return sqrt(t[0] * t[0] + t[1] * t[1] + t[2] * t[2]);
}

/* Rodrigues. */
void rotation_of(const double omega[3], double rotation[3][3])
{
    const double square = omega[0] * omega[0] + omega[1] * omega[1] + omega[2] * omega[2];
    const double angle = sqrt(square);
    const double s = angle > 1e-8 ? sin(angle) / angle : 1.0;
    const double c = angle > 1e-8 ? (1.0 - cos(angle)) / square : 0.5;
    const double k[3][3] = {
        {0, -omega[2], omega[1]}, {omega[2], 0, -omega[0]}, {-omega[1], omega[0], 0}};
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++)
            rotation[i][j] =
                (i == j) + s * k[i][j] + c * (omega[i] * omega[j] - (i == j ? square : 0.0));
}

void rotation_multiply(const double a[3][3], const double b[3][3], double product[3][3])
{
    double out[3][3];
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++)
            out[i][j] = a[i][0] * b[0][j] + a[i][1] * b[1][j] + a[i][2] * b[2][j];
    memcpy(product, out, sizeof out);
}

const char *rp_registration_quality_name(rp_registration_quality quality)
{
    static const char *const names[] = {"good", "doubtful", "failed"};
    return names[quality];
}
