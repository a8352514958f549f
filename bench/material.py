"""Writes into a folder what all contestants work on, and as JSON to stdout what the network is:

    weights.npz         the network's tensors by name, norms and biases away from 1 and 0
    network.onnx        the same network and weights, exported by PyTorch, extents left open
    image_ZxYxX.f32     CT-like values 0..1, raw; and target_ZxYxX.u8, a blob of class 1

Usage: material.py FOLDER EXTENT..."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "oracle"))

import numpy
import torch

import fcd_torch
from oracle_material import randomise, scene

COUNTED = (32, 32, 32)


def forward_flop_per_voxel(net):
    """Two for each multiplication of a convolution; taps that fall on the border's padding count."""
    total = 0

    def count(module, inputs, output):
        nonlocal total
        transposed = isinstance(module, torch.nn.ConvTranspose3d)
        positions = (inputs[0] if transposed else output)[0, 0].numel()
        total += 2 * module.weight.numel() * positions

    convolutions = (torch.nn.Conv3d, torch.nn.ConvTranspose3d)
    hooks = [m.register_forward_hook(count) for m in net.modules() if isinstance(m, convolutions)]
    with torch.no_grad():
        net(torch.zeros(1, 1, *COUNTED))
    for hook in hooks:
        hook.remove()
    return total / numpy.prod(COUNTED)


def export(net, path):
    axes = {2: "z", 3: "y", 4: "x"}
    torch.onnx.export(net, torch.zeros(1, 1, *COUNTED), path, opset_version=13,
                      input_names=["image"], output_names=["logits"],
                      dynamic_axes={"image": axes, "logits": axes})


def main():
    folder, extents = sys.argv[1], sys.argv[2:]
    rng = numpy.random.default_rng(1)
    torch.manual_seed(1)
    net = fcd_torch.FCD().eval()
    with torch.no_grad():
        tensors = {name: tensor.detach().numpy() for name, tensor in net.tensors().items()}
        randomise(rng, tensors)  # views: the net changes with them
    numpy.savez(os.path.join(folder, "weights.npz"), **tensors)
    export(net, os.path.join(folder, "network.onnx"))
    for extent in extents:
        image, target = scene(rng, tuple(int(n) for n in extent.split("x")))
        image.tofile(os.path.join(folder, f"image_{extent}.f32"))
        target.tofile(os.path.join(folder, f"target_{extent}.u8"))
    print(json.dumps({"flop_per_voxel": forward_flop_per_voxel(net),
                      "trainable": sum(p.numel() for p in net.parameters())}))


if __name__ == "__main__":
    main()
