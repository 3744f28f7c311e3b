# SPDX-License-Identifier: Apache-2.0
"""The cache is where the user's environment says."""

from pathlib import Path

import pytest

from dnnlib.cache import cache_dir


def test_the_first_place_that_is_named_wins(monkeypatch):
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    monkeypatch.setenv("FULLHEAD_CACHE", "/ours")
    assert cache_dir("ops", "x") == Path("/ours/ops/x")
    monkeypatch.delenv("FULLHEAD_CACHE")
    assert cache_dir("ops") == Path("/xdg/fullhead/ops")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_dir() == Path("/home/someone/.cache/fullhead")


def test_a_tilde_is_the_home_folder_and_a_relative_xdg_path_is_ignored(monkeypatch):
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.setenv("FULLHEAD_CACHE", "~/big-disk")
    assert cache_dir() == Path("/home/someone/big-disk")
    monkeypatch.setenv("FULLHEAD_CACHE", "")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache_dir() == Path("/home/someone/.cache/fullhead")


def test_nothing_is_created(monkeypatch, tmp_path):
    monkeypatch.setenv("FULLHEAD_CACHE", str(tmp_path / "cache"))
    cache_dir("a")
    assert list(tmp_path.iterdir()) == []


def test_a_user_without_a_home_is_told_what_to_set(monkeypatch):
    def no_home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("FULLHEAD_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    with pytest.raises(ValueError, match="set FULLHEAD_CACHE"):
        cache_dir()
