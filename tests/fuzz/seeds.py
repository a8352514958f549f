"""Gathers what a fuzz target starts from: seeds.py --data FOLDER --out FOLDER KIND...

KIND is nifti, safetensors, timeline, series, or SOP class UIDs. Every file of the data that fits is taken as it
is where it is small; what is large, or a stack of slices, is cut down first. Some seeds are made from
nothing, so that there are some without the data too. Nothing that comes from the data may be
committed."""
import argparse
import copy
import gzip
import hashlib
import json
import os
import shutil
import struct
import sys

import nibabel
import numpy
import pydicom
from pydicom.filebase import DicomBytesIO

SMALL = 20 << 10
CUT = b"\n--next file--\n"
TYPES = {"F32": 4, "F16": 2, "BF16": 2, "F64": 8, "I8": 1, "I16": 2, "I32": 4, "I64": 8, "U8": 1, "U16": 2,
         "U32": 4, "U64": 8, "BOOL": 1}

SYNTAXES = (pydicom.uid.ExplicitVRLittleEndian, pydicom.uid.ImplicitVRLittleEndian,
            pydicom.uid.ExplicitVRBigEndian, pydicom.uid.DeflatedExplicitVRLittleEndian)


def files_of(folder):
    for where, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            yield os.path.join(where, name)


def bytes_of(path):
    with open(path, "rb") as file:
        return file.read()


# ---- NIfTI and safetensors

def nifti_seeds(data):
    for kind in (nibabel.Nifti1Image, nibabel.Nifti2Image):
        for dtype in ("u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"):
            voxels = numpy.arange(24).reshape(2, 3, 4).astype(dtype)
            image = kind(voxels, numpy.diag([1, -2, 3, 1.0]), dtype=voxels.dtype)
            yield image.to_bytes()
            yield gzip.compress(image.to_bytes())
    for path in files_of(data):
        if not path.endswith((".nii", ".nii.gz")):
            continue
        if os.path.getsize(path) <= SMALL:
            yield bytes_of(path)
        try:
            image = nibabel.load(path)
            part = image.slicer[:5, :4, :3].to_bytes()
        except Exception:  # pylint: disable=broad-except # malformed files are seeds as they are
            continue
        yield part
        yield gzip.compress(part)


def safetensors_file(entries, metadata=None):
    header, at, body = {}, 0, b""
    if metadata is not None:
        header["__metadata__"] = metadata
    for name, dtype, shape in entries:
        size = TYPES[dtype] * int(numpy.prod(shape, dtype=int))
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
        body += bytes(range(1, 200))[:size].ljust(size, b"?")
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def safetensors_seeds(data):
    for dtype in TYPES:
        yield safetensors_file([("w", dtype, (2, 3)), ("s", dtype, ())])
    yield safetensors_file([])
    yield safetensors_file([("e", "F32", (0, 4)), ("b", "U8", (5,))], {"format": "x", "a\"b": "\u00e9"})
    yield safetensors_file([("r", "F32", (1,) * 8)], {})
    for path in files_of(data):
        if path.endswith(".safetensors") and os.path.getsize(path) <= SMALL:
            yield bytes_of(path)


# ---- DICOM

def dicom_of(path):
    try:
        return pydicom.dcmread(path, force=True)
    except Exception:  # pylint: disable=broad-except # what pydicom cannot read is no seed to cut
        return None


def saved(dataset):
    out = DicomBytesIO()
    pydicom.dcmwrite(out, dataset, write_like_original=True)
    return out.getvalue()


def shrunken_slice(dataset):
    """The upper left 12 x 10 pixels of an uncompressed slice."""
    small = copy.deepcopy(dataset)
    pixels = dataset.pixel_array[:10, :12]
    small.Rows, small.Columns = pixels.shape
    small.PixelData = pixels.tobytes()
    return small


def shortened(sequence, items):
    while len(sequence) > items:
        sequence.pop()


def shrunken_object(dataset):
    """Few items in every sequence, short values."""
    small = copy.deepcopy(dataset)

    def shrink(part, element):
        if element.VR == "SQ":
            shortened(element.value, 3)
        elif element.VR == "DS" and element.VM > 30:
            element.value = list(element.value)[:30]
        elif element.VR in ("OB", "OW", "UN") and element.value and len(element.value) > 512:
            element.value = element.value[:512]
        del part
    small.walk(shrink)
    return small


def transcoded(dataset, syntax):
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.is_little_endian, dataset.is_implicit_VR = syntax.is_little_endian, syntax.is_implicit_VR
    return dataset


def attempt(make, *arguments):
    try:
        return [make(*arguments)]
    except Exception:  # pylint: disable=broad-except # seeds are what can be made of what there is
        return []


def series_seeds(data):
    series = {}
    for path in files_of(data):
        if os.path.getsize(path) <= SMALL:
            yield bytes_of(path)
        dataset = dicom_of(path)
        if dataset is None or "PixelData" not in dataset or getattr(dataset, "NumberOfFrames", 1) != 1:
            continue
        stack = series.setdefault((os.path.dirname(path), getattr(dataset, "SeriesInstanceUID", "")), [])
        if len(stack) < 4:
            stack.extend(attempt(lambda d: saved(shrunken_slice(d)), dataset))
    for stack in series.values():
        yield from stack[:1]
        yield CUT.join(stack)
    yield CUT.join(synthetic_slice(z) for z in range(3))


def synthetic_slice(z):
    """A CT slice of 4 x 3 pixels."""
    meta = pydicom.dataset.FileMetaDataset()
    meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    d = pydicom.dataset.FileDataset(None, {}, preamble=b"\0" * 128, file_meta=meta)
    d.is_little_endian, d.is_implicit_VR = True, False
    d.SOPClassUID = meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    d.SOPInstanceUID = meta.MediaStorageSOPInstanceUID = f"2.25.{z + 1}"
    d.SeriesInstanceUID, d.StudyInstanceUID, d.FrameOfReferenceUID = "2.25.11", "2.25.12", "2.25.13"
    d.Modality, d.PatientID, d.PhotometricInterpretation = "CT", "1", "MONOCHROME2"
    d.Rows, d.Columns, d.BitsAllocated, d.BitsStored, d.HighBit = 3, 4, 16, 12, 11
    d.PixelRepresentation, d.SamplesPerPixel, d.RescaleSlope, d.RescaleIntercept = 0, 1, 1, -1024
    d.ImagePositionPatient, d.ImageOrientationPatient = [0, 0, 2.5 * z], [1, 0, 0, 0, 1, 0]
    d.PixelSpacing, d.SliceThickness = [0.8, 0.8], 2.5
    d.PixelData = struct.pack("<12H", *range(z, z + 12))
    return saved(d)


def object_seeds(data, classes):
    for path in files_of(data):
        dataset = dicom_of(path)
        if dataset is None or getattr(dataset, "SOPClassUID", "") not in classes:
            continue
        if os.path.getsize(path) <= SMALL:
            yield bytes_of(path)
        for syntax in SYNTAXES:
            yield from attempt(lambda d, s: saved(transcoded(shrunken_object(d), s)), dataset, syntax)


def timeline_seeds(_):
    """The examples, also as spreadsheets write them."""
    folder = os.path.join(os.path.dirname(__file__), "..", "..", "examples")
    for name in ("timeline.json", "timelines.csv", "four_patients.csv", "volumes.json"):
        yield bytes_of(os.path.join(folder, name))
    text = bytes_of(os.path.join(folder, "timelines.csv")).decode()
    yield text.replace(",", "\t").encode("utf-16")
    yield b"sep=;\r\n" + text.replace(";", "|").replace(",", ";").replace(".", ",").encode()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("kinds", nargs="+")
    options = parser.parse_args()
    makers = {"nifti": nifti_seeds, "safetensors": safetensors_seeds, "series": series_seeds,
              "timeline": timeline_seeds}
    kind = options.kinds[0]
    seeds = makers[kind](options.data) if kind in makers else object_seeds(options.data, options.kinds)
    shutil.rmtree(options.out, ignore_errors=True)
    os.makedirs(options.out)
    for seed in seeds:
        name = hashlib.sha256(seed).hexdigest()[:16]
        with open(os.path.join(options.out, name), "wb") as file:
            file.write(seed)
    print(f"{len(os.listdir(options.out))} seeds of {' '.join(options.kinds)} in {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
