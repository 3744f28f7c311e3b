# SPDX-License-Identifier: Apache-2.0
"""HeadNet answers about pictures of any size, one at a time or many, and its file is what it was."""

import json

import pytest
import torch

from metrics.headnet import HeadNet, load_headnet
from metrics.headnet.attributes import KINDS, NUMBERS
from metrics.headnet.pictures import prepared, resized
from metrics.headnet.record import read_record
from metrics.headnet.weights import SHIPPED, save_headnet, stored
from torch_utils import checkpoint
from torch_utils.checkpoint import CheckpointError


@pytest.fixture(scope="module")
def images():
    """Smooth enough to be like pictures."""
    coarse = torch.rand(4, 3, 12, 12, generator=torch.Generator().manual_seed(1))
    return (255 * resized(coarse, 96).clamp(0, 1)).to(torch.uint8)


def test_an_untrained_network_has_the_shapes_that_it_promises(images):
    net = HeadNet().eval()
    assert net.features(images).shape == (4, net.num_features)
    assert net.yaw_rad(images).shape == (4,)
    torch.testing.assert_close(net.identity(images).norm(dim=1), torch.ones(4))
    assert net.mask(images).shape == (4, 1, 96, 96)
    told = net.attributes(images)
    assert list(told) == [*KINDS, *NUMBERS]
    for name, kinds in KINDS.items():
        assert told[name].shape == (4, len(kinds))
        torch.testing.assert_close(told[name].sum(dim=1), torch.ones(4))


def test_a_picture_is_seen_the_same_alone_and_among_others(net, images):
    for answer in (net.features, net.identity, net.yaw_rad, net.mask):
        torch.testing.assert_close(answer(images)[2:3], answer(images[2:3]), rtol=1e-4, atol=1e-4)


def test_the_same_pictures_give_the_same_features(net, images):
    assert torch.equal(net.features(images), net.features(images))
    assert torch.equal(net.features(images), load_headnet().features(images))


def test_bytes_and_floats_of_one_picture_are_one_picture(net):
    small = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(net.features(small), net.features(small.float() / 127.5 - 1), rtol=1e-4, atol=1e-4)


def test_large_pictures_are_averaged_and_not_subsampled():
    stripes = torch.tensor([0, 255], dtype=torch.uint8).repeat(128).expand(1, 3, 256, 256)
    assert prepared(stripes)[..., 4:-4].abs().max() < 0.02


def test_pixels_of_small_pictures_get_gradients_through_the_distance(net):
    a = torch.zeros(1, 3, 300, 300).uniform_(-1, 1).requires_grad_()
    net.perceptual(a, torch.zeros(1, 3, 300, 300)).sum().backward()
    assert a.grad.isfinite().all()
    assert a.grad.abs().amax(dim=1).gt(0).float().mean() > 0.9


@pytest.mark.parametrize("side", [48, 64, 200, 300])
def test_the_perceptual_distance_is_zero_for_equals_symmetric_and_grows(net, side):
    a, b = (torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(seed)) * 2 - 1 for seed in (1, 2))
    assert torch.equal(net.perceptual(a, a), torch.zeros(2))
    torch.testing.assert_close(net.perceptual(a, b), net.perceptual(b, a))
    near, far = (net.perceptual(a, torch.lerp(a, b, share)) for share in (0.2, 0.8))
    assert (near > 0).all()
    assert (near < far).all()


def test_the_perceptual_distance_sees_details_that_64_pixels_cannot_show(net):
    grey, chequered = torch.zeros(1, 3, 256, 256), torch.zeros(1, 3, 256, 256)
    chequered[..., ::2, ::2] = chequered[..., 1::2, 1::2] = 0.5
    chequered[..., 1::2, ::2] = chequered[..., ::2, 1::2] = -0.5
    assert net.perceptual(grey, chequered) > 0.1


@pytest.mark.parametrize(
    ("shape", "dtype", "words"),
    [
        ((2, 1, 64, 64), torch.uint8, "square colour pictures"),
        ((2, 3, 64, 32), torch.uint8, "crop them"),
        ((3, 64, 64), torch.uint8, "square colour pictures"),
        ((2, 3, 64, 64), torch.int64, "uint8"),
    ],
)
def test_what_is_no_batch_of_square_pictures_is_refused(net, shape, dtype, words):
    with pytest.raises(ValueError, match=words):
        net.features(torch.zeros(shape, dtype=dtype))


def test_pictures_of_two_sizes_are_not_compared(net):
    with pytest.raises(ValueError, match="give pairs alike"):
        net.perceptual(torch.zeros(1, 3, 64, 64), torch.zeros(1, 3, 128, 128))


def test_a_saved_network_comes_back_as_it_is_stored(tmp_path, images):
    net = HeadNet().eval()
    save_headnet(net, tmp_path / "net.safetensors", {"made": "by a test"})
    back = load_headnet(path=tmp_path / "net.safetensors")
    net.load_state_dict(stored(net))
    torch.testing.assert_close(back.features(images), net.features(images), rtol=1e-4, atol=1e-4)
    assert back.digest == checkpoint.read_header(tmp_path / "net.safetensors")["digest"]
    assert not any(parameter.requires_grad for parameter in back.parameters())


def test_a_damaged_file_is_refused(tmp_path):
    content = bytearray(SHIPPED.read_bytes())
    content[-1000] ^= 1
    (tmp_path / "net.safetensors").write_bytes(content)
    with pytest.raises(CheckpointError, match="does not match its digest"):
        load_headnet(path=tmp_path / "net.safetensors")


def test_weights_of_something_else_are_refused(tmp_path):
    checkpoint.write(tmp_path / "other.safetensors", {"x": torch.zeros(1)}, {"format": "other"})
    with pytest.raises(CheckpointError, match="holds no HeadNet"):
        load_headnet(path=tmp_path / "other.safetensors")


def test_the_shipped_file_is_small_and_the_one_that_its_record_tells_of():
    record = read_record(SHIPPED.with_name("headnet.json"))
    header = checkpoint.read_header(SHIPPED)
    assert SHIPPED.stat().st_size <= 4e6
    assert record["digest"] == header["digest"] == load_headnet().digest
    assert json.dumps(record["training"]) == json.dumps(header["record"])
