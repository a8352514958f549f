"""reprise anonymize against pydicom, on the real data: what is gone, what stays, what is mapped and how.

Inputs and outputs are matched by what must stay (pixels, positions, contours, numbers of reports), then
walked in parallel, element by element. Nothing of how UIDs or shifts are computed is known here."""
import datetime
import glob
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile

try:
    import pydicom
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

REPRISE = os.environ["REPRISE"]
DATA = os.environ.get("REPRISE_TEST_DATA", "")
KEY = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
SETS = {
    "sts": ["sts"],
    "crlm": ["crlm"],
    "totalseg": ["totalseg/example_ct_dicom"],
    "codecs": ["codecs"],
    "highdicom": ["seg_sr/highdicom_tests/test_files/ct_image.dcm",
                  "seg_sr/highdicom_tests/test_files/dx_image.dcm",
                  "seg_sr/highdicom_tests/test_files/seg_image_ct_*.dcm",
                  "seg_sr/highdicom_tests/test_files/sr_document*.dcm"],
    "dcmqi": ["seg_sr/dcmqi_data/segmentations/ct-3slice", "seg_sr/dcmqi_data/segmentations/liver.dcm",
              "seg_sr/dcmqi_data/segmentations/partial_overlaps.dcm", "seg_sr/dcmqi_data/sr-example",
              "seg_sr/dcmqi_data/paramaps"],
}
STANDARD = "1.2.840.10008."
CLASSES = {"SOPClassUID", "ReferencedSOPClassUID", "CodingSchemeUID", "ContextUID", "MappingResourceUID",
           "MediaStorageSOPClassUID", "TransferSyntaxUID", "ImplementationClassUID",
           "RelatedGeneralSOPClassUID"}
# Some of each kind of Table E.1-1, read there by a person.
GONE = """InstitutionAddress ReferringPhysicianAddress StudyDescription SeriesDescription PerformingPhysicianName
PhysiciansOfRecord NameOfPhysiciansReadingStudy AdmittingDiagnosesDescription DerivationDescription OtherPatientIDs
OtherPatientIDsSequence OtherPatientNames PatientAge PatientSize PatientWeight PatientAddress EthnicGroup Occupation
AdditionalPatientHistory PatientComments ImageComments RequestAttributesSequence PerformedProcedureStepDescription
PerformedProcedureStepID RequestedProcedureID IssuerOfPatientID StructureSetName StructureSetDescription
ROIDescription ReasonForStudy RequestingPhysician StudyComments GantryID DeviceDescription IconImageSequence
OriginalAttributesSequence DigitalSignaturesSequence ModifiedAttributesSequence StationAETitle
AcquisitionProtocolDescription FrameComments PatientBirthTime MilitaryRank SmokingStatus PregnancyStatus""".split()
EMPTY = """AccessionNumber ReferringPhysicianName PatientBirthDate PatientSex StudyID InstitutionName StationName
OperatorsName ContentCreatorName ROIInterpreter""".split()
failures = 0


def check(what, good, detail=""):
    global failures
    print(f"{'ok  ' if good else 'FAIL'} {what}" + ("" if good else f": {detail}"), flush=True)
    failures += not good


def inputs(patterns):
    """Real files of a set; nothing but DICOM with the preamble or a readable data set."""
    found = []
    for pattern in patterns:
        for path in sorted(glob.glob(os.path.join(DATA, pattern))):
            below = [os.path.join(w, n) for w, _, names in os.walk(path) for n in names]
            found += sorted(below) if os.path.isdir(path) else [path]
    return [path for path in found if is_dicom(path)]


def is_dicom(path):
    with open(path, "rb") as file:
        head = file.read(132)
    return head[128:] == b"DICM"


def walk(ds, at=()):
    """Every element with the way to it; items of sequences by their number."""
    for element in ds:
        yield at + (element.tag,), element
        if element.VR == "SQ":
            for i, item in enumerate(element.value):
                yield from walk(item, at + (element.tag, i))


def values(element):
    value = element.value
    if value is None or value == "":
        return []
    return [str(v) for v in value] if element.VM > 1 else [str(value)]


def signature(ds):
    """What identifies an object and may not change."""
    parts = [str(ds.file_meta.MediaStorageSOPClassUID), str(ds.get("Rows")), str(ds.get("ImagePositionPatient")),
             str(ds.get("InstanceNumber"))]
    if "PixelData" in ds:
        even = ds.PixelData + b"\0" * (len(ds.PixelData) % 2)  # as DICOM demands of every value
        parts.append(hashlib.sha256(even).hexdigest())
    for _, element in walk(ds):
        if element.keyword in ("ContourData", "NumericValue", "FrameTime", "DimensionIndexValues"):
            parts.append(str(element.value))
    return "\n".join(parts)


def anonymize(paths, out, key, *more):
    return subprocess.run([REPRISE, "anonymize", *paths, "--out", out, "--key", key, *more], timeout=600,
                          capture_output=True, text=True, check=False)


def outputs(folder):
    return sorted(os.path.join(w, n) for w, _, names in os.walk(folder) for n in names)


def texts(ds):
    """Names and numbers of persons and places in an input."""
    found = set()
    for _, element in walk(ds):
        name, vr = element.keyword, element.VR
        if vr == "PN":
            found |= {w for v in values(element) for w in re.split(r"[\^=, ]+", v) if len(w) > 3}
        elif name in ("PatientID", "AccessionNumber", "InstitutionName", "InstitutionAddress",
                      "StationName", "DeviceSerialNumber", "OtherPatientIDs", "IssuerOfPatientID", "PatientComments"):
            found |= {v for v in values(element) if len(v) > 3}
    return found


def marks(ds):
    """UIDs and dates of an input."""
    found = set()
    for _, element in walk(ds):
        vr = element.VR
        if vr == "UI" and element.keyword not in CLASSES:
            found |= {v for v in values(element) if not v.startswith(STANDARD) and len(v) > 8}
        elif vr == "DA":
            found |= {v for v in values(element) if len(v) == 8}
        elif vr == "DT":
            found |= {v[:8] for v in values(element) if len(v) >= 8}
    return found


def day(text):
    return datetime.date(int(text[:4]), int(text[4:6]), int(text[6:8]))


class Pair:
    """An input and its output."""

    def __init__(self, before, after, path):
        self.before, self.after, self.path = before, after, path
        self.old = dict(walk(before))
        self.new = dict(walk(after))

    def common(self):
        for where, element in self.new.items():
            if where in self.old:
                yield self.old[where], element


def check_uids(name, pairs):
    forward, wrong = {}, []
    for pair in pairs:
        for old, new in pair.common():
            if new.VR != "UI" or new.keyword in CLASSES:
                continue
            for a, b in zip(values(old), values(new)):
                if forward.setdefault(a, b) != b:
                    wrong.append(f"{old.keyword} of {pair.path}")
                if a.startswith(STANDARD) != (a == b) or len(b) > 64:
                    wrong.append(f"{old.keyword} {a} became {b}")
    check(f"{name}: {len(forward)} UIDs are mapped one to one, everywhere the same",
          not wrong and len(set(forward.values())) == len(forward) > 0, wrong[:5])


def check_dates(name, pairs):
    shifts, wrong, count = {}, [], 0
    for pair in pairs:
        patient = str(pair.after.PatientID)
        for old, new in pair.common():
            if new.VR not in ("DA", "DT", "TM") or new.keyword == "PatientBirthDate":
                continue
            for a, b in zip(values(old), values(new)):
                count += 1
                a, b = a.replace(".", "") if new.VR == "DA" else a, b
                if new.VR == "TM":
                    wrong += [f"{new.keyword} changed"] if a != b else []
                    continue
                moved = (day(b) - day(a)).days
                if moved == 0 or shifts.setdefault(patient, moved) != moved or a[8:] != b[8:]:
                    wrong.append(f"{new.keyword} {a} became {b}")
            if len(values(old)) != len(values(new)):
                wrong.append(f"{new.keyword} of {pair.path}: {values(old)} became {values(new)}")
    check(f"{name}: {count} dates and times, shifted by one number of days for each of {len(shifts)} patients",
          not wrong and count > 0, wrong[:5])
    return shifts


def check_profile(name, pairs):
    wrong = []
    for pair in pairs:
        ds = pair.after
        for where, element in pair.new.items():
            tag = where[-1]
            if tag.is_private or tag.group & 0xFF00 in (0x5000, 0x6000) or element.keyword in GONE:
                wrong.append(f"{pair.path}: {tag} {element.keyword} is still there")
            if element.keyword in EMPTY and values(element):
                wrong.append(f"{pair.path}: {element.keyword} is not empty")
        methods = [item.CodeValue for item in ds.DeidentificationMethodCodeSequence]
        if ds.PatientIdentityRemoved != "YES" or not {"113100", "113104", "113107"} <= set(methods):
            wrong.append(f"{pair.path}: does not say what was done")
        if ds.LongitudinalTemporalInformationModified != "MODIFIED":
            wrong.append(f"{pair.path}: does not say that dates moved")
        if str(ds.PatientName) != str(ds.PatientID) or not str(ds.PatientID):
            wrong.append(f"{pair.path}: name and ID are not the pseudonym")
        if ds.file_meta.MediaStorageSOPInstanceUID != ds.SOPInstanceUID or ds.preamble.strip(b"\0"):
            wrong.append(f"{pair.path}: meta header")
        if ds.file_meta.TransferSyntaxUID != pair.before.file_meta.TransferSyntaxUID:
            wrong.append(f"{pair.path}: was encoded anew")
    check(f"{name}: attributes are as Table E.1-1 has them", not wrong, wrong[:5])


def content_of(path):
    with open(path, "rb") as file:
        return file.read() + path.encode()


def check_bytes(name, pairs, files):
    """UIDs and dates of any input in no output, texts of an input not as a word of its output."""
    hidden = set().union(*(marks(pair.before) for pair in pairs))
    wrong, count = [], len(hidden)
    for path in files:
        content = content_of(path)
        wrong += [f"{text!r} in {path[-80:]}" for text in hidden if text.encode() in content]
    for pair in pairs:
        content, words = content_of(pair.after.filename), texts(pair.before)
        count += len(words)
        wrong += [f"{text!r} of {pair.path}" for text in words
                  if re.search(rb"(?i)(?<![a-z0-9])" + re.escape(text.encode()) + rb"(?![a-z0-9])", content)]
    check(f"{name}: none of {count} identifiers in the bytes or names of {len(files)} files",
          count and not wrong, wrong[:5])


def iod_errors(path):
    """dciodvfy's errors without the values that they quote."""
    done = subprocess.run(["dciodvfy", path], capture_output=True, text=True, errors="replace", check=False)
    lines = [line for line in done.stderr.splitlines() if line.startswith("Error")]
    return {re.sub(r"<[^>]*>|0x[0-9a-f]+|[-\d.]+", "", line) for line in lines}


def errors_of_input(pair):
    """Without its class, dciodvfy would not know what to look for."""
    if pair.before.get("SOPClassUID"):
        return iod_errors(pair.path)
    named = pydicom.dcmread(pair.path)
    named.SOPClassUID = named.file_meta.MediaStorageSOPClassUID
    with tempfile.NamedTemporaryFile(suffix=".dcm") as file:
        named.save_as(file.name)
        return iod_errors(file.name)


def check_iods(name, pairs):
    if not shutil.which("dciodvfy"):
        print(f"     {name}: dciodvfy is not installed", flush=True)
        return
    seen, worse = set(), []
    for pair in pairs:
        kind = (pair.before.file_meta.MediaStorageSOPClassUID, str(pair.before.SeriesInstanceUID))
        if kind in seen:
            continue
        seen.add(kind)
        more = iod_errors(pair.after.filename) - errors_of_input(pair)
        worse += [f"{os.path.basename(pair.path)}: {error}" for error in more]
    check(f"{name}: dciodvfy finds no new error in {len(seen)} objects", not worse, worse[:5])


def match(paths, files):
    after = {}
    for path in files:
        ds = pydicom.dcmread(path)
        after.setdefault(signature(ds), []).append(ds)
    pairs, lost = [], []
    for path in paths:
        before = pydicom.dcmread(path)
        same = after.get(signature(before), [])
        if same:
            pairs.append(Pair(before, same.pop(0) if len(same) > 1 else same[0], path))
        else:
            lost.append(path)
    return pairs, lost


def check_set(name, patterns, work, key):
    paths, out = inputs(patterns), os.path.join(work, name)
    if not paths:
        check(f"{name}: has files", False, patterns)
        return
    done = anonymize(paths, out, key)
    check(f"{name}: is anonymized", done.returncode == 0, done.stderr[-500:])
    if done.returncode:
        return
    files = outputs(out)
    pairs, lost = match(paths, files)
    check(f"{name}: {len(paths)} files came out, pixels and numbers as they were",
          not lost and len(files) == len({str(p.before.file_meta.MediaStorageSOPInstanceUID) for p in pairs}), lost[:5])
    check_uids(name, pairs)
    check_dates(name, pairs)
    check_profile(name, pairs)
    check_bytes(name, pairs, files)
    check_iods(name, pairs)
    again = os.path.join(work, name + "-again")
    anonymize(list(reversed(paths)), again, key)
    same = subprocess.run(["diff", "-r", out, again], capture_output=True, check=False)
    check(f"{name}: the same key gives the same bytes", same.returncode == 0, same.stdout[:200])


def main():
    if not os.path.isdir(os.path.join(DATA, "sts")):
        print(f"skipped: no real data in {DATA!r}")
        return 77
    with tempfile.TemporaryDirectory() as work:
        key = os.path.join(work, "key")
        with open(key, "w", encoding="ascii") as file:
            file.write(KEY)
        for name, patterns in SETS.items():
            check_set(name, patterns, work, key)
    print(f"{failures} failures")
    return 1 if failures else 0


sys.exit(main())
