"""RTSTRUCTs of the field through the commands: each ROI by its own frame of reference, faulty ROIs beside sound ones, contours
that do not fit the slices, told by every command that reads them; and trees with dates and names as sites deliver them."""
import csv
import json
import os
import sys
import tempfile

import pydicom

import harness as h

FAILED, REFUSED = 1, 3
OTHER_FRAME = "1.2.3.999"
TINY = ("network: {first_filters: 4, growth: 2, down_layers: [1, 1], bottleneck_layers: 1}\n"
        "preprocessing: {spacing_mm: [8, 8, 8]}\nadapt: {epochs: 1, copies: 1, crop: [16, 16, 8]}\n")


class Tester(h.Checks):
    def __init__(self, folder):
        super().__init__()
        self.folder = folder
        self.ct = h.write_series(self.path("ct"), 1)
        self.later = h.write_series(self.path("later"), 2, "20240310")
        self.plain = self.rtstruct("plain.dcm", {"Tumour": self.rings()})

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def rings(self, slices=range(3, 8), radius=3.5):
        return [h.circle(z, radius=radius) for z in slices]

    def rtstruct(self, name, rois, change=lambda ds: None, number=1):
        path = h.write_rtstruct(self.path(name), number, rois)
        ds = pydicom.dcmread(path)
        change(ds)
        ds.save_as(path, write_like_original=False)
        return path

    def told(self, name, code, words, *arguments, lacks=()):
        """The finished process, with these words on standard error."""
        done = h.run(*arguments)
        faults = list(done.faults)
        if done.returncode != code:
            faults.append(f"exit code {done.returncode}, not {code}: {done.stderr}")
        faults += [f"lacks {word!r}: {done.stderr}" for word in words if word not in done.stderr]
        faults += [f"says {word!r}: {done.stderr}" for word in lacks if word in done.stderr]
        self.report(name, faults)
        return done

    def volumes(self, name, spec, *words, image=None):
        """Of the lesions that measure finds."""
        done = self.told(name, 0, words, "measure", "--json", f"--mask={spec}", f"--image={image or self.ct}")
        return [lesion["volume_cc"] for lesion in json.loads(done.stdout)["lesions"]] if done.returncode == 0 else []

    def equal(self, name, got, wanted, within=1e-9):
        fits = len(got) == len(wanted) and all(abs(a / b - 1) <= within for a, b in zip(sorted(got), sorted(wanted)))
        self.report(name, [] if fits else [f"{got}, not {wanted}"])


def of_other_frame(ds):
    """Its second ROI, as if drawn on another image of the study, which the file lists first."""
    ds.StructureSetROISequence[1].ReferencedFrameOfReferenceUID = OTHER_FRAME
    first = pydicom.Dataset()
    first.FrameOfReferenceUID = OTHER_FRAME
    ds.ReferencedFrameOfReferenceSequence.insert(0, first)


def without_own_frames(ds):
    for roi in ds.StructureSetROISequence:
        del roi.ReferencedFrameOfReferenceUID


def without_any_frame(ds):
    without_own_frames(ds)
    del ds.ReferencedFrameOfReferenceSequence
    if "FrameOfReferenceUID" in ds:
        del ds.FrameOfReferenceUID


def frames(t):
    whole = t.volumes("a plain contour", t.plain)
    both = t.rtstruct("frames.dcm", {"Here": t.rings(), "There": t.rings(radius=2)}, of_other_frame)
    t.equal("an ROI of the image's frame", t.volumes("is read", f"{both}:Here"), whole)
    t.told("an ROI of another frame is refused", REFUSED, ["frame of reference"], "measure", f"--mask={both}:There",
           f"--image={t.ct}")
    silent = t.rtstruct("silent.dcm", {"Tumour": t.rings()}, without_own_frames)
    t.equal("an ROI without a frame", t.volumes("lies in the file's, told", silent, "does not say"), whole)
    silent = t.rtstruct("mute.dcm", {"Tumour": t.rings()}, without_any_frame)
    t.equal("a file without any frame", t.volumes("is taken as the image's, told", silent, "neither it nor its file says"), whole)
    visits, later = t.path("visits.csv"), t.rtstruct("later.dcm", {"Here": t.rings()}, number=2)
    with open(visits, "w", encoding="utf-8") as file:
        file.write(f"visit,date,image,mask\na,,{t.ct},{both}\nb,,{t.later},{later}\n")
    t.told("track passes over what is of another image", 0, ["'There' is of another image"], "track", f"--visits={visits}",
           f"--out={t.path('timeline.json')}")


def spoil(ds):
    ds.ROIContourSequence[0].ContourSequence[0].ContourData = ["1", "2", "3", "4"]
    extra = pydicom.Dataset()
    extra.ReferencedROINumber, extra.ContourSequence = 77, []
    ds.ROIContourSequence.append(extra)


def faults(t):
    path = t.rtstruct("faulty.dcm", {"Bad": t.rings(), "Tumour": t.rings(), "Empty": []}, spoil)
    t.equal("a sound ROI beside a faulty one", t.volumes("is read, the fault told", f"{path}:Tumour", '"Bad"', "not whole points",
                                                         "belong to no ROI"), t.volumes("alone", t.plain))
    t.told("the faulty one", FAILED, ["ROI number 1", "not whole points"], "measure", f"--mask={path}:Bad", f"--image={t.ct}")
    t.told("the empty one", FAILED, ["no usable contour"], "measure", f"--mask={path}:Empty", f"--image={t.ct}")
    done = t.told("info lists all", 0, [], "info", "--json", path)
    t.report("info tells the fault", [] if "whole points" in json.loads(done.stdout)["rois"][0]["fault"] else [done.stdout])
    t.told("an RTSTRUCT without image", FAILED, ["--image"], "measure", f"--mask={t.plain}")
    t.told("the same for respond", FAILED, ["--baseline-image"], "respond", f"--baseline-mask={t.plain}",
           f"--followup-mask={t.plain}")


def every_command(t):
    """A slice without a contour between others."""
    gap, later = t.rtstruct("gap.dcm", {"Tumour": t.rings((3, 4, 6, 7))}), t.rtstruct("later.dcm", {"Tumour": t.rings()}, number=2)
    words = ["filled by interpolation: 1", "cc, the mask", "%)"]
    mask, config, manifest, visits = t.path("gap.nii.gz"), t.path("tiny.yaml"), t.path("m.csv"), t.path("v.csv")
    with open(config, "w", encoding="utf-8") as file:
        file.write(TINY)
    with open(manifest, "w", encoding="utf-8") as file:
        file.write(f"patient,visit,date,image,contour\nP1,baseline,2024-01-10,{t.ct},{gap}\n")
    with open(visits, "w", encoding="utf-8") as file:
        file.write(f"visit,date,image,mask\na,,{t.ct},{gap}\nb,,{t.later},{later}\n")
    t.told("convert", 0, words, "convert", gap, mask, "--reference", t.ct)
    t.told("simulate", 0, words, "simulate", f"--image={t.ct}", f"--contour={gap}", "--change=-20", "--seed=1",
           f"--out={t.path('simulated')}")
    t.told("manifest check", 0, words, "manifest", "check", "--deep", manifest)
    t.told("track", 0, words, "track", f"--visits={visits}", f"--out={t.path('t.json')}")
    t.told("adapt", 0, words, "adapt", f"--image={t.ct}", f"--contour={gap}", f"--config={config}",
           f"--out={t.path('model.safetensors')}")
    for name, arguments in (("measure", (f"--mask={gap}", f"--image={t.ct}")),
                            ("respond", (f"--baseline-mask={gap}", f"--baseline-image={t.ct}", f"--followup-mask={mask}")),
                            ("compare-masks", (f"--reference={gap}", f"--prediction={mask}", f"--image={t.ct}"))):
        done = t.told(name, 0, words, name, "--json", *arguments)
        t.report(f"{name}'s result", [] if "contour_interpolated" in done.stdout else [done.stdout])


def spacings(t):
    """The same cylinder drawn at other steps than the slices'."""
    def drawn(step):
        count = round(5 / step)
        return [h.circle(2.5 + step / 2 + step * i, radius=3.5) for i in range(count)]

    whole = t.volumes("on the slices", t.plain)
    for step in (0.5, 0.25, 5 / 3, 1.25):
        path = t.rtstruct("steps.dcm", {"Tumour": drawn(step)})
        t.equal(f"a step of {step:.2f}", t.volumes("is told", path, f"contours lie {4 * step:.2f} mm apart"), whole, 0.03)


def site(t):
    """Two visits with names in Latin-1 and a date of the old form."""
    for number, date in ((3, "20200106"), (4, "2020.04.06")):
        ct = h.write_series(t.path("site", str(number), "ct"), number, date)
        for name in os.listdir(ct):
            h.edit(os.path.join(ct, name), SpecificCharacterSet="ISO_IR 100")
        path = h.write_rtstruct(t.path("site", str(number), "rs.dcm"), number, {"Q": t.rings(), "Body": t.rings(range(2, 4))})
        ds = pydicom.dcmread(path)
        ds.SpecificCharacterSet = "ISO_IR 100"
        ds.StructureSetROISequence[0].ROIName = "Läsion"
        ds.save_as(path, write_like_original=False)
    manifest = t.path("site.csv")
    t.told("import by a label in Latin-1", 0, [], "import", "dicom", t.path("site"), f"--out={manifest}", "--label", "Läsion")
    with open(manifest, encoding="utf-8") as file:
        rows = [(row["visit"], row["date"], row["roi"]) for row in csv.DictReader(file)]
    wanted = [("baseline", "2020-01-06", "Läsion"), ("followup", "2020-04-06", "Läsion")]
    t.report("both visits", [] if rows == wanted else [str(rows)])
    for name in os.listdir(t.path("site", "4", "ct")):
        h.edit(t.path("site", "4", "ct", name), StudyDate="6.4.2020", SeriesDate="6.4.2020", AcquisitionDate="6.4.2020")
    done = h.run("import", "dicom", t.path("site"), f"--out={t.path('again.csv')}", "--label", "Läsion")
    t.report("a date that cannot be read is quoted", [] if "'6.4.2020'" in done.stdout + done.stderr else [done.stdout + done.stderr])


def main():
    h.require_program()
    with tempfile.TemporaryDirectory() as folder:
        t = Tester(folder)
        frames(t)
        faults(t)
        every_command(t)
        spacings(t)
        site(t)
        return t.finish()


sys.exit(main())
