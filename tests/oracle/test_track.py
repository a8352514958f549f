"""`reprise track` on simulated follow-ups with known truth: lesions painted into a phantom, moved rigidly by
up to 40 mm and 10 degrees, grown, shrunk, gone, added, split and merged. Every lesion must come out
matched or reported, and the registration must be right at the lesions to the millimetre."""
import csv
import json
import os
import subprocess
import sys
import tempfile

try:
    import nibabel
    import numpy as np
    from scipy import ndimage
    from scipy.spatial.transform import Rotation
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

REPRISE = os.environ["REPRISE"]
MEDIAN_MM, MAX_MM = 0.5, 1.0
AIR = -1000.0
LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


class Scan:
    """A phantom's voxels [z][y][x] and their affine to LPS."""

    def __init__(self, path):
        file = nibabel.load(path)
        self.array = np.asarray(file.dataobj, np.float32).transpose(2, 1, 0)
        self.affine = LPS @ file.affine
        solid = ndimage.binary_opening(self.array > -200, iterations=3)
        label, _ = ndimage.label(solid)
        self.body = label == 1 + np.argmax(np.bincount(label.ravel())[1:])
        spacing = np.linalg.norm(self.affine[:3, :3], axis=0)
        padded = np.pad(self.body, 1)
        self.depth = ndimage.distance_transform_edt(padded, spacing[::-1])[1:-1, 1:-1, 1:-1]

    def sample(self, world):
        index = (world - self.affine[:3, 3]) @ np.linalg.inv(self.affine[:3, :3]).T
        return ndimage.map_coordinates(self.array, index.T[::-1], order=1, cval=AIR)

    def centre(self):
        z, y, x = np.nonzero(self.body)
        return self.affine[:3, :3] @ [x.mean(), y.mean(), z.mean()] + self.affine[:3, 3]


class Motion:
    def __init__(self, rng, centre, mm, degrees):
        way, axis = rng.standard_normal((2, 3))
        self.rotation = Rotation.from_rotvec(np.radians(degrees) * axis / np.linalg.norm(axis))
        self.way, self.centre = mm * way / np.linalg.norm(way), centre

    def apply(self, x):
        return self.rotation.apply(x - self.centre) + self.centre + self.way

    def back(self, y):
        return self.rotation.inv().apply(y - self.way - self.centre) + self.centre


class Breathing(Motion):
    """The same, and an organ in the front of the body moves by up to depth_mm more, mostly along the body:
    what no rigid transform follows."""

    def __init__(self, rng, centre, mm, degrees, depth_mm):
        super().__init__(rng, centre, mm, degrees)
        self.depth_mm = depth_mm
        self.organ, self.size = centre + [-40.0, -30.0, 10.0], np.array([55.0, 45.0, 60.0])

    def deeper(self, x):
        weight = np.exp(-0.5 * (((x - self.organ) / self.size) ** 2).sum(1))
        return self.depth_mm * weight[:, None] * np.array([0.0, 0.3, -0.95])

    def apply(self, x):
        return super().apply(x + self.deeper(x))

    def back(self, y):
        still = super().back(y)
        x = still
        for _ in range(10):
            x = still - self.deeper(x)
        return x


class Lesion:
    """Ellipsoids in the baseline's world that together are one lesion."""

    def __init__(self, parts, hu):
        self.parts, self.hu = parts, hu

    def holds(self, x):
        inside = np.zeros(len(x), bool)
        for centre, axes in self.parts:
            inside |= (((x - centre) / axes) ** 2).sum(1) <= 1
        return inside

    def scaled(self, factor):
        return Lesion([(c, a * factor) for c, a in self.parts], self.hu)


def places(scan, rng, count, room_mm, apart_mm):
    """Points deep enough in the body and far from each other."""
    z, y, x = np.nonzero(scan.depth > room_mm)
    points = np.stack([x, y, z], 1) @ scan.affine[:3, :3].T + scan.affine[:3, 3]
    chosen = []
    while len(chosen) < count:
        far = points
        for c in chosen:
            far = far[np.linalg.norm(far - c, axis=1) > apart_mm]
        if not len(far):
            raise RuntimeError("the phantom has no room for so many lesions")
        chosen.append(far[rng.integers(len(far))])
    return chosen


def see(scan, lesions, motion, grid, rng, labelled):
    """Image and label map of the scene on a grid (size, affine); without labelled a binary mask. Label
    i + 1 is lesion i, before the numbers are dealt."""
    size, affine = grid
    i, j, k = np.meshgrid(*(np.arange(n) for n in size), indexing="ij")
    world = np.stack([i, j, k], -1).reshape(-1, 3) @ affine[:3, :3].T + affine[:3, 3]
    x = motion.back(world) if motion else world
    values, label = scan.sample(x), np.zeros(len(x), np.int16)
    for number, lesion in enumerate(lesions, 1):
        inside = lesion.holds(x)
        values[inside] = lesion.hu
        label[inside] = number if labelled else 1
    values = values + 8 * rng.standard_normal(values.shape)
    return values.reshape(size), label.reshape(size)


def save(path, array, affine, dtype):
    nibabel.save(nibabel.Nifti1Image(array.astype(dtype), LPS @ affine), path)


def followup_grid(scan, motion, spacing, rng, turn):
    """Round where the body has moved to, a little off, with axes turned about z."""
    extent = np.linalg.norm(scan.affine[:3, :3], axis=0) * scan.array.shape[::-1]
    size = np.round(extent * [1, 1, 0.95] / spacing).astype(int)
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("z", turn, degrees=True).as_matrix() * spacing
    middle = scan.affine[:3, :3] @ ((np.array(scan.array.shape[::-1]) - 1) / 2) + scan.affine[:3, 3]
    affine[:3, 3] = motion.apply(middle[None])[0] + rng.uniform(-5, 5, 3) \
        - affine[:3, :3] @ ((size - 1) / 2)
    return size, affine


class Story:
    """What happens to count lesions: expected[i] = (kind, indices of the follow-up's lesions)."""

    def __init__(self, scan, rng, count, events):
        self.before, self.after, self.expected, self.fresh = [], [], [], []
        centres = places(scan, rng, count + 1, 24, 52)
        for n in range(count):
            axes = rng.uniform(6, 13, 3)
            event = events[n] if n < len(events) else "stay"
            getattr(self, event)(centres[n], axes, rng)
        if "new" in events:
            self.fresh.append(len(self.after))
            self.after.append(Lesion([(centres[count], rng.uniform(5, 9, 3))], 130))

    def stay(self, centre, axes, rng):
        lesion = Lesion([(centre, axes)], rng.choice([-20, 150]))
        self.before.append(lesion)
        self.expected.append(("match", [len(self.after)]))
        self.after.append(lesion.scaled(rng.uniform(0.65, 1.4)))

    new = stay  # the new one comes besides

    def gone(self, centre, axes, rng):
        self.before.append(Lesion([(centre, axes)], -20))
        self.expected.append(("vanished", []))

    def split(self, centre, axes, rng):
        axes = np.array([15.0, 9.0, 10.0])
        self.before.append(Lesion([(centre, axes)], 150))
        self.expected.append(("split", [len(self.after), len(self.after) + 1]))
        for side, radius in ((-1, 6.0), (1, 5.0)):
            self.after.append(Lesion([(centre + [side * 9.0, 0, 0], np.full(3, radius))], 150))

    def merge(self, centre, axes, rng):
        """Two that lie 4 mm apart grow into each other."""
        one, two = (Lesion([(centre + [side * 11.0, 0, 0], np.array([9.0, 9.0, 9.0]))], 150)
                    for side in (-1, 1))
        self.before += [one, two]
        self.expected += [("survivor", [len(self.after)]), ("merged", [len(self.after)])]
        self.after.append(Lesion([(c, a * 1.5) for c, a in one.parts + two.parts], 150))


def names_of(label, lesions, x_of, labelled):
    """What `track` calls each lesion: its label, or the number of its component by size."""
    if labelled:
        return [str(n + 1) for n in range(len(lesions))]
    parts, count = ndimage.label(label, np.ones((3, 3, 3)))
    sizes = np.bincount(parts.ravel(), minlength=count + 1)[1:]
    order = np.argsort(-sizes, kind="stable")
    rank = {int(part) + 1: str(n + 1) for n, part in enumerate(order)}
    names = []
    for lesion in lesions:
        inside = lesion.holds(x_of).reshape(label.shape)
        values = np.bincount(parts[inside & (label > 0)], minlength=count + 1)
        names.append(rank[int(np.argmax(values))])
    return names


def world_of(grid, motion):
    size, affine = grid
    i, j, k = np.meshgrid(*(np.arange(n) for n in size), indexing="ij")
    world = np.stack([i, j, k], -1).reshape(-1, 3) @ affine[:3, :3].T + affine[:3, 3]
    return motion.back(world) if motion else world


class Case:
    def __init__(self, scan, folder, seed, count, events, mm, degrees, labelled, depth_mm=0):
        rng = np.random.default_rng(seed)
        self.folder = folder
        self.story = story = Story(scan, rng, count, events)
        self.motion = Motion(rng, scan.centre(), mm, degrees) if not depth_mm else \
            Breathing(rng, scan.centre(), mm, degrees, depth_mm)
        os.makedirs(folder)
        grid = (scan.array.shape[::-1], scan.affine)
        after = followup_grid(scan, self.motion, np.array([2.1, 2.1, 3.0]), rng, rng.uniform(-4, 4))
        self.names = []
        for name, g, lesions, motion in (("before", grid, story.before, None),
                                         ("after", after, story.after, self.motion)):
            image, label = see(scan, lesions, motion, g, rng, labelled)
            save(os.path.join(folder, name + ".nii.gz"), image, g[1], np.int16)
            save(os.path.join(folder, name + "_mask.nii.gz"), label, g[1], np.uint8)
            self.names.append(names_of(label, lesions, world_of(g, motion), labelled))
        with open(os.path.join(folder, "visits.csv"), "w", encoding="utf-8") as file:
            file.write("visit,date,image,mask,phase\n"
                       "baseline,2024-01-10,before.nii.gz,before_mask.nii.gz,portal venous\n"
                       "v2,2024-03-13,after.nii.gz,after_mask.nii.gz,portal venous\n")
        with open(os.path.join(folder, "lesions.csv"), "w", encoding="utf-8") as file:
            file.write("id,organ,role,label\n")
            for n, name in enumerate(self.names[0]):
                file.write(f"L{n},organ {n},target,{name}\n")

    def run(self, decisions=None, *more):
        out = os.path.join(self.folder, f"timeline{'-decided' if decisions else ''}.json")
        command = [REPRISE, "track", "--visits", os.path.join(self.folder, "visits.csv"),
                   "--lesions", os.path.join(self.folder, "lesions.csv"), "--out", out]
        if decisions:
            command.append(f"--decisions={decisions}")
        done = subprocess.run([*command, *more],
                              capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr)
        self.text = done.stdout
        with open(out, encoding="utf-8") as file:
            return json.load(file)

    def error_mm(self, timeline):
        rigid = timeline["tracking"]["visits"][1]["registration"]["from_baseline"]
        r, c = np.array(rigid["rotation"]), np.array(rigid["centre_lps"])
        centres = np.array([np.mean([p[0] for p in b.parts], 0) for b in self.story.before])
        found = (centres - c) @ r.T + c + rigid["translation_mm"]
        return np.linalg.norm(found - self.motion.apply(centres), axis=1)

    def faults(self, timeline):
        """What is not as the story goes."""
        bad = []
        links = {l["lesion"]: l for l in timeline["tracking"]["links"] if l["visit"] == "v2"}
        findings = {f["lesion"]: f for f in timeline["visits"][1]["findings"]}
        states = {"match": ("matched", "measured"), "vanished": ("proposed", "not evaluated"),
                  "split": ("proposed", "not evaluated"), "merged": ("proposed", "not evaluated"),
                  "survivor": ("proposed", "not evaluated")}
        pending = set()
        for n, (kind, after) in enumerate(self.story.expected):
            link, names = links.get(f"L{n}"), sorted(self.names[1][a] for a in after)
            state, finding = states[kind]
            if link is None:
                bad.append(f"L{n} has no link")
                continue
            if kind in ("survivor", "merged"):  # which of the two goes on is open
                pending.add(link["kind"])
            elif link["kind"] != kind:
                bad.append(f"L{n} is {link['kind']} ({link['reason']}), not {kind}")
            if sorted(link["found"]) != names or link["state"] != state:
                bad.append(f"L{n} is {link['state']} with {link['found']}, not {state} with {names}: "
                           f"{link['reason']}")
            if findings[f"L{n}"]["state"] != finding:
                bad.append(f"L{n} is {findings[f'L{n}']['state']}, not {finding}")
        if pending and pending != {"match", "merged"}:
            bad.append(f"the merged pair is {pending}")
        for f in self.story.fresh:
            link = links.get(f"N-v2-{self.names[1][f]}")
            if link is None or link["kind"] != "new" or link["state"] != "proposed":
                bad.append(f"the new lesion is {link}")
            elif findings[link["lesion"]]["state"] != "equivocal":
                bad.append("the new lesion is not equivocal")
        seen = {name for l in links.values() for name in l["found"]}
        bad += [f"'{n}' of the follow-up is in no link" for n in set(self.names[1]) - seen]
        if len(links) != len(self.story.expected) + len(self.story.fresh):
            bad.append(f"{len(links)} links")
        listed = {(p["kind"], p["lesion"]) for p in timeline["proposals"]}
        wanted = {(l["kind"], l["lesion"]) for l in links.values()
                  if l["state"] == "proposed" and not l["follows"]}
        if listed != wanted:
            bad.append(f"proposals {listed}, not {wanted}")
        return bad

    def judge(self, timeline):
        """Of the lesions that are still there: rightly matched, left to a person, wrongly matched; how far the
        error that the program tells is from the true one; the true ones. mm."""
        right, asked, wrong, off = 0, 0, 0, []
        links = {l["lesion"]: l for l in timeline["tracking"]["links"] if l["visit"] == "v2"}
        errors = self.error_mm(timeline)
        for n, (kind, after) in enumerate(self.story.expected):
            link = links[f"L{n}"]
            if link["error_mm"] is not None and kind == "match":
                off.append(abs(link["error_mm"] - errors[n]))
            if link["state"] == "proposed":
                asked += kind == "match"
            elif kind == "match" and link["found"] == [self.names[1][a] for a in after]:
                right += 1
            else:
                wrong += 1
        return right, asked, wrong, off, errors

    def decide(self):
        """Every proposal decided by the story, and what then must be left."""
        words = {"vanished": "absent", "new": "new", "split": "split", "merged": "merged"}
        with open(os.path.join(self.folder, "timeline-proposals.csv"), encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        path = os.path.join(self.folder, "decisions.csv")
        with open(path, "w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, rows[0] if rows else ["visit"])
            writer.writeheader()
            for row in rows:
                writer.writerow(dict(row, decision=words[row["kind"]]))
        if not rows:
            return []
        timeline = self.run(path)
        if timeline["proposals"]:
            return [f"after all was decided, {timeline['proposals']} are open"]
        findings = {f["lesion"]: f["state"] for f in timeline["visits"][1]["findings"]}
        states = {"match": {"measured"}, "vanished": {"absent"}, "split": {"split"},
                  "merged": {"merged", "measured"}, "survivor": {"merged", "measured"}}
        bad = [f"L{n} was decided and is {findings[f'L{n}']}"
               for n, (kind, _) in enumerate(self.story.expected)
               if findings[f"L{n}"] not in states[kind]]
        bad += [f"{key} is {state}" for key, state in findings.items()
                if key.startswith("N-") and state != "unequivocal"]
        return bad


# events of the first lesions; "merge" makes two of one
CASES = [
    (1, [], 40, 10), (1, ["gone"], 20, 5), (2, [], 40, 10), (2, ["split"], 30, 8),
    (2, ["merge"], 40, 10), (3, ["new"], 40, 10), (3, ["gone", "split"], 25, 10),
    (4, ["merge", "gone"], 40, 6), (4, [], 10, 10), (5, ["split", "new", "gone"], 40, 10),
    (5, ["merge", "split"], 35, 9), (6, ["gone", "gone", "new"], 40, 10),
    (6, ["merge", "split", "gone", "new"], 40, 10), (7, [], 40, 10),
]


# lesions, events, mm, degrees, depth of the organ's own motion
BREATHING = [
    (5, [], 20, 5, 10), (6, ["gone"], 30, 8, 10), (5, ["gone", "new"], 20, 5, 18), (6, [], 40, 10, 18),
    (6, ["gone"], 10, 3, 25), (7, [], 30, 8, 25),
]
TOLD_MM = 4.0  # in the median, between the error that is told and the true one


def check_rigid(scans, folder):
    bad, errors = 0, []
    print("lesions  events                          motion        error mm (median, max)   result")
    for number, (count, events, mm, degrees) in enumerate(CASES):
        case = Case(scans[number % 2], os.path.join(folder, str(number)), 100 + number, count, events, mm,
                    degrees, labelled=number % 4 < 2)
        timeline = case.run()
        error = case.error_mm(timeline)
        errors.append(error)
        faults = case.faults(timeline) + case.decide()
        if error.max() > MAX_MM:
            faults.append(f"the registration is {error.max():.2f} mm off")
        told = ", ".join(events) or "-"
        print(f"{len(case.story.before):7}  {told:30}  {mm:3} mm {degrees:3} deg  "
              f"{np.median(error):12.2f} {error.max():6.2f}   {'FAILED' if faults else 'ok'}", flush=True)
        for fault in faults:
            print("   ", fault)
        bad += bool(faults)
    everything = np.concatenate(errors)
    print(f"{len(everything)} lesions: error median {np.median(everything):.2f} mm, "
          f"largest {everything.max():.2f} mm; {bad} of {len(CASES)} cases failed")
    return bad + int(np.median(everything) > MEDIAN_MM)


def check_breathing(scans, folder):
    """Where an organ moves by itself nothing may be matched wrongly, and the error is told."""
    bad, gaps = 0, []
    print("lesions  organ moves  true error mm (max)  matched, open, wrong   without local shifts")
    for number, (count, events, mm, degrees, depth) in enumerate(BREATHING):
        case = Case(scans[number % 2], os.path.join(folder, f"b{number}"), 300 + number, count, events, mm,
                    degrees, True, depth)
        right, asked, wrong, off, errors = case.judge(case.run())
        plain = case.judge(case.run(None, "--no-local"))
        gaps += off
        bad += wrong + plain[2]
        print(f"{len(case.story.before):7}  {depth:8} mm  {errors.max():19.1f}  {right:7} {asked:5} "
              f"{wrong:6}   {plain[0]:7} {plain[1]:5} {plain[2]:5}", flush=True)
    print(f"the error is told to {np.median(gaps):.1f} mm in the median, {np.max(gaps):.1f} at most")
    return bad + int(np.median(gaps) > TOLD_MM)


def main():
    with tempfile.TemporaryDirectory() as folder:
        scans = []
        for seed in (2, 5):
            where = os.path.join(folder, f"phantom{seed}")
            subprocess.run([REPRISE, "phantom", "--quiet", f"--seed={seed}", f"--out={where}"],
                           check=True, capture_output=True)
            scans.append(Scan(os.path.join(where, "patient-001", "baseline.nii.gz")))
        bad = check_rigid(scans, folder) + check_breathing(scans, folder)
    return 1 if bad else 0


sys.exit(main())
