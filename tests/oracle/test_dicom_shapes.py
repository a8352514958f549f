"""CTs in every shape, made with pydicom, through the program: Enhanced multi-frame with its frames in any order,
a tilted gantry, missing and uneven slices, every transfer syntax that needs no encoder, files without preamble
or meta header, DICOMDIR, and patients lying in any direction. Where a voxel lies and what it holds follows from
a function of the place alone."""
import json
import os
import subprocess
import sys
import tempfile
import warnings

try:
    import nibabel as nib
    import numpy as np
    import pydicom
    from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
    from pydicom.sequence import Sequence
    from pydicom.uid import (DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian,
                             ExplicitVRLittleEndian, ImplicitVRLittleEndian)
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

REPRISE = os.environ.get("REPRISE", "")
ROWS, COLUMNS, SLICES = 20, 24, 9
SPACING = (0.9, 1.1)  # between rows, between columns
STEP = 2.5
CT, ENHANCED = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.2.1"
AXIAL = ((1, 0, 0), (0, 1, 0))
TURNED = {"axial": AXIAL, "feet first": ((-1, 0, 0), (0, 1, 0)), "sagittal": ((0, 1, 0), (0, 0, -1)),
          "coronal": ((1, 0, 0), (0, 0, -1)), "decubitus": ((0, 1, 0), (-1, 0, 0)),
          "prone": ((-1, 0, 0), (0, -1, 0)),
          "oblique": ((0.8, 0.6, 0), (-0.48, 0.64, 0.6))}
warnings.simplefilter("ignore")
checked = 0
failed = []


def hu_at(points):
    """Linear, so that linear interpolation is exact; LPS mm, last axis."""
    return 100 + 3 * points[..., 0] - 2 * points[..., 1] + 4 * points[..., 2]


def require(condition, *what):
    global checked
    checked += 1
    if not condition:
        failed.append(" ".join(map(str, what)))
        print("FAILED:", *what)


def pixel_places(position, orientation):
    row, column = np.array(orientation[0], float), np.array(orientation[1], float)
    y, x = np.mgrid[:ROWS, :COLUMNS].astype(float)
    return (np.array(position) + x[..., None] * SPACING[1] * row
            + y[..., None] * SPACING[0] * column)


def positions(orientation, heights, lean=0.0):
    """Of the slices: heights along the normal, shifted by lean mm for each mm along the columns, or by two
    such numbers along rows and columns."""
    sideways, down = lean if isinstance(lean, tuple) else (0.0, lean)
    row, column = np.array(orientation[0], float), np.array(orientation[1], float)
    normal = np.cross(row, column)
    return [np.array([5.0, -7.0, 11.0]) + h * normal + h * (sideways * row + down * column) for h in heights]


def base(path, sop_class, uid, syntax):
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = sop_class, uid
    meta.TransferSyntaxUID = syntax
    d = FileDataset(path, {}, file_meta=meta, preamble=b"\0" * 128)
    d.is_little_endian = syntax != ExplicitVRBigEndian
    d.is_implicit_VR = syntax == ImplicitVRLittleEndian
    d.SOPClassUID, d.SOPInstanceUID = sop_class, uid
    d.PatientID, d.PatientName, d.StudyDate = "HIDDEN-ID", "Hidden^Person", "20240110"
    d.StudyInstanceUID, d.SeriesInstanceUID, d.FrameOfReferenceUID = "2.25.1", "2.25.2", "2.25.3"
    d.Modality, d.SeriesDescription = "CT", "arterial phase"
    d.Rows, d.Columns, d.SamplesPerPixel = ROWS, COLUMNS, 1
    d.PhotometricInterpretation, d.PixelRepresentation = "MONOCHROME2", 0
    d.BitsAllocated, d.BitsStored, d.HighBit = 16, 16, 15
    return d


def cells(places, slope, intercept, syntax=ExplicitVRLittleEndian):
    order = ">u2" if syntax == ExplicitVRBigEndian else "<u2"
    return np.round((hu_at(places) - intercept) / slope).astype(order).tobytes()


def classic(folder, orientation=AXIAL, heights=None, lean=0.0, syntax=ExplicitVRLittleEndian):
    """One file a slice, named in no order, without extension."""
    os.makedirs(folder)
    heights = [STEP * k for k in range(SLICES)] if heights is None else heights
    for k, position in enumerate(positions(orientation, heights, lean)):
        path = os.path.join(folder, f"I{(k * 7) % 97:03}")
        d = base(path, CT, f"2.25.9{k + 1}", syntax)
        d.ImagePositionPatient = [f"{v:.6f}" for v in position]
        d.ImageOrientationPatient = [f"{v:.9g}" for axis in orientation for v in axis]
        d.PixelSpacing, d.SliceThickness = list(SPACING), 5
        d.RescaleSlope, d.RescaleIntercept = "0.01", "-300"
        d.ConvolutionKernel = "B30f"
        d.PixelData = cells(pixel_places(position, orientation), 0.01, -300, syntax)
        d["PixelData"].VR = "OW"
        d.save_as(path, write_like_original=False)
    return folder


def item(**attributes):
    d = Dataset()
    for name, value in attributes.items():
        setattr(d, name, value)
    return d


def enhanced(path, orientation=AXIAL, order=None, localizer=False, shared=True, lean=0.0,
             heights=None):
    """Frames in the order given; every frame with a rescale of its own."""
    heights = [STEP * k for k in range(SLICES)] if heights is None else heights
    all_positions = positions(orientation, heights, lean)
    order = range(len(all_positions)) if order is None else order
    d = base(path, ENHANCED, "2.25.77", ExplicitVRLittleEndian)
    d.ImageType, d.NumberOfFrames = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"], len(order)
    group = Dataset()
    axes = Sequence([item(ImageOrientationPatient=[f"{v:.9g}" for a in orientation for v in a])])
    measures = Sequence([item(PixelSpacing=list(SPACING), SliceThickness=5)])
    if shared:
        group.PlaneOrientationSequence, group.PixelMeasuresSequence = axes, measures
    d.SharedFunctionalGroupsSequence = Sequence([group])
    frames, pixels = [], b""
    for n, k in enumerate(order):
        slope, intercept = 0.01 * (1 + n % 2), -300 - n % 3
        frame = Dataset()
        frame.PlanePositionSequence = Sequence([item(
            ImagePositionPatient=[f"{v:.6f}" for v in all_positions[k]])])
        frame.PixelValueTransformationSequence = Sequence([item(
            RescaleSlope=f"{slope:.4f}", RescaleIntercept=str(intercept), RescaleType="HU")])
        frame.FrameContentSequence = Sequence([item(StackID="1", InStackPositionNumber=k + 1)])
        kind = "LOCALIZER" if localizer and n == 0 else "VOLUME"
        frame.CTImageFrameTypeSequence = Sequence([item(
            FrameType=["ORIGINAL", "PRIMARY", kind, "NONE"])])
        if not shared:
            frame.PlaneOrientationSequence, frame.PixelMeasuresSequence = axes, measures
        frames.append(frame)
        pixels += cells(pixel_places(all_positions[k], orientation), slope, intercept)
    d.PerFrameFunctionalGroupsSequence = Sequence(frames)
    d.PixelData = pixels
    d["PixelData"].VR = "OW"
    d.save_as(path, write_like_original=False)
    return path


def run(*arguments):
    done = subprocess.run([REPRISE, *arguments], capture_output=True, text=True, timeout=120,
                          check=False)
    require("Sanitizer" not in done.stderr and done.returncode in (0, 1, 3), arguments, done.stderr)
    require("Hidden" not in done.stdout + done.stderr and "HIDDEN" not in done.stdout + done.stderr,
            arguments, "prints the patient")
    return done


def acquired(lean):
    """Whether places lie between the outermost centres of axial slices that lean so."""
    sideways, down = lean if isinstance(lean, tuple) else (0.0, lean)

    def within(world):
        away = world - np.array([5.0, -7.0, 11.0])
        steps = np.stack([(away[..., 0] - sideways * away[..., 2]) / SPACING[1],
                          (away[..., 1] - down * away[..., 2]) / SPACING[0], away[..., 2] / STEP], -1)
        return ((steps >= 0) & (steps <= np.array([COLUMNS, ROWS, SLICES]) - 1)).all(-1)

    return within


def holds(name, path, scratch, *options, size=None, within=None, tolerance=0.011):
    """Every voxel holds the value of its place; within: those of which that is asked."""
    out = os.path.join(scratch, "out.nii")
    done = run("convert", path, out, *options)
    if done.returncode:
        require(False, name, done.stderr)
        return None
    image = nib.load(out)
    values = np.asarray(image.dataobj)
    index = np.stack(np.meshgrid(*map(np.arange, values.shape), indexing="ij"), axis=-1)
    ras = index @ image.affine[:3, :3].T + image.affine[:3, 3]
    world = ras * [-1, -1, 1]
    off = np.abs(values - hu_at(world))
    asked = within(world) if within else np.ones(values.shape, bool)
    require(asked.mean() > 0.4, name, "too little is asked", asked.mean())
    require(off[asked].max() <= tolerance, name, "values", off[asked].max())
    if size:
        require(values.shape == size, name, values.shape)
    os.remove(out)
    return image, done


def refused(name, path, scratch, code, *words):
    done = run("convert", path, os.path.join(scratch, "none.nii"))
    require(done.returncode == code, name, "exit code", done.returncode, done.stderr)
    for word in words:
        require(word in done.stderr, name, word, "not in", done.stderr)


def shapes(scratch):
    size = (COLUMNS, ROWS, SLICES)
    for name, axes in TURNED.items():
        place = os.path.join(scratch, "c " + name)
        holds(f"classic {name}", classic(place, axes), scratch, size=size)
        place = os.path.join(scratch, f"e {name}.dcm")
        shuffled = [(5 * k + 3) % SLICES for k in range(SLICES)]
        holds(f"enhanced {name}", enhanced(place, axes, shuffled), scratch, size=size)
    path = enhanced(os.path.join(scratch, "own.dcm"), shared=False)
    holds("groups of each frame", path, scratch, size=size)
    path = enhanced(os.path.join(scratch, "scout.dcm"), localizer=True)
    holds("a localizer among the frames", path, scratch, size=(COLUMNS, ROWS, SLICES - 1))


def bad_frames(scratch):
    path = enhanced(os.path.join(scratch, "twice.dcm"), order=[0, 1, 2, 3, 4, 5, 6, 7, 8, 4])
    # the same place and the same HU, though stored with another rescale
    holds("a frame twice", path, scratch, size=(COLUMNS, ROWS, SLICES))
    d = pydicom.dcmread(path)
    d.PixelData = d.PixelData[:-2] + b"\0\0"
    d.save_as(path)
    refused("another frame in the same place", path, scratch, 1, "same position 21.00 mm")
    d = pydicom.dcmread(enhanced(os.path.join(scratch, "n.dcm")))
    d.NumberOfFrames = 2000000000
    d.save_as(d.filename)
    refused("more frames than described", d.filename, scratch, 1, "NumberOfFrames")
    d.NumberOfFrames = SLICES
    d.PixelData = d.PixelData[:-2 * ROWS * COLUMNS]
    d.save_as(d.filename)
    refused("a frame's pixels are missing", d.filename, scratch, 1, "truncated pixel data")
    d = pydicom.dcmread(enhanced(os.path.join(scratch, "p.dcm")))
    del d.PerFrameFunctionalGroupsSequence[3].PlanePositionSequence
    d.save_as(d.filename)
    refused("a frame without position", d.filename, scratch, 1, "frame 4", "ImagePositionPatient")
    path = enhanced(os.path.join(scratch, "gap.dcm"), order=[0, 1, 2, 4, 5, 6, 7, 8])
    refused("a frame is missing", path, scratch, 3, "gap of 5.00 mm", "--repair")
    holds("a missing frame repaired", path, scratch, "--repair", size=(COLUMNS, ROWS, SLICES))


def tilted(scratch):
    lean = np.tan(np.radians(18))
    for name, path in (("tilt", classic(os.path.join(scratch, "tilt"), lean=lean)),
                       ("tilted frames", enhanced(os.path.join(scratch, "tilt.dcm"), lean=lean))):
        found = holds(name, path, scratch, within=acquired(lean))
        require("gantry tilt of 18.0 degrees" in found[1].stderr, name, found[1].stderr)
        along = found[0].affine[:3, 2] / np.linalg.norm(found[0].affine[:3, 2])
        # the table's way: the normal, leaning by the tilt along the columns
        way = np.array([0, -np.sin(np.radians(18)), np.cos(np.radians(18))])
        require(np.allclose(along, way, atol=1e-5), name, along)
    told = json.loads(run("info", "--json", os.path.join(scratch, "tilt")).stdout)["series"][0]
    require(told["usable"] and abs(told["tilt_degrees"] - 18) < 1e-3, "info of a tilt", told)
    # turned about the columns and about both axes: the slices lean along their rows too
    holds("swivel", classic(os.path.join(scratch, "swivel"), lean=(lean, 0.0)), scratch,
          within=acquired((lean, 0.0)))
    holds("tilt and swivel", classic(os.path.join(scratch, "oblique"), lean=(-0.2, lean)), scratch,
          within=acquired((-0.2, lean)))
    heights = [STEP * k for k in range(SLICES) if k != 4]
    path = classic(os.path.join(scratch, "both"), lean=lean, heights=heights)
    refused("tilt with a gap", path, scratch, 3, "gap of 5.00 mm")
    holds("tilt with a gap repaired", path, scratch, "--repair", within=acquired(lean))


def uneven(scratch):
    gap = classic(os.path.join(scratch, "gap"), heights=[0, 2.5, 5, 12.5, 15, 17.5, 20])
    refused("missing slices", gap, scratch, 3, "gap of 7.50 mm", "--repair")
    found = holds("missing slices repaired", gap, scratch, "--repair", size=(COLUMNS, ROWS, 9))
    require("2 missing slices" in found[1].stderr and "7.50 mm" in found[1].stderr, found[1].stderr)
    mixed = classic(os.path.join(scratch, "mixed"), heights=[0, 5, 10, 15, 17.5, 20, 22.5, 25])
    refused("mixed spacing", mixed, scratch, 3, "mm", "--repair")
    holds("mixed spacing repaired", mixed, scratch, "--repair", size=(COLUMNS, ROWS, 11))
    far = classic(os.path.join(scratch, "far"), heights=[0, 2.5, 5, 400, 402.5])
    done = run("convert", far, os.path.join(scratch, "none.nii"), "--repair")
    require(done.returncode == 1 and "too wide" in done.stderr, "a gap too wide", done.stderr)
    told = json.loads(run("info", "--json", gap).stdout)["series"][0]
    require(not told["usable"] and told["usable_with_repair"], "info of a gap", told)
    require("7.50 mm" in told["why_not"], "info of a gap", told)
    require((told["phase"], told["kernel"]) == ("arterial", "B30f"), told)


def encodings(scratch):
    size = (COLUMNS, ROWS, SLICES)
    for syntax in (ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian):
        path = classic(os.path.join(scratch, syntax.name), syntax=syntax)
        holds(syntax.name, path, scratch, size=size)
    for syntax in (ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian):
        path = classic(os.path.join(scratch, "bare " + syntax.name), syntax=syntax)
        for name in os.listdir(path):  # the bare data set: no preamble, no meta header
            d = pydicom.dcmread(os.path.join(path, name))
            with open(os.path.join(path, name), "wb") as file:
                file.write(bare(d))
        holds("bare " + syntax.name, path, scratch, size=size)


def bare(d):
    buffer = pydicom.filebase.DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = d.is_little_endian, d.is_implicit_VR
    pydicom.filewriter.write_dataset(buffer, d)
    return buffer.getvalue()


def directory(scratch):
    """A DICOMDIR names its files in capitals; the second time they lie there in lower case."""
    place = os.path.join(scratch, "medium")
    classic(os.path.join(place, "CT", "S1"))
    classic(os.path.join(place, "CT", "S2"))  # on the medium, but not in the directory
    d = base(os.path.join(place, "DICOMDIR"), "1.2.840.10008.1.3.10", "2.25.5", ExplicitVRLittleEndian)
    records = [item(DirectoryRecordType="IMAGE", ReferencedFileID=["CT", "S1", name])
               for name in sorted(os.listdir(os.path.join(place, "CT", "S1")))]
    for attribute in list(d):
        del d[attribute.tag]
    d.FileSetID, d.DirectoryRecordSequence = "TEST", Sequence(records)
    d.save_as(os.path.join(place, "DICOMDIR"), write_like_original=False)
    holds("DICOMDIR", os.path.join(place, "DICOMDIR"), scratch, size=(COLUMNS, ROWS, SLICES))
    os.rename(os.path.join(place, "CT"), os.path.join(place, "ct"))
    for name in ("S1", "S2"):
        os.rename(os.path.join(place, "ct", name), os.path.join(place, "ct", name.lower()))
    for name in os.listdir(os.path.join(place, "ct", "s1")):
        old = os.path.join(place, "ct", "s1", name)
        os.rename(old, os.path.join(place, "ct", "s1", name.lower()))
    holds("DICOMDIR in lower case", os.path.join(place, "DICOMDIR"), scratch)
    d.DirectoryRecordSequence[0].ReferencedFileID = ["..", "OUTSIDE"]
    outside = classic(os.path.join(scratch, "outside"))
    os.rename(os.path.join(outside, sorted(os.listdir(outside))[0]), os.path.join(scratch, "OUTSIDE"))
    d.save_as(os.path.join(place, "DICOMDIR"), write_like_original=False)
    done = run("info", os.path.join(place, "DICOMDIR"))
    require("1 of the 9 files" in done.stderr, "a path that leaves the medium", done.stderr)


def main():
    if not os.access(REPRISE, os.X_OK):
        print(f"FAILED: there is no program {REPRISE!r}; set REPRISE")
        return 1
    for part in (shapes, bad_frames, tilted, uneven, encodings, directory):
        with tempfile.TemporaryDirectory(prefix="reprise-test-") as scratch:
            part(scratch)
    print(f"{checked} checks, {len(failed)} failed")
    return 1 if failed else 0


sys.exit(main())
