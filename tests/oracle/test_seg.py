"""Segmentations: those of dcmqi, highdicom and pydicom against a reader on pydicom alone, the counts
and the NRRD files that come with them; those of Reprise against that reader and dciodvfy."""
import gzip
import os
import shutil
import subprocess
import sys
import tempfile
import warnings
import zlib

try:
    import nibabel as nib
    import numpy as np
    import pydicom
    from pydicom.encaps import encapsulate
    from scipy import ndimage
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

import checks
from checks import REPRISE, convert, program, require
from seg_reader import CannotDecode, differing, segments_of, voxels_of

warnings.simplefilter("ignore")  # pydicom, of the malformed files beside
DATA = os.environ.get("REPRISE_TEST_DATA", "")
SEG = "1.2.840.10008.5.1.4.1.1.66.4"
LABEL_MAP = "1.2.840.10008.5.1.4.1.1.66.7"
LIVER = (36233, 35645, 35220)
STAND_IN = b"1.2.840.10008.1.2.4.50"  # as long as the one that takes its place
PLACELESS = "no position in the patient"


def refused(words, *arguments, code=1):
    done = program("convert", *arguments)
    require(done.returncode == code and words in done.stderr, arguments, done.returncode, done.stderr)


# ---- others' ----------------------------------------------------------------------------------


def segmentations(folder):
    for where, _, names in sorted(os.walk(folder)):
        for name in sorted(names):
            path = os.path.join(where, name)
            try:
                found = pydicom.dcmread(path, stop_before_pixels=True)
            except Exception:
                continue
            if found.get("SOPClassUID") in (SEG, LABEL_MAP):
                yield path, found


def read_one(path, found, out):
    """Each segment as Reprise reads it against pydicom; places for each segment."""
    try:
        theirs = segments_of(path)
    except CannotDecode:
        theirs = None  # JPEG 2000: compared with the same frames in another syntax
    places = {}
    for segment in found.SegmentSequence:
        number, code = int(segment.SegmentNumber), segment.SegmentedPropertyTypeCodeSequence[0]
        if found.SegmentationType == "LABELMAP" and code.CodeMeaning == "Background":
            refused("no segment", f"{path}:{number}", out)
            continue
        convert(f"{path}:{number}", out)
        places[number] = voxels_of(out)
        if theirs is not None:
            require(differing(places[number], theirs[number]) == 0, path, "segment", number)
    return places


def corpus(folder):
    out = os.path.join(folder, "out.nii")
    counts, refusals, everything = {}, 0, {}
    for path, found in segmentations(DATA):
        name = os.path.relpath(path, DATA)
        groups = found.get("PerFrameFunctionalGroupsSequence", [])
        if "_sm_" in name or "_cr_" in name:
            refused(PLACELESS, path, out)
            refusals += 1
        elif len(groups) != int(found.get("NumberOfFrames", 1)):
            refused(f"places of {len(groups)} frames are described", path, out)
            refusals += 1
        else:
            everything[name] = read_one(path, found, out)
            for number, places in everything[name].items():
                counts[name, number] = len(places)
    require(len(everything) >= 20 and refusals >= 8, "of", len(everything), refusals)
    liver = [name for name in everything if os.path.basename(name).startswith("liver")]
    require(len(liver) == 10, liver)
    for name in liver:
        height = np.round(everything[name][1][:, 2], 2)
        on_slices = [int((height == z).sum()) for z in sorted(set(height))]
        require(sorted(on_slices) == sorted(LIVER), name, on_slices)
        plain = name.replace("_j2k", "").replace("_rle", "").replace("_deflate", "").replace(
            "_expb", "")
        require(differing(everything[name][1], everything[plain][1]) == 0, name, "unlike", plain)
    print(f"{len(everything)} segmentations with {len(counts)} segments read, {refusals} refused")
    return everything


def nrrd_places(path):
    """Places of each value's voxels in an NRRD label map, LPS mm."""
    with open(path, "rb") as file:
        head, body = file.read().split(b"\n\n", 1)
    fields = dict(line.split(":", 1) for line in head.decode().split("\n") if ": " in line)
    fields = {key: value.strip() for key, value in fields.items()}
    require(fields["space"] == "left-posterior-superior", path)
    body = gzip.decompress(body) if fields["encoding"] in ("gzip", "gz") else body
    kinds = {"short": "<i2", "unsigned short": "<u2", "unsigned char": "u1", "uchar": "u1",
             "int": "<i4", "uint8": "u1"}
    size = [int(n) for n in fields["sizes"].split()]
    values = np.frombuffer(body, kinds[fields["type"]])[:int(np.prod(size))].reshape(size, order="F")
    vector = [np.array(v.strip("() ").split(","), float)
              for v in fields["space directions"].replace(") (", ")|(").split("|")]
    origin = np.array(fields["space origin"].strip("()").split(","), float)
    return {int(v): np.argwhere(values == v) @ np.array(vector) + origin
            for v in np.unique(values) if v}


def against_nrrd(everything):
    where = "seg_sr/dcmqi_data/segmentations/"
    for name, nrrd in (("liver.dcm", "liver_seg.nrrd"),
                       ("24x38x3/seg/label.seg", "24x38x3/nrrd/label.nrrd"),
                       ("23x38x3/seg/label.seg", "23x38x3/nrrd/label.nrrd"),
                       ("sparse-labelmap-noppv.dcm", "sparse_labelmap_noppv_seg.nrrd"),
                       ("sparse-labelmap-ppv5.dcm", "sparse_labelmap_ppv5_seg.nrrd")):
        theirs = nrrd_places(os.path.join(DATA, where, nrrd))
        theirs.pop(5 if "ppv5" in name else None, None)  # the value of its background
        require(len(theirs) == 1, nrrd, list(theirs))
        require(differing(everything[where + name][1], next(iter(theirs.values()))) == 0, name)
    theirs = {}
    for part in "123":
        theirs.update(nrrd_places(os.path.join(DATA, where, f"partial_overlaps-{part}.nrrd")))
    mine = everything[where + "partial_overlaps.dcm"]
    require(sorted(len(p) for p in theirs.values()) == sorted(len(p) for p in mine.values()),
            "partial_overlaps", {n: len(p) for n, p in mine.items()})
    for number, places in mine.items():
        require(any(differing(places, other) == 0 for other in theirs.values()), "overlap", number)
    print("equal to the NRRD files that come with them")


def on_their_ct(everything, folder):
    """On the grid of the CT that was segmented: the same places, also of frames on few slices."""
    out = os.path.join(folder, "on_ct.nii")
    where = os.path.join(DATA, "seg_sr/dcmqi_data/segmentations")
    ct = os.path.join(where, "ct-3slice")
    for name in ("liver.dcm", "partial_overlaps.dcm"):
        path = os.path.join(where, name)
        for number, places in everything[os.path.relpath(path, DATA)].items():
            convert(f"{path}:{number}", out, "--reference", ct)
            require(differing(voxels_of(out), places) == 0, name, number, "on its CT")
            require(nib.load(out).shape == (512, 512, 3), name)
    aside = os.path.join(DATA, "seg_sr/pydicom_data/data/liver.dcm")
    convert(aside, out, "--reference", ct)
    sts = os.path.join(DATA, "sts/STS_001/CT/dicom/image")
    refused("another patient", aside, out, "--reference", sts, code=3)
    print("on the grid of their CT: the same places")


# ---- of our own making, by pydicom -------------------------------------------------------------


def rewritten(source, target, change):
    ds = pydicom.dcmread(source)
    change(ds)
    ds.save_as(target)
    if change is deflate_frames:  # of a syntax that this pydicom would not write
        with open(target, "rb") as file:
            data = file.read()
        with open(target, "wb") as file:
            file.write(data.replace(STAND_IN, b"1.2.840.10008.1.2.8.1\0", 1))
    return target


def frames_of(ds):
    bits = np.unpackbits(np.frombuffer(ds.PixelData, np.uint8), bitorder="little")
    pixels = ds.Rows * ds.Columns
    return bits[:int(ds.NumberOfFrames) * pixels].reshape(-1, pixels)


def set_frames(ds, frames):
    raw = np.packbits(np.ravel(frames), bitorder="little").tobytes()
    ds.PixelData = raw + bytes(len(raw) % 2)
    ds.NumberOfFrames = len(frames)


def shuffle(ds):
    order = np.random.default_rng(3).permutation(int(ds.NumberOfFrames))
    frames = frames_of(ds)[order]
    ds.PerFrameFunctionalGroupsSequence = [ds.PerFrameFunctionalGroupsSequence[i] for i in order]
    set_frames(ds, frames)


def per_frame_geometry(ds):
    """What is shared moves into each frame."""
    shared = ds.SharedFunctionalGroupsSequence[0]
    for own in ds.PerFrameFunctionalGroupsSequence:
        own.PlaneOrientationSequence = shared.PlaneOrientationSequence
        own.PixelMeasuresSequence = shared.PixelMeasuresSequence
    del shared.PlaneOrientationSequence, shared.PixelMeasuresSequence


def fractional(ds):
    """Values by the distance from the border, so that each threshold gives another region."""
    masks = frames_of(ds).reshape(-1, ds.Rows, ds.Columns)
    deep = np.stack([ndimage.distance_transform_edt(m) for m in masks])
    ds.SegmentationType, ds.SegmentationFractionalType = "FRACTIONAL", "PROBABILITY"
    ds.MaximumFractionalValue = 200
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 8, 8, 7
    raw = np.clip(deep * 80, 0, 200).astype(np.uint8).tobytes()
    ds.PixelData = raw + bytes(len(raw) % 2)


def deflate_frames(ds):
    made = []
    for frame in frames_of(ds):
        packer = zlib.compressobj(wbits=-15)
        made.append(packer.compress(np.packbits(frame, bitorder="little").tobytes()) + packer.flush())
    ds.file_meta.TransferSyntaxUID = STAND_IN.decode()
    ds.PixelData = encapsulate(made)
    ds["PixelData"].is_undefined_length = True


def deflate_all(ds):
    ds.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1.99"


def big_endian(ds):
    ds.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.2"
    ds.is_little_endian, ds.is_implicit_VR = False, False


def implicit(ds):
    ds.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2"
    ds.is_implicit_VR = True


def variants(source, expected, folder):
    out, changed = os.path.join(folder, "v.nii"), os.path.join(folder, "v.dcm")
    for change in (shuffle, per_frame_geometry, deflate_frames, deflate_all, big_endian, implicit):
        convert(rewritten(source, changed, change), out)
        require(differing(voxels_of(out), expected) == 0, change.__name__)
    rewritten(source, changed, fractional)
    sizes = []
    for fraction in (None, 0.2, 0.75, 1):
        convert(changed, out, *(["--fraction", fraction] if fraction else []))
        places = voxels_of(out)
        require(differing(places, segments_of(changed, fraction or 0.5)[1]) == 0, fraction)
        sizes.append(len(places))
    require(sizes[1] > sizes[0] > sizes[2] > sizes[3] > 0, sizes)


def faults(source, ct, folder):
    out, changed = os.path.join(folder, "f.nii"), os.path.join(folder, "f.dcm")

    def damage(words, change, *more, code=1):
        refused(words, rewritten(source, changed, change), out, *more, code=code)

    damage("truncated pixel data", lambda ds: setattr(ds, "PixelData", ds.PixelData[:-40]))
    damage("places of", lambda ds: setattr(ds, "NumberOfFrames", 2))
    damage("segment 7 is not described", lambda ds: setattr(
        ds.SharedFunctionalGroupsSequence[0].SegmentIdentificationSequence[0],
        "ReferencedSegmentNumber", 7))
    damage("SegmentationType", lambda ds: setattr(ds, "SegmentationType", "MAYBE"))
    damage("without any segment", lambda ds: setattr(ds, "SegmentSequence", []))
    damage("PixelSpacing is missing", lambda ds: delattr(
        ds.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0], "PixelSpacing"))
    damage("another frame of reference", lambda ds: setattr(ds, "FrameOfReferenceUID", "1.2.3"),
           "--reference", ct, code=3)
    damage("another patient", lambda ds: setattr(ds, "PatientID", "Q"), "--reference", ct, code=3)

    def elsewhere(ds):
        for own in ds.PerFrameFunctionalGroupsSequence:
            own.PlanePositionSequence[0].ImagePositionPatient[0] += 4000
    damage("lies outside the image", elsewhere, "--reference", ct, code=3)

    def uneven(ds):
        for k, own in enumerate(ds.PerFrameFunctionalGroupsSequence):
            own.PlanePositionSequence[0].ImagePositionPatient[2] += 0.37 * k * k
    damage("uneven distances", uneven)

    def halfway(ds):
        for own in ds.PerFrameFunctionalGroupsSequence:
            own.PlanePositionSequence[0].ImagePositionPatient[0] += 0.4
    rewritten(source, changed, halfway)  # on another grid: resampled
    convert(changed, out, "--reference", ct)
    one, other = len(voxels_of(out)), len(segments_of(source)[1])
    require(abs(one - other) < 0.1 * other, "resampled", one, other)


# ---- Reprise's ----------------------------------------------------------------------------------


def verified(path):
    done = subprocess.run(["dciodvfy", "-new", path], capture_output=True, text=True, check=False)
    errors = [line for line in (done.stdout + done.stderr).split("\n") if line.startswith("Error")]
    require(not errors, path, *errors[:5])


def code_of(item):
    return item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning


def is_red(lab):
    """CIELab by PS3.3's scaling: light, and far towards red and yellow."""
    light, a, b = lab[0] / 655.35, lab[1] / 257 - 128, lab[2] / 257 - 128
    return 50 < light < 65 and 60 < a < 80 and 35 < b < 60


def inspect(path, slices, occupied):
    ds = pydicom.dcmread(path)
    first = slices[0]
    for name in ("PatientID", "PatientName", "StudyInstanceUID", "FrameOfReferenceUID"):
        require(getattr(ds, name) == getattr(first, name), path, name)
    require(ds.SOPClassUID == SEG and ds.Modality == "SEG", path)
    require(ds.SeriesInstanceUID != first.SeriesInstanceUID, path)
    listed = ds.ReferencedSeriesSequence[0]
    require(listed.SeriesInstanceUID == first.SeriesInstanceUID, path)
    uids = [s.SOPInstanceUID for s in slices if s.SOPInstanceUID in occupied]
    require([i.ReferencedSOPInstanceUID for i in listed.ReferencedInstanceSequence] == uids, path)
    require(int(ds.NumberOfFrames) == len(uids) == len(ds.PerFrameFunctionalGroupsSequence), path)
    by_uid = {s.SOPInstanceUID: s for s in slices}
    for k, own in enumerate(ds.PerFrameFunctionalGroupsSequence):
        source = own.DerivationImageSequence[0].SourceImageSequence[0]
        at = by_uid[source.ReferencedSOPInstanceUID].ImagePositionPatient
        where = own.PlanePositionSequence[0].ImagePositionPatient
        require(np.allclose(np.array(where, float), np.array(at, float), atol=1e-6), path, k)
        require(list(own.FrameContentSequence[0].DimensionIndexValues) == [1, k + 1], path, k)
        require(source.ReferencedSOPClassUID == first.SOPClassUID, path)
    segment = ds.SegmentSequence[0]
    require(segment.SegmentLabel == "Läsion" and segment.SegmentNumber == 1, path)
    require(code_of(segment.SegmentedPropertyCategoryCodeSequence[0])
            == ("49755003", "SCT", "Morphologically Abnormal Structure"), path)
    require(code_of(segment.SegmentedPropertyTypeCodeSequence[0]) == ("52988006", "SCT", "Lesion"),
            path)
    require(code_of(segment.AnatomicRegionSequence[0]) == ("10200004", "SCT", "Liver"), path)
    require(is_red(segment.RecommendedDisplayCIELabValue), path)


def slices_of(folder):
    """In the order of their positions along the normal."""
    found = [pydicom.dcmread(os.path.join(folder, name)) for name in os.listdir(folder)]
    axes = np.array(found[0].ImageOrientationPatient, float)
    normal = np.cross(axes[:3], axes[3:])
    return sorted(found, key=lambda s: np.array(s.ImagePositionPatient, float) @ normal)


def there_and_back(folder, name, ct, mask_path):
    """Written, verified, read by pydicom and by Reprise: the same places."""
    expected = voxels_of(mask_path)
    path, again, back = (os.path.join(folder, f"{name}{end}") for end in
                         ("_seg.dcm", "_again.dcm", "_back.nii"))
    convert(mask_path, path, "--reference", ct, "--roi-name", "Läsion", "--region", "Liver")
    verified(path)
    require(differing(segments_of(path)[1], expected) == 0, name, "by pydicom")
    convert(path, back, "--reference", ct)
    require(differing(voxels_of(back), expected) == 0, name, "back")
    slices = slices_of(ct)
    occupied = set()
    axes = np.array(slices[0].ImageOrientationPatient, float)
    normal = np.cross(axes[:3], axes[3:])
    for s in slices:
        height = np.array(s.ImagePositionPatient, float) @ normal
        if (np.abs(expected @ normal - height) < 0.02).any():
            occupied.add(s.SOPInstanceUID)
    inspect(path, slices, occupied)
    convert(mask_path, again, "--as", "seg", "--reference", ct, "--roi-name", "Läsion", "--region",
            "liver")
    with open(path, "rb") as one, open(again, "rb") as two:
        require(one.read() == two.read(), name, "equal input gave unequal files")
    convert(mask_path, again, "--as", "seg", "--reference", ct, "--roi-name", "Other")
    require(pydicom.dcmread(again).SOPInstanceUID != pydicom.dcmread(path).SOPInstanceUID, name)
    return path


def made(folder):
    """Blobs on a series of ours whose frames are no whole bytes."""
    size, ct = (37, 29, 17), os.path.join(folder, "ct")
    affine = np.array([[-0.7, 0, 0, 40.0], [0, -0.9, 0, -12.5], [0, 0, 2.5, 901.25], [0, 0, 0, 1]])
    image, mask_path = os.path.join(folder, "ct.nii"), os.path.join(folder, "mask.nii")
    mask = ndimage.gaussian_filter(np.random.default_rng(5).normal(size=size), 1.5) > 0.08
    mask[:, :, [0, 1, 8, 16]] = False
    nib.save(nib.Nifti1Image(np.zeros(size, np.int16), affine), image)
    nib.save(nib.Nifti1Image(mask.astype(np.uint8), affine), mask_path)
    convert(image, ct)
    for name in os.listdir(ct):
        one = os.path.join(ct, name)
        rewritten(one, one, lambda ds: setattr(ds, "PatientID", "P"))
    path = there_and_back(folder, "made", ct, mask_path)
    variants(path, voxels_of(mask_path), folder)
    faults(path, ct, folder)
    mask[:, :, 8] = mask[:, :, 7]  # contours of an RTSTRUCT would bridge the gap
    nib.save(nib.Nifti1Image(mask.astype(np.uint8), affine), mask_path)
    rt, seg = os.path.join(folder, "rt.dcm"), os.path.join(folder, "from_rt_seg.dcm")
    convert(mask_path, path, "--reference", ct)
    convert(path, rt, "--reference", ct, "--as", "rtstruct")
    convert(rt, seg, "--reference", ct)
    require(differing(segments_of(seg)[1], voxels_of(mask_path)) == 0, "SEG to RTSTRUCT to SEG")
    empty = os.path.join(folder, "empty.nii")
    nib.save(nib.Nifti1Image(np.zeros(size, np.uint8), affine), empty)
    refused("empty", empty, os.path.join(folder, "no_seg.dcm"), "--reference", ct, code=3)
    require(not os.path.exists(os.path.join(folder, "no_seg.dcm")), "a SEG of nothing")
    refused("--reference", mask_path, os.path.join(folder, "no_seg.dcm"), code=2)
    refused("needs a DICOM series", mask_path, os.path.join(folder, "no_seg.dcm"), "--reference",
            image)


def main():
    if not os.access(REPRISE, os.X_OK):
        print("skipped: REPRISE does not name the program")
        sys.exit(77)
    if not shutil.which("dciodvfy"):
        print("skipped: dciodvfy (dicom3tools) is not installed")
        sys.exit(77)
    with tempfile.TemporaryDirectory() as folder:
        made(folder)
        if os.path.isdir(DATA):
            everything = corpus(folder)
            against_nrrd(everything)
            on_their_ct(everything, folder)
            for name in ("STS_001", "STS_002"):
                where = os.path.join(DATA, "sts", name, "CT")
                there_and_back(folder, name, os.path.join(where, "dicom", "image"),
                               os.path.join(where, "nifti", "mask", "mask.nii.gz"))
        else:
            print("REPRISE_TEST_DATA is absent: only segmentations of our own were checked")
    print(f"{checks.compared} comparisons")


main()
