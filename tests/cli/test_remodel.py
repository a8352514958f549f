"""`reprise simulate --kind remodel` and `reprise phantom --followup remodel` as their users run them."""
import json
import os
import shutil
import sys
import tempfile

import nibabel
import numpy as np

import harness as h

USAGE, FAILED = 2, 1
WORDS = ("pieces", "necrosis", "embolised", "scar", "oedema", "phase", "kernel", "thick", "conebeam", "cut", "new-lesion", "sliding", "table")


class Tester(h.Checks):
    def __init__(self, folder):
        super().__init__()
        self.folder = folder

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def make(self, name, *arguments):
        """Runs; the truth, or None with a fault told."""
        done = h.run(*arguments, "-q", "--out", self.path(name))
        faults = done.faults + ([done.stderr] if done.returncode else [])
        if faults:
            self.report(name, faults)
            return None
        return done

    def simulate(self, name, change, *arguments):
        done = self.make(name, "simulate", "--image", self.path("patients", "patient-001", "baseline.nii.gz"), "--contour",
                         self.path("patients", "patient-001", "baseline_mask.nii.gz"), f"--change={change}", "--seed=903", *arguments)
        return done and self.truth(name)

    def truth(self, *names):
        with open(self.path(*names, "truth.json"), encoding="utf-8") as file:
            return json.load(file)

    def voxels(self, *names):
        return np.asarray(nibabel.load(self.path(*names)).dataobj)

    def bad(self, name, *arguments, code=USAGE, word=""):
        done = h.run(*arguments, "--out", self.path("never"))
        faults = list(done.faults)
        faults += [] if done.returncode == code else [f"exit code {done.returncode}, not {code}: {done.stderr}"]
        faults += [] if word in done.stderr else [f"the message lacks {word!r}: {done.stderr}"]
        faults += ["files were written"] if os.path.exists(self.path("never", "truth.json")) else []
        self.report(name, faults)


def phantoms(t):
    t.make("patients", "phantom", "--seed=903", "--size=24x64x80", "--spacing=3x3x6")
    t.make("treated", "phantom", "--seed=903", "--size=24x64x80", "--spacing=3x3x6", "--followup=remodel", "--with=necrosis,new-lesion")
    plain, treated = t.truth("patients", "patient-001"), t.truth("treated", "patient-001")
    faults = [] if "kind" not in plain else ["the default is no longer what it was"]
    if not np.array_equal(t.voxels("patients", "patient-001", "baseline.nii.gz"), t.voxels("treated", "patient-001", "baseline.nii.gz")):
        faults.append("another baseline")
    if np.array_equal(t.voxels("patients", "patient-001", "followup.nii.gz"), t.voxels("treated", "patient-001", "followup.nii.gz")):
        faults.append("the same follow-up")
    faults += [] if treated["kind"] == "remodel" and treated["with"] == ["necrosis", "new-lesion"] else [str(treated)]
    faults += [] if treated["label"] == "synthetic" and "necrosis.hu" in treated["draws"] else [str(treated)]
    if not t.voxels("treated", "patient-001", "new_lesion_mask.nii.gz").any() or "new_lesion_mask.nii.gz" not in treated["files"]:
        faults.append("no new lesion")
    t.report("phantoms", faults)


def shrinks(t):
    truth = t.simulate("made", -40, "--kind=remodel", "--with=scar,oedema", "--with=thick", "--dicom")
    if not truth:
        return
    faults = [] if truth["kind"] == "remodel" and truth["with"] == ["scar", "oedema", "thick"] else [str(truth["with"])]
    faults += [] if abs(truth["change_percent"] + 40) < 3 and truth["change_asked_percent"] == -40 else [str(truth)]
    faults += [] if truth["label"] == "synthetic" and truth["seed"] == 903 else [str(truth)]
    faults += [f"no {key}" for key in ("baseline_volume_cc", "parts", "whole_diameter_mm", "largest_part_diameter_mm") if key not in truth]
    faults += [f"{name} was not drawn" for name in ("scar.hu", "oedema.mm", "front.level") if name not in truth["draws"]]
    image = nibabel.load(t.path("made", "followup.nii.gz"))
    volume = t.voxels("made", "truth_mask.nii.gz").sum() * np.prod(image.header.get_zooms()) / 1000
    faults += [] if abs(volume - truth["followup_volume_cc"]) < 1e-3 * volume else [f"{volume} cc in the mask"]
    faults += [] if os.path.exists(t.path("made", "truth_rtstruct.dcm")) else ["no RTSTRUCT"]
    faults += [] if image.header.get_zooms()[2] > 10 else ["the slices are not thick"]
    t.report("shrinks", faults)
    t.simulate("again", -40, "--kind=remodel", "--with=thick,scar", "--with=oedema", "--threads=1")
    same = np.array_equal(t.voxels("made", "followup.nii.gz"), t.voxels("again", "followup.nii.gz"))
    t.report("the same again", [] if same else ["another follow-up"])


def vanishes(t):
    truth = t.simulate("gone", -100, "--kind=remodel", "--dicom")
    if not truth:
        return
    faults = [] if truth["change_percent"] == -100 and truth["followup_volume_cc"] == 0 and truth["parts"] == 0 else [str(truth)]
    faults += ["the mask is not empty"] if t.voxels("gone", "truth_mask.nii.gz").any() else []
    faults += ["an RTSTRUCT of nothing"] if os.path.exists(t.path("gone", "truth_rtstruct.dcm")) else []
    faults += ["it is listed"] if "truth_rtstruct.dcm" in truth["files"] else []
    faults += [] if os.listdir(t.path("gone", "followup")) else ["no series"]
    t.report("vanishes", faults)


def default_stays(t):
    plain, named = t.simulate("warp", -20), t.simulate("named", -20, "--kind=warp")
    faults = [] if plain and "kind" not in plain and plain == named else ["truth.json differs"]
    if not np.array_equal(t.voxels("warp", "followup.nii.gz"), t.voxels("named", "followup.nii.gz")):
        faults.append("another image")
    t.report("warp stays the default", faults)


def refusals(t):
    image = t.path("patients", "patient-001", "baseline.nii.gz")
    mask = t.path("patients", "patient-001", "baseline_mask.nii.gz")
    base = ("simulate", "--image", image, "--contour", mask)
    t.bad("an unknown kind", *base, "--change=-20", "--kind=shrink", word="--kind")
    t.bad("an unknown word", *base, "--change=-20", "--kind=remodel", "--with=necrosis,melting", word="melting")
    t.bad("with without remodel", *base, "--change=-20", "--with=necrosis", word="--with")
    t.bad("a rim of warp", *base, "--change=-20", "--kind=remodel", "--rim-hu=5", word="--rim-hu")
    t.bad("a scar of growth", *base, "--change=20", "--kind=remodel", "--with=scar", code=FAILED, word="scar")
    t.bad("necrosis of nothing", *base, "--change=-100", "--kind=remodel", "--with=necrosis", code=FAILED, word="necrosis")
    t.bad("too large", *base, "--change=150", "--kind=remodel", code=FAILED, word="150")
    t.bad("vanished by warp", *base, "--change=-100", code=FAILED, word="-100")
    t.bad("phantom with without remodel", "phantom", "--with=necrosis", word="--with")
    t.bad("phantom of an unknown kind", "phantom", "--followup=warp", word="--followup")
    done = h.run("simulate", "--help")
    t.report("help names every word", [f"no {word}" for word in WORDS if word not in done.stdout])


def main():
    h.require_program()
    folder = tempfile.mkdtemp(prefix="reprise-remodel-")
    t = Tester(folder)
    try:
        for part in (phantoms, shrinks, vanishes, default_stays, refusals):
            part(t)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return t.finish()


sys.exit(main())
