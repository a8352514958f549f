"""RTSTRUCT against the data's own masks, pydicom, plastimatch, dciodvfy and a ray caster."""
import os
import shutil
import subprocess
import sys
import tempfile

try:
    import nibabel as nib
    import numpy as np
    import pydicom
    from pydicom.dataset import Dataset, FileMetaDataset
    from scipy import ndimage
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

import checks
from checks import require
from dicom_library import Failure, Header, Library, Unavailable, grid_of, steps_of

DATA = os.environ.get("REPRISE_TEST_DATA", "")
RTSTRUCT = "1.2.840.10008.5.1.4.1.1.481.3"


def dice(a, b):
    return 2 * (a & b).sum() / (a.sum() + b.sum())


def on_grid(path, grid):
    """A NIfTI mask as [z][y][x] on the grid, by world position."""
    image = nib.load(path)
    values = np.asarray(image.dataobj) > 0.5
    z, y, x = np.meshgrid(*[np.arange(n) for n in tuple(grid.size)[::-1]], indexing="ij")
    lps = steps_of(grid) @ np.stack([x, y, z]).reshape(3, -1)
    lps += np.array(list(grid.origin))[:, None]
    ras = lps * np.array([-1, -1, 1])[:, None]
    inverse = np.linalg.inv(image.affine)
    index = inverse[:3, :3] @ ras + inverse[:3, 3:]
    whole = np.rint(index).astype(int)
    require(np.abs(index - whole).max() < 0.01, path, "is not on the grid of its CT")
    return values[tuple(whole)].reshape(x.shape)


# ---- the data's own pairs ---------------------------------------------------------------------


def real_pair(library, folder, name):
    where = os.path.join(DATA, "sts", name, "CT")
    ct = os.path.join(where, "dicom", "image")
    series = library.load(ct)
    grid = series.image.grid
    rtstruct = library.read_rtstruct(os.path.join(where, "dicom", "mask", "RS.dcm"))
    require(rtstruct.header.frame_of_reference_uid == series.header.frame_of_reference_uid, name)
    mask, report = library.fill(library.find_roi(rtstruct, None), grid)
    truth = on_grid(os.path.join(where, "nifti", "mask", "mask.nii.gz"), grid)
    voxel = np.prod(list(grid.spacing)) / 1000
    volume, expected = mask.sum() * voxel, truth.sum() * voxel
    print(f"{name}: Dice {dice(mask, truth):.6f}, {volume:.2f} cc and {expected:.2f} cc, "
          f"by areas {report.sum_area_spacing_cc:.2f} cc")
    require(dice(mask, truth) >= 0.99, name, "Dice")
    require(abs(volume - expected) <= 0.005 * expected, name, "volume")
    require(abs(report.sum_area_spacing_cc - expected) <= 0.005 * expected, name, "areas")
    there_and_back(library, os.path.join(folder, name), ct, series, truth)


# ---- ours, read by others ---------------------------------------------------------------------


def there_and_back(library, target, ct, series, mask):
    os.makedirs(target)
    path = os.path.join(target, "rt.dcm")
    library.write_rtstruct(path, series, mask, roi_name="Läsion".encode(), uid_seed=b"7",
                           description=b"model 0123", algorithm=b"AUTOMATIC",
                           created=b"20240102030405")
    rtstruct = library.read_rtstruct(path)
    again, _ = library.fill(library.find_roi(rtstruct, "Läsion"), series.image.grid)
    require(np.array_equal(again, mask), target, "round trip", (again != mask).sum())
    references(path, series, mask)
    if shutil.which("dciodvfy"):
        found = subprocess.run(["dciodvfy", path], capture_output=True, text=True,
                               check=False).stderr
        # the patient's name is copied as it is in the data, old form or not
        lines = [line for line in found.splitlines() if line and "Patient's Name" not in line]
        require(lines == ["RTStructureSet"], path, found)
    else:
        print("dciodvfy is not installed: not validated")
    if shutil.which("plastimatch"):
        by_plastimatch(path, ct, series, mask, target)
    else:
        print("plastimatch is not installed: not compared")


def references(path, series, mask):
    dataset = pydicom.dcmread(path)
    header = series.header
    slices = [series.sop_uids[z].value.decode() for z in range(series.image.grid.size[2])]
    require(dataset.PatientID == header.patient_id.decode(), path)
    require(dataset.StudyInstanceUID == header.study_uid.decode(), path)
    frame = dataset.ReferencedFrameOfReferenceSequence[0]
    require(frame.FrameOfReferenceUID == header.frame_of_reference_uid.decode(), path)
    listed = frame.RTReferencedStudySequence[0].RTReferencedSeriesSequence[0]
    require(listed.SeriesInstanceUID == header.series_uid.decode(), path)
    require([i.ReferencedSOPInstanceUID for i in listed.ContourImageSequence] == slices, path)
    require(dataset.RTROIObservationsSequence[0].RTROIInterpretedType == "GTV", path)
    roi = dataset.StructureSetROISequence[0]
    require(roi.ROIName == "Läsion" and roi.ROIGenerationAlgorithm == "AUTOMATIC", path)
    require(roi.ReferencedFrameOfReferenceUID == header.frame_of_reference_uid.decode(), path)
    grid = series.image.grid
    inverse = np.linalg.inv(steps_of(grid))
    contoured = set()
    for contour in dataset.ROIContourSequence[0].ContourSequence:
        data = contour.ContourData
        require(max(len(str(value)) for value in data) <= 16, path, "DS of over 16 characters")
        points = np.array(data, float).reshape(-1, 3)
        require(len(points) == int(contour.NumberOfContourPoints), path)
        k = (inverse @ (points - np.array(list(grid.origin))).T)[2]
        z = int(round(k[0]))
        require(np.abs(k - z).max() < 1e-6, path, "not in a slice")
        require(contour.ContourImageSequence[0].ReferencedSOPInstanceUID == slices[z], path)
        contoured.add(z)
    require(contoured == set(np.flatnonzero(mask.any(axis=(1, 2)))), path, "slices")


def by_plastimatch(path, ct, series, mask, target):
    prefix = os.path.join(target, "structures")
    subprocess.run(["plastimatch", "convert", "--input", path, "--referenced-ct", ct,
                    "--output-prefix", prefix, "--prefix-format", "nii.gz"],
                   check=True, capture_output=True)
    made = os.listdir(prefix)
    require(len(made) == 1, made)
    theirs = on_grid(os.path.join(prefix, made[0]), series.image.grid)
    print(f"{os.path.basename(target)}: Dice with plastimatch {dice(theirs, mask):.6f}")
    require(dice(theirs, mask) >= 0.995, target, "plastimatch")


def shapes(library, folder):
    """Blobs with holes and islands, on an axial, a sagittal and an oblique series."""
    rng = np.random.default_rng(11)
    turn = np.radians(25)
    directions = {
        "axial": np.eye(3),
        "sagittal": np.array([[0, 0, -1], [1, 0, 0], [0, -1, 0]]),
        "oblique": np.array([[np.cos(turn), 0, np.sin(turn)], [0, 1, 0],
                             [-np.sin(turn), 0, np.cos(turn)]]),
    }
    for name, direction in directions.items():
        grid = grid_of((46, 38, 22), (0.9, 1.1, 2.5), (-100.3, -50.123456, 200.7), direction)
        ct = os.path.join(folder, name + "_ct")
        header = Header(patient_id=b"P", study_date=b"20240102", study_time=b"10", study_id=b"1")
        series = library.write_series(ct, grid, np.zeros((22, 38, 46)), header, name)
        mask = ndimage.gaussian_filter(rng.normal(size=(22, 38, 46)), 1.5) > 0
        require(mask.sum() * 0.9 * 1.1 * 2.5 > 1000, "over 1 cc")
        there_and_back(library, os.path.join(folder, name), ct, series, mask)


# ---- others' conventions ------------------------------------------------------------------------


def item(**attributes):
    dataset = Dataset()
    for name, value in attributes.items():
        setattr(dataset, name, value)
    return dataset


def craft(path, rois):
    """rois: {(number, name): [(geometric type, points n x 3)]}"""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = pydicom.uid.ImplicitVRLittleEndian
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = RTSTRUCT, "1.2.3.4"
    dataset = pydicom.dataset.FileDataset(path, {}, file_meta=meta, preamble=bytes(128))
    dataset.is_little_endian, dataset.is_implicit_VR = True, True
    dataset.SOPClassUID, dataset.SOPInstanceUID = RTSTRUCT, "1.2.3.4"
    dataset.Modality, dataset.PatientID = "RTSTRUCT", "P"
    dataset.StructureSetROISequence = [item(ROINumber=n, ROIName=name) for n, name in rois]
    dataset.ROIContourSequence = [
        item(ReferencedROINumber=number, ContourSequence=[
            item(ContourGeometricType=kind, NumberOfContourPoints=len(points),
                 ContourData=[f"{v:.9g}" for v in np.asarray(points).ravel()])
            for kind, points in contours])
        for (number, _), contours in rois.items()]
    dataset.save_as(path)


def inside(points, size):
    """Even-odd by rays along +y from every pixel centre."""
    y, x = np.mgrid[: size[1], : size[0]].astype(float)
    odd = np.zeros(x.shape, bool)
    for (ax, ay), (bx, by) in zip(points, np.roll(points, -1, axis=0)):
        if ax == bx:
            continue
        spans = (min(ax, bx) <= x) & (x < max(ax, bx))
        odd ^= spans & ((by - ay) / (bx - ax) * (x - ax) + ay > y)
    return odd


def wavy(centre, radius, z, phase=0.0, count=90):
    angle = np.linspace(0, 2 * np.pi, count, endpoint=False)
    r = radius * (1 + 0.2 * np.sin(3 * angle + phase))
    return np.stack([centre[0] + r * np.cos(angle), centre[1] + r * np.sin(angle),
                     np.full(count, z)], axis=1)


def keyhole(outer, inner):
    """Both with the first point on their right; the channel joins those."""
    return np.vstack([outer, outer[:1], inner[::-1], inner[-1:], outer[:1]])


def conventions(library, folder):
    size, dz = (61, 53, 12), 3.0
    grid = grid_of(size, (1, 1, dz), (0, 0, -6), np.eye(3))
    closed, expected = "CLOSED_PLANAR", np.zeros((12, 53, 61), bool)
    z = [-6 + dz * k for k in range(12)]
    outer, inner = wavy((29.3, 25.7), 18, z[1]), wavy((28.3, 26.7), 8, z[1], 1)
    contours = [(closed, outer), (closed, inner)]
    expected[1] = inside(outer[:, :2], size) ^ inside(inner[:, :2], size)
    outer, inner = wavy((29.3, 25.7), 18, z[2]), wavy((28.3, 25.2), 8, z[2], 1)
    contours.append((closed, keyhole(outer, inner)))
    expected[2] = inside(outer[:, :2], size) & ~inside(inner[:, :2], size)
    low, high = wavy((25.1, 25.7), 13, z[3] - 1, 2), wavy((33.1, 25.7), 13, z[3] + 1.2, 3)
    contours += [(closed, low), (closed, high)]  # both nearest to slice 3: united, not xored
    expected[3] = inside(low[:, :2], size) | inside(high[:, :2], size)
    left, right = wavy((15.4, 20.3), 9, z[4]), wavy((44.4, 20.3), 9, z[4])
    contours += [(closed, left), (closed, right)]
    expected[4] = inside(left[:, :2], size) | inside(right[:, :2], size)
    contours += [("OPEN_PLANAR", wavy((25, 25), 10, z[6])), ("POINT", [(25, 25, z[6])]),
                 (closed, [(10, 10, z[7]), (20, 20, z[7])])]
    path = os.path.join(folder, "crafted.dcm")
    craft(path, {(2, "GTV"): contours, (5, "Other"): [(closed, wavy((20, 20), 7, z[9]))],
                 (8, "Upright"): [(closed, wavy((20, 20), 7, z[9])[:, [0, 2, 1]])]})
    rtstruct = library.read_rtstruct(path)
    mask, report = library.fill(library.find_roi(rtstruct, "GTV"), grid)
    for k in range(12):
        require(np.array_equal(mask[k], expected[k]), "slice", k, (mask[k] != expected[k]).sum())
    require(report.off_slice_contours == 2 and report.open_contours == 2, "report")
    require(report.degenerate_contours == 1 and report.interpolated_slices == 0, "report")
    mask, _ = library.fill(library.find_roi(rtstruct, "5"), grid)
    require(np.array_equal(np.flatnonzero(mask.any(axis=(1, 2))), [9]), "ROI by number")
    for wanted, words in ((None, "3 ROIs"), ("Liver", "no ROI")):
        try:
            library.find_roi(rtstruct, wanted)
            require(False, wanted, "was found")
        except Failure as failure:
            require(words in str(failure) and '"GTV"' in str(failure), failure)
    try:
        library.fill(library.find_roi(rtstruct, "Upright"), grid)
        require(False, "an upright contour was filled")
    except Failure as failure:
        require("planes of the image's slices" in str(failure), failure)
    print("holes, keyhole, planes between slices, parts, open and degenerate contours: as expected")


def main():
    with tempfile.TemporaryDirectory() as folder:
        library = Library(folder)
        conventions(library, folder)
        shapes(library, folder)
        if os.path.isdir(DATA):
            for name in ("STS_001", "STS_002"):
                real_pair(library, folder, name)
        else:
            print("REPRISE_TEST_DATA is absent: only contours of our own were checked")
    require(checks.compared > 100, "too little was compared")
    print(f"{checks.compared} comparisons")


try:
    main()
except Unavailable as reason:
    print(f"skipped: {reason}")
    sys.exit(77)
