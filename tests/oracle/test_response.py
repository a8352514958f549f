# ctest: slow
"""`reprise respond --timeline` against response_rules.py on 10^5 random timelines, many of them exactly on a threshold;
before that response_rules.py itself against cases with published or hand-worked answers."""
import collections
import datetime
import json
import os
import random
import subprocess
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor

import response_rules as rules

REPRISE = os.environ.get("REPRISE")
TOTAL = int(os.environ.get("REPRISE_TIMELINES", "100000"))
SETS = [({"criteria": "recist1.1"}, []),
        ({"criteria": "recist1.1", "confirmation": True, "minimum_sd_days": 60}, ["--confirm", "--min-sd-days=60"]),
        ({"criteria": "recist1.1", "keep_pr": False, "reappearance_is_pd": False},
         ["--no-keep-pr", "--no-reappearance"]),
        ({"criteria": "recist1.1", "too_small_mm": "4.5", "reader_error_percent": 5},
         ["--too-small=4.5", "--reader-error=5%"]),
        ({"criteria": "irecist", "reader_error_mm": 2}, ["--reader-error=2"]),
        ({"criteria": "irecist", "confirmation": True, "confirmation_days": 35},
         ["--confirm", "--confirmation-days=35"]),
        ({"criteria": "mrecist"}, []),
        ({"criteria": "volume", "confirmation": True}, ["--confirm"])]

# ---- random timelines ------------------------------------------------------------------------------------------------


def tenths(n):
    return float(f"{n / 10:.1f}")


class Maker:
    """A timeline that is consistent and eligible by construction. Sizes are in tenths of a millimetre."""

    def __init__(self, seed, criteria):
        self.r = random.Random(seed)
        self.criteria = criteria
        self.lesions, self.sizes, self.lowest = [], [], None
        targets = self.r.choice([0, 1, 1, 2, 2, 3, 4, 5])
        organs = [o for o in ("liver", "lung", "adrenal", "bone", "spleen") for _ in range(2)]
        nodes = 0
        for i in range(targets):
            nodal = self.r.random() < 0.3 and nodes < 2
            nodes += nodal
            organ = "node" if nodal else organs.pop(self.r.randrange(len(organs)))
            self.lesions.append({"id": f"T{i}", "organ": organ, "nodal": nodal, "role": "target"})
        for i in range(self.r.randrange(0 if targets else 1, 4)):
            self.lesions.append({"id": f"N{i}", "organ": "bone", "nodal": self.r.random() < 0.3, "role": "non-target"})
        for i in range(self.r.choice([0, 0, 1, 2])):
            self.lesions.append({"id": f"L{i}", "organ": "lung", "nodal": self.r.random() < 0.2, "role": "new"})
        self.r.shuffle(self.lesions)
        self.targets = [x for x in self.lesions if x["role"] == "target"]
        self.growing = self.r.random() < 0.4

    def baseline(self):
        self.sizes = [self.r.randrange(150 if x["nodal"] else 100, 400, self.r.choice([1, 5, 10]))
                      for x in self.targets]
        if self.targets and sum(self.sizes) % 10:
            self.sizes[0] += 10 - sum(self.sizes) % 10
        self.first = self.lowest = sum(self.sizes)

    def next_sizes(self):
        """Free growth or shrinkage, or a sum on or beside a threshold."""
        r = self.r
        if not self.targets:
            return []
        if r.random() < 0.45:
            aim = r.choice([self.first * 7 // 10, self.lowest * 12 // 10, self.lowest + 50,
                            max(self.lowest * 12 // 10, self.lowest + 50)]) + r.choice([0, 0, 0, -1, 1])
            aim = max(aim, 0)
            cuts = sorted(r.randrange(aim + 1) for _ in range(len(self.targets) - 1))
            return [b - a for a, b in zip([0] + cuts, cuts + [aim])]
        middle = r.uniform(0.9, 1.5) if self.growing else r.uniform(0.4, 1.15)
        return [max(0, int(s * middle * r.uniform(0.8, 1.2))) for s in self.sizes]

    def measured(self, lesion, size):
        f = {"lesion": lesion["id"], "state": "measured"}
        if size <= 0:
            return {"lesion": lesion["id"], "state": "absent"}
        if lesion["nodal"]:
            f["short_axis_mm"], f["longest_mm"] = tenths(size), tenths(size + self.r.randrange(60))
        else:
            f["longest_mm"] = tenths(size)
            if self.criteria == "mrecist":
                whole = size + self.r.randrange(40)
                f["longest_mm"], f["viable_mm"] = tenths(whole), tenths(size if self.r.random() < 0.95 else 0)
        if self.criteria == "volume":
            f["volume_cc"] = tenths(size)
            f.setdefault("short_axis_mm", tenths(max(1, size // 2)))
            f["longest_mm"] = max(f.get("longest_mm", 0), f["short_axis_mm"])
        return f

    def split(self, lesion, size):
        if size < 4 or self.criteria == "volume" and lesion["nodal"]:
            return self.measured(lesion, size)
        at = self.r.randrange(1, size)
        f = {"lesion": lesion["id"], "state": "split", "parts_mm": [tenths(at), tenths(size - at)]}
        if self.criteria == "mrecist" and not lesion["nodal"]:
            f["parts_viable_mm"] = [tenths(at), tenths(size - at)]
        if self.criteria == "volume":
            f["volume_cc"] = tenths(size)
        return f

    def target(self, lesion, size, free):
        """One finding, None for none; free: the targets that another may merge into."""
        chance = self.r.random()
        if chance < 0.06:
            return self.r.choice([None, {"lesion": lesion["id"], "state": "not evaluated"}])
        if chance < 0.12:
            return {"lesion": lesion["id"], "state": "too small"}
        if chance < 0.2:
            return {"lesion": lesion["id"], "state": "absent"}
        others = [x for x in free if x is not lesion]
        if chance < 0.25 and others:
            return {"lesion": lesion["id"], "state": "merged", "into": self.r.choice(others)["id"]}
        if chance < 0.3:
            return self.split(lesion, size)
        return self.measured(lesion, size)

    def non_target(self, lesion):
        state = self.r.choices(["present", "absent", "progression", "not evaluated", None], [50, 40, 4, 5, 2])[0]
        if state is None:
            return None
        f = {"lesion": lesion["id"], "state": state}
        if state == "present" and lesion["nodal"] and self.r.random() < 0.7:
            f["short_axis_mm"] = tenths(self.r.choice([99, 100, 101, 80, 130]))
        return f

    def new(self, lesion, before):
        if before is None and self.r.random() < 0.8:
            return None
        state = self.r.choice(["unequivocal", "equivocal", "absent"] if before else ["unequivocal", "equivocal"])
        f = {"lesion": lesion["id"], "state": state}
        if state != "absent" and self.r.random() < 0.7:
            size = tenths(self.r.randrange(40, 300, 10))
            f["longest_mm"] = size
            if lesion["nodal"]:
                f["short_axis_mm"] = size
        return f

    def visit(self, number, day, before):
        findings = []
        merging = self.r.random() < 0.5
        free = [x for i, x in enumerate(self.targets) if i < len(self.targets) // 2 or not merging]
        sources = [x for x in self.targets if x not in free]
        sizes = dict(zip((x["id"] for x in self.targets), self.sizes))
        for lesion in self.lesions:
            if lesion["role"] == "target":
                f = (self.baseline_target(lesion, sizes[lesion["id"]]) if number == 0 else
                     self.target(lesion, sizes[lesion["id"]], free if lesion in sources else []))
            elif lesion["role"] == "non-target":
                f = {"lesion": lesion["id"], "state": "present"} if number == 0 else self.non_target(lesion)
                if number == 0 and lesion["nodal"]:
                    f["short_axis_mm"] = 12.5
            else:
                f = None if number == 0 else self.new(lesion, before.get(lesion["id"]))
            if f:
                findings.append(f)
        self.r.shuffle(findings)
        date = datetime.date(2024, 1, 1) + datetime.timedelta(days=day)
        return {"id": f"v{number}", "date": date.isoformat(), "slice_spacing_mm": 3,
                "phase": self.r.choice(["arterial", "late arterial"]), "findings": findings}

    def baseline_target(self, lesion, size):
        f = self.measured(lesion, size)
        if self.criteria == "mrecist" and not lesion["nodal"]:
            f["viable_mm"] = tenths(size)
        if self.criteria == "volume":
            f["longest_mm"], f["short_axis_mm"] = max(20.0, tenths(size)), 16.0
        return f

    def timeline(self, name):
        self.baseline()
        visits, day, before = [], 0, {}
        for number in range(self.r.randrange(2, 8)):
            if number:
                self.sizes = self.next_sizes()
                if self.targets:
                    self.lowest = min(self.lowest, max(1, sum(self.sizes)))
            visits.append(self.visit(number, day, before))
            before.update({f["lesion"]: f for f in visits[-1]["findings"]})
            day += self.r.choice([14, 27, 28, 29, 42, 56, 57, 60, 84])
        return {"format": "reprise.timeline/1", "patient": name, "label": "synthetic", "lesions": self.lesions,
                "visits": visits}


def make(job):
    first, count, criteria = job
    return [Maker(seed, criteria).timeline(f"P{seed}") for seed in range(first, first + count)]


# ---- comparison ------------------------------------------------------------------------------------------------------


def close(a, b):
    if a is None or b is None:
        return a is None and b is None
    return abs(float(a) - float(b)) <= 1e-9 * max(1.0, abs(float(b)))


def differences(timeline, found, expected, volume):
    unit = "cc" if volume else "mm"
    ids = [v["id"] for v in timeline["visits"]]
    dates = [v["date"] for v in timeline["visits"]]

    def pick(values, at):
        return None if at is None else values[at]

    base = expected["visits"][0]["sum"]
    for i, (got, want) in enumerate(zip(found["visits"], expected["visits"])):
        nadir = want["nadir"]
        checks = [("sum", close(got[f"sum_{unit}"], want["sum"])),
                  ("evaluated", close(got[f"evaluated_sum_{unit}"], want["evaluated"])),
                  ("change", close(got["baseline_change_percent"], rules.change(want["sum"], base))),
                  ("nadir", close(got[f"nadir_{unit}"], nadir)),
                  ("nadir visit", got["nadir_visit"] == pick(ids, want["nadir_visit"])),
                  ("nadir change", close(got["nadir_change_percent"], rules.change(want["sum"], nadir)))]
        checks += [(key, got[key] == want[key]) for key in ("target", "non_target", "overall", "rule", "lesion")]
        edge = sorted((b["threshold"], b["lesion"] or "") for b in got["borderline"])
        checks.append(("borderline", edge == sorted((a, b or "") for a, b, _ in want["borderline"])))
        yield from (f"{ids[i]} {name}: {got.get(name)} for {want.get(name)}" for name, good in checks if not good)
    whole = [("best_overall_response", expected["best"]),
             ("response_date", pick(dates, expected["response"])),
             ("progression_date", pick(dates, expected["progression"])),
             ("duration_of_response_days", expected["duration"]),
             ("duration_censored", expected["censored"] if expected["response"] is not None else None),
             ("progression_free_days", expected["free"]), ("progression_free_censored", expected["censored"]),
             ("depth_visit", pick(ids, expected["depth_visit"]))]
    yield from (f"{key}: {found[key]} for {want}" for key, want in whole if found[key] != want)
    if not close(found["depth_percent"], expected["depth"]):
        yield f"depth_percent: {found['depth_percent']} for {expected['depth']}"


def compare(job):
    first, count, chosen, words = job
    timelines = make((first, count, chosen["criteria"]))
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "timelines.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"timelines": timelines}, file)
        done = subprocess.run([REPRISE, "respond", "--timeline", path, "--criteria", chosen["criteria"], "--json",
                               *words], capture_output=True, text=True)
    if done.returncode:
        return 0, [f"exit code {done.returncode}: {done.stderr[:2000]}"], {}
    faults, seen = [], collections.Counter()
    results = json.loads(done.stdout)["results"]
    if len(results) != count:
        return 0, [f"{len(results)} results for {count} timelines"], {}
    for timeline, found in zip(timelines, results):
        expected = rules.assess(timeline, rules.options(**chosen))
        seen.update(f"{v['overall']} by {v['rule']}" for v in expected["visits"][1:])
        seen[f"best {expected['best']}"] += 1
        wrong = list(differences(timeline, found, expected, chosen["criteria"] == "volume"))
        if wrong and len(faults) < 3:
            faults.append(f"{words}: {'; '.join(wrong)}\n    {json.dumps(timeline)}")
        elif wrong:
            faults.append("")
    return count, faults, seen


# ---- published and hand-worked cases ---------------------------------------------------------------------------------


def course(sums, extra=(), days=None, **chosen):
    """One target of these sizes (None: not evaluated); extra: findings by visit."""
    lesions = [{"id": "T", "organ": "liver", "role": "target"}] if sums[0] is not None else []
    visits = []
    for i, s in enumerate(sums):
        findings = [] if not lesions or s is None else [{"lesion": "T", "state": "absent"} if s == 0 else
                                                        {"lesion": "T", "state": "measured", "longest_mm": s}]
        day = datetime.date(2024, 1, 1) + datetime.timedelta(days=days[i] if days else 56 * i)
        visits.append({"id": str(i), "date": day.isoformat(), "findings": findings})
    for name, role, nodal, states in extra:
        lesions.append({"id": name, "organ": "bone", "role": role, "nodal": nodal})
        for v, s in zip(visits, states):
            if s:
                v["findings"].append({"lesion": name, **(s if isinstance(s, dict) else {"state": s})})
    return rules.assess({"lesions": lesions, "visits": visits}, rules.options(**chosen))


def table_row(target, non_target, new):
    """Overall response of a row of RECIST 1.1's tables 1 and 2."""
    size = {"CR": 0, "PR": 60, "SD": 100, "PD": 130, "NE": None}
    extra = []
    if non_target:
        extra.append(("N", "non-target", False, ["present", {"CR": "absent", "NN": "present", "NE": "not evaluated",
                                                            "PD": "progression"}[non_target]]))
    if new:
        extra.append(("L", "new", False, [None, "unequivocal"]))
    return course([None, None] if target is None else [100, size[target]], extra)["visits"][1]["overall"]


def known_answers():
    rows = [("CR", "CR", False, "CR"), ("CR", "NN", False, "PR"), ("CR", "NE", False, "PR"), ("CR", None, False, "CR"),
            ("PR", "NN", False, "PR"), ("PR", "NE", False, "PR"), ("PR", "CR", False, "PR"),
            ("SD", "NN", False, "SD"), ("SD", "NE", False, "SD"), ("SD", "CR", False, "SD"),
            ("NE", "NN", False, "NE"), ("NE", "CR", False, "NE"),
            ("PD", "CR", False, "PD"), ("PD", "NN", True, "PD"), ("CR", "PD", False, "PD"), ("SD", "PD", True, "PD"),
            ("CR", "CR", True, "PD"), ("PR", "NN", True, "PD"), ("NE", "NE", True, "PD"), ("NE", "PD", False, "PD"),
            (None, "CR", False, "CR"), (None, "NN", False, "NN"), (None, "NE", False, "NE"), (None, "PD", False, "PD"),
            (None, "CR", True, "PD"), (None, "NN", True, "PD")]
    for target, non_target, new, answer in rows:
        yield f"table {target} {non_target} {new}", table_row(target, non_target, new), answer
    single = [([100, 70], "PR"), ([100, "70.1"], "SD"), ([100, 120], "PD"), ([100, "119.9"], "SD"),
              ([20, 24], "SD"), ([20, "24.9"], "SD"), ([20, 25], "PD"), ([50, 30, 36], "PD"), ([50, 30, "35.9"], "PR")]
    for sums, answer in single:
        yield f"sums {sums}", course(sums)["visits"][-1]["overall"], answer
    yield "not evaluated, yet progression", course([100, 130, None])["visits"][-1]["overall"], "NE"
    yield "back after CR", course([20, 0, 4])["visits"][-1]["rule"], "PD-reappearance"
    # RECIST 1.1, table 3: best overall response when confirmation is required.
    for sums, answer in [([100, 0, 0], "CR"), ([100, 60, 0], "PR"), ([100, 60, 60], "PR"), ([100, 60, 130], "SD"),
                         ([100, 100, 130], "SD"), ([100, 130], "PD"), ([100, 60, None], "SD"), ([100, 0, None], "SD"),
                         ([100, None, None], "NE"), ([100, None, 60], "SD")]:
        yield f"confirmed {sums}", course(sums, confirmation=True)["best"], answer
    yield "SD too early", course([100, 100], days=[0, 30])["best"], "NE"
    yield "SD too early, then PD", course([100, 100, 130], days=[0, 30, 60])["best"], "PD"
    # iRECIST: unconfirmed, confirmed by further growth, reset by shrinkage.
    immune = {"criteria": "irecist"}
    for sums, answer in [([100, 130, 135], ["iUPD", "iCPD"]), ([100, 130, "134.9"], ["iUPD", "iUPD"]),
                         ([100, 130, 100, 130], ["iUPD", "iSD", "iUPD"]), ([100, 130, 60], ["iUPD", "iPR"]),
                         ([100, 130, None, 140], ["iUPD", "NE", "iCPD"])]:
        found = course(sums, **immune)
        yield f"iRECIST {sums}", [v["overall"] for v in found["visits"][1:]], answer
    early = course([100, 130, 140, 150], days=[0, 56, 77, 98], **immune)
    yield "iRECIST too early", [v["overall"] for v in early["visits"][1:]], ["iUPD", "iUPD", "iCPD"]
    yield "iRECIST progression's date", early["progression"], 1
    node = course([None, None], [("N", "target", True, [{"state": "measured", "short_axis_mm": 20},
                                                        {"state": "measured", "short_axis_mm": "9.9"}])])
    yield "a node below 10 mm", node["visits"][1]["overall"], "CR"
    later = course([100, 100, 100], [("L", "new", False, [None, "equivocal", "unequivocal"])])
    yield "confirmed later", (later["progression"], later["visits"][1]["overall"]), (1, "SD")


def main():
    failed = checked = 0
    for name, found, answer in known_answers():
        checked += 1
        if found != answer:
            failed += 1
            print(f"FAILED: oracle: {name}: {found}, not {answer}")
    print(f"{checked} cases with known answers, {failed} wrong")
    chunk, each = 1250, TOTAL // len(SETS)
    jobs = [(s * 10000000 + at, min(chunk, each - at), chosen, words) for s, (chosen, words) in enumerate(SETS)
            for at in range(0, each, chunk)]
    compared, faults, seen = 0, [], collections.Counter()
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for count, wrong, what in pool.map(compare, jobs):
            compared += count
            faults += wrong
            seen.update(what)
    for text in [f for f in faults if f][:8]:
        print(f"FAILED: {text}")
    for what, times in sorted(seen.items()):
        print(f"{times:8d}  {what}")
    wanted = [f"{call} by {rule}" for call, rule in
              [("PD", "PD-sum"), ("PD", "PD-reappearance"), ("PD", "PD-new"), ("PD", "PD-non-target"), ("CR", "CR"),
               ("PR", "CR-non-target-remains"), ("PR", "PR"), ("PR", "PR-kept"), ("SD", "SD"), ("NE", "NE"),
               ("CR", "NT-CR"), ("NN", "NT-NN"), ("NE", "NT-NE"), ("iUPD", "iUPD-sum"),
               ("iUPD", "iUPD-new"), ("iCPD", "iCPD-target"), ("iCPD", "iCPD-new"), ("iCPD", "iCPD-before"),
               ("iCR", "iCR"), ("iPR", "iPR"), ("iSD", "iSD"), ("iNN", "iNT-NN")]]
    wanted += [f"best {b}" for b in ("CR", "PR", "SD", "NN", "PD", "NE", "iCR", "iPR", "iSD", "iNN", "iUPD", "iCPD")]
    rare = [w for w in wanted if seen[w] < TOTAL / 1000]
    if rare:
        print(f"FAILED: too few of: {', '.join(rare)}")
    print(f"{compared} timelines compared, {len(faults)} differ")
    return 1 if failed or faults or rare or compared < TOTAL else 0


sys.exit(main() if REPRISE else print("no program to test") or 77)
