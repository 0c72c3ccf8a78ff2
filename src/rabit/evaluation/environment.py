"""What a measurement was made with: commit, hardware and versions."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import torch

import rabit


def environment(device: torch.device, threads: int) -> dict[str, Any]:
    """Returns what measured figures depend on, JSON-ready.

    Args:
        device: that was measured on.
        threads: that a CPU used.
    """
    gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else None
    return {
        "commit": commit(),
        "rabit": rabit.__version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "system": platform.system(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads": threads,
        "gpu": gpu,
    }


def commit() -> str | None:
    """Returns the commit of the checkout that the package runs from, marked where it differs.

    None for an installed package, or where git is missing.
    """

    def git(*arguments: str) -> str:
        root = Path(rabit.__file__).parent
        done = subprocess.run(
            ["git", *arguments], cwd=root, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    try:
        # A package that lies in some other project's checkout is not that project.
        git("ls-files", "--error-unmatch", "__init__.py")
        changed = git("status", "--porcelain", "--", ".")
        return git("rev-parse", "HEAD") + (" with changes" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def processor() -> str:
    """Returns the processor's name, as far as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
