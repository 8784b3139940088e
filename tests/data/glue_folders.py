"""Small folders with files in GLUE's own layouts."""

from __future__ import annotations

from pathlib import Path

from kpt.data.glue import GLUE

#: The first lines of `train.tsv`; MRPC's files begin with a byte order mark, CoLA's have no such line.
FIRST_LINES = {
    "CoLA": "",
    "SST-2": "sentence\tlabel\n",
    "MRPC": "\ufeffQuality\t#1 ID\t#2 ID\t#1 String\t#2 String\n",
    "QQP": "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n",
    "STS-B": "index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2\tscore\n",
    "MNLI": "index\tpromptID\tpairID\tgenre\tsentence1_binary_parse\tsentence2_binary_parse\tsentence1_parse\t"
    "sentence2_parse\tsentence1\tsentence2\tlabel1\tgold_label\n",
    "QNLI": "index\tquestion\tsentence\tlabel\n",
    "RTE": "index\tsentence1\tsentence2\tlabel\n",
    "WNLI": "index\tsentence1\tsentence2\tlabel\n",
}
#: MNLI's development files have the labels of five people before the one that counts.
MNLI_DEV = FIRST_LINES["MNLI"].replace("label1\t", "label1\tlabel2\tlabel3\tlabel4\tlabel5\t")
#: Records; {n} is their number, {text} and {pair} the texts.
RECORDS = {
    "CoLA": "gj04\t{label}\t{star}\t{text}\n",
    "SST-2": "{text}\t{label}\n",
    "MRPC": "{label}\t70{n}\t71{n}\t{text}\t{pair}\n",
    "QQP": "{n}\t1{n}\t2{n}\t{text}\t{pair}\t{label}\n",
    "STS-B": "{n}\tmain-captions\tMSRvid\t2012test\t000{n}\tnone\tnone\t{text}\t{pair}\t{label}\n",
    "MNLI": "{n}\t3{n}\t3{n}n\tfiction\t( a b )\t( c d )\t(ROOT a)\t(ROOT b)\t{text}\t{pair}\t{people}{label}\n",
    **dict.fromkeys(("QNLI", "RTE", "WNLI"), "{n}\t{text}\t{pair}\t{label}\n"),
}
LABELS = {
    **dict.fromkeys(("CoLA", "SST-2", "MRPC", "QQP", "WNLI"), ("1", "0")),
    "STS-B": ("4.750", "0.500"),
    "MNLI": ("contradiction", "entailment", "neutral"),
    **dict.fromkeys(("QNLI", "RTE"), ("entailment", "not_entailment")),
}


def write_glue(folder: Path, name: str, records: int = 4) -> Path:
    """Write the files of a task; the words `fine` and `great` are in the texts of its first label alone."""
    target = folder / name
    target.mkdir()
    labels = LABELS[name]
    for file in ("train.tsv", *GLUE[name].validation):
        dev = file.startswith("dev")
        lines = [MNLI_DEV if name == "MNLI" and dev else FIRST_LINES[name]]
        for n in range(records):
            label = labels[n % len(labels)]
            lines.append(
                RECORDS[name].format(
                    n=n,
                    label=label,
                    text=f'a "{("fine", "poor", "great", "bad")[n % 4]} film',  # a quote that means nothing
                    pair=f"the {n} pair",
                    star="*" if label == "0" else "",
                    people="\t".join([label] * (5 if dev else 1)) + "\t",
                )
            )
        (target / file).write_text("".join(lines), encoding="utf-8")
    return target
