# SPDX-License-Identifier: Apache-2.0
"""Files of styles: ours, PanoHead's, and others."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.training.small import codes, labels, small_generator
from training.portraits.latents import Latent, latent_for, read_latent, write_latent


def test_what_is_written_comes_back(tmp_path: Path) -> None:
    ws, background = torch.randn(2, 5, 4), torch.randn(2, 5, 4)
    write_latent(tmp_path / "a.npz", Latent(ws, labels(0.1, 0.2, 0.3), background))
    found = read_latent(tmp_path / "a.npz")
    assert torch.equal(found.ws, ws)
    assert found.labels is not None
    assert torch.equal(found.labels, labels(0.1, 0.2, 0.3))
    assert found.ws_background is not None
    assert torch.equal(found.ws_background, background)


def test_a_file_of_panohead_holds_styles_alone(tmp_path: Path) -> None:
    np.savez(tmp_path / "projected_w.npz", w=np.ones((1, 14, 512), np.float32))
    found = read_latent(tmp_path / "projected_w.npz")
    assert found.ws.shape == (1, 14, 512)
    assert found.labels is None
    assert found.ws_background is None


def test_doubles_are_taken_as_floats_and_unknown_arrays_left_alone(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", w=np.ones((1, 2, 3)), others=np.array([{}], dtype=object))
    assert read_latent(tmp_path / "a.npz").ws.dtype == torch.float32


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"z": np.ones((1, 512))}, "holds no styles `w`, but z"),
        ({"w": np.ones((14, 512))}, r"must be \[heads, num_ws, w_dim\], and is \[14, 512\]"),
        ({"w": np.ones((0, 14, 512))}, "must be"),
        ({"w": np.ones((1, 14, 512), int)}, "floating-point"),
        ({"w": np.full((1, 2, 3), np.nan)}, "not finite"),
        ({"w": np.array([{}], dtype=object)}, r"is no \.npz file of numbers"),
        ({"w": np.ones((1, 2, 3)), "c": np.ones((1, 24))}, r"`c` must be \[views, 25\]"),
        ({"w": np.ones((1, 2, 3)), "w_background": np.ones((1, 2, 4))}, "of the shape of `w`"),
    ],
)
def test_files_of_something_else_are_told(tmp_path: Path, arrays: dict[str, Any], words: str) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(ValueError, match=words):
        read_latent(tmp_path / "a.npz")


def test_what_is_no_archive_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(b"\x80\x04pickle")
    with pytest.raises(ValueError, match=r"is no \.npz file"):
        read_latent(tmp_path / "a.npz")
    with pytest.raises(ValueError, match="is no file"):
        read_latent(tmp_path / "absent.npz")


def test_a_header_that_declares_more_than_there_is_takes_no_memory(tmp_path: Path) -> None:
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "<f4", "fortran_order": False, "shape": (1, 2**30, 2**30)})
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("w.npy", head.getvalue())
    with pytest.raises(ValueError, match="damaged"):
        read_latent(tmp_path / "a.npz")


def test_styles_of_another_generator_are_told(tmp_path: Path) -> None:
    G = small_generator()
    ws = G.mapping(codes(1), labels(0.0))
    write_latent(tmp_path / "a.npz", Latent(ws))
    assert torch.equal(latent_for(G, tmp_path / "a.npz").ws, ws)
    write_latent(tmp_path / "a.npz", Latent(ws[..., 1:]))
    with pytest.raises(ValueError, match="give the --network that it was made with"):
        latent_for(G, tmp_path / "a.npz")
