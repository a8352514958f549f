"""Every number of an evaluation's summary, computed again from tables/patients.csv and tables/cases.csv
with SciPy; the other tables must say the same. Cohorts are made up, with ties, empty predictions, sources
that are missing for some, and down to no patient at all. With an argument: checks that evaluation's
folder, for whoever wants to know of a real one."""
import csv
import functools
import itertools
import json
import math
import os
import random
import re
import subprocess
import sys
import tempfile
import warnings

try:
    import numpy as np
    from scipy import stats
except ImportError:
    print("NumPy or SciPy is not installed")
    sys.exit(77)

import reprise_c

SOURCES = ("general_pre", "general_post", "idol_post", "carry_post", "registered_post")
CODES = ("CR", "PR", "SD", "PD", "NE")
MEANS = ("dice", "hd95_mm", "mean_surface_distance_mm", "surface_dice_2mm", "surface_dice_5mm",
         "diameter_error_mm", "volume_error_cc", "seconds")
LIBRARIES = ("evaluation", "stats", "response", "measure", "cohort", "io", "volume", "base")
SYSTEM = ("-ljansson", "-ldeflate", "-lcrypto", "-lstdc++", "-lpthread", "-lm")
UNDEFINED = object()  # stands for {"n": n, "undefined": some reason}
Z = stats.norm.ppf(0.975)


def table(folder, name):
    with open(os.path.join(folder, "tables", name + ".csv"), newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def number(text):
    return float(text) if text else math.nan


def finite(values):
    return np.array([v for v in values if math.isfinite(v)])


# ---- statistics ------------------------------------------------------------------------------------

def undefined(n, **more):
    return {"n": n, "undefined": UNDEFINED, **more}


def with_limits(found, low, high, names=("low", "high")):
    if math.isfinite(low) and math.isfinite(high):
        found.update(zip(names, (low, high)))
    return found


def t_quantile(df):
    """0.975; by F, for SciPy 1.10's own t.ppf is off in the ninth digit (R's is not)."""
    return math.sqrt(stats.f.ppf(0.95, 1, df))


def t_limits(x):
    n = len(x)
    if n < 2:
        return math.nan, math.nan
    se = np.std(x, ddof=1) / math.sqrt(n)
    if not se > 10 * np.finfo(float).eps * abs(np.mean(x)):
        return math.nan, math.nan
    reach = t_quantile(n - 1) * se
    return np.mean(x) - reach, np.mean(x) + reach


def mean(x):
    if not len(x):
        return undefined(0)
    q1, median, q3 = np.percentile(x, (25, 50, 75))
    return with_limits({"n": len(x), "mean": np.mean(x), "median": median, "q1": q1, "q3": q3},
                       *t_limits(x))


def wilcoxon(d):
    used = d[d != 0]
    if not len(used):
        return undefined(len(used))
    ranks = stats.rankdata(abs(used))
    exact = len(used) == len(d) and len(set(abs(used))) == len(used) and len(used) <= 50
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that few pairs make a poor approximation
        p = stats.wilcoxon(used, correction=False, mode="exact" if exact else "approx").pvalue
    return {"n": len(used), "statistic": ranks[used > 0].sum(), "p": p, "exact": exact}


@functools.lru_cache
def square_sums(n):
    """Of the rank differences, for all permutations, sorted."""
    all_of_them = np.array(list(itertools.permutations(range(n))))
    return np.sort(((all_of_them - np.arange(n)) ** 2).sum(1))


def spearman(x, y):
    n = len(x)
    if n < 3 or len(set(x)) == 1 or len(set(y)) == 1:
        return undefined(n)
    rho, p = stats.spearmanr(x, y)
    exact = n <= 9 and len(set(x)) == len(set(y)) == n
    if exact:
        sums = square_sums(n)
        s = ((stats.rankdata(x) - stats.rankdata(y)) ** 2).sum()
        p = min(1, 2 * min((sums <= s).mean(), (sums >= s).mean()))
    elif abs(rho) > 1 - 1e-12:
        p = 0
    return {"n": n, "rho": rho, "p": p, "exact": exact}


def bland_altman(d):
    n = len(d)
    if n < 2:
        return undefined(n)
    bias, low_high = np.mean(d), t_limits(d)
    sd = np.std(d, ddof=1) if math.isfinite(low_high[0]) else 0.0
    found = with_limits({"n": n, "bias": bias, "sd": sd}, *low_high, ("bias_low", "bias_high"))
    reach = t_quantile(n - 1) * sd * math.sqrt(1 / n + 1.96 ** 2 / (2 * (n - 1)))
    for name, at in (("lower", bias - 1.96 * sd), ("upper", bias + 1.96 * sd)):
        found[name] = at
        if sd:
            with_limits(found, at - reach, at + reach, (name + "_low", name + "_high"))
    return found


def icc(x, y):
    """Both, from the sums of squares of a table with two columns."""
    n, both = len(x), np.column_stack([x, y])
    if n < 2:
        return undefined(n), undefined(n)
    grand = both.mean()
    between = 2 * ((both.mean(1) - grand) ** 2).sum() / (n - 1)
    raters = n * ((both.mean(0) - grand) ** 2).sum()
    rest = ((both - grand) ** 2).sum() - between * (n - 1) - raters
    scale = (both ** 2).sum() * 1e-20
    rest = 0.0 if rest < scale * 1e8 and np.ptp(x - y) < 1e-12 * abs(both).max() else rest / (n - 1)
    if between <= scale and rest == 0:
        return undefined(n), undefined(n)
    two = (between - rest) / (between + rest + 2 * (raters - rest) / n)
    three = (between - rest) / (between + rest)
    first, second = {"n": n, "value": two}, {"n": n, "value": three}
    if rest == 0:
        return first, second
    f, q = between / rest, stats.f.ppf(0.975, n - 1, n - 1)
    with_limits(second, (f / q - 1) / (f / q + 1), (f * q - 1) / (f * q + 1))
    fj = raters / rest
    a = 2 * two * fj + n * (1 + two) - 2 * two
    v = (n - 1) * a ** 2 / ((n - 1) * 4 * two ** 2 * fj ** 2 + (n * (1 + two) - 2 * two) ** 2)
    up, down = stats.f.ppf(0.975, n - 1, v), stats.f.ppf(0.975, v, n - 1)
    c = 2 * raters + (2 * n - 2 - n) * rest
    with np.errstate(invalid="ignore"):  # an infinite quantile leaves no limits
        with_limits(first, n * (between - up * rest) / (up * c + n * between),
                    n * (down * between - rest) / (c + n * down * between))
    return first, second


def kappa(t):
    n = t.sum()
    if not n:
        return undefined(0)
    p = t / n
    rows, columns, po = p.sum(1), p.sum(0), np.trace(p)
    pe = rows @ columns
    if 1 - pe < 1e-12:
        return undefined(n)
    found = {"n": n, "value": (po - pe) / (1 - pe)}
    a = sum(p[i, i] * (1 - pe - (rows[i] + columns[i]) * (1 - po)) ** 2 for i in range(5))
    b = (1 - po) ** 2 * sum(p[i, j] * (columns[i] + rows[j]) ** 2
                            for i in range(5) for j in range(5) if i != j)
    variance = (a + b - (po * pe - 2 * pe + po) ** 2) / (n * (1 - pe) ** 4)
    if variance > 1e-14:
        reach = Z * math.sqrt(variance)
        with_limits(found, max(-1, found["value"] - reach), min(1, found["value"] + reach))
    return found


def proportion(count, n):
    if not n:
        return undefined(0, count=0)
    test = stats.binomtest(int(count), int(n))
    wilson, exact = (test.proportion_ci(method=m) for m in ("wilson", "exact"))
    return {"n": n, "count": count, "value": count / n, "low": wilson.low, "high": wilson.high,
            "clopper_pearson_low": exact.low, "clopper_pearson_high": exact.high}


def mcnemar(b, c):
    if not b + c:
        return undefined(0)
    return {"n": b + c, "statistic": min(b, c), "p": stats.binomtest(int(b), int(b + c)).pvalue,
            "exact": True}


def auc(yes, no):
    n = len(yes) + len(no)
    if not len(yes) or not len(no):
        return undefined(n)
    wins = np.sign(np.subtract.outer(yes, no)) / 2 + 0.5
    found = {"n": n, "value": wins.mean()}
    if min(len(yes), len(no)) < 2:
        return found
    variance = wins.mean(1).var(ddof=1) / len(yes) + wins.mean(0).var(ddof=1) / len(no)
    if variance > 1e-25:
        reach = Z * math.sqrt(variance)
        with_limits(found, max(0, found["value"] - reach), min(1, found["value"] + reach))
    return found


def roc(yes, no):
    """A score is minus the change; thresholds come back as changes."""
    changes = sorted({-s for s in (*yes, *no)})
    return {"change_percent_at_most": [None, *changes],
            "sensitivity": [0, *((-np.array(yes) <= c).mean() for c in changes)],
            "specificity": [1, *((-np.array(no) > c).mean() for c in changes)]}


def holm(p):
    order, adjusted, largest = sorted(p, key=p.get), {}, 0
    for place, key in enumerate(order):
        largest = adjusted[key] = max(largest, min(1, (len(order) - place) * p[key]))
    return adjusted


class Text:
    """Numbers rounded to one decimal; either neighbour will do where one lies midway but for rounding."""
    def __init__(self, template, *values):
        self.template, self.values = template, values

    def __repr__(self):
        return self.template % self.values

    def agrees(self, text):
        numeral = r"-?\d+(?:\.\d+)?"
        return (re.sub(numeral, "#", text) == re.sub(r"%\.1f|%d", "#", self.template) and
                all(abs(float(found) - value) <= 0.05 + 1e-9
                    for found, value in zip(re.findall(numeral, text), self.values)))


# ---- the summary of one cohort -----------------------------------------------------------------------

def compare(cases, seen):
    found, p = {}, {}
    for other in ("general_post", "carry_post", "registered_post"):
        if other not in seen:
            continue
        d = np.array([number(c["idol_post"]["dice"]) - number(c[other]["dice"])
                      for c in cases if "idol_post" in c and other in c])
        found[other] = one = {"n": len(d), "difference": d.mean(), "bootstrap": d} if len(d) \
            else undefined(0)
        test = wilcoxon(d)
        if "p" in test:
            p[other] = test["p"]
            one.update(pairs_used=test["n"], statistic=test["statistic"], p=test["p"])
    for other, adjusted in holm(p).items():
        found[other]["p_holm"] = adjusted
    return found


def agreement(cases, patients, source, volume):
    visit = "baseline_mm" if source.endswith("pre") else "followup_mm"
    kept = [c[source] for c, p in zip(cases, patients)
            if source in c and c[source]["empty"] == "no" and p[visit]]
    own = [p for c, p in zip(cases, patients)
           if source in c and c[source]["empty"] == "no" and p[visit]]
    x = np.array([number(k["volume_cc" if volume else "longest_diameter_mm"]) for k in kept])
    y = np.array([number(k["manual_volume_cc"]) if volume else number(p[visit])
                  for k, p in zip(kept, own)])
    two, three = icc(x, y)
    return {"bland_altman": bland_altman(x - y), "icc_2_1": two, "icc_3_1": three,
            "spearman": spearman(x, y), "wilcoxon": wilcoxon(x - y)}


def response(cases, patients, source):
    rows = [(p["response"], c[source]) for c, p in zip(cases, patients)
            if source in c and p["response"] != "NE"]
    t = np.zeros((5, 5), int)
    for by_hand, row in rows:
        t[CODES.index(by_hand), CODES.index(row["response"])] += 1
    tp, fn, fp, tn = t[:2, :2].sum(), t[:2, 2:].sum(), t[2:, :2].sum(), t[2:, 2:].sum()
    change = [[-number(row["change_percent"]) for by_hand, row in rows
               if (by_hand in ("CR", "PR")) == yes and row["change_percent"]] for yes in (1, 0)]
    call = [[row["response"] in ("CR", "PR") for by_hand, row in rows
             if (by_hand in ("CR", "PR")) == yes] for yes in (1, 0)]
    found = {"n": len(rows), "agree": np.trace(t), "kappa": kappa(t), "mcnemar": mcnemar(fn, fp),
             "table": {m: dict(zip(CODES, t[i])) for i, m in enumerate(CODES)},
             "agreement": proportion(np.trace(t), len(rows)), "sensitivity": proportion(tp, tp + fn),
             "specificity": proportion(tn, tn + fp), "accuracy": proportion(tp + tn, len(rows)),
             "auc_change": auc(*change), "auc_call": auc(*(np.array(c, float) for c in call))}
    if change[0] and change[1]:
        found["roc"] = roc(*change)
    return found


def half_time(times, curve):
    """As R has the median: midway along a step at exactly one half."""
    for i, (time, s) in enumerate(zip(times, curve)):
        if s < 0.5 - 1e-8:
            return time
        if s < 0.5 + 1e-8:
            later = [t for t, v in zip(times[i:], curve[i:]) if v < s]
            return (time + later[0]) / 2 if later else time
    return None


def survival(patients):
    rows = [(number(p["followup_months"]), number(p["event"])) for p in patients
            if {"followup_months", "event"} <= p.keys()]
    kept = [(t, e) for t, e in rows if t >= 0 and e in (0, 1)]
    if not any(e for _, e in kept):
        return []
    one = {key: [] for key in ("time", "at_risk", "events_at", "censored_at", "survival", "low", "high")}
    s, hazard = 1.0, 0.0
    for time in sorted({t for t, _ in kept}):
        risk = sum(t >= time for t, _ in kept)
        died = sum(e for t, e in kept if t == time)
        s *= 1 - died / risk
        hazard += died / risk / (risk - died) if died < risk else 0
        low = high = None
        if 0 < s < 1:
            reach = Z * math.sqrt(hazard) / abs(math.log(s))
            low, high = s ** math.exp(reach), s ** math.exp(-reach)
        values = (time, risk, died, sum(t == time for t, _ in kept) - died, s, low, high)
        for key, value in zip(one, values):
            one[key].append(value)
    one.update(name="event", unit="months", n=len(kept), left_out=len(rows) - len(kept),
               events=sum(e for _, e in kept), median=half_time(one["time"], one["survival"]))
    return [one]


def characteristics(patients, trained):
    rows = [("Patients evaluated", f"{len(patients)}")]
    if trained:
        rows.append(("Patients the general model was trained on", trained))
    evaluable = sum(p["recist_evaluable"] == "yes" for p in patients)
    rows.append(("Evaluable by RECIST", f"{evaluable} of {len(patients)}"))
    columns = list(patients[0])[11:] if patients else []
    for column in columns:
        cells = [p[column] for p in patients if p[column]]
        try:
            q = np.percentile([float(c) for c in cells], (50, 25, 75)) if cells else ()
            rows += [(column, "median %g (%g to %g), n = %d" % (*q, len(cells)))] if cells else []
        except ValueError:
            rows += [(f"{column}: {word}", f"{cells.count(word)} of {len(cells)}")
                     for word in dict.fromkeys(cells)]
    for visit, when in (("baseline", "before"), ("followup", "after")):
        for unit, name in (("mm", "Longest diameter"), ("cc", "Tumour volume")):
            x = finite(number(p[f"{visit}_{unit}"]) for p in patients)
            if len(x):
                rows.append((f"{name} {when} treatment, {unit}",
                             Text("mean %.1f, median %.1f (%.1f to %.1f), n = %d", x.mean(),
                                  *np.percentile(x, (50, 25, 75)), len(x))))
    for code in CODES:
        times = sum(p["response"] == code for p in patients)
        if times:
            rows.append((f"Manual response {code}", f"{times} of {len(patients)}"))
    return [{"name": name, "value": value} for name, value in rows]


def expected(patients, cases, trained):
    seen = [s for s in SOURCES if any(s in c for c in cases)]
    found = {"n": len(patients), "table1": characteristics(patients, trained),
             "survival": survival(patients), "compare": compare(cases, seen)}
    for key in MEANS:
        found[key] = {s: mean(finite(number(c[s][key]) for c in cases if s in c)) for s in seen}
    for key in ("diameter", "volume"):
        found[key] = {s: agreement(cases, patients, s, key == "volume") for s in seen}
    found["response"] = {s: response(cases, patients, s) for s in seen if s != "general_pre"}
    found["dice_baseline_diameter"] = {}
    for s in seen:
        pairs = [(number(c[s]["dice"]), number(p["baseline_mm"])) for c, p in zip(cases, patients)
                 if s in c]
        found["dice_baseline_diameter"][s] = spearman(*zip(*pairs))
    return found


# ---- comparison ----------------------------------------------------------------------------------------

class Comparison:
    def __init__(self):
        self.numbers, self.undefined, self.faults = 0, 0, []

    def differ(self, where, found, wanted):
        self.faults.append(f"{where}: {found!r}, recomputed {wanted!r}")

    def bootstrap(self, where, found, d):
        """The limits, within what 10,000 replicates of another stream allow."""
        if len(d) < 2 or len(set(d)) == 1:
            if "low" in found:
                self.differ(where, found["low"], "no interval")
            return
        means = np.random.default_rng(1).choice(d, (10000, len(d))).mean(1)
        tiny = 1e-12
        for key, share in (("low", 0.025), ("high", 0.975)):
            limit = found.get(key, math.nan)
            self.numbers += 1
            if not ((means < limit - tiny).mean() <= share + 0.01 and
                    (means <= limit + tiny).mean() >= share - 0.01):
                self.differ(f"{where}.{key}", limit, np.quantile(means, share))

    def objects(self, where, found, wanted):
        wanted, found = dict(wanted), dict(found)
        if "bootstrap" in wanted:
            self.bootstrap(where, found, wanted.pop("bootstrap"))
            found.pop("low", None), found.pop("high", None)
        if wanted.get("undefined") is UNDEFINED:
            self.undefined += 1
            if not found.get("undefined"):
                self.differ(where, found, "undefined")
            found.pop("undefined", None), wanted.pop("undefined")
        found.pop("method", None)  # words
        if found.keys() != wanted.keys():
            self.differ(where, sorted(found), sorted(wanted))
        for key in found.keys() & wanted.keys():
            self.check(f"{where}.{key}", found[key], wanted[key])

    def check(self, where, found, wanted):
        if isinstance(wanted, dict) and isinstance(found, dict):
            self.objects(where, found, wanted)
        elif isinstance(wanted, (list, tuple)) and isinstance(found, list):
            if len(found) != len(wanted):
                self.differ(where, found, wanted)
            for i, (a, b) in enumerate(zip(found, wanted)):
                self.check(f"{where}[{i}]", a, b)
        elif isinstance(wanted, Text):
            if not wanted.agrees(found):
                self.differ(where, found, wanted)
        elif found is None or wanted is None or isinstance(found, str) or isinstance(wanted, str):
            if found != wanted:
                self.differ(where, found, wanted)
        else:
            self.numbers += 1
            if not np.isclose(found, wanted, rtol=1e-9, atol=1e-11):
                self.differ(where, found, wanted)


def cells(row, keys):
    return [row.get(key, "") for key in keys]


def same_cell(found, wanted):
    """Text of a table against a value of the summary, both may be missing."""
    if wanted is None or wanted == "":
        return found == ""
    return found == wanted if isinstance(wanted, str) else found != "" and float(found) == wanted


def study_tables(folder, summary, patients, by_patient, faults):
    """The tables that follow from the others."""
    def match(name, rows):
        found = table(folder, name)
        if len(found) != len(rows):
            faults.append(f"{name}: {len(found)} rows, not {len(rows)}")
        for i, (row, wanted) in enumerate(zip(found, rows)):
            if len(row) != len(wanted) or not all(map(same_cell, row.values(), wanted)):
                faults.append(f"{name}, row {i + 1}: {row}, not {wanted}")

    cohorts = summary["cohorts"]
    match("table1", [(c, r["name"], r["value"]) for c in cohorts for r in cohorts[c]["table1"]])
    match("table3", [(c, m, s, *cells(one, ("n", "mean", "low", "high", "median", "q1", "q3")))
                     for c in cohorts for m in MEANS for s, one in cohorts[c][m].items()])
    match("table4b", [(c, s, m, *row.values()) for c in cohorts
                      for s, one in cohorts[c]["response"].items() for m, row in one["table"].items()])
    match("comparisons", [(c, s, *cells(one, ("n", "difference", "low", "high", "pairs_used",
                                              "statistic", "p", "p_holm", "method")))
                          for c in cohorts for s, one in cohorts[c]["compare"].items()])
    for name, recist in (("table2", True), ("supplementary1", False)):
        match(name, [(p["patient"], *(c[s]["dice"] if s in c else "" for s in SOURCES))
                     for p, c in zip(patients, by_patient)
                     if not recist or p["recist_evaluable"] == "yes"])
    match("table4a", [(*cells(p, ("patient", "recist_evaluable", "baseline_mm", "followup_mm",
                                  "change_percent", "response")), s,
                       *cells(c[s], ("longest_diameter_mm", "change_percent", "response",
                                     "diameter_error_mm")))
                      for p, c in zip(patients, by_patient) for s in SOURCES[1:] if s in c])


def check(folder):
    with open(os.path.join(folder, "evaluation.json"), encoding="utf-8") as file:
        record = json.load(file)
    summary, patients = record["summary"], table(folder, "patients")
    by_patient = [{r["source"]: r for r in table(folder, "cases") if r["patient"] == p["patient"]}
                  for p in patients]
    trained = next((r["value"] for r in table(folder, "table1") if "trained" in r["characteristic"]), None)
    comparison = Comparison()
    for name, kept in (("entire", {"", "no", "yes"}), ("recist", {"yes"})):
        which = [i for i, p in enumerate(patients) if p["recist_evaluable"] in kept]
        wanted = expected([patients[i] for i in which], [by_patient[i] for i in which], trained)
        comparison.check(name, summary["cohorts"][name], wanted)
    study_tables(folder, summary, patients, by_patient, comparison.faults)
    told = [(c["patient"], f["kind"], f["text"]) for c in record.get("cases", []) for f in c["failures"]]
    if "cases" in record and [tuple(r.values()) for r in table(folder, "failures")] != told:
        comparison.faults.append("failures.csv differs from the cases")
    return comparison


# ---- made-up cohorts -------------------------------------------------------------------------------------

def lesion(diameter):
    zeros = [0.0] * 6
    return {"label": 1, "voxels": int(diameter * 10), "volume_cc": diameter ** 3 / 4000,
            "longest_diameter_mm": diameter, "short_axis_mm": diameter / 2, "slice_index": 3,
            "slice_position_lps": zeros[:3], "long_axis_lps": zeros, "short_axis_lps": zeros,
            "long_axis_index": zeros[:4], "short_axis_index": zeros[:4], "first_slice": 1,
            "last_slice": 4, "centroid_lps": zeros[:3]}


def call(rng, change):
    code = "NE" if change is None else "PR" if change <= -30 else "PD" if change >= 20 else "SD"
    return {"response": code if rng.random() < 0.9 else rng.choice(CODES[:4]) if change is not None else "NE",
            "change_percent": change, "change_nadir_percent": change, "change_nadir_mm": change,
            "measurable_at_baseline": True, "is_borderline": rng.random() < 0.1, "doubt": "",
            "rule": "a rule, with \"words\""}


def score(rng, source, manual, digits):
    empty = rng.random() < 0.15
    by_hand = manual[0 if source == "general_pre" else 1]
    found = lesion(0.0 if empty else round(by_hand["longest_diameter_mm"] * rng.uniform(0.7, 1.3), digits))
    base = manual[0]["longest_diameter_mm"]
    change = None if empty or source == "general_pre" else 100 * (found["longest_diameter_mm"] / base - 1)
    dice = 0.0 if empty else round(rng.random(), digits)
    way = {"mean_mm": 1.0, "hd95_mm": 2.0, "hd_mm": 3.0, "area_mm2": 4.0}
    cc = by_hand["volume_cc"]
    overlap = {"reference_voxels": 1, "prediction_voxels": 1, "common_voxels": 1, "dice": dice,
               "reference_cc": cc, "prediction_cc": found["volume_cc"],
               "volume_difference_cc": found["volume_cc"] - cc,
               "volume_difference_absolute_cc": abs(found["volume_cc"] - cc),
               "volume_difference_percent": 100 * (found["volume_cc"] / cc - 1),
               "surfaces_defined": not empty, "surfaces_reason": "",
               "hd95_mm": None if empty else round(rng.uniform(1, 40), digits), "hd_mm": None,
               "msd_mm": None if empty else rng.uniform(1, 9), "tolerance_count": 2,
               "tolerance_mm": [2.0, 5.0] + [0.0] * 6, "surface_dice": [dice / 3, dice / 2] + [0.0] * 6,
               "from_reference": way, "from_prediction": way}
    return {"present": True, "empty": empty, "seconds": rng.uniform(0.1, 900), "lesion": found,
            "overlap": overlap, "response": call(rng, change)}


def cohort(rng, n, digits, missing):
    cases = []
    for i in range(n):
        manual = [lesion(round(rng.uniform(15, 150), digits)) for _ in range(2)]
        change = 100 * (manual[1]["longest_diameter_mm"] / manual[0]["longest_diameter_mm"] - 1)
        cases.append({
            "patient": f"p, \"{i}\"", "baseline_date": "", "followup_date": "2020-01-02", "label": "",
            "recist_evaluable": rng.choice(("yes", "yes", "no", "unknown")),
            "clinical": [rng.choice("MF"), rng.choice(("61", "70.5", "")), str(rng.randint(1, 30)),
                         rng.choice(("0", "1", "1", ""))],
            "manual": manual, "manual_response": call(rng, None if rng.random() < 0.05 else change),
            "scores": {s: score(rng, s, manual, digits) for s in SOURCES if rng.random() >= missing},
            "failures": []})
    return {"clinical_columns": ["sex", "age", "followup_months", "event"], "cases": cases}


def driver(folder):
    """The program that turns made-up cases into an evaluation's folder."""
    library = reprise_c.build(folder, LIBRARIES, SYSTEM)
    path, here = os.path.join(folder, "driver"), os.path.dirname(os.path.abspath(__file__))
    subprocess.run(["gcc", "-std=gnu17", "-I", os.path.join(here, "..", "..", "include"), "-o", path,
                    os.path.join(here, "evaluation_driver.c"), library, f"-Wl,-rpath,{folder}"],
                   check=True)
    return path


def made_up():
    """Sizes, decimals (few make ties) and shares of sources that are missing."""
    for i, n in enumerate((0, 1, 2, 2, 3, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 14, 16, 25, 40, 70)):
        yield n, (9, 1, 2)[i % 3], (0, 0.3, 0.05)[i % 3 if n > 1 else 0]
    for n in (2, 3, 9):
        yield n, 0, 0.1


def main():
    total, failed = Comparison(), 0
    with tempfile.TemporaryDirectory(prefix="reprise-evaluation-") as folder:
        try:
            program = driver(folder)
        except reprise_c.Unavailable as why:
            print(why)
            return 77
        for i, (n, digits, missing) in enumerate(made_up()):
            path, out = os.path.join(folder, f"{i}.json"), os.path.join(folder, str(i))
            os.mkdir(out)
            with open(path, "w", encoding="utf-8") as file:
                json.dump(cohort(random.Random(i), n, digits, missing), file)
            subprocess.run([program, path, out], check=True)
            comparison = check(out)
            total.numbers += comparison.numbers
            total.undefined += comparison.undefined
            failed += bool(comparison.faults)
            for fault in comparison.faults[:8]:
                print(f"cohort {i} of {n}: {fault}")
    print(f"{i + 1} cohorts, {total.numbers} numbers, {total.undefined} undefined, {failed} cohorts differ")
    return 1 if failed or total.numbers < 10000 or total.undefined < 100 else 0


if len(sys.argv) > 1:
    one = check(sys.argv[1])
    print(*one.faults, f"{one.numbers} numbers, {one.undefined} undefined, {len(one.faults)} differ",
          sep="\n")
    sys.exit(1 if one.faults or not one.numbers else 0)
sys.exit(main())
