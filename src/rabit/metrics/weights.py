"""The published networks that figures need: which files, where they come from, what is missing."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rabit.layers.inception import INCEPTION_DIGEST
from rabit.layers.lpips import LPIPS_NETWORKS, LpipsName
from rabit.layers.perceptual import CAFFE_DIGESTS
from rabit.metrics.lpips import installed_heads

VARIABLE = "RABIT_WEIGHTS"
"""Environment variable that names the folder where none is given."""

IMAGENET = "BSD-3-Clause (torchvision); trained on ImageNet, whose terms are for research"


@dataclass(frozen=True)
class KnownFile:
    """A file of weights.

    Args:
        network: what it holds.
        names: what it may be called; the same network, perhaps of other weights.
        figures: what it makes possible.
        source: where it can be had.
        mebibytes: its size.
        digests: first digits of the SHA-256 of the published files; empty where none is known.
        licence: as far as it is known.
        stands_in_for: the network whose place it takes, in figures that name it themselves; empty
            for a network that figures are defined by.
    """

    network: str
    names: tuple[str, ...]
    figures: tuple[str, ...]
    source: str
    mebibytes: float
    digests: tuple[str, ...] = ()
    licence: str = "not stated"
    stands_in_for: str = ""


def _lpips(name: LpipsName, file: str, mebibytes: float) -> KnownFile:
    """The network of one LPIPS."""
    return KnownFile(
        network=f"{LPIPS_NETWORKS[name].label} (torchvision)",
        names=(file,),
        figures=(f"LPIPS ({name})", f"diversity, LPIPS ({name})"),
        source=f"https://download.pytorch.org/models/{file}",
        mebibytes=mebibytes,
        digests=(LPIPS_NETWORKS[name].digest,),
        licence=IMAGENET,
    )


def _heads(name: LpipsName) -> KnownFile:
    """The learned weights of channels of one LPIPS."""
    return KnownFile(
        network=f"LPIPS's heads for {LPIPS_NETWORKS[name].label}, version 0.1",
        names=(f"lpips-{name}.pth", f"{name}.pth"),
        figures=(f"LPIPS ({name})", f"diversity, LPIPS ({name})"),
        source=(
            "https://github.com/richzhang/PerceptualSimilarity, lpips/weights/v0.1/"
            f"{name}.pth; pip install torchmetrics brings it too"
        ),
        mebibytes=0.01,
        digests=(LPIPS_NETWORKS[name].heads_digest,),
        licence="BSD-2-Clause",
    )


KNOWN_FILES: Mapping[str, KnownFile] = {
    "inception": KnownFile(
        network="Inception-v3 of 2015",
        names=(
            f"pt_inception-2015-12-05-{INCEPTION_DIGEST}.pth",
            f"weights-inception-2015-12-05-{INCEPTION_DIGEST}.pth",
        ),
        figures=("FID", "KID"),
        source=(
            "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/"
            f"pt_inception-2015-12-05-{INCEPTION_DIGEST}.pth"
        ),
        mebibytes=91.2,
        digests=(INCEPTION_DIGEST,),
        licence="Apache-2.0 (TensorFlow's weights)",
    ),
    "alex": _lpips("alex", "alexnet-owt-7be5be79.pth", 233.1),
    "vgg": _lpips("vgg", "vgg16-397923af.pth", 527.8),
    "squeeze": _lpips("squeeze", "squeezenet1_1-b8a52dc0.pth", 4.7),
    "alex-heads": _heads("alex"),
    "vgg-heads": _heads("vgg"),
    "squeeze-heads": _heads("squeeze"),
    "vgg19": KnownFile(
        network="VGG-19",
        names=("vgg19-dcbb9e9d.pth", f"vgg19-{CAFFE_DIGESTS[0]}.pth", "vgg19_conv.pth"),
        figures=("semantic consistency (VGG_42, VGG_52)", "style consistency (VGG_M, VGG_V)"),
        source=(
            "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth (torchvision's); the paper's "
            "family reads Caffe's weights, vgg19_conv.pth, which CoCosNet's repository links to"
        ),
        mebibytes=548.1,
        digests=("dcbb9e9d", *CAFFE_DIGESTS),
        licence=f"{IMAGENET}; Caffe's: CC BY 4.0",
    ),
    "vgg19-distilled": KnownFile(
        network="distilled VGG-19",
        names=("vgg19_student16x.safetensors",),
        figures=("semantic and style consistency and perceptual distance (distilled VGG-19)",),
        source="https://github.com/MingSun-Tse/Collaborative-Distillation, as safetensors",
        mebibytes=3.7,
        licence="MIT",
        stands_in_for="VGG-19",
    ),
    "squeezenet": KnownFile(
        network="SqueezeNet 1.0",
        names=("squeezenet10_imagenet.safetensors",),
        figures=("FD (SqueezeNet 1.0)", "KD (SqueezeNet 1.0)"),
        source=(
            "https://github.com/DeepScale/SqueezeNet, squeezenet_v1.0.caffemodel as safetensors"
        ),
        mebibytes=4.8,
        licence="BSD-2-Clause",
        stands_in_for="Inception-v3 of 2015",
    ),
}
"""By key; a key of LPIPS's networks is its name."""


@dataclass(frozen=True)
class Missing:
    """A file of weights that is not there.

    Args:
        key: in `KNOWN_FILES`.
        figures: what is left out for want of it.
        message: the file, where it comes from and where it goes.
    """

    key: str
    figures: tuple[str, ...]
    message: str


@dataclass(frozen=True)
class FoundWeights:
    """What a folder has of the known files.

    Args:
        files: paths by key. A file is found by its name; the functions that load it tell by its
            SHA-256 whether it is the published one, and label figures accordingly.
        missing: the others.
    """

    files: Mapping[str, Path]
    missing: tuple[Missing, ...]


def find_weights(folder: str | Path | None = None) -> FoundWeights:
    """Looks for the known files.

    Args:
        folder: where; None takes the one that RABIT_WEIGHTS names, if any. LPIPS's heads are also
            found in an installed torchmetrics.

    Raises:
        ValueError: the folder does not exist.
    """
    named = folder if folder is not None else os.environ.get(VARIABLE)
    place = Path(named) if named else None
    if place is not None and not place.is_dir():
        raise ValueError(f"{place}: no such folder of weights (--weights, or {VARIABLE})")
    files: dict[str, Path] = {}
    for key, known in KNOWN_FILES.items():
        for name in known.names if place is not None else ():
            if place is not None and (place / name).is_file():
                files[key] = place / name
                break
    for lpips in LPIPS_NETWORKS:
        heads = installed_heads(lpips)
        if heads is not None:
            files.setdefault(f"{lpips}-heads", heads)
    missing = (
        Missing(key, known.figures, missing_message(known, place))
        for key, known in KNOWN_FILES.items()
        if key not in files
    )
    return FoundWeights(files, tuple(missing))


def missing_message(known: KnownFile, folder: Path | None) -> str:
    """Returns what to tell who wants the figures that a missing file makes possible.

    Args:
        known: the file.
        folder: where it was looked for; None if there was no folder.
    """
    size = f"{known.mebibytes:.0f} MiB" if known.mebibytes >= 1 else "a few KiB"
    place = (
        f"put it into {folder}"
        if folder is not None
        else f"put it into a folder and name that with --weights FOLDER or {VARIABLE}"
    )
    return (
        f"{', '.join(known.figures)}: left out for want of {known.network}, file "
        f"{' or '.join(known.names)} ({size}; from {known.source}): {place}"
    )
