#!/usr/bin/python3
"""The pictures of docs/adaptation.md, as SVG.

    examples/patient_pictures.py --out DIR --pictures docs/pictures [--program P] [--build build/release]
                                 [--recipe quick] [--case BASELINE/FOLLOWUP]

DIR is the folder of patient_model.py, whose records and assessed follow-ups are drawn; the images are of a phantom
(SYNTHETIC), --phantom SEED. The change of the lesion in training comes from the program's own code, which treated_lesion.c
calls. What there are no records for is left out.
"""
import argparse
import base64
import csv
import pathlib
import struct
import subprocess
import tempfile
import zlib

import nibabel
import numpy as np

from patient_cases import Followup, Program, Workshop, mask_of, read_json

BLUE, RED, GREEN, GREY, INK = "#2b6cb0", "#c53030", "#2f855a", "#718096", "#222222"
RECIPES = {"carried": GREY, "registered": "#b7791f", "study": GREEN, "quick": BLUE}


# ---- drawing --------------------------------------------------------------------------------------------------------


def png(rgb):
    """An array [y][x][3] of bytes as PNG."""
    height, width, _ = rgb.shape

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    rows = b"".join(b"\0" + rgb[y].tobytes() for y in range(height))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b""))


class Svg:
    def __init__(self, width, height, title):
        self.parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
                      f'height="{height}" font-family="sans-serif" font-size="13" role="img"><title>{title}</title>'
                      f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
                      '<defs><marker id="a" markerWidth="9" markerHeight="9" refX="8" refY="4" orient="auto">'
                      f'<path d="M0,0 L8,4 L0,8 z" fill="{INK}"/></marker></defs>']

    def text(self, x, y, text, size=13, anchor="start", fill=INK):
        text = str(text).replace("&", "&amp;").replace("<", "&lt;")
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" fill="{fill}">{text}'
                          '</text>')

    def line(self, x1, y1, x2, y2, stroke=INK, width=1.0, more=""):
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{stroke}" '
                          f'stroke-width="{width}" {more}/>')

    def arrow(self, x1, y1, x2, y2):
        self.line(x1, y1, x2, y2, width=1.5, more='marker-end="url(#a)"')

    def rect(self, x, y, width, height, fill="none", stroke="none", more=""):
        self.parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{fill}" '
                          f'stroke="{stroke}" {more}/>')

    def dot(self, x, y, radius, fill, more=""):
        self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{fill}" {more}/>')

    def image(self, x, y, width, height, rgb):
        data = base64.b64encode(png(rgb)).decode()
        self.parts.append(f'<image x="{x}" y="{y}" width="{width}" height="{height}" preserveAspectRatio="none" '
                          f'href="data:image/png;base64,{data}"/>')

    def save(self, path):
        path.write_text("\n".join(self.parts) + "\n</svg>\n")


def slice_of(image, masks, box, level):
    """An axial slice as colours, first axis to the left as radiologists see it, with contours: (mask, colour) each."""
    (x0, x1), (y0, y1) = box
    grey = np.clip(image[x0:x1, y0:y1, level], 0, 1)
    rgb = np.repeat((255 * grey)[..., None], 3, axis=-1).astype(np.uint8)
    rgb = rgb.repeat(2, axis=0).repeat(2, axis=1)
    for mask, colour in masks:
        inside = mask[x0:x1, y0:y1, level].repeat(2, axis=0).repeat(2, axis=1)
        padded = np.pad(inside, 1)
        core = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
        rgb[inside & ~core] = [int(colour[i:i + 2], 16) for i in (1, 3, 5)]
    return np.ascontiguousarray(rgb[::-1].transpose(1, 0, 2)[::-1])


def scaled(path):
    """An image in HU as the network's window shows it, 0..1, with x from left to right and y from front to back."""
    image = nibabel.as_closest_canonical(nibabel.load(path))
    return np.clip((np.asarray(image.dataobj, np.float32) + 150) / 400, 0, 1)


def inside(path):
    image = nibabel.as_closest_canonical(nibabel.load(path))
    return np.asarray(image.dataobj) >= 0.5


def window(mask, margin, shape):
    where = np.argwhere(mask)
    middle = (where.min(axis=0) + where.max(axis=0)) // 2
    half = int(max(np.ptp(where[:, :2], axis=0)) / 2 + margin)
    return [(max(0, middle[i] - half), min(shape[i], middle[i] + half)) for i in range(2)]


def largest_slice(mask):
    return int(mask.sum(axis=(0, 1)).argmax())


# ---- the pictures ---------------------------------------------------------------------------------------------------


def compiled(folder, build):
    here = pathlib.Path(__file__).parent
    libraries = sorted(pathlib.Path(build).glob("libreprise_*.a"))
    wanted = [p for p in libraries if p.stem.removeprefix("libreprise_") in ("learn", "nn", "kernels", "register", "io", "measure", "volume",
                                                      "base")]
    program = folder / "treated_lesion"
    subprocess.run(["gcc", "-std=gnu17", "-O2", "-I", here.parent / "include", "-I", here.parent / "src", "-o", program,
                    here / "treated_lesion.c", "-Wl,--start-group", *wanted, "-Wl,--end-group", "-lcrypto", "-ljansson",
                    "-ldeflate", "-lpthread", "-lm"], check=True)
    return program


def treated(baseline, build, count, seed=1):
    """Image and lesion as training shows them, some draws of one baseline."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        subprocess.run([compiled(folder, build), baseline.image, baseline.mask, str(seed), str(count), folder / "t"],
                       check=True, stdout=subprocess.DEVNULL)
        pairs = []
        for i in range(count):
            image = nibabel.as_closest_canonical(nibabel.load(folder / f"t{i}.nii"))
            pairs.append((np.asarray(image.dataobj, np.float32), inside(folder / f"t{i}_mask.nii")))
        return pairs


def draw_treated(baseline, build, path):
    image, mask = scaled(baseline.image), inside(baseline.mask)
    box, level = window(mask, 18, image.shape), largest_slice(mask)
    draws = treated(baseline, build, 9)
    svg = Svg(860, 400, "Changes of the lesion in training")
    svg.text(20, 24, "One baseline (phantom, synthetic) and nine draws of the change that training shows; red: the new "
             "contour, blue: the old one", 14)
    for i, (shown, lesion) in enumerate([(image, mask), *draws]):
        x, y = 20 + 166 * (i % 5), 40 + 178 * (i // 5)
        old = [(mask, BLUE)] if i else []
        svg.image(x, y, 156, 156, slice_of(shown, [*old, (lesion, RED)], box, level))
        ratio = np.cbrt(lesion.sum() / mask.sum()) - 1
        label = "baseline" if not i else "vanished" if not lesion.any() else f"mean radius {100 * ratio:+.0f} %"
        svg.text(x + 78, y + 170, label, 12, "middle")
    svg.save(path)


def draw_pipeline(baseline, followup, found, build, path):
    image, mask = scaled(baseline.image), inside(baseline.mask)
    later, truth = scaled(followup / "followup.nii.gz"), inside(followup / "truth_mask.nii.gz")
    whole = [(0, image.shape[0]), (0, image.shape[1])]
    box, level = window(mask, 15, image.shape), largest_slice(mask)
    after = largest_slice(truth)
    later_box = window(truth, 15 + int((box[0][1] - box[0][0]) / 2 - 15 - np.ptp(np.argwhere(truth)[:, :2], axis=0).max() / 2),
                       later.shape)
    svg = Svg(860, 470, "From the baseline to the response")
    svg.text(20, 24, "What the quick recipe does (images of a phantom, synthetic; points and interval are schematic)", 15)

    def framed(x, y, width, shown, contours, frame, where, number):
        height = width * shown.shape[1] / shown.shape[0]
        svg.image(x, y, width, round(height), slice_of(shown, contours, where, number))
        (x0, x1), (y0, y1) = frame
        k = width / shown.shape[0]
        svg.rect(x + k * (shown.shape[0] - x1), y + k * (shown.shape[1] - y1), k * (x1 - x0), k * (y1 - y0), "none", "#ecc94b",
                 'stroke-width="2"')
        return height
    framed(20, 60, 200, image, [(mask, RED)], box, whole, level)
    svg.text(20, 52, "1  baseline, contour, region", 13)
    for i, (shown, lesion) in enumerate(treated(baseline, build, 4)):
        x, y = 270 + 92 * (i % 2), 60 + 92 * (i // 2)
        svg.image(x, y, 86, 86, slice_of(shown, [(lesion, RED)], box, level))
    svg.text(270, 52, "2  crops, the lesion changed", 13)
    svg.arrow(225, 140, 264, 140)
    svg.rect(510, 95, 130, 70, "#ebf4ff", BLUE, 'rx="8"')
    svg.text(575, 125, "network", 13, "middle")
    svg.text(575, 145, "0 or 30 steps", 12, "middle")
    svg.text(510, 52, "3  patient model", 13)
    svg.arrow(458, 140, 504, 130)
    svg.text(690, 52, "4  tried before use", 13)
    svg.rect(690, 60, 150, 150, "#f7fafc", GREY)
    svg.line(700, 200, 830, 70, GREY, 1, 'stroke-dasharray="4 3"')
    for t, e in ((20, 2), (38, -3), (55, 2), (70, -2), (88, 3), (104, 2), (120, -3)):
        svg.dot(700 + t, 200 - t - e, 4, BLUE)
    svg.text(765, 226, "true and found diameter of", 11, "middle")
    svg.text(765, 240, "simulated follow-ups", 11, "middle")
    svg.arrow(645, 130, 684, 130)
    framed(20, 290, 200, later, [], later_box, [(0, later.shape[0]), (0, later.shape[1])], after)
    svg.text(20, 282, "5  follow-up, region registered", 13)
    svg.arrow(225, 370, 264, 370)
    contours = [(truth, GREEN)] + ([(found, RED)] if found is not None else [])
    svg.image(270, 290, 160, 160, slice_of(later, contours, later_box, after))
    svg.text(270, 282, "6  contour (green: the truth)", 13)
    svg.line(575, 170, 575, 256, width=1.5)
    svg.line(575, 256, 350, 256, width=1.5)
    svg.arrow(350, 256, 350, 268)
    bar(svg, 480, 330, 360, -25.6, {"95": (-36, -15), "80": (-32, -19)}, None)
    svg.text(480, 282, "7  interval on the thresholds, chances, or NE", 13)
    svg.arrow(435, 370, 474, 370)
    svg.arrow(765, 246, 765, 310)
    svg.save(path)


def bar(svg, x, y, width, change, intervals, truth, first=True, last=True, low=-70, high=50):
    """Change from baseline in percent between the thresholds of the response; the first of several bars names the
    responses, the last the thresholds."""
    def at(value):
        return x + width * (min(max(value, low), high) - low) / (high - low)
    for name, a, b, fill in (("PR", low, -30, "#c6f6d5"), ("SD", -30, 20, "#edf2f7"), ("PD", 20, high, "#fed7d7")):
        svg.rect(at(a), y, at(b) - at(a), 30, fill)
        if first:
            svg.text((at(a) + at(b)) / 2, y - 5, name, 12, "middle")
    for value in (-30, 20):
        svg.line(at(value), y, at(value), y + 36, INK)
        if last:
            svg.text(at(value), y + 50, f"{value:+d} %", 11, "middle")
    for share, thick in (("95", 4), ("80", 10)):
        if share in intervals:
            a, b = intervals[share]
            svg.rect(at(a), y + 15 - thick / 2, max(1, at(b) - at(a)), thick, BLUE, more='fill-opacity="0.6"')
    svg.dot(at(change), y + 15, 5, BLUE, 'stroke="#ffffff"')
    if truth is not None:
        svg.line(at(truth), y - 2, at(truth), y + 32, GREEN, 2.5)


def draw_intervals(records, path, most=16):
    """Found change with its intervals, follow-up for follow-up, and the truth."""
    with_it = [r for r in records if r.get("low95") is not None and r["recipe"] == "quick" and r["seed"] == 0]
    if not with_it:
        return
    with_it.sort(key=lambda r: r["true_change"])
    chosen = with_it[::max(1, len(with_it) // most)][:most]
    svg = Svg(860, 80 + 40 * len(chosen), "Intervals on the threshold bar")
    svg.text(20, 24, "Found change (dot), its 80 and 95 % intervals (blue) and the truth (green line); simulated follow-ups",
             14)
    for i, r in enumerate(chosen):
        def change(mm):
            return 100 * (mm / r["baseline_mm"] - 1)
        spans = {p: (change(r[f"low{p}"]), change(r[f"high{p}"])) for p in ("80", "95")}
        y = 60 + 40 * i
        svg.text(20, y + 20, f"{r['baseline']} {r['case'].split('_')[0]}", 12)
        bar(svg, 190, y, 430, change(r["found_mm"]), spans, r["true_change"], i == 0, i == len(chosen) - 1)
        chances = "  ".join(f"{c} {r['p_' + c]:.2f}" for c in ("PR", "SD", "PD") if r.get(f"p_{c}") is not None)
        svg.text(640, y + 20, f"{r['response']}   {chances}", 12)
    svg.save(path)


def scatter(svg, x, y, side, points, low, high, title):
    """Points (true, found, colour) with the line on which they should lie."""
    def at(value):
        return side * (min(max(value, low), high) - low) / (high - low)
    svg.rect(x, y, side, side, "#f7fafc", GREY)
    svg.line(x, y + side, x + side, y, GREY, 1, 'stroke-dasharray="4 3"')
    step = 20 if high - low <= 160 else 50
    for tick in range(int(np.ceil(low / step)) * step, int(high) + 1, step):
        svg.line(x + at(tick), y + side, x + at(tick), y + side + 4, GREY)
        svg.text(x + at(tick), y + side + 17, tick, 11, "middle")
        svg.line(x - 4, y + side - at(tick), x, y + side - at(tick), GREY)
        svg.text(x - 7, y + side - at(tick) + 4, tick, 11, "end")
    for true, found, colour in points:
        svg.dot(x + at(true), y + side - at(found), 3.5, colour, 'fill-opacity="0.65"')
    svg.text(x + side / 2, y - 8, title, 13, "middle")


def draw_changes(records, path):
    recipes = [n for n in ("carried", "registered", "study", "quick") if any(r["recipe"] == n for r in records)]
    svg = Svg(60 + 250 * max(1, len(recipes)), 300, "True and found change of the longest diameter")
    for i, name in enumerate(recipes):
        points = [(r["true_change"], 100 * (r["found_mm"] / r["baseline_mm"] - 1), RECIPES[name]) for r in records
                  if r["recipe"] == name and r["seed"] == 0 and r.get("found_mm")]
        scatter(svg, 50 + 250 * i, 40, 200, points, -80, 60, name)
    svg.text(20, 290, "Across: true change, %. Upwards: found change, %. Simulated and synthetic follow-ups.", 12)
    svg.save(path)


def draw_overlap(records, path):
    """Every Dice, by kind of change and recipe, with the mean."""
    kinds = [k for k in ("warp", "remodel", "phantom") if any(r["kind"] == k for r in records)]
    recipes = [n for n in ("carried", "registered", "study", "quick") if any(r["recipe"] == n for r in records)]
    svg = Svg(860, 330, "Dice by kind of change")
    wide = 780 / max(1, len(kinds))
    for tick in np.arange(0, 1.01, 0.2):
        svg.line(50, 280 - 230 * tick, 840, 280 - 230 * tick, "#e2e8f0")
        svg.text(44, 284 - 230 * tick, f"{tick:.1f}", 11, "end")
    for k, kind in enumerate(kinds):
        svg.text(55 + wide * (k + 0.5), 320, kind, 14, "middle")
        for i, name in enumerate(recipes):
            some = sorted(r["dice"] for r in records if (r["recipe"], r["kind"], r["seed"]) == (name, kind, 0))
            x = 55 + wide * (k + (i + 0.5) / len(recipes))
            for j, value in enumerate(some):
                svg.dot(x + 14 * ((j * 0.618) % 1 - 0.5), 280 - 230 * value, 3, RECIPES[name], 'fill-opacity="0.6"')
            if some:
                svg.line(x - 16, 280 - 230 * np.mean(some), x + 16, 280 - 230 * np.mean(some), INK, 2)
            svg.text(x, 298, name, 11, "middle", RECIPES[name])
    svg.text(20, 24, "Dice of every follow-up (simulated or synthetic) and its mean", 14)
    svg.save(path)


def draw_trials(out, records, path, most=4):
    """What the models were found to do on simulated follow-ups of their own baselines, and then did."""
    panels = []
    for name in dict.fromkeys(r["baseline"] for r in records if r["recipe"] == "quick" and r["seed"] == 0):
        mine = [r for r in records if (r["recipe"], r["seed"], r["baseline"]) == ("quick", 0, name)]
        results = [read_json(out / "work" / "evaluation" / "quick-s0" / name / r["case"] / "result.json") for r in mine]
        trials = next((r["guard"]["trials"] for r in results if r and r.get("guard")), [])
        points = [(t["true_mm"], t["found_mm"] or 0, GREY) for t in trials if not t["gone"]]
        if points:
            panels.append((name, points + [(r["true_mm"], r["found_mm"], BLUE) for r in mine if r.get("found_mm")]))
    panels = panels[:most]
    if not panels:
        return
    svg = Svg(60 + 250 * len(panels), 300, "Trials of patient models")
    for i, (name, points) in enumerate(panels):
        high = 10 * np.ceil(max(max(p[:2]) for p in points) / 10)
        scatter(svg, 50 + 250 * i, 40, 200, points, 0, high, name)
    svg.text(20, 290, "Longest diameter, mm: across true, upwards found. Grey: the trials; blue: the follow-ups. All simulated.",
             12)
    svg.save(path)


def records_of(out):
    every = [read_json(p) for p in sorted((out / "records" / "evaluation").glob("*/*/*.json"))]
    return [r for r in every if r and "error" not in r]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--program", default="build/release/reprise")
    parser.add_argument("--build", type=pathlib.Path, default=pathlib.Path("build/release"))
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--pictures", type=pathlib.Path, default=pathlib.Path("docs/pictures"))
    parser.add_argument("--phantom", type=int, default=900)
    options = parser.parse_args()
    workshop = Workshop(Program(options.program), options.out)
    baseline = workshop.baseline(f"p{options.phantom}")
    kind = "remodel" if workshop.program.knows("simulate", "--kind") else "warp"
    followup = workshop.followup(baseline, Followup(kind, -26, 901))
    draw_treated(baseline, options.build, options.pictures / "patient-changes.svg")
    draw_pipeline(baseline, followup, None, options.build, options.pictures / "patient-pipeline.svg")
    records = records_of(options.out)
    draw_intervals(records, options.pictures / "patient-intervals.svg")
    draw_trials(options.out, records, options.pictures / "patient-trials.svg")
    if records:
        draw_changes(records, options.pictures / "patient-change.svg")
        draw_overlap(records, options.pictures / "patient-dice.svg")


if __name__ == "__main__":
    main()
