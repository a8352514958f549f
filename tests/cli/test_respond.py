"""`reprise respond --timeline` from the outside: tables, files, every inconsistency's words, schema and examples."""
import copy
import csv
import json
import os
import shutil
import sys
import tempfile
import xml.etree.ElementTree

import harness as h

try:
    import jsonschema
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

SOURCE = os.environ.get("REPRISE_SOURCE") or os.path.join(os.path.dirname(__file__), "..", "..")
EXAMPLE, TABLE = (os.path.join(SOURCE, "examples", name) for name in ("timeline.json", "timelines.csv"))


def load(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def save(folder, content):
    path = os.path.join(folder, "timeline.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(content, file)
    return path


def expect(checks, name, done, code, *words):
    faults = list(done.faults)
    if done.returncode != code:
        faults.append(f"exit code {done.returncode}, wanted {code}: {done.stderr}")
    faults += [f"does not say {w!r}: {done.stdout}{done.stderr}" for w in words if w not in done.stdout + done.stderr]
    checks.report(name, faults)


def examples(checks):
    jsonschema.validate(load(EXAMPLE), load(os.path.join(SOURCE, "docs", "timeline.schema.json")))
    for criteria, best in (("recist1.1", "CR"), ("irecist", "iCR"), ("mrecist", "CR"), ("volume", "CR")):
        done = h.run("respond", "--timeline", EXAMPLE, "--criteria", criteria)
        expect(checks, f"the example by {criteria}", done, 0, f"best overall response {best} ", "P10, synthetic")
    checks.report("volumes are exploratory", [] if "(exploratory)" in done.stdout else [done.stdout])
    done = h.run("respond", "--timeline", TABLE)
    expect(checks, "the table's example", done, 0, "PD: new lesion L1", "equivocal here, was confirmed at week 32",
           "progression on 2025-06-24", "sum of diameters")
    lines = [line for line in done.stdout.splitlines() if line.startswith("  T1  liver")]
    checks.report("sizes stand under their visits", [] if len(lines) == 4 else [done.stdout])


def outputs(checks, folder):
    out = {n: os.path.join(folder, n) for n in ("r.csv", "s.svg", "s.png", "w.svg", "cdisc")}
    done = h.run("respond", "--timeline", TABLE, "--csv", out["r.csv"], "--spider", out["s.svg"], "--waterfall",
                 out["w.svg"], "--cdisc", out["cdisc"], "--study", "DEMO", "--json")
    expect(checks, "every output", done, 0)
    results = json.loads(done.stdout)["results"]
    with open(out["r.csv"], newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    told = [(r["patient"], v["id"], v["overall"] or "") for r in results for v in r["visits"]]
    checks.report("the table has the calls of the JSON",
                  [] if [(r["patient"], r["visit"], r["overall"]) for r in rows] == told else [str(rows[:3])])
    faults = []
    for name in ("s.svg", "w.svg"):
        text = "".join(xml.etree.ElementTree.parse(out[name]).getroot().itertext())
        faults += [f"{name} has no {word}" for word in ("P01", "P02", "SYNTHETIC", "RECIST 1.1") if word not in text]
    checks.report("plots name patients and label", faults)
    done = h.run("respond", "--timeline", TABLE, "--spider", out["s.png"], "--quiet")
    with open(out["s.png"], "rb") as file:
        checks.report("a plot as PNG", [] if file.read(8) == b"\x89PNG\r\n\x1a\n" and not done.stdout else [done.stderr])
    cdisc(checks, out["cdisc"], results)


def cdisc(checks, folder, results):
    domains = {}
    for name in ("tu", "tr", "rs"):
        with open(os.path.join(folder, name + ".csv"), newline="", encoding="utf-8") as file:
            domains[name] = list(csv.DictReader(file))
    faults = []
    for name, rows in domains.items():
        keys = [(r["USUBJID"], r[f"{name.upper()}SEQ"]) for r in rows]
        if len(set(keys)) != len(keys) or {r["DOMAIN"] for r in rows} != {name.upper()} or \
                {r["STUDYID"] for r in rows} != {"DEMO"}:
            faults.append(f"keys of {name}")
    links = {(r["USUBJID"], r["TULNKID"]) for r in domains["tu"]}
    faults += [f"{r['TRLNKID']} is not identified" for r in domains["tr"]
               if r["TRLNKID"] and (r["USUBJID"], r["TRLNKID"]) not in links]
    groups = {(r["USUBJID"], r["TRLNKGRP"]) for r in domains["tr"]}
    faults += [f"response {r['RSSEQ']} belongs to no assessment" for r in domains["rs"]
               if r["RSLNKGRP"] and (r["USUBJID"], r["RSLNKGRP"]) not in groups]
    overall = [r["RSSTRESC"] for r in domains["rs"] if r["RSTESTCD"] == "OVRLRESP"]
    wanted = [v["overall"] for r in results for v in r["visits"][1:]]
    sums = [float(r["TRSTRESN"]) for r in domains["tr"] if r["TRTESTCD"] == "SUMDIAM"]
    expected = [v["sum_mm"] for r in results for v in r["visits"] if v["sum_mm"] is not None]
    if overall != wanted or any(abs(a - b) > 1e-9 for a, b in zip(sums, expected)) or len(sums) != len(expected):
        faults.append(f"{overall} {sums}")
    small = [r for r in domains["tr"] if r["TRORRES"] == "TOO SMALL TO MEASURE"]
    if not small or any(r["TRSTRESN"] != "5" for r in small):
        faults.append("what is too small to measure")
    missing = [r for r in domains["tr"] if r["TRSTAT"] == "NOT DONE"]
    if not missing or any(r["TRSTRESN"] or not r["TRREASND"] for r in missing):
        faults.append("what is missing")
    checks.report("SDTM's domains fit together", faults)


def broken(checks, folder):
    """Each change of the example, and what must be said of it."""
    def visit(v):
        return lambda t: t["visits"][v]

    def finding(v, f):
        return lambda t: t["visits"][v]["findings"][f]

    cases = [("a sixth target", lambda t: t["lesions"].extend(
                {"id": f"X{i}", "organ": f"organ{i}", "role": "target"} for i in range(3)), "5"),
             ("three in one organ", lambda t: (t["lesions"].append({"id": "T3", "organ": "LIVER", "role": "target"}),
                                               finding(0, 0)(t) and t["visits"][0]["findings"].append(
                 {"lesion": "T3", "state": "measured", "longest_mm": 20})), "liver"),
             ("a node without short axis", lambda t: finding(0, 2)(t).pop("short_axis_mm"), "short_axis_mm"),
             ("visits out of order", lambda t: visit(1)(t).update(date="2025-01-14"), "later"),
             ("no date", lambda t: visit(1)(t).update(date="2025-02-30"), "date"),
             ("merged into itself", lambda t: finding(2, 0)(t).update(state="merged", into="T1"), "itself"),
             ("merged in a circle", lambda t: (finding(2, 0)(t).update(state="merged", into="T2"),
                                               finding(2, 1)(t).update(state="merged", into="T1")), "circle"),
             ("below measurability", lambda t: finding(0, 1)(t).update(longest_mm=9.9, short_axis_mm=8), "10 mm"),
             ("an unknown lesion", lambda t: finding(1, 0)(t).update(lesion="T9"), "T9"),
             ("an unknown state", lambda t: finding(1, 0)(t).update(state="shrunk"), "shrunk"),
             ("a state of another role", lambda t: finding(1, 3)(t).update(state="measured", longest_mm=3), "NT1"),
             ("a negative size", lambda t: finding(0, 0)(t).update(longest_mm=-1), "T1"),
             ("the short axis above the longest", lambda t: finding(0, 0)(t).update(short_axis_mm=99), "short axis"),
             ("a new lesion at baseline", lambda t: (t["lesions"].append({"id": "L1", "organ": "lung", "role": "new"}),
                                                     t["visits"][0]["findings"].append(
                 {"lesion": "L1", "state": "equivocal"})), "L1"),
             ("text for a number", lambda t: finding(0, 0)(t).update(longest_mm="48.2"), "longest_mm"),
             ("one part", lambda t: finding(1, 0)(t).update(parts_mm=[19.5]), "parts"),
             ("no visits", lambda t: t.update(visits=[]), "visit"),
             ("no list of lesions", lambda t: t.update(lesions={}), "lesions")]
    whole = load(EXAMPLE)
    everything = copy.deepcopy(whole)
    for name, change, word in cases:
        timeline = copy.deepcopy(whole)
        change(timeline)
        done = h.run("respond", "--timeline", save(folder, timeline))
        expect(checks, name, done, 1, word, "timeline.json", "P10")
    for index in (3, 5, 8):
        cases[index][1](everything)
    done = h.run("respond", "--timeline", save(folder, everything))
    told = [line for line in done.stderr.splitlines() if "timeline.json: patient" in line]
    checks.report("everything in one go", [] if len(told) >= 3 else [done.stderr])
    small = copy.deepcopy(whole)
    cases[7][1](small)
    done = h.run("respond", "--timeline", save(folder, small), "--allow-ineligible")
    expect(checks, "an override that is told", done, 0, "warning", "note")
    portal = copy.deepcopy(whole)
    visit(1)(portal)["phase"] = "portal venous"
    done = h.run("respond", "--timeline", save(folder, portal), "--criteria", "mrecist")
    expect(checks, "mRECIST without arterial phase is refused", done, 3, "arterial")
    twice = {"timelines": [whole, whole]}
    expect(checks, "a patient twice", h.run("respond", "--timeline", save(folder, twice)), 1, "twice")


def bad_files(checks, folder):
    def write(text):
        return h.write(os.path.join(folder, "bad"), text.encode())

    for name, text, word in [("no JSON", '{"visits": ', "bad"), ("other JSON", '{"a": 1}', "neither"),
                             ("nothing", "", "neither"), ("a column too many", "patient,colour\nP,red\n", "colour"),
                             ("a column too few", "patient,visit,date,lesion,role\n", "state"),
                             ("a number with a comma",
                              "patient,visit,date,lesion,role,state,longest_mm\nP,b,2025-01-01,T,target,measured,"
                              '"12,5"\n', "12,5"),
                             ("two dates of a visit",
                              "patient,visit,date,lesion,role,state,longest_mm\nP,b,2025-01-01,T,target,measured,20\n"
                              "P,b,2025-01-02,U,target,measured,20\n", "same in all rows")]:
        expect(checks, name, h.run("respond", "--timeline", write(text)), 1, word)
    expect(checks, "no file", h.run("respond", "--timeline", os.path.join(folder, "absent")), 1, "absent")
    expect(checks, "masks beside a timeline", h.run("respond", "--timeline", EXAMPLE, "--baseline-mask", "m"), 2,
           "needs no masks")
    for option in ("--criteria=recist2", "--reader-error=-1", "--min-sd-days=x", "--too-small=big"):
        expect(checks, option, h.run("respond", "--timeline", EXAMPLE, option), 2, option.split("=")[0])
    path = h.write(os.path.join(folder, "t.csv"), open(TABLE, "rb").read())
    done = h.run("respond", "--timeline", path, "--csv", path)
    expect(checks, "over its own input", done, 3, "t.csv")


def same_by_table(checks, folder):
    """The example once more as a table gives the same JSON."""
    t = load(EXAMPLE)
    roles = {x["id"]: x for x in t["lesions"]}
    path = os.path.join(folder, "same.csv")
    with open(path, "w", newline="", encoding="utf-8") as file:
        keys = ["longest_mm", "short_axis_mm", "viable_mm", "volume_cc", "into"]
        out = csv.writer(file)
        out.writerow(["patient", "label", "visit", "date", "slice_spacing_mm", "phase", "lesion", "organ", "nodal",
                      "role", "description", "state", *keys, "parts_mm", "parts_viable_mm"])
        for v in t["visits"]:
            for f in v["findings"]:
                x = roles[f["lesion"]]
                out.writerow([t["patient"], t["label"], v["id"], v["date"], v["slice_spacing_mm"], v["phase"], x["id"],
                              x["organ"], "yes" if x["nodal"] else "no", x["role"], x["description"], f["state"],
                              *(f.get(k, "") for k in keys), *(";".join(map(str, f.get(k, [])))
                                                              for k in ("parts_mm", "parts_viable_mm"))])
    for criteria in ("recist1.1", "mrecist", "volume"):
        a, b = (json.loads(h.run("respond", "--timeline", p, "--json", "--criteria", criteria).stdout)
                for p in (EXAMPLE, path))
        checks.report(f"table and JSON agree by {criteria}", [] if a == b else [str(b)])


def main():
    h.require_program()
    checks = h.Checks()
    folder = tempfile.mkdtemp(prefix="reprise-respond-")
    try:
        examples(checks)
        outputs(checks, folder)
        broken(checks, folder)
        bad_files(checks, folder)
        same_by_table(checks, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return checks.finish()


sys.exit(main())
