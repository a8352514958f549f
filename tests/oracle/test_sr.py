"""Structured reports of measurements against pydicom: what assess writes, item by item, on the very
pixels of its images and by dciodvfy and dsrdump; reports of dcmqi and highdicom as info reads them; and
the nadir of an earlier report in the next assessment and in the response over all visits."""
import glob
import json
import os
import pathlib
import subprocess
import sys
import tempfile

try:
    import nibabel
    import numpy
    import pydicom
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

    import sr_tree as tree
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

REPRISE = os.environ["REPRISE"]
DATA = os.environ.get("REPRISE_TEST_DATA", "")
SIZE, SPACING = (12, 40, 44), (3.0, 2.0, 1.5)  # z, y, x: rows and columns differ
ID = "ID-7741-Z"
CONFIG = """
network: {first_filters: 8, growth: 4, down_layers: [1, 1], bottleneck_layers: 1, dropout: 0.1}
preprocessing: {spacing_mm: [1.5, 2.0, 3.0]}
adapt: {epochs: 60, copies: 2, crop: [24, 24, 8], learning_rate: 0.01, checkpoint_seconds: 0, seed: 5}
guard: {trials: 0}
"""
# What PS3.16 calls the responses of a target lesion, and NCI what cannot be evaluated.
RESPONSES = {"CR": ("112041", "DCM"), "PR": ("112042", "DCM"), "PD": ("112043", "DCM"), "SD": ("112044", "DCM"),
             "NE": ("C62222", "NCIt")}
checks = failures = 0


def check(what, good, detail=""):
    global checks, failures
    checks += 1
    failures += not good
    if not good:
        print(f"FAIL {what}: {detail}", flush=True)


# ---- material -------------------------------------------------------------------------------------


def axes():
    """Columns of the direction matrix: along a row, down a column, from slice to slice."""
    a, b = numpy.radians(15), numpy.radians(-25)
    about_z = numpy.array([[numpy.cos(a), -numpy.sin(a), 0], [numpy.sin(a), numpy.cos(a), 0], [0, 0, 1]])
    about_x = numpy.array([[1, 0, 0], [0, numpy.cos(b), -numpy.sin(b)], [0, numpy.sin(b), numpy.cos(b)]])
    return about_z @ about_x


def patient(radius_mm, seed):
    z, y, x = numpy.meshgrid(*[numpy.arange(n) * s for n, s in zip(SIZE, SPACING)], indexing="ij")
    lesion = ((x - 33) / 1.3) ** 2 + (y - 41) ** 2 + (z - 17) ** 2 < radius_mm**2
    hu = numpy.where(lesion, 120.0, 20.0) + numpy.random.default_rng(seed).normal(0, 8, SIZE)
    return numpy.rint(hu).astype(numpy.int16), lesion


def write_series(folder, voxels, date, description="Synthetic patient of a test"):
    folder.mkdir()
    study, series, frame = generate_uid(), generate_uid(), generate_uid()
    direction = axes()
    for k in range(SIZE[0]):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, generate_uid()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        d = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
        d.is_little_endian, d.is_implicit_VR = True, False
        d.SOPClassUID, d.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
        d.PatientName, d.PatientID, d.PatientBirthDate, d.PatientSex = "Doe^Unmistakable", ID, "19610203", "O"
        d.StudyInstanceUID, d.SeriesInstanceUID, d.FrameOfReferenceUID = study, series, frame
        d.Modality, d.StudyDate, d.SeriesDate, d.AcquisitionDate = "CT", date, date, date
        d.StudyTime, d.AccessionNumber, d.ReferringPhysicianName, d.StudyID = "120000", "", "", "1"
        d.SeriesNumber, d.InstanceNumber, d.SeriesDescription = 1, SIZE[0] - k, description
        d.ImagePositionPatient = [f"{v:.6f}" for v in numpy.array([-50.0, 12.0, -300.0]) + direction[:, 2] * SPACING[0] * k]
        d.ImageOrientationPatient = [f"{v:.10f}" for v in (*direction[:, 0], *direction[:, 1])]
        d.PixelSpacing, d.SliceThickness = [SPACING[1], SPACING[2]], SPACING[0]
        d.Rows, d.Columns, d.SamplesPerPixel, d.PhotometricInterpretation = *SIZE[1:], 1, "MONOCHROME2"
        d.BitsAllocated, d.BitsStored, d.HighBit, d.PixelRepresentation = 16, 16, 15, 1
        d.RescaleSlope, d.RescaleIntercept = 1, 0
        d.PixelData = voxels[k].astype("<i2").tobytes()
        d.save_as(folder / f"{(7 * k) % SIZE[0]:03d}.dcm", write_like_original=False)
    return folder


def write_mask(path, voxels):
    affine = numpy.eye(4)
    affine[:3, :3] = axes() * numpy.array([SPACING[2], SPACING[1], SPACING[0]])
    affine[:3, 3] = [-50.0, 12.0, -300.0]
    flip = numpy.diag([-1, -1, 1, 1])  # LPS in RAS
    nibabel.save(nibabel.Nifti1Image(voxels.transpose(2, 1, 0).astype(numpy.uint8), flip @ affine), path)
    return path


def images_of(folder):
    return {d.SOPInstanceUID: d for d in (pydicom.dcmread(p) for p in sorted(folder.iterdir()))}


class Case:
    def __init__(self, root):
        self.root, self.config = root, root / "tiny.yaml"
        self.config.write_text(CONFIG)
        voxels, self.lesion = patient(13.0, 1)
        self.baseline = write_series(root / "baseline", voxels, "20240105")
        self.contour = write_mask(root / "contour.nii.gz", self.lesion)
        self.first = write_series(root / "first", patient(8.0, 2)[0], "20240315")
        self.second = write_series(root / "second", patient(11.0, 3)[0], "20240601")

    def assess(self, followup, out, *more):
        done = subprocess.run([REPRISE, "assess", "--baseline", self.baseline, "--contour", self.contour,
                               "--followup", followup, "--config", self.config, "--out", self.root / out, *more],
                              capture_output=True, text=True, timeout=300)
        check(f"assess {out} succeeds", done.returncode == 0, done.stderr)
        return json.loads((self.root / out / "result.json").read_text())


# ---- what assess writes ---------------------------------------------------------------------------


def check_axis(group, concept, images, visit, key, ends_key):
    item = tree.number(group, concept)
    value = float(item.MeasuredValueSequence[0].NumericValue)
    unit = tree.code(item.MeasuredValueSequence[0], "MeasurementUnitsCodeSequence")
    check(f"{key} in mm", unit == ("mm", "UCUM"), unit)
    check(f"{key} as in result.json", abs(value - visit[key]) < 1e-9 * value, (value, visit[key]))
    line, = tree.children(item, "INFERRED FROM", "SCOORD")
    check(f"{key} is a line of two points", line.GraphicType == "POLYLINE" and tree.points(line).shape == (2, 2),
          line.GraphicType)
    check(f"{key} is on the measured slice", tree.image_of(line) == visit["sop_instance_uid"])
    ends = tree.to_world(images[tree.image_of(line)], tree.points(line))
    apart = numpy.abs(ends - numpy.array(visit[ends_key])).max()
    check(f"{key} ends where it was measured", apart < 1e-3, apart)
    length = numpy.linalg.norm(ends[0] - ends[1])
    check(f"{key} is as long as it says", abs(length - value) < 1e-3, (length, value))


def check_outlines(group, images, lesion):
    """The image regions, filled here, are the voxels that were measured; lesion: by SOP instance."""
    outlines = {}
    for region in tree.children(group, "CONTAINS", "SCOORD"):
        check("region is an Image Region", tree.name(region) == ("111030", "DCM"), tree.name(region))
        at = tree.points(region)
        check("outline is closed", (at[0] == at[-1]).all())
        outlines.setdefault(tree.image_of(region), []).append(at)
    differing = sum((tree.filled(outlines.get(uid, []), *SIZE[1:]) != plane).sum() for uid, plane in lesion.items())
    check("outlines enclose the voxels measured", differing == 0, f"{differing} voxels differ")
    check("outlines are of the series", set(outlines) <= set(images))


def planes(images, voxels):
    """Voxels [z][y][x] on the case's grid by SOP instance, sorted along the normal."""
    normal = axes()[:, 2]
    along = sorted(images, key=lambda uid: numpy.dot(numpy.array(images[uid].ImagePositionPatient, dtype=float), normal))
    return dict(zip(along, voxels))


def check_extent(group, images, lesion, seg):
    """Either the segment of the SEG beside the report, or outlines."""
    if not seg:
        return check_outlines(group, images, planes(images, lesion))
    item, = tree.children(group, "CONTAINS", "IMAGE")
    reference = item.ReferencedSOPSequence[0]
    check("the segment", tree.name(item) == ("121191", "DCM") and int(reference.ReferencedSegmentNumber) == 1
          and reference.ReferencedSOPInstanceUID == seg.SOPInstanceUID
          and reference.ReferencedSOPClassUID == seg.SOPClassUID)
    check("no outlines beside the segment", not tree.children(group, "CONTAINS", "SCOORD"))


def check_group(group, images, visit, lesion, series, seg=None):
    check_axis(group, tree.LONG, images, visit, "longest_diameter_mm", "endpoints_lps")
    check_axis(group, tree.SHORT, images, visit, "short_axis_mm", "short_axis_endpoints_lps")
    volume = tree.number(group, tree.VOLUME).MeasuredValueSequence[0]
    check("volume in cm3", tree.code(volume, "MeasurementUnitsCodeSequence") == ("cm3", "UCUM"))
    counted = lesion.sum() * SPACING[0] * SPACING[1] * SPACING[2] / 1000
    check("volume as counted here", abs(float(volume.NumericValue) - counted) < 1e-7 * counted, (volume.NumericValue, counted))
    check_extent(group, images, lesion, seg)
    check("source series", tree.value_of(group, "121232", "UID") == series)
    method, = [tree.code(c, "ConceptCodeSequence") for c in tree.children(group, "HAS CONCEPT MOD", "CODE")]
    check("measured for RECIST 1.1", method == ("126081", "DCM"), method)
    check("algorithm is named", tree.value_of(group, "111001", "TextValue") == "Reprise")
    check("algorithm has a version", tree.value_of(group, "111003", "TextValue"))


def check_response(document, result):
    item, = [i for i in tree.walk(document) if i.ValueType == "CODE" and tree.name(i) == ("112048", "DCM")]
    check("response as in result.json", tree.code(item, "ConceptCodeSequence") == RESPONSES[result["response"]],
          (tree.code(item, "ConceptCodeSequence"), result["response"]))
    by, = tree.children(item, "HAS CONCEPT MOD", "CODE")
    check("response is by RECIST 1.1", tree.name(by) == ("112021", "DCM")
          and tree.code(by, "ConceptCodeSequence") == ("126081", "DCM"))
    change, = tree.children(item, "HAS PROPERTIES", "NUM")
    check("change as in result.json", abs(float(change.MeasuredValueSequence[0].NumericValue)
                                          - result["change_percent"]) < 1e-9)
    rule, = tree.children(item, "HAS PROPERTIES", "TEXT")
    check("rule as in result.json", rule.TextValue == result["rule"], rule.TextValue)


def segmentation(folder):
    """The SEG beside the report, if there is one."""
    path = folder / "followup_seg.dcm"
    return pydicom.dcmread(path, stop_before_pixels=True) if path.exists() else None


def check_references(document, case, followup, seg):
    before, after = images_of(case.baseline), images_of(followup)
    first, last = next(iter(before.values())), next(iter(after.values()))
    made = {seg.SeriesInstanceUID: {seg.SOPInstanceUID}} if seg else {}
    check("own study's evidence", tree.evidence(document, "CurrentRequestedProcedureEvidenceSequence")
          == {last.StudyInstanceUID: {last.SeriesInstanceUID: set(after), **made}})
    check("other evidence", tree.evidence(document, "PertinentOtherEvidenceSequence")
          == {first.StudyInstanceUID: {first.SeriesInstanceUID: set(before)}})
    check("content refers to both series", tree.references(document)
          == set(before) | set(after) | {uid for uids in made.values() for uid in uids})
    check("patient and study", (document.PatientID, document.StudyInstanceUID, document.StudyDate)
          == (ID, last.StudyInstanceUID, last.StudyDate))
    dates = [i.Date for i in tree.walk(document) if i.ValueType == "DATE" and tree.name(i) == ("126201", "DCM")]
    check("days of the images", dates == [last.AcquisitionDate, first.AcquisitionDate], dates)


def check_by_tools(path):
    for tool, complaints, said in tree.judged(path):
        check(f"{tool} finds no error", not complaints, complaints)
        if tool == "dsrdump":
            check("dsrdump shows the measurements", said.count("Long Axis") >= 1, said[-300:])


def written(case):
    result = case.assess(case.first, "a")
    path = case.root / "a" / "measurements_sr.dcm"
    document = tree.read(path)
    check_by_tools(path)
    check("Comprehensive SR", document.SOPClassUID == tree.COMPREHENSIVE == document.file_meta.MediaStorageSOPClassUID)
    check("template 1500", tree.name(document) == ("126000", "DCM")
          and document.ContentTemplateSequence[0].TemplateIdentifier == "1500")
    groups = tree.groups(document)
    check("a group for each visit", [tree.value_of(g, "C2348792", "TextValue") for g in groups]
          == ["baseline", "follow-up"])
    check("template 1411", all(g.ContentTemplateSequence[0].TemplateIdentifier == "1411" for g in groups))
    check("one lesion", len({tree.value_of(g, "112040", "UID") for g in groups}) == 1)
    found = numpy.asarray(nibabel.load(case.root / "a" / "followup_mask.nii.gz").dataobj).transpose(2, 1, 0) > 0
    seg = segmentation(case.root / "a")
    for group, folder, key, lesion, of in zip(groups, (case.baseline, case.first), ("baseline", "followup"),
                                              (case.lesion, found), (None, seg)):
        images = images_of(folder)
        check_group(group, images, result[key], lesion, next(iter(images.values())).SeriesInstanceUID, of)
    model = [c.TextValue for c in tree.children(groups[1]) if tree.name(c) == ("111002", "DCM")]
    check("the model's hash", any(result["provenance"]["model_sha256"] in text for text in model), model)
    check_response(document, result)
    check_references(document, case, case.first, seg)
    check("made material is labelled", result["label"] == "synthetic"
          and "synthetic" in document.SeriesDescription
          and any("synthetic" in str(i.get("TextValue", "")) for i in tree.children(document, "CONTAINS", "TEXT")))
    case.assess(case.first, "b")
    check("same input, same file", path.read_bytes() == (case.root / "b" / "measurements_sr.dcm").read_bytes())
    case.assess(case.first, "undated", "--no-dates")
    undated = tree.read(case.root / "undated" / "measurements_sr.dcm")
    check("no dates in the content", not [i for i in tree.walk(undated) if i.ValueType == "DATE"])


# ---- over the visits ------------------------------------------------------------------------------


def rule_of_recist(baseline, nadir, value):
    """The guideline's thresholds for a target that is neither gone nor new."""
    if value - nadir >= 5 and value >= 1.2 * nadir:
        return "PD"
    return "PR" if value <= 0.7 * baseline else "SD"


def chained(case):
    earlier = case.root / "a" / "measurements_sr.dcm"
    first = json.loads((case.root / "a" / "result.json").read_text())
    alone, result = case.assess(case.second, "alone"), case.assess(case.second, "chained", "--prior-sr", earlier)
    values = [v["longest_diameter_mm"] for v in (result["baseline"], first["followup"], result["followup"])]
    check("the lesion shrank, then grew", values[1] < values[2] < values[0], values)
    check("without reports the baseline is the nadir",
          alone["response"] == rule_of_recist(values[0], values[0], values[2]), (alone["response"], values))
    check("the nadir is the first follow-up's", abs(result["prior"]["nadir_mm"] - values[1]) < 1e-9
          and result["prior"]["nadir_date"] == "2024-03-15", result["prior"])
    check("the response is against it", result["response"] == rule_of_recist(*values) != alone["response"],
          (result["response"], alone["response"], values))
    later = case.root / "chained" / "measurements_sr.dcm"
    check("the lesion keeps its UID", len({tree.value_of(g, "112040", "UID") for path in (earlier, later)
                                          for g in tree.groups(tree.read(path))}) == 1)
    done = subprocess.run([REPRISE, "respond", "--sr", later, "--sr", earlier, "--subject", "P7", "--json"],
                          capture_output=True, text=True)
    check("respond reads both reports", done.returncode == 0, done.stderr)
    over = json.loads(done.stdout)
    check("visits in order of time", [v["date"] for v in over["visits"]] == ["2024-01-05", "2024-03-15", "2024-06-01"])
    sums = [v["sum_mm"] for v in over["visits"]]
    check("sums are the diameters", numpy.allclose(sums, values, rtol=1e-9), (sums, values))
    check("the same response", over["visits"][2]["overall"] == result["response"], over["visits"][2])
    check("patient and label", (over["patient"], over["label"]) == ("P7", "synthetic"))
    check("no patient is told", "Unmistakable" not in done.stdout + done.stderr and ID not in done.stdout + done.stderr)


# ---- reports of others ----------------------------------------------------------------------------


def told(path):
    done = subprocess.run([REPRISE, "info", path, "--json", "--identifiers"], capture_output=True, text=True)
    check(f"info reads {os.path.basename(path)}", done.returncode == 0, done.stderr)
    return json.loads(done.stdout)


def as_code(item):
    return (item["code"], item["scheme"]) if item else None


FACTORS = {"mm": ("value_mm", 1), "cm": ("value_mm", 10), "ml": ("value_cc", 1), "cm3": ("value_cc", 1),
           "mm3": ("value_cc", 0.001)}


def check_numbers(group, shown):
    mine = tree.numbers(group)
    check("as many measurements", len(mine) == len(shown["measurements"]), (len(mine), shown["measurements"]))
    for (name, value, unit), other in zip(mine, shown["measurements"]):
        check("name and unit", (name, unit) == (as_code(other["name"]), as_code(other["unit"])))
        check("stored value", other["stored"] == value, (other["stored"], value))
        key, factor = FACTORS.get(unit[0], ("value", 1))
        check(f"{unit[0]} converted", abs(other[key] - value * factor) <= 1e-12 * abs(value), other)


def check_regions(group, shown):
    mine = [c for c in tree.children(group) if c.ValueType in ("SCOORD", "SCOORD3D")]
    others = shown.get("regions", [])
    check("as many regions", len(mine) == len(others))
    for region, other in zip(mine, others):
        space = region.ValueType == "SCOORD3D"
        at = numpy.array(other["points_lps" if space else "points_column_row"])
        check("region's type and points", region.GraphicType == other["type"]
              and (at == tree.points(region, 3 if space else 2)).all(), other)
        if not space:
            check("region's image", tree.image_of(region) == other["image"]["sop_instance_uid"])


def check_report(path):
    document, shown = tree.read(path), told(path)
    groups = tree.groups(document)
    check("as many groups", len(groups) == len(shown["groups"]) > 0, len(groups))
    for group, other in zip(groups, shown["groups"]):
        check("tracking", (tree.value_of(group, "112039", "TextValue"), tree.value_of(group, "112040", "UID"))
              == (other["tracking_identifier"], other["tracking_uid"]))
        for key, concepts in (("finding", {"121071"}), ("site", {"363698007", "G-C0E3"})):
            mine = [tree.code(c, "ConceptCodeSequence") for c in tree.children(group, kind="CODE")
                    if tree.name(c)[0] in concepts]
            check(key, mine == ([as_code(other[key])] if key in other else []), (mine, other.get(key)))
        images = [c.ReferencedSOPSequence[0] for c in tree.children(group)
                  if c.ValueType in ("IMAGE", "COMPOSITE")]
        check("images", [i.ReferencedSOPInstanceUID for i in images]
              == [i["sop_instance_uid"] for i in other["images"]])
        check("segments", [int(i.get("ReferencedSegmentNumber", 0)) for i in images]
              == [i.get("segment", 0) for i in other["images"]])
        check_numbers(group, other)
        check_regions(group, other)
    return shown


def of_others():
    paths = sorted(glob.glob(os.path.join(DATA, "seg_sr", "dcmqi_data", "sr-example", "sr.dcm"))
                   + glob.glob(os.path.join(DATA, "seg_sr", "highdicom_tests", "test_files", "sr_document*.dcm")))
    if not paths:
        print("REPRISE_TEST_DATA has no reports: only those of our own were read")
        return
    check("three reports of others", len(paths) == 3, paths)
    for path in paths:
        shown = check_report(path)
        if "dcmqi" in path:
            check("day of the images, not of the reading", shown["groups"][0]["date"] == "19860311", shown["groups"])


def main():
    with tempfile.TemporaryDirectory() as folder:
        case = Case(pathlib.Path(folder))
        written(case)
        chained(case)
        check_report(str(case.root / "a" / "measurements_sr.dcm"))
    of_others()
    print(f"{checks} comparisons, {failures} failed")
    sys.exit(failures > 0 or checks < 150)


main()
