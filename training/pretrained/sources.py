# SPDX-License-Identifier: Apache-2.0
"""What a user may write where networks are wanted, to the one file that is meant."""

import os
import re
from pathlib import Path

from dnnlib.download import FetchError, fetch
from dnnlib.text import nearest
from torch_utils.checkpoint import CheckpointError

MODELS = Path(__file__).resolve().parents[2] / "models"
NETWORKS_GLOB = "networks-*.safetensors"  # In the folder of a run; the number in the name is of images, padded.


def find(source: str | Path) -> Path:
    """The file that `source` means."""
    text = str(source)
    try:
        if is_url(text):
            url, _, sha256 = text.partition("#sha256=")
            return fetch(url, sha256 or None)
    except FetchError as error:
        raise CheckpointError(str(error)) from None
    # Of what can be no path, such as a very long text, os.path says that it is not there; pathlib raises.
    path, shipped = Path(text), MODELS / f"{text}.safetensors"
    is_shipped = "/" not in text and os.path.isfile(shipped)
    if os.path.isdir(path) and not (is_shipped and next(path.glob(NETWORKS_GLOB), None) is None):
        return _newest(path)
    if os.path.isfile(path):
        return path
    if is_shipped:  # Also where a folder without networks, of pictures perhaps, is called the same.
        return shipped
    names = sorted(file.stem for file in MODELS.glob("*.safetensors"))
    close = nearest(text, names)
    hint = (f" Did you mean {close!r}?" if close else "") + (f" Shipped models: {', '.join(names)}." if names else "")
    raise CheckpointError(
        f"{text}: there is no such file, folder or shipped model.{hint} Give a .safetensors or .pkl file, the folder "
        "of a run, or a URL."
    )


def is_url(source: str) -> bool:
    """Whether it has to be fetched."""
    return re.match(r"(https?|file)://", source) is not None


def _newest(folder: Path) -> Path:
    files = sorted(folder.glob(NETWORKS_GLOB))
    if not files:
        raise CheckpointError(
            f"{folder}: is a folder without {NETWORKS_GLOB}; the run has saved no networks yet, or it is no run"
        )
    return files[-1]
