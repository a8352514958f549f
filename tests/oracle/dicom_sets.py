"""Small CT series made with pydicom, and the program run on them, for the tests of parts, values and trees."""
import os
import subprocess
import sys
import warnings

try:
    import numpy as np
    from pydicom.dataset import FileDataset, FileMetaDataset
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

REPRISE = os.environ.get("REPRISE", "")
ROWS, COLUMNS, SLICES, STEP = 8, 10, 12, 3.0
CT, MR, ENHANCED = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.2.1"
warnings.simplefilter("ignore")
checked = []


def require(condition, *what):
    checked.append(bool(condition))
    if not condition:
        print("FAILED:", *what)


def finish():
    print(f"{len(checked)} checks, {checked.count(False)} failed")
    sys.exit(not all(checked))


def run(*arguments):
    return subprocess.run([REPRISE, *arguments], capture_output=True, text=True, timeout=120, check=False)


def plane(number, k):
    """Of set `number`, slice k: a ramp of its own about soft tissue, air in one corner."""
    y, x = np.mgrid[:ROWS, :COLUMNS]
    values = 20 + 40 * number + 3 * k + x + 2 * y
    values[:2, :3] = -1000
    return values


def dataset(path, sop_class, uid):
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = sop_class, uid
    meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    d = FileDataset(path, {}, file_meta=meta, preamble=b"\0" * 128)
    d.is_little_endian, d.is_implicit_VR = True, False
    d.SOPClassUID, d.SOPInstanceUID, d.Modality = sop_class, uid, "MR" if sop_class == MR else "CT"
    d.PatientID = d.PatientName = "PARTS"
    d.StudyInstanceUID, d.SeriesInstanceUID, d.FrameOfReferenceUID = "2.25.1", "2.25.21", "2.25.3"
    d.StudyDate = d.AcquisitionDate = d.ContentDate = "20240110"
    d.Rows, d.Columns, d.SamplesPerPixel, d.PhotometricInterpretation = ROWS, COLUMNS, 1, "MONOCHROME2"
    d.BitsAllocated, d.BitsStored, d.HighBit, d.PixelRepresentation = 16, 16, 15, 1
    d.RescaleSlope, d.RescaleIntercept = 1, 0
    return d


def write_set(folder, number, heights=None, sop_class=CT, pixels=None, name=None, shuffled=True, **marks):
    """Slices of one set, named in no order; a mark may be a function of the slice."""
    name = name or f"{number}-%02d"
    os.makedirs(folder, exist_ok=True)
    heights = [STEP * k for k in range(SLICES)] if heights is None else heights
    for k, z in enumerate(heights):
        path = os.path.join(folder, name % ((k * 5) % SLICES if shuffled else k))
        d = dataset(path, sop_class, f"2.25.{number + 1}{k + 100}")
        d.ImagePositionPatient, d.ImageOrientationPatient = ["-5", "-4", f"{z:.6f}"], [1, 0, 0, 0, 1, 0]
        d.PixelSpacing, d.SliceThickness, d.InstanceNumber = [1, 1], STEP, k + 1
        for mark, value in marks.items():
            setattr(d, mark, value(k) if callable(value) else value)
        d.PixelData = plane(number if pixels is None else pixels, k).astype("<i2").tobytes()
        d.save_as(path, write_like_original=False)
    return folder
