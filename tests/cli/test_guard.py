"""The guard from the outside: what assess prints and writes of intervals and chances, a model that has not
learnt, and the guard left out."""
import json
import os
import pathlib
import struct
import sys
import tempfile

import harness

try:
    import nibabel
    import numpy
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

CONFIG = """
network: {first_filters: 8, growth: 4, down_layers: [1, 1], bottleneck_layers: 1, dropout: 0.1}
preprocessing: {spacing_mm: [2.0, 2.0, 3.0]}
adapt: {copies: 2, crop: [24, 24, 8], learning_rate: 0.01, seed: 5}
"""
EPOCHS = 24 if harness.SHORT else 60
SIZE, SPACING = (12, 40, 44), (3.0, 2.0, 2.0)  # z, y, x
checks = harness.Checks()


def write(path, voxels):
    affine = numpy.diag([-SPACING[2], -SPACING[1], SPACING[0], 1.0])  # LPS in RAS
    nibabel.save(nibabel.Nifti1Image(voxels.transpose(2, 1, 0).astype(numpy.int16), affine), path)


def make_visit(root, name, radius_mm, seed):
    z, y, x = numpy.meshgrid(*[numpy.arange(n) * s for n, s in zip(SIZE, SPACING)], indexing="ij")
    lesion = ((x - 42) / 1.2) ** 2 + (y - 40) ** 2 + (z - 17) ** 2 < radius_mm**2
    hu = numpy.where(lesion, 120.0, 20.0) + numpy.random.default_rng(seed).normal(0, 8, SIZE)
    write(root / f"{name}.nii.gz", numpy.rint(hu))
    write(root / f"{name}_mask.nii.gz", lesion)


def assess(root, out, *more):
    done = harness.run("assess", "--baseline", root / "before.nii.gz", "--contour", root / "before_mask.nii.gz",
                       "--followup", root / "after.nii.gz", "--out", root / out, "--config", root / "tiny.yaml",
                       "--memory", "1G", *more)
    path = root / out / "result.json"
    return done, json.loads(path.read_text()) if path.exists() else {}


def faults_of(done):
    return done.faults + ([] if done.returncode == 0 else [f"exit {done.returncode}: {done.stderr}"])


def keys(result):
    return {d["key"] for d in result.get("plausibility", {}).get("doubts", [])}


def check_answer(done, result):
    faults = faults_of(done)
    interval, guard = result["interval"], result["guard"]
    low, high = interval["diameter_mm"]["95"]
    found = result["followup"]["longest_diameter_mm"]
    if not low < interval["centre_mm"] < high or not low < found < high:
        faults.append(f"{low} to {high} mm round {interval['centre_mm']} and {found}")
    if not low < interval["diameter_mm"]["80"][0] < interval["diameter_mm"]["80"][1] < high:
        faults.append("80 % is not within 95 %")
    change = 100 * (high / result["baseline"]["longest_diameter_mm"] - 1)
    if abs(change - interval["change_percent"]["95"][1]) > 1e-9:
        faults.append("the change's limit is not the diameter's")
    if abs(sum(interval["probability"].values()) - 1) > 1e-9:
        faults.append(f"chances {interval['probability']}")
    if guard["count"] != len(guard["trials"]) or guard["kind"] != "remodel" or guard["mean_dice"] < 0.6:
        faults.append(f"guard {guard}")
    if f"({'95 %'}: {low:.1f} to {high:.1f})" not in done.stdout:
        faults.append("the interval is not printed: " + done.stdout)
    checks.report("an assessment tells interval, chances and trials", faults)


def check_sources(done, result):
    """A registration follows a ball of one brightness: both contours are told, and the trials name one."""
    faults, sources, guard = faults_of(done), result["sources"], result["guard"]
    ahead = guard["sources"]["registered contour"]["mean_dice"] - guard["sources"]["patient model"]["mean_dice"]
    better = "registered contour" if ahead >= 0.03 else "patient model"
    if guard["better"] != better or result["contour_source"] != better:
        faults.append(f"{result['contour_source']} by {guard['sources']}")
    if set(guard["sources"]) != {"patient model", "registered contour", "carried contour"}:
        faults.append(f"sources of the guard {set(guard['sources'])}")
    if sources[better]["longest_diameter_mm"] != result["followup"]["longest_diameter_mm"]:
        faults.append(f"the follow-up is not the {better}'s: {sources}")
    if f"Contour    {better}; the " not in done.stdout:
        faults.append("the source is not printed: " + done.stdout)
    for trial in guard["trials"]:
        if not 0 <= trial["registered"]["dice"] <= 1 or not trial["carried"]["found_mm"] > 0:
            faults.append(f"trial {trial}")
    checks.report("the contour's source is named, and what else could be had", faults)


def say_of_trials(source, out, model_dice, registered_dice):
    """A copy of a patient model whose record tells other trials."""
    raw = source.read_bytes()
    size = struct.unpack("<Q", raw[:8])[0]
    header = json.loads(raw[8:8 + size])
    guard = json.loads(header["__metadata__"]["reprise.guard"])
    for trial in guard["trials"]:
        trial["dice"], trial["registered"]["dice"] = model_dice, registered_dice
    header["__metadata__"]["reprise.guard"] = json.dumps(guard)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    out.write_bytes(struct.pack("<Q", len(text)) + text + raw[8 + size:])


def dice_of_masks(path, other):
    a, b = (numpy.asarray(nibabel.load(p).dataobj) > 0 for p in (path, other))
    return 2 * (a & b).sum() / (a.sum() + b.sum())


def check_choice(root):
    """The same follow-up and network: the trials kept with the model decide."""
    results, faults, masks = {}, [], {}
    for name, wanted, dice in ("network", "patient model", (0.80, 0.82)), ("carried", "registered contour", (0.80, 0.84)):
        say_of_trials(root / "out" / "patient_model.safetensors", root / f"{name}.safetensors", *dice)
        done, result = assess(root, name, "--patient-model", root / f"{name}.safetensors", "--truth",
                              root / "after_mask.nii.gz", "--accept-implausible", "all")
        faults += faults_of(done)
        page = (root / name / "report.html").read_text()
        masks[name] = root / name / "followup_mask.nii.gz"
        results[name] = result
        if result["contour_source"] != wanted or f"The {wanted} on simulated" not in page:
            faults.append(f"{name}: {result['contour_source']}")
        if abs(result["dice"] - dice_of_masks(masks[name], root / "after_mask.nii.gz")) > 1e-6:
            faults.append(f"{name}: Dice {result['dice']}")
        if result["sources"][wanted]["dice"] != result["dice"]:
            faults.append(f"{name}: {result['sources']}")
        told = "registered_contour" in {f["key"] for f in result["flags"]}
        if told != (name == "carried") or ('class="band"' in page) == told:
            faults.append(f"{name}: what is told of it is another contour's")
    between = dice_of_masks(masks["network"], masks["carried"])
    for result in results.values():
        if abs(result["sources"]["dice_between"] - between) > 1e-6 or between == 1:
            faults.append(f"{between} between them, {result['sources']}")
    if results["network"]["interval"]["calibration"] == results["carried"]["interval"]["calibration"]:
        faults.append("one calibration for both")
    checks.report("the source that was better in the trials is used", faults)


def check_segment(root):
    """segment takes the network all the same, and says when the trials speak against it."""
    faults = []
    for name, told in ("network", False), ("carried", True):
        done = harness.run("segment", "--model", root / f"{name}.safetensors", "--image", root / "after.nii.gz",
                           "--prior", root / "before_mask.nii.gz", "--out", root / f"{name}_alone.nii.gz", "-q")
        faults += faults_of(done)
        if ("a registered contour was better" in done.stderr) != told:
            faults.append(f"{name}: {done.stderr}")
    checks.report("segment tells that a registered contour would be better", faults)


def check_report(root):
    page = (root / "out" / "report.html").read_text()
    wanted = ('class="range wide"', 'class="range near"', 'class="trial"', "True diameter with", 'class="band"')
    checks.report("its report shows them", [f"no {w}" for w in wanted if w not in page])


def main():
    harness.require_program()
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        make_visit(root, "before", 13.0, 1)
        make_visit(root, "after", 8.0, 2)
        (root / "tiny.yaml").write_text(CONFIG)
        done, result = assess(root, "out", "--epochs", EPOCHS, "--guard", 6, "--accept-implausible", "all")
        check_answer(done, result)
        check_sources(done, result)
        check_report(root)
        check_choice(root)
        check_segment(root)
        again = assess(root, "again", "--epochs", EPOCHS, "--guard", 6, "--threads", 1,
                       "--accept-implausible", "all")[1]
        same = all(result[k] == again.get(k) for k in ("guard", "interval"))
        checks.report("with another number of threads they are the same", [] if same else ["they differ"])
        done, result = assess(root, "raw", "--epochs", 2, "--guard", 4)
        refused = result["response"] == "NE" and "guard_failed" in keys(result) and "Interval" not in done.stdout
        checks.report("a model that has not learnt gives no answer",
                      faults_of(done) + ([] if refused else [f"{result['response']} {keys(result)} {done.stdout}"]))
        done, result = assess(root, "off", "--epochs", 2, "--guard", "off")
        left = result["guard"] is None and result["interval"] is None and "guard_failed" not in keys(result)
        checks.report("the guard can be left out", faults_of(done) + ([] if left else ["it is there"]))
        done = assess(root, "bad", "--guard", "100")[0]
        checks.report("a number out of range is refused", [] if done.returncode == 2 else [done.stderr])
    sys.exit(checks.finish())


if __name__ == "__main__":
    main()
