# SPDX-License-Identifier: Apache-2.0
"""A run's configuration survives its file, and a file that cannot be read says why."""

import json
from pathlib import Path

import pytest

from dnnlib.config import ConfigError, to_json
from dnnlib.config_paths import replace
from dnnlib.config_types import Model, spec_of
from training import run_config
from training.data.config import DataConfig, SelectionConfig
from training.run_config import CONFIG_FILENAME, MIGRATIONS, SCHEMA_VERSION, RunConfig, load_config, save_config

RUN = RunConfig(name="x", seed=2**63 - 1, device="cpu")


def test_a_saved_configuration_loads_as_the_same_value(tmp_path: Path) -> None:
    save_config(RUN, tmp_path / CONFIG_FILENAME)
    assert load_config(tmp_path / CONFIG_FILENAME) == RUN
    assert load_config(str(tmp_path)) == RUN  # the run's folder stands for its file


def test_a_file_may_begin_with_the_mark_of_a_windows_editor(tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_bytes(b"\xef\xbb\xbf" + to_json(RUN).encode())
    assert load_config(tmp_path / "mine.json") == RUN


def test_saving_replaces_the_file_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / CONFIG_FILENAME
    save_config(RUN, path)
    save_config(replace(RUN, name="y"), path)
    assert load_config(path).name == "y"
    assert [file.name for file in tmp_path.iterdir()] == [CONFIG_FILENAME]


def test_the_file_says_its_schema_first() -> None:
    assert next(iter(json.loads(to_json(RUN)).items())) == ("schema_version", SCHEMA_VERSION)


def test_every_older_schema_has_a_migration() -> None:
    assert sorted(MIGRATIONS) == list(range(1, SCHEMA_VERSION))


def test_a_file_of_an_older_schema_is_migrated_when_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The past is made up: what is schema 1 today is read as schema 2, and schema 1 had called the name `title`.
    monkeypatch.setattr(run_config, "SCHEMA_VERSION", 2)
    monkeypatch.setitem(
        MIGRATIONS, 1, lambda tree: {("name" if key == "title" else key): value for key, value in tree.items()}
    )
    seen = []
    monkeypatch.setattr(run_config, "from_tree", lambda cls, tree, source: seen.append(tree) or cls(name=tree["name"]))
    (tmp_path / "old.json").write_text('{"schema_version": 1, "title": "x"}')
    assert load_config(tmp_path / "old.json") == RunConfig(name="x")
    assert seen == [{"schema_version": 2, "name": "x"}]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"schema_version": 999, "name": "x"}', "newer FullHead as schema 999"),
        (b'{"name": "x"}', "schema_version must be a whole number"),
        (b'{"schema_version": 1}', "name: missing; expected text"),
        (b'{"schema_version": 1, "name": "a/b"}', 'name: got "a/b"; expected text'),
        (b'{"schema_version": 1, "name": "x", "loop": {"bacth": 4}}', r"Did you mean loop\.batch\?"),
        (b'{"schema_version": 1, "name": "x", "loop": {"batch": 0}}', "at least 1 and at most 65536, such as 32"),
        (b'{"schema_version": 1, "name": "x", "device": "tpu"}', "one of auto, cpu, cuda"),
        (b'{"schema_version": 1, "na', "not a configuration in JSON"),
        (b"\xff\xfe", "not UTF-8 text"),
        (b"", "not a configuration in JSON"),
    ],
)
def test_a_file_that_cannot_be_read_says_why_and_which(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "run.json"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=words) as caught:
        load_config(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read the configuration .*config\.json: No such file"):
        load_config(tmp_path)


def test_saving_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    save_config(RUN, tmp_path / CONFIG_FILENAME)
    monkeypatch.setattr("dnnlib.atomic.os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        save_config(replace(RUN, name="y"), tmp_path / CONFIG_FILENAME)
    assert load_config(tmp_path) == RUN


def test_every_field_is_described() -> None:
    for cls in (RunConfig, run_config.LoopConfig, DataConfig, SelectionConfig):
        plain = {name: field for name, field in cls.model_fields.items() if not isinstance(spec_of(field), Model)}
        undescribed = [name for name, field in plain.items() if not field.description]
        assert undescribed == []
