"""The tables of patient_model.py, from its records: summary.csv, followups.csv and tables.md."""
import csv
import json
import math
import re

import numpy as np

FIELDS = ("recipe", "seed", "baseline", "case", "kind", "asked", "true_change", "baseline_mm", "true_mm", "found_mm",
          "error_mm", "dice", "true_response", "response", "right", "source", "reasons", "low80", "high80", "low95",
          "high95", "centre_mm", "scale_mm", "p_CR", "p_PR", "p_SD", "p_PD", "p_gone",
          "p_failure", "calibration", "self_dice", "seconds", "cpu_seconds", "adapt_seconds",
          "adapt_cpu_seconds", "error")
RESPONSES = ("CR", "PR", "SD", "PD")
COMPARATORS = ("carried", "registered", "elastix")
MAIN = (*COMPARATORS, "study", "quick")  # the others are ablations


def interval_of(result):
    """Intervals and probabilities of a result.json that has them."""
    found = {"source": result.get("contour_source")}
    interval = result.get("interval") or {}
    found.update({key: interval.get(key) for key in ("centre_mm", "scale_mm", "calibration")})
    found.update({f"p_{key}": interval.get(key) for key in ("gone", "failure")})
    for share, ends in (interval.get("diameter_mm") or {}).items():
        if ends:
            found[f"low{share}"], found[f"high{share}"] = ends
    for response, value in (interval.get("probability") or {}).items():
        found[f"p_{response}"] = value
    return found


def load(folder):
    records = [json.loads(path.read_text()) for path in sorted(folder.glob("*/*/*.json"))
               if not path.name.startswith(".")]
    for r in records:
        if "error" not in r:
            r["right"] = None if r["response"] == "NE" else r["response"] == r["true_response"]
    return records


def number(value, digits=2, sign=False):
    if value is None or not math.isfinite(value):
        return "-"
    return f"{value:{'+' if sign else ''}.{digits}f}"


def share(part, whole, percent=True):
    if not whole:
        return "-"
    return f"{part}/{whole} ({100 * part / whole:.0f} %)" if percent else f"{part}/{whole}"


class Summary:
    """Figures of some records; None where there is nothing to take them from."""

    def __init__(self, records):
        done = [r for r in records if "error" not in r]
        self.n, self.failed = len(done), len(records) - len(done)
        overlap = np.array([r["dice"] for r in done])
        errors = np.array([r["error_mm"] for r in done if r.get("error_mm") is not None])
        given = [r for r in done if r["right"] is not None]
        answered = np.array([abs(r["error_mm"]) for r in given if r.get("error_mm") is not None])
        self.dice = overlap.mean() if self.n else None
        self.worst = np.sort(overlap)[:max(1, math.ceil(self.n / 10))].mean() if self.n else None
        self.tenth = np.quantile(overlap, 0.1) if self.n else None
        self.median = np.median(abs(errors)) if len(errors) else None
        self.ninety = np.quantile(abs(errors), 0.9) if len(errors) else None
        self.ninety_given = np.quantile(answered, 0.9) if len(answered) else None
        self.bias = errors.mean() if len(errors) else None
        self.given, self.right = len(given), sum(r["right"] for r in given)
        self.refused = self.n - self.given
        self.held, self.intervals, self.width = {}, {}, {}
        for p in ("80", "95"):
            with_it = [r for r in done if r.get(f"low{p}") is not None]
            self.intervals[p] = len(with_it)
            self.held[p] = sum(r[f"low{p}"] - 1e-6 <= r["true_mm"] <= r[f"high{p}"] + 1e-6 for r in with_it)
            widths = [100 * (r[f"high{p}"] - r[f"low{p}"]) / 2 / r["baseline_mm"] for r in with_it]
            self.width[p] = np.mean(widths) if widths else None
        self.adapt = mean_by_baseline(done, "adapt_seconds")
        self.adapt_cpu = mean_by_baseline(done, "adapt_cpu_seconds")
        self.each = mean([r.get("seconds") for r in done])
        self.each_cpu = mean([r.get("cpu_seconds") for r in done])

    HEAD = ("n", "Dice", "10 % quantile", "worst tenth", "error, median, mm", "90 %, mm", "bias, mm", "right of given",
            "NE", "80 % holds", "95 % holds", "width of 95 %")

    def cells(self):
        width = "-" if self.width["95"] is None else f"±{self.width['95']:.0f} %"
        return (str(self.n) + (f" ({self.failed} failed)" if self.failed else ""), number(self.dice, 3),
                number(self.tenth), number(self.worst), number(self.median, 1), number(self.ninety, 1),
                number(self.bias, 1, True), share(self.right, self.given), share(self.refused, self.n),
                share(self.held["80"], self.intervals["80"]), share(self.held["95"], self.intervals["95"]), width)


def mean(values):
    known = [v for v in values if v is not None]
    return float(np.mean(known)) if known else None


def mean_by_baseline(records, key):
    return mean({(r["baseline"], r["seed"]): r.get(key) for r in records}.values())


def table(head, rows):
    if not rows:
        return ""
    return "\n".join(["| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows)]) + "\n"


def groups(records, *keys):
    found = {}
    for r in records:
        found.setdefault(tuple(str(r[k]) for k in keys), []).append(r)
    return found


def by_recipe(records, keys, head):
    rows = [[*key, *Summary(some).cells()] for key, some in sorted(groups(records, *keys).items())]
    return table([*head, *Summary.HEAD], rows)


def times(records):
    rows = []
    every = groups(records, "recipe")
    for (recipe,), some in sorted(every.items()):
        s = Summary(some)
        rows.append([recipe, number(s.adapt, 0), number(s.adapt_cpu, 0), number(s.each, 1), number(s.each_cpu, 1),
                     ratio(some, every.get(("study",), []))])
    return table(["recipe", "adaptation, s", "its processor time, s", "a follow-up, s", "its processor time, s",
                  "processor time of the adaptation against the study's, same baselines"], rows)


def ratio(some, study):
    """Of the baselines that both have."""
    def seconds(records):
        return {r["baseline"]: r["adapt_cpu_seconds"] for r in records if r.get("adapt_cpu_seconds")}
    ours, theirs = seconds(some), seconds(study)
    both = sorted(set(ours) & set(theirs))
    if not both:
        return "-"
    return f"1/{sum(theirs[b] for b in both) / sum(ours[b] for b in both):.1f} (n = {len(both)})"


def paired(records, reference):
    """Dice and error of each recipe less the reference's, on the cases that both have."""
    every = groups([r for r in records if "error" not in r], "recipe", "baseline", "case")
    theirs = {key[1:]: some for key, some in every.items() if key[0] == reference}
    rows = []
    for recipe in sorted({key[0] for key in every} - {reference}):
        gains, errors = [], []
        for key, some in every.items():
            if key[0] == recipe and key[1:] in theirs:
                other = theirs[key[1:]]
                gains.append(mean([r["dice"] for r in some]) - mean([r["dice"] for r in other]))
                a, b = (mean([abs(r["error_mm"]) for r in s if r.get("error_mm") is not None]) for s in (some, other))
                if a is not None and b is not None:
                    errors.append(a - b)
        if gains:
            spread = np.std(gains, ddof=1) / math.sqrt(len(gains)) if len(gains) > 1 else math.nan
            rows.append([recipe, str(len(gains)), f"{np.mean(gains):+.3f} (s.e. {spread:.3f})",
                         f"{sum(g > 0 for g in gains)} / {sum(g < 0 for g in gains)}", number(mean(errors), 1, True)])
    return table([f"against {reference}", "n", "Dice", "better / worse", "absolute error, mm"], rows)


def seeds(records):
    """Figures of each seed on the cases that every seed has, and how far apart they are."""
    rows = []
    for (recipe,), some in sorted(groups([r for r in records if "error" not in r], "recipe").items()):
        by_seed = groups(some, "seed")
        if len(by_seed) < 2:
            continue
        common = set.intersection(*({(r["baseline"], r["case"]) for r in s} for s in by_seed.values()))
        figures = []
        for (seed,), mine in sorted(by_seed.items()):
            s = Summary([r for r in mine if (r["baseline"], r["case"]) in common])
            figures.append((s.dice, s.tenth, s.median, s.ninety, s.bias))
            rows.append([recipe, seed, *s.cells()])
        if common:
            spans = np.ptp(np.array(figures, float), axis=0)
            rows.append([recipe, "largest less smallest", "", number(spans[0], 3), number(spans[1]), "",
                         *(number(v, 1) for v in spans[2:]), "", "", "", "", ""])
    return table(["recipe", "seed", *Summary.HEAD], rows)


def calls(records):
    """What was given where, by the true response."""
    rows = []
    for (recipe, true), some in sorted(groups([r for r in records if "error" not in r], "recipe",
                                              "true_response").items()):
        rows.append([recipe, true, *(str(sum(r["response"] == c for r in some)) for c in (*RESPONSES, "NE"))])
    return table(["recipe", "truth", *RESPONSES, "NE"], rows)


def wrong(records):
    rows = [[r["recipe"], str(r["seed"]), r["baseline"], r["case"], f"{r['true_change']:+.1f} %",
             "-" if r["change"] is None else f"{r['change']:+.1f} %", number(r["dice"], 3), r["true_response"],
             r["response"], " ".join(r["reasons"])]
            for r in records if "error" not in r and not r["right"] and r["recipe"] not in COMPARATORS]
    return table(["recipe", "seed", "baseline", "follow-up", "true change", "found", "Dice", "truth", "given", "why NE"],
                 rows) or "none\n"


def write_followups(path, records):
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, FIELDS, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        for r in records:
            writer.writerow({**r, "reasons": " ".join(r.get("reasons", []))})


def write_summary(path, records):
    with open(path, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("recipe", "kind", *Summary.HEAD))
        for keys in (("recipe",), ("recipe", "kind")):
            for key, some in sorted(groups(records, *keys).items()):
                writer.writerow((*key, *([] if len(key) == 2 else ["all"]), *Summary(some).cells()))


def goals(records):
    """The figures that the quick recipe has to reach, beside what it reached."""
    own = [r for r in records if r["recipe"] == "quick"]
    if not own:
        return ""
    s = Summary(own)

    def against(recipe, kind=None):
        """Mean Dice of the cases that both have: the quick recipe's, the other's."""
        def of(name):
            return {(r["baseline"], r["case"]): r["dice"] for r in records if r["recipe"] == name and "error" not in r and
                    kind in (None, r["kind"])}
        ours, theirs = of("quick"), of(recipe)
        both = sorted(set(ours) & set(theirs))
        return (np.mean([ours[b] for b in both]), np.mean([theirs[b] for b in both]), len(both)) if both else None
    rows = []

    def row(what, must, value, held):
        rows.append([what, must, value, "-" if held is None else "yes" if held else "**no**"])
    for recipe, kind, margin, must in (("study", None, 0, "above the study's recipe"),
                                       ("registered", "remodel", 0.1, "0.10 above registration on `remodel`")):
        found = against(recipe, kind)
        row("Dice, mean", must, f"{found[0]:.3f} against {found[1]:.3f} (n = {found[2]})" if found else "-",
            found[0] > found[1] + margin if found else None)
    row("Dice, worst tenth", "0.6 at least", f"mean {number(s.worst)}, 10 % quantile {number(s.tenth)}", s.worst >= 0.6)
    row("diameter error, median", "2.5 mm at most", f"{number(s.median, 1)} mm", s.median <= 2.5)
    row("diameter error, 90 %", "within 6 mm", f"{number(s.ninety, 1)} mm", s.ninety <= 6)
    row("bias", "within 1 mm", f"{number(s.bias, 1, True)} mm", abs(s.bias) <= 1)
    row("response", "right in 95 % of those given", share(s.right, s.given), s.right >= 0.95 * s.given)
    row("NE", "10 % at most", share(s.refused, s.n), s.refused <= 0.1 * s.n)
    held, all_of_them = s.held["95"], s.intervals["95"]
    row("95 % intervals", "hold 90 to 99 %", share(held, all_of_them),
        0.9 * all_of_them <= held <= 0.99 * all_of_them if all_of_them else None)
    return table(["", "must", "measured", "reached"], rows)


def fill(document, tables):
    """Writes tables into a Markdown file, between <!-- table NAME --> and <!-- end -->."""
    text = document.read_text()
    for name, body in tables.items():
        text = re.sub(rf"(<!-- table {re.escape(name)} -->\n).*?(<!-- end -->)",
                      lambda found, body=body: found[1] + body + found[2], text, flags=re.S)
    document.write_text(text)


def write(out, name, document=None):
    """Writes the tables of a set and returns them as text. All but those of the seeds are of the first seed."""
    every = load(out / "records" / name)
    folder = out / "tables" / name
    folder.mkdir(parents=True, exist_ok=True)
    if not every:
        return "no records"
    records = [r for r in every if r["seed"] == 0]
    main = [r for r in records if r["recipe"] in MAIN]
    failed = [r for r in every if "error" in r]
    of_models = [r for r in records if r["recipe"] not in COMPARATORS]
    parts = {"goals": goals(records), "all": by_recipe(main, ("recipe",), ("recipe",)),
             "kind": by_recipe(main, ("kind", "recipe"), ("kind", "recipe")),
             "baseline": by_recipe([r for r in main if r["recipe"] not in COMPARATORS], ("baseline", "recipe"),
                                   ("baseline", "recipe")),
             "same cases": "\n".join(filter(None, (paired(main, r) for r in ("study", "registered")))),
             "ablations": paired(of_models, "quick"),
             "ablations, all figures": by_recipe(of_models, ("recipe",), ("recipe",)),
             "seeds": seeds(every), "responses": calls(main), "times": times(records), "wrong": wrong(records),
             "failed": "".join(f"- {r['recipe']} {r['baseline']} {r['case']}: {r['error'].splitlines()[-1]}\n"
                               for r in failed)}
    text = "\n".join(f"## {title}\n\n{body}" for title, body in parts.items() if body)
    (folder / "tables.md").write_text(text)
    write_followups(folder / "followups.csv", every)
    write_summary(folder / "summary.csv", records)
    if document and name == "evaluation":
        fill(document, parts)
    return text
