"""CT series against pydicom: every voxel and where it lies; series written against dciodvfy."""
import glob
import os
import shutil
import subprocess
import sys
import tempfile

try:
    import nibabel as nib
    import numpy as np
    import pydicom
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

from dicom_library import Failure, Header, Library, Unavailable, array_of, grid_of, steps_of

DATA = os.environ.get("REPRISE_TEST_DATA", "")
compared = 0


def require(condition, *what):
    if not condition:
        print("FAILED:", *what)
        sys.exit(1)


def expected_slice(dataset):
    values = dataset.pixel_array.astype(float)
    hu = values * float(dataset.get("RescaleSlope") or 1)
    hu += float(dataset.get("RescaleIntercept") or 0)
    air = hu < -1024
    if "PixelPaddingValue" in dataset:
        air |= values == dataset.PixelPaddingValue
    return np.where(air, -1000, hu), int(air.sum())


def same_as_pydicom(library, folder, spacing_z):
    """Looks up each file's pixels in the volume by world position, whatever its orientation."""
    global compared
    series = library.load(folder)
    grid, volume = series.image.grid, array_of(series.image)
    inverse = np.linalg.inv(steps_of(grid))
    files = sorted(glob.glob(os.path.join(folder, "*")))
    require(grid.size[2] == len(files), folder, "slices", grid.size[2])
    require(abs(grid.spacing[2] - spacing_z) < 1e-6, folder, "spacing", grid.spacing[2])
    padded = 0
    for path in files:
        dataset = pydicom.dcmread(path)
        expected, air = expected_slice(dataset)
        padded += air
        corner = np.array(dataset.ImagePositionPatient, float)
        row = np.array(dataset.ImageOrientationPatient[:3], float)
        column = np.array(dataset.ImageOrientationPatient[3:], float)
        y, x = expected.shape[0] - 1, expected.shape[1] - 1
        far = corner + row * x * float(dataset.PixelSpacing[1])
        far = far + column * y * float(dataset.PixelSpacing[0])
        near_index = inverse @ (corner - np.array(list(grid.origin)))
        far_index = inverse @ (far - np.array(list(grid.origin)))
        k = round(near_index[2])
        require(np.allclose(near_index, [0, 0, k], atol=1e-3), path, near_index)
        require(np.allclose(far_index, [x, y, k], atol=1e-3), path, far_index)
        require(np.array_equal(volume[k], expected.astype(np.float32)), path, "pixels differ")
        uid = dataset.get("SOPInstanceUID") or dataset.file_meta.MediaStorageSOPInstanceUID
        require(series.sop_uids[k].value.decode() == uid, path, "SOPInstanceUID")
        compared += expected.size
    require(series.padded_voxels == padded, folder, "padding", series.padded_voxels, padded)
    print(f"{folder[len(DATA):]}: {len(files)} slices equal, {padded} voxels of padding")


def encodings(library, folder):
    """One slice in nine encodings, renamed from MR to CT, against the uncompressed one."""
    global compared
    source = os.path.join(DATA, "codecs", "dcm_qa_ts")
    expected = pydicom.dcmread(os.path.join(source, "In", "1.dcm")).pixel_array
    reference = np.asarray(nib.load(os.path.join(source, "Ref", "1.nii")).dataobj)
    require(np.array_equal(np.sort(expected[expected > 0]), np.sort(reference[reference > 0])),
            "the slice is not the reference's mosaic")
    for path in sorted(glob.glob(os.path.join(source, "In", "*.dcm"))):
        dataset = pydicom.dcmread(path)
        syntax = dataset.file_meta.TransferSyntaxUID
        try:
            library.load(path)
            require(False, path, "MR was taken for CT")
        except Failure as failure:
            require("modality MR, expected CT" in str(failure), failure)
        mr = array_of(library.load(path, allow_non_ct=True).image)
        dataset.Modality = "CT"
        renamed = os.path.join(folder, os.path.basename(path))
        dataset.save_as(renamed)
        ct = array_of(library.load(renamed).image)
        require(np.array_equal(mr[0], expected) and np.array_equal(ct[0], expected), syntax.name)
        compared += expected.size
        print(f"{syntax.name}: equal")


def written(library, folder):
    """A series of ours, read by pydicom and checked by dciodvfy."""
    global compared
    rng = np.random.default_rng(3)
    angle = np.radians(20)
    tilted = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)],
                       [0, np.sin(angle), np.cos(angle)]])
    for name, direction in (("axial", np.eye(3)), ("oblique", tilted)):
        grid = grid_of((9, 8, 5), (0.7, 0.8, 2.5), (-100.123456789, 20, 1 / 3), direction)
        volume = rng.integers(-1024, 3000, (5, 8, 9))
        header = Header(patient_id=b"P", patient_name="Jürg^Müller".encode(), study_id=b"x" * 40,
                        study_date=b"20240102", study_time=b"101112",
                        series_description="Schädel".encode())
        target = os.path.join(folder, name)
        library.write_series(target, grid, volume, header, "seed")
        files = sorted(os.listdir(target))
        require(files == [f"slice-{z + 1:04d}.dcm" for z in range(5)], files)
        for z, file in enumerate(files):
            path = os.path.join(target, file)
            dataset = pydicom.dcmread(path)
            hu = dataset.pixel_array * int(dataset.RescaleSlope) + int(dataset.RescaleIntercept)
            require(np.array_equal(hu, volume[z]), path, "pixels")
            corner = np.array(list(grid.origin)) + steps_of(grid) @ [0, 0, z]
            require(np.allclose(dataset.ImagePositionPatient, corner, atol=1e-9), path)
            require(str(dataset.PatientName) == "Jürg^Müller", path, "name")
            require(dataset.SeriesDescription == "Schädel", path, "description")
            require(len(dataset.StudyID) == 16, path, "SH is at most 16 characters")
            compared += hu.size
            validate(path)


def validate(path):
    if not shutil.which("dciodvfy"):
        print("dciodvfy is not installed: not validated")
        return
    found = subprocess.run(["dciodvfy", path], capture_output=True, text=True, check=False).stderr
    require("CTImage" in found and "Error" not in found, path, found)


def main():
    with tempfile.TemporaryDirectory() as folder:
        library = Library(folder)
        written(library, folder)
        if os.path.isdir(DATA):
            for name in ("STS_001", "STS_002"):
                same_as_pydicom(library, os.path.join(DATA, "sts", name, "CT/dicom/image"), 3.27)
            same_as_pydicom(library, os.path.join(DATA, "crlm/CRLM-CT-1004/image"), 5)
            same_as_pydicom(library, os.path.join(DATA, "totalseg/example_ct_dicom"), 2)
            encodings(library, folder)
        else:
            print("REPRISE_TEST_DATA is absent: only series of our own were checked")
    require(compared > 500, "too little was compared")
    print(f"{compared} voxels compared with pydicom {pydicom.__version__}")


try:
    main()
except Unavailable as reason:
    print(f"skipped: {reason}")
    sys.exit(77)
