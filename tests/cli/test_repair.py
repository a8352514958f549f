"""CTs that are not as they should be, through the commands: refused with the gap, taken with --repair, and told in
every result; a tilted gantry is resampled and told, and contours drawn on its slices are placed; info says what a
tree holds without naming the patient."""
import glob
import json
import os
import sys
import tempfile

import numpy as np
import pydicom

import harness as h

DONE, FAILED, REFUSED = 0, 1, 3
GAP = "8.00 mm"


def with_gap(folder, number, **how):
    """A series whose seventh slice, off the ball's middle, is missing."""
    h.write_series(folder, number, **how)
    os.remove(os.path.join(folder, f"{number}-06.dcm"))
    return folder


def expect(checks, name, done, code, *words, out=()):
    faults = list(done.faults)
    if done.returncode != code:
        faults.append(f"exit code {done.returncode}, not {code}: {done.stderr}")
    faults += [f"no {w!r} in {done.stderr}" for w in words if w not in done.stderr]
    faults += [f"no {w!r} in {done.stdout}" for w in out if w not in done.stdout]
    checks.report(name, faults)


def is_told(checks, name, told, path):
    found = (told or {}).get("repaired_images", [])
    fits = len(found) == 1 and found[0]["path"] == path and found[0]["repair"]["gap_mm"] == 8
    fits = fits and found[0]["repair"]["missing_slices"] == 1
    checks.report(name, [] if fits else [f"repaired_images {found}"])


def each_command(checks, folder):
    """Commands that only need an image and a contour."""
    ct, rt = with_gap(folder + "/gap", 5), h.write_rtstruct(folder + "/rt.dcm", 5)
    mask = h.write_nifti(folder + "/mask.nii.gz", h.voxels()[1])
    calls = {
        "convert": (ct, folder + "/ct.nii"),
        "measure": ("--mask", rt, "--image", ct, "--json"),
        "respond": ("--baseline-mask", rt, "--baseline-image", ct, "--followup-mask", mask, "--json"),
        "compare-masks": ("--reference", rt, "--prediction", mask, "--image", ct, "--json"),
        "simulate": ("--image", ct, "--contour", rt, "--change", "-20", "--out", folder + "/made"),
    }
    for command, arguments in calls.items():
        expect(checks, f"{command} without --repair", h.run(command, *arguments), REFUSED, GAP,
               "--repair")
        done = h.run(command, *arguments, "--repair")
        expect(checks, f"{command} --repair", done, DONE, GAP, "1 missing slice was filled")
        warned = done.stderr.count("missing slice was filled")
        checks.report(f"{command} warns once", [] if warned == 1 else [done.stderr])
        if "--json" in arguments and not done.returncode:
            told = json.loads(done.stdout)
            is_told(checks, f"{command} tells", told.get("provenance", told) if command ==
                    "compare-masks" else told, ct)
    with open(folder + "/made/truth.json", encoding="utf-8") as file:
        is_told(checks, "simulate tells", json.load(file), ct)


def adaptation(checks, folder):
    """The model says what was done to its image, and of an image as acquired nothing."""
    config = folder + "/tiny.yaml"
    h.write(config, h.TINY.encode())
    whole, gap = h.write_series(folder + "/whole", 1), with_gap(folder + "/gap", 2)
    for number, image in ((1, whole), (2, gap)):
        contour, model = h.write_rtstruct(f"{folder}/{number}.dcm", number), f"{folder}/{number}.safetensors"
        expect(checks, f"adapt to {image}", h.run("adapt", "--image", image, "--contour", contour, "--config", config,
                                                  "--out", model, "--repair", "--quiet"), DONE)
        told = json.loads(h.run("info", model, "--json").stdout)["provenance"].get("image_repair", "")
        checks.report(f"the model of {image} tells", [] if (GAP in told) == (image == gap) == bool(told) else [told])


def assessment(checks, folder):
    before, after = h.write_series(folder + "/before", 1), with_gap(
        folder + "/after", 2, date="20240310", shift=1)
    rt, config = h.write_rtstruct(folder + "/1.dcm", 1), folder + "/tiny.yaml"
    h.write(config, h.TINY.encode())
    arguments = ("assess", "--baseline", before, "--contour", rt, "--followup", after, "--config", config,
                 "--seed", "1", "--out", folder + "/out", "--quiet")
    expect(checks, "assess without --repair", h.run(*arguments), REFUSED, GAP)
    checks.report("nothing is left", [f for f in glob.glob(folder + "/out/*")])
    expect(checks, "assess --repair", h.run(*arguments, "--repair"), DONE, GAP)
    with open(folder + "/out/result.json", encoding="utf-8") as file:
        result = json.load(file)
    flags = [f["message"] for f in result["flags"] if f["key"] == "image_resampled"]
    checks.report("flagged", [] if len(flags) == 1 and "follow-up" in flags[0] and GAP in flags[0]
                  else [str(result["flags"])])
    is_told(checks, "provenance", result["provenance"], after)
    inputs = result["provenance"]["inputs"]
    checks.report("inputs", [] if inputs["followup"]["repair"]["gap_mm"] == 8
                  and "repair" not in inputs["baseline"] else [str(inputs)])
    with open(folder + "/out/report.html", encoding="utf-8") as file:
        checks.report("report", [] if GAP in file.read() else ["the report does not tell the gap"])
    contours = folder + "/out/followup_rtstruct.dcm"
    if os.path.exists(contours):
        written(checks, contours)


def written(checks, path):
    """The contours say what was done, and refer to no slice that was never acquired."""
    d = pydicom.dcmread(path)
    faults = [] if GAP in d.StructureSetDescription else [d.StructureSetDescription]
    uids = {f"{h.UID}2.3.{z + 1}" for z in range(h.SIZE[0]) if z != 6}
    frame = d.ReferencedFrameOfReferenceSequence[0]
    series = frame.RTReferencedStudySequence[0].RTReferencedSeriesSequence[0]
    listed = [r.ReferencedSOPInstanceUID for r in series.ContourImageSequence]
    faults += [] if sorted(listed) == sorted(uids) else [f"lists {listed}"]
    for contour in d.ROIContourSequence[0].ContourSequence:
        z = round((float(contour.ContourData[2]) - h.ORIGIN[2]) / h.SPACING[0])
        referred = [r.ReferencedSOPInstanceUID for r in contour.get("ContourImageSequence", [])]
        if referred != ([] if z == 6 else [f"{h.UID}2.3.{z + 1}"]):
            faults.append(f"the contour of slice {z} refers to {referred}")
    checks.report("RTSTRUCT on a repaired series", faults)


def lean(folder, number, per_mm):
    """Shifts each slice along y, as a gantry does; contours on them are shifted alike by the caller."""
    for path in glob.glob(os.path.join(folder, "*.dcm")):
        d = pydicom.dcmread(path)
        z = float(d.ImagePositionPatient[2])
        h.edit(path, ImagePositionPatient=[h.ORIGIN[0], h.ORIGIN[1] + per_mm * (z - h.ORIGIN[2]), z])
    return folder


def tilted(checks, folder):
    per_mm = np.tan(np.radians(15))
    ct = lean(h.write_series(folder + "/tilted", 7), 7, per_mm)
    outlines = [[[x, y + per_mm * (z - h.ORIGIN[2]), z] for x, y, z in h.circle(k)]
                for k in range(3, 8)]
    rt = h.write_rtstruct(folder + "/7.dcm", 7, {"Tumour": outlines})
    upright = h.write_series(folder + "/upright", 8), h.write_rtstruct(folder + "/8.dcm", 8)
    volumes = []
    for image, contour in ((ct, rt), upright):
        done = h.run("measure", "--mask", contour, "--image", image, "--json")
        expect(checks, f"measure on {image}", done, DONE)
        told = json.loads(done.stdout) if not done.returncode else {"lesions": [{"volume_cc": 0}]}
        volumes.append(told["lesions"][0]["volume_cc"])
        tilts = [i["repair"]["tilt_degrees"] for i in told.get("repaired_images", [])]
        wanted = [15] if image == ct else []
        checks.report("tilt is told", [] if np.allclose(tilts, wanted, atol=1e-3) else [str(tilts)])
    # a shear keeps the volume; voxels of 4 mm on another lattice do not, quite
    checks.report("contours drawn on tilted slices", []
                  if abs(volumes[0] - volumes[1]) < 0.1 * volumes[1] else [str(volumes)])


def information(checks, folder):
    tree = folder + "/tree"
    h.write_series(tree + "/a", 1)
    with_gap(tree + "/b", 2, date="20240310")
    h.write_series(tree + "/c", 3, patient="HIDDEN-ID-2")
    for path in glob.glob(tree + "/c/*"):
        h.edit(path, ConvolutionKernel="B70f", ContrastBolusAgent="X", AcquisitionTime="101500",
               ContrastBolusStartTime="101350", SliceThickness="5")
    h.write(tree + "/notes.txt", b"nothing")
    done = h.run("info", tree)
    expect(checks, "info", done, DONE, out=("patient 1", "patient 2", "study 2, 2024-03-10", "B70f",
                                             "contrast, 70 s after its start", "thickness 5 mm",
                                             "with --repair only: missing slices: gap of 8.00 mm",
                                             "other files: 1"))
    told = json.loads(h.run("info", tree, "--json").stdout)
    found = [(s["patient"], s["study"], s["date"], s["slices"], s["usable"], s["usable_with_repair"])
             for s in told["series"]]
    wanted = [(1, 1, "2024-01-10", 10, True, True), (1, 2, "2024-03-10", 9, False, True),
              (2, 1, "2024-01-10", 10, True, True)]
    checks.report("info --json", [] if found == wanted and told["patients"] == 2
                  and told["studies"] == 3 else [str(found)])
    shown = h.run("info", tree, "--identifiers").stdout
    checks.report("identifiers on request", [] if "HIDDEN-ID-2" in shown else [shown])
    h.cut(tree + "/a/1-03.dcm", tree + "/a/1-03.dcm", 0.4)
    expect(checks, "info of a damaged file", h.run("info", tree), DONE,
           out=("unreadable files: 1", "1-03.dcm"))


def main():
    h.require_program()
    checks = h.Checks()
    for part in (each_command, adaptation, assessment, tilted, information):
        with tempfile.TemporaryDirectory(prefix="reprise-test-") as folder:
            part(checks, folder)
    return checks.finish()


sys.exit(main())
