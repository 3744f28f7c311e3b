# SPDX-License-Identifier: Apache-2.0
"""A page in headless Chromium: whether all that it shows has loaded, and what it looks like."""

import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import unquote

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

# Added to a copy of the page, which itself runs no script. Tells of each picture and film whether it can be seen, and
# whether the page is wider than the window.
_PROBE = """<script>
addEventListener("load", async () => {
  const shown = element => element.tagName == "IMG" ? element.naturalWidth > 0 : element.videoWidth > 0;
  const seen = [...document.querySelectorAll("img, video")];
  for (let i = 0; i < 100 && !seen.every(shown); i++) await new Promise(done => setTimeout(done, 100));
  const found = Object.fromEntries(seen.map(e => [e.currentSrc || e.src, shown(e)]));
  const root = document.documentElement, sideways = root.scrollWidth - root.clientWidth;
  document.body.dataset.found = encodeURIComponent(JSON.stringify({found, sideways}));
});
</script></body>"""


def probe(page: Path, width: int = 1400) -> dict:
    """`found`: which pictures and films have loaded; `sideways`: pixels that one would have to scroll."""
    copy = page.with_name(".probed.html")
    copy.write_text(page.read_text(encoding="utf-8").replace("</body>", _PROBE), encoding="utf-8")
    try:
        text = _run("--dump-dom", "--virtual-time-budget=20000", f"--window-size={width},900", copy.as_uri())
    finally:
        copy.unlink()
    match = re.search(r'data-found="([^"]+)"', text)
    assert match, text[-2000:]
    return json.loads(unquote(match[1]))


def screenshot(page: Path, picture: Path, width: int, height: int, dark: bool = False) -> None:
    more = ["--blink-settings=preferredColorScheme=0"] if dark else []
    size = f"--window-size={width},{height}"
    _run("--hide-scrollbars", size, f"--screenshot={picture}", *more, page.as_uri())


def _run(*arguments: str) -> str:
    assert CHROMIUM is not None
    with tempfile.TemporaryDirectory() as profile:
        # As root, which tests in containers are, Chromium has no sandbox. No network is to be reached.
        flags = ["--headless", "--disable-gpu", f"--user-data-dir={profile}", "--host-resolver-rules=MAP * ~NOTFOUND"]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            flags.append("--no-sandbox")
        command = [CHROMIUM, *flags, *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
