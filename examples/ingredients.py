#!/usr/bin/env python3
"""Which ingredients of the adaptation matter: one changed at a time, on synthetic and simulated follow-ups.

Cases are patients of a synthetic cohort (a manifest of `reprise import phantom`) and, where --data holds STS_001
and STS_002 (TCIA Soft-tissue-Sarcoma, DICOM CT + RTSTRUCT), follow-ups simulated from them. Every variant
adapts to each case once and contours its follow-ups; the first is watched on the way. Nothing that it prints is
evidence about patients: all follow-ups are SYNTHETIC or SIMULATED.

    examples/ingredients.py --manifest cohort.csv --general general.safetensors --out DIR
                            [--data DIR] [--cases P,P] [--variants NAME,NAME] [--program PROGRAM]

results.csv in --out has a row a variant, case and follow-up; what stands there is not computed again, so that an
interrupted run goes on. The table of docs/evaluation.md is printed in the end.
"""
import argparse
import concurrent.futures
import csv
import json
import math
import pathlib
import subprocess
import sys
import tempfile
import threading

SARCOMAS = {"STS_001": (-40, 25), "STS_002": (-40, 25)}
FIELDS = ("variant", "case", "followup", "dice", "epochs_to_95", "seconds_to_95", "seconds", "epochs")

# The common base: a quick grid, the general model, a gentle rate, 50 epochs of one crop of 32x48x48; all else by default.
BASE = {"epochs": 50, "crop": [48, 48, 32], "learning_rate": 0.0003}
SPACING = [3.0, 3.0, 4.0]
STILL = {"brightness": 0, "rotation_degrees": 0, "shift_mm": 0, "scale": 0, "elastic_mm": 0, "noise": 0}

# name: (group, what it says, settings of `adapt`, settings of the variant itself)
VARIANTS = {
    "base": ("base", "general model, learning rate 0.0003, 50 epochs of one crop of 32x48x48", {}, {}),
    "rate 0.0001": ("learning rate", "0.0001", {"learning_rate": 0.0001}, {}),
    "rate 0.001": ("learning rate", "0.001", {"learning_rate": 0.001}, {}),
    "epochs 100": ("epochs", "100", {"epochs": 100}, {}),
    "epochs 25": ("epochs", "25", {"epochs": 25}, {}),
    "not adapted": ("start", "the general model as it is", {}, {"as_is": True}),
    "fresh": ("start", "fresh weights, learning rate 0.001, 50 epochs", {"learning_rate": 0.001}, {"general": False}),
    "epochs 350": ("epochs", "350", {"epochs": 350}, {}),
    "no perturbation": ("perturbations", "none at all", {"augmentation": STILL}, {}),
    "prior carried": ("second channel", "baseline contour, carried forward", {"prior_channel": True}, {}),
    "prior registered": ("second channel", "the same model; at prediction the registered contour",
                         {"prior_channel": True}, {"of": "prior carried", "registered": True}),
    "norm batch": ("norm at prediction", "batch", {}, {"of": "base", "norm": "batch"}),
    "norm instance": ("norm at prediction", "instance", {}, {"of": "base", "norm": "instance"}),
    "no rigid motion": ("perturbations", "no rotation, no shift",
                        {"augmentation": {"rotation_degrees": 0, "shift_mm": 0}}, {}),
    "no scaling": ("perturbations", "no scaling", {"augmentation": {"scale": 0}}, {}),
    "no elastic": ("perturbations", "no elastic deformation", {"augmentation": {"elastic_mm": 0}}, {}),
    "no noise": ("perturbations", "no noise", {"augmentation": {"noise": 0}}, {}),
    "no brightness": ("perturbations", "no brightness", {"augmentation": {"brightness": 0}}, {}),
    "share 0": ("share of crops on the tumour", "0", {"tumour_share": 0}, {}),
    "share 1": ("share of crops on the tumour", "1", {"tumour_share": 1}, {}),
    "crop 16x32x32": ("crop", "16x32x32", {"crop": [32, 32, 16]}, {}),
    "crop 32x64x64": ("crop", "32x64x64", {"crop": [64, 64, 32]}, {}),
    "no dual cross entropy": ("loss", "cross entropy and Dice", {"loss": {"dual_cross_entropy": 0}}, {}),
    "no Dice loss": ("loss", "both cross entropies", {"loss": {"dice": 0}}, {}),
    "Dice loss alone": ("loss", "Dice alone", {"loss": {"cross_entropy": 0, "dual_cross_entropy": 0}}, {}),
    "cross entropy alone": ("loss", "cross entropy alone", {"loss": {"dual_cross_entropy": 0, "dice": 0}}, {}),
    "copies 2": ("copies per epoch", "2, 25 epochs", {"copies": 2, "epochs": 25}, {}),
    "copies 4": ("copies per epoch", "4, 50 epochs", {"copies": 4}, {}),
    "fresh 350": ("start", "fresh weights, learning rate 0.001, 350 epochs", {"epochs": 350, "learning_rate": 0.001}, {"general": False}),
    "epochs 700": ("epochs", "700", {"epochs": 700}, {}),
}


class Case:
    """A baseline with its contour, and follow-ups with known truth: name -> (image, mask)."""

    def __init__(self, name, image, contour, followups):
        self.name, self.image, self.contour, self.followups = name, image, contour, followups


def run(command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}\n{done.stderr}")
    return done.stdout


def synthetic_cases(manifest, split):
    rows = {}
    with open(manifest, newline="") as file:
        for row in csv.DictReader(file):
            if row["split"] == split:
                rows.setdefault(row["patient"], {})[row["visit"]] = row
    folder = manifest.parent
    return [Case(name, folder / v["baseline"]["image"], folder / v["baseline"]["contour"],
                 {"synthetic": (folder / v["followup"]["image"], folder / v["followup"]["contour"])})
            for name, v in rows.items()]


def simulated_cases(o):
    """A baseline from DICOM is written as NIfTI once, so that every command finds a mask that needs no image."""
    cases = []
    for seed, (name, changes) in enumerate(SARCOMAS.items(), start=20):
        image = o.data / name / "CT/dicom/image"
        (contour,) = sorted((o.data / name / "CT/dicom/mask").glob("*.dcm"))
        followups = {}
        mask = o.out / "simulated" / f"{name}_mask.nii.gz"
        if not mask.exists():
            mask.parent.mkdir(parents=True, exist_ok=True)
            run([o.program, "convert", contour, mask, "--reference", image])
        for change in changes:
            folder = o.out / "simulated" / f"{name}{change:+d}"
            if not (folder / "truth.json").exists():
                run([o.program, "simulate", "--image", image, "--contour", contour, "--change", change,
                     "--seed", seed, "--out", folder, "--quiet"])
            followups[f"{change:+d} %"] = (folder / "followup.nii.gz", folder / "truth_mask.nii.gz")
        cases.append(Case(name, image, mask, followups))
    return cases


def settings_text(adapt):
    lines = ["recipe: study", "preprocessing:", f"  spacing_mm: {SPACING}", "adapt:"]
    for key, value in adapt.items():
        if isinstance(value, dict):
            lines += [f"  {key}:"] + [f"    {k}: {v}" for k, v in value.items()]
        else:
            lines.append(f"  {key}: {str(value).lower() if isinstance(value, bool) else value}")
    return "\n".join(lines) + "\n"


def registered_contour(o, case, followup):
    """What `reprise evaluate` propagates with elastix, from a folder of it made before."""
    image, truth = case.followups[followup]
    out = o.out / "registered" / f"{case.name}_{followup.strip(' %')}"
    mask = out / "cases" / "P" / "registered_post.nii.gz"
    if not mask.exists():
        out.mkdir(parents=True, exist_ok=True)
        baseline = out / "baseline.nii.gz"
        run([o.program, "convert", case.image, baseline])
        with open(out / "manifest.csv", "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("patient", "visit", "date", "image", "contour", "split"))
            writer.writerow(("P", "baseline", "2020-01-01", baseline.resolve(), case.contour.resolve(), "validation"))
            writer.writerow(("P", "followup", "2020-04-01", image.resolve(), truth.resolve(), "validation"))
        (out / "settings.yaml").write_text(settings_text({"epochs": 1, "crop": [16, 16, 16]}))
        run([o.program, "evaluate", "--manifest", out / "manifest.csv", "--config", out / "settings.yaml",
             "--out", out, "--quiet", "--threads", o.threads])
    return mask


def adapt(o, name, case):
    """The patient model of a variant; its curve on the first follow-up, seconds and epochs."""
    _, _, settings, special = VARIANTS[name]
    folder = o.out / "models" / name.replace(" ", "_")
    folder.mkdir(parents=True, exist_ok=True)
    model = folder / f"{case.name}.safetensors"
    everything = {**BASE, **settings}
    image, truth = next(iter(case.followups.values()))
    curve = pathlib.Path(f"{model}.watch.csv")
    if not (model.exists() and curve.exists()):
        config = folder / f"{case.name}.yaml"
        config.write_text(settings_text(everything))
        general = [] if special.get("general") is False else ["--model", o.general]
        run([o.program, "adapt", "--image", case.image, "--contour", case.contour, "--out", model, "--config",
             config, "--watch", image, "--watch-contour", truth, "--watch-every",
             max(5, everything["epochs"] // 10), "--seed", o.seed, "--resume", "--quiet", "--threads", o.threads,
             *general])
    with open(curve, newline="") as file:
        return model, list(csv.DictReader(file)), everything["epochs"]


def dice_of(o, model, case, followup, special):
    """Of one follow-up, contoured by a command of its own."""
    image, truth = case.followups[followup]
    options = ["--norm", special["norm"]] if "norm" in special else []
    if not special.get("as_is"):  # `evaluate` takes the general model's largest component too
        options += ["--prior", registered_contour(o, case, followup) if special.get("registered") else case.contour]
    with tempfile.TemporaryDirectory() as folder:
        mask = pathlib.Path(folder) / "mask.nii.gz"
        try:
            run([o.program, "segment", "--model", model, "--image", image, "--out", mask, "--quiet",
                 "--threads", o.threads, *options])
        except RuntimeError as error:
            if "no tumour found" not in str(error):
                raise
            return 0.0
        scores = run([o.program, "compare-masks", "--json", "--reference", truth, "--prediction", mask])
        return json.loads(scores)["dice"]


def rows_of(o, name, case):
    special = VARIANTS[name][3]
    if special.get("as_is"):
        for followup in case.followups:
            yield {"variant": name, "case": case.name, "followup": followup, "epochs": 0, "seconds": 0,
                   "dice": f"{dice_of(o, o.general, case, followup, special):.6f}", "epochs_to_95": "", "seconds_to_95": ""}
        return
    model, curve, epochs = adapt(o, special.get("of", name), case)
    last = curve[-1]
    first = next(r for r in curve if float(r["dice"]) >= 0.95 * float(last["dice"]))
    other = "norm" in special or "registered" in special
    for i, followup in enumerate(case.followups):
        watched = i == 0 and not other
        yield {"variant": name, "case": case.name, "followup": followup, "epochs": epochs, "seconds": last["seconds"],
               "dice": last["dice"] if watched else f"{dice_of(o, model, case, followup, special):.6f}",
               "epochs_to_95": first["epoch"] if watched else "",
               "seconds_to_95": first["seconds"] if watched else ""}


def compute(o, cases):
    path = o.out / "results.csv"
    lock = threading.Lock()
    done = set()
    if path.exists():
        with open(path, newline="") as file:
            done = {(r["variant"], r["case"]) for r in csv.DictReader(file)}
    else:
        path.write_text(",".join(FIELDS) + "\n")

    def work(name, case):
        rows = list(rows_of(o, name, case))
        with lock, open(path, "a", newline="") as file:
            csv.DictWriter(file, FIELDS).writerows(rows)
            print(name, case.name, *(r["dice"] for r in rows), file=sys.stderr, flush=True)

    jobs = [(name, case) for name in o.variants for case in cases if (name, case.name) not in done]
    # Variants that use another's models wait until those are there.
    stages = [[job for job in jobs if ("of" in VARIANTS[job[0]][3]) == later] for later in (False, True)]
    with concurrent.futures.ThreadPoolExecutor(o.jobs) as pool:
        for stage in stages:
            for finished in concurrent.futures.as_completed([pool.submit(work, *job) for job in stage]):
                finished.result()
    return path


def mean(values):
    return sum(values) / len(values)


def table(path):
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    dice = {}
    for r in rows:
        dice.setdefault(r["variant"], {})[(r["case"], r["followup"])] = float(r["dice"])
    base = dice["base"]
    # The base may have been run on more cases than the others: its means are over those that most of them have.
    shared = [k for k in base if 2 * sum(k in d for d in dice.values()) > len(dice)]
    groups = list(dict.fromkeys(v[0] for v in VARIANTS.values()))
    print("| ingredient | variant | n | Dice synthetic | Dice simulated | Dice all | against the base, same cases | "
          "better / worse | epochs to 95 % | seconds to 95 % |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for name, (group, text, _, _) in sorted(VARIANTS.items(), key=lambda v: groups.index(v[1][0])):
        if name not in dice:
            continue
        own = {k: base[k] for k in shared} if name == "base" else dice[name]
        parts = [[v for (case, _), v in own.items() if (case in SARCOMAS) == real] for real in (False, True)]
        both = [own[k] - base[k] for k in own if k in base]
        reached = [(float(r["epochs_to_95"]), float(r["seconds_to_95"])) for r in rows
                   if r["variant"] == name and r["epochs_to_95"] and r["seconds_to_95"]]
        error = (math.sqrt(sum((b - mean(both)) ** 2 for b in both) / (len(both) - 1) / len(both))
                 if len(both) > 1 else 0)
        cells = [group, text, str(len(own))] + [f"{mean(p):.3f}" if p else "-" for p in parts]
        cells += [f"{mean(list(own.values())):.3f}",
                  "-" if name == "base" else f"{mean(both):+.3f} (s.e. {error:.3f})",
                  "-" if name == "base" else f"{sum(b > 0 for b in both)} / {sum(b < 0 for b in both)}"]
        cells += [f"{mean([r[i] for r in reached]):.0f}" if reached else "-" for i in (0, 1)]
        print("| " + " | ".join(cells) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", type=pathlib.Path, default="build/release/reprise")
    parser.add_argument("--manifest", type=pathlib.Path, required=True)
    parser.add_argument("--split", default="validation")
    parser.add_argument("--general", type=pathlib.Path, required=True)
    parser.add_argument("--data", type=pathlib.Path, help="folder of STS_001 and STS_002")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--cases", default="", help="some of them (default: all patients of the split, STS_001, STS_002)")
    parser.add_argument("--variants", default="", help="some of them (default: all)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1, help="of each job")
    o = parser.parse_args()
    o.out.mkdir(parents=True, exist_ok=True)
    o.variants = o.variants.split(",") if o.variants else list(VARIANTS)
    unknown = [v for v in o.variants if v not in VARIANTS]
    if unknown:
        parser.error(f"unknown variants: {', '.join(unknown)}; there are: {', '.join(VARIANTS)}")
    cases = synthetic_cases(o.manifest, o.split) + (simulated_cases(o) if o.data else [])
    wanted = set(filter(None, o.cases.split(",")))
    if wanted - {c.name for c in cases}:
        parser.error(f"unknown cases: {', '.join(sorted(wanted - {c.name for c in cases}))}")
    cases = [c for c in cases if not wanted or c.name in wanted]
    table(compute(o, cases))


if __name__ == "__main__":
    main()
