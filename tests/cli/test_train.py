"""`reprise train` as its users run it: what it leaves behind, what it refuses at the start, and runs that
were killed or interrupted, which must end with the same files."""
import csv
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree

import harness as h
import numpy as np

EPOCHS, EVERY = (24, 10) if h.SHORT else (60, 25)
CONFIG = h.TINY + f"""train:
  epochs: {EPOCHS}
  crop: [16, 16, 8]
  validate_every: {EVERY}
  checkpoint_seconds: 0
"""
RESULTS = {"model.safetensors", "best.safetensors", "learning_curve.csv", "learning_curve.svg",
           "validation.csv", "manifest.csv", "run.json"}


class Cohort:
    """Three patients to train on and one to validate on, two visits each."""

    def __init__(self, folder):
        self.folder, self.rows = folder, []
        os.makedirs(folder)
        self.config = h.write(os.path.join(folder, "tiny.yaml"), CONFIG.encode())
        for number in range(4):
            for visit, kind in enumerate(("baseline", "followup")):
                image, mask = h.voxels(number - visit)
                name = f"p{number}-{kind}"
                h.write_nifti(self.path(name + ".nii"), image + np.int16(number + 3 * visit))
                h.write_nifti(self.path(name + "-mask.nii"), mask)
                self.rows.append({"patient": f"p{number}", "visit": kind, "image": name + ".nii",
                                  "contour": name + "-mask.nii", "label": "simulated",
                                  "split": "validation" if number == 3 else "training"})

    def path(self, name):
        return os.path.join(self.folder, name)

    def manifest(self, name, change=None):
        return h.write_manifest(self.path(name), self.rows, change)

    def command(self, out, manifest, *more):
        return ["train", f"--manifest={manifest}", f"--out={out}", f"--config={self.config}",
                "--seed=3", "--memory=1G", *more]


def digests(out):
    found = {}
    for name in ("model.safetensors", "best.safetensors", "learning_curve.csv", "validation.csv"):
        with open(os.path.join(out, name), "rb") as file:
            found[name] = hashlib.sha256(file.read()).hexdigest()
    return found


def differences(out, reference):
    found = digests(out)
    return [f"{name} differs" for name in reference if found[name] != reference[name]]


def complete(checks, cohort, root):
    """A run to its end; what the other runs are held against."""
    out = os.path.join(root, "whole")
    done = h.run(*cohort.command(out, cohort.manifest("good.csv"), "--threads=1"))
    faults = done.faults + ([] if done.returncode == 0 else [done.stderr])
    names = set(os.listdir(out))
    if names != RESULTS | {"cache"}:
        faults.append(f"left {sorted(names)}")
    with open(os.path.join(out, "run.json"), encoding="utf-8") as file:
        run = json.load(file)
    if (run["label"], run["training_patients"], len(run["cases"])) != ("simulated", 3, 8):
        faults.append(str((run["label"], run["training_patients"], len(run["cases"]))))
    with open(os.path.join(out, "model.safetensors"), "rb") as file:
        if hashlib.sha256(file.read()).hexdigest() != run["model_sha256"]:
            faults.append("model_sha256")
    with open(os.path.join(out, "validation.csv"), encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    means = {epoch: np.mean([float(r["dice"]) for r in rows if int(r["epoch"]) == epoch])
             for epoch in (EVERY, 2 * EVERY, EPOCHS)}
    told = {v["epoch"]: v["mean_dice"] for v in run["validations"]}
    if told.keys() != means.keys() or any(abs(told[e] - means[e]) > 1e-12 for e in told):
        faults.append(f"validations {told}, from the table {means}")
    if run["best_epoch"] != max(means, key=lambda e: (means[e], -e)):
        faults.append(f"best epoch {run['best_epoch']} of {means}")
    try:
        drawn = xml.etree.ElementTree.parse(os.path.join(out, "learning_curve.svg"))
        if "validation" not in "".join(drawn.getroot().itertext()):
            faults.append("the validations are not drawn")
    except xml.etree.ElementTree.ParseError as problem:
        faults.append(f"learning_curve.svg: {problem}")
    if sorted({int(r["row"]) for r in rows}) != [8, 9]:
        faults.append(f"rows {rows}")
    checks.report("a run to its end", faults)
    done = h.run(*cohort.command(out, cohort.path("good.csv")))
    checks.report("a finished run is not overwritten",
                  [] if done.returncode == 1 and "model.safetensors" in done.stderr else [done.stderr])
    stale = os.path.join(root, "stale")
    os.makedirs(stale)
    h.write(os.path.join(stale, "best.safetensors"), b"of another run")
    done = h.run(*cohort.command(stale, cohort.path("good.csv")))
    checks.report("another run's best model is not taken for this one's",
                  [] if done.returncode == 1 and "best.safetensors" in done.stderr else [done.stderr])
    other = os.path.join(root, "threads")
    done = h.run(*cohort.command(other, cohort.path("good.csv"), "--threads=2",
                                 f"--cache={out}/cache"))
    checks.report("two threads, a shared cache",
                  [done.stderr] if done.returncode else differences(other, digests(out)))
    return digests(out)


def interrupted(checks, cohort, root, reference):
    """Ended by a signal at several moments, then resumed until done."""
    for number, (sent, delays) in enumerate(((signal.SIGKILL, (0.05, 0.2, 0.1)),
                                             (signal.SIGINT, (0.15, 0.3)))):
        out = os.path.join(root, f"interrupted-{number}")
        command = [h.REPRISE, *cohort.command(out, cohort.path("good.csv"), "--quiet", "--resume")]
        stopped, faults = 0, []
        for delay in delays:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            end = time.monotonic() + 60
            checkpoint = os.path.join(out, "checkpoint.safetensors")
            while not os.path.exists(checkpoint) and process.poll() is None and time.monotonic() < end:
                time.sleep(0.005)
            time.sleep(delay)
            process.send_signal(sent)
            _, words = process.communicate(timeout=h.SECONDS)
            stopped += process.returncode != 0
            if sent == signal.SIGINT and process.returncode == 1 and b"--resume" not in words:
                faults.append(f"does not say how to go on: {words!r}")
            if process.returncode == 0:
                break
        if not os.path.exists(os.path.join(out, "run.json")):
            done = h.run(*command[1:])
            faults += [done.stderr] if done.returncode else []
        faults += differences(out, reference)
        if set(os.listdir(out)) != RESULTS | {"cache"}:
            faults.append(f"left {os.listdir(out)}")
        if not stopped:
            faults.append("was never stopped")
        checks.report(f"{sent.name} and --resume", faults)


def refused(checks, name, command, code, *words, out=None):
    done = h.run(*command)
    faults = list(done.faults)
    if done.returncode != code:
        faults.append(f"exit code {done.returncode}, wanted {code}: {done.stderr}")
    faults += [f"does not say {word!r}: {done.stderr}" for word in words if word not in done.stderr]
    if out and os.path.isdir(out) and set(os.listdir(out)) - {"cache"}:
        faults.append(f"left {os.listdir(out)}")
    checks.report(name, faults)


def refusals(checks, cohort, root):
    out = os.path.join(root, "never")

    def two_bad_files(rows):
        h.write(cohort.path("broken.nii"), b"not an image")
        h.write_nifti(cohort.path("empty.nii"), np.zeros(h.SIZE, np.uint8))
        rows[1]["image"], rows[4]["contour"] = "broken.nii", "empty.nii"

    def no_validation(rows):
        for row in rows:
            row["split"] = "training"

    manifest = cohort.manifest("bad.csv", two_bad_files)
    refused(checks, "all unreadable cases at once", cohort.command(out, manifest), 1, "bad.csv:3",
            "bad.csv:6", "2 problems", out=out)

    def lesion_gone(rows):
        rows[1]["contour"] = "empty.nii"

    gone = os.path.join(root, "gone")
    done = h.run(*cohort.command(gone, cohort.manifest("gone.csv", lesion_gone), "--epochs=1"))
    faults = [done.stderr] if done.returncode else []
    if not faults:
        with open(os.path.join(gone, "run.json"), encoding="utf-8") as file:
            run = json.load(file)
        if len(run["cases"]) != 7 or run["manifest"]["visits_without_contour_left_out"] != 1:
            faults.append(str(run["cases"]))
    checks.report("a visit whose lesion is gone is left out", faults)
    manifest = cohort.manifest("none.csv", no_validation)
    refused(checks, "nobody to validate on", cohort.command(out, manifest), 1, "none.csv",
            "validation", out=out)
    good = cohort.path("good.csv")
    refused(checks, "nobody to train on", cohort.command(out, good, "--split=7"), 1, "'7'", out=out)
    refused(checks, "the same patients twice", cohort.command(out, good, "--split=all"), 3,
            "good.csv:8", "overlap", out=out)
    refused(checks, "no manifest", cohort.command(out, cohort.path("absent.csv")), 1, "absent.csv",
            out=out)
    refused(checks, "too little memory", [*cohort.command(out, good), "--memory=100K"], 1, "MiB",
            out=out)
    refused(checks, "no such setting", [*cohort.command(out, good), "--epochs=0"], 2, "--epochs")
    refused(checks, "no output", ["train", f"--manifest={good}"], 2, "--out")
    file = h.write(os.path.join(root, "file"), b"mine")
    refused(checks, "into a file", cohort.command(file, good), 1, "file")
    done = h.run(*cohort.command(os.path.join(root, "alone"), cohort.path("none.csv"),
                                 "--validation=none"))
    names = set(os.listdir(os.path.join(root, "alone")))
    checks.report("without validation", [] if done.returncode == 0 and
                  names == RESULTS - {"best.safetensors", "validation.csv"} | {"cache"}
                  else [done.stderr, names])


def main():
    h.require_program()
    checks = h.Checks()
    root = tempfile.mkdtemp(prefix="reprise-train-")
    try:
        cohort = Cohort(os.path.join(root, "cohort"))
        reference = complete(checks, cohort, root)
        interrupted(checks, cohort, root, reference)
        refusals(checks, cohort, root)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    return checks.finish()


sys.exit(main())
