"""Structured reports from the outside: what info, respond --sr and assess --prior-sr refuse, with which
words and exit code, and what they let pass with a warning. The reports are made with pydicom alone."""
import json
import os
import sys
import tempfile

import harness as h

from oracle import sr_tree as tree

FAILED, USAGE, REFUSED = 1, 2, 3
IMAGE = "1.2.840.99.1"


def expect(checks, name, code, words, path, *arguments):
    """Ends with that code; stderr has the words and, where path is given, names that file."""
    done = h.run(*arguments)
    faults = list(done.faults)
    if done.returncode != code:
        faults.append(f"exit code {done.returncode}, not {code}: {done.stderr}")
    for wanted in (words, path):
        if wanted and wanted not in done.stderr:
            faults.append(f"{wanted!r} is not in {done.stderr!r}")
    checks.report(name, faults)
    return done


class Reports:
    def __init__(self, folder):
        self.folder, self.count = folder, 0

    def __call__(self, *groups, **how):
        self.count += 1
        how.setdefault("patient", "HIDDEN-ID")
        return tree.report(os.path.join(self.folder, f"report{self.count}.dcm"), *groups, **how)


def one(*groups, **how):
    return [tree.group(*groups, **how)]


# ---- one file ---------------------------------------------------------------------------------------


def check_files(checks, reports, folder):
    good = reports(tree.group())
    h.write_rtstruct(os.path.join(folder, "rt.dcm"), 1)
    cases = (
        ("missing", FAILED, "no such file", os.path.join(folder, "none.dcm")),
        ("folder", FAILED, "a folder, where a report is needed", folder),
        ("text", FAILED, "not a DICOM file", h.write(os.path.join(folder, "text.dcm"), b"no DICOM\n" * 40)),
        ("RTSTRUCT", FAILED, "not a structured report (modality RTSTRUCT)", os.path.join(folder, "rt.dcm")),
        ("truncated", FAILED, "truncated or damaged", h.cut(good, os.path.join(folder, "cut.dcm"), 0.7)),
        ("nested", FAILED, "nested too deeply", h.nested(good, os.path.join(folder, "nested.dcm"))),
        ("another title", FAILED, "not a report of measurements by TID 1500", reports(tree.group(), title="111400")),
        ("empty", FAILED, "the reports measure no lesion", reports()))
    for name, code, words, path in cases:
        expect(checks, f"respond --sr: {name}", code, words, "" if name == "empty" else path, "respond", "--sr", path)
    expect(checks, "info: another title", FAILED, "not a report of measurements", None, "info", cases[-2][3])


def number_without(keyword, value=None):
    """A group whose long axis lacks something."""
    group = tree.group()
    axis = tree.number(group, tree.LONG)
    if keyword == "MeasuredValueSequence":
        axis.MeasuredValueSequence = []
    elif value is None:
        delattr(axis.MeasuredValueSequence[0], keyword)
    else:
        setattr(axis.MeasuredValueSequence[0], keyword, value)
    return group


def derived():
    group = tree.group()
    tree.number(group, tree.LONG).ContentSequence = [tree.content(
        "HAS CONCEPT MOD", "CODE", ("121401", "DCM", "Derivation"),
        ConceptCodeSequence=[tree.coded("373098007", "SCT", "Mean")])]
    return group


def odd_region():
    group = tree.group()
    tree.number(group, tree.LONG).ContentSequence = [tree.content(
        "INFERRED FROM", "SCOORD", GraphicType="POLYLINE", GraphicData=[1.0, 2.0, 3.0])]
    return group


def check_content(checks, reports):
    cases = (
        ("unit", REFUSED, "is in a unit that cannot be converted", one(unit="{pixels}")),
        ("scheme of a unit", REFUSED, "cannot be converted",
         [tree.container((tree.GROUP, "DCM", "Measurement Group"), *[c for c in tree.group().ContentSequence[:2]],
                         tree.measured(tree.LONG, 30.0, "mm", "99LOCAL"))]),
        ("length of 0", REFUSED, "is not above 0", one(long=0.0, short=None)),
        ("negative", REFUSED, "is not above 0", one(long=-3.0, short=None)),
        ("no value", REFUSED, "has no value", [number_without("MeasuredValueSequence")]),
        ("no number", FAILED, "a number that cannot be read", [number_without("NumericValue")]),
        ("two numbers", FAILED, "a number that contradicts itself",
         [number_without("FloatingPointValue", 31.0)]),
        ("derived", REFUSED, "is derived from others", [derived()]),
        ("twice", REFUSED, "is there twice with different values",
         one(more=[tree.measured(tree.LONG, 31.0, "mm")])),
        ("region of three numbers", FAILED, "GraphicData cannot be read", [odd_region()]),
        ("no tracking", FAILED, "has neither tracking identifier nor UID", one(identifier=None, uid=None)),
        ("short above long", FAILED, "the short axis is longer", one(long=20.0, short=30.0)))
    for name, code, words, groups in cases:
        path = reports(*groups)
        expect(checks, f"respond --sr: {name}", code, words, path, "respond", "--sr", path)
    path = reports(tree.group(), date="")
    expect(checks, "respond --sr: no date", FAILED, "the day of its images is not known", path, "respond", "--sr", path)
    path = reports(tree.group(image=IMAGE), tree.group(identifier="T2", uid="1.2.3.5", image=IMAGE),
                   more=[tree.library("20240102", IMAGE), tree.library("20240103", IMAGE)])
    expect(checks, "info: two days of an image", FAILED, "has two days for an image", path, "info", path)
    path = reports(tree.group(image=IMAGE, more=[tree.group(image=IMAGE + ".2").ContentSequence[-1]]),
                   more=[tree.library("20240102", IMAGE), tree.library("20240103", IMAGE + ".2")])
    expect(checks, "info: two days of a group", FAILED, "refers to images of two days", path, "info", path)


def check_units(checks, reports):
    """3 of each unit, in mm or cc; a length is no volume, and letters matter."""
    lengths = {"mm": 3, "cm": 30, "m": 3000, "um": 0.003, "[in_i]": 76.2, "MM": None, "ml": None, "1": None}
    volumes = {"cm3": 3, "ml": 3, "mL": 3, "mm3": 0.003, "um3": 3e-12, "dm3": 3000, "l": 3000, "L": 3000, "m3": 3e6,
               "mm": None, "cc": None}
    faults = []
    for concept, key, table in ((tree.LONG, "value_mm", lengths), (tree.VOLUME, "value_cc", volumes)):
        items = [tree.measured(concept, 3.0, unit) for unit in table]
        done = h.run("info", "--json", reports(tree.container((tree.GROUP, "DCM", "Measurement Group"), *items)))
        told = json.loads(done.stdout)
        for (unit, wanted), shown in zip(table.items(), told["groups"][0]["measurements"]):
            good = shown.get("value") == 3 if wanted is None else abs(shown.get(key, 0) - wanted) < 1e-12 * wanted
            faults += [] if good else [f"{unit}: {shown}"]
        unknown = sum(wanted is None for wanted in table.values())
        problems = [p["message"] for p in told["problems"] if "which is no unit of" in p["message"]]
        faults += [] if len(problems) == unknown else [f"{unknown} units unknown, told: {problems}"]
    checks.report("info: units", faults)
    done = h.run("respond", "--sr", reports(tree.group(long=3.0, short=2.0, unit="cm")), "--json")
    sums = json.loads(done.stdout)["visits"][0]["sum_mm"] if done.returncode == 0 else done.stderr
    checks.report("respond --sr: cm are converted", [*done.faults, *([] if sums == 30 else [str(sums)])])


# ---- several files ----------------------------------------------------------------------------------


def check_several(checks, reports):
    first, later = reports(tree.group()), reports(tree.group(long=20.0, short=10.0), date="20240301")
    done = expect(checks, "respond --sr: two visits", 0, "", None, "respond", "--sr", later, "--sr", first)
    checks.report("respond --sr: in order of time",
                  [] if "2024-01-05" in done.stdout and "-33.3%" in done.stdout else [done.stdout])
    other = reports(tree.group(), date="20240302", patient="ANOTHER")
    expect(checks, "respond --sr: two patients", REFUSED, "of another patient", other,
           "respond", "--sr", first, "--sr", other)
    otherwise = reports(tree.group(long=29.0))
    expect(checks, "respond --sr: contradiction", FAILED, "measures otherwise than in", otherwise,
           "respond", "--sr", first, "--sr", otherwise)
    new = reports(tree.group(identifier="T2", uid="1.2.3.9"), date="20240301")
    expect(checks, "respond --sr: a lesion later", FAILED, "whether it is new", new, "respond", "--sr", first, "--sr", new)
    expect(checks, "respond --sr: the same file twice", 0, "", None, "respond", "--sr", first, "--sr", first, "--sr", later)
    unnamed = reports(tree.group(uid=None, long=20.0, short=10.0), date="20240301")
    expect(checks, "respond --sr: by identifier", 0, "", None, "respond", "--sr", first, "--sr", unnamed)
    two = reports(tree.group(), tree.group(uid="1.2.3.5", long=25.0))
    expect(checks, "respond --sr: an identifier of two", FAILED, "could be any of several", unnamed,
           "respond", "--sr", two, "--sr", unnamed)
    expect(checks, "respond --sr: two of one identifier", 0, "", None, "respond", "--sr", two)
    anonymous = reports(tree.group(long=20.0, short=10.0), date="20240301", patient="")
    expect(checks, "respond --sr: no patient ID", 0, "carries no patient ID", anonymous,
           "respond", "--sr", first, "--sr", anonymous)
    note = tree.content("CONTAINS", "TEXT", ("111412", "DCM", "Narrative Summary"), TextValue="smaller")
    odd = reports(tree.group(long=20.0, short=10.0, more=[note]), date="20240301")
    expect(checks, "respond --sr: what is passed over is told", 0, "passed over: 'Narrative Summary' (TEXT)", odd,
           "respond", "--sr", first, "--sr", odd)


def check_usage(checks, reports):
    path = reports(tree.group())
    for name, words, *arguments in (
            ("both", "do not go together", "--sr", path, "--timeline", path),
            ("both, turned round", "do not go together", "--timeline", path, "--sr", path),
            ("masks", "--sr takes all lesions", "--sr", path, "--nodal"),
            ("subject", "--subject goes with --sr only", "--timeline", path, "--subject", "P1")):
        expect(checks, f"usage: {name}", USAGE, words, None, "respond", *arguments)
    expect(checks, "output over a report", REFUSED, "", path, "respond", "--sr", path, "--csv", path)


# ---- assess -----------------------------------------------------------------------------------------


def check_priors(checks, reports, folder):
    baseline = h.write_series(os.path.join(folder, "ct1"), 1, date="20240110")
    followup = h.write_series(os.path.join(folder, "ct2"), 2, date="20240401")
    contour = h.write_rtstruct(os.path.join(folder, "ball.dcm"), 1)
    config = os.path.join(folder, "tiny.yaml")
    with open(config, "w", encoding="utf-8") as file:
        file.write(h.TINY)
    out = os.path.join(folder, "out")

    def assess(name, code, words, *paths, more=()):
        priors = [word for path in paths for word in ("--prior-sr", path)]
        done = expect(checks, f"assess --prior-sr: {name}", code, words, paths[0] if code == REFUSED and paths else None,
                      "assess", "--baseline", baseline, "--contour", contour, "--followup", followup,
                      "--config", config, "--out", out, *priors, *more)
        if code and os.path.exists(out):
            checks.report(f"assess --prior-sr: {name} leaves nothing", [f"{os.listdir(out)}"])
        return done

    def prior(*groups, date="20240301", **how):
        return reports(*groups, date=date, **{"name": "Hidden^Person", **how})

    small = prior(tree.group(long=20.0, short=10.0))
    assess("another patient", REFUSED, "of another patient", prior(tree.group(), patient="ANOTHER"))
    assess("another name", REFUSED, "their names differ", prior(tree.group(), name="Doe^Jane"))
    assess("after the follow-up", REFUSED, "is not before the follow-up", prior(tree.group(), date="20240402"))
    assess("day of the follow-up", REFUSED, "is not before the follow-up", prior(tree.group(), date="20240401"))
    assess("before the baseline", REFUSED, "before the baseline", prior(tree.group(), date="20240109"))
    assess("another baseline", REFUSED, "the baseline's long axis is 90.0 mm there",
           prior(tree.group(long=90.0), date="20240110"))
    assess("no long axis", REFUSED, "has no long axis", prior(tree.group(long=None, short=None)))
    node = tree.content("HAS CONCEPT MOD", "CODE", ("363698007", "SCT", "Finding Site"),
                        ConceptCodeSequence=[tree.coded("59441001", "SCT", "Lymph node")])
    assess("a node", REFUSED, "is a lymph node", prior(tree.group(more=[node])))
    two = prior(tree.group(), tree.group(identifier="T2", uid="1.2.3.5", long=20.0, short=10.0))
    assess("several lesions", REFUSED, "--prior-lesion chooses", two)
    assess("no such lesion", REFUSED, "have no such lesion", two, more=["--prior-lesion", "T3"])
    assess("a lesion without reports", USAGE, "--prior-lesion goes with", more=["--prior-lesion", "T3"])
    assess("one lesion", 0, "", small)
    assess("chosen", 0, "", two, more=["--prior-lesion", "T2"])


def main():
    h.require_program()
    checks = h.Checks()
    with tempfile.TemporaryDirectory() as folder:
        reports = Reports(folder)
        check_files(checks, reports, folder)
        check_content(checks, reports)
        check_units(checks, reports)
        check_several(checks, reports)
        check_usage(checks, reports)
        check_priors(checks, reports, folder)
    return checks.finish()


sys.exit(main())
