#!/usr/bin/python3
"""The constants of the diameter's interval (src/guard/calibration.c) from follow-ups with known truth.

    examples/patient_model.py --set calibration --recipes quick --out DIR ...
    examples/calibrate_intervals.py --out DIR [--recipe quick]

Reads the result.json of every follow-up of the calibration set that patient_model.py assessed in DIR: what was found,
and the trials of the patient model. Prints the constants, the figures they were made from, and how many truths the
intervals hold for patients that were left out in turn. The calibration set is of phantoms alone (SYNTHETIC), by other
seeds than the evaluation's; the formulas are those of reprise/guard.h.
"""
import argparse
import math
import pathlib

import nibabel
import numpy as np

from patient_cases import read_json

LEVELS = (0.80, 0.95)
FLOOR_VOXELS, RELATIVE, BIAS_TRIALS, SPREAD_TRIALS = 0.5, 0.04, 4.0, 12.0
REACH, FAR, MOST = 0.15, 0.02, 4.0
LEAST_MEAN_DICE, LEAST_LOW_DICE = 0.6, 0.35  # of the guard: patients below get no answer, whatever the interval


class Case:
    """A follow-up: what was found and what is true, and the patient's trials in which a lesion was found."""

    def __init__(self, record, folder):
        recipe = f"{record['recipe']}-s{record['seed']}"
        work = folder / "work" / record["set"] / recipe / record["baseline"] / record["case"]
        result = read_json(work / "result.json")
        self.patient, self.true, self.found = record["baseline"], record["true_mm"], record["found_mm"]
        self.voxel = max(nibabel.load(work / "followup_mask.nii.gz").header.get_zooms()[:2])
        trials = (result.get("guard") or {}).get("trials") or []
        self.gone = [t for t in trials if t["gone"]]
        self.trials = [(t["true_mm"], t["found_mm"]) for t in trials if not t["gone"] and t["found_mm"]]
        self.missed = self.found is None
        guard = result.get("guard") or {}
        self.refused = not (guard.get("mean_dice", 0) >= LEAST_MEAN_DICE and guard.get("low_dice", 0) >= LEAST_LOW_DICE)
        self.refused |= result.get("contour_source", "patient model") != "patient model"


def unit(found, voxel):
    return np.hypot(FLOOR_VOXELS * voxel, RELATIVE * np.asarray(found, float))


def pooled(cases):
    """Bias and spread of the errors over all patients, by medians: single failures don't set the scale of all. Of the
    bias a half is taken, for the phantoms' voxels are coarse, and two real baselines showed none."""
    errors = np.array([(c.true - c.found) / unit(c.found, c.voxel) for c in cases])
    bias = 0.5 * float(np.median(errors))
    return bias, 1.4826 * float(np.median(np.abs(errors - bias)))


def centre_and_scale(case, bias, spread):
    u = unit(case.found, case.voxel)
    true, found = np.array(case.trials, float).reshape(-1, 2).T
    z = np.clip((true - found) / unit(found, case.voxel), bias - MOST * spread, bias + MOST * spread)
    w = FAR + (1 - FAR) * np.exp(-np.log(found / case.found) ** 2 / (2 * REACH**2))
    n = w.sum()
    m = (w * z).sum() / n if n > 0 else 0.0
    s = (w * (z - m) ** 2).sum()
    kappa, nu = BIAS_TRIALS + n, SPREAD_TRIALS + n
    mu = (BIAS_TRIALS * bias + n * m) / kappa
    variance = (SPREAD_TRIALS * spread**2 + s + BIAS_TRIALS * n * (m - bias) ** 2 / kappa) / nu
    return case.found + mu * u, u * math.sqrt(variance * (1 + 1 / kappa))


def conformal(cases, constants):
    """The quantiles of the scores, patients weighted alike; with n cases the ceil((n + 1) p)-th smallest."""
    count = {c.patient: sum(d.patient == c.patient for d in cases) for c in cases}
    scores = []
    for c in cases:
        centre, scale = centre_and_scale(c, *constants)
        scores.append((abs(c.true - centre) / scale, 1 / count[c.patient] / len(count)))
    scores.sort()
    out = []
    for level in LEVELS:
        wanted, total = min(1.0, level * (1 + 1 / len(cases))), 0.0
        for score, weight in scores:
            total += weight
            if total >= wanted - 1e-9:
                break
        out.append(score)
    return out


def left_out(cases):
    """How many truths are held when the constants come from the other patients."""
    held, width = np.zeros(2), np.zeros(2)
    for patient in sorted({c.patient for c in cases}):
        others = [c for c in cases if c.patient != patient]
        constants = pooled(others)
        q = conformal(others, constants)
        for c in (c for c in cases if c.patient == patient):
            centre, scale = centre_and_scale(c, *constants)
            for i in range(2):
                held[i] += abs(c.true - centre) <= q[i] * scale
                width[i] += q[i] * scale
    return held, width / len(cases)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--set", default="calibration")
    parser.add_argument("--recipe", default="quick")
    options = parser.parse_args()
    files = (options.out / "records" / options.set).glob(f"{options.recipe}-s*/*/*.json")
    records = [read_json(p) for p in sorted(files)]
    every = [Case(r, options.out) for r in records if r and "error" not in r]
    cases = [c for c in every if not c.missed and not c.refused]
    if len({c.patient for c in cases}) < 2:
        raise SystemExit("fewer than two patients in the calibration set")
    constants = pooled(cases)
    bias, spread = constants
    q = conformal(cases, constants)
    gone = {c.patient: c.gone for c in every}
    found = sum(bool(t["found_mm"]) for trials in gone.values() for t in trials)
    asked = sum(len(trials) for trials in gone.values())
    print(f".floor_voxels = {FLOOR_VOXELS}, .relative = {RELATIVE}, .bias = {bias:.1f}, .bias_trials = {BIAS_TRIALS},")
    print(f".spread = {spread:.1f}, .spread_trials = {SPREAD_TRIALS}, .reach = {REACH}, .far = {FAR}, .most = {MOST}, .q80 = {q[0]:.3f}, .q95 = {q[1]:.3f},")
    print(f"missed {sum(c.missed for c in every)} and refused {sum(c.refused for c in every)} of {len(every)}; of {asked} trials with a lesion gone {found} found something")
    held, width = left_out(cases)
    print(f"{len(cases)} follow-ups of {len({c.patient for c in cases})} patients; each patient left out in turn: "
          + ", ".join(f"{100 * level:.0f} % intervals hold {held[i]:.0f} (half width {width[i]:.1f} mm)"
                      for i, level in enumerate(LEVELS)))


if __name__ == "__main__":
    main()
