"""Segmentations, RTSTRUCTs and NIfTI masks as sets of places in the patient, by pydicom, nibabel and
numpy alone."""
import struct
import zlib

import nibabel as nib
import numpy as np
import pydicom
from pydicom.encaps import generate_pixel_data_frame

DEFLATED_FRAMES = "1.2.840.10008.1.2.8.1"
RLE = "1.2.840.10008.1.2.5"
NATIVE = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99")


class CannotDecode(Exception):
    pass


# ---- pixels -----------------------------------------------------------------------------------


def packbits(data, size):
    out = bytearray()
    at = 0
    while len(out) < size:
        head = struct.unpack_from("b", data, at)[0]
        at += 1
        if head >= 0:
            out += data[at:at + head + 1]
            at += head + 1
        elif head != -128:
            out += data[at:at + 1] * (1 - head)
            at += 1
    return bytes(out[:size])


def values_of(dataset):
    """Stored values [frame][row][column]."""
    frames, pixels = int(dataset.get("NumberOfFrames", 1)), dataset.Rows * dataset.Columns
    bits, syntax = dataset.BitsAllocated, dataset.file_meta.TransferSyntaxUID
    if syntax in NATIVE:
        raw = np.frombuffer(dataset.PixelData, np.uint8)
        flat = np.unpackbits(raw, bitorder="little") if bits == 1 else raw
        return flat[:frames * pixels].reshape(frames, dataset.Rows, dataset.Columns)
    if syntax not in (DEFLATED_FRAMES, RLE):
        raise CannotDecode(syntax)
    size = (pixels * bits + 7) // 8
    made = []
    for frame in generate_pixel_data_frame(dataset.PixelData, frames):
        if syntax == RLE:
            planes, start = struct.unpack_from("<LL", frame)
            assert planes == 1
            raw = packbits(frame[start:], size)
        else:
            raw = zlib.decompress(frame, -15)
        raw = np.frombuffer(raw, np.uint8)
        made.append((np.unpackbits(raw, bitorder="little") if bits == 1 else raw)[:pixels])
    return np.array(made).reshape(frames, dataset.Rows, dataset.Columns)


# ---- places -----------------------------------------------------------------------------------


def group(dataset, frame, name):
    own = dataset.PerFrameFunctionalGroupsSequence[frame]
    shared = dataset.SharedFunctionalGroupsSequence
    for item in [own, *shared]:
        if name in item:
            return getattr(item, name)[0]
    return None


def segments_of(path, fraction=0.5):
    """Segment number -> places (n x 3, LPS mm) of its voxels."""
    dataset = pydicom.dcmread(path)
    values = values_of(dataset)
    kind = dataset.SegmentationType
    numbers = [int(s.SegmentNumber) for s in dataset.SegmentSequence]
    places = {number: [np.zeros((0, 3))] for number in numbers}
    for k, frame in enumerate(values):
        origin = np.array(group(dataset, k, "PlanePositionSequence").ImagePositionPatient, float)
        cosines = np.array(group(dataset, k, "PlaneOrientationSequence").ImageOrientationPatient, float)
        spacing = group(dataset, k, "PixelMeasuresSequence").PixelSpacing
        own = numbers
        if kind != "LABELMAP":
            own = [int(group(dataset, k, "SegmentIdentificationSequence").ReferencedSegmentNumber)]
        for number in own:
            if kind == "LABELMAP":
                inside = frame == number
            elif kind == "FRACTIONAL":
                inside = frame >= fraction * int(dataset.MaximumFractionalValue)
            else:
                inside = frame == 1
            row, column = np.nonzero(inside)
            places[number].append(origin + column[:, None] * float(spacing[1]) * cosines[:3]
                                  + row[:, None] * float(spacing[0]) * cosines[3:])
    return {number: np.vstack(parts) for number, parts in places.items()}


def voxels_of(path):
    """Places of a NIfTI mask's voxels (n x 3, LPS mm)."""
    image = nib.load(path)
    index = np.argwhere(np.asarray(image.dataobj) > 0.5)
    return (index @ image.affine[:3, :3].T + image.affine[:3, 3]) * [-1, -1, 1]


def differing(places, others, tolerance=0.02):
    """How many places of either set have no place of the other within tolerance mm."""
    if len(places) == 0 or len(others) == 0:
        return len(places) + len(others)
    from scipy.spatial import cKDTree
    one, two = cKDTree(places), cKDTree(others)
    return int((two.query(places)[0] > tolerance).sum() + (one.query(others)[0] > tolerance).sum())


# ---- contours ---------------------------------------------------------------------------------


def inside_polygon(points, x, y):
    """Even-odd, by rays along +x."""
    odd = np.zeros(x.shape, bool)
    for (ax, ay), (bx, by) in zip(points, np.roll(points, -1, axis=0)):
        if ay == by:
            continue
        spans = (min(ay, by) <= y) & (y < max(ay, by))
        odd ^= spans & (ax + (y - ay) * (bx - ax) / (by - ay) > x)
    return odd


def rasterised(path, series):
    """Places of the voxels of a series (list of pydicom slices) within the only ROI's contours."""
    dataset = pydicom.dcmread(path)
    by_uid = {s.SOPInstanceUID: s for s in series}
    filled = {}
    for contour in dataset.ROIContourSequence[0].ContourSequence:
        slice_ = by_uid[contour.ContourImageSequence[0].ReferencedSOPInstanceUID]
        origin = np.array(slice_.ImagePositionPatient, float)
        cosines = np.array(slice_.ImageOrientationPatient, float)
        rows, columns = float(slice_.PixelSpacing[0]), float(slice_.PixelSpacing[1])
        points = np.array(contour.ContourData, float).reshape(-1, 3) - origin
        assert np.abs(points @ np.cross(cosines[:3], cosines[3:])).max() < 1e-3
        flat = np.stack([points @ cosines[:3] / columns, points @ cosines[3:] / rows], axis=1)
        y, x = np.mgrid[:slice_.Rows, :slice_.Columns].astype(float)
        mask = filled.setdefault(slice_.SOPInstanceUID, np.zeros(x.shape, bool))
        mask ^= inside_polygon(flat, x, y)
    places = []
    for uid, mask in filled.items():
        slice_ = by_uid[uid]
        cosines = np.array(slice_.ImageOrientationPatient, float)
        row, column = np.nonzero(mask)
        places.append(np.array(slice_.ImagePositionPatient, float)
                      + column[:, None] * float(slice_.PixelSpacing[1]) * cosines[:3]
                      + row[:, None] * float(slice_.PixelSpacing[0]) * cosines[3:])
    return np.vstack(places)
