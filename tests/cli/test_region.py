"""The box round the lesion: the recipes, the place and its correction, growth, a model that is used again."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

try:
    import nibabel
    import numpy as np
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

REPRISE = os.environ["REPRISE"]
SHORT = bool(os.environ.get("REPRISE_TEST_SHORT"))
NETWORK = "network: {first_filters: 8, growth: 4, down_layers: [1, 1], bottleneck_layers: 1, dropout: 0.1}\n"
ADAPT = "adapt: {epochs: %d, learning_rate: 0.01, seed: 5, treatment: {share: 0}}\n" % (24 if SHORT else 60)
REGION = "region: {margin_mm: 10, jitter_mm: 4, voxels: [32, 32, 16], finest_mm: 2}\n"
SPACING = np.array((3.0, 2.0, 2.0))  # z, y, x
failures = 0


def check(what, good, detail=""):
    global failures
    print(f"{'ok  ' if good else 'FAIL'} {what}" + ("" if good else f": {detail}"), flush=True)
    failures += not good


def make_body(size, lesion_mm, radius_mm, shift_mm=(0, 0, 0), seed=1):
    """HU and lesion [z][y][x] of a body with ribs and organs that a registration can hold on to; lengths z, y, x."""
    z, y, x = np.meshgrid(*[np.arange(n) * s for n, s in zip(size, SPACING)], indexing="ij")
    z, y, x = z - shift_mm[0], y - shift_mm[1], x - shift_mm[2]
    hu = np.full(size, -1000.0)
    middle = (np.array(size) * SPACING / 2)[1:]
    body = ((y - middle[0]) / 42) ** 2 + ((x - middle[1]) / 56) ** 2 < 1
    hu[body] = 30 + 15 * np.sin(0.13 * x[body]) * np.cos(0.11 * y[body] + 0.07 * z[body])
    spine = (y - middle[0] - 30) ** 2 + (x - middle[1]) ** 2 < (7 + 1.5 * np.sin(0.35 * z)) ** 2
    hu[spine] = 400
    for k in range(5):
        ball = (z - 18 - 20 * k) ** 2 + (y - middle[0] + 22 - 9 * k) ** 2 + (x - middle[1] - 34 + 14 * k) ** 2 < 64
        hu[ball & body] = -80
    lesion = (z - lesion_mm[0]) ** 2 + (y - lesion_mm[1]) ** 2 + (x - lesion_mm[2]) ** 2 < radius_mm**2
    hu[lesion] = 130
    return np.rint(hu + np.random.default_rng(seed).normal(0, 6, size)).astype(np.int16), lesion


def turn(degrees):
    """About the long axis, x, y, z."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array(((c, -s, 0), (s, c, 0), (0, 0, 1)))


def write(path, values, origin_mm=(0, 0, 0), degrees=0):
    """NIfTI of [z][y][x]; origin z, y, x in LPS, of which NIfTI turns x and y round."""
    affine = np.eye(4)
    affine[:3, :3] = np.diag((-1, -1, 1)) @ turn(degrees) @ np.diag(SPACING[::-1])
    affine[:3, 3] = -origin_mm[2], -origin_mm[1], origin_mm[0]
    nibabel.save(nibabel.Nifti1Image(np.asarray(values).astype(np.int16).transpose(2, 1, 0), affine), path)
    return path


class Case:
    LESION, RADIUS, SIZE = (45.0, 60.0, 50.0), 10.0, (36, 60, 72)
    ORIGIN, DEGREES = (100.0, -300.0, 40.0), 8  # of the follow-up's file: its own coordinates say nothing

    def __init__(self, root):
        self.root = root
        hu, lesion = make_body(self.SIZE, self.LESION, self.RADIUS)
        self.baseline, self.contour = write(root / "baseline.nii.gz", hu), write(root / "contour.nii.gz", lesion)
        hu, lesion = make_body(self.SIZE, self.LESION, 8.0, (6, 4, -8), 2)
        self.followup, self.truth = (write(root / "followup.nii.gz", hu, self.ORIGIN, self.DEGREES),
                                     write(root / "truth.nii.gz", lesion, self.ORIGIN, self.DEGREES))
        # What the lesion's middle is in the follow-up's own coordinates, x, y, z.
        self.there = turn(self.DEGREES) @ (np.array(self.LESION) + (6, 4, -8))[::-1] + np.array(self.ORIGIN)[::-1]
        self.config = root / "tiny.yaml"
        self.config.write_text(NETWORK + ADAPT + REGION)

    def assess(self, name, *more, **changed):
        given = {"baseline": self.baseline, "contour": self.contour, "followup": self.followup, "truth": self.truth,
                 "config": self.config, "memory": "1G", "guard": "off", "out": self.root / name} | changed
        words = [REPRISE, "assess", "--quiet", "--accept-implausible", "all"]
        for key, value in given.items():
            words += [f"--{key}", str(value)] if value is not None else []
        run = subprocess.run(words + [str(m) for m in more], capture_output=True, text=True, timeout=300)
        path = self.root / name / "result.json"
        return run, json.loads(path.read_text()) if run.returncode == 0 else {}


def keys(result):
    return {flag["key"] for flag in result["flags"]}


def at(place):
    """--at takes the patient's coordinates, x, y, z."""
    return "--at=" + ",".join(f"{v:.1f}" for v in place)


def test_place(case):
    run, result = case.assess("quick")
    extent = result["adaptation"]["region_zyx"] if result else None
    check("the default adapts to a box", extent and all(e % 16 == 0 for e in extent), run.stderr + str(extent))
    place = result["place"]
    check("the registration says where", place["by"] == "registration" and
          np.abs(np.array(place["centre_mm"]) - case.there).max() < 6, (place, case.there))
    check("the box has the model's extent", not place["whole_image"] and np.allclose(
        place["box_mm"], np.array(extent[::-1]) * result["adaptation"]["spacing_mm"], atol=1e-6), place)
    check("the lesion is found", result["dice"] > 0.7, result["dice"])
    settings = result["provenance"]["settings"]
    check("the recipe is told", settings["recipe"] == "quick" and not settings["region"]["whole"], settings)
    return result


def test_correction(case, model):
    off = case.there + (0.0, 0.0, 9.0)
    run, result = case.assess("moved", at(off), **{"patient-model": model})
    check("--at moves the place", run.returncode == 0 and np.allclose(result["place"]["centre_mm"], off, atol=0.1) and
          result["place"]["by"] == "user" and "place_given" in keys(result), run.stderr + str(result.get("place")))
    elsewhere = case.there + (60.0, 0.0, 0.0)
    run, result = case.assess("elsewhere", at(elsewhere), **{"patient-model": model})
    check("what lies beyond the box is not found", run.returncode == 0 and result["dice"] < 0.05, result.get("dice"))
    run, result = case.assess("nowhere", "--at=0,0,0", **{"patient-model": model})
    check("a place outside the image is refused", run.returncode == 1 and "outside" in run.stderr, run.stderr)
    for wrong in "1,2", "1,2,3,4", "a,b,c":
        run, _ = case.assess("wrong", f"--at={wrong}")
        check(f"--at={wrong} is wrong usage", run.returncode == 2, run.stderr)


def test_model_again(case, first, model):
    run, result = case.assess("again", **{"patient-model": model})
    same = nibabel.load(case.root / "again" / "followup_mask.nii.gz")
    was = nibabel.load(case.root / "quick" / "followup_mask.nii.gz")
    check("a model adapted before gives the same contour", run.returncode == 0 and result["adaptation"]["given"] and
          np.array_equal(np.asarray(same.dataobj), np.asarray(was.dataobj)), run.stderr)
    check("the same Dice on its own baseline", result["adaptation"]["baseline_self_dice"] ==
          first["adaptation"]["baseline_self_dice"], result["adaptation"])
    hu, lesion = make_body(case.SIZE, case.LESION, 9.0)
    other = write(case.root / "other.nii.gz", lesion)
    run, _ = case.assess("refused", contour=other, **{"patient-model": model})
    check("another contour is refused", run.returncode == 3 and "another contour" in run.stderr, run.stderr)
    other = write(case.root / "image.nii.gz", hu + (lesion & (hu > 150)))
    run, _ = case.assess("refused", baseline=other, **{"patient-model": model})
    check("another baseline is refused", run.returncode == 3 and "another image" in run.stderr, run.stderr)
    run, _ = case.assess("refused", "--resume", **{"patient-model": model})
    check("it does not go with --resume", run.returncode == 2, run.stderr)
    run, _ = case.assess("refused", "--epochs", 3, **{"patient-model": model})
    check("nor with how to adapt", run.returncode == 2, run.stderr)


def segment(case, model, out, *more):
    run = subprocess.run([REPRISE, "segment", "--model", str(model), "--image", str(case.followup), "--out", str(out),
                          *map(str, more)], capture_output=True, text=True, timeout=120)
    found = np.asarray(nibabel.load(out).dataobj) > 0 if run.returncode == 0 else np.zeros(1)
    return run, found


def dice(found, path):
    truth = np.asarray(nibabel.load(path).dataobj) > 0
    return 2.0 * (found & truth).sum() / (found.sum() + truth.sum()) if found.shape == truth.shape else 0.0


def test_segment(case, model):
    run, found = segment(case, model, case.root / "by-baseline.nii.gz", "--baseline", case.baseline, "--prior",
                         case.contour)
    check("segment aligns a baseline", dice(found, case.truth) > 0.7, run.stderr)
    run, found = segment(case, model, case.root / "by-place.nii.gz", at(case.there))
    check("segment takes a place", dice(found, case.truth) > 0.7, run.stderr)
    run, found = segment(case, model, case.root / "by-nothing.nii.gz")
    check("without a place the image is searched, and that told", run.returncode in (0, 1) and
          "is not known" in run.stderr, run.stderr)
    run, _ = segment(case, model, case.root / "no.nii.gz", "--baseline", case.baseline)
    check("--baseline needs the prior", run.returncode == 2, run.stderr)


def test_growth(case, model):
    """A follow-up whose lesion is longer than the box along x."""
    hu, lesion = make_body(case.SIZE, case.LESION, 10.0, (0, 0, 0), 3)
    z, y, x = np.meshgrid(*[np.arange(n) * s for n, s in zip(case.SIZE, SPACING)], indexing="ij")
    long = (np.abs(x - case.LESION[2] - 14) < 36) & ((z - case.LESION[0]) ** 2 + (y - case.LESION[1]) ** 2 < 90)
    hu[long] = np.rint(130 + np.random.default_rng(4).normal(0, 6, long.sum()))
    followup, truth = write(case.root / "long.nii.gz", hu), write(case.root / "long-truth.nii.gz", long | lesion)
    run, result = case.assess("grown", followup=followup, truth=truth, **{"patient-model": model})
    told = {"box_grew", "lesion_at_box_face"} & keys(result) if result else set()
    check("the box grows and that is told", run.returncode == 0 and result["place"]["box_grew"] > 0 and told,
          run.stderr + str(result.get("place")))
    box = result["place"]["box_mm"][0] if result else 0
    check("on the side of the lesion", box > result["adaptation"]["region_zyx"][2] *
          result["adaptation"]["spacing_mm"][0], box)


def test_nowhere(case, model):
    """A follow-up that has nothing in common with the baseline, and whose coordinates are elsewhere."""
    noise = np.random.default_rng(9).normal(0, 400, case.SIZE)
    followup = write(case.root / "noise.nii.gz", np.rint(noise), (900.0, 900.0, 900.0))
    run, result = case.assess("unknown", followup=followup, truth=None, **{"patient-model": model})
    check("without a place all of the image is searched, which is told", run.returncode == 0 and
          result["place"]["by"] == "unknown" and result["place"]["whole_image"] and "place_unknown" in keys(result),
          run.stderr + str(result.get("place")))
    here = write(case.root / "noise-here.nii.gz", np.rint(noise))
    run, result = case.assess("coordinates", followup=here, truth=None, **{"patient-model": model})
    check("where the coordinates show the place they count, which is told", run.returncode == 0 and
          result["place"]["by"] == "coordinates" and "place_by_coordinates" in keys(result),
          run.stderr + str(result.get("place")))


def test_recipes(case):
    """The study's recipe is what its settings say one by one, bit for bit, whatever stands in the file."""
    words = {"study": ["--recipe", "study"], "spelt": [], "whole": ["--region", "whole"]}
    spelt = case.root / "spelt.yaml"
    few = "adapt: {epochs: 3, crop: [24, 24, 12], seed: 5%s}\n"
    spelt.write_text("recipe: quick\n" + NETWORK + few % ", treatment: {share: 0}" + "region: {whole: true}\n")
    study = case.root / "study.yaml"
    study.write_text("recipe: quick\n" + NETWORK + few % "")
    hashes = {}
    for name, more in words.items():
        model = case.root / f"{name}.safetensors"
        run = subprocess.run([REPRISE, "adapt", "--quiet", "--image", str(case.baseline), "--contour", str(case.contour),
                              "--out", str(model), "--config", str(spelt if name == "spelt" else study), *more],
                             capture_output=True, text=True, timeout=120)
        hashes[name] = model.read_bytes() if run.returncode == 0 else run.stderr
    check("--recipe goes before the file's, single settings before both", hashes["study"] == hashes["spelt"])
    check("the quick recipe's changed lesions make another model", hashes["whole"] != hashes["study"])
    both = case.root / "both.yaml"
    both.write_text(NETWORK + few % "" + REGION)
    run, _ = case.assess("both", config=both)
    check("a crop and a region exclude one another", run.returncode == 1 and "crop" in run.stderr, run.stderr)
    for more in (["--recipe", "slow"], ["--region", "round"]):
        run, _ = case.assess("wrong", *more)
        check(f"{' '.join(more)} is wrong usage", run.returncode == 2, run.stderr)


def main():
    with tempfile.TemporaryDirectory() as folder:
        case = Case(pathlib.Path(folder))
        first = test_place(case)
        model = case.root / "quick" / "patient_model.safetensors"
        test_correction(case, model)
        test_model_again(case, first, model)
        test_segment(case, model)
        test_growth(case, model)
        test_nowhere(case, model)
        test_recipes(case)
    print(f"{failures} failed")
    return failures != 0


if __name__ == "__main__":
    sys.exit(main())
