"""How long a CT series takes to load, and how much memory: a synthetic one of 1000 slices of 512 x 512.

    /usr/bin/python3 bench/load_ct.py [--slices N] [--rounds N] [--folder DIR]

Needs a build (REPRISE_BUILD, default build/release). The series is made in DIR, or in a temporary folder that is
removed afterwards, and read once beforehand, so that it lies in the system's cache. Each round is a process of
its own. Printed are wall time, processor time (user + system, of all threads) and the peak of resident memory
above what the process had before, beside the size of the image in float32."""
import argparse
import ctypes
import json
import os
import resource
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "tests", "oracle"))
SIDE = 512


def make(folder, slices):
    """A sphere in air with noise, as a scanner would write it: one file for each slice."""
    import numpy as np
    import pydicom
    from pydicom.dataset import Dataset, FileMetaDataset
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE / 2
    noise = rng.integers(-30, 30, (SIDE, SIDE), dtype=np.int16)
    d = Dataset()
    d.file_meta = FileMetaDataset()
    d.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    d.file_meta.MediaStorageSOPClassUID = d.SOPClassUID = pydicom.uid.CTImageStorage
    d.PatientID, d.PatientName, d.StudyDate, d.Modality = "SYNTHETIC", "Synthetic^Bench", "20240101", "CT"
    d.StudyInstanceUID, d.SeriesInstanceUID = "2.25.1", "2.25.2"
    d.FrameOfReferenceUID, d.SeriesDescription = "2.25.3", "SYNTHETIC"
    d.ImageOrientationPatient, d.PixelSpacing, d.SliceThickness = [1, 0, 0, 0, 1, 0], [0.7, 0.7], 0.6
    d.Rows = d.Columns = SIDE
    d.BitsAllocated, d.BitsStored, d.HighBit, d.PixelRepresentation = 16, 12, 11, 0
    d.SamplesPerPixel, d.PhotometricInterpretation = 1, "MONOCHROME2"
    d.RescaleSlope, d.RescaleIntercept = 1, -1024
    d.is_little_endian, d.is_implicit_VR = True, False
    for z in range(slices):
        inside = x * x + y * y + (z - slices / 2) ** 2 < (0.45 * SIDE) ** 2
        d.SOPInstanceUID = d.file_meta.MediaStorageSOPInstanceUID = f"2.25.4.{z + 1}"
        d.ImagePositionPatient, d.InstanceNumber = [-179.2, -179.2, round(0.6 * z, 3)], z + 1
        d.PixelData = (np.where(inside, 1064, 30).astype(np.int16) + noise).astype(np.uint16).tobytes()
        d.save_as(os.path.join(folder, f"{z:04d}"), write_like_original=False)


def resident(key):
    with open("/proc/self/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(key)) * 1024


def processor_seconds():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def worker(shared, folder):
    from dicom_library import Error, LoadOptions, Series
    library, series, error = ctypes.CDLL(shared), Series(), Error()
    before, started, used = resident("VmRSS"), time.perf_counter(), processor_seconds()
    status = library.rp_dicom_series_load(folder.encode(), ctypes.byref(LoadOptions()), None,
                                          ctypes.byref(series), ctypes.byref(error))
    seconds = time.perf_counter() - started
    if status:
        sys.exit(error.message.decode())
    size = list(series.image.grid.size)
    print(json.dumps({"seconds": seconds, "processor_seconds": processor_seconds() - used,
                      "peak_bytes": resident("VmHWM") - before, "size": size,
                      "image_bytes": 4 * size[0] * size[1] * size[2],
                      "sha256": series.image_sha256.decode()}))


def measure(folder, slices, rounds):
    from dicom_library import build
    os.environ.setdefault("REPRISE_BUILD", os.path.join(HERE, "..", "build", "release"))
    if not os.path.exists(os.path.join(folder, f"{slices - 1:04d}")):
        make(folder, slices)
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), "rb") as file:
            file.read()
    results = []
    with tempfile.TemporaryDirectory() as place:
        shared = build(place)
        for _ in range(rounds):
            done = subprocess.run([sys.executable, __file__, "--worker", shared, "--folder", folder],
                                  check=True, capture_output=True, text=True)
            results.append(json.loads(done.stdout))
            r = results[-1]
            print(f"{r['size']}: {r['seconds']:.2f} s, processor {r['processor_seconds']:.2f} s, "
                  f"peak {r['peak_bytes'] / 2**20:.0f} MiB, "
                  f"image {r['image_bytes'] / 2**20:.0f} MiB", flush=True)
    best = min(results, key=lambda r: r["seconds"])
    print(f"fastest of {rounds}: {best['seconds']:.2f} s, processor "
          f"{min(r['processor_seconds'] for r in results):.2f} s, peak "
          f"{max(r['peak_bytes'] for r in results) / best['image_bytes']:.2f} x the image, load "
          f"{os.getloadavg()[0]:.1f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slices", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    a = parser.parse_args()
    if a.worker:
        worker(a.worker, a.folder)
    elif a.folder:
        os.makedirs(a.folder, exist_ok=True)
        measure(a.folder, a.slices, a.rounds)
    else:
        with tempfile.TemporaryDirectory() as folder:
            measure(folder, a.slices, a.rounds)


main()
