"""Cases with known truth and what is done with them: shared by the scripts that measure the patient model.

Baselines are phantoms (SYNTHETIC) and, where a data folder is given, STS_001 and STS_002 (real; TCIA
Soft-tissue-Sarcoma, DICOM CT + RTSTRUCT). All follow-ups are SIMULATED from them or SYNTHETIC. What is there already
isn't made again. numpy and nibabel are all that is needed beside the program.
"""
import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import threading
import time

import nibabel
import numpy as np

SARCOMAS = ("STS_001", "STS_002")
RESPONSES = ("CR", "PR", "SD", "PD")


class Failure(Exception):
    """A command that failed: its message, and its exit code (3: refused for safety)."""

    def __init__(self, message, code=None):
        super().__init__(message)
        self.code = code


class Run:
    """A finished command: its output, seconds on the clock and seconds of processor time."""

    def __init__(self, output, wall, cpu):
        self.output, self.wall, self.cpu = output, wall, cpu


def run(*command):
    """Runs a command; processor time is its own, whatever runs beside it."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        start = time.monotonic()
        process = subprocess.Popen([str(c) for c in command], stdout=out, stderr=err)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.monotonic() - start
        out.seek(0)
        err.seek(0)
        if process.returncode:
            lines = err.read().decode(errors="replace").strip().splitlines()[-3:]
            raise Failure(f"{' '.join(map(str, command))}: exit {process.returncode}: " + " / ".join(lines),
                          process.returncode)
        return Run(out.read().decode(), wall, usage.ru_utime + usage.ru_stime)


def write_json(path, data):
    """In one piece: what is read later is whole or not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    draft.write_text(json.dumps(data, indent=1, sort_keys=True) + "\n")
    draft.replace(path)


def read_json(path):
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        return None


class Program:
    """The built program, and what this build of it can do."""

    def __init__(self, path, threads=0):
        self.path, self.threads = str(path), threads
        self.help = {}

    def __call__(self, command, *arguments):
        common = ["--threads", self.threads] if self.threads else []
        return run(self.path, command, *arguments, *common)

    def knows(self, command, option):
        if command not in self.help:
            done = subprocess.run([self.path, command, "--help"], capture_output=True, text=True)
            self.help[command] = done.stdout if done.returncode == 0 else ""
        return option in self.help[command]


# ---- masks ------------------------------------------------------------------------------------------------


def mask_of(path):
    """Voxels inside, and the affine from voxel to world."""
    image = nibabel.load(path)
    return np.asarray(image.dataobj) >= 0.5, image.affine


def on_grid(mask, affine, shape, target):
    """The mask at the centres of another grid's voxels, nearest neighbour, same world coordinates."""
    out = np.zeros(shape, bool)
    inside = np.argwhere(mask)
    if not len(inside):
        return out
    corners = np.array([[x, y, z, 1] for x in (0, 1) for y in (0, 1) for z in (0, 1)], float)
    extent = inside.min(axis=0) + corners[:, :3] * np.ptp(inside, axis=0)
    world = np.linalg.inv(target) @ affine @ np.c_[extent, np.ones(8)].T
    low = np.clip(np.floor(world[:3].min(axis=1)).astype(int) - 2, 0, shape)
    high = np.clip(np.ceil(world[:3].max(axis=1)).astype(int) + 3, 0, shape)
    if (high <= low).any():
        return out
    axes = np.meshgrid(*[np.arange(a, b) for a, b in zip(low, high)], indexing="ij")
    points = np.stack([a.ravel() for a in axes] + [np.ones(axes[0].size)])
    index = np.rint((np.linalg.inv(affine) @ target @ points)[:3]).astype(int)
    valid = np.all((index >= 0) & (index < np.array(mask.shape)[:, None]), axis=0)
    values = np.zeros(points.shape[1], bool)
    values[valid] = mask[tuple(index[:, valid])]
    out[tuple(slice(a, b) for a, b in zip(low, high))] = values.reshape(axes[0].shape)
    return out


def dice(a, b):
    total = int(a.sum()) + int(b.sum())
    return 1.0 if total == 0 else 2.0 * int((a & b).sum()) / total


def save_like(array, template, path):
    """An array as NIfTI with the header of another file, its label among it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    header = template.header.copy()
    header.set_data_dtype(array.dtype)
    header["scl_slope"], header["scl_inter"] = 1, 0
    nibabel.save(nibabel.Nifti1Image(array, template.affine, header), path)


def save_empty_like(template, path):
    image = nibabel.load(template)
    save_like(np.zeros(image.shape, np.uint8), image, path)


# ---- baselines and follow-ups -----------------------------------------------------------------------------


class Baseline:
    """A CT with its contour, as NIfTI."""

    def __init__(self, name, folder):
        self.name, self.folder = name, folder
        self.image, self.mask = folder / "baseline.nii.gz", folder / "baseline_mask.nii.gz"
        self.lock = threading.Lock()


class Followup:
    """One follow-up of a baseline: `kind` is warp or remodel (as `reprise simulate` has them) or phantom (the
    phantom's own second visit)."""

    def __init__(self, kind, change=None, seed=None, more=()):
        self.kind, self.change, self.seed, self.more = kind, change, seed, tuple(more)
        self.name = kind if change is None else f"{kind}{change:+d}_{seed}"

    def options(self):
        kind = [] if self.kind == "warp" else ["--kind", self.kind]
        return [*kind, "--change", self.change, "--seed", self.seed, *self.more]


class Workshop:
    """Makes baselines and follow-ups in a folder, once."""

    def __init__(self, program, out, data=None):
        self.program, self.out, self.data = program, pathlib.Path(out), data
        self.lock, self.baselines = threading.Lock(), {}

    def baseline(self, name):
        with self.lock:
            if name not in self.baselines:
                self.baselines[name] = Baseline(name, self._folder(name))
            found = self.baselines[name]
        with found.lock:
            if not found.mask.exists():
                self._make(found)
        return found

    def _folder(self, name):
        folder = self.out / "baselines" / name
        return folder / "patient-001" if name.startswith("p") else folder

    def _make(self, baseline):
        if baseline.name.startswith("p"):
            self.program("phantom", "--seed", baseline.name[1:], "--out", baseline.folder.parent, "--quiet")
            return
        if not self.data:
            raise Failure(f"{baseline.name}: no --data folder")
        baseline.folder.mkdir(parents=True, exist_ok=True)
        image = self.data / baseline.name / "CT/dicom/image"
        (contour,) = sorted((self.data / baseline.name / "CT/dicom/mask").glob("*.dcm"))
        self.program("convert", image, baseline.image)
        self.program("convert", contour, baseline.mask, "--reference", image)

    def followup(self, baseline, case):
        """Folder with followup.nii.gz, truth_mask.nii.gz and measured.json, what `respond` says of the truth."""
        folder = self.out / "followups" / baseline.name / case.name
        with baseline.lock:
            if not (folder / "truth_mask.nii.gz").exists():
                self._simulate(baseline, case, folder)
            if not (folder / "measured.json").exists():
                write_json(folder / "measured.json", self.respond(baseline, folder / "truth_mask.nii.gz", True))
        return folder

    def _simulate(self, baseline, case, folder):
        if case.kind == "phantom":
            folder.mkdir(parents=True, exist_ok=True)
            for name, here in (("followup", "followup"), ("followup_mask", "truth_mask")):
                with contextlib.suppress(FileExistsError):
                    (folder / f"{here}.nii.gz").symlink_to((baseline.folder / f"{name}.nii.gz").resolve())
            return
        self.program("simulate", "--image", baseline.image, "--contour", baseline.mask, *case.options(),
                     "--out", folder, "--quiet")

    def respond(self, baseline, mask, absent=False):
        """Diameters, change and response of a mask against the baseline's."""
        empty = ["--confirmed-absent"] if absent and not mask_of(mask)[0].any() else []
        return json.loads(run(self.program.path, "respond", "--baseline-mask", baseline.mask, "--followup-mask", mask,
                              *empty, "--json").output)


# ---- what stands without a network ------------------------------------------------------------------------


def carried(baseline, folder, out):
    """The baseline contour in its place."""
    image = nibabel.load(folder / "truth_mask.nii.gz")
    moved = on_grid(*mask_of(baseline.mask), image.shape, image.affine)
    save_like(moved.astype(np.uint8), image, out)


# elastix as `reprise evaluate` runs it: rigid, then B-splines of 20 mm, mutual information.
ELASTIX = """(FixedInternalImagePixelType "float")
(MovingInternalImagePixelType "float")
(FixedImageDimension 3)
(MovingImageDimension 3)
(UseDirectionCosines "true")
(Registration "MultiResolutionRegistration")
(Interpolator "BSplineInterpolator")
(ResampleInterpolator "FinalBSplineInterpolator")
(Resampler "DefaultResampler")
(FixedImagePyramid "FixedRecursiveImagePyramid")
(MovingImagePyramid "MovingRecursiveImagePyramid")
(Optimizer "AdaptiveStochasticGradientDescent")
(Metric "AdvancedMattesMutualInformation")
(NumberOfHistogramBins 32)
(NumberOfResolutions 3)
(NumberOfSpatialSamples 4096)
(NewSamplesEveryIteration "true")
(ImageSampler "RandomCoordinate")
(BSplineInterpolationOrder 1)
(FinalBSplineInterpolationOrder 1)
(DefaultPixelValue -1000)
(ErodeMask "false")
(WriteResultImage "false")
(ResultImageFormat "nii")
(ResultImagePixelType "float")
(RandomSeed 1)
(HowToCombineTransforms "Compose")
"""
RIGID = """(Transform "EulerTransform")
(AutomaticScalesEstimation "true")
(AutomaticTransformInitialization "true")
(MaximumNumberOfIterations 300)
"""
BSPLINE = """(Transform "BSplineTransform")
(FinalGridSpacingInPhysicalUnits 20)
(MaximumNumberOfIterations 500)
"""


def registered(program, baseline, folder, out):
    """The baseline contour as `reprise register` carries it."""
    work = out.parent / "registered"
    shutil.rmtree(work, ignore_errors=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    done = program("register", "--baseline", baseline.image, "--contour", baseline.mask, "--followup",
                   folder / "followup.nii.gz", "--out", work, "--quiet")
    (work / "carried_mask.nii.gz").replace(out)
    return done


def by_elastix(baseline, folder, out, threads=1):
    """The baseline contour moved by elastix; the mask moves as its indicator, linearly."""
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        (work / "rigid.txt").write_text(ELASTIX + RIGID)
        (work / "bspline.txt").write_text(ELASTIX + BSPLINE)
        mask, affine = mask_of(baseline.mask)
        nibabel.save(nibabel.Nifti1Image(mask.astype(np.float32), affine), work / "contour.nii")
        done = run("elastix", "-f", folder / "followup.nii.gz", "-m", baseline.image, "-out", work, "-p",
                   work / "rigid.txt", "-p", work / "bspline.txt", "-threads", threads)
        text = (work / "TransformParameters.1.txt").read_text()
        (work / "final.txt").write_text(text.replace("(DefaultPixelValue -1000", "(DefaultPixelValue 0"))
        run("transformix", "-in", work / "contour.nii", "-out", work, "-tp", work / "final.txt", "-threads", threads)
        moved = np.asarray(nibabel.load(work / "result.nii").dataobj) >= 0.5
        save_like(moved.astype(np.uint8), nibabel.load(folder / "truth_mask.nii.gz"), out)
        return done
