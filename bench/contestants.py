"""The processes that are timed, and the programs that are built for it."""
import contextlib
import json
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
STRIDE = 16
NAMES = {"reprise": "Reprise", "torch": "PyTorch", "onnx": "ONNX Runtime"}
TASKS = {"reprise": ("forward", "train"), "torch": ("forward", "train"), "onnx": ("forward",)}
# About what each takes, so that nobody is started whom the memory cannot hold.
BYTES_PER_VOXEL = {("reprise", "forward"): 1500, ("reprise", "train"): 3500,
                   ("torch", "forward"): 2500, ("torch", "train"): 9000, ("onnx", "forward"): 4500}
LIBRARIES = ("libreprise_kernels.a", "libreprise_base.a")


class Gone(Exception):
    """A process ended before its time; the text says how."""


def padded(extent):
    return tuple(-(-n // STRIDE) * STRIDE for n in extent)


def voxels(extent):
    z, y, x = padded(extent)
    return z * y * x


def memory_available():
    with open("/proc/meminfo", encoding="ascii") as file:
        lines = dict(line.split(":") for line in file)
    return int(lines["MemAvailable"].split()[0]) * 1024


class Process:
    """Answers each line with a line of JSON."""

    def __init__(self, command, environment=None):
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      text=True, env=dict(os.environ, **(environment or {})))

    def answer(self):
        line = self.child.stdout.readline()
        if not line:
            code = self.child.wait()
            raise Gone(f"ended by signal {-code}" if code < 0 else f"ended with exit code {code}")
        return json.loads(line)

    def ask(self, line):
        with contextlib.suppress(BrokenPipeError):  # answer() tells why
            self.child.stdin.write(line + "\n")
            self.child.stdin.flush()
        return self.answer()

    def peak_bytes(self):
        with open(f"/proc/{self.child.pid}/status", encoding="ascii") as file:
            lines = dict(line.split(":", 1) for line in file)
        return int(lines["VmHWM"].split()[0]) * 1024

    def close(self):
        with contextlib.suppress(BrokenPipeError):
            self.child.stdin.close()
        self.child.stdout.close()
        self.child.wait()


class Entry:
    """One contestant at one task, extent and number of threads, and what was measured of it."""

    def __init__(self, who, task, threads, rounds):
        self.who, self.task, self.threads, self.rounds = who, task, threads, rounds
        self.process, self.note = None, ""
        self.version, self.resident, self.peak_bytes = "", 0, 0
        self.seconds, self.loss, self.logits = [], None, None

    def __str__(self):
        return f"{NAMES[self.who]} {self.task}, threads {self.threads}"

    def start(self, folder, extent, kernels):
        """Starts the process and lets it run once; its answer to `check` is kept."""
        needed = BYTES_PER_VOXEL[self.who, self.task] * voxels(extent)
        if needed > memory_available():
            self.note = f"not run: needs about {needed / 1e9:.0f} GB of free memory"
            return
        command = {"reprise": [sys.executable, os.path.join(HERE, "worker_reprise.py")],
                   "torch": [sys.executable, os.path.join(HERE, "worker_torch.py")],
                   "onnx": ["node", os.path.join(HERE, "worker_onnx.mjs")]}[self.who]
        command += [folder, self.task, *(str(n) for n in extent), str(self.threads)]
        if self.who == "reprise" and kernels:
            command.append(kernels)
        self.process = Process(command)
        ready = self.process.answer()
        self.version, self.resident = ready["ready"], ready["resident"]
        self.logits = os.path.join(folder, f"logits_{self.who}_{self.threads}.f32")
        self.loss = self.process.ask(f"check {self.logits}").get("loss")

    def run(self):
        self.seconds.append(self.process.ask("run")["seconds"])
        self.peak_bytes = self.process.peak_bytes()

    def stop(self):
        if self.process:
            self.process.close()
            self.process = None

    @contextlib.contextmanager
    def guarded(self):
        """A process that dies leaves a note, and the others go on."""
        try:
            yield
        except Gone as end:
            self.note = f"did not finish: {end}"
            self.stop()


def onnx_missing():
    if not shutil.which("node"):
        return "not run: no Node.js here"
    if not os.path.isdir(os.path.join(HERE, "node_modules", "onnxruntime-node")):
        return "not run: not installed (bench/setup.sh)"
    return ""


def build_is_current(build):
    """The programs here and the libraries must agree about the kernel table."""
    headers = [os.path.join(HERE, "..", "include", "reprise", name)
               for name in ("base.h", "kernels.h")]
    try:
        built = os.path.getmtime(os.path.join(build, LIBRARIES[0]))
        return (os.path.exists(os.path.join(build, "reprise")) and
                all(os.path.getmtime(header) <= built for header in headers))
    except FileNotFoundError:
        return False


def compile_program(folder, build, compiler, source, libraries=()):
    """Its path. It runs the kernels of the build."""
    program = os.path.join(folder, os.path.splitext(source)[0])
    ours = [os.path.join(build, name) for name in LIBRARIES]
    subprocess.run([*compiler, "-O2", "-I", os.path.join(HERE, "..", "include"), "-o", program,
                    os.path.join(HERE, source), *ours, *libraries, "-lcrypto", "-lpthread", "-lm"],
                   check=True)
    return program


def build_peak(folder, build):
    return compile_program(folder, build, ["gcc", "-std=gnu17"], "fma_peak.c")


def build_convolutions(folder, build):
    """The program, or None where oneDNN is not installed."""
    if not any(os.path.exists(os.path.join(root, "oneapi", "dnnl", "dnnl.hpp"))
               for root in ("/usr/include", "/usr/local/include")):
        return None
    return compile_program(folder, build, ["g++", "-std=c++17"], "onednn_conv.cpp", ["-ldnnl"])
