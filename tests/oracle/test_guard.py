"""rp_guard_interval against SciPy: the posterior of mean and variance is integrated numerically, the
chances are counted over quantiles of the distribution and classified by RECIST as written here."""
import ctypes
import math
import sys
import tempfile
from ctypes import POINTER, byref, c_bool, c_char, c_char_p, c_double, c_int, c_uint64

try:
    import numpy
    import scipy.optimize
    import scipy.stats
    import reprise_c
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

MODULES = ("guard", "learn", "io", "nn", "kernels", "synth", "track", "register", "stats", "measure", "response",
           "volume", "base")
LIBRARIES = ("-lstdc++",) + reprise_c.SYSTEM_LIBRARIES
CASES = 16
failures = 0


def check(what, good, detail=""):
    global failures
    print(f"{'ok  ' if good else 'FAIL'} {what} {detail}", flush=True)
    failures += not good


# ---- the library ------------------------------------------------------------------------------------


class Trial(ctypes.Structure):
    _fields_ = [("gone", c_bool)] + [(n, c_double) for n in (
        "change_percent", "true_mm", "true_cc", "found_mm", "found_cc", "dice")] + [
        ("parts", c_int), ("registered", c_double * 3), ("carried", c_double * 3)]


class Trials(ctypes.Structure):
    _fields_ = [("item", Trial * 64), ("count", c_int), ("seed", c_uint64), ("kind", c_char * 32),
                ("source", c_int), ("compared", c_bool)]


class Calibration(ctypes.Structure):
    _fields_ = [("name", c_char_p)] + [(n, c_double) for n in (
        "floor_voxels", "relative", "bias", "bias_trials", "spread", "spread_trials", "reach", "far", "most", "q80", "q95",
        "narrow", "gone")] + [("false_find", c_double * 2), ("miss", c_double * 2)]


class Response(ctypes.Structure):
    _fields_ = [("nodal", c_bool), ("baseline_mm", c_double), ("nadir_mm", c_double), ("state", c_int)] + [
        (n, c_double) for n in ("followup_mm", "slice_spacing_mm", "too_small_mm")] + [
        ("new_lesion", c_bool), ("baseline_voxel_mm", c_double), ("followup_voxel_mm", c_double)]


class Question(ctypes.Structure):
    _fields_ = [("calibration", POINTER(Calibration)), ("trials", POINTER(Trials))] + [
        (n, c_double) for n in ("found_mm", "found_cc", "voxel_mm")] + [("response", Response)]


class Answer(ctypes.Structure):
    _fields_ = [("found", c_bool)] + [(n, c_double) for n in ("weight", "centre_mm", "scale_mm")] + [
        (n, c_double * 2) for n in ("low_mm", "high_mm", "low_percent", "high_percent")] + [
        ("probability", c_double * 4), ("response", c_int), ("gone", c_double), ("failure", c_double), ("failure_near", c_double)]


# ---- the reference ----------------------------------------------------------------------------------


def posterior_predictive(errors, weights, bias, bias_trials, spread, spread_trials):
    """Mean, and three quantiles, of the next error: sums over a grid of means and variances."""
    # The variance runs over the quantiles of its prior's and the data's scale, generously.
    v = numpy.exp(numpy.linspace(math.log(1e-2), math.log(1e4), 301)) * spread**2
    m = bias + numpy.sinh(numpy.linspace(-6, 6, 1001)) * spread / 5
    log_v = scipy.stats.invgamma.logpdf(v, spread_trials / 2, scale=spread_trials * spread**2 / 2) + numpy.log(v)
    grid_m, grid_v = m[:, None], v[None, :]
    log_p = log_v[None, :] + numpy.log(numpy.gradient(m))[:, None] + scipy.stats.norm.logpdf(grid_m, bias, numpy.sqrt(grid_v / bias_trials))
    for z, w in zip(errors, weights):
        # A trial of weight w counts as w observations; the constant of the density does not matter.
        log_p = log_p - w * (0.5 * numpy.log(grid_v) + (z - grid_m) ** 2 / (2 * grid_v))
    p = numpy.exp(log_p - log_p.max())
    p /= p.sum()
    keep_v, by_v = p.sum(axis=0) > 1e-12, p.sum(axis=0)
    mean_of = (p * m[:, None]).sum()

    def below(x):
        rows = p[:, keep_v]
        return (rows * scipy.stats.norm.cdf((x - grid_m) / numpy.sqrt(v[keep_v])[None, :])).sum() / by_v[keep_v].sum()
    quantile = scipy.optimize.brentq(lambda x: below(x) - 0.85, mean_of, mean_of + 40 * spread, xtol=1e-7)
    return mean_of, quantile


def tails(q80, q95):
    """Degrees of freedom and scale of the t whose middle 80 and 95 % lie within these limits."""
    ratio = q95 / q80
    of = lambda df: scipy.stats.t.ppf(0.975, df) / scipy.stats.t.ppf(0.9, df)
    df = 1.0 if ratio >= of(1.0) else 1000.0 if ratio <= of(1000.0) else scipy.optimize.brentq(
        lambda x: of(x) - ratio, 1.0, 1000.0, xtol=1e-12)
    return df, q95 / scipy.stats.t.ppf(0.975, df)


def recist(mm, baseline, nadir, nodal):
    """The guideline's words; a response stays until progression."""
    if nodal and nadir < 10 and mm >= 10:
        return "PD"
    if mm >= 1.2 * nadir and mm - nadir >= 5:
        return "PD"
    if mm == 0 or (nodal and mm < 10):
        return "CR"
    if mm <= 0.7 * baseline or nadir <= 0.7 * baseline or (nodal and nadir < 10):
        return "PR"
    return "SD"


def chances(centre, scale, df, question, gone, points=200000):
    r = question.response
    nadir = r.nadir_mm or r.baseline_mm
    at = numpy.maximum(centre + scale * scipy.stats.t.ppf((numpy.arange(points) + 0.5) / points, df), 1e-9)
    counts = dict.fromkeys(("CR", "PR", "SD", "PD"), 0.0)
    edges = numpy.unique([0.7 * r.baseline_mm, max(1.2 * nadir, nadir + 5), 10.0])
    for piece in numpy.split(at, numpy.searchsorted(at, edges)):
        if len(piece):
            counts[recist(piece[len(piece) // 2], r.baseline_mm, nadir, r.nodal)] += (1 - gone) * len(piece) / points
    counts[recist(0.0, r.baseline_mm, nadir, r.nodal)] += gone
    return [counts[k] for k in ("CR", "PR", "SD", "PD")]


def absence(calibration, trials, found_mm, found_cc):
    """Bayes' rule over the four things that can have happened."""
    items = trials.item[:trials.count]
    empty, full = [t for t in items if t.gone], [t for t in items if not t.gone]
    seen = sum(1 for t in empty if t.found_mm > 0 and t.found_cc >= found_cc / 2)
    finds = scipy.stats.beta(calibration.false_find[0] + seen, calibration.false_find[1] + len(empty) - seen).mean()
    blind = sum(1 for t in full if not t.found_mm > 0)
    misses = scipy.stats.beta(calibration.miss[0] + blind, calibration.miss[1] + len(full) - blind).mean()
    outcome = {("gone", True): calibration.gone * finds, ("gone", False): calibration.gone * (1 - finds),
               ("there", True): (1 - calibration.gone) * (1 - misses),
               ("there", False): (1 - calibration.gone) * misses}
    now = found_mm > 0
    return outcome["gone", now] / (outcome["gone", now] + outcome["there", now])


# ---- cases --------------------------------------------------------------------------------------------


def make(random):
    c = Calibration(b"oracle", random.uniform(0.2, 1), random.uniform(0.0, 0.08), random.normal(0, 0.5),
                    random.uniform(0.5, 6), random.uniform(0.5, 2), random.uniform(3, 10),
                    random.uniform(0.15, 2), random.uniform(0, 1), random.choice([0.0, random.uniform(1, 4)]),
                    0, 0, random.choice([0.0, random.uniform(0.3, 1.5)]), random.uniform(0.01, 0.2))
    c.q80 = random.uniform(1.0, 2.0)
    c.q95 = c.q80 * random.uniform(1.55, 2.6)
    c.false_find[:], c.miss[:] = random.uniform(0.2, 4, 2), random.uniform(0.2, 4, 2)
    trials = Trials()
    baseline = random.uniform(12, 150)
    for k in range(random.integers(0, 17)):
        true = baseline * random.uniform(0.4, 1.35) * (random.random() > 0.15)
        found = max(0.0, true + random.normal(0, 3)) * (random.random() > 0.1)
        trials.item[k] = Trial(true == 0, 0, true, true**2 / 50, found, found**2 / 50, random.random(), 1)
        trials.count += 1
    nodal = random.random() < 0.3
    nadir = random.choice([0.0, baseline * random.uniform(0.4, 1.0)])
    found = baseline * random.uniform(0.3, 1.5)
    return c, trials, Question(ctypes.pointer(c), ctypes.pointer(trials), found, found**2 / 50,
                               random.uniform(0.5, 3), Response(nodal, baseline, nadir, 0))


def compare(library, random):
    c, trials, question = make(random)
    answer, error = Answer(), reprise_c.Error()
    status = library.rp_guard_interval(byref(question), byref(answer), byref(error))
    if status:
        raise reprise_c.Failure(status, error.message.decode())
    size = lambda mm: math.sqrt((c.floor_voxels * question.voxel_mm) ** 2 + (c.relative * mm) ** 2)
    told = [t for t in trials.item[:trials.count] if t.true_mm > 0 and t.found_mm > 0]
    errors = [(t.true_mm - t.found_mm) / size(t.found_mm) for t in told]
    if c.most:
        errors = list(numpy.clip(errors, c.bias - c.most * c.spread, c.bias + c.most * c.spread))
    near = [scipy.stats.norm.pdf(math.log(question.found_mm / t.found_mm), 0, c.reach)
            / scipy.stats.norm.pdf(0, 0, c.reach) for t in told]
    weights = [1 - (1 - c.far) * (1 - n) for n in near]
    mean, quantile = posterior_predictive(errors, weights, c.bias, c.bias_trials, c.spread, c.spread_trials)
    nu = c.spread_trials + sum(weights)
    unit = size(question.found_mm)
    centre = question.found_mm + mean * unit
    scale = (quantile - mean) / scipy.stats.t.ppf(0.85, nu) * unit * (c.narrow or 1.0)
    worst = [abs(answer.centre_mm - centre) / scale, abs(answer.scale_mm / scale - 1)]
    df, times = tails(c.q80, c.q95)
    for i, level in enumerate((0.8, 0.95)):
        low, high = scipy.stats.t.interval(level, df, answer.centre_mm, times * answer.scale_mm)
        worst.append(abs(max(low, 0) - answer.low_mm[i]) / answer.scale_mm)
        worst.append(abs(max(high, 0) - answer.high_mm[i]) / answer.scale_mm)
        worst.append(abs(100 * (answer.high_mm[i] / question.response.baseline_mm - 1) - answer.high_percent[i]))
    gone = absence(c, trials, question.found_mm, question.found_cc)
    expected = chances(answer.centre_mm, times * answer.scale_mm, df, question, gone)
    return worst[:2], worst[2:], abs(gone - answer.gone), max(abs(a - b) for a, b in zip(expected, answer.probability))


def main():
    with tempfile.TemporaryDirectory() as folder:
        try:
            library = ctypes.CDLL(reprise_c.build(folder, MODULES, LIBRARIES))
        except reprise_c.Unavailable as why:
            print(f"skipped: {why}")
            sys.exit(77)
        random = numpy.random.default_rng(17)
        results = [compare(library, random) for _ in range(CASES)]
    posterior = max(max(r[0]) for r in results)
    check("centre and scale are those of the integrated posterior", posterior < 5e-3, f"(to {posterior:.1e} of the scale)")
    limits = max(max(r[1]) for r in results)
    check("limits are a t's, which has both quantiles", limits < 1e-6, f"(to {limits:.1e})")
    check("P(gone) is Bayes'", max(r[2] for r in results) < 1e-12)
    chance = max(r[3] for r in results)
    check("chances are those of RECIST over the distribution", chance < 2e-5, f"(to {chance:.1e})")
    print(f"{CASES} cases, {failures} failures")
    sys.exit(1 if failures else 0)


main()
