# SPDX-License-Identifier: Apache-2.0
"""The page on training says what train.py does. `python tests/docs/test_training_page.py` writes its table anew."""

import re
import shlex
from pathlib import Path

from configs.flags import FLAGS

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "training.md"
TABLE = re.compile(r"(<!-- flags: [^>]*-->\n)(.*?)(<!-- end of flags -->)", re.DOTALL)


def table() -> str:
    lines = []
    for title, flags in FLAGS.items():
        lines += [f"| **{title}** | |", *(f"| `--{flag.name}` | {_words(flag)} |" for flag in flags)]
    return "\n".join(["\n| flag | what it sets |", "|---|---|", *lines]) + "\n\n"


def _words(flag) -> str:
    if flag.ignored is not None:
        return f"nothing: {flag.ignored}"
    return flag.meaning + (f" (`{flag.sets}`)" if isinstance(flag.sets, str) else "")


def commands() -> list[list[str]]:
    blocks = re.findall(r"^```\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [shlex.split(line.partition("train.py")[2]) for line in lines if "train.py" in line]


def test_the_table_of_flags_is_the_one_in_the_code() -> None:
    assert TABLE.search(PAGE.read_text(encoding="utf-8"))[2] == table()


def test_every_command_of_the_page_is_understood() -> None:
    from train import main  # noqa: PLC0415 - the table can be written without it

    assert len(commands()) >= 5
    for command in commands():
        assert main.make_context("train.py", list(command)).params["cfg"], command


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([\w./-]+\.md)[#)]", PAGE.read_text(encoding="utf-8")):
        assert (PAGE.parent / target).exists(), target


if __name__ == "__main__":
    PAGE.write_text(TABLE.sub(lambda m: m[1] + table() + m[3], PAGE.read_text(encoding="utf-8")), encoding="utf-8")
