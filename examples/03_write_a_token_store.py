"""Turn text into a token store, once, for every later training: `python examples/03_write_a_token_store.py`."""

import argparse

import kpt
from kpt.data import SentencePairs, prepare

parser = argparse.ArgumentParser()
parser.add_argument("files", nargs="*", default=["runs/corpus.jsonl"])
parser.add_argument("--tokenizer", default="runs/tokenizer")
parser.add_argument("--out", default="runs/store")
arguments = parser.parse_args()

tokenizer = kpt.WordPieceTokenizer.load(arguments.tokenizer)
store = prepare(kpt.Corpus(arguments.files), tokenizer, arguments.out, progress=True, overwrite=True)
print(f"{store.documents:,} documents, {store.sentences:,} sentences, {store.tokens:,} tokens: {store.folder}")

print("\nthe first sentences of the first document:")
for sentence in store.document(0)[:3]:
    print("  ", tokenizer.decode(sentence))

print("\ntwo examples as BERT is trained on them, before tokens are masked:")
batch = SentencePairs(store, length=48).examples(step=0, batch_size=2)
for row in range(2):
    print("  ", tokenizer.decode(batch["token_ids"][row][batch["padding_mask"][row]]))
    print(
        "   --> the second segment", "is from elsewhere" if batch["next_sentence_labels"][row] else "follows the first"
    )
