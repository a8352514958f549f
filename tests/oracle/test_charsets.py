"""Names in every character set of DICOM, written by pydicom or byte by byte with Python's codecs, as the program tells them
in UTF-8: ROIs, segments, series, reports; and that what it writes itself is read by pydicom again."""
import json
import os
import subprocess
import sys
import tempfile

try:
    import numpy as np
    import pydicom
    from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

import checks
from checks import require

PROGRAM = os.environ["REPRISE"]
CT, RTSTRUCT = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.481.3"
SIDE, DEPTH = 32, 8

# what is declared, what is read
BY_PYDICOM = (
    ("ISO_IR 100", "Läsion groß"), ("ISO_IR 101", "Źrenica łuk"), ("ISO_IR 109", "Ħażin"), ("ISO_IR 110", "Aknų židinys"),
    ("ISO_IR 144", "Печень"), ("ISO_IR 127", "كبد"), ("ISO_IR 126", "Ήπαρ"), ("ISO_IR 138", "כבד"), ("ISO_IR 148", "Karaciğer"),
    ("ISO_IR 166", "ตับ"), ("ISO_IR 13", "ｶﾝｿﾞｳ"), ("ISO_IR 192", "肝臓 Läsion 間"), ("GB18030", "肝肿瘤㐂"), ("GBK", "左肺腫瘤"),
    (["", "ISO 2022 IR 87"], "GTV 肝臓"), (["", "ISO 2022 IR 159"], "丂丄"), (["", "ISO 2022 IR 149"], "GTV 간암"),
    (["", "ISO 2022 IR 58"], "GTV 肝癌"), (["ISO 2022 IR 13", "ISO 2022 IR 87"], "ｶﾝ肝臓"),
    (["ISO 2022 IR 100", "ISO 2022 IR 144"], "Läsion Печень"), (["", "ISO 2022 IR 100"], "Läsion"),
)
# declared, bytes in the file, what is read, whether a guess is told
BY_HAND = (
    ("ISO_IR 203", "Läsion 5 €".encode("iso8859-15"), "Läsion 5 €", False),
    ("ISO 2022 IR 6\\ISO 2022 IR 87", b"\x1b$B4NB!\x1b(B GTV", "肝臓 GTV", False),
    # a backslash and a caret as halves of characters
    ("GB18030", "誠淺".encode("gb18030"), "誠淺", False),
    ("ISO 2022 IR 6\\ISO 2022 IR 87", "\x1b$B".encode() + "十兵".encode("euc_jp").translate(bytes(i & 127 for i in range(256))) +
     b"\x1b(B", "十兵", False),
    ("ISO_IR 149", "간암".encode("euc_kr"), "간암", False),
    ("ISO-8859-1", "Läsion".encode("latin-1"), "Läsion", False),
    ("utf8", "Läsion".encode(), "Läsion", False),
    ("", "Läsion".encode(), "Läsion", True),
    ("", "Läsion".encode("latin-1"), "Läsion", True),
    ("ISO_IR 6", "Läsion".encode("latin-1"), "Läsion", True),
    ("ISO_IR 192", "Läsion".encode("latin-1"), "Läsion", True),
    ("GB18030", b"GTV \xff\xff!", "GTV \ufffd\ufffd!", True),
    ("NONSENSE", "Läsion".encode("latin-1"), "Läsion", True),
)


def run(*arguments):
    done = subprocess.run([PROGRAM, *arguments], capture_output=True, check=False)
    require(done.returncode == 0, arguments, done.returncode, done.stderr.decode(errors="replace"))
    return done.stdout.decode("utf-8"), done.stderr.decode("utf-8")


def item(**attributes):
    dataset = Dataset()
    for name, value in attributes.items():
        setattr(dataset, name, value)
    return dataset


def new(sop_class, uid, modality, charset):
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = sop_class, uid
    meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    ds = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    ds.is_little_endian, ds.is_implicit_VR = True, False
    if charset:
        ds.SpecificCharacterSet = charset
    ds.SOPClassUID, ds.SOPInstanceUID, ds.Modality = sop_class, uid, modality
    ds.PatientID, ds.PatientName, ds.StudyInstanceUID = "P", "SYNTHETIC", "1.2.3"
    ds.FrameOfReferenceUID = "1.2.3.4"
    return ds


def rtstruct(path, charset, name):
    ds = new(RTSTRUCT, "1.2.3.5", "RTSTRUCT", charset)
    ds.SeriesInstanceUID = "1.2.3.6"
    ds.StructureSetROISequence = [item(ROINumber=1, ROIName=name, ReferencedFrameOfReferenceUID="1.2.3.4")]
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    ds.ROIContourSequence = [item(ReferencedROINumber=1, ContourSequence=[
        item(ContourGeometricType="CLOSED_PLANAR", NumberOfContourPoints=24, ContourData=[
            f"{v:.4f}" for v in np.stack([16 + 8 * np.cos(angle), 16 + 8 * np.sin(angle), np.full(24, z)], 1).ravel()])
        for z in (6.0, 9.0, 12.0)])]
    ds.save_as(path, write_like_original=False)
    return path


def put(path, old, new_bytes):
    with open(path, "rb") as file:
        content = file.read()
    require(content.count(old) == 1 and len(old) == len(new_bytes), old)
    with open(path, "wb") as file:
        file.write(content.replace(old, new_bytes))


def roi_of(path):
    told, warned = run("info", "--json", path)
    return json.loads(told)["rois"][0]["name"], "character set" in warned


def series(folder, charset, description):
    os.makedirs(folder, exist_ok=True)
    for z in range(DEPTH):
        ds = new(CT, f"1.2.3.7.{z + 1}", "CT", charset)
        ds.SeriesInstanceUID, ds.SeriesDescription, ds.ImageType = "1.2.3.8", description, ["ORIGINAL", "PRIMARY", "AXIAL"]
        ds.ImagePositionPatient, ds.ImageOrientationPatient = [0, 0, 3 * z], [1, 0, 0, 0, 1, 0]
        ds.PixelSpacing, ds.SliceThickness = [1, 1], 3
        ds.Rows = ds.Columns = SIDE
        ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
        ds.BitsAllocated = ds.BitsStored = 16
        ds.HighBit, ds.PixelRepresentation, ds.RescaleSlope, ds.RescaleIntercept = 15, 0, 1, -1024
        ds.PixelData = np.full((SIDE, SIDE), 1060 + z, "<u2").tobytes()
        ds.save_as(os.path.join(folder, f"{z}.dcm"), write_like_original=False)
    return folder


def names(folder):
    path = os.path.join(folder, "rs.dcm")
    for charset, name in BY_PYDICOM:
        require(roi_of(rtstruct(path, charset, name)) == (name, False), charset, name, roi_of(path))
    for charset, spelled, name, guessed in BY_HAND:
        held = b"Q" * len(spelled)
        rtstruct(path, "", held.decode())
        if charset:
            ds = pydicom.dcmread(path)
            ds.SpecificCharacterSet = charset.split("\\")
            with_warnings_off(lambda d=ds: d.save_as(path, write_like_original=False))
        put(path, held, spelled)
        require(roi_of(path) == (name, guessed), charset, name, roi_of(path))


def with_warnings_off(action):
    import warnings
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        action()


def an_item_may_declare_its_own(folder):
    path = rtstruct(os.path.join(folder, "item.dcm"), "ISO_IR 100", "QQQQQQQQQQQQ")
    ds = pydicom.dcmread(path)
    ds.StructureSetROISequence[0].SpecificCharacterSet = "ISO_IR 144"
    ds.StructureSetROISequence[0].ROIName = "Печень"
    ds.save_as(path, write_like_original=False)
    require(roi_of(path) == ("Печень", False), roi_of(path))


def long_names_are_whole(folder):
    """64 characters are 192 bytes in UTF-8; found by the whole name, and cut between characters where too long."""
    ct = series(os.path.join(folder, "ct"), "GB18030", "平扫 CT")
    for name in ("肝" * 64, "𠀋" * 64):
        path = rtstruct(os.path.join(folder, "long.dcm"), "GB18030", name)
        require(roi_of(path)[0] == name, name, roi_of(path))
        run("convert", f"{path}:{name}", os.path.join(folder, "long.nii"), "--reference", ct)
    path = rtstruct(os.path.join(folder, "long.dcm"), "ISO_IR 192", "ä𠀋" * 60)
    require(roi_of(path)[0] == ("ä𠀋" * 60).encode()[:259].decode(errors="ignore"), roi_of(path))
    told = json.loads(run("info", "--json", ct)[0])["series"][0]
    require(told["description"] == "平扫 CT", told)


def accents_may_be_characters_of_their_own(folder):
    ct = series(os.path.join(folder, "accents"), "", "CT")
    for held, asked in (("La\u0308sion", "L\u00e4sion"), ("L\u00e4sion", "La\u0308sion")):
        path = rtstruct(os.path.join(folder, "accents.dcm"), "ISO_IR 192", held)
        run("convert", f"{path}:{asked}", os.path.join(folder, "accents.nii"), "--reference", ct)


def what_is_written_is_valid(folder):
    """RTSTRUCT and SEG made of Latin-1 and GBK say UTF-8 and are so."""
    for charset, text in (("ISO_IR 100", "Läsion groß"), ("GBK", "左肺腫瘤")):
        ct = series(os.path.join(folder, charset), charset, text)
        path = rtstruct(os.path.join(folder, "rs.dcm"), charset, text)
        for kind, made in (("rtstruct", "made.dcm"), ("seg", "made_seg.dcm")):
            made = os.path.join(folder, made)
            run("convert", f"{path}:{text}", made, "--reference", ct, "--as", kind, "--roi-name", text)
            ds = pydicom.dcmread(made)
            require(ds.SpecificCharacterSet == "ISO_IR 192", made)
            name = ds.StructureSetROISequence[0].ROIName if kind == "rtstruct" else ds.SegmentSequence[0].SegmentLabel
            require(name == text, made, name)
            told = json.loads(run("info", "--json", made)[0])
            require(told["rois" if kind == "rtstruct" else "segments"][0]["name"] == text, made, told)


def main():
    with tempfile.TemporaryDirectory() as folder:
        names(folder)
        an_item_may_declare_its_own(folder)
        long_names_are_whole(folder)
        accents_may_be_characters_of_their_own(folder)
        what_is_written_is_valid(folder)
    print(f"{checks.compared} comparisons")


main()
