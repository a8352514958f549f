"""What `reprise respond --timeline` writes of all patients together: plots and CDISC's domains."""
import csv
import json
import os
import shutil
import subprocess
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
    drawn = []
    for name in ("s.pdf", "again.PDF"):
        pdf = os.path.join(folder, name)
        h.run("respond", "--timeline", TABLE, "--spider", pdf)
        with open(pdf, "rb") as file:
            drawn.append(file.read())
    words = subprocess.run(["pdftotext", os.path.join(folder, "s.pdf"), "-"], capture_output=True, text=True, check=False).stdout
    faults = [f"the page lacks {w}" for w in ("P01", "P02", "P03", "P04", "SYNTHETIC", "RECIST 1.1") if w not in words]
    if not drawn[0].startswith(b"%PDF") or drawn[0] != drawn[1]:
        faults.append("no PDF, or another one each time")
    checks.report("a plot as PDF", faults)
    for name in ("w.eps", "w", "w.svg.gz", "pdf", ".jpeg"):
        path = os.path.join(folder, "other", name)
        done = h.run("respond", "--timeline", TABLE, "--waterfall", path)
        fine = done.returncode == 2 and ".svg, .png or .pdf" in done.stderr and not os.path.exists(path)
        checks.report(f"a plot as {name}", [] if fine else [done.stderr])
    copy = h.write(os.path.join(folder, "t.svg"), open(TABLE, "rb").read())
    done = h.run("respond", "--timeline", copy, "--spider", copy)
    checks.report("over its own input", [] if done.returncode == 3 else [done.stderr])
    done = h.run("respond", "--timeline", TABLE, "--waterfall", os.path.join(folder, "no", "such", "w.svg"), "--quiet")
    checks.report("folders are made", [] if done.returncode == 0 else [done.stderr])


def domains_of(folder, study, evaluator="INVESTIGATOR"):
    """The three tables, and what holds of all of them."""
    domains, faults = {}, []
    for name in ("tu", "tr", "rs"):
        with open(os.path.join(folder, name + ".csv"), newline="", encoding="utf-8") as file:
            domains[name] = list(csv.DictReader(file))
        rows, upper = domains[name], name.upper()
        keys = [(r["USUBJID"], r[upper + "SEQ"]) for r in rows]
        if len(set(keys)) != len(keys) or {r["DOMAIN"] for r in rows} != {upper} or \
                {r["STUDYID"] for r in rows} != {study} or {r[upper + "EVAL"] for r in rows} != {evaluator}:
            faults.append(f"keys of {name}")
    links = {(r["USUBJID"], r["TULNKID"]) for r in domains["tu"]}
    known = {(r["USUBJID"], r["TRLNKID"]) for r in domains["tr"] if r["TRLNKID"]}
    faults += [f"{x} is not identified, or has no results" for x in links ^ known]
    groups = {(r["USUBJID"], r["TRLNKGRP"]) for r in domains["tr"]}
    faults += [f"response {r['RSSEQ']} belongs to no assessment" for r in domains["rs"]
               if r["RSLNKGRP"] and (r["USUBJID"], r["RSLNKGRP"]) not in groups]
    faults += [f"{r['RSTESTCD']} is {r['RSSTRESC']}" for r in domains["rs"] if r["RSSTRESC"] in ("", "NA")]
    faults += [f"{r['TRTESTCD']} {r['TRORRES']}" for r in domains["tr"]
               if r["TRTESTCD"] in ("PCBSD", "PCNSD") and len(r["TRORRES"].partition(".")[2]) > 4]
    faults += [f"sum at visit {v} of {p}" for p, v in {(r["USUBJID"], r["VISITNUM"]) for r in domains["tr"]}
               if not sum_fits([r for r in domains["tr"] if (r["USUBJID"], r["VISITNUM"]) == (p, v)])]
    return domains, faults


def sum_fits(rows):
    """The sum of a visit is that of its targets, each counted once."""
    sizes = {"VIABDIAM", "LPERP"} if any(r["TRTESTCD"] == "VIABDIAM" for r in rows) else {"LDIAM", "LPERP"}
    parts = [float(r["TRSTRESN"]) for r in rows if r["TRTESTCD"] in sizes and r["TRGRPID"] == "TARGET" and r["TRSTRESN"]]
    told = [float(r["TRSTRESN"]) for r in rows if r["TRTESTCD"] == "SUMDIAM"]
    return not told or abs(told[0] - sum(parts)) < 1e-6


def cdisc(checks, folder, results):
    domains, faults = domains_of(folder, "DEMO")
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


def target(name, longest, **more):
    return dict({"lesion": name, "state": "measured", "longest_mm": longest}, **more)


COURSE = {
    "patient": "P1", "label": "synthetic",
    "lesions": [{"id": "T1", "organ": "liver", "role": "target"}, {"id": "T2", "organ": "lung", "role": "target"},
                {"id": "N1", "organ": "neck", "nodal": True, "role": "target"},
                {"id": "B", "organ": "bone", "role": "non-target"}, {"id": "C", "organ": "skin", "role": "non-target"},
                {"id": "X", "organ": "brain", "role": "new"}],
    "visits": [
        {"id": "v0", "date": "2020-01-06", "phase": "arterial", "findings": [
            target("T1", 40, viable_mm=30), target("T2", 30, viable_mm=20),
            {"lesion": "N1", "state": "measured", "short_axis_mm": 16}, {"lesion": "B", "state": "present"}]},
        {"id": "v1", "date": "2020-03-02", "phase": "arterial", "findings": [
            target("T1", 45.3, viable_mm=35), {"lesion": "T2", "state": "merged", "into": "T1"},
            {"lesion": "N1", "state": "measured", "short_axis_mm": 9.9}, {"lesion": "B", "state": "present"},
            {"lesion": "X", "state": "equivocal", "longest_mm": 7}]},
        {"id": "v2", "date": "2020-05-04", "phase": "arterial", "findings": [
            {"lesion": "T1", "state": "split", "parts_mm": [20, 12], "parts_viable_mm": [10, 5]}, target("T2", 10, viable_mm=8),
            {"lesion": "N1", "state": "not evaluated"}, {"lesion": "B", "state": "progression"},
            {"lesion": "X", "state": "unequivocal", "longest_mm": 10}]},
        {"id": "v3", "date": "2020-07-06", "phase": "arterial", "findings": [
            {"lesion": "T1", "state": "split", "parts_mm": [20, 12, 5], "parts_viable_mm": [10, 5, 2]},
            {"lesion": "T2", "state": "too small"}, {"lesion": "N1", "state": "measured", "short_axis_mm": 10},
            {"lesion": "B", "state": "further progression"}, {"lesion": "X", "state": "further progression", "longest_mm": 10}]}]}


def course(checks, folder):
    """Merged, split, equivocal and further progression, under each criteria that has terms."""
    path = h.write(os.path.join(folder, "course.json"), json.dumps(COURSE).encode())
    told = {}
    for criteria in ("recist1.1", "irecist", "mrecist"):
        out = os.path.join(folder, criteria)
        done = h.run("respond", "--timeline", path, "--cdisc", out, "--study", "S", "--criteria", criteria,
                     "--evaluator", "INDEPENDENT ASSESSOR")
        domains, faults = domains_of(out, "S", "INDEPENDENT ASSESSOR") if done.returncode == 0 else ({}, [done.stderr])
        checks.report(f"a course by {criteria} fits together", faults)
        told[criteria] = domains
    get = lambda criteria, domain, code, link="", key="TRLNKID": [
        r[domain.upper() + "STRESC"] or r.get("TRREASND") for r in told[criteria][domain]
        if r[domain.upper() + "TESTCD"] == code and r.get(key, "") == link]
    wanted = {
        ("recist1.1", "tr", "LDIAM", "T1/T2"): ["45.3"], ("recist1.1", "tr", "LDIAM", "T1"): ["40", "TUMOR MERGED"],
        ("recist1.1", "tr", "LDIAM", "T2"): ["30", "TUMOR MERGED", "10", "5"],
        ("recist1.1", "tr", "LDIAM", "T1.3"): ["5"],
        ("recist1.1", "tr", "LNSTATE"): ["PATHOLOGICAL", "NON-PATHOLOGICAL", "NOT EVALUABLE", "PATHOLOGICAL"],
        ("recist1.1", "tr", "SUMNLNLD"): ["70", "45.3", "42"], ("recist1.1", "tr", "PCBSD"): ["-35.81", "-39.53"],
        ("recist1.1", "tr", "TUMSTATE", "X"): ["EQUIVOCAL", "UNEQUIVOCAL", "UNEQUIVOCAL PROGRESSION"],
        ("recist1.1", "tr", "TUMSTATE", "B"):
            ["PRESENT", "PRESENT", "UNEQUIVOCAL PROGRESSION", "FURTHER UNEQUIVOCAL PROGRESSION"],
        ("recist1.1", "tr", "TUMSTATE", "C"): ["NOT EVALUABLE"] * 4,
        ("recist1.1", "rs", "NEWLIND"): ["U", "Y", "Y"], ("recist1.1", "rs", "NEWLPROG"): ["EQUIVOCAL", "UNEQUIVOCAL", "UNEQUIVOCAL"],
        ("recist1.1", "rs", "TRGRESP"): ["PR", "NE", "PR"],
        ("irecist", "rs", "TRGRESP"): ["iPR", "NE", "iPR"], ("irecist", "rs", "NTRGRESP"): ["NE", "iUPD", "iCPD"],
        ("irecist", "rs", "OVRLRESP"): ["iPR", "iUPD", "iCPD"],
        ("mrecist", "tr", "VIABDIAM", "T1/T2"): ["35"], ("mrecist", "tr", "VIABDIAM", "T1.2"): ["5", "5"],
        ("mrecist", "tr", "LDIAM", "T1/T2"): ["45.3"]}
    faults = [f"{where}: {get(*where)}, not {right}" for where, right in wanted.items() if get(*where) != right]
    new = [(r["TUSTRESC"], r["VISITNUM"]) for r in told["recist1.1"]["tu"] if r["TULNKID"] == "X"]
    if new != [("EQUIVOCAL", "2"), ("NEW", "3")]:
        faults.append(f"the new lesion is identified as {new}")
    checks.report("what stands in the domains", faults)


def chain(checks, folder):
    """What merges by way of another lesion is part of the last one alone."""
    into = lambda name, other: {"lesion": name, "state": "merged", "into": other}
    path = h.write(os.path.join(folder, "chain.json"), json.dumps({
        "patient": "P1", "label": "synthetic",
        "lesions": [{"id": name, "organ": organ, "role": "target"} for name, organ in (("T1", "liver"), ("T2", "liver"), ("T3", "lung"))],
        "visits": [{"id": "v0", "date": "2020-01-06", "findings": [target("T1", 30), target("T2", 20), target("T3", 15)]},
                   {"id": "v1", "date": "2020-03-02", "findings": [target("T1", 50), into("T2", "T1"), into("T3", "T2")]}]}).encode())
    out = os.path.join(folder, "chain")
    done = h.run("respond", "--timeline", path, "--cdisc", out, "--study", "S")
    domains, faults = domains_of(out, "S") if done.returncode == 0 else ({}, [done.stderr])
    merged = [(r["TRLNKID"], r["TRSTRESC"]) for r in domains.get("tr", []) if r["VISIT"] == "v1" and r["TRTESTCD"] == "LDIAM"]
    if merged != [("T1", ""), ("T1/T2/T3", "50"), ("T2", ""), ("T3", "")]:
        faults.append(f"sizes are {merged}")
    checks.report("lesions that merge in a chain", faults)


def all_confirm(checks, folder):
    """New lesions are named first where several confirm an iUPD; targets and non-targets that do are iCPD beside them."""
    new = lambda mm: {"lesion": "X", "state": "unequivocal", "longest_mm": mm}
    path = h.write(os.path.join(folder, "confirm.json"), json.dumps({
        "patient": "P1", "label": "synthetic",
        "lesions": [{"id": "T1", "organ": "liver", "role": "target"}, {"id": "B", "organ": "bone", "role": "non-target"},
                    {"id": "X", "organ": "brain", "role": "new"}],
        "visits": [{"id": "v0", "date": "2020-01-06", "findings": [target("T1", 20), {"lesion": "B", "state": "present"}]},
                   {"id": "v1", "date": "2020-03-02", "findings": [target("T1", 26), {"lesion": "B", "state": "progression"}]},
                   {"id": "v2", "date": "2020-05-04", "findings": [target("T1", 31), {"lesion": "B", "state": "progression"}, new(8)]}]}).encode())
    out = os.path.join(folder, "confirm")
    done = h.run("respond", "--timeline", path, "--cdisc", out, "--study", "S", "--criteria", "irecist")
    domains, faults = domains_of(out, "S") if done.returncode == 0 else ({}, [done.stderr])
    told = [tuple(r["RSSTRESC"] for r in domains.get("rs", []) if r["RSTESTCD"] == code) for code in ("TRGRESP", "NTRGRESP", "OVRLRESP")]
    if told != [("iUPD", "iCPD"), ("iUPD", "iUPD"), ("iUPD", "iCPD")]:
        faults.append(f"responses are {told}")
    checks.report("targets that confirm beside a new lesion", faults)


def empty_study(checks, folder):
    out = os.path.join(folder, "no-study")
    done = h.run("respond", "--timeline", TABLE, "--cdisc", out)
    checks.report("an empty STUDYID is told", [] if done.returncode == 0 and "--study" in done.stderr else [done.stderr])
    out = os.path.join(folder, "close")
    one = dict(COURSE, lesions=COURSE["lesions"][:1], visits=[
        {"id": f"v{i}", "date": f"2020-0{i + 1}-06", "findings": [target("T1", mm)]} for i, mm in enumerate((100, 70.001))])
    path = h.write(os.path.join(folder, "close.json"), json.dumps(one).encode())
    h.run("respond", "--timeline", path, "--cdisc", out, "--study", "S")
    rows = domains_of(out, "S")[0]["tr"]
    close = [r["TRORRES"] for r in rows if r["TRTESTCD"] == "PCBSD"]
    checks.report("a percentage keeps its side of a limit", [] if close == ["-29.999"] else close)


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
        course(checks, folder)
        chain(checks, folder)
        all_confirm(checks, folder)
        empty_study(checks, folder)
        refusals(checks, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return checks.finish()


sys.exit(main())
