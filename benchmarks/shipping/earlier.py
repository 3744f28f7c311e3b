# SPDX-License-Identifier: Apache-2.0
"""What the last record tells of weights that a training began with: the runs that led to them may be gone."""

from typing import Any, NamedTuple

Record = dict[str, Any]
Curves = dict[str, list[list[float]]]


class Earlier(NamedTuple):
    """The stages before those whose folders are there."""

    stages: list[Record]
    curves: Curves

    @property
    def images(self) -> int:
        return sum(stage["images"] for stage in self.stages)


NOTHING = Earlier([], {})


def led_to(digest: str, record: Record) -> Earlier | None:
    """The stages that ended with the weights of this digest, or None where the record knows nothing of them.

    The record is of those weights, or of later ones: a card may be written anew.
    """
    if "training" not in record:
        return None
    training = record["training"]
    ends = [stage["began_from"] and stage["began_from"]["digest"] for stage in training["stages"][1:]]
    ends.append(record["weights"]["digest"])
    if digest not in ends:
        return None
    known = training["stages"][: ends.index(digest) + 1]
    images = sum(stage["images"] for stage in known)
    curves = {name: [point for point in points if point[0] <= images] for name, points in training["curves"].items()}
    return Earlier(known, {name: points for name, points in curves.items() if points})


def renamed(stages: list[Record], name: str) -> list[Record]:
    """With runs called NAME-1, NAME-2, ...: the last one was called NAME while it was the last one."""
    return [
        {**stage, "command": stage["command"].replace(f"--run=runs/{name} ", f"--run=runs/{name}-{k} ")}
        for k, stage in enumerate(stages, 1)
    ]
