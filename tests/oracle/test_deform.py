"""Deformable registration against NumPy and SciPy: its descriptors voxel by voxel, a field that SciPy applied to an
image by spline interpolation, and the carried mask from the field's own points."""
import ctypes
import itertools
import sys
import tempfile

try:
    import numpy as np
    from scipy import ndimage
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

import reprise_c
from io_library import Error, Grid, Volume

c_double3 = ctypes.c_double * 3


class Rigid(ctypes.Structure):
    _fields_ = [("rotation", ctypes.c_double * 9), ("centre", c_double3), ("translation", c_double3)]


class Pair(ctypes.Structure):
    _fields_ = [("baseline", ctypes.c_void_p), ("followup", ctypes.c_void_p), ("rigid", Rigid),
                ("lesion", ctypes.c_void_p)]


class Options(ctypes.Structure):
    _fields_ = [(name, ctypes.c_double) for name in
                ("spacing_mm", "region_spacing_mm", "margin_mm", "reach_mm", "smoothness")]


def volume_of(array, spacing):
    """spacing x, y, z; the array has to outlive it."""
    v = Volume()
    v.grid.size, v.grid.spacing = tuple(reversed(array.shape)), tuple(spacing)
    for a in range(3):
        v.grid.direction[a][a] = 1.0
    v.data = array.ctypes.data
    return v


class Library:
    def __init__(self, folder):
        self.c = ctypes.CDLL(reprise_c.build(folder, ("register", "volume", "base"),
                                             ("-lcrypto", "-lpthread", "-lm")))

    def call(self, name, *arguments):
        err = Error()
        if getattr(self.c, name)(*arguments, ctypes.byref(err)):
            raise RuntimeError(err.message.decode())

    def describe(self, array, floor):
        out = np.empty(array.shape + (12,), np.float32)
        self.call("mind_describe", ctypes.c_void_p(array.ctypes.data),
                  (ctypes.c_int * 3)(*reversed(array.shape)), ctypes.c_float(floor), ctypes.c_void_p(out.ctypes.data))
        return out

    def register(self, baseline, followup, lesion):
        rigid = Rigid((ctypes.c_double * 9)(1, 0, 0, 0, 1, 0, 0, 0, 1))
        pair = Pair(ctypes.addressof(baseline), ctypes.addressof(followup), rigid, ctypes.addressof(lesion))
        options, deform = Options(), ctypes.c_void_p()
        self.c.rp_deform_defaults(ctypes.byref(options))
        self.call("rp_deform_register", ctypes.byref(pair), ctypes.byref(options), None, ctypes.byref(deform))
        return deform

    def to_baseline(self, deform, points):
        found = np.empty_like(points)
        for i, p in enumerate(points):
            there = c_double3()
            self.c.rp_deform_to_baseline(deform, c_double3(*p), there)
            found[i] = there
        return found

    def carry(self, deform, mask, grid, shape):
        out, share = Volume(), ctypes.c_double()
        self.call("rp_deform_carry_mask", deform, ctypes.byref(mask), ctypes.byref(grid), ctypes.byref(out),
                  ctypes.byref(share))
        data = ctypes.cast(out.data, ctypes.POINTER(ctypes.c_uint8))
        return np.ctypeslib.as_array(data, shape).copy()


def descriptors(image, floor):
    """Of each voxel: how unlike the patches round two of its six neighbours are, for neighbours at right angles."""
    wide = np.pad(image.astype(np.float64), 3, mode="edge")
    neighbours = [np.eye(3, dtype=int)[axis] * 2 * way for axis in (2, 1, 0) for way in (-1, 1)]
    inner = tuple(slice(2, n + 4) for n in image.shape)
    unlike = []
    for p, q in itertools.combinations(neighbours, 2):
        if p @ q == 0:
            square = (np.roll(wide, tuple(-p), (0, 1, 2)) - np.roll(wide, tuple(-q), (0, 1, 2)))[inner] ** 2
            unlike.append(ndimage.uniform_filter(square, 3)[1:-1, 1:-1, 1:-1])
    unlike = np.stack(unlike, -1)
    unlike -= unlike.min(-1, keepdims=True)
    return np.exp(-unlike / np.maximum(unlike.mean(-1, keepdims=True), floor ** 2))


def check_descriptors(library):
    rng = np.random.default_rng(4)
    faults = []
    for shape, floor in (((9, 8, 11), 6.0), ((1, 5, 4), 1.0), ((7, 1, 1), 50.0)):
        image = (60 * rng.standard_normal(shape)).astype(np.float32)
        worst = np.abs(library.describe(image, floor) - descriptors(image, floor)).max()
        print(f"descriptors of {shape}: off by {worst:.1e} at most")
        if not worst < 2e-5:
            faults.append(f"descriptors of {shape} are off by {worst}")
    return faults


SPACING = np.array([3.0, 2.5, 4.0])  # x, y, z
SHAPE = (36, 56, 60)  # z, y, x


def scene(rng):
    """A body of soft texture, and a lesion in it."""
    z, y, x = (np.indices(SHAPE).T * SPACING[::-1]).T
    texture = sum(a * ndimage.gaussian_filter(rng.standard_normal(SHAPE), s) / s ** -1.5
                  for a, s in ((40, 1.2), (60, 3.0)))
    body = ((x - 88) / 80) ** 2 + ((y - 68) / 60) ** 2 < 1
    lesion = ((x - 70) / 18) ** 2 + ((y - 60) / 15) ** 2 + ((z - 70) / 17) ** 2 < 1
    return np.where(body, 40 + texture + 60 * lesion, -1000).astype(np.float32), lesion.astype(np.uint8)


def moved(image, lesion, rng):
    """The scene after a smooth motion; the motion in mm at every voxel, x, y, z, follow-up to baseline."""
    u = np.stack([ndimage.gaussian_filter(rng.standard_normal(SHAPE), 30 / SPACING[::-1]) for _ in range(3)], -1)
    u *= 4.0 / u.std()
    at = np.indices(SHAPE) + np.moveaxis(u[..., ::-1] / SPACING[::-1], -1, 0)
    after = ndimage.map_coordinates(image, at, order=3, mode="nearest") + 6 * rng.standard_normal(SHAPE)
    truth = ndimage.map_coordinates(lesion.astype(float), at, order=1) >= 0.5
    return np.clip(after, -1024, 2000).astype(np.float32), truth, u


def check_field(library, kept):
    rng = np.random.default_rng(11)
    image, lesion = scene(rng)
    after, truth, u = moved(image, lesion, rng)
    volumes = [volume_of(a, SPACING) for a in (image, after, lesion)]
    deform = library.register(*volumes)
    kept.update(deform=deform, lesion=lesion, volume=volumes[2], arrays=(image, after))
    index = np.argwhere(ndimage.binary_erosion(after > -500, iterations=3))
    was = index + u[tuple(index.T)][:, ::-1] / SPACING[::-1]
    index = index[np.all((was > 1) & (was < np.array(SHAPE) - 2), 1)]
    index = index[rng.choice(len(index), 1500, replace=False)]
    points = index[:, ::-1] * SPACING
    error = np.linalg.norm(library.to_baseline(deform, points) - points - u[tuple(index.T)], axis=1)
    still = np.linalg.norm(u[tuple(index.T)], axis=1)
    carried = library.carry(deform, volumes[2], volumes[1].grid, SHAPE) > 0
    dice = 2 * (carried & truth).sum() / (carried.sum() + truth.sum())
    print(f"field: {np.median(still):.2f} mm, off by {np.median(error):.2f} mm (95%: {np.percentile(error, 95):.2f}); "
          f"Dice {dice:.3f}")
    faults = [] if np.median(error) < 0.9 and np.percentile(error, 95) < 3.5 else ["the field is not found"]
    return faults + ([] if dice > 0.95 else [f"the lesion is carried to Dice {dice}"])


def check_carried(library, kept):
    """On a coarser grid, so that voxels are averaged: by SciPy at the places that the field gives."""
    faults = []
    for shape, spacing in ((SHAPE, SPACING), ((24, 35, 30), np.array([6.0, 4.0, 6.0]))):
        grid = volume_of(np.zeros(shape, np.uint8), spacing).grid
        found = library.carry(kept["deform"], kept["volume"], grid, shape) > 0
        samples = np.maximum(1, np.ceil(spacing / SPACING.min() - 0.01)).astype(int)
        mean = np.zeros(shape)
        near = ndimage.binary_dilation(found, iterations=4)
        index = np.argwhere(near)
        for part in itertools.product(*(range(n) for n in samples)):
            offset = (np.array(part) + 0.5) / samples - 0.5
            there = library.to_baseline(kept["deform"], (index[:, ::-1] + offset) * spacing)
            mean[near] += ndimage.map_coordinates(kept["lesion"].astype(float), (there / SPACING).T[::-1], order=1,
                                                  mode="grid-constant", cval=0.0)
        mean /= samples.prod()
        wanted, count = mean.sum(), found.sum()
        print(f"carried onto {shape}: {count} voxels of {wanted:.1f}")
        least, most = mean[found].min(), mean[~found].max()
        if most - least > 1 / 256 or least < 0.25 - 1 / 256 or most > 0.75 + 1 / 256:
            faults.append(f"{shape}: inside from {least:.3f}, outside up to {most:.3f}")
        ties = (np.abs(mean - least) < 2 / 256).sum()
        if abs(count - wanted) > ties + 1:
            faults.append(f"{shape}: {count} voxels inside, {wanted:.1f} wanted, {ties} ties")
    return faults


class Field(ctypes.Structure):
    _fields_ = [("grid", Grid), ("u", ctypes.c_void_p)]


def jacobian(u):
    """Of x + u(x) at every node but the outermost, by central differences."""
    slopes = np.stack([np.stack(np.gradient(u[..., r], *SPACING[::-1])[::-1], -1) for r in range(3)], -2)
    return np.linalg.det(slopes + np.eye(3))


def check_unfolding(library):
    """A field that folds in places, and one that does not."""
    faults, rng = [], np.random.default_rng(8)
    for size, folds in ((9.0, True), (1.0, False)):
        u = np.stack([ndimage.gaussian_filter(rng.standard_normal(SHAPE), 3) for _ in range(3)], -1)
        u = np.ascontiguousarray(size * u / u.std(), np.float32)
        before, share = u.copy(), (jacobian(u) <= 0).mean()
        field = Field(volume_of(np.zeros(SHAPE, np.uint8), SPACING).grid, u.ctypes.data)
        library.call("field_unfold", ctypes.byref(field), 200)
        least = jacobian(u)[1:-1, 1:-1, 1:-1].min()
        print(f"unfolded: {share:.4f} of the nodes, then the least determinant is {least:.3f}")
        if not least > 0.09 or folds != (share > 0.001):
            faults.append(f"a field that folds at {share} of its nodes keeps a determinant of {least}")
        if not folds and not np.array_equal(u, before):
            faults.append("a field that does not fold was changed")
    return faults


def check_composition(library):
    """One linear field after another, which interpolation between nodes keeps exactly."""
    z, y, x = np.indices(SHAPE)
    at = np.stack([x, y, z], -1) * SPACING - np.array(SHAPE[::-1]) * SPACING / 2
    first, second = 0.1 * np.random.default_rng(3).standard_normal((2, 3, 3))
    fields = [np.ascontiguousarray(at @ m, np.float32) for m in (first, second)]
    grid = volume_of(np.zeros(SHAPE, np.uint8), SPACING).grid
    both = [Field(grid, u.ctypes.data) for u in fields]
    library.c.field_compose(ctypes.byref(both[0]), ctypes.byref(both[1]))
    wanted = at @ first + (at + at @ first) @ second
    inner = (slice(10, -10),) * 3
    worst = np.abs(fields[0] - wanted)[inner].max()
    print(f"composition: off by {worst:.1e} mm")
    return [] if worst < 1e-3 else [f"a field after another is off by {worst} mm"]


def main():
    try:
        with tempfile.TemporaryDirectory(prefix="reprise-deform-") as folder:
            library, kept = Library(folder), {}
            faults = check_descriptors(library) + check_unfolding(library) + check_composition(library) + \
                check_field(library, kept) + check_carried(library, kept)
    except reprise_c.Unavailable as reason:
        print(f"skipped: {reason}")
        return 77
    for fault in faults:
        print(f"FAILED: {fault}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
