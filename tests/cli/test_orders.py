"""One patient, stored in other orders of axes as NIfTI and as DICOM: the same contours and figures
from every command. nibabel alone turns the files."""
import itertools
import json
import os
import shutil
import sys
import tempfile

import numpy as np

import harness as h

nibabel = h.nibabel
SPACING = (2.0, 1.5, 3.5)  # x, y, z in mm: no axis is like another
FIGURES = ("longest_diameter_mm", "short_axis_mm", "volume_cc", "voxels")
PLACES = ("endpoints_lps", "short_axis_endpoints_lps", "centroid_lps")
TINY = """network: {first_filters: 4, growth: 2, down_layers: [1, 1], bottleneck_layers: 1}
preprocessing: {spacing_mm: [2.1, 1.7, 3.6]}
adapt: {epochs: 3, crop: [16, 16, 8], prior_channel: true}
guard: {trials: 2, vanished: 1}
predict: {threshold: 0.3}
"""


def codes():
    """The 48, the way that each axis runs."""
    for order in itertools.permutations(("LR", "PA", "IS")):
        for way in itertools.product((0, 1), repeat=3):
            yield "".join(letters[w] for letters, w in zip(order, way))


def patient(shift=0.0):
    """HU and an irregular lesion, [x][y][z], like none of their mirror images."""
    x, y, z = np.indices((40, 36, 18)).astype(float)
    body = ((x - 19) / 18) ** 2 + ((y - 17) / 16) ** 2 < 1
    u, v, w = x - 15 - shift, y - 20, z - 8
    lesion = ((u + 0.5 * v) / 8) ** 2 + ((v - 0.4 * w) / 5) ** 2 + ((w + 0.2 * u) / 4) ** 2 < 1
    lesion |= (abs(u - 6) < 2) & (abs(v) < 3) & (abs(w - 1) < 2)
    hu = np.where(lesion, 120, np.where(body, 30 + 2 * x - y + 3 * z, -1000))
    return hu.astype(np.int16), lesion.astype(np.uint8)


class Patient:
    """Files of one patient in a folder, in whatever order they are asked for."""

    def __init__(self, folder):
        self.folder = folder
        affine = np.diag([-SPACING[0], -SPACING[1], SPACING[2], 1.0])
        affine[:3, 3] = 81.3, 61.7, -402.9
        for visit, shift in (("before", 0), ("after", 1.5)):
            for name, array in zip(("ct", "mask"), patient(shift)):
                nibabel.save(nibabel.Nifti1Image(array, affine), self(f"{visit}-{name}.LPS.nii"))

    def __call__(self, name):
        return os.path.join(self.folder, name)

    def stored(self, name, code):
        path = self(f"{name}.{code}.nii")
        if not os.path.exists(path):
            self.turn(self(f"{name}.LPS.nii"), path, code)
        return path

    @staticmethod
    def turn(source, path, code):
        image = nibabel.load(source)
        turn = nibabel.orientations.ornt_transform(nibabel.io_orientation(image.affine),
                                                   nibabel.orientations.axcodes2ornt(tuple(code)))
        nibabel.save(image.as_reoriented(turn), path)

    def in_lps(self, path):
        """Voxels, brought from the file's order to LPS; no view of a file that is written again."""
        self.turn(path, self("back.nii"), "LPS")
        return np.array(nibabel.load(self("back.nii"), mmap=False).dataobj)


def differing(want, found, exact=True):
    faults = []
    for key in FIGURES:
        if want[key] != found[key] and (exact or abs(want[key] - found[key]) > 1e-4):
            faults.append(f"{key} is {found[key]}, not {want[key]}")
    for key in PLACES:
        if key in want and np.abs(np.subtract(want[key], found[key])).max() > 2e-4:
            faults.append(f"{key} is {found[key]}, not {want[key]}")
    return faults


def lesion_on_its_slice(lesion, path):
    """The ends lie on the slice that is named, counted along the axis that is named."""
    image = nibabel.load(path)
    ends = np.array(lesion["endpoints_lps"], float) * [-1, -1, 1]
    index = (np.linalg.inv(image.affine) @ np.c_[ends, [1, 1]].T)[lesion["slice_axis"]]
    axial = nibabel.aff2axcodes(image.affine)[lesion["slice_axis"]]
    faults = [] if axial in "SI" else [f"slices counted along {axial}"]
    return faults + ([] if np.abs(index - lesion["slice_index"]).max() < 1e-3 else
                     [f"ends at {index}, slice {lesion['slice_index']}"])


def run_json(*arguments):
    done = h.run(*arguments)
    if done.returncode:
        return {}, [*done.faults, f"exit code {done.returncode}: {done.stderr}"]
    return json.loads(done.stdout), done.faults


def measure_and_respond(checks, p):
    wanted = {}
    baseline = p.stored("before-mask", "LPS")
    for code in codes() if not h.SHORT else ("LPS", "PIR", "ASL", "RAS"):
        mask = p.stored("after-mask", code)
        for definition in ("convex", "inside"):
            got, faults = run_json("measure", "--json", "--mask", mask, "--definition", definition)
            lesion = got["lesions"][0] if got else {}
            if lesion:
                want = wanted.setdefault(definition, lesion)
                faults += differing(want, lesion) + lesion_on_its_slice(lesion, mask)
                if got["slice_spacing_mm"] != SPACING[2] or len(got["lesions"]) != 1:
                    faults.append(f"spacing {got['slice_spacing_mm']}, {len(got['lesions'])} lesions")
                if "remarks" in got:
                    faults.append(str(got["remarks"]))
            checks.report(f"measure {definition} {code}", faults)
        got, faults = run_json("respond", "--json", "--baseline-mask", baseline, "--followup-mask", mask)
        if got:
            change = wanted.setdefault("change", got["change_percent"])
            faults += [] if got["change_percent"] == change else [f"{got['change_percent']} %"]
        checks.report(f"respond {code}", faults)


def adapt_and_segment(checks, p):
    models, maps, model = set(), {}, p("model.LPS")
    for code in ("LPS", "RAS", "LAS", "PIR", "SAL"):
        out = p(f"model.{code}")
        done = h.run("adapt", "-q", "--config", p("tiny.yaml"), "--seed", "3", "--out", out, "--image",
                     p.stored("before-ct", code), "--contour", p.stored("before-mask", code))
        with open(out, "rb") as file:
            models.add(file.read())
        checks.report(f"adapt {code}", done.faults + ([] if len(models) == 1 else ["another model"]))
        files = [p(f"{name}.{code}.found.nii") for name in ("mask", "probability")]
        done = h.run("segment", "-q", "--model", model, "--threshold", "0.3", "--out", files[0],
                     "--image", p.stored("after-ct", code), "--probability", files[1],
                     "--prior", p.stored("before-mask", code))
        faults = done.faults + ([done.stderr] if done.returncode else [])
        if not faults:
            if "".join(nibabel.aff2axcodes(nibabel.load(files[0]).affine)) != code:
                faults.append("the contour is not on the image's own grid")
            found = [p.in_lps(file) for file in files]
            want = maps.setdefault("LPS", found)
            faults += [f"{np.count_nonzero(a != b)} voxels differ" for a, b in zip(want, found)
                       if not np.array_equal(a, b)]
        checks.report(f"segment {code}", faults)


def result_of(p, name, baseline, contour, followup, *more):
    out = p(name)
    done = h.run("assess", "-q", "--guard", "off", "--config", p("tiny.yaml"), "--seed", "3", "--baseline", baseline,
                 "--contour", contour, "--followup", followup, "--out", out, "--accept-implausible", "all", *more)
    if done.returncode:
        return {}, [*done.faults, done.stderr]
    with open(os.path.join(out, "result.json"), encoding="utf-8") as file:
        return json.load(file), done.faults


def same_result(want, got, exact=True):
    faults = []
    for visit in ("baseline", "followup"):
        if want[visit]["longest_diameter_mm"] is not None:
            faults += [f"{visit}: {f}" for f in differing(want[visit], got[visit], exact)]
    if got["response"] != want["response"] or abs(got["change_percent"] - want["change_percent"]) > (
            0 if exact else 1e-9):
        faults.append(f"{got['response']} {got['change_percent']} %, not {want['response']}")
    if got["provenance"]["model_sha256"] != want["provenance"]["model_sha256"]:
        faults.append("another model")
    return faults


def flagged(result, key):
    return [flag for flag in result["flags"] if flag["key"] == key]


def assess(checks, p):
    three = [("before-ct", "before-mask", "after-ct"), ("LPS", "LPS", "LPS"), ("PIR", "LAS", "RAS"),
             ("RAS", "PSR", "IRA")]
    want = {}
    for n, orders in enumerate(three[1:]):
        got, faults = result_of(p, f"assessed{n}", *map(p.stored, three[0], orders))
        if got:
            want = want or got
            faults += same_result(want, got)
            keys = [sorted(flag["key"] for flag in result["flags"]) for result in (want, got)]
            faults += [] if keys[0] == keys[1] else [f"flags {keys[1]}, not {keys[0]}"]
            faults += ["not axial"] if flagged(got, "not_axial") else []
        checks.report(f"assess {orders}", faults)
    return want


def dicom(checks, p, want):
    """The order in which a series runs, and its plane, are the file's matter alone."""
    for code in ("LPS", "RAS", "LAI", "PIR"):
        folders = [p(f"{name}-{code}-series") for name in ("before", "after")]
        faults = []
        for visit, folder in zip(("before", "after"), folders):
            done = h.run("convert", p.stored(f"{visit}-ct", code), folder)
            faults += done.faults + ([done.stderr] if done.returncode else [])
        got, more = result_of(p, f"assessed-dicom-{code}", folders[0], p.stored("before-mask", "LPS"),
                              folders[1], "--allow-date-order")
        faults += more
        if got:
            sagittal = code == "PIR"  # there the spacing of the slices comes from their positions
            faults += same_result(want, got, exact=not sagittal)
            if bool(flagged(got, "not_axial")) != sagittal:
                faults.append(f"flags {got['flags']}")
            if ("sop_instance_uid" in got["baseline"]) == sagittal:
                faults.append("an image is named that does not show the slice")
            faults += report_of(p(f"assessed-dicom-{code}"), got, sagittal)
        checks.report(f"assess a series made of {code}", faults)


def axes_of(item, found):
    """Diameters of a structured report with their lines: {name: [(mm, kind, numbers)]}."""
    for child in item.get("ContentSequence", []):
        name = child.ConceptNameCodeSequence[0].CodeMeaning if "ConceptNameCodeSequence" in child else ""
        if child.ValueType == "NUM" and name in ("Long Axis", "Short Axis"):
            mm = float(child.MeasuredValueSequence[0].NumericValue)
            lines = [(c.ValueType, np.array(c.GraphicData, float))
                     for c in child.get("ContentSequence", []) if "GraphicData" in c]
            found.setdefault(name, []).append((mm, lines))
        axes_of(child, found)
    return found


def report_of(folder, result, sagittal):
    """measurements_sr.dcm: on a sagittal series the axes stand in space, where they were measured."""
    path = os.path.join(folder, "measurements_sr.dcm")
    if not os.path.exists(path):
        return ["no structured report"]
    axes = axes_of(h.pydicom.dcmread(path), {})
    faults = []
    mm, lines = axes["Long Axis"][0]
    if abs(mm - result["baseline"]["longest_diameter_mm"]) > 1e-3:
        faults.append(f"{mm} mm in the structured report")
    kind, numbers = lines[0]
    if kind != ("SCOORD3D" if sagittal else "SCOORD"):
        return faults + [f"the axis is an {kind}"]
    ends = result["baseline"]["endpoints_lps"]
    if sagittal and np.abs(numbers.reshape(2, 3) - ends).max() > 1e-3:
        faults.append(f"the axis lies at {numbers}, not {ends}")
    return faults


def simulate(checks, p):
    """The same follow-up, in the order of the baseline."""
    wanted = None
    for code in ("LPS", "RSA"):
        out = p(f"simulated-{code}")
        done = h.run("simulate", "-q", "--image", p.stored("before-ct", code), "--contour",
                     p.stored("before-mask", code), "--change=-20", "--seed=4", "--out", out)
        faults = done.faults + ([done.stderr] if done.returncode else [])
        if not faults:
            files = [os.path.join(out, name) for name in ("followup.nii.gz", "truth_mask.nii.gz")]
            found = [p.in_lps(file) for file in files]
            wanted = wanted or found
            faults += [f"{np.count_nonzero(a != b)} voxels differ" for a, b in zip(wanted, found)
                       if not np.array_equal(a, b)]
            if "".join(nibabel.aff2axcodes(nibabel.load(files[0]).affine)) != code:
                faults.append("the follow-up is stored otherwise than the baseline")
        checks.report(f"simulate {code}", faults)


def told(checks, p):
    """Acquired in other planes than axial, and obliquely."""
    affine = np.diag([-1.0, -1.0, 1.0, 1.0])
    lesion = patient()[1]
    cases = {"sagittal": np.diag([-4.0, -1, 1, 1]), "coronal": np.diag([-1.0, -4, 1, 1]), "": affine}
    turn = np.eye(4)
    turn[1:3, 1:3] = [[np.cos(0.6), -np.sin(0.6)], [np.sin(0.6), np.cos(0.6)]]
    cases["oblique"] = turn @ affine
    for word, matrix in cases.items():
        path = p(f"told-{word}.nii")
        nibabel.save(nibabel.Nifti1Image(lesion, matrix), path)
        for code in ("LPS", "IPR"):
            p.turn(path, p("told.nii"), code)
            done = h.run("measure", "--json", "--mask", p("told.nii"))
            remarks = json.loads(done.stdout).get("remarks", [])
            right = [r for r in remarks if r["key"] == "not_axial" and word in r["text"]]
            faults = done.faults + ([] if bool(right) == bool(word) else [f"remarks {remarks}"])
            faults += [] if (word in done.stderr if word else not done.stderr) else [done.stderr]
            checks.report(f"told of {word or 'axial'} slices stored as {code}", faults)


def main():
    h.require_program()
    checks = h.Checks()
    folder = tempfile.mkdtemp(prefix="reprise-orders-")
    try:
        p = Patient(folder)
        with open(p("tiny.yaml"), "w", encoding="utf-8") as file:
            file.write("recipe: study\n" + TINY)
        measure_and_respond(checks, p)
        adapt_and_segment(checks, p)
        dicom(checks, p, assess(checks, p))
        simulate(checks, p)
        told(checks, p)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return checks.finish()


sys.exit(main())
