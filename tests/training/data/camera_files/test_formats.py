# SPDX-License-Identifier: Apache-2.0
"""Camera files are read as their formats say, written so that reading gives the same, and refused by name."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dnnlib.files import open_store
from training.data.camera_files.camera_set import CameraFileError, CameraSet
from training.data.camera_files.colmap import (
    quaternion_from_rotation,
    read_colmap,
    rotation_from_quaternion,
    write_colmap,
)
from training.data.camera_files.formats import FORMATS, read_cameras, write_cameras
from training.data.camera_files.pictures import Pictures
from training.data.camera_files.transforms import read_transforms

FRONT_POSE = [1, 0, 0, 0, 0, -1, 0, 0, 0, 0, -1, 2.7, 0, 0, 0, 1]
HEAD_K = [4.2647, 0, 0.5, 0, 4.2647, 0.5, 0, 0, 1]


def random_rotations(rng: np.random.Generator, n: int) -> np.ndarray:
    q, _ = np.linalg.qr(rng.normal(size=(n, 3, 3)))
    return q * np.linalg.det(q)[:, None, None]


def random_cameras(seed: int, n: int = 7, far: float = 100.0) -> CameraSet:
    rng = np.random.default_rng(seed)
    T = np.tile(np.eye(4), (n, 1, 1))
    T[:, :3, :3], T[:, :3, 3] = random_rotations(rng, n), rng.normal(scale=far, size=(n, 3))
    K = np.tile(np.eye(3), (n, 1, 1))
    K[:, [0, 1], [0, 1]] = rng.uniform(0.5, 6, size=(n, 2))
    K[:, :2, 2] = rng.uniform(0.3, 0.7, size=(n, 2))
    return CameraSet(tuple(f"a b/{i:03}.png" for i in range(n)), T, K, rng.integers(100, 4000, size=(n, 2)))


def no_size(name: str) -> None:
    return None


def transforms(**changes: object) -> dict:
    matrix = [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 2.7], [0, 0, 0, 1]]
    frame = {"file_path": "./images/r_0.png", "transform_matrix": matrix}
    return {"camera_angle_x": 0.5, "w": 640, "h": 480, "frames": [frame], **changes}


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), form=st.sampled_from(FORMATS))
def test_reading_what_was_written_gives_the_same_cameras(tmp_path_factory, seed: int, form: str) -> None:
    cameras = random_cameras(seed)
    folder = tmp_path_factory.mktemp("round")
    out = folder if form == "colmap" else folder / ("dataset.json" if form == "eg3d" else "transforms.json")
    for path, data in write_cameras(cameras, form, out).items():
        path.write_bytes(data)
    again, found = read_cameras(folder, None, no_size)
    assert found == form
    assert again.names == cameras.names
    np.testing.assert_allclose(again.labels, cameras.labels, rtol=0, atol=1e-6)
    if form != "eg3d":
        assert (again.sizes == cameras.sizes).all()


def test_every_rotation_has_a_quaternion_also_half_turns() -> None:
    rng = np.random.default_rng(0)
    half_turns = [np.diag(d) for d in ([1.0, -1, -1], [-1.0, 1, -1], [-1.0, -1, 1])]
    for R in [np.eye(3), *half_turns, *random_rotations(rng, 200)]:
        np.testing.assert_allclose(rotation_from_quaternion(quaternion_from_rotation(R)), R, atol=1e-12)


# ----------------------------------------------------------------------------------------------------------------------
# EG3D.


@pytest.mark.parametrize(
    "data",
    [
        {"labels": [["a.png", FRONT_POSE + HEAD_K]]},
        {"labels": {"a.png": FRONT_POSE + HEAD_K}},
        {"labels": [["a.png", [f"{number:.6f}" for number in FRONT_POSE + HEAD_K]]]},
        {"a.png": {"pose": FRONT_POSE, "intrinsics": HEAD_K}},
        {"a.png": {"pose": np.reshape(FRONT_POSE, (4, 4)).tolist(), "intrinsics": np.reshape(HEAD_K, (3, 3)).tolist()}},
        {"labels": {"a.png": {"pose": FRONT_POSE, "intrinsics": HEAD_K}}},
    ],
    ids=["pairs", "object", "strings", "cameras.json", "matrices", "labels of objects"],
)
def test_all_forms_of_eg3d_files_say_the_same(tmp_path: Path, data: dict) -> None:
    (tmp_path / "x.json").write_text(json.dumps(data))
    cameras, form = read_cameras(tmp_path / "x.json", None, no_size)
    assert form == "eg3d"
    np.testing.assert_allclose(cameras.labels, [FRONT_POSE + HEAD_K], atol=1e-9)


@pytest.mark.parametrize("size_of", [no_size, lambda name: (700, 700)])
def test_intrinsics_in_pixels_are_told_apart_and_divided(tmp_path: Path, size_of: object) -> None:
    pixels = [2985.29, 0, 350, 0, 2985.29, 350, 0, 0, 1]
    (tmp_path / "cameras.json").write_text(json.dumps({"a.png": {"pose": FRONT_POSE, "intrinsics": pixels}}))
    cameras, _ = read_cameras(tmp_path, None, size_of)
    np.testing.assert_allclose(cameras.intrinsics[0], [[4.2647, 0, 0.5], [0, 4.2647, 0.5], [0, 0, 1]], atol=1e-6)
    assert "pixels" in cameras.notes[0]
    assert "700 x 700" in cameras.notes[0]


def test_intrinsics_that_count_on_another_crop_are_divided_by_that_crop(tmp_path: Path) -> None:
    pixels = [2985.29, 0, 350, 0, 2985.29, 350, 0, 0, 1]
    (tmp_path / "cameras.json").write_text(json.dumps({"a.png": {"pose": FRONT_POSE, "intrinsics": pixels}}))
    cameras, _ = read_cameras(tmp_path, None, lambda name: (512, 512))
    assert cameras.intrinsics[0, 0, 0] == pytest.approx(4.2647, abs=1e-4)


def test_dataset_json_wins_over_cameras_json_and_the_difference_is_told(tmp_path: Path) -> None:
    other = [*FRONT_POSE[:11], 3.1, 0, 0, 0, 1]
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": [["a.png", FRONT_POSE + HEAD_K]]}))
    (tmp_path / "cameras.json").write_text(json.dumps({"a.png": {"pose": other, "intrinsics": HEAD_K}}))
    cameras, _ = read_cameras(tmp_path, None, no_size)
    assert cameras.T_world_cam[0, 2, 3] == 2.7
    assert "differ by up to 0.4" in cameras.notes[0]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ([], "JSON list"),
        ({"labels": None}, "null"),
        ({"labels": []}, "no pictures"),
        ({"labels": 3}, "float"),
        ({"labels": [["a.png"]]}, "entry 0"),
        ({"labels": [["a.png", FRONT_POSE]]}, "'a.png'.*25"),
        ({"labels": [["a.png", [*FRONT_POSE, *HEAD_K[:8], "x"]]]}, "'a.png'.*25"),
        ({"labels": [["a.png", [*FRONT_POSE, *HEAD_K[:8], math.inf]]]}, "finite"),
        ({"labels": [["a.png", [*FRONT_POSE, *HEAD_K[:8], 10**400]]]}, "finite"),
        ({"labels": [["a.png", FRONT_POSE + HEAD_K]] * 2}, "2 cameras"),
        ({"a.png": {"pose": FRONT_POSE}}, "intrinsics"),
        ({"a": {"pose": FRONT_POSE, "intrinsics": [900, 0, 0.5, 0, 900, 0.5, 0, 0, 1]}}, "--focal"),
        (
            {
                "a": {"pose": FRONT_POSE, "intrinsics": [900, 0, 99, 0, 900, 99, 0, 0, 1]},
                "b": {"pose": FRONT_POSE, "intrinsics": HEAD_K},
            },
            "one unit",
        ),
    ],
)
def test_wrong_eg3d_files_are_refused_by_name(tmp_path: Path, data: object, words: str) -> None:
    (tmp_path / "x.json").write_text(json.dumps(data))
    with pytest.raises(CameraFileError, match=rf"x\.json.*{words}"):
        read_cameras(tmp_path / "x.json", None, no_size)


# ----------------------------------------------------------------------------------------------------------------------
# transforms.json.


@pytest.mark.parametrize("key", ["fl_x", "camera_angle_x", "w"])
def test_a_number_beyond_all_floats_is_refused_by_name(tmp_path: Path, key: str) -> None:
    (tmp_path / "x.json").write_text(json.dumps(transforms(**{key: 10**400})))
    with pytest.raises(CameraFileError, match=rf"x\.json.*{key}.*inf"):
        read_cameras(tmp_path / "x.json", None, no_size)


def test_the_camera_of_a_transforms_file_looks_along_its_negative_z_axis() -> None:
    cameras = read_transforms(transforms(), "t", no_size)
    np.testing.assert_allclose(cameras.labels[0, :16], FRONT_POSE, atol=1e-12)


def test_a_field_of_view_is_of_the_width_and_pixels_are_square() -> None:
    K = read_transforms(transforms(), "t", no_size).intrinsics[0]
    assert K[0, 0] == pytest.approx(0.5 / math.tan(0.25))
    assert K[0, 0] * 640 == pytest.approx(K[1, 1] * 480)
    assert K[:2, 2].tolist() == [0.5, 0.5]


def test_a_frame_s_own_intrinsics_win_over_those_at_the_top() -> None:
    data = transforms(fl_x=100.0, cx=10.0, cy=10.0)
    data["frames"][0] |= {"fl_x": 320.0, "fl_y": 240.0, "cx": 160.0, "cy": 120.0, "w": 320, "h": 240}
    cameras = read_transforms(data, "t", no_size)
    np.testing.assert_allclose(cameras.intrinsics[0], [[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])


def test_the_size_of_the_pictures_is_taken_where_the_file_has_none() -> None:
    data = transforms(fl_x=320.0)
    del data["w"], data["h"]
    with pytest.raises(CameraFileError, match="--img_data"):
        read_transforms(data, "t", no_size)
    assert read_transforms(data, "t", lambda name: (320, 160)).intrinsics[0, 1, 1] == 2


def test_pictures_of_unknown_size_are_taken_to_be_square_and_that_is_said() -> None:
    data = transforms()
    del data["w"], data["h"]
    cameras = read_transforms(data, "t", no_size)
    assert cameras.intrinsics[0, 0, 0] == cameras.intrinsics[0, 1, 1]
    assert "square" in cameras.notes[0]


def test_the_scale_of_a_blender_camera_is_taken_off_and_said() -> None:
    data = transforms()
    data["frames"][0]["transform_matrix"] = [[3, 0, 0, 0], [0, 3, 0, 0], [0, 0, 3, 2.7], [0, 0, 0, 1]]
    cameras = read_transforms(data, "t", no_size)
    np.testing.assert_allclose(cameras.labels[0, :16], FRONT_POSE, atol=1e-12)
    assert "scale" in cameras.notes[0]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"frames": []}, "frames"),
        ({"frames": [{}]}, "frame 0.*file_path"),
        ({"frames": [7]}, "frame 0"),
        ({"frames": [{"file_path": "a", "transform_matrix": [[1]]}]}, "frame 0 .a..*4 x 4"),
        ({"frames": [{"file_path": "a", "transform_matrix": "b"}]}, "4 x 4"),
        ({"k1": 0.1}, "k1.*undistort"),
        ({"camera_model": "OPENCV_FISHEYE"}, "FISHEYE.*undistort"),
        ({"camera_angle_x": 50}, "radians"),
        ({"w": 0}, "0 x 480"),
        ({"fl_x": "wide"}, "wide"),
        ({"camera_angle_x": None}, "None"),
    ],
)
def test_wrong_transforms_files_are_refused_by_name(changes: dict, words: str) -> None:
    with pytest.raises(CameraFileError, match=f"t: .*{words}"):
        read_transforms(transforms(**changes), "t", no_size)


# ----------------------------------------------------------------------------------------------------------------------
# COLMAP.

CAMERAS = "# comment\n1 PINHOLE 640 480 1000 1100 330 230\n2 SIMPLE_PINHOLE 100 100 400 50 50\n"


def test_a_model_s_poses_are_world_to_camera_and_its_intrinsics_pixels() -> None:
    # A camera at (0, 0, 2.7) that looks along -z, image down being -y: half a turn about x.
    cameras = read_colmap(CAMERAS, "1 0 1 0 0 0 0 2.7 1 a.png\n1 2 -1\n", "m")
    np.testing.assert_allclose(cameras.labels[0, :16], FRONT_POSE, atol=1e-12)
    np.testing.assert_allclose(
        cameras.intrinsics[0], [[1000 / 640, 0, 330 / 640], [0, 1100 / 480, 230 / 480], [0, 0, 1]]
    )
    assert cameras.sizes.tolist() == [[640, 480]]


@pytest.mark.parametrize("points", ["", "1.5 2.5 -1 3 4 17", None], ids=["empty", "some", "left out"])
def test_lines_of_points_are_passed_over(points: str | None) -> None:
    lines = ["# header", "# more"]
    for i, name in enumerate(["with space.png", "b.jpg", "c"]):
        lines += [f"{i} 1 0 0 0 {i} 0 0 2 {name}"] + ([points] if points is not None else [])
    cameras = read_colmap(CAMERAS, "\n".join(lines), "m")
    assert cameras.names == ("b.jpg", "c", "with space.png")
    assert cameras.T_world_cam[:, 0, 3].tolist() == [-1, -2, 0]


@pytest.mark.parametrize(
    ("cameras", "images", "words"),
    [
        ("1 SIMPLE_RADIAL 9 9 1 4 4 0\n", "", "cameras.txt, line 1.*SIMPLE_RADIAL.*image_undistorter"),
        ("1\n", "", "cameras.txt, line 1"),
        ("1 PINHOLE 9 9 1 4\n", "", "line 1"),
        ("1 PINHOLE 9 0 1 1 4 4\n", "", "line 1"),
        (CAMERAS, "", "no images"),
        (CAMERAS, "1 1 0 0 0 0 0 0 7 a.png\n", "line 1.*camera 7"),
        (CAMERAS, "1 1 0 0 0 0 0 a.png\n", "line 1"),
        (CAMERAS, "1 0 0 0 0 0 0 0 1 a.png\n", "line 1.*quaternion"),
        (CAMERAS, "1 nan 0 0 0 0 0 0 1 a.png\n", "line 1.*quaternion"),
        (CAMERAS, "1 1 0 0 0 0 0 0 1 a.png\n\n2 1 0 0 0 0 0 0 1 a.png\n", "line 3.*twice"),
    ],
)
def test_wrong_models_are_refused_by_line(cameras: str, images: str, words: str) -> None:
    with pytest.raises(CameraFileError, match=words):
        read_colmap(cameras, images, "m")


def test_pictures_with_the_same_lens_share_a_camera() -> None:
    cameras = random_cameras(0, n=3).picked([0, 1, 1])
    assert len(write_colmap(cameras)["cameras.txt"].splitlines()) == 1 + 2


def test_what_a_format_cannot_hold_is_refused() -> None:
    cameras = random_cameras(0)
    cameras.sizes[2] = 0
    for form in ("transforms", "colmap"):
        with pytest.raises(CameraFileError, match=r"002\.png.*--img_data"):
            write_cameras(cameras, form, Path("x"))
    cameras = random_cameras(0)
    cameras.intrinsics[1, 0, 1] = 0.01
    for form in ("transforms", "colmap"):
        with pytest.raises(CameraFileError, match=r"001\.png.*skew"):
            write_cameras(cameras, form, Path("x"))


# ----------------------------------------------------------------------------------------------------------------------
# Finding files.


def test_a_folder_with_two_kinds_of_cameras_asks_which(tmp_path: Path) -> None:
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": [["a.png", FRONT_POSE + HEAD_K]]}))
    (tmp_path / "transforms.json").write_text(json.dumps(transforms()))
    with pytest.raises(CameraFileError, match=r"eg3d and as transforms.*--format"):
        read_cameras(tmp_path, None, no_size)
    assert read_cameras(tmp_path, "transforms", no_size)[1] == "transforms"


def test_a_model_is_found_below_a_project_s_folder(tmp_path: Path) -> None:
    model = tmp_path / "sparse" / "0"
    model.mkdir(parents=True)
    (model / "cameras.txt").write_text(CAMERAS)
    (model / "images.txt").write_text("1 1 0 0 0 0 0 0 1 a.png\n\n")
    for source in (tmp_path, model, model / "images.txt"):
        assert read_cameras(source, None, no_size)[1] == "colmap"


def test_a_binary_model_is_refused_with_the_command_that_converts_it(tmp_path: Path) -> None:
    (tmp_path / "images.bin").write_bytes(b"")
    with pytest.raises(CameraFileError, match="model_converter"):
        read_cameras(tmp_path, None, no_size)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"[1, 2]"])
def test_files_that_are_no_camera_files_are_refused_by_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "cams.json").write_bytes(content)
    with pytest.raises(CameraFileError, match=r"cams\.json"):
        read_cameras(tmp_path / "cams.json", None, no_size)


def test_an_empty_folder_is_refused_with_what_is_wanted(tmp_path: Path) -> None:
    with pytest.raises(CameraFileError, match=r"transforms\.json"):
        read_cameras(tmp_path, None, no_size)


def test_pictures_are_found_by_stem_and_as_many_folders_as_agree(tmp_path: Path) -> None:
    for name in ("train/r_0.png", "test/r_0.png", "train/r_1.jpg", "frame_0.5.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    pictures = Pictures(open_store(tmp_path))
    assert pictures.find("./train/r_0") == "train/r_0.png"
    assert pictures.find("scene/test/r_0.jpg") == "test/r_0.png"
    assert pictures.find("r_1") == "train/r_1.jpg"
    assert pictures.find("images/frame_0.5") == "frame_0.5.png"
    assert pictures.find("r_2") is None
    with pytest.raises(CameraFileError, match="r_0"):
        pictures.find("other/r_0.png")
