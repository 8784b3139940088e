"""Folders that somebody wrote to do harm, and folders with random damage: one error each, and nothing else."""

from __future__ import annotations

import copy
import json
import random
import shutil
from pathlib import Path
from typing import Any

import keras
import pytest

import kpt
from kpt.errors import InputError
from kpt.interop import write_hugging_face
from kpt.objectives import CausalLM, MaskedLM, NextSentence, Pretrainer
from kpt.tasks import Classifier
from tests.batches import tiny_decoder, tiny_encoder
from tests.interop.checkpoints import byte_pair, wordpiece

#: What a value in a JSON file is replaced by.
VALUES: list[Any] = [
    None, True, False, 0, -1, 1, 3, 2**31, 2**63, 10**30, -0.5, 1e-300, 1e308, float("nan"), float("inf"),
    "", "a", "../x", "/etc/passwd", "\ud800", "gelu", "0", [], [1], ["a", 2], {}, {"a": 1}, {"0": "a"}, "x" * 10_000,
]  # fmt: skip


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A classifier, a pre-trained encoder in shards, and a decoder."""
    import transformers

    root = tmp_path_factory.mktemp("sound")
    size = wordpiece().vocabulary.size
    encoder = Pretrainer(tiny_encoder(vocabulary_size=size, embedding_width=4, pooler=False), [MaskedLM()])
    write_hugging_face(encoder, wordpiece(), root / "electra")
    sharded = Pretrainer(tiny_encoder(vocabulary_size=size, depth=1), [MaskedLM(), NextSentence()])
    whole = write_hugging_face(sharded, wordpiece(), root / "whole")
    transformers.BertForPreTraining.from_pretrained(whole).save_pretrained(root / "sharded", max_shard_size="8KB")
    wordpiece().save(root / "sharded")
    classifier = Classifier(tiny_encoder(vocabulary_size=size, depth=1), ["a", "b"], pooling="pooled")
    write_hugging_face(classifier, wordpiece(), root / "classifier")
    options = {"positions": "rotary", "normalization": "rms_norm", "activation": "silu", "gated": True}
    decoder = tiny_decoder(vocabulary_size=byte_pair().vocabulary.size, use_bias=False, depth=1, **options)
    write_hugging_face(Pretrainer(decoder, [CausalLM()]), byte_pair(), root / "decoder")
    return [root / name for name in ("electra", "sharded", "classifier", "decoder")]


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every container of a JSON value with a key of it."""
    found: list[tuple[Any, Any]] = []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found += [(value, key), *places(inner)]
    return found


def change_json(path: Path, chance: random.Random) -> None:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        return  # damaged before
    for _ in range(chance.choice([1, 1, 1, 2, 4])):
        found = places(value)
        if not found:
            break
        container, key = chance.choice(found)
        action = chance.random()
        if action < 0.15 and isinstance(container, dict):
            del container[key]
        elif action < 0.25:
            other, its = chance.choice(found)
            container[key] = copy.deepcopy(other[its])
        else:
            container[key] = copy.deepcopy(chance.choice(VALUES))
    path.write_text(json.dumps(value), encoding="utf-8")


def change_bytes(path: Path, chance: random.Random) -> None:
    content = bytearray(path.read_bytes())
    # Numbers of tensors are mostly not of interest: their header is at the beginning.
    for _ in range(chance.choice([1, 2, 8])):
        reach = min(len(content), 4000)
        if not reach:
            break
        begin = chance.randrange(reach)
        action = chance.randrange(4)
        if action == 0:
            content[begin] = chance.randrange(256)
        elif action == 1:
            del content[begin : begin + chance.choice([1, 10, 1000])]
        elif action == 2:
            content[begin:begin] = chance.choice([b"9", b'"', b"{", b"\x00", b"[" * 5000, b"\xff"])
        else:
            content = content[: chance.randrange(len(content) + 1)]
    path.write_bytes(bytes(content))


def damage(folder: Path, chance: random.Random) -> None:
    path = chance.choice(sorted(folder.iterdir()))
    if path.suffix == ".json" and chance.random() < 0.8:
        change_json(path, chance)
    elif chance.random() < 0.05:
        path.unlink()
    else:
        change_bytes(path, chance)


def load_damaged(sound: Path, target: Path, seed: int) -> bool:
    """Whether a folder with some damage is still loaded; whatever else happens is an error of the test."""
    chance = random.Random(seed)
    shutil.copytree(sound, target)
    try:
        for _ in range(chance.choice([1, 1, 2])):
            damage(target, chance)
        kpt.load(target)
    except InputError as error:
        assert "\n" not in str(error)[:2000]
        return False
    finally:
        shutil.rmtree(target)
    return True


@pytest.mark.filterwarnings("ignore:.*not read, as kpt has no such head.*")
def test_random_damage_is_refused_or_harmless(folders: list[Path], tmp_path: Path) -> None:
    loaded = [load_damaged(folders[seed % 4], tmp_path / "damaged", seed) for seed in range(60)]
    assert 5 < sum(loaded) < 55  # else nothing was damaged, or nothing but that


def test_a_panic_of_the_tokenizers_library_is_an_error(folders: list[Path], tmp_path: Path) -> None:
    """What the random damage found: a prefix of pieces that is longer than a piece ends the reader in a panic."""
    shutil.copytree(folders[3], tmp_path / "decoder")
    path = tmp_path / "decoder" / "tokenizer.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["model"]["continuing_subword_prefix"] = "x" * 100
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(InputError):
        kpt.load(tmp_path / "decoder")


@pytest.mark.parametrize("tokens", [7, "ab", {"a": 1}])
def test_additional_tokens_that_are_no_list(tokens: Any, folders: list[Path], tmp_path: Path) -> None:
    shutil.copytree(folders[0], tmp_path / "electra")
    path = tmp_path / "electra" / "tokenizer_config.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**content, "additional_special_tokens": tokens}), encoding="utf-8")
    with pytest.raises(InputError, match=r"additional_special_tokens is .* and no list"):
        kpt.load(tmp_path / "electra")


def test_an_index_with_a_name_too_long_for_a_file(folders: list[Path], tmp_path: Path) -> None:
    shutil.copytree(folders[1], tmp_path / "sharded")
    path = tmp_path / "sharded" / "model.safetensors.index.json"
    path.write_text(json.dumps({"weight_map": {"a": "x" * 5000 + ".safetensors"}}), encoding="utf-8")
    with pytest.raises(InputError, match=r"is missing, which model.safetensors.index.json names"):
        kpt.load(tmp_path / "sharded")


@pytest.mark.parametrize("name", ["tokenizer.json", "config.json", "tokenizer_config.json"])
def test_nesting_without_end_takes_little_memory(name: str, folders: list[Path], tmp_path: Path) -> None:
    import resource

    shutil.copytree(folders[0], tmp_path / "electra")
    (tmp_path / "electra" / name).write_bytes(b'{"a":' + b"[" * (100 << 20))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InputError):
        kpt.load(tmp_path / "electra")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500 << 10  # KiB; a file of 100 MiB


def test_a_layer_of_code_in_a_run_is_refused(tmp_path: Path) -> None:
    marker = tmp_path / "ran"

    def harm(x: Any) -> Any:
        marker.touch()
        return x

    inputs = keras.Input((3,))
    model = keras.Model(inputs, keras.layers.Lambda(harm)(inputs))
    run = kpt.training.RunFolder.create(tmp_path / "run", wordpiece(), {"kind": "bert"})
    run.save(model, step=1)  # with checksums that agree
    marker.unlink()
    with pytest.raises(InputError, match=r"cannot be read \(it has a Lambda layer, whose code kpt does not run\)"):
        kpt.load(tmp_path / "run")
    assert not marker.exists()
