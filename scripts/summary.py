"""Sums the JUnit files of ctest, given as NAME=FILE: what failed and the end of its output, what was
skipped and why. The last line is "N passed, N failed, N skipped"; a file without tests is a failure.

A cmocka program that skips some of its cases counts as passed, and each of those cases as skipped.
"""
import re
import sys
import xml.etree.ElementTree as xml

OUTPUT_LINES = 60


def reason_of(lines):
    """What a program that skips itself printed last."""
    printed = [line.strip() for line in lines if line.strip() and not line.startswith("[")]
    return re.sub(r"^(skipped|skip): *", "", printed[-1]) if printed else "no reason given"


def skipped_cases(lines):
    """cmocka's cases that skipped themselves, each with the line printed before it. The list at the
    program's end names them again."""
    seen = set()
    for number, line in enumerate(lines):
        found = re.match(r"\[  SKIPPED \] ([A-Za-z_]\w*)$", line)
        if found and found[1] not in seen:
            seen.add(found[1])
            yield found[1], reason_of(lines[max(number - 1, 0):number])


def read(name, path, passed, failed, skipped):
    try:
        cases = xml.parse(path).getroot().findall("testcase")
    except (OSError, xml.ParseError) as problem:
        failed.append((name, [f"no results: {problem}"]))
        return
    if not cases:
        failed.append((name, ["no test was run"]))
    for case in cases:
        title = f"{name}: {case.get('name')}"
        lines = (case.findtext("system-out") or "").splitlines()
        found = case.find("skipped")
        why = (found.get("message") or "") if found is not None else ""
        if case.get("status") == "run":
            passed.append(title)
            skipped.extend((f"{title}, {part}", reason) for part, reason in skipped_cases(lines))
        elif why.startswith("SKIP_"):
            skipped.append((title, reason_of(lines)))
        else:
            failed.append((title, lines[-OUTPUT_LINES:] or [why or "no output"]))


def main():
    passed, failed, skipped = [], [], []
    for argument in sys.argv[1:]:
        read(*argument.split("=", 1), passed, failed, skipped)
    if not sys.argv[1:]:
        failed.append(("summary", ["nothing to sum"]))
    seen = {}
    for title, reason in skipped:
        seen.setdefault(reason, []).append(title)
    for reason, titles in seen.items():
        print(f"skipped: {reason}")
        print(*(f"    {title}" for title in titles), sep="\n")
    for title, lines in failed:
        print(f"FAILED: {title}", *(f"    {line}" for line in lines), sep="\n")
    print(f"{len(passed)} passed, {len(failed)} failed, {len(skipped)} skipped")
    return 1 if failed else 0


sys.exit(main())
