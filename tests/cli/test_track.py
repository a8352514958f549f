"""`reprise track` as its users run it: DICOM with RTSTRUCT and NIfTI, the table of proposals and decisions
made in it, and bad tables, masks and patients with message and exit code."""
import csv
import json
import os
import sys
import tempfile

import nibabel
import numpy as np

import harness as h

FAILED, USAGE, REFUSED = 1, 2, 3
HEAD = "visit,date,image,mask\n"


class Tester(h.Checks):
    """Two visits, each as DICOM with contours and as NIfTI: ROIs or labels Tumour (1) and Node (2), of which
    the second is gone at the follow-up."""

    def __init__(self, folder):
        super().__init__()
        self.folder = folder
        image, ball = h.voxels()
        self.node = np.zeros_like(ball)
        self.node[3:6, 5:8, 8:11] = 1
        h.write_series(self.path("ct1"), 1, "20240110")
        h.write_series(self.path("ct2"), 2, "20240310")
        node = [h.circle(z, (9, 6), 1.6) for z in range(3, 6)]
        tumour = [h.circle(z) for z in range(3, 8)]
        h.write_rtstruct(self.path("rs1.dcm"), 1, {"Tumour": tumour, "Node": node, "empty": []})
        h.write_rtstruct(self.path("rs2.dcm"), 2, {"Tumour": tumour})
        h.write_nifti(self.path("ct1.nii.gz"), image)
        h.write_nifti(self.path("ct2.nii.gz"), image + 1)
        self.mask("labels1", ball + 2 * self.node)
        self.mask("labels2", ball)
        self.write("dicom.csv", HEAD + "before,,ct1,rs1.dcm\nafter,,ct2,rs2.dcm\n")
        self.write("nifti.csv", HEAD + "before,2024-01-10,ct1.nii.gz,labels1.nii.gz\n"
                   "after,2024-03-10,ct2.nii.gz,labels2.nii.gz\n")
        self.write("lesions.csv", "id,label,organ,nodal,role\nT1,1,liver,,target\nT2,2,node,yes,"
                   "Non-Target\n")

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)

    def mask(self, name, array):
        return h.write_nifti(self.path(name + ".nii.gz"), array.astype(np.uint8))

    def run(self, visits, *more, out="out.json"):
        return h.run("track", f"--visits={self.path(visits)}", f"--out={self.path(out)}", *more)

    def read(self, name):
        with open(self.path(name), encoding="utf-8") as file:
            return json.load(file)

    def good(self, name, visits, *more, expect, out="out.json"):
        """expect(timeline, text) gives a list of faults."""
        done = self.run(visits, *more, out=out)
        faults = list(done.faults)
        if done.returncode:
            faults.append(f"exit code {done.returncode}: {done.stderr}")
        else:
            faults += expect(self.read(out), done.stdout + done.stderr)
        self.report(name, faults)

    def bad(self, name, code, word, *arguments):
        before = h.files_below(self.folder)
        done = h.run("track", *arguments)
        faults = list(done.faults)
        if done.returncode != code:
            faults.append(f"exit code {done.returncode}, not {code}")
        if word not in done.stderr:
            faults.append(f"the message lacks {word!r}: {done.stderr}")
        if done.stdout:
            faults.append("prints a result: " + done.stdout[:200])
        if h.files_below(self.folder) != before:
            faults.append("changed files")
        self.report(name, faults)

    def bad_visits(self, name, code, word, rows, head=HEAD):
        self.bad(name, code, word, "--visits", self.write("bad.csv", head + rows),
                 f"--out={self.path('no.json')}")

    def bad_table(self, name, code, word, option, text):
        self.bad(name, code, word, f"--visits={self.path('nifti.csv')}",
                 f"--{option}={self.write('bad.csv', text)}", f"--out={self.path('no.json')}")


def states(timeline, visit):
    return {f["lesion"]: f["state"] for f in timeline["visits"][visit]["findings"]}


def same(what, found, wanted):
    return [] if found == wanted else [f"{what} is {found!r}, not {wanted!r}"]


# ---- good input --------------------------------------------------------------------------------

def with_table(timeline, text):
    roles = {l["id"]: (l["role"], l["organ"], l["nodal"]) for l in timeline["lesions"]}
    proposal = timeline["proposals"][0] if timeline["proposals"] else {}
    registration = timeline["tracking"]["visits"][1]["registration"]
    return (same("roles", roles, {"T1": ("target", "liver", False), "T2": ("non-target", "node", True)})
            + same("before", states(timeline, 0), {"T1": "measured", "T2": "present"})
            + same("after", states(timeline, 1), {"T1": "measured", "T2": "not evaluated"})
            + same("proposals", len(timeline["proposals"]), 1)
            + same("proposal", (proposal.get("kind"), proposal.get("lesion")), ("vanished", "T2"))
            + same("quality", registration["quality"], "good")
            + same("dates", [v["date"] for v in timeline["visits"]], ["2024-01-10", "2024-03-10"])
            + ([] if "vanished?" in text and "1 open" in text else ["the table says: " + text])
            + ([] if registration["from_baseline"]["shift_mm"] < 1 else ["moved"]))


def from_dicom(timeline, text):
    names = [f["name"] for f in timeline["tracking"]["visits"][0]["found"]]
    return (same("names", names, ["Tumour", "Node"])
            + same("before", states(timeline, 0), {"T1": "measured", "T2": "measured"})
            + same("after", states(timeline, 1), {"T1": "measured", "T2": "not evaluated"})
            + same("passed over", timeline["tracking"]["visits"][0]["passed_over"], 1)
            + ([] if "without a table of lesions" in text and "'empty'" in text else [text]))


def decided(t):
    with open(t.path("out-proposals.csv"), encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    t.report("the table of proposals", same("rows", [(r["visit"], r["kind"], r["lesion"], r["found"],
                                                      r["decision"]) for r in rows],
                                            [("after", "vanished", "T2", "", "")]))
    for row in rows:
        row["decision"] = "absent"
    with open(t.path("decisions.csv"), "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    arguments = f"--lesions={t.path('lesions.csv')}", f"--decisions={t.path('decisions.csv')}"
    t.good("decided", "nifti.csv", *arguments, out="decided.json", expect=lambda timeline, text: (
        same("after", states(timeline, 1), {"T1": "measured", "T2": "absent"})
        + same("proposals", timeline["proposals"], [])
        + ([] if "nothing is open" in text else [text])))
    done = h.run("respond", f"--timeline={t.path('decided.json')}", "--allow-ineligible")
    t.report("respond reads it", [] if done.returncode == 0 and "SD" in done.stdout
             else [done.stdout + done.stderr])
    done = h.run("respond", f"--timeline={t.path('out.json')}", "--allow-ineligible")
    t.report("respond tells what is open", [] if "1 proposals of the tracking are open" in done.stderr
             else [done.stderr])
    t.mask("labels2", np.roll(h.voxels()[1], 1, 2))
    t.bad("decided on another mask", REFUSED, "another mask", f"--visits={t.path('nifti.csv')}",
          f"--out={t.path('no.json')}", *arguments)
    t.mask("labels2", h.voxels()[1])


def good(t):
    t.good("NIfTI label maps", "nifti.csv", f"--lesions={t.path('lesions.csv')}", expect=with_table)
    decided(t)
    t.good("DICOM and RTSTRUCT", "dicom.csv", out="dicom.json", expect=from_dicom)
    t.write("rois.csv", "Visit;Date;Image;Mask;ROIs\nbefore;;ct1;rs1.dcm;Tum*\nafter;;ct2;rs2.dcm;\n")
    t.good("chosen ROIs, semicolons", "rois.csv", out="rois.json", expect=lambda timeline, text: (
        same("lesions", [l["id"] for l in timeline["lesions"]], ["T1"])))
    t.write("partly.csv", "id,label\nX,2\n")
    t.good("a lesion that the table lacks", "nifti.csv", f"--lesions={t.path('partly.csv')}",
           out="partly.json", expect=lambda timeline, text: same(
               "roles", {l["id"]: l["role"] for l in timeline["lesions"]},
               {"U1": "non-target", "X": "target"}) + (
                   [] if "not in this table" in text else [text]))
    one = (t.node | h.voxels()[1]).copy()
    one[9, 20, 20] = 1  # 0.064 cc
    t.mask("binary", one)
    t.write("binary.csv", HEAD + "before,2024-01-10,ct1.nii.gz,binary.nii.gz\n"
            "after,2024-03-10,ct2.nii.gz,labels2.nii.gz\n")
    t.good("components", "binary.csv", "--min-volume=0.1", "--subject=P7", out="binary.json",
           expect=lambda timeline, text: same("patient", timeline["patient"], "P7") + same(
               "lesions", states(timeline, 1), {"T1": "measured", "T2": "not evaluated"}) + same(
                   "passed over", timeline["tracking"]["visits"][0]["passed_over"], 1))
    t.mask("empty", 0 * t.node)
    t.write("gone.csv", HEAD + "before,2024-01-10,ct1.nii.gz,labels1.nii.gz\n"
            "after,2024-03-10,ct2.nii.gz,empty.nii.gz\n")
    t.good("nothing left", "gone.csv", out="gone.json", expect=lambda timeline, text: same(
        "after", states(timeline, 1), {"T1": "not evaluated", "T2": "not evaluated"}))
    for name, array in (("sagittal", h.voxels()[0]), ("sagittal_mask", h.voxels()[1].astype(np.uint8))):
        image = nibabel.load(h.write_nifti(t.path("axial.nii.gz"), array))
        nibabel.save(image.as_reoriented(np.array([[2, 1], [0, 1], [1, 1]])), t.path(name + ".nii.gz"))
    t.write("sagittal.csv", HEAD + "before,2024-01-10,ct1.nii.gz,labels1.nii.gz\n"
            "after,2024-03-10,sagittal.nii.gz,sagittal_mask.nii.gz\n")
    t.good("stored along other axes", "sagittal.csv", out="sagittal.json", expect=lambda timeline, text: same(
        "state", states(timeline, 1)["T1"], "measured") + same(
            "diameter", *(v["findings"][0]["longest_mm"] for v in timeline["visits"])) + (
                ["warned", text] if "planes" in text else []))
    turn = np.radians(25)
    for name in ("sagittal", "sagittal_mask"):
        image = nibabel.load(t.path(name + ".nii.gz"))
        about_x = np.eye(4)
        about_x[1:3, 1:3] = [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
        nibabel.save(nibabel.Nifti1Image(np.asanyarray(image.dataobj), about_x @ image.affine),
                     t.path(name + ".nii.gz"))
    t.good("slices in other planes", "sagittal.csv", out="tilted.json", expect=lambda timeline, text: (
        [] if "otherwise than the baseline" in text else [text]))
    threads(t)


def threads(t):
    """The same whatever the number of threads, but for the provenance."""
    found = []
    for n in (1, 3):
        t.run("nifti.csv", f"--threads={n}", out=f"threads{n}.json")
        timeline = t.read(f"threads{n}.json")
        del timeline["tracking"]["provenance"]
        found.append(timeline)
    t.report("threads", same("result", found[0], found[1]))


# ---- bad input ---------------------------------------------------------------------------------

def bad_tables(t):
    one, two = "before,2024-01-10,ct1.nii.gz,labels1.nii.gz\n", "after,2024-03-10,ct2.nii.gz,{}.nii.gz\n"
    t.bad("no visits", USAGE, "--visits is missing", f"--out={t.path('no.json')}")
    t.bad("no output", USAGE, "--out is missing", f"--visits={t.path('nifti.csv')}")
    t.bad("gap", USAGE, "--gap takes", "--gap=-1")
    t.bad("no such table", FAILED, "no.csv", f"--visits={t.path('no.csv')}", f"--out={t.path('no.json')}")
    t.bad_visits("empty table", FAILED, "empty", "", head="")
    t.bad_visits("one visit", FAILED, "at least one later visit", one)
    t.bad_visits("a visit twice", FAILED, "line 3: the visit 'before' is there twice", one + one)
    t.bad_visits("no mask", FAILED, "'mask' is missing", "", head="visit,date,image\n")
    t.bad_visits("unknown column", FAILED, "no column 'msk'", "", head="visit,image,msk\n")
    t.bad_visits("empty cell", FAILED, "line 3: 'mask' is empty", one + "after,2024-03-10,ct2.nii.gz,\n")
    t.bad_visits("no date", FAILED, "'2024-02-30' is no date", one.replace("01-10", "02-30"))
    t.bad_visits("unknown date", FAILED, "line 2: the image tells no date",
                 one.replace("2024-01-10", "") + two.format("labels2"))
    t.bad_visits("order of dates", REFUSED, "not later", one + two.format("labels2").replace("2024", "2023"))
    t.bad_visits("no such mask", FAILED, "nowhere.nii.gz: no such file", one + two.format("nowhere"))
    t.bad_visits("image as mask", FAILED, "an image, not a mask", one.replace("labels1", "ct1") + two.format("ct2"))
    t.bad_visits("nothing at baseline", REFUSED, "no lesion in it",
                 one.replace("labels1", "empty") + two.format("labels2"))
    lesions = "id,label,role,nodal\n"
    t.bad_table("label that is not there", FAILED, "has no label '7'", "lesions", lesions + "T1,7,,\n")
    t.bad_table("role", FAILED, "line 2: a role is", "lesions", lesions + "T1,1,new,\n")
    t.bad_table("nodal", FAILED, "line 2: 'nodal' is", "lesions", lesions + "T1,1,,maybe\n")
    t.bad_table("id twice", FAILED, "the id 'T1' is there twice", "lesions", lesions + "T1,1,,\nT1,2,,\n")
    decisions = "visit,kind,lesion,found,into,decision\n"
    t.bad_table("unfitting decision", FAILED, "bad.csv: line 2: this decision", "decisions",
                decisions + "after,vanished,T1,,,absent\n")
    t.bad_table("unknown word", FAILED, "not 'dead'", "decisions", decisions + "after,vanished,T2,,,dead\n")


def bad_images(t):
    h.write_series(t.path("other"), 3, "20240310", patient="HIDDEN-ID-2")
    h.write_rtstruct(t.path("rs3.dcm"), 3, patient="HIDDEN-ID-2")
    h.write_rtstruct(t.path("nested.dcm"), 2, {
        "GTV": [h.circle(z) for z in range(3, 8)], "PTV": [h.circle(z, radius=4.5) for z in range(2, 9)]})
    head, first = "visit,image,mask\n", "before,ct1,rs1.dcm\n"
    t.bad_visits("another patient", REFUSED, "of another patient", first + "after,other,rs3.dcm\n", head)
    t.bad_visits("another patient's contour", REFUSED, "of another patient", first + "after,ct2,rs3.dcm\n",
                 head)
    t.bad_visits("nested ROIs", REFUSED, "lies in 'GTV'", first + "after,ct2,nested.dcm\n", head)
    t.bad_visits("no such ROI", FAILED, "nothing in it is called 'Lymph*'",
                 "before,ct1,rs1.dcm,Lymph*\n" + "after,ct2,rs2.dcm,\n", "visit,image,mask,rois\n")
    t.bad("over an input", REFUSED, "overwrite an input", f"--visits={t.path('nifti.csv')}",
          f"--out={t.path('labels1.nii.gz')}")
    t.bad("over the decisions", REFUSED, "overwrite an input", f"--visits={t.path('nifti.csv')}",
          f"--out={t.path('x.json')}", f"--decisions={t.path('decisions.csv')}",
          f"--proposals={t.path('decisions.csv')}")
    h.write_series(t.path("again"), 3, "20240310", patient="HIDDEN-ID-2")
    t.write("mixed.csv", head + first + "after,again,rs3.dcm\n")
    t.good("another patient, allowed", "mixed.csv", "--allow-patient-mismatch", out="mixed.json",
           expect=lambda timeline, text: same("lesions", len(timeline["lesions"]), 2))


def main():
    h.require_program()
    with tempfile.TemporaryDirectory() as folder:
        tester = Tester(folder)
        good(tester)
        bad_tables(tester)
        bad_images(tester)
        return tester.finish()


sys.exit(main())
