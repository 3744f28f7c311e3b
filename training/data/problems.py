# SPDX-License-Identifier: Apache-2.0
"""What is wrong with an item of a set: which file, why, and what to do about it."""

from typing import NamedTuple


class Problem(NamedTuple):
    """One line of a report."""

    name: str  # The file, as the user knows it.
    reason: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}; {self.remedy}"


class DataError(ValueError):
    """Data that cannot be used. The message names the file, the reason and the remedy."""

    @staticmethod
    def of(problem: Problem) -> "DataError":
        return DataError(str(problem))
