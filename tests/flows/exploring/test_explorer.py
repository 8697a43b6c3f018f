"""`windrow explore` as people use it: the real command, and a real browser that clicks and types."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlsplit

import pytest
from chromium import PROGRAM, Tab, chromium
from command_line import run_here
from explored_pool import CLASSES, HOSTILE, N, explored

from windrow.tasks.corrections.correction_list import read_standing

READY = "document.documentElement.dataset.ready"
TOLD = "document.getElementById('story').dataset.row === document.querySelector('#shots .chosen').dataset.row"
browser = pytest.mark.skipif(PROGRAM is None, reason="no Chromium on this machine")


@dataclass(frozen=True)
class Explorer:
    """The explorer in a browser, its address, and its store."""

    tab: Tab
    address: str
    store: Path

    def text(self, chosen: str) -> str:
        return str(self.tab.run(f"document.querySelector({json.dumps(chosen)}).innerText"))

    def reload(self) -> None:
        self.tab.run("delete document.documentElement.dataset.ready")
        self.tab.open(self.address)
        self.tab.until(READY)

    def said(self) -> list[tuple[str, str | None]]:
        rows = [row for row in read_standing(self.store).to_pylist() if row["who"] == "eve"]
        return [(row["kind"], row["value"]) for row in rows]


@pytest.fixture(scope="module")
def address(hostile_store: Path) -> Iterator[str]:
    with explored(hostile_store, "--who", "eve") as found:
        yield found


@pytest.fixture(scope="module")
def page(address: str, hostile_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Explorer]:
    with chromium(tmp_path_factory.mktemp("chromium")) as tab:
        tab.look(1280, 800)
        found = Explorer(tab, address, hostile_store)
        tab.open(address)
        tab.until(READY)
        yield found


def status(address: str, host: str | None = None) -> int:
    request = urllib.request.Request(address, headers={"Host": host} if host else {})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return int(answer.status)
    except HTTPError as error:
        return error.code


def test_the_address_alone_opens_it(address: str) -> None:
    parts = urlsplit(address)
    assert (parts.hostname, len(parts.path)) == ("127.0.0.1", 34)
    assert status(address) == 200
    assert status(f"{address}explorer.js") == 200
    assert status(f"http://{parts.netloc}/") == 403
    assert status(address.replace(parts.path, f"{parts.path[:-2]}/")) == 403
    assert status(address, host="rebound.example") == 421


@browser
def test_it_opens_draws_and_asks_nobody_else(page: Explorer) -> None:
    assert f"{N} samples" in page.text("#shown")
    drawn = page.tab.run("""(() => {
        const canvas = document.createElement("canvas"), from = document.getElementById("points");
        [canvas.width, canvas.height] = [from.width, from.height];
        return new Promise((told) => requestAnimationFrame(() => {
            from.dispatchEvent(new KeyboardEvent("keydown", { key: "0" }));
            requestAnimationFrame(() => {
                canvas.getContext("2d").drawImage(from, 0, 0);
                const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
                told(data.filter((each, n) => n % 4 === 3 && each > 100).length);
            });
        }));
    })()""")
    assert drawn > 10 * N  # pixels
    page.tab.until(f"document.getElementById('points').dataset.n === '{N}'")  # after it has moved, all are drawn
    assert page.tab.asked
    assert all(each.startswith(page.address) for each in page.tab.asked)


@browser
def test_names_that_would_run_are_text(page: Explorer) -> None:
    page.tab.press("j")
    page.tab.until("document.querySelector('#story pre') !== null")
    everything = page.text("body")
    assert all(name in everything for name in CLASSES)
    assert "<b onclick=alert(3)>" in page.text("#story h2")
    assert page.tab.run("document.querySelectorAll('img[src=x], b[onclick], main script').length") == 0
    assert page.tab.said == []


@browser
def test_a_click_on_the_map_chooses_the_sample_there(page: Explorer) -> None:
    row, left, top = page.tab.run("""(() => new Promise(async (told) => {
        const { numbers } = await import("./server.js");
        const { values } = await numbers("places/near", Float32Array);
        const frame = document.getElementById("points").getBoundingClientRect();
        const sides = [0, 1].map((side) => [...values].filter((_, n) => n % 2 === side));
        const ends = sides.map((side) => [Math.min(...side), Math.max(...side)]);
        const unit = 0.92 * Math.min(frame.width / (ends[0][1] - ends[0][0]), frame.height / (ends[1][1] - ends[1][0]));
        const place = [0, 1].map((side) => (values[8 + side] - (ends[side][0] + ends[side][1]) / 2) * unit);
        told([4, frame.left + frame.width / 2 + place[0], frame.top + frame.height / 2 - place[1]]);
    }))()""")
    page.tab.click(left, top)
    page.tab.until(f"document.querySelector('#story .large').src.includes('/image/{row}/')")


@browser
def test_a_line_around_samples_shows_these_alone(page: Explorer) -> None:
    left, top, width, height = page.tab.run("""(() => {
        const { left, top, width, height } = document.getElementById("points").getBoundingClientRect();
        return [left, top, width, height];
    })()""")
    middle = left + width / 2
    for side, end in ((left + 1, middle), (middle, left + width - 1)):
        line = [(side, top + 1), (end, top + 1), (end, top + height - 1), (side, top + height - 1)]
        page.tab.run("document.getElementById('shown').innerText = ''")
        page.tab.drag(line, shift=True)
        page.tab.until("document.getElementById('shown').innerText.includes(' of ')")
    halves = page.tab.run("document.querySelectorAll('#shots .shot').length")
    assert 0 < halves < N
    page.tab.run("document.getElementById('clear').click()")
    page.tab.until(f"document.getElementById('shown').innerText === '{N} samples'")


@browser
def test_a_key_orders_the_samples_by_likeness_to_the_chosen_one(page: Explorer) -> None:
    page.tab.run("document.querySelectorAll('#shots .shot')[3].click()")
    page.tab.until(TOLD)
    row = page.tab.run("document.getElementById('story').dataset.row")
    page.tab.press("l")
    page.tab.until(f"document.querySelector('#shots .shot').dataset.row === '{row}'")
    assert page.tab.run("[document.getElementById('colour').value, document.getElementById('order').value]") == [
        "likeness",
        "likeness",
    ]
    page.tab.run("for (const id of ['colour', 'order']) document.getElementById(id).selectedIndex = 0")
    page.tab.run("document.getElementById('order').dispatchEvent(new Event('change'))")


@browser
def test_filters_by_name_and_in_sql_say_how_many_are_left(page: Explorer) -> None:
    [box] = page.tab.run("""[...document.querySelectorAll("#facets label")].flatMap((label) => {
        const title = label.closest("details").querySelector("summary").innerText;
        if (title !== "Outcome" || !label.innerText.startsWith("selected")) return [];
        const frame = label.getBoundingClientRect();
        return [[frame.left + 8, frame.top + frame.height / 2]];
    })""")
    page.tab.click(*box)
    page.tab.until(f"document.getElementById('shown').innerText === '12 of {N} samples'")
    assert page.tab.run("document.querySelectorAll('#shots .shot').length") == 12
    page.tab.press("/")
    for letter in "rank <= 2":
        page.tab.press(letter)
    page.tab.press("Enter")
    page.tab.until(f"document.getElementById('shown').innerText === '2 of {N} samples'")
    page.tab.run("document.getElementById('sql').value = 'rnk < 2'; document.getElementById('ask').requestSubmit()")
    page.tab.until("document.getElementById('asked').innerText.includes('rnk')")
    page.tab.run("document.getElementById('clear').click(); document.activeElement.blur()")
    page.tab.until(f"document.getElementById('shown').innerText === '{N} samples'")
    page.tab.said.clear()  # that the question was refused


@browser
def test_a_question_that_takes_long_can_be_stopped_and_the_next_is_answered(page: Explorer) -> None:
    long = "levenshtein(repeat(sample_id, 5000), repeat('ba', 200000)) > 0"
    ask = "document.getElementById('ask').requestSubmit()"
    page.tab.run(f"document.getElementById('sql').value = {json.dumps(long)}; {ask}")
    page.tab.until("document.getElementById('asked').innerText === 'asking …'")
    page.tab.run("document.getElementById('stop').click()")
    assert page.tab.run("[document.getElementById('stop').hidden, document.getElementById('asked').innerText]") == [
        True,
        "",
    ]
    page.tab.run(f"document.getElementById('sql').value = 'rank <= 3'; {ask}")
    page.tab.until(f"document.getElementById('shown').innerText === '3 of {N} samples'", seconds=20)
    page.tab.run("document.getElementById('clear').click()")
    page.tab.until(f"document.getElementById('shown').innerText === '{N} samples'")


@browser
def test_corrections_by_keys_are_counted_kept_and_there_after_a_reload(page: Explorer) -> None:
    before = page.tab.run("document.querySelectorAll('#shots .shot.corrected').length")
    page.tab.press("j")
    page.tab.until(TOLD)
    keyed = page.tab.run("[...document.querySelectorAll('#story .class .text')].map((each) => each.innerText)")
    row = page.tab.run("document.getElementById('story').dataset.row")
    page.tab.press(str(keyed.index(HOSTILE) + 1))
    page.tab.until("document.querySelector('#story .said') !== null")
    page.tab.press("x")
    page.tab.until("document.querySelectorAll('#story .said li').length === 2")
    assert page.said() == [("label", HOSTILE), ("drop", None)]
    page.tab.press("u")
    page.tab.until("document.querySelectorAll('#story .said li').length === 1")
    assert page.said() == [("label", HOSTILE)]
    assert "1 correction" in page.text("#corrected")
    page.reload()
    assert "1 correction" in page.text("#corrected")
    assert page.tab.run("document.querySelectorAll('#shots .shot.corrected').length") == before + 1
    page.tab.run(f"document.querySelector('#shots .shot[data-row=\"{row}\"]').click()")
    page.tab.until(TOLD)
    page.tab.press("u")
    page.tab.until("document.getElementById('corrected').innerText === 'no corrections yet'")
    assert page.said() == []
    assert page.tab.said == []


@browser
def test_two_versions_stand_side_by_side(page: Explorer) -> None:
    page.tab.run("document.querySelector('#compare button').click()")
    page.tab.until("document.querySelectorAll('#shots.sides .strip').length >= 1")
    assert page.text("#shots .strip h3").startswith("came: ")
    page.tab.run("document.getElementById('clear').click()")


@browser
@pytest.mark.parametrize("dark", [False, True])
def test_on_a_narrow_screen_nothing_is_cut_off(page: Explorer, dark: bool) -> None:
    page.tab.look(400, 800, dark)
    try:
        for part in ("map", "gallery", "story", "filters"):
            page.tab.run(f"document.querySelector('#tabs [data-to={part}]').click()")
            assert page.tab.run("document.documentElement.scrollWidth") <= 400
            over = page.tab.run(f"""[...document.querySelectorAll("#{part} *, header *")].filter((each) => {{
                const frame = each.getBoundingClientRect();
                return frame.width && frame.right > 401 && !each.closest(".row");
            }}).map((each) => each.outerHTML)""")
            assert over == []
        ground = page.tab.run("getComputedStyle(document.body).backgroundColor")
        assert ground == ("rgb(20, 23, 28)" if dark else "rgb(255, 255, 255)")
    finally:
        page.tab.look(1280, 800)


def test_without_a_store_it_says_so_in_a_line(tmp_path: Path) -> None:
    ended = run_here("explore", "--store", str(tmp_path / "none"), folder=tmp_path)
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert "is no store" in ended.stderr
