"""What holds for the package as a whole."""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import rabit

PACKAGE = Path(rabit.__file__).parent
SOURCES = sorted(PACKAGE.rglob("*.py"))
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages([str(PACKAGE)], prefix="rabit.")
    if not module.name.endswith("__main__")
)


def test_version_is_that_of_the_installed_package() -> None:
    try:
        installed = importlib.metadata.version("rabit-translation")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("rabit-translation is not installed: there is no metadata to compare with")
    assert rabit.__version__ == installed


def test_no_module_is_hidden_by_a_missing_init() -> None:
    folders = {source.parent for source in SOURCES}
    assert [str(f) for f in sorted(folders) if not (f / "__init__.py").is_file()] == []


SERVERS = (
    "rabit.serving",
    "rabit.study.server",
    *(f"rabit.editor.{name}" for name in ("api", "server", "listening")),
)


@pytest.mark.parametrize("name", MODULES)
def test_module_imports(name: str) -> None:
    if name == "rabit.functional.fused_kernels":
        pytest.importorskip("triton", reason="Triton programs need Triton")
    if name in SERVERS:
        pytest.importorskip("fastapi", reason="pages need FastAPI")
    importlib.import_module(name)


def _imported(source: Path) -> set[str]:
    """The top-level packages that a file imports anywhere."""
    names = set()
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
    return names


def test_torchvision_is_not_imported() -> None:
    assert [str(source) for source in SOURCES if "torchvision" in _imported(source)] == []


def test_importing_the_package_is_light() -> None:
    heavy = {
        "torch",
        "numpy",
        "matplotlib",
        "skimage",
        "tensorboard",
        "torchmetrics",
        "torchvision",
        "typer",
    }
    code = "import sys, rabit; print(*{name.partition('.')[0] for name in sys.modules})"
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(PACKAGE.parent)},
    )
    assert heavy & set(result.stdout.split()) == set()


def test_package_says_that_it_is_typed() -> None:
    assert (PACKAGE / "py.typed").is_file()


def test_every_name_of_the_package_is_there() -> None:
    assert set(rabit.__all__) <= set(dir(rabit))
    for name in rabit.__all__:
        assert getattr(rabit, name) is not None
    with pytest.raises(AttributeError, match="module 'rabit' has no attribute 'nothing'"):
        _ = rabit.nothing


@pytest.mark.parametrize("module", ["rabit.app.cli", "rabit.app.translate_cli"])
def test_ctrl_c_while_the_program_loads_is_one_line(module: str) -> None:
    code = f"""
import sys
class Stop:
    def find_spec(self, name, path=None, target=None):
        if name == "{module}":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Stop())
from rabit.__main__ import main
sys.argv = ["rabit", "translate", "a.png", "b.png", "--out", "c.png"]
main()
"""
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(PACKAGE.parent)},
    )
    assert (result.returncode, result.stderr) == (130, "interrupted\n")
