# SPDX-License-Identifier: Apache-2.0
"""Agreements between files that nothing else would notice breaking."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

import configs

ROOT = Path(__file__).resolve().parents[1]
SOURCE_SUFFIXES = {".py", ".cpp", ".h", ".cu", ".cuh"}
FOLDERS = ("benchmarks", "configs", "dnnlib", "metrics", "tests", "torch_utils", "tour", "training")
SOURCES = sorted(
    [
        *ROOT.glob("*.py"),
        *(file for folder in FOLDERS for file in (ROOT / folder).rglob("*") if file.suffix in SOURCE_SUFFIXES),
    ]
)
PYPROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^([a-z-]+):(?! export)", MAKEFILE, re.MULTILINE))
CONDA_NAMES = {"torch": "pytorch"}


def requirements_of(section: str) -> dict[str, str]:
    """Name -> specifier of one array in pyproject.toml. tomllib needs Python 3.11."""
    body = re.search(rf"^{section} = \[(.*?)\]$", PYPROJECT, re.MULTILINE | re.DOTALL).group(1)
    found = [
        Requirement(text)
        for text in re.findall(r'^\s*"([^"]+)"|(?<=\[)"([^"]+)"', body, re.MULTILINE)
        for text in text
        if text
    ]
    return {requirement.name: str(requirement.specifier) for requirement in found}


def spdx_of(path: Path) -> str:
    return f"{'#' if path.suffix == '.py' else '//'} SPDX-License-Identifier: Apache-2.0"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_source_file_names_its_licence_first_and_is_short(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0] == spdx_of(path)
    assert len(lines) <= 500


def test_the_sources_are_found() -> None:
    assert Path(__file__).resolve() in SOURCES
    assert len(SOURCES) > 20


def test_the_readme_names_only_targets_that_exist() -> None:
    named = set(re.findall(r"\bmake ([a-z-]+)", README))
    assert {"demo", "test"} <= named
    assert named <= TARGETS


def test_every_target_is_phony_and_explained() -> None:
    phony = set(re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE).group(1).split())
    explained = set(re.findall(r"^([a-z-]+):.*## \S", MAKEFILE, re.MULTILINE))
    assert phony == explained == TARGETS


def test_make_alone_lists_the_targets() -> None:
    listed = subprocess.run(
        ["make", "--no-print-directory"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert {line.split()[1] for line in listed.splitlines()} == TARGETS


def test_the_readme_names_only_modules_files_and_configurations_that_exist() -> None:
    for module in re.findall(r"python -m ((?:configs|torch_utils)[\w.]*)", README):
        assert (ROOT / module.replace(".", "/") / "__main__.py").is_file(), module
    for link in re.findall(r"\]\(([^)#]+)[^)]*\)|src=\"([^\"]+)\"", README):
        assert (ROOT / "".join(link)).exists(), link
    assert set(re.findall(r"python -m configs (\w+)", README)) <= set({*configs.CONFIGS, *configs.ALIASES})


def test_every_top_level_folder_is_in_the_readme() -> None:
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert packages | {"tests", "benchmarks", "docs", "models", "tour"} <= set(re.findall(r"`(\w+)/`", README))


def test_the_version_is_the_same_everywhere() -> None:
    version = re.search(r'^version = "(.*)"$', PYPROJECT, re.MULTILINE).group(1)
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))["version"] == version


def test_the_changelog_has_a_place_for_what_is_not_released() -> None:
    headings = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert headings[0] == "[Unreleased]"


def test_the_citation_has_what_the_format_requires() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert citation["license"] == "Apache-2.0"


def test_conda_and_pip_users_get_the_same_lower_bounds() -> None:
    conda = {}
    for line in yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))["dependencies"]:
        name, _, bound = line.partition(">=")
        conda[name] = f">={bound}" if bound else ""
    wanted = {**requirements_of("dependencies"), **requirements_of("metrics"), **requirements_of("dev")}
    python = re.search(r'^requires-python = "(.*)"$', PYPROJECT, re.MULTILINE).group(1)
    assert conda == {
        "python": python,
        "pip": "",
        **{CONDA_NAMES.get(name, name): bound for name, bound in wanted.items()},
    }


def test_pinned_versions_satisfy_the_lower_bounds() -> None:
    pins = [
        Requirement(line) for line in (ROOT / "constraints.txt").read_text().splitlines() if line and line[0] != "#"
    ]
    bounds = {**requirements_of("dependencies"), **requirements_of("dev")}
    assert "torch" in {pin.name for pin in pins}
    for pin in pins:
        assert Requirement(f"{pin.name}{bounds[pin.name]}").specifier.contains(next(iter(pin.specifier)).version)


def test_every_package_is_installed() -> None:
    named = set(
        re.findall(r'"([\w.]+)"', re.search(r"^packages = \[(.*?)\]", PYPROJECT, re.MULTILINE | re.DOTALL).group(1))
    )
    roots = {path.parent for path in ROOT.glob("*/__init__.py")}
    existing = {".".join(init.parent.relative_to(ROOT).parts) for root in roots for init in root.rglob("__init__.py")}
    assert named == existing | {"models"}, "which holds files alone"


def test_hooks_download_nothing() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    assert {repo["repo"] for repo in hooks["repos"]} == {"local"}
    assert {hook["language"] for repo in hooks["repos"] for hook in repo["hooks"]} == {"system"}
