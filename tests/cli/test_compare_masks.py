"""`reprise compare-masks` as its users run it: NIfTI and RTSTRUCT, text and JSON, other grids, empty
masks, and bad input with its message and exit code."""
import hashlib
import json
import os
import sys
import tempfile

import numpy as np

import harness as h

FAILED, USAGE, REFUSED = 1, 2, 3


class Tester(h.Checks):
    def __init__(self, folder):
        super().__init__()
        self.folder = folder
        _, self.ball = h.voxels()
        _, self.moved = h.voxels(1)
        self.a = self.nifti("a.nii.gz", self.ball)
        self.b = self.nifti("b.nii", self.moved)

    def path(self, name):
        return os.path.join(self.folder, name)

    def nifti(self, name, array, move=(0, 0, 0)):
        return h.write_nifti(self.path(name), array.astype(np.uint8), move)

    def run(self, reference, prediction, *more):
        return h.run("compare-masks", f"--reference={reference}", f"--prediction={prediction}", *more)

    def json(self, name, *arguments, expect, told=()):
        """expect(result) gives a list of faults; told: what the warnings say, which else there are none of."""
        done = self.run(*arguments, "--json")
        faults = list(done.faults)
        faults += [f"no warning says {words!r}: {done.stderr}" for words in told if words not in done.stderr]
        if done.returncode or (done.stderr.strip() and not told):
            faults.append(f"exit code {done.returncode}: {done.stderr}")
        else:
            faults += expect(json.loads(done.stdout))
        self.report(name, faults)

    def bad(self, name, arguments, code, *words):
        before = h.files_below(self.folder)
        done = h.run("compare-masks", *arguments)
        faults = list(done.faults)
        if done.returncode != code:
            faults.append(f"exit code {done.returncode}, not {code}")
        faults += [f"the message lacks {w!r}: {done.stderr}" for w in words if w not in done.stderr]
        if done.stdout:
            faults.append("prints a result: " + done.stdout[:200])
        if h.files_below(self.folder) != before:
            faults.append("changed files")
        self.report(name, faults)


def differences(found, **wanted):
    """Names with __ for a level."""
    faults = []
    for name, value in wanted.items():
        at = found
        for key in name.split("__"):
            at = at[key]
        same = at == value if not isinstance(value, float) else at is not None and \
            abs(at - value) <= 1e-6 * max(1, abs(value))
        if not same:
            faults.append(f"{name} is {at!r}, not {value!r}")
    return faults


# ---- good input ----------------------------------------------------------------------------------

def good(t):
    inside = float(t.ball.sum())
    both = float((t.ball & t.moved).sum())
    with open(t.a, "rb") as file:
        sha = hashlib.sha256(file.read()).hexdigest()
    t.json("two masks", t.a, t.b, expect=lambda r: differences(
        r, dice=2 * both / (2 * inside), hd_mm=4.0, surfaces_defined=True, undefined_because=None,
        volume_difference_cc=0.0, volume_difference_percent=0.0, reference__path=t.a,
        reference__sha256=sha, reference__volume_cc=inside * 0.064, reference__resampled=False,
        grid__size_zyx=list(h.SIZE), grid__spacing_mm_xyz=[4, 4, 4], label="",
        provenance__program="reprise")
        + ([] if [s["tolerance_mm"] for s in r["surface_dice"]] == [2, 5] else ["tolerances"])
        + ([] if r["surface_dice"][1]["value"] == 1 else ["all lie within 5 mm"])
        + ([] if 0 < r["surface_dice"][0]["value"] < 1 else ["some lie within 2 mm"])
        + [f"no definition of {k}" for k in ("dice", "surface", "hd95_mm", "msd_mm", "surface_dice")
           if not r["definitions"].get(k)])
    t.json("itself", t.a, t.a, "--tolerance=0", expect=lambda r: differences(
        r, dice=1, hd95_mm=0.0, hd_mm=0.0, msd_mm=0.0,
        surface_dice=[{"tolerance_mm": 0.0, "value": 1.0}]))
    labels = t.nifti("labels.nii.gz", t.ball + 2 * (t.moved & ~t.ball & 1))
    t.json("one label of several", t.a, labels + ":1", expect=lambda r: differences(r, dice=1.0))
    done = t.run(t.a, t.b, "--tolerance", "1.5", "--tolerance", "3")
    words = ("Dice", "surface Dice at 1.5 mm", "surface Dice at 3 mm", "Hausdorff 95", "4.00 mm",
             "mean surface distance", "volume difference", "definitions", "Nikolov")
    t.report("text", done.faults + [f"lacks {w!r}" for w in words if w not in done.stdout]
             + ([f"exit code {done.returncode}"] if done.returncode else []))
    wide = [line for line in done.stdout.splitlines() if len(line) > 80 and t.folder not in line]
    t.report("text fits 80 columns", wide)
    t.report("quiet leaves the definitions out",
             ["shown"] if "definitions" in t.run(t.a, t.b, "--quiet").stdout else [])


def made_material(t):
    folder = t.path("made")
    os.mkdir(folder)
    mask = h.write_nifti(os.path.join(folder, "m.nii.gz"), t.ball)
    h.write(os.path.join(folder, "truth.json"),
            json.dumps({"label": "synthetic", "files": ["m.nii.gz"]}).encode())
    t.json("a made mask is labelled", t.a, mask, expect=lambda r: differences(
        r, label="synthetic", prediction__label="synthetic", reference__label=""))
    t.report("and in the text", [] if "synthetic" in t.run(mask, t.a).stdout else ["not told"])


def empty_masks(t):
    none = t.nifti("none.nii.gz", np.zeros(h.SIZE))
    undefined = dict(surfaces_defined=False, hd95_mm=None, hd_mm=None, msd_mm=None,
                     from_reference__mean_mm=None, from_prediction__area_mm2=None)
    cases = (("prediction", t.a, none, "the prediction is empty", 0.0, -100.0),
             ("reference", none, t.a, "the reference is empty", 0.0, None),
             ("both masks", none, none, "both masks are empty", 1.0, None))
    for name, a, b, reason, dice, percent in cases:
        t.json(f"empty: {name}", a, b, expect=lambda r: differences(
            r, undefined_because=reason, dice=dice, volume_difference_percent=percent,
            surface_dice=[{"tolerance_mm": float(mm), "value": dice} for mm in (2, 5)], **undefined))
        text = t.run(a, b).stdout
        t.report(f"empty: {name}, text", [f"lacks {w!r}" for w in ("undefined: " + reason,)
                                          if w not in text]
                 + (["shows nan"] if "nan" in text.lower() else []))


def rtstructs(t):
    series = h.write_series(t.path("series"), 1)
    drawn = h.write_rtstruct(t.path("drawn.dcm"), 1,
                             {"One": [h.circle(z) for z in range(3, 8)],
                              "Two": [h.circle(z, centre=(15, 12)) for z in range(3, 8)]})
    t.json("two ROIs of an RTSTRUCT", drawn + ":One", drawn + ":Two", f"--image={series}",
           expect=lambda r: differences(r, hd_mm=4.0, reference__path=drawn + ":One"))
    t.json("an RTSTRUCT and a mask", drawn + ":One", t.a, f"--image={series}",
           expect=lambda r: [] if r["dice"] > 0.7 else [f"Dice {r['dice']}"])
    t.bad("RTSTRUCT without image", ["--reference", drawn + ":One", "--prediction", t.a], FAILED,
          "drawn.dcm", "--image")
    t.bad("ROI that does not exist", ["--reference", drawn + ":Three", "--prediction", t.a,
                                      f"--image={series}"], FAILED, "drawn.dcm", "Three")
    other = h.write_rtstruct(t.path("other.dcm"), 1, patient="OTHER")
    t.bad("contour of another patient", ["--reference", other, "--prediction", t.a,
                                         f"--image={series}"], REFUSED, "other.dcm", "patient")
    t.bad("image that nothing needs", ["--reference", t.a, "--prediction", t.b,
                                       f"--image={series}"], FAILED, "series", "neither")


def other_grids(t):
    moved = t.nifti("elsewhere.nii.gz", t.ball, move=(2, 0, 0))
    pair = ["--reference", t.a, "--prediction", moved]
    t.bad("another grid", pair, REFUSED, "elsewhere.nii.gz", "a.nii.gz", "--resample")
    t.json("another grid, resampled", t.a, moved, "--resample", expect=lambda r: differences(
        r, prediction__resampled=True, prediction__volume_before_cc=float(t.ball.sum()) * 0.064,
        reference__resampled=False), told=("put on another grid", "(+0.0%)", "2 mm apart"))
    told = t.run(t.a, moved, "--resample").stdout
    t.report("resampling is told", [] if "put on the reference's grid" in told else [told])
    t.json("the same grid is not resampled", t.a, t.b, "--resample",
           expect=lambda r: differences(r, prediction__resampled=False))
    far = t.nifti("far.nii.gz", t.ball, move=(3000, 0, 0))
    t.bad("far away, resampled", ["--reference", t.a, "--prediction", far, "--resample"], REFUSED,
          "far.nii.gz", "outside")
    reordered = t.path("reordered.nii.gz")
    affine = h.affine()
    h.nibabel.save(h.nibabel.Nifti1Image(np.ascontiguousarray(t.ball), affine[:, [2, 1, 0, 3]]),
                   reordered)
    t.bad("axes in another order", ["--reference", t.a, "--prediction", reordered], REFUSED,
          "reordered.nii.gz")
    t.json("axes in another order, resampled", t.a, reordered, "--resample",
           expect=lambda r: differences(r, dice=1.0, hd_mm=0.0, prediction__resampled=True))


# ---- bad input -------------------------------------------------------------------------------------

def wrong_usage(t):
    pair = ["--reference", t.a, "--prediction", t.b]
    t.bad("no reference", pair[2:], USAGE, "--reference")
    t.bad("no prediction", pair[:2], USAGE, "--prediction")
    t.bad("an argument too many", pair + [t.a], USAGE, "unexpected")
    for text in ("-1", "much", "nan", "inf", "2mm", ""):
        t.bad(f"tolerance {text!r}", pair + ["--tolerance=" + text], USAGE, "--tolerance")
    t.bad("nine tolerances", pair + ["--tolerance=1"] * 9, USAGE, "8")


def bad_files(t):
    text = h.write(t.path("notes.txt"), b"no mask")
    nan = t.ball.astype(np.float32)
    nan[1, 1, 1] = np.nan
    several = t.ball + 2 * (t.ball[:, ::-1] & 1)
    cases = {"text": (text, "notes.txt"), "absent": (t.path("absent.nii"), "absent.nii"),
             "a folder": (t.folder, "folder"),
             "cut": (h.cut(t.a, t.path("cut.nii.gz"), 0.6), "cut.nii.gz"),
             "NaN": (h.write_nifti(t.path("nan.nii"), nan), "nan.nii"),
             "several labels": (h.write_nifti(t.path("several.nii"), several), "several.nii"),
             "label that does not exist": (t.a + ":9", "9")}
    for name, (path, word) in cases.items():
        for sides in (("--reference", "--prediction"), ("--prediction", "--reference")):
            t.bad(f"{name} as {sides[0]}", [sides[0], path, sides[1], t.a], FAILED, word)


def full_disk(t):
    if not os.path.exists("/dev/full"):
        return
    for more in ([], ["--json"]):
        with open("/dev/full", "wb") as full:
            done = h.subprocess.run([h.REPRISE, "compare-masks", "--reference", t.a, "--prediction",
                                     t.b, *more], stdout=full, stderr=h.subprocess.PIPE, check=False)
        t.report(f"output that cannot be written {more}",
                 [] if done.returncode == FAILED and b"cannot be written" in done.stderr
                 else [str(done)])


def main():
    h.require_program()
    with tempfile.TemporaryDirectory(prefix="reprise-test-") as folder:
        t = Tester(folder)
        for part in (good, made_material, empty_masks, rtstructs, other_grids, wrong_usage, bad_files,
                     full_disk):
            part(t)
    return t.finish()


sys.exit(main())
