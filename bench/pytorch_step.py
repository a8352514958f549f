#!/usr/bin/python3
"""Times the network's forward and training step against the same network in PyTorch, in turns, and
prints a row of a table with medians. See README.md beside this file."""
import argparse
import os
import statistics
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "oracle"))

import numpy
import torch

import fcd_torch
import reprise_c
from oracle_material import scene

ARCHITECTURE = fcd_torch.Architecture(dropout=0.2)


class Ours:
    def __init__(self, library, image, target):
        self.image, self.target, self.steps = image, target, 0
        self.net = reprise_c.Net.create(library, ARCHITECTURE)
        self.predicting = reprise_c.Session(self.net, target.shape, reprise_c.PREDICT)
        self.training = reprise_c.Session(self.net, target.shape, reprise_c.TRAIN)
        self.adam = reprise_c.Adam(self.net)

    def forward(self):
        self.predicting.forward(self.image)

    def step(self):
        self.training.forward(self.image, step=self.steps)
        self.training.loss(self.target)
        self.adam.step(1e-3)
        self.steps += 1


class Theirs:
    def __init__(self, image, target):
        self.net = fcd_torch.FCD(ARCHITECTURE)
        self.optimiser = torch.optim.Adam(self.net.parameters(), lr=1e-3)
        self.image = torch.from_numpy(image)[None]
        self.target = torch.from_numpy(target.astype(numpy.int64))[None]

    def forward(self):
        self.net.eval()
        with torch.no_grad():
            self.net(self.image)

    def step(self):
        self.net.train()
        self.optimiser.zero_grad()
        sum(fcd_torch.loss_terms(self.net(self.image), self.target)).backward()
        self.optimiser.step()


def seconds(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--extent", default="48x96x96", help="ZxYxX, each a multiple of 16")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--kernels", help="ref, avx2 or avx512; by default the best")
    return parser.parse_args()


def main():
    options = arguments()
    extent = tuple(int(n) for n in options.extent.split("x"))
    library = reprise_c.Library()
    table = library.kernels_select(options.kernels)
    library.c.rp_threads_set(options.threads)
    torch.set_num_threads(options.threads)
    image, target = scene(numpy.random.default_rng(1), extent)
    ours, theirs = Ours(library, image, target), Theirs(image, target)
    works = {"our forward": ours.forward, "their forward": theirs.forward,
             "our step": ours.step, "their step": theirs.step}
    taken = {name: [] for name in works}
    for work in works.values():
        work()  # first touch of memory, PyTorch's choice of kernels
    for round_ in range(options.rounds):
        for name, work in works.items():
            taken[name].append(seconds(work))
        print(f"round {round_ + 1}: " + ", ".join(f"{n} {t[-1]:.2f} s" for n, t in taken.items()),
              file=sys.stderr, flush=True)
    ratios = {kind: statistics.median(b / a for a, b in zip(taken[f"our {kind}"],
                                                            taken[f"their {kind}"]))
              for kind in ("forward", "step")}
    median = {name: statistics.median(times) for name, times in taken.items()}
    print("| extent | threads | kernels | forward (s) | PyTorch (s) | ratio "
          "| training step (s) | PyTorch (s) | ratio |")
    print("|---|---|---|---|---|---|---|---|---|")
    print(f"| {options.extent} | {options.threads} | {table} "
          f"| {median['our forward']:.2f} | {median['their forward']:.2f} | {ratios['forward']:.1f} "
          f"| {median['our step']:.2f} | {median['their step']:.2f} | {ratios['step']:.1f} |")


if __name__ == "__main__":
    main()
