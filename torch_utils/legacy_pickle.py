# SPDX-License-Identifier: Apache-2.0
"""Published `.pkl` snapshots, read without running anything they contain.

    snapshot = read("network.pkl")  # {"G": Record, "D": Record, "G_ema": Record, ...}; any may be None or absent
    weights = tensors(snapshot["G_ema"])  # names as in a state dict
    options = snapshot["G_ema"].init_kwargs

Such a file asks its reader to import modules, to call functions and to execute source text it brings along. This
reader has a machine of its own (`legacy_machine`) and one closed list of names, below. Everything else is refused.
Source text is never decoded where it is long, never executed, and dropped.
"""

import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from torch_utils.legacy_bytes import Cursor, LegacyPickleError, Limits, Span
from torch_utils.legacy_kinds import NUM_BYTES, what_it_is
from torch_utils.legacy_machine import Machine, Vocabulary, checked_keys, expect
from torch_utils.legacy_numpy import Array, NumberType, read_scalar
from torch_utils.legacy_records import Record, check_tree, tensors
from torch_utils.legacy_storage import read_storage, rebuild_parameter, rebuild_tensor

__all__ = ["Array", "LegacyPickleError", "Record", "read", "read_plain", "tensors"]

PERSISTENT_VERSION = 6
PLAIN_CLASSES = (
    "torch.nn.modules.activation.Softplus",
    "torch.nn.modules.container.Sequential",
    "training.triplane.OSGDecoder",
    "training.volumetric_rendering.ray_marcher.MipRayMarcher2",
    "training.volumetric_rendering.ray_sampler.RaySampler",
    "training.volumetric_rendering.renderer.ImportanceRenderer",
)


def read(path: str | Path, look_for: tuple[str, ...] = ()) -> Any:
    """What a snapshot holds: plain values, tensors on the CPU, and records of its modules.

    A record tells which words of `look_for` stand in the source text that came with its object.
    """
    path = Path(path)
    with path.open("rb") as file:
        num_bytes = os.fstat(file.fileno()).st_size
        cursor = Cursor(Span(file, 0, num_bytes))
        try:
            if (other := what_it_is(file.read(min(NUM_BYTES, num_bytes)))) is not None:
                raise LegacyPickleError(other)
            limits = Limits.of_file(num_bytes)
            value = Machine(cursor, vocabulary(limits, look_for), limits).run()
            if cursor.remaining:
                raise LegacyPickleError(f"{cursor.remaining} bytes follow its end")
            check_tree(value)
        except LegacyPickleError as error:
            raise LegacyPickleError(f"{path} is not read: {error} [at byte {cursor.position}]") from None
    return value


def read_plain(path: str | Path) -> Any:
    """Tensors, numbers, texts and containers of them, as torch.save writes them; PyTorch refuses anything else."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            other = what_it_is(file.read(NUM_BYTES))
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
                    raise LegacyPickleError(
                        "it is compressed, which torch.save does not do, and may unpack to any size"
                    )
        return torch.load(path, map_location="cpu", weights_only=True)
    except LegacyPickleError as error:
        reason = str(error)
    except pickle.UnpicklingError:  # PyTorch's own words go on to advise how to run the file.
        reason = other or "it holds more than tensors, numbers and texts; nothing of it was run"
    except Exception as error:  # PyTorch raises what it meets, of a dozen kinds; nothing of the file has run.
        reason = other or str(error).partition("\n")[0] or type(error).__name__
    raise LegacyPickleError(f"{path} is not read as plain tensors: {reason}")


def vocabulary(limits: Limits, look_for: tuple[str, ...] = ()) -> Vocabulary:
    """The names that snapshots use, and what stands in for each."""
    words_of: dict[int, frozenset[str]] = {}  # By place in the file: modules of one class share their text.

    def persistent(arguments: tuple) -> Record:
        return persistent_record(arguments, lambda source: words_in(source, look_for, words_of, limits))

    def storage(arguments: tuple) -> Any:
        return read_storage(arguments, limits)

    def encoded(arguments: tuple) -> bytes:
        return encode_latin1(arguments, limits)

    def array(arguments: tuple) -> Array:
        return Array(arguments, limits)

    calls = {
        "torch_utils.persistence._reconstruct_persistent_obj": persistent,
        "torch._utils._rebuild_tensor_v2": rebuild_tensor,
        "torch._utils._rebuild_parameter": rebuild_parameter,
        "torch.storage._load_from_bytes": storage,
        "collections.OrderedDict": empty_dict,
        "numpy.dtype": NumberType,
        "_codecs.encode": encoded,
    }
    calls |= {f"{builtins}.set": set_of_list for builtins in ("builtins", "__builtin__")}  # protocols 3 and 2
    for core in ("numpy.core", "numpy._core"):  # NumPy 1 and 2
        calls |= {f"{core}.multiarray.scalar": read_scalar, f"{core}.multiarray._reconstruct": array}
    classes = {name: lambda name=name: Record(name) for name in PLAIN_CLASSES} | {"dnnlib.util.EasyDict": dict}
    return Vocabulary(calls, classes, mentions=frozenset({"numpy.ndarray"}))


def persistent_record(arguments: tuple, words: Callable[[Any], frozenset[str]]) -> Record:
    """The record of an object that came with its source, which is dropped but for the words that were asked for."""
    (meta,) = expect("a persistent object", arguments, dict)
    fields = tuple(meta.get(name) for name in ("type", "version", "class_name", "state"))
    kind_of_object, version, class_name, state = expect("a persistent object", fields, str, int, str, dict)
    if kind_of_object != "class" or version != PERSISTENT_VERSION:
        raise LegacyPickleError(f"a persistent object has version {version}; published ones are {PERSISTENT_VERSION}")
    return Record(class_name, state, words(meta.get("module_src")))


def words_in(
    source: Any, look_for: tuple[str, ...], known: dict[int, frozenset[str]], limits: Limits
) -> frozenset[str]:
    """Those of `look_for` that stand in a source text, which is only searched."""
    if not look_for or not isinstance(source, str | Span):
        return frozenset()
    if isinstance(source, str):
        return frozenset(word for word in look_for if word in source)
    if source.start not in known:
        limits.spend_copy(source.size)
        text = source.read()
        known[source.start] = frozenset(word for word in look_for if word.encode() in text)
    return known[source.start]


def empty_dict(arguments: tuple) -> dict[Any, Any]:
    """An ordered dictionary, which is filled later; dictionaries keep their order."""
    expect("a dictionary", arguments)
    return {}


def set_of_list(arguments: tuple) -> set[Any]:
    """A set, as protocols before 4 write it."""
    (items,) = expect("a set", arguments, list)
    return set(checked_keys(items))


def encode_latin1(arguments: tuple, limits: Limits) -> bytes:
    """Bytes that protocol 2 wrote as text."""
    text, encoding = expect("encoded bytes", arguments, (str, Span), str)
    if encoding != "latin1" or (isinstance(text, Span) and not text.is_text):
        raise LegacyPickleError("it encodes text in a way that no published snapshot does")
    limits.spend_copy(text.size if isinstance(text, Span) else len(text))
    try:
        return (text.read().decode() if isinstance(text, Span) else text).encode("latin1")
    except UnicodeError:
        raise LegacyPickleError("bytes in it, written as text, are damaged") from None
