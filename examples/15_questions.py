"""Tune a pre-trained model to answer questions on texts, evaluate and ask it: `python examples/15_questions.py`.

`--train FILE --validation FILE` takes questions of your own, in SQuAD's json; without them the script makes some up, in
which every text has the answer to several questions, so that the question has to be read, and some have none.
"""

import argparse
import json
import random
from pathlib import Path

from kpt.data import read_squad
from kpt.evaluation import evaluate_task
from kpt.training import FinetuneSettings, finetune, load_task_model, trained_source

KINDS = {
    "colour": ("red", "dark red", "blue", "green", "black"),
    "person": ("Anna", "Old John", "Mary", "Peter", "Paul"),
    "number": ("two", "three", "four", "five", "six"),
    "month": ("May", "June", "July", "August", "March"),
}


def made_up(path: Path, count: int) -> Path:
    """Write questions such as "which number?" on texts such as "There was Mary. There was five. There was blue."."""
    paragraphs = []
    for number in range(count):
        kinds = random.sample(list(KINDS), 3)
        asked, text, answers = random.choice(list(KINDS)), "", []
        for kind in kinds:
            text += "There was "
            told = random.choice(KINDS[kind])
            if kind == asked:
                answers = [{"text": told, "answer_start": len(text)}]
            text += f"{told}. "
        question = {"id": f"{path.stem}-{number}", "question": f"which {asked}?", "answers": answers}
        paragraphs.append({"context": text.strip(), "qas": [question]})
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"data": [{"title": "made up", "paragraphs": paragraphs}]}), encoding="utf-8")
    return path


parser = argparse.ArgumentParser()
parser.add_argument("--from", dest="source", default="runs/bert")
parser.add_argument("--train")
parser.add_argument("--validation")
parser.add_argument("--out", default="runs/questions")
parser.add_argument("--count", type=int, default=2000)
parser.add_argument("--epochs", type=int, default=8)
arguments = parser.parse_args()

random.seed(0)
train, validation = arguments.train, arguments.validation
if train is None:
    folder = Path(f"{arguments.out}-data")
    train, validation = made_up(folder / "train.json", arguments.count), made_up(folder / "validation.json", 200)

settings = FinetuneSettings(task="qa", epochs=arguments.epochs, learning_rate=1e-3)
source = trained_source(arguments.source)
results = finetune(source, train, validation, arguments.out, settings, overwrite=True, progress=True)
print(f"best epoch {results['best_epoch']} of {results['epochs']}: {results['report']}")

model = load_task_model(arguments.out)
scores = evaluate_task(model, read_squad(validation))
low, high = scores["intervals"]["answer_f1"]
print(f"validation: exact match {scores['exact_match']:.1%}, F1 {scores['answer_f1']:.1%} ({low:.1%} to {high:.1%})")

text = "There was blue. There was Old John. There was six."
for question in ("which person?", "which number?", "which month?"):
    (told,) = model.tell([(question, text)])
    print(f"{question} {told['answer'] or 'no answer'} (characters {told['start']} to {told['end']})")
