"""The io module as a shared object of its own, called through ctypes."""
import ctypes
import glob
import os
import subprocess

import numpy as np

SOURCE = os.environ.get("REPRISE_SOURCE", os.path.join(os.path.dirname(__file__), "..", ".."))


class Error(ctypes.Structure):
    _fields_ = [("status", ctypes.c_int), ("number", ctypes.c_int), ("message", ctypes.c_char * 1024)]


class Grid(ctypes.Structure):
    _fields_ = [
        ("size", ctypes.c_int * 3),
        ("spacing", ctypes.c_double * 3),
        ("origin", ctypes.c_double * 3),
        ("direction", (ctypes.c_double * 3) * 3),
    ]

    def world(self, index):
        """LPS mm of voxel indices (n, 3), by the definition in volume.h."""
        steps = np.array(self.direction).reshape(3, 3) * np.array(self.spacing)
        return np.asarray(index) @ steps.T + np.array(self.origin)


class Volume(ctypes.Structure):
    """rp_image, rp_mask and rp_labels differ in the type behind the pointer only."""

    _fields_ = [("grid", Grid), ("data", ctypes.c_void_p)]

    def array(self, dtype):
        shape = tuple(self.grid.size)[::-1]
        count = int(np.prod(shape)) * np.dtype(dtype).itemsize
        return np.frombuffer(ctypes.string_at(self.data, count), dtype).reshape(shape)


class Info(ctypes.Structure):
    _fields_ = [
        ("version", ctypes.c_int),
        ("swapped", ctypes.c_bool),
        ("gzip", ctypes.c_bool),
        ("datatype", ctypes.c_int),
        ("grid", Grid),
        ("scl_slope", ctypes.c_double),
        ("scl_inter", ctypes.c_double),
        ("geometry", ctypes.c_char_p),
    ]


class Tensor(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p),
        ("rank", ctypes.c_int),
        ("shape", ctypes.c_int64 * 8),
        ("data", ctypes.c_void_p),
        ("half", ctypes.c_bool),
    ]


class KeyValue(ctypes.Structure):
    _fields_ = [("key", ctypes.c_char_p), ("value", ctypes.c_char_p)]


class TensorFile(ctypes.Structure):
    _fields_ = [
        ("tensors", ctypes.POINTER(Tensor)),
        ("tensor_count", ctypes.c_size_t),
        ("metadata", ctypes.POINTER(KeyValue)),
        ("metadata_count", ctypes.c_size_t),
    ]


class Refused(Exception):
    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


class Library:
    def __init__(self, folder):
        path = os.path.join(folder, "libio.so")
        sources = [
            source
            for module in ("io", "volume", "base")
            for source in sorted(glob.glob(os.path.join(SOURCE, "src", module, "*.c")))
        ]
        subprocess.run(
            ["cc", "-std=gnu17", "-O1", "-shared", "-fPIC", '-DRP_VERSION="0"', "-w"]
            + ["-I", os.path.join(SOURCE, "include"), "-o", path]
            + sources
            + ["-ljansson", "-ldeflate", "-lcrypto", "-lpthread", "-lm"],
            check=True,
        )
        self.library = ctypes.CDLL(path)

    def call(self, name, *arguments):
        error = Error()
        status = getattr(self.library, name)(*arguments, ctypes.byref(error))
        if status:
            raise Refused(status, error.message.decode())

    def read_image(self, path):
        """Grid and [z][y][x] array."""
        image = Volume()
        self.call("rp_nifti_read_image", path.encode(), ctypes.byref(image), None)
        result = Grid.from_buffer_copy(image.grid), image.array(np.float32)
        self.library.rp_image_release(ctypes.byref(image))
        return result

    def info(self, path):
        info = Info()
        self.call("rp_nifti_info_read", path.encode(), ctypes.byref(info), None)
        return info

    def comment(self, path):
        """None where the file has none."""
        text = ctypes.c_char_p()
        self.call("rp_nifti_read_comment", path.encode(), ctypes.byref(text))
        return text.value

    def write(self, function, path, grid, array, comment=None):
        array = np.ascontiguousarray(array)
        volume = Volume(grid, array.ctypes.data)
        self.call(function, path.encode(), ctypes.byref(volume), comment)
