# SPDX-License-Identifier: Apache-2.0
"""Where networks are found: files, run folders, URLs, shipped names; and what is said when they are not."""

import hashlib
import http.server
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import torch

from tests.training.small import small_generator
from torch_utils.checkpoint import CheckpointError
from training.pretrained import load_generator, sources
from training.pretrained.network_file import save_networks
from training.pretrained.sources import find


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "served" / "net work.safetensors"
    path.parent.mkdir()
    save_networks(path, {"G_ema": small_generator()}, {})
    return path


@pytest.fixture
def server(file: Path) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(file.parent))) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_port}/net%20work.safetensors"
        httpd.shutdown()


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache and shipped models of the test's own."""
    monkeypatch.setenv("FULLHEAD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(sources, "MODELS", tmp_path / "models")
    monkeypatch.chdir(tmp_path)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_file_is_itself_with_or_without_its_folder(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find(file) == find(str(file)) == file
    monkeypatch.chdir(file.parent)
    assert find(file.name) == Path(file.name)


def test_the_newest_networks_of_a_run_are_meant(tmp_path: Path) -> None:
    run = tmp_path / "runs" / "00003-panohead"
    run.mkdir(parents=True)
    for nimg in (200_000, 9_800_000, 10_000_000):
        (run / f"networks-{nimg:09d}.safetensors").touch()
    (run / "state-010200000.safetensors").touch()
    (run / ".networks-010400000.safetensors.0123456789abcdef.tmp").touch()
    assert find(run).name == "networks-010000000.safetensors"
    assert find(f"{run}/").name == "networks-010000000.safetensors"


def test_a_folder_without_networks_says_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"folder without networks-\*\.safetensors"):
        find(tmp_path)


def test_a_url_is_fetched_once_and_checked(file: Path, server: str) -> None:
    url = f"{server}#sha256={sha256(file)}"
    fetched = find(url)
    assert fetched.read_bytes() == file.read_bytes()
    assert fetched.suffix == ".safetensors"
    file.unlink()
    assert find(url) == fetched
    assert torch.equal(load_generator(url).field.decoder.out.bias, small_generator().field.decoder.out.bias)


def test_a_file_url_is_checked_as_well(file: Path) -> None:
    url = file.as_uri()
    assert find(url) == file
    assert find(f"{url}#sha256={sha256(file).upper()}") == file
    with pytest.raises(CheckpointError, match="instead of 0000"):
        find(f"{url}#sha256={'0' * 64}")


@pytest.mark.parametrize(
    ("end", "message"),
    [
        (f"#sha256={'0' * 64}", "instead of 0000"),
        ("#sha256=beef", "64 hexadecimal digits"),
        (".missing", "404"),
    ],
)
def test_a_url_that_gives_something_else_is_refused(server: str, end: str, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        find(server + end)


def test_shipped_models_have_names(tmp_path: Path, file: Path) -> None:
    with pytest.raises(CheckpointError, match="no such file, folder or shipped model"):
        find("panohead-small")
    (tmp_path / "models").mkdir()
    shipped = file.rename(tmp_path / "models" / "panohead-small.safetensors")
    assert find("panohead-small") == shipped
    assert load_generator("panohead-small").z_dim == 8
    with pytest.raises(CheckpointError, match="Did you mean 'panohead-small'"):
        find("panohead-smal")
    with pytest.raises(CheckpointError, match="Shipped models: panohead-small"):
        find("zebra")


@pytest.mark.parametrize("text", ["", "../models/x", "no/such/file.pkl", "s3://bucket/net.pkl", "a\0b", "x" * 5000])
def test_what_is_nowhere_is_told(text: str) -> None:
    with pytest.raises(CheckpointError):
        find(text)
