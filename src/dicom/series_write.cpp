/* An image as a CT series: one CT Image Storage object a slice, 16 bits, HU = stored - 1024. */
#include "internal.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>

#include <unistd.h>

namespace rp_dicom
{

static const int intercept = -1024;

static std::string join(std::initializer_list<double> values)
{
    std::string text;
    for (const double value : values) text += (text.empty() ? "" : "\\") + decimal_text(value);
    return text;
}

static bool is_left_handed(const rp_grid &grid)
{
    const auto &d = grid.direction;
    double determinant = 0;
    for (int a = 0; a < 3; a++)
        determinant += d[a][2] * (d[(a + 1) % 3][0] * d[(a + 2) % 3][1] -
                                  d[(a + 2) % 3][0] * d[(a + 1) % 3][1]);
    return determinant < 0;
}

/** Slices are read ascending along rows x columns, so a left-handed grid is turned over. */
static rp_grid right_handed(const rp_grid &grid)
{
    rp_grid turned = grid;
    const double last[3] = {0, 0, double(grid.size[2] - 1)};
    if (!is_left_handed(grid)) return turned;
    rp_grid_to_world(&grid, last, turned.origin);
    for (auto &row : turned.direction) row[2] = -row[2];
    return turned;
}

/** The image as it will be read back: whole HU within what 16 bits hold. */
static rp_status round_image(const char *path, const rp_image &image, rp_image &rounded,
                             rp_error *err)
{
    const rp_grid grid = right_handed(image.grid);
    const bool turn = is_left_handed(image.grid);
    const rp_status status = rp_image_init(&rounded, &grid, err);
    const size_t pixels = size_t(grid.size[0]) * size_t(grid.size[1]);
    if (status) return status;
    for (int z = 0; z < grid.size[2]; z++) {
        const float *from = image.data + size_t(turn ? grid.size[2] - 1 - z : z) * pixels;
        float *to = rounded.data + size_t(z) * pixels;
        for (size_t i = 0; i < pixels; i++) {
            if (!std::isfinite(from[i]))
                return rp_fail(err, RP_ERR_NUMERIC, "%s: the image holds NaN or infinity", path);
            to[i] = std::clamp(std::nearbyint(from[i]), float(intercept), float(65535 + intercept));
            to[i] += 0.0f; /* -0 would be another hash */
        }
    }
    return RP_OK;
}

/** UIDs that the caller left open follow from the seed and from what is written. */
static void complete_header(const std::string &seed, rp_dicom_series &series)
{
    rp_dicom_header &h = series.header;
    const std::string base = seed + "|" + series.image_sha256 + "|" + h.patient_id + "|";
    if (!h.study_uid[0]) copy_text(h.study_uid, uid_from(base + "study"));
    if (!h.frame_of_reference_uid[0])
        copy_text(h.frame_of_reference_uid, uid_from(base + "frame of reference"));
    if (!h.series_uid[0]) copy_text(h.series_uid, uid_from(base + "series"));
    if (!h.acquisition_date[0]) copy_text(h.acquisition_date, h.study_date);
    copy_text(h.modality, "CT");
    copy_text(h.sop_class_uid, UID_CTImageStorage);
}

/** Head first supine is how an unrotated axial stack is acquired; of others nothing is claimed. */
static const char *patient_position(const rp_grid &grid)
{
    double off = 0;
    for (int r = 0; r < 3; r++)
        for (int a = 0; a < 3; a++) off += std::fabs(grid.direction[r][a] - (r == a));
    return off < 1e-6 ? "HFS" : "";
}

static void put_series(Writer &w, const rp_dicom_series &series, const std::string &sop_uid)
{
    const rp_dicom_header &h = series.header;
    if (needs_utf8(h)) w.put_raw(DCM_SpecificCharacterSet, "ISO_IR 192");
    w.put_raw(DCM_ImageType, "DERIVED\\SECONDARY\\AXIAL");
    w.put(DCM_SOPClassUID, UID_CTImageStorage);
    w.put(DCM_SOPInstanceUID, sop_uid);
    put_patient_and_study(w, h);
    w.put(DCM_SeriesDate, h.acquisition_date);
    w.put(DCM_AcquisitionDate, h.acquisition_date);
    w.put(DCM_ContentDate, h.acquisition_date);
    w.put(DCM_ContentTime, h.study_time[0] ? h.study_time : "000000");
    w.put(DCM_Modality, "CT");
    w.put(DCM_Manufacturer, "Reprise");
    w.put(DCM_ManufacturerModelName, "Reprise");
    w.put(DCM_SoftwareVersions, RP_VERSION);
    w.put(DCM_SeriesDescription, h.series_description);
    w.put(DCM_SeriesInstanceUID, h.series_uid);
    w.put(DCM_SeriesNumber, h.series_number[0] ? h.series_number : "1");
    w.put(DCM_Laterality, "");
    w.put(DCM_PatientPosition, patient_position(series.image.grid));
    w.put(DCM_KVP, "");
    w.put(DCM_AcquisitionNumber, "1");
    w.put(DCM_FrameOfReferenceUID, h.frame_of_reference_uid);
    w.put(DCM_PositionReferenceIndicator, "");
}

static void put_plane(Writer &w, const rp_grid &grid, int z)
{
    const auto &d = grid.direction;
    const double index[3] = {0, 0, double(z)};
    double at[3];
    rp_grid_to_world(&grid, index, at);
    w.put(DCM_InstanceNumber, std::to_string(z + 1));
    w.put_raw(DCM_ImagePositionPatient, join({at[0], at[1], at[2]}));
    w.put_raw(DCM_ImageOrientationPatient,
              join({d[0][0], d[1][0], d[2][0], d[0][1], d[1][1], d[2][1]}));
    w.put_raw(DCM_PixelSpacing, join({grid.spacing[1], grid.spacing[0]}));
    w.put_raw(DCM_SliceThickness, decimal_text(grid.spacing[2]));
}

static void put_pixel_module(Writer &w, const rp_image &image, int z)
{
    const size_t pixels = size_t(image.grid.size[0]) * size_t(image.grid.size[1]);
    const float *from = image.data + size_t(z) * pixels;
    std::vector<Uint16> stored(pixels);
    for (size_t i = 0; i < pixels; i++) stored[i] = Uint16(int(from[i]) - intercept);
    w.put_u16(DCM_SamplesPerPixel, 1);
    w.put(DCM_PhotometricInterpretation, "MONOCHROME2");
    w.put_u16(DCM_Rows, unsigned(image.grid.size[1]));
    w.put_u16(DCM_Columns, unsigned(image.grid.size[0]));
    w.put_u16(DCM_BitsAllocated, 16);
    w.put_u16(DCM_BitsStored, 16);
    w.put_u16(DCM_HighBit, 15);
    w.put_u16(DCM_PixelRepresentation, 0);
    w.put_raw(DCM_WindowCenter, "50");
    w.put_raw(DCM_WindowWidth, "400");
    w.put_raw(DCM_RescaleIntercept, std::to_string(intercept));
    w.put_raw(DCM_RescaleSlope, "1");
    w.put(DCM_RescaleType, "HU");
    w.put_pixels(stored);
}

static rp_status write_slice(const std::string &path, const rp_dicom_series &series, int z,
                             rp_error *err)
{
    DcmFileFormat format;
    Writer writer(*format.getDataset());
    put_series(writer, series, series.sop_uids[z]);
    put_plane(writer, series.image.grid, z);
    put_pixel_module(writer, series.image, z);
    if (!writer.good())
        return rp_fail(err, RP_ERR_FORMAT, "%s: cannot be encoded: %s", path.c_str(),
                       writer.problem());
    return save_object(path, format, err);
}

static std::string slice_path(const std::string &folder, int z)
{
    char name[32];
    snprintf(name, sizeof name, "slice-%04d.dcm", z + 1);
    return folder + "/" + name;
}

/** All slices, or none: what was written is removed after a failure. */
static rp_status write_slices(const std::string &folder, const rp_dicom_series &series,
                              rp_error *err)
{
    const bool existed = rp_path_exists(folder.c_str());
    if (rp_path_exists(slice_path(folder, 0).c_str()))
        return rp_fail(err, RP_ERR_IO, "%s: holds a series already", folder.c_str());
    rp_status status = rp_directory_create(folder.c_str(), err);
    int z = 0;
    for (; !status && z < series.image.grid.size[2]; z++)
        status = write_slice(slice_path(folder, z), series, z, err);
    if (!status) return RP_OK;
    while (z-- > 0) unlink(slice_path(folder, z).c_str());
    if (!existed) rmdir(folder.c_str());
    return status;
}

static rp_status write_series(const char *folder, const rp_image &image,
                              const rp_dicom_header &header, const char *seed,
                              rp_dicom_series &series, rp_error *err)
{
    rp_status status = prepare(err);
    if (!status) status = rp_grid_check(&image.grid, err);
    if (!status && (image.grid.size[0] > 65535 || image.grid.size[1] > 65535))
        status = rp_fail(err, RP_ERR_ARGUMENT, "slices of more than 65535 pixels a side");
    if (status) return rp_fail_in(err, status, "%s", folder);
    status = round_image(folder, image, series.image, err);
    series.header = header;
    const std::vector<std::string> none(size_t(image.grid.size[2]));
    if (!status) status = finish_series(folder, none, series, err);
    if (status) return status;
    complete_header(seed ? seed : "", series);
    for (int z = 0; z < image.grid.size[2]; z++)
        copy_text(series.sop_uids[z],
                  uid_from(std::string(seed ? seed : "") + "|" + series.image_sha256 + "|" +
                           series.header.series_uid + "|slice " + std::to_string(z)));
    return write_slices(folder, series, err);
}

} // namespace rp_dicom

using namespace rp_dicom;

extern "C" rp_status rp_dicom_series_write(const char *folder, const rp_image *image,
                                           const rp_dicom_header *header, const char *uid_seed,
                                           rp_dicom_series *written, rp_error *err)
{
    rp_dicom_series series = {};
    const rp_status status = guarded(
        folder, err, [&] { return write_series(folder, *image, *header, uid_seed, series, err); });
    if (!status && written)
        *written = series;
    else
        rp_dicom_series_release(&series);
    if (status && written) *written = {};
    return status;
}
