"""reprise info --plan: the JSON and the chart hold what they should, sizes equal a count of their own
from the architecture, and what is no extent or no model is refused in words."""
import json
import sys
import tempfile

import harness as h

FAILED, USAGE = 1, 2
WIDTH = 100
DEFAULT = {"filters": 48, "growth": 12, "layers": (2, 3, 4, 5), "bottleneck": 7}
TINY = {"filters": 4, "growth": 2, "layers": (1, 1), "bottleneck": 1}  # of the harness


def stacks(net, extent):
    """(level, part) -> bytes of a level's channels, by the published architecture."""
    stride, sizes = 2 ** len(net["layers"]), {}
    voxels = 1
    for n in extent:
        voxels *= -(-n // stride) * stride
    channels = net["filters"]
    layers = (*net["layers"], net["bottleneck"])
    for level, count in enumerate(layers):
        down, new = net["growth"] * count, net["growth"] * count
        last = level == len(layers) - 1
        sizes[level, "skip"] = 4 * voxels * (channels if last else channels + down)
        sizes[level, "new"] = 4 * voxels * new
        if not last:
            sizes[level, "up"] = 4 * voxels * net["growth"] * layers[level + 1]
        channels += down
        voxels //= 8
    return sizes


def overlaps(entries):
    """Pairs that are needed at one step and share a byte."""
    found = []
    for i, a in enumerate(entries):
        for b in entries[:i]:
            steps = (max(a["first_step"], b["first_step"]), min(a["last_step"], b["last_step"]))
            low = max(a["offset"], b["offset"])
            high = min(a["offset"] + a["bytes"], b["offset"] + b["bytes"])
            if steps[0] <= steps[1] and low < high:
                found.append(f"{a} and {b} overlap")
    return found


def plan_faults(plan, net, extent):
    keys = ("bytes bytes_without_sharing shared_bytes needed_at_once_bytes needed_at_once_step steps "
            "forward_steps entries").split()
    faults = [] if list(plan) == keys else [f"keys {list(plan)}"]
    entries = plan["entries"]
    faults += overlaps(entries)
    found = {(e["level"], e["part"]): e["bytes"] for e in entries if e["name"] == "channels"}
    if found != stacks(net, extent):
        faults.append(f"channels {found}, counted {stacks(net, extent)}")
    at_once = [sum(e["bytes"] for e in entries if e["first_step"] <= step <= e["last_step"])
               for step in range(plan["steps"])]
    if (plan["needed_at_once_bytes"] != max(at_once)
            or at_once[plan["needed_at_once_step"]] != max(at_once)):
        faults.append(f"{max(at_once)} bytes are needed at once")
    end = max(e["offset"] + e["bytes"] for e in entries)
    if not max(at_once) <= end <= plan["shared_bytes"] < plan["bytes"]:
        faults.append(f"{plan['shared_bytes']} shared of {plan['bytes']}, the last ends at {end}")
    unshared = sum(e["bytes"] for e in entries) - plan["shared_bytes"] + plan["bytes"]
    if plan["bytes_without_sharing"] != unshared:
        faults.append(f"{unshared} bytes without sharing")
    units = 3 + 2 * len(net["layers"]) + 2 * sum(net["layers"]) + net["bottleneck"] - 1
    if plan["forward_steps"] != units:
        faults.append(f"{plan['forward_steps']} steps forward, {units} convolutions")
    return faults + ([] if entries == sorted(entries, key=lambda e: e["first_step"])
                     else ["entries are not in the order of their first use"])


def json_faults(done, net, extent, padded, model=None):
    if done.returncode or done.stderr or done.faults:
        return done.faults + [f"exit code {done.returncode}: {done.stderr}"]
    result = json.loads(done.stdout)
    faults = [] if list(result) == ("model architecture extent_zyx padded_zyx threads prediction "
                                    "training").split() else [f"keys {list(result)}"]
    if (result["extent_zyx"], result["padded_zyx"], result["model"]) != (extent, padded, model):
        faults.append(f"{result['extent_zyx']} {result['padded_zyx']} {result['model']}")
    if result["architecture"]["down_layers"] != list(net["layers"]):
        faults.append(str(result["architecture"]))
    for name in ("prediction", "training"):
        faults += [f"{name}: {fault}" for fault in plan_faults(result[name], net, extent)]
    if result["prediction"]["steps"] != result["prediction"]["forward_steps"] + 1:
        faults.append("prediction has more steps than its units and the reading of the logits")
    if not result["prediction"]["bytes"] < result["training"]["bytes"]:
        faults.append("training takes less than prediction")
    return faults


def json_output(checks):
    done = h.run("info", "--plan=48x96x96", "--json", "--threads=2")
    checks.report("json", json_faults(done, DEFAULT, [48, 96, 96], [48, 96, 96]))
    done = h.run("info", "--json", "--plan", "33x70x81", "--threads=1")
    checks.report("json of a padded extent", json_faults(done, DEFAULT, [33, 70, 81], [48, 80, 96]))
    checks.report("threads", [] if json.loads(done.stdout)["threads"] == 1 else [done.stdout])


def text_faults(done, words):
    lines = done.stdout.split("\n")
    faults = done.faults + [f"wider than {WIDTH}: {line}" for line in lines
                             if len(line) > WIDTH and not line.startswith("network ")]
    if done.returncode or done.stderr:
        faults.append(f"exit code {done.returncode}: {done.stderr}")
    return faults + [f"{word!r} is missing" for word in words if word not in done.stdout]


def text_output(checks):
    words = ("MiB in all", "without sharing", "prediction", "training", "forward", "|loss, backward",
             "channels", "skip", "gradient of logits", "needed at once", "####")
    for extent in ("48x96x96", "1x1x1", "4096x4096x4096"):
        done = h.run("info", f"--plan={extent}", "--threads=2")
        checks.report(f"text of {extent}", text_faults(done, (*words, extent)))
    done = h.run("info", "--plan=48x96x96", "--threads=2")
    told = json.loads(h.run("info", "--plan=48x96x96", "--threads=2", "--json").stdout)
    shown = [line for line in done.stdout.split("\n") if ".." in line]
    entries = told["prediction"]["entries"] + told["training"]["entries"]
    faults = [] if len(shown) == len(entries) else [f"{len(shown)} lines of {len(entries)} entries"]
    for line, e in zip(shown, entries):
        steps = f"{e['first_step']}..{e['last_step']}"
        beginning = f"{e['level']} {e['name']} {e['part']}".split()
        numbers = [f"{e['bytes'] / 2 ** 20:.2f}", f"{e['offset'] / 2 ** 20:.2f}", steps]
        words, chart = line.split()[:-1], line.split()[-1]
        if words != beginning + numbers or len(chart) != 40 or chart.strip(".").strip("#"):
            faults.append(f"{line!r} of {e}")
    checks.report("a line for each entry", faults)


def refused(checks, name, arguments, code, *words):
    done = h.run("info", *arguments)
    faults = done.faults + ([f"prints {done.stdout}"] if done.stdout else [])
    if done.returncode != code:
        faults.append(f"exit code {done.returncode}, not {code}: {done.stderr}")
    faults += [f"no {word!r} in {done.stderr}" for word in words if word not in done.stderr]
    checks.report(name, faults)


def wrong_values(checks, folder):
    for extent in ("16x16", "0x16x16", "16x-16x16", "16x16x16x16", "axbxc", "16.5x16x16", "",
                   "4097x16x16", "nanx16x16", "16x16xinf"):
        refused(checks, f"extent {extent}", [f"--plan={extent}"], USAGE, "--plan", "ZxYxX", "4096")
    refused(checks, "nothing at all", [], USAGE, "PATH")
    refused(checks, "two models", ["--plan=16x16x16", "a.safetensors", "b.safetensors"], USAGE,
            "b.safetensors")
    image = h.write_nifti(folder + "/image.nii.gz", h.voxels()[0])
    refused(checks, "an image", ["--plan=16x16x16", image], FAILED, "image.nii.gz", "model")
    refused(checks, "a folder", ["--plan=16x16x16", folder], FAILED, folder, "model")
    refused(checks, "no such model", ["--plan=16x16x16", folder + "/none.safetensors"], FAILED,
            "none.safetensors")
    text = h.write(folder + "/text.safetensors", b"no model")
    refused(checks, "text", ["--plan=16x16x16", text], FAILED, "text.safetensors")


def of_a_box(checks, folder):
    """Grid and bytes are those that `assess` tells afterwards."""
    image, mask = (h.write_nifti(f"{folder}/{name}.nii", v) for name, v in zip(("ct", "lesion"), h.voxels()))
    faults, out = [], folder + "/assessed"
    told = h.run("info", "--plan=box", f"--contour={mask}", image, "--json", "--threads=2")
    shown = h.run("info", "--plan=box", f"--contour={mask}", image, "--threads=2")
    done = h.run("assess", f"--baseline={image}", f"--contour={mask}", f"--followup={image}", f"--out={out}",
                 "--guard=off", "--threads=2")
    if told.returncode or done.returncode:
        faults = [told.stderr, done.stderr]
    else:
        plan = json.loads(told.stdout)
        with open(out + "/result.json", encoding="utf-8") as file:
            result = json.load(file)
        wanted = (result["adaptation"]["region_zyx"], result["adaptation"]["spacing_mm"],
                  result["provenance"]["memory"]["training_bytes"])
        found = plan["extent_zyx"], plan["spacing_mm"], plan["training"]["bytes"]
        faults += [] if found == wanted else [f"{found}, not {wanted}"]
        size = "x".join(map(str, wanted[0]))
        faults += text_faults(shown, (f"extent     {size} voxels of ", "MiB in all"))
    checks.report("a box", faults)
    refused(checks, "a box without a lesion", ["--plan=box", image], USAGE, "--contour")
    refused(checks, "a lesion without a box", [f"--contour={mask}", image], USAGE, "--plan=box")
    refused(checks, "a box without a CT", ["--plan=box", f"--contour={mask}"], USAGE, "PATH")


def of_a_model(checks, folder):
    image, mask = h.voxels()
    config, model = folder + "/tiny.yaml", folder + "/tiny.safetensors"
    h.write(config, h.TINY.encode())
    done = h.run("adapt", "--image", h.write_nifti(folder + "/ct.nii.gz", image), "--contour",
                 h.write_nifti(folder + "/mask.nii.gz", mask), "--out", model, "--config", config,
                 "--quiet")
    checks.report("a model", [done.stderr] if done.returncode else [])
    done = h.run("info", "--plan=9x10x40", model, "--json")
    checks.report("plan of a model", json_faults(done, TINY, [9, 10, 40], [12, 12, 40], model))
    done = h.run("info", model, "--plan=9x10x40")
    checks.report("text of a model", text_faults(done, ("tiny.safetensors", "12x12x40")))
    told = json.loads(h.run("info", model, "--json").stdout)
    planned = json.loads(h.run("info", "--plan=8x8x8", model, "--json").stdout)
    checks.report("the same architecture", [] if told["architecture"] == planned["architecture"]
                  else [f"{told['architecture']}, {planned['architecture']}"])


def main():
    h.require_program()
    checks = h.Checks()
    with tempfile.TemporaryDirectory(prefix="reprise-test-") as folder:
        json_output(checks)
        text_output(checks)
        wrong_values(checks, folder)
        of_a_model(checks, folder)
        of_a_box(checks, folder)
    return checks.finish()


sys.exit(main())
