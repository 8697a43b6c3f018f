"""What the explorer's addresses answer, without a browser."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from explored_pool import CLASSES, HOSTILE, N
from inline_run import curate_inline
from small_pool import make_small_pool
from starlette.testclient import TestClient
from tiny_clip import save_tiny_clip

from windrow.flows.exploring.pages import explorer_app
from windrow.tasks.backbones import BackboneConfig
from windrow.tasks.corrections.correction_list import Correction, append_corrections, read_corrections
from windrow.tasks.explore.explored_store import ExploredStore
from windrow.tasks.report.thumbnails import sample_reader
from windrow.tasks.storage.catalog.views import open_catalog
from windrow.tasks.storage.store.outputs import all_outputs


@dataclass(frozen=True)
class Explored:
    """A store with two versions, opened, and a client of the app over it."""

    store: ExploredStore
    client: TestClient

    def numbers(self, address: str, kind: type) -> tuple[dict[str, Any], npt.NDArray[Any]]:
        answer = self.client.get(address)
        assert answer.status_code == 200, answer.text
        head, _, body = answer.content.partition(b"\n")
        assert (len(head) + 1) % 4 == 0  # where a typed array may begin
        return json.loads(head), np.frombuffer(body, kind)

    def say(self, **said: Any) -> Any:
        return self.client.post("/corrections", json=said)


@pytest.fixture(scope="module")
def explored(hostile_store: Path) -> Iterator[Explored]:
    opened = ExploredStore(hostile_store)
    with TestClient(explorer_app(opened, "ann")) as client:
        yield Explored(opened, client)


def test_the_pool_says_what_there_is_to_see(explored: Explored) -> None:
    told = explored.client.get("/pool.json").json()
    assert (told["n_samples"], told["who"], told["versions"]) == (N, "ann", ["v0001", "v0002"])
    assert set(CLASSES) <= set(told["classes"])
    assert {"given", "cluster", "source", "outcome", "outlier", "rank"} <= {each["name"] for each in told["columns"]}
    for each in told["columns"]:
        kind = np.uint16 if each["kind"] == "names" else np.float32
        assert len(explored.numbers(f"/column/{each['name']}", kind)[1]) == N


def test_columns_and_places_are_those_of_the_pool_in_the_order_of_ids(explored: Explored) -> None:
    pool = open_catalog(explored.store.store).sql("SELECT * FROM pool ORDER BY sample_id").to_arrow_table().to_pylist()
    head, codes = explored.numbers("/column/given", np.uint16)
    assert [head["names"][code] for code in codes] == [row["given_label"] for row in pool]
    _, scores = explored.numbers("/column/outlier", np.float32)
    assert np.array_equal(scores, np.float32([row["outlier_score"] for row in pool]))
    for plane in ("near", "components"):
        _, places = explored.numbers(f"/places/{plane}", np.float32)
        assert len(places) == 2 * N
        assert np.isfinite(places).all()
    assert len(list(all_outputs(explored.store.store, "map"))) == 1


def test_a_question_finds_rows_by_a_condition_or_a_select_in_its_order(explored: Explored) -> None:
    _, rows = explored.numbers("/matching?sql=given_label = 'plain' -- of them", np.uint32)
    head, codes = explored.numbers("/column/given", np.uint16)
    assert sorted(rows) == [row for row in range(N) if head["names"][codes[row]] == "plain"]
    _, first = explored.numbers("/matching?sql=SELECT sample_id FROM curated ORDER BY rank LIMIT 3;", np.uint32)
    ranks = explored.numbers("/column/rank", np.float32)[1]
    assert ranks[first].tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("SELECT label FROM pool", "sample_id"),
        ("nothing = 1", "nothing"),
        ("true); DROP VIEW pool; SELECT (true", "arser"),
        ("SELECT content AS sample_id FROM read_text('/etc/passwd')", "reads files"),
        ("true) AND getenv('HOME') <> (''", "getenv"),
        ("sample_id IN (SELECT sample_id FROM '/etc/passwd.csv')", "disabled"),
        ("SELECT sample_id FROM pool; INSTALL httpfs", "arser"),
        (" ; ", "wants a condition"),
    ],
)
def test_what_is_no_question_is_refused_in_words(explored: Explored, sql: str, why: str) -> None:
    answer = explored.client.get("/matching", params={"sql": sql})
    assert (answer.status_code, answer.headers["content-type"].split(";")[0]) == (400, "text/plain")
    assert why in answer.text


def test_a_sample_is_told_with_its_neighbours_and_its_story(explored: Explored) -> None:
    facts = explored.client.get("/sample/3").json()
    assert facts["sample_id"] == explored.store.sample_id(3)
    assert facts["sample_id"] in facts["story"]
    assert facts["key"].endswith("<b onclick=alert(3)>")
    assert facts["given_label"] in CLASSES
    likeness = [like for _, like in facts["neighbors"]]
    assert likeness == sorted(likeness, reverse=True)
    assert 3 not in [row for row, _ in facts["neighbors"]]
    assert all(len(explored.client.get(f"/sample/{row}").json()["key"]) > 2 for row, _ in facts["neighbors"][:2])
    assert explored.client.get("/sample/999").status_code == 400


def test_a_picture_comes_from_its_source_in_the_sizes_that_there_are(explored: Explored) -> None:
    answer = explored.client.get("/image/0/192")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    assert answer.content.startswith(b"\x89PNG")
    assert explored.client.get("/image/0/5000").status_code == 400


def test_what_came_and_went_between_versions(explored: Explored) -> None:
    head, codes = explored.numbers("/change/v0001/v0002", np.uint16)
    back, reverse = explored.numbers("/change/v0002/v0001", np.uint16)
    assert head["names"][0] == "came"
    assert (codes == 0).sum() >= 4
    assert np.array_equal(codes == 0, reverse == back["names"].index("went"))
    assert "v0009" in explored.client.get("/change/v0001/v0009").text


def test_a_correction_is_in_the_store_and_can_be_taken_back(explored: Explored) -> None:
    before = read_corrections(explored.store.store).num_rows
    said = explored.say(row=5, kind="label", value=HOSTILE, why="seen").json()
    assert [(each["row"], each["kind"], each["value"], each["who"]) for each in said] == [(5, "label", HOSTILE, "ann")]
    assert explored.client.get("/corrections").json() == said
    row = read_corrections(explored.store.store).to_pylist()[before]
    assert (row["sample_id"], row["why"]) == (explored.store.sample_id(5), "seen")
    assert explored.say(row=5, kind="undo", value="label").json() == []
    assert read_corrections(explored.store.store).num_rows == before + 2


def test_a_pair_that_is_none(explored: Explored) -> None:
    [said] = explored.say(row=6, kind="not_a_duplicate", other=7).json()
    assert said["other_sample_id"] == explored.store.sample_id(7)
    explored.say(row=6, kind="undo")


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"row": 1, "kind": "paint"}, "kind"),
        ({"row": 1, "kind": "label"}, "wants a class"),
        ({"row": "1", "kind": "keep"}, "whole number"),
        ({"row": True, "kind": "keep"}, "whole number"),
        ({"row": -1, "kind": "keep"}, "row"),
        ({"row": 1, "kind": ["keep"]}, "texts"),
        ([1], "JSON object"),
    ],
)
def test_what_cannot_be_meant_is_refused_and_not_kept(explored: Explored, said: Any, why: str) -> None:
    before = read_corrections(explored.store.store).num_rows
    answer = explored.client.post("/corrections", json=said)
    assert (answer.status_code, why in answer.text) == (400, True), answer.text
    assert read_corrections(explored.store.store).num_rows == before


def test_a_form_of_another_site_is_no_correction(explored: Explored) -> None:
    headers = {"content-type": "text/plain"}
    assert (
        explored.client.post("/corrections", content='{"row": 1, "kind": "keep"}', headers=headers).status_code == 400
    )


def test_corrections_of_samples_that_are_not_on_the_map_are_passed_over(explored: Explored) -> None:
    append_corrections(explored.store.store, [Correction("0" * 32, "keep", "ann")])
    assert all(each["row"] >= 0 for each in explored.client.get("/corrections").json())


def embeddings(store: Path) -> npt.NDArray[np.float32]:
    sql = "SELECT embedding FROM embeddings WHERE embedding IS NOT NULL ORDER BY sample_id"
    found = np.float32([row[0] for row in open_catalog(store).sql(sql).fetchall()])
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def test_samples_are_ordered_by_likeness_to_one_of_them_or_to_a_picture(explored: Explored) -> None:
    unit = embeddings(explored.store.store)
    _, like = explored.numbers("/like/sample/4", np.float32)
    np.testing.assert_allclose(like, unit @ unit[4], atol=1e-3)
    assert explored.client.get("/like/sample/999").status_code == 400
    [data] = [
        data
        for _, data in sample_reader(explored.store.connection(), explored.store.store)([explored.store.sample_id(4)])
    ]
    answer = explored.client.post("/like/picture", content=data)
    np.testing.assert_allclose(np.frombuffer(answer.content.partition(b"\n")[2], np.float32), like, atol=1e-3)


@pytest.mark.parametrize(
    ("data", "why"), [(b"", "empty"), (b"no picture", "not an image"), (bytes(2**21), "not an image")]
)
def test_what_is_no_picture_is_refused_in_words(explored: Explored, data: bytes, why: str) -> None:
    answer = explored.client.post("/like/picture", content=data)
    assert answer.status_code == 400 and why in answer.text


def test_a_backbone_that_knows_no_texts_says_which_do(explored: Explored) -> None:
    assert explored.client.get("/pool.json").json()["texts"] is False
    answer = explored.client.get("/like/text?text=stripes")
    assert answer.status_code == 400 and "CLIP" in answer.text


def test_a_text_is_looked_for_by_the_text_side_of_the_pools_own_model(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    clip = save_tiny_clip(tmp_path / "clip")
    pool = make_small_pool(tmp_path)
    config = replace(pool.config, features=BackboneConfig(name=f"hf:{clip}"))
    store = ExploredStore(curate_inline(config).store)
    with TestClient(explorer_app(store, "ann")) as client:
        assert client.get("/pool.json").json()["texts"] is True
        answer = client.get("/like/text", params={"text": "a bird"})
        assert client.get("/like/text", params={"text": " "}).status_code == 400
    model, tokens = transformers.CLIPModel.from_pretrained(clip), transformers.AutoTokenizer.from_pretrained(clip)
    with torch.inference_mode():
        asked = tokens(["a bird"], padding="max_length", max_length=24, return_tensors="pt")
        found = model.get_text_features(**asked)
        text = (found if isinstance(found, torch.Tensor) else found.pooler_output)[0].numpy()
    sql = "SELECT embedding FROM embeddings WHERE embedding IS NOT NULL ORDER BY sample_id"
    seen = np.float32([row[0] for row in open_catalog(store.store).sql(sql).fetchall()])
    projected = seen @ model.visual_projection.weight.detach().numpy().T
    wanted = projected @ text / np.linalg.norm(projected, axis=1) / np.linalg.norm(text)
    np.testing.assert_allclose(np.frombuffer(answer.content.partition(b"\n")[2], np.float32), wanted, atol=1e-4)
