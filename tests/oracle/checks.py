"""What the oracles of one kind of object share: comparisons that are counted, and the program."""
import os
import subprocess
import sys

REPRISE = os.environ.get("REPRISE", "")
compared = 0


def require(condition, *what):
    global compared
    compared += 1
    if not condition:
        print("FAILED:", *what)
        sys.exit(1)


def program(*arguments):
    done = subprocess.run([REPRISE, *map(str, arguments)], capture_output=True, text=True,
                          timeout=120, check=False)
    require(done.returncode in (0, 1, 2, 3), arguments, "ended by a signal", done.stderr)
    return done


def convert(*arguments):
    done = program("convert", *arguments, "--quiet")
    require(done.returncode == 0, arguments, done.stderr.strip())
