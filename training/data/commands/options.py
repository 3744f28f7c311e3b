# SPDX-License-Identifier: Apache-2.0
"""Options that the commands share.

    @click.command(short_help="...")
    @img_data_option()
    @img_dest_option
    @workers_option
    @force_option
    @clean_errors
    def command(img_data: Path, img_dest: Path, workers: int, force: bool) -> None: ...

`clean_errors` stands last, next to the function.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

_PATH = click.Path(path_type=Path)


def img_data_option(required: bool = True) -> Decorator:
    """`--img_data`, an existing set."""
    text = "Folder or zip archive of images, with dataset.json at its root."
    return click.option(
        "--img_data", "--img-data", "img_data", type=_PATH, metavar="PATH", required=required, help=text
    )


def seg_data_option(required: bool = False) -> Decorator:
    """`--seg_data`, the masks of an existing set."""
    text = "Folder or zip archive of masks, named like the images. Without it the images' transparency is the mask."
    return click.option(
        "--seg_data", "--seg-data", "seg_data", type=_PATH, metavar="PATH", required=required, help=text
    )


def img_dest_option(required: bool = True) -> Decorator:
    """`--img_dest`, where a new set goes."""
    text = "Where the images and dataset.json go: a new folder, or an archive if the name ends in .zip."
    return click.option(
        "--img_dest", "--img-dest", "img_dest", type=_PATH, metavar="PATH", required=required, help=text
    )


def seg_dest_option(required: bool = False) -> Decorator:
    """`--seg_dest`, where its masks go."""
    text = "Where the masks go: a new folder, or an archive if the name ends in .zip."
    return click.option(
        "--seg_dest", "--seg-dest", "seg_dest", type=_PATH, metavar="PATH", required=required, help=text
    )


def default_workers() -> int:
    """As many processes as there are cores for this one."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


workers_option: Decorator = click.option(
    "--workers",
    type=click.IntRange(1, 1024),
    default=default_workers,
    show_default="number of cores",
    metavar="N",
    help="Processes that work at the same time. The result does not depend on it.",
)

force_option: Decorator = click.option(
    "--force", is_flag=True, help="Replace a set that exists at the destination, and unfinished work of other settings."
)


def beside(dest: Path, ending: str) -> Path:
    """A path beside a set, named after it."""
    dest = dest if dest.name else dest.absolute()  # Of the folder "." too.
    name = dest.name
    return dest.with_name((name[:-4] if name.lower().endswith(".zip") else name) + ending)
