"""docs/command-line.md against the program: every command and option that --help shows is described
in that command's section, and none that does not exist. Links between documents lead somewhere."""
import os
import re
import sys

import harness as h

SOURCE = os.environ.get("REPRISE_SOURCE") or os.path.join(os.path.dirname(__file__), "..", "..")
OPTION = re.compile(r"--[a-z][a-z-]*")
OF_ADAPTATION = set("--model --config --recipe --region --epochs --copies --crop --seed --resume --guard".split())
OVERRIDES = set("--allow-patient-mismatch --allow-series-mismatch --allow-non-ct".split())


def sections(path):
    with open(path, encoding="utf-8") as file:
        parts = re.split(r"^## (.+)$", file.read(), flags=re.M)
    return dict(zip(parts[1::2], parts[2::2]))


def main():
    h.require_program()
    checks = h.Checks()
    described = sections(os.path.join(SOURCE, "docs", "command-line.md"))
    common = set(OPTION.findall(described["Every command"]))
    text = h.run("--help").stdout
    commands = re.findall(r"^  ([a-z-]+) {2,}", text, flags=re.M)
    checks.report("commands are listed", [] if len(commands) >= 9 else [text])
    for command in commands:
        done = h.run(command, "--help")
        listed = done.stdout.split("\n\n", 1)
        shown = set(re.findall(r"^ +(?:-., )?(--[a-z][a-z-]*)", listed[-1], flags=re.M))
        told = set(OPTION.findall(described.get(command, "")))
        if command == "adapt":
            told |= OF_ADAPTATION | OVERRIDES
        faults = [f"exit code {done.returncode}"] if done.returncode else []
        faults += [f"{o} is not described" for o in sorted(shown - told - common)]
        faults += [f"{o} does not exist" for o in sorted(told - shown)]
        checks.report(command, faults if shown else ["shows no options"])
    for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md",
                 "docs/command-line.md", "docs/cohort.md", "docs/dicom.md", "docs/result-json.md",
                 "docs/response.md", "docs/track.md", "docs/anonymize.md", "docs/network.md"):
        with open(os.path.join(SOURCE, name), encoding="utf-8") as file:
            links = re.findall(r"\]\(((?!http)[^)#]+)\)", file.read())
        here = os.path.dirname(os.path.join(SOURCE, name))
        checks.report(name, [f"{link} does not exist" for link in links
                             if not os.path.exists(os.path.join(here, link))])
    return checks.finish()


sys.exit(main())
