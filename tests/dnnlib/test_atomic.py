# SPDX-License-Identifier: Apache-2.0
"""A file written atomically is whole or not there, whatever happens to its writer."""

import os
import signal
import stat
import subprocess
import sys

import pytest

from dnnlib.atomic import atomic_write, atomic_write_bytes, atomic_write_text


def test_content_appears_only_when_the_block_ends(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with atomic_write(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["a.bin"]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt, SystemExit])
def test_a_failure_keeps_the_old_file_and_leaves_nothing_behind(tmp_path, error):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")

    def fail():
        with atomic_write(path) as file:
            file.write(b"half")
            raise error

    with pytest.raises(error):
        fail()
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_content_is_on_the_disk_before_the_file_has_its_name(tmp_path, monkeypatch):
    steps = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *args, name=name, real=real: (steps.append(name), real(*args)))
    atomic_write_bytes(tmp_path / "a", b"1")
    assert steps == ["fsync", "replace", "fsync"]  # The last is the folder's.
    steps.clear()
    atomic_write_bytes(tmp_path / "a", b"1", sync=False)
    assert steps == ["replace"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no permission bits")
@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_permissions_follow_the_umask(tmp_path, umask):
    old = os.umask(umask)
    try:
        atomic_write_bytes(tmp_path / "ours", b"")
        (tmp_path / "plain").write_bytes(b"")
    finally:
        os.umask(old)
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("ours", "plain")]
    assert modes[0] == modes[1] == 0o666 & ~umask


@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
def test_a_killed_writer_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    code = """
import sys, time
from dnnlib.atomic import atomic_write
with atomic_write(sys.argv[1]) as file:
    file.write(b"half"); file.flush(); print("ready", flush=True); time.sleep(60)
"""
    writer = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE)
    assert writer.stdout.readline() == b"ready\n"
    writer.send_signal(signal.SIGKILL)
    writer.communicate()
    assert path.read_bytes() == b"old"


def test_text_is_utf8_with_its_own_line_ends(tmp_path):
    atomic_write_text(tmp_path / "a", "é\r\nx\n")
    assert (tmp_path / "a").read_bytes() == b"\xc3\xa9\r\nx\n"


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real")
    atomic_write_bytes(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"


def test_a_long_name_is_no_obstacle(tmp_path):
    for name in ("x" * 255, "é" * 127):
        atomic_write_bytes(tmp_path / name, b"1")
        assert (tmp_path / name).read_bytes() == b"1"


def test_an_impossible_target_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*nowhere"):
        atomic_write_bytes(tmp_path / "nowhere" / "a", b"")
    with pytest.raises(IsADirectoryError, match="is a folder"):
        atomic_write_bytes(tmp_path, b"")
