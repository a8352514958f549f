"""reprise anonymize from the outside: no trace of the patient, references that hold, the same assessment as
before, warnings, and what is refused."""
import json
import os
import sys
import tempfile

import harness as h
import pydicom

FAILED, USAGE, REFUSED = 1, 2, 3
KEY = b"3f6c1d0b8a7e5f42913c"


def ended(done, code, *texts):
    faults = list(done.faults)
    if done.returncode != code:
        faults.append(f"exit code {done.returncode}, not {code}: {done.stderr[-500:]}")
    return faults + [f"does not say {t!r}: {done.stdout}{done.stderr}" for t in texts if t not in done.stdout + done.stderr]


def outputs(folder):
    return sorted(os.path.join(folder, name) for name in h.files_below(folder))


def traces(folder):
    """Identifiers, the key and original UIDs in bytes or names."""
    words = [*(s.encode() for s in h.SECRETS), b"Hidden", b"Person", KEY, h.UID.encode()]
    faults = []
    for path in outputs(folder):
        with open(path, "rb") as file:
            content = file.read() + path.encode()
        faults += [f"{word} in {path}" for word in words if word in content]
    return faults


def patient(work):
    """Two visits with contours, more identifiers than usual."""
    root = os.path.join(work, "in")
    for number, date, shift in ((1, "20240110", 0), (2, "20240309", 1)):
        folder = h.write_series(os.path.join(root, f"visit{number}"), number, date, shift=shift)
        for name in os.listdir(folder):
            h.edit(os.path.join(folder, name), SeriesDescription="of Hidden Person", StationName="HIDDEN-ID",
                   ProtocolName="Liver", ManufacturerModelName="for Person, Hidden")
    h.write_rtstruct(os.path.join(root, "rtstruct.dcm"), 1, {"GTV Hidden": [h.circle(z) for z in range(3, 8)]})
    return root


def by_class(folder, sop_class):
    return [p for p in outputs(folder) if pydicom.dcmread(p, stop_before_pixels=True).SOPClassUID == sop_class]


def check_references(folder):
    """The RTSTRUCT refers to images that are there, in their frame of reference."""
    structure = pydicom.dcmread(by_class(folder, h.RTSTRUCT)[0])
    images = {ds.SOPInstanceUID: ds for ds in map(pydicom.dcmread, by_class(folder, h.CT))}
    frame = structure.ReferencedFrameOfReferenceSequence[0]
    series = frame.RTReferencedStudySequence[0].RTReferencedSeriesSequence[0]
    referenced = [images.get(item.ReferencedSOPInstanceUID) for item in series.ContourImageSequence]
    faults = [] if all(referenced) else ["refers to images that are not there"]
    faults += [f"series {ds.SeriesInstanceUID}" for ds in filter(None, referenced)
               if (ds.SeriesInstanceUID, ds.FrameOfReferenceUID) != (series.SeriesInstanceUID, frame.FrameOfReferenceUID)]
    names = [roi.ROIName for roi in structure.StructureSetROISequence]
    return faults + ([] if names == ["ROI 1"] else [f"ROIs {names}"])


def check_intervals(folder):
    """59 days between the visits, at other dates."""
    dates = sorted({pydicom.dcmread(p).StudyDate for p in by_class(folder, h.CT)})
    days = [pydicom.valuerep.DA(d) for d in dates]
    faults = [] if len(days) == 2 and (days[1] - days[0]).days == 59 else [f"dates {dates}"]
    return faults + (["dates did not move"] if dates[0][:4] in ("2024", "2023") else [])


def folder_of_visit(folder, late):
    studies = {pydicom.dcmread(p).StudyDate: os.path.dirname(p) for p in by_class(folder, h.CT)}
    return studies[sorted(studies)[late]]


def assess(work, out, baseline, contour, followup):
    config = h.write(os.path.join(work, "config.yaml"), h.TINY.encode())
    done = h.run("assess", "--baseline", baseline, "--contour", contour, "--followup", followup, "--out", out,
                 "--config", config, "--threads", "1")
    if done.returncode or done.faults:
        return None, done.faults + [done.stderr]
    with open(os.path.join(out, "result.json"), encoding="utf-8") as file:
        result = json.load(file)
    kept = [result["change_percent"], result["response"], result["interval_days"],
            result["provenance"]["model_sha256"], result["baseline"]["longest_diameter_mm"]]
    return kept, []


def case_patient(checks, work, key):
    root, out = patient(work), os.path.join(work, "out")
    checks.report("is done", ended(h.run("anonymize", root, "--key", key, "--out", out), 0,
                                   "21 files, 3 series, 2 studies, 1 patient"))
    checks.report("no trace", traces(out))
    checks.report("references", check_references(out))
    checks.report("intervals", check_intervals(out))
    model = pydicom.dcmread(by_class(out, h.CT)[0])
    checks.report("copies of names are found", [] if model.ManufacturerModelName.startswith("anon-") else
                  [model.ManufacturerModelName])
    pieces = os.path.join(work, "pieces")
    for name in ("visit1", "visit2", "rtstruct.dcm"):
        h.run("anonymize", os.path.join(root, name), "--key", key, "--out", os.path.join(pieces, name))
    whole = {os.path.basename(p): open(p, "rb").read() for p in outputs(out)}
    parts = {os.path.basename(p): open(p, "rb").read() for p in outputs(pieces)}
    checks.report("in parts, the same bytes", [] if whole == parts else ["differ"])
    before, faults = assess(work, os.path.join(work, "a"), os.path.join(root, "visit1"),
                            os.path.join(root, "rtstruct.dcm"), os.path.join(root, "visit2"))
    after, more = assess(work, os.path.join(work, "b"), folder_of_visit(out, 0), by_class(out, h.RTSTRUCT)[0],
                         folder_of_visit(out, 1))
    checks.report("the same assessment", faults + more + ([] if before == after else [f"{before} became {after}"]))
    other = h.write(os.path.join(work, "other"), KEY[::-1])
    h.run("anonymize", root, "--key", other, "--out", os.path.join(work, "other-out"))
    shared = {os.path.basename(p) for p in outputs(os.path.join(work, "other-out"))} & set(whole)
    checks.report("another key, other UIDs", sorted(shared))
    return root


def case_refused(checks, work, key, root):
    out, key_short = os.path.join(work, "new"), h.write(os.path.join(work, "short"), b"0123456789abcde\n")
    cases = {
        "a short key": (["--key", key_short, "--out", out], FAILED, "at least 16 bytes"),
        "no such key": (["--key", os.path.join(work, "none"), "--out", out], FAILED, "cannot open"),
        "output that is there": (["--key", key, "--out", os.path.join(work, "out")], FAILED, "exists already"),
        "output in the input": (["--key", key, "--out", os.path.join(root, "x")], REFUSED, "input folder"),
    }
    for name, (words, code, text) in cases.items():
        checks.report(name, ended(h.run("anonymize", root, *words), code, text))
    for name, words in {"no input": ["--key", key, "--out", out], "no key": [root, "--out", out],
                        "no output": [root, "--key", key]}.items():
        checks.report(name, ended(h.run("anonymize", *words), USAGE, "--help"))
    text = h.write(os.path.join(work, "text"), b"text")
    node = ["--key", key, "--out", out]
    checks.report("nothing DICOM", ended(h.run("anonymize", text, *node), FAILED, "holds no DICOM object"))
    checks.report("no such input", ended(h.run("anonymize", text + "s", *node), FAILED, "no such file"))
    broken = h.copy_folder(os.path.join(root, "visit1"), os.path.join(work, "broken"))
    first = os.path.join(broken, sorted(os.listdir(broken))[0])
    h.cut(first, first, 0.5)
    checks.report("a broken file", ended(h.run("anonymize", broken, *node), FAILED, first, "does not parse"))
    h.nested(os.path.join(broken, sorted(os.listdir(broken))[1]), first)
    checks.report("nested without end", ended(h.run("anonymize", broken, *node), FAILED, first, "nested too deeply"))
    h.write(first, open(os.path.join(broken, sorted(os.listdir(broken))[1]), "rb").read())
    h.edit(first, InstanceNumber="77")
    checks.report("two of one UID", ended(h.run("anonymize", broken, *node), FAILED, "is another object"))
    checks.report("nothing is left of these", [out] if os.path.exists(out) else [])
    os.chmod(key, 0o644)
    done = h.run("anonymize", first, *node)
    checks.report("a key for everybody", ended(done, 0, "others may read this key"))
    os.chmod(key, 0o600)


def case_table(checks, work, key, root):
    def run(name, text):
        table = h.write(os.path.join(work, name + ".csv"), text)
        return h.run("anonymize", root, "--key", key, "--pseudonyms", table, "--out", os.path.join(work, name))
    checks.report("a table", ended(run("t1", b"patient_id,pseudonym\nHIDDEN-ID,STUDY-7\n"), 0))
    found = {str(pydicom.dcmread(p).PatientID) for p in outputs(os.path.join(work, "t1"))}
    checks.report("its pseudonym", ([] if found == {"STUDY-7"} else [str(found)]) + traces(os.path.join(work, "t1")))
    bad = {"t2": (b"patient_id,pseudonym\nother,X\n", REFUSED, "not in the table"),
           "t3": (b"patient_id,pseudonym\nHIDDEN-ID,../x\n", FAILED, "line 2"),
           "t4": (b"id,name\nHIDDEN-ID,X\n", FAILED, "first line"),
           "t5": (b"patient_id,pseudonym\nHIDDEN-ID,X\nHIDDEN-ID,Y\n", FAILED, "second time"), "t6": (b"", FAILED, "first line")}
    for name, (text, code, message) in bad.items():
        faults = ended(run(name, text), code, message)
        checks.report(f"a table: {message}", faults + ([name] if os.path.exists(os.path.join(work, name)) else []))


def case_warnings(checks, work, key, root):
    folder = h.copy_folder(os.path.join(root, "visit1"), os.path.join(work, "warned"))
    names = sorted(os.listdir(folder))
    h.edit(os.path.join(folder, names[0]), BurnedInAnnotation="YES")
    ds = pydicom.dcmread(os.path.join(folder, names[1]))
    ds.ConversionType = "WSD"
    ds.add_new(0x60000010, "US", h.SIZE[1])
    ds.add_new(0x60000011, "US", h.SIZE[2])
    ds.add_new(0x60003000, "OW", b"\0" * 84)
    ds.save_as(os.path.join(folder, names[1]))
    document = h.new_file("", "1.2.840.10008.5.1.4.1.1.104.1", h.UID + "99")
    h.identity(document, "HIDDEN-ID", "20240110")
    document.EncapsulatedDocument = b"%PDF Hidden^Person"
    document.save_as(os.path.join(folder, "document.dcm"), write_like_original=False)
    h.write(os.path.join(folder, "notes"), b"text")
    out = os.path.join(work, "warned-out")
    done = h.run("anonymize", folder, "--key", key, "--out", out)
    checks.report("warnings", ended(done, 0, "burned into the pixels", "secondary capture", "overlays, which were removed",
                                    "document.dcm: left out: an encapsulated document", "notes: left out: not DICOM",
                                    "10 files"))
    left = [p for p in outputs(out) if (0x6000, 0x10) in pydicom.dcmread(p)]
    checks.report("overlays are gone", left + traces(out))


def main():
    h.require_program()
    checks = h.Checks()
    with tempfile.TemporaryDirectory() as work:
        key = h.write(os.path.join(work, "key"), KEY)
        os.chmod(key, 0o600)
        root = case_patient(checks, work, key)
        case_refused(checks, work, key, root)
        case_table(checks, work, key, root)
        case_warnings(checks, work, key, root)
    return checks.finish()


sys.exit(main())
