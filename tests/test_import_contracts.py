# SPDX-License-Identifier: Apache-2.0
"""Who may import what: `.importlinter` says it, syntax trees see what it cannot, plants prove that both can fail."""

import ast
import configparser
import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CONTRACTS = configparser.ConfigParser()
CONTRACTS.read(ROOT / ".importlinter", encoding="utf-8")
PACKAGES = CONTRACTS["importlinter"]["root_packages"].split()

MODELS = ("networks", "fields", "warps", "rendering", "generator", "adaptation", "discriminator", "critics")
LINT = "import sys; from importlinter import cli; sys.exit(cli.lint_imports(no_cache=True))"


def run_lint(folder: Path) -> subprocess.CompletedProcess:
    env = {**os.environ, "PYTHONPATH": str(folder)}
    return subprocess.run(
        [sys.executable, "-c", LINT], cwd=folder, env=env, capture_output=True, text=True, timeout=120, check=False
    )


def module_name(path: Path, root: Path) -> str:
    return ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")


def names_used(tree: ast.AST) -> Iterator[str]:
    """Every dotted name a module imports or reaches into, such as torch.distributed.init_process_group."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Attribute):
            yield ast.unparse(node)


def is_device(node: ast.AST) -> bool:
    """A device written down: "cuda", "cuda:1", .cuda()."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value.partition(":")[0] in ("cpu", "cuda")
    return isinstance(node, ast.Attribute) and node.attr == "cuda" and ast.unparse(node) != "torch.cuda"


@functools.cache  # Copies differ from this checkout in a module or two.
def compiles_and_breaks(module: str, source: str) -> tuple[bool, list[str]]:
    """Whether a module compiles, which one may; and what it does that is forbidden."""
    found, tree = [], ast.parse(source)
    names = set(names_used(tree))
    is_model = any(module == f"training.{name}" or module.startswith(f"training.{name}.") for name in MODELS)

    def uses(name: str) -> bool:
        return any(used == name or used.startswith(f"{name}.") for used in names)

    if uses("torch.distributed") and module != "torch_utils.distributed":
        found.append(f"{module}: torch.distributed belongs to torch_utils.distributed")
    if uses("torch.load") and module != "torch_utils.legacy_pickle":
        found.append(f"{module}: torch.load reads pickles, which belongs to torch_utils.legacy_pickle")
    keywords = {node.arg for node in ast.walk(tree) if isinstance(node, ast.keyword)}
    if "allow_pickle" in keywords and module != "torch_utils.legacy_pickle":
        found.append(f"{module}: allow_pickle reads pickles, which belongs to torch_utils.legacy_pickle")
    if is_model and uses("torch_utils.distributed"):
        found.append(f"{module}: models know no process group")
    if is_model and any(is_device(node) for node in ast.walk(tree)):
        found.append(f"{module}: models know no device")
    return uses("torch.compile"), found


def violations(root: Path) -> list[str]:
    """What the contracts of the design forbid and import-linter cannot see, as 'module: what'."""
    found, compilers = [], []
    for path in sorted(file for package in PACKAGES for file in (root / package).rglob("*.py")):
        module = module_name(path, root)
        is_compiler, broken = compiles_and_breaks(module, path.read_text(encoding="utf-8"))
        found += broken
        compilers += [module] * is_compiler
    if len(compilers) > 1:
        found.append(f"{', '.join(compilers)}: compilation belongs to one module")
    return found


@pytest.fixture
def copy_of_packages(tmp_path: Path) -> Path:
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__", "csrc"))
    shutil.copy(ROOT / ".importlinter", tmp_path)
    return tmp_path


def plant(root: Path, module: str, source: str) -> None:
    path = root / f"{module.replace('.', '/')}.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.parent != root and not (path.parent / "__init__.py").exists():
        (path.parent / "__init__.py").touch()
    path.write_text(source)


def test_imports_keep_the_contracts() -> None:
    result = run_lint(ROOT)
    assert result.returncode == 0, result.stdout + result.stderr


def test_what_import_linter_cannot_see_keeps_the_contracts() -> None:
    assert violations(ROOT) == []


def test_a_planted_import_breaks_the_contract_it_violates(copy_of_packages: Path) -> None:
    plants = {
        "Packages import only those below them": ("torch_utils.planted", "import training", "training"),
        "dnnlib knows no torch": ("dnnlib.planted", "import torch.nn", "torch"),
        "Packages know no script, test or benchmark": ("training.planted_script", "import train", "train"),
        "Pickles are read in one module": ("training.planted_pickle", "from pickle import loads", "pickle"),
        "Networks know no field, warp or renderer": (
            "training.networks.planted",
            "import training.warps.none",
            "training.warps.none",
        ),
        "Fields and warps do not know each other": (
            "training.fields.planted",
            "import training.warps.none",
            "training.warps.none",
        ),
        "Models know no loss, trainer or data": (
            "training.generator",
            "import training.losses.none",
            "training.losses.none",
        ),
        "Reading data knows nothing of making it; commands only arrange": (
            "training.data.making.planted",
            "import training.data.synthetic",
            "training.data.synthetic",
        ),
        "Losses are functions of tensors": ("training.losses.planted", "import training.critics", "training.critics"),
    }
    assert set(plants) == {CONTRACTS[section]["name"] for section in CONTRACTS.sections() if ":contract:" in section}
    for module in ("training.warps.none", "training.losses.none", "training.critics", "train"):
        plant(copy_of_packages, module, "")
    for module, source, _ in plants.values():
        plant(copy_of_packages, module, source)

    result = run_lint(copy_of_packages)

    assert result.returncode != 0
    for contract, (module, _, imported) in plants.items():
        assert f"{contract} BROKEN" in result.stdout
        assert f"{module} -> {imported} (l.1)" in result.stdout


@pytest.mark.parametrize(
    ("module", "source", "complaint"),
    [
        ("training.planted", "import torch.distributed as dist", "torch.distributed belongs"),
        ("training.planted", "from torch import distributed", "torch.distributed belongs"),
        ("torch_utils.planted", "import torch\ntorch.distributed.barrier()", "torch.distributed belongs"),
        ("torch_utils.planted", "from torch.distributed import barrier", "torch.distributed belongs"),
        ("torch_utils.planted", "import torch\ntorch.load('file')", "torch.load reads pickles"),
        ("training.planted", "import numpy as np\nnp.load('file', allow_pickle=True)", "allow_pickle reads pickles"),
        ("training.networks.planted", "from torch_utils.distributed import rank", "no process group"),
        ("training.generator", "def f(x): return x.cuda()", "no device"),
        ("training.fields.planted", "DEVICE = 'cuda:1'", "no device"),
    ],
)
def test_a_planted_use_is_found_in_the_syntax_tree(
    copy_of_packages: Path, module: str, source: str, complaint: str
) -> None:
    plant(copy_of_packages, module, source)
    found = violations(copy_of_packages)
    assert len(found) == 1
    assert found[0].startswith(f"{module}: ")
    assert complaint in found[0]


def test_two_modules_that_compile_are_one_too_many(copy_of_packages: Path) -> None:
    plant(copy_of_packages, "training.planted_a", "import torch\nf = torch.compile(print)")
    plant(copy_of_packages, "training.planted_b", "from torch import compile")
    assert any("compilation belongs to one module" in line for line in violations(copy_of_packages))


def test_every_package_and_script_is_under_contract() -> None:
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    scripts = {path.stem for path in ROOT.glob("*.py")}
    assert packages == set(PACKAGES)
    for contract in ("scripts", "pickle"):
        assert packages == set(CONTRACTS[f"importlinter:contract:{contract}"]["source_modules"].split())
    assert scripts <= set(CONTRACTS["importlinter:contract:scripts"]["forbidden_modules"].split())
