# SPDX-License-Identifier: Apache-2.0
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from configs import resolve
from dnnlib.config import ConfigError
from dnnlib.config_paths import leaves, replace
from tests.training.runs import ROOT
from training import resume
from training.resume import MAY_CHANGE, may_change, opened
from training.run_config import RunConfig, load_config
from training.run_folder import RunFolder


def config(**changes: object) -> RunConfig:
    return replace(resolve("debug"), **changes)


def test_a_folder_that_is_absent_or_empty_becomes_a_run(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("empty", "deep/below"):
        folder = RunFolder(tmp_path / name)
        with opened(folder, config()):
            assert load_config(folder.path) == config()
        with opened(folder, config()):
            pass


def test_what_may_change_is_written_down_and_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = RunFolder(tmp_path)
    with opened(folder, config()):
        pass
    changed = config(**{"loop.total_nimg": 777, "data.workers": 0, "device": "cpu"})
    caplog.set_level("INFO", "fullhead")
    with opened(folder, changed):
        assert load_config(folder.path) == changed
    assert "From now on loop.total_nimg is 777; it was" in caplog.text


def test_every_field_that_may_not_change_is_named_with_both_values(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    with opened(folder, config()):
        folder.stats.touch()
    changed = config(**{"loss.gamma": 7.0, "loop.batch": 6, "loop.total_nimg": 777, "data.mirror": False})
    with pytest.raises(ConfigError) as caught, opened(folder, changed):
        pass
    lines = [line.strip() for line in str(caught.value).splitlines()[1:-1]]
    assert lines == ["loop.batch: 4, now 6", "data.mirror: true, now false", "loss.gamma: 1.0, now 7.0"]
    assert load_config(folder.path) == config()


def test_a_run_that_has_not_begun_takes_another_configuration(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Its start failed, by a wrong path to weights or for want of memory: the mended command must not be refused."""
    folder = RunFolder(tmp_path)
    with opened(folder, config(**{"resume.source": "network.pkl"})):
        pass
    caplog.set_level("INFO", "fullhead")
    with opened(folder, config()):
        assert load_config(folder.path) == config()
    assert "From now on resume.source is null" in caplog.text


def test_all_that_may_change_exists() -> None:
    tree = config().model_dump(mode="json")
    for name in MAY_CHANGE:
        assert any(path == name or path.startswith(f"{name}.") for path in leaves(tree)), name
    assert not may_change("seed")
    assert not may_change("loop.batch")
    assert not may_change("loop.parts")  # Only whole names count.


def test_a_folder_with_other_files_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    message = r"is no run .* holds 'thesis.tex': choose an empty or a new folder"
    with pytest.raises(ConfigError, match=message), opened(RunFolder(tmp_path), config()):
        pass
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.tex"]
    with (
        pytest.raises(ConfigError, match="is a file; a run needs a folder"),
        opened(RunFolder(tmp_path / "thesis.tex"), config()),
    ):
        pass


def test_a_start_that_was_cut_short_is_repeated_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / ".lock").touch()
    (tmp_path / f".config.json.{'0' * 16}.tmp").write_text('{"schema_')
    with opened(RunFolder(tmp_path), config()):
        assert not list(tmp_path.glob("*.tmp"))


HOLDER = """
import sys
from pathlib import Path
from configs import resolve
from training.resume import opened
from training.run_folder import RunFolder
with opened(RunFolder(sys.argv[1]), resolve("debug")):
    print("in", flush=True)
    sys.stdin.read()
"""


def test_two_processes_cannot_train_in_one_folder_but_a_killed_one_leaves_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resume, "_PATIENCE_S", 0.2)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert holder.stdout.readline() == b"in\n"
        message = rf"another process trains .*process {holder.pid} on .* end it, or"
        with pytest.raises(ConfigError, match=message), opened(RunFolder(tmp_path), config()):
            pass
    finally:
        holder.kill()
        assert holder.wait(10) == -signal.SIGKILL
        holder.stdin.close()
        holder.stdout.close()
    with opened(RunFolder(tmp_path), config()):
        pass


def test_an_error_of_the_training_is_not_taken_for_a_locked_folder(tmp_path: Path) -> None:
    with pytest.raises(TimeoutError, match="a socket"), opened(RunFolder(tmp_path), config()):
        raise TimeoutError("a socket")
