"""The report's HTML, read by a parser and a PNG decoder of its own: elements nest, nothing refers
outside the file, and the anatomy, the outline and the caliper lie where world coordinates say, in
millimetres, for every storage order of the voxels."""

import base64
import os
import re
import struct
import subprocess
import sys
import tempfile
import zlib

import numpy as np

from html_page import check_wellformed


def unfilter(kind, line, above):
    """The two filters that look at left and above together: 3 average, 4 Paeth."""
    row, a, c = [], 0, 0
    for value, b in zip(line, above):
        if kind == 3:
            guess = (a + b) // 2
        else:
            p = a + b - c
            near = min(abs(p - a), abs(p - b), abs(p - c))
            guess = a if abs(p - a) == near else b if abs(p - b) == near else c
        a, c = (value + guess) & 255, b
        row.append(a)
    return np.array(row)


def decode_png(data):
    """Eight-bit grey PNG, not interlaced."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, packed = 8, b""
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        body = data[at + 8 : at + 8 + length]
        if kind == b"IHDR":
            width, height, depth, colour, _, _, interlace = struct.unpack(">IIBBBBB", body)
            assert (depth, colour, interlace) == (8, 0, 0), "not eight-bit grey"
        if kind == b"IDAT":
            packed += body
        at += length + 12
    raw = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(height, width + 1)
    out = np.zeros((height, width), np.uint8)
    above = np.zeros(width, int)
    for y in range(height):
        kind, line = raw[y, 0], raw[y, 1:].astype(int)
        if kind == 0:
            row = line
        elif kind == 1:
            row = np.cumsum(line) & 255
        elif kind == 2:
            row = (line + above) & 255
        else:
            row = unfilter(kind, line.tolist(), above.tolist())
        out[y], above = row, row
    return out


def figures(text, kind):
    return re.findall(r'<figure class="%s[^>]*>.*?</figure>' % kind, text, re.S)


def path_points(figure, kind):
    path = re.search(r'<g class="%s"><path class="halo" d="([^"]*)"' % kind, figure).group(1)
    return np.array([[float(v) for v in p.split()] for p in re.findall(r"[ML]([-\d. ]+)", path)])


def centroid(picture, box, region):
    """Of the brightest pixels within a region given in shares of the picture, in mm."""
    height, width = picture.shape
    x0, x1, y0, y1 = region
    mask = np.zeros_like(picture, bool)
    mask[int(y0 * height) : int(y1 * height), int(x0 * width) : int(x1 * width)] = True
    y, x = np.nonzero(mask & (picture > 250))
    assert len(x) > 100, "no bright structure where one is expected"
    return np.array([(x.mean() + 0.5) * box[0] / width, (y.mean() + 0.5) * box[1] / height])


def check_axial(text, label):
    """World places of the sample: lesion (-15,-10), bone at the left (70,-20), in front (10,-64)."""
    mains = figures(text, "main")
    assert len(mains) == 2
    boxes = []
    for visit, figure in enumerate(mains):
        box = [float(v) for v in re.search(r"aspect-ratio: ?([\d.]+)/([\d.]+)", figure).groups()]
        boxes.append(box)
        picture = decode_png(base64.b64decode(re.search(r"base64,([^\"]*)", figure).group(1)))
        pitch = box[0] / picture.shape[1], box[1] / picture.shape[0]
        assert abs(pitch[0] - pitch[1]) < 0.005 * pitch[0], "pixels are not square"
        left = centroid(picture, box, (0.7, 1, 0.2, 0.9))
        front = centroid(picture, box, (0.3, 0.8, 0, 0.25))
        assert np.allclose(left - front, (70 - 10, -20 + 64), atol=1.5), (label, left - front)
        outline = path_points(figure, "contour")
        middle = (outline.min(0) + outline.max(0)) / 2
        assert np.allclose(middle - front, (-15 - 10, -10 + 64), atol=2), (label, middle - front)
        wanted = np.array([48, 30]) * (1, 0.8)[visit]
        assert np.allclose(np.ptp(outline, axis=0), wanted, atol=4), (label, np.ptp(outline, axis=0))
        axis = path_points(figure, "axis long")[:2]
        shown = float(re.search(r'class="length long"[^>]*>([\d.]+)', figure).group(1))
        assert abs(np.hypot(*(axis[1] - axis[0])) - shown) < 0.06, (label, axis, shown)
        inner = np.hypot(*(outline[:, None] - axis[None]).transpose(2, 0, 1)).min(0)
        assert inner.max() < 0.02, (label, "the caliper's ends are not on the outline")
        scale = re.search(r'class="scale" d="M([\d.]+) [\d.]+V[\d.]+H([\d.]+)', figure).groups()
        words = re.search(r'class="bar"[^>]*>([\d.]+)&nbsp;cm', figure).group(1)
        assert abs(float(scale[1]) - float(scale[0]) - 10 * float(words)) < 0.02
    assert boxes[0] == boxes[1], "the two visits have different magnifications"


def check_page(text, label):
    page = check_wellformed(text, label)
    images = [attrs for tag, attrs, _ in page.elements if tag == "img"]
    assert images and all(attrs.get("alt") for attrs in images), (label, "a picture has no alt")
    return page


def main():
    program = os.path.join(os.environ["REPRISE_BUILD"], "tests", "report_test_report")
    if not os.path.exists(program):
        print("the unit test of the report is not built")
        return 77
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "report.html")
        for order, flips in [("012", 0), ("012", 3), ("102", 5), ("102", 2), ("201", 6)]:
            subprocess.run([program, "--write", path, order, str(flips)], check=True)
            with open(path, encoding="utf-8") as file:
                text = file.read()
            label = f"order {order} flips {flips}"
            page = check_page(text, label)
            if order[2] == "2":
                check_axial(text, label)
            print(f"{label}: {len(page.elements)} elements, {len(text)} characters")
    return 0


sys.exit(main())
