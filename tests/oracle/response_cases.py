"""Cases from the guidelines' tables and text, against tests/oracle/response_rules.py, so that the
oracle is tested itself. Expected is what the publications say, not what the rules compute.
RECIST 1.1: Eisenhauer 2009, European Journal of Cancer 45:228. iRECIST: Seymour 2017, Lancet
Oncology 18:e143; EORTC's answers to questions on both: recist.eortc.org. mRECIST: Lencioni and Llovet 2010, Seminars in Liver Disease 30:52."""
import datetime

import response_rules

START = datetime.date(2020, 1, 6)
BASELINE_MM = 50
# A target of 50 mm at baseline that alone gives each response at the next visit.
TARGET = {"CR": "absent", "PR": 30, "SD": 45, "PD": 70, "NE": None}
NON_TARGET = {"CR": "absent", "NN": "present", "PD": "progression", "NE": None}


def finding(lesion, told, criteria):
    """told: mm (volume: cc) of the diameter that counts, a state, ("merged", into),
    ("split", parts) or, of a new lesion, (state, mm)."""
    made = {"lesion": lesion["id"]}
    if told is None:
        return dict(made, state="not evaluated")
    if isinstance(told, str):
        return dict(made, state=told)
    if isinstance(told, tuple):
        made["state"] = told[0]
        if told[0] == "merged":
            return dict(made, into=told[1])
        if told[0] == "split":
            return dict(made, parts_mm=told[1])
        return dict(made, longest_mm=told[1], short_axis_mm=told[1])
    made["state"] = "measured"
    if criteria == "volume":
        return dict(made, volume_cc=told, longest_mm=50, short_axis_mm=20)
    if criteria == "mrecist" and not lesion["nodal"]:
        return dict(made, viable_mm=told, longest_mm=80)
    return dict(made, longest_mm=told + (5 if lesion["nodal"] else 0), short_axis_mm=told)


def respond(days, criteria="recist1.1", targets=(), nodes=(), others=(), new=(), **options):
    """The result; lesions as lists of what is told of them at each of the days, new ones with None
    where they were not seen."""
    lesions, rows = [], []
    for name, role, many in (("T", "target", targets), ("N", "target", nodes),
                             ("X", "non-target", others), ("L", "new", new)):
        for i, told in enumerate(many, 1):
            lesions.append({"id": f"{name}{i}", "organ": "liver", "role": role,
                            "nodal": name == "N"})
            rows.append(told)
    visits = [{"id": f"v{k}", "date": (START + datetime.timedelta(day)).isoformat(),
               "phase": "arterial",
               "findings": [finding(x, row[k], criteria) for x, row in zip(lesions, rows)
                            if x["role"] != "new" or row[k] is not None]}
              for k, day in enumerate(days)]
    return response_rules.respond({"patient": "P", "lesions": lesions, "visits": visits},
                                  response_rules.options_of(criteria, **options))


def overall(result, visit=-1):
    return result["visits"][visit]["overall"]


def overalls(result):
    return " ".join(v["overall"] for v in result["visits"][1:])


def one_visit(target, non_target, new):
    return overall(respond([0, 56], targets=[[BASELINE_MM, TARGET[target]]] if target else [],
                           others=[["present", NON_TARGET[non_target]]] if non_target else [],
                           new=[[None, "unequivocal"]] if new else []))


def recist_tables():
    """Tables 1 and 2: the response at a time point. A None target has only non-target disease."""
    rows = [("CR", "CR", False, "CR"), ("CR", None, False, "CR"), ("CR", "NN", False, "PR"),
            ("CR", "NE", False, "PR"),
            ("PR", "CR", False, "PR"), ("PR", "NN", False, "PR"), ("PR", "NE", False, "PR"),
            ("SD", "CR", False, "SD"), ("SD", "NN", False, "SD"), ("SD", "NE", False, "SD"),
            ("NE", "CR", False, "NE"), ("NE", "NN", False, "NE"), ("NE", "NE", False, "NE")]
    rows += [("PD", other, new, "PD") for other in ("CR", "NN", "NE", "PD", None)
             for new in (False, True)]
    rows += [(target, "PD", new, "PD") for target in ("CR", "PR", "SD", "NE")
             for new in (False, True)]
    rows += [(target, other, True, "PD") for target in ("CR", "PR", "SD", "NE")
             for other in ("CR", "NN", "NE")]
    rows += [(None, "CR", False, "CR"), (None, "NN", False, "NN"), (None, "NE", False, "NE"),
             (None, "PD", False, "PD"), (None, "CR", True, "PD"), (None, "NN", True, "PD"),
             (None, "NE", True, "PD"), (None, "PD", True, "PD")]
    for target, other, new, expected in rows:
        table = "table 1" if target else "table 2"
        yield f"{table}: {target}, {other}, new {new}", expected, one_visit(target, other, new)


def confirmed_best(first, second, least):
    return respond([0, 56, 112], targets=[[BASELINE_MM, TARGET[first], TARGET[second]]],
                   confirmation=True, keep_pr=False,
                   minimum_sd_days=least)["best_overall_response"]


def recist_confirmation():
    """Table 3: the best response where CR and PR need confirmation. It is SD where SD lasted long
    enough, otherwise what stands last."""
    for first, second, met, otherwise in (
            ("CR", "CR", "CR", "CR"), ("CR", "PR", "SD", "PD"), ("CR", "SD", "SD", "PD"),
            ("CR", "PD", "SD", "PD"), ("CR", "NE", "SD", "NE"), ("PR", "CR", "PR", "PR"),
            ("PR", "PR", "PR", "PR"), ("PR", "SD", "SD", None), ("PR", "PD", "SD", "PD"),
            ("PR", "NE", "SD", "NE"), ("NE", "NE", "NE", "NE")):
        yield f"table 3: {first}, {second}", met, confirmed_best(first, second, 42)
        if otherwise:
            yield f"table 3: {first}, {second}, too early for SD", otherwise, confirmed_best(
                first, second, 1000)


def best(days, sizes, **options):
    return respond(days, targets=[sizes], **options)["best_overall_response"]


def recist_text():
    """Sections 4.3 and 4.4 and the questions of appendix III."""
    days = [0, 56, 112, 168]
    yield ("three lesions of 50 mm, two of which now have 80 mm: PD whatever the third",
           "PD", overall(respond([0, 56], targets=[[20, 40], [15, 40], [15, None]])))
    yield "30% exactly is PR", "PR", overall(respond([0, 56], targets=[[100, 70]]))
    yield "29.9% is no PR", "SD", overall(respond([0, 56], targets=[[100, 70.1]]))
    yield "20% and 5 mm are PD", "PD", overall(respond([0, 56], targets=[[25, 30]]))
    yield "20% without 5 mm is no PD", "SD", overall(respond([0, 56], targets=[[24.5, 29.4]]))
    yield "5 mm without 20% is no PD", "SD", overall(respond([0, 56], targets=[[100, 119.9]]))
    yield ("progression counts from the smallest sum", "PR PD",
           overalls(respond(days[:3], targets=[[100, 50, 60]])))
    yield ("normal nodes leave a sum and are still CR", "CR",
           overall(respond([0, 56], targets=[[20, "absent"]], nodes=[[18, 9]])))
    yield ("a node of 10 mm is no CR", "PR",
           overall(respond([0, 56], targets=[[20, "absent"]], nodes=[[18, 10]])))
    small = respond([0, 56], targets=[[20, "too small"], [30, 30]])
    yield "too small to measure counts 5 mm", 35.0, small["visits"][1]["sum_mm"]
    parts = respond([0, 56], targets=[[40, ("split", [12, 9.5])]])
    yield "the parts of a lesion add up", 21.5, parts["visits"][1]["sum_mm"]
    merged = respond([0, 56], targets=[[20, 45], [20, ("merged", "T1")]])
    yield "coalesced lesions have one diameter", 45.0, merged["visits"][1]["sum_mm"]
    yield ("a lesion that is back after CR is PD", "CR PD",
           overalls(respond(days[:3], targets=[[BASELINE_MM, "absent", 3]])))
    yield ("one that is back while others remained adds to the sum", "PR PR",
           overalls(respond(days[:3], targets=[[40, 25, 25], [20, "absent", 4]])))
    equivocal = respond(days, targets=[[50, 50, 50, 50]],
                        new=[[None, "equivocal", "unequivocal", "unequivocal"]])
    yield "an equivocal lesion is no progression", "SD PD PD", overalls(equivocal)
    yield ("one that is confirmed progressed when first seen",
           (START + datetime.timedelta(56)).isoformat(), equivocal["progression_date"])
    yield "SD, PR, PD is PR", "PR", best(days, [50, 45, 30, 60])
    yield "SD, PD after the least time is SD", "SD", best(days[:3], [50, 50, 70])
    yield "SD, PD before the least time is PD", "PD", best([0, 28, 56], [50, 50, 70])
    yield "SD, then lost to follow-up before the least time, is NE", "NE", best([0, 28], [50, 50])
    yield "PR, NE, PR is a confirmed response", "PR", best(days, [50, 30, None, 30],
                                                           confirmation=True)
    yield "confirmed from four weeks on", "PR", best([0, 56, 84], [50, 30, 30], confirmation=True)
    yield "and not before", "SD", best([0, 56, 83], [50, 30, 30], confirmation=True)
    lasting = respond(days, targets=[[50, 45, 30, 60]])
    yield "response lasts from the first CR or PR to progression", 56, lasting[
        "duration_of_response_days"]
    deeper = respond([0, 56, 112, 168, 224], targets=[[50, 30, "absent", "absent", 60]],
                     confirmation=True)
    yield "whichever of CR and PR is first recorded, also where the best is CR", ("CR", 168), (
        deeper["best_overall_response"], deeper["duration_of_response_days"])
    late = respond(days, targets=[[50, 50, 70, 70]],
                   new=[[None, "equivocal", "equivocal", "unequivocal"]])
    yield ("a lesion confirmed after another progression progressed when first seen",
           (START + datetime.timedelta(56)).isoformat(), late["progression_date"])


def eortc_answers():
    """EORTC's answers: a PR that lasts, what is back after a response, and growth after iUPD."""
    days = [56 * k for k in range(6)]
    lasting = [100, 70, 70, 80, 80, 80]
    yield ("PR lasts while progression is not reached", "PR PR PR PR PR",
           overalls(respond(days, targets=[lasting])))
    yield ("and iPR", "iPR iPR iPR iPR iPR", overalls(immune(days, targets=[lasting])))
    yield "twice PR confirms", "PR", best(days, lasting, confirmation=True)
    yield ("a PR whose criteria the next scan does not meet is not confirmed by it", "SD",
           best(days[:3], [100, 70, 80], confirmation=True))
    yield ("what is back inside a PR adds to the sum", "PR PR",
           overalls(respond(days[:3], targets=[[20, "absent", 4]], others=[["present"] * 3])))
    yield ("and is PD by the sum alone", "PR PD",
           overalls(respond(days[:3], targets=[[20, "absent", 5]], others=[["present"] * 3])))
    yield ("a node of 10 mm or more after an overall CR is PD", "CR PD",
           overalls(respond(days[:3], nodes=[[16, 9, 11]])))
    yield ("a non-target node too", "CR PD", overalls(respond(
        days[:3], targets=[[20, "absent", "absent"]], others=[["present", "absent", "present"]])))
    early = respond([0, 1, 21, 51], nodes=[[15, 9.5, 9.5, 12]], confirmation=True,
                    minimum_sd_days=28)
    yield ("a CR that is not confirmed was perhaps none", ("CR CR PR", "SD"),
           (overalls(early), early["best_overall_response"]))
    for sizes, expected in (((10, 14, 16), "iUPD iUPD iCPD"), ((10, 14, 14.9), "iUPD iUPD iUPD")):
        yield (f"new lesions of {sizes} mm", expected, overalls(immune(
            days[:4], targets=[[20] * 4], new=[[None] + [("unequivocal", s) for s in sizes]])))
    yield ("targets of 30, 34, 36 mm", "iUPD iUPD iCPD",
           overalls(immune(days[:4], targets=[[20, 30, 34, 36]])))
    stays = [None, ("unequivocal", 10), ("unequivocal", 10)]
    yield ("targets respond beside a new lesion that stays", "iUPD iPR",
           overalls(immune(days[:3], targets=[[100, 90, 60]], new=[stays])))
    for last, expected in ((14.9, "iPR"), (15, "iUPD")):
        yield (f"which counts again with {last} mm", "iUPD iPR " + expected,
               overalls(immune(days[:4], targets=[[100, 90, 60, 60]],
                               new=[stays + [("unequivocal", last)]])))


def immune(days, **lesions):
    return respond(days, "irecist", **lesions)


def irecist_tables():
    """Table 2: time points without and with an iUPD before, and the assignment of the best response
    to five time points. Sizes at visits eight weeks apart."""
    two, three = [0, 56], [0, 56, 98]
    yield ("iCR, iCR, no new", "iCR",
           overall(immune(two, targets=[[50, "absent"]], others=[["present", "absent"]])))
    yield ("iCR, non-iCR/non-iUPD, no new", "iPR",
           overall(immune(two, targets=[[50, "absent"]], others=[["present", "present"]])))
    yield ("iPR, non-iCR/non-iUPD, no new", "iPR",
           overall(immune(two, targets=[[50, 30]], others=[["present", "present"]])))
    yield ("iSD, non-iCR/non-iUPD, no new", "iSD",
           overall(immune(two, targets=[[50, 50]], others=[["present", "present"]])))
    for told, expected in (([50, 70, "absent"], "iCR"), ([50, 70, 30], "iPR"),
                           ([50, 70, 50], "iSD")):
        others = [["present", "present", "absent" if expected == "iCR" else "present"]]
        yield (f"{expected} after iUPD", "iUPD " + expected,
               overalls(immune(three, targets=[told], others=others)))
    yield ("targets grow by 5 mm more", "iUPD iCPD",
           overalls(immune(three, targets=[[50, 60, 65]])))
    yield ("targets grow by less", "iUPD iUPD", overalls(immune(three, targets=[[50, 60, 64.9]])))
    yield ("growth confirms no earlier than after four weeks", "iUPD iUPD",
           overalls(immune([0, 56, 83], targets=[[50, 60, 70]])))
    yield ("and from four weeks on", "iUPD iCPD",
           overalls(immune([0, 56, 84], targets=[[50, 60, 70]])))
    yield ("a new lesion, then unchanged", "iUPD iUPD",
           overalls(immune(three, targets=[[50] * 3], new=[
               [None, ("unequivocal", 10), ("unequivocal", 10)]])))
    yield ("a new lesion that grows by 5 mm", "iUPD iCPD",
           overalls(immune(three, targets=[[50] * 3], new=[
               [None, ("unequivocal", 10), ("unequivocal", 15)]])))
    yield ("a new lesion, then one more", "iUPD iCPD",
           overalls(immune(three, targets=[[50] * 3], new=[
               [None, "unequivocal", "unequivocal"], [None, None, "unequivocal"]])))
    yield ("non-targets progress, then targets too", "iUPD iCPD",
           overalls(immune(three, targets=[[50, 50, 60]],
                           others=[["present", "progression", "progression"]])))
    yield ("non-targets progress, and further", "iUPD iCPD",
           overalls(immune(three, targets=[[50, 50, 50]],
                           others=[["present", "progression", "further progression"]])))
    yield ("a new lesion that is not measured, and increases", "iUPD iCPD",
           overalls(immune(three, targets=[[50] * 3], new=[
               [None, "unequivocal", "further progression"]])))
    yield ("targets progress, then non-targets too", "iUPD iCPD",
           overalls(immune(three, targets=[[50, 60, 60]],
                           others=[["present", "present", "progression"]])))
    yield ("targets progress, then a new lesion appears", "iUPD iCPD",
           overalls(immune(three, targets=[[50, 60, 60]], new=[[None, None, "unequivocal"]])))
    for sizes, points, expected in (
            ((50, "absent", "absent", 20, 20, 20), "iCR iCR iUPD iUPD iUPD", "iCR"),
            ((50, 60, 35, "absent", "absent", 20), "iUPD iPR iCR iCR iUPD", "iCR"),
            ((50, 60, 35, 35, 45, 51), "iUPD iPR iPR iUPD iCPD", "iPR"),
            ((50, 60, 50, 35, 35, 45), "iUPD iSD iPR iPR iUPD", "iPR"),
            ((50, 60, 50, 50, 61, 67), "iUPD iSD iSD iUPD iCPD", "iSD"),
            ((50, 60, 66, 30, 30, 30), "iUPD iCPD iCPD iCPD iCPD", "iCPD"),
            ((50, 60, 62, 68, 30, 30), "iUPD iUPD iCPD iCPD iCPD", "iCPD"),
            ((50, 60, None, None, None, None), "iUPD NE NE NE NE", "iUPD")):
        found = immune([56 * k for k in range(6)], targets=[list(sizes)])
        yield f"best of {points}", (points, expected), (overalls(found),
                                                         found["best_overall_response"])
    dated = immune([56 * k for k in range(6)], targets=[[50, 60, 35, 35, 45, 51]])
    yield ("progression dates from the iUPD that was confirmed",
           (START + datetime.timedelta(4 * 56)).isoformat(), dated["progression_date"])


def other_criteria():
    """mRECIST's definitions, and spheres whose diameters change by -30% and +20%."""
    for criteria, sizes, expected in (
            ("mrecist", [50, 0], "CR"), ("mrecist", [50, 35], "PR"), ("mrecist", [50, 35.1], "SD"),
            ("mrecist", [10, 12], "PD"), ("mrecist", [10, 11.9], "SD"),
            ("volume", [100, 34.3], "PR"), ("volume", [100, 34.4], "SD"),
            ("volume", [100, 172.8], "PD"), ("volume", [100, 172.7], "SD"),
            ("volume", [100, "absent"], "CR")):
        yield (f"{criteria} {sizes}", expected,
               overall(respond([0, 56], criteria, targets=[sizes])))


def check():
    """The number of cases in which the oracle is not what the publications say."""
    count = failed = 0
    for cases in (recist_tables, recist_confirmation, recist_text, eortc_answers, irecist_tables,
                  other_criteria):
        for name, expected, found in cases():
            count += 1
            if expected != found:
                failed += 1
                print(f"FAILED: the oracle in {cases.__name__}: {name}: {expected} expected, "
                      f"{found} found")
    print(f"{count} published cases, {failed} failed")
    return failed
