"""Texts on which tokenizers differ, and generated ones."""

from __future__ import annotations

import json
import os
import random
import unicodedata
from functools import cache
from pathlib import Path

from kpt.text.docstrings import documentation

HOSTILE = [
    "",
    " ",
    " \t\r\n ",
    "Tokenizers don't tokenize 3.14 e-mails@example.org!",
    "你好世界 mixed中文text 한국어 カタカナ ｶﾀｶﾅ",
    "\U00020000\U0002a6df\U0002b81f\U0002b820\U0002b91f\U0002b920\U0002ceaf\uf900\U0002f800",
    "👩‍👩‍👧‍👦 👍🏽 🇩🇪 ☺️ a😀b",
    "e\u0301 é e\u0327\u0301 e\u0301\u0327 q\u0307\u0323 \u0301 a\u034f\u0301",
    "a\u0334\u1dfa\u1df6\u0898 \u1df6\u1dfa\u302e\u302f \u1d165",
    "ﬁ ﬂ ﬀ ǆ ĳ ½ … ™ № Å Ω K",
    "straße STRASSE ẞ ẞß",
    "İstanbul ISPARTA ıspanak iİıI",
    "ΟΔΥΣΣΕΥΣ Οδυσσεύς ΣΑΣ Σ",
    "ＦＵＬＬ　ｗｉｄｔｈ！ ０１２",
    "zero\u200bwidth\u200cnon\u200djoiner\u2060word \u200e\u202e",
    "soft\u00adhyphen \ufeffbom b\ufeffom",
    "private\ue000use \U000f0000 \U000f0001 \U0010fffd\uf8ff",
    "unassigned\u0378 \U000e0080 \U0003fffe \uffff\ufffe \U0010d50a",
    "null\x00 bell\x07 esc\x1b[0m vertical\x0btab form\x0cfeed \x1c\x1d\x1e\x1f del\x7f nel\x85 \x9f",
    "no\u00a0break \u1680 \u2000\u200a \u2028 \u2029 \u202f \u205f \u3000 \u180e",
    "replacement \ufffd character",
    "[MASK] a[MASK]b [mask] [ MASK ] [MA\u200bSK] [MA\U000f0000SK] [MASK",
    "[CLS] [SEP] [UNK] [PAD] [unused1] ##s #",
    "a" * 99 + " " + "a" * 100 + " " + "a" * 101,
    "é" * 100 + " " + "é" * 101 + " я" + "я" * 99 + " " + "я" * 101,
    "😀" * 100 + " " + "😀" * 101,
    "word " + "x" * 10_000 + " word",
    "ü" * 10_000 + "!" + "z" * 50,
    "中" * 150,
    "!" * 150 + "a" * 60 + "-" + "b" * 60,
    "a\u0300" * 100 + " " + "a\u0300" * 101,
    "Москва ΑΘΗΝΑ ירושלים القاهرة दिल्ली กรุงเทพ Ꮳꮃ ა Ა \U00010400 \U0001e900 Ɤ Ꟛ \U00010d50",
    "$ + < = > ^ ` | ~ ¢ € ₿ © ° ± × ÷ § ¶ · « » ¡ ¿",
]

_MARKS = [chr(c) for c in range(0x20000) if unicodedata.combining(chr(c))]
_PARTS = [*"abcXYZ019 ,.-'", *HOSTILE[3:23], "[MASK]", "a" * 100, "é" * 101, "##", "\u034f", "\u200b"]


def generated_texts(seed: int, count: int) -> list[str]:
    """Random mixtures of hostile parts, ASCII, combining marks and any code points but surrogates."""
    generator = random.Random(seed)

    def character() -> str:
        code = generator.randrange(generator.choice([0x180, 0x3000, 0x110000]))
        return "\ufffd" if 0xD800 <= code < 0xE000 else chr(code)

    def part() -> str:
        kind = generator.randrange(8)
        if kind < 2:
            return generator.choice(_PARTS)
        if kind < 4:
            return "".join(generator.choices(_MARKS, k=generator.randrange(4)))
        return "".join(character() for _ in range(generator.randrange(4)))

    return ["".join(part() for _ in range(generator.randrange(1, 20))) for _ in range(count)]


@cache
def real_lines() -> list[str]:
    """Lines of documentation, and of the files under the folder that KPT_TEST_DATA names."""
    lines = [line for document in documentation(["keras", "rich"]) for line in document.text.split("\n")]
    folder = os.environ.get("KPT_TEST_DATA")
    for path in sorted(Path(folder).glob("*")) if folder else []:
        for line in path.read_text(encoding="utf-8", errors="replace").split("\n"):
            lines.append(str(json.loads(line).get("text", "")) if path.suffix == ".jsonl" and line else line)
    return lines
