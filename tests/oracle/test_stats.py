"""Every statistic of src/stats against R (with survival, pROC, psych) and SciPy on seeded data sets:
ties, zeros, few observations, constant data, perfect separation. What is undefined must come back
as undefined, with a reason and without a number."""
import math
import os
import shutil
import subprocess
import sys
import tempfile
import warnings

try:
    import numpy as np
    from scipy import stats as scipy_stats
except ImportError:
    print("NumPy or SciPy is not installed")
    sys.exit(77)

import reprise_c
import stats_library

SETS = 240
NAN, INF = math.nan, math.inf
BAD = ([], [NAN], [1.0, INF, 2.0], [1.0, 2.0, -INF, 4.0], [1e200, 2.0, 3.0])


def near(found, expected, what, tolerance=1e-9):
    """Numbers, or lists of them; NaN only where NaN is expected."""
    found, expected = np.atleast_1d(found).astype(float), np.atleast_1d(expected).astype(float)
    assert found.shape == expected.shape, (what, found, expected)
    same = np.isclose(found, expected, rtol=tolerance, atol=tolerance, equal_nan=True)
    assert same.all(), (what, found[~same], expected[~same])


def near_p(found, expected, what):
    """Small probabilities agree in their digits too."""
    near(found, expected, what)
    near(np.log(found + 1e-300), np.log(expected + 1e-300), what + ", logarithm", 1e-6)


def must_be_undefined(found, what):
    assert not found["defined"] and len(found["reason"]) > 5, (what, found)
    for name, value in found.items():
        if isinstance(value, float):
            assert math.isnan(value), (what, name, value)
    if "interval_reason" in found:
        assert found["interval_reason"], (what, found)


def must_be_defined(found, what):
    assert found["defined"] and found["reason"] == "", (what, found)


def has_interval(found, expected, what):
    must_be_defined(found, what)
    assert (found["interval_reason"] == "") == expected, (what, found)
    assert math.isfinite(found["low"]) == math.isfinite(found["high"]) == expected, (what, found)


def numbers(rng, i):
    """The i-th sample: small ones first among them, of several kinds."""
    n = 1 + i // 7 if i < 84 else int(rng.integers(2, 90))
    n = {200: 50, 201: 51, 202: 49, 203: 50, 204: 51, 205: 400}.get(i, n)
    x = rng.normal(0.3, 1, n)
    kind = i % 7 if i < 200 or i > 205 else i % 2
    return [x, x * 10.0 ** rng.integers(-8, 9), np.round(x), np.round(x * 2) / 2 + 0.25,
            np.where(rng.random(n) < 0.3, 0, x), np.full(n, round(x[0], 1)), np.round(x, 1) + 100,
            ][kind]


def samples(rng):
    for i in range(SETS):
        yield (list(numbers(rng, i)),)
    for bad in BAD:
        yield (bad,)
    yield ([0.0] * 5,)


def pairs(rng):
    for i in range(SETS):
        x = numbers(rng, i)
        n, kind = len(x), i % 9
        noise = rng.normal(0, 0.5, n)
        y = [x + noise, x, -x, x + 0.1, x * 2 + noise, rng.permutation(x), np.round(x + noise),
             noise + 3, np.full(n, 2.5)][kind]
        yield list(x), list(y)
    for bad in BAD:
        yield bad, [1.0] * len(bad)
        yield list(range(len(bad))), bad
    yield [0.0, 1.0], [1.0, 0.0]
    yield [3.0] * 6, [3.0] * 6
    yield [3.0] * 6, [4.0] * 6


def usable(*lists):
    return all(math.isfinite(v) and abs(v) < 1e150 for x in lists for v in x)


def constant(x):
    return len(set(x)) <= 1


# Each class: data(rng) yields data sets; for_r gives what R gets of one; check compares what the C
# library says with R's values (None without R) and SciPy's, and says which case it was.

class Mean:
    data = staticmethod(samples)

    @staticmethod
    def check(c, r, x):
        found = c.mean(x)
        if not x or not usable(x):
            return must_be_undefined(found, x) or "undefined"
        near(found["value"], np.mean(x), "mean")
        has_interval(found, not constant(x), x)
        if constant(x):
            assert r is None or len(r) == 1 or np.isnan(r[1:3]).all(), (x, r)  # 1: an error
            return "no interval"
        low, high = scipy_stats.t.interval(0.95, len(x) - 1, np.mean(x), scipy_stats.sem(x))
        own = [found[k] for k in ("value", "low", "high", "se")]
        scale = abs(high) + abs(low)
        near(np.array(own[1:3]) / scale, np.array([low, high]) / scale, "SciPy, interval",
             1e-8)  # its t quantile has nine digits
        if r is not None:
            near(np.array(own) / scale, r / scale, "R")
        return "defined"


class Quartiles:
    data = staticmethod(samples)

    @staticmethod
    def check(c, r, x):
        found = c.quartiles(x)
        if not x or not usable(x):
            return must_be_undefined(found, x) or "undefined"
        must_be_defined(found, x)
        own = [found[k] for k in ("q1", "median", "q3")]
        near(own, np.percentile(x, [25, 50, 75]), "NumPy")
        if r is not None:
            near(own, r, "R")
        return "defined"


class Wilcoxon:
    data = staticmethod(samples)

    @staticmethod
    def check(c, r, x):
        found = c.wilcoxon(x)
        if not usable(x) or not any(x):
            return must_be_undefined(found, x) or "undefined"
        must_be_defined(found, x)
        sizes = [abs(v) for v in x if v]
        exact = len(sizes) == len(x) <= 50 and len(set(sizes)) == len(sizes)
        assert found["exact"] == exact and found["n"] == len(sizes), (x, found)
        assert ("exact" in found["method"]) == exact, found
        its = scipy_stats.wilcoxon(x, correction=False, mode="exact" if exact else "approx")
        near_p(found["p"], its.pvalue, "SciPy, p")
        total = len(sizes) * (len(sizes) + 1) / 2
        near(min(found["statistic"], total - found["statistic"]), its.statistic, "SciPy, V")
        if r is not None:
            near(found["statistic"], r[0], "R, V")
            near_p(found["p"], r[1], "R, p")
        return "exact" if exact else "normal"


class McNemar:
    @staticmethod
    def data(rng):
        yield from ((int(b), int(c)) for b in range(15) for c in range(15))
        yield from (tuple(int(v) for v in rng.integers(0, 400, 2)) for _ in range(60))

    @staticmethod
    def for_r(b, c):
        return ([b, c],)

    @staticmethod
    def check(c, r, only_first, only_second):
        found = c.mcnemar(only_first, only_second)
        if only_first + only_second == 0:
            return must_be_undefined(found, "0 and 0") or "undefined"
        must_be_defined(found, (only_first, only_second))
        its = scipy_stats.binomtest(only_first, only_first + only_second).pvalue
        near_p(found["p"], its, "SciPy")
        assert found["n"] == only_first + only_second
        if r is not None:
            near_p(found["p"], r[0], "R")
        return "defined"


class Spearman:
    @staticmethod
    def data(rng):
        yield from pairs(rng)
        for i in range(84):
            yield tuple(list(rng.normal(size=3 + i % 8)) for _ in range(2))

    @staticmethod
    def check(c, r, x, y):
        found = c.spearman(x, y)
        if len(x) < 3 or not usable(x, y) or constant(x) or constant(y):
            return must_be_undefined(found, (x, y)) or "undefined"
        must_be_defined(found, (x, y))
        exact = len(x) <= 9 and len(set(x)) == len(set(y)) == len(x)
        assert found["exact"] == exact and found["n"] == len(x), found
        rho, p = scipy_stats.spearmanr(x, y)
        near(found["statistic"], rho, "SciPy, rho")
        if not exact:
            near(found["p"], p, "SciPy, p")
        if r is not None:
            near(found["statistic"], r[0], "R, rho")
            near(found["p"], r[1], "R, p")
        return "exact" if exact else "by t"


class Holm:
    @staticmethod
    def data(rng):
        for i in range(SETS):
            p = np.round(rng.random(i % 12) ** 3, 1 if i % 3 == 0 else 12)
            yield (list(np.where(rng.random(len(p)) < 0.1, NAN, p)),)

    @staticmethod
    def for_r(p):
        return ([-1.0 if math.isnan(v) else v for v in p],)

    @staticmethod
    def check(c, r, p):
        found = c.holm(p)
        assert [math.isnan(v) for v in found] == [math.isnan(v) for v in p], (p, found)
        if r is not None and p:
            near(found, r, "R")
        return "defined"


class Proportion:
    @staticmethod
    def data(rng):
        yield from ((k, n) for n in range(22) for k in range(n + 1))
        yield from ((int(rng.integers(0, n + 1)), int(n)) for n in rng.integers(22, 2000, 40))
        yield from ((3, 2), (1, 0))

    @staticmethod
    def for_r(k, n):
        return ([k, n],)

    @staticmethod
    def check(c, r, k, n):
        found = c.proportion(k, n)
        if n == 0 or k > n:
            return must_be_undefined(found, (k, n)) or "undefined"
        must_be_defined(found, (k, n))
        near(found["value"], k / n, "proportion")
        wilson = [found["wilson_low"], found["wilson_high"]]
        clopper = [found["clopper_low"], found["clopper_high"]]
        test = scipy_stats.binomtest(k, n)
        near(wilson, list(test.proportion_ci(0.95, "wilson")), "SciPy, Wilson")
        near(clopper, list(test.proportion_ci(0.95, "exact")), "SciPy, Clopper-Pearson")
        if r is not None:
            near(wilson + clopper, r, "R")
        return "defined"


class Diagnostic:
    @staticmethod
    def data(rng):
        for i in range(SETS):
            yield tuple(int(v) for v in rng.integers(0, 2 + i // 4, 4) * (rng.random(4) < 0.7))

    @staticmethod
    def check(c, _r, tp, fn, tn, fp):
        found, undefined = c.diagnostic(tp, fn, tn, fp), False
        for name, k, n in (("sensitivity", tp, tp + fn), ("specificity", tn, tn + fp),
                           ("accuracy", tp + tn, tp + fn + tn + fp)):
            if n == 0:
                must_be_undefined(found[name], name)
                undefined = True
                continue
            must_be_defined(found[name], name)
            assert (found[name]["count"], found[name]["n"]) == (k, n), (name, found)
            exact = scipy_stats.binomtest(k, n).proportion_ci(0.95, "exact")
            near([found[name]["clopper_low"], found[name]["clopper_high"]], list(exact), name)
        return "undefined" if undefined else "defined"


class Auc:
    @staticmethod
    def data(rng):
        for i in range(SETS):
            m, n = (1 + i % 4, 1 + i // 4 % 4) if i < 80 else rng.integers(2, 60, 2)
            yes, no = rng.normal(0.8, 1, m), rng.normal(0, 1, n)
            kind = i % 6
            if kind == 1:
                yes, no = np.round(yes), np.round(no)
            elif kind == 2:
                yes = yes + 20
            elif kind == 3:
                yes, no = yes * 0 + 1, no * 0 + 1
            elif kind == 4:
                yes, no = np.sign(yes), np.sign(no)
            yield list(yes), list(no)
        for bad in BAD[1:]:
            yield bad, [1.0, 2.0]
            yield [1.0, 2.0], bad
        yield [], [1.0, 2.0]
        yield [1.0, 2.0], []
        yield [], []
        yield [1.0, 2.0, 3.0], [5.0, 6.0]

    @staticmethod
    def check(c, r, yes, no):
        found, points = c.auc(yes, no), c.roc(yes, no)
        if not yes or not no or not usable(yes, no):
            assert points == []
            return must_be_undefined(found, (yes, no)) or "undefined"
        must_be_defined(found, (yes, no))
        assert found["n"] == len(yes) + len(no)
        u = scipy_stats.mannwhitneyu(yes, no).statistic
        near(found["value"], u / len(yes) / len(no), "SciPy")
        sensitivity = [p["sensitivity"] for p in points]
        specificity = [p["specificity"] for p in points]
        assert [p["threshold"] for p in points] == [INF] + sorted(set(yes + no), reverse=True)
        near(np.trapz(sensitivity, 1 - np.array(specificity)), found["value"], "area of points")
        separated = min(yes) > max(no) or max(yes) < min(no) or len(set(yes + no)) == 1
        few = len(yes) < 2 or len(no) < 2
        has_interval(found, not (separated or few), (yes, no))
        if r is not None:
            near(found["value"], r[0], "R, area")
            near(sensitivity + specificity, r[4:], "R, points")
        if separated or few:
            assert r is None or np.isnan(r[2]) or r[2] == r[3], (yes, no, r)
            return "no interval"
        if r is not None:
            near([found["se"], found["low"], found["high"]], r[1:4], "R, DeLong")
        return "defined"


class Kappa:
    @staticmethod
    def data(rng):
        for i in range(SETS):
            k = 2 + i % 4
            table = rng.integers(0, 3 + i // 4, (k, k))
            if i % 6 == 1:
                table += 20 * np.eye(k, dtype=int)
            elif i % 6 == 2:
                table = np.diag(np.diag(table) + 1)
            elif i % 6 == 3:
                table[-1], table[:, -1] = 0, 0
            elif i % 6 == 4:
                table = (rng.random((k, k)) < 0.3).astype(int)
            elif i % 12 == 5:
                table = np.fliplr(np.diag(np.full(k, 1 + i)))
            yield (table.tolist(),)
        yield from (([],), ([[0]],), ([[7]],), ([[0, 0], [0, 9]],), ([[0, 9], [0, 0]],),
                    ([[3, 1], [0, 0]],), ([[0, 0], [0, 0]],), ([[1, 0], [0, 1]],))

    @staticmethod
    def for_r(table):
        return ([v for row in table for v in row],)

    @staticmethod
    def check(c, r, table):
        found, a = c.kappa(table), np.array(table, float).reshape(len(table), len(table))
        if a.sum() == 0 or np.diag(a).max() == a.sum():
            return must_be_undefined(found, table) or "undefined"
        # Agreement by a count over all pairs of one rater's and the other's choices.
        first = np.repeat(np.repeat(np.arange(len(a)), len(a)), a.astype(int).ravel())
        second = np.repeat(np.tile(np.arange(len(a)), len(a)), a.astype(int).ravel())
        chance = np.mean(first[:, None] == second[None, :])
        near(found["value"], (np.mean(first == second) - chance) / (1 - chance), "kappa")
        assert found["n"] == a.sum()
        must_be_defined(found, table)
        if r is None:
            return "without R"
        near(found["value"], r[0], "R, kappa")
        has_interval(found, r[1] > 1e-7, (table, r))
        if r[1] <= 1e-7:
            return "no interval"
        near([found["se"], found["low"], found["high"]], r[1:], "R, interval")
        return "defined"


class BlandAltman:
    data = staticmethod(samples)

    @staticmethod
    def check(c, r, x):
        found = c.bland_altman(x)
        if len(x) < 2 or not usable(x):
            return must_be_undefined(found, x) or "undefined"
        must_be_defined(found, x)
        scale = np.abs(x).max() or 1.0
        own = np.array([found[k] for k in (
            "bias", "bias_low", "bias_high", "sd", "lower", "upper", "lower_low", "lower_high",
            "upper_low", "upper_high")]) / scale
        near(own[[0, 3]], np.array([np.mean(x), np.std(x, ddof=1)]) / scale, "NumPy")
        assert (found["interval_reason"] == "") != constant(x), (x, found)
        if constant(x):
            assert np.isnan(own[[1, 2, 6, 7, 8, 9]]).all() and found["sd"] == 0, (x, found)
            near(own[[4, 5]], own[[0, 0]], "limits")
            return "no interval"
        half = 1.96 * np.std(x, ddof=1) / scale
        near(own[[4, 5]], own[0] + np.array([-half, half]), "limits")
        if r is not None:
            near(own, r / scale, "R")
        return "defined"


class Icc:
    data = staticmethod(pairs)

    @staticmethod
    def check(c, r, x, y):
        found = c.icc(x, y)
        size = max((abs(v) for v in x + y), default=0)
        still = usable(x, y) and np.ptp(np.add(x, y) if x else [0]) <= 1e-13 * size
        level = usable(x, y) and np.ptp(np.subtract(x, y) if x else [0]) <= 1e-13 * size
        if len(x) < 2 or not usable(x, y) or (still and level):
            must_be_undefined(found["agreement"], (x, y))
            return must_be_undefined(found["consistency"], (x, y)) or "undefined"
        if len(x) == 2 and still and np.mean(x) == np.mean(y):
            must_be_undefined(found["agreement"], (x, y))
            assert found["consistency"]["value"] == -1
            return "undefined"
        if level:
            for name in ("agreement", "consistency"):
                has_interval(found[name], False, (x, y))
            near(found["consistency"]["value"], 1, "equal but for a constant")
            if r is not None:
                near([found["agreement"]["value"], 1], r[[0, 3]], "R")
            return "no interval"
        for name in ("agreement", "consistency"):
            must_be_defined(found[name], (x, y))
        if r is not None:
            for name, its in (("agreement", r[:3]), ("consistency", r[3:])):
                finite = bool(np.isfinite(its).all()) and not still
                has_interval(found[name], finite, (x, y, its))
                its = its if finite else [its[0], NAN, NAN]
                near([found[name][k] for k in ("value", "low", "high")], its, f"R, {name}")
        return "no interval" if still else "defined"


class KaplanMeier:
    @staticmethod
    def data(rng):
        for i in range(SETS):
            n = 1 + i // 8 if i < 96 else int(rng.integers(2, 100))
            time = rng.exponential(20, n)
            if i % 2:
                time = np.ceil(time / 4)
            event = rng.random(n) < [0.5, 0.9, 0.2, 1.1, -0.1][i % 5]
            yield list(time), [int(e) for e in event]
        yield from (([], []), ([NAN], [1]), ([1.0, -1.0], [1, 1]), ([INF, 1.0], [0, 1]),
                    ([0.0, 0.0, 1.0], [1, 0, 1]), ([1.0, 2.0, 3.0, 4.0], [1, 1, 1, 1]),
                    ([1.0, 2.0, 3.0, 4.0], [1, 1, 0, 0]), ([1.0, 2.0], [1, 1]))

    @staticmethod
    def check(c, r, time, event):
        found = c.kaplan_meier(time, event)
        if not time or not usable(time) or min(time) < 0:
            assert not found["median_defined"] and found["median_reason"], found
            return must_be_undefined(found, time) or "undefined"
        must_be_defined(found, time)
        assert found["n"] == len(time) and found["events"] == sum(event), found
        points = found["points"]
        own = [[p[k] for p in points] for k in ("time", "at_risk", "events", "censored",
                                                "survival", "se", "low", "high")]
        assert own[0] == sorted(set(time))
        assert found["median_defined"] == (min(own[4]) < 0.5 + 1e-8), found
        assert found["median_defined"] == (found["median_reason"] == ""), found
        if r is not None:
            near([found[k] for k in ("median", "median_low", "median_high")], r[:3], "R, median")
            near(np.concatenate(own), r[3:], "R, curve")
        return "median" if found["median_defined"] else "no median"


class Bootstrap:
    """SciPy draws differently: its share of resampled means beyond each limit is compared, which
    also holds where means are few and repeat."""
    replicates = 10000

    @staticmethod
    def data(rng):
        yield from (([v for v in x[:25]],) for (x,) in samples(rng))

    @classmethod
    def check(cls, c, _r, x):
        found = c.bootstrap(x, cls.replicates, len(x))
        if not x or not usable(x):
            return must_be_undefined(found, x) or "undefined"
        near(found["value"], np.mean(x), "mean")
        has_interval(found, not constant(x), x)
        assert math.isnan(found["se"])
        if constant(x):
            return "no interval"
        again = c.bootstrap(x, cls.replicates, len(x))
        assert (again["low"], again["high"]) == (found["low"], found["high"]), (x, found, again)
        x, rng = np.array(x), np.random.default_rng(len(x))
        means = x[rng.integers(0, len(x), (2 * cls.replicates, len(x)))].mean(1)
        hair, slack = 1e-9 * np.abs(x).max(), 0.01  # five standard errors
        for limit, share in ((found["low"], 0.025), (found["high"], 0.975)):
            assert np.mean(means < limit - hair) <= share + slack, (x, found)
            assert np.mean(means <= limit + hair) >= share - slack, (x, found)
        return "defined"


CHECKS = {"mean": Mean, "quartiles": Quartiles, "wilcoxon": Wilcoxon, "mcnemar": McNemar,
          "spearman": Spearman, "holm": Holm, "proportion": Proportion, "auc": Auc, "kappa": Kappa,
          "bland_altman": BlandAltman, "icc": Icc, "kaplan_meier": KaplanMeier}
WITHOUT_R = {"diagnostic": Diagnostic, "bootstrap": Bootstrap}


def line_for_r(name, check, data):
    lists = check.for_r(*data) if hasattr(check, "for_r") else data
    return "|".join([name] + [" ".join(float(v).hex() for v in x) for x in lists])


def ask_r(everything):
    """R's values of each data set, or None and why there are none."""
    if not shutil.which("Rscript"):
        return None, "R is not installed"
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "stats_reference.R")
    with tempfile.TemporaryDirectory(prefix="reprise-oracle-") as folder:
        question, answer = os.path.join(folder, "question"), os.path.join(folder, "answer")
        with open(question, "w", encoding="ascii") as file:
            for name, data in everything:
                file.write(line_for_r(name, CHECKS[name], data) + "\n")
        done = subprocess.run(["Rscript", "--vanilla", script, question, answer],
                              capture_output=True, text=True, check=False)
        if "there is no package called" in done.stderr:
            return None, "R lacks a package: " + done.stderr.strip().split("\n")[0]
        assert done.returncode == 0, done.stderr
        with open(answer, encoding="ascii") as file:
            lines = file.read().split("\n")[:-1]
    assert len(lines) == len(everything), (len(lines), len(everything))
    return [np.array([NAN if v == "NA" else float.fromhex(v) for v in line.split()])
            for line in lines], None


def main():
    try:
        c = stats_library.Stats()
    except reprise_c.Unavailable as reason:
        print(reason)
        sys.exit(77)
    everything = []
    for number, (name, check) in enumerate(CHECKS.items()):
        everything += [(name, data) for data in check.data(np.random.default_rng(100 + number))]
    answers, no_r = ask_r(everything)
    everything += [(name, data) for name, check in WITHOUT_R.items()
                   for data in check.data(np.random.default_rng(200))]
    found, failures = {}, {}
    for i, (name, data) in enumerate(everything):
        r = answers[i] if answers and i < len(answers) else None
        try:
            case = {**CHECKS, **WITHOUT_R}[name].check(c, r, *data)
        except AssertionError as failure:
            case = "WRONG"
            failures.setdefault(name, failure)
        found.setdefault(name, []).append(case)
    for name, cases in found.items():
        counts = {case: cases.count(case) for case in sorted(set(cases))}
        print(f"{name:13s} {len(cases):4d} data sets: "
              + ", ".join(f"{count} {case}" for case, count in counts.items()))
        assert len(cases) >= 200, (name, "fewer than 200 data sets")
        assert name == "holm" or counts.get("undefined"), (name, "nothing undefined was tried")
    for name, failure in failures.items():
        print(f"{name}, the first that is wrong: {failure}")
    if failures:
        sys.exit(1)
    if no_r:
        print(f"{no_r}: compared with SciPy alone")
        sys.exit(77)


warnings.simplefilter("ignore")
np.seterr(all="ignore")
main()
