# ctest: slow
"""A real Orthanc as the archive: CT, RTSTRUCT, SEG and SR go there by `reprise send`, come back by `reprise
receive` and by REST with the same content, and `assess` finds on what came back what it found before.

Orthanc binds every address, so everything runs in a network namespace of its own."""
import glob
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

import harness as h
import pydicom

INSIDE = "inside-the-namespace"
DATA = os.environ.get("REPRISE_TEST_DATA", "")
REAL = ["seg_sr/dcmqi_data/segmentations/ct-3slice", "seg_sr/dcmqi_data/segmentations/liver.dcm",
        "seg_sr/dcmqi_data/sr-example/sr.dcm", "seg_sr/dcmqi_data/sr-example/seg.dcm"]
# In JPEG 2000, without UIDs in its data sets.
COMPRESSED = "totalseg/example_ct_dicom"
CONFIG = """
network: {first_filters: 8, growth: 4, down_layers: [1, 1], bottleneck_layers: 1, dropout: 0.1}
preprocessing: {spacing_mm: [3.0, 3.0, 4.0]}
adapt: {epochs: 40, copies: 2, crop: [24, 24, 8], learning_rate: 0.01, seed: 5}
guard: {trials: 0}
"""
SECONDS = 60


def skip(why):
    print(f"skipped: {why}")
    return 77


def in_namespace():
    """This program again, inside; its exit code."""
    if not shutil.which("Orthanc"):
        return skip("Orthanc is not installed")
    mapped = [] if os.geteuid() == 0 else ["-r"]
    ways = ["unshare", "-n", *mapped]
    probe = subprocess.run([*ways, "ip", "link", "set", "lo", "up"], capture_output=True, text=True, check=False)
    if probe.returncode:
        return skip("no network namespace may be made here: " + probe.stderr.strip())
    return subprocess.run([*ways, sys.executable, os.path.abspath(__file__), INSIDE], check=False).returncode


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Orthanc:
    """The archive, until the with statement ends."""

    def __init__(self, folder, receiver_port):
        self.http, self.dicom = free_port(), free_port()
        self.process, self.log = None, os.path.join(folder, "orthanc.log")
        self.config = os.path.join(folder, "orthanc.json")
        settings = {"Name": "test", "StorageDirectory": os.path.join(folder, "storage"),
                    "IndexDirectory": os.path.join(folder, "storage"), "HttpPort": self.http,
                    "DicomPort": self.dicom, "DicomAet": "ARCHIVE", "DicomCheckCalledAet": True,
                    "AuthenticationEnabled": False, "RemoteAccessAllowed": True, "Plugins": [],
                    "DicomModalities": {"reprise": ["REPRISE", "127.0.0.1", receiver_port]}}
        with open(self.config, "w", encoding="utf-8") as file:
            json.dump(settings, file)

    def __enter__(self):
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(["Orthanc", self.config], stdout=log, stderr=log)
        end = time.monotonic() + SECONDS
        while time.monotonic() < end and self.process.poll() is None:
            try:
                self.ask("/system")
                return self
            except OSError:
                time.sleep(0.1)
        with open(self.log, encoding="utf-8", errors="replace") as log:
            raise RuntimeError("Orthanc does not start: " + log.read()[-2000:])

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def fetch(self, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http}{path}", data, timeout=SECONDS) as answer:
            return answer.read()

    def ask(self, path, body=None):
        return json.loads(self.fetch(path, body))


def start_receiver(folder, port):
    process = subprocess.Popen([h.REPRISE, "receive", "--port", str(port), "--out", folder, "--aet", "REPRISE"],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.readline()  # it listens
    return process


def objects_below(folder):
    """SOPInstanceUID -> path of every DICOM file."""
    found = {}
    for name in h.files_below(folder):
        path = os.path.join(folder, name)
        with open(path, "rb") as file:
            if file.read(132)[128:] == b"DICM":
                found[str(pydicom.dcmread(path, stop_before_pixels=True).file_meta.MediaStorageSOPInstanceUID)] = path
    return found


def differences(before, after, at=""):
    """Content alone: neither lengths of sequences and items nor padding matter."""
    for element in before:
        where = f"{at}/{element.tag}"
        if element.tag.element == 0:
            continue
        if element.tag not in after:
            if element.value not in (None, "", b"") or element.VR == "SQ":
                yield f"{where} is gone"
        elif element.VR == "SQ":
            items = after[element.tag].value
            if len(items) != len(element.value):
                yield f"{where} has {len(items)} items, not {len(element.value)}"
            for i, (a, b) in enumerate(zip(element.value, items)):
                yield from differences(a, b, f"{where}[{i}]")
        elif isinstance(element.value, bytes):
            if element.value.rstrip(b"\0") != after[element.tag].value.rstrip(b"\0"):
                yield f"{where} has other bytes"
        elif str(element.value) != str(after[element.tag].value):
            yield f"{where} is {str(after[element.tag].value)[:40]}, not {str(element.value)[:40]}"
    yield from (f"{at}/{e.tag} is new" for e in after if e.tag not in before and e.tag.element)


def compare(sent, back):
    faults = [f"{os.path.basename(path)} did not come back" for uid, path in sent.items() if uid not in back]
    for uid, path in sent.items():
        if uid in back:
            before, after = pydicom.dcmread(path), pydicom.dcmread(back[uid])
            faults += [f"{os.path.basename(path)}: {d}" for d in differences(before, after)]
            if before.file_meta.TransferSyntaxUID != after.file_meta.TransferSyntaxUID:
                faults.append(f"{os.path.basename(path)} was encoded anew")
    return faults[:10]


def objects_below_file(path):
    return {str(pydicom.dcmread(path, stop_before_pixels=True).file_meta.MediaStorageSOPInstanceUID): path}


def assess(work, name, baseline, contour, followup):
    out = os.path.join(work, name)
    done = h.run("assess", "--baseline", baseline, "--contour", contour, "--followup", followup, "--out", out,
                 "--config", os.path.join(work, "config.yaml"), "--threads", "1", "--memory", "1G")
    faults = done.faults + ([] if done.returncode == 0 else [f"exit code {done.returncode}", done.stderr])
    return out, faults


def figures(folder):
    """What may not depend on where the files were."""
    with open(os.path.join(folder, "result.json"), encoding="utf-8") as file:
        result = json.load(file)
    kept = {key: result.get(key) for key in ("subject", "label", "change_percent", "response", "rule", "flags",
                                             "interval_days", "baseline", "followup", "carry_forward")}
    kept["model"] = result["provenance"]["model_sha256"]
    return kept


def series_folder(received, series):
    """Folder of what came back of the series in another folder."""
    first = pydicom.dcmread(sorted(glob.glob(os.path.join(series, "*")))[0], stop_before_pixels=True)
    return os.path.join(received, first.StudyInstanceUID, first.SeriesInstanceUID)


def with_uids(source, folder):
    """Copies whose data sets say what and whose they are."""
    os.mkdir(folder)
    for name in sorted(os.listdir(source)):
        ds = pydicom.dcmread(os.path.join(source, name))
        ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID
        ds.StudyInstanceUID, ds.SeriesInstanceUID = h.UID + "77.1", h.UID + "77.2"
        ds.save_as(os.path.join(folder, name))
    return folder


def real_objects(work):
    """Inputs from the real data, as far as that is there."""
    real = [os.path.join(DATA, name) for name in REAL if os.path.exists(os.path.join(DATA, name))]
    compressed = os.path.join(DATA, COMPRESSED)
    if os.path.isdir(compressed):
        real.append(with_uids(compressed, os.path.join(work, "compressed")))
    if not real:
        print("no real data: the archive gets a phantom and its results only")
    return real


def send_all(checks, archive, inputs, sent):
    done = h.run("send", *inputs, "--to", f"127.0.0.1:{archive.dicom}", "--called", "ARCHIVE")
    faults = done.faults + ([] if done.returncode == 0 else [done.stderr[-2000:]])
    count = archive.ask("/statistics")["CountInstances"]
    faults += [] if count == len(sent) else [f"the archive has {count} objects, not {len(sent)}"]
    checks.report(f"{len(sent)} objects are stored", faults)
    done = h.run("send", "--echo", "--to", f"127.0.0.1:{archive.dicom}", "--called", "ARCHIVE")
    checks.report("the archive answers", [] if done.returncode == 0 else [done.stderr])
    done = h.run("send", *inputs, "--to", f"127.0.0.1:{archive.dicom}", "--called", "OTHER", "--retries", "0")
    checks.report("the archive under another title", [] if done.returncode == 1 else [done.stderr])


def come_back(checks, archive, work, port, sent):
    received, downloaded = os.path.join(work, "received"), os.path.join(work, "downloaded")
    receiver = start_receiver(received, port)
    ids = archive.ask("/instances")
    archive.ask("/modalities/reprise/store", {"Resources": ids, "Synchronous": True})
    receiver.send_signal(signal.SIGTERM)
    output, errors = receiver.communicate(timeout=SECONDS)
    faults = [] if receiver.returncode == 0 else [f"exit code {receiver.returncode}", errors.decode()]
    lines = output.decode().splitlines()
    faults += [] if len(lines) == len(sent) else [f"{len(lines)} files were told"]
    checks.report("the receiver ends well", faults)
    checks.report("came back by C-STORE", compare(sent, objects_below(received)))
    os.mkdir(downloaded)
    for number, name in enumerate(ids):
        h.write(os.path.join(downloaded, f"{number}.dcm"), archive.fetch(f"/instances/{name}/file"))
    checks.report("came back by REST", compare(sent, objects_below(downloaded)))
    return received


def main():
    h.require_program()
    if INSIDE not in sys.argv:
        return in_namespace()
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    checks, port = h.Checks(), free_port()
    with tempfile.TemporaryDirectory() as work:
        with open(os.path.join(work, "config.yaml"), "w", encoding="utf-8") as file:
            file.write(CONFIG)
        done = h.run("phantom", "--seed", "1", "--dicom", "--size", "16x48x56", "--out", os.path.join(work, "p"))
        checks.report("a phantom", [] if done.returncode == 0 else [done.stderr])
        patient = os.path.join(work, "p", "patient-001")
        visits = [os.path.join(patient, name) for name in ("baseline", "baseline_rtstruct.dcm", "followup")]
        before, faults = assess(work, "before", *visits)
        checks.report("assess before", faults)
        inputs = [*visits, *glob.glob(os.path.join(before, "*.dcm")), *real_objects(work)]
        sent = {}
        for path in inputs:
            sent |= objects_below(path) if os.path.isdir(path) else objects_below_file(path)
        with Orthanc(work, port) as archive:
            send_all(checks, archive, inputs, sent)
            received = come_back(checks, archive, work, port, sent)
        contour = objects_below(received)[next(iter(objects_below_file(visits[1])))]
        after, faults = assess(work, "after", series_folder(received, visits[0]), contour,
                               series_folder(received, visits[2]))
        checks.report("assess after", faults)
        one, other = figures(before), figures(after)
        checks.report("the same result", [f"{k}: {one[k]} became {other[k]}" for k in one if one[k] != other[k]])
        print(f"response {one['response']}, change {one['change_percent']}")
    return checks.finish()


sys.exit(main())
