"""Receivers and peers made by hand, for the tests of the network."""
import os
import re
import shutil
import signal
import socket
import subprocess
import time

import harness as h
import pydicom

SECONDS = 60
KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")
VERIFICATION = "1.2.840.10008.1.1"


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


def wait_for(condition):
    end = time.monotonic() + SECONDS
    while time.monotonic() < end and not condition():
        time.sleep(0.05)
    return condition()


# ---- certificates --------------------------------------------------------------------------------

def certificates(folder, **names):
    """An authority, a stranger's, and nodes with what their certificates are made out to."""
    def openssl(*words):
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)
    os.mkdir(folder)
    for name in ("ca", "stranger"):
        openssl("req", "-x509", *KEY, "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.pem",
                "-subj", f"/CN={name}", "-days", "2")
    for name, made_out in names.items():
        openssl("req", *KEY, "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj",
                f"/CN={name}.invalid")
        h.write(os.path.join(folder, f"{name}.ext"), f"subjectAltName={made_out}\n".encode() if made_out else b"")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out",
                f"{name}.pem", "-days", "2", "-extfile", f"{name}.ext")
    return folder


def tls_options(folder, ca, name=None):
    """For Receiver.send."""
    files = {"tls_ca": f"{folder}/{ca}.pem"}
    return files | ({"tls_cert": f"{folder}/{name}.pem", "tls_key": f"{folder}/{name}.key"} if name else {})


# ---- by hand -------------------------------------------------------------------------------------

def item(kind, body):
    return bytes([kind, 0]) + len(body).to_bytes(2, "big") + body


def greeting(sop_class=VERIFICATION, called=b"REPRISE"):
    """A-ASSOCIATE-RQ."""
    context = item(0x20, b"\1\0\0\0" + item(0x30, sop_class.encode()) + item(0x40, h.EXPLICIT.encode()))
    user = item(0x50, item(0x51, (16384).to_bytes(4, "big")) + item(0x52, b"1.2.3"))
    body = b"\0\1\0\0" + called.ljust(16) + b"HAND".ljust(16) + b"\0" * 32
    body += item(0x10, b"1.2.840.10008.3.1.1.1") + context + user
    return b"\1\0" + len(body).to_bytes(4, "big") + body


def connect(port, data=b""):
    link = socket.create_connection(("127.0.0.1", int(port)), timeout=SECONDS)
    link.sendall(data)
    return link


def open_association(port, sop_class=h.CT):
    link = connect(port, greeting(sop_class))
    answer = link.recv(4096)
    assert answer[0] == 2, answer
    return link


def send_part(link, flags, data):
    pdv = (len(data) + 2).to_bytes(4, "big") + bytes([1, flags]) + data
    link.sendall(b"\4\0" + len(pdv).to_bytes(4, "big") + pdv)


def start_object(link):
    """The head of a C-STORE whose data never come to an end."""
    fields = [(0x0002, (h.CT + "\0").encode()), (0x0100, b"\1\0"), (0x0110, b"\1\0"), (0x0700, b"\0\0"),
              (0x0800, b"\0\0"), (0x1000, b"1.2.3.4\0")]
    # Group length counts what follows it, with the group's two bytes in each tag.
    size = sum(8 + len(value) for _, value in fields)
    message = b"\0\0\0\0" + (4).to_bytes(4, "little") + size.to_bytes(4, "little")
    message += b"".join(b"\0\0" + t.to_bytes(2, "little") + len(v).to_bytes(4, "little") + v for t, v in fields)
    send_part(link, 3, message)
    send_part(link, 0, b"\x08\0\x16\0UI\x1a\0" + (h.CT + "\0").encode() + b"\0" * 2000)
    return link
