"""How people keep labelled pictures: small pools of every layout, with what is to be found in them.

Each is a function that writes a folder of pictures and returns what their labels are, by a mark that each picture has:
its number, which is the side of its square.
"""

import csv
import io
import json
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

Labels = dict[int, str | None]
ANIMALS = ("cat", "dog", "cat", "dog", "eel", "cat")
EXPECTED: Labels = dict(enumerate(ANIMALS, 8))
LAYOUTS: dict[str, Callable[[Path], Labels]] = {}


def layout(make: Callable[[Path], Labels | None]) -> Callable[[Path], Labels]:
    def made(folder: Path) -> Labels:
        folder.mkdir(parents=True, exist_ok=True)
        found = make(folder)
        return EXPECTED if found is None else found

    LAYOUTS[make.__name__] = made
    return made


def picture(number: int, image_format: str = "PNG") -> bytes:
    """A picture of noise, `number` pixels wide and high."""
    pixels = np.random.default_rng(number).integers(0, 256, (number, number, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, image_format)
    return out.getvalue()


def put(folder: Path, files: Mapping[str, bytes | str]) -> None:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data.encode() if isinstance(data, str) else data)


def put_tar(path: Path, members: Mapping[str, bytes | str]) -> None:
    with tarfile.open(path, "w") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data.encode() if isinstance(data, str) else data))


def csv_text(*rows: Any) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()


def pictures(start: str = "", end: str = ".png") -> dict[str, bytes]:
    return {f"{start}{number}{end}": picture(number) for number in EXPECTED}


@layout
def cls_beside(folder: Path) -> None:
    put(folder, {**pictures(), **{f"{n}.cls": name for n, name in EXPECTED.items()}})


@layout
def json_beside(folder: Path) -> None:
    put(folder, {**pictures(), **{f"{n}.json": json.dumps({"label": name}) for n, name in EXPECTED.items()}})


@layout
def json_after_the_whole_name(folder: Path) -> None:
    put(folder, {**pictures(), **{f"{n}.png.json": json.dumps({"label": name}) for n, name in EXPECTED.items()}})


@layout
def cls_after_the_whole_name_in_capitals(folder: Path) -> None:
    put(folder, {**pictures("IMG.", ".PNG"), **{f"IMG.{n}.PNG.cls": name for n, name in EXPECTED.items()}})


@layout
def label_txt_beside(folder: Path) -> None:
    put(folder, {**pictures(), **{f"{n}.label.txt": name for n, name in EXPECTED.items()}})


@layout
def imagefolder_metadata_csv(folder: Path) -> None:
    rows = [[f"{n}.png", name, n] for n, name in EXPECTED.items()]
    put(folder, {**pictures(), "metadata.csv": csv_text(["file_name", "label", "size"], *rows)})


@layout
def imagefolder_metadata_csv_of_subfolders(folder: Path) -> None:
    rows = [[f"some/{n}.png", name] for n, name in EXPECTED.items()]
    put(folder, {**pictures("some/"), "metadata.csv": csv_text(["file_name", "label"], *rows)})


@layout
def imagefolder_metadata_jsonl(folder: Path) -> None:
    lines = [json.dumps({"file_name": f"{n}.png", "label": name, "box": [1, 2]}) for n, name in EXPECTED.items()]
    put(folder, {**pictures(), "metadata.jsonl": "\n".join(lines)})


@layout
def imagefolder_metadata_parquet_with_classes(folder: Path) -> None:
    put(folder, pictures())
    features = datasets.Features(
        {"file_name": datasets.Value("string"), "label": datasets.ClassLabel(names=["cat", "dog", "eel"])}
    )
    rows = {"file_name": [f"{n}.png" for n in EXPECTED], "label": list(EXPECTED.values())}
    datasets.Dataset.from_dict(rows, features=features).to_parquet(str(folder / "metadata.parquet"))


@layout
def imagefolder_metadata_of_splits(folder: Path) -> None:
    for split, numbers in (("train", list(EXPECTED)[:4]), ("test", list(EXPECTED)[4:])):
        rows = [[f"{n}.png", EXPECTED[n]] for n in numbers]
        put(folder, {f"{split}/{n}.png": picture(n) for n in numbers})
        put(folder, {f"{split}/metadata.csv": csv_text(["file_name", "label"], *rows)})


@layout
def imagefolder_metadata_with_masks(folder: Path) -> None:
    rows = [[f"images/{n}.png", f"masks/{n}.png", name] for n, name in EXPECTED.items()]
    put(folder, {**pictures("images/"), **{f"masks/{n}.png": picture(n + 50) for n in EXPECTED}})
    put(folder, {"metadata.csv": csv_text(["image_file_name", "mask_file_name", "label"], *rows)})


@layout
def class_folders(folder: Path) -> None:
    put(folder, {f"{name}/{n}.png": picture(n) for n, name in EXPECTED.items()})


@layout
def class_folders_of_splits(folder: Path) -> None:
    put(folder, {f"{('train', 'val')[n % 2]}/{name}/{n}.png": picture(n) for n, name in EXPECTED.items()})


@layout
def class_folders_that_are_numbers(folder: Path) -> Labels:
    put(folder, {f"{n % 3}/{n}.png": picture(n) for n in EXPECTED})
    return {n: str(n % 3) for n in EXPECTED}


@layout
def class_folders_in_a_tar(folder: Path) -> None:
    put_tar(folder / "all.tar", {f"{name}/{n}.png": picture(n) for n, name in EXPECTED.items()})


@layout
def class_folders_in_sorted_tars(folder: Path) -> None:
    for name in set(ANIMALS):
        put_tar(folder / f"{name[0]}.tar", {f"{name}/{n}.png": picture(n) for n in EXPECTED if EXPECTED[n] == name})


@layout
def folders_of_dates(folder: Path) -> Labels:
    put(folder, {f"2024-0{n % 3 + 1}/{n}.png": picture(n) for n in EXPECTED})
    return dict.fromkeys(EXPECTED)


@layout
def folders_of_any_depth(folder: Path) -> Labels:
    put(folder, {f"{name}/{n}.png": picture(n) for n, name in EXPECTED.items()} | {"top.png": picture(20)})
    return dict.fromkeys([*EXPECTED, 20])


@layout
def folders_of_kinds_of_files(folder: Path) -> Labels:
    put(folder, {f"{('images', 'masks')[n % 2]}/{n}.png": picture(n) for n in EXPECTED})
    return dict.fromkeys(EXPECTED)


@layout
def folders_beside_labels(folder: Path) -> Labels:
    put(folder, {f"{name}/{n}.png": picture(n) for n, name in EXPECTED.items()} | {"cat/8.cls": "lynx"})
    return {**dict.fromkeys(EXPECTED), 8: "lynx"}


@layout
def webdataset(folder: Path) -> None:
    put_tar(
        folder / "a.tar",
        {f"{n}{end}": d for n, name in EXPECTED.items() for end, d in ((".png", picture(n)), (".cls", name))},
    )


@layout
def webdataset_with_a_mask(folder: Path) -> None:
    members: dict[str, bytes | str] = {}
    for n, name in EXPECTED.items():
        members |= {f"{n}.png": picture(n), f"{n}.seg.png": picture(n + 50), f"{n}.cls": name}
    put_tar(folder / "a.tar", members)


@layout
def webdataset_of_two_part_extensions(folder: Path) -> None:
    members: dict[str, bytes | str] = {}
    for n, name in EXPECTED.items():
        members |= {f"{n}.image.png": picture(n), f"{n}.label.cls": name, f"{n}.meta.json": '{"lens": 50}'}
    put_tar(folder / "a.tar", members)


@layout
def mask_beside(folder: Path) -> None:
    files: dict[str, bytes | str] = {f"{n}.seg.png": picture(n + 50) for n in EXPECTED}
    put(folder, {**files, **pictures(), **{f"{n}.cls": name for n, name in EXPECTED.items()}})


def rows(**columns: Any) -> pa.Table:
    return pa.table({"image": [picture(n) for n in EXPECTED], **columns})


@layout
def parquet(folder: Path) -> None:
    pq.write_table(rows(label=list(ANIMALS)), folder / "a.parquet")


@layout
def parquet_hive(folder: Path) -> None:
    for name in set(ANIMALS):
        (folder / f"label={name}").mkdir()
        images = [picture(n) for n in EXPECTED if EXPECTED[n] == name]
        pq.write_table(pa.table({"image": images}), folder / f"label={name}" / "part-0.parquet")


@layout
def parquet_views(folder: Path) -> None:
    images = pa.array([picture(n) for n in EXPECTED], pa.binary_view())
    pq.write_table(pa.table({"image": images, "label": pa.array(ANIMALS, pa.string_view())}), folder / "a.parquet")


@layout
def parquet_dictionaries(folder: Path) -> None:
    images = pa.array([picture(n) for n in EXPECTED]).dictionary_encode()
    pq.write_table(pa.table({"image": images, "label": pa.array(ANIMALS).dictionary_encode()}), folder / "a.parquet")


@layout
def parquet_labels_in_lists(folder: Path) -> None:
    pq.write_table(rows(label=[[name] for name in ANIMALS]), folder / "a.parquet")


@layout
def parquet_labels_in_large_lists(folder: Path) -> None:
    pq.write_table(rows(label=pa.array([[name] for name in ANIMALS], pa.large_list(pa.string()))), folder / "a.parquet")


@layout
def parquet_labels_of_bytes(folder: Path) -> None:
    pq.write_table(rows(label=[name.encode() for name in ANIMALS]), folder / "a.parquet")


def put_hugging_face(folder: Path, name: str, feature: Any, values: list[Any]) -> None:
    features = datasets.Features({"image": datasets.Image(), name: feature})
    images = [{"bytes": picture(n), "path": None} for n in EXPECTED]
    datasets.Dataset.from_dict({"image": images, name: values}, features=features).to_parquet(str(folder / "a.parquet"))


CLASSES = datasets.ClassLabel(names=["cat", "dog", "eel"])


@layout
def hugging_face_class_label(folder: Path) -> None:
    put_hugging_face(folder, "label", CLASSES, list(ANIMALS))


@layout
def hugging_face_class_label_of_another_name(folder: Path) -> None:
    put_hugging_face(folder, "fine_label", CLASSES, list(ANIMALS))


@layout
def hugging_face_list_of_class_labels(folder: Path) -> None:
    numbers = [[CLASSES.str2int(name)] for name in ANIMALS]
    put_hugging_face(folder, "label", datasets.List(CLASSES), numbers)


@layout
def hugging_face_lists_of_several_class_labels(folder: Path) -> Labels:
    put_hugging_face(folder, "label", datasets.List(CLASSES), [[0, 1], [0], [], [2], [1, 2], [1]])
    return {8: None, 9: "cat", 10: None, 11: "eel", 12: None, 13: "dog"}


@layout
def hugging_face_class_label_without(folder: Path) -> Labels:
    put_hugging_face(folder, "label", CLASSES, [0, -1, 1, None, 2, -1])
    return {8: "cat", 9: None, 10: "dog", 11: None, 12: "eel", 13: None}


@layout
def spark_binary_files(folder: Path) -> None:
    paths = [f"file:/data/{n}.png" for n in EXPECTED]
    columns = {"path": paths, "length": [1] * len(paths), "content": [picture(n) for n in EXPECTED], "label": ANIMALS}
    pq.write_table(pa.table(columns), folder / "part-0.parquet")


def spark_image(number: int, mode: int = 16) -> dict[str, Any]:
    image = Image.open(io.BytesIO(picture(number))).convert({0: "L", 16: "RGB", 24: "RGBA"}[mode])
    pixels = np.atleast_3d(np.asarray(image))
    order = {0: [0], 16: [2, 1, 0], 24: [2, 1, 0, 3]}[mode]
    size = {"height": number, "width": number, "nChannels": pixels.shape[2], "mode": mode}
    return {"origin": f"file:///data/{number}.png", **size, "data": np.ascontiguousarray(pixels[:, :, order]).tobytes()}


@layout
def spark_images(folder: Path) -> None:
    images = [spark_image(n, (0, 16, 24)[n % 3]) for n in EXPECTED]
    pq.write_table(pa.table({"image": pa.array(images), "label": list(ANIMALS)}), folder / "part-0.parquet")


def img2dataset_table() -> dict[str, Any]:
    keys, failed = [f"{n:09d}" for n in EXPECTED], ["failed_to_download"]
    status = ["success"] * len(keys) + failed
    return {"url": ["http://x"] * 7, "key": [*keys, "000000099"], "status": status, "label": [*ANIMALS, "cat"]}


@layout
def img2dataset_tars(folder: Path) -> None:
    members: dict[str, bytes | str] = {}
    for n in EXPECTED:
        members |= {f"{n:09d}.png": picture(n), f"{n:09d}.txt": "words", f"{n:09d}.json": '{"status": "success"}'}
    put_tar(folder / "00000.tar", members)
    pq.write_table(pa.table(img2dataset_table()), folder / "00000.parquet")
    put(folder, {"00000_stats.json": '{"count": 7}'})


@layout
def img2dataset_files(folder: Path) -> None:
    put(folder, {f"00000/{n:09d}.png": picture(n) for n in EXPECTED})
    pq.write_table(pa.table(img2dataset_table()), folder / "00000.parquet")
    put(folder, {"00000_stats.json": '{"count": 7}'})


@layout
def list_of_files(folder: Path) -> None:
    put(
        folder,
        {**pictures(), "list.csv": csv_text(["path", "label"], *[[f"{n}.png", name] for n, name in EXPECTED.items()])},
    )
