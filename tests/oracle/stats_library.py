"""src/stats called from Python: every function returns the fields of its result as a dictionary."""
import ctypes
import tempfile
from ctypes import POINTER, byref, c_bool, c_char_p, c_double, c_size_t, c_uint64

import numpy

import reprise_c

SYSTEM_LIBRARIES = ("-lstdc++", "-lcrypto", "-lpthread", "-lm")


def structure(fields):
    class Result(ctypes.Structure):
        _fields_ = fields

        def plain(self):
            values = {}
            for name, _ in fields:
                value = getattr(self, name)
                if isinstance(value, ctypes.Structure):
                    value = value.plain()
                elif isinstance(value, bytes):
                    value = value.decode()
                values[name] = value
            return values
    return Result


HEAD = [("defined", c_bool), ("reason", c_char_p)]


def doubles(*names):
    return [(name, c_double) for name in names]


Stat = structure(HEAD + [("n", c_size_t)] + doubles("value", "low", "high", "se")
                 + [("interval_reason", c_char_p)])
Quartiles = structure(HEAD + [("n", c_size_t)] + doubles("q1", "median", "q3"))
Test = structure(HEAD + [("n", c_size_t)] + doubles("statistic", "p")
                 + [("exact", c_bool), ("method", c_char_p)])
Proportion = structure(HEAD + [("count", c_size_t), ("n", c_size_t)] + doubles(
    "value", "wilson_low", "wilson_high", "clopper_low", "clopper_high"))
Calls = structure([(name, c_size_t) for name in (
    "true_positive", "false_negative", "true_negative", "false_positive")])
Diagnostic = structure([(name, Proportion) for name in ("sensitivity", "specificity", "accuracy")])
RocPoint = structure(doubles("threshold", "sensitivity", "specificity"))
BlandAltman = structure(HEAD + [("n", c_size_t)] + doubles(
    "bias", "bias_low", "bias_high", "sd", "lower", "lower_low", "lower_high", "upper",
    "upper_low", "upper_high") + [("interval_reason", c_char_p)])
Icc = structure([("agreement", Stat), ("consistency", Stat)])
Point = structure(doubles("time") + [(n, c_size_t) for n in ("at_risk", "events", "censored")]
                  + doubles("survival", "se", "low", "high"))
Survival = structure(HEAD + [(n, c_size_t) for n in ("n", "events", "count")]
                     + [("points", POINTER(Point)), ("median", c_double),
                        ("median_defined", c_bool), ("median_reason", c_char_p)]
                     + doubles("median_low", "median_high"))


def vector(x):
    x = [float(v) for v in x]
    return (c_double * max(len(x), 1))(*x), c_size_t(len(x))


class Stats:
    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="reprise-oracle-")
        self.c = ctypes.CDLL(reprise_c.build(self.folder.name, ("stats", "base"),
                                             SYSTEM_LIBRARIES))
        for name, result in (("mean", Stat), ("mcnemar", Test), ("proportion_of", Proportion),
                             ("diagnostic_of", Diagnostic), ("kappa", Stat),
                             ("bland_altman_of", BlandAltman), ("icc_of", Icc)):
            getattr(self.c, "rp_stat_" + name).restype = result

    def call(self, name, *arguments):
        error = reprise_c.Error()
        status = getattr(self.c, "rp_stat_" + name)(*arguments, byref(error))
        if status != reprise_c.OK:
            raise reprise_c.Failure(status, error.message.decode())

    def into(self, result, name, *arguments):
        out = result()
        self.call(name, *arguments, byref(out))
        return out

    def mean(self, x):
        return self.c.rp_stat_mean(*vector(x)).plain()

    def quartiles(self, x):
        return self.into(Quartiles, "quartiles_of", *vector(x)).plain()

    def bootstrap(self, x, replicates, seed):
        return self.into(Stat, "bootstrap", *vector(x), c_size_t(replicates),
                         c_uint64(seed)).plain()

    def wilcoxon(self, x):
        return self.into(Test, "wilcoxon", *vector(x)).plain()

    def mcnemar(self, b, c):
        return self.c.rp_stat_mcnemar(c_size_t(b), c_size_t(c)).plain()

    def spearman(self, x, y):
        return self.into(Test, "spearman", vector(x)[0], *vector(y)).plain()

    def holm(self, p):
        values, count = vector(p)
        self.call("holm", values, count)
        return list(values)[:count.value]

    def proportion(self, count, n):
        return self.c.rp_stat_proportion_of(c_size_t(count), c_size_t(n)).plain()

    def diagnostic(self, *calls):
        return self.c.rp_stat_diagnostic_of(byref(Calls(*calls))).plain()

    def auc(self, positive, negative):
        return self.into(Stat, "auc", *vector(positive), *vector(negative)).plain()

    def roc(self, positive, negative):
        points, count = POINTER(RocPoint)(), c_size_t()
        self.call("roc", *vector(positive), *vector(negative), byref(points), byref(count))
        found = [points[i].plain() for i in range(count.value)]
        self.c.rp_free(points)
        return found

    def kappa(self, table):
        table = numpy.asarray(table)
        cells = (c_size_t * max(table.size, 1))(*[int(v) for v in table.flat])
        return self.c.rp_stat_kappa(cells, c_size_t(len(table))).plain()

    def bland_altman(self, x):
        return self.c.rp_stat_bland_altman_of(*vector(x)).plain()

    def icc(self, x, y):
        return self.c.rp_stat_icc_of(vector(x)[0], *vector(y)).plain()

    def kaplan_meier(self, time, event):
        flags = (c_bool * max(len(event), 1))(*[bool(e) for e in event])
        out = self.into(Survival, "kaplan_meier", vector(time)[0], flags, c_size_t(len(event)))
        found = out.plain()
        found["points"] = [out.points[i].plain() for i in range(out.count)]
        self.c.rp_stat_survival_release(byref(out))
        return found
