"""Where files come from: a mask or image that Reprise wrote tells program, command, hashes and whether the data were
made, wherever it is moved and whatever it is converted to; nothing of it names a patient or a place."""
import hashlib
import json
import os
import shutil
import sys
import tempfile

import nibabel

import harness as h


class Trial:
    def __init__(self, checks, folder):
        self.checks, self.folder = checks, folder
        self.moved = os.path.join(folder, "elsewhere")
        os.mkdir(self.moved)

    def path(self, name):
        return os.path.join(self.folder, name)

    def do(self, *arguments):
        done = h.run(*arguments, "--quiet")
        faults = done.faults + ([] if done.returncode == 0 else [f"exit code {done.returncode}: {done.stderr}"])
        self.checks.report(" ".join(map(os.path.basename, map(str, arguments)))[:90], faults)

    def told(self, path):
        """What info says, of a file taken away from where it was written."""
        away = os.path.join(self.moved, "renamed-" + os.path.basename(path))
        if os.path.isdir(path):
            away = path
        else:
            shutil.copyfile(path, away)
        return json.loads(h.run("info", away, "--json").stdout)

    def expect(self, name, found, **expected):
        self.checks.report(name, [f"{key}: {found.get(key)!r}, not {value!r}" for key, value in expected.items()
                                  if found.get(key) != value])

    def origin(self, name, path, label, **expected):
        told = self.told(path)
        self.expect(f"{name}: label", told, **({"label": label} if label else {}))
        self.checks.report(f"{name}: no label of its own", [str(told)] if not label and "label" in told else [])
        found = told.get("origin", {})
        self.expect(f"{name}: origin", found, program="reprise", **expected)
        return found


def texts(path):
    """What a NIfTI file says in its header."""
    return b"".join(e.get_content() for e in nibabel.load(path).header.extensions)


def conversions(t):
    """A simulated follow-up through every format and back."""
    ct, rt = h.write_series(t.path("Hidden^Place"), 5), h.write_rtstruct(t.path("rt.dcm"), 5)
    t.do("simulate", "--image", ct, "--contour", rt, "--change", "-20", "--out", t.path("made"))
    made, mask = t.path("made/followup.nii.gz"), t.path("made/truth_mask.nii.gz")
    found = t.origin("simulate's image", made, "simulated", command="simulate", contour_sha256=digest(rt))
    t.checks.report("simulate's source", [] if len(found.get("image_sha256", "")) == 64 else [str(found)])
    t.origin("simulate's mask", mask, "simulated", command="simulate")
    away = os.path.join(t.moved, "m.nii.gz"), os.path.join(t.moved, "i.nii.gz")
    shutil.copyfile(mask, away[0])
    shutil.copyfile(made, away[1])
    t.do("convert", away[0], t.path("again.nii"))
    found = t.origin("a converted mask", t.path("again.nii"), "simulated", command="convert")
    t.expect("its source", found.get("source", {}), command="simulate", label="simulated")
    t.do("convert", away[1], t.path("series"))
    t.expect("a series", t.told(t.path("series"))["series"][0], description="SIMULATED")
    t.do("convert", t.path("series"), t.path("back.nii.gz"))
    t.origin("an image from a series", t.path("back.nii.gz"), "simulated", command="convert")
    for name in ("c_rtstruct.dcm", "c_seg.dcm"):
        t.do("convert", away[0], t.path(name), "--reference", t.path("series"))
        t.expect(f"{name} is labelled", t.told(t.path(name)), label="simulated")
        t.do("convert", t.path(name), t.path(name + ".nii.gz"), "--reference", t.path("series"))
        t.origin(f"{name} as a mask", t.path(name + ".nii.gz"), "simulated", command="convert")
    t.do("convert", t.path("c_seg.dcm"), t.path("alone.nii.gz"))
    t.origin("a segment alone", t.path("alone.nii.gz"), "simulated", command="convert")
    for command in (("measure", "--mask", away[0]), ("measure", "--mask", t.path("again.nii"), "--labels"),
                    ("measure", "--mask", t.path("c_rtstruct.dcm"), "--image", t.path("series")),
                    ("respond", "--baseline-mask", rt, "--baseline-image", ct, "--followup-mask", away[0]),
                    ("compare-masks", "--reference", away[0], "--prediction", t.path("again.nii"))):
        done = h.run(*command, "--json")
        t.checks.report(f"{command[0]} --json runs", [] if done.returncode == 0 else [done.stderr])
        t.expect(f"{command[0]} --json", json.loads(done.stdout or "{}"), label="simulated")
        said = h.run(*command).stdout
        t.checks.report(f"{command[0]} tells", [] if "simulated" in said.replace(t.folder, "") else [said])
    plain = h.run("measure", "--mask", rt, "--image", ct, "--json")
    t.expect("measure of a CT", json.loads(plain.stdout), label="")
    shutil.copytree(ct, t.path("like-a-phantom"))
    for name in os.listdir(t.path("like-a-phantom")):
        h.edit(t.path("like-a-phantom/" + name), SeriesDescription="SYNTHETIC phantom")
    t.do("simulate", "--image", t.path("like-a-phantom"), "--contour", rt, "--change", "-20", "--out", t.path("twice"))
    t.origin("a follow-up of what is synthetic", t.path("twice/followup.nii.gz"), "synthetic", command="simulate")
    # a label of data from a clinic stays absent
    t.do("convert", ct, t.path("plain.nii.gz"))
    t.origin("a CT", t.path("plain.nii.gz"), "", command="convert")
    t.do("convert", rt, t.path("plain_seg.dcm"), "--reference", ct)
    t.checks.report("a contour of a CT is not labelled", ["label"] if "label" in t.told(t.path("plain_seg.dcm")) else [])
    secret = texts(t.path("plain.nii.gz")) + texts(t.path("back.nii.gz")) + texts(made)
    t.checks.report("neither patient nor place", [w for w in ("Hidden", "HIDDEN", t.folder) if w.encode() in secret])


def descriptions(t):
    """Which words of others make data synthetic: a label of our own, even where UIDs were blanked, but neither the CT
    that was computed from a patient's MR nor whatever a truth.json says."""
    words = (("SYNTHETIC phantom", "synthetic"), ("SIMULATED follow-up of a SYNTHETIC patient", "synthetic"),
             ("SIMULATED follow-up", "simulated"), ("Synthetic CT (MRCAT)", ""), ("Abdomen", ""))
    for n, (description, label) in enumerate(words):
        folder, out = h.write_series(t.path(f"described-{n}"), 20 + n), t.path(f"described-{n}.nii.gz")
        for name in os.listdir(folder):
            h.edit(os.path.join(folder, name), SeriesDescription=description)
        t.do("convert", folder, out)
        t.origin(description, out, label, command="convert")
    h.edit(t.path("c_seg.dcm"), SeriesInstanceUID="")
    done = h.run("measure", "--mask", t.path("c_seg.dcm"), "--json")
    t.expect("a SEG without UIDs", json.loads(done.stdout), label="simulated")
    plain = shutil.copy(t.path("plain.nii.gz"), os.path.join(t.moved, "p.nii.gz"))
    truth = os.path.join(t.moved, "truth.json")
    h.write(truth, json.dumps({"label": "Doe^John 1970", "files": ["p.nii.gz"]}).encode())
    t.do("convert", plain, t.path("beside.nii.gz"))
    t.origin("a label that Reprise does not know", t.path("beside.nii.gz"), "", command="convert")
    os.remove(truth)


def repairs(t):
    """What was done to an image goes on from the NIfTI file to what is made of that."""
    gap, rt = h.write_series(t.path("gap"), 9), h.write_rtstruct(t.path("gap.dcm"), 9)
    os.remove(os.path.join(gap, "9-06.dcm"))
    image, mask, model, config = (t.path(n) for n in ("gap.nii.gz", "gap_mask.nii.gz", "gap.safetensors", "tiny.yaml"))
    t.do("convert", gap, image, "--repair")
    t.do("convert", rt, mask, "--reference", gap, "--repair")
    t.do("adapt", "--image", image, "--contour", mask, "--config", config, "--out", model)
    t.do("segment", "--model", model, "--image", image, "--out", t.path("gap_found.nii.gz"), "--threshold", "0.01")
    t.do("assess", "--baseline", image, "--contour", mask, "--followup", image, "--config", config, "--out",
         t.path("gap_out"))
    with open(t.path("gap_out/result.json"), encoding="utf-8") as file:
        result = json.load(file)
    told = {"image": t.told(image)["origin"], "mask": t.told(mask)["origin"], "model": t.told(model)["provenance"],
            "prediction": t.told(t.path("gap_found.nii.gz"))["origin"],
            "result": result["provenance"]["inputs"]["baseline"]}
    for name, found in told.items():
        t.checks.report(f"the {name} tells the repair", [] if "8.00 mm" in found.get("image_repair", "") else [str(found)])
    flags = [f["message"] for f in result["flags"] if f["key"] == "image_resampled"]
    t.checks.report("it is flagged", [] if len(flags) == 2 and "8.00 mm" in flags[0] else [str(result["flags"])])
    t.expect("the mask's contour", told["mask"], contour_sha256=digest(rt))


def digest(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def predictions(t):
    """What a model contoured names the model and the image; the same again gives the same bytes."""
    made, mask, model = t.path("made/followup.nii.gz"), t.path("made/truth_mask.nii.gz"), t.path("model.safetensors")
    h.write(t.path("tiny.yaml"), h.TINY.encode())
    t.do("adapt", "--image", made, "--contour", mask, "--config", t.path("tiny.yaml"), "--out", model)
    for n in (1, 2):
        t.do("segment", "--model", model, "--image", made, "--out", t.path(f"s{n}.nii.gz"), "--threshold", "0.01",
             "--probability", t.path(f"p{n}.nii.gz"))
    hashes = {t.told(model)["sha256"]}
    for name, what in (("s", "mask"), ("p", "probability")):
        found = t.origin(f"segment's {what}", t.path(f"{name}1.nii.gz"), "simulated", command="segment", what=what,
                         model_label="simulated", model_sha256=next(iter(hashes)))
        t.checks.report(f"the {what}'s image", [] if len(found.get("image_sha256", "")) == 64 else [str(found)])
        with open(t.path(f"{name}1.nii.gz"), "rb") as one, open(t.path(f"{name}2.nii.gz"), "rb") as two:
            t.checks.report(f"the same {what}", [] if one.read() == two.read() else ["bytes differ"])


def others(t):
    """Comments of other programs are no origin, and no reason to fail."""
    path = t.path("other.nii.gz")
    for n, text in enumerate((b"label: synthetic", b'{"label": "synthetic"}', b'{"program": "other", "label": "synthetic"}',
                              b'{"program": "reprise", "label": "invented"}', b'{"program": ["reprise"]}',
                              b'{"program": "reprise", "label": "synthetic", "command": "\\u001b[31m"}', b"[" * 9000)):
        image = nibabel.load(t.path("plain.nii.gz"))
        image.header.extensions[:] = [nibabel.nifti1.Nifti1Extension(6, text)]
        nibabel.save(image, path)
        told = t.told(path)
        t.checks.report(f"comment {n} of another program", [] if told["kind"] == "NIfTI" and "label" not in told
                        and ("origin" in told) == (n == 3) else [str(told)])


def main():
    h.require_program()
    checks = h.Checks()
    with tempfile.TemporaryDirectory(prefix="reprise-test-") as folder:
        trial = Trial(checks, folder)
        for part in (conversions, descriptions, predictions, repairs, others):
            part(trial)
    return checks.finish()


sys.exit(main())
