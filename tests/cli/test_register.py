"""`reprise register` as its users run it: NIfTI and DICOM, carried contours and points, refusals. The follow-up is
the baseline's patient moved by whole voxels, so that where everything goes is known."""
import json
import os
import sys
import tempfile

import nibabel
import numpy as np
import pydicom

import harness as h

FAILED, USAGE, REFUSED = 1, 2, 3
SHIFT = 2  # voxels of the ball, along x


def record(out):
    with open(os.path.join(out, "registration.json"), encoding="utf-8") as file:
        return json.load(file)


def overlap(path, truth):
    found = np.asarray(nibabel.load(path).dataobj).transpose(2, 1, 0) > 0
    return 2 * (found & (truth > 0)).sum() / (found.sum() + truth.sum())


def nifti(t, folder):
    """Images and contour, and a point in the middle of the ball that moved."""
    before, ball = h.voxels()
    after, moved = h.voxels(SHIFT)
    paths = [h.write_nifti(os.path.join(folder, name), array)
             for name, array in (("before.nii.gz", before), ("after.nii.gz", after), ("ball.nii.gz", ball))]
    middle = [h.ORIGIN[0] + 14 * 4, h.ORIGIN[1] + 12 * 4, h.ORIGIN[2] + 5 * 4]
    points = os.path.join(folder, "points.csv")
    with open(points, "w", encoding="ascii") as file:
        file.write(",".join(map(str, middle)) + "\r\n")
    out = os.path.join(folder, "nifti")
    done = h.run("register", "--baseline", paths[0], "--followup", paths[1], "--contour", paths[2],
                 "--points", points, "--out", out)
    faults = list(done.faults)
    if done.returncode:
        t.report("NIfTI", faults + [done.stderr])
        return
    found = record(out)
    dice = overlap(os.path.join(out, "carried_mask.nii.gz"), moved)
    if dice < 0.9:
        faults.append(f"Dice {dice}")
    where = np.array(found["points"][0]["followup_lps"])
    if not found["points"][0]["met"] or np.abs(where - middle - [4 * SHIFT, 0, 0]).max() > 3:
        faults.append(f"the point went to {where}")
    if found["deformable"]["folded_share"] > 0 or found["rigid"]["quality"] == "failed":
        faults.append(str(found))
    if "Contour" not in done.stdout or sorted(os.listdir(out)) != ["carried_mask.nii.gz", "registration.json"]:
        faults.append(done.stdout + str(os.listdir(out)))
    t.report("NIfTI", faults)

    out = os.path.join(folder, "alone")
    done = h.run("register", "--baseline", paths[0], "--followup", paths[1], "--out", out, "--quiet")
    found = record(out) if not done.returncode else {}
    t.report("without a contour", done.faults + [done.stderr] * (done.returncode != 0) + [
        "tells of a contour"] * ("carried" in found or done.stdout != ""))

    with open(points, "w", encoding="ascii") as file:
        file.write("1,2,3\n1,2\n")
    out = os.path.join(folder, "bad-points")
    done = h.run("register", "--baseline", paths[0], "--followup", paths[1], "--points", points, "--out", out)
    t.report("a line that is no point", done.faults + [done.stderr] * (
        done.returncode != FAILED or "line 2" not in done.stderr or os.path.exists(out)))

    flat = h.write_nifti(os.path.join(folder, "flat.nii.gz"), np.zeros_like(before))
    done = h.run("register", "--baseline", paths[0], "--followup", flat, "--out", out)
    t.report("an image of nothing", done.faults + [done.stderr] * (done.returncode != REFUSED or os.path.exists(out)))
    done = h.run("register", "--baseline", paths[0], "--out", out)
    t.report("half a pair", done.faults + [done.stderr] * (done.returncode != USAGE))


def dicom(t, folder):
    before = h.write_series(os.path.join(folder, "before"), 1)
    after = h.write_series(os.path.join(folder, "after"), 2, date="20240410", shift=SHIFT)
    contour = h.write_rtstruct(os.path.join(folder, "rt.dcm"), 1) or os.path.join(folder, "rt.dcm")
    out = os.path.join(folder, "dicom")
    done = h.run("register", "--baseline", before, "--followup", after, "--contour", contour, "--out", out)
    faults = list(done.faults)
    if done.returncode:
        faults.append(done.stderr)
    else:
        _, moved = h.voxels(SHIFT)
        dice = overlap(os.path.join(out, "carried_mask.nii.gz"), moved)
        if dice < 0.8:  # a drawn circle is no ball
            faults.append(f"Dice {dice}")
        for name, modality in (("carried_rtstruct.dcm", "RTSTRUCT"), ("carried_seg.dcm", "SEG")):
            ds = pydicom.dcmread(os.path.join(out, name))
            if ds.Modality != modality or f"{h.UID}2.2" not in str(ds):
                faults.append(f"{name}: a {ds.Modality} that does not refer to the follow-up")
    t.report("DICOM", faults)

    other = h.write_series(os.path.join(folder, "other"), 3, patient="SOMEBODY-ELSE")
    out = os.path.join(folder, "two-patients")
    command = ("register", "--baseline", before, "--followup", other, "--out", out)
    done = h.run(*command)
    t.report("another patient", done.faults + [done.stderr] * (done.returncode != REFUSED or os.path.exists(out)))
    done = h.run(*command, "--allow-patient-mismatch")
    t.report("another patient, overridden", done.faults + [done.stderr] * (done.returncode != 0))
    done = h.run("register", "--baseline", before, "--followup", after, "--out", before)
    t.report("into the input", done.faults + [done.stderr] * (done.returncode != REFUSED))


def main():
    h.require_program()
    checks = h.Checks()
    with tempfile.TemporaryDirectory(prefix="reprise-register-") as folder:
        nifti(checks, folder)
        dicom(checks, folder)
    return checks.finish()


if __name__ == "__main__":
    sys.exit(main())
