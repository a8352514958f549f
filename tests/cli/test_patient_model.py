"""The scripts that measure the patient model: their tables of cases keep evaluation, tuning and calibration apart, their
figures are right on records made up here, and a run is resumed, tells failures and loses nothing."""
import os
import pathlib
import subprocess
import sys
import tempfile

import harness as h

SOURCE = os.environ.get("REPRISE_SOURCE") or os.path.join(os.path.dirname(__file__), "..", "..")
EXAMPLES = os.path.join(SOURCE, "examples")
sys.path.insert(0, EXAMPLES)
sys.dont_write_bytecode = True

import calibrate_intervals  # noqa: E402
import hard_cases  # noqa: E402
import patient_cases  # noqa: E402
import patient_model  # noqa: E402
import patient_tables  # noqa: E402

import numpy as np  # noqa: E402


def expect(faults, what, found, wanted, within=0.0):
    right = abs(found - wanted) <= within if within else found == wanted
    if not right:
        faults.append(f"{what}: {found}, not {wanted}")


def tables_of_cases(checks):
    """The rule of what is held out, in figures."""
    faults = []
    sets = {name: make() for name, make in patient_model.SETS.items()}
    every = [(name, b, f) for name, cases in sets.items() for b, fs in cases.items() for f in fs]
    simulated = [(b, f.seed) for _, b, f in every if f.seed is not None]
    expect(faults, "seeds used once", len(set(simulated)), len(simulated))
    ours = [(b, f) for name, b, f in every if name == "evaluation"]
    expect(faults, "fifty follow-ups at least", len(ours) >= 50, True)
    expect(faults, "baselines", len(sets["evaluation"]), 10)
    for b, fs in sets["evaluation"].items():
        kinds = [f.kind for f in fs]
        expect(faults, f"{b}: warps", kinds.count("warp"), 3)
        expect(faults, f"{b}: remodels", kinds.count("remodel"), 3)
    changes = [f.change for _, f in ours if f.change is not None]
    expect(faults, "changes", (min(changes), max(changes)), (-60, 30))
    # Phantoms and seeds of the evaluation are nobody else's.
    own = {b for b in sets["evaluation"] if b.startswith("p")} | {f.seed for _, f in ours}
    for name in ("tuning", "calibration"):
        other = set(sets[name]) | {f.seed for fs in sets[name].values() for f in fs}
        expect(faults, f"{name} shares with the evaluation", (own - {None}) & other, set())
    hard = hard_cases.cases("DATA")
    expect(faults, "sixty hard cases at least", len(hard) >= 60, True)
    expect(faults, "names of hard cases", len({c.name for c in hard}), len(hard))
    checks.report("tables of cases", faults)


def made_up(number, dice, error, truth, response, low=-5, high=5):
    return {"set": "evaluation", "recipe": "quick", "seed": 0, "baseline": f"p{number % 2}", "case": f"c{number}",
            "kind": "warp", "asked": 0, "baseline_mm": 50.0, "true_mm": 50.0, "true_change": 0.0, "change": 2 * error,
            "found_mm": 50 + error, "error_mm": error, "dice": dice, "true_response": truth, "response": response,
            "reasons": [], "low95": 50 + error + low, "high95": 50 + error + high, "adapt_seconds": 10,
            "adapt_cpu_seconds": 20, "right": None if response == "NE" else truth == response}


def figures(checks):
    faults = []
    records = [made_up(i, 0.9, 1.0, "SD", "SD") for i in range(7)]
    records += [made_up(7, 0.2, -8.0, "PR", "SD"), made_up(8, 0.5, 3.0, "PD", "PD"), made_up(9, 0.8, -2.0, "SD", "NE")]
    s = patient_tables.Summary(records + [{"error": "it broke"}])
    expect(faults, "n", (s.n, s.failed), (10, 1))
    expect(faults, "mean Dice", s.dice, 0.78, 1e-9)
    expect(faults, "worst tenth", s.worst, 0.2, 1e-9)
    expect(faults, "10 % quantile", s.tenth, 0.47, 1e-9)
    expect(faults, "median error", s.median, 1.0, 1e-9)
    expect(faults, "90 % of the errors", s.ninety, 3.5, 1e-9)
    expect(faults, "bias", s.bias, 0.0, 1e-9)
    expect(faults, "given, right, refused", (s.given, s.right, s.refused), (9, 8, 1))
    expect(faults, "intervals that hold", (s.held["95"], s.intervals["95"]), (9, 10))
    expect(faults, "half width, %", s.width["95"], 10.0, 1e-9)
    study = [{**r, "recipe": "study", "dice": r["dice"] - 0.1, "adapt_cpu_seconds": 80} for r in records]
    if "1/4.0 (n = 2)" not in patient_tables.times(records + study):
        faults.append("times: not a quarter: " + patient_tables.times(records + study))
    if "+0.100" not in patient_tables.paired(records + study, "study"):
        faults.append("paired: not 0.1 better")
    for record, wanted in (({"response": "PR", "true_response": None}, "wrong"), ({"error": "x"}, "failed"),
                           ({"response": "NE", "true_response": "PD"}, "NE"),
                           ({"response": "PD", "true_response": "PD"}, "right")):
        expect(faults, f"outcome of {record}", hard_cases.outcome(record), wanted)
    checks.report("figures", faults)


def geometry(checks):
    """A mask on a finer, shifted grid holds the same place."""
    faults = []
    mask = np.zeros((12, 10, 8), bool)
    mask[3:8, 2:7, 2:5] = True
    affine = np.diag([2.0, 2, 4, 1])
    target = np.diag([1.0, 1, 2, 1])
    target[:3, 3] = (-3.0, 1.0, 2.0)
    moved = patient_cases.on_grid(mask, affine, (40, 30, 20), target)
    centre = (affine @ np.append(np.argwhere(mask).mean(axis=0), 1))[:3]
    found = (target @ np.append(np.argwhere(moved).mean(axis=0), 1))[:3]
    expect(faults, "volume", moved.sum(), 8 * mask.sum(), 0.2 * 8 * mask.sum())
    expect(faults, "place", float(abs(centre - found).max()), 0.0, 1.01)
    expect(faults, "Dice of nothing with nothing", patient_cases.dice(mask & False, mask & False), 1.0)
    expect(faults, "Dice with a half", patient_cases.dice(mask, mask & (np.arange(12)[:, None, None] < 5)), 4 / 7, 1e-9)
    image = np.where(np.pad(mask, 6), 60.0, 20.0)
    doubled, _, _ = hard_cases.double(image, np.pad(mask, 6), affine, None)
    expect(faults, "the doubled lesion", float((doubled > 40).sum()) >= 1.3 * mask.sum(), True)
    whole, _, _ = hard_cases.vanish(image, np.pad(mask, 6), affine, np.random.default_rng(1))
    expect(faults, "what is left of the vanished one", float(abs(whole[np.pad(mask, 6)] - 20).max()), 0.0, 5.0)
    checks.report("geometry", faults)


class Residual:
    def __init__(self, patient, random, bias, sigma):
        self.patient, self.voxel, self.gone, self.missed, self.refused = patient, 2.0, [], False, False
        self.found, self.true = self.draw(random, bias, sigma)
        self.trials = [self.draw(random, bias, sigma)[::-1] for _ in range(8)]

    def draw(self, random, bias, sigma):
        found = random.uniform(20, 100)
        return found, found + calibrate_intervals.unit(found, self.voxel) * (bias + sigma * random.standard_t(5))


def calibration(checks):
    """Errors drawn from a known law give its constants and intervals that hold as many as they say."""
    faults = []
    random = np.random.default_rng(3)
    cases = [Residual(p, random, -0.8, 1.0) for p in range(15) for _ in range(8)]
    bias, spread = calibrate_intervals.pooled(cases)
    expect(faults, "half of the bias", bias, -0.4, 0.15)
    expect(faults, "spread", spread, 1.0, 0.3)
    held, _ = calibrate_intervals.left_out([c for c in cases if c.patient < 6])
    for i, level in enumerate(calibrate_intervals.LEVELS):
        expect(faults, f"held of {level}", held[i] / 48, level, 0.1)
    checks.report("calibration", faults)


def script(folder, *more):
    return subprocess.run([sys.executable, os.path.join(EXAMPLES, "patient_model.py"), "--program", h.REPRISE, "--out",
                           folder, "--set", "tuning", "--only", "p900", "--limit", "1", "--way", "segment",
                           *map(str, more)], capture_output=True, text=True, timeout=4 * h.SECONDS, check=False)


def a_run(checks, folder):
    """A tiny network, one follow-up: made, recorded, not made again; then a failure that is told and tried again."""
    faults = []
    settings = folder / "tiny.yaml"
    settings.write_text(h.TINY)
    out = folder / "out"
    recipe = ["--recipe", f"tiny=--recipe study --guard off --config {settings}", "--recipes", "tiny,carried"]
    done = script(out, *recipe)
    expect(faults, f"exit code ({done.stderr})", done.returncode, 0)
    records = {p: p.stat().st_mtime_ns for p in sorted(out.glob("records/tuning/*/p900/*.json"))}
    expect(faults, "records", [p.parts[-3] for p in records], ["carried-s0", "tiny-s0"])
    for name in ("tables.md", "followups.csv", "summary.csv"):
        expect(faults, name, (out / "tables/tuning" / name).exists(), True)
    if not faults:
        carried = patient_cases.read_json(sorted(records)[0])
        expect(faults, "Dice carried forward is a share", 0 < carried["dice"] < 1, True)
        expect(faults, "and keeps the diameter", carried["found_mm"], carried["baseline_mm"], 4.0)
        expect(faults, "true change, %", carried["true_change"], carried["asked"], 4.0)
    again = script(out, *recipe)
    expect(faults, "second exit code", again.returncode, 0)
    for p, when in records.items():
        expect(faults, f"{p.name} made again", p.stat().st_mtime_ns, when)
    broken = script(out, "--recipe", "broken=--epochs 0", "--recipes", "broken,carried")
    expect(faults, "exit code of a failure", broken.returncode != 0, True)
    if "FAILED broken-s0 p900" not in broken.stderr or "carried" not in broken.stdout:
        faults.append(f"a failure is not told, or ends the rest: {broken.stderr}")
    checks.report("a run", faults)


def main():
    h.require_program()
    checks = h.Checks()
    for part in (tables_of_cases, figures, geometry, calibration):
        part(checks)
    with tempfile.TemporaryDirectory(prefix="reprise-test-") as folder:
        a_run(checks, pathlib.Path(folder))
    return checks.finish()


sys.exit(main())
