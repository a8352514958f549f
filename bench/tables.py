"""Markdown from what peers.py measured."""
import os
import re
import subprocess
from statistics import median

from contestants import NAMES

VECTORS = ("avx2", "fma", "avx512f", "avx512_bf16", "amx_bf16", "asimd", "sve")
OPERATIONS = ("forward", "data gradient", "weight gradient")
DASH = "-"
QUIET_LOAD = 0.5


def threads_text(count):
    return "1 thread" if count == 1 else f"{count} threads"


def rounds_text(count):
    return "one round" if count == 1 else f"{count} rounds"


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def output_of(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True,
                              env=dict(os.environ, LC_ALL="C"))
        return done.stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


# ---- machine and versions ------------------------------------------------------------------------

def machine(load):
    busy = f" **Others were busy on it: load {load:.1f} at the start.**" if load > QUIET_LOAD else ""
    about = dict(re.findall(r"^\s*([^:\n]+):\s*(.+)$", output_of("lscpu"), re.M))
    caches = [f"{name} {size}" for name, size in re.findall(
        r"^(\S+)\s+(\S+)$", output_of("lscpu", "-C=NAME,ONE-SIZE"), re.M) if name != "NAME"]
    flags = [f for f in VECTORS if f in about.get("Flags", "").split()]
    with open("/proc/meminfo", encoding="ascii") as file:
        gigabytes = int(file.readline().split()[1]) * 1024 / 1e9
    system = re.search(r'^PRETTY_NAME="(.*)"', output_of("cat", "/etc/os-release"), re.M)
    return (f"Machine: {about.get('Model name', 'unknown processor')} (family "
            f"{about.get('CPU family', '?')}, model {about.get('Model', '?')}), "
            f"{os.cpu_count()} processors ({about.get('Thread(s) per core', '?')} for each core), "
            f"caches {', '.join(caches)}, {' '.join(flags)}; {gigabytes:.0f} GB of memory"
            f"{'; virtual' if 'Hypervisor vendor' in about else ''}; "
            f"{system[1] if system else 'unknown system'}.{busy}")


def version_of(who, blocks):
    return next((e.version for b in blocks for e in b.entries if e.who == who and e.version), "")


def versions(options, blocks, convolutions):
    program = output_of(os.path.join(options.build, "reprise"), "--version")
    said = [f"Reprise {program.removeprefix('reprise ')}, {version_of('reprise', blocks)}"]
    theirs = version_of("torch", blocks)
    if theirs:
        package = output_of("dpkg-query", "-W", "-f", "${Version}", "python3-torch")
        if package:  # Debian's build does not know its own version
            theirs = f"{package} of Debian" + theirs[theirs.index(","):]
        said.append("PyTorch " + theirs)
    if version_of("onnx", blocks):
        said.append("ONNX Runtime " + version_of("onnx", blocks))
    if convolutions.version:
        said.append(f"oneDNN's primitives {convolutions.version}")
    if options.openmp_wait != "unset":
        said.append(f"OMP_WAIT_POLICY={options.openmp_wait}")
    return "Versions: " + "; ".join(said) + "."


# ---- figures of one entry ------------------------------------------------------------------------

class Figures:
    def __init__(self, network, block, entry):
        self.entry = entry
        done = entry and entry.seconds and not entry.note
        self.seconds = median(entry.seconds) if done else None
        if self.seconds:
            z, y, x = block.padded
            flop = network["flop_per_voxel"] * z * y * x * (3 if entry.task == "train" else 1)
            self.gflops = flop / self.seconds * 1e-9
            self.share = self.gflops / median(block.peaks[entry.threads])

    def cells(self, ours):
        """Seconds, GFLOP/s, share of the peak, and what part of this time Reprise takes."""
        if not self.seconds:
            return [self.entry.note if self.entry and self.entry.note else DASH, DASH, DASH, DASH]
        ratio = DASH
        if ours and ours is not self.entry and ours.seconds and not ours.note:
            ratio = f"{median(a / b for a, b in zip(ours.seconds, self.entry.seconds)):.3f}"
        return [f"{self.seconds:.3f}", f"{self.gflops:.0f}", f"{100 * self.share:.0f}%", ratio]

    def memory(self):
        return f"{self.entry.peak_bytes / 1e9:.2f}" if self.seconds else DASH


HEAD = ["forward (s)", "GFLOP/s", "of the peak", "Reprise's time to this", "training step (s)",
        "GFLOP/s", "of the peak", "Reprise's time to this", "memory, forward (GB)",
        "memory, step (GB)"]


def contestants_of(block):
    return [who for who in NAMES if any(e.who == who for e in block.entries)]


def row(network, block, who, threads):
    cells, memory = [], []
    for task in ("forward", "train"):
        figures = Figures(network, block, block.entry(who, task, threads))
        cells += figures.cells(block.entry("reprise", task, threads))
        memory.append(figures.memory())
    return [NAMES[who], *cells, *memory]


# ---- tables ----------------------------------------------------------------------------------------

def shown_extent(block):
    if block.extent == block.padded:
        return block.name()
    return f"{block.name()} (padded to {'x'.join(str(n) for n in block.padded)})"


def rounds_of(block, threads):
    """How many rounds the entries with that many threads got."""
    return max((len(e.seconds) for e in block.entries if e.threads == threads), default=0)


def peak_text(block):
    said = [f"{median(values):.0f} GFLOP/s on {threads_text(threads)} "
            f"({min(values):.0f} to {max(values):.0f})"
            for threads, values in sorted(block.peaks.items(), reverse=True)]
    return "FMA peak measured between the runs: " + ", ".join(said)


def main_table(options, network, block):
    z, y, x = block.padded
    gflop = network["flop_per_voxel"] * z * y * x * 1e-9
    intro = (f"{shown_extent(block)}, float32, {threads_text(options.threads)}, medians of "
             f"{rounds_text(rounds_of(block, options.threads))} in turns. The forward is {gflop:.1f} GFLOP "
             f"(two for each multiplication of a convolution done directly, whatever algorithm "
             f"runs), the training step three times that. {peak_text(block)}.\n\n")
    rows = [row(network, block, who, options.threads) for who in contestants_of(block)]
    resident = ", ".join(
        f"{e.resident / 1e6:.0f} MB ({NAMES[e.who]})" for e in block.entries
        if e.threads == options.threads and e.task == "forward" and e.resident)
    return (intro + table(["", *HEAD], rows) +
            "\nMemory is the highest resident size (VmHWM) of a process that does this task alone. "
            f"Before there is a network, the interpreter and its libraries take {resident}.\n")


def extent_table(options, network, blocks):
    rows = []
    for block in blocks:
        for who in contestants_of(block):
            rows.append([shown_extent(block), *row(network, block, who, options.threads),
                         str(rounds_of(block, options.threads)),
                         f"{median(block.peaks[options.threads]):.0f}"])
    note = ""
    if any(b.extent != b.padded for b in blocks):
        note = ("\nReprise pads an extent to multiples of 16 inside; the others are given the image "
                "with the same padding, and arithmetic is counted with it.\n")
    return table(["extent", "", *HEAD, "rounds", "peak"], rows) + note


def speed_up_cells(block, who, task, threads):
    one, many = block.entry(who, task, 1), block.entry(who, task, threads)
    if not one or not many:
        return [DASH] * 3
    note = one.note or many.note
    if note or not one.seconds or not many.seconds:
        return [note or DASH, DASH, DASH]
    pairs = list(zip(one.seconds, many.seconds))
    return [f"{median(a for a, _ in pairs):.3f}", f"{median(b for _, b in pairs):.3f}",
            f"{median(a / b for a, b in pairs):.2f}"]


def threads_table(options, block):
    n = options.threads
    head = ["", *(f"{task}, {what}" for task in ("forward", "training step")
                  for what in ("1 thread (s)", f"{n} threads (s)", "1 / " + str(n)))]
    rows = [[NAMES[who], *speed_up_cells(block, who, "forward", n),
             *speed_up_cells(block, who, "train", n)] for who in contestants_of(block)]
    rows.append(["FMA peak", DASH, DASH,
                 f"{median(block.peaks[n]) / median(block.peaks[1]):.2f}", DASH, DASH, DASH])
    return (f"{block.name()}, medians of {rounds_text(rounds_of(block, 1))}, both numbers of threads in the "
            f"same; the peak's line is the ratio of its rates.\n\n" + table(head, rows))


def convolution_table(options, convolutions):
    if not convolutions.gflops:
        return convolutions.note + "\n"
    names = list(next(iter(convolutions.gflops.values())))
    peak = median(convolutions.peaks)
    rows = []
    for channels in convolutions.channels:
        for operation in OPERATIONS:
            rates = {name: median(values) for name, values in
                     convolutions.gflops[channels, operation].items()}
            rows.append([f"{channels} -> 12", operation] +
                        [f"{rates[name]:.0f} ({100 * rates[name] / peak:.0f}%)" for name in names])
    extent = "x".join(str(n) for n in convolutions.extent)
    return (f"One convolution 3x3x3 at {extent}, {threads_text(options.threads)}, GFLOP/s and share of the "
            f"peak ({peak:.0f} GFLOP/s), medians of {rounds_text(len(convolutions.peaks))}. oneDNN's tensors "
            f"are in the layout beforehand, and it does the bare convolution. Largest relative difference "
            f"between its results and Reprise's: {convolutions.difference:.1e}.\n\n" +
            table(["channels", "operation", *names], rows))


def agreement_table(options, blocks):
    rows = []
    for block in blocks:
        ours = block.entry("reprise", "train", options.threads)
        for who in contestants_of(block):
            theirs = block.entry(who, "train", options.threads)
            if who == "reprise":
                continue
            logits = block.difference.get((who, options.threads))
            loss = DASH
            if theirs and theirs.loss and ours.loss:
                loss = f"{abs(theirs.loss - ours.loss) / abs(theirs.loss):.1e}"
            rows.append([block.name(), NAMES[who], f"{logits:.1e}" if logits is not None else DASH,
                         loss])
    return ("The same network: largest difference of the logits over their largest value, and "
            "relative difference of the first step's loss without dropout, between Reprise and each.\n\n" +
            table(["extent", "", "logits", "loss"], rows))


def document(options, network, blocks, convolutions):
    parts = [machine(options.load) + " " + versions(options, blocks, convolutions) + "\n",
             main_table(options, network, blocks[0])]
    if len(blocks) > 1:
        parts.append(extent_table(options, network, blocks[1:]))
    if options.threads > 1:
        parts.append(threads_table(options, blocks[0]))
    if "onednn" in options.contestants:
        parts.append(convolution_table(options, convolutions))
    if len(contestants_of(blocks[0])) > 1:
        parts.append(agreement_table(options, blocks))
    return "\n".join(parts)
