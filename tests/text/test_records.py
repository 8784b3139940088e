from __future__ import annotations

from collections import Counter

import pytest

from kpt import InputError
from kpt.text import Document, records
from kpt.text.records import Fields, read_jsonl, read_table

FIELDS = Fields()


def jsonl(text: str, fields: Fields = FIELDS, step: int = 7) -> tuple[list[Document], dict[str, int]]:
    problems: Counter[str] = Counter()
    blocks = [text[begin : begin + step] for begin in range(0, len(text), step)]
    return list(read_jsonl(blocks, "a.jsonl", fields, problems)), dict(problems)


def table(text: str, separator: str = ",", fields: Fields = FIELDS) -> tuple[list[Document], dict[str, int]]:
    problems: Counter[str] = Counter()
    blocks = [text[begin : begin + 7] for begin in range(0, len(text), 7)]
    return list(read_table(blocks, "a.csv", fields, problems, separator)), dict(problems)


def test_jsonl() -> None:
    text = '{"text": "one", "label": "x", "id": 7}\n\n  \n{"label": true, "text": "two\\ntwo"}\n{"text": " "}'
    assert jsonl(text) == (
        [Document("one", "x", "7", "a.jsonl", 1), Document("two\ntwo", "True", None, "a.jsonl", 4)],
        {"empty": 1},
    )


def test_jsonl_fields_have_other_names() -> None:
    found, _ = jsonl('{"body": "one", "stars": 4.5, "key": null}', Fields("body", "stars", "key"))
    assert found == [Document("one", "4.5", None, "a.jsonl", 1)]


def test_what_json_can_hide_is_settled() -> None:
    found, problems = jsonl(r'{"text": "a\u0000b\r\nc \ud83d\ude00 \ud83d!"}')
    assert found[0].text == "ab\nc \N{GRINNING FACE} \ufffd!"
    assert problems == {"nul": 1, "lone_surrogate": 1}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"text": "one"', r"a\.jsonl, line 2: not JSON \(.* at column 15\); write one JSON object a line"),
        ("plain text", r"a\.jsonl, line 2: not JSON"),
        ('["one"]', r"a\.jsonl, line 2: JSON, but no object"),
        ('{"body": "one", "n": 1}', r"a\.jsonl, line 2: no field 'text' \(fields: 'body', 'n'\); name the field"),
        ("{}", r"a\.jsonl, line 2: no field 'text' \(fields: none\)"),
        ('{"text": ["one"]}', r"a\.jsonl, line 2: field 'text' is list, not a string"),
        ('{"text": null}', r"a\.jsonl, line 2: field 'text' is NoneType, not a string"),
        ('{"text": "one", "label": {}}', r"a\.jsonl, line 2: field 'label' is dict, not a string or a number"),
        ("[" * 100_000, r"a\.jsonl, line 2: (not JSON|JSON that cannot be read)"),
        ('{"text": ' + "1" * 5000 + "}", r"a\.jsonl, line 2: JSON that cannot be read"),
    ],
)
def test_a_bad_json_line_is_named(line: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        jsonl('{"text": "good"}\n' + line + "\n", step=1 << 20)


def test_a_json_line_too_long_for_memory_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "MAXIMUM_RECORD", 100)
    with pytest.raises(InputError, match=r"a\.jsonl, line 3: the line is longer than 100 characters"):
        jsonl('{"text": "good"}\n' * 2 + '{"text": "' + "x" * 200 + '"}\n')


def test_csv() -> None:
    text = 'id,text,label\n1,"He said ""no"",\nthen left.",a\n\n2,,b\n3,plain,\n'
    assert table(text) == (
        [Document('He said "no",\nthen left.', "a", "1", "a.csv", 2), Document("plain", "", "3", "a.csv", 6)],
        {"empty": 1},
    )


def test_tsv_has_no_quotes() -> None:
    found, problems = table('text\tlabel\n"Oh, he said.\tx\nfive" pipe\ty\n', "\t")
    assert [(one.text, one.label, one.position) for one in found] == [('"Oh, he said.', "x", 2), ('five" pipe', "y", 3)]
    assert problems == {}


def test_csv_fields_of_any_length() -> None:
    found, _ = table("text\n" + "word " * 100_000 + "\n")
    assert len(found[0].text) == 500_000


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("title,body\na,b\n", r"a\.csv, line 1: no field 'text' \(fields: 'title', 'body'\); name the field"),
        ("text,text\na,b\n", r"a\.csv, line 1: field 'text' is named twice"),
        ("text,label\na,b\nc\n", r"a\.csv, line 3: 1 field where the first record has 2; mend or remove the record"),
        ("text\na\nb,c\n", r"a\.csv, line 3: 2 fields where the first record has 1"),
        ('text\na\n"open\nand on\n', r"a\.csv, line 3: the record is malformed .*mend its quotes"),
        ('text\n"closed" early\n', r"a\.csv, line 2: the record is malformed"),
    ],
)
def test_a_bad_csv_record_is_named(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        table(text)


def test_an_empty_table_has_no_documents() -> None:
    assert table("") == ([], {})
    assert table("text,label\n") == ([], {})
