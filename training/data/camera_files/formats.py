# SPDX-License-Identifier: Apache-2.0
"""Which format a camera file or folder has, and reading and writing it."""

import json
from pathlib import Path
from typing import Any, Literal

import numpy as np

from dnnlib.files import Store, open_store
from training.data.camera_files.camera_set import CameraFileError, CameraSet, SizeOf
from training.data.camera_files.colmap import read_colmap, write_colmap
from training.data.camera_files.eg3d import read_eg3d, write_eg3d
from training.data.camera_files.transforms import read_transforms, write_transforms

Format = Literal["eg3d", "transforms", "colmap"]
FORMATS: tuple[Format, ...] = ("eg3d", "transforms", "colmap")

_COLMAP_FOLDERS = ("", "sparse/0/", "sparse/", "colmap/sparse/0/", "text/")
_KNOWN = "dataset.json, cameras.json, transforms.json, or cameras.txt and images.txt"


def read_cameras(source: Path, wanted: Format | None, size_of: SizeOf) -> tuple[CameraSet, Format]:
    """Cameras of a file, or of a folder or zip with one in it, and the format they were in."""
    if source.is_file() and source.suffix.lower() == ".json":
        return _read_json(source.read_bytes(), str(source), wanted, size_of)
    if source.is_file() and source.suffix.lower() == ".txt":
        source = source.parent
    with open_store(source) as store:
        formats = {wanted} if wanted else _formats_in(store)
        if len(formats) > 1:
            raise CameraFileError(
                f"{source}: has cameras as {' and as '.join(sorted(formats))}; choose one with --format, or name the "
                "file itself"
            )
        if formats == {"colmap"}:
            return _read_colmap(store), "colmap"
        names = _json_names(store, wanted)
        if not names:
            raise CameraFileError(f"{source}: has no camera file in it; wanted is {_KNOWN}")
        if len(names) > 1 and names[0] != "dataset.json":
            raise CameraFileError(f"{source}: has {' and '.join(names)}; name one of them, they cannot be joined")
        cameras, form = _read_json(store.read(names[0]), f"{source}/{names[0]}", wanted, size_of)
        if len(names) > 1:
            cameras = cameras.noted(_comparison(store, names[1], cameras, size_of))
        return cameras, form


def write_cameras(cameras: CameraSet, form: Format, out: Path) -> dict[Path, bytes]:
    """The files of a format, by path. `out` is a JSON file, or COLMAP's folder."""
    if form == "colmap":
        return {out / name: data for name, data in write_colmap(cameras).items()}
    return {out: write_eg3d(cameras) if form == "eg3d" else write_transforms(cameras)}


def _formats_in(store: Store) -> set[Format]:
    found: set[Format] = set()
    if _json_names(store, "eg3d"):
        found.add("eg3d")
    if _json_names(store, "transforms"):
        found.add("transforms")
    if any(f"{folder}images.txt" in store or f"{folder}images.bin" in store for folder in _COLMAP_FOLDERS):
        found.add("colmap")
    return found


def _json_names(store: Store, wanted: Format | None) -> list[str]:
    """The camera files that are JSON, the likeliest first."""
    eg3d = [name for name in ("dataset.json", "cameras.json") if name in store]
    transforms = ["transforms.json"] if "transforms.json" in store else []
    transforms = transforms or [
        name for name in (f"transforms_{part}.json" for part in ("train", "val", "test")) if name in store
    ]
    return {"eg3d": eg3d, "transforms": transforms, "colmap": [], None: eg3d + transforms}[wanted]


def _read_json(data: bytes, file: str, wanted: Format | None, size_of: SizeOf) -> tuple[CameraSet, Format]:
    parsed = parse_json(data, file)
    has_frames = isinstance(parsed, dict) and isinstance(parsed.get("frames"), list)
    form: Format = wanted or ("transforms" if has_frames else "eg3d")
    if form == "colmap":
        raise CameraFileError(f"{file}: is JSON; a COLMAP model is a folder with cameras.txt and images.txt")
    return (read_transforms if form == "transforms" else read_eg3d)(parsed, file, size_of), form


def parse_json(data: bytes, file: str) -> Any:
    """JSON, or an error that says which file and where."""
    try:
        return json.loads(data.decode("utf-8-sig"), parse_int=float)
    except UnicodeDecodeError:
        raise CameraFileError(f"{file}: is not text in UTF-8; write it again") from None
    except RecursionError:
        raise CameraFileError(f"{file}: is nested too deeply for a camera file; write it again") from None
    except ValueError as error:
        raise CameraFileError(f"{file}: is not valid JSON ({str(error)[:100]}); write it again") from None


def _read_colmap(store: Store) -> CameraSet:
    for folder in _COLMAP_FOLDERS:
        if f"{folder}cameras.txt" in store and f"{folder}images.txt" in store:
            where = f"{store.path}/{folder}".rstrip("/")
            return read_colmap(*(_text(store, f"{folder}{name}") for name in ("cameras.txt", "images.txt")), where)
        if f"{folder}images.bin" in store:
            path = f"{store.path}/{folder}".rstrip("/")
            raise CameraFileError(
                f"{path}: is a binary model; run `colmap model_converter --input_path {path} --output_path {path} "
                "--output_type TXT` first"
            )
    raise CameraFileError(f"{store.path}: has no cameras.txt and images.txt; name the folder of a COLMAP text model")


def _text(store: Store, name: str) -> str:
    try:
        return store.read(name).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise CameraFileError(f"{store.path}/{name}: is not text in UTF-8; export the model again") from None


def _comparison(store: Store, other: str, cameras: CameraSet, size_of: SizeOf) -> str:
    """What to say of a second file beside dataset.json. EG3D's preprocessing leaves cameras.json there."""
    said = f"{store.path}: has {other} as well; dataset.json was taken, which belongs to the pictures"
    try:
        second, _ = _read_json(store.read(other), other, None, size_of)
    except CameraFileError:
        return said
    rows = dict(zip(second.names, second.labels, strict=True))
    pairs = [(rows[n], label) for n, label in zip(cameras.names, cameras.labels, strict=True) if n in rows]
    if not pairs:
        return f"{said}. The two name different pictures"
    largest = max(float(np.abs(a - b).max()) for a, b in pairs)
    return f"{said}. The two agree" if largest < 1e-5 else f"{said}. The two differ by up to {largest:.3g}"
