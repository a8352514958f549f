"""Masks and images that do not lie on one grid, by every command that brings them together: what is refused, what is
told, and that what is left is the right volume at the right place."""
import json
import os
import sys
import tempfile

import nibabel as nib
import numpy as np

import harness as h

FAILED, USAGE, REFUSED = 1, 2, 3
LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


class World:
    def __init__(self, checks, folder):
        self.checks, self.folder = checks, folder
        self.voxels, self.mask = h.voxels()
        self.image = h.write_nifti(self.path("image.nii.gz"), self.voxels)
        self.series = h.write_series(self.path("series"), 1)
        self.good = h.write_nifti(self.path("good.nii.gz"), self.mask)
        h.write(self.path("tiny.yaml"), h.TINY.encode())
        self.cc = self.mask.sum() * 0.064

    def path(self, name):
        return os.path.join(self.folder, name)

    def save(self, name, array, affine):
        """From [z][y][x]."""
        path = self.path(name)
        nib.save(nib.Nifti1Image(np.ascontiguousarray(array.transpose(2, 1, 0)), affine), path)
        return path

    def case(self, name, arguments, code=0, words=(), lacks=()):
        """The finished run; words stand in what it prints."""
        done = h.run(*arguments)
        text = done.stdout + done.stderr
        faults = list(done.faults)
        if done.returncode != code:
            faults.append(f"exit code {done.returncode}, not {code}: {text[-400:]}")
        faults += [f"does not say {word!r}: {text[-400:]}" for word in words if word not in text]
        faults += [f"says {word!r}: {text[-400:]}" for word in lacks if word in text]
        self.checks.report(name, faults)
        return done

    def require(self, name, condition, *seen):
        self.checks.report(name, [] if condition else [" ".join(map(str, seen))])

    def commands(self, mask):
        """Every command that takes a mask and its image."""
        adapted = self.path("adapted.safetensors")
        for name in (adapted, self.path("out.nii.gz")):
            if os.path.exists(name):
                os.remove(name)
        config = f"--config={self.path('tiny.yaml')}"
        return {
            "measure": ["measure", "--mask", mask, "--image", self.image],
            "respond": ["respond", "--baseline-mask", mask, "--baseline-image", self.image, "--followup-mask", self.good,
                        "--followup-image", self.image],
            "compare-masks": ["compare-masks", "-q", "--resample", "--prediction", mask, "--reference", self.good],
            "convert": ["convert", mask, self.path("out.nii.gz"), "--reference", self.image],
            "adapt": ["adapt", "-q", config, "--epochs=1", "--image", self.image, "--contour", mask, "--out", adapted],
            "simulate": ["simulate", "-q", "--image", self.image, "--contour", mask, "--out", tempfile.mkdtemp(dir=self.folder) + "/new",
                         "--change", "-20"],
            "assess": ["assess", "-q", config, "--epochs=1", "--baseline", self.image, "--contour", mask, "--followup",
                       self.followup(), "--out", tempfile.mkdtemp(dir=self.folder) + "/new"],
            "track": ["track", "--visits", self.visits(mask), "--out", tempfile.mkdtemp(dir=self.folder) + "/t.json"],
            "manifest check": ["manifest", "check", self.manifest(mask), "--deep"],
        }

    def followup(self):
        if not os.path.exists(self.path("followup.nii.gz")):
            h.write_nifti(self.path("followup.nii.gz"), h.voxels(1)[0])
        return self.path("followup.nii.gz")

    def visits(self, mask):
        return h.write_manifest(self.path("visits.csv"), [
            {"visit": "1", "date": "2024-01-10", "image": self.image, "mask": mask},
            {"visit": "2", "date": "2024-03-10", "image": self.followup(), "mask": self.good}])

    def manifest(self, mask):
        return h.write_manifest(self.path("cohort.csv"), [
            {"patient": "A", "visit": "baseline", "date": "", "image": self.image, "contour": mask}])


def mirrored(w):
    """The image's matrix, and a header in which x runs the other way."""
    affine = h.affine()
    affine[0, 3] += affine[0, 0] * (h.SIZE[2] - 1)
    affine[:3, 0] *= -1
    return w.save("mirrored.nii.gz", w.mask, affine)


def every_command(w):
    nowhere = w.save("nowhere.nii.gz", w.mask, np.eye(4))
    unset = w.save("unset.nii.gz", w.mask, None)
    for path in nowhere, unset:
        for name, arguments in w.commands(path).items():
            code = FAILED if name == "manifest check" else REFUSED
            w.case(f"{name}: {os.path.basename(path)}", arguments, code, ["nowhere" if path == nowhere else "unset"],
                   ["Traceback"])
    default = np.diag([-4, -4, 4, 1.0])  # SimpleITK's: spacing alone
    w.case("spacing alone", ["measure", "--mask", w.save("default.nii.gz", w.mask, default), "--image", w.image], REFUSED,
           ["say where it lies"])
    w.case("an image without a place", ["measure", "--mask", w.good, "--image", w.save("lost.nii.gz", w.voxels, None)], REFUSED,
           ["lost.nii.gz does not say where it lies"])
    w.case("image and mask without a place", ["measure", "--mask", unset, "--image", w.path("lost.nii.gz")], 0,
           ["does not say where the image lies"])
    turned = nib.load(w.save("origin.nii.gz", w.voxels, default)).as_reoriented(np.array([[0, -1], [1, -1], [2, 1]]))
    nib.save(turned, w.path("turned.nii.gz"))
    done = w.case("the same voxels, an image turned round", ["measure", "--json", "--mask", w.path("default.nii.gz"), "--image",
                                                             w.path("turned.nii.gz")], 0, ["has the image's matrix"])
    got = json.loads(done.stdout)["lesions"][0]["volume_cc"]
    w.require("volume on an image turned round", abs(got - w.cc) < 1e-6, got, w.cc)
    shifted = np.diag([-4, -4, 4, 1.0])
    shifted[0, 3] = 2
    w.case("half a voxel from the origin", ["measure", "--mask", w.save("shifted.nii.gz", w.mask, shifted), "--image",
                                            w.save("origin.nii.gz", w.voxels, default)], 0, ["2 mm apart", "(+0.0%)"])
    w.case("half a voxel to the origin", ["measure", "--mask", w.path("default.nii.gz"), "--image",
                                          w.save("moved.nii.gz", w.voxels, shifted)], 0, ["2 mm apart", "(+0.0%)"])
    half = w.save("half.nii.gz", w.mask, h.affine((2, 0, 0)))
    for path, words in (mirrored(w), ["has the image's matrix", "108 mm apart"]), (half, ["2 mm apart", "(+0.0%)"]):
        for name, arguments in w.commands(path).items():
            w.case(f"{name}: {os.path.basename(path)}", arguments, 0, words)
    for name, arguments in w.commands(w.good).items():
        w.case(f"{name}: the image's grid", arguments, 0, lacks=["apart", "grid:"])


def results(w):
    """In the result, not on the terminal alone."""
    arguments = w.commands(mirrored(w))["assess"]
    w.case("assess", arguments)
    with open(arguments[-1] + "/result.json", encoding="utf-8") as file:
        flags = [f["key"] for f in json.load(file)["flags"]]
    w.require("flag of assess", "mask_elsewhere" in flags, flags)
    done = w.case("measure", ["measure", "--json", "--mask", w.path("mirrored.nii.gz"), "--image", w.image])
    keys = [r["key"] for r in json.loads(done.stdout)["remarks"]]
    w.require("remark of measure", keys == ["mask_elsewhere"], keys)
    # The other way round 26 mm of 28 voxels of 4 mm are where they were: taken as the header says.
    lesion = json.loads(done.stdout)["lesions"][0]
    x = h.ORIGIN[0] + (27 - 14) * 4
    w.require("taken by its header", abs(lesion["centroid_lps"][0] - x) < 0.5, lesion["centroid_lps"], x)


def headers(w):
    """What info says of a header that contradicts itself."""
    image = nib.load(w.good)
    other = nib.Nifti1Image(np.asarray(image.dataobj), image.affine)
    other.set_sform(image.affine, 1)
    other.set_qform(image.affine @ np.diag([1, 1, 1.25, 1]), 1)
    nib.save(other, w.path("thick.nii.gz"))
    done = w.case("info", ["info", "--json", w.path("thick.nii.gz")], 0, ["25.0% larger"])
    told = json.loads(done.stdout).get("remarks", [])
    w.require("info's remarks", [r["key"] for r in told] == ["forms_disagree"], told)
    w.case("info in words", ["info", w.path("thick.nii.gz")], 0, ["25.0% larger"])


def partly_outside(w):
    """A ball of 8 mm about the last slice's centre: the half beyond it is lost, and told."""
    z, y, x = np.indices((24, 24, 28))
    ball = (((z - 19) * 2.0) ** 2 + ((y - 12) * 4.0) ** 2 + ((x - 14) * 4.0) ** 2 <= 16.0 ** 2).astype(np.uint8)
    affine = LPS @ np.diag([4, 4, 2, 1.0])
    affine[:3, 3] = (LPS @ [*h.ORIGIN, 1.0])[:3]
    outside = w.save("outside.nii.gz", ball, affine)
    inside = ball[:20].sum() * 0.032  # the last centre lies at 36 mm, its voxel ends at 38: slices 0 to 18, half of 19
    want = (ball[:19].sum() + 0.5 * ball[19].sum()) * 0.032
    done = w.case("partly outside", ["measure", "--json", "--mask", outside, "--image", w.image], 0, ["lie outside the image"])
    report = json.loads(done.stdout)
    got = sum(lesion["volume_cc"] for lesion in report["lesions"])
    w.require("what lies inside", abs(got - want) <= 0.033, got, want, inside)
    w.require("remarks", {"mask_partly_outside", "mask_resampled"} == {r["key"] for r in report["remarks"]}, report["remarks"])
    far = w.save("far.nii.gz", w.mask, h.affine((3000, 0, 0)))
    w.case("all of it outside", ["measure", "--mask", far, "--image", w.image], REFUSED, ["outside the image"])


def another_resolution(w):
    """A ball of 14 mm on half and on double the spacing keeps its volume to half a voxel of 4 mm."""
    for spacing in (2.0, 8.0, 3.0):
        size = tuple(int(n * 4 / spacing) for n in h.SIZE)
        z, y, x = np.indices(size) * spacing
        shift = (spacing - 4) / 2  # the boxes coincide
        ball = ((z - 18) ** 2 + (y - 46) ** 2 + (x - 54) ** 2 <= 14.0 ** 2).astype(np.uint8)
        affine = LPS @ np.diag([spacing] * 3 + [1.0])
        affine[:3, 3] = (LPS @ [*np.add(h.ORIGIN, shift), 1.0])[:3]
        path = w.save("ball.nii.gz", ball, affine)
        want = ball.sum() * spacing ** 3 / 1000
        out = w.path("on-image.nii.gz")
        w.case(f"{spacing} mm", ["convert", path, out, "--reference", w.image], 0, ["another grid"])
        got = np.asarray(nib.load(out).dataobj).astype(bool)
        w.require(f"volume from {spacing} mm", abs(got.sum() * 0.064 - want) <= 0.0321, got.sum() * 0.064, want)
        middle = np.argwhere(got).mean(0)
        before = (np.argwhere(ball.transpose(2, 1, 0)).mean(0) * spacing + shift) / 4
        w.require(f"place from {spacing} mm", np.abs(middle - before).max() < 0.2, middle, before)


def reordered(w):
    """The same voxels in space along other axes are the same mask, and no matter for a remark."""
    image = nib.load(w.good)
    for code in "PIR", "ASL", "SPL":
        turned = image.as_reoriented(nib.orientations.ornt_transform(nib.io_orientation(image.affine),
                                                                     nib.orientations.axcodes2ornt(code)))
        path = w.path(f"{code}.nii.gz")
        nib.save(turned, path)
        out = w.path(f"{code}-back.nii.gz")
        w.case(code, ["convert", path, out, "--reference", w.image], 0, lacks=["matrix", "grid"])
        w.require(f"voxels from {code}", (np.asarray(nib.load(out).dataobj) == np.asarray(image.dataobj)).all())


def priors(w):
    w.case("adapt", ["adapt", "-q", f"--config={w.path('tiny.yaml')}", "--epochs=1", "--image", w.image, "--contour", w.good,
                     "--out", w.path("model.safetensors")])
    segment = ["segment", "-q", "--threshold=0.01", "--model", w.path("model.safetensors"), "--image", w.image, "--out",
               w.path("segmented.nii.gz"), "--prior"]
    w.case("prior on the image's grid", [*segment, w.good], 0, lacks=["matrix", "outside"])
    w.case("prior of a header that says nothing", [*segment, w.save("nowhere.nii.gz", w.mask, np.eye(4))], REFUSED,
           ["say where it lies"])
    w.case("prior mirrored by its header", [*segment, mirrored(w)], 0, ["has the image's matrix"])
    far = w.save("far.nii.gz", w.mask, h.affine((3000, 0, 0)))
    w.case("prior outside", [*segment, far], 0, ["prior lies outside"])


def labels(w):
    """Label maps: what is refused, and regions of several values."""
    several = w.mask.copy()
    several[:5] *= 2
    several[6] *= 3
    path = w.save("labels.nii.gz", several, h.affine())
    w.case("one mask of three", ["measure", "--mask", path], FAILED, ["FILE:LABEL", "--labels"])
    for label, values in ("2", [2]), ("1+3", [1, 3]), ("3+1+2", [1, 2, 3]):
        done = w.case(label, ["measure", "--json", "--mask", f"{path}:{label}", "--image", w.image])
        got = sum(lesion["volume_cc"] for lesion in json.loads(done.stdout)["lesions"])
        want = np.isin(several, values).sum() * 0.064
        w.require(f"volume of {label}", abs(got - want) < 1e-6, got, want)
    for label in "1+", "+", "a", "1+a", "0", "1++2", "1.5":
        w.case(f"no label: {label}", ["measure", "--mask", f"{path}:{label}"], FAILED, ["is a number"])
    w.case("a label that is not there", ["measure", "--mask", f"{path}:7+8"], FAILED, ["no voxel has the label 7+8"])
    w.case("an image", ["measure", "--mask", w.image], FAILED, ["an image, not a mask"])
    w.case("no option", ["measure", path], USAGE, ["--mask"])


def rounded(w):
    """Ones that rounding spoilt, and 255 under a slope of 1/255, through convert and measure."""
    spoilt = w.mask.astype(np.float32) * np.float32(1.0000001)
    paths = [w.save("spoilt.nii.gz", spoilt, h.affine())]
    image = nib.Nifti1Image(np.ascontiguousarray(255 * w.mask.transpose(2, 1, 0)), h.affine())
    image.header.set_data_dtype(np.uint8)
    image.header.set_slope_inter(1 / 255, 0)
    nib.save(image, w.path("scaled.nii.gz"))
    paths.append(w.path("scaled.nii.gz"))
    for path in paths:
        name = os.path.basename(path)
        done = w.case(name, ["measure", "--json", "--mask", path])
        got = json.loads(done.stdout)["lesions"][0]["volume_cc"]
        w.require(f"volume of {name}", abs(got - w.cc) < 1e-6, got, w.cc)
        w.case(f"convert {name}", ["convert", path, w.path("whole.nii.gz")])
        out = nib.load(w.path("whole.nii.gz"))
        w.require(f"type of {name}", out.get_data_dtype() == np.uint8 and (np.asarray(out.dataobj).transpose(2, 1, 0) == w.mask).all())


def main():
    h.require_program()
    checks = h.Checks()
    with tempfile.TemporaryDirectory() as folder:
        world = World(checks, folder)
        for part in (every_command, results, headers, partly_outside, another_resolution, reordered, priors, labels, rounded):
            part(world)
    return checks.finish()


if __name__ == "__main__":
    sys.exit(main())
