"""Structured reports on CTs that are no plain stack of images: Enhanced multi-frame with its frames in no order, a
tilted gantry, and a gap that was filled. Read with pydicom: every line ends where result.json says that it was
measured, outlines enclose the voxels of the contour, evidence and library name each object that was acquired, and the next
assessment takes its nadir from them."""
import json
import os
import pathlib
import sys
import tempfile

try:
    import nibabel
    import numpy
    import pydicom
    from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
    from pydicom.sequence import Sequence
    from pydicom.uid import CTImageStorage, EnhancedCTImageStorage, ExplicitVRLittleEndian

    import sr_tree as tree
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

from checks import program, require

SLICES, ROWS, COLUMNS = 12, 40, 44
STEP, DOWN, ACROSS = 3.0, 2.0, 1.5
CORNER = numpy.array([-30.0, -35.0, 100.0])
MIDDLE = CORNER + numpy.array([31.0, 38.0, 16.0])
COMPREHENSIVE_3D = "1.2.840.10008.5.1.4.1.1.88.34"
REGION, SURFACE = ("111030", "DCM"), ("121231", "DCM")
CONFIG = """
network: {first_filters: 8, growth: 4, down_layers: [1, 1], bottleneck_layers: 1, dropout: 0.1}
preprocessing: {spacing_mm: [1.5, 2.0, 3.0]}
adapt: {epochs: 25, copies: 2, crop: [24, 24, 8], learning_rate: 0.01, checkpoint_seconds: 0, seed: 5}
guard: {trials: 0}
"""


# ---- material -------------------------------------------------------------------------------------


def within(places, radius):
    away = (places - MIDDLE) / [1.3, 1.0, 1.0]
    return (away**2).sum(-1) < radius**2


def slice_places(k, lean):
    """LPS mm of the pixels of a slice that is shifted by lean mm along y for each mm along z."""
    y, x = numpy.mgrid[:ROWS, :COLUMNS].astype(float)
    z = numpy.full_like(x, STEP * k)
    return CORNER + numpy.stack([x * ACROSS, y * DOWN + lean * z, z], -1)


def pixels_of(k, lean, radius):
    noise = numpy.random.default_rng(k).normal(0, 8, (ROWS, COLUMNS))
    hu = numpy.where(within(slice_places(k, lean), radius), 120.0, 20.0) + noise
    return numpy.rint(hu).astype("<i2").tobytes()


def blank(sop_class, uid, visit):
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = sop_class, uid
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    d = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
    d.is_little_endian, d.is_implicit_VR = True, False
    d.SOPClassUID, d.SOPInstanceUID = sop_class, uid
    d.PatientName, d.PatientID, d.StudyInstanceUID = "Synthetic^Patient", "ID-1", f"2.25.1{visit}"
    d.SeriesInstanceUID, d.FrameOfReferenceUID = f"2.25.2{visit}", f"2.25.3{visit}"
    d.Modality, d.SeriesDescription = "CT", "Synthetic patient of a test"
    d.StudyDate = d.AcquisitionDate = f"2024010{visit}"
    d.StudyTime, d.AccessionNumber, d.ReferringPhysicianName, d.StudyID = "120000", "", "", "1"
    d.PatientBirthDate, d.PatientSex = "", "O"
    d.Rows, d.Columns, d.SamplesPerPixel, d.PhotometricInterpretation = ROWS, COLUMNS, 1, "MONOCHROME2"
    d.BitsAllocated, d.BitsStored, d.HighBit, d.PixelRepresentation = 16, 16, 15, 1
    return d


def item(**attributes):
    d = Dataset()
    for key, value in attributes.items():
        setattr(d, key, value)
    return Sequence([d])


def place(k, lean):
    return [f"{v:.6f}" for v in CORNER + [0, lean * STEP * k, STEP * k]]


def stack(folder, visit, radius, lean=0.0, without=()):
    folder.mkdir()
    for k in set(range(SLICES)) - set(without):
        d = blank(CTImageStorage, f"2.25.4{visit}{k:02}", visit)
        d.ImagePositionPatient, d.ImageOrientationPatient = place(k, lean), [1, 0, 0, 0, 1, 0]
        d.PixelSpacing, d.SliceThickness = [DOWN, ACROSS], STEP
        d.RescaleSlope, d.RescaleIntercept = 1, 0
        d.PixelData = pixels_of(k, lean, radius)
        d.save_as(folder / f"{k}.dcm", write_like_original=False)
    return folder


def frames(folder, visit, radius):
    """One object; its frames lie in no order."""
    folder.mkdir()
    d = blank(EnhancedCTImageStorage, f"2.25.4{visit}", visit)
    order = [(5 * n) % SLICES for n in range(SLICES)]
    d.ImageType, d.NumberOfFrames = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"], SLICES
    shared, each = Dataset(), []
    shared.PlaneOrientationSequence = item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])
    shared.PixelMeasuresSequence = item(PixelSpacing=[DOWN, ACROSS], SliceThickness=STEP)
    shared.PixelValueTransformationSequence = item(RescaleSlope="1", RescaleIntercept="0", RescaleType="HU")
    shared.CTImageFrameTypeSequence = item(FrameType=["ORIGINAL", "PRIMARY", "VOLUME", "NONE"])
    for k in order:
        frame = Dataset()
        frame.PlanePositionSequence = item(ImagePositionPatient=place(k, 0))
        each.append(frame)
    d.SharedFunctionalGroupsSequence, d.PerFrameFunctionalGroupsSequence = Sequence([shared]), Sequence(each)
    d.PixelData = b"".join(pixels_of(k, 0, radius) for k in order)
    d["PixelData"].VR = "OW"
    d.save_as(folder / "all.dcm", write_like_original=False)
    return folder


def contour_on(series, out, radius, options):
    """The lesion on the grid [x][y][z] that the series is brought to, and the grid's matrix from index to RAS."""
    volume = out.with_suffix(".image.nii")
    require(program("convert", series, volume, *options).returncode == 0, series, "is converted")
    image = nibabel.load(volume)
    index = numpy.stack(numpy.meshgrid(*map(numpy.arange, image.shape), indexing="ij"), -1)
    places = (index @ image.affine[:3, :3].T + image.affine[:3, 3]) * [-1, -1, 1]
    inside = within(places, radius)
    nibabel.save(nibabel.Nifti1Image(inside.astype(numpy.uint8), image.affine), out)
    return inside, image.affine


# ---- checks ---------------------------------------------------------------------------------------


def frame_as_image(d, number):
    """Position, orientation and spacing of a frame, as if it were an image."""
    shared, own = d.SharedFunctionalGroupsSequence[0], d.PerFrameFunctionalGroupsSequence[number - 1]
    out = Dataset()
    out.ImagePositionPatient = own.PlanePositionSequence[0].ImagePositionPatient
    out.ImageOrientationPatient = shared.PlaneOrientationSequence[0].ImageOrientationPatient
    out.PixelSpacing = shared.PixelMeasuresSequence[0].PixelSpacing
    return out


def ends_of(region, images, frame_of_reference):
    """LPS mm of a region's points."""
    if region.ValueType == "SCOORD3D":
        require(region.ReferencedFrameOfReferenceUID == frame_of_reference, "frame of reference")
        require(not tree.children(region), "nothing is selected in space")
        return tree.points(region, 3)
    reference = tree.children(region, "SELECTED FROM", "IMAGE")[0].ReferencedSOPSequence[0]
    image = images[reference.ReferencedSOPInstanceUID]
    require(reference.ReferencedSOPClassUID == image.SOPClassUID, "class of the image")
    require(("NumberOfFrames" in image) == ("ReferencedFrameNumber" in reference), "a frame is named where there are some")
    if "NumberOfFrames" in image:
        image = frame_as_image(image, int(reference.ReferencedFrameNumber))
    return tree.to_world(image, tree.points(region))


def check_axes(name, group, visit, images, kind):
    for concept, key, ends_key in ((tree.LONG, "longest_diameter_mm", "endpoints_lps"),
                                   (tree.SHORT, "short_axis_mm", "short_axis_endpoints_lps")):
        number = tree.number(group, concept)
        value = float(number.MeasuredValueSequence[0].NumericValue)
        line, = tree.children(number, "INFERRED FROM")
        ends = ends_of(line, images, next(iter(images.values())).FrameOfReferenceUID)
        require(line.GraphicType == "POLYLINE" and line.ValueType == kind, name, key, line.ValueType)
        require(abs(value - visit[key]) < 1e-9 * value, name, key, value)
        require(abs(ends - numpy.array(visit[ends_key])).max() < 1e-3, name, ends, visit[ends_key])


def check_outlines(name, group, images, lesion, kind):
    """Filled on each plane of the grid, they are the voxels of the contour."""
    inside, affine = lesion
    planes = {}
    for region in tree.children(group, "CONTAINS"):
        if region.ValueType not in ("SCOORD", "SCOORD3D"):
            continue
        require(region.ValueType == kind and tree.name(region) == (SURFACE if kind == "SCOORD3D" else REGION), name)
        require(region.GraphicType == ("POLYGON" if kind == "SCOORD3D" else "POLYLINE"), name, region.GraphicType)
        ras = ends_of(region, images, next(iter(images.values())).FrameOfReferenceUID) * [-1, -1, 1]
        at = (ras - affine[:3, 3]) @ numpy.linalg.inv(affine[:3, :3]).T
        plane = round(at[0, 2])
        require((at[0] == at[-1]).all() and abs(at[:, 2] - plane).max() < 1e-3, name, "is closed and in a plane")
        planes.setdefault(plane, []).append(at[:, :2] + 0.5)
    differing = sum((tree.filled(planes.get(k, []), inside.shape[1], inside.shape[0]).T != inside[:, :, k]).sum()
                    for k in range(inside.shape[2]))
    require(differing == 0, name, differing, "voxels differ")


def objects_of(folder):
    return {d.SOPInstanceUID: d for d in map(pydicom.dcmread, folder.iterdir())}


def assess(root, name, visits, contour, options, *more):
    done = program("assess", "--baseline", visits[0], "--contour", contour, "--followup", visits[1], "--config",
                   root / "tiny.yaml", "--out", root / name, "--quiet", *options, *more)
    require(done.returncode == 0, name, done.stderr)
    return json.loads((root / name / "result.json").read_text()), root / name / "measurements_sr.dcm"


def check_shape(root, name, make, on_images, options=()):
    visits = [make(root / f"{name}-{v}", v, radius) for v, radius in ((1, 13.0), (2, 8.0), (3, 11.0))]
    lesion = contour_on(visits[0], root / f"{name}.nii.gz", 13.0, options)
    result, path = assess(root, f"{name}-out", visits, root / f"{name}.nii.gz", options)
    require("no_sr" not in [f["key"] for f in result["flags"]], name, "is reported")
    document = tree.read(path)
    require(document.SOPClassUID == (tree.COMPREHENSIVE if all(on_images) else COMPREHENSIVE_3D), name, document.SOPClassUID)
    for tool, complaints, _ in tree.judged(path):
        require(not complaints, name, tool, complaints)
    groups, images = tree.groups(document), [objects_of(v) for v in visits[:2]]
    require(len(groups) == 2, name, "has both visits")
    for group, of, key in zip(groups, images, ("baseline", "followup")):
        check_axes(f"{name} {key}", group, result[key], of, "SCOORD" if on_images[0] else "SCOORD3D")
    check_outlines(name, groups[0], images[0], lesion, "SCOORD" if on_images[1] else "SCOORD3D")
    check_evidence(name, document, images)
    again, _ = assess(root, f"{name}-next", [visits[0], visits[2]], root / f"{name}.nii.gz", options, "--prior-sr", path)
    require(abs(again["prior"]["nadir_mm"] - result["followup"]["longest_diameter_mm"]) < 1e-9, name, again["prior"])
    require(again["prior"]["nadir_date"] == "2024-01-02", name, again["prior"])


def check_evidence(name, document, images):
    own = tree.evidence(document, "CurrentRequestedProcedureEvidenceSequence")["2.25.12"]
    other = tree.evidence(document, "PertinentOtherEvidenceSequence")["2.25.11"]
    require(own["2.25.22"] == set(images[1]), name, "evidence of the follow-up")
    require(other == {"2.25.21": set(images[0])}, name, "evidence of the baseline")
    shelves = [i for i in tree.walk(document) if i.ValueType == "CONTAINER" and tree.name(i)[0] == "126200"]
    listed = [[i.ReferencedSOPSequence[0] for i in tree.children(s, "CONTAINS", "IMAGE")] for s in shelves]
    for references, of in zip(listed, (images[1], images[0])):
        require(sorted(r.ReferencedSOPInstanceUID for r in references) == sorted(of), name, "library")
        require(not any("ReferencedFrameNumber" in r for r in references), name, "the library names whole objects")


def main():
    lean = numpy.tan(numpy.radians(12))
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        (root / "tiny.yaml").write_text(CONFIG)
        # shape: whether axes, and whether all of the lesion, lie on images
        check_shape(root, "multi-frame", frames, (True, True))
        check_shape(root, "tilted", lambda *a: stack(*a, lean=lean), (False, False))
        check_shape(root, "gap", lambda *a: stack(*a, without=(3,)), (True, False), ["--repair"])
    import checks
    print(f"{checks.compared} comparisons, 0 failed")


main()
