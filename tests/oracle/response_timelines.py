"""Random patients for tests/oracle/test_response.py: consistent, eligible where asked, and often
exactly on a threshold. Sizes are whole steps of 0.1 mm, or of 0.001 cc, until they are written."""
import datetime

ORGANS = ["liver", "lung", "kidney", "adrenal gland", "bone", "spleen", "brain"]
SPELLINGS = {"liver": ["liver", "Liver", " liver "], "lung": ["lung", "LUNG", "lung  "]}
GAPS = [7, 14, 20, 27, 28, 29, 41, 42, 43, 55, 56, 57, 63, 84]
NUDGES = [-1, 0, 0, 0, 0, 1]  # steps beside a threshold
MM, CC = 10, 1000             # steps to the unit


def steps(number, unit=MM):
    """The decimal of so many steps, as JSON will print it."""
    return round(number / unit, 3)


class Maker:
    def __init__(self, rng, criteria, options, eligible):
        self.rng, self.criteria, self.options, self.eligible = rng, criteria, options, eligible
        self.unit = CC if criteria == "volume" else MM
        self.pr = (343, 1000) if criteria == "volume" else (7, 10)
        self.pd = (216, 125) if criteria == "volume" else (6, 5)
        self.normal = round(options["node_normal_mm"] * MM)
        self.small = round(options["too_small_mm"] * MM)
        self.least_growth = round(options["progression_minimum_mm"] * self.unit)

    def chance(self, share):
        return self.rng.random() < share

    # ---- lesions ----

    def lesions(self):
        rng = self.rng
        targets, found = self.target_organs(), []
        for i, organ in enumerate(targets, 1):
            found.append(self.lesion(f"T{i}", organ, "target"))
        fewest = 0 if targets else 1
        for i in range(1, 1 + rng.choice([fewest, fewest, 1, 1, 2, 3, 4])):
            organ = "lymph node" if self.chance(0.25) else rng.choice(ORGANS)
            found.append(self.lesion(f"X{i}", organ, "non-target"))
        for i in range(1, 1 + rng.choice([0, 0, 0, 0, 1, 1, 2])):
            organ = "lymph node" if self.chance(0.25) else rng.choice(ORGANS)
            found.append(self.lesion(f"L{i}", organ, "new"))
        if self.chance(0.3):
            rng.shuffle(found)
        return found

    def target_organs(self):
        rng = self.rng
        if self.chance(0.07):
            return []
        if not self.eligible:
            return [rng.choice(ORGANS[:3] + ["lymph node"]) for _ in range(rng.randint(1, 7))]
        seats = [o for o in ORGANS + ["lymph node"] * 3 for _ in range(2)]
        rng.shuffle(seats)
        wanted, chosen = rng.randint(1, 5), []
        for organ in seats:
            if len(chosen) < wanted and chosen.count(organ) < 2:
                chosen.append(organ)
        return chosen

    def lesion(self, name, organ, role):
        spelling = self.rng.choice(SPELLINGS.get(organ, [organ]))
        made = {"id": name, "organ": spelling, "nodal": organ == "lymph node", "role": role}
        if self.chance(0.3):
            made["side"] = self.rng.choice(["", "left", "right"])
        return made

    # ---- sizes of targets, in steps of what is summed ----

    def baseline_sizes(self, targets):
        rng, sizes = self.rng, []
        for lesion in targets:
            if self.criteria == "volume":
                sizes.append(rng.randint(200, 40000))
            elif self.criteria == "mrecist" and not lesion["nodal"]:
                sizes.append(0 if self.chance(0.004) else rng.randint(20, 600))
            elif not self.eligible:
                sizes.append(rng.randint(30, 500))
            else:
                sizes.append(rng.randint(150 if lesion["nodal"] else 100, 500))
        if sizes and self.chance(0.7):  # so that the shares of the sum are whole steps
            whole = 1000 if self.criteria == "volume" else rng.choice([10, 50])
            sizes[0] += -sum(sizes) % whole
        return sizes

    def spread(self, total, sizes):
        """So many steps over the targets, in proportion to sizes but of at least one step each."""
        count = len(sizes)
        total, weight = max(total, count), sum(sizes)
        spread = [max(1, total * (s + 1) // (weight + count)) for s in sizes]
        over = sum(spread) - total
        order = list(range(count))
        self.rng.shuffle(order)
        for i in order:
            change = max(1 - spread[i], -over)
            spread[i] += change
            over += change
        return spread

    def wished_sum(self, baseline, nadir, last):
        """The sum of the next visit."""
        rng, kind = self.rng, self.rng.random()
        if kind < 0.18:
            return baseline * self.pr[0] // self.pr[1] + rng.choice(NUDGES)
        if kind < 0.33:
            return -(-nadir * self.pd[0] // self.pd[1]) + rng.choice(NUDGES)
        if kind < 0.45:
            least = self.least_growth or 5 * self.unit
            return nadir + least + rng.choice(NUDGES)
        if kind < 0.52:
            return last + 5 * self.unit + rng.choice(NUDGES)
        if kind < 0.58:
            return last
        whole = rng.choice([1, 10, 50])
        return int(last * rng.uniform(0.4, 1.45)) // whole * whole

    # ---- findings of targets ----

    def measured(self, lesion, size):
        rng, found = self.rng, {"lesion": lesion["id"], "state": "measured"}
        if self.criteria == "volume":
            found["volume_cc"] = steps(size, CC)
            across = self.node_axis() if lesion["nodal"] else rng.randint(10, 400)
        else:
            across = size
        if self.criteria == "mrecist" and not lesion["nodal"]:
            found["viable_mm"] = steps(size)
            across = max(1, size + rng.randint(0, 200))
        if lesion["nodal"]:
            found["short_axis_mm"] = steps(across)
            found["longest_mm"] = steps(across + rng.randint(0, 100))
        else:
            found["longest_mm"] = steps(across)
            if self.chance(0.5):
                found["short_axis_mm"] = steps(rng.randint(max(1, across // 2), across))
        return found

    def node_axis(self):
        return self.rng.choice([self.normal - 1, self.normal, self.normal - 30, 150, 200])

    def baseline_finding(self, lesion, size):
        found = self.measured(lesion, size)
        if not self.eligible:
            return found
        least = 150 if lesion["nodal"] else 100
        name = "short_axis_mm" if lesion["nodal"] else "longest_mm"
        if found[name] * MM < least:
            found[name] = steps(least + self.rng.choice([0, 0, 1, 50]))
        if found.get("short_axis_mm", 0) > found["longest_mm"]:
            found["longest_mm"] = found["short_axis_mm"]
        if found.get("viable_mm") == 0:
            found["viable_mm"] = steps(1)
        return found

    def parts(self, size):
        first = self.rng.randint(1, size - 1)
        if first > 1 and self.chance(0.3):
            inner = self.rng.randint(1, first - 1)
            return [inner, first - inner, size - first]
        return [first, size - first]

    def split(self, lesion, size):
        found = {"lesion": lesion["id"], "state": "split"}
        across = size
        if self.criteria == "volume":
            found["volume_cc"] = steps(size, CC)
            across = self.node_axis()
        elif self.criteria == "mrecist" and not lesion["nodal"]:
            parts = [0, size] if self.chance(0.2) else self.parts(size)
            found["parts_viable_mm"] = [steps(p) for p in parts]
            found["parts_mm"] = [steps(max(1, p) + self.rng.randint(0, 50)) for p in parts]
            return found
        found["parts_mm"] = [steps(p) for p in self.parts(across)]
        return found

    def gone(self, lesion, others):
        """One of the ways in which a target can be gone, or as good as gone."""
        rng, name = self.rng, lesion["id"]
        if others and self.chance(0.1):
            return {"lesion": name, "state": "merged", "into": rng.choice(others)}
        if self.criteria == "mrecist" and not lesion["nodal"] and self.chance(0.6):
            return self.measured(lesion, 0)
        if not lesion["nodal"] or self.chance(0.4):
            return {"lesion": name, "state": "absent"}
        if self.chance(0.2):
            return {"lesion": name, "state": "too small"}
        axis = self.normal - 1 if self.chance(0.5) else rng.randint(20, self.normal - 1)
        if self.chance(0.25):  # not gone, or gone by a hair, or just as far off as a reader may err
            axis = self.normal + rng.choice([0, 0, 1, -20, -15, 15, 20])
        if self.criteria == "volume":
            found = self.measured(lesion, rng.randint(50, 1000))
            found["short_axis_mm"] = steps(axis)
            found["longest_mm"] = steps(axis + 20)
            return found
        return self.split(lesion, axis) if self.chance(0.2) else self.measured(lesion, axis)

    def all_gone(self, targets):
        made = []
        for i, lesion in enumerate(targets):
            made.append(self.gone(lesion, [x["id"] for x in targets[:i]]))
        return made

    def back_after_gone(self, targets):
        """Some gone, one small thing there."""
        made, back = self.all_gone(targets), self.rng.randrange(len(targets))
        size = self.rng.choice([1, 10, 20, self.small or 1, 49, 50, 51, 52, 90]) * self.unit // MM
        name = targets[back]["id"]
        made[back] = {"lesion": name, "state": "too small"} if self.chance(0.2) \
            else self.measured(targets[back], size)
        return made

    def sized(self, targets, sizes):
        """Findings that add up to the sizes, some split, some merged."""
        made, sizes = {}, list(sizes)
        for i, lesion in enumerate(targets):
            draw = self.rng.random()
            if draw < 0.04 and len(targets) > 1:
                j = self.rng.choice([x for x in range(len(targets)) if x != i])
                if targets[j]["id"] not in made:  # not yet written, and not merged itself
                    sizes[j] += sizes[i]
                    made[lesion["id"]] = {"lesion": lesion["id"], "state": "merged",
                                          "into": targets[j]["id"]}
                    continue
            made[lesion["id"]] = self.split(lesion, sizes[i]) if draw > 0.95 and sizes[i] > 1 \
                else self.measured(lesion, sizes[i])
        return [made[x["id"]] for x in targets]

    def disturb(self, targets, made):
        """Some lesions not evaluated, too small or absent in a visit that was in order."""
        share = 1.0 if self.chance(0.04) else 0.25
        for i, lesion in enumerate(targets):
            draw = self.rng.random() / share
            if draw < 0.5:
                made[i] = {"lesion": lesion["id"], "state": "not evaluated"}
            elif draw < 0.7:
                made[i] = None
            elif draw < 0.85:
                made[i] = {"lesion": lesion["id"], "state": "too small"}
            elif draw < 1:
                made[i] = {"lesion": lesion["id"], "state": "absent"}

    # ---- findings of other lesions ----

    def non_target(self, lesion, visit, vanish):
        rng, draw = self.rng, self.rng.random()
        found = {"lesion": lesion["id"], "state": "present"}
        if visit:
            if draw < self.progressing:
                found["state"] = "progression"
            elif draw < self.progressing + 0.05:
                found["state"] = "not evaluated"
            elif draw < self.progressing + 0.07:
                return None
            elif draw < (0.9 if vanish else 0.2):
                found["state"] = "absent"
        if lesion["nodal"] and found["state"] == "present" and self.chance(0.7):
            least = self.normal if not visit and self.eligible else 30
            axis = rng.choice([self.normal - 1, self.normal, self.normal + 1,
                               rng.randint(30, 149)])
            axis = max(axis, least, 100 if not visit and self.eligible else 0)
            found["short_axis_mm"] = steps(axis)
        return found

    def new_lesion(self, lesion, visit):
        """From the visit on at which it is first seen; it grows by about 5 mm where it grows."""
        if visit < self.seen[lesion["id"]] or self.chance(0.1):
            return None
        draw = self.rng.random()
        stays = 0.8 if self.staying else 0.5
        state = "unequivocal" if draw < stays else "equivocal" if draw < 0.9 else "absent"
        found = {"lesion": lesion["id"], "state": state}
        if state != "absent" and self.chance(0.7):
            axis = self.rng.choice([60, 80, 110, 130]) + self.rng.choice([-1, 0, 0, 1])
            found["longest_mm"] = steps(axis + (30 if lesion["nodal"] else 0))
            if lesion["nodal"] or self.chance(0.3):
                found["short_axis_mm"] = steps(axis)
        return found

    def elsewhere(self, lesions, made, progresses):
        """What is no target progresses while the targets are gone, and the targets then alone."""
        role = {x["id"]: x["role"] for x in lesions}
        for found in made:
            if role[found["lesion"]] == "non-target":
                found["state"] = "progression" if progresses else "present"
            elif role[found["lesion"]] == "new":
                found["state"] = "equivocal"

    def outlast(self, lesions, before, made):
        """Everything but the new lesions of the visit before is gone; those stay."""
        role = {x["id"]: x["role"] for x in lesions}
        for found in made:
            if role[found["lesion"]] == "non-target":
                found["state"] = "absent"
                found.pop("short_axis_mm", None)
        kept = [dict(f) for f in before if role[f["lesion"]] == "new"]
        for found in kept:
            if found["state"] == "unequivocal" and self.chance(0.5):
                found["state"] = "present"
        return [f for f in made if role[f["lesion"]] != "new"] + kept

    def worsen(self, visits, new):
        """Some of what has progressed goes on to, and some new lesions stay as they are."""
        begun = set()
        for visit in visits:
            for found in visit["findings"]:
                if found["state"] not in ("progression", "unequivocal"):
                    continue
                if found["lesion"] in begun and self.chance(0.25):
                    found["state"] = "further progression"
                elif found["lesion"] in begun & new and self.chance(0.25):
                    found["state"] = "present"
                begun.add(found["lesion"])

    # ---- a patient ----

    def timeline(self, number):
        rng = self.rng
        lesions = self.lesions()
        targets = [x for x in lesions if x["role"] == "target"]
        count = rng.randint(2, 7)
        self.seen = {x["id"]: rng.randint(1, 7) for x in lesions if x["role"] == "new"}
        self.progressing = rng.choice([0, 0, 0, 0.03, 0.15])
        sizes = self.baseline_sizes(targets)
        baseline = nadir = sum(sizes)
        day = datetime.date(2018, 1, 1) + datetime.timedelta(rng.randrange(1500))
        visits = []
        responder = self.chance(0.35)
        self.staying = self.chance(0.5)
        relapse = rng.randint(1, max(1, count - 2)) if self.chance(
            0.15 if self.criteria == "irecist" else 0.05) else None
        for k in range(count):
            if k:
                day += datetime.timedelta(rng.choice(GAPS) if self.chance(0.8)
                                          else rng.randint(1, 120))
            vanish = k > 0 and self.chance(0.5 if responder else 0.12)
            made = self.targets_at(k, targets, sizes, baseline, nadir, vanish)
            if relapse and targets and k in (relapse, relapse + 1):
                made = self.all_gone(targets) if k == relapse else self.back_after_gone(targets)
                vanish = True
            if k and made and not vanish:
                nadir = min(nadir, sum(sizes))
            made += [self.non_target(x, k, vanish) for x in lesions if x["role"] == "non-target"]
            made += [self.new_lesion(x, k) for x in lesions if x["role"] == "new"]
            made = [f for f in made if f is not None]
            if relapse and k in (relapse, relapse + 1):
                self.elsewhere(lesions, made, k == relapse)
            elif k > 1 and self.criteria == "irecist" and self.chance(
                    0.4 if targets and vanish else 0.5 if not targets else 0):
                made = self.outlast(lesions, visits[-1]["findings"], made)
            if self.chance(0.2):
                rng.shuffle(made)
            visits.append({"id": f"v{k}" if k else "baseline", "date": day.isoformat(),
                           "findings": made})
            if self.criteria == "mrecist":
                visits[-1]["phase"] = rng.choice(["arterial", "Arterial", "late arterial"])
        self.worsen(visits, set(self.seen))
        return {"format": "reprise.timeline/1", "patient": f"P{number}",
                "label": rng.choice(["", "synthetic", "simulated"]), "lesions": lesions,
                "visits": visits}

    def targets_at(self, k, targets, sizes, baseline, nadir, vanish):
        """The findings of the targets at visit k; sizes are those of the last visit and become its
        own."""
        if not targets:
            return []
        if k == 0:
            return [self.baseline_finding(x, s) for x, s in zip(targets, sizes)]
        if vanish:
            made = self.all_gone(targets)
            if self.chance(0.25):
                made = self.back_after_gone(targets)
            elif self.chance(0.08):
                self.disturb(targets, made)
            return made
        sizes[:] = self.spread(self.wished_sum(baseline, nadir, sum(sizes)), sizes)
        made = self.sized(targets, sizes)
        if self.chance(0.12):
            self.disturb(targets, made)
        return made


def make_timeline(rng, criteria, options, number, eligible=True):
    return Maker(rng, criteria, options, eligible).timeline(number)
