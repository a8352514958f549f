"""What the PyTorch comparison works on: scenes, weights, safetensors files, and points of the weight
space at which a float32 gradient can be compared at all."""
import json
import struct

import numpy
import torch
from scipy import ndimage
from torch import nn


def scene(rng, extent, channels=1, classes=2):
    """CT-like values 0..1 without ties [channel][z][y][x], and a blob of each class but 0."""
    image = []
    for _ in range(channels):
        coarse = ndimage.gaussian_filter(rng.standard_normal(extent), 4)
        fine = ndimage.gaussian_filter(rng.standard_normal(extent), 1)
        mixed = coarse / coarse.std() + 0.4 * fine / fine.std()
        image.append((mixed - mixed.min()) / (mixed.max() - mixed.min()))
    target = numpy.zeros(extent, numpy.uint8)
    for label in range(1, classes):
        field = ndimage.gaussian_filter(rng.standard_normal(extent), 3)
        target[field > numpy.quantile(field, 0.9)] = label
    return numpy.stack(image).astype(numpy.float32), target


def randomise(rng, tensors, lift=0.0):
    """Norms and biases away from the 1 and 0 that they start from; some norm scales negative.

    lift > 0 raises every norm's shift by that many standard deviations of its output, so that few
    activations lie near ReLU's corner."""
    for name, value in tensors.items():
        if name.endswith("norm.weight"):
            value[...] = rng.uniform(0.5, 1.5, value.shape) * rng.choice([-1, 1, 1, 1], value.shape)
        elif name.endswith("running_var"):
            value[...] = rng.uniform(0.5, 2.0, value.shape)
        elif name.endswith(("bias", "running_mean")):
            value[...] = 0.2 * rng.standard_normal(value.shape)
    for name, value in tensors.items():
        if name.endswith("norm.bias"):
            value += lift * numpy.abs(tensors[name[:-4] + "weight"])


# ---- away from the corners ------------------------------------------------------------------------
#
# ReLU and the maximum have corners at which the gradient jumps. Of the network's twenty million
# activations a few always lie closer to a corner than float32 can tell, on either side: their
# voxels then count in one program and not in the other, and gradients of small volumes differ by
# 1e-3 and more between two correct programs (PyTorch's float32 and float64 among them). settle()
# moves shifts and weights a little, layer by layer, until no activation is that close.

CORNER_REACH = 0.1   # a norm's shift moves by less than this
POOL_MARGIN = 2e-5   # between the two largest of a pooling window, in standard deviations


def widest_gap(values, reach):
    """Middle and half width of the widest gap between the values within +-reach."""
    inside = numpy.sort(values[numpy.abs(values) < reach])
    edges = numpy.concatenate(([-reach], inside, [reach]))
    i = int(numpy.argmax(numpy.diff(edges)))
    return (edges[i] + edges[i + 1]) / 2, (edges[i + 1] - edges[i]) / 2


def distance_to_tie(output):
    """Of each channel, between the two largest of a pooling window, in standard deviations."""
    windows = output[0].unfold(1, 2, 2).unfold(2, 2, 2).unfold(3, 2, 2)
    top = windows.reshape(output.shape[1], -1, 8).topk(2, dim=2).values
    return (top[..., 0] - top[..., 1]).amin(1) / output[0].flatten(1).std(1)


def as_float32(values):
    return values.float().double()


class Settler:
    def __init__(self, rng):
        self.rng, self.corner_distance, self.pool_distance, self.redrawn = rng, [], [], 0

    def norm(self, module, _, output):
        """Puts the corner in the middle of the widest gap between a channel's values."""
        shift = torch.zeros_like(module.bias)
        for c, values in enumerate(output[0].flatten(1).numpy()):
            middle, half = widest_gap(values, CORNER_REACH)
            shift[c] = -middle
            self.corner_distance.append(half)
        before = module.bias.clone()
        module.bias.copy_(as_float32(before + shift))
        return output + (module.bias - before).view(1, -1, 1, 1, 1)

    def before_pool(self, module, inputs, output):
        """Draws the weights of a channel again while any of its windows is nearly a tie."""
        every = distance_to_tie(output)
        while True:
            close = torch.nonzero(every < POOL_MARGIN).flatten()
            if not len(close):
                break
            for c in close.tolist():
                row = module.weight[c]
                noise = torch.from_numpy(self.rng.standard_normal(row.shape))
                module.weight[c] = as_float32(row + 0.3 * row.std() * noise)
            self.redrawn += len(close)
            every[close] = distance_to_tie(
                module._conv_forward(inputs[0], module.weight[close], module.bias[close]))
        self.pool_distance.append(every.min().item())
        return module._conv_forward(inputs[0], module.weight, module.bias)


def settle(net, image, rng):
    """Moves a float64 net (training mode, batch statistics) away from corners on this image; returns
    what it did in words. The weights stay representable in float32."""
    settler, hooks = Settler(rng), []
    for name, module in net.named_modules():
        if isinstance(module, nn.BatchNorm3d):
            hooks.append(module.register_forward_hook(settler.norm))
        elif name.startswith("transition_down") and isinstance(module, nn.Conv3d):
            hooks.append(module.register_forward_hook(settler.before_pool))
    averages = {name: tensor.clone() for name, tensor in net.named_buffers()}
    net.train()
    with torch.no_grad():
        net(torch.from_numpy(image)[None].double())
        for name, tensor in net.named_buffers():
            tensor.copy_(averages[name])
    for hook in hooks:
        hook.remove()
    return (f"no activation within {min(settler.corner_distance):.1e} of ReLU's corner, no pooling "
            f"window closer to a tie than {min(settler.pool_distance):.1e} "
            f"({settler.redrawn} rows of weights drawn again)")


# ---- safetensors, written from the format's description ---------------------------------------------

def safetensors_write(path, tensors):
    header, offset = {}, 0
    for name, value in tensors.items():
        kind = {"float32": "F32", "int64": "I64"}[str(value.dtype)]
        header[name] = {"dtype": kind, "shape": list(value.shape),
                        "data_offsets": [offset, offset + value.nbytes]}
        offset += value.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for value in tensors.values():
            file.write(numpy.ascontiguousarray(value).tobytes())


def safetensors_read(path):
    """Float32 tensors by name, and the metadata."""
    with open(path, "rb") as file:
        content = file.read()
    length, = struct.unpack("<Q", content[:8])
    header = json.loads(content[8:8 + length])
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        assert entry["dtype"] == "F32", (name, entry)
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        tensors[name] = numpy.frombuffer(content[begin:end], "<f4").reshape(entry["shape"])
    return tensors, metadata
