"""reprise respond --timeline: outputs against golden files, the examples against the JSON Schema,
every inconsistency with its message, exit codes. Run with --refresh to write the golden files."""
import copy
import csv
import io
import json
import os
import re
import shutil
import sys
import tempfile

import harness as h

try:
    import jsonschema
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

SOURCE = os.environ.get("REPRISE_SOURCE") or os.path.join(os.path.dirname(__file__), "..", "..")
GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden")
REFRESH = "--refresh" in sys.argv
FAILED, USAGE, REFUSED = 1, 2, 3


def example(name):
    return os.path.join(SOURCE, "examples", name)


def load(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


# ---- golden outputs ------------------------------------------------------------------------------

OUTPUTS = {
    "respond-recist.txt": ["timeline.json", "--confirm", "--reader-error", "2"],
    "respond-recist.json": ["timeline.json", "--json"],
    "respond-irecist.txt": ["timeline.json", "--criteria", "irecist"],
    "respond-patients.txt": ["timelines.csv"],
    "respond-patients.json": ["timelines.csv", "--json", "--no-keep-pr", "--min-sd-days=60"],
}


def compare(checks, name, text):
    text = re.sub(r'"program_version": "[^"]*"', '"program_version": ""', text)
    path = os.path.join(GOLDEN, name)
    if REFRESH:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    with open(path, encoding="utf-8") as file:
        expected = file.read()
    faults = [] if text == expected else ["differs:", *text.splitlines()]
    checks.report(name, faults)


def check_golden(checks, folder):
    for name, (file, *options) in OUTPUTS.items():
        done = h.run("respond", "--timeline", example(file), *options)
        checks.report(f"{name}: ends well", done.faults +
                      ([] if done.returncode == 0 and not done.stderr else [done.stderr]))
        compare(checks, name, done.stdout)
    table = os.path.join(folder, "out.csv")
    h.run("respond", "--timeline", example("timelines.csv"), "--csv", table)
    with open(table, encoding="utf-8") as file:
        compare(checks, "respond-patients.csv", file.read())


def check_forms_agree(checks, folder):
    """Text, JSON and CSV tell the same; several timelines in one file as each alone."""
    one = load(example("timeline.json"))
    other = copy.deepcopy(one)
    other["patient"] = "P02"
    both = os.path.join(folder, "both.json")
    with open(both, "w", encoding="utf-8") as file:
        json.dump({"timelines": [one, other]}, file)
    alone = json.loads(h.run("respond", "--timeline", example("timeline.json"), "--json").stdout)
    table = os.path.join(folder, "both.csv")
    results = json.loads(h.run("respond", "--timeline", both, "--json", "--csv", table).stdout)
    results = results["results"]
    faults = [] if len(results) == 2 else [f"{len(results)} results"]
    del alone["program_version"]
    faults += [] if results[0] == alone else ["the first differs from itself alone"]
    faults += [] if results[1] == {**alone, "patient": "P02"} else ["the second differs"]
    with open(table, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(io.StringIO(file.read())))
    visits = [(r["patient"], v) for r in results for v in r["visits"]]
    faults += [] if len(rows) == len(visits) else [f"{len(rows)} rows of {len(visits)} visits"]
    for row, (patient, visit) in zip(rows, visits):
        told = (row["patient"], row["visit"], float(row["sum"]), row["overall"] or None, row["rule"] or None)
        if told != (patient, visit["id"], visit["sum_mm"], visit["overall"], visit["rule"]):
            faults.append(f"{told} is not {visit}")
    checks.report("forms agree", faults)


# ---- people's spreadsheets -----------------------------------------------------------------------

SHEET = """patient,visit,date,lesion,organ,role,state,longest_mm,parts_mm
P1,b,2020-04-27,T1,liver,target,measured,34.2,
P1,w8,2020-06-05,T1,,,measured,20.1,
P1,w16,2020-08-03,T1,,,split,,12.5 9.25
"""


def as_sheet(separator=";", date=str, number=lambda n: n.replace(".", ","), parts=";"):
    """SHEET as a spreadsheet of another country writes it."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=separator, lineterminator="\r\n")
    for i, row in enumerate(csv.reader(io.StringIO(SHEET))):
        if i:
            row[2], row[7], row[8] = date(row[2]), number(row[7]), number(row[8]).replace(" ", parts)
        writer.writerow(row)
    return out.getvalue()


def german(date):
    return ".".join(reversed(date.split("-")))


READ = {
    "semicolons and decimal commas": as_sheet(),
    "tabulators": as_sheet("\t"),
    "a line that names the separator": "sep=;\r\n" + as_sheet(),
    "UTF-16": as_sheet("\t").encode("utf-16"),
    "UTF-16, high bytes first": b"\xfe\xff" + as_sheet("\t").encode("utf-16-be"),
    "a byte order mark": as_sheet().encode("utf-8-sig"),
    "decimal commas in quotes": as_sheet(","),
    "dates with dots, year first": as_sheet(date=lambda d: d.replace("-", ".")),
    "dates with the day first": as_sheet(date=german),
    "dates with the time of day": as_sheet(date=lambda d: d + " 00:00:00"),
    "points and commas": as_sheet(",", number=str),
}
REFUSED_SHEETS = {
    "dates that may be read two ways": (as_sheet(date=lambda d: german(d).replace("27.", "07.")), "write 2020-06-05 or 2020-05-06"),
    "years of two digits": (as_sheet(date=lambda d: german(d)[:6] + d[2:4]), "the year needs four digits"),
    "decimal points and commas": (as_sheet().replace("20,1", "20.1"), "decimal comma"),
    "thousands": (as_sheet(number=lambda n: n.replace("34.2", "1.034,2").replace(".1", ",1")), "between thousands"),
    "commas that may be either": (as_sheet(",", number=lambda n: n.replace("34.2", "1,034")), "1.234 or 1234"),
    "decimal commas without quotes": (as_sheet(",").replace('"', ""), "semicolons between the cells"),
    "a unit": (as_sheet(number=lambda n: n and n + " mm"), "without unit"),
    "Latin-1": (as_sheet().replace("liver", "Léber").encode("latin-1"), "Windows-1252"),
    "a spreadsheet's own file": (b"PK\x03\x04" + bytes(60), "a spreadsheet"),
}


def check_sheets(checks, folder):
    path = os.path.join(folder, "sheet.csv")
    for name, text in READ.items():
        h.write(path, text if isinstance(text, bytes) else text.encode())
        done = h.run("respond", "--timeline", path, "--json")
        visits = json.loads(done.stdout)["visits"] if done.returncode == 0 else []
        told = [(v["date"], v["sum_mm"], v["overall"]) for v in visits]
        right = [("2020-04-27", 34.2, None), ("2020-06-05", 20.1, "PR"), ("2020-08-03", 21.75, "PR")]
        checks.report(f"sheet: {name}", done.faults + ([] if told == right else [str(told), done.stderr]))
    for name, (text, words) in REFUSED_SHEETS.items():
        h.write(path, text if isinstance(text, bytes) else text.encode())
        done = h.run("respond", "--timeline", path, "--json")
        fine = done.returncode == 1 and words in done.stderr and "sheet.csv" in done.stderr
        checks.report(f"sheet refused: {name}", done.faults + ([] if fine else [done.stderr + done.stdout[:300]]))


def check_uncoded_node(checks, folder):
    """A lesion in a lymph node that is not called nodal has its longest diameter; that is told."""
    timeline = load(example("timeline.json"))
    lesion = next(x for x in timeline["lesions"] if not x.get("nodal") and x["role"] == "target")
    lesion["organ"] = "Mediastinal lymph node"
    path = h.write(os.path.join(folder, "node.json"), json.dumps(timeline).encode())
    done = h.run("respond", "--timeline", path, "--json")
    fine = done.returncode == 0 and f"lesion {lesion['id']}" in done.stderr and "nodal" in done.stderr
    checks.report("a node that is not called one", done.faults + ([] if fine else [done.stderr]))


def check_formulas(checks, folder):
    """No cell of any table is one that a spreadsheet executes; ids come back as they were."""
    timeline = load(example("timeline.json"))
    bad = ["=1+1", "+1 day", "-cmd|x", "@SUM(A1)", "\t=1"]
    timeline["patient"] = bad[0]
    for visit, name in zip(timeline["visits"], bad):
        visit["id"] = name
    path = h.write(os.path.join(folder, "formulas.json"), json.dumps(timeline).encode())
    table, domains = os.path.join(folder, "formulas.csv"), os.path.join(folder, "formulas")
    done = h.run("respond", "--timeline", path, "--csv", table, "--cdisc", domains, "--study", "@S")
    faults = [] if done.returncode == 0 else [done.stderr]
    seen = set()
    for name in [table] + [os.path.join(domains, n) for n in os.listdir(domains)]:
        with open(name, encoding="utf-8", newline="") as file:
            cells = [c for row in csv.reader(file) for c in row]
        seen.update(cells)
        faults += [c for c in cells if c[:1] in tuple("=+-@\t\r") and not re.fullmatch(r"[-+]?[0-9.]+(e[-+]?[0-9]+)?", c)]
    faults += [f"{b} is lost" for b in bad[:3] if "'" + b not in seen]
    checks.report("no formulas", faults)


# ---- the schema ----------------------------------------------------------------------------------

def check_schema(checks):
    schema = load(os.path.join(SOURCE, "docs", "timeline.schema.json"))
    jsonschema.Draft7Validator.check_schema(schema)
    validator = jsonschema.Draft7Validator(schema)
    good = load(example("timeline.json"))
    checks.report("schema: the example", [e.message for e in validator.iter_errors(good)])
    checks.report("schema: several",
                  [e.message for e in validator.iter_errors({"timelines": [good, good]})])
    for name, change in {
            "role": lambda t: t["lesions"][0].update(role="lead"),
            "state": lambda t: t["visits"][1]["findings"][0].update(state="grown"),
            "key": lambda t: t["visits"][1]["findings"][0].update(longest=3),
            "negative": lambda t: t["visits"][1]["findings"][0].update(longest_mm=-3),
            "no length": lambda t: t["visits"][1]["findings"][0].pop("longest_mm"),
            "no parts": lambda t: t["visits"][2]["findings"][0].pop("parts_mm"),
            "no visits": lambda t: t.update(visits=[])}.items():
        bad = copy.deepcopy(good)
        change(bad)
        checks.report(f"schema: {name}", ["passes"] if validator.is_valid(bad) else [])


# ---- bad input -----------------------------------------------------------------------------------

def at(timeline, visit, index):
    return timeline["visits"][visit]["findings"][index]


# What is done to the example, the exit code, what standard error must hold.
BAD = {
    "no visit": (lambda t: t.update(visits=[]), FAILED, "patient P01: there is no visit"),
    "no lesion": (lambda t: t.update(lesions=[], visits=[{"id": "v", "date": "2020-01-01"}]), FAILED,
                  "no lesion at baseline"),
    "lesion twice": (lambda t: t["lesions"][1].update(id="T1"), FAILED,
                     "lesion T1: this id is there twice"),
    "visit twice": (lambda t: t["visits"][2].update(id="week 8"), FAILED,
                    "visit week 8: this id is there twice"),
    "unknown lesion": (lambda t: at(t, 1, 0).update(lesion="T9"), FAILED,
                       "visit week 8, lesion T9: a finding of a lesion that is not in the list"),
    "two findings": (lambda t: t["visits"][1]["findings"].append(at(t, 1, 0)), FAILED,
                     "visit week 8, lesion T1: two findings at one visit"),
    "unknown state": (lambda t: at(t, 1, 0).update(state="gone"), FAILED,
                      "lesion T1: unknown state 'gone'"),
    "unknown role": (lambda t: t["lesions"][0].update(role="lead"), FAILED,
                     "lesion T1: unknown role 'lead'"),
    "state of another role": (lambda t: at(t, 1, 3).update(state="too small"), FAILED,
                              "lesion NT1: a non-target lesion cannot be 'too small'"),
    "impossible date": (lambda t: t["visits"][1].update(date="2020-02-31"), FAILED,
                        "visit week 8: '2020-02-31' is no date"),
    "order of dates": (lambda t: t["visits"][1].update(date="2020-01-06"), FAILED,
                       "visit week 8: 2020-01-06 is not later than 2020-01-06"),
    "target not measured": (lambda t: at(t, 0, 0).update(state="absent"), FAILED,
                            "visit baseline, lesion T1: a target must be 'measured' at baseline"),
    "new at baseline": (lambda t: t["visits"][0]["findings"].append(
        {"lesion": "N1", "state": "equivocal"}), FAILED,
        "lesion N1: a new lesion cannot have a finding at baseline"),
    "no length": (lambda t: at(t, 1, 0).pop("longest_mm"), FAILED, "longest_mm is missing"),
    "negative": (lambda t: at(t, 1, 0).update(longest_mm=-1), FAILED, "longest_mm cannot be -1"),
    "zero": (lambda t: at(t, 1, 0).update(longest_mm=0), FAILED, "longest_mm is 0"),
    "no number": (lambda t: at(t, 1, 0).update(longest_mm="24.1"), FAILED,
                  "'longest_mm' must be a number"),
    "short axis": (lambda t: at(t, 0, 0).update(short_axis_mm=34.3), FAILED,
                   "the short axis of 34.3 mm is above the longest diameter of 34.2 mm"),
    "node without axis": (lambda t: at(t, 1, 2).pop("short_axis_mm"), FAILED,
                          "lesion T3: short_axis_mm, of a node, is missing"),
    "merged into itself": (lambda t: at(t, 2, 1).update(state="merged", into="T2"), FAILED,
                           "lesion T2: merged into itself"),
    "merged into no target": (lambda t: at(t, 2, 1).update(state="merged", into="NT1"), FAILED,
                              "merged into 'NT1', which is no target"),
    "merged in a circle": (lambda t: (at(t, 2, 1).update(state="merged", into="T1"),
                                      at(t, 2, 0).update(state="merged", into="T2")), FAILED,
                           "lesion T1: merged in a circle"),
    "one part": (lambda t: at(t, 2, 0).update(parts_mm=[12.0]), FAILED, "two parts or more"),
    "too many targets": (lambda t: [t["lesions"].append(
        {"id": f"X{i}", "organ": f"organ {i}", "role": "target"}) or t["visits"][0]["findings"].append(
            {"lesion": f"X{i}", "state": "measured", "longest_mm": 20}) for i in range(3)], REFUSED,
        "6 targets, of at most 5"),
    "two in an organ": (lambda t: [t["lesions"].append(
        {"id": f"X{i}", "organ": " Liver", "role": "target"}) or t["visits"][0]["findings"].append(
            {"lesion": f"X{i}", "state": "measured", "longest_mm": 20}) for i in range(2)], REFUSED,
        "3 targets in one organ (liver), of at most 2"),
    "too small a target": (lambda t: at(t, 0, 1).update(longest_mm=9.9), REFUSED,
                           "lesion T2: not measurable: 9.9 mm, where a target needs 10 mm"),
    "thick slices": (lambda t: t["visits"][0].update(slice_spacing_mm=12), REFUSED,
                     "lesion T2: not measurable: 22 mm, where a target needs 24 mm"),
    "too small a node": (lambda t: at(t, 0, 2).update(short_axis_mm=14.9), REFUSED,
                         "lesion T3: a target node needs a short axis of at least 15 mm"),
    "normal node": (lambda t: (t["lesions"][3].update(nodal=True),
                               at(t, 0, 3).update(short_axis_mm=9.9)), REFUSED,
                    "lesion NT1: a node with a short axis of 9.9 mm is normal"),
}


def spoilt(folder, change):
    timeline = load(example("timeline.json"))
    change(timeline)
    path = os.path.join(folder, "spoilt.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(timeline, file)
    return path


def expect(checks, name, code, words, *arguments):
    done = h.run("respond", *arguments)
    faults = done.faults + ([] if done.returncode == code else [f"exit code {done.returncode}"])
    faults += [] if words in done.stderr else [f"does not say: {words}", done.stderr[-1000:]]
    faults += [] if not done.stdout else ["prints a result"]
    checks.report(name, faults)


def check_bad(checks, folder):
    table = os.path.join(folder, "none.csv")
    for name, (change, code, words) in BAD.items():
        path = spoilt(folder, change)
        expect(checks, name, code, words, "--timeline", path, "--csv", table)
        expect(checks, f"{name}: names the file", code, f"reprise: {path}: ", "--timeline", path)
        if code == REFUSED:
            done = h.run("respond", "--timeline", path, "--allow-ineligible", "--json")
            notes = [] if done.returncode else json.loads(done.stdout)["notes"]
            told = any(note.startswith("ineligible: ") and words in note for note in notes)
            checks.report(f"{name}: allowed", [] if told else [done.stderr, str(notes)])
    checks.report("no table is left", ["there is one"] if os.path.exists(table) else [])

    def several(timeline):
        at(timeline, 1, 0).update(longest_mm=-1)
        at(timeline, 2, 1).update(state="gone")
        timeline["visits"][3].update(date="never")

    done = h.run("respond", "--timeline", spoilt(folder, several))
    told = [word in done.stderr for word in ("cannot be -1", "'gone'", "'never'", "3 errors")]
    checks.report("all in one go", [] if all(told) else [done.stderr])


def check_files(checks, folder):
    path = os.path.join(folder, "timelines")
    for name, text, words in (("empty", "", "holds no timeline"), ("cut", '{"timelines": [{', "line 1"),
                              ("list", "[]", "a timeline must be an object"),
                              ("columns", "patient,visit\n", "column 'state' is missing")):
        h.write(path, text.encode())
        expect(checks, f"file: {name}", FAILED, words, "--timeline", path)
    expect(checks, "file: none", FAILED, "nowhere.json", "--timeline", folder + "/nowhere.json")
    mine = os.path.join(folder, "mine.csv")
    shutil.copy(example("timelines.csv"), mine)
    before = h.files_below(folder)
    expect(checks, "output over input", REFUSED, "mine.csv", "--timeline", mine, "--csv", mine)
    checks.report("the input stays", [] if before == h.files_below(folder) else ["changed"])
    change = lambda t: at(t, 1, 0).update(longest_diameter=3)
    done = h.run("respond", "--timeline", spoilt(folder, change))
    checks.report("unknown members are told", [] if done.returncode == 0 and
                  "warning: " in done.stderr and "'longest_diameter'" in done.stderr else [done.stderr])


def check_criteria(checks, folder):
    expect(checks, "mrecist: phase", REFUSED, "this visit's phase is 'portal venous'",
           "--timeline", example("timeline.json"), "--criteria", "mrecist")
    expect(checks, "mrecist: viable", REFUSED, "viable_mm, which mRECIST needs, is missing",
           "--timeline", example("timeline.json"), "--criteria", "mrecist", "--allow-ineligible")
    expect(checks, "volume: volumes", FAILED, "volume_cc is missing",
           "--timeline", example("timeline.json"), "--criteria", "volume")

    def with_volumes(timeline):
        for visit in timeline["visits"]:
            for finding in visit["findings"]:
                if finding["state"] in ("measured", "split"):
                    finding["volume_cc"] = 10.0

    path = spoilt(folder, with_volumes)
    text = h.run("respond", "--timeline", path, "--criteria", "volume").stdout
    told = json.loads(h.run("respond", "--timeline", path, "--criteria", "volume", "--json").stdout)
    faults = [] if "volume (exploratory)" in text else [text]
    faults += [] if told["exploratory"] is True and told["visits"][0]["sum_cc"] == 30 else [str(told)]
    checks.report("volume is labelled", faults)


def check_usage(checks):
    file = example("timeline.json")
    for name, words, *arguments in (
            ("criteria", "--criteria takes", "--timeline", file, "--criteria", "who"),
            ("days", "--confirmation-days takes", "--timeline", file, "--confirmation-days=-1"),
            ("length", "--too-small takes", "--timeline", file, "--too-small", "small"),
            ("no length", "too_small_mm must be above 0", "--timeline", file, "--too-small", "0"),
            ("error", "--reader-error takes", "--timeline", file, "--reader-error", "5%%"),
            ("order", "irecist_latest_days", "--timeline", file, "--irecist-latest", "3"),
            ("volume in mm", "means nothing", "--timeline", file, "--criteria", "volume",
             "--progression-minimum", "5"),
            ("both ways", "do not go with it", "--timeline", file, "--nodal"),
            ("alone", "--confirm goes with --timeline or --sr only", "--confirm"),
            ("neither", "--baseline-mask is missing")):
        expect(checks, f"usage: {name}", USAGE, words, *arguments)


def main():
    h.require_program()
    checks = h.Checks()
    with tempfile.TemporaryDirectory() as folder:
        check_golden(checks, folder)
        check_forms_agree(checks, folder)
        check_sheets(checks, folder)
        check_formulas(checks, folder)
        check_uncoded_node(checks, folder)
        check_schema(checks)
        check_bad(checks, folder)
        check_files(checks, folder)
        check_criteria(checks, folder)
        check_usage(checks)
    return checks.finish()


sys.exit(main())
