from __future__ import annotations

import json
from pathlib import Path

import pytest

from kpt.cli.main import main
from kpt.data import TokenStore
from kpt.text import (
    BytePairTokenizer,
    CharacterTokenizer,
    SentencePieceTokenizer,
    WordPieceTokenizer,
    WordTokenizer,
    load_tokenizer,
)


@pytest.fixture
def text(tmp_path: Path) -> Path:
    file = tmp_path / "text.txt"
    file.write_text("Low, lower, lowest.\n\nThe widest and the newest.\n" * 5, encoding="utf-8")
    return file


def test_a_tokenizer_is_trained(text: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "tokenizer"
    assert main(["tokenizer", "--vocabulary-size", "40", "--out", str(out), str(text), "--json"]) == 0
    results = json.loads(capfd.readouterr().out)
    assert results == {"tokenizer": str(out), "vocabulary_size": 40, "problems": {}, "seconds": results["seconds"]}
    tokenizer = WordPieceTokenizer.load(out)
    assert tokenizer.vocabulary.size == 40
    assert tokenizer.lowercase


def test_case_is_kept_on_demand(text: Path, tmp_path: Path) -> None:
    words = ["--vocabulary-size", "40", "--keep-case", "--out", str(tmp_path / "tokenizer"), str(text)]
    assert main(["tokenizer", *words]) == 0
    assert not WordPieceTokenizer.load(tmp_path / "tokenizer").lowercase


@pytest.mark.parametrize(
    ("words", "kind", "size", "special"),
    [
        (["--kind", "bpe", "--vocabulary-size", "265"], BytePairTokenizer, 265, ("<|endoftext|>",)),
        (
            ["--kind", "sentencepiece", "--vocabulary-size", "278"],
            SentencePieceTokenizer,
            278,
            ("<unk>", "<|endoftext|>"),
        ),
        (
            ["--kind", "sentencepiece", "--vocabulary-size", "290", "--algorithm", "bpe", "--character-coverage", "1"],
            SentencePieceTokenizer,
            290,
            ("<unk>", "<|endoftext|>"),
        ),
        (["--kind", "characters"], CharacterTokenizer, 18, ()),
        (
            ["--kind", "characters", "--end-token", "--unknown-token"],
            CharacterTokenizer,
            20,
            ("<unk>", "<|endoftext|>"),
        ),
        (["--kind", "characters", "--minimum-frequency", "6"], CharacterTokenizer, 13, ("<unk>",)),
    ],
)
def test_each_kind_is_trained_and_loaded(
    words: list[str], kind: type, size: int, special: tuple[str, ...], text: Path, tmp_path: Path
) -> None:
    assert main(["tokenizer", *words, "--out", str(tmp_path / "tokenizer"), str(text)]) == 0
    tokenizer = load_tokenizer(tmp_path / "tokenizer")
    assert isinstance(tokenizer, kind)
    vocabulary = tokenizer.vocabulary
    assert vocabulary.size == size
    assert tuple(vocabulary.tokens[i] for i in vocabulary.special_ids) == special
    store = tmp_path / "store"
    assert main(["prepare", "--tokenizer", str(tmp_path / "tokenizer"), "--out", str(store), str(text)]) == 0
    whole = "The widest and the newest.\nLow, lower, lowest."
    if kind is CharacterTokenizer:
        whole = "".join(c if c in vocabulary.index else "<unk>" for c in whole)
    assert tokenizer.decode(TokenStore.open(store).document(1)[0]) == whole


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], ("low,", "lower,", "lowest.", "the", "and", "newest.", "widest")),
        (["--keep-case", "--word-pattern", "[A-Za-z]+"], ("Low", "The", "and", "lower", "lowest")),
        (["--minimum-frequency", "6"], ("the",)),
    ],
)
def test_whole_words(words: list[str], expected: tuple[str, ...], text: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "tokenizer")
    assert main(["tokenizer", "--kind", "words", *words, "--out", out, str(text)]) == 0
    tokens = WordTokenizer.load(out).vocabulary.tokens[1:]
    assert set(expected) <= set(tokens) and (words[:1] != ["--minimum-frequency"] or tokens == expected)
    size = ["--vocabulary-size", "3", "--overwrite"]
    assert main(["tokenizer", "--kind", "words", *words, *size, "--out", out, str(text)]) == 0
    assert WordTokenizer.load(out).vocabulary.tokens == ("[UNK]", *tokens[:2])


def test_words_are_added_to_those_of_a_tokenizer(tmp_path: Path) -> None:
    for name, words in (("old", "b b a"), ("new", "c a d d")):
        (tmp_path / f"{name}.txt").write_text(f"{words}\n" * 5, encoding="utf-8")
    call = ["tokenizer", "--kind", "words", "--out"]
    assert main([*call, str(tmp_path / "old"), str(tmp_path / "old.txt")]) == 0
    old = load_tokenizer(tmp_path / "old").vocabulary.tokens
    more = [str(tmp_path / "more"), "--extend", str(tmp_path / "old"), "--vocabulary-size", str(len(old) + 1)]
    assert main([*call, *more, str(tmp_path / "new.txt")]) == 0
    assert load_tokenizer(tmp_path / "more").vocabulary.tokens == (*old, "d")


def test_words_of_a_domain_are_added_to_a_run_s_pieces(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    text = tmp_path / "new.txt"
    text.write_text("low quokka lowest quokka\n" * 5, encoding="utf-8")
    WordPieceTokenizer.train(["low lower lowest"] * 3, 21).save(tmp_path / "run" / "tokenizer")
    call = ["tokenizer", "--extend", str(tmp_path / "run"), "--out", str(tmp_path / "more"), str(text)]
    assert main([*call, "--new-tokens", "1"]) == 0
    assert load_tokenizer(tmp_path / "more").vocabulary.tokens[21:] == ("lowest",)
    assert main([*call, "--overwrite"]) == 2
    assert "the corpus has 2 new words that occur 5 times or more, and 1,000 were wanted" in capfd.readouterr().err
    assert main([*call, "--kind", "words", "--overwrite"]) == 2
    assert "is not one of words; give one made with --kind words" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--kind", "bpe", "--keep-case"], "--keep-case is for --kind wordpiece or words, not bpe; leave it out"),
        (["--kind", "bpe", "--algorithm", "bpe"], "--algorithm is for --kind sentencepiece, not bpe"),
        (["--kind", "characters", "--vocabulary-size", "65"], "or sentencepiece or words, not characters"),
        (["--kind", "sentencepiece", "--minimum-frequency", "3"], "or characters or words, not sentencepiece"),
        (["--kind", "sentencepiece", "--character-coverage", "2"], "character_coverage is 2.0"),
        (["--end-token"], "--end-token is for --kind characters, not wordpiece"),
        (["--kind", "bpe", "--extend", "x"], "--extend is for --kind words or wordpiece, not bpe"),
        (["--new-tokens", "5"], "--new-tokens are added to those of a tokenizer; name it with --extend"),
        (["--extend", "x", "--vocabulary-size", "9"], "--vocabulary-size is that of the tokenizer that --extend names"),
        (
            ["--kind", "words", "--extend", "x", "--keep-case"],
            "--keep-case is that of the tokenizer that --extend names",
        ),
        (["--kind", "words", "--extend", "nowhere"], "nowhere"),
        (["--word-pattern", "[a-z]+"], "--word-pattern is for --kind words, not wordpiece"),
        (["--kind", "words", "--word-pattern", "["], "is no regular expression"),
        (["--kind", "letters"], "invalid choice: 'letters'"),
    ],
)
def test_options_that_do_not_fit_the_kind(
    words: list[str], sentence: str, text: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["tokenizer", *words, "--out", str(tmp_path / "tokenizer"), str(text)]) == 2
    err = capfd.readouterr().err
    assert err.startswith("kpt tokenizer: ") and sentence in err and err.count("\n") == 1
    assert not (tmp_path / "tokenizer").exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--out", "{out}"], "no text is given"),
        (["--out", "{out}", "{tmp}/missing.txt"], "missing.txt does not exist"),
        (["--out", "{out}", "{tmp}/empty.txt"], "no document was found in"),
        (["--out", "{out}", "--vocabulary-size", "5", "{text}"], "vocabulary_size is 5"),
        (["--out", "{out}", "--vocabulary-size", "9000", "{text}"], "ask for at most"),
        (["--out", "{tmp}", "{text}"], "holds something else"),
        (["--out", "{text}", "{text}"], "is a file where a folder is to be written"),
    ],
)
def test_wrong_input_is_one_sentence(
    words: list[str], sentence: str, text: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty.txt").touch()
    names = {"out": tmp_path / "tokenizer", "tmp": tmp_path, "text": text}
    assert main(["tokenizer", *(word.format(**names) for word in words)]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("kpt tokenizer: ") and sentence in err and err.count("\n") == 1
    assert not (tmp_path / "tokenizer").exists()


def test_nothing_is_replaced_unasked(text: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    words = ["tokenizer", "--vocabulary-size", "40", "--out", str(tmp_path / "tokenizer"), str(text)]
    assert main(words) == 0
    assert main(words) == 2
    assert "--overwrite" in capfd.readouterr().err
    assert main([*words, "--overwrite"]) == 0
