"""The dicom module for Python tests: the static libraries of a build as one shared object."""
import ctypes
import os
import subprocess
from ctypes import POINTER, byref, c_bool, c_char, c_char_p, c_double, c_float, c_int, c_size_t
from ctypes import c_uint8, c_void_p

import numpy as np

SYSTEM_LIBRARIES = ("-ldcmtls -ldcmnet -ldcmjpeg -ldcmjpls -ldcmimgle -ldcmdata -loflog -lofstd -lopenjp2 -ldeflate -lcrypto "
                    "-lglib-2.0 -lpthread -lm").split()
TEXT, UID, NAME = 128, 65, 260


class Unavailable(Exception):
    """The build cannot be loaded into Python; the text says why."""


class Failure(Exception):
    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


def record(title, /, **fields):
    return type(title, (ctypes.Structure,), {"_fields_": list(fields.items())})


def text(size):
    return c_char * size


Error = record("Error", status=c_int, number=c_int, message=text(1024))
Grid = record("Grid", size=c_int * 3, spacing=c_double * 3, origin=c_double * 3,
              direction=(c_double * 3) * 3)
Image = record("Image", grid=Grid, data=POINTER(c_float))
Mask = record("Mask", grid=Grid, data=POINTER(c_uint8))
Header = record(
    "Header", patient_id=text(TEXT), patient_name=text(TEXT), patient_id_issuer=text(TEXT), patient_birth_date=text(16),
    patient_sex=text(16), study_uid=text(UID), study_id=text(TEXT), study_date=text(16),
    study_time=text(32), accession_number=text(TEXT), referring_physician=text(TEXT),
    series_uid=text(UID), frame_of_reference_uid=text(UID), modality=text(16),
    series_description=text(TEXT), series_number=text(16), acquisition_date=text(16),
    sop_class_uid=text(UID), body_part=text(32))
Repair = record(
    "Repair", resampled=c_bool, tilt_degrees=c_double, uneven=c_bool, missing_slices=c_size_t,
    usual_mm=c_double, gap_mm=c_double, gap_from_mm=c_double, gap_to_mm=c_double,
    duplicates=c_size_t)
Remarks = record("Remarks", items=c_void_p, count=c_size_t)
Series = record("Series", header=Header, image=Image, sop_uids=POINTER(text(UID)),
                image_sha256=text(65), padded_voxels=c_size_t, frame_numbers=POINTER(c_int),
                repair=Repair, acquired_grid=Grid, acquired_uids=POINTER(text(UID)),
                acquired_count=c_size_t, part=c_int, remarks=Remarks)
LoadOptions = record("LoadOptions", series_uid=c_char_p, allow_non_ct=c_bool,
                     allow_mixed_patients=c_bool, repair=c_bool)
Contour = record("Contour", points=POINTER(c_double * 3), count=c_size_t, geometric_type=text(32),
                 sop_uid=text(UID))
Roi = record("Roi", number=c_int, name=text(NAME), frame_of_reference_uid=text(UID),
             fault=text(128), contours=POINTER(Contour), contour_count=c_size_t)
RtstructFrame = record("RtstructFrame", uid=text(UID), series_uid=text(UID))
Rtstruct = record("Rtstruct", header=Header, referenced_series_uid=text(UID),
                  frames=POINTER(RtstructFrame), frame_count=c_size_t, rois=POINTER(Roi),
                  roi_count=c_size_t, remarks=Remarks)
Report = record("Report", number=c_int, **dict.fromkeys(
    ("contours_used points_used open_contours degenerate_contours off_slice_contours "
     "interpolated_slices outside_contours gap_slices duplicate_contours "
     "overlapping_contours thin_walls").split(), c_size_t),
    step_mm=c_double, sum_area_spacing_cc=c_double, mask_cc=c_double)
WriteOptions = record("WriteOptions", **dict.fromkeys(
    "roi_name structure_set_label description label uid_seed algorithm created".split(), c_char_p))


def build(folder):
    """Path of a shared object made in folder from the static libraries of REPRISE_BUILD."""
    where = os.environ.get("REPRISE_BUILD", "")
    libraries = [os.path.join(where, f"libreprise_{m}.a") for m in ("dicom", "volume", "base")]
    for path in libraries:
        if not os.path.exists(path):
            raise Unavailable(f"no {os.path.basename(path)} in REPRISE_BUILD")
    symbols = subprocess.run(["nm", "-u", libraries[-1]], capture_output=True, text=True,
                             check=True).stdout
    if any(sign in symbols for sign in ("__asan_", "__tsan_", "__ubsan_", "__gcov_")):
        raise Unavailable("an instrumented build cannot be loaded into Python")
    path = os.path.join(folder, "libreprise_dicom_test.so")
    subprocess.run(["g++", "-shared", "-o", path, "-Wl,--whole-archive", *libraries,
                    "-Wl,--no-whole-archive", *SYSTEM_LIBRARIES], check=True)
    return path


def grid_of(size, spacing, origin, direction):
    grid = Grid()
    for a in range(3):
        grid.size[a], grid.spacing[a], grid.origin[a] = int(size[a]), spacing[a], origin[a]
        for r in range(3):
            grid.direction[r][a] = direction[r][a]
    return grid


def steps_of(grid):
    """3x3: LPS mm moved by one voxel along x, y, z."""
    return np.array([list(row) for row in grid.direction]) * np.array(list(grid.spacing))


def array_of(volume):
    return np.ctypeslib.as_array(volume.data, tuple(volume.grid.size)[::-1])


def mask_of(grid, array):
    array = np.ascontiguousarray(array, np.uint8)
    mask = Mask(grid, array.ctypes.data_as(POINTER(c_uint8)))
    mask.kept = array
    return mask


class Library:
    """What it returns is left to the end of the process."""

    def __init__(self, folder):
        self.library = ctypes.CDLL(build(folder))

    def call(self, name, *arguments):
        error = Error()
        status = getattr(self.library, name)(*arguments, byref(error))
        if status:
            raise Failure(status, error.message.decode())

    def load(self, path, **options):
        series = Series()
        self.call("rp_dicom_series_load", path.encode(), byref(LoadOptions(**options)), None,
                  byref(series))
        return series

    def write_series(self, folder, grid, array, header, seed):
        array = np.ascontiguousarray(array, np.float32)
        image = Image(grid, array.ctypes.data_as(POINTER(c_float)))
        series = Series()
        self.call("rp_dicom_series_write", folder.encode(), byref(image), byref(header),
                  seed.encode(), byref(series))
        return series

    def read_rtstruct(self, path):
        rtstruct = Rtstruct()
        self.call("rp_rtstruct_read", path.encode(), byref(rtstruct))
        return rtstruct

    def find_roi(self, rtstruct, name):
        roi = POINTER(Roi)()
        self.call("rp_rtstruct_find_roi", byref(rtstruct), b"file", name and name.encode(),
                  byref(roi))
        return roi.contents

    def fill(self, roi, grid):
        """Mask array and report."""
        mask, report = Mask(), Report()
        self.call("rp_roi_to_mask", byref(roi), byref(grid), byref(mask), byref(report))
        return array_of(mask).astype(bool), report

    def write_rtstruct(self, path, series, array, **options):
        mask = mask_of(series.image.grid, array)
        self.call("rp_rtstruct_write", path.encode(), byref(series), byref(mask),
                  byref(WriteOptions(**options)))
