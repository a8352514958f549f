"""PyTorch as a contestant; line_protocol.py tells how it is spoken to."""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "oracle"))

import numpy
import torch

import fcd_torch
from line_protocol import Arguments, answer, resident_bytes, serve


def padded(image, extent):
    """Zeros behind the image along each axis, as Reprise pads inside."""
    behind = [(0, 0)] + [(0, to - have) for have, to in zip(image.shape[1:], extent)]
    return torch.from_numpy(numpy.pad(image, behind))[None]


def version():
    found = re.search(r"MKL-DNN v([\d.]+)", torch.__config__.show())
    return f"{torch.__version__}, with oneDNN {found[1] if found else 'unknown'}"


def main():
    arguments = Arguments()
    torch.set_num_threads(arguments.threads)
    image, target = arguments.scene()
    before = resident_bytes()
    net = fcd_torch.FCD(fcd_torch.Architecture(dropout=0.2))
    with torch.no_grad():
        for name, value in arguments.weights().items():
            net.tensors()[name].copy_(torch.from_numpy(value))
    image = padded(image, arguments.padded)
    target = torch.from_numpy(target.astype(numpy.int64))[None]
    z, y, x = arguments.extent
    training = arguments.task == "train"
    net.train(training)
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-3) if training else None

    def forward():
        with torch.no_grad():
            return net(image)

    def step():
        optimiser.zero_grad()
        loss = sum(fcd_torch.loss_terms(net(image)[..., :z, :y, :x], target))
        loss.backward()
        optimiser.step()
        return loss.item()

    def check(path):
        if not training:
            forward()[0, :, :z, :y, :x].contiguous().numpy().tofile(path)
            return {}
        drops = [module for module in net.modules() if isinstance(module, torch.nn.Dropout3d)]
        for module in drops:
            module.p = 0.0
        loss = step()
        for module in drops:
            module.p = 0.2
        return {"loss": loss}

    answer(ready=version(), resident=before)
    serve(check, step if training else forward)


if __name__ == "__main__":
    main()
