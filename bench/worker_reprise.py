"""Reprise as a contestant; line_protocol.py tells how it is spoken to."""
import dataclasses
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "oracle"))

import reprise_c
from line_protocol import Arguments, answer, resident_bytes, serve


@dataclasses.dataclass
class Architecture:
    """As fcd_torch.Architecture, whose module would load PyTorch into this process."""
    in_channels: int = 1
    classes: int = 2
    first_filters: int = 48
    growth: int = 12
    down_layers: tuple = (2, 3, 4, 5)
    bottleneck_layers: int = 7
    dropout: float = 0.2


def main():
    arguments = Arguments()
    library = reprise_c.Library()
    table = library.kernels_select(arguments.kernels)
    library.c.rp_threads_set(arguments.threads)
    image, target = arguments.scene()
    before = resident_bytes()
    arch = Architecture()
    net = reprise_c.Net.create(library, arch)
    net.load(arguments.weights())
    training = arguments.task == "train"
    session = reprise_c.Session(net, arguments.extent,
                                reprise_c.TRAIN if training else reprise_c.PREDICT)
    adam = reprise_c.Adam(net) if training else None
    steps = 0

    def step():
        nonlocal steps
        session.forward(image, step=steps)
        loss = session.loss(target)
        adam.step(1e-3)
        steps += 1
        return loss

    def check(path):
        if training:
            net.set_dropout(0)
            loss = step()
            net.set_dropout(arch.dropout)
            return {"loss": loss.total}
        session.forward(image)
        session.logits().tofile(path)
        return {}

    answer(ready=f"kernels `{table}`", resident=before)
    serve(check, step if training else lambda: session.forward(image))


if __name__ == "__main__":
    main()
