"""Bad input: the exit code, a message that names the file and the reason, nothing left behind, no
crash, no patient in what is printed. A case that must succeed stands before those that must not, so
that each of them fails for its own defect alone."""
import gzip
import json
import os
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tempfile

import numpy as np

import harness as h

FAILED, USAGE, REFUSED = 1, 2, 3


class World:
    """Good material, made once; cases spoil copies of it."""

    def __init__(self, folder):
        self.folder = folder
        self.baseline = h.write_series(self.path("baseline"), 1)
        self.followup = h.write_series(self.path("followup"), 2, "20240410", shift=1)
        self.contour = h.write_rtstruct(self.path("contour.dcm"), 1)
        self.image, mask = h.voxels()
        self.nifti = h.write_nifti(self.path("image.nii"), self.image)
        self.nifti_gz = h.write_nifti(self.path("image.nii.gz"), self.image)
        self.mask = h.write_nifti(self.path("mask.nii.gz"), mask)
        self.config = h.write(self.path("tiny.yaml"), h.TINY.encode())
        self.model = self.path("model.safetensors")

    def path(self, name):
        return os.path.join(self.folder, name)

    def assess(self, out, **changes):
        options = {"baseline": self.baseline, "contour": self.contour, "followup": self.followup,
                   "config": self.config, "out": out, **changes}
        return ["assess", "--quiet", "--seed", "1",
                *(f"--{key.replace('_', '-')}={value}" for key, value in options.items() if value)]

    def adapt(self, out):
        return ["adapt", "--quiet", "--seed=1", f"--image={self.baseline}",
                f"--contour={self.contour}", f"--config={self.config}", f"--out={out}"]

    def segment(self, out, model=None, image=None, *more):
        return ["segment", "--quiet", f"--model={model or self.model}",
                f"--image={image or self.baseline}", f"--out={out}", *more]


class Tester(h.Checks):
    def __init__(self, world):
        super().__init__()
        self.world = world

    def folder(self):
        """For one case, with what it spoils and its output folder "out"."""
        return tempfile.mkdtemp(dir=self.world.folder)

    def expect(self, name, folder, arguments, code, *words, **options):
        """words: what standard error must hold, of which any of a tuple will do."""
        before = h.files_below(self.world.folder)
        try:
            done = h.run(*arguments, **options)
        except subprocess.TimeoutExpired:
            self.report(name, ["did not end"])
            return
        self.judge(name, done, code, words)
        after = h.files_below(self.world.folder)
        changed = sorted(path for path in before.keys() | after.keys()
                         if before.get(path) != after.get(path))
        if changed:
            self.report(f"{name}: files", ["left behind, changed or removed: " + ", ".join(changed)])
        shutil.rmtree(folder, ignore_errors=True)

    def judge(self, name, done, code, words):
        faults = list(done.faults)
        codes = code if isinstance(code, tuple) else (code,)
        if done.returncode not in codes:
            faults.append(f"exit code {done.returncode}, not {' or '.join(map(str, codes))}")
        for word in words:
            choice = word if isinstance(word, tuple) else (word,)
            if not any(w.lower() in done.stderr.lower() for w in choice):
                faults.append(f"the message lacks {' or '.join(map(repr, choice))}")
        if not done.stderr.strip():
            faults.append("no message")
        if faults:
            faults.append("printed: " + done.stderr[-600:].strip())
        self.report(name, faults)

    def image(self, name, make, code, *words):
        """make(folder) gives a spoilt image: as the baseline, as the follow-up, for segment."""
        folder = self.folder()
        path = make(folder)
        shown = os.path.basename(path)
        out = os.path.join(folder, "out")
        self.expect(f"baseline {name}", self.folder(),
                    self.world.assess(out, baseline=path), code, shown, *words)
        self.expect(f"follow-up {name}", self.folder(),
                    self.world.assess(out, followup=path), code, shown, *words)
        self.expect(f"segment {name}", folder,
                    self.world.segment(os.path.join(folder, "mask.nii.gz"), image=path), code,
                    shown, *words)

    def contour(self, name, make, code, *words, roi=""):
        folder = self.folder()
        path = make(folder)
        out = os.path.join(folder, "out")
        self.expect(f"contour {name}", folder, self.world.assess(out, contour=path + roi), code,
                    os.path.basename(path), *words)

    def model(self, name, make, *words, code=FAILED):
        folder = self.folder()
        path = make(os.path.join(folder, "spoilt.safetensors"))
        self.expect(f"model {name}: assess", self.folder(),
                    self.world.assess(os.path.join(folder, "out"), model=path), code,
                    "spoilt.safetensors", *words)
        self.expect(f"model {name}: segment", folder,
                    self.world.segment(os.path.join(folder, "mask.nii.gz"), path), code,
                    "spoilt.safetensors", *words)


# ---- good input ----------------------------------------------------------------------------------

def good_input(t):
    w = t.world
    t.report("good adapt", verdict(h.run(*w.adapt(w.model)), [w.model]))
    out = w.path("good")
    done = h.run(*w.assess(out))
    made = "followup_mask.nii.gz patient_model.safetensors result.json report.html".split()
    t.report("good assess", verdict(done, [os.path.join(out, name) for name in made]))
    if t.failed:
        return False
    with open(os.path.join(out, "result.json"), encoding="utf-8") as file:
        result = json.load(file)
    t.report("good result", [] if result["response"] in ("CR", "PR", "SD", "PD", "NE")
             else [str(result["response"])])
    shutil.rmtree(out)
    out = w.path("good-nifti")
    done = h.run(*w.assess(out, baseline=w.nifti_gz, contour=w.mask, followup=w.nifti))
    t.report("good assess of NIfTI", verdict(done, [os.path.join(out, name) for name in made]))
    shutil.rmtree(out, ignore_errors=True)
    return not t.failed


def verdict(done, paths):
    faults = list(done.faults)
    if done.returncode:
        faults.append(f"exit code {done.returncode}: {done.stderr}")
    return faults + [f"{path} was not written" for path in paths if not os.path.exists(path)]


# ---- images ----------------------------------------------------------------------------------------

def spoil_slice(world, folder, **changes):
    copy = h.copy_folder(world.baseline, os.path.join(folder, "spoilt"))
    for name in sorted(os.listdir(copy)):
        h.edit(os.path.join(copy, name), **changes)
    return copy


def cut_slice(world, folder, share):
    copy = h.copy_folder(world.baseline, os.path.join(folder, "spoilt"))
    path = os.path.join(copy, "1-04.dcm")
    return h.cut(path, path, share) and copy


def nifti_with(world, folder, **bytes_at):
    """The plain NIfTI with bytes replaced: at40=struct.pack(...)."""
    with open(world.nifti, "rb") as file:
        data = bytearray(file.read())
    for place, value in bytes_at.items():
        data[int(place[2:]):int(place[2:]) + len(value)] = value
    return h.write(os.path.join(folder, "spoilt.nii"), bytes(data))


def not_an_image(t):
    w = t.world
    t.image("is text", lambda f: h.write(f + "/notes.txt", b"This is no image.\n"), FAILED,
            ("neither", "not "))
    t.image("is text named .nii", lambda f: h.write(f + "/notes.nii", b"This is no image.\n" * 50),
            FAILED)
    t.image("is text named .nii.gz", lambda f: h.write(f + "/notes.nii.gz", b"no gzip\n" * 50),
            FAILED)
    t.image("does not exist", lambda f: f + "/absent.nii.gz", FAILED, ("no such", "not exist"))
    t.image("is an RTSTRUCT", lambda f: shutil.copy(w.contour, f + "/spoilt.dcm"), FAILED,
            "RTSTRUCT")


def truncated(t):
    w = t.world
    for share, what in ((0.02, "header"), (0.6, "voxels")):
        t.image(f"NIfTI cut in its {what}", lambda f, s=share: h.cut(w.nifti, f + "/cut.nii", s),
                FAILED, ("truncated", "short", "ends", "bytes"))
        t.image(f"gzip cut in its {what}",
                lambda f, s=share: h.cut(w.nifti_gz, f + "/cut.nii.gz", max(s, 0.1)), FAILED)
        t.image(f"DICOM cut in its {what}",
                lambda f, s=share: cut_slice(w, f, max(s, 0.2)), FAILED, "1-04.dcm")
    for share in (0.05, 0.5, 0.95):
        t.contour(f"RTSTRUCT cut at {share}",
                  lambda f, s=share: h.cut(w.contour, f + "/cut.dcm", s), FAILED)
    t.contour("mask cut", lambda f: h.cut(w.mask, f + "/cut.nii.gz", 0.7), FAILED)


def zero_size(t):
    w = t.world
    for name in ("empty.nii", "empty.nii.gz", "empty.dcm"):
        t.image(f"of 0 bytes, {name}", lambda f, n=name: h.write(os.path.join(f, n), b""), FAILED)
        t.contour(f"of 0 bytes, {name}", lambda f, n=name: h.write(os.path.join(f, n), b""), FAILED)
    t.image("NIfTI without extent",
            lambda f: nifti_with(w, f, at40=struct.pack("<4h", 3, 0, 24, 10)), FAILED)
    t.image("NIfTI of negative extent",
            lambda f: nifti_with(w, f, at40=struct.pack("<4h", 3, -28, 24, 10)), FAILED)
    t.image("NIfTI larger than any memory",
            lambda f: nifti_with(w, f, at40=struct.pack("<4h", 3, 32767, 32767, 32767)), FAILED)
    t.image("NIfTI of spacing 0",
            lambda f: nifti_with(w, f, at80=struct.pack("<3f", 0, 0, 0), at252=struct.pack("<2h", 0, 0)),
            FAILED)
    t.image("DICOM without rows", lambda f: spoil_slice(w, f, Rows=0), FAILED)


def not_finite(t):
    w = t.world
    for value in (np.nan, np.inf, -np.inf):
        def make(folder, bad=value):
            image = w.image.astype(np.float32)
            image[5, 10, 10] = bad
            return h.write_nifti(os.path.join(folder, "spoilt.nii.gz"), image)
        t.image(f"holds {value}", make, FAILED, ("nan", "infin", "finite"))
        t.contour(f"mask holds {value}", make, FAILED, ("nan", "infin", "finite"))


def wrong_folder(t):
    w = t.world

    def with_file(folder, source=None):
        os.mkdir(folder + "/nothing")
        if source:
            shutil.copy(source, folder + "/nothing")
        return folder + "/nothing"

    t.image("folder is empty", with_file, FAILED, ("no ct", "empty", "no dicom", "no series"))
    t.image("folder holds text", lambda f: with_file(f, w.config), FAILED, ("no ct", "no dicom"))
    t.image("folder holds an RTSTRUCT", lambda f: with_file(f, w.contour), FAILED, "no ct")
    t.image("folder holds a localizer",
            lambda f: spoil_slice(w, f, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]), FAILED,
            "localizer")

    def two(folder, patient):
        copy = h.copy_folder(w.baseline, folder + "/two")
        h.write_series(copy + "/more", 3, "20240110", patient)
        return copy

    t.image("folder holds two patients", lambda f: two(f, "OTHER"), REFUSED, "patient")
    t.image("folder holds two series", lambda f: two(f, "HIDDEN-ID"), FAILED, h.UID + "1.2",
            h.UID + "3.2")

    def without(folder):
        copy = h.copy_folder(w.baseline, folder + "/gap")
        os.remove(copy + "/1-04.dcm")
        return copy

    t.image("folder lacks a slice", without, REFUSED, ("gap", "missing", "uneven", "spacing"))


def other_modality(t):
    t.image("is MR", lambda f: h.write_series(f + "/mr", 5, modality="MR"), (FAILED, REFUSED), "MR")
    folder = t.folder()
    mr = h.write_series(folder + "/mr", 1, modality="MR")
    t.expect("MR instead of CT is refused", folder,
             t.world.assess(folder + "/out", baseline=mr), REFUSED, "mr")


# ---- contours ----------------------------------------------------------------------------------------

def contours(t):
    w = t.world
    everywhere = {"All": [h.rectangle(z) for z in range(h.SIZE[0])]}
    far = {"Far": [[[x + 2000, y, z] for x, y, z in h.circle(s)] for s in range(3, 8)]}
    t.contour("of another series", lambda f: h.write_rtstruct(f + "/spoilt.dcm", 1, drawn_on=2,
                                                              frame_known=False),
              REFUSED, "series")
    t.contour("of another frame of reference", lambda f: h.write_rtstruct(f + "/spoilt.dcm", 2),
              REFUSED, "frame of reference")
    t.contour("of another patient", lambda f: h.write_rtstruct(f + "/spoilt.dcm", 1, patient="OTHER"),
              REFUSED, "patient")
    t.contour("outside the image", lambda f: h.write_rtstruct(f + "/spoilt.dcm", 1, far), REFUSED,
              "outside")
    t.contour("covers everything", lambda f: h.write_rtstruct(f + "/spoilt.dcm", 1, everywhere),
              REFUSED, "cover")
    t.contour("has no outline", lambda f: h.write_rtstruct(f + "/spoilt.dcm", 1, {"Empty": []}),
              (FAILED, REFUSED), ("no ", "empty"))
    t.contour("has no ROI", lambda f: h.write_rtstruct(f + "/spoilt.dcm", 1, {}), FAILED)
    t.contour("of points",
              lambda f: h.write_rtstruct(f + "/spoilt.dcm", 1, kind="POINT"), (FAILED, REFUSED))
    t.contour("ROI that does not exist", lambda f: shutil.copy(w.contour, f + "/spoilt.dcm"),
              FAILED, "Absent", "Tumour", roi=":Absent")
    both = {"Left": [h.circle(4)], "Right": [h.circle(6)]}
    t.contour("ROI not named", lambda f: h.write_rtstruct(f + "/spoilt.dcm", 1, both), FAILED,
              "Left", "Right")
    t.contour("is an image", lambda f: shutil.copy(w.baseline + "/1-00.dcm", f), FAILED)
    zero, one = np.zeros(h.SIZE, np.uint8), np.ones(h.SIZE, np.uint8)
    ball = h.voxels()[1]
    t.contour("mask is empty", lambda f: h.write_nifti(f + "/spoilt.nii.gz", zero), REFUSED,
              "empty")
    t.contour("mask covers everything", lambda f: h.write_nifti(f + "/spoilt.nii.gz", one), REFUSED,
              "cover")
    t.contour("mask outside the image",
              lambda f: h.write_nifti(f + "/spoilt.nii.gz", ball, move=(3000, 0, 0)), REFUSED,
              "outside")
    t.contour("mask of several labels",
              lambda f: h.write_nifti(f + "/spoilt.nii.gz", ball + 2 * (ball[:, ::-1] & one)), FAILED,
              "several labels", "FILE:LABEL", "measure --labels")
    t.contour("mask label that does not exist",
              lambda f: shutil.copy(w.mask, f + "/spoilt.nii.gz"), FAILED, "7", roi=":7")


def pairs(t):
    w = t.world
    folder = t.folder()
    other = h.write_series(folder + "/other", 4, "20240501", "OTHER")
    t.expect("two patients", folder, w.assess(folder + "/out", followup=other), REFUSED, "other",
             "patient")
    folder = t.folder()
    older = h.write_series(folder + "/older", 4, "20230501")
    t.expect("wrong order of time", folder, w.assess(folder + "/out", followup=older), REFUSED,
             "older")


# ---- memory and models -------------------------------------------------------------------------------

def memory(t):
    w = t.world
    folder = t.folder()
    t.expect("assess over the memory budget", folder, w.assess(folder + "/out", memory="64K"),
             FAILED, ("MiB", "memory"))
    folder = t.folder()
    t.expect("adapt over the memory budget", folder,
             w.adapt(folder + "/model.safetensors") + ["--memory=64K"], FAILED, ("MiB", "memory"))
    folder = t.folder()
    t.expect("segment over the memory budget", folder,
             w.segment(folder + "/mask.nii.gz", None, None, "--memory=64K"), FAILED,
             ("MiB", "memory"))


def safetensors(path, header, length=None, data=b""):
    size = len(header) if length is None else length
    return h.write(path, struct.pack("<Q", size) + header + data)


def models(t):
    w = t.world
    metadata, tensors = h.read_tensors(w.model)
    stem = "stem.conv.weight"
    for share in (0.0, 0.001, 0.2, 0.999):
        t.model(f"cut at {share}", lambda p, s=share: h.cut(w.model, p, s))
    t.model("is text", lambda p: h.write(p, b"This is no model. " * 20))

    def with_tensors(**changes):
        changed = dict(tensors)
        changed.update({name.replace("__", "."): value for name, value in changes.items()})
        return {name: value for name, value in changed.items() if value is not None}

    wide = np.zeros((6, 1, 3, 3, 3), np.float32)
    t.model("of another architecture: shape",
            lambda p: h.write_tensors(p, metadata, with_tensors(stem__conv__weight=wide)),
            "architecture")
    t.model("of another architecture: missing",
            lambda p: h.write_tensors(p, metadata, with_tensors(stem__conv__weight=None)), stem)
    t.model("of another architecture: extra",
            lambda p: h.write_tensors(p, metadata, with_tensors(extra__weight=wide)), "extra.weight")
    t.model("of another architecture: none of its metadata",
            lambda p: h.write_tensors(p, {}, tensors))
    t.model("of another architecture: metadata that does not fit",
            lambda p: h.write_tensors(p, {**metadata, "reprise.architecture":
                                          metadata["reprise.architecture"].replace("4", "8")},
                                      tensors))
    for value in (np.nan, np.inf):
        spoilt = tensors[stem].copy()
        spoilt.flat[3] = value
        t.model(f"holds {value}",
                lambda p, s=spoilt: h.write_tensors(p, metadata, with_tensors(stem__conv__weight=s)),
                ("nan", "infin", "finite"))
    entry = b'{"a":{"dtype":"F32","shape":%s,"data_offsets":%s}}'
    hostile = {
        "header of 2^63 bytes": (b"{}", 2 ** 63, b""),
        "header of 2^64-1 bytes": (b"{}", 2 ** 64 - 1, b""),
        "header of 4 GiB": (b"{}", 2 ** 32, b""),
        "header of 0 bytes": (b"", 0, b""),
        "shape that overflows": (entry % (b"[4294967296,4294967296,16]", b"[0,16]"), None, b"0" * 16),
        "negative shape": (entry % (b"[-4]", b"[0,16]"), None, b"0" * 16),
        "offsets beyond the file": (entry % (b"[4]", b"[1000000,1000016]"), None, b"0" * 16),
        "offsets turned round": (entry % (b"[4]", b"[16,0]"), None, b"0" * 16),
        "brackets without end": (b"[" * 200000, None, b""),
        "no JSON": (b"\xff\xfe\x00{]" * 9, None, b""),
        "a number for a tensor": (b'{"a": 1}', None, b""),
        "rank 5000": (entry % (b"[" + b"1," * 4999 + b"1]", b"[0,4]"), None, b"0" * 4),
    }
    for name, (header, length, data) in hostile.items():
        t.model(f"with {name}", lambda p, a=(header, length, data): safetensors(p, *a))


def nothing_found(t):
    """A model that calls everything background: a failure of segment, not evaluable for assess."""
    w = t.world
    metadata, tensors = h.read_tensors(w.model)
    tensors["head.conv.weight"] *= 0
    tensors["head.conv.bias"][:] = (20, -20)
    folder = t.folder()
    blind = h.write_tensors(w.path("blind.safetensors"), metadata, tensors)
    t.expect("no tumour found by segment", folder, w.segment(folder + "/mask.nii.gz", blind),
             FAILED, "baseline", "no tumour")
    out = w.path("blind")
    config = h.write(w.path("blind.yaml"), b"adapt:\n  epochs: 1\n  crop: [16, 16, 8]\n")
    done = h.run(*w.assess(out, model=blind, config=config))
    faults = verdict(done, [out + "/result.json", out + "/report.html"])
    if not faults:
        with open(out + "/result.json", encoding="utf-8") as file:
            result = json.load(file)
        if result["response"] != "NE" or result["change_percent"] is not None:
            faults.append(f"response {result['response']}, change {result['change_percent']}")
        if not result["flags"]:
            faults.append("no flag tells it")
    t.report("no tumour found by assess is NE", faults)
    shutil.rmtree(out, ignore_errors=True)


# ---- outputs -------------------------------------------------------------------------------------------

def outputs(t):
    w = t.world
    folder = t.folder()
    file = h.write(folder + "/file", b"mine")
    t.expect("assess into a file", t.folder(), w.assess(file), FAILED, "file")
    t.expect("assess below a file", t.folder(), w.assess(file + "/out"), FAILED, "file")
    t.expect("adapt below a file", t.folder(), w.adapt(file + "/m.safetensors"), FAILED, "file")
    t.expect("segment below a file", t.folder(), w.segment(file + "/m.nii.gz"), FAILED, "file")
    t.expect("phantom below a file", t.folder(), ["phantom", "--seed=1", f"--out={file}/p"],
             FAILED, "file")
    t.expect("convert below a file", t.folder(), ["convert", w.nifti, file + "/o.nii"], FAILED,
             "file")
    t.expect("simulate below a file", folder,
             ["simulate", f"--image={w.baseline}", f"--contour={w.contour}", "--change=-20",
              "--seed=1", f"--out={file}/s"], FAILED, "file")
    folder = t.folder()
    own = h.copy_folder(w.baseline, folder + "/own")
    t.expect("assess into its input", folder, w.assess(own, baseline=own), (FAILED, REFUSED), "own")
    t.expect("convert onto its input", t.folder(), ["convert", w.nifti, w.nifti],
             (FAILED, REFUSED), "image.nii")


def namespace_works():
    """Mounts of our own, as root, that nobody else sees."""
    if os.geteuid() or not shutil.which("unshare"):
        return False
    done = subprocess.run(["unshare", "-m", "sh", "-c", "mount -t tmpfs none /mnt"],
                          capture_output=True, check=False)
    return done.returncode == 0


def on_mount(t, name, options, arguments, code, *words):
    """Runs with an own file system at the folder "disk", and looks at what is left on it."""
    disk = t.world.path("disk")
    os.makedirs(disk, exist_ok=True)
    script = (f'mount -t tmpfs -o {options} none "$0" && {{ "$@"; code=$?; '
              'find "$0" -mindepth 1 ! -type d -printf "LEFT %P\\n" >&2; exit $code; }')
    done = subprocess.run(["unshare", "-m", "sh", "-c", script, disk, h.REPRISE, *arguments(disk)],
                          capture_output=True, timeout=h.SECONDS, check=False)
    done = h.judge(done)
    left = [line for line in done.stderr.splitlines()
            if line.startswith("LEFT ") and not line.endswith("checkpoint.safetensors")
            and not line.endswith(".checkpoint")]
    done.faults += left
    t.judge(name, done, code, words)


def writers(w):
    return {
        "assess": lambda d: w.assess(d + "/out"),
        "adapt": lambda d: w.adapt(d + "/model.safetensors"),
        "segment": lambda d: w.segment(d + "/mask.nii", None, None, "--all-components"),
        "convert": lambda d: ["convert", w.nifti, d + "/image.nii"],
        "simulate": lambda d: ["simulate", f"--image={w.baseline}", f"--contour={w.contour}",
                               "--change=-20", "--seed=1", f"--out={d}/s"],
        "phantom": lambda d: ["phantom", "--seed=1", "--size=12x32x40", "--spacing=8",
                              f"--out={d}/p"],
    }


def full_disk(t):
    w = t.world

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (600, 600))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    for name, arguments in writers(w).items():
        folder = t.folder()
        t.expect(f"file size limit, {name}", folder, arguments(folder), FAILED, folder,
                 preexec_fn=limit, restore_signals=False)
    if not namespace_works():
        print("no mounts of our own: a full and a read-only disk are tried by the size limit only")
        return
    for name, arguments in writers(w).items():
        on_mount(t, f"full disk, {name}", "size=4k", arguments, FAILED, w.path("disk"))
        on_mount(t, f"read-only disk, {name}", "ro", arguments, FAILED, w.path("disk"))


def usage(t):
    w = t.world
    for arguments in ([], ["assess"], ["nonsense"], ["assess", "--nonsense"],
                      ["measure"], w.assess("x", epochs="none"), w.assess("x", memory="much"),
                      ["phantom", "--seed=x", "--out=y"], ["respond", "--json"]):
        t.expect("usage: " + " ".join(arguments[:2]), t.folder(), arguments, USAGE)


def settings(t):
    w = t.world
    for name, text in {"unknown key": "adapt:\n  epoch: 3\n", "no YAML": "a: [}\n",
                       "out of range": "adapt:\n  epochs: -3\n", "text": "adapt:\n  epochs: many\n",
                       "crop of two": "adapt:\n  crop: [1, 2]\n"}.items():
        folder = t.folder()
        config = h.write(folder + "/spoilt.yaml", text.encode())
        t.expect(f"settings: {name}", folder, w.assess(folder + "/out", config=config),
                 (FAILED, USAGE), "spoilt.yaml")


def others(t):
    """Commands that only read."""
    w = t.world
    folder = t.folder()
    spoilt = h.cut(w.nifti_gz, folder + "/spoilt.nii.gz", 0.7)
    t.expect("measure a cut mask", t.folder(), ["measure", f"--mask={spoilt}", "--json"], FAILED,
             "spoilt.nii.gz")
    t.expect("respond to a cut mask", t.folder(),
             ["respond", f"--baseline-mask={spoilt}", f"--followup-mask={w.mask}", "--json"],
             FAILED, "spoilt.nii.gz")
    text = h.write(folder + "/notes.txt", b"no image")
    t.expect("info on text", t.folder(), ["info", text], FAILED, "notes.txt")
    t.expect("convert text", folder, ["convert", text, folder + "/out.nii"], FAILED, "notes.txt")
    twice = gzip.compress(b"no NIfTI inside" * 100)
    folder = t.folder()
    t.expect("convert gzip of text", folder,
             ["convert", h.write(folder + "/text.nii.gz", twice), folder + "/out.nii"], FAILED,
             "text.nii.gz")


PARTS = [not_an_image, truncated, zero_size, not_finite, wrong_folder, other_modality, contours, pairs,
         memory, models, nothing_found, outputs, full_disk, usage, settings, others]


def main():
    h.require_program()
    wanted = sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="reprise-test-") as folder:
        tester = Tester(World(folder))
        if not good_input(tester):
            print("what is good was not taken: the bad was not tried")
            return 1
        for part in PARTS:
            if not wanted or part.__name__ in wanted:
                part(tester)
    return tester.finish()


sys.exit(main())
