#!/usr/bin/python3
"""Follow-ups that must not be answered wrongly: vanished and doubled lesions, other patients, wrong places, images that
are mirrored, reversed or cut, cone beams, hollow organs.

    examples/hard_cases.py --program build/release/reprise --out DIR [--data DATA] [--kinds KIND,...] [--limit N]
                           [--recipes quick] [--jobs N] [--threads N]

With the --out of patient_model.py its patient models are used again. A case is well answered by the true response or by
none (NE, or a refusal); where no response is true (another patient) by none alone. Everything here is SIMULATED or
SYNTHETIC. The changes are made by numpy, by no code of the program, except the simulated follow-up beneath some of them.
"""
import argparse
import concurrent.futures
import csv
import pathlib
import shutil
import traceback

import nibabel
import numpy as np

import patient_model
import patient_tables
from patient_cases import SARCOMAS, Failure, Followup, Workshop, mask_of, read_json, save_like, write_json

BASES = (*SARCOMAS, "p4101", "p4102", "p4103", "p4104", "p4105", "p4106")


class Case:
    """`truth`: whether the simulated lesion's response is the true one; else none is."""

    def __init__(self, kind, baseline, beneath, make, truth=True):
        self.kind, self.baseline, self.beneath, self.make, self.truth = kind, baseline, beneath, make, truth
        self.name = f"{kind.replace(' ', '-')}_{baseline}"


# ---- changes of an image; each takes array, mask, affine and a random generator and returns what changed --------


def axis_of(affine, pair):
    """The array's axis that runs along a direction of the body ("LR", "AP" or "IS")."""
    return [i for i, code in enumerate(nibabel.aff2axcodes(affine)) if code in pair][0]


def spacing_of(affine):
    return np.sqrt((affine[:3, :3] ** 2).sum(axis=0))


def blurred(values, steps):
    """Repeated means of three neighbours along each axis."""
    for _ in range(steps):
        for axis in range(3):
            padded = np.pad(values, [(1, 1) if a == axis else (0, 0) for a in range(3)], mode="edge")
            n = values.shape[axis]
            values = sum(np.take(padded, range(k, k + n), axis) for k in range(3)) / 3
    return values


def grown(mask, steps):
    for _ in range(steps):
        mask = blurred(mask.astype(np.float32), 1) > 1e-6
    return mask


def box_round(mask, margin):
    where = np.argwhere(mask)
    return tuple(slice(max(0, a - margin), b + margin + 1) for a, b in zip(where.min(axis=0), where.max(axis=0)))


def vanish(image, mask, affine, random):
    """The lesion and its border are filled in from around (the Laplace equation), with noise like its surroundings'."""
    box = box_round(mask, 8)
    part, hole = image[box].astype(np.float32), grown(mask[box], 2)
    shell = grown(hole, 3) & ~hole & (part > -200)
    sd = (part - blurred(part, 1))[shell].std()
    filled = np.where(hole, part[shell].mean(), part)
    for _ in range(300):
        filled = np.where(hole, blurred(filled, 1), part)
    noise = random.normal(0, 1, part.shape).astype(np.float32)
    part = np.where(hole, filled + 1.2 * sd * noise, part)
    image = image.copy()
    image[box] = part
    return image, np.zeros_like(mask), affine


def shifts(mask, part, affine, gap_mm):
    """Shifts in voxels, of every direction in the plane, that put a part of a lesion beside the whole, a gap apart."""
    spacing = spacing_of(affine)
    planar = [a for a in range(3) if a != axis_of(affine, "IS")]
    for angle in np.linspace(0, 2 * np.pi, 16, endpoint=False):
        along = np.zeros(3)
        along[planar[0]], along[planar[1]] = np.cos(angle), np.sin(angle)
        distance = (np.argwhere(mask) * spacing @ along).max() - (np.argwhere(part) * spacing @ along).min() + gap_mm
        yield np.rint(along * distance / spacing).astype(int)


def moved(array, shift):
    """Without wrapping round: zeros come in."""
    out = np.zeros_like(array)
    here = tuple(slice(max(0, s), n + min(0, s)) for s, n in zip(shift, array.shape))
    there = tuple(slice(max(0, -s), n + min(0, -s)) for s, n in zip(shift, array.shape))
    if all(n > abs(s) for s, n in zip(shift, array.shape)):
        out[here] = array[there]
    return out


def beside(image, mask, affine, gap_mm):
    """The largest core of a lesion that has room in the soft tissue beside it, and the shift that brings it there."""
    part = mask
    while part.any():
        best, most = None, 0.9
        for shift in shifts(mask, part, affine, gap_mm):
            inside = ((image > -150) & moved(part, shift) & ~mask).sum() / part.sum()
            if inside > most:
                best, most = shift, inside
        if best is not None:
            return part, best
        part = ~grown(~part, 1)
    raise Failure("no tissue beside the lesion")


def double(image, mask, affine, random):
    """A second lesion like the first beside it."""
    part, shift = beside(image, mask, affine, 6)
    weight = moved(blurred(part.astype(np.float32), 1), shift) * ~grown(mask, 1)
    return image * (1 - weight) + moved(image, shift) * weight, mask, affine


def mirror(image, mask, affine, random):
    axis = axis_of(affine, "LR")
    return np.flip(image, axis), np.flip(mask, axis), affine


def reverse(image, mask, affine, random):
    axis = axis_of(affine, "IS")
    return np.flip(image, axis), np.flip(mask, axis), affine


def cut(image, mask, affine, random):
    """The field of view ends within the lesion, at a third of its extent."""
    axis = axis_of(affine, ("IS", "LR", "AP")[random.integers(3)])
    where = np.argwhere(mask)[:, axis]
    at = int(round(where.min() + np.ptp(where) * (0.35 if random.integers(2) else 0.65)))
    low = np.zeros(3, int)
    keep = [slice(None)] * 3
    if at - where.min() < np.ptp(where) / 2:
        keep[axis], low[axis] = slice(at, None), at
    else:
        keep[axis] = slice(0, at)
    affine = affine.copy()
    affine[:3, 3] += affine[:3, :3] @ low
    return image[tuple(keep)], mask[tuple(keep)], affine


def cone_beam(image, mask, affine, random):
    """Other grey values, cupping, rings, strong noise, and a round field of view."""
    up = axis_of(affine, "IS")
    planar = [a for a in range(3) if a != up]
    size = [image.shape[a] * spacing_of(affine)[a] for a in planar]
    axes = [np.reshape(np.linspace(-s / 2, s / 2, image.shape[a]), [-1 if i == a else 1 for i in range(3)])
            for a, s in zip(planar, size)]
    radius = np.sqrt(axes[0] ** 2 + axes[1] ** 2)
    edge = 0.5 * max(size)
    out = (image + 1000) * random.uniform(0.75, 0.9) - 1000 + random.uniform(-60, 120)
    out = out + 80 * (radius / edge) ** 2 - 40 + 12 * np.sin(radius / random.uniform(2, 4))
    noise = blurred(random.normal(0, 1, image.shape).astype(np.float32), 1)
    out = out + random.uniform(40, 70) * noise / noise.std()
    return np.where(radius < edge, out, -1000), mask, affine


# ---- hollow organs ------------------------------------------------------------------------------------------------


def tube(image, affine, bend, radius, wall, filling, random):
    """Draws a bent tube with a thin wall into an image, filled with fluid and gas, and returns its contour."""
    shape = np.array(image.shape)
    world = np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"), axis=-1) * spacing_of(affine)
    centre = shape * spacing_of(affine) / 2 + np.array([10.0, 5.0, 0.0])
    along = np.linspace(-1, 1, 60)
    line = centre + np.stack([38 * np.sin(bend * along), 45 * along * np.cos(0.4 * bend * along),
                              12 * along + 8 * np.cos(2 * along)], axis=-1)
    nearest = np.full(shape, np.inf)
    for point, width in zip(line, radius * (1 + 0.35 * np.sin(5 * along + bend))):
        nearest = np.minimum(nearest, np.sqrt(((world - point) ** 2).sum(axis=-1)) / width)
    inside, lumen = nearest < 1, nearest < 1 - wall / radius
    gas = lumen & (blurred(random.normal(0, 1, shape), 3) > filling)
    out = np.where(inside, 55.0, image)
    out = np.where(lumen, 15.0, out)
    out = np.where(gas, -850.0, out)
    return out + random.normal(0, 35, shape), inside


class HardWorkshop(Workshop):
    """Also makes baselines whose contour is on other tissue (moved-NAME) and hollow organs (hollow-SEED)."""

    def _folder(self, name):
        return self.out / "baselines" / name if "-" in name else super()._folder(name)

    def _make(self, baseline):
        kind, _, name = baseline.name.partition("-")
        if kind == "moved":
            self._move(baseline, self.baseline(name))
        elif kind == "hollow":
            self._hollow(baseline, int(name), 1.6, 11.0, baseline.image, baseline.mask)
        else:
            super()._make(baseline)

    def _move(self, baseline, original):
        image, (mask, affine) = nibabel.load(original.image), mask_of(original.mask)
        part, shift = beside(np.asarray(image.dataobj), mask, affine, 10)
        baseline.folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(original.image, baseline.image)
        save_like((moved(part, shift) & ~mask).astype(np.uint8), nibabel.load(original.mask), baseline.mask)

    def _hollow(self, baseline, seed, bend, radius, image_file, mask_file):
        host = self.baseline(f"p{seed}")
        template = nibabel.load(host.image)
        random = np.random.default_rng((seed, int(10 * bend)))
        image, mask = tube(np.asarray(template.dataobj, float), template.affine, bend, radius, 4.0,
                           random.uniform(-0.02, 0.05), random)
        save_like(np.rint(image).astype(np.int16), template, image_file)
        save_like(mask.astype(np.uint8), nibabel.load(host.mask), mask_file)

    def case(self, case, seed):
        """Folder with followup.nii.gz and truth.json: the true response, or null where none is."""
        folder = self.out / "hard" / case.name
        if (folder / "truth.json").exists():
            return folder
        baseline = self.baseline(case.baseline)
        truth, empty = None, False
        if case.kind == "hollow organ":
            self._hollow(baseline, int(case.baseline.split("-")[1]), *case.make, folder / "followup.nii.gz",
                         folder / "truth_mask.nii.gz")
        else:
            empty = self._change(case, baseline, folder, np.random.default_rng((5300, seed)))
        if empty and case.truth:
            truth = "CR"
        elif case.kind == "cut":  # what is true of the lesion is so whether or not the image shows it
            truth = read_json(folder / "whole.json")["response"]
        elif case.truth:
            truth = self.respond(baseline, folder / "truth_mask.nii.gz")["response"]
        write_json(folder / "truth.json", {"response": truth})
        return folder

    def _change(self, case, baseline, folder, random):
        if isinstance(case.beneath, Followup):
            host = self.baseline(case.baseline.removeprefix("moved-"))
            source = self.followup(host, case.beneath)
            files = source / "followup.nii.gz", source / "truth_mask.nii.gz"
            if (source / "measured.json").exists():
                folder.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source / "measured.json", folder / "whole.json")
        else:
            other = self.baseline(case.beneath)
            files = other.image, other.mask
        template, (mask, affine) = nibabel.load(files[0]), mask_of(files[1])
        image = np.asarray(template.dataobj, np.float32)
        if case.make:
            image, mask, affine = case.make(image, mask, affine, random)
        template = nibabel.Nifti1Image(np.zeros((1, 1, 1), np.int16), affine, template.header)
        save_like(mask.astype(np.uint8), template, folder / "truth_mask.nii.gz")
        save_like(np.rint(image).astype(np.int16), template, folder / "followup.nii.gz")
        return not mask.any()


def other_region(image, mask, affine, random):
    """What lies beside the lesion: the half of the image without it."""
    axis = axis_of(affine, "LR")
    where = np.argwhere(mask)[:, axis]
    low, high = where.min(), where.max()
    keep = [slice(None)] * 3
    start = np.zeros(3, int)
    if low > image.shape[axis] - high:
        keep[axis] = slice(0, max(16, low - 2))
    else:
        keep[axis], start[axis] = slice(min(high + 2, image.shape[axis] - 16), None), high + 2
    affine = affine.copy()
    affine[:3, 3] += affine[:3, :3] @ start
    return image[tuple(keep)], mask[tuple(keep)], affine


def cases(data):
    """All of them, in a fixed order; the seed of the simulated follow-up beneath is 5300 and up."""
    bases = [b for b in BASES if data or b not in SARCOMAS]
    changes = (-45, -10, 25, -28, 12, -55, 5, -20)
    found = []
    for i, name in enumerate(bases):
        def beneath(shift):
            return Followup("warp", changes[(i + shift) % len(changes)], 5300 + 10 * i + shift)
        other = bases[(i + 1) % len(bases)] if not name.startswith("p") else f"p{4101 + (int(name[1:]) - 4100) % 8}"
        found += [Case("vanished", name, beneath(0), vanish), Case("other lesion", name, beneath(1), double),
                  Case("other patient", name, other, None, truth=False),
                  Case("mirrored", name, beneath(2), mirror), Case("reversed", name, beneath(3), reverse),
                  Case("cut", name, beneath(4), cut), Case("cone beam", name, beneath(5), cone_beam),
                  Case("other region", name, beneath(6), other_region, truth=False)]
        if i in (0, 2, 4):
            found += [Case("wrong place", f"moved-{name}", beneath(7), None, truth=False)]
    for seed, changed in ((4107, (1.1, 14.0)), (4108, (2.2, 9.0))):
        found.append(Case("hollow organ", f"hollow-{seed}", None, changed))
    return found


class Hard(patient_model.Study):
    def __init__(self, options):
        super().__init__(options)
        self.workshop = HardWorkshop(self.program, options.out, options.data)

    def one(self, recipe, case, seed):
        file = self.out / "records" / "hard" / recipe / f"{case.name}.json"
        old = read_json(file)
        if self.over() or (old and "error" not in old):
            return
        entry = {"recipe": recipe, "kind": case.kind, "baseline": case.baseline, "case": case.name}
        try:
            folder = self.workshop.case(case, seed)
            baseline = self.workshop.baseline(case.baseline)
            entry["true_response"] = read_json(folder / "truth.json")["response"]
            model, _ = self.model(recipe, 0, baseline)
            if not model:
                return
            entry.update(self.answer(self.recipes[recipe], model, baseline, folder,
                                     self.out / "work" / "hard" / recipe / case.name))
        except Exception as problem:
            self.failures += 1
            entry["error"] = str(problem) if isinstance(problem, Failure) else traceback.format_exc()
        write_json(file, entry)
        self.say(f"{recipe} {case.name}: {entry.get('response', entry.get('error'))} (true "
                 f"{entry.get('true_response')}) {' '.join(entry.get('reasons', []))}")

    def answer(self, recipe, model, baseline, folder, work):
        try:
            if recipe.way == "segment":
                _, _, found = self.segment(model, baseline, folder, work)
            else:
                _, _, found = self.assess(recipe, model, baseline, folder, work)
        except Failure as refusal:
            if refusal.code == 3:
                return {"response": "NE", "reasons": ["refused"], "message": str(refusal)}
            raise
        return found


def outcome(record):
    if "error" in record:
        return "failed"
    if record["response"] == "NE":
        return "NE"
    return "right" if record["response"] == record["true_response"] else "wrong"


def tables(out, document=None):
    folder = out / "records" / "hard"
    records = [read_json(path) for path in sorted(folder.glob("*/*.json")) if not path.name.startswith(".")]
    rows = []
    for keys in (("recipe", "kind"), ("recipe",)):
        for key, some in sorted(patient_tables.groups(records, *keys).items()):
            counts = [outcome(r) for r in some]
            rows.append([key[0], key[1] if len(key) > 1 else "all", str(len(some)),
                         *(str(counts.count(o)) for o in ("right", "NE", "wrong", "failed"))])
    text = patient_tables.table(("recipe", "kind", "cases", "right", "not answered", "wrong definite", "failed"), rows)
    if document:
        patient_tables.fill(document, {"hard": text})
    bad = [[r["recipe"], r["case"], str(r.get("true_response")), r.get("response", r.get("error", ""))]
           for r in records if outcome(r) in ("wrong", "failed")]
    if bad:
        text += "\n" + patient_tables.table(("recipe", "case", "truth", "given"), bad)
    folder = out / "tables" / "hard"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tables.md").write_text(text)
    with open(folder / "cases.csv", "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("recipe", "kind", "case", "truth", "response", "outcome", "reasons"))
        for r in records:
            writer.writerow((r["recipe"], r["kind"], r["case"], r.get("true_response"), r.get("response"), outcome(r),
                             " ".join(r.get("reasons", []))))
    return text


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    patient_model.common_options(parser)
    parser.add_argument("--kinds", type=lambda text: text.split(","))
    parser.set_defaults(recipes=["quick"], set="hard")
    options = parser.parse_args()
    study = Hard(options)
    chosen = [(seed, c) for seed, c in enumerate(cases(options.data)) if not options.kinds or c.kind in options.kinds]
    if options.only:
        chosen = [(seed, c) for seed, c in chosen if c.baseline in options.only]
    try:
        if not options.tables:
            with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
                for recipe in options.recipes:
                    for _ in pool.map(lambda entry: study.one(recipe, entry[1], entry[0]), chosen[:options.limit]):
                        pass
    finally:
        print(tables(options.out, options.document))


if __name__ == "__main__":
    main()
