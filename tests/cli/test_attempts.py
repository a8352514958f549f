"""The default way to a patient model: the start, adapted where the guard finds it wanting."""
import json
import pathlib
import sys
import tempfile

import harness

try:
    import nibabel
    import numpy
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

if harness.SHORT:
    print("skipped: two adaptations of full length; the release build runs them")
    sys.exit(77)

SIZE, SPACING = (12, 40, 44), (3.0, 2.0, 2.0)  # z, y, x
checks = harness.Checks()


def write(path, voxels):
    affine = numpy.diag([-SPACING[2], -SPACING[1], SPACING[0], 1.0])  # LPS in RAS
    nibabel.save(nibabel.Nifti1Image(voxels.transpose(2, 1, 0).astype(numpy.int16), affine), path)


def make_visit(root, name, contrast_hu, radius_mm, seed):
    z, y, x = numpy.meshgrid(*[numpy.arange(n) * s for n, s in zip(SIZE, SPACING)], indexing="ij")
    lesion = ((x - 42) / 1.2) ** 2 + (y - 40) ** 2 + (z - 17) ** 2 < radius_mm**2
    hu = 20.0 + contrast_hu * lesion + numpy.random.default_rng(seed).normal(0, 8, SIZE)
    write(root / f"{name}.nii.gz", numpy.rint(hu))
    write(root / f"{name}_mask.nii.gz", lesion)


def assess(root, case, out, *more):
    done = harness.run("assess", "--baseline", root / f"{case}_before.nii.gz", "--contour",
                       root / f"{case}_before_mask.nii.gz", "--followup", root / f"{case}_after.nii.gz",
                       "--truth", root / f"{case}_after_mask.nii.gz", "--out", root / out, "--memory", "2G", *more)
    path = root / out / "result.json"
    faults = done.faults + ([] if done.returncode == 0 else [f"exit {done.returncode}: {done.stderr}"])
    return faults, json.loads(path.read_text()) if path.exists() else {}


def attempts(result):
    return result.get("adaptation", {}).get("attempts")


def check_ways(result):
    """One way where that is enough, else two, of which the clearly better one by the guard counts."""
    tried = attempts(result)
    first = tried[0]["guard_mean_dice"]
    wanted = ["start"] if first >= 0.85 else ["start", "adapted"]
    faults = [] if [t["way"] for t in tried] == wanted else [f"attempts {tried}"]
    best = int(len(tried) == 2 and tried[1]["guard_mean_dice"] > first + 0.02)
    faults += [] if [t["chosen"] for t in tried] == [i == best for i in range(len(tried))] else [f"chosen {tried}"]
    epochs = result["adaptation"]["epochs"]
    faults += [] if epochs == (0, 30)[best] and len(result["adaptation"]["loss"]) == epochs else [f"epochs {epochs}"]
    same = abs(result["guard"]["sources"]["patient model"]["mean_dice"] - tried[best]["guard_mean_dice"]) < 1e-9
    return faults + ([] if same else ["another guard"])


def check_clear(root):
    """A lesion that everybody sees."""
    faults, result = assess(root, "clear", "clear", "--guard", "6")
    if faults:
        return faults
    dice = result["dice"]
    return check_ways(result) + ([] if dice >= 0.85 else [f"Dice {dice}"])


def check_hidden(root):
    """One that cannot be seen is never answered for."""
    faults, result = assess(root, "hidden", "hidden", "--guard", "6")
    if faults:
        return faults
    tried = attempts(result)
    faults = check_ways(result) + ([] if len(tried) == 2 else [f"attempts {tried}"])
    return faults + ([] if result["response"] == "NE" else [f"answered {result['response']}"])


def check_unjudged(root):
    """Without the guard the start stays; a way that is chosen is not one of several."""
    faults, result = assess(root, "hidden", "unjudged", "--guard", "off")
    tried = attempts(result) or []
    faults += [] if len(tried) == 1 and tried[0]["guard_mean_dice"] is None else [f"attempts {tried}"]
    more, result = assess(root, "clear", "fresh", "--model", "none", "--epochs", "1", "--guard", "off")
    return faults + more + ([] if attempts(result) is None else [f"attempts {attempts(result)}"])


harness.require_program()
with tempfile.TemporaryDirectory(prefix="reprise-attempts-") as folder:
    root = pathlib.Path(folder)
    for case, contrast in (("clear", 100.0), ("hidden", 0.0)):
        make_visit(root, f"{case}_before", contrast, 14.0, 1)
        make_visit(root, f"{case}_after", contrast, 11.0, 2)
    checks.report("a clear lesion", check_clear(root))
    checks.report("a hidden lesion", check_hidden(root))
    checks.report("nothing to judge by", check_unjudged(root))
sys.exit(checks.finish())
