"""The page in a real browser, without a network."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from PIL import Image
from reported_store import Store

from windrow.tasks.report.page import write_report
from windrow.tasks.storage.catalog.views import open_catalog

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), ""
)
OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="there is no Chromium on this machine")


@pytest.fixture(scope="module")
def page(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page without its Content-Security-Policy: escaping alone must keep scripts from running."""
    path = tmp_path_factory.mktemp("browser") / "report.html"
    write_report(open_catalog(store.run.store), path, store.run)
    guarded = path.read_text()
    path.write_text(re.sub(r"<meta http-equiv=.*?>", "", guarded))
    assert path.read_text() != guarded
    return path


def browse(page: Path, *options: str, at: str = "") -> str:
    profile = f"--user-data-dir={page.parent / 'profile'}"
    command = [CHROMIUM, *OPTIONS, profile, *options, page.as_uri() + at]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


def test_a_browser_sees_the_sections_and_counts_and_runs_no_script(page: Path) -> None:
    dom = browse(page, "--dump-dom")
    assert "<title>demo – Windrow report</title>" in dom
    assert dom.count("<h2>") == 10 and dom.count("<script") == 0
    assert re.search(r'<td class="n"><a [^>]*>64</a></td>', dom) and re.search(
        r'<td class="n">−<a [^>]*>31</a></td>', dom
    )


def test_a_link_to_sql_opens_what_it_is_folded_into(page: Path) -> None:
    dom = browse(page, "--dump-dom", at="#dropped-2")
    assert dom.count('<details class="queries" open') == 1


def test_a_browser_paints_the_page_in_light_and_in_dark(page: Path) -> None:
    papers = []
    for scheme in ("1", "0"):
        file = page.parent / f"{scheme}.png"
        browse(
            page, f"--blink-settings=preferredColorScheme={scheme}", "--window-size=1200,4000", f"--screenshot={file}"
        )
        with Image.open(file) as image:
            assert image.size == (1200, 4000)
            colours = image.convert("RGB").getcolors(2**24) or []
            papers.append(image.convert("RGB").getpixel((2, 2)))
            assert len(colours) > 500
            # Nothing is wider than the page: its right margin is empty.
            assert image.convert("RGB").crop((1170, 0, 1200, 4000)).getcolors() == [(30 * 4000, papers[-1])]
    assert papers == [(0xFB, 0xFA, 0xF7), (0x14, 0x15, 0x17)]
