"""The response rules over a timeline, by brute force: what tests/oracle/test_response.py compares
the program with. Literal rather than fast, and exact: numbers are the decimals as typed, and an
operation that would round raises."""
import datetime
import decimal
from decimal import Decimal

EXACT = decimal.getcontext()
EXACT.prec = 400
EXACT.traps[decimal.Inexact] = True

ZERO = Decimal(0)
SIXTH_OF_PI = Decimal("0.523598775598298873077107230546583814032861566562517636829157")
# Share of the baseline sum for PR, share of the nadir for PD; volume: the cubes of the diameters'.
SHARES = {"volume": (Decimal("0.343"), Decimal("1.728"))}
DIAMETER_SHARES = (Decimal("0.7"), Decimal("1.2"))

DEFAULTS = {
    "confirmation": False, "confirmation_days": 28, "minimum_sd_days": 42, "keep_pr": True,
    "too_small_mm": 5, "progression_minimum_mm": 5, "reappearance_is_pd": True,
    "node_normal_mm": 10, "node_target_mm": 15, "target_mm": 10, "reader_error_mm": 0,
    "reader_error_percent": 0, "irecist_earliest_days": 28, "irecist_latest_days": 56,
    "irecist_further_mm": 5,
}


def options_of(criteria, **given):
    """All options of a criteria, the defaults where not given."""
    chosen = dict(DEFAULTS, criteria=criteria)
    if criteria in ("mrecist", "volume"):
        chosen["progression_minimum_mm"] = 0
    unknown = set(given) - set(chosen)
    if unknown:
        raise ValueError(f"no such options: {unknown}")
    chosen.update(given)
    return chosen


def exact(number):
    """The decimal that was typed: a float's shortest text is what JSON has."""
    return Decimal(str(number))


def percent(part, whole):
    """100 part / whole as a float, None where whole is 0 or either is undefined."""
    if part is None or whole is None or whole == 0:
        return None
    return 100.0 * float(part) / float(whole)


def plain(number):
    return None if number is None else float(number)


class Case:
    """A timeline by visits, and what each lesion measures."""

    def __init__(self, timeline, options):
        self.options = options
        self.criteria = options["criteria"]
        lesions = timeline["lesions"]
        self.lesions = {lesion["id"]: lesion for lesion in lesions}
        self.targets = [x["id"] for x in lesions if x["role"] == "target"]
        self.non_targets = [x["id"] for x in lesions if x["role"] == "non-target"]
        self.new = [x["id"] for x in lesions if x["role"] == "new"]
        self.ids = [visit["id"] for visit in timeline["visits"]]
        self.dates = [visit["date"] for visit in timeline["visits"]]
        self.days = [datetime.date.fromisoformat(date).toordinal() for date in self.dates]
        self.findings = [{f["lesion"]: f for f in visit["findings"]}
                         for visit in timeline["visits"]]
        self.node_normal = exact(options["node_normal_mm"])
        self.too_small = exact(options["too_small_mm"])
        self.values = [[self.value(k, lesion) for lesion in self.targets]
                       for k in range(len(self.ids))]
        self.evaluated = [sum((v for v in values if v is not None), ZERO) for values in self.values]
        self.nadirs = self.lowest_before()

    def nodal(self, lesion):
        return bool(self.lesions[lesion].get("nodal", False))

    def state(self, k, lesion):
        """The state of a finding; a new lesion that was not looked at has none."""
        finding = self.findings[k].get(lesion)
        new = self.lesions[lesion]["role"] == "new"
        if finding is None:
            return None if new else "not evaluated"
        if new and finding["state"] in ("further progression", "present"):
            return "unequivocal"
        return finding["state"].removeprefix("further ")

    def told(self, k, lesion, word):
        """Whether the file itself has this state of the lesion, as 'further progression'."""
        return self.findings[k].get(lesion, {}).get("state") == word

    def ends_in(self, k, lesion):
        """The lesion that a merged one is part of, after all merges."""
        while self.state(k, lesion) == "merged":
            lesion = self.findings[k][lesion]["into"]
        return lesion

    def value(self, k, lesion):
        """What a target adds to the sum, in mm or cc; None where it is not evaluated."""
        state = self.state(k, lesion)
        if state == "not evaluated":
            return None
        if state == "absent":
            return ZERO
        if state == "merged":
            return None if self.value(k, self.ends_in(k, lesion)) is None else ZERO
        if state == "too small":
            if self.criteria == "volume":
                return SIXTH_OF_PI * self.too_small ** 3 * Decimal("0.001")
            return self.too_small
        finding = self.findings[k][lesion]
        if self.criteria == "volume":
            return exact(finding["volume_cc"])
        viable = self.criteria == "mrecist" and not self.nodal(lesion)
        if state == "split":
            return sum(map(exact, finding["parts_viable_mm" if viable else "parts_mm"]), ZERO)
        if viable:
            return exact(finding["viable_mm"])
        return exact(finding["short_axis_mm" if self.nodal(lesion) else "longest_mm"])

    def short_axis(self, k, lesion):
        """Of a nodal target, in mm; None where it has none of its own."""
        finding, state = self.findings[k].get(lesion), self.state(k, lesion)
        if state == "measured":
            return exact(finding["short_axis_mm"])
        if state == "split":
            return sum(map(exact, finding["parts_mm"]), ZERO)
        return self.too_small if state == "too small" else None

    def gone(self, k, lesion):
        """Whether nothing pathological is left of a target."""
        state = self.state(k, lesion)
        if state == "not evaluated":
            return False
        if state == "absent":
            return True
        if state == "merged":
            return self.gone(k, self.ends_in(k, lesion))
        if self.nodal(lesion):
            return self.short_axis(k, lesion) < self.node_normal
        return self.value(k, lesion) == 0

    def evaluated_sum(self, k):
        return self.evaluated[k]

    def complete_sum(self, k):
        """None where there are no targets or one of them is not evaluated."""
        if not self.targets or None in self.values[k]:
            return None
        return self.evaluated_sum(k)

    def lowest_before(self):
        """The nadir of each visit."""
        best, found = (None, None), []
        for k in range(len(self.ids)):
            found.append(best)
            s = self.complete_sum(k)
            if s is not None and (best[0] is None or s < best[0]):
                best = (s, k)
        return found

    def nadir(self, k):
        """(sum, visit) before visit k, the earliest of equals; (None, None) where there is none."""
        return self.nadirs[k]

    def first(self, k, lesions, state):
        """The first of the lesions, in the order of the file, that is in a state at visit k."""
        for lesion in lesions:
            if self.state(k, lesion) == state:
                return lesion
        return None


def held(calls, wanted, ended_by):
    """Whether one of the earlier calls is wanted and none after it is the one that ends it."""
    return any(calls[j] in wanted and ended_by not in calls[j + 1:] for j in range(len(calls)))


def complete_before(case, calls, node):
    """Whether a complete response stands when visit len(calls) comes. For a node it must be one
    that a second visit confirms, where the protocol asks for that: 'definitively assigned' in
    EORTC's words."""
    if not case.options["reappearance_is_pd"]:
        return False
    since = [None if "PD" in calls[j:] else call for j, call in enumerate(calls)]
    if node and case.options["confirmation"]:
        return confirming_first(case, since, ("CR",), ("CR", "NE")) is not None
    return "CR" in since


# ---- one visit -----------------------------------------------------------------------------------


def limits(case, k):
    """(PR at or below, PD at or above) of the sum at visit k; None where undefined."""
    if not case.targets:
        return None, None
    shrink, grow = SHARES.get(case.criteria, DIAMETER_SHARES)
    baseline, nadir = case.complete_sum(0), case.nadir(k)[0]
    if nadir is None:
        return shrink * baseline, None
    minimum = exact(case.options["progression_minimum_mm"])
    return shrink * baseline, max(grow * nadir, nadir + minimum)


def target_response(case, k, earlier, calls):
    """(response, rule) of the targets at visit k; earlier are the targets' responses at the visits
    before, calls the overall ones, None for the baseline's."""
    if not case.targets:
        return "NA", None
    pr_limit, pd_limit = limits(case, k)
    e, s, n = case.evaluated_sum(k), case.complete_sum(k), case.nadir(k)[0]
    if e >= pd_limit and e > n:
        return "PD", "PD-sum"
    for lesion, value in zip(case.targets, case.values[k]):
        node = case.nodal(lesion)
        there = value is not None and (not case.gone(k, lesion) if node else value > 0)
        if there and complete_before(case, calls, node):
            return "PD", "PD-reappearance"
    if s is None:
        return "NE", "NE"
    if all(case.gone(k, lesion) for lesion in case.targets):
        return "CR", "CR"
    if s <= pr_limit:
        return "PR", "PR"
    if case.options["keep_pr"] and held(earlier, ("CR", "PR"), "PD"):
        return "PR", "PR-kept"
    return "SD", "SD"


def non_target_response(case, k):
    if not case.non_targets:
        return "NA"
    states = [case.state(k, lesion) for lesion in case.non_targets]
    if "progression" in states:
        return "PD"
    if "not evaluated" in states:
        return "NE"
    for lesion in case.non_targets:
        if case.state(k, lesion) == "present" and not is_normal(case, k, lesion):
            return "NN"
    return "CR"


def is_normal(case, k, lesion):
    """Of a non-target node whose axis is known."""
    axis = case.findings[k][lesion].get("short_axis_mm")
    return case.nodal(lesion) and axis is not None and exact(axis) < case.node_normal


def overall_response(case, k, target, target_rule, non_target, earlier):
    """(overall, rule, lesion that tipped it) at visit k by RECIST 1.1, new lesions apart."""
    if target == "PD":
        return "PD", target_rule, largest_growth(case, k) if target_rule == "PD-sum" else None
    if non_target == "PD":
        return "PD", "PD-non-target", case.first(k, case.non_targets, "progression")
    for lesion in case.non_targets:
        there = case.state(k, lesion) == "present" and not is_normal(case, k, lesion)
        if there and complete_before(case, earlier, case.nodal(lesion)):
            return "PD", "PD-reappearance", None
    if target == "NA":
        return non_target, "NT-" + non_target, None
    if target == "CR" and non_target in ("NN", "NE"):
        return "PR", "CR-non-target-remains", None
    return target, target_rule, largest_fall(case, k) if target_rule == "PR" else None


def largest_growth(case, k):
    """The evaluated target that grew most since the nadir, the first of equals; None where none
    grew."""
    n = case.nadir(k)[1]
    growth = [(now - case.values[n][i], -i) for i, now in enumerate(case.values[k])
              if now is not None]
    most, place = max(growth)
    return case.targets[-place] if most > 0 else None


def largest_fall(case, k):
    """The target that shrank most since the baseline, the first of equals."""
    fall = [(case.values[0][i] - now, -i) for i, now in enumerate(case.values[k])]
    return case.targets[-max(fall)[1]]


def borderline(case, k):
    """The thresholds of visit k that a reader's error could cross: (name, lesion, distance)."""
    s, options = case.complete_sum(k), case.options
    mm = ZERO if case.criteria == "volume" else exact(options["reader_error_mm"])
    share = exact(options["reader_error_percent"]) * Decimal("0.01")
    if s is None or max(mm, share * s) == 0:
        return []
    found = []
    for name, limit in zip(("PR", "PD"), limits(case, k)):
        if abs(s - limit) <= max(mm, share * s):
            found.append((name, None, abs(s - limit)))
    if all(case.gone(k, x) for x in case.targets if not case.nodal(x)):
        for lesion in filter(case.nodal, case.targets):
            axis = case.short_axis(k, lesion)
            if axis is None or case.state(k, lesion) == "too small":
                continue  # nobody measured an axis
            distance = abs(axis - case.node_normal)
            if distance <= max(mm, share * axis):
                found.append(("node", lesion, distance))
    return found


# ---- iRECIST -------------------------------------------------------------------------------------


def new_size(case, k, lesion):
    """The measure of a new lesion in mm; None where it was not measured."""
    size = case.findings[k][lesion].get("short_axis_mm" if case.nodal(lesion) else "longest_mm")
    return None if size is None else exact(size)


def rise(pairs):
    """How much the second sum lies above the first, over the pairs that both have a number; None
    where there is no such pair."""
    pairs = [(a, b) for a, b in pairs if a is not None and b is not None]
    return sum((b - a for a, b in pairs), ZERO) if pairs else None


def new_pairs(case, j, k):
    """Sizes of the new lesions at visits j and k."""
    there = [x for x in case.new if case.state(j, x) == case.state(k, x) == "unequivocal"]
    return [(new_size(case, j, x), new_size(case, k, x)) for x in there]


def confirmation(case, k, run, visits):
    """(why, lesion): whether visit k confirms the iUPD of the run (its iUPD visits so far), as the
    last word of the rule, and by which lesion; (None, None) where it does not. The rules ask for
    any of several reasons; named is the first in the order new lesion, target, non-target, in
    which a visit's call is found too. Growth is against whichever iUPD visit shows most of it.
    visits: the calls by RECIST."""
    p, further = run[-1], exact(case.options["irecist_further_mm"])
    now = [x for x in case.new if case.state(k, x) == "unequivocal"]
    for lesion in now:
        if case.state(p, lesion) != "unequivocal":
            return "new", lesion
    for j in run:
        more = rise(new_pairs(case, j, k))
        if more is not None and more >= further:
            return "new", [x for x in now if case.state(j, x) == "unequivocal"
                           and None not in (new_size(case, j, x), new_size(case, k, x))][0]
    for lesion in now:
        if case.told(k, lesion, "further progression"):
            return "new", lesion
    if visits[k]["target"] == "PD":
        before = [j for j in run if visits[j]["target"] == "PD"]
        rises = [rise(zip(case.values[j], case.values[k])) for j in before]
        if not before or any(r is not None and r >= further for r in rises):
            return "sum", largest_growth(case, k)
    progressing = [x for x in case.non_targets if case.state(k, x) == "progression"]
    for lesion in progressing:
        if case.state(p, lesion) != "progression":
            return "non-target", lesion
    if progressing and all(visits[j]["non_target"] != "PD" for j in run):
        return "non-target", progressing[0]
    for lesion in progressing:
        if case.told(k, lesion, "further progression"):
            return "non-target", lesion
    return None, None


def still_counting(case, k, known):
    """The new lesions that are progression at visit k. Known ones, which outlasted an earlier iUPD
    that was not confirmed, are so where they have grown like targets since they were smallest, or
    where a person says so."""
    there = [x for x in case.new if case.state(k, x) == "unequivocal"]
    low = {}
    for lesion in known:
        gone = [j for j in range(k) if case.state(j, lesion) == "absent"]
        sizes = [new_size(case, j, lesion) for j in range(gone[-1] if gone else 0, k)
                 if case.state(j, lesion) == "unequivocal"]
        sizes = [s for s in sizes if s is not None]
        if sizes and lesion in there and new_size(case, k, lesion) is not None:
            low[lesion] = min(sizes)
    least, now = sum(low.values(), ZERO), sum((new_size(case, k, x) for x in low), ZERO)
    regrown = low and now > least and now >= least * DIAMETER_SHARES[1] and \
        now - least >= exact(case.options["progression_minimum_mm"])
    counting = []
    for lesion in there:
        if case.told(k, lesion, "further progression"):
            counting.append(lesion)
        elif not case.told(k, lesion, "present") and (
                lesion not in known or (regrown and new_size(case, k, lesion) is not None)):
            counting.append(lesion)
    return counting


def apart_from_new(case, k, visits):
    """The call of visit k beside new lesions that do not count; with them nothing is complete."""
    overall, rule, lesion = visits[k]["apart"]
    if overall == "CR":
        remains = case.first(k, case.new, "unequivocal")
        return ("PR", "CR-new-remains", remains) if case.targets else \
            ("NN", "NT-new-remains", remains)
    return overall, rule, lesion


def responds_beside(case, k, run, visits):
    """Whether the targets have become a response since the last iUPD while the new lesions stayed."""
    overall, rule, _ = visits[k]["apart"]
    if not run or not case.targets or overall not in ("CR", "PR") or rule == "PR-kept":
        return False
    targets = rise(zip(case.values[run[-1]], case.values[k]))
    return targets is not None and targets < 0 and (rise(new_pairs(case, run[-1], k)) or ZERO) <= 0


def immune_responses(case, visits):
    """(calls as (overall, rule, lesion), first visit (u) of the run that was confirmed or None).
    visits: the calls by RECIST."""
    calls, run, confirmed, known = [(None, None, None)], [], None, set()
    for k in range(1, len(visits)):
        overall, rule, lesion = (visits[k][name] for name in ("overall", "rule", "lesion"))
        if confirmed is not None:
            calls.append(("iCPD", "iCPD-before", None))
            continue
        known = {x for x in known if case.state(k, x) != "absent"}
        there = [x for x in case.new if case.state(k, x) == "unequivocal"]
        why, by = confirmation(case, k, run, visits) if run else (None, None)
        waited = case.days[k] - case.days[run[0]] if run else 0
        if why and waited >= case.options["irecist_earliest_days"]:
            confirmed = k
            calls.append(("iCPD", "iCPD-" + why, by))
            continue
        if there and not why:
            counting = still_counting(case, k, known)
            if counting and not responds_beside(case, k, run, visits):
                overall, rule, lesion = "PD", "PD-new", counting[0]
            else:
                overall, rule, lesion = apart_from_new(case, k, visits)
        if overall == "PD":
            run.append(k)
            calls.append(("iUPD", "iU" + rule, lesion))
        elif overall == "NE":
            calls.append((overall, rule, lesion))
        else:
            run, known = [], known | set(there)
            calls.append(("i" + overall, "i" + rule, lesion))
    return calls, run[0] if confirmed is not None else None


# ---- all visits ----------------------------------------------------------------------------------


def progression_visit(case, calls):
    """The visit from which progression dates, by RECIST 1.1; None where there is none."""
    if "PD" not in calls:
        return None
    dated = calls.index("PD")
    for lesion in case.new:
        for found in range(1, len(calls)):
            if case.state(found, lesion) != "unequivocal":
                continue
            for j in range(found - 1, 0, -1):
                if case.state(j, lesion) == "absent":
                    break
                if case.state(j, lesion) == "equivocal":
                    dated = min(dated, j)
    return dated


def confirming_first(case, calls, wanted, between):
    """The first visit of the first pair of wanted calls far enough apart, None where none is."""
    for i in range(len(calls)):
        for j in range(i + 1, len(calls)):
            if (calls[i] in wanted and calls[j] in wanted
                    and case.days[j] - case.days[i] >= case.options["confirmation_days"]
                    and all(c in between for c in calls[i + 1:j])):
                return i
    return None


def best_response(case, calls, kept):
    """(best of CR, PR, SD, NN or None, visit of the response or None); calls: of the visits that
    count, with PD and iUPD as "PD" and the baseline's None; kept: the visits whose PR is one by its
    past alone, and stable disease when it comes to confirming."""
    confirm = case.options["confirmation"]
    stable = ("CR", "PR", "SD", "NN") if confirm else ("SD", "NN")
    if confirm:
        calls = ["SD" if c == "PR" and k in kept else c for k, c in enumerate(calls)]
    for best, wanted in (("CR", ("CR",)), ("PR", ("CR", "PR") if confirm else ("PR",))):
        if confirm:
            first = confirming_first(case, calls, wanted, wanted + ("NE",))
            if first is not None:
                either = ("CR", "PR")
                return best, confirming_first(case, calls, either, either + ("NE",))
        elif best in calls:
            return best, min(j for j, c in enumerate(calls) if c in ("CR", "PR"))
    for k, call in enumerate(calls):
        if call in stable and case.days[k] - case.days[0] >= case.options["minimum_sd_days"]:
            return ("SD" if case.targets else "NN"), None
    return None, None


def over_recist(case, calls, kept):
    """(best, visit of the response, visit of progression, visits that count)."""
    progression = progression_visit(case, calls)
    counted = calls if progression is None else calls[:progression] + ["PD"]
    best, response = best_response(case, counted, kept)
    if best is None:
        best = "NE" if progression is None else "PD"
    return best, response, progression, range(1, len(counted))


def over_irecist(case, calls, kept, progression):
    """As over_recist; progression: first visit of the run that was confirmed."""
    before = calls if progression is None else calls[:progression]
    counted = [k for k in range(1, len(before)) if before[k] != "iUPD"]
    best, response = best_response(case, [
        None if c is None else "NE" if c == "iUPD" else c.removeprefix("i") for c in before],
        kept)
    if best is not None:
        best = "i" + best
    elif progression is not None:
        best = "iCPD"
    else:
        best = "iUPD" if "iUPD" in calls else "NE"
    return best, response, progression, counted


def duration(case, start, progression, calls):
    """(days, whether censored) from the visit start to progression or the last evaluated visit."""
    if start is None:
        return None, None
    end = progression
    if end is None:
        end = max(j for j, c in enumerate(calls) if c != "NE")
    return case.days[end] - case.days[start], progression is None


def depth(case, counted):
    """(smallest change in percent, visit's id) over the visits that count."""
    baseline, best = case.complete_sum(0), None
    for k in counted:
        s = case.complete_sum(k)
        if s is not None and baseline and (best is None or s < best[0]):
            best = (s, k)
    if best is None:
        return None, None
    return percent(best[0] - baseline, baseline), case.ids[best[1]]


def visit_result(case, k):
    """What is known of a visit before its call."""
    unit = "cc" if case.criteria == "volume" else "mm"
    evaluated = any(v is not None for v in case.values[k])
    s, baseline = case.complete_sum(k), case.complete_sum(0)
    n, at = case.nadir(k)
    pr_limit, pd_limit = limits(case, k)
    change = None if s is None else s - baseline
    growth = None if s is None or n is None else s - n
    return {
        "id": case.ids[k], "date": case.dates[k], "sum_" + unit: plain(s),
        "evaluated_sum_" + unit: plain(case.evaluated_sum(k)) if evaluated else None,
        "baseline_change_percent": percent(change, baseline),
        "nadir_" + unit: plain(n), "nadir_visit": None if at is None else case.ids[at],
        "nadir_change_percent": percent(growth, n),
        "pr_limit_" + unit: plain(pr_limit), "pd_limit_" + unit: plain(pd_limit),
        "target": None, "non_target": None, "overall": None, "rule": None, "lesion": None,
        "borderline": [] if k == 0 else [
            {"threshold": name, "lesion": lesion,
             "distance_mm" if name == "node" else "distance_" + unit: plain(distance)}
            for name, lesion, distance in borderline(case, k)],
    }


def respond(timeline, options):
    """The result of one consistent timeline, in the fields of the program's JSON, without the
    sentences and notes."""
    case = Case(timeline, options)
    visits, targets, calls = [visit_result(case, 0)], [None], [None]
    for k in range(1, len(case.ids)):
        target, target_rule = target_response(case, k, targets, calls)
        non_target = non_target_response(case, k)
        apart = overall_response(case, k, target, target_rule, non_target, calls)
        new = case.first(k, case.new, "unequivocal")
        overall, rule, lesion = apart if new is None else ("PD", "PD-new", new)
        targets.append(target)
        calls.append(overall)
        visits.append(dict(visit_result(case, k), target=target, target_rule=target_rule,
                           non_target=non_target, overall=overall, rule=rule, lesion=lesion,
                           apart=apart))
    kept = [k for k, visit in enumerate(visits) if visit.get("target_rule") == "PR-kept"]
    if case.criteria == "irecist":
        immune, run = immune_responses(case, visits)
        for visit, (overall, rule, lesion) in zip(visits, immune):
            visit.update(overall=overall, rule=rule, lesion=lesion)
        calls = [overall for overall, _, _ in immune]
        best, response, progression, counted = over_irecist(case, calls, kept, run)
    else:
        best, response, progression, counted = over_recist(case, calls, kept)
    for visit in visits:
        visit.pop("target_rule", None)
        visit.pop("apart", None)
    days, censored = duration(case, response, progression, calls)
    free, free_censored = duration(case, 0, progression, calls)
    deepest, deepest_visit = depth(case, counted)
    return {
        "patient": timeline["patient"], "criteria": case.criteria,
        "label": timeline.get("label", ""), "options": options, "visits": visits,
        "best_overall_response": best,
        "response_date": None if response is None else case.dates[response],
        "progression_date": None if progression is None else case.dates[progression],
        "duration_of_response_days": days, "duration_censored": censored,
        "progression_free_days": free, "progression_free_censored": free_censored,
        "depth_percent": deepest, "depth_visit": deepest_visit,
    }
