#!/usr/bin/env python3
"""Assesses simulated follow-ups of real patients and prints the table of docs/results.md.

The three follow-ups of a patient share baseline, settings and seed, so that their adaptation is the same
bit for bit: it runs once, and its checkpoint is resumed for the other two.

Needs the built program and a folder with STS_001 and STS_002 (DICOM CT + RTSTRUCT, TCIA
Soft-tissue-Sarcoma). Everything that it prints is about SIMULATED follow-ups. An assessment that is
already there is read, not run again, so that an interrupted table can be continued.

    examples/simulated_followups.py --program build/release/reprise --data DIR --out DIR [-- OPTION...]

Options behind -- go to `reprise assess` as they are.
"""
import argparse
import json
import pathlib
import shutil
import subprocess
import sys

PATIENTS = ("STS_001", "STS_002")
CHANGES = (-40, -20, 25)


def run(command):
    print("+", " ".join(map(str, command)), file=sys.stderr, flush=True)
    subprocess.run(command, check=True)


def assess(program, patient, change, seed, out, options):
    image = patient / "CT/dicom/image"
    (contour,) = sorted((patient / "CT/dicom/mask").glob("*.dcm"))
    case = out / f"{patient.name}_{change:+d}"
    if not (case / "simulated/truth.json").exists():
        run([program, "simulate", "--image", image, "--contour", contour, "--change", str(change),
             "--seed", str(seed), "--out", case / "simulated", "--dicom", "--quiet"])
    result = case / "assessed/result.json"
    if not result.exists():
        checkpoint = case / "assessed/checkpoint.safetensors"
        shared = out / f"{patient.name}.checkpoint"
        if not checkpoint.exists() and shared.exists():
            checkpoint.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(shared, checkpoint)
        run([program, "assess", "--baseline", image, "--contour", contour, "--followup",
             case / "simulated/followup", "--truth", case / "simulated/truth_mask.nii.gz",
             "--out", case / "assessed", "--keep-checkpoint",
             *(["--resume"] if checkpoint.exists() else []), *options])
        checkpoint.replace(shared)
    return json.loads(result.read_text()), json.loads((case / "simulated/truth.json").read_text())


def response_of(change):
    """What the true change means, with the 5 mm rule out of play at these sizes."""
    return "PR" if change <= -30 else "PD" if change >= 20 else "SD"


def row(name, asked, result, truth):
    change = truth["change_percent"]
    resumed = result["adaptation"]["resumed_epochs"] == result["adaptation"]["epochs"]
    minutes = f"{result['timing']['total_seconds'] / 60:.1f}" + (" (shared)" if resumed else "")
    right = "yes" if result["response"] == response_of(change) else "NO"
    return (f"| {name} | {asked:+d} % ({change:+.1f}) | {result['dice']:.3f} | "
            f"{result['dice_carry_forward']:.3f} | {result['adaptation']['baseline_self_dice']:.3f} | "
            f"{result['followup']['longest_diameter_mm']:.1f} | "
            f"{result['diameter_error_mm']:+.1f} | {result['change_percent']:+.1f} % | "
            f"{result['response']} | {right} | {minutes} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", default="build/release/reprise")
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("options", nargs="*", help="for assess, behind --")
    arguments = parser.parse_args()
    rows, errors = [], []
    for patient in PATIENTS:
        for seed, change in enumerate(CHANGES, start=10):
            result, truth = assess(arguments.program, arguments.data / patient, change, seed,
                                   arguments.out, arguments.options)
            rows.append(row(patient, change, result, truth))
            errors.append(abs(result["diameter_error_mm"]))
            print(rows[-1], file=sys.stderr, flush=True)
    print("| patient | change asked (true) | Dice | carry-forward Dice | Dice on its own baseline | "
          "diameter, mm | error, mm | change found | response | right | minutes |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    print("\n".join(rows))
    middle = sorted(errors)
    print(f"\nMedian absolute diameter error: {(middle[2] + middle[3]) / 2:.1f} mm. "
          "All follow-ups are simulated.")


if __name__ == "__main__":
    main()
