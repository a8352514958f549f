"""DICOM files that announce more than they hold, anywhere in them, and deflated ones that hold more than memory:
each reader refuses them with the file's name, without asking for that memory."""
import os
import resource
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib

import harness as h
from nodes import Receiver, ended

LIMIT = 1 << 30  # of address space: a length of 4 GiB must not be asked for
DEFLATED = "1.2.840.10008.1.2.1.99"
SEG = "1.2.840.10008.5.1.4.1.1.66.4"
SR = "1.2.840.10008.5.1.4.1.1.88.33"


def explicit(group, element, vr, value=b"", length=None):
    length = len(value) if length is None else length
    head = struct.pack("<HH2s", group, element, vr)
    if vr in (b"OB", b"OW", b"SQ", b"UT", b"UN", b"UC", b"OF", b"OD"):
        return head + struct.pack("<HI", 0, length) + value
    return head + struct.pack("<H", length) + value


def implicit(group, element, value=b"", length=None):
    return struct.pack("<HHI", group, element, len(value) if length is None else length) + value


def part10(sop_class, syntax, dataset):
    even = lambda text: text.encode() + b"\0" * (len(text) % 2)
    meta = explicit(2, 1, b"OB", b"\0\1") + explicit(2, 2, b"UI", even(sop_class)) + explicit(2, 3, b"UI", b"1.2.3\0")
    meta += explicit(2, 0x10, b"UI", even(syntax)) + explicit(2, 0x12, b"UI", b"1.2\0")
    return b"\0" * 128 + b"DICM" + explicit(2, 0, b"UL", struct.pack("<I", len(meta))) + meta + dataset


def head(sop_class, modality, encode):
    uid = sop_class.encode() + b"\0" * (len(sop_class) % 2)
    values = [(8, 0x16, b"UI", uid), (8, 0x18, b"UI", b"1.2.3\0"), (8, 0x60, b"CS", modality)]
    return b"".join(encode(*v) for v in values)


def as_implicit(group, element, vr, value=b"", length=None):
    return implicit(group, element, value, length)


def files(sop_class, modality):
    """Name -> bytes."""
    tail = explicit(0x20, 0xD, b"UI", b"1.2.4\0") + explicit(0x20, 0xE, b"UI", b"1.2.5\0")
    begin, plain = head(sop_class, modality, explicit), head(sop_class, modality, as_implicit)
    item = struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
    sequence = struct.pack("<HH2sHI", 0x3006, 0x39, b"SQ", 0, 0xFFFFFFFF) + item
    fragments = explicit(0x7FE0, 0x10, b"OB", b"", 0xFFFFFFFF) + struct.pack("<HHI", 0xFFFE, 0xE000, 0)
    make = {
        "text": begin + explicit(8, 0x119, b"UC", b"abc", 0xFFFFFFF0) + tail,
        "bytes": begin + tail + explicit(0x42, 0x11, b"OB", b"abc", 0xF0000000),
        "pixels": begin + tail + explicit(0x7FE0, 0x10, b"OW", b"abcd", 0xFFFFFFFE),
        "unknown": begin + explicit(9, 0x1001, b"UN", b"abcd", 0xFFFFFFF0) + tail,
        "within an item": begin + tail + sequence + explicit(0x3006, 0x50, b"UT", b"1", 0xFFFFFFF0),
        "an item": begin + tail + struct.pack("<HH2sHI", 0x3006, 0x39, b"SQ", 0, 0xFFFFFFF0) +
                   struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFE0) + explicit(0x3006, 0x50, b"UT", b"1", 0xFFFFFFD0),
        "a fragment": begin + tail + fragments + struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFF0) + b"abcd",
    }
    out = {name: part10(sop_class, h.EXPLICIT, data) for name, data in make.items()}
    out["implicit"] = part10(sop_class, "1.2.840.10008.1.2", plain + implicit(8, 0x20, b"20240102", 0xFFFFFFF0))
    out["implicit date"] = part10(sop_class, "1.2.840.10008.1.2", plain + implicit(8, 0x20, b"20240102", 0x0FFFFFF0))
    out["no meta"] = plain + implicit(8, 0x20, b"20240102", 0xFFFFFFF0)
    out["deflated"] = part10(sop_class, DEFLATED, deflate(make["text"]))
    return out


def deflate(data):
    packer = zlib.compressobj(1, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def bombs(sop_class, modality):
    """Some MiB that hold hundreds of them: in values that DCMTK reads at once, in one that it reads later."""
    begin = head(sop_class, modality, explicit)
    many = b"".join(explicit(0x5400 + 2 * i, 0x1010, b"OB", bytes(60000)) for i in range(7500))
    long = explicit(0x5400, 0x1010, b"OB", bytes(450 << 20))
    return {"deflated, many": part10(sop_class, DEFLATED, deflate(begin + many)),
            "deflated, long": part10(sop_class, DEFLATED, deflate(begin + long))}


def limited():
    resource.setrlimit(resource.RLIMIT_AS, (LIMIT, LIMIT))


def try_reader(checks, name, words, path):
    """A refusal in words; a deflated file that holds what it says may be refused for what it lacks."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    done = h.judge(subprocess.run([h.REPRISE, *words], capture_output=True, timeout=h.SECONDS, preexec_fn=limited, check=False))
    faults = list(done.faults)
    text = done.stdout + done.stderr
    if "memory" in text:
        faults.append(f"asks for memory: {text[-300:]}")
    if done.returncode not in ((0, 1) if words[0] == "info" else (1,)):
        faults.append(f"exit code {done.returncode}: {text[-300:]}")
    if os.path.basename(path) not in text:
        faults.append(f"does not name the file: {text[-300:]}")
    most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    if most > max(usage, 400 << 10):
        faults.append(f"took {most >> 10} MiB")
    checks.report(name, faults)


def main():
    h.require_program()
    checks = h.Checks()
    if h.SHORT:
        print("skipped: a sanitizer's address space cannot be limited")
        return 77
    with tempfile.TemporaryDirectory() as work:
        ct = h.write_series(os.path.join(work, "ct"), 3)
        key, out = h.write(os.path.join(work, "key"), b"0123456789abcdef" * 2), os.path.join(work, "x.nii.gz")
        os.chmod(key, 0o600)
        for modality, sop_class in ((b"CT", h.CT), (b"RTSTRUCT", h.RTSTRUCT), (b"SEG ", SEG), (b"SR", SR)):
            kinds = files(sop_class, modality) | (bombs(sop_class, modality) if modality == b"CT" else {})
            for kind, data in kinds.items():
                path = h.write(os.path.join(work, f"{modality.decode().strip()}-{kind.replace(' ', '-')}.dcm"), data)
                convert = [path, out] + ([] if modality == b"CT" else ["--reference", ct])
                readers = [["info", path], ["respond", "--sr", path, "--sr", path]] if modality == b"SR" else \
                    [["info", path], ["convert", *convert]]
                if modality == b"CT" and "deflated, " not in kind:
                    readers.append(["anonymize", path, "--key", key, "--out", os.path.join(work, "anonymous")])
                for words in readers:
                    try_reader(checks, f"{words[0]}: {modality.decode()}, {kind}", words, path)
        case_good(checks, work, ct)
    return checks.finish()


def case_good(checks, work, ct):
    """Deflated objects with long and short values read as they would without."""
    folder = os.path.join(work, "deflated")
    os.mkdir(folder)
    for name in sorted(os.listdir(ct)):
        done = subprocess.run(["dcmconv", "+td", os.path.join(ct, name), os.path.join(folder, name)], check=False) \
            if shutil.which("dcmconv") else None
        if not done or done.returncode:
            print("no dcmconv: deflated series are not tried")
            return
    made = [os.path.join(work, f"{n}.nii.gz") for n in ("plain", "inflated")]
    for source, target in zip((ct, folder), made):
        checks.report(f"convert {os.path.basename(source)}", ended(h.run("convert", source, target), 0))
    same = (h.nibabel.load(made[0]).get_fdata() == h.nibabel.load(made[1]).get_fdata()).all()
    checks.report("a deflated series", [] if same else ["has other voxels"])
    receiver = Receiver(os.path.join(work, "in"))
    checks.report("a deflated series is sent", ended(receiver.send(folder), 0, "10 objects"))
    receiver.end()


sys.exit(main())
