"""What the Python workers share. A worker is started as

    worker FOLDER TASK Z Y X THREADS [KERNELS]

with TASK `forward` or `train`; it reads the material of FOLDER (see material.py), says that it is
ready, and answers every line of its input with a line of JSON:

    check PATH    forward: writes the logits as raw float32 to PATH.
                  train: one step without dropout, answers its loss.
    run           one timed forward or training step, answers its seconds."""
import json
import os
import sys
import time

import numpy

STRIDE = 16


class Arguments:
    def __init__(self):
        self.folder, self.task = sys.argv[1:3]
        self.extent = tuple(int(n) for n in sys.argv[3:6])
        self.padded = tuple(-(-n // STRIDE) * STRIDE for n in self.extent)
        self.threads = int(sys.argv[6])
        self.kernels = sys.argv[7] if len(sys.argv) > 7 else None

    def scene(self):
        """Image [1][z][y][x] and target [z][y][x] as material.py wrote them."""
        name = "x".join(str(n) for n in self.extent)
        image = numpy.fromfile(os.path.join(self.folder, f"image_{name}.f32"), numpy.float32)
        target = numpy.fromfile(os.path.join(self.folder, f"target_{name}.u8"), numpy.uint8)
        return image.reshape(1, *self.extent), target.reshape(self.extent)

    def weights(self):
        with numpy.load(os.path.join(self.folder, "weights.npz")) as file:
            return {name: file[name] for name in file.files}


def resident_bytes():
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def answer(**values):
    print(json.dumps(values), flush=True)


def serve(check, run):
    """check(path) returns a dictionary; run() is timed."""
    for line in sys.stdin:
        word, _, rest = line.strip().partition(" ")
        if word == "check":
            answer(**check(rest))
        elif word == "run":
            start = time.perf_counter()
            run()
            answer(seconds=time.perf_counter() - start)
        else:
            sys.exit(f"unknown command: {word}")
