# SPDX-License-Identifier: Apache-2.0
"""What a user sees of a mistake."""

import errno

import click
import pytest
from click.testing import CliRunner

from dnnlib.clean_errors import clean_errors


def command_that_raises(error: BaseException) -> click.Command:
    @click.command
    @clean_errors
    def command() -> None:
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError("a.png: is damaged; save it again"), "Error: a.png: is damaged; save it again"),
        (OSError(errno.ENOSPC, "No space left on device", "img.zip"), "Error: img.zip: No space left on device"),
        (TimeoutError("waited long"), "Error: waited long"),
    ],
)
def test_a_mistake_is_one_message_and_exit_code_1(error: Exception, message: str) -> None:
    result = CliRunner().invoke(command_that_raises(error))
    assert result.exit_code == 1
    assert result.stderr.strip() == message


def test_ctrl_c_ends_quietly() -> None:
    result = CliRunner().invoke(command_that_raises(KeyboardInterrupt()))
    assert result.exit_code == 130
    assert result.output == ""


def test_a_mistake_of_the_program_is_not_hidden() -> None:
    result = CliRunner().invoke(command_that_raises(KeyError("nose")))
    assert isinstance(result.exception, KeyError)
