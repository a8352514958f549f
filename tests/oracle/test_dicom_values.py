"""Padding and rescale of CTs made with pydicom: which voxels become air, and what is said of values that may be no HU.
What is right follows from the cells written."""
import os
import tempfile

from dicom_sets import dataset, finish, require, run

import nibabel as nib
import numpy as np

LARGE = 40  # rows and columns, so that a corner is a region and a pixel is none
IN = (20, 20)  # a voxel of the body


def series(folder, cells, padding=None, bits=16, signed=False, intercept=0, slope=1, limit=None, vr="US", modality="CT",
           **attributes):
    """Slices of the same cells (16 bits each, as they are); attributes of None are removed."""
    os.makedirs(folder)
    for k in range(3):
        d = dataset(os.path.join(folder, f"{k}.dcm"), "1.2.840.10008.5.1.4.1.1.2", f"2.25.4{k}")
        d.Modality = modality
        d.ImagePositionPatient, d.ImageOrientationPatient = [0, 0, 3 * k], [1, 0, 0, 0, 1, 0]
        d.PixelSpacing, d.SliceThickness, d.Rows, d.Columns = [1, 1], 3, *cells.shape
        d.BitsStored, d.HighBit, d.PixelRepresentation = bits, bits - 1, int(signed)
        d.RescaleSlope, d.RescaleIntercept = slope, intercept
        if padding is not None:
            d.add_new(0x00280120, vr, padding)
        if limit is not None:
            d.add_new(0x00280121, vr, limit)
        for name, value in attributes.items():
            delattr(d, name) if value is None else setattr(d, name, value)
        d.PixelData = cells.astype("<u2").tobytes()
        d.save_as(d.filename, write_like_original=False)
    return folder


def body(background=-1000, tissue=40):
    """HU of a disc with noise in air."""
    y, x = np.mgrid[:LARGE, :LARGE] - LARGE / 2
    noise = np.random.default_rng(5).integers(-12, 13, (LARGE, LARGE))
    return np.where(x * x + y * y < 17 ** 2, tissue + noise, background)


def corners():
    y, x = np.mgrid[:LARGE, :LARGE] - (LARGE - 1) / 2
    return x * x + y * y > 20.5 ** 2


def converted(name, folder, scratch, *options):
    out = os.path.join(scratch, name.replace(" ", "-") + ".nii")
    done = run("convert", folder, out, *options)
    require(done.returncode == 0, name, done.stderr)
    return (np.asarray(nib.load(out).dataobj).transpose(2, 1, 0)[1] if done.returncode == 0 else None), done.stderr


def is_right(name, scratch, cells, expected, words=(), **how):
    values, said = converted(name, series(os.path.join(scratch, name), cells, **how), scratch)
    if values is None:
        return
    off = np.abs(values - expected)
    require(off.max() < 0.51, name, "differs at", np.argwhere(off > 0.5)[:3].tolist(), values[off > 0.5][:3])
    for word in words:
        require(word in said, name, word, "not in", said)
    require(bool(words) or "PixelPaddingValue" not in said, name, "says", said)


def padding(scratch):
    hu = body()
    ground = hu + 1024
    there, seen = corners(), lambda v: np.where(corners(), -1000, v)
    # beyond the bits stored: only cells that hold all 16 of them are padding
    cells = ground.copy()
    cells[IN] = 63536 & 0xFFF
    expected = hu.copy()
    expected[IN] = (63536 & 0xFFF) - 1024
    is_right("beyond 12 bits", scratch, cells, expected, padding=63536, bits=12, intercept=-1024)
    cells[there] = 63536
    is_right("beyond 12 bits, in whole cells", scratch, cells, seen(expected), padding=63536, bits=12, intercept=-1024)
    is_right("signed value of unsigned bits", scratch, ground, hu, padding=-2000, vr="SS", bits=12, intercept=-1024)
    signed = hu.copy()
    signed[there] = -2000
    is_right("negative, written unsigned", scratch, signed & 0xFFFF, seen(hu), padding=63536, signed=True)
    is_right("negative, of 12 bits", scratch, np.where(there, -2000, hu) & 0xFFFF, seen(hu), padding=-2000, vr="SS", bits=12,
             signed=True)
    # what tissue may hold
    zero = np.where(hu == 0, 1, hu)
    zero[IN] = zero[12, 15] = zero[3, 20] = 0
    is_right("zero in tissue", scratch, zero & 0xFFFF, zero, padding=0, vr="SS", signed=True)
    zero[there] = 0
    is_right("zero in tissue and corners", scratch, zero & 0xFFFF, seen(zero), words=("PixelPaddingValue stands for",), padding=0,
             vr="SS", signed=True)
    is_right("the body's own value", scratch, ground, hu, padding=1024 + 41, intercept=-1024)
    is_right("a range into tissue", scratch, ground, hu, padding=1024 + 30, limit=1024 + 60, intercept=-1024)
    wide = np.where(there, 10, ground)
    is_right("a range from air into tissue", scratch, wide, seen(hu), padding=0, limit=1080, intercept=-1024)
    is_right("zero that is air", scratch, np.where(there, 0, ground), seen(hu), padding=0, intercept=-1024)
    is_right("zero of a scaled CT", scratch, np.where(there, 0, (hu + 1024) // 2), seen((hu + 1024) // 2 * 2 - 1024), padding=0,
             intercept=-1024, slope=2)
    inside = body(background=30)
    inside[0, :3] = inside[5, 0] = 33
    is_right("a piece of the body", scratch, inside + 1024, inside, padding=1024 + 33, intercept=-1024)


def other_modalities(scratch):
    cells = np.arange(LARGE * LARGE).reshape(LARGE, LARGE)
    folder = series(os.path.join(scratch, "mr"), cells, padding=5, modality="MR")
    values, _ = converted("padding of MR is left", folder, scratch)
    require(values is not None and (values == cells).all(), "padding of MR")
    folder = series(os.path.join(scratch, "mr12"), cells, padding=4096 + 7, bits=12, modality="MR")
    values, _ = converted("padding beyond the bits of MR", folder, scratch)
    require(values is not None and (values == cells & 0xFFF).all(), "padding of MR beyond the bits")


def rescale(scratch):
    hu = body()
    honest, cases = (hu & 0xFFFF, dict(signed=True)), {
        "neither": (dict(RescaleSlope=None, RescaleIntercept=None), "neither RescaleSlope nor RescaleIntercept"),
        "unspecified": (dict(RescaleType="US"), "RescaleType of 3 of 3 slices is US"),
        "optical density": (dict(RescaleType="OD"), "RescaleType of 3 of 3 slices is OD")}
    for name, (attributes, words) in cases.items():
        _, said = converted(name, series(os.path.join(scratch, name), honest[0], **honest[1], **attributes), scratch)
        require(words in said, name, said)
    for name, attributes in {"HU": dict(RescaleType="HU"), "no type": {}, "slope alone": dict(RescaleIntercept=None)}.items():
        _, said = converted(name, series(os.path.join(scratch, name), honest[0], **honest[1], **attributes), scratch)
        require("escale" not in said and "HU" not in said, name, said)
    # as stored, without the intercept that the values need
    _, said = converted("raw", series(os.path.join(scratch, "raw"), hu + 1024), scratch)
    require("near 1024" in said, "raw values", said)
    folder = series(os.path.join(scratch, "mr"), hu + 1024, RescaleSlope=None, RescaleIntercept=None, modality="MR")
    require("escale" not in converted("MR has no HU", folder, scratch)[1], "MR")


def main():
    with tempfile.TemporaryDirectory() as scratch:
        for case in (padding, other_modalities, rescale):
            os.makedirs(os.path.join(scratch, case.__name__))
            case(os.path.join(scratch, case.__name__))
    finish()


if __name__ == "__main__":
    main()
