# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
import torch

from configs import resolve
from dnnlib.config import ConfigError
from tests.training.runs import make_heads
from torch_utils.checkpoint import CheckpointError
from training.pretrained import network_file
from training.run_config import RunConfig
from training.run_folder import RunFolder
from training.starting_weights import load_weights, without_ramps
from training.step import Players
from training.trainer import Trainer, new_state

CPU = torch.device("cpu")


def players_of(*assignments: str) -> Players:
    return new_state(resolve("debug", assignments), CPU).players


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Networks of a run with another seed, their average apart from them."""
    path = tmp_path_factory.mktemp("source") / "networks.safetensors"
    players = players_of("seed=5")
    with torch.no_grad():
        for parameter in players.average.parameters():
            parameter.add_(0.5)
    networks = {"G_ema": players.average, "G": players.generator, "D": players.critic}
    network_file.save_networks(path, networks, {})
    return path


def assert_equal(module: torch.nn.Module, other: torch.nn.Module) -> None:
    expected = other.state_dict()
    assert all(torch.equal(expected[name], x) for name, x in module.state_dict().items())


def test_every_network_takes_its_own_weights(source: Path) -> None:
    players = players_of()
    told = load_weights(players, str(source))
    given = network_file.load_networks(source)
    assert_equal(players.generator, given["G"])
    assert_equal(players.average, given["G_ema"])
    assert_equal(players.critic, given["D"])
    assert told["file"] == "networks.safetensors"
    assert len(told["digest"]) == 32


def test_a_file_with_the_average_alone_gives_it_to_both_generators(
    source: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    average = network_file.load_networks(source)["G_ema"]
    network_file.save_networks(tmp_path / "shipped.safetensors", {"G_ema": average}, {})
    players, fresh = players_of(), players_of()
    load_weights(players, str(tmp_path / "shipped.safetensors"))
    assert_equal(players.generator, average)
    assert_equal(players.average, average)
    assert_equal(players.critic, fresh.critic)
    assert "holds no critic" in caplog.text


def test_what_the_source_lacks_keeps_its_first_values_and_is_listed(
    source: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bare = network_file.load_networks(source)
    del bare["G"].adaptation
    bare["G"].adaptation = None
    own = players_of()
    before = {name: x.clone() for name, x in own.generator.state_dict().items()}
    from training import starting_weights  # noqa: PLC0415

    starting_weights._take(own.generator, bare["G"], "FILE")
    assert "FILE: lacks these, which keep their first values:\n  adaptation." in caplog.text
    for name, x in own.generator.state_dict().items():
        expected = before[name] if name.startswith("adaptation.") else bare["G"].state_dict()[name]
        assert torch.equal(x, expected)


def test_weights_of_another_size_are_refused_by_name(source: Path) -> None:
    with pytest.raises(CheckpointError, match=r"generator: is of another size:\n  .*: \[.*\] given, \[.*\] wanted"):
        load_weights(players_of("generator.mapping.w_dim=24"), str(source))


def test_other_settings_are_told(source: Path, caplog: pytest.LogCaptureFixture) -> None:
    load_weights(players_of("generator.renderer.empty=white"), str(source))
    assert "renderer.empty: zero, now white" in caplog.text


def test_a_run_from_trained_weights_has_no_ramps_unless_they_are_wanted() -> None:
    def carried_out(*assignments: str) -> RunConfig:
        return without_ramps(resolve("panohead", assignments))

    fine = carried_out("resume.source=x.pkl")
    assert (fine.schedule.blur_nimg, fine.schedule.swap_nimg) == (0, 0)
    assert (fine.ema.rampup, fine.augment.ramp_nimg) == (None, 100_000)
    assert fine.schedule.density_noise_nimg == resolve("panohead").schedule.density_noise_nimg
    assert carried_out() == resolve("panohead")
    assert carried_out("resume.source=x.pkl", "augment.ramp_nimg=5000").augment.ramp_nimg == 5000
    kept = carried_out("resume.source=x.pkl", "resume.keep_ramps=yes")
    assert kept.schedule == resolve("panohead").schedule
    assert (kept.ema.rampup, kept.augment.ramp_nimg) == (None, 100_000)  # As --resume_blur of the published code.


def test_a_fine_tuning_starts_at_its_count_and_goes_on_from_its_own_saves(source: Path, tmp_path: Path) -> None:
    images, masks = make_heads(tmp_path)
    moved = source.with_name("moved.safetensors")
    moved.write_bytes(source.read_bytes())
    fields = [f"data.img_data={images}", f"data.seg_data={masks}", "data.workers=0", "loop.batch=4"]
    fields += ["loop.snapshot_nimg=8", f"resume.source={moved}", "resume.start_nimg=1000"]
    folder = RunFolder(tmp_path / "run")
    folder.path.mkdir()
    with pytest.raises(ConfigError, match=r"begin at 1000 images and to end at 1000: raise loop\.total_nimg"):
        Trainer(resolve("debug", [*fields, "loop.total_nimg=1000"]), folder, CPU).run()
    trainer = Trainer(resolve("debug", [*fields, "loop.total_nimg=1004"]), folder, CPU)
    assert trainer.run() == 1004
    assert folder.saves() == [1004, 1000]
    moved.unlink()
    again = Trainer(resolve("debug", [*fields, "loop.total_nimg=1008"]), folder, CPU)
    assert again.run() == 1008
    assert again.began_from == trainer.began_from
    assert trainer.began_from["file"] == "moved.safetensors"
