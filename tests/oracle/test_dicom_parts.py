"""Series that hold several acquisitions, phases or reconstructions, and honest ones that only look so, made with
pydicom: how many parts are listed, and that the part chosen holds the voxels of its own set, slice by slice."""
import csv
import json
import os
import random
import tempfile

from dicom_sets import CT, ENHANCED, MR, SLICES, STEP, dataset, finish, plane, require, run, write_set

import nibabel as nib
import numpy as np
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

def clock(start, step):
    def at(k):
        t = start + step * k
        return f"{int(t // 3600):02}{int(t // 60) % 60:02}{t % 60:06.3f}"

    return at


def listed(path):
    return json.loads(run("info", "--json", path).stdout)["series"]


def holds(name, out, number, order=range(SLICES)):
    """The image written is set `number`, its slices in this order."""
    values = np.asarray(nib.load(out).dataobj).transpose(2, 1, 0)
    expected = np.stack([plane(number, k) for k in order])
    require(values.shape == expected.shape and (values == expected).all(), name, "is not set", number)


def has_parts(name, folder, scratch, sets, *options, words=()):
    """As many parts as sets, in their order; none without choice, each by its number."""
    series, out = listed(folder), os.path.join(scratch, "out.nii")
    require([s.get("part") for s in series] == [n + 1 for n in range(len(sets))], name, series)
    done = run("convert", folder, out, *options)
    require(done.returncode == 1 and "--series UID#PART" in done.stderr, name, done.stderr)
    for word in words:
        require(word in done.stderr, name, word, "not in", done.stderr)
    for s, number in zip(series, sets):
        done = run("convert", folder, out, "--series", s["choose"], *options)
        require(done.returncode == 0 and "part %d was taken" % s["part"] in done.stderr, name, done.stderr)
        if done.returncode == 0:
            holds(name, out, number)
            os.remove(out)


def is_one(name, folder, scratch, number=0, order=range(SLICES), *options):
    series, out = listed(folder), os.path.join(scratch, "one.nii")
    require(len(series) == 1 and "part" not in series[0], name, series)
    done = run("convert", folder, out, *options)
    require(done.returncode == 0, name, done.stderr)
    if done.returncode == 0:
        holds(name, out, number, order)
        os.remove(out)


BETWEEN = [STEP * k + 1.5 for k in range(SLICES)]
ODD = [STEP * k + 0.7 for k in range(SLICES)]
TWO = {
    "AcquisitionNumber": (1, 2), "AcquisitionTime": ("100000", "102000"), "AcquisitionDateTime":
    ("20240110100000", "20240110100130.5"), "ContentTime": ("100000", "100500"), "ConvolutionKernel": ("B30f", "B70f"),
    "TemporalPositionIdentifier": (1, 2), "TriggerTime": (100, 600), "NominalPercentageOfCardiacPhase": (40, 75),
    "ImageType": (["DERIVED", "PRIMARY", "AXIAL"], ["ORIGINAL", "PRIMARY", "AXIAL"]), "KVP": (80, 140),
    "ContrastBolusAgent": ("", "agent"), "AcquisitionDate": ("20240110", "20240112"), "SeriesNumber": (3, 4),
    "SeriesDescription": ("arterial", "venous"), "StudyInstanceUID": ("2.25.1", "2.25.9"),
}


def two_sets(scratch):
    for mark, (one, other) in TWO.items():
        for way, heights in (("upon", None), ("between", BETWEEN)):
            folder = os.path.join(scratch, way + mark)
            more = {"AcquisitionTime": "100000"} if mark == "AcquisitionDate" else {}
            write_set(folder, 0, **{mark: one}, **more)
            write_set(folder, 1, heights, **{mark: other}, **more)
            has_parts(f"{mark} {way}", folder, scratch, [0, 1])
    for way, heights in (("upon", None), ("between", BETWEEN), ("uneven", ODD), ("beside", [STEP * k + 0.03 for k in range(SLICES)])):
        folder = os.path.join(scratch, "slices " + way)
        write_set(folder, 0, AcquisitionTime=clock(36000, 0.4))
        write_set(folder, 1, heights, AcquisitionTime=clock(36030, 0.4))
        has_parts("a time for each slice, " + way, folder, scratch, [0, 1], words=("AcquisitionTime", "10:00:30"))
        has_parts("and --repair, " + way, folder, scratch, [0, 1], "--repair")
    folder = os.path.join(scratch, "back")
    write_set(folder, 0, AcquisitionTime=clock(36000, 0.4))
    write_set(folder, 1, BETWEEN, AcquisitionTime=clock(36034.4, -0.4))
    has_parts("the second pass goes back", folder, scratch, [0, 1])


def more_sets(scratch):
    folder = os.path.join(scratch, "three")
    for n in range(3):
        write_set(folder, n, [STEP * k + n for k in range(SLICES)], TriggerTime=300 * n)
    has_parts("three phases", folder, scratch, [0, 1, 2])
    for way, shift in (("upon", 0), ("between", 1.5)):
        folder = os.path.join(scratch, "four " + way)
        for n in range(4):
            write_set(folder, n, [STEP * k + shift * (n // 2) for k in range(SLICES)], AcquisitionNumber=n // 2,
                      ConvolutionKernel="B30"[:2 + n % 2])
        found = {s["part_text"]: s["choose"] for s in listed(folder)}
        require(len(found) == 4, "two acquisitions of two kernels", way, found)
        for text, choose in found.items():
            n = 2 * ("AcquisitionNumber 1" in text) + ("Kernel B30" in text)
            done = run("convert", folder, os.path.join(scratch, "four.nii"), "--series", choose)
            require(done.returncode == 0, text, done.stderr)
            holds(text, os.path.join(scratch, "four.nii"), n)
    folder = os.path.join(scratch, "each image")
    for n in range(2):
        write_set(folder, n, AcquisitionNumber=lambda k, n=n: 2 * k + n, ConvolutionKernel="AB"[n])
    has_parts("two kernels, a number for each image", folder, scratch, [0, 1], words=("ConvolutionKernel A",))
    planes = (("coronal", [1, 0, 0, 0, 0, -1], lambda k: [-5, 2 * k, 9]), ("sagittal", [0, 1, 0, 0, 0, -1], lambda k: [-2 * k, -5, 9]),
              ("axial", [-1, 0, 0, 0, -1, 0], lambda k: [5, 4, STEP * k]))
    for what, cosines, at in planes:
        for name in (None, "b%02d"):  # read before or after the others
            folder = os.path.join(scratch, f"{what} too {name}")
            write_set(folder, 0, name="a%02d" if name else "c%02d")
            write_set(folder, 1, name=name, ImageOrientationPatient=cosines, ImagePositionPatient=at)
            series, out = listed(folder), os.path.join(scratch, "plane.nii")
            require([s.get("part") for s in series] == [1, 2] and f"({what})" in series[1]["part_text"], what, series)
            require(run("convert", folder, out, "--repair").returncode == 1, what, "not chosen")
            for number, s in enumerate(series):
                done = run("convert", folder, out, "--series", s["choose"])
                require(done.returncode == 0, what, done.stderr)
                holds(what, out, number)
    folder = os.path.join(scratch, "turning")
    write_set(folder, 0, ImageOrientationPatient=lambda k: [np.cos(k / 9), np.sin(k / 9), 0, 0, 0, -1])
    require(len(listed(folder)) == 1 and "orientation" in run("convert", folder, out).stderr, "slices that turn about an axis")
    folder = os.path.join(scratch, "pilot")
    for number, (_, cosines, at) in enumerate(planes):
        write_set(folder, number, [0], ImageOrientationPatient=cosines, ImagePositionPatient=at)
    require(len(listed(folder)) == 1 and "orientation" in run("convert", folder, out).stderr, "one slice of each plane")
    folder = os.path.join(scratch, "order")
    write_set(folder, 0)
    write_set(folder, 1, InstanceNumber=lambda k: SLICES + 1 + k)
    has_parts("nothing but the instances' order", folder, scratch, [0, 1])


def honest(scratch):
    shuffled = random.Random(7).sample(range(SLICES), SLICES)
    seconds = lambda k: f"{100000 + shuffled[k]}"
    cases = {
        "times that follow": dict(AcquisitionTime=clock(36000, 0.4), ContentTime=clock(36100, 0.2)),
        "acquisitions along the table": dict(AcquisitionNumber=lambda k: 1 + k // 3),
        "a slab scanned again": dict(AcquisitionNumber=lambda k: 2 if 3 < k < 8 else 1),
        "kernels of two regions": dict(ConvolutionKernel=lambda k: "B30f" if k < 5 else "B50f"),
        "one slice derived": dict(ImageType=lambda k: ["DERIVED" if k == 4 else "ORIGINAL", "PRIMARY"]),
        "some slices derived": dict(ImageType=lambda k: ["DERIVED" if shuffled[k] % 2 else "ORIGINAL", "PRIMARY"]),
        "reconstructed in any order": dict(ContentTime=seconds),
        "reconstructed every second slice first": dict(
            ContentTime=lambda k: f"{100000 + k // 2 + (SLICES // 2 if k % 2 else 0)}"),
        "instances in any order": dict(InstanceNumber=lambda k: shuffled[k]),
        "trigger times that jitter": dict(TriggerTime=lambda k: 300 + shuffled[k]),
        "thicker than apart": dict(SliceThickness=2 * STEP),
    }
    for name, marks in cases.items():
        is_one(name, write_set(os.path.join(scratch, name), 0, **marks), scratch)
    folder = os.path.join(scratch, "copies")
    write_set(folder, 0, ContentTime="100000")
    write_set(folder, 1, ContentTime="110000", pixels=0)
    is_one("copies made later", folder, scratch)
    folder = os.path.join(scratch, "packages")
    marks = dict(sop_class=MR, AcquisitionTime=lambda k: "100000" if k % 2 else "100500")
    is_one("MR of every second slice first", write_set(folder, 0, **marks), scratch)
    folder = os.path.join(scratch, "slabs")
    write_set(folder, 0, [STEP * k for k in range(6)], AcquisitionNumber=1, AcquisitionTime="100000")
    write_set(folder, 1, [STEP * k for k in range(6, 12)], AcquisitionNumber=2, AcquisitionTime="101000")
    require(len(listed(folder)) == 1 and run("convert", folder, os.path.join(scratch, "x.nii")).returncode == 0,
            "two slabs that follow one another")
    folder = write_set(os.path.join(scratch, "far"), 0, [-99.48, 103.02, 104.27, 105.52],
                       AcquisitionTime=lambda k: ("173321", "173522", "173525", "173525")[k])
    require([s["why_not"][:14] for s in listed(folder)] == ["missing slices"], "a slice far away", listed(folder))


def rounded(scratch):
    for step in (0.625, 0.75, 1.25, 2.15, 3.27):
        folder = os.path.join(scratch, f"step {step}")
        is_one(f"steps of {step} rounded to 0.1 mm", write_set(folder, 0, [round(step * k + 1e-9, 1) for k in range(SLICES)]),
               scratch)
        size = nib.load(write_nii(folder, scratch)).header.get_zooms()[2]
        require(abs(size - step) < 0.1 / (SLICES - 1) + 1e-6, step, "read as", size)
    chance = random.Random(3)
    folder = os.path.join(scratch, "jitter")
    is_one("jitter of the table", write_set(folder, 0, [STEP * k + chance.uniform(-.03, .03) for k in range(SLICES)]), scratch)
    folder = os.path.join(scratch, "in plane")
    write_set(folder, 0, ImagePositionPatient=lambda k: [chance.choice((0, 0.1)), chance.choice((0, 0.1)), STEP * k])
    is_one("rounding in the plane", folder, scratch)
    folder = write_set(os.path.join(scratch, "uneven"), 0, [STEP * k + 0.2 * (k == 5) for k in range(SLICES)])
    done = run("convert", folder, os.path.join(scratch, "x.nii"))
    require(done.returncode == 3 and "uneven slice spacing" in done.stderr, "0.2 mm off is told", done.stderr)
    folder = os.path.join(scratch, "unknown")
    write_set(folder, 0)
    write_set(folder, 1, [STEP * k + 0.03 for k in range(SLICES - 2)], InstanceNumber=lambda k: k + 1)
    done = run("convert", folder, os.path.join(scratch, "x.nii"), "--repair")
    require(done.returncode == 1 and "only 0.030 mm apart" in done.stderr, "two sets that nothing tells apart", done.stderr)


def write_nii(folder, scratch):
    out = os.path.join(scratch, "size.nii")
    run("convert", folder, out)
    return out


def item(**attributes):
    d = Dataset()
    for name, value in attributes.items():
        setattr(d, name, value)
    return Sequence([d])


def frames(scratch):
    """One Enhanced CT whose frames are of two phases, at the same places and between each other."""
    for way, shift in (("upon", 0), ("between", 1.5)):
        path = os.path.join(scratch, way + ".dcm")
        d = dataset(path, ENHANCED, "2.25.77")
        groups, pixels = [], b""
        for k in range(SLICES):
            for n in range(2):
                frame = Dataset()
                frame.PlanePositionSequence = item(ImagePositionPatient=["-5", "-4", f"{STEP * k + shift * n:.3f}"])
                frame.FrameContentSequence = item(TemporalPositionIndex=n + 1, StackID="1")
                groups.append(frame)
                pixels += plane(n, k).astype("<i2").tobytes()
        shared = Dataset()
        shared.PlaneOrientationSequence = item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])
        shared.PixelMeasuresSequence = item(PixelSpacing=[1, 1], SliceThickness=STEP)
        shared.PixelValueTransformationSequence = item(RescaleSlope=1, RescaleIntercept=0, RescaleType="HU")
        d.SharedFunctionalGroupsSequence, d.PerFrameFunctionalGroupsSequence = Sequence([shared]), Sequence(groups)
        d.NumberOfFrames, d.PixelData = len(groups), pixels
        d.save_as(path, write_like_original=False)
        has_parts("frames " + way, path, scratch, [0, 1], words=("TemporalPosition 2",))


def rtstruct(path, referenced):
    d = dataset(path, "1.2.840.10008.5.1.4.1.1.481.3", "2.25.88")
    for name in ("Rows", "Columns", "FrameOfReferenceUID"):
        delattr(d, name)
    d.Modality, d.StructureSetLabel, d.SeriesInstanceUID = "RTSTRUCT", "S", "2.25.89"
    series = item(SeriesInstanceUID="2.25.21", ContourImageSequence=Sequence([]))
    study = item(ReferencedSOPClassUID="1.2.840.10008.3.1.2.3.1", ReferencedSOPInstanceUID="2.25.1",
                 RTReferencedSeriesSequence=series)
    d.ReferencedFrameOfReferenceSequence = item(FrameOfReferenceUID="2.25.3", RTReferencedStudySequence=study)
    d.StructureSetROISequence = item(ROINumber=1, ReferencedFrameOfReferenceUID="2.25.3", ROIName="GTV")
    contours = []
    for k in (4, 5, 6):
        points = [-1, -1, STEP * k, 3, -1, STEP * k, 3, 2, STEP * k, -1, 2, STEP * k]
        image = item(ReferencedSOPClassUID=CT, ReferencedSOPInstanceUID=referenced % (k + 100)) if referenced else Sequence([])
        contours += item(ContourGeometricType="CLOSED_PLANAR", NumberOfContourPoints=4,
                         ContourData=[str(p) for p in points], ContourImageSequence=image)
    d.ROIContourSequence = item(ReferencedROINumber=1, ContourSequence=Sequence(contours))
    d.save_as(path, write_like_original=False)


def imported(scratch):
    """The contour's references say which part it was drawn on; without them the series is left out."""
    folder = os.path.join(scratch, "tree")
    for n in range(2):
        write_set(os.path.join(folder, "ct"), n, AcquisitionNumber=n + 1)
    rtstruct(os.path.join(folder, "rs.dcm"), "2.25.2%d")
    done = run("import", "dicom", folder, "--out", os.path.join(scratch, "m.csv"))
    require(done.returncode == 0, "import", done.stderr)
    if done.returncode == 0:
        rows = list(csv.DictReader(open(os.path.join(scratch, "m.csv"), encoding="utf8")))
        require([r["series"] for r in rows] == ["2.25.21#2"], "the part that the contour refers to", rows)
        done = run("manifest", "check", os.path.join(scratch, "m.csv"))
        require("no errors" in done.stdout, "the manifest names a part", done.stdout, done.stderr)
    rtstruct(os.path.join(folder, "rs.dcm"), "")
    done = run("import", "dicom", folder, "--out", os.path.join(scratch, "n.csv"))
    require("no single part" in done.stdout + done.stderr, "no part can be told", done.stdout, done.stderr)


def main():
    with tempfile.TemporaryDirectory() as scratch:
        for case in (two_sets, more_sets, honest, rounded, frames, imported):
            os.makedirs(os.path.join(scratch, case.__name__))
            case(os.path.join(scratch, case.__name__))
    finish()


if __name__ == "__main__":
    main()
