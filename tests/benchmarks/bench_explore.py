"""What the explorer costs over a large pool: its map, its start, the first picture, bytes sent, frames a second.

    python tests/benchmarks/bench_explore.py --n 1000000

The store is drawn, not computed (`catalog_store`), with embeddings of 32 dimensions in 100 crowds. The page is opened
in a headless Chromium on this machine: where that has no GPU, WebGL is drawn by the processor (SwiftShader), which
says little of the frames that a GPU draws. Frames are those in which the map moves and zooms, for five seconds; the
page draws as many points as it can in time, and all of them when the map stands still. They are measured once more with
WebGL's drawArrays left out: what is left is what the page itself does in a frame, and what it uploads.
"""

from __future__ import annotations

import argparse
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent))

from catalog_store import Drawn, finish, write_store
from chromium import Tab, chromium

from windrow.schemas import EMBEDDINGS
from windrow.schemas.stages import Stage
from windrow.tasks.report.pool_map import draw_map
from windrow.tasks.storage.files.parquet import array_to_vectors
from windrow.tasks.storage.store.outputs import OutputWriter, make_output
from windrow.tasks.storage.store.run_records import Run, StageRecord

DIM = 32
SPY = """(() => {
    const frame = window.requestAnimationFrame.bind(window);
    const spied = window.spied = { ours: [], uploaded: 0, rasterise: true, frame };
    window.requestAnimationFrame = (act) => spied.frame((now) => {
        const begun = performance.now();
        act(now);
        spied.ours.push(performance.now() - begun);
    });
    const { drawArrays, bufferData } = WebGLRenderingContext.prototype;
    WebGLRenderingContext.prototype.drawArrays = function (...words) {
        if (spied.rasterise) drawArrays.apply(this, words);
    };
    WebGLRenderingContext.prototype.bufferData = function (...words) {
        spied.uploaded += words[1].byteLength ?? words[1];
        bufferData.apply(this, words);
    };
})()"""
"""What the page itself does in a frame, and sends to WebGL; with `rasterise` false no point is drawn."""
MOVING = """(() => new Promise((told) => {
    const canvas = document.getElementById("%s"), { spied } = window, gaps = [];
    Object.assign(spied, { ours: [], uploaded: 0, rasterise: %s });
    let begun = null, last = null;
    const step = (now) => {
        if (last !== null) gaps.push(now - last);
        begun ??= now;
        last = now;
        const key = ["ArrowLeft", "+", "ArrowRight", "-"][gaps.length %% 4];
        canvas.dispatchEvent(new KeyboardEvent("keydown", { key }));
        if (now - begun < 5000) spied.frame(step); else told({ ...spied, gaps, points: Number(canvas.dataset.n) });
    };
    spied.frame(step);
}))()"""
ALONE = """(async () => {
    const { PointMap } = await import("./map.js");
    const make = (kind, style) => Object.assign(document.createElement(kind), { style });
    document.getElementById("alone")?.parentElement.remove();
    const stage = make("div", "position: fixed; inset: 0; z-index: 9; background: white");
    const whole = "position: absolute; inset: 0; width: 100%%; height: 100%%";
    const [points, over] = [0, 1].map(() => make("canvas", whole));
    points.id = "alone";
    stage.append(points, over);
    document.body.append(stage);
    const map = new PointMap(points, over, { choose() {}, draw() {} });
    const { pace } = map; // where nothing is rasterised, every frame has all points
    map.pace = (now) => (window.spied.rasterise ? pace.call(map, now) : map.n);
    const one = () => Math.random() + Math.random() + Math.random();
    map.resize();
    map.place(Float32Array.from({ length: 2 * %d }, one));
    return Boolean(map.gl);
})()"""
"""The map by itself, over points drawn at random."""
SENT = """performance.getEntriesByType("resource").reduce((sum, each) => sum + each.transferSize, 0)"""


def embed(run: Run, n: int) -> str:
    """Write embeddings of the drawn samples, in crowds."""
    drawn, random = Drawn.roll(n), np.random.default_rng(1)
    middles = random.normal(size=(100, DIM)).astype(np.float32)

    def write(writer: OutputWriter) -> None:
        with writer.writing(EMBEDDINGS, EMBEDDINGS.schema(DIM)) as add:
            for rows in drawn.blocks():
                of = drawn.numbers(rows) % 100
                vectors = middles[of] + 0.5 * random.normal(size=(len(of), DIM)).astype(np.float32)
                columns = {"sample_id": drawn.ids(rows), "backbone_id": ["drawn"] * len(of)}
                add(EMBEDDINGS.build({**columns, "embedding": array_to_vectors(vectors.astype(np.float16))}, dim=DIM))
        writer.counts["n_samples"] = n

    path = make_output(run.store, Stage.FEATURES, 1, {"n": n}, write).path
    run.record(StageRecord(Stage.FEATURES, (path,), 0, n, 1.0, {}))
    return path


def opened(tab: Tab, address: str) -> dict[str, float]:
    """Open the page, and say what that took."""
    tab.look(1280, 800)
    tab.call("Page.addScriptToEvaluateOnNewDocument", source=SPY)
    begun = time.monotonic()
    tab.open(address)
    tab.until("document.documentElement.dataset.drawn", seconds=120)
    drawn = float(tab.run("document.documentElement.dataset.drawn")) / 1000
    tab.until("document.documentElement.dataset.ready", seconds=120)
    ready = time.monotonic() - begun
    sent = tab.run(SENT) / 2**20
    told = {"first picture, s": drawn, "all columns, s": ready, "MiB sent": sent}
    return told | frames(tab, "points")


def alone(tab: Tab, n: int) -> dict[str, float]:
    """Say what frames take of the map by itself, with n points."""
    assert tab.run(ALONE % n)
    return {f"{n:,} points alone, {name}": value for name, value in frames(tab, "alone").items()}


def frames(tab: Tab, canvas: str) -> dict[str, float]:
    """Move a map, and say what its frames take."""
    told: dict[str, float] = {}
    for rasterise in (True, False):
        tab.run(MOVING % (canvas, str(rasterise).lower()))  # it finds out how many points it can draw
        found = tab.run(MOVING % (canvas, str(rasterise).lower()))
        how = "drawn by the processor" if rasterise else "not rasterised"
        told |= {f"{how}: points of a frame": found["points"]}
        for what, times in (("between frames", found["gaps"]), ("of ours in a frame", found["ours"])):
            told |= {f"{how}: ms {what}, median": float(np.median(times))}
            told |= {f"{how}: ms {what}, 95th percentile": float(np.percentile(times, 95))}
        told |= {f"{how}: bytes uploaded a frame": found["uploaded"] / len(found["gaps"])}
    return told


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=1_000_000)
    n = parser.parse_args().n
    with tempfile.TemporaryDirectory() as folder:
        run = write_store(Path(folder), n)
        path = embed(run, n)
        finish(run)
        begun = time.monotonic()
        draw_map(run.store, [path], 0)
        told = {"map made, s": time.monotonic() - begun}
        begun = time.monotonic()
        command = [sys.executable, "-m", "windrow", "explore", "--store", str(run.store), "--no-browser"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            address = next(found[0] for line in process.stdout if (found := re.search(r"http://\S+", line)))
            told["command ready, s"] = time.monotonic() - begun
            profile = Path(folder) / "chromium"
            with chromium(profile) as tab:
                told |= opened(tab, address)
                for many in (100_000, 1_000_000):
                    told |= alone(tab, many)
            process.send_signal(signal.SIGINT)
    print(f"| {n:,} samples | |\n|---|---|")
    for name, value in told.items():
        print(f"| {name} | {value:.2f} |", flush=True)


if __name__ == "__main__":
    main()
