"""safetensors against a reader and writer of the published format, with PyTorch's number types."""
import ctypes
import json
import os
import struct
import sys
import tempfile

try:
    import numpy as np
    import torch
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

from io_library import KeyValue, Library, Tensor, TensorFile

NAMES = {
    torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.float64: "F64",
    torch.int8: "I8", torch.int16: "I16", torch.int32: "I32", torch.int64: "I64",
    torch.uint8: "U8", torch.bool: "BOOL",
}
checks = 0


def require(condition, *what):
    global checks
    checks += 1
    if not condition:
        print("FAILED:", *what)
        sys.exit(1)


def raw_bytes(tensor):
    if tensor.numel() == 0:
        return b""
    if tensor.dtype == torch.bfloat16:
        return tensor.contiguous().view(torch.int16).numpy().tobytes()
    return tensor.contiguous().numpy().tobytes()


def save(path, tensors, metadata, indent=None, pad=0):
    header, data = {}, b""
    if metadata is not None:
        header["__metadata__"] = metadata
    for name, tensor in tensors.items():
        raw = raw_bytes(tensor)
        header[name] = {
            "data_offsets": [len(data), len(data) + len(raw)],
            "shape": list(tensor.shape),
            "dtype": NAMES[tensor.dtype],
        }
        data += raw
    text = json.dumps(header, indent=indent).encode() + b" " * pad
    with open(path, "wb") as stream:
        stream.write(struct.pack("<Q", len(text)) + text + data)


def load(path):
    with open(path, "rb") as stream:
        content = stream.read()
    (length,) = struct.unpack_from("<Q", content)
    require(length % 8 == 0, "the data are not aligned")
    header = json.loads(content[8 : 8 + length])
    if "__metadata__" in header:
        require(next(iter(header)) == "__metadata__", "metadata do not come first")
    metadata = header.pop("__metadata__", None)
    arrays, at = {}, 0
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        require(entry["dtype"] == "F32" and begin == at, name, entry)
        at = end
        raw = content[8 + length + begin : 8 + length + end]
        arrays[name] = np.frombuffer(raw, "<f4").reshape(entry["shape"])
    require(8 + length + at == len(content), "bytes behind the last tensor")
    return arrays, metadata


def read_by_library(library, path):
    file = TensorFile()
    library.call("rp_safetensors_read", path.encode(), ctypes.byref(file))
    tensors = {}
    for i in range(file.tensor_count):
        t = file.tensors[i]
        shape = list(t.shape[: t.rank])
        data = ctypes.string_at(t.data, 4 * int(np.prod(shape, dtype=np.int64)))
        tensors[t.name.decode()] = np.frombuffer(data, np.float32).reshape(shape)
    metadata = {file.metadata[i].key.decode(): file.metadata[i].value.decode()
                for i in range(file.metadata_count)}
    library.library.rp_tensor_file_release(ctypes.byref(file))
    return tensors, metadata


def sample(generator):
    tensors = {}
    for number, dtype in enumerate(NAMES):
        for shape in ((), (7,), (3, 5), (2, 3, 3, 3, 3), (0, 4), (1, 1, 1, 1, 1, 1, 1, 2), (9001,)):
            values = torch.randn(shape, generator=generator) * 50
            tensors[f"layer.{number}.{len(shape)}.{shape[0] if shape else 's'}"] = (
                values > 0 if dtype == torch.bool else
                values.abs().to(dtype) if dtype == torch.uint8 else values.to(dtype))
    # every half and bfloat16 bit pattern: subnormals, infinities and NaN among them
    patterns = torch.from_numpy(np.arange(65536, dtype=np.uint16).view(np.int16))
    tensors["all half"] = patterns.view(torch.float16)
    tensors["all bfloat"] = patterns.view(torch.bfloat16)
    tensors["large"] = torch.tensor([2**62 + 12345, -(2**63), 2**24 + 1])
    return tensors


def compare(found, tensors):
    require(list(found) == list(tensors), "names")
    for name, tensor in tensors.items():
        expected = tensor.to(torch.float32).numpy()
        require(found[name].shape == expected.shape, name, found[name].shape)
        require(np.array_equal(found[name], expected, equal_nan=True), name, "values")


def write_by_library(library, path, arrays, metadata, half=False):
    tensors = (Tensor * len(arrays))()
    kept = []
    for t, (name, array) in zip(tensors, arrays.items()):
        array = np.array(array, order="C")
        kept.append(array)
        t.name, t.rank, t.data = name.encode(), array.ndim, array.ctypes.data
        t.shape[: array.ndim] = kept[-1].shape
        t.half = half
    pairs = (KeyValue * len(metadata))(*[(k.encode(), v.encode()) for k, v in metadata.items()])
    file = TensorFile(tensors, len(arrays), pairs, len(metadata))
    library.call("rp_safetensors_write", path.encode(), ctypes.byref(file))


def main():
    generator = torch.Generator().manual_seed(3)
    metadata = {"format": "pt", "text": 'quotes " and \\ and\nlines, é, 漢, 😀', "empty": ""}
    with tempfile.TemporaryDirectory() as folder:
        library = Library(folder)
        path = os.path.join(folder, "model.safetensors")
        tensors = sample(generator)
        for given, indent, pad in ((metadata, None, 0), (None, 2, 5), ({}, None, 3)):
            save(path, tensors, given, indent, pad)
            found, found_metadata = read_by_library(library, path)
            compare(found, tensors)
            require(found_metadata == (given or {}), "metadata", found_metadata)
        model = torch.nn.Sequential(torch.nn.Conv3d(2, 4, 3), torch.nn.BatchNorm3d(4))
        arrays = {name: value.detach().float().numpy().reshape(tuple(value.shape))
                  for name, value in model.state_dict().items()}
        arrays['odd "name" \\ é'] = np.zeros((0, 3), np.float32)
        for given in (metadata, {}):
            write_by_library(library, path, arrays, given)
            loaded, loaded_metadata = load(path)
            require(loaded_metadata == (given or None), "metadata", loaded_metadata)
            require(list(loaded) == list(arrays), "names")
            for name, array in arrays.items():
                require(loaded[name].shape == array.shape, name, loaded[name].shape)
                require(np.array_equal(loaded[name], array), name, "values")
        again, _ = read_by_library(library, path)
        compare(again, {name: torch.from_numpy(array.copy()) for name, array in arrays.items()})
        arrays["spread"] = (2.0 ** np.random.default_rng(1).uniform(-28, 15.9, 20001)).astype(np.float32)
        write_by_library(library, path, arrays, {}, half=True)
        compare(read_by_library(library, path)[0], {name: torch.from_numpy(array.copy()).half().float()
                                                    for name, array in arrays.items()})
    require(checks > 300, "too little was compared:", checks)
    print(f"{checks} comparisons with the published format")


main()
