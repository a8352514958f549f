/* NIfTI's three ways to say where voxels lie, from and to our LPS grid. */
#include "nifti_internal.h"

#include <math.h>
#include <string.h>

/* As rp_grid_check's. */
static const double shear_tolerance = 1e-3;

/* Voxel index to millimetres; columns are the axes' steps, the last is voxel (0,0,0). RAS. */
typedef struct affine {
    double m[3][4];
} affine;

typedef enum affine_fault {
    AFFINE_GOOD,
    AFFINE_NOT_FINITE,
    AFFINE_SINGULAR,
    AFFINE_SHEARED
} affine_fault;

static const char *const fault_text[] = {"is good", "holds numbers that are not finite",
                                         "is singular", "is sheared"};

static double determinant(double d[3][3])
{
    double sum = 0;
    for (int a = 0; a < 3; a++) {
        int b = (a + 1) % 3, c = (a + 2) % 3;
        sum += d[0][a] * (d[1][b] * d[2][c] - d[1][c] * d[2][b]);
    }
    return sum;
}

static affine_fault affine_to_grid(const affine *ras, rp_grid *grid)
{
    static const double to_lps[3] = {-1, -1, 1};
    for (int r = 0; r < 3; r++)
        for (int c = 0; c < 4; c++)
            if (!isfinite(ras->m[r][c])) return AFFINE_NOT_FINITE;
    for (int a = 0; a < 3; a++) {
        double length = hypot(hypot(ras->m[0][a], ras->m[1][a]), ras->m[2][a]);
        if (length < 1e-9 || !isfinite(length)) return AFFINE_SINGULAR;
        grid->spacing[a] = length;
        for (int r = 0; r < 3; r++) grid->direction[r][a] = to_lps[r] * ras->m[r][a] / length;
    }
    for (int r = 0; r < 3; r++) grid->origin[r] = to_lps[r] * ras->m[r][3];
    if (fabs(determinant(grid->direction)) < 1e-6) return AFFINE_SINGULAR;
    for (int a = 0; a < 3; a++) {
        int b = (a + 1) % 3;
        double product = 0;
        for (int r = 0; r < 3; r++) product += grid->direction[r][a] * grid->direction[r][b];
        if (fabs(product) > shear_tolerance) return AFFINE_SHEARED;
    }
    return AFFINE_GOOD;
}

/* ---- reading ----------------------------------------------------------------------------- */

static rp_status unit_in_mm(const char *path, const rp_nifti_header *h, double *mm, rp_error *err)
{
    static const double units[] = {1, 1000, 1, 0.001}; /* unknown, metre, millimetre, micron */
    int code = h->xyzt_units & 7;
    if (code > 3)
        return rp_fail(err, RP_ERR_FORMAT, "%s: unknown unit of length %d in xyzt_units", path,
                       code);
    *mm = units[code];
    return RP_OK;
}

static affine affine_of_sform(const rp_nifti_header *h, double unit)
{
    affine result;
    for (int r = 0; r < 3; r++)
        for (int c = 0; c < 4; c++) result.m[r][c] = unit * h->srow[r][c];
    return result;
}

/* pixdim is positive by the standard; the sign that some writers leave there means nothing. */
static bool read_spacing(const rp_nifti_header *h, double unit, double spacing[3])
{
    for (int a = 0; a < 3; a++) {
        spacing[a] = unit * fabs(h->pixdim[a + 1]);
        if (a >= h->dim[0] && spacing[a] == 0) spacing[a] = unit;
        if (!isfinite(spacing[a]) || spacing[a] <= 0) return false;
    }
    return true;
}

/* False when the quaternion is none: (a,b,c,d) has unit length and only b, c, d are stored. */
static bool affine_of_qform(const rp_nifti_header *h, double unit, const double spacing[3],
                            affine *result)
{
    double b = h->quatern[0], c = h->quatern[1], d = h->quatern[2];
    double square = b * b + c * c + d * d, a = 0;
    if (!(square <= 1 + 1e-3)) return false;
    /* Half turns have a = 0; rounding of b, c, d must not pass for a small a (as nifti1_io.c). */
    double rounding = h->version == 1 ? 1e-7 : 1e-14;
    if (square > 1 - rounding) {
        double length = sqrt(square);
        b /= length;
        c /= length;
        d /= length;
    } else {
        a = sqrt(1 - square);
    }
    const double rotation[3][3] = {
        {a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)},
        {2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)},
        {2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c}};
    double qfac = h->pixdim[0] < 0 ? -1 : 1;
    for (int r = 0; r < 3; r++) {
        for (int k = 0; k < 3; k++)
            result->m[r][k] = rotation[r][k] * spacing[k] * (k == 2 ? qfac : 1);
        result->m[r][3] = unit * h->qoffset[r];
    }
    return true;
}

static const char *spacing_fault(const rp_nifti_header *h, double unit, double spacing[3])
{
    return read_spacing(h, unit, spacing) ? NULL : "pixdim gives no valid voxel size";
}

/* NULL, or why the qform gives no grid. */
static const char *read_qform(const rp_nifti_header *h, double unit, affine *ras, rp_grid *grid)
{
    double spacing[3];
    const char *why = spacing_fault(h, unit, spacing);
    if (why) return why;
    if (!affine_of_qform(h, unit, spacing, ras)) return "its quaternion is not of unit length";
    const affine_fault fault = affine_to_grid(ras, grid);
    return fault ? fault_text[fault] : NULL;
}

/* METHOD 1 of nifti1.h: the axes are R, A, S and voxel (0,0,0) lies at the origin. */
static const char *read_pixdim(const rp_nifti_header *h, double unit, rp_grid *grid)
{
    affine ras = {0};
    double spacing[3];
    const char *why = spacing_fault(h, unit, spacing);
    if (why) return why;
    for (int a = 0; a < 3; a++) ras.m[a][a] = spacing[a];
    const affine_fault fault = affine_to_grid(&ras, grid);
    return fault ? fault_text[fault] : NULL;
}

/* ---- ways that contradict each other ----------------------------------------------------- */

/* Of the smallest voxel edge, how far the outermost voxels may lie apart: files round. */
static const double most_apart = 0.1;
/* Of an edge that two fields tell. */
static const double most_longer = 5e-3;

typedef struct difference {
    double volume_percent, degrees, apart_mm;
    bool mirrored;
} difference;

static double affine_volume(const affine *ras)
{
    double columns[3][3];
    for (int r = 0; r < 3; r++) memcpy(columns[r], ras->m[r], sizeof columns[r]);
    return determinant(columns);
}

static double angle_of(const affine *a, const affine *b, int axis)
{
    double product = 0, square_a = 0, square_b = 0;
    for (int r = 0; r < 3; r++) {
        product += a->m[r][axis] * b->m[r][axis];
        square_a += a->m[r][axis] * a->m[r][axis];
        square_b += b->m[r][axis] * b->m[r][axis];
    }
    return acos(fmax(-1, fmin(1, product / sqrt(square_a * square_b)))) * 180 / M_PI;
}

/* What reading by `other` instead of `used` would change. */
static difference compare(const affine *used, const affine *other, const int size[3])
{
    const double mine = affine_volume(used), its = affine_volume(other);
    difference d = {.volume_percent = 100 * (fabs(its / mine) - 1), .mirrored = its / mine < 0};
    for (int a = 0; a < 3; a++) d.degrees = fmax(d.degrees, angle_of(used, other, a));
    for (int corner = 0; corner < 8; corner++) {
        double square = 0;
        for (int r = 0; r < 3; r++) {
            double at = other->m[r][3] - used->m[r][3];
            for (int a = 0; a < 3; a++)
                if (corner >> a & 1) at += (other->m[r][a] - used->m[r][a]) * (size[a] - 1);
            square += at * at;
        }
        d.apart_mm = fmax(d.apart_mm, sqrt(square));
    }
    return d;
}

static double smallest(const double spacing[3])
{
    return fmin(spacing[0], fmin(spacing[1], spacing[2]));
}

static const char *percent_text(double percent, char text[48])
{
    if (fabs(percent) < 0.05)
        snprintf(text, 48, "the same");
    else
        snprintf(text, 48, "%.1f%% %s", fabs(percent), percent > 0 ? "larger" : "smaller");
    return text;
}

static void tell_difference(const difference *d, rp_remarks *remarks)
{
    char volume[48];
    rp_remark_add(remarks, "forms_disagree",
                  "The header's sform and qform disagree: the sform was used. By the qform volumes "
                  "would be %s, axes would point up to %.0f degrees elsewhere%s, and voxels would "
                  "lie up to %.1f mm elsewhere.",
                  percent_text(d->volume_percent, volume), d->degrees,
                  d->mirrored ? ", mirrored" : "", d->apart_mm);
}

/* Where no qform is there to hold pixdim's voxel size against the sform's. */
static void tell_pixdim(const rp_nifti_header *h, double unit, const rp_grid *grid,
                        rp_remarks *remarks)
{
    double spacing[3], volume = 1;
    char text[48];
    bool differs = false;
    if (!read_spacing(h, unit, spacing)) return;
    for (int a = 0; a < 3; a++) {
        const double ratio = spacing[a] / grid->spacing[a];
        differs |= fabs(ratio - 1) > most_longer && grid->size[a] > 1;
        volume *= ratio;
    }
    if (!differs) return;
    rp_remark_add(remarks, "forms_disagree",
                  "The header's sform and pixdim disagree: the sform's voxels of %.4g x %.4g x "
                  "%.4g mm were used. By pixdim, %.4g x %.4g x %.4g mm, volumes would be %s.",
                  grid->spacing[0], grid->spacing[1], grid->spacing[2], spacing[0], spacing[1],
                  spacing[2], percent_text(100 * (volume - 1), text));
}

/* ---- which way counts -------------------------------------------------------------------- */

/* All that the geometry of a header is read from. */
typedef struct reading {
    const char *path;
    const rp_nifti_header *header;
    double unit;
    rp_grid *grid;
    rp_remarks *remarks;
} reading;

static double shear_degrees(const affine *ras)
{
    double most = 0;
    for (int a = 0; a < 3; a++) {
        const int b = (a + 1) % 3;
        double product = 0, square_a = 0, square_b = 0;
        for (int r = 0; r < 3; r++) {
            product += ras->m[r][a] * ras->m[r][b];
            square_a += ras->m[r][a] * ras->m[r][a];
            square_b += ras->m[r][b] * ras->m[r][b];
        }
        most = fmax(most, fabs(asin(fmin(1, product / sqrt(square_a * square_b)))));
    }
    return most * 180 / M_PI;
}

/* A grid cannot lean. Where the qform stays within a voxel of the sform everywhere it says the
 * same; elsewhere neither is right for the voxels as they are stored. */
static rp_status settle_shear(const reading *r, const affine *sform, const affine *qform,
                              const rp_grid *straight, rp_error *err)
{
    const double degrees = shear_degrees(sform);
    char volume[48];
    if (!qform)
        return rp_fail(err, RP_ERR_FORMAT,
                       "%s: the sform is sheared by %.1f degrees, as a gantry tilt or a "
                       "registration leaves it: resample the image on a straight grid",
                       r->path, degrees);
    const difference d = compare(sform, qform, r->grid->size);
    if (d.apart_mm > smallest(straight->spacing) || fabs(d.volume_percent) > 0.5)
        return rp_fail(err, RP_ERR_FORMAT,
                       "%s: the sform is sheared by %.1f degrees, as a gantry tilt or a "
                       "registration leaves it, and by the qform, which is not, volumes are %s and "
                       "voxels lie up to %.1f mm elsewhere: resample the image on a straight grid",
                       r->path, degrees, percent_text(d.volume_percent, volume), d.apart_mm);
    rp_remark_add(r->remarks, "sform_sheared",
                  "The header's sform is sheared by %.2f degrees: the qform was used, by which "
                  "voxels lie up to %.2f mm elsewhere and volumes are %s.",
                  degrees, d.apart_mm, percent_text(d.volume_percent, volume));
    *r->grid = *straight;
    return RP_OK;
}

static rp_status by_sform(const reading *r, const char **geometry, rp_error *err)
{
    rp_grid straight = *r->grid;
    affine qform, sform = affine_of_sform(r->header, r->unit);
    const affine_fault fault = affine_to_grid(&sform, r->grid);
    const bool there = r->header->qform_code > 0;
    const char *why = there ? read_qform(r->header, r->unit, &qform, &straight) : "not set";
    *geometry = fault ? "qform" : "sform";
    if (fault == AFFINE_SHEARED)
        return settle_shear(r, &sform, why ? NULL : &qform, &straight, err);
    if (fault && why)
        return rp_fail(err, RP_ERR_FORMAT, "%s: the sform %s, and there is no valid qform", r->path,
                       fault_text[fault]);
    if (fault) {
        rp_remark_add(r->remarks, "sform_unusable", "The header's sform %s: the qform was used.",
                      fault_text[fault]);
        *r->grid = straight;
        return RP_OK;
    }
    if (there && why)
        rp_remark_add(r->remarks, "qform_unusable",
                      "The header's qform cannot be read (%s): the sform was used.", why);
    if (why) {
        tell_pixdim(r->header, r->unit, r->grid, r->remarks);
        return RP_OK;
    }
    const difference d = compare(&sform, &qform, r->grid->size);
    if (d.apart_mm > most_apart * smallest(r->grid->spacing)) tell_difference(&d, r->remarks);
    return RP_OK;
}

static rp_status by_qform(const reading *r, rp_error *err)
{
    affine ras;
    const char *why = read_qform(r->header, r->unit, &ras, r->grid);
    return why ? rp_fail(err, RP_ERR_FORMAT, "%s: the qform cannot be read: %s", r->path, why)
               : RP_OK;
}

static rp_status by_pixdim(const reading *r, rp_error *err)
{
    const char *why = read_pixdim(r->header, r->unit, r->grid);
    if (why) return rp_fail(err, RP_ERR_FORMAT, "%s: %s", r->path, why);
    rp_remark_add(
        r->remarks, "position_unknown",
        "The file does not say where the image lies (neither sform nor qform is set): its "
        "axes were taken as right, anterior, superior, so that left and right, front and "
        "back, head and feet may be exchanged.");
    return RP_OK;
}

/* No scanner makes such voxels: the unit of length is another than the file says. */
static rp_status check_size(const reading *r, rp_error *err)
{
    static const char *const names[] = {"unknown", "metre", "millimetre", "micrometre"};
    const double *mm = r->grid->spacing, least = 0.01, most = 100;
    const int unit = r->header->xyzt_units & 7;
    const double longest = fmax(mm[0], fmax(mm[1], mm[2]));
    if (smallest(mm) < least || longest > most)
        return rp_fail(err, RP_ERR_FORMAT,
                       "%s: voxels of %.4g x %.4g x %.4g mm cannot be: check the header's unit of "
                       "length (%s)",
                       r->path, mm[0], mm[1], mm[2], names[unit]);
    if (unit == 1 || unit == 3)
        rp_remark_add(r->remarks, "length_unit",
                      "The header's unit of length is the %s: its voxels were read as %.4g x %.4g "
                      "x %.4g mm.",
                      names[unit], mm[0], mm[1], mm[2]);
    return RP_OK;
}

rp_status rp_nifti_header_grid(const char *path, const rp_nifti_header *header, rp_grid *grid,
                               const char **geometry, rp_remarks *remarks, rp_error *err)
{
    rp_grid result = {0};
    reading r = {.path = path, .header = header, .unit = 1, .grid = &result, .remarks = remarks};
    rp_status status = unit_in_mm(path, header, &r.unit, err);
    if (status) return status;
    for (int a = 0; a < 3; a++) result.size[a] = (int)header->dim[a + 1];
    if (header->sform_code > 0) {
        status = by_sform(&r, geometry, err);
    } else if (header->qform_code > 0) {
        *geometry = "qform";
        status = by_qform(&r, err);
    } else {
        *geometry = "pixdim";
        status = by_pixdim(&r, err);
    }
    if (!status) status = check_size(&r, err);
    if (!status) *grid = result;
    return status;
}

/* ---- writing ----------------------------------------------------------------------------- */

/* Unit quaternion of a rotation matrix with a >= 0, by its largest component (Shepperd 1978). */
static void quaternion_of(double m[3][3], double quatern[3])
{
    double q[4] = {1 + m[0][0] + m[1][1] + m[2][2], 1 + m[0][0] - m[1][1] - m[2][2],
                   1 - m[0][0] + m[1][1] - m[2][2], 1 - m[0][0] - m[1][1] + m[2][2]};
    int largest = 0;
    for (int i = 1; i < 4; i++)
        if (q[i] > q[largest]) largest = i;
    const double products[4][4] = {{q[0], m[2][1] - m[1][2], m[0][2] - m[2][0], m[1][0] - m[0][1]},
                                   {m[2][1] - m[1][2], q[1], m[1][0] + m[0][1], m[0][2] + m[2][0]},
                                   {m[0][2] - m[2][0], m[1][0] + m[0][1], q[2], m[2][1] + m[1][2]},
                                   {m[1][0] - m[0][1], m[0][2] + m[2][0], m[2][1] + m[1][2], q[3]}};
    double length = 0;
    for (int i = 0; i < 4; i++) length += products[largest][i] * products[largest][i];
    length = products[largest][0] < 0 ? -sqrt(length) : sqrt(length);
    for (int i = 0; i < 3; i++) quatern[i] = products[largest][i + 1] / length;
}

/* The grid in RAS, as the header's fields want it. */
typedef struct placement {
    double srow[3][4], quatern[3], qfac;
} placement;

static placement placement_of(const rp_grid *grid)
{
    static const double to_ras[3] = {-1, -1, 1};
    placement p;
    double rotation[3][3];
    for (int r = 0; r < 3; r++) {
        for (int a = 0; a < 3; a++) {
            rotation[r][a] = to_ras[r] * grid->direction[r][a];
            p.srow[r][a] = rotation[r][a] * grid->spacing[a];
        }
        p.srow[r][3] = to_ras[r] * grid->origin[r];
    }
    p.qfac = determinant(rotation) < 0 ? -1 : 1;
    for (int r = 0; r < 3; r++) rotation[r][2] *= p.qfac;
    quaternion_of(rotation, p.quatern);
    return p;
}

static void put_i16(uint8_t *bytes, size_t offset, int value)
{
    int16_t stored = (int16_t)value;
    memcpy(bytes + offset, &stored, sizeof stored);
}

static void put_i32(uint8_t *bytes, size_t offset, int32_t value)
{
    memcpy(bytes + offset, &value, sizeof value);
}

static void put_i64(uint8_t *bytes, size_t offset, int64_t value)
{
    memcpy(bytes + offset, &value, sizeof value);
}

static void put_f32(uint8_t *bytes, size_t offset, double value)
{
    float stored = (float)value;
    memcpy(bytes + offset, &stored, sizeof stored);
}

static void put_f64(uint8_t *bytes, size_t offset, double value)
{
    memcpy(bytes + offset, &value, sizeof value);
}

enum { UNIT_MM = 2, FORM_SCANNER = 1 };
static const char description[] = "Reprise";

static size_t encode_1(const rp_grid *grid, int datatype, const placement *p, size_t extension,
                       uint8_t *bytes)
{
    put_i32(bytes, 0, 348);
    bytes[38] = 'r';
    put_i16(bytes, 40, 3);
    for (size_t i = 1; i < 8; i++) put_i16(bytes, 40 + 2 * i, i < 4 ? grid->size[i - 1] : 1);
    put_i16(bytes, 70, datatype);
    put_i16(bytes, 72, 8 * (int)rp_nifti_voxel_bytes(datatype));
    put_f32(bytes, 76, p->qfac);
    for (size_t i = 1; i < 8; i++) put_f32(bytes, 76 + 4 * i, i < 4 ? grid->spacing[i - 1] : 1);
    put_f32(bytes, 108, (double)(352 + extension));
    put_f32(bytes, 112, 1);
    bytes[123] = UNIT_MM;
    memcpy(bytes + 148, description, sizeof description);
    put_i16(bytes, 252, FORM_SCANNER);
    put_i16(bytes, 254, FORM_SCANNER);
    for (size_t i = 0; i < 3; i++) {
        put_f32(bytes, 256 + 4 * i, p->quatern[i]);
        put_f32(bytes, 268 + 4 * i, p->srow[i][3]);
        for (size_t k = 0; k < 4; k++) put_f32(bytes, 280 + 16 * i + 4 * k, p->srow[i][k]);
    }
    memcpy(bytes + 344, "n+1", 4);
    bytes[348] = extension > 0;
    return 352;
}

static size_t encode_2(const rp_grid *grid, int datatype, const placement *p, size_t extension,
                       uint8_t *bytes)
{
    put_i32(bytes, 0, 540);
    memcpy(bytes + 4, "n+2\0\r\n\032\n", 8);
    put_i16(bytes, 12, datatype);
    put_i16(bytes, 14, 8 * (int)rp_nifti_voxel_bytes(datatype));
    put_i64(bytes, 16, 3);
    for (size_t i = 1; i < 8; i++) put_i64(bytes, 16 + 8 * i, i < 4 ? grid->size[i - 1] : 1);
    put_f64(bytes, 104, p->qfac);
    for (size_t i = 1; i < 8; i++) put_f64(bytes, 104 + 8 * i, i < 4 ? grid->spacing[i - 1] : 1);
    put_i64(bytes, 168, (int64_t)(544 + extension));
    put_f64(bytes, 176, 1);
    memcpy(bytes + 240, description, sizeof description);
    put_i32(bytes, 344, FORM_SCANNER);
    put_i32(bytes, 348, FORM_SCANNER);
    for (size_t i = 0; i < 3; i++) {
        put_f64(bytes, 352 + 8 * i, p->quatern[i]);
        put_f64(bytes, 376 + 8 * i, p->srow[i][3]);
        for (size_t k = 0; k < 4; k++) put_f64(bytes, 400 + 32 * i + 8 * k, p->srow[i][k]);
    }
    put_i32(bytes, 500, UNIT_MM);
    bytes[540] = extension > 0;
    return 544;
}

size_t rp_nifti_header_encode(const rp_grid *grid, int datatype, size_t extension,
                              uint8_t bytes[RP_NIFTI_HEADER_MAX])
{
    placement p = placement_of(grid);
    bool large = false;
    for (int a = 0; a < 3; a++) large = large || grid->size[a] > INT16_MAX;
    memset(bytes, 0, RP_NIFTI_HEADER_MAX);
    return large ? encode_2(grid, datatype, &p, extension, bytes)
                 : encode_1(grid, datatype, &p, extension, bytes);
}
