"""Cohorts at the command line: importers on folders made here, the manifest's checker with every file
opened, splits, and what each of them refuses."""
import csv
import json
import os
import shutil
import sys
import tempfile

import harness as h
import numpy as np
import pydicom

EMPTY = np.zeros(h.SIZE, np.uint8)


class Place:
    """A folder for each case, and what went wrong in it."""

    def __init__(self, root, name):
        self.root = os.path.join(root, name)
        self.faults = []
        os.makedirs(self.root)

    def path(self, *parts):
        path = os.path.join(self.root, *parts)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return path

    def run(self, code, *arguments, says=(), lacks=()):
        """Runs the program in the folder; the exit code, and texts that must and must not be said."""
        done = h.run(*arguments, cwd=self.root)
        said = done.stdout + done.stderr
        call = " ".join(map(str, arguments))
        self.faults += [f"{call}: {fault}" for fault in done.faults]
        if done.returncode != code:
            self.faults.append(f"{call}: exit code {done.returncode}, wanted {code}: {said}")
        self.faults += [f"{call}: does not say '{text}': {said}" for text in says if text not in said]
        self.faults += [f"{call}: says '{text}': {said}" for text in lacks if text in said]
        return done

    def require(self, fine, what):
        if not fine:
            self.faults.append(str(what))

    def rows(self, name):
        with open(self.path(name), newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    def manifest(self, name, rows):
        columns = list(dict.fromkeys(column for row in rows for column in row))
        with open(self.path(name), "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns, restval="")
            writer.writeheader()
            writer.writerows(rows)
        return name

    def pair(self, image, mask, shift=0, value=1, noise=0):
        """NIfTI image and mask; noise makes voxels that no other image has."""
        voxels, ball = h.voxels(shift)
        h.write_nifti(self.path(image), voxels + np.int16(noise))
        h.write_nifti(self.path(mask), ball * np.uint8(value))

    def deep(self, name, code=0, **texts):
        return self.run(code, "manifest", "check", name, "--deep", **texts)


def row(patient, visit, image, contour="", **others):
    return {"patient": patient, "visit": visit, "image": image, "contour": contour, **others}


# ---- manifest check --------------------------------------------------------------------------------

def check_tells_all(p):
    p.pair("a.nii", "am.nii")
    p.manifest("bad.csv", [row("P", "baseline", "a.nii", "am.nii", date="2024-02-30", split="training"),
                           row("P", "follow", "gone.nii", "gone.nii", date="", split="training"),
                           row("Q", "followup", "a.nii", "am.nii", date="", split="validation")])
    done = p.run(1, "manifest", "check", "bad.csv",
                 says=("bad.csv:2: date:", "bad.csv:3: visit:", "bad.csv:3: image: gone.nii: does not",
                       "bad.csv:4: visit: a followup", "bad.csv:4: image: the same file as in row 2, "
                       "of another patient in another split"))
    p.require(done.stderr == "", done.stderr)
    done = p.run(1, "manifest", "check", "bad.csv", "--json", "--deep")
    told = json.loads(done.stdout)
    p.require(told["errors"] == len(told["problems"]) == 7 and "patients" not in told, told)
    p.require({"row": 2, "column": "date", "warning": False,
               "text": "no date of the form 2024-01-31"} in told["problems"], told)
    p.run(1, "manifest", "check", "none.csv", says=("reprise: none.csv: ",))
    p.run(1, "manifest", "check", "a.nii", says=("a.nii:1:",))
    p.run(1, "manifest", "check", ".", says=("reprise: .: ",))


def check_good(p):
    p.pair("a.nii", "am.nii")
    p.pair("b.nii", "bm.nii", shift=2)
    p.manifest("good.csv", [row("P", "baseline", "a.nii", "am.nii", split="test", recist_evaluable="yes"),
                            row("P", "followup", "b.nii", "bm.nii")])
    p.deep("good.csv", says=("1 patients, 2 visits (1 follow-ups), 2 contours", "no errors",
                             "every file was opened"))
    told = json.loads(p.run(0, "manifest", "check", "good.csv", "--json").stdout)
    p.require(told["splits"] == {"test": 1} and told["recist_evaluable"] == 1 and not told["problems"],
              told)


def check_deep(p):
    """Every case is visited, whatever is wrong with the one before."""
    p.pair("a.nii", "am.nii")
    p.pair("b.nii.gz", "bm.nii", noise=1)
    p.pair("c.nii", "cm.nii", noise=2)
    p.pair("d.nii", "dm.nii", noise=3)
    h.write_nifti(p.path("copy.nii.gz"), h.voxels()[0])  # a.nii in another file
    h.cut(p.path("b.nii.gz"), p.path("broken.nii.gz"), 0.4)
    h.write_nifti(p.path("empty.nii"), EMPTY)
    h.write_nifti(p.path("away.nii"), h.voxels()[1], move=(5000, 0, 0))
    two = h.voxels()[1].copy()
    two[5, 12, 14] = 3
    h.write_nifti(p.path("two.nii"), two)
    p.manifest("m.csv", [row("A", "baseline", "a.nii", "am.nii", split="training"),
                         row("B", "baseline", "broken.nii.gz", "bm.nii", split="training"),
                         row("C", "baseline", "b.nii.gz", "empty.nii", split="training"),
                         row("D", "baseline", "c.nii", "away.nii", split="training"),
                         row("E", "baseline", "d.nii", "two.nii", roi="7", split="training"),
                         row("F", "baseline", "copy.nii.gz", "cm.nii", split="validation")])
    p.deep("m.csv", 1, says=("m.csv:3: image: ", "m.csv:4: contour: empty.nii: the mask is empty",
                             "m.csv:5: contour: away.nii: the mask lies outside",
                             "m.csv:6: contour: two.nii: no voxel has the label 7",
                             "m.csv:7: image: the same voxels as in row 2, of another patient and split",
                             "5 errors"))
    p.run(0, "manifest", "check", "m.csv", says=("no errors",))


def check_deep_dicom(p):
    """One person under two names, two persons under one, contours of others, dates."""
    def visit(name, number, date, patient, shift):
        h.write_series(p.path(name), number, date=date, patient=patient, shift=shift)
        h.write_rtstruct(p.path(name + ".dcm"), number, patient=patient)
    visit("a1", 1, "20240110", "HIDDEN-ID", 0)
    visit("a2", 2, "20240410", "HIDDEN-ID2", 1)
    visit("b1", 3, "20240110", "HIDDEN-ID", 2)
    visit("c1", 4, "20240110", "HIDDEN-ID4", -1)
    rows = [row("A", "baseline", "a1", "a1.dcm", date="2024-01-10", split="training"),
            row("A", "followup", "a2", "a2.dcm", date="2024-04-11", split="training"),
            row("B", "baseline", "b1", "b1.dcm", date="2024-01-10", split="validation"),
            row("C", "baseline", "c1", "a1.dcm", roi="Tumour", split="training")]
    p.manifest("m.csv", rows)
    p.deep("m.csv", 1,
           says=("m.csv:3: image: the PatientID in the file is not that of row 2\n",
                 "m.csv:3: date: warning: not the date",
                 "m.csv:4: image: the PatientID in the file is that of row 2, of another patient and split",
                 "m.csv:5: contour: a1.dcm: the contour is of another patient", "3 errors"))
    for name in os.listdir(p.path("a2")):  # one ID, another person
        slice_ = pydicom.dcmread(p.path(os.path.join("a2", name)))
        slice_.PatientID, slice_.PatientName, slice_.PatientBirthDate = "HIDDEN-ID", "Hidden^Other", "19400101"
        slice_.save_as(p.path(os.path.join("a2", name)))
    p.manifest("names.csv", [rows[0], {**rows[1], "contour": ""}])
    p.deep("names.csv", 1, says=("names.csv:3: image: another patient (names and dates of birth differ) than that of row 2",))
    rows[2]["split"] = "training"
    p.manifest("same.csv", [rows[0], rows[2]])
    p.deep("same.csv", says=("same.csv:3: image: warning: the PatientID",))


def check_deep_series(p):
    """Two series in one folder."""
    h.write_series(p.path("both"), 1)
    h.write_series(p.path("both"), 2, shift=1)
    h.write_rtstruct(p.path("one.dcm"), 1)
    p.manifest("m.csv", [row("A", "baseline", "both", "one.dcm")])
    p.deep("m.csv", 1, says=("m.csv:2: image: both: 2 series",))
    p.manifest("n.csv", [row("A", "baseline", "both", "one.dcm", series="1.2")])
    p.deep("n.csv", says=("no errors",))


# ---- manifest split --------------------------------------------------------------------------------

def split_whole_patients(p):
    rows = []
    for i in range(12):
        p.pair(f"{i}.nii", f"{i}m.nii", noise=i)
        p.pair(f"{i}f.nii", f"{i}fm.nii", noise=i + 50)
        rows += [row(f"P{i}", "baseline", f"{i}.nii", f"{i}m.nii", sex="F"),
                 row(f"P{i}", "followup", f"{i}f.nii", f"{i}fm.nii", sex="F")]
    p.manifest("m.csv", rows)
    p.manifest("turned.csv", rows[::-1])
    for how in (["--random", "0.25"], ["--folds", "5"]):
        parts = {}
        for name in "m", "turned":
            out = f"{name}{how[0]}.csv"
            p.run(0, "manifest", "split", f"{name}.csv", *how, "--seed", "3", "--out", out,
                  says=("12 patients",))
            got = {(r["patient"], r["split"]) for r in p.rows(out)}
            p.require(len(got) == 12, f"{out}: a patient is divided: {got}")
            p.require([r["sex"] for r in p.rows(out)] == ["F"] * 24, "clinical column is lost")
            parts[name] = got
        p.require(parts["m"] == parts["turned"], "depends on the order of rows")
        sizes = sorted([split for _, split in parts["m"]].count(s) for s in {s for _, s in parts["m"]})
        p.require(sizes == ([3, 9] if how[0] == "--random" else [2, 2, 2, 3, 3]), sizes)
    p.run(0, "manifest", "split", "m.csv", "--random", "0.25", "--seed", "4", "--out", "other.csv")
    p.require({(r["patient"], r["split"]) for r in p.rows("other.csv")} !=
              {(r["patient"], r["split"]) for r in p.rows("m--random.csv")}, "the seed has no effect")


def split_refuses(p):
    p.pair("a.nii", "am.nii")
    p.manifest("one.csv", [row("P", "baseline", "a.nii", "am.nii")])
    p.manifest("bad.csv", [row("P", "baseline", "gone.nii", "am.nii")])
    before = h.files_below(p.root)
    random = ["--random", "0.5", "--seed", "1", "--out"]
    p.run(1, "manifest", "split", "one.csv", *random, "new.csv", says=("one.csv", "1 patient cannot"))
    p.run(1, "manifest", "split", "bad.csv", *random, "new.csv", says=("bad.csv:2: image: gone.nii",))
    p.run(1, "manifest", "split", "one.csv", *random, "bad.csv", says=("bad.csv: exists already",))
    p.run(3, "manifest", "split", "one.csv", *random, "./one.csv", says=("overwrite an input",))
    for wrong in (["split", "one.csv"], ["split", "one.csv", *random, "n.csv", "--folds", "2"],
                  ["split", "one.csv", "--folds", "2", "--out", "n.csv"], ["check"], [], ["heal", "x"],
                  ["split", "one.csv", "--folds", "1", "--seed", "1", "--out", "n.csv"],
                  ["split", "one.csv", "--random", "1.5", "--seed", "1", "--out", "n.csv"],
                  ["split", "one.csv", *random, "n.csv", "--deep"], ["check", "one.csv", "--seed", "1"],
                  ["check", "one.csv", "two.csv"]):
        p.run(2, "manifest", *wrong, says=("reprise manifest",))
    p.require(h.files_below(p.root) == before, "files were left behind or changed")


# ---- import: dataset.json --------------------------------------------------------------------------

LABELS = {"0": "background", "1": "liver", "2": "cancer"}


def dataset(p, folder, **content):
    with open(p.path(folder, "dataset.json"), "w", encoding="utf-8") as file:
        json.dump(content, file)


def import_msd(p):
    listed = []
    for name, value in ("liver_2", 2), ("liver_10", 2), ("liver_11", 1):
        p.pair(f"T/imagesTr/{name}.nii.gz", f"T/labelsTr/{name}.nii.gz", value=value, noise=len(listed))
        listed.append({"image": f"./imagesTr/{name}.nii.gz", "label": f"./labelsTr/{name}.nii.gz"})
    p.pair("T/imagesTr/liver_12.nii.gz", "T/labelsTr/liver_12.nii.gz", value=2, noise=7)
    h.write_nifti(p.path("T/labelsTr/liver_12.nii.gz"), h.voxels()[1] * np.uint8(2), move=(300, 0, 0))
    h.write_nifti(p.path("T/imagesTs/liver_20.nii.gz"), h.voxels()[0])
    shutil.copy(p.path("T/imagesTs/liver_20.nii.gz"), p.path("T/imagesTr/alone.nii.gz"))
    listed += [{"image": "./imagesTr/liver_12.nii.gz", "label": "./labelsTr/liver_12.nii.gz"},
               {"image": "./imagesTr/gone.nii.gz", "label": "./labelsTr/gone.nii.gz"}, {"image": "x"}]
    dataset(p, "T", labels=LABELS, modality={"0": "CT"}, training=listed,
            test=["./imagesTs/liver_20.nii.gz"])
    p.run(0, "import", "msd", "T", "--out", "m.csv",
          says=("m.csv: 2 patients, 2 visits", "liver_11: no voxel of the mask has the value 2",
                "liver_12: the mask lies elsewhere", "gone: T/", "case 6 of dataset.json: has no",
                "alone.nii.gz: no mask", "imagesTs: 1 images without masks"))
    got = [(r["patient"], r["visit"], r["image"], r["contour"], r["roi"]) for r in p.rows("m.csv")]
    p.require(got == [(n, "baseline", f"T/imagesTr/{n}.nii.gz", f"T/labelsTr/{n}.nii.gz", "2")
                      for n in ("liver_2", "liver_10")], got)
    p.deep("m.csv", says=("no errors",))
    p.run(1, "import", "msd", "T", "--out", "m.csv", says=("m.csv: exists already",))
    p.run(0, "import", "msd", "T", "--label", "liver", "--out", "l.csv", says=("1 patients",))
    p.require(p.rows("l.csv")[0]["roi"] == "1", "the label was not chosen by name")
    p.run(0, "import", "msd", "T", "--label", "2", "--out", "2.csv", says=("2 patients",))
    p.run(1, "import", "msd", "T", "--label", "spleen", "--out", "s.csv",
          says=("T/dataset.json: has no label 'spleen'; there are: liver (1), cancer (2)",))
    p.require(not os.path.exists(p.path("s.csv")), "a manifest after a failure")


def import_nnunet(p):
    for i, name in enumerate(("case_1", "case_2")):
        p.pair(f"D/imagesTr/{name}_0001.nii.gz", f"D/labelsTr/{name}.nii.gz", noise=i)
        h.write_nifti(p.path(f"D/imagesTr/{name}_0000.nii.gz"), h.voxels()[0] // 2)
    h.write(p.path("D/labelsTr/notes.txt"), b"x")
    known = {"labels": {"background": 0, "lesion": 1}, "file_ending": ".nii.gz", "numTraining": 2}
    dataset(p, "D", channel_names={"0": "PET", "1": "CT"}, **known)
    p.run(0, "import", "nnunet", "D", "--out", "sub/m.csv",
          says=("2 patients", "labelsTr/notes.txt: does not end"), lacks=("_0000.nii.gz: ",))
    got = [(r["patient"], r["image"], r["roi"]) for r in p.rows("sub/m.csv")]
    p.require([g[0] for g in got] == ["case_1", "case_2"], got)
    p.require(all(os.path.isabs(g[1]) and g[1].endswith("_0001.nii.gz") for g in got), got)
    p.deep("sub/m.csv", says=("no errors",))
    dataset(p, "D", channel_names={"0": "MR"}, **known)
    p.run(1, "import", "nnunet", "D", "--out", "mr.csv", says=("D/dataset.json: no channel is CT",))
    dataset(p, "D", labels={"background": 0, "left": 1, "right": 2})
    p.run(1, "import", "nnunet", "D", "--out", "x.csv", says=("which label", "left (1), right (2)"))
    # Version 1 lists names without the channel's number.
    os.remove(p.path("D/labelsTr/notes.txt"))
    dataset(p, "D", labels={"0": "b", "1": "t"}, modality={"1": "CT"},
            training=[{"image": "./imagesTr/case_1.nii.gz", "label": "./labelsTr/case_1.nii.gz"}])
    p.run(0, "import", "nnunet", "D", "--out", "v1.csv", says=("1 patients",))
    # Regions of several values, as nnU-Net documents them.
    whole = h.voxels()[1].copy()
    whole[:5] *= 2
    h.write_nifti(p.path("D/labelsTr/case_1.nii.gz"), whole)
    regions = {"background": 0, "whole": [1, 2], "core": [2], "far": [1, 7, 3]}
    dataset(p, "D", channel_names={"1": "CT"}, labels=regions, regions_class_order=[2, 1, 3])
    p.run(1, "import", "nnunet", "D", "--out", "x.csv", says=("whole (1+2), core (2), far (1+7+3)",))
    for label, roi, inside in ("whole", "1+2", whole > 0), ("core", "2", whole == 2), ("1+2", "1+2", whole > 0):
        out = f"{label}-region.csv"
        p.run(0, "import", "nnunet", "D", "--label", label, "--out", out, says=(": 2 patients" if roi == "1+2" else ": 1 patients",))
        row = p.rows(out)[0]
        p.require(row["roi"] == roi, row)
        p.run(0, "convert", f"{row['contour']}:{roi}", f"{label}.nii.gz")
        got = h.nibabel.load(p.path(f"{label}.nii.gz")).get_fdata().transpose(2, 1, 0)
        p.require((got == inside).all(), (label, got.sum(), inside.sum()))
    for broken in (b"", b"{", b"[]", b'{"labels": 3}', b'{"labels": ["a"]}', b'{"labels": {"0": "b"}}',
                   b'{"labels": {"a": [], "b": [1, "x"], "c": [-1]}}'):
        h.write(p.path("D/dataset.json"), broken)
        p.run(1, "import", "nnunet", "D", "--out", "b.csv", says=("D/dataset.json",))
    os.remove(p.path("D/dataset.json"))
    p.run(1, "import", "nnunet", "D", "--out", "b.csv", says=("D/dataset.json",))
    p.require(not os.path.exists(p.path("b.csv")), "a manifest after a failure")


# ---- import: the others ----------------------------------------------------------------------------

def import_lits(p):
    for n, value in (0, 2), (3, 2), (10, 1):
        folder = "Batch 1" if n < 5 else "Batch 2"
        p.pair(f"L/{folder}/volume-{n}.nii", f"L/{folder}/segmentation-{n}.nii", value=value, noise=n)
    p.pair("L/Batch 2/volume-11.nii", "L/Batch 2/segmentation-12.nii", noise=20)
    p.pair("L/Batch 1/volume-20.nii", "L/Batch 1/segmentation-20.nii", value=2, noise=30)
    p.pair("L/Batch 2/volume-20.nii", "L/Batch 2/segmentation-20.nii", value=2, noise=31)
    h.write_nifti(p.path("L/test-volume-1.nii"), h.voxels()[0])
    p.run(0, "import", "lits", "L", "--out", "m.csv",
          says=("2 patients", "lits-10: no voxel", "volume-11.nii: there is no segmentation-11",
                "segmentation-12.nii: there is no volume", "test volume",
                "Batch 1/volume-20.nii: there are several"))
    p.require([r["patient"] for r in p.rows("m.csv")] == ["lits-0", "lits-3"], p.rows("m.csv"))
    p.deep("m.csv", says=("no errors",))
    p.run(1, "import", "lits", "L", "--label", "tumour", "--out", "n.csv", says=("are numbers",))
    p.run(0, "import", "lits", "L", "--label", "1", "--out", "one.csv", says=("1 patients",))


def structure(folder, number, mask, slices):
    """Mask slices as 3D-IRCADb has them: 0 and 255, named the other way round than they lie."""
    h.write_series(folder, number)
    for z in range(h.SIZE[0]):
        path = os.path.join(folder, f"{number}-{z:02}.dcm")
        if z in slices:
            dataset_ = h.pydicom.dcmread(path)
            dataset_.PixelData = (mask[z].astype(np.int16) * 255).tobytes()
            dataset_.save_as(os.path.join(folder, f"image_{h.SIZE[0] - z}"))
        os.remove(path)


def import_ircadb(p):
    ball = h.voxels()[1]
    other = np.roll(ball, (0, -7, 6), (0, 1, 2))
    other[:4], other[8:] = 0, 0
    for n in 1, 2, 3, 4:
        h.write_series(p.path(f"I/3Dircadb1.{n}/PATIENT_DICOM"), n, shift=n)
    one, two, three = (p.path(f"I/3Dircadb1.{n}/MASKS_DICOM/") for n in (1, 2, 3))
    structure(one + "livertumor01", 11, ball, range(10))
    structure(one + "LiverTumor02", 12, other, range(4, 8))
    structure(one + "liver", 13, ball | other | np.roll(ball, 3, 1), range(10))
    structure(two + "liver", 14, ball, range(10))
    structure(three + "livertumor", 15, ball, range(10))
    structure(three + "livertumors_2", 16, EMPTY, range(10))
    h.write(p.path("I/readme.txt"), b"x")
    p.path("I/3Dircadb1.5/PATIENT_DICOM.zip")
    p.run(0, "import", "ircadb", "I", "--out", "m.csv",
          says=("1 patients", "3Dircadb1.2: ", "no structure that begins with livertumor",
                "3Dircadb1.3: ", "all voxels are alike", "3Dircadb1.4: ", "3Dircadb1.5: has no folder"))
    rows = p.rows("m.csv")
    p.require([r["contour"] for r in rows] == ["m_masks/3Dircadb1.1.nii.gz"], rows)
    p.require(rows[0]["image"] == "I/3Dircadb1.1/PATIENT_DICOM" and rows[0]["date"] == "2024-01-10", rows)
    written = h.nibabel.load(p.path(rows[0]["contour"]))
    p.require(np.array_equal(np.asarray(written.dataobj).transpose(2, 1, 0) != 0, (ball | other) != 0),
              "the mask is not the union")
    p.require(np.allclose(written.affine, h.affine()), written.affine)
    p.deep("m.csv", says=("no errors",))
    p.run(0, "import", "ircadb", "I", "--label", "liver", "--out", "liver.csv", says=("2 patients",))
    before = h.files_below(p.root)
    p.run(1, "import", "ircadb", "I", "--label", "spleen", "--out", "s.csv", says=("I: nothing in it",))
    os.remove(p.path("m.csv"))
    p.run(1, "import", "ircadb", "I", "--out", "m.csv", says=("m_masks: exists already",))
    after = h.files_below(p.root)
    before.pop("m.csv")
    p.require(before == after, "files were left behind or changed")


def import_dicom(p):
    def series(folder, number, date, patient, drawn=True, **rois):
        h.write_series(p.path("D", folder), number, date=date, patient=patient, shift=number % 7 - 3)
        if drawn:
            h.write_rtstruct(p.path("D", folder + "_rs"), number, patient=patient, **rois)
    outline = [h.circle(z) for z in range(3, 8)]
    both = {"Liver": outline, "GTV primary": outline}
    series("z/1", 1, "20230601", "HIDDEN-ID-A", drawn=False)       # before the first contour
    series("z/2", 2, "20240110", "HIDDEN-ID-A", rois=both)
    series("z/3", 3, "20240110", "HIDDEN-ID-A", drawn=False)       # another study of that day
    series("z/4", 4, "20240410", "HIDDEN-ID-A", drawn=False)
    series("z/5", 5, "20241010", "HIDDEN-ID-A")                    # later still
    series("flat", 6, "20240201", "HIDDEN-ID-B")
    series("flat", 7, "20240501", "HIDDEN-ID-B", drawn=False)
    h.write_rtstruct(p.path("D/flat_7"), 7, patient="HIDDEN-ID-B", drawn_on=7)
    series("mr", 8, "20240501", "HIDDEN-ID-C", drawn=False)
    h.write_series(p.path("D/mr2"), 9, patient="HIDDEN-ID-C", modality="MR")
    series("unclear", 10, "20240501", "HIDDEN-ID-D", rois={"One": outline, "Two": outline})
    series("twice", 11, "20240501", "HIDDEN-ID-E")
    h.write_rtstruct(p.path("D/twice_again"), 11, patient="HIDDEN-ID-E")
    h.write_rtstruct(p.path("D/lost"), 12)
    series("mixed", 13, "20240501", "HIDDEN-ID-F")
    h.write_series(p.path("D/mixed/below"), 14, patient="HIDDEN-ID-G")
    h.write(p.path("D/notes.txt"), b"x")
    p.run(0, "import", "dicom", "D", "--out", "m.csv",
          says=("2 patients, 4 visits (2 follow-ups)", "D/z/1: no contour refers to it",
                "D/z/3: of the day of the baseline", "D/z/5: a later study",
                "D/mr2: modality MR", "D/mr: no contour", "unclear_rs: ", "One", "D/unclear: no contour",
                "D/twice: several RTSTRUCT or SEG", "D/lost: no series of the tree",
                "images of other patients", "D: 1 files are neither"))
    rows = p.rows("m.csv")
    got = [(r["patient"], r["visit"], r["date"], r["image"], r["contour"], r["roi"], r["sex"], r["age"])
           for r in rows]
    p.require(got == [
        ("P001", "baseline", "2024-01-10", "D/z/2", "D/z/2_rs", "GTV primary", "O", "86"),
        ("P001", "followup", "2024-04-10", "D/z/4", "", "", "O", "86"),
        ("P002", "baseline", "2024-02-01", "D/flat", "D/flat_rs", "Tumour", "O", "86"),
        ("P002", "followup", "2024-05-01", "D/flat", "D/flat_7", "Tumour", "O", "86")], got)
    p.require([r["series"] for r in rows] == ["", "", h.UID + "6.2", h.UID + "7.2"], rows)
    with open(p.path("m.csv"), encoding="utf-8") as file:
        p.require("HIDDEN" not in file.read(), "PatientIDs in the manifest")
    p.deep("m.csv", says=("no errors, 1 warning",))
    p.run(0, "import", "dicom", "D", "--keep-ids", "--out", "k.csv")
    p.require([r["patient"] for r in p.rows("k.csv")] == ["HIDDEN-ID-A"] * 2 + ["HIDDEN-ID-B"] * 2,
              p.rows("k.csv"))
    p.run(0, "import", "dicom", "D", "--label", "Two", "--out", "two.csv",
          says=("1 patients, 1 visits", "no ROI"))


def import_phantom(p):
    # Patient 4 has a tumour thrombus.
    p.run(0, "phantom", "--patients", "4", "--seed", "5", "--size", "16x48x60", "--spacing", "5x5x12",
          "--dicom", "--out", "ph", "-q")
    p.path("ph/patient-900/x")
    p.path("ph/patient-901/x")
    h.write(p.path("ph/patient-901/truth.json"), b"{")
    p.run(0, "import", "phantom", "ph", "--out", "m.csv",
          says=("4 patients, 8 visits", "patient-900: has no truth.json",
                "patient-901: has no baseline.nii.gz"))
    p.run(0, "import", "phantom", "ph", "--dicom", "--out", "d.csv", says=("4 patients, 8 visits",))
    p.run(0, "import", "dicom", "ph", "--out", "tree.csv", says=("4 patients, 8 visits",))
    for name in "m.csv", "d.csv", "tree.csv":
        p.require(all(r["label"] == "synthetic" for r in p.rows(name)), f"{name}: label")
        p.deep(name, says=("no errors, 0 warnings",))
    rows = p.rows("m.csv")
    p.require([r["recist_evaluable"] for r in rows[::2]] == ["yes", "yes", "yes", "no"], rows)
    for r in rows:
        p.require(r["date"] == ("2020-01-06" if r["visit"] == "baseline" else "2020-04-05"), r)
        p.require(r["sex"] in "FM" and 35 <= int(r["age"]) <= 88 and float(r["afp"]) >= 1 and
                  float(r["pivka_ii"]) >= 1 and 3 <= float(r["followup_months"]) <= 48 and
                  r["event"] in "01", r)


def import_refuses(p):
    h.write(p.path("L/readme.txt"), b"x")
    before = h.files_below(p.root)
    for kind in "lits", "ircadb", "dicom", "phantom":
        p.run(1, "import", kind, "L", "--out", "m.csv", says=("L: nothing in it can be used",))
        p.run(1, "import", kind, "gone", "--out", "m.csv", says=("gone: no such folder",))
    p.run(1, "import", "lits", "L", "--out", "L", says=("L: exists already",))
    for wrong in ([], ["lits"], ["lits", "L"], ["brats", "L", "--out", "m.csv"],
                  ["lits", "L", "M", "--out", "m.csv"], ["phantom", "L", "--out", "m", "--label", "2"],
                  ["lits", "L", "--out", "m.csv", "--keep-ids"],
                  ["lits", "L", "--out", "m.csv", "--dicom"]):
        p.run(2, "import", *wrong, says=("reprise import",))
    p.require(h.files_below(p.root) == before, "files were left behind")


# ---- real data -------------------------------------------------------------------------------------

def import_real(p, data):
    """Sarcoma CT as a decathlon folder of links, and as the DICOM tree that it came as."""
    listed = []
    for name in "STS_001", "STS_002":
        nifti = os.path.join(data, "sts", name, "CT", "nifti")
        for kind, folder in ("image", "imagesTr"), ("mask", "labelsTr"):
            os.symlink(os.path.join(nifti, kind, f"{kind}.nii.gz"), p.path("T", folder, f"{name}.nii.gz"))
        listed.append({"image": f"./imagesTr/{name}.nii.gz", "label": f"./labelsTr/{name}.nii.gz"})
    dataset(p, "T", labels={"0": "background", "1": "tumour"}, modality={"0": "CT"}, training=listed)
    p.run(0, "import", "msd", "T", "--out", "m.csv", says=("2 patients",))
    p.deep("m.csv", says=("no errors, 0 warnings",))
    done = p.run(0, "import", "dicom", os.path.join(data, "sts"), "--out", "d.csv")
    if done.returncode:
        return
    p.require(len(p.rows("d.csv")) == 2, p.rows("d.csv"))
    p.deep("d.csv", says=("no errors",))


CASES = [check_tells_all, check_good, check_deep, check_deep_dicom, check_deep_series,
         split_whole_patients, split_refuses, import_msd, import_nnunet, import_lits, import_ircadb,
         import_dicom, import_phantom, import_refuses]


def main():
    h.require_program()
    checks = h.Checks()
    data = os.environ.get("REPRISE_TEST_DATA", "")
    wanted = sys.argv[1:]
    with tempfile.TemporaryDirectory() as root:
        for case in CASES:
            if wanted and case.__name__ not in wanted:
                continue
            place = Place(root, case.__name__)
            case(place)
            checks.report(case.__name__, place.faults)
        if os.path.isdir(os.path.join(data, "sts")):
            place = Place(root, "real")
            import_real(place, data)
            checks.report("import_real", place.faults)
        else:
            print("left out: import_real, for there is no real data (REPRISE_TEST_DATA)")
    return checks.finish()


sys.exit(main())
