"""Folders in which something cannot be read, made with pydicom: whether a slice is missed, and whether info and convert
agree about what is usable."""
import gzip
import os
import tempfile

from dicom_sets import SLICES, dataset, finish, plane, require, run, write_set

import nibabel as nib
import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

LAST = f"{SLICES - 1:03}.dcm"


def make(scratch, name, names="%03d.dcm"):
    return write_set(os.path.join(scratch, name), 0, name=names, shuffled=False)


def put(path, content):
    with open(path, "wb") as file:
        file.write(content)


def content(path):
    with open(path, "rb") as file:
        return file.read()


def check(name, folder, scratch, code, *words, slices=range(SLICES)):
    """convert's exit code and words; info says usable where that is 0; the voxels read are those slices'."""
    out = os.path.join(scratch, "out.nii")
    done, listed = run("convert", folder, out), run("info", folder).stdout
    usable = [line.split(None, 1)[1] for line in listed.splitlines() if line.split()[:1] == ["usable"]]
    require(done.returncode == code, name, "exit code", done.returncode, done.stderr)
    require((code == 0) == (usable[:1] == ["yes"]), name, "info says", usable)
    for word in words:
        require(word in done.stderr and word in listed, name, word, "not in", done.stderr, listed)
    if done.returncode == 0:
        values = np.asarray(nib.load(out).dataobj).transpose(2, 1, 0)
        require(np.array_equal(values, [plane(0, k) for k in slices]), name, "voxels")
        os.remove(out)


def missed(name, folder, scratch, gone, *words):
    """Refused as a missing slice, and read without it by --repair."""
    check(name, folder, scratch, 3, "missing slices", *words)
    out = os.path.join(scratch, "repaired.nii")
    done = run("convert", folder, out, "--repair")
    require(done.returncode == 0 and "slices are missing" in done.stderr, name, "--repair", done.stderr)
    values = np.asarray(nib.load(out).dataobj).transpose(2, 1, 0)
    left = [k for k in range(SLICES) if k != gone]
    if gone in (0, SLICES - 1):
        require(np.array_equal(values, [plane(0, k) for k in left]), name, "voxels of the others")
    require("--repair only" in run("info", folder).stdout, name, "info")
    os.remove(out)


def lost(scratch):
    spoilt = {"empty": (b"", "empty"), "a web page": (b"<html>404</html>" * 20, "web page"), "zeros": (bytes(3000), "no DICOM"),
              "a pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "not fetched")}
    for name, (bytes_, words) in spoilt.items():
        for at in (0, 5, SLICES - 1):
            folder = make(scratch, f"{name} {at}")
            put(os.path.join(folder, f"{at:03}.dcm"), bytes_)
            missed(f"{name}, slice {at}", folder, scratch, at, f"{at:03}.dcm", words)
    for names in ("IM%04d", "%d", "1.2.840.99.%d", "slice%d.ima", "Image_%03d.DCM"):
        folder = make(scratch, "named " + names, names)
        put(os.path.join(folder, names % (SLICES - 1)), b"")
        missed("named as " + names, folder, scratch, SLICES - 1, names % (SLICES - 1))
    folder = make(scratch, "packed")
    whole = content(os.path.join(folder, LAST))
    os.remove(os.path.join(folder, LAST))
    put(os.path.join(folder, LAST + ".gz"), gzip.compress(whole))
    missed("packed", folder, scratch, SLICES - 1, LAST + ".gz", "gzip")
    folder = make(scratch, "link")
    os.remove(os.path.join(folder, LAST))
    os.symlink("../.git/annex/gone", os.path.join(folder, LAST))
    missed("a link to nothing", folder, scratch, SLICES - 1, LAST)
    for size in (1, 100):
        folder = make(scratch, f"cut {size}")
        put(os.path.join(folder, LAST), whole[:size])
        missed(f"cut to {size} bytes", folder, scratch, SLICES - 1, LAST)
    for size in (140, 300, 600, len(whole) - 100, len(whole) - 2):
        folder = make(scratch, f"cut {size}")
        put(os.path.join(folder, LAST), whole[:size])
        check(f"cut to {size} bytes", folder, scratch, 1, LAST, "truncated")


def strays(scratch):
    for names in ("%03d.dcm", "IM%04d"):
        folder = make(scratch, "strays " + names, names)
        for stray in ("README.txt", "README", "LICENSE", "Thumbs.db", ".DS_Store", "._000.dcm", "index.html", "notes2.txt", "MD5SUMS",
                      "desktop.ini", "report.pdf", "preview1.jpg", "000.json", "VERSION"):
            put(os.path.join(folder, stray), b"something else")
        first = names % 0
        put(os.path.join(folder, first + ".gz"), gzip.compress(content(os.path.join(folder, first))))
        check("strays beside " + names, folder, scratch, 0)


def two_series(scratch):
    """An unreadable file is missed in the series that its name continues, not in the other."""
    folder = make(scratch, "two", "a%03d.dcm")
    write_set(folder, 1, name="b%03d.dcm", SeriesInstanceUID="2.25.22")
    put(os.path.join(folder, f"b{SLICES:03}.dcm"), b"")
    out = os.path.join(scratch, "two.nii")
    done = run("convert", folder, out, "--series", "2.25.21")
    require(done.returncode == 0, "the other series", done.stderr)
    done = run("convert", folder, out, "--series", "2.25.22")
    require(done.returncode == 3 and f"b{SLICES:03}.dcm" in done.stderr, "its series", done.stderr)


def paths(scratch):
    folder, home = make(scratch, "deep"), os.getcwd()
    os.chdir(folder)
    for _ in range(50):
        os.mkdir("n" * 90)
        os.chdir("n" * 90)
    os.chdir(home)
    done = run("convert", folder, os.path.join(scratch, "x.nii"))
    require(done.returncode == 1 and "too long" in done.stderr and "nnn" in done.stderr, "a path too long", done.stderr)


def tails(scratch):
    for name, tail, code in (("zeros", bytes(100), 0), ("a block of zeros", bytes(4096), 0), ("one zero", b"\0", 0),
                             ("rubbish", b"rubbish!" * 5, 1)):
        folder = make(scratch, "tail " + name)
        for file in os.listdir(folder):
            put(os.path.join(folder, file), content(os.path.join(folder, file)) + tail)
        check(name + " behind the data", folder, scratch, code)
    for size in (1, 2, 7, 8, 100, 4096):
        folder = make(scratch, f"packed tail {size}")
        for file in os.listdir(folder):
            d = pydicom.dcmread(os.path.join(folder, file))
            d.compress(pydicom.uid.RLELossless)
            d.save_as(os.path.join(folder, file))
            put(os.path.join(folder, file), content(os.path.join(folder, file)) + bytes(size))
        check(f"{size} zeros behind compressed pixels", folder, scratch, 0)
    whole = content(os.path.join(folder, LAST))[:-4096]
    put(os.path.join(folder, LAST), whole[:-8] + bytes(100))  # without what ends the pixels
    check("compressed pixels cut off before zeros", folder, scratch, 1, LAST)


def dicomdir(path, files):
    d = dataset(path, "1.2.840.10008.1.3.10", "2.25.66")
    for name in [e.keyword for e in d]:
        delattr(d, name)
    d.FileSetID, d.FileSetConsistencyFlag = "SET", 0
    d.OffsetOfTheFirstDirectoryRecordOfTheRootDirectoryEntity = 0
    d.OffsetOfTheLastDirectoryRecordOfTheRootDirectoryEntity = 0
    records = []
    for file in files:
        record = Dataset()
        record.OffsetOfTheNextDirectoryRecord, record.RecordInUseFlag = 0, 65535
        record.OffsetOfReferencedLowerLevelDirectoryEntity, record.DirectoryRecordType = 0, "IMAGE"
        record.ReferencedFileID = file
        records.append(record)
    d.DirectoryRecordSequence = Sequence(records)
    d.save_as(path, write_like_original=False)
    return path


def directories(scratch):
    folder = make(scratch, "medium", "IM%04d")
    path = dicomdir(os.path.join(folder, "DICOMDIR"), [["IM%04d" % k] for k in range(SLICES + 2)])
    out = os.path.join(scratch, "medium.nii")
    done = run("convert", path, out)
    require(done.returncode == 0 and f"2 of the {SLICES + 2} files that the DICOMDIR names are not there; slices" in done.stderr,
            "files gone from a DICOMDIR", done.stderr)
    tree = os.path.join(scratch, "tree")
    os.makedirs(os.path.join(tree, "old"))
    write_set(os.path.join(tree, "ct"), 0)
    for name, made in (("all gone", [["GONE"]]), ("empty", [])):
        dicomdir(os.path.join(tree, "old", "DICOMDIR"), made)
        done = run("import", "dicom", tree, "--out", os.path.join(scratch, "m.csv"))
        require("old/DICOMDIR" in done.stdout and "no contour refers to it" in done.stdout, name, "ended the import", done.stdout,
                done.stderr)


def main():
    with tempfile.TemporaryDirectory() as scratch:
        for case in (lost, strays, two_series, paths, tails, directories):
            os.makedirs(os.path.join(scratch, case.__name__))
            case(os.path.join(scratch, case.__name__))
    finish()


if __name__ == "__main__":
    main()
