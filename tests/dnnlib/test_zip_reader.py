# SPDX-License-Identifier: Apache-2.0
"""An archive is read as the standard library reads it, or is refused by name: never a crash, never a hang."""

import io
import os
import random
import struct
import time
import zipfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnnlib import zip_reader
from dnnlib.files import StoreError, ZipStore

FILES = {"a.txt": b"hello " * 50, "sub/é.bin": bytes(range(256)), "empty": b"", "z": b"\0" * 5000}


def build(files, method=zipfile.ZIP_STORED, comment=b"", file=None):
    """The bytes of an archive made by the standard library."""
    file = file or io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data, compress_type=method)
        archive.comment = comment
    return file.getvalue()


def read_all(path):
    with ZipStore(path) as store:
        return {name: store.read(name) for name in store.names()}


@pytest.fixture
def place(tmp_path):
    """Puts bytes into an archive file."""

    def put(content):
        path = tmp_path / "archive.zip"
        path.write_bytes(content)
        return path

    return put


def patched(content, old, new):
    assert content.count(old) >= 1
    assert len(old) == len(new)
    return content.replace(old, new)


# Archives that are right.


@given(
    files=st.dictionaries(st.from_regex(r"[a-zé]{1,5}(/[a-z]{1,5}){0,2}", fullmatch=True), st.binary(max_size=500)),
    method=st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]),
    comment=st.binary(max_size=300),
)
def test_any_archive_of_the_standard_library_is_read(place, files, method, comment):
    assert read_all(place(build(files, method, comment))) == files


def test_a_comment_that_looks_like_an_end_is_none(place):
    ending = build({})
    for comment in (ending[:-2], ending[:4] * 3, b"x" + ending[:10], b"y" * 65535):
        assert read_all(place(build(FILES, comment=comment))) == FILES


def test_folders_are_not_listed(place):
    assert read_all(place(build({"sub/": b"", "sub/a": b"1"}))) == {"sub/a": b"1"}


class _Unseekable(io.BytesIO):
    def seek(self, *_):
        raise OSError("a pipe cannot go back")

    def tell(self):
        raise OSError("a pipe knows no place")


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_an_archive_written_through_a_pipe_is_read(place, method):
    content = build(FILES, method, file=_Unseekable())
    assert b"PK\x07\x08" in content  # Sizes stand behind the content, not before it.
    assert read_all(place(content)) == FILES


@pytest.mark.parametrize("limit", [0, 100])
def test_an_archive_with_64_bit_numbers_is_read(place, monkeypatch, limit):
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", limit)
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 1)
    content = build(FILES)
    assert b"PK\x06\x06" in content
    assert read_all(place(content)) == FILES


def test_names_are_read_in_both_old_and_new_letters(place):
    for raw, name in (("é".encode("cp437"), "é"), ("é".encode(), "é"), ("é頭".encode(), "é頭")):
        stand_in = "x" * len(raw)
        assert read_all(place(patched(build({stand_in: b"1"}), stand_in.encode(), raw))) == {name: b"1"}


def test_an_archive_that_is_replaced_while_open_is_read_as_it_was(place, tmp_path):
    store = ZipStore(place(build(FILES)))
    other = tmp_path / "other"
    other.write_bytes(build({"other": b""}))
    os.replace(other, tmp_path / "archive.zip")
    assert {name: store.read(name) for name in store.names()} == FILES


# Archives that are wrong. The message names the archive, and the member where there is one.


def refuses(path, words, name=None):
    with pytest.raises(StoreError, match=words) as error:
        ZipStore(path).read(name)
    assert str(path) in str(error.value)
    assert name is None or repr(name) in str(error.value)


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "C:/x", "a//b", "./x", "a\\b", "../x/"])
def test_an_archive_with_an_unsafe_name_is_refused(place, name):
    stand_in = "x" * (len(name) - name.endswith("/")) + "/" * name.endswith("/")
    refuses(place(patched(build({stand_in: b""}), stand_in.encode(), name.encode())), "not a safe name")


def test_a_name_that_is_there_twice_is_refused_and_shown(place):
    refuses(place(patched(build({"one": b"1", "two": b"2"}), b"two", b"one")), "two files named 'one'")


def test_a_changed_byte_is_noticed_by_the_checksum(place):
    path = place(patched(build({"a": b"0123456789"}), b"0123456789", b"0123456788"))
    refuses(path, r"damaged: checksum [0-9a-f]{8} instead of [0-9a-f]{8}", "a")


def test_an_encrypted_member_is_refused(place):
    content = bytearray(build({"a": b"1"}))
    content[content.index(b"PK\x01\x02") + 8] |= 1
    refuses(place(content), "is encrypted", "a")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_an_unusual_compression_is_refused_with_a_way_out(place, method):
    refuses(place(build({"a": b"1" * 100}, method)), f"compressed by method {method}; pack it again with zip -0", "a")


def test_more_content_than_declared_is_not_decompressed(place):
    bomb, innocent = b"\0" * 50_000_000, 1000
    content = build({"a": bomb}, zipfile.ZIP_DEFLATED)
    content = patched(content, struct.pack("<L", len(bomb)), struct.pack("<L", innocent))
    took_s = []
    for _ in range(3):
        start_s = time.process_time()
        refuses(place(content), f"decompresses to more than the declared {innocent} bytes", "a")
        took_s.append(time.process_time() - start_s)
    assert min(took_s) < 0.05  # The whole would take several times that.


def test_a_member_that_declares_too_much_is_refused_unread(place, monkeypatch):
    monkeypatch.setattr(zip_reader, "MAX_MEMBER_BYTES", 100)
    path = place(build({"big": b"1" * 101, "small": b"1" * 100}))
    refuses(path, "declares 101 bytes, more than the 100", "big")
    assert ZipStore(path).read("small") == b"1" * 100


def test_a_directory_that_points_elsewhere_is_noticed(place):
    content = build({"first": b"1", "other": b"2"})
    at = content.rindex(b"PK\x01\x02")
    offset = struct.unpack_from("<L", content, at + 42)[0]
    for wrong in (0, offset + 1, len(content) - 1, 2**31, 2**32 - 1):
        damaged = bytearray(content)
        struct.pack_into("<L", damaged, at + 42, wrong)
        refuses(place(damaged), "damaged", "other")


def test_a_wrong_size_is_noticed(place):
    content = build({"a": b"12345678"})
    at = content.index(b"PK\x01\x02")
    for field in (20, 24):
        for wrong in (0, 7, 9, 2**31, 2**32 - 1):
            damaged = bytearray(content)
            struct.pack_into("<L", damaged, at + field, wrong)
            refuses(place(damaged), "damaged", "a")


def test_a_wrong_number_of_entries_is_noticed(place):
    content = bytearray(build(FILES))
    struct.pack_into("<2H", content, content.rindex(b"PK\x05\x06") + 8, 5, 5)
    refuses(place(content), "has 4 entries and should have 5")


def test_an_entry_that_reaches_beyond_the_directory_is_noticed(place):
    content = build(FILES)
    at = content.rindex(b"PK\x01\x02")
    for field in (28, 30, 32):
        damaged = bytearray(content)
        struct.pack_into("<H", damaged, at + field, 1000)
        refuses(place(damaged), "entry 3 of its directory is damaged")


def test_a_64_bit_end_record_that_is_elsewhere_is_noticed(place, monkeypatch):
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 1)
    content = build(FILES)
    at = content.index(b"PK\x06\x07")
    for wrong in (0, len(content) - 20, 2**63):
        damaged = bytearray(content)
        struct.pack_into("<Q", damaged, at + 8, wrong)
        refuses(place(damaged), "64-bit end record is not where it should be")


def test_one_part_of_several_is_refused(place):
    content = bytearray(build(FILES))
    content[content.rindex(b"PK\x05\x06") + 4] = 1
    refuses(place(content), "several parts")


@pytest.mark.parametrize("content", [b"PK", b"PK\x05\x06" * 20_000])
def test_what_only_begins_like_an_archive_is_refused(place, content):
    refuses(place(content), "is not a readable zip archive: it does not end like one")


@pytest.mark.parametrize("content", [b"", b"x" * 100_000, b"\x89PNG" * 1000])
def test_files_of_another_kind_are_refused(place, content):
    refuses(place(content), "is not a readable zip archive: it is a file of another kind")


def test_bytes_added_or_missing_at_the_front_or_back_are_noticed(place):
    content = build(FILES)
    for wrong in (b"x" + content, content[1:], content + b"x", content[:-1], content[: len(content) // 2]):
        refuses(place(wrong), "not a readable zip archive: (bytes are missing|it does not end like one)")


def test_an_archive_cut_while_open_is_noticed(place):
    path = place(build(FILES))
    store = ZipStore(path)
    with open(path, "r+b") as file:
        file.truncate(10)
    with pytest.raises(StoreError, match="has become shorter"):
        store.read("z")


variants = pytest.mark.parametrize(
    "content",
    [build(FILES), build(FILES, zipfile.ZIP_DEFLATED, b"a comment"), build(FILES, file=_Unseekable())],
    ids=["stored", "deflated", "piped"],
)


@variants
def test_every_truncation_is_refused_with_the_name_of_the_archive(place, content):
    lengths = sorted(random.Random(0).sample(range(len(content)), 300)) + list(range(len(content) - 300, len(content)))
    for length in lengths:
        refuses(place(content[:length]), "archive.zip is not a readable zip archive")


@variants
def test_any_damage_is_refused_or_does_no_harm(place, content):
    """Whatever bytes change, what is returned is right by its checksum, and everything else is a StoreError."""
    rng = random.Random(1)
    checksums = {zlib.crc32(data) for data in FILES.values()}
    num_refused = 0
    for _ in range(700):
        damaged = bytearray(content)
        # Half of the damage goes to the directory, where it is more interesting.
        first = content.index(b"PK\x01\x02") if rng.random() < 0.5 else 0
        for _ in range(rng.choice([1, 1, 2, 8])):
            damaged[rng.randrange(first, len(damaged))] = rng.choice([0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)])
        path = place(damaged)
        try:
            contents = read_all(path)
        except StoreError as error:
            assert str(path) in str(error)  # noqa: PT017 - both outcomes are right
            num_refused += 1
        else:
            assert all(zlib.crc32(data) in checksums for data in contents.values())
    assert num_refused > 200


@given(st.binary(max_size=300))
def test_any_bytes_before_an_end_record_are_refused_or_read(place, junk):
    end = build({})[:-2]
    for size in (len(junk), 0, 46):
        content = junk + end[:12] + struct.pack("<2LH", size, max(0, len(junk) - size), 0)
        try:
            read_all(place(content))
        except StoreError as error:
            assert "archive.zip" in str(error)  # noqa: PT017 - both outcomes are right


# Scale.


def test_the_time_to_open_grows_with_the_number_of_members_and_no_faster(tmp_path):
    def seconds(count):
        path = Path(tmp_path / f"{count}.zip")
        with zipfile.ZipFile(path, "w") as archive:
            for i in range(count):
                archive.writestr(zipfile.ZipInfo(f"{i // 1000:05d}/img{i:08d}.png"), b"")
        times = []
        for _ in range(3):
            start = time.process_time()
            with ZipStore(path) as store:
                assert len(store.names()) == count
            times.append(time.process_time() - start)
        return min(times)

    assert seconds(40_000) < 10 * seconds(10_000)  # 4 when linear, 16 when quadratic.


@pytest.mark.slow
def test_a_million_members_are_written_opened_and_read(tmp_path):
    with ZipStore(tmp_path / "big.zip", "w") as store:
        for i in range(1_000_000):
            store.write(f"{i // 1000:05d}/img{i:08d}.png", b"%d" % i)
    start = time.process_time()
    store = ZipStore(tmp_path / "big.zip")
    assert time.process_time() - start < 10
    names = store.names()
    assert len(names) == 1_000_000
    assert all(store.read(names[i]) == b"%d" % i for i in range(0, 1_000_000, 997))
