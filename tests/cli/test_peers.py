"""reprise receive beside peers that say nothing, too little, too slowly or nonsense, and on a disk that is full:
others are served, nothing is left, it ends when told to."""
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import harness as h
import pydicom
from nodes import (Receiver, certificates, connect, dicom_files, ended, greeting, leftovers, open_association,
                   slices, start_object, tls_options, wait_for)

SILENT = 60 if h.SHORT else 500
AT_ONCE = 5.0  # seconds; a peer that stops others does so for 15 at least


def echo(receiver, **options):
    """Faults of an echo, and whether it had to wait."""
    start = time.monotonic()
    words = [w for key, value in options.items() for w in (f"--{key.replace('_', '-')}", value)]
    done = h.run("send", "--echo", "--to", f"127.0.0.1:{receiver.port}", "--called", receiver.aet, "--retries", "0",
                 *words)
    took = time.monotonic() - start
    return ended(done, 0, "answers") + ([f"took {took:.1f} s"] if took > AT_ONCE else [])


def state(receiver):
    """Threads, descriptors and MiB of address space."""
    folder = f"/proc/{receiver.process.pid}"
    with open(f"{folder}/status", encoding="ascii") as file:
        lines = dict(line.split(":", 1) for line in file)
    return int(lines["Threads"]), len(os.listdir(f"{folder}/fd")), int(lines["VmSize"].split()[0]) // 1024


def end_at_once(receiver, *texts, code=0):
    start = time.monotonic()
    faults = ended(receiver.end(signal.SIGTERM), code, *texts)
    took = time.monotonic() - start
    return faults + ([f"ended after {took:.1f} s"] if took > AT_ONCE else [])


def case_bad_peers(checks, work):
    """Each kind of peer many times over, held open; nobody else notices."""
    kinds = {"say nothing": b"", "a byte": b"\1", "a header": greeting()[:6], "half": greeting()[:100],
             "length 0": b"\1\0\0\0\0\0", "length 4 GiB": b"\1\0\xff\xff\xff\xff", "no DICOM": b"GET / HTTP/1.0\r\n\r\n",
             "data": b"\4\0\0\0\0\6\0\0\0\2\1\3", "items cut off": greeting()[:5] + b"\x20" + greeting()[6:38]}
    for number, (name, data) in enumerate(kinds.items()):
        receiver = Receiver(os.path.join(work, f"bad{number}"))
        links = [connect(receiver.port, data) for _ in range(SILENT)]
        checks.report(f"{SILENT} peers: {name}", echo(receiver))
        threads, descriptors, _ = state(receiver)
        checks.report("threads and descriptors are bounded", [] if threads < 200 and descriptors < 500 else
                      [f"{threads} threads, {descriptors} descriptors"])
        checks.report("SIGTERM beside them", end_at_once(receiver))
        for link in links:
            link.close()


def case_tls_peers(checks, work):
    if not shutil.which("openssl"):
        print("no openssl: TLS is not tried")
        return
    at = certificates(os.path.join(work, "tls"), here="IP:127.0.0.1", there="")
    receiver = Receiver(os.path.join(work, "t"), "--tls-ca", f"{at}/ca.pem", "--tls-cert", f"{at}/here.pem",
                        "--tls-key", f"{at}/here.key")
    links = [connect(receiver.port, data) for data in (b"", b"\x16\3\1", greeting()) for _ in range(SILENT // 3)]
    checks.report("silent before TLS", echo(receiver, **tls_options(at, "ca", "there")))
    checks.report("SIGTERM beside them", end_at_once(receiver))
    for link in links:
        link.close()


def dribble(link, data, cut):
    """A byte of data ten times a second, until it comes to an end."""
    try:
        for byte in data:
            link.sendall(bytes([byte]))
            time.sleep(0.1)
    except OSError:
        cut.append(True)


def case_dribble(checks, work):
    """Bytes that come one by one keep no deadline from passing: of a greeting, of an object."""
    receiver = Receiver(os.path.join(work, "d"), "--timeout", "2")
    cut = []
    links = [connect(receiver.port), start_object(open_association(receiver.port))]
    threads = [threading.Thread(target=dribble, args=(link, bytes(600), cut)) for link in links]
    start = time.monotonic()
    for thread in threads:
        thread.start()
    checks.report("beside dribbling peers", echo(receiver))
    for thread in threads:
        thread.join()
    took = time.monotonic() - start
    checks.report("dribbling peers are cut off", [] if len(cut) == 2 and took < 20 else [f"{cut} after {took:.1f} s"])
    checks.report("nothing of the object stays", [] if wait_for(lambda: not leftovers(receiver.out)) else leftovers(receiver.out))
    checks.report("the end after dribbling peers", end_at_once(receiver, "1 refused", code=1))


def case_many_open(checks, work, series):
    """More associations than are served at the same time are refused, and let in when others have gone."""
    receiver = Receiver(os.path.join(work, "m"))
    links = [connect(receiver.port, greeting(h.CT)) for _ in range(70)]
    answers = [link.recv(4096)[:10] for link in links]
    refused = [a for a in answers if a[0] == 3]
    faults = [] if len(refused) == 6 else [f"{len(refused)} of 70 were refused"]
    faults += [] if all(a[7:10] == b"\2\3\2" for a in refused) else ["not as for the moment: " + str(refused[:1])]
    checks.report("64 associations, six refused", faults)
    checks.report("one more", ended(receiver.send(slices(series)[0]), 1, "it may be busy"))
    for link in links:
        link.close()
    wait_for(lambda: state(receiver)[0] < 10)
    checks.report("when they have gone", ended(receiver.send(slices(series)[0]), 0, "1 object stored"))
    links = [open_association(receiver.port) for _ in range(5)] + [start_object(open_association(receiver.port))]
    wait_for(lambda: leftovers(receiver.out))
    start = time.monotonic()
    faults = ended(receiver.end(signal.SIGTERM), 1, "1 stored", "1 refused")
    took = time.monotonic() - start
    checks.report("SIGTERM beside idle ones and a begun object", faults + ([f"took {took:.1f} s"] if took > 15 else []))
    checks.report("nothing of that object stays", leftovers(receiver.out))
    for link in links:
        link.close()


def case_ended_threads(checks, work):
    """Many associations one after the other beside one that stays."""
    receiver = Receiver(os.path.join(work, "e"))
    held = open_association(receiver.port)
    before = state(receiver)
    for _ in range(100):
        open_association(receiver.port).close()
    wait_for(lambda: state(receiver)[:2] <= before[:2])
    after = state(receiver)
    checks.report("ended associations leave nothing", [] if after[0] <= before[0] and after[1] <= before[1] and
                  after[2] - before[2] < 300 else [f"{before} became {after}"])
    held.close()
    receiver.end()


def many(work, series, count):
    """More than a small disk holds."""
    folder = os.path.join(work, "many")
    os.mkdir(folder)
    for number in range(count):
        to = shutil.copy(slices(series)[number % 10], os.path.join(folder, f"{number:02}.dcm"))
        h.edit(to, SOPInstanceUID=f"{h.UID}9.{number}")
    return folder


def case_disk_full(checks, work, series):
    """In a mount namespace of its own, so that nothing is left behind; sizes of the disk so that writing, the last
    block and the folder's name run out in turn."""
    folder = many(work, series, 30)
    small = os.path.join(work, "small")
    os.mkdir(small)
    probe = subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", small], capture_output=True, check=False)
    if probe.returncode:
        print("no file system may be mounted here: a full disk is not tried")
        return
    for size in ("size=32k", "size=40k", "size=1m,nr_inodes=12"):
        script = f'mount -t tmpfs -o {size} tmpfs "{small}" && exec "$@"'
        receiver = Receiver(small, prefix=["unshare", "-m", "sh", "-c", script, "sh"])
        done = receiver.send(folder)
        inside = f"/proc/{receiver.process.pid}/root{small}"
        stored, rest = dicom_files(inside), leftovers(inside)
        faults = ended(done, 1, "A700H", f"{30 - len(stored)} of 30 objects were not stored")
        faults += [] if 0 < len(stored) < 30 else [f"{len(stored)} stored"]
        faults += ["another answer: " + done.stderr] if done.stderr.count("A700H") != 30 - len(stored) else []
        faults += [f"is cut off: {name}" for name in stored if len(pydicom.dcmread(os.path.join(inside, name)).PixelData) != 1344]
        checks.report(f"a full disk ({size})", faults + [f"left: {name}" for name in rest])
        checks.report("the receiver on a full disk", ended(receiver.end(), 1, f"{len(stored)} stored"))


def main():
    h.require_program()
    checks = h.Checks()
    with tempfile.TemporaryDirectory() as work:
        series = h.write_series(os.path.join(work, "series"), 5)
        case_bad_peers(checks, work)
        case_tls_peers(checks, work)
        case_dribble(checks, work)
        case_many_open(checks, work, series)
        case_ended_threads(checks, work)
        case_disk_full(checks, work, series)
    return checks.finish()


sys.exit(main())
