# SPDX-License-Identifier: Apache-2.0
"""Every configuration in the table is whole, and can be had by name, by file and by folder."""

from pathlib import Path

import pytest

import configs
from configs import ALIASES, CONFIGS, resolve
from configs.__main__ import first_line
from dnnlib.config import ConfigError, from_json, to_json
from training.run_config import CONFIG_FILENAME, RunConfig, save_config


@pytest.mark.parametrize("name", CONFIGS)
def test_a_configuration_is_whole_and_named_as_in_the_table(name: str) -> None:
    config = resolve(name)
    assert isinstance(config, RunConfig)
    assert config.name == name
    assert from_json(RunConfig, to_json(config)) == config
    assert resolve(name) == config
    assert first_line(name).endswith(".")


def test_aliases_lead_to_configurations_and_hide_none() -> None:
    assert set(ALIASES.values()) <= set(CONFIGS)
    assert not set(ALIASES) & set(CONFIGS)


def test_an_alias_is_the_configuration_it_stands_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(configs.ALIASES, "tiny", "panohead_debug")
    assert resolve("tiny") == resolve("debug")


def test_assignments_apply_in_order_to_a_name_a_file_and_a_folder(tmp_path: Path) -> None:
    changed = resolve("debug", ["loop.batch=8", "seed=1", "loop.batch=2"])
    assert (changed.loop.batch, changed.seed) == (2, 1)
    save_config(changed, tmp_path / CONFIG_FILENAME)
    assert resolve(str(tmp_path)) == resolve(str(tmp_path / CONFIG_FILENAME)) == changed
    assert resolve(str(tmp_path), ["loop.batch=8", "seed=1", "loop.batch=2"]) == changed


def test_a_name_wins_over_a_folder_that_happens_to_be_called_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "debug").mkdir()
    monkeypatch.chdir(tmp_path)
    assert resolve("debug").name == "panohead_debug"


def test_an_unknown_name_gets_the_nearest_one_and_all_of_them() -> None:
    with pytest.raises(
        ConfigError, match=r"no configuration named 'debgu'. Did you mean debug\? There are: panohead, "
    ):
        resolve("debgu")


def test_a_missing_file_is_named_as_a_file() -> None:
    with pytest.raises(ConfigError, match=r"cannot read the configuration none\.json: No such file"):
        resolve("none.json")
