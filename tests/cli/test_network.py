"""reprise send and receive between themselves: what arrives, wrong titles and addresses, TLS, kills, copies and
conflicts, wrong usage."""
import os
import re
import shutil
import signal
import socket
import sys
import tempfile

import harness as h
from nodes import (Receiver, certificates, dicom_files, ended, leftovers, open_association, same_content, slices,
                   start_object, tls_options, wait_for)

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


def case_tls(checks, work, series):
    if not shutil.which("openssl"):
        print("no openssl: TLS is not tried")
        return
    at = certificates(os.path.join(work, "tls"), here="IP:127.0.0.1", there="")

    def tls(ca, name=None):
        return tls_options(at, ca, name)

    receiver = Receiver(os.path.join(work, "g"), "--tls-ca", f"{at}/ca.pem", "--tls-cert", f"{at}/here.pem",
                        "--tls-key", f"{at}/here.key", "--timeout", "5")
    checks.report("TLS", ended(receiver.send(series, **tls("ca", "there")), 0, "10 objects"))
    before = h.files_below(receiver.out)
    bad = {"no certificate of ours": tls("ca"), "one of a stranger": tls("ca", "stranger"),
           "an authority that did not sign": tls("stranger", "there"), "no TLS": {"timeout": "5"}}
    for name, files in bad.items():
        unsigned = "did not sign" in name
        faults = ended(receiver.send(series, **files), 3 if unsigned else 1,
                       "certificate is not accepted" if unsigned else "cannot be reached")
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


def case_tls_host(checks, work, series):
    """The name in the node's certificate is the one that was asked for."""
    if not shutil.which("openssl"):
        return
    at = certificates(os.path.join(work, "names"), address="IP:127.0.0.1", name="DNS:localhost,DNS:*.pacs.invalid",
                      plain="", other="DNS:elsewhere.invalid,IP:127.0.0.2")
    cases = {"address": {"127.0.0.1": 0, "localhost": 3}, "name": {"127.0.0.1": 3, "localhost": 0},
             "plain": {"127.0.0.1": 3, "localhost": 3}, "other": {"127.0.0.1": 3, "localhost": 3}}
    expect = {"address": {"127.0.0.1": 0, "127.0.0.11": 3}, "name": {"a.pacs.invalid": 0, "pacs.invalid": 3},
              "plain": {"plain.invalid": 0, "invalid": 3}, "other": {"elsewhere.invalid": 0, "here.invalid": 3}}
    for node, hosts in cases.items():
        receiver = Receiver(os.path.join(work, node), "--tls-cert", f"{at}/{node}.pem", "--tls-key", f"{at}/{node}.key")
        tries = [(host, {"to": f"{host}:{receiver.port}"}, code) for host, code in hosts.items()]
        tries += [(name, {"tls_host": name}, code) for name, code in expect[node].items()]
        for name, options, code in tries:
            done = receiver.send(slices(series)[0], **tls_options(at, "ca"), **options)
            texts = ["--tls-host names another"] if code else ["1 object stored"]
            checks.report(f"a certificate of {node} for {name}", ended(done, code, *texts))
        receiver.end()


def case_killed(checks, work, series):
    receiver = Receiver(os.path.join(work, "h"))
    link = start_object(open_association(receiver.port))
    arrived = wait_for(lambda: leftovers(receiver.out))
    receiver.process.kill()
    receiver.process.communicate()
    link.close()
    checks.report("a kill while receiving leaves no file of an object",
                  ([] if arrived else ["nothing was on its way"]) + dicom_files(receiver.out))
    receiver = Receiver(receiver.out)
    checks.report("the next start throws the rest away", leftovers(receiver.out))
    link = start_object(open_association(receiver.port))
    checks.report("others are served meanwhile", ended(receiver.send(series), 0, "10 objects"))
    link.close()
    faults = [] if wait_for(lambda: not leftovers(receiver.out)) else leftovers(receiver.out)
    checks.report("a lost connection leaves nothing", faults)
    checks.report("and is counted", ended(receiver.end(), 1, "10 stored, 0 there before, 1 refused"))


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
        for case in (case_arrives, case_conflict, case_titles, case_ends, case_tls, case_tls_host, case_killed, case_files):
            case(checks, work, series)
        case_usage(checks, series)
    return checks.finish()


sys.exit(main())
