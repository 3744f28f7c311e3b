# SPDX-License-Identifier: Apache-2.0
"""The commands of README.md, and what each is replaced by so that it takes a moment."""

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")

_BLOCK = r"^```(?P<language>.*)\n(?P<block>(?:(?!```).*\n)*)```$"
# What stands within a sentence is a command if it begins so.
_BEGINS = r"(\w+=\S+ )*((\S*/)?(python|pip)[\d.]*|\S*/bin/\S+|make|conda|sh|source|\.)(\s|$)"


class Rule(NamedTuple):
    """A command that matches as a whole is run as `instead`, in which \\1 and so on are groups; None: as it is."""

    pattern: str
    instead: str | None = None


# Small forms are run by a shell in another folder; {root} is that of the project. What `make demo` and `make test` run
# is theirs to say: tests look it up in the Makefile.
DEMO, SUITE = "python demo.py --quick --outdir demo", "cd {root} && python -m pytest -q tests/test_repository.py"
# Without an index pip can only say whether all that the command asks for is there. setuptools must be, too.
INSTALL = "cd {root} && python -m pip install --dry-run --no-index --no-build-isolation"
SMALL_SET = "--num=24 --resolution=32"
SMALL_RUN = "--kimg=0.016 --tick=0.008 --workers=0"
QUICK_FILM = "--w-frames=2 --format=gif"

RULES = [
    Rule(r"make demo", DEMO),
    Rule(r"make test", SUITE),
    Rule(r"python3 -m venv \.venv", "python -m venv --without-pip .venv"),
    Rule(r"\.venv/bin/python -m pip install (-c constraints\.txt -e \"\.\[dev\]\")", rf"{INSTALL} \1"),
    # What the file for conda asks for, tests/test_repository.py compares with pyproject.toml.
    Rule(
        r"conda env create -f (\S+) && conda activate (\S+) && pip install (--no-deps -e \.)",
        rf"grep -qx 'name: \2' {{root}}/\1 && {INSTALL} \3",
    ),
    Rule(r"\. \.venv/bin/activate", '. .venv/bin/activate && test "$(command -v python)" = "$PWD/.venv/bin/python"'),
    Rule(r"make", "cd {root} && make --no-print-directory"),
    Rule(r"make (contracts|gpu PYTHON=python3)", r"cd {root} && make --no-print-directory -n \1"),
    Rule(r"\.venv/bin/python demo\.py", DEMO),
    Rule(r"\.venv/bin/python -m pytest", SUITE),
    Rule(r"(python gen_videos\.py .*)--output=(\S+)\.mp4", r"\1--w-frames=2 --output=\2.gif"),
    Rule(r"(python gen_videos\.py (?!.*--output).*)", rf"\1 {QUICK_FILM}"),
    Rule(r"(python gen_samples\.py .*--shapes=glb)", r"\1 --shape-res=16"),
    Rule(r"python gen_samples\.py (?!.*--shapes).*"),
    Rule(r"(python dataset_tool\.py synth) --num=2000 --resolution=64(.*)", rf"\1 {SMALL_SET}\2"),
    Rule(r"python dataset_tool\.py (check|stats) .*"),
    Rule(r"(python train\.py) --cfg=panohead_small(.*--run=.*)", rf"\1 --cfg=panohead_debug\2 {SMALL_RUN}"),
    Rule(r"(python train\.py) --cfg=panohead_small(.*--dry-run)", r"\1 --cfg=panohead_debug\2"),
    Rule(r"(python projector\.py .*)", r"\1 --num-steps=2 --num-steps-pti=2 --save-video=false"),
    Rule(r"python -m training\.pretrained info network\.pkl"),
    Rule(r"python -m training\.pretrained convert network\.pkl network\.safetensors"),
    Rule(r"(python calc_metrics\.py .*)--metrics=\S+ --mode=back", r"\1--metrics=fd4_thumbs,raw4 --mode=all"),
    Rule(r"python -m metrics compare .*"),
    Rule(r"python -m configs( panohead --summary)?"),
    Rule(r"python -m configs debug --set loop\.batch=8 > mine\.json"),
    Rule(r"python -m torch_utils\.ops( --build)?"),
]


def blocks(text: str = README) -> list[tuple[str, str]]:
    """Of code: the language, or nothing, and the text."""
    return [(match["language"], match["block"]) for match in re.finditer(_BLOCK, text, re.MULTILINE)]


def commands(text: str = README) -> list[str]:
    """Each once, in order: the lines of blocks that are not Python's, without comments, and those within sentences."""
    found = []
    for match in re.finditer(rf"{_BLOCK}|`(?P<inline>[^`]+)`", text, re.MULTILINE):
        if match["inline"]:
            words = " ".join(match["inline"].split())
            found += [words] if re.match(_BEGINS, words) else []
        elif not match["language"]:
            lines = match["block"].replace("\\\n", " ").splitlines()
            found += [command for line in lines if (command := re.sub(r"\s+#.*$", "", line).strip())]
    return list(dict.fromkeys(found))


def python_blocks() -> list[str]:
    return [text for language, text in blocks() if language == "python"]


def rules_for(command: str) -> list[Rule]:
    return [rule for rule in RULES if re.fullmatch(rule.pattern, command)]


def reduced(command: str) -> str:
    """The command in its small form."""
    (rule,) = rules_for(command)
    instead = command if rule.instead is None else re.fullmatch(rule.pattern, command).expand(rule.instead)
    return instead.replace("{root}", str(ROOT))
