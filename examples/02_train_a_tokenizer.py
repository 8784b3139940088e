"""Train a WordPiece tokenizer and look at what it does: `python examples/02_train_a_tokenizer.py`."""

import argparse

import kpt

parser = argparse.ArgumentParser()
parser.add_argument("files", nargs="*", default=["runs/corpus.jsonl"])
parser.add_argument("--vocabulary-size", type=int, default=8000)
parser.add_argument("--out", default="runs/tokenizer")
arguments = parser.parse_args()

tokenizer = kpt.WordPieceTokenizer.train(kpt.Corpus(arguments.files), arguments.vocabulary_size)
tokenizer.save(arguments.out)  # Hugging Face's tokenizers and transformers load this folder too
print(f"{tokenizer.vocabulary.size:,} pieces: {arguments.out}")

ids = tokenizer.encode(["Returns the tokenizer's vocabulary."]).row(0)
print("pieces:", " ".join(tokenizer.vocabulary.tokens[i] for i in ids))
print("ids:   ", *ids)
print("text:  ", tokenizer.decode(ids))
