"""reprise bench: the JSON and the table hold what they should, arithmetic equals a count of its own
from the architecture, and wrong values are refused in words. No figure of time is judged."""
import json
import os
import signal
import subprocess
import sys
import time

import harness as h

FAILED, USAGE = 1, 2
SMALL = ["bench", "--extent=16x16x16", "--rounds=1", "--quiet"]
WIDTH = 100


def macs(z, y, x):
    """Multiply-adds of a forward at an extent of whole strides, by the published architecture: growth
    12, 48 first filters, dense layers 2 3 4 5, bottleneck 7, then 5 4 3 2."""
    growth, layers, bottleneck = 12, (2, 3, 4, 5), 7
    total, channels, skips = z * y * x * 27 * 48, 48, []
    voxels = z * y * x
    for count in layers:
        for _ in range(count):
            total += voxels * 27 * channels * growth
            channels += growth
        skips.append(channels)
        total += voxels * channels * channels
        voxels //= 8
    for _ in range(bottleneck):
        total += voxels * 27 * channels * growth
        channels += growth
    new = bottleneck * growth
    for count, skip in zip(reversed(layers), reversed(skips)):
        total += voxels * 27 * new * new
        voxels *= 8
        channels = new + skip
        for _ in range(count):
            total += voxels * 27 * channels * growth
            channels += growth
        new = count * growth
    return total + voxels * channels * 2


def is_speed(figure, largest_is_best=True):
    low, high = ("median", "best") if largest_is_best else ("best", "median")
    return set(figure) == {"median", "best"} and 0 < figure[low] <= figure[high]


def run_faults(name, run, flops):
    keys = {"seconds", "flops", "gflops", "share_of_peak", "planned_bytes", "peak_bytes"}
    faults = [] if set(run) == keys else [f"{name} has {sorted(run)}"]
    if run["flops"] != flops:
        faults.append(f"{name}: {run['flops']} flops, counted {flops}")
    if abs(run["gflops"] * 1e9 * run["seconds"]["median"] / flops - 1) > 1e-9:
        faults.append(f"{name}: GFLOP/s are not flops by seconds")
    if not 0 < run["planned_bytes"] < run["peak_bytes"]:
        faults.append(f"{name}: {run['planned_bytes']} bytes planned, {run['peak_bytes']} used")
    return faults if is_speed(run["seconds"], False) else faults + [f"{name}: {run['seconds']}"]


def kernel_faults(result, forward):
    kernels = result["kernels"]
    faults = [f"{k['kernel']}: {k}" for k in kernels
              if not (k["calls"] >= 1 and k["seconds"] >= 0 and 0 <= k["share"] <= 1
                      and k["limited_by"] in ("memory", "arithmetic", None))]
    total = sum(k["share"] for k in kernels) + result["other_share"]
    if result["rounds"] == 1 and abs(total - 1) > 0.02:
        faults.append(f"shares add up to {total}")
    # Four transitions down in three groups of channels forward and two backward; gradients by the parts
    # of a stack one by one: on the way up, in the head, in the bottleneck.
    parts = sum(1 + 2 * (layers - 1) for layers in (5, 4, 3, 2)) + 2 + 6
    for operation, convolutions in (("forward", 45 + 4 * 2), ("weight gradient", 45 + 4),
                                    ("data gradient", 44 + 4 + parts)):
        those = [k for k in kernels if k["operation"] == operation]
        calls, flops = sum(k["calls"] for k in those), sum(k["flops"] for k in those)
        if calls != convolutions:
            faults.append(f"{calls} calls of {operation}, the network has {convolutions}")
        if operation != "data gradient" and flops != 2 * forward:
            faults.append(f"{operation}: {flops} flops in all kernels, counted {2 * forward}")
    places = [(k["level"], k["layer"], k["operation"]) for k in kernels]
    if len(set(places)) != len(places):
        faults.append("a kernel is listed twice")
    dense = {k["level"] for k in kernels if k["layer"] == "dense" and k["operation"] == "forward"}
    if dense != {0, 1, 2, 3, 4}:
        faults.append(f"dense layers at levels {dense}")
    if not {"adam", "loss"} <= {k["operation"] for k in kernels}:
        faults.append("Adam or the loss is missing")
    return faults + ([] if kernels == sorted(kernels, key=lambda k: -k["share"])
                     else ["kernels are not in the order of their time"])


def result_faults(done, extent, padded, rounds):
    if done.returncode or done.stderr or done.faults:
        return done.faults + [f"exit code {done.returncode}: {done.stderr}"]
    result, count = json.loads(done.stdout), macs(*padded)
    keys = ("provenance machine extent_zyx padded_zyx rounds forward training_step kernels "
            "other_seconds other_share").split()
    faults = [] if list(result) == keys else [f"keys {list(result)}"]
    if (result["extent_zyx"], result["padded_zyx"], result["rounds"]) != (extent, padded, rounds):
        faults.append(f"{result['extent_zyx']} {result['padded_zyx']} {result['rounds']}")
    machine = result["machine"]
    if not (machine["cpu"] and is_speed(machine["multiply_add_gflops"])
            and is_speed(machine["triad_gb_per_s"]) and machine["triad_bytes"] > 2 ** 26):
        faults.append(str(machine))
    if not {"version", "kernels", "threads", "command_line"} <= set(result["provenance"]):
        faults.append(str(result["provenance"]))
    faults += run_faults("forward", result["forward"], 2 * count)
    faults += run_faults("training step", result["training_step"], 6 * count)
    return faults + kernel_faults(result, count)


def json_output(checks):
    checks.report("the count itself", [] if round(2 * macs(48, 96, 96) / 1e9, 1) == 144.0
                  else [f"{2 * macs(48, 96, 96) / 1e9} GFLOP at 48x96x96"])
    done = h.run(*SMALL, "--json", "--threads=2")
    checks.report("json", result_faults(done, [16, 16, 16], [16, 16, 16], 1))
    provenance = json.loads(done.stdout)["provenance"]
    checks.report("threads", [] if provenance["threads"] == 2 else [str(provenance)])
    rounds = 1 if h.SHORT else 2
    done = h.run("bench", "--extent=9x17x3", f"--rounds={rounds}", "--json", "--threads=1", "--quiet",
                 f"--cpu={provenance['kernels']}")
    checks.report("json of a padded extent", result_faults(done, [9, 17, 3], [16, 32, 16], rounds))
    again = json.loads(done.stdout)["provenance"]
    checks.report("kernels and one thread", [] if again["kernels"] == provenance["kernels"]
                  and again["threads"] == 1 else [str(again)])


def trained_model(checks):
    model = os.path.join(os.environ["REPRISE_SOURCE"], "models", "general-synthetic.safetensors")
    done = h.run(*SMALL, "--json", f"--model={model}")
    faults = done.faults + ([f"exit code {done.returncode}: {done.stderr}"] if done.returncode else [])
    if not faults:
        result = json.loads(done.stdout)
        faults = run_faults("trained step", result["trained_step"], 6 * macs(16, 16, 16))
    checks.report("a trained model", faults)
    refused(checks, "no model", ["--model=nowhere.safetensors"], FAILED, "nowhere.safetensors")


def text_output(checks):
    done = h.run(*SMALL)
    lines = done.stdout.split("\n")
    faults = done.faults + [f"wider than {WIDTH}: {line}" for line in lines if len(line) > WIDTH]
    if done.returncode or done.stderr:
        faults.append(f"exit code {done.returncode}: {done.stderr}")
    faults += [f"{word!r} is missing" for word in
               ("arithmetic", "memory", "GFLOP/s", "GB/s", "forward", "training step", "bottleneck",
                "conv 3x3x3 weight gradient", "between kernels", "###") if word not in done.stdout]
    total = [line for line in lines if line.split()[:1] == ["sum"]]
    if len(total) != 1 or not 99 <= float(total[0].split()[-1].rstrip("%")) <= 101:
        faults.append(f"the total is {total}")
    checks.report("table", faults)


def refused(checks, name, arguments, code, *words):
    done = h.run("bench", *arguments)
    faults = done.faults + ([f"prints {done.stdout}"] if done.stdout else [])
    if done.returncode != code:
        faults.append(f"exit code {done.returncode}, not {code}: {done.stderr}")
    faults += [f"no {word!r} in {done.stderr}" for word in words if word not in done.stderr]
    checks.report(name, faults)


def wrong_values(checks):
    for extent in ("16x16", "0x16x16", "16x-16x16", "16x16x16x16", "axbxc", "16.5x16x16", "",
                   "99999x16x16", "nanx16x16"):
        refused(checks, f"extent {extent}", [f"--extent={extent}"], USAGE, "--extent", "ZxYxX")
    for rounds in ("0", "-1", "many", "1001", "1.5", ""):
        refused(checks, f"rounds {rounds}", [f"--rounds={rounds}"], USAGE, "--rounds", "from 1")
    refused(checks, "threads", ["--threads=0"], USAGE, "--threads")
    refused(checks, "an argument too many", ["file"], USAGE, "file")
    refused(checks, "kernels", ["--cpu=abacus"], FAILED, "abacus", "ref")
    refused(checks, "too little memory", ["--memory=100M"], FAILED, "48x96x96", "100 MiB")
    refused(checks, "an extent beyond any memory", ["--extent=4096x4096x4096"], FAILED, "MiB")


def catches_interrupts(process):
    with open(f"/proc/{process.pid}/status", encoding="ascii") as file:
        caught = [line for line in file if line.startswith("SigCgt:")]
    return bool(int(caught[0].split()[1], 16) >> (signal.SIGINT - 1) & 1)


def interruption(checks):
    process = subprocess.Popen([h.REPRISE, "bench", "--extent=16x32x32", "--rounds=1000", "--quiet"],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while process.poll() is None and not catches_interrupts(process):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=h.SECONDS)
    faults = [] if process.returncode == FAILED else [f"exit code {process.returncode}"]
    if out or b"interrupted" not in err:
        faults.append(f"prints {out} and {err}")
    checks.report("Ctrl-C", faults)


def main():
    h.require_program()
    checks = h.Checks()
    json_output(checks)
    trained_model(checks)
    text_output(checks)
    wrong_values(checks)
    interruption(checks)
    return checks.finish()


sys.exit(main())
