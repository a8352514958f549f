"""reprise assess, adapt and segment from the outside: files, keys, grids, refusals, kills and resuming.

A small made-up patient: an ellipsoid in a box, written as DICOM and NIfTI by this program alone.
"""

import datetime
import hashlib
import json
import os
import pathlib
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time

try:
    import nibabel
    import numpy
    import pydicom
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

REPRISE = os.environ["REPRISE"]
OUTPUTS = {"followup_mask.nii.gz", "followup_rtstruct.dcm", "followup_seg.dcm", "measurements_sr.dcm",
           "patient_model.safetensors", "report.html",
           "result.json"}
CHECKPOINT = "checkpoint.safetensors"
NAME, BIRTH, ID = "Doe^Unmistakable", "19610203", "ID-7741-Z"
CONFIG = """
recipe: study
network: {first_filters: 8, growth: 4, down_layers: [1, 1], bottleneck_layers: 1, dropout: 0.1}
preprocessing: {spacing_mm: [2.0, 2.0, 3.0]}
adapt: {epochs: %d, copies: 2, crop: [24, 24, 8], learning_rate: 0.01, checkpoint_seconds: 0, seed: 5}
"""
EPOCHS = 24 if os.environ.get("REPRISE_TEST_SHORT") else 60
SIZE, SPACING = (12, 40, 44), (3.0, 2.0, 2.0)  # z, y, x
failures = 0


def check(what, good, detail=""):
    global failures
    print(f"{'ok  ' if good else 'FAIL'} {what}" + ("" if good else f": {detail}"), flush=True)
    failures += not good


# ---- material -------------------------------------------------------------------------------------


def make_patient(radius_mm, centre_mm, seed):
    """Voxels [z][y][x] in HU and the lesion; the first voxel lies at the origin of the world."""
    z, y, x = numpy.meshgrid(*[numpy.arange(n) * s for n, s in zip(SIZE, SPACING)], indexing="ij")
    lesion = ((x - centre_mm[2]) / 1.2) ** 2 + (y - centre_mm[1]) ** 2 + (z - centre_mm[0]) ** 2 < radius_mm**2
    hu = numpy.where(lesion, 120.0, 20.0) + numpy.random.default_rng(seed).normal(0, 8, SIZE)
    return numpy.rint(hu).astype(numpy.int16), lesion


def write_dicom(folder, voxels, date, patient=ID, modality="CT", name=NAME, birth=BIRTH, sex="O"):
    folder.mkdir()
    study, series, frame = generate_uid(), generate_uid(), generate_uid()
    for k, plane in enumerate(voxels):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, generate_uid()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        d = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
        d.is_little_endian, d.is_implicit_VR = True, False
        d.SOPClassUID, d.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
        d.PatientName, d.PatientBirthDate, d.PatientSex = name, birth, sex
        if patient:
            d.PatientID = patient
        d.StudyInstanceUID, d.SeriesInstanceUID, d.FrameOfReferenceUID = study, series, frame
        d.Modality, d.StudyDate, d.SeriesDate, d.AcquisitionDate = modality, date, date, date
        d.StudyTime, d.AccessionNumber, d.ReferringPhysicianName, d.StudyID = "120000", "", "", "1"
        d.SeriesNumber, d.InstanceNumber = 1, k + 1
        d.ImagePositionPatient, d.ImageOrientationPatient = [0, 0, k * SPACING[0]], [1, 0, 0, 0, 1, 0]
        d.PixelSpacing, d.SliceThickness = [SPACING[1], SPACING[2]], SPACING[0]
        d.Rows, d.Columns, d.SamplesPerPixel, d.PhotometricInterpretation = *plane.shape, 1, "MONOCHROME2"
        d.BitsAllocated, d.BitsStored, d.HighBit, d.PixelRepresentation = 16, 16, 15, 1
        d.RescaleSlope, d.RescaleIntercept = 1, 0
        d.PixelData = plane.astype("<i2").tobytes()
        d.save_as(folder / f"{k:03d}.dcm", write_like_original=False)
    return folder


def write_nifti(path, voxels):
    affine = numpy.diag([-SPACING[2], -SPACING[1], SPACING[0], 1.0])  # LPS in RAS
    nibabel.save(nibabel.Nifti1Image(voxels.transpose(2, 1, 0).astype(numpy.int16), affine), path)
    return path


class Case:
    def __init__(self, root):
        self.root = root
        before, self.before_lesion = make_patient(13.0, (17, 40, 42), 1)
        after, self.after_lesion = make_patient(8.0, (17, 42, 44), 2)
        self.before, self.after = before, after
        self.baseline = write_dicom(root / "baseline", before, "20240105")
        self.followup = write_dicom(root / "followup", after, "20240315")
        self.baseline_nifti = write_nifti(root / "baseline.nii.gz", before)
        self.followup_nifti = write_nifti(root / "followup.nii.gz", after)
        self.contour = write_nifti(root / "contour.nii.gz", self.before_lesion)
        self.truth = write_nifti(root / "truth.nii.gz", self.after_lesion)
        self.config = root / "tiny.yaml"
        self.config.write_text(CONFIG % EPOCHS)

    def command(self, out, *more, **changed):
        given = {"baseline": self.baseline, "contour": self.contour, "followup": self.followup, "out": out,
                 "config": self.config, "memory": "1G", "guard": "off"} | changed
        words = [REPRISE, "assess"]
        for key, value in given.items():
            words += [f"--{key}", str(value)]
        return words + [str(m) for m in more]

    def run(self, out, *more, **changed):
        return subprocess.run(self.command(out, *more, **changed), capture_output=True, text=True, timeout=300)


def names(folder):
    return {p.name for p in folder.iterdir()} if folder.is_dir() else None


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else f"no {path.name}"


# ---- what is written ------------------------------------------------------------------------------


def check_keys(result):
    top = {"format", "format_version", "notice", "subject", "label", "change_percent", "response", "rule",
           "measurable_at_baseline", "interval_days", "flags", "baseline", "followup", "place", "carry_forward", "dice",
           "dice_carry_forward", "diameter_error_mm", "truth", "adaptation", "window", "definitions", "plausibility",
           "provenance", "timing", "guard", "interval", "contour_source", "sources"}
    check("result.json has exactly the documented keys", set(result) == top, sorted(set(result) ^ top))
    for visit in "baseline", "followup", "truth":
        wanted = {"longest_diameter_mm", "short_axis_mm", "volume_cc", "slice_index", "endpoints_lps"}
        check(f"{visit} has its keys", wanted <= set(result[visit]), wanted - set(result[visit]))
    wanted = {"version", "command_line", "seed", "threads", "kernels", "model_sha256", "inputs", "settings"}
    check("provenance has its keys", wanted <= set(result["provenance"]), wanted - set(result["provenance"]))
    text = (pathlib.Path(os.environ["REPRISE_SOURCE"]) / "docs" / "result-json.md").read_text()
    undocumented = [k for part in (result, result["baseline"], result["followup"], result["place"], result["carry_forward"],
                                   result["adaptation"], result["definitions"], result["timing"],
                                   result["sources"],
                                   result["provenance"], result["provenance"]["memory"])
                    for k in part if f"`{k}`" not in text]
    check("every key is documented", not undocumented, undocumented)


def check_geometry(case, out, result):
    mask = nibabel.load(out / "followup_mask.nii.gz")
    image = nibabel.load(case.followup_nifti)
    check("mask lies on the follow-up's grid",
          mask.shape == image.shape and numpy.allclose(mask.affine, image.affine, atol=1e-4), mask.affine)
    found = numpy.asarray(mask.dataobj).transpose(2, 1, 0) > 0
    both = 2.0 * (found & case.after_lesion).sum() / (found.sum() + case.after_lesion.sum())
    carried = 2.0 * (case.before_lesion & case.after_lesion).sum() / (
        case.before_lesion.sum() + case.after_lesion.sum())
    check("dice as counted here", abs(result["dice"] - both) < 1e-9, (result["dice"], both))
    check("carry-forward dice as counted here", abs(result["dice_carry_forward"] - carried) < 1e-9,
          (result["dice_carry_forward"], carried))
    check("the adapted contour beats the carried one", both > carried, (both, carried))
    check("volume as counted here", abs(result["followup"]["volume_cc"] - found.sum() * 0.012) < 1e-9)
    ends = numpy.array(result["followup"]["endpoints_lps"])
    length = numpy.linalg.norm(ends[0] - ends[1])
    check("end points lie a diameter apart", abs(length - result["followup"]["longest_diameter_mm"]) < 1e-6)
    check("end points lie on the measured slice",
          numpy.allclose(ends[:, 2], result["followup"]["slice_index"] * SPACING[0], atol=1e-6), ends)
    error = result["followup"]["longest_diameter_mm"] - result["truth"]["longest_diameter_mm"]
    check("diameter error is predicted minus true", abs(result["diameter_error_mm"] - error) < 1e-9)
    # 2 x 13 x 1.2 mm across, on voxels of 2 mm
    check("baseline diameter is the ellipsoid's", abs(result["baseline"]["longest_diameter_mm"] - 31.2) < 3.0,
          result["baseline"]["longest_diameter_mm"])


def check_rtstruct(case, out, result):
    contours = pydicom.dcmread(out / "followup_rtstruct.dcm")
    series = pydicom.dcmread(case.followup / "000.dcm")
    check("RTSTRUCT is of the follow-up's patient and frame",
          contours.PatientID == ID and contours.StudyInstanceUID == series.StudyInstanceUID
          and series.SeriesInstanceUID in str(contours))
    again = case.run(case.root / "again", "--quiet", truth=out / "followup_rtstruct.dcm", epochs=EPOCHS)
    check("its own RTSTRUCT as truth gives the same contour", again.returncode == 0, again.stderr)
    if again.returncode == 0:
        second = json.loads((case.root / "again" / "result.json").read_text())
        check("dice with itself is 1", second["dice"] > 0.999, second["dice"])
        told = all(f["message"] in again.stderr for f in second["flags"])
        check("quiet prints what is to be checked, and nothing else", again.stdout == "" and told and
              len(again.stderr.splitlines()) == (len(second["flags"]) + 1 if second["flags"] else 0), again.stderr)


def check_seg(case, out):
    segmentation = pydicom.dcmread(out / "followup_seg.dcm")
    series = pydicom.dcmread(case.followup / "000.dcm")
    segment = segmentation.SegmentSequence[0]
    check("SEG is of the follow-up's patient, frame and series",
          segmentation.PatientID == ID and segmentation.StudyInstanceUID == series.StudyInstanceUID
          and segmentation.FrameOfReferenceUID == series.FrameOfReferenceUID
          and segmentation.ReferencedSeriesSequence[0].SeriesInstanceUID == series.SeriesInstanceUID)
    algorithm = segment.SegmentationAlgorithmIdentificationSequence[0]
    check("SEG names the algorithm", segment.SegmentAlgorithmType == "AUTOMATIC"
          and algorithm.AlgorithmName == "Reprise" and "SHA-256" in algorithm.AlgorithmParameters,
          algorithm)
    verified = subprocess.run(["dciodvfy", "-new", out / "followup_seg.dcm"], capture_output=True, text=True,
                              check=False) if shutil.which("dciodvfy") else None
    check("SEG is in order", not verified or "Error" not in verified.stdout + verified.stderr,
          verified and verified.stderr[:500])
    compared = command("compare-masks", "--json", "--reference", out / "followup_mask.nii.gz", "--prediction",
                       out / "followup_seg.dcm", "--image", case.followup)
    check("SEG holds the mask's voxels", compared.returncode == 0 and json.loads(compared.stdout)["dice"] == 1,
          compared.stdout + compared.stderr)


def test_outputs(case):
    out = case.root / "first"
    run = case.run(out, "--threads", 1, truth=case.truth, subject="case-17")
    check("assess succeeds", run.returncode == 0, run.stderr)
    if run.returncode != 0:
        return None
    check("all outputs and nothing else", names(out) == OUTPUTS, names(out))
    result = json.loads((out / "result.json").read_text())
    check_keys(result)
    check_geometry(case, out, result)
    check("the model's hash is in the result", result["provenance"]["model_sha256"] ==
          digest(out / "patient_model.safetensors"))
    check("interval and dates", result["interval_days"] == 70 and result["baseline"]["date"] == "2024-01-05",
          result["interval_days"])
    expected = "PR" if result["change_percent"] <= -30 else "SD"
    check("response follows the change", result["response"] == expected, result["response"])
    check("summary names response and report", result["response"] in run.stdout and "report.html" in run.stdout,
          run.stdout)
    for name in "result.json", "report.html":
        text = (out / name).read_text()
        check(f"{name} holds no patient identifier", not any(t in text for t in ("Unmistakable", ID, BIRTH)))
        check(f"{name} names the subject", "case-17" in text)
    check("nothing of the patient on the terminal", ID not in run.stdout + run.stderr)
    check_rtstruct(case, out, result)
    check_seg(case, out)
    return digest(out / "patient_model.safetensors")


# ---- the same bits ---------------------------------------------------------------------------------


def start(case, out, *more):
    return subprocess.Popen(case.command(out, *more), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def steps_done(path):
    """As the safetensors header of the checkpoint says; 0 without one."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return 0
    length = int.from_bytes(data[:8], "little")
    return int(json.loads(data[8 : 8 + length])["__metadata__"]["reprise.step"])


def wait_for_steps(process, out, steps):
    until = time.monotonic() + 60
    while steps_done(out / CHECKPOINT) < steps and process.poll() is None and time.monotonic() < until:
        time.sleep(0.002)


def test_threads(case, reference):
    out = case.root / "two-threads"
    run = case.run(out, "--threads", 2)
    check("1 and 2 threads give the same model", run.returncode == 0 and
          digest(out / "patient_model.safetensors") == reference, run.stderr)


def test_kill(case, reference):
    rng = random.Random()
    out, killed = case.root / "killed", 0
    process = start(case, out)
    for _ in range(4):
        wait_for_steps(process, out, 1)
        time.sleep(rng.uniform(0.0, 0.25))
        if process.poll() is not None:
            break
        process.send_signal(signal.SIGKILL)
        process.communicate()
        killed += 1
        check("no result after a kill", not (out / "result.json").exists())
        process = start(case, out, "--resume")
    process.communicate()
    check("was killed at least once", killed > 0)
    check(f"resumed after {killed} kills, the model is bit-identical",
          process.returncode == 0 and digest(out / "patient_model.safetensors") == reference)
    left = names(out) - OUTPUTS
    check("a finished run leaves no checkpoint", not [n for n in left if n.startswith("checkpoint")], left)


def test_interrupt(case, reference):
    out = case.root / "interrupted"
    process = start(case, out)
    wait_for_steps(process, out, 6)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate()
    check("Ctrl-C ends with exit code 1", process.returncode == 1, process.returncode)
    check("it tells how to go on", "--resume" in said, said)
    check("only the checkpoint is left", names(out) == {CHECKPOINT}, names(out))
    before = digest(out / CHECKPOINT)
    again = case.run(out)
    check("a checkpoint is not overwritten", again.returncode == 1 and "--resume" in again.stderr
          and digest(out / CHECKPOINT) == before, again.stderr)
    other = case.run(out, "--resume", seed=6)
    check("another run's checkpoint is refused", other.returncode == 3 and digest(out / CHECKPOINT) == before,
          other.stderr)
    (out / ".reprise-Ab12Cd").mkdir()  # as a kill at the wrong moment leaves them
    (out / ".reprise-Ab12Cd" / "report.html").write_text("half")
    (out / f"{CHECKPOINT}.part-Ab12Cd").write_text("half")
    resumed = case.run(out, "--resume")
    check("--resume finishes, bit-identical", resumed.returncode == 0 and names(out) == OUTPUTS and
          digest(out / "patient_model.safetensors") == reference, resumed.stderr)
    result = json.loads((out / "result.json").read_text()) if (out / "result.json").exists() else {}
    check("it did not start anew", result.get("adaptation", {}).get("resumed_epochs", 0) >= 3)


def limited(case, out, size):
    """No file may grow beyond size bytes, as on a full disk."""
    return subprocess.run(case.command(out), capture_output=True, text=True, timeout=300, restore_signals=False,
                          preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)))


def test_full_disk(case, reference):
    """restore_signals=False: the limit's signal stays ignored, so that writing fails instead."""
    out = case.root / "full"
    run = limited(case, out, 20000)
    check("no room for a checkpoint: exit code 1", run.returncode == 1 and CHECKPOINT in run.stderr, run.stderr)
    check("no room for a checkpoint: nothing is left", not out.exists(), names(out))
    run = limited(case, out, (case.root / "first" / "report.html").stat().st_size // 2)
    check("no room for the report: exit code 1", run.returncode == 1 and "report.html" in run.stderr, run.stderr)
    check("no room for the report: the checkpoint is left alone", names(out) == {CHECKPOINT}, names(out))
    run = case.run(out, "--resume")
    check("with room again, --resume finishes", run.returncode == 0 and names(out) == OUTPUTS and
          digest(out / "patient_model.safetensors") == reference, run.stderr)


# ---- refusals --------------------------------------------------------------------------------------


def refused(case, what, override, *more, **changed):
    out = case.root / "refused"
    run = case.run(out, *more, epochs=1, **changed)
    check(f"{what}: exit code 3", run.returncode == 3, (run.returncode, run.stderr))
    check(f"{what}: nothing is left", not out.exists(), names(out))
    check(f"{what}: no patient in the message", not any(t in run.stderr.lower() for t in (
        ID.lower(), "other-9", "unmistakable", "19331101")), run.stderr)
    run = case.run(out, *more, override, epochs=1, **changed)
    check(f"{what}: {override} overrides", run.returncode == 0, run.stderr)
    flags = []
    if run.returncode == 0:
        result = json.loads((out / "result.json").read_text())
        check(f"{what}: the override is recorded", override[8:] in result["provenance"]["overrides"])
        flags = [f["key"] for f in result["flags"]]
    shutil.rmtree(out, ignore_errors=True)
    return flags


def test_refusals(case):
    other = write_dicom(case.root / "other", case.after, "20240315", patient="other-9")
    flags = refused(case, "another patient", "--allow-patient-mismatch", followup=other)
    check("patient_mismatch is flagged", "patient_mismatch" in flags, flags)
    for what, given in (("another name", {"name": "Other-9^Unlike"}), ("another birth date", {"birth": "19331101"})):
        other = write_dicom(case.root / what, case.after, "20240315", **given)
        flags = refused(case, what, "--allow-patient-mismatch", followup=other)
        check(f"patient_mismatch is flagged: {what}", "patient_mismatch" in flags, flags)
    spelt = write_dicom(case.root / "spelt", case.after, "20240315", name="DOE, UNMISTAKABLE Dr.", birth="")
    run = case.run(case.root / "as-spelt", epochs=1, followup=spelt)
    check("one name in another spelling is one patient", run.returncode == 0, run.stderr)
    older = write_dicom(case.root / "older", case.after, "20231231")
    flags = refused(case, "an older follow-up", "--allow-date-order", followup=older)
    check("date_order is flagged", "date_order" in flags, flags)
    mr = write_dicom(case.root / "mr", case.after, "20240315", modality="MR")
    flags = refused(case, "MR", "--allow-non-ct", followup=mr)
    check("not_ct is flagged", "not_ct" in flags, flags)
    first = case.root / "first" / "followup_rtstruct.dcm"  # drawn on the follow-up
    refused(case, "a contour of another series", "--allow-series-mismatch", contour=first)


def test_flags(case):
    out = case.root / "flags"
    same = write_dicom(case.root / "same", case.after, "20240105", patient="")
    run = case.run(out, "--no-dates", epochs=1, followup=same)
    result = json.loads((out / "result.json").read_text()) if run.returncode == 0 else {"flags": []}
    keys = [f["key"] for f in result["flags"]]
    check("same day and missing ID are flagged", {"same_day", "patient_id_missing"} <= set(keys), keys)
    check("--no-dates leaves the dates out", "2024-01-05" not in (out / "report.html").read_text()
          and result["baseline"]["date"] is None)
    check("an under-trained model is flagged", "baseline_not_reproduced" in keys, keys)
    shutil.rmtree(out)
    air = write_nifti(case.root / "air.nii.gz", numpy.full(SIZE, -1000))
    run = case.run(out, followup=air, baseline=case.baseline_nifti)
    result = json.loads((out / "result.json").read_text()) if run.returncode == 0 else {}
    keys = [f["key"] for f in result.get("flags", [])]
    check("no tumour found is NE, never a response",
          result.get("response") == "NE" and "no_tumour_found" in keys and result["change_percent"] is None, keys)
    check("nothing found is no 0 mm", bool(result) and result["followup"]["longest_diameter_mm"] is None)
    check("no RTSTRUCT, SEG or report of a NIfTI follow-up",
          names(out) == OUTPUTS - {"followup_rtstruct.dcm", "followup_seg.dcm", "measurements_sr.dcm"}, names(out))


def test_errors(case):
    out = case.root / "errors"
    run = case.run(out, memory="1M")
    check("too little memory: exit code 1, both figures", run.returncode == 1 and run.stderr.count("MiB") >= 2
          and " 1 MiB" in run.stderr, run.stderr)
    check("too little memory: nothing is left", not out.exists())
    run = case.run(out, contour=case.root / "none.nii.gz")
    check("a missing contour is named", run.returncode == 1 and "none.nii.gz" in run.stderr, run.stderr)
    run = case.run(case.baseline)
    check("results in an input folder are refused", run.returncode == 3 and
          len(names(case.baseline)) == SIZE[0], run.stderr)
    blocked = case.root / "blocked"
    blocked.write_text("")
    run = case.run(blocked)
    check("an impossible folder", run.returncode == 1 and "blocked" in run.stderr and
          blocked.read_text() == "", run.stderr)
    for words in (["--epochs", "many"], ["--crop", "3x4"], ["--definition", "round"], ["--surprise"], ["extra"]):
        run = case.run(out, *words)
        check(f"wrong usage {' '.join(words)}: exit code 2", run.returncode == 2, (run.returncode, run.stderr))
    run = subprocess.run([REPRISE, "assess", "--out", str(out)], capture_output=True, text=True)
    check("missing options: exit code 2", run.returncode == 2 and "--baseline" in run.stderr, run.stderr)
    check("no folder was made by any of them", not out.exists(), names(out))


# ---- what cannot be believed --------------------------------------------------------------------------


def said(dataset, keyword):
    return [element.value for element in dataset.iterall() if element.keyword == keyword]


def check_unaccepted(out, run, result):
    plausible = result["plausibility"]
    keys = [d["key"] for d in plausible["doubts"]]
    check("a model that misses its own baseline answers NE", result["response"] == "NE" and not plausible["answered"] and
          "baseline_not_reproduced" in keys and result["change_percent"] is None, (result["response"], keys))
    check("it is below the limit", result["adaptation"]["baseline_self_dice"] < plausible["least_self_dice"] == 0.7)
    check("the rule names the reason", "does not reproduce its own baseline" in result["rule"], result["rule"])
    change = 100 * (result["followup"]["longest_diameter_mm"] / result["baseline"]["longest_diameter_mm"] - 1)
    check("the figures stay, as not accepted", result["followup"]["state"] == "not accepted" and
          abs(plausible["measured"]["change_percent"] - change) < 1e-9 and
          plausible["measured"]["response"] in ("PR", "SD", "PD") and plausible["measured"]["notice"] == "not accepted")
    check("every reason is a flag, before all others", [f["key"] for f in result["flags"]][:len(keys)] == keys, result["flags"])
    words = [line.split()[:2] for line in run.stdout.splitlines()]
    check("the summary says NE", ["Response", "NE"] in words and "(not accepted)" in run.stdout, run.stdout)
    page = (out / "report.html").read_text()
    check("the report says NE in large letters", 'class="badge NE"' in page and "Not accepted" in page and
          not any(f'class="badge {c}"' in page for c in ("PR", "SD", "PD", "CR")))
    report = pydicom.dcmread(out / "measurements_sr.dcm")
    check("the structured report measures the baseline alone", "not accepted" in " ".join(said(report, "TextValue")) and
          "follow-up" not in said(report, "TextValue") and "baseline" in said(report, "TextValue"), said(report, "TextValue"))
    check("the contours are named as not accepted", "not accepted" in said(
        pydicom.dcmread(out / "followup_rtstruct.dcm"), "ROIName")[0] and "not accepted" in said(
            pydicom.dcmread(out / "followup_seg.dcm"), "SegmentLabel")[0])


def test_doubts(case):
    out, mask = case.root / "failed", case.root / "failed-segment.nii.gz"
    run = case.run(out, epochs=1)
    check("a failed adaptation is told, exit code 0", run.returncode == 0, run.stderr)
    if run.returncode != 0:
        return
    result = json.loads((out / "result.json").read_text())
    check_unaccepted(out, run, result)
    model = out / "patient_model.safetensors"
    run = command("segment", "--model", model, "--image", case.followup_nifti, "--out", mask, "--memory", "1G")
    check("segment warns of such a model", "does not reproduce its own baseline" in run.stderr, run.stderr)
    for path in (mask, out / "followup_mask.nii.gz"):
        told = json.loads(command("measure", "--json", "--mask", path).stdout)
        check(f"{path.name} says that it was not accepted", "mask_not_accepted" in json.dumps(told), told)
    run = command("respond", "--baseline-mask", case.contour, "--followup-mask", mask)
    check("respond tells it", "did not accept" in run.stderr, (run.stdout, run.stderr))
    keys = [d["key"] for d in result["plausibility"]["doubts"]]
    run = case.run(out, "--accept-implausible", ",".join(keys), epochs=1)
    accepted = json.loads((out / "result.json").read_text())
    check("a person overrules it", run.returncode == 0 and accepted["plausibility"]["answered"] and
          accepted["response"] == result["plausibility"]["measured"]["response"] and
          accepted["followup"]["state"] == "measured", accepted["response"])
    check("and that is recorded", all(f"accept-implausible {k}" in accepted["provenance"]["overrides"] for k in keys) and
          all(d["accepted"] for d in accepted["plausibility"]["doubts"]) and
          all("Accepted by the user" in f["message"] for f in accepted["flags"] if f["key"] in keys), accepted["flags"])
    run = case.run(out, "--least-self-dice", 0, epochs=1)
    low = json.loads((out / "result.json").read_text())
    check("the limit can be set", "baseline_not_reproduced" not in [d["key"] for d in low["plausibility"]["doubts"]])
    run = case.run(out, "--accept-implausible", "everything", epochs=1)
    check("keys have names", run.returncode == 2 and "baseline_not_reproduced" in run.stderr, run.stderr)


def test_spacing(case):
    image = nibabel.load(case.followup_nifti)
    doubled = case.root / "doubled.nii.gz"
    nibabel.save(nibabel.Nifti1Image(numpy.asarray(image.dataobj), image.affine @ numpy.diag([2, 2, 1, 1])), doubled)
    run = case.run(case.root / "doubled", epochs=1, followup=doubled, baseline=case.baseline_nifti)
    flags = [f["key"] for f in json.loads((case.root / "doubled" / "result.json").read_text())["flags"]]
    check("a spacing that doubles is flagged", "pixel_spacing_differs" in flags and "slice_spacing_differs" not in flags, flags)


# ---- the steps alone ---------------------------------------------------------------------------------


def command(*words):
    return subprocess.run([REPRISE, *map(str, words)], capture_output=True, text=True, timeout=300)


def test_half(case, model, probability):
    """Half precision moves probabilities by little; widened again, a model keeps what it became."""
    half, wide = case.root / "steps" / "half.safetensors", case.root / "steps" / "wide.safetensors"
    run = command("convert", model, half, "--half")
    check("convert halves a model", run.returncode == 0 and
          half.stat().st_size < 0.7 * model.stat().st_size, run.stderr)
    out = []
    for i, given in enumerate((half, wide)):
        if given == wide:
            command("convert", half, wide)
        p = case.root / "steps" / f"half-{i}.nii.gz"
        run = command("segment", "--model", given, "--image", case.followup, "--out", case.root / "steps" / "h.nii.gz",
                      "--probability", p, "--memory", "1G")
        check("segment with it", run.returncode == 0, run.stderr)
        out.append(numpy.asarray(nibabel.load(p).dataobj))
    check("half precision changes little", 0 < abs(out[0] - probability).max() < 0.05,
          str(abs(out[0] - probability).max()))
    check("half and widened predict the same", (out[0] == out[1]).all())
    run = command("convert", model, case.root / "steps" / "no.nii.gz")
    check("a model becomes no image", run.returncode == 2 and "model" in run.stderr, run.stderr)
    for path in (half, wide):
        path.unlink()


def test_watch(case, words, reference, mask):
    """Nothing is learnt from the visit that is watched, and its last Dice is that of the contour that segment draws."""
    model = case.root / "watched" / "model.safetensors"
    words = [model if w == case.root / "steps" / "model.safetensors" else w for w in words]
    run = command(*words, "--watch", case.followup, "--watch-contour", case.truth, "--watch-every", EPOCHS * 5 // 12)
    check("watching leaves the model as it is", run.returncode == 0 and digest(model) == reference, run.stderr)
    rows = pathlib.Path(f"{model}.watch.csv").read_text().splitlines()
    check("what was watched has its header", rows[0] == "epoch,seconds,dice", rows)
    cells = [r.split(",") for r in rows[1:]]
    check("it has its rhythm, and the last epoch", [int(c[0]) for c in cells] == [EPOCHS * 5 // 12, EPOCHS * 5 // 6, EPOCHS], cells)
    scores = json.loads(command("compare-masks", "--json", "--reference", case.truth, "--prediction", mask).stdout)
    check("its last Dice is the contour's", abs(float(cells[-1][2]) - scores["dice"]) < 1e-6, (cells, scores["dice"]))
    check("the summary tells it", f"Dice {float(cells[-1][2]):.3f} in the end" in run.stdout, run.stdout)
    run = command(*words, "--watch", case.followup)
    check("--watch wants its contour", run.returncode == 2 and "go together" in run.stderr, run.stderr)


def test_prior(case, words, mask):
    config, model = case.root / "prior.yaml", case.root / "prior" / "model.safetensors"
    config.write_text((CONFIG % EPOCHS).replace("epochs:", "prior_channel: true, epochs:"))
    words = [model if w == case.root / "steps" / "model.safetensors" else config if w == case.config else w
             for w in words]
    run = command(*words)
    check("adapt takes the contour as a second input", run.returncode == 0, run.stderr)
    run = command("info", model)
    check("info tells of two inputs", "in_channels: 2" in run.stdout, run.stdout)
    out = case.root / "prior" / "mask.nii.gz"
    run = command("segment", "--model", model, "--image", case.followup, "--out", out)
    check("segment without it says what is missing", run.returncode == 1 and "needs that contour" in run.stderr and
          not out.exists(), run.stderr)
    run = command("segment", "--model", model, "--image", case.followup, "--out", out, "--prior", case.contour)
    check("segment takes the prior", run.returncode == 0, run.stderr)
    scores = json.loads(command("compare-masks", "--json", "--reference", case.truth, "--prediction", out).stdout)
    check("the contour is one", scores["dice"] > 0.5, scores["dice"])
    run = command("segment", "--model", model, "--image", case.followup, "--out", case.contour, "--prior", case.contour)
    check("the prior is an input", run.returncode == 3, run.stderr)
    run = command("segment", "--model", case.root / "steps" / "model.safetensors", "--image", case.followup, "--out",
                  case.root / "prior" / "batch.nii.gz", "--norm", "batch")
    check("segment takes another norm", run.returncode == 0 and
          digest(case.root / "prior" / "batch.nii.gz") != digest(mask), run.stderr)
    run = command("segment", "--model", model, "--image", case.followup, "--out", out, "--norm", "none")
    check("norms have names", run.returncode == 2 and "running, batch or instance" in run.stderr, run.stderr)


def test_steps(case, reference):
    model, mask = case.root / "steps" / "model.safetensors", case.root / "steps" / "mask.nii.gz"
    words = ["adapt", "--image", case.baseline, "--contour", case.contour, "--out", model, "--config", case.config,
             "--guard", "off"]
    run = command(*words)
    check("adapt gives the model of assess", run.returncode == 0 and digest(model) == reference, run.stderr)
    check("adapt leaves the model alone", names(model.parent) == {model.name}, names(model.parent))
    run = command("segment", "--model", model, "--image", case.followup, "--out", mask, "--probability",
                  case.root / "steps" / "p.nii.gz", "--memory", "1G")
    check("segment succeeds", run.returncode == 0, run.stderr)
    if run.returncode == 0:
        found = numpy.asarray(nibabel.load(mask).dataobj) > 0
        assessed = numpy.asarray(nibabel.load(case.root / "first" / "followup_mask.nii.gz").dataobj) > 0
        probability = numpy.asarray(nibabel.load(case.root / "steps" / "p.nii.gz").dataobj)
        check("segment finds what assess found", (found == assessed).all())
        check("every voxel of the mask is probable", probability[found].min() >= 0.5)
        test_half(case, model, probability)
    test_watch(case, words, reference, mask)
    test_prior(case, words, mask)
    struct = case.root / "steps" / "s.dcm"
    run = command("segment", "--model", model, "--image", case.followup, "--out", struct, "--memory", "1G")
    check("segment writes RTSTRUCT", run.returncode == 0 and
          pydicom.dcmread(struct).Modality == "RTSTRUCT", run.stderr)
    run = command("segment", "--model", model, "--image", case.followup_nifti, "--out",
                  case.root / "steps" / "n.dcm")
    check("no RTSTRUCT of a NIfTI image", run.returncode == 1 and not (case.root / "steps" / "n.dcm").exists())
    run = command("segment", "--model", model, "--image", case.root / "air.nii.gz", "--out",
                  case.root / "steps" / "air.nii.gz")
    check("segment that finds nothing fails", run.returncode == 1 and "no tumour" in run.stderr and
          not (case.root / "steps" / "air.nii.gz").exists(), run.stderr)


def test_phantom(case):
    """RTSTRUCT in, and made-up data named as such everywhere."""
    made, out = case.root / "made" / "patient-001", case.root / "phantom"
    run = command("phantom", "--seed", 3, "--size", "16x48x48", "--spacing", 5, "--dicom", "--out", made.parent)
    check("phantom succeeds", run.returncode == 0, run.stderr)
    run = case.run(out, baseline=made / "baseline", contour=made / "baseline_rtstruct.dcm", epochs=2,
                   followup=made / "followup", truth=made / "followup_truth_rtstruct.dcm")
    check("assess reads RTSTRUCT", run.returncode == 0, run.stderr)
    if run.returncode == 0:
        result = json.loads((out / "result.json").read_text())
        check("the data are called synthetic", result["label"] == "synthetic" and "synthetic" in run.stdout
              and "synthetic" in (out / "report.html").read_text().lower(), result["label"])
        stated = json.loads((made / "truth.json").read_text())["followup_diameter_mm"]
        measured = result["truth"]["longest_diameter_mm"]
        check("the true lesion measures what the phantom states", abs(measured - stated) < 0.5, (measured, stated))


def main():
    started = datetime.datetime.now()
    with tempfile.TemporaryDirectory() as folder:
        case = Case(pathlib.Path(folder))
        reference = test_outputs(case)
        if reference:
            test_threads(case, reference)
            test_kill(case, reference)
            test_interrupt(case, reference)
            test_full_disk(case, reference)
            test_refusals(case)
            test_flags(case)
            test_errors(case)
            test_doubts(case)
            test_spacing(case)
            test_steps(case, reference)
            test_phantom(case)
    print(f"{failures} failures in {(datetime.datetime.now() - started).seconds} s")
    return 1 if failures or not reference else 0


if __name__ == "__main__":
    sys.exit(main())
