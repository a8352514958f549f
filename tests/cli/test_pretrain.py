"""`reprise pretrain` as its users run it: what the model says of itself, interruption, what is refused."""
import hashlib
import json
import os
import struct
import sys
import tempfile

import harness as h

CONFIG = h.TINY + """train:
  epochs: 2
  copies: 3
  crop: [16, 16, 16]
"""


def read_header(path):
    with open(path, "rb") as file:
        return json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))


def check_start(expect, folder, config):
    """An adaptation may begin with the model that comes with the program."""
    image, mask = h.voxels()
    image = h.write_nifti(os.path.join(folder, "image.nii"), image)
    mask = h.write_nifti(os.path.join(folder, "mask.nii"), mask)
    shipped = os.path.join(os.path.dirname(__file__), "..", "..", "models", "quick-start.safetensors")
    with open(shipped, "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()

    def adapted(name, *more):
        out = os.path.join(folder, name)
        done = h.run("adapt", f"--image={image}", f"--contour={mask}", f"--out={out}", "--epochs=1",
                     *more)
        expect(f"{name} is made: {done.stderr}", done.returncode == 0)
        header = read_header(out)
        metadata = header["__metadata__"]
        provenance = json.loads(metadata["reprise.provenance"])
        channels = json.loads(metadata["reprise.architecture"])["in_channels"]
        return provenance["base_model_sha256"], provenance["label"], channels, header

    base, label, channels, header = adapted("started", "--model=start")
    expect("begins with the start", (base, channels) == (digest, 4))
    expect("the start's label is not the patient's", label == "")
    expect("keeps its baseline", "baseline.image" in header and "baseline.lesion" in header)
    expect("fresh weights on request", adapted("fresh", "--model=none", f"--config={config}")[:3] == ("", "", 1))
    both = h.run("assess", "--baseline=x", "--contour=x", "--followup=x", "--out=y", "--model=start",
                 "--patient-model=x")
    expect("not beside a model that is adapted already", both.returncode == 2)
    done = h.run("adapt", f"--image={image}", f"--contour={mask}", "--model=start", "--recipe=study",
                 f"--out={os.path.join(folder, 'whole')}", "--epochs=1")
    expect("not for whole images", done.returncode == 1 and "region" in done.stderr)


def main():
    h.require_program()
    failures = []

    def expect(what, condition):
        if not condition:
            failures.append(what)

    with tempfile.TemporaryDirectory() as folder:
        config = h.write(os.path.join(folder, "tiny.yaml"), CONFIG.encode())
        out = os.path.join(folder, "general.safetensors")

        def pretrain(*more, to=out):
            return h.run("pretrain", f"--out={to}", f"--config={config}", "--seed=4", *more)

        done = pretrain()
        expect("runs", done.returncode == 0 and "2 epochs" in done.stdout)
        header = read_header(out)
        metadata = header["__metadata__"]
        architecture = json.loads(metadata["reprise.architecture"])
        expect("sees four images", architecture["in_channels"] == 4)
        expect("says which", architecture["inputs"] == "image+registered+distance+likeness")
        expect("is labelled",
               json.loads(metadata["reprise.provenance"])["label"] == "synthetic")
        expect("stem of four", header["stem.conv.weight"]["shape"][1] == 4)
        expect("in half precision", header["stem.conv.weight"]["dtype"] == "F16")
        with open(out + ".curve.csv", encoding="utf-8") as file:
            expect("a line for each epoch", len(file.readlines()) == 3)
        expect("no checkpoint is left", not os.path.exists(out + ".checkpoint"))
        with open(out, "rb") as file:
            first = file.read()
        os.remove(out)
        expect("again", pretrain("--threads=1").returncode == 0)
        with open(out, "rb") as file:
            expect("equal seeds, equal bits", file.read() == first)

        single = os.path.join(folder, "single.safetensors")
        done = pretrain("--inputs=image", "--epochs=1", to=single)
        expect("an image alone", done.returncode == 0)
        info = h.run("info", single)
        expect("info tells it", info.returncode == 0 and "synthetic" in info.stdout)

        expect("unknown inputs", pretrain("--inputs=sound").returncode == 2)
        expect("inputs of a model", pretrain(f"--model={single}", "--inputs=image").returncode == 2)
        expect("no output", h.run("pretrain").returncode == 2)
        expect("a crop too small",
               pretrain("--crop=8x16x16", to=os.path.join(folder, "x")).returncode == 1)
        expect("over its start", pretrain(f"--model={out}").returncode != 0)
        check_start(expect, folder, config)
    for failure in failures:
        print("failed:", failure)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
