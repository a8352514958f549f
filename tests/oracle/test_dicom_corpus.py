"""Every file of the corpus of real data, through the program: read, with pixels equal to those that pydicom
or nibabel reads, or refused in words. docs/dicom.md holds the table; --write writes it anew.

    REPRISE=build/release/reprise REPRISE_TEST_DATA=FOLDER /usr/bin/python3 tests/oracle/test_dicom_corpus.py --write

With any build of the program, such as one with sanitizers: a crash, a hang, a sanitizer's complaint or pixels
that differ fail, whatever the table says."""
import glob
import itertools
import json
import os
import re
import subprocess
import sys
import tempfile
import warnings

try:
    import nibabel as nib
    import numpy as np
    import pydicom
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

DATA = os.environ.get("REPRISE_TEST_DATA", "")
REPRISE = os.environ.get("REPRISE", "")
SOURCE = os.environ.get("REPRISE_SOURCE") or os.path.join(os.path.dirname(__file__), "..", "..")
TABLE = os.path.join(SOURCE, "docs", "dicom.md")
BEGIN, END = "<!-- table of the corpus: begin -->\n", "<!-- table of the corpus: end -->\n"
SECONDS = 120
# A file that pydicom has no decoder for, and the same image in an encoding that it has one for.
SAME_IMAGE = [("codecs/dcm_qa_ts/In/*.dcm", "codecs/dcm_qa_ts/In/1.dcm"),
              ("malformed/*/pydicom_test_files/MR_small_*.dcm",
               "malformed/deb_pydicom_nibabel/pydicom_test_files/MR_small.dcm"),
              ("malformed/*/pydicom_test_files/emri_small_*.dcm",
               "malformed/deb_pydicom_nibabel/pydicom_test_files/emri_small.dcm")]
faults = []
compared = {"files": 0, "voxels": 0}
warnings.simplefilter("ignore")


class Incomparable(Exception):
    """The reference cannot read the file; the text says why."""


def run(*arguments):
    try:
        done = subprocess.run([REPRISE, *arguments], capture_output=True, text=True, timeout=SECONDS,
                              errors="replace", check=False)
    except subprocess.TimeoutExpired:
        faults.append(f"{arguments}: no end after {SECONDS} s")
        return 1, "", "no end"
    if done.returncode not in (0, 1, 3):
        faults.append(f"{arguments}: exit code {done.returncode}: {done.stderr[-2000:]}")
    if re.search("Sanitizer|runtime error", done.stderr):
        faults.append(f"{arguments}: {done.stderr[:4000]}")
    if done.returncode and not done.stderr.startswith("reprise: "):
        faults.append(f"{arguments}: no message: {done.stderr[:200]}")
    return done.returncode, done.stdout, done.stderr


def message(path, text):
    """The program's words without the file's name."""
    line = text[len("reprise: "):].strip().replace(path + ": ", "").replace(path, "it")
    return line.replace(DATA + "/", "").replace("\n", " ")


# ---- DICOM against pydicom ---------------------------------------------------------------------


def number(dataset, name, otherwise):
    value = dataset.get(name)
    return otherwise if value is None or value == "" else float(value)


def groups_of(dataset, i):
    """Where the attributes of frame i stand, its own before the shared ones."""
    if "PerFrameFunctionalGroupsSequence" not in dataset:
        return [dataset]
    found = []
    for group in (dataset.PerFrameFunctionalGroupsSequence[i],
                  dataset.SharedFunctionalGroupsSequence[0]):
        for element in group:
            if element.VR == "SQ" and len(element.value):
                found.append(element.value[0])
    return [*found, dataset]


def attribute(places, name):
    return next((p.get(name) for p in places if p.get(name) not in (None, "")), None)


def stored(path, dataset):
    for pattern, other in SAME_IMAGE:
        if path in glob.glob(os.path.join(DATA, pattern)):
            try:
                return dataset.pixel_array
            except Exception:  # noqa: whatever its decoders raise
                return pydicom.dcmread(os.path.join(DATA, other)).pixel_array
    try:
        return dataset.pixel_array
    except Exception as problem:
        raise Incomparable("pydicom has no decoder here") from problem


def slices_of(path):
    """(values as they should be read, world positions of the first and the last pixel) of each frame."""
    dataset = pydicom.dcmread(path, force=True)
    if not dataset.file_meta.get("TransferSyntaxUID"):
        little, implicit = dataset.is_little_endian, dataset.is_implicit_VR
        dataset.file_meta.TransferSyntaxUID = (
            pydicom.uid.ImplicitVRLittleEndian if implicit else
            pydicom.uid.ExplicitVRLittleEndian if little else pydicom.uid.ExplicitVRBigEndian)
    pixels = stored(path, dataset)
    frames = pixels if pixels.ndim == 3 else pixels[None]
    for i, values in enumerate(frames):
        places = groups_of(dataset, i)
        slope = attribute(places, "RescaleSlope")
        hu = values.astype(float) * (1.0 if slope is None else float(slope))
        hu += float(attribute(places, "RescaleIntercept") or 0)
        if dataset.get("Modality") == "CT":
            air = hu < -1024
            if dataset.get("PixelPaddingValue") is not None:
                air |= values == dataset.PixelPaddingValue
            hu[air] = -1000
        corner = np.array(attribute(places, "ImagePositionPatient"), float)
        axes = np.array(attribute(places, "ImageOrientationPatient"), float).reshape(2, 3)
        spacing = np.array(attribute(places, "PixelSpacing"), float)
        y, x = values.shape
        far = corner + axes[0] * (x - 1) * spacing[1] + axes[1] * (y - 1) * spacing[0]
        yield hu.astype(np.float32), corner, far


def equal_dicom(paths, nifti):
    """Looks up each slice in the converted volume by world position."""
    image = nib.load(nifti)
    volume = np.asarray(image.dataobj, dtype=np.float32)
    inverse = np.linalg.inv(image.affine @ np.eye(4))
    seen = set()
    for path in paths:
        for expected, corner, far in slices_of(path):
            near, end = (inverse @ [-p[0], -p[1], p[2], 1] for p in (corner, far))
            k = round(near[2])
            size = (expected.shape[1] - 1, expected.shape[0] - 1)
            if not (np.allclose(near[:3], [0, 0, k], atol=5e-3)
                    and np.allclose(end[:3], [*size, k], atol=5e-3)):
                return f"{path}: lies elsewhere: {near}, {end}"
            if not np.array_equal(volume[..., k].T, expected):
                return f"{path}: slice {k} differs"
            seen.add(k)
            compared["voxels"] += expected.size
    return None if len(seen) == volume.shape[2] else f"{len(seen)} slices of {volume.shape[2]}"


def image_outcome(path, paths, folder):
    out = os.path.join(folder, "out.nii")
    code, _, err = run("convert", path, out, "--quiet")
    if code:
        return "refused: " + message(path, err)
    size = nib.load(out).shape
    outcome = f"read: {size[2]} slice{'s' if size[2] > 1 else ''} of {size[0]} x {size[1]}"
    told = message(path, err.replace("warning: ", "")) if err else ""
    if "resampled" in told or "filled" in told:
        outcome += f", {told}"
    else:
        try:
            fault = equal_dicom(paths, out)
            if fault:
                faults.append(f"{path}: {fault}")
            outcome += ", NOT equal to pydicom" if fault else ", equal to pydicom"
            compared["files"] += len(paths)
        except Incomparable as reason:
            outcome += f" (not compared: {reason})"
    os.remove(out)
    return outcome


# ---- others ------------------------------------------------------------------------------------


def contours_outcome(path, told):
    rois = {int(r["number"]): r for r in told["rois"]}
    dataset = pydicom.dcmread(path, force=True)
    for roi in dataset.get("ROIContourSequence", []):
        contours = [c for c in roi.get("ContourSequence", []) if c.get("ContourData")]
        points = sum(len(c.ContourData) // 3 for c in contours)
        ours = rois.get(int(roi.ReferencedROINumber), {})
        if (ours.get("contours"), ours.get("points")) != (len(contours), points):
            faults.append(f"{path}: ROI {roi.ReferencedROINumber}: {ours}, pydicom {len(contours)} "
                          f"contours, {points} points")
    if len(rois) != len(dataset.get("StructureSetROISequence", [])):
        faults.append(f"{path}: {len(rois)} ROIs")
    compared["files"] += 1
    count = sum(r["contours"] for r in rois.values())
    return f"read: {len(rois)} ROIs, {count} contours, counts equal to pydicom"


def nifti_outcome(path, folder):
    out = os.path.join(folder, "out.nii")
    code, _, err = run("convert", path, out, "--quiet")
    if code:
        return "refused: " + message(path, err)
    ours, theirs = nib.load(out), nib.load(path)
    a, b = np.asarray(ours.dataobj), np.asarray(theirs.dataobj)
    b = b.reshape(a.shape) if b.size == a.size else b
    same = a.shape == b.shape and np.array_equal(a.astype(np.float32), b.astype(np.float32))
    if not same or not np.allclose(ours.affine, theirs.affine, atol=1e-4):
        faults.append(f"{path}: differs from nibabel")
    os.remove(out)
    compared["files"] += 1
    compared["voxels"] += a.size
    return f"read: {' x '.join(map(str, a.shape))} voxels, equal to nibabel"


def outcome_of(path, folder):
    code, out, err = run("info", "--json", path)
    if code:
        told = "refused: " + message(path, err)
        code, _, err = run("convert", path, os.path.join(folder, "none.nii"), "--quiet")
        if code == 0:
            faults.append(f"{path}: info refuses what convert takes")
        return told
    told = json.loads(out)
    if told["kind"] == "DICOM images":
        return image_outcome(path, [path], folder)
    if told["kind"] == "RTSTRUCT":
        return contours_outcome(path, told)
    if told["kind"] == "NIfTI":
        return nifti_outcome(path, folder)
    return f"told by `info`: {told['kind']}"


def syntax_of(path):
    """What kind of file it is, as pydicom sees it."""
    try:
        meta = pydicom.dcmread(path, stop_before_pixels=True).file_meta
        return re.sub(r" \(.*| Transfer Syntax|,? Hierarchical.*", "", meta.TransferSyntaxUID.name)
    except Exception:  # noqa: that it cannot be read is all that counts
        return ""


# ---- the table -------------------------------------------------------------------------------------


def cell(text):
    return text.replace("|", "\\|").replace("<", "&lt;")


def rows_of(folder, files):
    """Neighbours of a folder with one outcome share a row."""
    for outcome, group in itertools.groupby(files, key=lambda f: f[1:]):
        names = [name for name, *_ in group]
        if len(names) > 3:
            yield f"| `{names[0]}` to `{names[-1]}`, {len(names)} files", outcome
        else:
            for name in names:
                yield f"| `{name}`", outcome


def table():
    lines, count = [], 0
    with tempfile.TemporaryDirectory(prefix="reprise-test-") as scratch:
        for place, folders, names in os.walk(DATA):
            folders.sort()
            files = []
            for name in sorted(names):
                path = os.path.join(place, name)
                files.append((name, syntax_of(path), outcome_of(path, scratch)))
            count += len(files)
            if not files:
                continue
            lines += ["", f"`{os.path.relpath(place, DATA)}/`", "",
                      "| file | transfer syntax | |", "|---|---|---|"]
            lines += [f"{row} | {cell(syntax)} | {cell(outcome)} |"
                      for row, (syntax, outcome) in rows_of(place, files)]
            images = [os.path.join(place, f) for f, _, outcome in files if outcome.startswith("read: 1 slice")]
            if len(images) > 2:
                lines.append(f"| **the folder** | | {cell(image_outcome(place, images, scratch))} |")
    return "\n".join([f"{count} files.", *lines, ""]), count


def main():
    if not os.path.isdir(DATA):
        print("skipped: REPRISE_TEST_DATA is absent")
        return 77
    made, count = table()
    if "--show" in sys.argv:
        print(made)
    with open(TABLE, encoding="utf-8") as file:
        text = file.read()
    start, end = text.index(BEGIN) + len(BEGIN), text.index(END)
    if "--write" in sys.argv:
        with open(TABLE, "w", encoding="utf-8") as file:
            file.write(text[:start] + made + text[end:])
    elif text[start:end] != made:
        old, new = text[start:end].splitlines(), made.splitlines()
        faults.append("docs/dicom.md is another than what the program does; --write renews it:\n"
                      + "\n".join([*("- " + x for x in old if x not in new),
                                   *("+ " + x for x in new if x not in old)][:40]))
    if compared["files"] < 100:
        faults.append("too little was compared")
    print(*faults, sep="\n")
    print(f"{count} files, {compared['files']} compared with pydicom or nibabel, {compared['voxels']} voxels, "
          f"{len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
