# ctest: slow
"""`reprise respond --timeline` against tests/oracle/response_rules.py on random patients, many of
them exactly on a threshold, as JSON and as CSV; and that oracle against the guidelines' own
cases."""
import collections
import csv
import json
import math
import os
import random
import subprocess
import sys
import tempfile

import response_cases
import response_rules
from response_timelines import make_timeline

REPRISE = os.environ.get("REPRISE", "")
TIMELINES = int(os.environ.get("REPRISE_TIMELINES", "100000"))
SEED = 20090115
TOLERANCE = 1e-9
CSV_TIMELINES = 1000  # of each criteria
OFTEN = 200  # each call and each rule must occur so often
RARE = {"iNT-new-remains": 40}  # but for these
SHOWN = 20   # differences that are printed

# Of each criteria: options of the command and what they mean to the oracle.
CONFIRM = (["--confirm"], {"confirmation": True})
LONG = (["--confirm", "--confirmation-days", "42", "--min-sd-days", "56"],
        {"confirmation": True, "confirmation_days": 42, "minimum_sd_days": 56})
PLAIN = (["--no-keep-pr", "--min-sd-days", "28"], {"keep_pr": False, "minimum_sd_days": 28})
BACK = (["--no-reappearance-pd"], {"reappearance_is_pd": False})
NEITHER = (["--no-reappearance-pd", "--no-keep-pr", "--confirm"],
           {"reappearance_is_pd": False, "keep_pr": False, "confirmation": True})
SHARE = (["--reader-error", "10%", "--too-small", "4.5"],
         {"reader_error_percent": 10, "too_small_mm": 4.5})
MM = (["--reader-error", "1.5"], {"reader_error_mm": 1.5})
BOTH = (["--reader-error", "2", "--reader-error", "5%", "--confirm"],
        {"reader_error_mm": 2, "reader_error_percent": 5, "confirmation": True})
ANY = (["--allow-ineligible", "--confirm"], {"confirmation": True})
LIMITS = (["--progression-minimum", "3", "--node-normal", "9", "--too-small", "3"],
          {"progression_minimum_mm": 3, "node_normal_mm": 9, "too_small_mm": 3})
WAIT = (["--irecist-earliest", "14", "--irecist-latest", "42", "--irecist-further", "3"],
        {"irecist_earliest_days": 14, "irecist_latest_days": 42, "irecist_further_mm": 3})
DEFAULT = ([], {})
SETS = [("recist1.1", s) for s in (DEFAULT, CONFIRM, LONG, PLAIN, BACK, NEITHER, SHARE, MM, BOTH,
                                   ANY, LIMITS)] + \
       [("irecist", s) for s in (DEFAULT, CONFIRM, LONG, PLAIN, BACK, NEITHER, MM, ANY, WAIT)] + \
       [("mrecist", s) for s in (DEFAULT, CONFIRM, NEITHER, SHARE, MM, ANY)] + \
       [("volume", s) for s in (DEFAULT, CONFIRM, LONG, NEITHER, SHARE, ANY)]

CALLS = {
    "recist1.1": {"CR", "PR", "SD", "NN", "NE", "PD"},
    "irecist": {"iCR", "iPR", "iSD", "iNN", "NE", "iUPD", "iCPD"},
    "mrecist": {"CR", "PR", "SD", "NN", "NE", "PD"}, "volume": {"CR", "PR", "SD", "NN", "NE", "PD"},
}
RULES = {"PD-sum", "PD-reappearance", "PD-new", "PD-non-target", "CR", "CR-non-target-remains",
         "PR", "PR-kept", "SD", "NE", "NT-CR", "NT-NN", "NT-NE", "iUPD-sum", "iUPD-reappearance",
         "iUPD-new", "iUPD-non-target", "iCPD-sum", "iCPD-new",
         "iCPD-non-target", "iCPD-before", "iCR", "iCR-non-target-remains", "iPR", "iPR-kept",
         "iSD", "iNT-CR", "iNT-NN", "iCR-new-remains", "iNT-new-remains"}
LEAVES = {str, bool, int, float, type(None)}
NOT_COMPARED = {"sentence", "notes", "exploratory", "new_lesion"}


COLUMNS = ["patient", "visit", "date", "lesion", "organ", "side", "nodal", "role", "description",
           "state", "longest_mm", "short_axis_mm", "viable_mm", "volume_cc", "parts_mm",
           "parts_viable_mm", "into", "slice_spacing_mm", "phase", "label"]


def for_csv(timeline):
    """The timeline as a table can tell it: lesions in the order in which they are first found, and
    nothing of one that never is; None where a visit has no finding at all."""
    order = [f["lesion"] for visit in timeline["visits"] for f in visit["findings"]]
    if not all(visit["findings"] for visit in timeline["visits"]):
        return None
    lesions = {x["id"]: x for x in timeline["lesions"]}
    return dict(timeline, lesions=[lesions[x] for x in dict.fromkeys(order)])


def write_csv(timelines, path):
    with open(path, "w", encoding="ascii", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="", extrasaction="raise")
        writer.writeheader()
        for timeline in timelines:
            lesions = {x["id"]: x for x in timeline["lesions"]}
            for visit in timeline["visits"]:
                for found in visit["findings"]:
                    row = {n: x for n, x in lesions[found["lesion"]].items() if n != "id"}
                    row.update(found, patient=timeline["patient"], label=timeline["label"],
                               visit=visit["id"], date=visit["date"], phase=visit.get("phase", ""),
                               nodal="true" if row["nodal"] else "false")
                    for parts in {"parts_mm", "parts_viable_mm"} & row.keys():
                        row[parts] = ";".join(map(str, row[parts]))
                    writer.writerow(row)


def answers_of(timelines, criteria, arguments, folder, kind="json"):
    """The program's results for timelines; None, with its words printed, where it gives none."""
    path = os.path.join(folder, "timelines." + kind)
    if kind == "csv":
        write_csv(timelines, path)
    else:
        with open(path, "w", encoding="ascii") as file:
            file.write(json.dumps({"timelines": timelines}))
    done = subprocess.run([REPRISE, "respond", "--timeline", path, "--criteria", criteria,
                           *arguments, "--json"], capture_output=True, check=False)
    if done.returncode != 0:
        print(f"exit {done.returncode}: {done.stderr[-4000:].decode('utf-8', 'replace')}")
        return None
    return json.loads(done.stdout)["results"]


def same_leaf(expected, found):
    return type(expected) is type(found) in LEAVES and expected == found


def differences(expected, found, where=""):
    """Paths with what was expected and found. Words and notes of the program aren't compared."""
    if same_leaf(expected, found):
        return []
    if isinstance(expected, dict) and isinstance(found, dict):
        missing = [f"{where}.{n}: not in {'the answer' if n in expected else 'the rules'}"
                   for n in sorted((expected.keys() ^ found.keys()) - NOT_COMPARED)]
        return missing + [d for n in (expected.keys() & found.keys()) - NOT_COMPARED
                          if not same_leaf(expected[n], found[n])
                          for d in differences(expected[n], found[n], f"{where}.{n}")]
    if isinstance(expected, list) and isinstance(found, list):
        if len(expected) != len(found):
            return [f"{where}: {expected} expected, {found} found"]
        return [d for i, (e, f) in enumerate(zip(expected, found))
                for d in differences(e, f, f"{where}[{i}]")]
    numbers = all(type(x) in (int, float) for x in (expected, found))
    if numbers and math.isclose(expected, found, rel_tol=TOLERANCE, abs_tol=TOLERANCE):
        return []
    same = expected == found and isinstance(expected, bool) == isinstance(found, bool)
    return [] if same else [f"{where}: {expected!r} expected, {found!r} found"]


class Tally:
    """How often each call and rule occurred, and what differed."""

    def __init__(self):
        self.compared, self.different, self.on_threshold = 0, 0, 0
        self.calls, self.best = collections.Counter(), collections.Counter()
        self.rules = collections.Counter()
        self.kinds = collections.Counter()

    def add(self, expected):
        criteria = expected["criteria"]
        unit = "cc" if criteria == "volume" else "mm"
        self.compared += 1
        self.best[criteria, expected["best_overall_response"]] += 1
        for visit in expected["visits"][1:]:
            self.calls[criteria, visit["overall"]] += 1
            self.rules[visit["rule"]] += 1
            limits = visit["pr_limit_" + unit], visit["pd_limit_" + unit]
            self.on_threshold += visit["sum_" + unit] is not None and visit["sum_" + unit] in limits

    def differs(self, timeline, options, found):
        self.different += 1
        for kind in {d.split(":")[0].split("[")[0] + d.split("]")[-1].split(":")[0] for d in found}:
            self.kinds[kind] += 1
        if self.different <= SHOWN:
            print("FAILED:", options, *found, json.dumps(timeline), sep="\n    ", flush=True)

    def too_rare(self):
        rare = [f"{c} {call}" for c, calls in CALLS.items() for call in calls
                if self.calls[c, call] < OFTEN]
        rare += [f"rule {rule}" for rule in RULES if self.rules[rule] < RARE.get(rule, OFTEN)]
        return sorted(rare) + ([] if self.on_threshold >= OFTEN else ["sums on a threshold"])

    def finish(self):
        print(f"{self.compared} timelines compared, {self.different} differ; "
              f"{self.on_threshold} visits with a sum exactly on a threshold")
        for name, counts in (("calls", self.calls), ("best", self.best), ("rules", self.rules)):
            print(f"{name}:", ", ".join(f"{' '.join(k) if isinstance(k, tuple) else k} {n}"
                                        for k, n in sorted(counts.items())))
        if self.kinds:
            print("fields that differ:", dict(self.kinds))
        rare = self.too_rare()
        if rare:
            print(f"FAILED: fewer than {OFTEN} of", ", ".join(rare))
        return 1 if self.different or rare else 0


def compare(tally, criteria, arguments, given, numbers, folder, kind="json"):
    options = response_rules.options_of(criteria, **given)
    eligible = "--allow-ineligible" not in arguments
    timelines = [make_timeline(random.Random(f"{SEED}/{kind}/{n}"), criteria, options, n, eligible)
                 for n in numbers]
    if kind == "csv":
        timelines = [x for x in map(for_csv, timelines) if x is not None]
    answers = answers_of(timelines, criteria, arguments, folder, kind)
    if answers is None or len(answers) != len(timelines):
        print(f"FAILED: {criteria} {arguments}: no answer for each timeline")
        tally.different += len(timelines)
        return
    for timeline, answer in zip(timelines, answers):
        expected = response_rules.respond(timeline, options)
        tally.add(expected)
        found = differences(expected, answer)
        if found:
            tally.differs(timeline, f"{kind} {criteria} {' '.join(arguments)}", found)


def main():
    if not os.access(REPRISE, os.X_OK):
        print(f"FAILED: there is no program {REPRISE!r}; set REPRISE")
        return 1
    failed = response_cases.check()
    tally, tables = Tally(), Tally()
    with tempfile.TemporaryDirectory() as folder:
        for i, (criteria, (arguments, given)) in enumerate(SETS):
            numbers = range(TIMELINES * i // len(SETS), TIMELINES * (i + 1) // len(SETS))
            compare(tally, criteria, arguments, given, numbers, folder)
        for criteria in CALLS:
            compare(tables, criteria, [], {}, range(CSV_TIMELINES), folder, "csv")
    print(f"as CSV: {tables.compared} timelines compared, {tables.different} differ")
    few = tally.compared < TIMELINES or tables.compared < 3 * CSV_TIMELINES
    return 1 if tally.finish() or failed or tables.different or few else 0


if __name__ == "__main__":
    sys.exit(main())
