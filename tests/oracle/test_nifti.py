"""NIfTI against nibabel: what it writes is read alike, and what is written it reads alike."""
import gzip
import itertools
import os
import sys
import tempfile

try:
    import nibabel as nib
    import numpy as np
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

from io_library import Grid, Library, Refused

TYPES = "u1 i1 u2 i2 u4 i4 u8 i8 f4 f8".split()
LPS = np.diag([-1.0, -1.0, 1.0])
SHAPE = (5, 4, 3)
INDEX = np.array(list(itertools.product(*[range(n) for n in SHAPE])))
checks = 0


def require(condition, *what):
    global checks
    checks += 1
    if not condition:
        print("FAILED:", *what)
        sys.exit(1)


def orientations():
    """RAS direction matrices: all 48 axis orders and signs, then oblique ones of both hands."""
    for order in itertools.permutations(range(3)):
        for signs in itertools.product((1, -1), repeat=3):
            matrix = np.zeros((3, 3))
            for axis in range(3):
                matrix[order[axis], axis] = signs[axis]
            yield matrix
    rng = np.random.default_rng(5)
    for i in range(20):
        q, _ = np.linalg.qr(rng.normal(size=(3, 3)))
        q[:, 0] *= np.sign(np.linalg.det(q)) * (-1) ** i
        yield q


def affine_of(direction, zooms=(0.7, 0.9, 3.27), origin=(-101.25, 55.5, 812.75)):
    affine = np.eye(4)
    affine[:3, :3] = direction * zooms
    affine[:3, 3] = origin
    return affine


def header_for(version, endian, dtype, affine, forms):
    kind = nib.Nifti1Header if version == 1 else nib.Nifti2Header
    image_kind = nib.Nifti1Image if version == 1 else nib.Nifti2Image
    image = image_kind(np.zeros(SHAPE, np.uint8), None)
    image.set_sform(affine, 1 if "s" in forms else 0)
    image.set_qform(affine, 1 if "q" in forms else 0)
    native = image.header
    header = kind(endianness=endian)
    for key in native.keys():
        if key not in ("magic", "sizeof_hdr"):
            header[key] = native[key]
    header["magic"] = b"n+1" if version == 1 else b"n+2"
    header.set_data_dtype(np.dtype(dtype).newbyteorder(endian))
    header["vox_offset"] = 352 if version == 1 else 544
    return header


def store(path, header, array, slope=None, inter=None):
    """Header and raw voxels as they are, without nibabel's rescaling on writing."""
    if slope is not None:
        header["scl_slope"], header["scl_inter"] = slope, inter
    raw = header.binaryblock + b"\0\0\0\0" + array.astype(header.get_data_dtype()).tobytes("F")
    with open(path, "wb") as stream:
        stream.write(gzip.compress(raw) if path.endswith(".gz") else raw)


def compare(library, path, tolerance=1e-4):
    expected = nib.load(path)
    grid, values = library.read_image(path)
    truth = np.asarray(expected.dataobj).astype(np.float64).astype(np.float32)
    require(values.shape == truth.T.shape, path, values.shape)
    require(np.allclose(values, truth.T, rtol=2e-7, atol=0), path, "voxel values")
    world = nib.affines.apply_affine(expected.affine, INDEX) @ LPS
    error = np.abs(grid.world(INDEX) - world).max()
    require(error < tolerance, path, "world coordinates differ by", error)
    return grid, values


def random_voxels(dtype, rng):
    if dtype[0] == "f":
        return (rng.normal(size=SHAPE) * 10.0 ** rng.integers(-5, 6, SHAPE)).astype(dtype)
    limits = np.iinfo(dtype)
    array = rng.integers(limits.min, limits.max, SHAPE, dtype=dtype, endpoint=True)
    array.flat[:2] = limits.min, limits.max
    return array


def read_types(library, folder):
    rng = np.random.default_rng(1)
    affine = affine_of(list(orientations())[50])
    scalings = [(None, None), (0, 3), (float("nan"), 0), (2.5, -1024.0), (-0.001, 7.5)]
    cases = itertools.product((1, 2), "<>", TYPES, scalings, (".nii", ".nii.gz"))
    for version, endian, dtype, (slope, inter), ending in cases:
        path = os.path.join(folder, "a" + ending)
        header = header_for(version, endian, dtype, affine, "sq")
        array = random_voxels(dtype, rng)
        store(path, header, array, slope, inter)
        compare(library, path)
        info = library.info(path)
        require(info.version == version and info.swapped == (endian == ">"), path)
        require(info.gzip == path.endswith(".gz") and info.geometry == b"sform", path)
        require(info.datatype == header["datatype"], path, "datatype")


def read_orientations(library, folder):
    array = np.arange(60, dtype=np.int16).reshape(SHAPE)
    cases = itertools.product((1, 2), "<>", orientations(), ("s", "q", "sq"))
    for number, (version, endian, direction, forms) in enumerate(cases):
        path = os.path.join(folder, f"o{number}.nii")
        header = header_for(version, endian, "i2", affine_of(direction), forms)
        store(path, header, array)
        # For half turns nibabel takes the rounding of float32 b, c, d for a small a (up to 3e-4).
        compare(library, path, 1e-2 if version == 1 and forms == "q" else 1e-4)
        require(library.info(path).geometry == (b"qform" if forms == "q" else b"sform"), path)
        os.remove(path)


def read_units(library, folder):
    path = os.path.join(folder, "u.nii")
    affine = affine_of(list(orientations())[55])
    for unit, factor in (("unknown", 1), ("meter", 1000), ("mm", 1), ("micron", 1e-3)):
        for forms in ("s", "q"):
            header = header_for(1, "<", "u1", np.diag([*[1 / factor] * 3, 1]) @ affine, forms)
            header.set_xyzt_units(unit, "sec")
            store(path, header, np.zeros(SHAPE, np.uint8))
            grid, _ = library.read_image(path)
            world = nib.affines.apply_affine(affine, INDEX) @ LPS
            require(np.abs(grid.world(INDEX) - world).max() < 1e-3, unit, forms)


def refused_types(library, folder):
    path = os.path.join(folder, "r.nii")
    for dtype in ("c8", "c16", "f16", [("R", "u1"), ("G", "u1"), ("B", "u1")]):
        try:
            header = header_for(1, "<", "u1", np.eye(4), "s")
            header.set_data_dtype(np.dtype(dtype))
        except nib.spatialimages.HeaderDataError:
            continue
        store(path, header, np.zeros(SHAPE, dtype))
        try:
            library.read_image(path)
            require(False, dtype, "was not refused")
        except Refused as refusal:
            require(refusal.status == 4 and path in str(refusal), dtype, refusal)


def our_grid(direction_ras, shape=SHAPE):
    direction = LPS @ direction_ras
    grid = Grid()
    grid.size[:] = shape
    grid.spacing[:] = (0.7, 0.9, 3.27)
    grid.origin[:] = (101.25, -55.5, 812.75)
    for r in range(3):
        grid.direction[r][:] = direction[r]
    return grid


def written_alike(path, grid, expected, dtype, version=1):
    image = nib.load(path)
    kind = nib.Nifti1Header if version == 1 else nib.Nifti2Header
    require(type(image.header) is kind, path, type(image.header))
    require(kind.diagnose_binaryblock(image.header.binaryblock) == "", path, "header complaints")
    require(image.get_data_dtype() == np.dtype(dtype), path, image.get_data_dtype())
    require(np.array_equal(np.asarray(image.dataobj), expected.T), path, "data")
    corners = np.array(list(itertools.product(*[(0, n - 1) for n in image.shape])))
    sform, s_code = image.get_sform(coded=True)
    qform, q_code = image.get_qform(coded=True)
    require(s_code == 1 and q_code == 1, path, s_code, q_code)
    require(image.header.get_xyzt_units()[0] == "mm", path, "unit")
    truth = grid.world(corners) @ LPS
    extent = np.ptp(truth, axis=0).max()
    for name, affine, tolerance in (("sform", sform, 2e-4), ("qform", qform, 2e-4 + 1e-3 * extent)):
        world = nib.affines.apply_affine(affine, corners)
        require(np.abs(world - truth).max() < tolerance, path, name, affine)
    require(np.abs(image.affine - sform).max() == 0, path, "affine is not the sform's")
    full = np.eye(4)
    full[:3, :3] = LPS @ (np.array(grid.direction).reshape(3, 3) * np.array(grid.spacing))
    full[:3, 3] = LPS @ np.array(grid.origin)
    require(np.abs(image.affine - full).max() < 1e-4, path, "affine")


def write_comments(library, folder, values):
    """nibabel finds the comment and the voxels behind it, whatever its length."""
    grid = our_grid(np.eye(3))
    for length, ending in itertools.product((*range(40), 1000, 32768), (".nii", ".nii.gz")):
        path = os.path.join(folder, "comment" + ending)
        comment = b"x" * length
        library.write("rp_nifti_write_image", path, grid, values, comment)
        written_alike(path, grid, values, "f4")
        found = nib.load(path).header.extensions
        require([e.get_code() for e in found] == [6] and found[0].get_sizeondisk() % 16 == 0, path, found)
        require(found[0].get_content().rstrip(b"\0") == comment == library.comment(path), path, length)
    try:
        library.write("rp_nifti_write_image", path, grid, values, b"x" * 32769)
        require(False, "a comment too long", "was not refused")
    except Refused as refusal:
        require(path in str(refusal), refusal)


def read_comments(library, folder):
    """Written by nibabel, behind other extensions, in either version and byte order."""
    voxels = np.arange(np.prod(SHAPE), dtype=np.int16).reshape(SHAPE)
    for kind, order, ending in itertools.product((nib.Nifti1Image, nib.Nifti2Image), "<>", (".nii", ".nii.gz")):
        path = os.path.join(folder, "extended" + ending)
        for codes in ((), (4,), (6,), (4, 6), (4, 44, 6, 6)):
            header = kind.header_class(endianness=order)
            header.set_data_dtype(np.dtype(np.int16).newbyteorder(order))
            image = kind(voxels, np.eye(4), header)
            for n, code in enumerate(codes):
                image.header.extensions.append(nib.nifti1.Nifti1Extension(code, b"text %d" % n + b"." * 3 * n))
            nib.save(image, path)
            expected = next((b"text %d" % n + b"." * 3 * n for n, c in enumerate(codes) if c == 6), None)
            require(library.comment(path) == expected, path, kind, order, codes, library.comment(path))
            require(np.array_equal(library.read_image(path)[1], voxels.T), path, kind, order, codes)


def write_everything(library, folder):
    rng = np.random.default_rng(2)
    values = (rng.normal(size=SHAPE[::-1]) * 1000).astype(np.float32)
    mask = (values > 0).astype(np.uint8)
    labels = rng.integers(-(2**31), 2**31 - 1, SHAPE[::-1], dtype=np.int32)
    for direction, ending in itertools.product(orientations(), (".nii", ".nii.gz")):
        path = os.path.join(folder, "w" + ending)
        grid = our_grid(direction)
        library.write("rp_nifti_write_image", path, grid, values)
        written_alike(path, grid, values, "f4")
        library.write("rp_nifti_write_image_int16", path, grid, values * 20)
        clipped = np.clip(np.rint(values * 20), -32768, 32767)
        written_alike(path, grid, clipped.astype(np.int16), "i2")
        library.write("rp_nifti_write_mask", path, grid, mask)
        written_alike(path, grid, mask, "u1")
        library.write("rp_nifti_write_labels", path, grid, labels)
        written_alike(path, grid, labels, "i4")
    write_comments(library, folder, values)
    for length, version in ((32767, 1), (32768, 2)):
        for axis, ending in itertools.product(range(3), (".nii", ".nii.gz")):
            shape = [1, 2, 1]
            shape[axis] = length
            path = os.path.join(folder, "long" + ending)
            grid = our_grid(np.eye(3), shape)
            array = rng.integers(0, 2, shape[::-1]).astype(np.uint8)
            library.write("rp_nifti_write_mask", path, grid, array)
            image = nib.load(path)
            require(isinstance(image, nib.Nifti2Image) == (version == 2), path)
            require(np.array_equal(np.asarray(image.dataobj), array.T), path, "long data")


def main():
    with tempfile.TemporaryDirectory() as folder:
        library = Library(folder)
        read_types(library, folder)
        read_orientations(library, folder)
        read_units(library, folder)
        refused_types(library, folder)
        read_comments(library, folder)
        write_everything(library, folder)
    require(checks > 5000, "too little was compared:", checks)
    print(f"{checks} comparisons with nibabel {nib.__version__}")


main()
