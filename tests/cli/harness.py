"""What the command-line tests share: running the program, judging how it ended, and a small patient
made with pydicom alone, so that nothing that is tested makes its own input."""
import csv
import json
import os
import re
import shutil
import struct
import subprocess
import sys

try:
    import nibabel
    import numpy as np
    import pydicom
    from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

REPRISE = os.environ.get("REPRISE", "")
SECONDS = 120
SHORT = bool(os.environ.get("REPRISE_TEST_SHORT"))  # a slow build: fewer epochs where their number is not the point
CT, MR = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4"
RTSTRUCT = "1.2.840.10008.5.1.4.1.1.481.3"
EXPLICIT = "1.2.840.10008.1.2.1"
UID = "1.2.826.0.1.3680043.8.498."
# Stands in every DICOM file and must never be printed.
SECRETS = ("Hidden^Person", "HIDDEN-ID", "19370527")

# The network and its grid so small that an epoch takes no time.
TINY = """network:
  first_filters: 4
  growth: 2
  down_layers: [1, 1]
  bottleneck_layers: 1
preprocessing:
  spacing_mm: [4, 4, 4]
guard:
  trials: 0
adapt:
  epochs: 2
  crop: [16, 16, 8]
"""


def require_program():
    if not os.access(REPRISE, os.X_OK):
        print(f"FAILED: there is no program {REPRISE!r}; set REPRISE")
        sys.exit(1)


def run(*arguments, **options):
    """The finished process; a crash, a sanitizer's report or a printed patient is an error."""
    done = subprocess.run([REPRISE, *map(str, arguments)], capture_output=True, timeout=SECONDS,
                          check=False, **options)
    return judge(done)


def judge(done):
    done.stdout = done.stdout.decode("utf-8", "replace")
    done.stderr = done.stderr.decode("utf-8", "replace")
    done.faults = []
    if done.returncode < 0 or done.returncode >= 128:
        done.faults.append(f"ended by signal {abs(done.returncode)}")
    if re.search(r"Sanitizer|runtime error:", done.stderr):
        done.faults.append("sanitizer: " + done.stderr[-2000:])
    done.faults += [f"prints {s}" for s in SECRETS if s in done.stdout + done.stderr]
    return done


def files_below(folder):
    """Every file with its size and time, to see what a command left behind."""
    found = {}
    for where, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(where, name)
            state = os.lstat(path)
            found[os.path.relpath(path, folder)] = (state.st_size, state.st_mtime_ns)
    return found


class Checks:
    """Counts cases, prints what went wrong, gives the exit code."""

    def __init__(self):
        self.count = 0
        self.failed = 0

    def report(self, name, faults):
        self.count += 1
        if faults:
            self.failed += 1
            print(f"FAILED: {name}", *(f"    {fault}" for fault in faults), sep="\n", flush=True)

    def finish(self):
        print(f"{self.count} cases, {self.failed} failed")
        return 1 if self.failed or not self.count else 0


# ---- a small patient ---------------------------------------------------------------------------

SIZE, SPACING = (10, 24, 28), (4.0, 4.0, 4.0)  # z, y, x
ORIGIN = (-54.0, -46.0, 100.0)  # LPS of the first voxel, x, y, z


def voxels(shift=0):
    """A body with a bright ball in it, and the ball's mask; [z][y][x]."""
    z, y, x = np.indices(SIZE)
    body = ((x - 13.5) / 13) ** 2 + ((y - 11.5) / 11) ** 2 < 1
    ball = (z - 5) ** 2 + (y - 12) ** 2 + (x - 14 - shift) ** 2 < 16
    image = np.where(ball, 140, np.where(body, 30, -1000))
    return (image + ((x * 7 + y * 3 + z * 5) % 9) - 4).astype(np.int16), ball.astype(np.uint8)


def identity(dataset, patient, date):
    dataset.PatientName, dataset.PatientID, dataset.PatientBirthDate = "Hidden^Person", patient, \
        "19370527"
    dataset.PatientSex = "O"
    dataset.StudyDate = dataset.SeriesDate = dataset.AcquisitionDate = date
    dataset.StudyTime, dataset.StudyID, dataset.AccessionNumber = "120000", "1", ""
    dataset.ReferringPhysicianName = ""


def new_file(path, sop_class, uid):
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = sop_class, uid
    meta.TransferSyntaxUID = EXPLICIT
    dataset = FileDataset(path, {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.is_little_endian, dataset.is_implicit_VR = True, False
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, uid
    return dataset


def write_series(folder, number, date="20240110", patient="HIDDEN-ID", modality="CT", shift=0):
    """A CT of its own study, series and frame of reference; number tells them apart."""
    os.makedirs(folder, exist_ok=True)
    image, _ = voxels(shift)
    for z, plane in enumerate(image):
        path = os.path.join(folder, f"{number}-{z:02}.dcm")
        ds = new_file(path, CT if modality == "CT" else MR, f"{UID}{number}.3.{z + 1}")
        identity(ds, patient, date)
        ds.Modality, ds.SeriesNumber, ds.InstanceNumber = modality, str(number), str(z + 1)
        ds.StudyInstanceUID, ds.SeriesInstanceUID = f"{UID}{number}.1", f"{UID}{number}.2"
        ds.FrameOfReferenceUID = f"{UID}{number}.4"
        ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        ds.ImagePositionPatient = [ORIGIN[0], ORIGIN[1], ORIGIN[2] + z * SPACING[0]]
        ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        ds.PixelSpacing, ds.SliceThickness = [SPACING[1], SPACING[2]], SPACING[0]
        ds.Rows, ds.Columns, ds.SamplesPerPixel = SIZE[1], SIZE[2], 1
        ds.PhotometricInterpretation, ds.PixelRepresentation = "MONOCHROME2", 1
        ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 16, 15
        ds.RescaleSlope, ds.RescaleIntercept = "1", "0"
        ds.PixelData = plane.tobytes()
        ds.save_as(path, write_like_original=False)
    return folder


def circle(z, centre=(14, 12), radius=3.5):
    """Contour points in mm of a circle round the ball's axis on slice z."""
    angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    return [[ORIGIN[0] + SPACING[2] * (centre[0] + radius * np.cos(a)),
             ORIGIN[1] + SPACING[1] * (centre[1] + radius * np.sin(a)),
             ORIGIN[2] + SPACING[0] * z] for a in angles]


def rectangle(z):
    """Round the whole slice."""
    left, top = ORIGIN[0] - 2, ORIGIN[1] - 2
    right, bottom = left + SIZE[2] * SPACING[2], top + SIZE[1] * SPACING[1]
    return [[x, y, ORIGIN[2] + SPACING[0] * z]
            for x, y in ((left, top), (right, top), (right, bottom), (left, bottom))]


def write_rtstruct(path, number, rois=None, patient="HIDDEN-ID", kind="CLOSED_PLANAR",
                   drawn_on=None, frame_known=True):
    """Contours of the series of that number; rois maps names to lists of outlines. drawn_on: another
    series, to which they refer. frame_known: whether they tell their frame of reference."""
    drawn_on = drawn_on or number
    rois = {"Tumour": [circle(z) for z in range(3, 8)]} if rois is None else rois
    ds = new_file(path, RTSTRUCT, f"{UID}{number}.7")
    identity(ds, patient, "20240110")
    ds.Modality, ds.SeriesNumber, ds.StructureSetLabel = "RTSTRUCT", "9", "TEST"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = f"{UID}{number}.1", f"{UID}{number}.8"
    ds.FrameOfReferenceUID = f"{UID}{number}.4"
    series, study, frame = Dataset(), Dataset(), Dataset()
    series.SeriesInstanceUID = f"{UID}{drawn_on}.2"
    series.ContourImageSequence = [image_reference(drawn_on, z) for z in range(SIZE[0])]
    study.ReferencedSOPClassUID = "1.2.840.10008.3.1.2.3.1"
    study.ReferencedSOPInstanceUID = f"{UID}{number}.1"
    study.RTReferencedSeriesSequence = [series]
    frame.FrameOfReferenceUID = f"{UID}{number}.4"
    frame.RTReferencedStudySequence = [study]
    ds.ReferencedFrameOfReferenceSequence = [frame]
    ds.StructureSetROISequence, ds.ROIContourSequence, ds.RTROIObservationsSequence = [], [], []
    for index, (name, outlines) in enumerate(rois.items(), 1):
        add_roi(ds, number, index, name, outlines, kind)
    if not frame_known:
        ds.FrameOfReferenceUID = frame.FrameOfReferenceUID = ""
        for roi in ds.StructureSetROISequence:
            roi.ReferencedFrameOfReferenceUID = ""
    ds.save_as(path, write_like_original=False)
    return path


def image_reference(number, z):
    reference = Dataset()
    reference.ReferencedSOPClassUID = CT
    reference.ReferencedSOPInstanceUID = f"{UID}{number}.3.{z + 1}"
    return reference


def add_roi(ds, number, index, name, outlines, kind):
    roi, drawn, observed = Dataset(), Dataset(), Dataset()
    roi.ROINumber, roi.ROIName, roi.ROIGenerationAlgorithm = index, name, "MANUAL"
    roi.ReferencedFrameOfReferenceUID = f"{UID}{number}.4"
    drawn.ReferencedROINumber, drawn.ContourSequence = index, []
    for outline in outlines:
        contour = Dataset()
        contour.ContourGeometricType, contour.NumberOfContourPoints = kind, len(outline)
        contour.ContourData = [f"{value:.3f}" for point in outline for value in point]
        drawn.ContourSequence.append(contour)
    observed.ObservationNumber = observed.ReferencedROINumber = index
    observed.RTROIInterpretedType, observed.ROIInterpreter = "GTV", ""
    ds.StructureSetROISequence.append(roi)
    ds.ROIContourSequence.append(drawn)
    ds.RTROIObservationsSequence.append(observed)


def edit(path, **changes):
    """Attributes of a DICOM file set anew; None removes one."""
    dataset = pydicom.dcmread(path, force=True)
    for name, value in changes.items():
        if value is None:
            delattr(dataset, name)
        else:
            setattr(dataset, name, value)
    dataset.save_as(path)
    return path


def affine(move=(0, 0, 0)):
    """RAS, of the series' voxels."""
    lps = np.diag([SPACING[2], SPACING[1], SPACING[0], 1.0])
    lps[:3, 3] = np.add(ORIGIN, move)
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ lps


def write_nifti(path, array, move=(0, 0, 0)):
    """From [z][y][x]."""
    nibabel.save(nibabel.Nifti1Image(np.ascontiguousarray(array.transpose(2, 1, 0)), affine(move)),
                 path)
    return path


def write_manifest(path, rows, change=None):
    """A cohort's manifest; change (may be None) alters copies of the rows first."""
    rows = [dict(row) for row in rows]
    if change:
        change(rows)
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return path


# ---- model files -----------------------------------------------------------------------------------

def read_tensors(path):
    """Header and tensors (name -> float32 array) of a safetensors file."""
    with open(path, "rb") as file:
        data = file.read()
    start = 8 + struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:start])
    tensors = {}
    for name, entry in header.items():
        if name != "__metadata__":
            low, high = (start + offset for offset in entry["data_offsets"])
            tensors[name] = np.frombuffer(data[low:high], "<f4").reshape(entry["shape"]).copy()
    return header.get("__metadata__", {}), tensors


def write_tensors(path, metadata, tensors):
    header, place = {"__metadata__": metadata} if metadata else {}, 0
    for name, tensor in tensors.items():
        header[name] = {"dtype": "F32", "shape": list(tensor.shape),
                        "data_offsets": [place, place + 4 * tensor.size]}
        place += 4 * tensor.size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for tensor in tensors.values():
            file.write(np.asarray(tensor, "<f4").tobytes())
    return path


# ---- files made worse --------------------------------------------------------------------------------

def write(path, data):
    with open(path, "wb") as file:
        file.write(data)
    return path


def cut(source, path, share):
    """The first part of a file."""
    with open(source, "rb") as file:
        data = file.read()
    return write(path, data[:int(len(data) * share)])


def nested(source, path):
    """50,000 sequences within one another at the end of a file: enough for any stack."""
    with open(source, "rb") as file:
        data = file.read()
    opening = struct.pack("<HH2sHI", 0x7FE1, 0x1001, b"SQ", 0, 0xFFFFFFFF)
    opening += struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
    return write(path, data + 50000 * opening)


def copy_folder(source, path):
    shutil.copytree(source, path)
    return path
