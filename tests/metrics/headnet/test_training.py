# SPDX-License-Identifier: Apache-2.0
"""HeadNet's training is a function of its data and seed, however often it is stopped."""

import dataclasses

import pytest
import torch
from click.testing import CliRunner

from dataset_tool import main as dataset_tool
from metrics.headnet.augmentation import augmented
from metrics.headnet.evaluate import main as evaluate
from metrics.headnet.losses import cosine_classification
from metrics.headnet.network import HeadNet
from metrics.headnet.train import main as train_command
from metrics.headnet.training import Plan, calibrate, order, pace, train
from metrics.headnet.weights import load_headnet
from torch_utils.checkpoint import CheckpointError

PLAN = Plan(steps=2, batch=8, seed=3)


class StopError(Exception):
    """As a kill between two steps."""


def test_every_epoch_has_every_row_once_in_another_order():
    rows = torch.cat([order(0, step, 8, 20) for step in range(5)])
    first, second = rows[:20], rows[20:]
    assert torch.equal(first.sort().values, torch.arange(20))
    assert torch.equal(second.sort().values, torch.arange(20))
    assert not torch.equal(first, second)


def test_a_batch_may_be_larger_than_the_set():
    assert order(0, 3, 50, 20).shape == (50,)


def test_the_pace_rises_from_nothing_and_ends_at_nothing():
    paces = [pace(share / 100) for share in range(101)]
    assert paces[0] == 0
    assert max(paces) == paces[5] == 1
    assert paces[100] == pytest.approx(0)
    assert sorted(paces[5:], reverse=True) == paces[5:]


def test_pictures_and_masks_are_moved_alike(heads):
    masks = heads.mask.float() / 255
    out = augmented(masks.expand(-1, 3, -1, -1) * 2 - 1, masks, torch.Generator().manual_seed(1))
    # Where the mask is, the picture was white, whatever has become of its colours.
    white = out.image.mean(dim=1, keepdim=True)
    inside = (white * out.mask).sum((1, 2, 3)) / out.mask.sum((1, 2, 3))
    outside = (white * (1 - out.mask)).sum((1, 2, 3)) / (1 - out.mask).sum((1, 2, 3))
    assert (inside - outside).min() > 0.8
    assert out.is_mirrored.float().mean().sub(0.5).abs() < 0.25


def test_the_classification_is_easier_for_the_right_prototype():
    prototypes = torch.eye(4)
    right, wrong = (cosine_classification(prototypes, prototypes, torch.arange(4).roll(by)) for by in (0, 1))
    assert right < 0.1
    assert wrong > 10


def test_features_of_the_set_that_calibrates_have_mean_zero_and_deviation_one(heads):
    net = HeadNet().eval()
    calibrate(net, heads)
    features = net.features(heads.image).detach()
    torch.testing.assert_close(features.mean(dim=0), torch.zeros(net.num_features), rtol=0, atol=1e-3)
    assert float(features.std(dim=0).median()) == pytest.approx(1, abs=1e-3)


def test_a_stopped_training_goes_on_as_if_it_had_not_been_stopped(heads, tmp_path, monkeypatch):
    net, done = train(heads, PLAN, tmp_path / "whole.safetensors", {})
    assert done.step == 2

    monkeypatch.setattr("metrics.headnet.training._SAVE_EVERY", 1)
    with monkeypatch.context() as patch:
        patch.setattr("metrics.headnet.training.order", _only_once())
        with pytest.raises(StopError):
            train(heads, PLAN, tmp_path / "stopped.safetensors", {})
    again, _ = train(heads, PLAN, tmp_path / "stopped.safetensors", {})
    for name, tensor in net.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name


def _only_once():
    calls = []

    def order_once(*args):
        if calls:
            raise StopError
        calls.append(args)
        return order(*args)

    return order_once


def test_another_plan_or_other_data_do_not_go_on_from_a_state(heads, tmp_path):
    state = tmp_path / "state.safetensors"
    train(heads, dataclasses.replace(PLAN, steps=1), state, {"num": 72})
    for plan, data in ((dataclasses.replace(PLAN, steps=1, seed=4), 72), (dataclasses.replace(PLAN, steps=1), 71)):
        with pytest.raises(CheckpointError, match="another plan or other data"):
            train(heads, plan, state, {"num": data})


def test_the_commands_make_train_and_measure(tmp_path):
    def run(command, *args):
        result = CliRunner().invoke(command, [str(arg) for arg in args], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.output

    data = {}
    for seed in (1, 2):
        data[seed] = {name: tmp_path / f"{name}{seed}.zip" for name in ("img", "seg", "truth")}
        places = [f"--{name}_dest={path}" for name, path in data[seed].items()]
        options = ["--num=12", "--views-per-identity=3", f"--seed={seed}", "--no-depth", "--workers=1"]
        run(dataset_tool, "synth", *options, *places)
    places = {seed: [f"--{name}_data={path}" for name, path in data[seed].items()] for seed in data}
    run(train_command, *places[1], f"--outdir={tmp_path}/net", "--steps=2", "--batch=4")
    assert load_headnet(path=tmp_path / "net" / "headnet.safetensors").digest

    shown = run(evaluate, *places[2], f"--net={tmp_path}/net", f"--pictures={tmp_path}/pictures")
    assert "median_deg" in shown
    assert len(list((tmp_path / "pictures").iterdir())) == 3
    seen = CliRunner().invoke(evaluate, [*places[1], f"--net={tmp_path}/net"])
    assert seen.exit_code != 0
    assert "make a set of another" in seen.output
