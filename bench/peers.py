#!/usr/bin/python3
"""Times the network on Reprise, PyTorch, ONNX Runtime and oneDNN's convolutions, in turns, with the
same weights and input, against the FMA peak that is measured between them; writes tables in markdown.
README.md beside this file tells what it needs."""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

import numpy

import contestants
import tables
from contestants import Entry, Gone, Process, padded, voxels

ONE_THREAD_ROUNDS = 2
RELEASE = os.path.join(contestants.HERE, "..", "build", "release")
PAUSE = 0.05  # lets idle threads, which spin for some milliseconds, go to sleep


def say(text):
    print(text, file=sys.stderr, flush=True)


class Block:
    """Everything measured at one extent."""

    def __init__(self, extent, entries):
        self.extent, self.padded, self.entries = extent, padded(extent), entries
        self.peaks, self.difference = {}, {}

    def name(self):
        return "x".join(str(n) for n in self.extent)

    def weight(self):
        """Of its time among the blocks'."""
        turns = sum((e.rounds + 1) / e.threads for e in self.entries)
        return turns * voxels(self.extent)

    def entry(self, who, task, threads):
        for e in self.entries:
            if (e.who, e.task, e.threads) == (who, task, threads):
                return e
        return None

    def measure_peak(self, peak, threads):
        time.sleep(PAUSE)
        self.peaks.setdefault(threads, []).append(peak.ask(str(threads))["gflops"])

    def start(self, settings):
        for entry in self.entries:
            if entry.who == "onnx":
                entry.note = contestants.onnx_missing()
            if not entry.note:
                with entry.guarded():
                    entry.start(settings.folder, self.extent, settings.options.kernels)
            say(f"{self.name()}: {entry}: {entry.note or 'ready'}")

    def compare_logits(self):
        ours = next(e for e in self.entries if (e.who, e.task) == ("reprise", "forward"))
        if ours.note:
            return
        reference = numpy.fromfile(ours.logits, numpy.float32)
        for e in self.entries:
            if e is not ours and e.task == "forward" and not e.note:
                theirs = numpy.fromfile(e.logits, numpy.float32)
                self.difference[e.who, e.threads] = float(
                    numpy.max(numpy.abs(theirs - reference)) / numpy.max(numpy.abs(theirs)))

    def round(self, settings, number):
        runners = [e for e in self.entries if e.process and number < e.rounds]
        for threads in sorted({e.threads for e in runners}):
            self.measure_peak(settings.peak, threads)
        for entry in runners:
            time.sleep(PAUSE)
            with entry.guarded():
                entry.run()
        shown = ", ".join(f"{e} {e.seconds[-1]:.2f} s" for e in runners if not e.note)
        say(f"{self.name()}, round {number + 1}: {shown}")

    def measure(self, settings, allowance):
        """Rounds until all are done or the next would end after the allowance; one at least."""
        end = time.monotonic() + allowance
        try:
            self.start(settings)
            self.compare_logits()
            for number in range(max(e.rounds for e in self.entries)):
                start = time.monotonic()
                self.round(settings, number)
                if 2 * time.monotonic() - start > end:
                    break
            self.measure_peak(settings.peak, settings.options.threads)
        finally:
            for entry in self.entries:
                entry.stop()


class Convolutions:
    """oneDNN's primitives and Reprise's kernel table at the main extent."""

    def __init__(self, extent, channels, rounds):
        self.extent, self.channels, self.rounds = extent, channels, rounds
        self.note, self.version, self.difference = "", "", None
        self.gflops, self.peaks = {}, []

    def weight(self):
        return 0.3 * self.rounds * voxels(self.extent)

    def measure(self, settings, allowance):
        options = settings.options
        if not settings.convolutions:
            self.note = "oneDNN's primitives were not run: not installed (bench/setup.sh)"
            return
        end = time.monotonic() + allowance
        process = Process([settings.convolutions, *(str(n) for n in self.extent),
                           str(options.threads), options.kernels or "-",
                           *(str(c) for c in self.channels)],
                          {"OMP_NUM_THREADS": str(options.threads)})
        try:
            self.version = process.answer()["ready"]
            self.difference = process.ask("check")["difference"]
            for number in range(self.rounds):
                start = time.monotonic()
                time.sleep(PAUSE)
                self.peaks.append(settings.peak.ask(str(options.threads))["gflops"])
                for channels, operation, name, value in process.ask("run")["gflops"]:
                    self.gflops.setdefault((channels, operation), {}).setdefault(
                        name, []).append(value)
                say(f"oneDNN's convolutions, round {number + 1}")
                if 2 * time.monotonic() - start > end:
                    break
        except Gone as problem:
            self.note = f"oneDNN's primitives did not finish: {problem}"
        finally:
            process.close()


class Settings:
    """What all blocks need: programs, folder with the material, options."""

    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        self.peak = Process([contestants.build_peak(folder, options.build)])
        self.convolutions = None
        if "onednn" in options.contestants:
            self.convolutions = contestants.build_convolutions(folder, options.build)
        made = subprocess.run(
            [sys.executable, os.path.join(contestants.HERE, "material.py"), folder,
             *("x".join(str(n) for n in extent) for extent in options.extents)],
            check=True, capture_output=True, text=True)
        self.network = json.loads(made.stdout)


def plan(options):
    """The blocks, the main one first."""
    who = [name for name in contestants.NAMES if name in options.contestants]
    blocks = []
    for extent in options.extents:
        rounds = options.rounds if not blocks else min(options.rounds, 3)
        entries = [Entry(name, task, options.threads, rounds)
                   for name in who for task in contestants.TASKS[name]]
        if not blocks and options.threads > 1:
            entries += [Entry(name, task, 1, min(rounds, ONE_THREAD_ROUNDS))
                        for name in who for task in contestants.TASKS[name]]
        blocks.append(Block(extent, entries))
    return blocks


def measure(work, settings, seconds):
    """Everything in its order; each gets its share of the time that is left."""
    end = time.monotonic() + seconds
    for i, block in enumerate(work):
        share = block.weight() / sum(b.weight() for b in work[i:])
        block.measure(settings, max(0.0, end - time.monotonic()) * share)


def extent(text):
    numbers = tuple(int(n) for n in text.split("x"))
    if len(numbers) != 3 or min(numbers) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not ZxYxX")
    return numbers


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", metavar="FILE", help="where the tables go; by default stdout")
    parser.add_argument("--build", default=os.environ.get("REPRISE_BUILD", RELEASE),
                        help="build folder of Reprise [that of the release preset]")
    parser.add_argument("--extents", help="ZxYxX,..., the first one for the main table "
                        "[48x96x96,24x40x56,64x128x128,33x70x81]")
    parser.add_argument("--channels", default="48,96,120",
                        help="inputs of the convolutions compared with oneDNN [48,96,120]")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, help="at most, at the main extent [5]; 3 elsewhere")
    parser.add_argument("--minutes", type=float, default=12,
                        help="fewer rounds are run where they would take longer [12]")
    parser.add_argument("--kernels", help="Reprise's kernel table; by default the best")
    parser.add_argument("--openmp-wait", choices=("passive", "active", "unset"), default="passive",
                        help="OMP_WAIT_POLICY, how PyTorch's and oneDNN's threads wait [passive]")
    parser.add_argument("--contestants", default="reprise,torch,onnx,onednn",
                        help="who takes part [reprise,torch,onnx,onednn]")
    parser.add_argument("--quick", action="store_true",
                        help="two rounds at 16x48x48 and 17x40x35: tries everything, tells nothing")
    options = parser.parse_args()
    extents = options.extents or ("16x48x48,17x40x35" if options.quick else
                                  "48x96x96,24x40x56,64x128x128,33x70x81")
    options.extents = [extent(text) for text in extents.split(",")]
    options.rounds = options.rounds or (2 if options.quick else 5)
    options.channels = [int(n) for n in options.channels.split(",")]
    options.contestants = options.contestants.split(",")
    unknown = set(options.contestants) - {*contestants.NAMES, "onednn"}
    if unknown or "reprise" not in options.contestants or options.rounds < 1:
        parser.error("contestants are reprise, which always runs, torch, onnx and onednn")
    options.build = os.path.abspath(options.build)
    if not contestants.build_is_current(options.build):
        parser.error(f"{options.build} has no program, or one older than the headers: build it first")
    os.environ["REPRISE_BUILD"] = options.build
    if options.openmp_wait != "unset":
        os.environ["OMP_WAIT_POLICY"] = options.openmp_wait
    options.load = os.getloadavg()[0]
    return options


def main():
    options = arguments()
    with tempfile.TemporaryDirectory(prefix="reprise-bench-") as folder:
        started = time.monotonic()
        settings = Settings(options, folder)
        blocks = plan(options)
        convolutions = Convolutions(options.extents[0], options.channels, options.rounds)
        work = [blocks[0], *([convolutions] if "onednn" in options.contestants else []),
                *blocks[1:]]
        try:
            measure(work, settings, options.minutes * 60 - (time.monotonic() - started))
        finally:
            settings.peak.close()
        text = tables.document(options, settings.network, blocks, convolutions)
    if options.out:
        with open(options.out, "w", encoding="utf-8") as file:
            file.write(text)
    else:
        print(text, end="")


if __name__ == "__main__":
    main()
