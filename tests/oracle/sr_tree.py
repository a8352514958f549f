"""Measurement reports by TID 1500 read and made with pydicom alone: a walk over the content tree as
PS3.3 C.17.3 and PS3.16 describe it, and a builder of small reports for tests of what is refused."""
import shutil
import subprocess

import numpy
import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

LONG, SHORT, VOLUME = ("103339001", "SCT"), ("103340004", "SCT"), ("118565006", "SCT")
GROUP, LIBRARY = "125007", "111028"
COMPREHENSIVE, ENHANCED = "1.2.840.10008.5.1.4.1.1.88.33", "1.2.840.10008.5.1.4.1.1.88.22"
CT = "1.2.840.10008.5.1.4.1.1.2"


# ---- reading --------------------------------------------------------------------------------------


def code(item, keyword):
    sequence = item.get(keyword)
    return (sequence[0].CodeValue, sequence[0].CodingSchemeDesignator) if sequence else None


def name(item):
    return code(item, "ConceptNameCodeSequence")


def children(item, relation=None, kind=None):
    return [c for c in item.get("ContentSequence", [])
            if (relation is None or c.RelationshipType == relation) and (kind is None or c.ValueType == kind)]


def walk(item):
    yield item
    for child in item.get("ContentSequence", []):
        yield from walk(child)


def groups(document):
    return [i for i in walk(document) if i.ValueType == "CONTAINER" and name(i) and name(i)[0] == GROUP]


def value_of(group, concept, keyword):
    """Text of the group's only item of that name; None where there is none."""
    found = [c for c in children(group) if name(c) and name(c)[0] == concept]
    assert len(found) <= 1, f"{len(found)} items {concept}"
    return str(found[0].get(keyword)) if found else None


def numbers(group):
    """(code, value, unit) of each NUM, in the order of the group; a double beside the decimal string
    is the more precise of the two (PS3.3 C.18.1)."""
    values = [(name(c), c.MeasuredValueSequence[0]) for c in children(group, kind="NUM")]
    return [(concept, float(v.get("FloatingPointValue", v.NumericValue)), code(v, "MeasurementUnitsCodeSequence"))
            for concept, v in values]


def number(group, concept):
    found = [c for c in children(group, kind="NUM") if name(c) == concept]
    assert len(found) == 1, f"{len(found)} measurements {concept}"
    return found[0]


def points(region, width=2):
    return numpy.array(region.GraphicData, dtype=float).reshape(-1, width)


def image_of(region):
    found = children(region, "SELECTED FROM", "IMAGE")
    assert len(found) == 1, f"selected from {len(found)} images"
    return found[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID


def to_world(image, at):
    """LPS mm of (column, row) counted from the corner of the image, whose first pixel's centre is
    ImagePositionPatient (PS3.3 C.7.6.2.1.1)."""
    across = numpy.array(image.ImageOrientationPatient[:3], dtype=float)
    down = numpy.array(image.ImageOrientationPatient[3:], dtype=float)
    spacing = [float(s) for s in image.PixelSpacing]  # between rows, between columns
    at = numpy.asarray(at) - 0.5
    return (numpy.array(image.ImagePositionPatient, dtype=float)
            + at[:, :1] * spacing[1] * across + at[:, 1:] * spacing[0] * down)


def filled(outlines, rows, columns):
    """Pixels whose centres lie inside an odd number of the closed polylines."""
    x, y = numpy.meshgrid(numpy.arange(columns) + 0.5, numpy.arange(rows) + 0.5)
    inside = numpy.zeros((rows, columns), dtype=bool)
    for outline in outlines:
        for (x0, y0), (x1, y1) in zip(outline[:-1], outline[1:]):
            if y0 == y1:
                continue
            crosses = (numpy.minimum(y0, y1) <= y) & (y < numpy.maximum(y0, y1))
            inside ^= crosses & (x < x0 + (y - y0) * (x1 - x0) / (y1 - y0))
    return inside


def references(document):
    """SOP instances that the content refers to."""
    return {r.ReferencedSOPInstanceUID for i in walk(document) for r in i.get("ReferencedSOPSequence", [])}


def evidence(document, keyword):
    """Study -> series -> SOP instances."""
    return {study.StudyInstanceUID: {series.SeriesInstanceUID: {s.ReferencedSOPInstanceUID
                                                                for s in series.ReferencedSOPSequence}
                                     for series in study.ReferencedSeriesSequence}
            for study in document.get(keyword, [])}


def judged(path):
    """What dciodvfy of dicom3tools, and dsrdump of DCMTK, which checks relationships and value types, say of a report: tool,
    complaints, all output. A tool that is absent is told and left out."""
    for tool in ("dciodvfy", "dsrdump"):
        if not shutil.which(tool):
            print(f"{tool} is absent: not asked")
            continue
        done = subprocess.run([tool, str(path)], capture_output=True, text=True, errors="replace")
        said = done.stdout + done.stderr
        bad = [line for line in said.splitlines() if line.startswith(("Error", "E:")) or "invalid" in line.lower()]
        yield tool, bad or ([said[-300:]] if done.returncode else []), said


# ---- building -------------------------------------------------------------------------------------


def coded(value, scheme="DCM", meaning="meaning"):
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def content(relation, kind, concept=None, **attributes):
    item = Dataset()
    item.RelationshipType, item.ValueType = relation, kind
    if concept:
        item.ConceptNameCodeSequence = Sequence([coded(*concept)])
    for key, value in attributes.items():
        setattr(item, key, value)
    return item


def container(concept, *items, relation="CONTAINS"):
    return content(relation, "CONTAINER", concept, ContinuityOfContent="SEPARATE", ContentSequence=Sequence(items))


def measured(concept, value, unit, scheme="UCUM"):
    amount = Dataset()
    amount.NumericValue = value
    amount.MeasurementUnitsCodeSequence = Sequence([coded(unit, scheme, unit)])
    return content("CONTAINS", "NUM", (*concept, concept[0]), MeasuredValueSequence=Sequence([amount]))


def group(identifier="T1", uid="1.2.3.4", long=30.0, short=20.0, volume=14.0, unit="mm", image=None, more=()):
    """A measurement group; what is None is left out."""
    items = [content("HAS OBS CONTEXT", "TEXT", ("112039", "DCM", "Tracking Identifier"), TextValue=identifier)
             if identifier else None,
             content("HAS OBS CONTEXT", "UIDREF", ("112040", "DCM", "Tracking Unique Identifier"), UID=uid)
             if uid else None,
             measured(LONG, long, unit) if long is not None else None,
             measured(SHORT, short, unit) if short is not None else None,
             measured(VOLUME, volume, "cm3") if volume is not None else None]
    if image:
        reference = Dataset()
        reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = CT, image
        items.append(content("CONTAINS", "IMAGE", ReferencedSOPSequence=Sequence([reference])))
    return container((GROUP, "DCM", "Measurement Group"), *[i for i in items if i], *more)


def library(date, image):
    reference = Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = CT, image
    return container((LIBRARY, "DCM", "Image Library"), container(
        ("126200", "DCM", "Image Library Group"),
        content("HAS ACQ CONTEXT", "DATE", ("126201", "DCM", "Acquisition Date"), Date=date),
        content("CONTAINS", "IMAGE", ReferencedSOPSequence=Sequence([reference]))))


def report(path, *items, date="20240105", patient="ID-1", name="Doe^Jane", title="126000", sop_class=ENHANCED, more=()):
    """Writes a report whose measurements are the groups given; more: items of the root."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = sop_class, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    d = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
    d.is_little_endian, d.is_implicit_VR = True, False
    d.SOPClassUID, d.SOPInstanceUID = sop_class, meta.MediaStorageSOPInstanceUID
    d.Modality, d.PatientID, d.PatientName = "SR", patient, name
    d.StudyInstanceUID, d.SeriesInstanceUID = generate_uid(), generate_uid()
    d.StudyDate, d.ContentDate, d.ContentTime = date, date or "20240101", "120000"
    d.ValueType, d.ContinuityOfContent = "CONTAINER", "SEPARATE"
    d.ConceptNameCodeSequence = Sequence([coded(title, "DCM", "Imaging Measurement Report")])
    measurements = container(("126010", "DCM", "Imaging Measurements"), *items)
    d.ContentSequence = Sequence([*more, measurements])
    d.save_as(path, write_like_original=False)
    return path


def read(path):
    return pydicom.dcmread(path)
