# SPDX-License-Identifier: Apache-2.0
"""Names that any system takes."""

import pytest

from training.portraits.names import MAX_LENGTH, safe_name, unlike


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("me", "me"),
        ("Zoë: me?", "Zo-me"),
        ("я", "latent"),
        ("..", "latent"),
        ("con", "latent-con"),
        ("NUL.1", "latent-NUL.1"),
        ("console", "console"),
        ("x" * 240, "x" * MAX_LENGTH),
        ("x" * (MAX_LENGTH - 1) + ". y", "x" * (MAX_LENGTH - 1)),
    ],
)
def test_names_have_letters_that_are_safe_everywhere(text: str, name: str) -> None:
    assert safe_name(text, "latent") == name


def test_names_differ_in_more_than_case() -> None:
    taken = set[str]()
    assert [unlike(name, taken) for name in ("me", "Me", "me-2", "you")] == ["me", "Me-2", "me-2-2", "you"]
