# SPDX-License-Identifier: Apache-2.0
"""PNG files, encoded and written by threads while the next pictures are computed."""

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from dnnlib.atomic import atomic_write_bytes
from training.data.images import encode_png

_THREADS = 2
_WAITING = 8  # Pictures that may wait; then whoever brings the next one waits too, so memory is bounded.
_COMPRESSION = 4


class PictureFiles:
    """Files of a folder. When the `with` block ends, all are on the disk, or what went wrong is raised."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pool = ThreadPoolExecutor(_THREADS, "png")
        self._pending: deque[Future[None]] = deque()

    def __enter__(self) -> "PictureFiles":
        return self

    def __exit__(self, exc_type: type | None, *exc_info: object) -> None:
        try:
            while exc_type is None and self._pending:
                self._pending.popleft().result()
        finally:
            self._pool.shutdown(cancel_futures=True)

    def write(self, name: str, picture: UInt8[np.ndarray, "height width channels"]) -> None:
        """Soon. The picture must not be changed any more."""
        if len(self._pending) >= _WAITING:
            self._pending.popleft().result()
        self._pending.append(self._pool.submit(self._write, name, picture))

    def _write(self, name: str, picture: np.ndarray) -> None:
        atomic_write_bytes(self._folder / name, encode_png(picture, _COMPRESSION), sync=False)
