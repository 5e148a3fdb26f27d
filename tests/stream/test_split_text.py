"""Texts out of files: every layout, tasks by group and by domain, and what is wrong where."""

import csv
import json
from pathlib import Path

import pytest
import torch

from lifelong_kd.core.errors import BadCall, DataMissing
from lifelong_kd.core.seeds import Seeds
from lifelong_kd.stream.build import build_stream
from lifelong_kd.stream.split_text import split_text
from lifelong_kd.stream.text import as_texts
from lifelong_kd.testing import check_stream

LABELS = ("balance", "pay", "play", "song")
GROUPS = {"bank": ["pay", "balance"], "music": ["song", "play"]}


def entries(each: int, first: int = 0) -> list[dict[str, str]]:
    return [
        {"text": f"{label} it {100 + number} €", "label": label, "who": "ann" if number % 2 else "bob"}
        for number in range(first, first + each)
        for label in LABELS
    ]


def write_csv(path: Path, rows: list[dict[str, str]], delimiter: str = ",") -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, ["text", "label", "who"], delimiter=delimiter)
        table.writeheader()
        table.writerows(rows)


def write(root: Path, layout: str) -> str:
    train, test = entries(10), entries(3, 10)
    pairs = {
        name: [[e["text"], e["label"]] for e in rows]
        for name, rows in (("train", train), ("val", entries(2, 20)), ("test", test), ("oos", entries(1, 30)))
    }
    if layout == "pairs.json":
        (root / layout).write_text(json.dumps(pairs))
        (root / "groups.json").write_text(json.dumps(GROUPS), encoding="utf-8-sig")
    elif layout == "all.csv":
        write_csv(root / layout, train + test)
    elif layout == "all.json":
        (root / layout).write_text(json.dumps(train + test))
    elif layout == "folder":
        (root / layout).mkdir()
        write_csv(root / layout / "train.tsv", train, "\t")
        (root / layout / "dev.jsonl").write_text("\n\n".join(map(json.dumps, entries(2, 20))))
        (root / layout / "test.json").write_text(json.dumps(test))
    return layout


@pytest.mark.parametrize(
    ("layout", "sizes"),
    [
        ("pairs.json", (40, 8, 12)),
        ("folder", (40, 8, 12)),
        ("all.csv", (40, None, 12)),
        ("all.json", (40, None, 12)),
    ],
)
def test_layouts(tmp_path: Path, layout: str, sizes: tuple[int, int | None, int]):
    source = split_text(tmp_path, Seeds(0), path=write(tmp_path, layout))
    assert source.class_names == LABELS and source.kind == "texts"
    valid = None if source.valid is None else len(source.valid.y)
    assert (len(source.train.y), valid, len(source.test.y)) == sizes
    said = as_texts(source.train.store.gather(torch.arange(sizes[0])))
    for text, y in zip(said, source.train.y.tolist(), strict=True):
        assert text.startswith(LABELS[y]) and text.endswith("€")
    if layout != "pairs.json":
        assert {about["who"] for about in source.train.metadata or []} == {"ann", "bob"}
    check_stream(
        lambda: build_stream(
            "made", split_text(tmp_path, Seeds(0), path=layout), experiences=2, seeds=Seeds(0)
        )
    )


def test_validation_texts_of_the_data_are_taken_as_they_are(tmp_path: Path):
    source = split_text(tmp_path, Seeds(0), path=write(tmp_path, "pairs.json"))
    stream = build_stream("made", source, experiences=2, seeds=Seeds(0))
    assert [len(part) for part in stream.parts["train"]] == [20, 20]
    assert [len(part) for part in stream.parts["valid"]] == [4, 4]
    without = build_stream("made", source, experiences=2, validation=0.0, seeds=Seeds(0))
    assert "valid" not in without.parts


def test_a_group_is_a_task(tmp_path: Path):
    source = split_text(tmp_path, Seeds(0), path=write(tmp_path, "pairs.json"), groups="groups.json")
    for seed in range(4):
        stream = build_stream("made", source, experiences="groups", seeds=Seeds(seed))
        assert {task.class_names for task in stream.tasks} == {("pay", "balance"), ("song", "play")}
    ordered = build_stream("made", source, experiences="groups", class_order=[1, 0], seeds=Seeds(0))
    assert [task.class_names for task in ordered.tasks] == [("song", "play"), ("pay", "balance")]
    with pytest.raises(BadCall, match=r"in no group|more than once|not a group"):
        build_stream("made", source, experiences="groups", class_order=[0, 0], seeds=Seeds(0))


def test_groups_need_groups(tmp_path: Path):
    source = split_text(tmp_path, Seeds(0), path=write(tmp_path, "all.csv"))
    with pytest.raises(BadCall, match="bring no groups"):
        build_stream("made", source, experiences="groups", seeds=Seeds(0))


def test_a_column_tells_domains_apart(tmp_path: Path):
    source = split_text(tmp_path, Seeds(0), path=write(tmp_path, "folder"), domain="who")
    stream = build_stream(
        "made", source, scenario="domain", experiences=2, class_order=[0, 1], seeds=Seeds(0)
    )
    for name, part in zip(("ann", "bob"), stream.parts["train"], strict=True):
        assert {part.about(position)["who"] for position in range(len(part))} == {name}


def test_a_small_domain_is_tested_on_its_own_texts(tmp_path: Path):
    rows = entries(20)
    rows += [{**row, "who": "cid", "text": f"{row['text']} cid"} for row in entries(3, 40)]
    write_csv(tmp_path / "all.csv", rows)
    source = split_text(tmp_path, Seeds(0), path="all.csv", domain="who")
    stream = build_stream(
        "made",
        source,
        scenario="domain",
        validation=0.0,
        experiences=3,
        class_order=[0, 1, 2],
        seeds=Seeds(0),
    )
    for split in ("train", "test"):
        for name, part in zip(("ann", "bob", "cid"), stream.parts[split], strict=True):
            assert {part.about(position)["who"] for position in range(len(part))} == {name}


def test_validation_texts_of_some_domains_are_not_those_of_others(tmp_path: Path):
    folder = tmp_path / "folder"
    folder.mkdir()
    write_csv(folder / "train.csv", entries(8))
    write_csv(folder / "test.csv", entries(4, 10))
    write_csv(folder / "valid.csv", [row for row in entries(4, 20) if row["who"] == "ann"])
    source = split_text(tmp_path, Seeds(0), path="folder", domain="who")
    with pytest.raises(BadCall, match="task 1 has no valid data"):
        build_stream("made", source, scenario="domain", experiences=2, class_order=[0, 1], seeds=Seeds(0))


def test_what_is_not_said_of_a_text_is_not_known_of_it(tmp_path: Path):
    rows = [
        {"text": f"{label} {n}", "label": label, "age": [None, " ", 7][n % 3]}
        for n in range(6)
        for label in "ab"
    ]
    (tmp_path / "all.json").write_text(json.dumps(rows))
    source = split_text(tmp_path, Seeds(0), path="all.json")
    told = [dict(about) for samples in (source.train, source.test) for about in samples.metadata or []]
    assert told.count({}) == 8 and told.count({"age": "7"}) == 4


def test_the_test_share_does_not_depend_on_the_seed(tmp_path: Path):
    path = write(tmp_path, "all.csv")
    one, two = (split_text(tmp_path, Seeds(seed), path=path, test=0.5) for seed in (0, 1))
    assert torch.equal(one.test.store.x, two.test.store.x)
    assert torch.bincount(one.test.y).tolist() == [6, 6, 6, 6]


def test_a_text_that_was_edited_makes_another_stream(tmp_path: Path):
    def digest(rows: list[dict[str, str]]) -> str:
        write_csv(tmp_path / "all.csv", rows)
        source = split_text(tmp_path, Seeds(0), path="all.csv")
        return build_stream("made", source, experiences=2, seeds=Seeds(0)).digest

    rows = entries(10)
    edited = [*rows[:20], rows[20] | {"text": "balance at 105 €"}, *rows[21:]]
    assert digest(rows) == digest(entries(10)) != digest(edited)


def test_long_texts_are_cut(tmp_path: Path):
    source = split_text(tmp_path, Seeds(0), path=write(tmp_path, "all.csv"), max_bytes=6)
    assert source.shape == (6,)


def refused(tmp_path: Path, name: str, content: str, **options) -> str:
    (tmp_path / name).write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(BadCall) as caught:
        split_text(tmp_path, Seeds(0), path=name, **options)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.csv", "text,lable\nhi,x\n", ["a.csv:2", "no field 'label'", "Did you mean 'lable'?"]),
        ("a.csv", "text,label\nhi,x\n  ,x\n", ["a.csv:3", "'text' is empty"]),
        ("a.csv", "text,label\nhi,\n", ["a.csv:2", "'label' is empty"]),
        ("a.csv", "text,label\nhi\n", ["a.csv:2", "the first line names 2"]),
        ("a.csv", "text,label\nhi,x,y\n", ["a.csv:2"]),
        ("a.csv", 'text,label\n"hi,x\n', ["a.csv:2"]),
        ("a.csv", "text,label\n", ["has no texts"]),
        ("a.csv", "text,label,text\nhi,x,ho\n", ["a.csv:1 names the column 'text' twice"]),
        ("a.csv", "text,label\nhi,x\nho,y\nhu,y\n", ["'x' has a single sample"]),
        ("a.csv", "text,label\nhi\udcff,x\n", ["UTF-8"]),
        ("a.jsonl", '{"text": "hi", "label": 1}\n\n{"text": "ho"\n', ["a.jsonl:3 is no JSON", ", column 14"]),
        ("a.jsonl", "3\n", ["a.jsonl:1", "neither a mapping nor a pair"]),
        ("a.json", '{"train": [["hi", "x"]]}', ["no key 'test'"]),
        ("a.json", '{"train": [["hi", "x"], ["", "x"]], "test": [["ho", "x"]]}', ["train[1]", "empty"]),
        ("a.json", '{"train": [["hi", "pay"]], "test": [["ho", "pai"]]}', ["test[0]", "Did you mean 'pay'?"]),
        ("a.json", '{"train": [["a", "x"], ["b", "y"]], "test": [["c", "x"]]}', ["no text to test 'y'"]),
        ("a.json", '{"train": {}, "test": []}', ["must be a list"]),
        ("a.json", '{"train": [["a", "x"]], "val": [], "dev": [], "test": []}', ["both 'val' and 'dev'"]),
        ("a.json", "[1", ["a.json is no JSON"]),
        ("a.json", '[["hi", ["x", "y"]]]', [": [0]", "'label' is not a single value"]),
        ("a.txt", "hi", [".csv, .tsv, .json, .jsonl"]),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, name: str, content: str, says: list[str]):
    message = refused(tmp_path, name, content)
    for words in says:
        assert words in message


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('{"bank": ["pay", "balanc"]}', "'balanc', which no text has. Did you mean 'balance'?"),
        ('{"bank": ["pay"], "b": ["pay"]}', "'pay' is in 'bank' and in 'b'"),
        ('{"bank": ["pay", "balance"]}', "in no group: 'play', 'song'"),
        ('{"bank": []}', "'bank' is empty"),
        ('["pay"]', "mapping of groups"),
        ("{", "as JSON"),
    ],
)
def test_groups_that_do_not_fit(tmp_path: Path, content: str, says: str):
    path = write(tmp_path, "pairs.json")
    (tmp_path / "groups.json").write_text(content)
    with pytest.raises(BadCall, match=r"stream\.groups") as caught:
        split_text(tmp_path, Seeds(0), path=path, groups="groups.json")
    assert says in str(caught.value)


def test_missing_files(tmp_path: Path):
    with pytest.raises(DataMissing, match=r"stream\.path"):
        split_text(tmp_path, Seeds(0), path="nowhere.csv")
    (tmp_path / "folder").mkdir()
    with pytest.raises(BadCall, match="no file train and no file test"):
        split_text(tmp_path, Seeds(0), path="folder")
    write_csv(tmp_path / "folder" / "train.csv", entries(1))
    write_csv(tmp_path / "folder" / "train.tsv", entries(1))
    with pytest.raises(BadCall, match=r"both train.csv and train.tsv"):
        split_text(tmp_path, Seeds(0), path="folder")
    (tmp_path / "one.csv").write_text("text,label\na,x\nb,x\n")
    with pytest.raises(BadCall, match="must be an Encoder"):
        split_text(tmp_path, Seeds(0), path="one.csv", features=3)
