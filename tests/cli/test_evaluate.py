"""`reprise evaluate` as its users run it: a small cohort evaluated at once, side by side, and interrupted,
with the same outcome; what was evaluated differently is refused; bad cases are listed."""
import csv
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import harness as h
import numpy as np

CONFIG = h.TINY.replace("epochs: 2", f"epochs: {8 if h.SHORT else 25}\n  checkpoint_seconds: 0\n  learning_rate: 0.01")


class Cohort:
    """Four patients with two visits each, one without a contour at the follow-up."""

    def __init__(self, folder):
        self.folder, self.rows = folder, []
        os.makedirs(folder)
        self.config = h.write(self.path("tiny.yaml"), CONFIG.encode())
        for number in range(4):
            for visit, kind in enumerate(("baseline", "followup")):
                image, mask = h.voxels(number - 2 * visit)
                name = f"p{number}-{kind}"
                h.write_nifti(self.path(name + ".nii"), image + np.int16(number + 5 * visit))
                h.write_nifti(self.path(name + "-mask.nii"), mask)
                self.rows.append({
                    "patient": f"p{number}", "visit": kind, "image": name + ".nii",
                    "contour": "" if number == 3 and visit else name + "-mask.nii",
                    "label": "simulated", "split": "validation",
                    "recist_evaluable": "no" if number == 1 else "yes",
                    "age": str(50 + number), "sex": "MF"[number % 2],
                    "followup_months": str(4 + number), "event": str(number % 2)})

    def path(self, name):
        return os.path.join(self.folder, name)

    def manifest(self, name, change=None):
        return h.write_manifest(self.path(name), self.rows, change)

    def command(self, out, manifest, *more):
        return ["evaluate", f"--manifest={manifest}", f"--out={out}", f"--config={self.config}",
                "--seed=3", "--memory=1G", "--registration=none", *more]


def outcome(out):
    """Everything but times."""
    with open(os.path.join(out, "evaluation.json"), encoding="utf-8") as file:
        found = json.load(file)
    for key in ("timing", "provenance"):
        del found[key]

    def drop(value):
        if isinstance(value, dict):
            return {k: drop(v) for k, v in value.items() if k != "seconds"}
        return [drop(v) for v in value] if isinstance(value, list) else value

    return drop(found)


def complete(checks, cohort, root):
    out = os.path.join(root, "whole")
    done = h.run(*cohort.command(out, cohort.manifest("good.csv")))
    faults = done.faults + ([] if done.returncode == 0 else [done.stderr])
    if "good.csv:8" not in done.stderr or "left out" not in done.stderr:
        faults.append(f"does not tell the patient without contour: {done.stderr}")
    found = outcome(out)
    if [c["patient"] for c in found["cases"]] != ["p0", "p1", "p2"] or found["label"] != "simulated":
        faults.append(str([c["patient"] for c in found["cases"]]))
    for case in found["cases"]:
        if set(case["scores"]) != {"idol_post", "carry_post"}:
            faults.append(f"scores {set(case['scores'])}")
        folder = os.path.join(out, "cases", case["patient"])
        if set(os.listdir(folder)) != {"case.json", "idol_post.nii.gz", "carry_post.nii.gz"}:
            faults.append(f"left {os.listdir(folder)}")
    cohorts = found["summary"]["cohorts"]
    if (cohorts["entire"]["n"], cohorts["recist"]["n"]) != (3, 2):
        faults.append(f"cohorts of {cohorts['entire']['n']} and {cohorts['recist']['n']}")
    if not h.SHORT and cohorts["entire"]["dice"]["idol_post"]["mean"] < 0.3:
        faults.append(f"IDOL's Dice {cohorts['entire']['dice']['idol_post']}")
    checks.report("a cohort", faults)
    return found


def again(checks, cohort, root, reference):
    out = os.path.join(root, "whole")
    before = h.files_below(os.path.join(out, "cases"))
    done = h.run(*cohort.command(out, cohort.path("good.csv")))
    faults = [done.stderr] if done.returncode else []
    if h.files_below(os.path.join(out, "cases")) != before:
        faults.append("finished patients were computed again")
    if outcome(out) != reference:
        faults.append("another outcome")
    checks.report("finished patients are kept", faults)
    side = os.path.join(root, "side")
    done = h.run(*cohort.command(side, cohort.path("good.csv"), "--jobs=3", "--threads=3"))
    checks.report("side by side", [done.stderr] if done.returncode else
                  [] if outcome(side) == reference else ["another outcome"])
    done = h.run(*cohort.command(out, cohort.path("good.csv"), "--epochs=9"))
    checks.report("other settings are refused",
                  [] if done.returncode == 3 and "another settings (adapt.epochs)" in done.stderr else [done.stderr])


def shown(checks, cohort, root):
    """Each of three is best, median or worst, so a fourth is needed to be chosen by name."""
    def complete_fourth(rows):
        rows[7]["contour"] = "p3-followup-mask.nii"

    out = os.path.join(root, "shown")
    command = cohort.command(out, cohort.manifest("four.csv", complete_fourth))
    faults = []
    for wanted in ([], [f"--show=p{i}" for i in range(4)]):
        done = h.run(*command, *wanted)
        faults += [done.stderr] if done.returncode else []
        with open(os.path.join(out, "evaluation.html"), encoding="utf-8") as file:
            if ("Chosen" in file.read()) != bool(wanted):
                faults.append(f"patients chosen by name with {wanted}")
    checks.report("a patient chosen by name", faults)


def general(checks, cohort, root):
    """With a general model: its contours of both visits, of which the baseline's has no response."""
    model, out = os.path.join(root, "general.safetensors"), os.path.join(root, "general")
    done = h.run("adapt", f"--image={cohort.path('p0-baseline.nii')}", f"--contour={cohort.path('p0-baseline-mask.nii')}",
                 f"--out={model}", f"--config={cohort.config}")
    done = h.run(*cohort.command(out, cohort.path("good.csv")), f"--model={model}")
    faults = [done.stderr] if done.returncode else []
    for case in outcome(out)["cases"]:
        if set(case["scores"]) != {"general_pre", "general_post", "idol_post", "carry_post"}:
            faults.append(f"scores {set(case['scores'])}")
        response = case["scores"].get("general_pre", {}).get("response", {})
        if response.get("response") != "NE" or response.get("change_percent") is not None:
            faults.append(f"the baseline has a response: {response}")
    checks.report("a general model", faults)


def gone(checks, cohort, root):
    """A follow-up mask without a voxel: the lesion is gone, which only a person can say."""
    def nothing_left(rows):
        image, mask = h.voxels(0)
        h.write_nifti(cohort.path("gone.nii"), np.zeros_like(mask))
        rows[3]["contour"] = "gone.nii"

    out = os.path.join(root, "gone")
    manifest = cohort.manifest("gone.csv", nothing_left)
    done = h.run(*cohort.command(out, manifest))
    found = outcome(out)
    case = found["cases"][1]
    faults = [done.stderr] if done.returncode else []
    if case["manual_response"]["response"] != "CR" or case["manual_response"]["change_percent"] != -100:
        faults.append(f"manual response {case['manual_response']}")
    for source, score in case["scores"].items():
        expected = 1 if score["empty"] else 0
        if score["overlap"]["dice"] != expected or (score["empty"] and score["response"]["response"] != "NE"):
            faults.append(f"{source}: {score}")
    checks.report("a complete response", faults)

    def baseline_gone(rows):
        h.write_nifti(cohort.path("nothing.nii"), np.zeros_like(h.voxels(0)[1]))
        rows[2]["contour"] = "nothing.nii"

    refused(checks, "no lesion at baseline", cohort.command(os.path.join(root, "none"),
                                                           cohort.manifest("none.csv", baseline_gone)),
            1, "none.csv:4", "nothing.nii", "empty", "1 of 3")


def interrupted(checks, cohort, root, reference):
    for sent in (signal.SIGKILL, signal.SIGINT):
        out = os.path.join(root, sent.name)
        command = [h.REPRISE, *cohort.command(out, cohort.path("good.csv"), "--quiet")]
        stopped, faults = 0, []
        for turn in range(3):
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            waited_for = os.path.join(out, "cases", f"p{turn}", "checkpoint.safetensors")
            end = time.monotonic() + 60
            while not os.path.exists(waited_for) and process.poll() is None and time.monotonic() < end:
                time.sleep(0.002)
            process.send_signal(sent)
            process.communicate(timeout=h.SECONDS)
            stopped += process.returncode != 0
        done = h.run(*command[1:])
        faults += [done.stderr] if done.returncode else []
        if not done.returncode and outcome(out) != reference:
            faults.append("another outcome")
        if not stopped:
            faults.append("was never stopped")
        checks.report(f"{sent.name} and the same command", faults)


def refused(checks, name, command, code, *words):
    done = h.run(*command)
    faults = list(done.faults)
    if done.returncode != code:
        faults.append(f"exit code {done.returncode}, wanted {code}: {done.stderr}")
    faults += [f"does not say {word!r}: {done.stderr}" for word in words if word not in done.stderr]
    checks.report(name, faults)


def refusals(checks, cohort, root):
    out = os.path.join(root, "bad")

    def one_bad_file(rows):
        h.write(cohort.path("broken.nii"), b"not an image")
        rows[3]["image"] = "broken.nii"

    manifest = cohort.manifest("bad.csv", one_bad_file)
    refused(checks, "an unreadable case is listed, the others are evaluated",
            cohort.command(out, manifest), 1, "bad.csv:5", "broken.nii", "1 of 3")
    found = outcome(out)
    checks.report("what is left of it",
                  [] if [c["patient"] for c in found["cases"]] == ["p0", "p2"] and
                  [c["patient"] for c in found["failed"]] == ["p1"] else [str(found["failed"])])
    good = cohort.path("good.csv")
    refused(checks, "nobody", cohort.command(os.path.join(root, "n"), good, "--split=7"), 1, "'7'")
    refused(checks, "no manifest", cohort.command(os.path.join(root, "n"), cohort.path("no.csv")), 1,
            "no.csv")
    refused(checks, "no model", [*cohort.command(os.path.join(root, "n"), good),
                                 "--model=absent.safetensors"], 1, "absent.safetensors")
    refused(checks, "too little memory", [*cohort.command(os.path.join(root, "m"), good),
                                          "--memory=100K"], 1, "MiB")
    refused(checks, "to show somebody else", [*cohort.command(os.path.join(root, "n"), good), "--show=p7"], 1, "p7")
    refused(checks, "no output", ["evaluate", f"--manifest={good}"], 2, "--out")


def hurried(root):
    """An environment whose elastix takes a tenth of the steps; what the program does is the same."""
    real, folder = shutil.which("elastix"), os.path.join(root, "hurried")
    os.makedirs(folder, exist_ok=True)
    script = os.path.join(folder, "elastix")
    with open(script, "w", encoding="ascii") as file:
        file.write(f"""#!/bin/sh
for word in "$@"; do
    [ "$before" != -p ] || sed -i -E 's/(MaximumNumberOfIterations [0-9]*)[0-9]/\\1/' "$word"
    before=$word
done
exec {shlex.quote(real)} "$@"
""")
    os.chmod(script, 0o755)
    return dict(os.environ, PATH=folder + os.pathsep + os.environ["PATH"])


def registration(checks, cohort, root):
    registered(checks, cohort, root, "own")
    if shutil.which("elastix"):
        registered(checks, cohort, root, "elastix")
    else:
        print("elastix is not installed: it was not tested")


def registered(checks, cohort, root, name):
    def only_first(rows):
        del rows[2:]

    out = os.path.join(root, f"registered-{name}")
    manifest = cohort.manifest("one.csv", only_first)
    command = [w for w in cohort.command(out, manifest) if not w.startswith("--registration")]
    command += [] if name == "own" else [f"--registration={name}"]
    done = h.run(*command, env=hurried(root) if h.SHORT else None)
    found = outcome(out)
    faults = [done.stderr] if done.returncode else []
    for case in found["cases"]:
        moved = case["scores"].get("registered_post", {}).get("overlap", {})
        if not moved.get("dice", 0) > 0.9:
            told = [f["kind"] for f in case["failures"]]
            faults.append(f"{case['patient']}: not moved onto the follow-up: {moved.get('dice')} {told}")
    if not found["registration"].startswith(name):
        faults.append(f"does not tell what registered: {found['registration']}")
    checks.report(f"registration: {name}", faults)


WAYS = "guard:\n  trials: 3\npredict:\n  threshold: 0.999\n"  # so high that the network's contour is the worse one


def first_only(rows):
    del rows[2:]


def only_case(out):
    with open(os.path.join(out, "cases", "p0", "case.json"), encoding="utf-8") as file:
        return json.load(file)


def assessed(cohort, out, *options):
    """What `assess` answers on the first patient."""
    before, after = cohort.path("p0-baseline"), cohort.path("p0-followup")
    done = h.run("assess", f"--baseline={before}.nii", f"--contour={before}-mask.nii", f"--followup={after}.nii",
                 f"--truth={after}-mask.nii", f"--out={out}", *options)
    with open(os.path.join(out, "result.json"), encoding="utf-8") as file:
        return done.faults, json.load(file)


def same_answer(case, result):
    """Way, source and figures of a case against those of the assessment."""
    score, adaptation = case["case"]["scores"]["idol_post"], result["adaptation"]
    way = [a["way"] for a in adaptation["attempts"] if a["chosen"]]
    pairs = {"way": (case["case"]["way"], *way), "attempts": (case["adaptation"]["attempts"], adaptation["attempts"]),
             "source": (case["case"]["contour_source"], result["contour_source"]),
             "Dice": (round(score["overlap"]["dice"], 9), round(result["dice"], 9)),
             "loss": (case["adaptation"]["loss"], adaptation["loss"]),
             "diameter": (score["lesion"]["longest_diameter_mm"], result["followup"]["longest_diameter_mm"])}
    return [f"{name}: {pair}" for name, pair in pairs.items() if pair[0] != pair[-1] or len(pair) != 2]


def named(out, case):
    """Way and source stand in the table and the report."""
    with open(os.path.join(out, "tables", "cases.csv"), newline="", encoding="utf-8") as file:
        told = {row["source"]: (row["way"], row["contour_source"]) for row in csv.DictReader(file)}
    with open(os.path.join(out, "evaluation.html"), encoding="utf-8") as file:
        page = file.read()
    wanted = {"idol_post": (case["way"], case["contour_source"]), "carry_post": ("", "")}
    faults = [] if told == wanted else [f"cases.csv names {told}"]
    cell = f'<td class="l">{case["contour_source"]}</td>'
    return faults + ([] if cell in page and "How each contour" in page else ["the report names no source"])


def other_start(root):
    """The program with a start of its own: one weight differs."""
    places = [os.path.join(root, "installed", *names) for names in (("bin",), ("share", "reprise", "models"))]
    for place in places:
        os.makedirs(place)
    shipped = os.path.join(os.path.dirname(h.REPRISE), "..", "..", "models", "quick-start.safetensors")
    with open(shipped, "rb") as file:
        data = bytearray(file.read())
    data[-2] ^= 1
    h.write(os.path.join(places[1], "quick-start.safetensors"), bytes(data))
    return shutil.copy(h.REPRISE, places[0])


def ways(checks, cohort, root):
    """By default what `assess` answers is scored, and named; what was evaluated by another way is refused."""
    out = os.path.join(root, "ways")
    options = [f"--config={h.write(cohort.path('ways.yaml'), WAYS.encode())}", "--seed=3", "--memory=2G"]
    command = ["evaluate", f"--manifest={cohort.manifest('ways.csv', first_only)}", "--registration=none", *options]
    done = h.run(*command, f"--out={out}")
    faults, result = assessed(cohort, os.path.join(root, "assessed"), *options)
    case = only_case(out)
    faults += done.faults + same_answer(case, result) + named(out, case["case"])
    if case["case"]["contour_source"] != "registered contour" or \
            not any("registered_contour" in f["text"] for f in case["case"]["failures"]):
        faults.append(f"source {case['case']['contour_source']}, failures {case['case']['failures']}")
    checks.report("what assess answers", faults)

    unjudged = os.path.join(root, "unjudged")
    done = h.run(*command, f"--out={unjudged}", "--guard=off")
    faults, result = assessed(cohort, os.path.join(root, "assessed-unjudged"), *options, "--guard=off")
    case = only_case(unjudged)["case"]
    faults += done.faults + same_answer(only_case(unjudged), result) + named(unjudged, case)
    faults += [] if (case["way"], case["contour_source"]) == ("start", "patient model") else [str(case["way"])]
    checks.report("without a guard", faults)

    command.append(f"--out={out}")
    refused(checks, "the start without the other way", [*command, "--model=start"], 3, "another settings", "attempts")
    refused(checks, "no guard", [*command, "--guard=off"], 3, "another settings", "guard.trials")
    refused(checks, "fresh weights", [*command, "--model=none"], 3, "another general model")
    done = h.judge(subprocess.run([other_start(root), *command], capture_output=True, timeout=h.SECONDS, check=False))
    checks.report("another start", [] if done.returncode == 3 and "another general model" in done.stderr else [done.stderr])


def doubted(checks, cohort, root):
    """A failed adaptation is counted as NE, with its reasons; accepted, by what it measures."""
    def only_first(rows):
        del rows[2:]

    manifest = cohort.manifest("doubted.csv", only_first)
    seen = {}
    for name, more in (("doubted", []), ("accepted", ["--accept-implausible", "all"])):
        out = os.path.join(root, name)
        done = h.run(*cohort.command(out, manifest), "--epochs", "1", "--copies", "1", *more)
        case = outcome(out)["cases"][0]
        seen[name] = case["scores"]["idol_post"]["response"]["response"], [f["kind"] for f in case["failures"]], str(case["failures"])
        if done.returncode:
            checks.report(name, [done.stderr])
    response, kinds, told = seen["doubted"]
    checks.report("a failed adaptation is NE", [] if response == "NE" and "not answered" in kinds and
                  "baseline_not_reproduced" in told else [seen["doubted"]])
    response, kinds, told = seen["accepted"]
    checks.report("accepted, it is called", [] if response != "NE" and "not answered" not in kinds and "accepted" in kinds
                  else [seen["accepted"]])


def main():
    h.require_program()
    checks = h.Checks()
    root = tempfile.mkdtemp(prefix="reprise-evaluate-")
    try:
        cohort = Cohort(os.path.join(root, "cohort"))
        reference = complete(checks, cohort, root)
        again(checks, cohort, root, reference)
        interrupted(checks, cohort, root, reference)
        shown(checks, cohort, root)
        general(checks, cohort, root)
        gone(checks, cohort, root)
        refusals(checks, cohort, root)
        registration(checks, cohort, root)
        doubted(checks, cohort, root)
        if not h.SHORT:  # adaptations of full length; the release build runs them
            ways(checks, cohort, root)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    return checks.finish()


sys.exit(main())
