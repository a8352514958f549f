#!/usr/bin/python3
"""How well the patient model contours follow-ups with known truth, against the study's recipe, registration and the
baseline contour carried forward: the tables of docs/adaptation.md.

    examples/patient_model.py --program build/release/reprise --out DIR [--data DATA] [--set evaluation|tuning|calibration]
                              [--recipes study,quick,carried,registered] [--seeds 0,1,2] [--only BASELINE,...]
                              [--models RECIPE=FOLDER] [--recipe "NAME=OPTION..."] [--jobs N] [--threads N]

Baselines are phantoms and, with --data, STS_001 and STS_002 (see patient_cases.py). Everything that it prints is about
SIMULATED or SYNTHETIC follow-ups. One adaptation a baseline, recipe and seed serves all its follow-ups.

What is in --out isn't done again, so an interrupted run goes on where it was and more recipes can be added; what
failed is tried again. records/ has a file a follow-up; tables.md, followups.csv and summary.csv are written in the end
and whenever --tables asks for them alone. --models takes patient models that were made elsewhere: FOLDER/NAME.safetensors,
and FOLDER/seconds.csv (name,wall,cpu) if there is one.

Rule: what the evaluation's table of cases says is for the evaluation alone. Nothing is chosen by it.
"""
import argparse
import concurrent.futures
import csv
import datetime
import math
import pathlib
import shlex
import shutil
import sys
import threading
import traceback

import patient_tables
from patient_cases import (SARCOMAS, Failure, Followup, Program, Workshop, by_elastix, carried, dice, mask_of,
                           read_json, registered, save_empty_like, write_json)


def spread(names, first_seed, low=-60, high=30, each=6, remodel="random"):
    """Changes spread evenly from low to high over all baselines, in each warp and remodel in turns, the latter --with
    what `remodel` says; of each baseline the first few (--limit) are far apart."""
    count = each * len(names) - 1
    order = sorted(range(each), key=lambda j: (0, 3, 5, 1, 4, 2).index(j))

    def followup(b, j):
        change, seed = round(low + (high - low) * (b + j * len(names)) / count), first_seed + each * b + j
        if (b + j) % 2:
            return Followup("remodel", change, seed, ["--with", remodel])
        return Followup("warp", change, seed)
    return {name: [followup(b, j) for j in order] for b, name in enumerate(names)}


def phantoms(*seeds):
    return [f"p{seed}" for seed in seeds]


def evaluation():
    """60 simulated follow-ups of ten baselines, seeds 5100 to 5159, and the phantoms' own second visits."""
    cases = spread([*SARCOMAS, *phantoms(*range(4101, 4109))], 5100)
    for name, followups in cases.items():
        if name.startswith("p"):
            followups.append(Followup("phantom"))
    return cases


def calibration():
    """Of other patients, phantoms only, by warp and by some of what remodel knows, so that the evaluation has kinds of
    change that the intervals' constants have not seen (pieces, embolised, scar, phase, thick, sliding, table)."""
    return spread(phantoms(*range(904, 914)), 920, -65, 35, remodel="necrosis,oedema,kernel")


# Seeds in this table are spoken for: --seed of `phantom` in the names, of `simulate` in the follow-ups.
SETS = {
    "evaluation": evaluation,
    "tuning": lambda: spread([*SARCOMAS, *phantoms(900, 901, 902, 903)], 980, each=3),
    "calibration": calibration,
}


class Recipe:
    """How a patient model is made and used: options of `adapt`, lines of a settings file, options of `assess`. `of`
    names the recipe whose patient models are used, where they are the same."""

    def __init__(self, adapt=(), assess=(), settings="", of=None, way="assess"):
        self.adapt, self.assess, self.settings, self.of, self.way = list(adapt), list(assess), settings, of, way


OFF = ["--guard", "off"]
PLAIN = "adapt:\n  treatment:\n    share: 0\n"
GRID = "region:\n  finest_mm: 1.5\n  coarsest_mm: [1.5, 1.5, 3]\n"
RECIPES = {
    "quick": Recipe(),
    "study": Recipe(["--recipe", "study", *OFF], way="segment"),
    # What each part of the quick recipe brings. Of fresh weights the first come one step nearer to it, each. The guard
    # is off, for it changes no contour but by choosing between the ways and sources of "quick"; what else it brings,
    # "guard off" tells.
    "120 steps of the study": Recipe(["--recipe", "study", "--epochs", "120", *OFF], OFF),
    "fresh: box on the study's grid": Recipe(["--model", "none", *OFF], OFF, PLAIN + GRID),
    "fresh: box on its own grid": Recipe(["--model", "none", *OFF], OFF, PLAIN),
    "fresh: lesions changed": Recipe(["--model", "none", *OFF], OFF),
    "fresh: average of weights": Recipe(["--model", "none", *OFF], OFF, "adapt:\n  average: 0.95\n"),
    "start": Recipe(OFF, OFF),
    "start, adapted": Recipe(["--model", "start", *OFF], OFF),
    "start, adapted: lesions not changed": Recipe(["--model", "start", *OFF], OFF, PLAIN),
    "start, adapted: 60 steps": Recipe(["--model", "start", "--epochs", "60", *OFF], OFF),
    "guard off": Recipe(assess=OFF, of="quick"),
}
COMPARATORS = patient_tables.COMPARATORS


class Study:
    def __init__(self, options):
        self.options, self.out = options, options.out
        self.program = Program(options.program, options.threads)
        self.workshop = Workshop(self.program, options.out, options.data)
        self.models = dict(entry.split("=", 1) for entry in options.models)
        self.recipes = dict(RECIPES)
        for entry in options.recipe:
            name, text = entry.split("=", 1)
            self.recipes[name] = Recipe(shlex.split(text), way=options.way)
        self.print_lock, self.model_locks = threading.Lock(), {}
        self.failures = 0

    def say(self, text):
        with self.print_lock:
            print(f"{datetime.datetime.now():%H:%M:%S} {text}", file=sys.stderr, flush=True)

    def over(self):
        return self.options.until and datetime.datetime.now().strftime("%H:%M") >= self.options.until

    # -- adaptation

    def seconds_elsewhere(self, folder, name):
        try:
            with open(folder / "seconds.csv", newline="") as file:
                for row in csv.DictReader(file):
                    if row["name"] == name:
                        return {"wall": float(row["wall"]), "cpu": float(row["cpu"])}
        except FileNotFoundError:
            pass
        return {"wall": None, "cpu": None}

    def model(self, recipe, seed, baseline):
        """The patient model and what its adaptation took; None where a ready one isn't there."""
        name = self.recipes[recipe].of or recipe
        if name in self.models:
            folder = pathlib.Path(self.models[name])
            file = folder / f"{baseline.name}.safetensors"
            return (file, self.seconds_elsewhere(folder, baseline.name)) if file.exists() else (None, None)
        folder = self.out / "models" / f"{name}-s{seed}" / baseline.name
        file, taken = folder / "model.safetensors", folder / "seconds.json"
        with self.print_lock:
            lock = self.model_locks.setdefault(folder, threading.Lock())
        with lock:
            if not taken.exists():
                self.adapt(self.recipes[name], seed, baseline, file, taken)
        return file, read_json(taken)

    def adapt(self, recipe, seed, baseline, file, taken):
        file.parent.mkdir(parents=True, exist_ok=True)
        settings = []
        if recipe.settings:
            (file.parent / "settings.yaml").write_text(recipe.settings)
            settings = ["--config", file.parent / "settings.yaml"]
        done = self.program("adapt", "--image", baseline.image, "--contour", baseline.mask, "--out", file, "--seed",
                            seed, *settings, *recipe.adapt, "--quiet")
        write_json(taken, {"wall": done.wall, "cpu": done.cpu, "threads": self.options.threads,
                           "jobs": self.options.jobs})

    # -- one follow-up

    def assess(self, recipe, model, baseline, folder, work):
        """The whole program: region, guard, plausibility, response."""
        shutil.rmtree(work, ignore_errors=True)
        work.parent.mkdir(parents=True, exist_ok=True)
        done = self.program("assess", "--baseline", baseline.image, "--contour", baseline.mask, "--followup",
                            folder / "followup.nii.gz", "--patient-model", model, "--no-dates", "--out", work,
                            "--quiet", *recipe.assess)
        result = read_json(work / "result.json")
        for name in ("patient_model.safetensors", "report.html"):
            (work / name).unlink(missing_ok=True)
        return done, work / "followup_mask.nii.gz", {
            "response": result["response"], "change": result["change_percent"],
            "found_mm": result["followup"]["longest_diameter_mm"],
            "reasons": [d["key"] for d in result["plausibility"]["doubts"] if not d["accepted"]],
            "flags": [f["key"] for f in result["flags"]],
            "self_dice": (result.get("adaptation") or {}).get("baseline_self_dice"),
            **patient_tables.interval_of(result),
        }

    def segment(self, model, baseline, folder, work):
        """The network alone, on the whole image; the component near the baseline contour. Nothing found is an answer."""
        work.mkdir(parents=True, exist_ok=True)
        mask, done = work / "followup_mask.nii.gz", None
        try:
            done = self.program("segment", "--model", model, "--image", folder / "followup.nii.gz", "--prior",
                                baseline.mask, "--out", mask, "--quiet")
        except Failure as failure:
            if "no tumour found" not in str(failure):
                raise
            save_empty_like(folder / "truth_mask.nii.gz", mask)
        return done, mask, self.figures_of(baseline, mask)

    def figures_of(self, baseline, mask):
        found = self.workshop.respond(baseline, mask)
        lesion = found["followup"]
        return {"response": found["response"], "change": found["change_percent"],
                "found_mm": lesion.get("longest_diameter_mm") or None, "reasons": []}

    def compare(self, name, baseline, folder, work):
        mask = work / "followup_mask.nii.gz"
        done = None
        if name == "carried":
            carried(baseline, folder, mask)
        elif name == "registered":
            done = registered(self.program, baseline, folder, mask)
        else:
            done = by_elastix(baseline, folder, mask, self.options.threads or 2)
        return done, mask, self.figures_of(baseline, mask)

    def record(self, name, seed, baseline, case, model, adaptation):
        file = self.out / "records" / self.options.set / f"{name}-s{seed}" / baseline.name / f"{case.name}.json"
        old = read_json(file)
        if old and "error" not in old:
            return
        entry = {"set": self.options.set, "recipe": name, "seed": seed, "baseline": baseline.name, "case": case.name,
                 "kind": case.kind, "asked": case.change}
        work = self.out / "work" / self.options.set / f"{name}-s{seed}" / baseline.name / case.name
        try:
            folder = self.workshop.followup(baseline, case)
            entry.update(self.truth(folder))
            if name in COMPARATORS:
                done, mask, found = self.compare(name, baseline, folder, work)
            elif self.recipes[name].way == "segment":
                done, mask, found = self.segment(model, baseline, folder, work)
            else:
                done, mask, found = self.assess(self.recipes[name], model, baseline, folder, work)
            entry.update(found)
            entry["dice"] = self.dice_of(mask, folder / "truth_mask.nii.gz")
            if entry["found_mm"] is not None:
                entry["error_mm"] = entry["found_mm"] - entry["true_mm"]
            if done:
                entry["seconds"], entry["cpu_seconds"] = done.wall, done.cpu
            if adaptation:
                entry["adapt_seconds"], entry["adapt_cpu_seconds"] = adaptation["wall"], adaptation["cpu"]
        except Exception as problem:
            self.failures += 1
            entry["error"] = str(problem)
            if not isinstance(problem, Failure):
                entry["error"] = traceback.format_exc()
            self.say(f"FAILED {name} {baseline.name} {case.name}: {problem}")
        write_json(file, entry)
        if "error" not in entry:
            error = entry.get("error_mm", math.nan)
            self.say(f"{name}-s{seed} {baseline.name} {case.name}: Dice {entry['dice']:.3f}, {error:+.1f} mm, "
                     f"{entry['response']} (true {entry['true_response']}) {' '.join(entry['reasons'])}")

    @staticmethod
    def truth(folder):
        measured = read_json(folder / "measured.json")
        lesion = measured["followup"] if isinstance(measured["followup"], dict) else {}
        return {"baseline_mm": measured["baseline"]["longest_diameter_mm"],
                "true_mm": lesion.get("longest_diameter_mm") or 0.0, "true_change": measured["change_percent"],
                "true_response": measured["response"]}

    @staticmethod
    def dice_of(mask, truth):
        a, where = mask_of(mask)
        b, there = mask_of(truth)
        if a.shape != b.shape or abs(where - there).max() > 0.01:
            raise Failure(f"{mask}: not on the truth's grid")
        return dice(a, b)

    # -- all of them

    def unit(self, name, seed, baseline_name, cases):
        if self.over():
            return
        try:
            baseline = self.workshop.baseline(baseline_name)
            model = adaptation = None
            if name not in COMPARATORS:
                model, adaptation = self.model(name, seed, baseline)
                if not model:
                    return
        except Exception as problem:
            self.failures += 1
            self.say(f"FAILED {name}-s{seed} {baseline_name}: {problem}")
            return
        for case in cases:
            if self.over():
                return
            if case.kind == "remodel" and not self.program.knows("simulate", "--kind"):
                continue
            self.record(name, seed, baseline, case, model, adaptation)

    def run(self):
        options = self.options
        cases = SETS[options.set]()
        names = options.only or [n for n in cases if options.data or n not in SARCOMAS]
        for name in options.recipes:
            if name not in self.recipes and name not in COMPARATORS:
                raise SystemExit(f"no recipe '{name}'; there are {', '.join([*self.recipes, *COMPARATORS])}")
        units = [(recipe, seed, name, cases[name][:options.limit]) for recipe in options.recipes
                 for seed in (options.seeds if recipe not in COMPARATORS and recipe not in self.models else [0])
                 for name in names]
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            for _ in pool.map(lambda unit: self.unit(*unit), units):
                pass


def common_options(parser):
    """What this script and hard_cases.py have in common."""
    parser.add_argument("--program", default="build/release/reprise")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--data", type=pathlib.Path, help="folder with STS_001 and STS_002")
    parser.add_argument("--recipes", type=lambda text: text.split(","))
    parser.add_argument("--recipe", action="append", default=[], metavar="NAME=OPTIONS",
                        help="another recipe: options of `reprise adapt`")
    parser.add_argument("--way", choices=("assess", "segment"), default="assess", help="of those: how they contour")
    parser.add_argument("--models", action="append", default=[], metavar="RECIPE=FOLDER")
    parser.add_argument("--only", type=lambda text: text.split(","), help="baselines")
    parser.add_argument("--limit", type=int, help="the first so many follow-ups")
    parser.add_argument("--jobs", type=int, default=1, help="baselines at a time")
    parser.add_argument("--threads", type=int, default=0, help="of each command (0: all)")
    parser.add_argument("--until", metavar="HH:MM", help="begin nothing new from then on")
    parser.add_argument("--tables", action="store_true", help="only write the tables of what is there")
    parser.add_argument("--document", type=pathlib.Path, help="Markdown file whose marked tables are written anew")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    common_options(parser)
    parser.add_argument("--set", choices=SETS, default="evaluation")
    parser.add_argument("--seeds", type=lambda text: [int(s) for s in text.split(",")], default=[0])
    parser.set_defaults(recipes=["quick", "carried", "registered"])
    options = parser.parse_args()
    study = Study(options)
    try:
        if not options.tables:
            study.run()
    finally:
        print(patient_tables.write(options.out, options.set, options.document))
    if study.failures:
        raise SystemExit(f"{study.failures} failed; the same command tries them again")


if __name__ == "__main__":
    main()
