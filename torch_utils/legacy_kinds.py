# SPDX-License-Identifier: Apache-2.0
"""What a file that is no pickle seems to be, told from its first bytes, and what to do with it."""

NUM_BYTES = 512

_STARTS = {
    b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19": "tensors saved by torch.save in its old format: open it with "
    "torch.load(path, weights_only=True)",
    b"PK": "a zip archive: if torch.save wrote it, open it with torch.load(path, weights_only=True); if it is a "
    "download, unpack it",
    b"version https://git-lfs": "a git-lfs pointer, not the file it points to: run `git lfs pull`",
    b"\x1f\x8b": "compressed with gzip: unpack it with gunzip",
    b"\x93NUMPY": "a NumPy array",
    b"\x89HDF": "an HDF5 file",
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
}


def what_it_is(head: bytes) -> str | None:
    """A sentence without its subject about a file that starts with these bytes, or None if it may be a pickle."""
    if not head:
        return "it is empty: download it again"
    for start, description in _STARTS.items():
        if head.startswith(start):
            return f"it is {description}"
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "it is a web page, not the file it offers: download the file itself, and compare its size"
    header_bytes = int.from_bytes(head[:8], "little")
    if head[8:9] == b"{" and 2 <= header_bytes <= 100 * 2**20:
        return "it is a safetensors file, which `load_generator` takes as it is"
    if head[:1] != b"\x80":
        return "it is no pickle of protocol 2 to 5, as published snapshots are"
    return None
