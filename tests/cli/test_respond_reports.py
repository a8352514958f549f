"""What `reprise respond --timeline` writes of all patients together: plots and CDISC's domains."""
import csv
import json
import os
import shutil
import sys
import tempfile
import xml.etree.ElementTree

import harness as h

SOURCE = os.environ.get("REPRISE_SOURCE") or os.path.join(os.path.dirname(__file__), "..", "..")
TABLE = os.path.join(SOURCE, "examples", "four_patients.csv")


def plots(checks, folder):
    spider, waterfall, png = (os.path.join(folder, n) for n in ("s.svg", "w.svg", "s.png"))
    done = h.run("respond", "--timeline", TABLE, "--spider", spider, "--waterfall", waterfall)
    faults = done.faults + ([done.stderr] if done.returncode else [])
    for name in (spider, waterfall):
        text = "".join(xml.etree.ElementTree.parse(name).getroot().itertext())
        faults += [f"{name} has no {word}" for word in ("P01", "P02", "SYNTHETIC", "RECIST 1.1") if word not in text]
    checks.report("plots name patients and label", faults)
    again = os.path.join(folder, "again.svg")
    h.run("respond", "--timeline", TABLE, "--spider", again)
    with open(spider, "rb") as first, open(again, "rb") as second:
        checks.report("a plot is the same each time", [] if first.read() == second.read() else ["differs"])
    h.run("respond", "--timeline", TABLE, "--spider", png)
    with open(png, "rb") as file:
        checks.report("a plot as PNG", [] if file.read(8) == b"\x89PNG\r\n\x1a\n" else ["no PNG"])
    copy = h.write(os.path.join(folder, "t.csv"), open(TABLE, "rb").read())
    done = h.run("respond", "--timeline", copy, "--spider", copy)
    checks.report("over its own input", [] if done.returncode == 3 else [done.stderr])
    done = h.run("respond", "--timeline", TABLE, "--waterfall", os.path.join(folder, "no", "such", "w.svg"), "--quiet")
    checks.report("folders are made", [] if done.returncode == 0 else [done.stderr])


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


def refusals(checks, folder):
    with open(os.path.join(SOURCE, "examples", "timeline.json"), encoding="utf-8") as file:
        one = json.load(file)
    twice = h.write(os.path.join(folder, "twice.json"), json.dumps({"timelines": [one, one]}).encode())
    done = h.run("respond", "--timeline", twice)
    checks.report("a patient twice", [] if done.returncode == 1 and "twice" in done.stderr else [done.stderr])
    path = os.path.join(SOURCE, "examples", "volumes.json")
    out = os.path.join(folder, "volume")
    done = h.run("respond", "--timeline", path, "--criteria", "volume", "--cdisc", out)
    checks.report("volumes have no terms", [] if done.returncode == 1 and "CDISC" in done.stderr and
                  not os.path.exists(out) else [done.stderr])


def main():
    h.require_program()
    checks = h.Checks()
    folder = tempfile.mkdtemp(prefix="reprise-reports-")
    try:
        plots(checks, folder)
        out = os.path.join(folder, "cdisc")
        done = h.run("respond", "--timeline", TABLE, "--cdisc", out, "--study", "DEMO", "--json")
        cdisc(checks, out, json.loads(done.stdout)["results"])
        refusals(checks, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return checks.finish()


sys.exit(main())
