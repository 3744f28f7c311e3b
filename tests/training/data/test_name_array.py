# SPDX-License-Identifier: Apache-2.0
import pytest

from training.data.name_array import NameArray

NAMES = ["00000/a.png", "ü/b.png", "", "c", "caf\udce9.png"]  # The last is no text: a byte of Latin-1.


@pytest.mark.parametrize("names", [NAMES, ["one.png"], [""], []])
def test_it_reads_like_the_list(names: list[str]) -> None:
    packed = NameArray.pack(names)
    assert list(packed) == packed[:] == names
    assert packed[1:3] == names[1:3]


@pytest.mark.parametrize("names", [NAMES, NAMES[::-1], ["one.png"], [""], ["", ""], []])
def test_lines_are_the_names_joined(names: list[str]) -> None:
    assert NameArray.pack(names).lines() == "\n".join(names).encode(errors="surrogateescape")
