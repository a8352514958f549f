"""`reprise compare-masks` against an implementation of its own written from the definitions: random
and real masks, several spacings, each in all 48 orders and directions of its axes."""
import glob
import itertools
import json
import os
import subprocess
import sys
import tempfile

import numpy as np
from scipy import ndimage
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

try:
    import nibabel
except ImportError:
    print("nibabel is not installed")
    sys.exit(77)

REPRISE = os.environ.get("REPRISE", "")
DATA = os.environ.get("REPRISE_TEST_DATA", "")
RELATIVE = 1e-9
CORNERS = np.array(list(itertools.product((0, 1), repeat=3)))


# ---- the definitions -------------------------------------------------------------------------------

def side_segments(corners, inside):
    """Pairs of points on one side of the unit cell: four corners (4, 3), which of them are inside."""
    points, owners = [], []
    for i, j in itertools.combinations(range(4), 2):
        if np.abs(corners[i] - corners[j]).sum() == 1 and inside[i] != inside[j]:
            points.append((corners[i] + corners[j]) / 2)
            owners.append(i if inside[j] else j)  # the corner outside
    if len(points) == 2:
        return [points]
    # Two corners outside, opposite ones: each is cut off alone.
    return [[p for p, o in zip(points, owners) if o == owner] for owner in sorted(set(owners))]


def cell_area(inside, spacing):
    """inside: of the eight CORNERS. Triangles from each closed line's mean point to its pieces."""
    segments = []
    for axis in range(3):
        for side in (0, 1):
            on = CORNERS[:, axis] == side
            segments += side_segments(CORNERS[on], inside[on])
    if not segments:
        return 0.0
    ends = np.array(segments).reshape(-1, 3)
    points, number = np.unique(ends, axis=0, return_inverse=True)
    assert (np.bincount(number) == 2).all(), "a line does not close"
    number = number.reshape(-1, 2)
    graph = coo_matrix((np.ones(len(number)), number.T), shape=(len(points), len(points)))
    loops, member = connected_components(graph, directed=False)
    points = points * spacing
    area = 0.0
    for loop in range(loops):
        middle = points[member == loop].mean(0)
        pieces = number[member[number[:, 0]] == loop]
        spanned = np.cross(points[pieces[:, 0]] - middle, points[pieces[:, 1]] - middle)
        area += np.linalg.norm(spanned, axis=1).sum() / 2
    return area


def elements(mask, spacing):
    """Middles of the cells in mm (n, 3) and their areas (n)."""
    padded = np.pad(mask, 1).astype(bool)
    shape = np.array(padded.shape) - 1
    stacked = np.stack([padded[tuple(slice(c, c + n) for c, n in zip(corner, shape))]
                        for corner in CORNERS], axis=-1)
    counts = stacked.sum(-1)
    at = np.argwhere((counts > 0) & (counts < 8))
    patterns, which = np.unique(stacked[tuple(at.T)], axis=0, return_inverse=True)
    areas = np.array([cell_area(pattern, spacing) for pattern in patterns])
    return (at - 0.5) * spacing, areas[which.reshape(-1)]


def directed(points, areas, others):
    distance, _ = cKDTree(others).query(points)
    order = np.argsort(distance)
    share = np.cumsum(areas[order]) / areas.sum()
    reached = np.argmax(share >= 0.95 * (1 - 1e-9))
    return {"distance": distance, "hd95_mm": distance[order][reached], "hd_mm": distance.max(),
            "mean_mm": np.average(distance, weights=areas), "area_mm2": areas.sum()}


def expected(reference, prediction, spacing, tolerances):
    (p, p_area), (q, q_area) = elements(reference, spacing), elements(prediction, spacing)
    there, back = directed(p, p_area, q), directed(q, q_area, p)
    both, voxel_cc = (reference & prediction).sum(), np.prod(spacing) / 1000
    a, b = reference.sum(), prediction.sum()
    distance = np.concatenate([there["distance"], back["distance"]])
    area = np.concatenate([p_area, q_area])
    figures = {"dice": 2 * both / (a + b), "hd95_mm": max(there["hd95_mm"], back["hd95_mm"]),
               "hd_mm": distance.max(), "msd_mm": (there["mean_mm"] + back["mean_mm"]) / 2,
               "volume_difference_cc": (b - a) * voxel_cc,
               "volume_difference_absolute_cc": abs(b - a) * voxel_cc,
               "volume_difference_percent": 100 * (b - a) / a,
               "reference.volume_cc": a * voxel_cc, "prediction.volume_cc": b * voxel_cc}
    for mm in tolerances:
        figures[f"surface_dice.{mm}"] = area[distance <= float(mm) * (1 + 1e-6)].sum() / area.sum()
    for name, way in (("from_reference", there), ("from_prediction", back)):
        for key in ("hd95_mm", "hd_mm", "mean_mm", "area_mm2"):
            figures[f"{name}.{key}"] = way[key]
    return figures


# ---- the program -------------------------------------------------------------------------------------

def run(folder, reference, prediction, affine, tolerances):
    """Figures by the same names."""
    paths = []
    for name, mask in (("reference", reference), ("prediction", prediction)):
        paths.append(os.path.join(folder, name + ".nii"))
        nibabel.save(nibabel.Nifti1Image(np.ascontiguousarray(mask, np.uint8), affine), paths[-1])
    command = [REPRISE, "compare-masks", "--reference", paths[0], "--prediction", paths[1], "--json"]
    command += [f"--tolerance={mm}" for mm in tolerances]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, f"{command[1:]} ended with {done.returncode}: {done.stderr}"
    result = json.loads(done.stdout)
    assert result["surfaces_defined"] is True and result["undefined_because"] is None, result
    figures = dict(result)
    for name in ("from_reference", "from_prediction", "reference", "prediction"):
        figures.update({f"{name}.{key}": value for key, value in result[name].items()})
    figures.update({f"surface_dice.{entry['tolerance_mm']:g}": entry["value"]
                    for entry in result["surface_dice"]})
    return figures


def check(name, folder, masks, affine, tolerances, orientations):
    """masks: the two of them [x][y][z]. Every orientation against the figures of the first."""
    stored = np.float32(affine).astype(float)
    spacing = np.linalg.norm(stored[:3, :3], axis=0)
    wanted = expected(*masks, spacing, tolerances)
    worst = 0.0
    for order, flips in orientations:
        turned, matrix = [], np.array(affine)[:, [*order, 3]]
        for mask in masks:
            mask = mask.transpose(order)
            turned.append(np.flip(mask, [a for a in range(3) if flips[a]]))
        for a in range(3):
            if flips[a]:
                matrix[:, 3] += matrix[:, a] * (turned[0].shape[a] - 1)
                matrix[:, a] *= -1
        found = run(folder, *turned, matrix, tolerances)
        for key, value in wanted.items():
            error = abs(found[key] - value) / max(abs(value), 1e-3)
            assert error <= RELATIVE, (name, order, flips, key, found[key], value)
            worst = max(worst, error)
    brief = ", ".join(f"{key} {wanted[key]:.4f}" for key in ("dice", "hd95_mm", "msd_mm"))
    print(f"{name:34s} {len(orientations):2d} orientations: {brief}; within {worst:.0e}", flush=True)


ALL = [(order, flips) for order in itertools.permutations(range(3))
       for flips in itertools.product((0, 1), repeat=3)]


def scaled(spacing, origin=(12.5, -80, 301)):
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = origin
    return affine


def oblique(rng, spacing):
    turn, _ = np.linalg.qr(rng.standard_normal((3, 3)))
    affine = np.eye(4)
    affine[:3, :3] = turn * spacing
    affine[:3, 3] = rng.uniform(-300, 300, 3)
    return affine


def blob(rng, shape, size):
    field = ndimage.gaussian_filter(rng.standard_normal(shape), size)
    return field > np.quantile(field, 0.8)


def random_pairs(rng, folder):
    spacings = [(1, 1, 1), (0.7, 0.7, 5), (0.8, 1.25, 2.5), (3, 0.5, 1.1)]
    for i, spacing in enumerate(spacings):
        shape = rng.integers(9, 22, 3)
        dust = [rng.random(shape) < density for density in (0.03, 0.6)]
        check(f"dust, {spacing} mm", folder, dust, scaled(spacing), ("0", "1", "2.5"), ALL)
        near = blob(rng, shape, 2)
        far = np.roll(near, (1, -2, 1), (0, 1, 2)) ^ (rng.random(shape) < 0.02)
        check(f"blobs, {spacing} mm", folder, [near, far], scaled(spacing), ("2", "5"), ALL)
        check(f"blobs, oblique {i}", folder, [near, far], oblique(rng, spacing), ("2", "5"),
              ALL[::11])
    single = [np.zeros((9, 8, 7), bool) for _ in range(2)]
    single[0][0, 7, 3] = single[1][8, 0, 6] = True
    check("single voxels at the border", folder, single, scaled((0.9, 1.7, 4)), ("12", "14"), ALL)
    full = [np.ones((6, 5, 4), bool), np.pad(np.ones((4, 3, 2), bool), 1)]
    check("full image, box within", folder, full, scaled((1, 2, 3)), ("1", "2", "3"), ALL)


def real_pairs(rng, folder):
    paths = sorted(glob.glob(os.path.join(DATA, "sts", "*", "CT", "nifti", "mask", "*.nii*")))
    for path in paths:
        image = nibabel.load(path)
        mask = np.asarray(image.dataobj) > 0
        name = path.split(os.sep)[-5]
        others = {"shifted": np.roll(mask, (3, -2, 1), (0, 1, 2)),
                  "grown": ndimage.binary_dilation(mask, iterations=2),
                  "rough": ndimage.gaussian_filter(mask + rng.normal(0, 2, mask.shape), 1.5) > 0.5}
        for what, other in others.items():
            check(f"{name}, {what}", folder, [mask, other], image.affine, ("2", "5"),
                  ALL if what == "rough" else ALL[::7])
        stretched = image.affine @ np.diag([0.6, 1.7, 0.9, 1])
        check(f"{name}, stretched", folder, [mask, others["rough"]], stretched, ("2", "5"),
              ALL[::7])
    return len(paths)


def main():
    if not os.path.exists(REPRISE):
        print("there is no reprise program in this build")
        sys.exit(77)
    rng = np.random.default_rng(4)
    with tempfile.TemporaryDirectory(prefix="reprise-test-") as folder:
        random_pairs(rng, folder)
        real = real_pairs(rng, folder)
    if not real:
        print("made masks agree, but the real masks are absent: no sts folder in the test data")
        sys.exit(77)
    print(f"all figures agree to {RELATIVE:g} relatively")


main()
