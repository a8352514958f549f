"""reprise send and receive between themselves: what arrives, wrong titles and addresses, TLS, kills, a full
disk, copies and conflicts, wrong usage."""
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import harness as h
import pydicom

SECONDS = 60


class Receiver:
    """A running `reprise receive` on a free port."""

    def __init__(self, out, *more, prefix=(), environment=None):
        words = [*prefix, h.REPRISE, "receive", "--port", "0", "--out", out, *map(str, more)]
        self.out = out
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
        line = self.process.stdout.readline().decode()
        found = re.fullmatch(r"listening on 127\.0\.0\.1:(\d+) as (\S+)\n", line)
        if not found:
            raise RuntimeError(line + self.process.communicate()[1].decode())
        self.port, self.aet = found[1], found[2]

    def end(self, number=signal.SIGTERM):
        """Faults of the end, and what was printed."""
        if number:
            self.process.send_signal(number)
        output, errors = self.process.communicate(timeout=SECONDS)
        done = h.judge(subprocess.CompletedProcess([], self.process.returncode, output, errors))
        return done

    def send(self, *paths, **options):
        options = {"to": f"127.0.0.1:{self.port}", "called": self.aet, "retries": 0} | options
        words = [w for key, value in options.items() for w in (f"--{key.replace('_', '-')}", value)]
        return h.run("send", *paths, *words)


def ended(done, code, *texts):
    faults = list(done.faults)
    if done.returncode != code:
        faults.append(f"exit code {done.returncode}, not {code}: {done.stderr[-500:]}")
    return faults + [f"does not say {t!r}: {done.stdout}{done.stderr}" for t in texts if t not in done.stdout + done.stderr]


def dicom_files(folder):
    return sorted(name for name in h.files_below(folder) if name.endswith(".dcm"))


def leftovers(folder):
    return [name for name in h.files_below(folder) if not name.endswith(".dcm")]


def same_content(paths, folder):
    """Names by UIDs, and the data sets byte by byte."""
    faults = []
    for path in paths:
        ds = pydicom.dcmread(path)
        there = os.path.join(folder, ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID + ".dcm")
        if not os.path.exists(there):
            faults.append(f"{there} is missing")
        elif pydicom.dcmread(there) != ds:
            faults.append(f"{there} differs")
    return faults


def slices(folder):
    return [os.path.join(folder, name) for name in sorted(os.listdir(folder))]


# ---- cases -------------------------------------------------------------------------------------


def case_arrives(checks, work, series):
    receiver = Receiver(os.path.join(work, "a"))
    h.write(os.path.join(series, "notes.txt"), b"not DICOM")
    done = receiver.send(series)
    os.remove(os.path.join(series, "notes.txt"))
    checks.report("a series is sent", ended(done, 0, "10 objects stored", "notes.txt: passed over"))
    checks.report("the same again", ended(receiver.send(series), 0, "10 objects stored"))
    checks.report("it answers", ended(h.run("send", "--echo", "--to", f"localhost:{receiver.port}", "--called",
                                            receiver.aet), 0, "answers"))
    done = receiver.end()
    checks.report("SIGTERM ends well", ended(done, 0, "10 stored, 10 there before, 0 refused"))
    checks.report("content", same_content(slices(series), receiver.out) + leftovers(receiver.out))
    checks.report("names hold nothing else", [n for n in dicom_files(receiver.out)
                                              if not re.fullmatch(r"([\d.]+/){2}[\d.]+\.dcm", n)])


def case_conflict(checks, work, series):
    receiver = Receiver(os.path.join(work, "a"))
    changed = h.copy_folder(series, os.path.join(work, "changed"))
    first = slices(changed)[0]
    h.edit(first, SeriesDescription="another")
    before = h.files_below(receiver.out)
    done = receiver.send(changed)
    faults = ended(done, 1, "0111H", "1 of 10 objects")
    faults += [] if first in done.stderr else ["does not name the file"]
    faults += [] if h.files_below(receiver.out) == before else ["something was overwritten"]
    checks.report("another object of the same UID", faults)
    checks.report("the receiver tells it", ended(receiver.end(signal.SIGINT), 1, "1 refused"))


def case_titles(checks, work, series):
    receiver = Receiver(os.path.join(work, "b"), "--aet", "HERE", "--from", "FRIEND")
    checks.report("wrong called title", ended(receiver.send(series, called="THERE"), 1, "refuses the association"))
    checks.report("wrong calling title", ended(receiver.send(series), 1, "refuses the association"))
    checks.report("right titles", ended(receiver.send(series, calling="FRIEND"), 0, "10 objects"))
    receiver.end()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    node = ["--to", f"127.0.0.1:{port}", "--called", "X", "--retries", "0"]
    checks.report("nobody there", ended(h.run("send", series, *node), 1, f"127.0.0.1:{port}: cannot be reached"))
    checks.report("no echo", ended(h.run("send", "--echo", *node), 1, "cannot be reached"))
    node[1] = "no-such-host.invalid:104"
    checks.report("no such host", ended(h.run("send", series, *node), 1, "no-such-host.invalid:104: cannot"))


def case_ends(checks, work, series):
    receiver = Receiver(os.path.join(work, "c"), "--once", "--from", "REPRISE")
    receiver.send(series, calling="OTHER")
    receiver.send(slices(series)[0])
    checks.report("--once ends after the first that sent", ended(receiver.end(0), 0, "1 stored"))
    receiver = Receiver(os.path.join(work, "d"), "--until-idle", "0.5", "--quiet")
    receiver.send(series)
    done = receiver.end(0)
    checks.report("--until-idle ends", ended(done, 0) + ([f"printed {done.stderr}"] if done.stderr else []))
    busy = Receiver(os.path.join(work, "e"))
    done = h.run("receive", "--port", busy.port, "--out", os.path.join(work, "f"))
    checks.report("a port in use", ended(done, 1, "cannot listen"))
    done = h.run("receive", "--port", "0", "--out", busy.out)
    checks.report("a folder in use", ended(done, 1, "another receiver works in this folder"))
    busy.end()


def certificates(folder):
    """An authority, two nodes and a stranger."""
    def openssl(*words):
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)
    os.mkdir(folder)
    for name in ("ca", "stranger"):
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.pem",
                "-subj", f"/CN={name}", "-days", "2")
    for name in ("here", "there"):
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj",
                f"/CN={name}")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out",
                f"{name}.pem", "-days", "2")
    return folder


def case_tls(checks, work, series):
    if not shutil.which("openssl"):
        print("no openssl: TLS is not tried")
        return
    at = certificates(os.path.join(work, "tls"))

    def tls(ca, name=None):
        files = {"tls_ca": f"{at}/{ca}.pem"}
        return files | ({"tls_cert": f"{at}/{name}.pem", "tls_key": f"{at}/{name}.key"} if name else {})

    receiver = Receiver(os.path.join(work, "g"), "--tls-ca", f"{at}/ca.pem", "--tls-cert", f"{at}/here.pem",
                        "--tls-key", f"{at}/here.key", "--timeout", "5")
    checks.report("TLS", ended(receiver.send(series, **tls("ca", "there")), 0, "10 objects"))
    before = h.files_below(receiver.out)
    bad = {"no certificate of ours": tls("ca"), "one of a stranger": tls("ca", "stranger"),
           "an authority that did not sign": tls("stranger", "there"), "no TLS": {"timeout": "5"}}
    for name, files in bad.items():
        faults = ended(receiver.send(series, **files), 1, "cannot be reached")
        faults += [] if h.files_below(receiver.out) == before else ["something was stored"]
        checks.report(f"TLS: {name}", faults)
    checks.report("TLS afterwards", ended(receiver.send(series, **tls("ca", "there")), 0, "10 objects"))
    receiver.end()
    wrong = tls("ca", "there") | {"tls_key": f"{at}/here.key"}
    checks.report("another's key", ended(receiver.send(series, **wrong), 1, "is not the key of"))
    wrong["tls_key"] = os.path.join(work, "absent")
    checks.report("no key", ended(receiver.send(series, **wrong), 1, "cannot open"))
    checks.report("no certificate in the file", ended(receiver.send(series, tls_ca=slices(series)[0]), 1, "PEM"))
    done = h.run("receive", "--out", os.path.join(work, "x"), "--tls-ca", f"{at}/ca.pem")
    checks.report("a receiver without certificate", ended(done, 1, "needs certificate and key"))


def raw_association(port):
    """An association and the head of a C-STORE whose data never come to an end, by hand."""
    def item(kind, body):
        return bytes([kind, 0]) + len(body).to_bytes(2, "big") + body

    context = item(0x20, b"\1\0\0\0" + item(0x30, h.CT.encode()) + item(0x40, h.EXPLICIT.encode()))
    user = item(0x50, item(0x51, (16384).to_bytes(4, "big")) + item(0x52, b"1.2.3"))
    body = b"\0\1\0\0" + b"REPRISE".ljust(16) + b"HAND".ljust(16) + b"\0" * 32
    body += item(0x10, b"1.2.840.10008.3.1.1.1") + context + user
    link = socket.create_connection(("127.0.0.1", int(port)), timeout=SECONDS)
    link.sendall(b"\1\0" + len(body).to_bytes(4, "big") + body)
    answer = link.recv(4096)
    assert answer[0] == 2, answer
    fields = [(0x0002, (h.CT + "\0").encode()), (0x0100, b"\1\0"), (0x0110, b"\1\0"), (0x0700, b"\0\0"),
              (0x0800, b"\0\0"), (0x1000, b"1.2.3.4\0")]
    # Group length counts what follows it, with the group's two bytes in each tag.
    size = sum(8 + len(value) for _, value in fields)
    message = b"\0\0\0\0" + (4).to_bytes(4, "little") + size.to_bytes(4, "little")
    message += b"".join(b"\0\0" + t.to_bytes(2, "little") + len(v).to_bytes(4, "little") + v for t, v in fields)
    for flags, data in ((3, message), (0, b"\x08\0\x16\0UI\x1a\0" + (h.CT + "\0").encode() + b"\0" * 2000)):
        pdv = (len(data) + 2).to_bytes(4, "big") + bytes([1, flags]) + data
        link.sendall(b"\4\0" + len(pdv).to_bytes(4, "big") + pdv)
    return link


def wait_for(condition):
    end = time.monotonic() + SECONDS
    while time.monotonic() < end and not condition():
        time.sleep(0.05)
    return condition()


def case_killed(checks, work, series):
    receiver = Receiver(os.path.join(work, "h"))
    link = raw_association(receiver.port)
    arrived = wait_for(lambda: leftovers(receiver.out))
    receiver.process.kill()
    receiver.process.communicate()
    link.close()
    checks.report("a kill while receiving leaves no file of an object",
                  ([] if arrived else ["nothing was on its way"]) + dicom_files(receiver.out))
    receiver = Receiver(receiver.out)
    checks.report("the next start throws the rest away", leftovers(receiver.out))
    link = raw_association(receiver.port)
    checks.report("others are served meanwhile", ended(receiver.send(series), 0, "10 objects"))
    link.close()
    faults = [] if wait_for(lambda: not leftovers(receiver.out)) else leftovers(receiver.out)
    checks.report("a lost connection leaves nothing", faults)
    checks.report("and is counted", ended(receiver.end(), 1, "10 stored, 0 there before, 1 refused"))


def case_disk_full(checks, work, series):
    """In a mount namespace of its own, so that nothing is left behind."""
    small = os.path.join(work, "small")
    os.mkdir(small)
    script = f'mount -t tmpfs -o size=64k tmpfs "{small}" && exec "$@"'
    prefix = ["unshare", "-m", "sh", "-c", script, "sh"]
    probe = subprocess.run([*prefix, "true"], capture_output=True, check=False)
    if probe.returncode:
        print("no file system may be mounted here: a full disk is not tried")
        return
    receiver = Receiver(small, prefix=prefix)
    done = receiver.send(*many(work, series))
    faults = ended(done, 1, "objects were not stored") if "association was lost" not in done.stderr else []
    checks.report("a full disk is told", faults + ([] if done.returncode == 1 else ["exit code"]))
    done = receiver.end()
    stored = [line for line in done.stdout.splitlines() if line.endswith(".dcm")]
    checks.report("the receiver on a full disk", ended(done, 1) + ([] if 0 < len(stored) < 60 else [str(len(stored))]))


def many(work, series):
    """More than a small disk holds."""
    folder = os.path.join(work, "many")
    os.mkdir(folder)
    for copy in range(6):
        for number, path in enumerate(slices(series)):
            to = os.path.join(folder, f"{copy}-{number}.dcm")
            shutil.copy(path, to)
            uid = f"{h.UID}9.{copy}.{number}"
            h.edit(to, SOPInstanceUID=uid)
    return [folder]


def case_files(checks, work, series):
    receiver = Receiver(os.path.join(work, "i"))
    bad = os.path.join(work, "bad")
    os.mkdir(bad)
    h.cut(slices(series)[0], os.path.join(bad, "cut.dcm"), 0.6)
    shutil.copy(slices(series)[1], os.path.join(bad, "good.dcm"))
    nameless = shutil.copy(slices(series)[2], os.path.join(bad, "nameless.dcm"))
    h.edit(nameless, SOPInstanceUID=None)
    done = receiver.send(bad)
    checks.report("each file that fails is named", ended(done, 1, "cut.dcm", "nameless.dcm: names no SOP class",
                                                         "1 object stored", "2 of 3 objects were not stored"))
    deep = h.nested(slices(series)[0], os.path.join(work, "deep.dcm"))
    checks.report("nested without end", ended(receiver.send(deep), 1, "deep.dcm: does not parse", "nested too deeply"))
    text = h.write(os.path.join(work, "text"), b"text")
    checks.report("a file that is not DICOM", ended(receiver.send(text), 1, "text: not DICOM"))
    checks.report("no such file", ended(receiver.send(os.path.join(work, "none")), 1, "no such file"))
    receiver.end()


def case_usage(checks, series):
    node = ["--to", "localhost:104", "--called", "X"]
    wrong = {"no node": [series], "no port": [series, "--to", "localhost", "--called", "X"],
             "no file": node, "echo and file": [series, "--echo", *node],
             "long title": [series, "--to", "a:1", "--called", "SEVENTEEN-LETTERS"],
             "port 0": [series, "--to", "a:0", "--called", "X"], "retries": [series, *node, "--retries", "-1"],
             "half of TLS": [series, *node, "--tls-cert", "x"]}
    for name, words in wrong.items():
        checks.report(f"send: {name}", ended(h.run("send", *words), 2, "--help"))
    for name, words in {"no folder": [], "port": ["--out", "x", "--port", "70000"], "idle": ["--out", "x", "--until-idle",
                        "0"], "title": ["--out", "x", "--aet", ""], "argument": ["--out", "x", "y"]}.items():
        checks.report(f"receive: {name}", ended(h.run("receive", *words), 2, "--help"))
    done = h.run("receive", "--out", os.path.join(os.path.dirname(series), "y"), "--bind", "nowhere")
    checks.report("receive: address", ended(done, 1, "not an IPv4 address"))


def main():
    h.require_program()
    checks = h.Checks()
    with tempfile.TemporaryDirectory() as work:
        series = h.write_series(os.path.join(work, "series"), 5)
        for case in (case_arrives, case_conflict, case_titles, case_ends, case_tls, case_killed, case_disk_full,
                     case_files):
            case(checks, work, series)
        case_usage(checks, series)
    return checks.finish()


sys.exit(main())
