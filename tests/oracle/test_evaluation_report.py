"""The report of an evaluation, read back: elements nest and nothing refers outside the file; each
figure is a drawing of its own whose words stay inside and do not cover each other; what the scatter,
Bland-Altman, waterfall, Dice and Kaplan-Meier figures show is, by their own tick labels, what the
cases say; means of the tables are recomputed, and every cell of the tables with a row for each case; every page of
the PDF bears notice, label and number, its words are text, and the rows of cases are those of the page."""

import html
import json
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree

import numpy as np
import scipy.stats

from html_page import check_wellformed

WHOLE, WITHOUT_REGISTRATION, WITHOUT_EVENTS, UNDEFINED, NAN, HOSTILE, UNLABELLED, NO_RECIST = (
    0, 1, 2, 4, 8, 16, 32, 64)
IDOL_FILL, BAR_FILL, CURVE_BLUE = "#e69f00", "#b7c2cc", "#0072b2"


def write(program, folder, cases, kind):
    subprocess.run([program, "--write", folder, str(cases), str(kind)], check=True)
    with open(os.path.join(folder, "evaluation.html"), encoding="utf-8") as file:
        page = file.read()
    with open(os.path.join(folder, "evaluation.json"), encoding="utf-8") as file:
        return page, json.load(file)["cases"]


# ---- figures ----------------------------------------------------------------------------------

def figures(page):
    """Each figure's drawing as an element tree; it must be XML by itself."""
    found = re.findall(r'<figure class="(?:narrow|wide)"><div class="scroll">(.*?)</svg></div>', page,
                       re.S)
    return [ElementTree.fromstring(text + "</svg>") for text in found]


def words_of(figure):
    return [(text.text or "") for text in figure.iter("text")]


def figure_with(all_figures, start, *others):
    found = [figure for figure in all_figures
             if any(w.startswith(start) for w in words_of(figure))
             and all(any(o in w for w in words_of(figure)) for o in others)]
    assert len(found) == 1, (start, others, len(found))
    return found[0]


def number(text):
    text = text.replace("\u2212", "-").replace("+", "")
    return float(text) if re.fullmatch(r"-?\d+(\.\d+)?", text) else None


def axis(figure, across):
    """From place on the drawing to value, by the tick labels; a straight line must fit all."""
    places, values = [], []
    for text in figure.iter("text"):
        value = number(text.text or "")
        anchor = text.get("text-anchor")
        if value is None or text.get("fill") != "#55616d" or text.get("transform"):
            continue
        if anchor == ("middle" if across else "end"):
            places.append(float(text.get("x" if across else "y")) - (0 if across else 4))
            values.append(value)
    assert len(values) >= 3, ("ticks", values)
    slope, offset = np.polyfit(places, values, 1)
    assert np.allclose(np.array(places) * slope + offset, values, atol=abs(slope) * 0.02)
    return lambda place: place * slope + offset


def points(path):
    return np.array([[float(v) for v in p.split()] for p in re.findall(r"[ML]([-\d.]+ [-\d.]+)",
                                                                        path.get("d"))])


def box_of(text):
    """Corners of the words' rectangle, turned as they are; narrow, so that only true overlap counts."""
    size, x, y = (float(text.get(k)) for k in ("font-size", "x", "y"))
    width = 0.43 * size * len(text.text or "")
    left = x - {"middle": 0.5, "end": 1}.get(text.get("text-anchor"), 0) * width
    corners = np.array([[left, y - 0.65 * size], [left + width, y - 0.65 * size], [left + width, y],
                        [left, y]])
    turned = re.match(r"rotate\(([-\d.]+) ", text.get("transform") or "")
    if turned:
        a = math.radians(float(turned.group(1)))
        turn = np.array([[math.cos(a), -math.sin(a)], [math.sin(a), math.cos(a)]])
        corners = (corners - (x, y)) @ turn.T + (x, y)
    return corners


def apart(a, b):
    """Two convex outlines do not meet: some side's direction separates them."""
    for one in (a, b):
        for i in range(4):
            side = one[(i + 1) % 4] - one[i]
            normal = np.array([-side[1], side[0]])
            pa, pb = a @ normal, b @ normal
            if pa.max() <= pb.min() + 1e-9 or pb.max() <= pa.min() + 1e-9:
                return True
    return False


def check_words(figure, label):
    width, height = (float(v) for v in figure.get("viewBox").split()[2:])
    boxes = [(text.text, box_of(text)) for text in figure.iter("text")]
    for words, box in boxes:
        assert box.min() >= -1 and box[:, 0].max() <= width + 1 and box[:, 1].max() <= height + 1, (
            label, "leaves the figure", words)
    for i, (words, box) in enumerate(boxes):
        for others, other in boxes[:i]:
            assert apart(box, other), (label, "words cover words", others, words)
    return len(boxes)


# ---- what figures show ------------------------------------------------------------------------

def in_recist(case):
    return case["recist_evaluable"] == "yes"


def diameters(cases):
    """Manual and predicted, where both are."""
    pairs = [(c["manual"][1]["longest_diameter_mm"],
              c["scores"]["idol_post"]["lesion"]["longest_diameter_mm"])
             for c in cases if in_recist(c) and not c["scores"]["idol_post"]["empty"]]
    return np.array(pairs)


def marked(figure):
    """Places and values of the circles of IDOL on the chart, without the legend's."""
    x, y = axis(figure, True), axis(figure, False)
    circles = [c for c in figure.iter("circle") if c.get("fill") == IDOL_FILL]
    return np.array([[x(float(c.get("cx"))), y(float(c.get("cy")))] for c in circles])


def check_same(shown, wanted, tolerance, label):
    assert len(shown) == len(wanted), (label, len(shown), len(wanted))
    order = [a[np.lexsort(a.T[::-1])] for a in (shown, wanted)]
    assert np.allclose(order[0], order[1], atol=tolerance), (label, abs(order[0] - order[1]).max())


def check_scatter(all_figures, cases):
    figure = figure_with(all_figures, "Longest diameter at follow-up")
    pairs = diameters(cases)
    shown = marked(figure)[1:]  # the first is the legend's
    check_same(shown, pairs, 0.3, "scatter")
    off = sum(abs(b - a) > 0.2 * a for a, b in pairs)
    named = sum(w.startswith("P-") for w in words_of(figure))
    assert 0 < named <= off, ("names", named, off)


def check_bland_altman(all_figures, cases):
    figure = figure_with(all_figures, "Bland-Altman, longest diameter")
    pairs = diameters(cases)
    difference = pairs[:, 1] - pairs[:, 0]
    check_same(marked(figure), np.column_stack((pairs.mean(1), difference)), 0.3, "Bland-Altman")
    for level in (difference.mean(), difference.mean() - 1.96 * difference.std(ddof=1),
                  difference.mean() + 1.96 * difference.std(ddof=1)):
        wanted = f"{level:+.1f}".replace("-", "\u2212")
        assert wanted in words_of(figure), ("level", wanted)


def check_waterfall(all_figures, cases):
    figure = figure_with(all_figures, "Change from baseline")
    y = axis(figure, False)
    bars = [points(p) for p in figure.iter("path") if p.get("fill") == BAR_FILL][1:]
    tall = [max((y(p[:, 1].min()), y(p[:, 1].max())), key=abs) for p in bars]
    wanted = sorted((c["manual_response"]["change_percent"] for c in cases if in_recist(c)),
                    reverse=True)
    assert np.allclose(tall, wanted, atol=0.3), ("waterfall", np.abs(np.subtract(tall, wanted)).max())
    circles = [y(float(c.get("cy"))) for c in figure.iter("circle")][1:]
    predicted = [c["scores"]["idol_post"]["response"]["change_percent"]
                 for c in sorted((c for c in cases if in_recist(c)),
                                 key=lambda c: -c["manual_response"]["change_percent"])
                 if not c["scores"]["idol_post"]["empty"]]
    assert np.allclose(circles, predicted, atol=0.3), "predicted changes"


def check_pairs(all_figures, cases):
    figure = figure_with(all_figures, "Dice by source, entire cohort")
    y = axis(figure, False)
    shown = sorted(y(float(c.get("cy"))) for c in figure.iter("circle"))
    wanted = sorted(c["scores"]["idol_post"]["overlap"]["dice"] for c in cases
                    if not c["scores"]["idol_post"]["empty"])
    assert np.allclose(shown, wanted, atol=0.003), "Dice of IDOL"


def kaplan_meier(times, events):
    """Product-limit estimate, one pair (time, survival) for each time of an event."""
    alive, curve = 1.0, []
    for time in sorted({t for t, e in zip(times, events) if e}):
        at_risk = sum(t >= time for t in times)
        alive *= 1 - sum(t == time and e for t, e in zip(times, events)) / at_risk
        curve.append((time, alive))
    return curve


def check_survival(all_figures, cases):
    figure = figure_with(all_figures, "Kaplan-Meier", "entire cohort")
    times = [float(c["clinical"][1]) for c in cases]
    events = [c["clinical"][2] == "1" for c in cases]
    x, y = axis(figure, True), axis(figure, False)
    lines = [points(p) for p in figure.iter("path") if p.get("stroke") == CURVE_BLUE]
    falls = sorted((x(p[0, 0]), y(max(p[:, 1]))) for p in lines
                   if abs(p[0, 0] - p[1, 0]) < 1e-6 and abs(p[0, 1] - p[1, 1]) > 0.01)
    for time, survival in kaplan_meier(times, events):
        near = [level for at, level in falls if abs(at - time) < 0.2]
        assert near and min(abs(level - survival) for level in near) < 0.01, ("survival", time)
    ticks = sorted(v for v in (number(t.text) for t in figure.iter("text")
                               if t.get("fill") == "#55616d" and t.get("text-anchor") == "middle")
                   if v is not None)
    at_risk = [number(t.text) for t in figure.iter("text")
               if t.get("fill") == "#16202a" and t.get("text-anchor") == "middle"
               and number(t.text or "") is not None]
    assert at_risk == [sum(t >= tick for t in times) for tick in ticks], ("at risk", at_risk)


def check_table3(page, cases):
    table = re.search(r"Table 3\..*?</table>", page, re.S).group(0)
    row = re.search(r"entire cohort \(n = \d+\)</th>(.*?)</tr>", table, re.S).group(1)
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", row)
    for cell, source in zip(cells, ("general_pre", "general_post", "idol_post", "carry_post",
                                    "registered_post")):
        dice = np.array([c["scores"][source]["overlap"]["dice"] for c in cases])
        low, high = scipy.stats.t.interval(0.95, len(dice) - 1, dice.mean(), scipy.stats.sem(dice))
        assert cell == f"{dice.mean():.2f} ({low:.2f} to {high:.2f})", (source, cell)


# ---- the tables with a row for each case ------------------------------------------------------

POST = ("general_post", "idol_post", "carry_post", "registered_post")


def table_rows(page, title):
    """Words of the cells of each row of the table of that title, as a reader sees them."""
    table = re.search(re.escape(title) + r"\. .*?</table>", page, re.S).group(0)
    rows = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.S) for row in table.split("<tr")[1:]]
    return [[html.unescape(re.sub("<[^>]+>", "", cell)).strip() for cell in row] for row in rows]


def signed(value):
    return f"{value:+.1f}".replace("-", "\u2212")


def dice_cell(score):
    return f"empty, {score['overlap']['dice']:.2f}" if score["empty"] else f"{score['overlap']['dice']:.2f}"


def dice_rows(cases):
    return [[c["patient"]] + [dice_cell(c["scores"][s]) for s in ("general_pre", *POST)] for c in cases]


def diameter_row(case):
    before, after = (m["longest_diameter_mm"] for m in case["manual"])
    score, manual = case["scores"]["idol_post"], case["manual_response"]["response"]
    row = [case["patient"], f"{before:.1f}", f"{after:.1f}", signed(100 * (after - before) / before), manual]
    volume = f"{case['manual'][1]['volume_cc']:.1f}"
    if score["empty"]:
        return row + ["\u2013", "\u2013", "NE \u2260", "\u2013", "\u2013", volume, "\u2013"]
    found, call = score["lesion"]["longest_diameter_mm"], score["response"]["response"]
    return row + [f"{found:.1f}", signed(100 * (found - before) / before),
                  call if call == manual else call + " \u2260", signed(found - after),
                  signed(100 * (found - after) / after), volume, f"{score['lesion']['volume_cc']:.1f}"]


def cross_table(cases):
    calls = ("CR", "PR", "SD", "PD", "NE")
    pairs = [(c["manual_response"]["response"], "NE" if c["scores"]["idol_post"]["empty"]
              else c["scores"]["idol_post"]["response"]["response"]) for c in cases]
    counts = [[pairs.count((manual, found)) for found in calls] for manual in calls]
    return [[manual] + [str(n) for n in row] + [str(sum(row))] for manual, row in zip(calls, counts)]


def check_case_tables(page, cases):
    """Every cell that a case has, and the counts of responses; returns the rows for the PDF."""
    recist = [c for c in cases if in_recist(c)]
    wanted = {"Table 2": dice_rows(recist), "Supplementary Table 1": dice_rows(cases),
              "Table 4a": [diameter_row(c) for c in recist], "Table 4b": cross_table(recist)}
    for title, rows in wanted.items():
        shown = table_rows(page, title)
        start = next(i for i, row in enumerate(shown) if row[:1] == rows[0][:1])
        assert shown[start:start + len(rows)] == rows, (title, [
            pair for pair in zip(shown[start:], rows) if pair[0] != pair[1]][:2])
    return [row for title in ("Table 2", "Supplementary Table 1", "Table 4a") for row in wanted[title]]


# ---- PDF --------------------------------------------------------------------------------------

def check_pdf(path, cases, labelled, rows):
    """rows: cells that must stand in one line of the PDF, in their order and as often as given."""
    info = subprocess.run(["pdfinfo", "-isodates", path], check=True, capture_output=True, text=True)
    assert "Title:" in info.stdout and "2026-01-31T12:34:56" in info.stdout, info.stdout
    pages = int(re.search(r"Pages:\s+(\d+)", info.stdout).group(1))
    text = subprocess.run(["pdftotext", "-layout", path, "-"], check=True, capture_output=True,
                          text=True).stdout
    sheets = text.split("\f")[:pages]
    assert len(sheets) == pages
    for i, sheet in enumerate(sheets, 1):
        assert "Research use only" in sheet and f"{i} / {pages}" in sheet, (i, sheet[:200])
        assert ("SYNTHETIC: Images" in sheet) == labelled, (i, "label")
    for words in ("Table 1.", "Table 2.", "Table 3.", "Table 4a.", "Table 4b.",
                  "Supplementary Table 1.", "Kaplan-Meier", "Bland-Altman"):
        assert words in text, words
    for case in cases:
        assert case["patient"] in text, case["patient"]
    lines = [" ".join(line.split()) for line in text.splitlines()]
    for row in rows:
        line = " ".join(row)
        assert lines.count(line) == rows.count(row), ("row of the PDF", line, lines.count(line))
    return f"{pages} pages of PDF with {len(rows)} rows of cases"


def main():
    missing = [name for name in ("pdftotext", "pdfinfo") if not shutil.which(name)]
    if missing:
        print(f"{missing[0]} is not installed")
        return 77
    program = os.path.join(os.environ["REPRISE_BUILD"], "tests", "report_test_evaluation")
    if not os.path.exists(program):
        print("the unit test of the evaluation's report is not built")
        return 77
    with tempfile.TemporaryDirectory() as folder:
        for count, kind in ((20, WHOLE), (40, WHOLE), (2, WHOLE), (1, WHOLE), (0, WHOLE),
                            (12, WITHOUT_REGISTRATION | WITHOUT_EVENTS), (12, UNDEFINED), (12, NAN),
                            (12, HOSTILE), (12, UNLABELLED), (12, NO_RECIST)):
            label = f"{count} cases, kind {kind}"
            page, cases = write(program, folder, count, kind)
            check_wellformed(page, label)
            drawn = figures(page)
            assert len(drawn) == page.count("role=\"img\""), label
            words = sum(check_words(figure, label) for figure in drawn)
            if kind == WHOLE and count >= 20:
                check_scatter(drawn, cases)
                check_bland_altman(drawn, cases)
                check_waterfall(drawn, cases)
                check_pairs(drawn, cases)
                check_survival(drawn, cases)
                check_table3(page, cases)
                rows = check_case_tables(page, cases)
                print(check_pdf(os.path.join(folder, "evaluation.pdf"), cases, True, rows))
            if kind == UNLABELLED:
                rows = check_case_tables(page, cases)
                print(check_pdf(os.path.join(folder, "evaluation.pdf"), cases, False, rows))
            print(f"{label}: {len(drawn)} figures with {words} words, {len(page)} characters")
    return 0


sys.exit(main())
