"""The response criteria once more, in plain Python and exact arithmetic, written from the rules of docs/response.md
alone: RECIST 1.1, iRECIST, mRECIST and the response by volume over a timeline. Slow and literal on purpose; it shares
nothing with the program that it checks.

A timeline is the dictionary that its JSON holds, with lengths as strings or numbers of few decimals; they are taken as
the decimals that they are.
"""
import datetime
import functools
import math
from fractions import Fraction

DEFAULTS = {"criteria": "recist1.1", "confirmation": False, "confirmation_days": 28, "minimum_sd_days": 42,
            "keep_pr": True, "too_small_mm": 5, "progression_minimum_mm": 5, "reappearance_is_pd": True,
            "node_normal_mm": 10, "reader_error_mm": 0, "reader_error_percent": 0, "irecist_earliest_days": 28,
            "irecist_latest_days": 56, "irecist_further_mm": 5}


@functools.lru_cache(maxsize=None)
def exact(value):
    """The decimal as it was typed."""
    return Fraction(str(value))


def options(**given):
    chosen = dict(DEFAULTS)
    if given.get("criteria") in ("mrecist", "volume"):
        chosen["progression_minimum_mm"] = 0
    chosen.update(given)
    return chosen


class Patient:
    """One timeline with the answers to every question about a single lesion at a single visit."""

    def __init__(self, timeline, chosen):
        self.t, self.o = timeline, chosen
        self.volume = chosen["criteria"] == "volume"
        self.lesions = timeline["lesions"]
        self.targets = [x for x in self.lesions if x["role"] == "target"]
        self.others = [x for x in self.lesions if x["role"] == "non-target"]
        self.new = [x for x in self.lesions if x["role"] == "new"]
        self.visits = timeline["visits"]
        self.days = [(datetime.date.fromisoformat(v["date"]) -
                      datetime.date.fromisoformat(self.visits[0]["date"])).days for v in self.visits]
        self.finding = [{f["lesion"]: f for f in v["findings"]} for v in self.visits]
        self.nodal = {x["id"]: bool(x.get("nodal")) for x in self.lesions}

    def state(self, v, lesion):
        return self.finding[v].get(lesion, {"state": "not evaluated"})["state"]

    # ---- targets

    def length(self, f, lesion):
        """What counts of a measured target, before any state: mm."""
        if self.nodal[lesion]:
            return exact(f["short_axis_mm"])
        return exact(f["viable_mm"] if self.o["criteria"] == "mrecist" else f["longest_mm"])

    def parts(self, f, lesion):
        use = "parts_viable_mm" if self.o["criteria"] == "mrecist" and not self.nodal[lesion] else "parts_mm"
        return sum(map(exact, f[use]))

    def value(self, v, lesion):
        """Size of a target; None: not evaluated. By volume the sphere of what is too small is a float."""
        f = self.finding[v].get(lesion)
        state = self.state(v, lesion)
        if state == "not evaluated":
            return None
        if state == "absent":
            return Fraction(0)
        if state == "merged":
            return None if self.value(v, f["into"]) is None else Fraction(0)
        if state == "too small":
            small = exact(self.o["too_small_mm"])
            return Fraction(math.pi / 6 * float(small) ** 3 / 1000) if self.volume else small
        if self.volume:
            return exact(f["volume_cc"])
        return self.parts(f, lesion) if state == "split" else self.length(f, lesion)

    def gone(self, v, lesion):
        f, state = self.finding[v].get(lesion), self.state(v, lesion)
        if state == "absent":
            return True
        if state == "merged":
            return self.gone(v, f["into"])
        if state == "not evaluated":
            return False
        if not self.nodal[lesion]:
            return self.value(v, lesion) == 0
        return self.axis(v, lesion) < exact(self.o["node_normal_mm"])

    def axis(self, v, lesion):
        """Short axis by which a node is judged, also by volume."""
        f, state = self.finding[v].get(lesion), self.state(v, lesion)
        if state == "too small":
            return exact(self.o["too_small_mm"])
        if state == "split":
            return sum(map(exact, f["parts_mm"]))
        return exact(f["short_axis_mm"])

    def sums(self, v):
        """Sum over the evaluated targets, and whether that is all of them."""
        values = [self.value(v, x["id"]) for x in self.targets]
        known = [x for x in values if x is not None]
        return sum(known, Fraction(0)), bool(values) and len(known) == len(values)


def assess(timeline, chosen):
    """Everything that the program's JSON has for a patient, but sentences and notes."""
    p = Patient(timeline, chosen)
    visits = [baseline_visit(p)]
    for v in range(1, len(p.visits)):
        visits.append(one_visit(p, v, visits))
    if chosen["criteria"] == "irecist":
        immune(p, visits)
    else:
        for r in visits:
            r["overall"] = r["recist"]
    return over_visits(p, visits)


# ---- visits ----------------------------------------------------------------------------------------------------------

def baseline_visit(p):
    total, complete = p.sums(0)
    return {"sum": total if complete else None, "evaluated": total if p.targets else None, "nadir": None,
            "nadir_visit": None, "target": None, "non_target": None, "recist": None, "overall": None, "rule": None,
            "lesion": None, "parts": set(), "borderline": []}


def nadir_before(p, v, visits):
    best = None
    for i in range(v):
        if visits[i]["sum"] is not None and (best is None or visits[i]["sum"] < visits[best]["sum"]):
            best = i
    return best


def factors(p):
    return (Fraction(343, 1000), Fraction(1728, 1000)) if p.volume else (Fraction(7, 10), Fraction(12, 10))


def since_progression(visits, v, key):
    """Calls of the earlier visits, from the last PD on."""
    calls = []
    for i in range(1, v):
        if visits[i][key] == "PD":
            calls = []
        else:
            calls.append(visits[i][key])
    return calls


def target_response(p, v, visits, r):
    """(call, rule)"""
    if not p.targets:
        return "NA", None
    shrink, grow = factors(p)
    least = exact(p.o["progression_minimum_mm"])
    e, complete, n = r["evaluated"], r["sum"] is not None, r["nadir"]
    e = e if e is not None else Fraction(0)
    if e >= grow * n and e - n >= least and e > n:
        return "PD", "PD-sum"
    earlier = since_progression(visits, v, "target")
    back = [x["id"] for x in p.targets if not p.nodal[x["id"]] and (p.value(v, x["id"]) or 0) > 0]
    if p.o["reappearance_is_pd"] and "CR" in earlier and back:
        return "PD", "PD-reappearance"
    if not complete:
        return "NE", "NE"
    if all(p.gone(v, x["id"]) for x in p.targets):
        return "CR", "CR"
    if r["sum"] <= shrink * visits[0]["sum"]:
        return "PR", "PR"
    if p.o["keep_pr"] and ("PR" in earlier or "CR" in earlier):
        return "PR", "PR-kept"
    return "SD", "SD"


def non_target_response(p, v):
    if not p.others:
        return "NA"
    states = [p.state(v, x["id"]) for x in p.others]
    if "progression" in states:
        return "PD"
    if "not evaluated" in states:
        return "NE"

    def cleared(lesion):
        f = p.finding[v][lesion]
        if f["state"] == "absent":
            return True
        axis = f.get("short_axis_mm")
        return p.nodal[lesion] and axis is not None and exact(axis) < exact(p.o["node_normal_mm"])

    return "CR" if all(cleared(x["id"]) for x in p.others) else "NN"


def one_visit(p, v, visits):
    total, complete = p.sums(v)
    lowest = nadir_before(p, v, visits)
    known = any(p.value(v, x["id"]) is not None for x in p.targets)
    r = {"sum": total if complete else None, "evaluated": total if known else None,
         "nadir": visits[lowest]["sum"] if lowest is not None else None, "nadir_visit": lowest, "lesion": None}
    r["target"], target_rule = target_response(p, v, visits, r)
    r["non_target"] = non_target_response(p, v)
    unequivocal = [x["id"] for x in p.new if p.state(v, x["id"]) == "unequivocal"]
    r["unequivocal"] = unequivocal
    earlier = since_progression(visits, v, "recist")
    again = [x["id"] for x in p.others if not p.nodal[x["id"]] and p.state(v, x["id"]) == "present"]
    reappeared = p.o["reappearance_is_pd"] and "CR" in earlier and bool(again)
    r["parts"] = {name for name, is_part in (("new", unequivocal), ("target", r["target"] == "PD"),
                                            ("non-target", r["non_target"] == "PD")) if is_part}
    if unequivocal:
        r["recist"], r["rule"], r["lesion"] = "PD", "PD-new", unequivocal[0]
    elif r["target"] == "PD":
        r["recist"], r["rule"] = "PD", target_rule
        r["lesion"] = tipping(p, v, lowest, +1) if target_rule == "PD-sum" else None
    elif r["non_target"] == "PD":
        r["recist"], r["rule"] = "PD", "PD-non-target"
        r["lesion"] = next(x["id"] for x in p.others if p.state(v, x["id"]) == "progression")
    elif reappeared:
        r["recist"], r["rule"] = "PD", "PD-reappearance"
    elif not p.targets:
        r["recist"], r["rule"] = r["non_target"], "NT-" + r["non_target"]
    elif r["target"] == "CR" and r["non_target"] in ("NN", "NE"):
        r["recist"], r["rule"] = "PR", "CR-non-target-remains"
    else:
        r["recist"], r["rule"] = r["target"], target_rule
        if target_rule == "PR":
            r["lesion"] = tipping(p, v, 0, -1)
    r["borderline"] = borderline(p, v, visits, r)
    return r


def tipping(p, v, reference, direction):
    """The target whose size changed the most in a direction; the first of equals, None without any such change."""
    best, most = None, Fraction(0)
    for x in p.targets:
        now, before = p.value(v, x["id"]), p.value(reference, x["id"])
        if now is None or before is None:
            continue
        change = direction * (now - before)
        if change > most:
            best, most = x["id"], change
    return best


def borderline(p, v, visits, r):
    if r["sum"] is None:
        return []
    percent = exact(p.o["reader_error_percent"]) / 100

    def error(size):
        relative = percent * size
        return relative if p.volume else max(exact(p.o["reader_error_mm"]), relative)

    shrink, grow = factors(p)
    least = exact(p.o["progression_minimum_mm"])
    found = []
    for name, at in (("PR", shrink * visits[0]["sum"]), ("PD", max(grow * r["nadir"], r["nadir"] + least))):
        e = error(r["sum"])
        if e > 0 and abs(r["sum"] - at) <= e:
            found.append((name, None, abs(r["sum"] - at)))
    if all(p.gone(v, x["id"]) for x in p.targets if not p.nodal[x["id"]]):
        for x in p.targets:
            if not p.nodal[x["id"]] or p.state(v, x["id"]) in ("absent", "merged"):
                continue
            axis = p.axis(v, x["id"])
            e = max(exact(p.o["reader_error_mm"]), percent * axis)
            away = abs(axis - exact(p.o["node_normal_mm"]))
            if e > 0 and away <= e:
                found.append(("node", x["id"], away))
    return found


# ---- iRECIST ---------------------------------------------------------------------------------------------------------

def new_sum(p, v, lesions):
    """Sizes of new lesions; None where one has none."""
    total = Fraction(0)
    for lesion in lesions:
        f = p.finding[v][lesion]
        size = f.get("short_axis_mm" if p.nodal[lesion] else "longest_mm")
        if size is None:
            return None
        total += exact(size)
    return total


def confirmation(p, v, last, visits, run):
    """(rule, lesion) by which visit v confirms the pending iUPD whose latest visit is `last`, or None; run: parts of
    all its visits."""
    now, before = visits[v], visits[last]
    further = exact(p.o["irecist_further_mm"])
    both = [x for x in now["unequivocal"] if x in before.get("unequivocal", [])]
    if len(both) < len(now["unequivocal"]):
        return "iCPD-new", next(x for x in now["unequivocal"] if x not in both)
    sizes = [(x, new_sum(p, v, [x]), new_sum(p, last, [x])) for x in both]
    sizes = [s for s in sizes if s[1] is not None and s[2] is not None]
    if sizes and sum(s[1] for s in sizes) - sum(s[2] for s in sizes) >= further:
        return "iCPD-new", sizes[0][0]
    grew = "target" in before["parts"] and now["evaluated"] is not None and before["evaluated"] is not None and \
        now["evaluated"] >= before["evaluated"] + further
    if grew or "target" in now["parts"] and "target" not in run:
        return "iCPD-target", None
    worse = [x["id"] for x in p.others if p.state(v, x["id"]) == "progression"]
    more = [x for x in worse if p.state(last, x) != "progression"]
    if worse and ("non-target" not in run or more):
        return "iCPD-non-target", (more or worse)[0]
    return None


def immune(p, visits):
    first = last = confirmed = None
    run = set()
    for v in range(1, len(visits)):
        r = visits[v]
        call, rule = r["recist"], r["rule"]
        if confirmed is not None:
            r["overall"], r["rule"], r["lesion"] = "iCPD", "iCPD-before", None
        elif call == "NE":
            r["overall"] = "NE"
        elif call != "PD":
            r["overall"] = "i" + call
            r["rule"] = {"CR-non-target-remains": "iCR-non-target-remains"}.get(rule, "i" + rule)
            first, run = None, set()
        else:
            r["overall"], r["rule"] = "iUPD", rule.replace("PD-", "iUPD-")
            by = confirmation(p, v, last, visits, run) if first is not None else None
            if first is None:
                first, run = v, set()
            elif by and p.days[v] - p.days[first] >= p.o["irecist_earliest_days"]:
                r["overall"], confirmed = "iCPD", v
                r["rule"], r["lesion"] = by
            if r["overall"] == "iUPD":
                run |= r["parts"]
                last = v
    p.confirmed_run = first if confirmed is not None else None
    p.confirmed_at = confirmed


# ---- over the visits -------------------------------------------------------------------------------------------------

def progression_visit(p, visits):
    """(visit of progression's date, visit of the call)"""
    if p.o["criteria"] == "irecist":
        return p.confirmed_run, p.confirmed_at
    for v in range(1, len(visits)):
        if visits[v]["recist"] != "PD":
            continue
        dated = v
        for lesion in visits[v]["unequivocal"]:
            i = v - 1
            while i > 0 and p.state(i, lesion) == "equivocal":
                dated = min(dated, i)
                i -= 1
        return dated, v
    return None, None


def confirmed_pair(calls, days, good, between, least):
    for i, a in enumerate(calls):
        for j in range(i + 1, len(calls)):
            if a in good and calls[j] in good and days[j] - days[i] >= least and \
                    all(c in between for c in calls[i + 1:j]):
                return i
    return None


def best_response(p, calls, days, progressed):
    """(call, index of the response's first visit among calls)"""
    o = p.o

    def first(good):
        return next((i for i, c in enumerate(calls) if c in good), None)

    lasting = [c for c, d in zip(calls, days) if d >= o["minimum_sd_days"]]
    stable = "SD" if p.targets else "NN"
    if o["confirmation"]:
        i = confirmed_pair(calls, days, {"CR"}, {"CR", "NE"}, o["confirmation_days"])
        if i is not None:
            return "CR", i
        i = confirmed_pair(calls, days, {"CR", "PR"}, {"CR", "PR", "NE"}, o["confirmation_days"])
        if i is not None:
            return "PR", i
        if any(c in ("CR", "PR", "SD", "NN") for c in lasting):
            return stable, None
    else:
        if "CR" in calls:
            return "CR", first({"CR", "PR"})
        if "PR" in calls:
            return "PR", first({"CR", "PR"})
        if any(c in ("SD", "NN") for c in lasting):
            return stable, None
    return ("PD" if progressed else "NE"), None


def over_visits(p, visits):
    dated, called = progression_visit(p, visits)
    immune_criteria = p.o["criteria"] == "irecist"
    calls, days, index = [], [], []
    for v in range(1, len(visits)):
        if dated is not None and v >= dated:
            break
        call = visits[v]["recist"]
        if immune_criteria and visits[v]["overall"] in ("iUPD", "iCPD"):
            call = "NE"
        calls.append(call)
        days.append(p.days[v])
        index.append(v)
    best, at = best_response(p, calls, days, dated is not None)
    if immune_criteria:
        if best in ("CR", "PR", "SD", "NN"):
            best = "i" + best
        elif dated is not None:
            best = "iCPD"
        else:
            best = "iUPD" if any(r["overall"] == "iUPD" for r in visits) else "NE"
    response = index[at] if at is not None else None
    last = max([v for v in range(1, len(visits)) if visits[v]["overall"] != "NE"], default=0)
    end = dated if dated is not None else last
    counted = [v for v in range(1, len(visits)) if dated is None or v <= dated]
    depths = [(v, change(visits[v]["sum"], visits[0]["sum"])) for v in counted
              if visits[v]["sum"] is not None and visits[0]["sum"]]
    depth = min(depths, key=lambda d: d[1]) if depths else (None, None)
    return {"visits": visits, "best": best, "response": response, "progression": dated,
            "duration": p.days[end] - p.days[response] if response is not None else None,
            "censored": dated is None, "free": p.days[end], "depth": depth[1], "depth_visit": depth[0]}


def change(now, before):
    return None if now is None or not before else 100 * (now - before) / before
