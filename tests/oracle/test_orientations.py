"""Every orientation of a grid through NIfTI, DICOM series, SEG and RTSTRUCT and back: a mask lands
on the same places in the patient. Read back by Reprise and by readers on pydicom and nibabel alone."""
import itertools
import os
import sys
import tempfile

try:
    import nibabel as nib
    import numpy as np
    import pydicom
    from pydicom.dataset import FileDataset, FileMetaDataset
    from scipy import ndimage
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

import checks
from checks import REPRISE, convert, require
from seg_reader import differing, rasterised, segments_of, voxels_of

CT = "1.2.840.10008.5.1.4.1.1.2"
SIZE, SPACING = (19, 14, 11), (0.9, 1.3, 2.4)  # of no axis like another; 19 x 14 is no whole byte


def blob(seed):
    """[i][j][k]: parts, holes and single voxels, unlike any of its mirror images."""
    mask = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=SIZE), 1.4) > 0.05
    mask[:, :, :2] = mask[:, :, -1] = False
    mask[2, 3, 2] = mask[4, 4, 5] = True
    return mask


def series_of(folder):
    return [pydicom.dcmread(os.path.join(folder, name)) for name in sorted(os.listdir(folder))]


def through_dicom(name, folder, mask_path, ct, expected):
    """A mask on the grid of a series: to SEG and RTSTRUCT, and back by Reprise and others."""
    seg, rt = os.path.join(folder, "a_seg.dcm"), os.path.join(folder, "a_rt.dcm")
    back = os.path.join(folder, "back.nii")
    convert(mask_path, seg, "--reference", ct)
    convert(mask_path, rt, "--reference", ct)
    require(differing(segments_of(seg)[1], expected) == 0, name, "SEG by pydicom")
    for what, source, how in (("SEG on its own grid", seg, ()),
                              ("SEG on the series", seg, ("--reference", ct)),
                              ("RTSTRUCT on the series", rt, ("--reference", ct))):
        convert(source, back, *how)
        require(differing(voxels_of(back), expected) == 0, name, what)
    places = rasterised(rt, series_of(ct))
    apart = differing(places, expected)
    require(1 - apart / (len(places) + len(expected)) >= 0.99, name, "RTSTRUCT by pydicom", apart)


def matrix(folder, direction, name, seed):
    """One grid whose axes run along the columns of direction (RAS)."""
    mask = blob(seed)
    affine = np.eye(4)
    affine[:3, :3] = direction * SPACING
    affine[:3, 3] = (-31.4, 17.25, -802.5)
    image, back = os.path.join(folder, "ct.nii"), os.path.join(folder, "back.nii")
    mask_path, ct = os.path.join(folder, "mask.nii"), os.path.join(folder, "ct")
    values = np.random.default_rng(seed + 1).integers(-1000, 1000, SIZE).astype(np.int16)
    nib.save(nib.Nifti1Image(values, affine), image)
    nib.save(nib.Nifti1Image(mask.astype(np.uint8), affine), mask_path)
    expected = voxels_of(mask_path)
    require(len(expected) > 300, name, "too few voxels")
    convert(mask_path, back)
    require(differing(voxels_of(back), expected) == 0, name, "NIfTI")
    convert(mask_path, os.path.join(folder, "series"))
    convert(os.path.join(folder, "series"), back)
    require(differing(voxels_of(back), expected) == 0, name, "DICOM series")
    lit = []
    for slice_ in series_of(os.path.join(folder, "series")):
        cosines = np.array(slice_.ImageOrientationPatient, float)
        row, column = np.nonzero(slice_.pixel_array + float(slice_.RescaleIntercept) > 0.5)
        lit.append(np.array(slice_.ImagePositionPatient, float)
                   + column[:, None] * float(slice_.PixelSpacing[1]) * cosines[:3]
                   + row[:, None] * float(slice_.PixelSpacing[0]) * cosines[3:])
    require(differing(np.vstack(lit), expected) == 0, name, "DICOM series by pydicom")
    convert(image, ct)
    through_dicom(name, folder, mask_path, ct, expected)
    canonical = os.path.join(folder, "canonical.nii")
    nib.save(nib.as_closest_canonical(nib.load(image)), canonical)
    for reference in (image, canonical):  # the same voxels along other axes
        convert(os.path.join(folder, "a_seg.dcm"), back, "--reference", reference)
        require(differing(voxels_of(back), expected) == 0, name, "SEG on", reference)


def axis_codes():
    """The 48: which way each axis runs, in letters, and as columns of a matrix (RAS)."""
    letters = ("LR", "PA", "IS")
    for order in itertools.permutations(range(3)):
        for signs in itertools.product((-1, 1), repeat=3):
            direction = np.zeros((3, 3))
            for axis, (world, sign) in enumerate(zip(order, signs)):
                direction[world, axis] = sign
            yield "".join(letters[w][s > 0] for w, s in zip(order, signs)), direction


def turned(x, y, z):
    """Rotation about x, then y, then z, in degrees."""
    a, b, c = np.radians([x, y, z])
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    about_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return about_z @ about_y @ about_x


# ---- series as scanners make them -------------------------------------------------------------

# How the patient lies: where the image's rows and columns run (LPS) in an axial slice.
LYING = {"HFS": ((1, 0, 0), (0, 1, 0)), "HFP": ((-1, 0, 0), (0, -1, 0)),
         "HFDL": ((0, -1, 0), (1, 0, 0)), "HFDR": ((0, 1, 0), (-1, 0, 0)),
         "FFS": ((-1, 0, 0), (0, 1, 0)), "FFP": ((1, 0, 0), (0, -1, 0)),
         "FFDL": ((0, 1, 0), (1, 0, 0)), "FFDR": ((0, -1, 0), (-1, 0, 0))}
PLANES = {"sagittal": ((0, 1, 0), (0, 0, -1)), "coronal": ((1, 0, 0), (0, 0, -1))}


def scan(folder, number, position, row, column):
    """A series by pydicom, its slices along the normal or against it; voxels [z][y][x] of a mask's
    NIfTI file beside it, whose affine comes from what the files say."""
    row, column = np.array(row, float), np.array(column, float)
    normal = np.cross(row, column) * (-1 if number % 2 else 1)
    origin = np.array([12.5, -40.25, 300.75])
    ct, mask_path = os.path.join(folder, "scan"), os.path.join(folder, "scan.nii")
    os.mkdir(ct)
    for k in range(SIZE[2]):
        uid = f"1.2.826.0.1.3680043.8.498.{number}.{k + 1}"
        meta = FileMetaDataset()
        meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CT, uid
        path = os.path.join(ct, f"{(k * 7) % SIZE[2]:02d}")  # names say nothing of the order
        ds = FileDataset(path, {}, file_meta=meta, preamble=bytes(128))
        ds.is_little_endian, ds.is_implicit_VR = True, False
        ds.SOPClassUID, ds.SOPInstanceUID, ds.Modality = CT, uid, "CT"
        ds.PatientID, ds.StudyInstanceUID = "P", f"1.2.826.0.1.3680043.8.498.{number}"
        ds.SeriesInstanceUID = ds.StudyInstanceUID + ".9"
        ds.FrameOfReferenceUID, ds.PatientPosition = ds.StudyInstanceUID + ".8", position
        ds.StudyDate = ds.AcquisitionDate = "20240110"
        ds.InstanceNumber = SIZE[2] - k
        ds.ImagePositionPatient = [f"{v:.10g}" for v in origin + k * SPACING[2] * normal]
        ds.ImageOrientationPatient = [f"{v:.10g}" for v in [*row, *column]]
        ds.PixelSpacing, ds.SliceThickness = [SPACING[1], SPACING[0]], 5
        ds.Rows, ds.Columns, ds.SamplesPerPixel = SIZE[1], SIZE[0], 1
        ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 1
        ds.PhotometricInterpretation = "MONOCHROME2"
        ds.RescaleSlope, ds.RescaleIntercept = 1, 0
        ds.PixelData = np.full(SIZE[1::-1], k, np.int16).tobytes()
        ds.save_as(path)
    affine = np.eye(4)
    lps = np.stack([row * SPACING[0], column * SPACING[1], normal * SPACING[2]], axis=1)
    affine[:3, :3], affine[:3, 3] = lps * [[-1], [-1], [1]], origin * [-1, -1, 1]
    nib.save(nib.Nifti1Image(blob(number).astype(np.uint8), affine), mask_path)
    return ct, mask_path


def main():
    if not os.access(REPRISE, os.X_OK):
        print("skipped: REPRISE does not name the program")
        sys.exit(77)
    directions = list(axis_codes())
    require(len({name for name, _ in directions}) == 48, "48 axis codes")
    directions += [("oblique", turned(20, -15, 30)), ("oblique, left-handed",
                                                      turned(-35, 10, 140) * [1, 1, -1])]
    for seed, (name, direction) in enumerate(directions):
        with tempfile.TemporaryDirectory() as folder:
            matrix(folder, direction, name, seed)
    scans = [(name, *axes) for name, axes in LYING.items()]
    scans += [("HFS", *PLANES["sagittal"]), ("FFS", *PLANES["coronal"])]
    oblique = turned(25, 10, -20)
    scans.append(("HFDR", oblique[:, 0], oblique[:, 1]))
    for number, (position, row, column) in enumerate(scans, 100):
        with tempfile.TemporaryDirectory() as folder:
            ct, mask_path = scan(folder, number, position, row, column)
            through_dicom(f"{position} {row}", folder, mask_path, ct, voxels_of(mask_path))
    print(f"{len(directions)} grids and {len(scans)} series as scanned, {checks.compared} comparisons")


main()
