"""The README's examples: each "$ reprise ..." that it shows with output is run, in its order, and prints
exactly that. What stands beneath a command up to the next line that is not indented is its output, but for other commands."""
import os
import re
import shlex
import shutil
import sys
import tempfile

import harness as h

SOURCE = os.environ.get("REPRISE_SOURCE") or os.path.join(os.path.dirname(__file__), "..", "..")
INDENT = "    "


def examples(text):
    """(command, output) of each command; the output is empty where nothing is shown."""
    found, command, output = [], None, []
    for line in text.split("\n") + ["end"]:
        inside = line.startswith(INDENT) or not line
        starts = line.startswith(INDENT + "$ ")
        if command and command.endswith("\\"):
            command = command[:-1] + line.strip()
        elif starts or not inside or line.startswith(INDENT + "reprise "):
            if command:
                found.append((command, "\n".join(output).strip("\n")))
            command, output = (line[len(INDENT) + 2:] if starts else None), []
        elif command:
            output.append(line[len(INDENT):])
    return found


def differences(shown, printed):
    wanted, got = shown.split("\n"), printed.rstrip().split("\n")
    faults = [f"shows {a!r}, prints {b!r}" for a, b in zip(wanted, got) if a.rstrip() != b.rstrip()]
    if len(wanted) != len(got):
        faults.append(f"shows {len(wanted)} lines, prints {len(got)}")
    return faults[:3]


def main():
    h.require_program()
    checks = h.Checks()
    with open(os.path.join(SOURCE, "README.md"), encoding="utf-8") as file:
        shown = examples(file.read())
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(os.path.join(SOURCE, "examples"), os.path.join(folder, "examples"))
        with open(os.path.join(folder, "key"), "w", encoding="ascii") as file:
            file.write("5a" * 32 + "\n")
        os.chmod(os.path.join(folder, "key"), 0o600)
        compared = 0
        for command, output in shown:
            words = shlex.split(command)
            if words[0] != "reprise" or not output:
                continue
            done = h.run(*words[1:], cwd=folder)
            faults = [f"exit code {done.returncode}: {done.stderr}"] if done.returncode else []
            checks.report(command, faults + differences(output, done.stdout))
            compared += 1
    checks.report("examples were found", [] if compared >= 8 else [f"only {compared}: {shown}"])
    return checks.finish()


sys.exit(main())
