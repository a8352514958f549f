"""Runs, their folders and their ends: what a killed run leaves, two runs at one place, signals, limits, full disks, --resume,
settings out of range, -h, mistyped commands, and what a terminal is shown meanwhile."""
import fcntl
import glob
import hashlib
import os
import pty
import re
import resource
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
import zlib

import harness as h
import nibabel
import numpy as np

TINY = h.TINY + "  copies: 1\n"
COMMANDS = ["assess", "adapt", "segment", "measure", "respond", "track", "register", "compare-masks", "simulate", "phantom",
            "import", "manifest", "train", "pretrain", "evaluate", "convert", "info", "anonymize", "send", "receive", "bench"]


class World:
    def __init__(self, root):
        self.root = root
        self.image, self.mask, self.followup = (self.path(n) for n in ("b.nii.gz", "m.nii.gz", "f.nii.gz"))
        self.config = self.write("tiny.yaml", TINY)
        affine = np.diag([-4.0, -4.0, 4.0, 1.0])
        for path, array in zip((self.image, self.mask), h.voxels()):
            nibabel.save(nibabel.Nifti1Image(array.transpose(2, 1, 0), affine), path)
        nibabel.save(nibabel.Nifti1Image(h.voxels(1)[0].transpose(2, 1, 0), affine), self.followup)

    def path(self, *names):
        return os.path.join(self.root, *names)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)

    def adapt(self, out, *more, config=None, epochs=3, seed=1):
        return ["adapt", "-q", "--guard", "off", "--config", config or self.config, "--image", self.image, "--contour", self.mask, "--out", self.path(out),
                "--epochs", str(epochs), "--seed", str(seed), *map(str, more)]

    def assess(self, out, *more, epochs=2, seed=1, mask=None):
        return ["assess", "-q", "--guard", "off", "--config", self.config, "--baseline", self.image, "--contour", mask or self.mask, "--followup",
                self.followup, "--out", self.path(out), "--epochs", str(epochs), "--seed", str(seed), *map(str, more)]


def start(arguments, **options):
    return subprocess.Popen([h.REPRISE, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


def wait_for(condition, process):
    end = time.monotonic() + 60
    while not condition() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.002)


def digest(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def expect(done, code, *words, absent=()):
    faults = list(done.faults)
    if done.returncode != code:
        faults.append(f"exit code {done.returncode}, not {code}")
    said = done.stdout + done.stderr
    faults += [f"does not say {w!r}" for w in words if w not in said]
    faults += [f"says {w!r}" for w in absent if w in said]
    return faults + [said[-600:]] if faults else []


# ---- what a killed run leaves ----------------------------------------------------------------------


def leftovers(checks, w):
    """A stage with some slices, and a slice that was never finished, are no part of any series."""
    tree = w.path("tree")
    h.write_series(tree, 1)
    stage = os.path.join(tree, ".reprise-Ab3xYz")
    os.makedirs(stage)
    for number, name in enumerate(sorted(os.listdir(tree))[1:8]):
        shutil.copy(os.path.join(tree, name), os.path.join(stage, f"slice-{number}.dcm"))
    with open(os.path.join(tree, "1-09.dcm.part-Ab3xYz"), "wb") as file:
        file.write(b"half")
    done = h.run("convert", tree, w.path("whole.nii"))
    checks.report("a series beside leftovers", expect(done, 0, "unfinished") + (
        [] if nibabel.load(w.path("whole.nii")).shape == h.SIZE[::-1] else ["another number of slices"]))
    shutil.copytree(stage, w.path("alone", ".reprise-Ab3xYz"))
    checks.report("leftovers alone are refused", expect(h.run("convert", w.path("alone"), w.path("none.nii")), 1))
    checks.report("info finds no series in them", expect(h.run("info", w.path("alone")), 1))
    h.write_series(w.path("one"), 2)
    done = h.run("import", "dicom", w.path("one"), "--out", w.path("one", "cohort.csv"))
    checks.report("a run's own lock is no leftover", ["warned of"] if "unfinished" in done.stderr else [])
    done = h.run("anonymize", tree, "--out", w.path("clean"), "--key", w.write("key", "0123456789abcdef0123456789abcdef"))
    files = [n for _, _, names in os.walk(w.path("clean")) for n in names]
    checks.report("anonymize passes over them", expect(done, 0) + ([] if len(files) == h.SIZE[0] else [f"{len(files)} files"]))


def killed(checks, w):
    """SIGKILL in the middle: the next run into the same place clears up, and leaves alone what is not Reprise's."""
    out = w.path("phantoms")
    os.makedirs(os.path.join(out, ".reprise-backup"))
    with open(os.path.join(out, ".reprise-backup", "mine"), "wb"):
        pass
    process = start(["phantom", "-q", "--patients", "200", "--out", out])
    wait_for(lambda: glob.glob(out + "/.reprise-*/patient-001"), process)
    second = h.run("phantom", "-q", "--patients", "1", "--out", out)
    checks.report("a second run into a folder in use", expect(second, 1, "in use by another run", out))
    process.kill()
    process.communicate()
    left = glob.glob(out + "/.reprise-??????")
    checks.report("the killed run left its stage", [] if len(left) == 2 else [left])
    done = h.run("phantom", "-q", "--patients", "1", "--out", out)
    checks.report("the next run clears up its own kind alone", expect(done, 0) + (
        [] if sorted(os.listdir(out)) == [".reprise-backup", "patient-001"] else [sorted(os.listdir(out))]))
    checks.report("another's folder of a like name stays", [] if os.path.exists(out + "/.reprise-backup/mine") else ["gone"])


def killed_training(checks, w):
    """Half-written files in the folders that a training holds go with the next run; in a cache of others they stay."""
    w.write("t.csv", "patient,visit,image,contour,split\nP1,baseline,b.nii.gz,m.nii.gz,training\n")
    out, cache = w.path("t"), w.path("shared-cache")
    os.makedirs(os.path.join(out, "cache"))
    os.makedirs(cache)
    for path in (out + "/cache/x-image.nii.part-Ab3xYz", out + "/best.safetensors.part-Ab3xYz", cache + "/x-image.nii.part-Ab3xYz",
                 out + "/checkpoint.safetensors.part-Ab3xYz", out + "/mine.part-Ab3xYz"):
        with open(path, "wb"):
            pass
    command = ["train", "-q", "--config", w.config, "--manifest", w.path("t.csv"), "--epochs", "1", "--validation", "none", "--out", out]
    done = h.run(*command)
    parts = [os.path.relpath(p, out) for p in glob.glob(out + "/**/*.part-*", recursive=True)]
    checks.report("a training clears up", expect(done, 0) + ([] if parts == ["mine.part-Ab3xYz"] else [parts]))
    done = h.run(*command[:-1], w.path("t2"), "--cache", cache)
    checks.report("a cache of others is left alone", expect(done, 0) + ([] if glob.glob(cache + "/*.part-*") else ["removed"]))


def files_in_use(checks, w):
    model = w.path("m", "a.safetensors")
    process = start(w.adapt("m/a.safetensors", epochs=100000))
    wait_for(lambda: glob.glob(w.path("m", ".reprise-*")), process)
    checks.report("a file in use", expect(h.run(*w.adapt("m/a.safetensors")), 1, "in use by another run", model))
    checks.report("another file beside it", expect(h.run(*w.adapt("m/b.safetensors")), 0))
    process.send_signal(signal.SIGTERM)
    process.communicate()
    checks.report("nothing but the work is left", [] if sorted(os.listdir(w.path("m"))) == [
        "a.safetensors.checkpoint", "b.safetensors"] else os.listdir(w.path("m")))


def permissions(checks, w):
    done = h.run("convert", w.image, w.path("masked.nii"), preexec_fn=lambda: os.umask(0o027))
    mode = os.stat(w.path("masked.nii")).st_mode & 0o777
    checks.report("a file has the permissions of any new file", expect(done, 0) + ([] if mode == 0o640 else [oct(mode)]))


# ---- results that stay ------------------------------------------------------------------------------


def old_results(checks, w):
    first = h.run(*w.assess("a"))
    before = {n: digest(w.path("a", n)) for n in os.listdir(w.path("a"))}
    checks.report("an assessment", expect(first, 0, absent=("finished assessment",)))
    for blocked in ("result.json", "report.html"):
        kept = w.path("a", blocked + ".kept")
        os.rename(w.path("a", blocked), kept)
        os.makedirs(w.path("a", blocked, "x"))
        done = h.run(*w.assess("a", seed=9))
        shutil.rmtree(w.path("a", blocked))
        os.rename(kept, w.path("a", blocked))
        after = {n: digest(w.path("a", n)) for n in os.listdir(w.path("a"))}
        checks.report(f"a folder in the place of {blocked}", expect(done, 1, "a folder is where", blocked) + (
            [] if after == before else ["the earlier results changed"]))
    done = h.run(*w.assess("a", seed=9))
    checks.report("a finished assessment is told and replaced", expect(done, 0, "holds a finished assessment") + (
        [] if digest(w.path("a", "result.json")) != before["result.json"] else ["not replaced"]) + (
        [] if set(os.listdir(w.path("a"))) == set(before) else [os.listdir(w.path("a"))]))


def folders_made(checks, w):
    """Folders that a run made for what it did not write go with it."""
    done = h.run("convert", w.write("no.nii", "no image"), w.path("new", "deep", "out.nii"))
    checks.report("a failed run leaves no folders", expect(done, 1) + ([] if not os.path.exists(w.path("new")) else ["left"]))
    os.makedirs(w.path("there"))
    done = h.run("train", "--config", w.config, "--manifest", w.write("c.csv", "patient,visit,image,contour,split\nP1,baseline,b.nii.gz,"
                 "m.nii.gz,training\n"), "--validation", "none", "--out", w.path("new", "run"), preexec_fn=limit(resource.RLIMIT_FSIZE, 1000))
    checks.report("nor empty ones within them", expect(done, 1) + ([] if not os.path.exists(w.path("new")) else ["left"]))
    done = h.run("convert", w.path("no.nii"), w.path("there", "deep", "out.nii"))
    checks.report("nor takes what was there", expect(done, 1) + ([] if os.listdir(w.root).count("there") and not os.listdir(
        w.path("there")) else ["gone, or not empty"]))


# ---- signals ----------------------------------------------------------------------------------------


def stopped(w, out, signals, **options):
    """The exit code and whether the checkpoint is there, after signals at a running adaptation."""
    process = start(w.adapt(out, epochs=100000, config=w.path("each-step.yaml")), **options)
    wait_for(lambda: os.path.exists(w.path(out + ".checkpoint")), process)
    for number in signals:
        process.send_signal(number)
    try:
        said = process.communicate(timeout=30)[1].decode()
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return None, False, "goes on"
    return process.returncode, os.path.exists(w.path(out + ".checkpoint")), said


def signals(checks, w):
    w.write("each-step.yaml", TINY + "  checkpoint_seconds: 0\n")
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGXCPU"):
        code, there, said = stopped(w, f"{name}.safetensors", [getattr(signal, name)])
        checks.report(f"{name} keeps the work", [] if code == 1 and there and "--resume" in said else [code, there, said])
    pair = [signal.SIGHUP, signal.SIGTERM]
    code, there, said = stopped(w, "pair.safetensors", pair)
    checks.report("a signal that comes with the first is none", [] if code == 1 and there and "--resume" in said else [code, said])
    ignored = {"preexec_fn": lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)}
    code, there, said = stopped(w, "nohup.safetensors", pair[:1] + [signal.SIGTERM], **ignored)
    checks.report("under nohup it goes on", [] if code == 1 else [code, said])
    process = start(w.adapt("hup.safetensors", epochs=100000), **ignored)
    time.sleep(1)
    process.send_signal(signal.SIGHUP)
    time.sleep(1)
    checks.report("an ignored hang-up ends nothing", [] if process.poll() is None else [process.returncode])
    process.kill()
    process.communicate()


def pipes(checks, w):
    """Whoever reads has seen enough: no message, and the end that shells expect."""
    rows = "patient,visit,image,contour\n" + "".join(f"p{i},baseline,x{i},y{i}\n" for i in range(3000))
    process = start(["manifest", "check", w.write("many.csv", rows)])
    process.stdout.read(10)
    process.stdout.close()
    said = process.stderr.read().decode()
    process.stderr.close()
    process.wait()
    checks.report("a closed pipe", [] if process.returncode == -signal.SIGPIPE and not said else [process.returncode, said[-300:]])


def children(checks, w):
    """A parent that ignores SIGCHLD: programs that evaluate starts are waited for all the same."""
    os.makedirs(w.path("bin"))
    for name in ("elastix", "transformix"):
        path = w.write(f"bin/{name}", "#!/bin/sh\necho elastix version: 5.0\n")
        os.chmod(path, 0o755)
    shutil.copy(w.mask, w.path("fm.nii.gz"))
    w.write("cohort.csv", "patient,visit,image,contour,split\n"
            "P1,baseline,b.nii.gz,m.nii.gz,validation\nP1,followup,f.nii.gz,fm.nii.gz,validation\n")
    environment = dict(os.environ, PATH=w.path("bin") + os.pathsep + os.environ["PATH"])
    done = h.run("evaluate", "-q", "--config", w.config, "--manifest", w.path("cohort.csv"), "--epochs", 1, "--out", w.path("evaluated"),
                 env=environment, preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
    checks.report("children of a parent that ignores theirs", expect(done, 0))


def side_by_side(checks, w):
    """A signal reaches every patient's process, which saves its work before it ends."""
    rows = "patient,visit,image,contour,split\n"
    for number in range(2):
        affine = np.diag([-4.0, -4.0, 4.0, 1.0])
        for visit, shift in (("baseline", number), ("followup", 3 + number)):
            for name, array in zip(("", "m"), h.voxels(shift)):
                nibabel.save(nibabel.Nifti1Image(array.transpose(2, 1, 0), affine), w.path(f"{visit}{number}{name}.nii.gz"))
            rows += f"P{number},{visit},{visit}{number}.nii.gz,{visit}{number}m.nii.gz,validation\n"
    out = w.path("beside")
    process = start(["evaluate", "-q", "--config", w.path("each-step.yaml"), "--manifest", w.write("two.csv", rows), "--epochs", "100000",
                     "--jobs", "2", "--registration=none", "--out", out])
    kept = [os.path.join(out, "cases", f"P{n}", "checkpoint.safetensors") for n in range(2)]
    wait_for(lambda: all(map(os.path.exists, kept)), process)
    for path in kept:
        os.remove(path)
    process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=60)[1].decode()
    left = [n for _, _, names in os.walk(out) for n in names if not n.startswith("checkpoint.safetensors")]
    checks.report("patients side by side", [] if process.returncode == 1 and all(map(os.path.exists, kept)) and not left else [
        process.returncode, left, said[-300:]])


# ---- limits and full disks --------------------------------------------------------------------------


def limit(what, size):
    return lambda: resource.setrlimit(what, (size, size))


def file_size(checks, w):
    for out in ("limited.nii", "limited/series"):
        done = h.run("convert", w.image, w.path(out), preexec_fn=limit(resource.RLIMIT_FSIZE, 1000))
        checks.report(f"a limit on file sizes: {out}", expect(done, 1, "File too large", w.path(out), absent=(".reprise-",)) + (
            [] if not os.path.exists(w.path(out)) and not glob.glob(w.path("limited.nii*")) else ["something is left"]))


def no_checkpoint(checks, w):
    """Room for the model, and none for a checkpoint, which is three times as large: told once, and the same model."""
    h.run(*w.adapt("free.safetensors", config=w.path("each-step.yaml"), epochs=6))
    size = os.path.getsize(w.path("free.safetensors"))
    tight = limit(resource.RLIMIT_FSIZE, size + size // 2)
    done = h.run(*w.adapt("tight.safetensors", config=w.path("each-step.yaml"), epochs=6), preexec_fn=tight)
    faults = expect(done, 0, "tight.safetensors.checkpoint", "goes on without a checkpoint", "no checkpoint of the last steps")
    if done.stderr.count("goes on without") != 1:
        faults.append(f"warned {done.stderr.count('goes on without')} times")
    if not faults and digest(w.path("tight.safetensors")) != digest(w.path("free.safetensors")):
        faults.append("another model")
    checks.report("a checkpoint that cannot be written ends nothing", faults)
    process = start(w.adapt("lost.safetensors", config=w.path("each-step.yaml"), epochs=100000), preexec_fn=tight)
    while process.poll() is None and b"goes on without" not in process.stderr.readline():
        pass
    process.send_signal(signal.SIGTERM)
    said = process.communicate()[1].decode()
    checks.report("stopped without one, it says so", [] if process.returncode == 1 and "no checkpoint of it could" in said else [said])


def packed(checks, w):
    """A header that asks for 300 MB, which 1 MB of gzip gives: info does not unpack it, and what has no room is refused."""
    header = nibabel.Nifti1Header()
    header.set_data_shape((512, 512, 600))
    header.set_data_dtype(np.int16)
    header["pixdim"][1:4], header["vox_offset"], header["sform_code"], header["magic"] = 1, 352, 1, b"n+1"
    header["srow_x"][0] = header["srow_y"][1] = header["srow_z"][2] = 1
    with open(w.path("bomb.nii.gz"), "wb") as file:
        pack = zlib.compressobj(1, zlib.DEFLATED, 31)
        file.write(pack.compress(header.binaryblock + b"\0\0\0\0"))
        for _ in range(300):
            file.write(pack.compress(bytes(1 << 20)))
        file.write(pack.flush())
    small = limit(resource.RLIMIT_AS, 700 << 20)
    if not h.SHORT:  # a sanitizer needs terabytes of address space
        smaller = limit(resource.RLIMIT_AS, 300 << 20)
        done = h.run("info", w.path("bomb.nii.gz"), preexec_fn=smaller)
        checks.report("info reads the beginning alone", expect(done, 0, "512 512 600"))
        checks.report("what has no room is refused", expect(
            h.run("convert", w.path("bomb.nii.gz"), w.path("out.nii"), preexec_fn=small), 1, "bomb.nii.gz", "GiB are available"))
    with open(w.path("bomb.nii.gz"), "rb") as whole, open(w.path("cut.nii.gz"), "wb") as cut:
        cut.write(whole.read()[:-100000])
    checks.report("info finds what is cut off", expect(h.run("info", w.path("cut.nii.gz")), 1, "cut.nii.gz", "truncated"))


def many_rows(checks, w):
    """120000 rows within half a minute of processor time: comparing all pairs took some minutes."""
    rows = "patient,visit,image,contour\n" + "".join(f"p{i},baseline,i{i},m{i}\n" for i in range(30000 if h.SHORT else 120000))
    rows += "P7,baseline,x,y\nTwin,baseline,x,y\ntwin,baseline,x,y\n"
    done = h.run("manifest", "check", w.write("rows.csv", rows), preexec_fn=limit(resource.RLIMIT_CPU, 60 if h.SHORT else 30))
    last = rows.count("\n")
    checks.report("a long manifest", expect(done, 1, f"rows.csv:{last - 2}: patient: warning: differs from the patient of row 9 in",
                                            f"rows.csv:{last}: patient: warning: differs from the patient of row {last - 1} in"))


# ---- --resume ---------------------------------------------------------------------------------------


def resume(checks, w):
    base = w.assess("r", "--keep-checkpoint")
    checks.report("--resume without a checkpoint is told", expect(h.run(*base, "--resume"), 0, "--resume, but there is no checkpoint"))
    other = np.asarray(nibabel.load(w.mask).dataobj).copy()
    other[12, 12, 5] = 0
    nibabel.save(nibabel.Nifti1Image(other, nibabel.load(w.mask).affine), w.path("other.nii.gz"))
    w.write("other.yaml", TINY + "  learning_rate: 0.002\n  augmentation: {noise: 0}\n")
    cases = {"epochs": (w.assess("r", epochs=3), ["epochs (2 there, 3 here)"]),
             "seed": (w.assess("r", seed=5), ["seed (1 there, 5 here)"]),
             "crop": (w.assess("r", "--crop", "8x8x8"), ["crop (8x16x16 there, 8x8x8 here)"]),
             "two settings": (w.assess("r", "--config", w.path("other.yaml")), ["learning_rate (0.001 there, 0.002 here)",
                                                                               "augmentation.noise (0.02 there, 0 here)"]),
             "contour": (w.assess("r", mask=w.path("other.nii.gz")), ["contour"]),
             "starting model": (w.assess("r", "--model", w.path("a", "patient_model.safetensors")), ["starting model"])}
    for name, (command, words) in cases.items():
        done = h.run(*command, "--resume")
        checks.report(f"--resume with another {name}", expect(done, 3, "checkpoint.safetensors", "differs in: ", *words))


# ---- settings ---------------------------------------------------------------------------------------


RANGES = {"epochs": (1, 1000000), "copies": (1, 1000), "tumour_share": (0, 1), "learning_rate": (1e-12, 10), "power": (0, 100),
          "dropout": (-1, 0.999), "checkpoint_seconds": (0, 1e9)}
AUGMENTATION = {"brightness": (0, 0.95), "rotation_degrees": (0, 180), "shift_mm": (0, 1000), "scale": (0, 0.9), "noise": (0, 1)}


def settings(checks, w):
    """What a file may hold is what the engine takes: at the end of a range nothing is refused, beyond it the file and key are."""
    def attempt(name, lines, good):
        text = TINY.replace("  epochs: 2\n", "").replace("  copies: 1\n", "") + lines
        command = w.adapt("s.safetensors", config=w.write("set.yaml", text))
        done = h.run(*command[:command.index("--epochs")])
        ranged = "must be" in done.stderr or "set.yaml" in done.stderr
        if good:
            return [] if not ranged else [f"{lines}: {done.stderr}"]
        return expect(done, 1, "set.yaml", name)

    def number(name, value):
        return str(int(value)) if name in ("epochs", "copies") else f"{value:.17g}"

    few = "  epochs: 1\n  copies: 1\n"
    faults = []
    for end in (0, 1):
        lines = "".join(f"  {n}: {number(n, r[end])}\n" for n, r in RANGES.items() if n not in ("epochs", "copies"))
        inner = ", ".join(f"{n}: {number(n, r[end])}" for n, r in AUGMENTATION.items())
        faults += attempt("", few + lines + f"  augmentation: {{{inner}}}\n", True)
    for ranges, form in ((RANGES, "  {}: {}\n"), (AUGMENTATION, "  augmentation: {{{}: {}}}\n")):
        for name, (low, high) in ranges.items():
            for value in (low - abs(low) - 1, high * 1.001 + 1):
                rest = "".join(line + "\n" for line in few.splitlines() if name not in line)
                faults += attempt(name, rest + form.format(name, number(name, value)), False)
    checks.report("one range for a setting in file and engine", faults)
    faults = attempt("elastic_scale_mm", few + "  augmentation: {elastic_scale_mm: 4.9}\n", False)
    faults += attempt("elastic_mm", few + "  augmentation: {elastic_mm: 5, elastic_scale_mm: 10}\n", False)
    faults += attempt("cross_entropy", few + "  loss: {cross_entropy: 0, dual_cross_entropy: 0, dice: 0}\n", False)
    checks.report("settings that do not go together", faults)


# ---- the command line -------------------------------------------------------------------------------


def words(checks, w):
    faults = []
    for name in COMMANDS:
        asked, short, about = h.run(name, "--help"), h.run(name, "-h"), h.run("help", name)
        if not asked.stdout or asked.returncode or (short.stdout, short.returncode) != (asked.stdout, 0) or about.stdout != asked.stdout:
            faults.append(name)
    checks.report("-h, --help and help NAME are one", faults)
    listed = re.findall(r"^  ([a-z-]+) ", h.run("-h").stdout, re.M)
    checks.report("every command was asked", [] if listed == COMMANDS else [listed])
    meant = {"asses": "assess", "ASSESS": "assess", "adpat": "adapt", "compare_masks": "compare-masks", "compare": "compare-masks",
             "segmnet": "segment", "seg": "segment", "manifets": "manifest", "anonymise": "anonymize", "recieve": "receive"}
    for typed, right in meant.items():
        checks.report(f"'{typed}' is understood", expect(h.run(typed), 2, f"no command '{typed}'; did you mean '{right}'?"))
    checks.report("nonsense gets no suggestion", expect(h.run("frobnicate"), 2, "no command", absent=("did you mean",)))


def on_terminal(arguments, columns):
    """What a terminal of that width receives."""
    mine, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = dict(os.environ, TERM="xterm")
    process = subprocess.Popen([h.REPRISE, *arguments], stdin=its, stdout=subprocess.DEVNULL, stderr=its, env=environment)
    os.close(its)
    received = b""
    while True:
        ready, _, _ = select.select([mine], [], [], 0.2)
        try:
            more = os.read(mine, 65536) if ready else b""
        except OSError:
            break
        received += more
        if not more and process.poll() is not None:
            break
    os.close(mine)
    process.wait()
    return received.decode("utf-8", "replace")


def columns_of(text):
    return sum(2 if ord(c) >= 0x1100 else 1 for c in text)


def terminal(checks, w):
    """A step of seconds: something is shown before it is done, in one line of whatever width."""
    phantom = w.path("big")
    h.run("phantom", "-q", "--out", phantom)
    image, mask = (os.path.join(phantom, "patient-001", n) for n in ("baseline.nii.gz", "baseline_mask.nii.gz"))
    arguments = ["adapt", "--image", image, "--contour", mask, "--out", w.path("t.safetensors"), "--epochs", "2", "--guard", "off",
                 "--crop", "16x32x32" if h.SHORT else "32x64x64"]
    for columns in (80, 23, 9, 2):
        received = on_terminal(arguments, columns)
        lines = [line for line in re.split(r"\r\x1b\[K|\r\n|\n", received) if line and not line.startswith("reprise: ")]
        broad = [line for line in lines if columns_of(line) >= columns]
        checks.report(f"the line fits {columns} columns", ([f"{len(broad)} do not: {broad[0]!r}"] if broad else []) +
                      ([] if lines else ["nothing is shown"]))
        if columns == 80 and not h.SHORT:
            steps = [i for i, line in enumerate(lines) if re.search("adapt [12]/2", line)]
            checks.report("something is shown before the first step is done", [] if steps and steps[0] > 0 else [lines])
        if h.SHORT:
            break


def main():
    h.require_program()
    checks = h.Checks()
    root = tempfile.mkdtemp(prefix="reprise-runs-")
    try:
        w = World(root)
        for part in (leftovers, killed, killed_training, files_in_use, permissions, old_results, folders_made, signals, pipes, children, side_by_side, file_size, no_checkpoint,
                     packed, many_rows, resume, settings, words, terminal):
            part(checks, w)
    finally:
        shutil.rmtree(root)
    return checks.finish()


if __name__ == "__main__":
    sys.exit(main())
