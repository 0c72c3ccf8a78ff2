"""Uploads that are broken, too large or meant to harm."""

from __future__ import annotations

import base64
import io
import json
import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image

from editor_samples import small_recipe

RECIPE = small_recipe()
GOOD = base64.b64decode(RECIPE["exemplars"][0]["image"])
MAP = base64.b64decode(RECIPE["condition"]["labels"])
DEEP = 100_000
"""How deep lists are nested in bodies: far deeper than Python's stack."""


def text(content: bytes) -> str:
    return base64.b64encode(content).decode()


def chunk(kind: bytes, content: bytes) -> bytes:
    """Returns a chunk of a PNG file."""
    body = kind + content
    return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))


def png(
    width: int, height: int, pixels: bytes, depth: int = 8, colour: int = 2, extra: bytes = b""
) -> bytes:
    """Returns a PNG file whose header may lie about its pixels."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    parts = chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(pixels, 9))
    return b"\x89PNG\r\n\x1a\n" + parts + chunk(b"IEND", b"")


def saved(format: str, size: tuple[int, int] = (32, 32), **options: Any) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", size, (200, 100, 50)).save(stream, format, **options)
    return stream.getvalue()


def files() -> dict[str, bytes]:
    """Returns files that are no photograph, none that is whole, or one too large."""
    noise = np.random.default_rng(0).bytes(2000)
    jpeg, webp = saved("JPEG"), saved("WEBP")
    made = {
        "empty": b"",
        "a byte": b"\x89",
        "noise": noise,
        "text": b"photograph",
        "nothing": b"\0" * 500,
        "signature only": GOOD[:8],
        "html": b"<html><script>alert(1)</script></html>",
        "svg": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
        "svg of entities": b'<!DOCTYPE s [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><svg>&b;</svg>',
        "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) run\n",
        "pdf": b"%PDF-1.4\n1 0 obj<<>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF",
        "zip": b"PK\x03\x04" + b"\0" * 60,
        "gzip": zlib.compress(b"x" * 10_000),
        "elf": b"\x7fELF" + noise,
        "pickle": b"\x80\x04\x95cposix\nsystem\n(S'touch hacked'\ntR.",
        "gif": saved("GIF"),
        "bmp": saved("BMP"),
        "tiff": saved("TIFF"),
        "ppm": saved("PPM"),
        "ico": saved("ICO"),
        "tga": saved("TGA"),
        "pcx": saved("PCX"),
        "jpeg 2000": saved("JPEG2000"),
        "imagemagick": b"push graphic-context\nfill 'url(https://127.0.0.1/)'\npop graphic-context",
        "bomb in the header": png(100_000, 100_000, b""),
        "bomb of a side": png(4097, 1, b"\0" * 12_292),
        "bomb of the other side": png(1, 4097, b"\0" * 16_388),
        "bomb of pixels": png(2049, 2048, b"\0" * 100),
        "largest header": png(2**31 - 1, 2**31 - 1, b""),
        "negative size": png(2**32 - 1, 5, b""),
        "no size": png(0, 0, b""),
        "no width": png(0, 5, b""),
        "real bomb": png(10_000, 10_000, b"\0" * (10_000 * 1251), 1, 0),
        "pixels missing": png(64, 64, b"\0" * 10),
        "unknown depth": png(8, 8, b"\0" * 500, 7),
        "unknown colour": png(8, 8, b"\0" * 500, 8, 5),
        "pixels are no zlib": GOOD[:41] + b"\0" * 100,
        "bomb of text": png(
            8, 8, b"\0" * 200, extra=chunk(b"zTXt", b"a\0\0" + zlib.compress(b"x" * 80_000_000))
        ),
        "bomb of a profile": png(
            8, 8, b"\0" * 200, extra=chunk(b"iCCP", b"a\0\0" + zlib.compress(b"x" * 80_000_000))
        )[:-30],
        "header twice": GOOD[:33] + GOOD[8:33] + GOOD[33:40],
        "jpeg, start only": b"\xff\xd8",
        "jpeg without pixels": jpeg[:200],
        "jpeg, cut": jpeg[: len(jpeg) // 2],
        "jpeg of a huge size": jpeg.replace(
            struct.pack(">HH", 32, 32), struct.pack(">HH", 65_000, 65_000), 1
        ),
        "jpeg of no size": jpeg.replace(struct.pack(">HH", 32, 32), struct.pack(">HH", 0, 0), 1),
        "webp, start only": webp[:12],
        "webp, cut": webp[:-20],
        "webp of lies": webp[:20] + noise[:100],
        "riff of sound": b"RIFF\x24\0\0\0WAVEfmt " + noise[:40],
    }
    for part in range(1, 20):
        made[f"cut after {part}/20"] = GOOD[: len(GOOD) * part // 20]
    rng = np.random.default_rng(1)
    for number in range(20):
        start = int(rng.integers(0, 33))
        made[f"spoilt header {number}"] = GOOD[:start] + rng.bytes(16) + GOOD[start + 16 :]
    return made


def texts() -> dict[str, Any]:
    """Returns values that are no base64."""
    return {
        "null": None,
        "true": True,
        "a number": 5,
        "a list": ["A"],
        "an object": {"a": 1},
        "no text": "",
        "no base64": "!!!!",
        "cut base64": text(GOOD)[:-1],
        "url-safe": "_-__",
        "spaces": " " + text(GOOD),
        "line ends": text(GOOD)[:40] + "\n" + text(GOOD)[40:],
        "other letters": "ÄÖÜ=",
        "padding": "====",
        "half a character": "\ud800",
        "zero": "\0",
        "a data address": "data:image/png;base64," + text(GOOD),
        "a path": "/etc/passwd",
        "a path upward": "../../../../etc/passwd",
        "a file address": "file:///etc/passwd",
        "an address": "http://127.0.0.1:1/a.png",
        "a share": "\\\\host\\share\\a.png",
        "a device": "/dev/zero",
        "a pipe": "|touch hacked",
        "a name": "a.png; touch hacked",
        "a template": "{{7*7}}$(touch hacked)",
    }


def recipes() -> dict[str, Any]:
    """Returns recipes that are wrong in other ways than by their files."""
    exemplar = RECIPE["exemplars"][0]

    def other(**changes: Any) -> dict[str, Any]:
        return {**RECIPE, **changes}

    def painted(**changes: Any) -> dict[str, Any]:
        return other(exemplars=[{**exemplar, **changes}])

    large = text(saved("PNG", (64, 48)))
    made = {
        "nothing": {},
        "no condition": {k: v for k, v in RECIPE.items() if k != "condition"},
        "a task": other(task="delete"),
        "tasks": other(task=["translate"]),
        "no task": other(task=None),
        "a model's path": other(model="/etc/passwd"),
        "a model upward": other(model="../scenes-small"),
        "a model of the hub": other(model="owner/name"),
        "a model's number": other(model=0),
        "a long name": other(model="x" * 100_000),
        "a prototype": other(__proto__={"a": 1}),
        "unknown": other(path="/tmp/x"),
        "an empty key": {**RECIPE, "": 1},
        "a seed": other(seed=-1),
        "a large seed": other(seed=2**63),
        "huge": other(seed=10**400),
        "half": other(seed=0.5),
        "true": other(seed=True),
        "text": other(seed="0"),
        "nan": other(seed=float("nan")),
        "infinite": other(seed=float("inf")),
        "no exemplars": other(exemplars=[]),
        "null": other(exemplars=None),
        "an object": other(exemplars={"0": exemplar}),
        "nine": other(exemplars=[exemplar] * 9),
        "thousands": other(exemplars=[{}] * 5000),
        "text as exemplar": other(exemplars=["x"]),
        "weightless": painted(weight=0),
        "negative": painted(weight=-1),
        "nan weight": painted(weight=float("nan")),
        "infinite weight": painted(weight=float("inf")),
        "weight of text": painted(weight="1"),
        "a class": painted(classes=[18]),
        "a negative class": painted(classes=[-1]),
        "no class": painted(classes=[]),
        "twice": painted(classes=[1, 1]),
        "half a class": painted(classes=[0.5]),
        "many": painted(classes=[0] * 1000),
        "another size": painted(image=large),
        "a photograph as map": other(condition={"labels": text(GOOD)}),
        "lines": other(condition={"lines": text(GOOD)}),
        "joints": other(condition={"joints": [], "size": [1, 1]}),
        "both": other(condition={"labels": text(MAP), "lines": text(GOOD)}),
        "list": other(condition=[]),
        "null condition": other(condition=None),
        "a jpeg as map": other(condition={"labels": text(saved("JPEG"))}),
        "unknown ids": other(
            condition={"labels": text(png(4, 4, b"\0\xff\xff\xff\xff" * 4, 8, 0))}
        ),
        "outputs": other(outputs=["all"]),
        "no outputs": other(outputs=[]),
        "twice out": other(outputs=["image"] * 2),
        "text out": other(outputs="image"),
        "kept": other(keep_unedited=1),
    }
    return made


def bodies() -> dict[str, tuple[bytes, dict[str, str]]]:
    """Returns bodies that are no JSON object, with the headers that they come with."""
    own = {"Content-Type": "application/json"}
    good = json.dumps(RECIPE).encode()
    form = b'--x\r\nContent-Disposition: form-data; name="image"; filename="../../x.png"\r\n\r\n'
    made: dict[str, tuple[bytes, dict[str, str]]] = {
        "empty": (b"", own),
        "a brace": (b"{", own),
        "cut": (good[:-10], own),
        "two": (good + good, own),
        "deep lists": (b"[" * DEEP, own),
        "deep closed lists": (b"[" * DEEP + b"]" * DEEP, own),
        "deep objects": (b'{"a":' * 60_000, own),
        "many lists": (b"[" + b"[]," * 200_000 + b"[]]", own),
        "many numbers": (b'{"seed": [' + b"1," * 2_000_000 + b"1]}", own),
        "list": (b"[]", own),
        "number": (b"1", own),
        "long number": (b"9" * 100_000, own),
        "null": (b"null", own),
        "exponent": (b'{"seed": 1e999999}', own),
        "utf-16": (good.decode().encode("utf-16"), own),
        "no utf-8": (b'{"task": "\xff\xfe"}', own),
        "zeros": (b"\0" * 1000, own),
        "comments": (b"// x\n{}", own),
        "apostrophes": (b"{'task': 'edit'}", own),
        "yaml": (b"task: !!python/object/apply:os.system [ls]", own),
        "no type": (good, {}),
        "text": (good, {"Content-Type": "text/plain"}),
        "xml": (b"<a/>", {"Content-Type": "text/xml"}),
        "form": (form + GOOD, {"Content-Type": "multipart/form-data; boundary=x"}),
        "png": (GOOD, {"Content-Type": "image/png"}),
        "fields": (b"task=edit", {"Content-Type": "application/x-www-form-urlencoded"}),
        "gzip": (zlib.compress(good), {**own, "Content-Encoding": "gzip"}),
        "odd type": (good, {"Content-Type": "application/json2"}),
        "too large": (b" " * (12 * 2**20 + 1), own),
        "a large text": (b'{"task": "' + b"x" * (13 * 2**20) + b'"}', own),
    }
    return made
