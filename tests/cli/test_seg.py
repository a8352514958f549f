"""DICOM segmentations wherever a command takes a contour, made here with pydicom, held against the same masks
as NIfTI; and what convert, segmentations of others and wrong options are told."""
import csv
import json
import os
import sys
import tempfile

import nibabel
import numpy as np
from pydicom.dataset import Dataset

import harness as h

FAILED, USAGE, REFUSED = 1, 2, 3
SEG = "1.2.840.10008.5.1.4.1.1.66.4"


def item(**attributes):
    dataset = Dataset()
    for name, value in attributes.items():
        setattr(dataset, name, value)
    return dataset


def code(value, scheme, meaning):
    return [item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)]


def write_seg(path, number, segments, patient="HIDDEN-ID", frame_of_reference=None,
              change=lambda ds: None):
    """segments: {name: mask [z][y][x]} on h's series of that number, frames from the top down."""
    ds = h.new_file(path, SEG, f"{h.UID}{number}.7")
    h.identity(ds, patient, "20240110")
    ds.Modality, ds.SegmentationType = "SEG", "BINARY"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = f"{h.UID}{number}.1", f"{h.UID}{number}.8"
    ds.FrameOfReferenceUID = frame_of_reference or f"{h.UID}{number}.4"
    ds.ReferencedSeriesSequence = [item(SeriesInstanceUID=f"{h.UID}{number}.2")]
    ds.SegmentSequence, ds.PerFrameFunctionalGroupsSequence, bits = [], [], []
    for index, (name, mask) in enumerate(segments.items(), 1):
        ds.SegmentSequence.append(item(SegmentNumber=index, SegmentLabel=name,
                                       SegmentAlgorithmType="MANUAL",
                                       SegmentedPropertyTypeCodeSequence=code("52988006", "SCT",
                                                                              "Lesion")))
        for z in reversed(np.flatnonzero(mask.any(axis=(1, 2)))):
            bits.append(mask[z].ravel())
            position = [h.ORIGIN[0], h.ORIGIN[1], h.ORIGIN[2] + z * h.SPACING[0]]
            ds.PerFrameFunctionalGroupsSequence.append(item(
                PlanePositionSequence=[item(ImagePositionPatient=position)],
                DerivationImageSequence=[item(SourceImageSequence=[h.image_reference(number, z)])],
                SegmentIdentificationSequence=[item(ReferencedSegmentNumber=index)]))
    ds.SharedFunctionalGroupsSequence = [item(
        PlaneOrientationSequence=[item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])],
        PixelMeasuresSequence=[item(PixelSpacing=[h.SPACING[1], h.SPACING[2]],
                                    SliceThickness=h.SPACING[0],
                                    SpacingBetweenSlices=h.SPACING[0])])]
    ds.Rows, ds.Columns, ds.SamplesPerPixel = h.SIZE[1], h.SIZE[2], 1
    ds.NumberOfFrames = len(bits)
    ds.PhotometricInterpretation, ds.PixelRepresentation = "MONOCHROME2", 0
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 1, 1, 0
    raw = np.packbits(np.concatenate(bits), bitorder="little").tobytes()
    ds.PixelData = raw + bytes(len(raw) % 2)
    ds["PixelData"].VR = "OB"
    change(ds)
    ds.save_as(path, write_like_original=False)
    return path


class Tester(h.Checks):
    def __init__(self, folder):
        super().__init__()
        self.folder = folder
        _, self.ball = h.voxels()
        self.node = np.zeros_like(self.ball)
        self.node[2:5, 5:8, 8:11] = 1
        self.ct = h.write_series(self.path("ct"), 1)
        self.later = h.write_series(self.path("later"), 2, "20240310")
        self.seg = write_seg(self.path("seg.dcm"), 1, {"Tumour": self.ball, "Node": self.node})
        self.nifti = h.write_nifti(self.path("ball.nii"), self.ball)

    def path(self, name):
        return os.path.join(self.folder, name)

    def good(self, name, *arguments, expect=lambda done: []):
        """The finished process; expect(it) gives a list of faults."""
        done = h.run(*arguments)
        faults = list(done.faults)
        if done.returncode:
            faults.append(f"exit code {done.returncode}: {done.stderr}")
        else:
            faults += expect(done)
        self.report(name, faults)
        return done

    def bad(self, name, status, word, *arguments):
        before = h.files_below(self.folder)
        done = h.run(*arguments)
        faults = list(done.faults)
        if done.returncode != status:
            faults.append(f"exit code {done.returncode}, not {status}: {done.stderr}")
        if word not in done.stderr:
            faults.append(f"the message lacks {word!r}: {done.stderr}")
        if h.files_below(self.folder) != before:
            faults.append("changed files")
        self.report(name, faults)


def masks(t):
    def same(done):
        got = json.loads(done.stdout)
        return [] if got["dice"] == 1 else [got["dice"]]

    reference = ("compare-masks", "--json", f"--reference={t.nifti}")
    t.good("compare-masks on the image", *reference, f"--prediction={t.seg}:Tumour",
           f"--image={t.ct}", expect=same)
    t.good("compare-masks on its own grid", *reference, f"--prediction={t.seg}:1", "--resample",
           expect=same)
    t.bad("compare-masks on grids that differ", REFUSED, "not on the grid", *reference,
          f"--prediction={t.seg}:1")
    voxel_cc = np.prod(h.SPACING) / 1000
    for image in ([], [f"--image={t.ct}"]):
        t.good("measure", "measure", f"--mask={t.seg}:Tumour", "--json", *image, expect=lambda done: [
            done.stdout] if abs(json.loads(done.stdout)["lesions"][0]["volume_cc"]
                                - t.ball.sum() * voxel_cc) > 1e-9 else [])
    t.bad("several segments", FAILED, '2 "Node"', "measure", f"--mask={t.seg}")
    t.bad("no such segment", FAILED, 'no segment "Liver"', "measure", f"--mask={t.seg}:Liver")
    t.good("respond", "respond", f"--baseline-mask={t.seg}:Tumour", f"--followup-mask={t.nifti}",
           "--json", expect=lambda done: [] if json.loads(done.stdout)["response"] == "SD"
           else [done.stdout])


def belongs(t):
    out = t.path("made")
    other = write_seg(t.path("other.dcm"), 1, {"Tumour": t.ball}, patient="SOMEONE")
    frame = write_seg(t.path("frame.dcm"), 1, {"Tumour": t.ball}, frame_of_reference="1.2.3")
    everything = write_seg(t.path("all.dcm"), 1, {"All": np.ones_like(t.ball)})
    simulate = ("simulate", f"--image={t.ct}", "--change=-20", "--seed=1", f"--out={out}")
    t.bad("another patient", REFUSED, "another patient", *simulate, f"--contour={other}")
    t.bad("another frame of reference", REFUSED, "another frame of reference", *simulate,
          f"--contour={frame}")
    t.bad("everything", REFUSED, "not a lesion", *simulate, f"--contour={everything}")
    t.good("simulate", *simulate, f"--contour={t.seg}:Tumour")


def cohorts(t):
    tree = t.path("tree")
    for number, date in ((3, "20240101"), (4, "20240401")):
        h.write_series(os.path.join(tree, f"v{number}", "ct"), number, date, shift=number - 3)
        write_seg(os.path.join(tree, f"v{number}", "contours"), number,
                  {"Liver": np.ones_like(t.ball), "Tumour": t.ball})
    manifest = t.path("cohort.csv")
    t.good("import", "import", "dicom", tree, f"--out={manifest}", expect=lambda done: [] if
           "1 patients, 2 visits (1 follow-ups)" in done.stdout and "left out" not in done.stdout
           else [done.stdout + done.stderr])
    with open(manifest, encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    t.report("rows", [] if [r["roi"] for r in rows] == ["Tumour", "Tumour"] else [rows])
    t.good("manifest check --deep", "manifest", "check", "--deep", manifest)
    visits = t.path("visits.csv")
    write_seg(t.path("later.dcm"), 2, {"Tumour": t.ball})
    with open(visits, "w", encoding="utf-8") as file:
        file.write("visit,date,image,mask\nbefore,,ct,seg.dcm\nafter,,later,later.dcm\n")

    def lesions(_):
        with open(t.path("out.json"), encoding="utf-8") as file:
            timeline = json.load(file)
        names = str(timeline)
        return [] if "Tumour" in names and "Node" in names else [names[:500]]

    t.good("track", "track", f"--visits={visits}", f"--out={t.path('out.json')}", expect=lesions)
    overlapping = write_seg(t.path("overlap.dcm"), 1, {"GTV": t.ball, "PTV": t.ball})
    with open(visits, "w", encoding="utf-8") as file:
        file.write(f"visit,date,image,mask\nbefore,,ct,{overlapping}\nafter,,later,later.dcm\n")
    t.bad("track with segments within one another", REFUSED, "lies in 'GTV'", "track",
          f"--visits={visits}", f"--out={t.path('no.json')}")


def conversion(t):
    def segments(done):
        told = json.loads(done.stdout)
        wanted = [(1, "Tumour", 7), (2, "Node", 3)]
        got = [(s["number"], s["name"], s["frames"]) for s in told["segments"]]
        return [] if got == wanted and told["kind"] == "SEG" else [told]

    t.good("info", "info", "--json", t.seg, expect=segments)
    for name, options, kind in (("a_SEG.dcm", (), "SEG"), ("a.dcm", (), "RTSTRUCT"),
                                ("b.dcm", ("--as", "seg"), "SEG"),
                                ("b_seg.dcm", ("--as", "rtstruct"), "RTSTRUCT")):
        t.good(f"convert to {name}", "convert", t.nifti, t.path(name), "--reference", t.ct, *options)
        t.good(f"{name} is {kind}", "info", t.path(name), expect=lambda done: [] if
               f"kind: {kind}" in done.stdout else [done.stdout])
    back = t.path("back.nii")
    t.good("convert a segment on its reference", "convert", f"{t.seg}:Node", back, "--reference", t.ct)
    got = np.asarray(nibabel.load(back).dataobj).transpose(2, 1, 0)
    t.report("the same voxels", [] if np.array_equal(got, t.node) else ["others"])
    nowhere = t.path("nowhere_seg.dcm")
    for name, word, arguments in (
            ("no reference", "--reference", (t.nifti, nowhere)),
            ("--as of a mask", "--as is for", (t.nifti, t.path("no.nii"), "--as", "seg")),
            ("--as nonsense", "rtstruct or seg", (t.nifti, nowhere, "--as", "sr")),
            ("--region unknown", "no code is known", (t.nifti, nowhere, "--region", "left toe")),
            ("--region of an RTSTRUCT", "--region", (t.nifti, t.path("no.dcm"), "--reference", t.ct,
                                                     "--region", "liver")),
            ("--fraction of NIfTI", "--fraction", (t.nifti, t.path("no.nii"), "--fraction", "0.5")),
            ("--fraction above 1", "up to 1", (t.seg, t.path("no.nii"), "--fraction", "1.5")),
            ("a series of contours", "no image", (t.seg, t.path("series")))):
        t.bad(name, USAGE, word, "convert", *arguments)
    t.bad("a reference that is no DICOM", FAILED, "needs a DICOM series", "convert", t.nifti, nowhere,
          "--reference", h.write_nifti(t.path("image.nii"), h.voxels()[0]))
    t.bad("over its own input", REFUSED, "overwrite", "convert", f"{t.seg}:Node", t.seg, "--reference",
          t.ct)
    t.bad("where an image is needed", REFUSED, "modality SEG", "convert", "--reference", t.seg, t.nifti,
          nowhere)


def measures_of(ds):
    return ds.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]


def without_spacing(ds):
    del measures_of(ds).SpacingBetweenSlices


def without_any_spacing(ds):
    without_spacing(ds)
    del measures_of(ds).SliceThickness


def without_positions(ds):
    for frame in ds.PerFrameFunctionalGroupsSequence:
        del frame.PlanePositionSequence
    del ds.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence


def other_slices(step):
    """Frames on every n-th slice, as thick as that."""
    def change(ds):
        measures_of(ds).SpacingBetweenSlices = measures_of(ds).SliceThickness = step * h.SPACING[0]
    return change


def lesions_of(volumes, *words, within=0.01):
    """That measure finds lesions of these volumes and says the words."""
    def expect(done):
        got = [lesion["volume_cc"] for lesion in json.loads(done.stdout)["lesions"]]
        fits = len(got) == len(volumes) and np.allclose(sorted(got), sorted(volumes), rtol=within)
        return ([] if fits else [f"{got}, not {volumes}"]) + [
            f"lacks {word!r}: {done.stderr}" for word in words if word not in done.stderr]
    return expect


def places(t):
    """What frames say of where they lie, and what lies between them."""
    far, voxel_cc = np.zeros_like(t.ball), np.prod(h.SPACING) / 1000
    far[1], far[8] = t.ball[5], t.ball[5]
    one = t.ball[5].sum() * voxel_cc
    path, measure = t.path("places.dcm"), ("measure", "--json")
    write_seg(path, 1, {"A": far}, change=without_spacing)
    t.good("two far frames are two lesions", *measure, f"--mask={path}",
           expect=lesions_of([one, one], "28.00 mm apart"))
    t.good("so they are on their image", *measure, f"--mask={path}", f"--image={t.ct}",
           expect=lesions_of([one, one]))
    write_seg(path, 1, {"A": far}, change=without_any_spacing)
    t.bad("two frames that tell nothing", FAILED, "what lies between", *measure, f"--mask={path}")
    write_seg(path, 1, {"A": t.ball}, change=without_spacing)
    t.good("thickness will do", *measure, f"--mask={path}",
           expect=lambda done: [done.stderr] if done.stderr else lesions_of([t.ball.sum() * voxel_cc])(done))
    write_seg(path, 1, {"A": t.ball}, change=without_positions)
    t.good("frames placed by their source", *measure, f"--mask={path}", f"--image={t.ct}",
           expect=lesions_of([t.ball.sum() * voxel_cc]))
    t.good("as they are for convert", "convert", path, t.path("placed.nii"), "--reference", t.ct)
    got = np.asarray(nibabel.load(t.path("placed.nii")).dataobj).transpose(2, 1, 0)
    t.report("where they were drawn", [] if np.array_equal(got, t.ball) else ["elsewhere"])
    part = h.write_series(t.path("part"), 1)
    for name in sorted(os.listdir(part))[5:]:
        os.remove(os.path.join(part, name))
    t.bad("sources that are not there", REFUSED, "not in the series", *measure, f"--mask={path}",
          f"--image={part}")
    t.bad("sources without an image", FAILED, "--image", *measure, f"--mask={path}")
    stacked = np.zeros_like(t.ball)
    stacked[1:8:2] = t.ball[5]
    write_seg(path, 1, {"A": stacked}, change=other_slices(2))
    t.good("thick frames on thin slices are no slivers", *measure, f"--mask={path}", f"--image={t.ct}",
           expect=lesions_of([8 * one], within=0.03))

    def thick_of_elsewhere(ds):
        without_spacing(ds)
        measures_of(ds).SliceThickness = 2 * h.SPACING[0]
        del ds.ReferencedSeriesSequence

    def of_nowhere(ds):
        del ds.ReferencedSeriesSequence, ds.FrameOfReferenceUID

    write_seg(path, 1, {"A": t.ball}, change=of_nowhere)
    t.good("neither frame nor series, told", *measure, f"--mask={path}", f"--image={t.ct}",
           expect=lesions_of([t.ball.sum() * voxel_cc], "does not say in which frame"))

    apart = np.zeros_like(far)
    apart[1], apart[7] = far[1], far[1]
    write_seg(path, 1, {"A": apart}, change=thick_of_elsewhere)
    t.good("frames of another series keep their thickness", *measure, f"--mask={path}", f"--image={t.ct}",
           expect=lesions_of([2 * one, 2 * one], within=0.03))
    write_seg(path, 1, {"A": far}, change=lambda ds: setattr(measures_of(ds), "SpacingBetweenSlices", 28))
    t.good("a spacing beyond the thickness fills nothing on the image", *measure, f"--mask={path}",
           f"--image={t.ct}", expect=lesions_of([one, one]))

    def again(ds):
        frames = ds.PerFrameFunctionalGroupsSequence
        frames[1].PlanePositionSequence = frames[0].PlanePositionSequence

    write_seg(path, 1, {"A": t.ball}, change=again)
    t.bad("two frames in one place", FAILED, "in one place", *measure, f"--mask={path}")

    def latin(ds):
        ds.SpecificCharacterSet = "ISO_IR 100"

    write_seg(path, 1, {"Läsion": t.ball}, change=latin)
    t.good("a name in Latin-1", *measure, f"--mask={path}:Läsion",
           expect=lesions_of([t.ball.sum() * voxel_cc]))


def main():
    h.require_program()
    with tempfile.TemporaryDirectory() as folder:
        t = Tester(folder)
        masks(t)
        belongs(t)
        cohorts(t)
        conversion(t)
        places(t)
        return t.finish()


sys.exit(main())
