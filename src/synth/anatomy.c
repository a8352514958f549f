#include "anatomy.h"

#include <math.h>

/* ---- textures ---------------------------------------------------------------------------- */

void texture_draw(texture *t, double wavelength_mm, rp_random *r)
{
    for (int k = 0; k < TEXTURE_WAVES; k++) {
        double n[3], length = 0;
        for (int i = 0; i < 3; i++) {
            n[i] = rp_random_normal(r);
            length += n[i] * n[i];
        }
        double number = 2 * M_PI / (wavelength_mm * rp_random_range(r, 0.7, 1.5));
        for (int i = 0; i < 3; i++) t->number[k][i] = number * n[i] / sqrt(length);
        t->phase[k] = rp_random_range(r, 0, 2 * M_PI);
    }
}

double texture_at(const texture *t, const double p[3])
{
    double sum = 0;
    for (int k = 0; k < TEXTURE_WAVES; k++)
        sum += cos(t->number[k][0] * p[0] + t->number[k][1] * p[1] + t->number[k][2] * p[2] +
                   t->phase[k]);
    return sum * sqrt(2.0 / TEXTURE_WAVES);
}

/* ---- shapes: about the distance in mm to the surface, negative inside -------------------- */

static double ellipsoid(const double p[3], const double c[3], const double r[3])
{
    double q = 0, least = fmin(r[0], fmin(r[1], r[2]));
    for (int i = 0; i < 3; i++) q += (p[i] - c[i]) * (p[i] - c[i]) / (r[i] * r[i]);
    return (sqrt(q) - 1) * least;
}

/* A cylinder along z with elliptic section. */
static double column(const double p[3], double cx, double cy, double rx, double ry)
{
    double u = (p[0] - cx) / rx, v = (p[1] - cy) / ry;
    return (sqrt(u * u + v * v) - 1) * fmin(rx, ry);
}

/* A tube from a to b with rounded ends. */
static double tube(const double p[3], const double a[3], const double b[3], double radius)
{
    double ab = 0, ap = 0, distance = 0;
    for (int i = 0; i < 3; i++) {
        ab += (b[i] - a[i]) * (b[i] - a[i]);
        ap += (p[i] - a[i]) * (b[i] - a[i]);
    }
    double t = fmax(0, fmin(1, ap / ab));
    for (int i = 0; i < 3; i++) {
        double d = p[i] - a[i] - t * (b[i] - a[i]);
        distance += d * d;
    }
    return sqrt(distance) - radius;
}

/* Union with a fillet of about k mm. */
static double blend(double a, double b, double k)
{
    double h = fmax(0, k - fabs(a - b)) / k;
    return fmin(a, b) - 0.25 * k * h * h;
}

typedef struct brush {
    double hu, pixel_mm;
} brush;

static void paint(brush *b, double distance, double hu)
{
    double cover = fmax(0, fmin(1, 0.5 - distance / b->pixel_mm));
    b->hu += cover * (hu - b->hu);
}

/* ---- where things are -------------------------------------------------------------------- */

static const double right_lobe[2][3] = {{-52, -8, 6}, {64, 62, 80}};
static const double left_lobe[2][3] = {{5, -46, 18}, {60, 27, 40}};
static const double liver_centre[3] = {-40, -15, 8};
static const double hilum[3] = {-10, 2, -22}, portal_fork[3] = {-34, -6, 2};
static const double portal_right[3] = {-88, 2, 14}, portal_left[3] = {6, -44, 20};
static const double vein_junction[3] = {-20, 14, 58};
static const double vein_ends[3][3] = {{-95, -5, 20}, {-50, -55, 22}, {5, -50, 25}};
static const double cava_centre[2] = {-20, 22};

void anatomy_cavity(const patient *who, double half[2], double *centre_y)
{
    half[0] = who->body[0] - 24;
    half[1] = who->body[1] - 27;
    *centre_y = -12;
}

static double body_distance(const patient *who, const double p[3])
{
    double u = fabs(p[0]) / who->body[0], v = fabs(p[1]) / who->body[1];
    return (pow(pow(u, 2.4) + pow(v, 2.4), 1 / 2.4) - 1) * who->body[1];
}

static double cavity_distance(const patient *who, const double p[3])
{
    double half[2], cy;
    anatomy_cavity(who, half, &cy);
    return column(p, 0, cy, half[0], half[1]);
}

static double liver_distance(const patient *who, const double p[3])
{
    double d = blend(ellipsoid(p, right_lobe[0], right_lobe[1]),
                     ellipsoid(p, left_lobe[0], left_lobe[1]), 20);
    if (fabs(d) > 25) return d;
    return d + 0.8 * texture_at(&who->nodules, p) + 3 * texture_at(&who->lumps, p);
}

/* ---- the tumour -------------------------------------------------------------------------- */

static double main_mass(const patient *who, const double local[3])
{
    const tumour *t = &who->tumour;
    double c = cos(t->angle), s = sin(t->angle);
    double q[3] = {(c * local[0] + s * local[1]) / t->radius[0],
                   (-s * local[0] + c * local[1]) / t->radius[1], local[2] / t->radius[2]};
    double length = sqrt(q[0] * q[0] + q[1] * q[1] + q[2] * q[2]);
    double least = fmin(t->radius[0], fmin(t->radius[1], t->radius[2]));
    if (length > 2) return (length - 1.5) * least;
    double lumps = texture_at(&who->lumps, local) * t->irregularity;
    return (length - 1 - fmax(-0.3, fmin(0.3, lumps))) * least;
}

static double thrombus_distance(const tumour *t, const double p[3], double radius)
{
    if (t->cava) {
        const double low[3] = {cava_centre[0], cava_centre[1], 20};
        double hepatic = tube(p, t->centre, vein_junction, radius);
        return fmin(hepatic, tube(p, vein_junction, low, 1.2 * radius));
    }
    return fmin(tube(p, t->centre, portal_fork, radius), tube(p, portal_fork, hilum, radius));
}

/* liver: position in the liver's own frame. local: in the main mass's frame (out). */
static double tumour_distance(const patient *who, const visit *when, const double liver[3],
                              double local[3])
{
    const tumour *t = &who->tumour;
    double growth = when->tumour_scale / when->liver_scale;
    for (int i = 0; i < 3; i++) local[i] = (liver[i] - t->centre[i]) / growth;
    double d = main_mass(who, local) * growth;
    for (int i = 0; i < t->satellite_count; i++) {
        double r = t->satellite_radius[i] * growth;
        d = fmin(d, ellipsoid(liver, t->satellite_centre[i], (double[3]){r, r, r}));
    }
    if (t->thrombus) d = fmin(d, thrombus_distance(t, liver, 7 * sqrt(growth)));
    return d;
}

static void paint_tumour(const patient *who, const visit *when, brush *b, const double local[3],
                         double d)
{
    if (d > b->pixel_mm) return;
    const tumour *t = &who->tumour;
    double hu = t->hu + when->tumour_change_hu + 7 * texture_at(&who->mottle, local);
    hu += 18 * fmax(0, 1 - fabs(d + 2) / 2); /* a capsule that enhances */
    if (t->necrosis && d < -6) {
        double dead = 0.7 * texture_at(&who->mottle, local) + texture_at(&who->lumps, local) -
                      when->necrosis_level + fmin(1, -(d + 6) / 15);
        double cover = fmax(0, fmin(1, 0.5 + 2 * dead));
        hu += cover * (22 - hu);
    }
    paint(b, d, hu);
}

/* ---- the liver and its vessels ----------------------------------------------------------- */

static void paint_vessels(const visit *when, brush *b, const double p[3])
{
    double d = fmin(tube(p, portal_fork, portal_right, 4.5), tube(p, portal_fork, portal_left, 4));
    for (int i = 0; i < 3; i++) d = fmin(d, tube(p, vein_junction, vein_ends[i], 3.5));
    paint(b, d, when->vessel_hu);
}

static double liver_hu(const patient *who, const visit *when, const double p[3], double to_tumour)
{
    double hu = who->liver_hu + when->liver_change_hu + 6 * texture_at(&who->nodules, p);
    double t = fmax(0, fmin(1, 1.3 - 1.3 * to_tumour / fmax(1e-3, when->rim_mm)));
    return hu + when->rim_hu * t * t * (3 - 2 * t);
}

/* Liver, what is in it, and the fluid round it. Returns whether the point is lesion. */
static bool paint_liver(const patient *who, const visit *when, brush *b, const double p[3],
                        double room)
{
    double liver[3], local[3];
    for (int i = 0; i < 3; i++)
        liver[i] = liver_centre[i] + (p[i] - liver_centre[i]) / when->liver_scale;
    double t = fmax(tumour_distance(who, when, liver, local) * when->liver_scale, room + 2);
    /* The capsule bulges over a tumour that reaches it. */
    double d = blend(liver_distance(who, liver) * when->liver_scale, t - 5, 8);
    d = fmax(d, room + 1);
    if (who->ascites_mm > 0) paint(b, fmax(d - who->ascites_mm, room), 8);
    if (d <= b->pixel_mm) {
        paint(b, d, liver_hu(who, when, liver, t));
        if (d < 0) paint_vessels(when, b, liver);
    }
    paint(b, ellipsoid(liver, (double[3]){-38, -48, -38}, (double[3]){14, 17, 24}), 8);
    paint(b, tube(liver, hilum, portal_fork, 7), when->vessel_hu);
    paint_tumour(who, when, b, local, t);
    return t <= 0;
}

/* ---- everything else --------------------------------------------------------------------- */

static void paint_wall(brush *b, const double p[3], double body, double cavity)
{
    paint(b, body, 10); /* skin */
    paint(b, body + 3, -102);
    paint(b, cavity - 13, 58);
    paint(b, fabs(cavity - 8) - 0.7, -70); /* fat between the muscles' layers */
    for (int side = -1; side <= 1; side += 2) paint(b, column(p, side * 31, 74, 27, 17), 56);
    paint(b, cavity, -95);
}

static void paint_ribs(const patient *who, brush *b, const double p[3], double cavity)
{
    double along = p[2] - 0.5 * p[1] + who->rib_z; /* ribs fall towards the front */
    if (p[1] < -50 || along < -75) return;
    double across = along - 30 * round(along / 30), depth = cavity - 7;
    double d = sqrt(depth * depth + 0.6 * across * across) - 5;
    paint(b, d, 620);
    paint(b, d + 2.5, 230);
}

static void paint_spine(brush *b, const double p[3])
{
    double level = fabs(p[2] - 36 * round(p[2] / 36));
    double body = column(p, 0, 48, 23, 17);
    paint(b, body, level > 14.5 ? 85 : 480);
    if (level < 13) paint(b, body + 2.5, 190);
    for (int side = -1; side <= 1; side += 2) {
        paint(b, tube(p, (double[3]){0, 66, p[2]}, (double[3]){side * 13.0, 64, p[2]}, 6), 420);
        if (level < 9) paint(b, column(p, side * 29, 66, 17, 4.5), 430);
    }
    paint(b, column(p, 0, 82, 4, 12), level < 12 ? 430 : 60);
    paint(b, column(p, 0, 68, 9, 8), 25); /* the canal */
}

static void paint_kidney(const visit *when, brush *b, const double p[3], const double centre[3])
{
    double d = ellipsoid(p, centre, (double[3]){25, 21, 48});
    paint(b, d, 0.5 * (when->vessel_hu + 190));
    paint(b, ellipsoid(p, centre, (double[3]){10, 8, 26}), -60); /* the sinus */
}

static void paint_stomach(const visit *when, brush *b, const double p[3])
{
    double d = ellipsoid(p, (double[3]){52, -38, 18}, (double[3]){44, 34, 46});
    paint(b, d, 60);
    paint(b, d + 4, 12);
    paint(b, fmax(d + 4, p[1] - when->gas_level_mm), -960);
}

static void paint_bowel(const patient *who, brush *b, const double p[3], double cavity)
{
    if (cavity > -4) return;
    double loops = texture_at(&who->loops, p);
    paint(b, 6 * (0.35 - loops), 42);
    if (p[1] < -10) paint(b, 6 * (1.7 - loops), -700);
}

static void paint_organs(const patient *who, const visit *when, brush *b, const double p[3],
                         double cavity)
{
    paint_bowel(who, b, p, cavity);
    for (int side = -1; side <= 1; side += 2)
        paint_kidney(when, b, p, (double[3]){side * 60, 30, who->kidney_z - (side < 0 ? 12 : 0)});
    paint(b, ellipsoid(p, (double[3]){88, 16, 28}, (double[3]){27, 44, 46}),
          who->liver_hu + 12 + 0.5 * when->liver_change_hu);
    paint_stomach(when, b, p);
    paint_spine(b, p);
    double wall = column(p, 9, 20, 11, 11);
    paint(b, wall, 60);
    paint(b, wall + 1.5, when->artery_hu);
    paint(b, column(p, cava_centre[0], cava_centre[1], 13, 9), when->vessel_hu - 10);
}

/* Where liver and tumour may be: within the cavity, off the spine and the aorta. */
static double room_distance(const double p[3], double cavity)
{
    double spine = column(p, 0, 48, 23, 17), aorta = column(p, 9, 20, 11, 11);
    return fmax(cavity, fmax(1 - spine, 1 - aorta));
}

/* The table stands still while the body on it moves. */
static double outside_hu(const visit *when, const double world[3], double pixel_mm)
{
    brush b = {-1000, pixel_mm};
    double top = world[1] - when->table_mm + 0.0016 * world[0] * world[0];
    if (fabs(world[0]) < 190) {
        paint(&b, fabs(top - 8) - 8, -880);
        paint(&b, fabs(top) - 1, -250);
    }
    return b.hu;
}

tissue anatomy_at(const patient *who, const visit *when, const double world[3], double pixel_mm)
{
    double shifted[3], u[3], p[3];
    for (int i = 0; i < 3; i++) shifted[i] = world[i] - when->shift_mm[i];
    deformation_at(&when->field, shifted, u);
    for (int i = 0; i < 3; i++) p[i] = (shifted[i] + u[i]) / who->size;
    brush b = {outside_hu(when, world, pixel_mm), pixel_mm / who->size};
    double body = body_distance(who, p), cavity = cavity_distance(who, p);
    if (body > b.pixel_mm) return (tissue){b.hu, false};
    paint_wall(&b, p, body, cavity);
    if (cavity < 20) paint_ribs(who, &b, p, cavity);
    paint_organs(who, when, &b, p, cavity);
    bool lesion = paint_liver(who, when, &b, p, room_distance(p, cavity));
    return (tissue){b.hu, lesion};
}
