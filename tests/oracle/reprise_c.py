"""The C library for Python tests: the static libraries of a build become one shared object in a
temporary folder, called by ctypes."""
import ctypes
import os
import subprocess
import tempfile
from ctypes import POINTER, byref, c_bool, c_char, c_char_p, c_double, c_float, c_int, c_int64
from ctypes import c_size_t, c_uint8, c_uint64, c_void_p

import numpy

MODULES = ("learn", "register", "io", "nn", "kernels", "volume", "base")
SYSTEM_LIBRARIES = ("-ljansson", "-ldeflate", "-lcrypto", "-lpthread", "-lm")
PREDICT, TRAIN = 0, 1
NORM = {"running": 0, "batch": 1, "instance": 2}
OK, ERR_BUDGET = 0, 7


class Unavailable(Exception):
    """The build cannot be loaded into Python; the text says why."""


class Failure(Exception):
    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


class Error(ctypes.Structure):
    _fields_ = [("status", c_int), ("number", c_int), ("message", c_char * 1024)]


class Config(ctypes.Structure):
    _fields_ = [("in_channels", c_int), ("classes", c_int), ("first_filters", c_int),
                ("growth", c_int), ("levels", c_int), ("down_layers", c_int * 6),
                ("bottleneck_layers", c_int), ("dropout", c_double), ("norm", c_int)]


class Parameter(ctypes.Structure):
    _fields_ = [("name", c_char_p), ("rank", c_int), ("shape", c_int64 * 5), ("count", c_size_t),
                ("value", POINTER(c_float)), ("gradient", POINTER(c_float))]


class LossWeights(ctypes.Structure):
    _fields_ = [("cross_entropy", c_double), ("dual_cross_entropy", c_double), ("dice", c_double),
                ("dual_alpha", c_double), ("dual_beta", c_double), ("dice_smooth", c_double)]


class Loss(ctypes.Structure):
    _fields_ = [("total", c_double), ("cross_entropy", c_double),
                ("dual_cross_entropy", c_double), ("dice_loss", c_double),
                ("hard_dice", c_double)]


class Kernels(ctypes.Structure):
    _fields_ = [("name", c_char_p)]  # the function pointers behind it are not called from here


def build(folder, modules=MODULES, system_libraries=SYSTEM_LIBRARIES):
    """Path of a shared object made in folder from the static libraries of REPRISE_BUILD."""
    where = os.environ.get("REPRISE_BUILD")
    if not where:
        raise Unavailable("REPRISE_BUILD does not name a build folder")
    libraries = [os.path.join(where, f"libreprise_{m}.a") for m in modules]
    missing = [os.path.basename(path) for path in libraries if not os.path.exists(path)]
    if missing:
        raise Unavailable("the build folder lacks " + ", ".join(missing))
    symbols = subprocess.run(["nm", "-u", libraries[-1]], capture_output=True, text=True, check=True)
    for sign, name in (("__asan_", "AddressSanitizer"), ("__tsan_", "ThreadSanitizer"),
                       ("__ubsan_", "UndefinedBehaviorSanitizer"),
                       ("__gcov_", "coverage counters")):
        if sign in symbols.stdout:
            raise Unavailable(f"built with {name}, which cannot be loaded into Python")
    path = os.path.join(folder, "libreprise_test.so")
    subprocess.run(["gcc", "-shared", "-o", path, "-Wl,--whole-archive", *libraries,
                    "-Wl,--no-whole-archive", *system_libraries], check=True)
    return path


class Library:
    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="reprise-oracle-")
        self.c = ctypes.CDLL(build(self.folder.name))
        c = self.c
        c.rp_fcd_parameter_count.restype = c_size_t
        c.rp_fcd_trainable.restype = c_size_t
        c.rp_fcd_parameter.restype = POINTER(Parameter)
        c.rp_kernels_get.restype = POINTER(Kernels)
        c.rp_threads_set.argtypes = [c_int]
        c.rp_fcd_set_dropout.argtypes = [c_void_p, c_double]
        c.rp_adam_step.argtypes = [c_void_p, c_double]
        c.rp_session_forward.argtypes = [c_void_p, c_void_p, c_float, c_uint64, c_uint64, c_void_p]

    def call(self, function, *arguments):
        """Calls a function whose last argument is rp_error*; raises what it says."""
        error = Error()
        status = getattr(self.c, function)(*arguments, byref(error))
        if status != OK:
            raise Failure(status, error.message.decode())

    def kernels_available(self):
        tables = (POINTER(Kernels) * 8)()
        count = self.c.rp_kernels_available(tables, 8)
        return [tables[i].contents.name.decode() for i in range(count)]

    def kernels_select(self, name):
        self.call("rp_kernels_select", name.encode() if name else None)
        return self.c.rp_kernels_get().contents.name.decode()

    def config(self, arch, norm="running"):
        """arch: an object with the fields of fcd_torch.Architecture."""
        config = Config()
        self.c.rp_fcd_config_defaults(byref(config))
        config.in_channels, config.classes = arch.in_channels, arch.classes
        config.first_filters, config.growth = arch.first_filters, arch.growth
        config.levels = len(arch.down_layers)
        for i, layers in enumerate(arch.down_layers):
            config.down_layers[i] = layers
        config.bottleneck_layers = arch.bottleneck_layers
        config.dropout, config.norm = arch.dropout, NORM[norm]
        return config


class Net:
    """values and gradients are views of the C memory by name; shape as the C side declares it."""

    def __init__(self, library, handle, owner=None):
        self.library, self.handle, self.owner = library, handle, owner
        self.values, self.gradients = {}, {}
        for i in range(library.c.rp_fcd_parameter_count(handle)):
            p = library.c.rp_fcd_parameter(handle, c_size_t(i)).contents
            shape = tuple(p.shape[:p.rank])
            name = p.name.decode()
            self.values[name] = numpy.ctypeslib.as_array(p.value, shape)
            if p.gradient:
                self.gradients[name] = numpy.ctypeslib.as_array(p.gradient, shape)

    @classmethod
    def create(cls, library, arch, seed=1, norm="running"):
        handle = c_void_p()
        library.call("rp_fcd_create", byref(library.config(arch, norm)), c_uint64(seed),
                     byref(handle))
        return cls(library, handle)

    def trainable(self):
        return self.library.c.rp_fcd_trainable(self.handle)

    def set_norm(self, norm):
        self.library.c.rp_fcd_set_norm(self.handle, NORM[norm])

    def set_dropout(self, rate):
        self.library.c.rp_fcd_set_dropout(self.handle, rate)

    def load(self, tensors):
        assert tensors.keys() == self.values.keys()
        for name, value in tensors.items():
            self.values[name][...] = value

    def destroy(self):
        if self.owner is None:
            self.library.c.rp_fcd_destroy(self.handle)
        self.values, self.gradients, self.handle = {}, {}, None


class Model:
    """rp_model, of whose struct only the first member, the net, is looked at from here."""

    def __init__(self, library):
        self.library, self.memory = library, ctypes.create_string_buffer(65536)

    def create(self, arch, seed=1):
        preprocessing = ctypes.create_string_buffer(4096)
        self.library.c.rp_preprocessing_defaults(preprocessing)
        self.library.call("rp_model_create", byref(self.library.config(arch)), preprocessing,
                          c_uint64(seed), self.memory)
        return self

    def read(self, path):
        self.library.call("rp_model_read", os.fsencode(path), self.memory)
        return self

    def write(self, path):
        self.library.call("rp_model_write", os.fsencode(path), self.memory)

    def net(self):
        return Net(self.library, c_void_p.from_buffer(self.memory), owner=self)

    def release(self):
        self.library.c.rp_model_release(self.memory)


class Session:
    """extent is Z, Y, X."""

    def __init__(self, net, extent, mode, budget=0):
        self.net, self.extent = net, tuple(extent)
        self.handle = c_void_p()
        size = (c_int * 3)(*reversed(self.extent))
        net.library.call("rp_session_create", net.handle, size, c_int(mode), c_size_t(budget),
                         byref(self.handle))

    def forward(self, image, pad_value=0.0, seed=0, step=0):
        image = numpy.ascontiguousarray(image, numpy.float32)
        assert image.shape[1:] == self.extent
        self.net.library.call("rp_session_forward", self.handle, image.ctypes.data,
                              c_float(pad_value), c_uint64(seed), c_uint64(step))

    def logits(self, classes=2):
        out = numpy.empty((classes, *self.extent), numpy.float32)
        self.net.library.c.rp_session_logits(self.handle, c_void_p(out.ctypes.data))
        return out

    def probability(self, class_index):
        out = numpy.empty(self.extent, numpy.float32)
        self.net.library.c.rp_session_probability(self.handle, c_int(class_index),
                                                  c_void_p(out.ctypes.data))
        return out

    def loss(self, target, gradients=True, weights=None):
        """weights: three factors, by default 1, 1, 1."""
        target = numpy.ascontiguousarray(target, numpy.uint8)
        assert target.shape == self.extent
        w = LossWeights()
        self.net.library.c.rp_loss_weights_defaults(byref(w))
        if weights is not None:
            w.cross_entropy, w.dual_cross_entropy, w.dice = weights
        loss = Loss()
        self.net.library.call("rp_session_loss", self.handle, target.ctypes.data_as(
            POINTER(c_uint8)), byref(w), c_bool(gradients), byref(loss))
        return loss

    def destroy(self):
        self.net.library.c.rp_session_destroy(self.handle)
        self.handle = None


class Adam:
    def __init__(self, net):
        self.net, self.handle = net, c_void_p()
        net.library.call("rp_adam_create", net.handle, byref(self.handle))

    def step(self, learning_rate):
        self.net.library.c.rp_adam_step(self.handle, learning_rate)

    def destroy(self):
        self.net.library.c.rp_adam_destroy(self.handle)
        self.handle = None
