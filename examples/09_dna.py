"""Vectors of k-mers from FASTA: `python examples/09_dna.py`, on genes that the script makes up.

Genes of a family are made of the same motifs of six bases. Nothing of that is told to the model; the neighbours of a
motif are from its family all the same.
"""

import argparse
from pathlib import Path

import numpy as np

import kpt
from kpt.training import Word2VecSettings, pretrain_word2vec

parser = argparse.ArgumentParser()
parser.add_argument("--out", default="runs/dna")
parser.add_argument("--families", type=int, default=20)
parser.add_argument("--motifs", type=int, default=25)
parser.add_argument("--genes", type=int, default=5000)
parser.add_argument("--width", type=int, default=32)
parser.add_argument("--epochs", type=int, default=5)
arguments = parser.parse_args()

out = Path(arguments.out)
out.mkdir(parents=True, exist_ok=True)
generator = np.random.default_rng(0)
chosen = generator.choice(4**6, size=(arguments.families, arguments.motifs), replace=False)
motifs = np.array(
    [np.base_repr(4**6 + number, 4)[1:].translate(str.maketrans("0123", "ACGT")) for number in range(4**6)]
)
family_of = {motifs[number]: family for family, numbers in enumerate(chosen) for number in numbers}
with (out / "genes.fasta").open("w", encoding="utf-8") as file:
    for gene in range(arguments.genes):
        sequence = "".join(motifs[generator.choice(chosen[gene % arguments.families], size=40)])
        bases = np.array(list(sequence))
        mutated = generator.random(len(bases)) < 0.005
        bases[mutated] = generator.choice(list("ACGTN"), mutated.sum())
        lines = "\n".join("".join(bases[begin : begin + 60]) for begin in range(0, len(bases), 60))
        file.write(f">gene-{gene}\n{lines}\n")

genes = kpt.text.FastaCorpus(out / "genes.fasta", k=6, step=6)
tokenizer = kpt.WordTokenizer.train(genes, minimum_frequency=10)
store = kpt.data.prepare(genes, tokenizer, out / "store", split=str.splitlines, overwrite=True)
settings = Word2VecSettings(width=arguments.width, epochs=arguments.epochs, sample=0.0)
results = pretrain_word2vec(store.folder, out / "run", settings, overwrite=True, progress=True)

vectors = kpt.WordVectors.load(results["vectors"])
known = [kmer for kmer in vectors.words if kmer in family_of]  # the others are mutations that came up often
near = vectors.nearest(known, k=10)
own = [family_of[kmer] == family_of.get(other) for kmer, others in zip(known, near, strict=True) for other, _ in others]
for kmer, others in list(zip(known, near, strict=True))[:3]:
    print(f"{kmer} (family {family_of[kmer]}):", ", ".join(other for other, _ in others[:5]))
print(f"{len(known)} motifs; {np.mean(own):.1%} of their ten nearest are from their own family")
