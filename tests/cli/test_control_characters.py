"""Texts of files and names of files that hold control characters: nothing of them reaches a terminal, every line
stays one line, letters stay readable, JSON stays JSON with the text as it is."""
import json
import os
import pty
import re
import subprocess
import sys
import tempfile

import harness as h

# Colour, title, bell, a line of its own, C1, direction, and letters that are none of these.
EVIL = "\x1b[31mX\x1b]0;t\x07\r\nreprise: forged\x7f\x9b2J\u202egnp.\u2066Größe"
HARMLESS = "Kurz Größe"
PLACE = "P" * 64
HARMFUL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]")


def plant(path, text):
    """A text where pydicom would not write it."""
    with open(path, "rb") as file:
        data = file.read()
    assert data.count(PLACE.encode()) == 1 and len(text.encode()) <= 64
    return h.write(path, data.replace(PLACE.encode(), text.encode().ljust(64)))


def series(folder, text):
    h.write_series(folder, 3)
    for name in os.listdir(folder):
        h.edit(os.path.join(folder, name), SeriesDescription=PLACE, SpecificCharacterSet="ISO_IR 192")
        plant(os.path.join(folder, name), text)
    return folder


def structures(path, text):
    h.write_rtstruct(path, 3, {PLACE: [h.circle(z) for z in range(3, 8)]})
    h.edit(path, SpecificCharacterSet="ISO_IR 192")
    return plant(path, text)


def timeline(path, text):
    lesion = {"id": text, "role": "target", "organ": text, "nodal": False}
    visits = [{"id": f"{text}{n}", "date": f"2020-0{n}-01",
               "findings": [{"lesion": text, "state": "measured", "longest_mm": 20 + n}]} for n in (1, 2)]
    data = {"format": "reprise.timeline/1", "patient": text, "label": "synthetic", "lesions": [lesion], "visits": visits}
    return h.write(path, json.dumps(data).encode())


def manifest(path, text):
    rows = [{"patient": "P1", "visit": text, "date": text, "image": text + ".nii", "contour": text}]
    return h.write_manifest(path, rows)


def commands(work, name, text):
    """What prints texts of files, with that text in them."""
    at = os.path.join(work, name)
    os.mkdir(at)
    ct, rt = series(os.path.join(at, "ct"), text), structures(os.path.join(at, "rt.dcm"), text)
    h.write(os.path.join(ct, text.replace("/", "") + ".dcm"), b"\0" * 128 + b"DICM\2\0")
    odd = h.write(os.path.join(at, text), b"text")
    lines = timeline(os.path.join(at, "t.json"), text)
    return [["info", ct], ["info", "--json", ct], ["info", rt], ["info", "--json", rt], ["info", odd],
            ["convert", f"{rt}:{text}?", os.path.join(at, "x.nii.gz"), "--reference", ct],
            ["measure", "--mask", odd], ["respond", "--timeline", lines], ["respond", "--json", "--timeline", lines],
            ["manifest", "check", manifest(os.path.join(at, "m.csv"), text)],
            ["import", "dicom", ct, "--out", os.path.join(at, "made.csv"), "--label", text], [text], ["info", "--memory", text],
            ["send", odd, "--to", "127.0.0.1:1", "--called", "X"], ["info", ct, "--series", text]]


def faults_of(evil, harmless):
    faults = list(evil.faults)
    for evil_text, plain in ((evil.stdout, harmless.stdout), (evil.stderr, harmless.stderr)):
        found = HARMFUL.search(evil_text)
        faults += [f"prints {found[0]!r}: {evil_text[:300]!r}"] if found else []
        if re.search("(?m)^reprise: forged", evil_text) and "Try `" not in evil_text:  # argp quotes what was typed
            faults.append(f"a line of its own: {evil_text[-400:]!r}")
        if "Größe" in plain and "Größe" not in evil_text:
            faults.append(f"letters are lost: {evil_text[:300]!r}")
    if evil.returncode != harmless.returncode:
        faults.append(f"exit code {evil.returncode}, else {harmless.returncode}")
    return faults


def texts_of(value):
    if isinstance(value, dict):
        return [t for v in value.values() for t in texts_of(v)]
    return [t for v in value for t in texts_of(v)] if isinstance(value, list) else [value]


def on_terminal(words):
    """What a command writes to a terminal."""
    main, other = pty.openpty()
    with subprocess.Popen([h.REPRISE, *words], stdout=other, stderr=other) as process:
        os.close(other)
        got = b""
        try:
            while part := os.read(main, 65536):
                got += part
        except OSError:  # as Linux tells the end
            pass
        process.wait()
    os.close(main)
    return got.decode("utf-8", "backslashreplace").replace("\r\n", "\n")


def main():
    h.require_program()
    checks = h.Checks()
    with tempfile.TemporaryDirectory() as work:
        evil, harmless = commands(work, "e", EVIL), commands(work, "h", HARMLESS)
        for bad, good in zip(evil, harmless):
            name, done = " ".join(good)[:60].replace(work, ""), h.run(*bad)
            faults = faults_of(done, h.run(*good))
            if "--json" in bad and done.returncode == 0 and EVIL.strip() not in [str(t) for t in texts_of(json.loads(done.stdout))]:
                faults.append(f"JSON holds another text: {done.stdout[:600]}")
            checks.report(name, faults)
        for words in (evil[0], evil[2], evil[7]):
            text = on_terminal(words)
            checks.report(f"{words[0]} on a terminal", [repr(text)] if HARMFUL.search(text) or "Größe" not in text else [])
        odd = h.write(os.path.join(work.encode(), b"M\xfcller\xe2\x82"), b"text")
        done = subprocess.run([h.REPRISE, "info", odd], capture_output=True, check=False)
        checks.report("a name in no UTF-8", [] if b"M\\xfcller\\xe2\\x82" in done.stderr else [repr(done.stderr)])
    return checks.finish()


sys.exit(main())
