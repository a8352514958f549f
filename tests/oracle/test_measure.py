"""Diameters of `reprise measure` against brute force over all pairs of contour points: the STS
masks and random shapes, with anisotropic pixels and turned, mirrored and reordered axes."""
import glob
import itertools
import json
import os
import subprocess
import sys
import tempfile

import numpy as np
from scipy.spatial.distance import cdist

try:
    import nibabel
except ImportError:
    print("nibabel is not installed")
    sys.exit(77)

REPRISE = os.environ.get("REPRISE", "")
DATA = os.environ.get("REPRISE_TEST_DATA", "")
TOLERANCE_MM = 0.01
TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])

# Corners of a square of voxel centres as bits 1 (0,0), 2 (1,0), 4 (1,1), 8 (0,1); sides by letter.
SIDES = {"t": (0.5, 0.0), "r": (1.0, 0.5), "b": (0.5, 1.0), "l": (0.0, 0.5)}
LINES = {1: "lt", 2: "tr", 3: "lr", 4: "rb", 5: "tr lb", 6: "tb", 7: "lb", 8: "lb", 9: "tb",
         10: "lt rb", 11: "rb", 12: "lr", 13: "tr", 14: "lt"}


def contour_segments(plane):
    """Marching squares at one half, inside joined over diagonals: an array (n, 2, 2) of x, y."""
    p = np.pad(plane, 1).astype(int)
    code = p[:-1, :-1] + 2 * p[:-1, 1:] + 4 * p[1:, 1:] + 8 * p[1:, :-1]
    found = []
    for y, x in zip(*np.nonzero((code > 0) & (code < 15))):
        for line in LINES[code[y, x]].split():
            found.append([np.add(SIDES[s], (x - 1, y - 1)) for s in line])
    return np.array(found).reshape(-1, 2, 2)


def cross(o, a, b):
    return (a[..., 0] - o[..., 0]) * (b[..., 1] - o[..., 1]) - (
        a[..., 1] - o[..., 1]) * (b[..., 0] - o[..., 0])


def even_odd(point, segments):
    """Whether a point that is not on the contour lies inside."""
    a, b = segments[:, 0], segments[:, 1]
    straddle = (a[:, 1] > point[1]) != (b[:, 1] > point[1])
    a, b = a[straddle], b[straddle]
    at = a[:, 0] + (point[1] - a[:, 1]) * (b[:, 0] - a[:, 0]) / (b[:, 1] - a[:, 1])
    return np.count_nonzero(at > point[0]) % 2 == 1


def on_contour(point, segments):
    a, d = segments[:, 0], segments[:, 1] - segments[:, 0]
    t = np.clip(((point - a) * d).sum(1) / (d * d).sum(1), 0, 1)
    return np.linalg.norm(a + t[:, None] * d - point, axis=1).min() < 1e-9


def stays_inside(p, q, segments):
    """No proper crossing, and between any two touchings of the contour the middle is inside."""
    a, b = segments[:, 0], segments[:, 1]
    ca, cb = cross(p, q, a), cross(p, q, b)  # quarters of whole numbers: exact
    cp, cq = cross(a, b, p[None]), cross(a, b, q[None])
    if np.any((ca * cb < 0) & (cp * cq < 0)):
        return False
    d = q - p
    stops = [0.0, 1.0]
    for ends, side in ((a, ca), (b, cb)):
        touching = ends[side == 0]
        stops += list(((touching - p) @ d) / (d @ d))
    crossing = (ca * cb < 0) & (cp * cq == 0)
    stops += [t for t in (0.0, 1.0) if crossing.any()]
    stops = np.unique(np.clip(stops, 0, 1))
    for t in (stops[1:] + stops[:-1]) / 2:
        middle = p + t * d
        if not on_contour(middle, segments) and not even_odd(middle, segments):
            return False
    return True


def longest_convex(segments, spacing):
    points = np.unique(segments.reshape(-1, 2), axis=0) * spacing
    return cdist(points, points).max()


def longest_inside(segments, spacing, at_least):
    points = np.unique(segments.reshape(-1, 2), axis=0)
    distance = cdist(points * spacing, points * spacing)
    i, j = np.nonzero(np.triu(distance > at_least))
    for k in np.argsort(-distance[i, j], kind="stable"):
        if stays_inside(points[i[k]], points[j[k]], segments):
            return distance[i[k], j[k]]
    return 0.0


def perpendicular(segments, spacing, ends):
    """Longest extents across the axis between ends: over all, and within the lesion. Lines pass a
    hair to either side of every contour point, so none meets one exactly."""
    s = segments * spacing
    u = (ends[1] - ends[0]) * spacing
    u = u / np.linalg.norm(u)
    along, across = s @ u, s @ np.array([-u[1], u[0]])
    outer = inner = 0.0
    for t in np.concatenate([np.unique(along) - 1e-7, np.unique(along) + 1e-7]):
        hit = (along[:, 0] > t) != (along[:, 1] > t)
        if not hit.any():
            continue
        w = (t - along[hit, 0]) / (along[hit, 1] - along[hit, 0])
        at = np.sort(across[hit, 0] + w * (across[hit, 1] - across[hit, 0]))
        outer = max(outer, at[-1] - at[0])
        inner = max(inner, (at[1::2] - at[::2]).max())
    return outer, inner


def brute(mask, spacing, definition):
    """mask is (x, y, z). The longest diameter over the slices."""
    best = 0.0
    for z in range(mask.shape[2]):
        if not mask[:, :, z].any():
            continue
        segments = contour_segments(mask[:, :, z].T)
        if definition == "convex":
            best = max(best, longest_convex(segments, spacing))
        elif longest_convex(segments, spacing) > best:
            best = max(best, longest_inside(segments, spacing, best))
    return best


def run_measure(path, definition, *options):
    command = [REPRISE, "measure", "--mask", path, "--definition", definition, "--json", *options]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, f"{command[1:]} ended with {done.returncode}: {done.stderr}"
    return json.loads(done.stdout)["lesions"]


def check(name, mask, affine, folder):
    path = os.path.join(folder, "mask.nii.gz")
    nibabel.save(nibabel.Nifti1Image(mask.astype(np.uint8), affine), path)
    # As stored in the file: float32.
    affine = nibabel.load(path).affine
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    voxel_cc = abs(np.linalg.det(affine[:3, :3])) / 1000
    axial = int(np.argmax(np.abs(affine[2, :3]) / spacing))  # whichever axis it is in the file
    order = [a for a in range(3) if a != axial] + [axial]
    mask, spacing = mask.transpose(order), spacing[order]
    for definition in ("convex", "inside"):
        (lesion,) = run_measure(path, definition, "--labels")
        expected = brute(mask, spacing[:2], definition)
        found = lesion["longest_diameter_mm"]
        assert abs(found - expected) <= TOLERANCE_MM, (name, definition, found, expected)
        assert abs(lesion["volume_cc"] - mask.sum() * voxel_cc) <= 1e-4 * mask.sum() * voxel_cc
        ends = np.array(lesion["endpoints_lps"], float)
        assert abs(np.linalg.norm(ends[1] - ends[0]) - found) <= TOLERANCE_MM, (name, ends)
        back = np.linalg.inv(TO_LPS @ affine)
        index = ends @ back[:3, :3].T + back[:3, 3]
        index, z = index[:, order], lesion["slice_index"]
        assert lesion["slice_axis"] == axial, (name, lesion["slice_axis"])
        assert np.abs(index[:, 2] - z).max() < 0.01, (name, "not on the slice", index, z)
        segments = contour_segments(mask[:, :, z].T)
        rounded = np.round(index[:, :2] * 2) / 2
        assert np.abs(rounded - index[:, :2]).max() < 0.01, (name, "not a contour point", index)
        points = np.unique(segments.reshape(-1, 2), axis=0)
        for end in rounded:
            assert (points == end).all(1).any(), (name, "not a contour point", end)
        outer, inner = perpendicular(segments, spacing[:2], rounded)
        short = lesion["short_axis_mm"]
        if definition == "convex":
            assert abs(short - outer) <= TOLERANCE_MM, (name, short, outer)
        else:  # a line may pass two tips of the outside exactly, which none a hair beside it does
            assert inner - TOLERANCE_MM <= short <= outer + TOLERANCE_MM, (name, short, inner)
        print(f"{name:32s} {definition:7s} {found:9.4f} mm, brute force {expected:9.4f} mm, "
              f"short {short:8.4f} mm")


def rotation(x, y, z):
    cx, sx, cy, sy, cz, sz = (f(a) for a in np.radians([x, y, z]) for f in (np.cos, np.sin))
    return (np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
            @ np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
            @ np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]]))


def make_affine(spacing, axes, origin):
    affine = np.eye(4)
    affine[:3, :3] = axes * spacing
    affine[:3, 3] = origin
    return affine


def random_mask(rng, shape, kind):
    if kind == "dust":
        return rng.random(shape) < 0.3
    x, y, z = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    angle, radius = np.arctan2(y, x), np.sqrt(x * x + y * y + 0.5 * z * z)
    edge = 0.7 + sum(rng.uniform(-0.15, 0.15) * np.cos(k * angle + rng.uniform(0, 6))
                     for k in range(1, 6))
    lesion = radius < edge
    if kind == "holed":
        lesion &= np.hypot(x - 0.1, y) > 0.3
    if kind == "horseshoe":
        lesion &= (np.hypot(x, y) > 0.45) & ~((x > 0) & (np.abs(y) < 0.25))
    return lesion


def all_orientations():
    """Every order and sign of the axes: 48."""
    for order in itertools.permutations(range(3)):
        for signs in itertools.product((1, -1), repeat=3):
            axes = np.zeros((3, 3))
            for column, (row, sign) in enumerate(zip(order, signs)):
                axes[row, column] = sign
            yield axes


def main():
    if not os.path.exists(REPRISE):
        print("there is no reprise program in this build")
        sys.exit(77)
    rng = np.random.default_rng(20)
    kinds = ("blob", "holed", "horseshoe", "dust")
    with tempfile.TemporaryDirectory() as folder:
        for i in range(16):
            shape = rng.integers((14, 12, 3), (34, 30, 6))
            kind = kinds[i % 4]
            if kind == "dust":
                shape = np.minimum(shape, (16, 14, 2))
            mask = random_mask(rng, shape, kind)
            spacing = rng.uniform(0.5, 1.4, 3) * (1, 1, 3)
            affine = make_affine(spacing, rotation(*rng.uniform(-40, 40, 3)),
                                 rng.uniform(-300, 300, 3))
            check(f"random {kind} {i}, oblique", mask, affine, folder)
        for i, axes in enumerate(all_orientations()):
            if i % 4 == 0:
                mask = random_mask(rng, (20, 17, 3), kinds[i // 4 % 3])
                check(f"orientation {i}", mask, make_affine((0.7, 1.1, 4), axes, (5, -60, 200)),
                      folder)
        single = np.zeros((3, 3, 3))
        single[0, 2, 1] = 1
        check("single voxel", single.astype(bool), make_affine((0.7, 1.1, 4), np.eye(3), (0, 0, 0)),
              folder)
        real = sorted(glob.glob(os.path.join(DATA, "sts", "*", "CT", "nifti", "mask", "*.nii*")))
        for path in real:
            image = nibabel.load(path)
            mask = np.asarray(image.dataobj) > 0
            check(f"{path.split(os.sep)[-5]}", mask, image.affine, folder)
            stretched = image.affine @ np.diag([0.8, 1.3, 1, 1])
            check(f"{path.split(os.sep)[-5]} stretched", mask, stretched, folder)
    if not real:
        print("made shapes agree, but the real masks are absent: no sts folder in the test data")
        sys.exit(77)
    print("all diameters agree within 0.01 mm")


main()
