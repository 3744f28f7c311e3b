# SPDX-License-Identifier: Apache-2.0
"""A folder and a zip archive of the same files are the same store, and neither can be talked into anything unsafe."""

import multiprocessing
import os
import pickle
import string
import threading
import unicodedata
import zipfile
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dnnlib.atomic import atomic_write
from dnnlib.files import FolderStore, StoreError, ZipStore, open_store

FILES = {
    "dataset.json": b"{}",
    "00000/img00000000.png": bytes(range(256)),
    "00000/img00000001.png": b"",
    "deep/er/ünïcödé 头.png": b"x" * 100_000,
}
UNSAFE_NAMES = [
    *("", "/", "/etc/passwd", "..", "../x", "a/../x", "a/..", ".", "./a", "a/./b", "a//b", "a/"),
    *("C:x", "c:/x", "a\\b", "..\\x", "\\\\host\\x", "a\0b", "\0"),
]
KINDS = ["folder", "archive.zip"]

needs_links = pytest.mark.skipif(os.name == "nt", reason="links need a privilege on Windows")


def write_all(path, files):
    with open_store(path, "w") as store:
        for name, data in files.items():
            store.write(name, data)


@pytest.fixture(params=KINDS)
def path(request, tmp_path):
    """A folder or an archive that holds FILES."""
    write_all(tmp_path / request.param, FILES)
    return tmp_path / request.param


def test_what_was_written_is_read(path):
    with open_store(path) as store:
        assert store.names() == sorted(FILES)
        assert {name: store.read(name) for name in store.names()} == FILES
        assert all(name in store for name in FILES)
        assert "00000" not in store
        assert "missing" not in store
        assert "../x" not in store


def test_a_path_picks_its_kind(tmp_path):
    for kind, cls in zip(KINDS, (FolderStore, ZipStore), strict=True):
        write_all(tmp_path / kind, {"a": b"1"})
        assert type(open_store(str(tmp_path / kind))) is cls
    (tmp_path / "archive.zip").rename(tmp_path / "archive")
    assert open_store(tmp_path / "archive").read("a") == b"1"
    with pytest.raises(StoreError, match=r"name a folder, or an archive that ends in \.zip"):
        open_store(tmp_path / "a.tar", "w")
    with pytest.raises(ValueError, match="mode 'a' is not one of"):
        open_store(tmp_path / "folder", "a")


def test_a_missing_path_suggests_its_neighbour(path):
    with pytest.raises(StoreError, match=f"did you mean .*{path.name}"):
        open_store(path.with_name("x" + path.name))
    with pytest.raises(StoreError, match="no such folder or zip archive"):
        open_store(path.parent / "nowhere" / "x")


@pytest.mark.parametrize("name", UNSAFE_NAMES)
def test_an_unsafe_name_is_refused(path, tmp_path, name):
    with open_store(path) as store, pytest.raises(StoreError, match="not a safe name"):
        store.read(name)
    for kind in KINDS:
        with open_store(tmp_path / "new" / kind, "w") as store, pytest.raises(StoreError, match="not a safe name"):
            store.write(name, b"")


@pytest.mark.parametrize("name", ["...", "..a", "a..", ".hidden", "ab:c", " ", "a\nb", "-", "~", "é"])
def test_an_odd_but_safe_name_is_kept(tmp_path, name):
    for kind in KINDS:
        write_all(tmp_path / kind, {name: b"1", f"f/{name}/{name}": b"2"})
        assert open_store(tmp_path / kind).names() == sorted([name, f"f/{name}/{name}"])


names = st.lists(st.text(string.ascii_letters + "é._- 头", min_size=1, max_size=6), min_size=1, max_size=3)
trees = st.dictionaries(names.map("/".join), st.binary(max_size=200), max_size=8)


@given(files=trees)
@settings(max_examples=60)
def test_a_folder_and_an_archive_agree(tmp_path_factory, files):
    """Both take a set of files and give it back, or both refuse a name. A file that is a folder too is left out."""
    folders = {name[:at] for name in files for at, letter in enumerate(name) if letter == "/"}
    files = {name: data for name, data in files.items() if name not in folders}
    root = tmp_path_factory.mktemp("agree")
    results = []
    for kind in KINDS:
        try:
            write_all(root / kind, files)
            with open_store(root / kind) as store:
                results.append({name: store.read(name) for name in store.names()})
        except StoreError:
            results.append("refused")
    assert results[0] == results[1]
    assert results[0] in (files, "refused")


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_name_can_be_written_once(tmp_path, kind, overwrite):
    with open_store(tmp_path / kind, "w", overwrite) as store:
        store.write("a", b"1")
        with pytest.raises(StoreError, match="'a' was written before"):
            store.write("a", b"2")
    assert open_store(tmp_path / kind).read("a") == b"1"


def test_existing_work_is_overwritten_only_on_request(path):
    with pytest.raises(StoreError, match="ask to overwrite"):
        open_store(path, "w")
    with open_store(path, "w", overwrite=True) as store:
        store.write("dataset.json", b"new")
    assert open_store(path).read("dataset.json") == b"new"


def test_reading_and_writing_do_not_mix(path, tmp_path):
    with open_store(path) as store, pytest.raises(StoreError, match="opened with mode 'r'"):
        store.write("a", b"")
    with open_store(tmp_path / "new" / path.name, "w") as store:
        for action in (store.names, lambda: store.read("a"), lambda: "a" in store):
            with pytest.raises(StoreError, match="opened with mode 'w'"):
                action()
        with pytest.raises(TypeError, match="is being written"):
            pickle.dumps(store)


@pytest.mark.parametrize("data", ["text", 5, None, ["a"]])
@pytest.mark.parametrize("kind", KINDS)
def test_only_bytes_are_content(tmp_path, kind, data):
    with open_store(tmp_path / kind, "w") as store:
        with pytest.raises(TypeError):
            store.write("a", data)
        store.write("b", bytearray(b"1"))
    assert open_store(tmp_path / kind).names() == ["b"]


# Names that differ only for a computer.


def test_a_name_that_differs_in_case_or_normalisation_is_explained(path):
    store = open_store(path)
    composed = "deep/er/ünïcödé 头.png"
    decomposed = unicodedata.normalize("NFD", composed)
    with pytest.raises(StoreError, match="differs in the Unicode normalisation") as error:
        store.read(decomposed)
    assert composed in str(error.value)
    assert "u\\u0308" in ascii(decomposed)
    assert "\\xfc" in str(error.value)
    with pytest.raises(StoreError, match=r"'dataset\.json'.* differs in upper and lower case"):
        store.read("Dataset.JSON")
    with pytest.raises(StoreError, match=r"no file 'x'; it holds 4 files, such as"):
        store.read("x")


@pytest.mark.parametrize("kind", KINDS)
def test_two_normalisations_of_a_name_are_two_files(tmp_path, kind):
    files = {unicodedata.normalize(form, "é.png"): form.encode() for form in ("NFC", "NFD")}
    write_all(tmp_path / kind, files)
    store = open_store(tmp_path / kind)
    assert {name: store.read(name) for name in store.names()} == files


def test_a_folder_keeps_a_name_that_is_no_text_and_an_archive_refuses_it(tmp_path):
    (tmp_path / "folder").mkdir()
    try:
        (tmp_path / "folder" / os.fsdecode(b"\xff.png")).write_bytes(b"1")
    except OSError:
        pytest.skip("this file system takes only text as names")
    store = open_store(tmp_path / "folder")
    (name,) = store.names()
    assert store.read(name) == b"1"
    with open_store(tmp_path / "a.zip", "w") as archive, pytest.raises(StoreError, match="rename the file"):
        archive.write(name, b"1")


# Threads and processes.


def test_threads_read_the_same_store_at_once(path):
    with open_store(path) as store, ThreadPoolExecutor(8) as pool:
        wanted = sorted(FILES) * 200
        assert list(pool.map(store.read, wanted)) == [FILES[name] for name in wanted]


def _read_often(store, results):
    results.put(all(store.read(name) == FILES[name] for name in sorted(FILES) * 100))


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_workers_read_the_same_store_at_once(path, method):
    context = multiprocessing.get_context(method)
    results = context.Queue()
    with open_store(path) as store:
        workers = [context.Process(target=_read_often, args=(store, results)) for _ in range(3)]
        for worker in workers:
            worker.start()
        _read_often(store, results)
        assert [results.get(timeout=60) for _ in range(4)] == [True] * 4
        for worker in workers:
            worker.join()


def test_a_pickled_store_opens_itself_again_from_elsewhere(path, monkeypatch):
    monkeypatch.chdir(path.parent)
    data = pickle.dumps(open_store(path.name))
    monkeypatch.chdir("/")
    assert pickle.loads(data).names() == sorted(FILES)
    assert len(data) < 1000


def test_threads_write_one_archive(tmp_path):
    files = {f"{i}.png": os.urandom(1000) for i in range(200)}
    with open_store(tmp_path / "a.zip", "w") as store, ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda item: store.write(*item), files.items()))
    store = open_store(tmp_path / "a.zip")
    assert {name: store.read(name) for name in store.names()} == files


# Folders.


@needs_links
def test_a_link_out_of_the_folder_is_refused(tmp_path):
    (tmp_path / "secret").write_bytes(b"s")
    (tmp_path / "outside").mkdir()
    write_all(tmp_path / "folder", {"a": b"1"})
    (tmp_path / "folder" / "file").symlink_to("../secret")
    (tmp_path / "folder" / "sub").symlink_to("../outside")
    for name in ("file", "sub/x"):
        with pytest.raises(StoreError, match="link out of the folder"):
            open_store(tmp_path / "folder").read(name)
    with pytest.raises(StoreError, match="link out of the folder"):
        open_store(tmp_path / "folder", "w", overwrite=True).write("sub/x", b"")
    assert os.listdir(tmp_path / "outside") == []


@needs_links
def test_a_listing_names_a_link_that_cannot_be_followed(tmp_path):
    for target, message in (("..", "is a link to a folder"), (".", "is a link to a folder"), ("x", "link to nothing")):
        folder = tmp_path / f"to{target}"
        write_all(folder, {"a": b"1"})
        (folder / "link").symlink_to(target)
        with pytest.raises(StoreError, match=message):
            open_store(folder).names()


@needs_links
def test_links_that_stay_inside_and_a_linked_folder_itself_are_followed(tmp_path):
    write_all(tmp_path / "folder", {"sub/a": b"1"})
    (tmp_path / "folder" / "b").symlink_to("sub/a")
    (tmp_path / "link").symlink_to("folder")
    store = open_store(tmp_path / "link")
    assert store.names() == ["b", "sub/a"]
    assert store.read("b") == b"1"


@needs_links
def test_a_pipe_is_no_file_and_is_not_waited_for(tmp_path):
    write_all(tmp_path / "folder", {"a": b"1"})
    os.mkfifo(tmp_path / "folder" / "pipe")
    store = open_store(tmp_path / "folder")
    assert store.names() == ["a"]
    with pytest.raises(StoreError, match="no file 'pipe'"):
        store.read("pipe")


@pytest.mark.parametrize("name", ["img.png", "x" * 255, ".hidden\nfile"])
def test_a_file_that_a_killed_writer_left_unfinished_is_not_listed(tmp_path, name):
    (tmp_path / ".mine.tmp").write_bytes(b"whole")
    with atomic_write(tmp_path / name) as file:
        file.write(b"half")
        assert len(os.listdir(tmp_path)) == 2
        assert FolderStore(tmp_path).names() == [".mine.tmp"]
    assert FolderStore(tmp_path).names() == sorted([".mine.tmp", name])


def test_one_name_cannot_be_a_file_and_a_folder(tmp_path):
    with open_store(tmp_path / "folder", "w") as store:
        store.write("a", b"")
        with pytest.raises(StoreError, match="both a file and a folder"):
            store.write("a/b", b"")


# Archives in the making.


def test_an_archive_appears_only_when_it_is_complete(tmp_path):
    path = tmp_path / "a.zip"
    with open_store(path, "w") as store:
        store.write("a", b"1")
        assert not path.exists()
    assert os.listdir(tmp_path) == ["a.zip"]


def test_a_failure_leaves_the_old_archive_and_nothing_else(tmp_path):
    write_all(tmp_path / "a.zip", {"a": b"old"})

    def fail():
        with open_store(tmp_path / "a.zip", "w", overwrite=True) as store:
            store.write("a", b"new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert os.listdir(tmp_path) == ["a.zip"]
    assert open_store(tmp_path / "a.zip").read("a") == b"old"


@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
def test_a_forgotten_archive_vanishes_quietly(tmp_path):
    store = open_store(tmp_path / "a.zip", "w")
    store.write("a", b"1")
    del store
    assert os.listdir(tmp_path) == []


def test_an_archive_with_a_failed_member_is_not_made(tmp_path, monkeypatch):
    store = open_store(tmp_path / "a.zip", "w")
    store.write("a", b"1")

    def full_disk(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(zipfile.ZipFile, "writestr", full_disk)
        with pytest.raises(OSError, match="No space"):
            store.write("b", b"2")
    with pytest.raises(StoreError, match="was not made"):
        store.close()
    assert os.listdir(tmp_path) == []


def test_an_archive_made_meanwhile_by_somebody_else_is_not_overwritten(tmp_path):
    store = open_store(tmp_path / "a.zip", "w")
    write_all(tmp_path / "a.zip", {"theirs": b"1"})
    with pytest.raises(StoreError, match="exists already"):
        store.close()
    assert open_store(tmp_path / "a.zip").names() == ["theirs"]
    assert os.listdir(tmp_path) == ["a.zip"]


def test_the_same_files_give_the_same_archive(tmp_path, monkeypatch):
    for name, now in (("a.zip", 1e9), ("b.zip", 1.5e9)):
        monkeypatch.setattr("time.time", lambda now=now: now)
        write_all(tmp_path / name, FILES)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_other_programs_read_our_archive(tmp_path):
    write_all(tmp_path / "a.zip", FILES)
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == FILES
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_a_store_may_be_closed_twice_and_not_used_afterwards(path, tmp_path):
    for store in (open_store(path), open_store(tmp_path / "new" / path.name, "w")):
        store.close()
        store.close()
    if path.suffix:
        reader, writer = open_store(path), open_store(tmp_path / "b.zip", "w")
        reader.close()
        writer.close()
        for action in (lambda: reader.read("dataset.json"), lambda: writer.write("a", b"")):
            with pytest.raises(StoreError, match="is closed"):
                action()


def test_closing_in_one_thread_while_others_read_is_an_error_and_no_crash(tmp_path):
    write_all(tmp_path / "a.zip", FILES)
    store = open_store(tmp_path / "a.zip")
    outcomes = []

    def read():
        try:
            while True:
                store.read("deep/er/ünïcödé 头.png")
        except (ValueError, OSError) as error:  # The second when the file closes in the middle of a read.
            outcomes.append(error)

    readers = [threading.Thread(target=read, daemon=True) for _ in range(4)]
    for reader in readers:
        reader.start()
    store.close()
    for reader in readers:
        reader.join(10)
    assert len(outcomes) == 4
