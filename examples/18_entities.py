"""Tune a pre-trained model to find names in texts, score it and ask it: `python examples/18_entities.py`.

`--train FILE --validation FILE` takes texts of your own, a word and its tag in a line and an empty line after each text
(CoNLL; BIO tags); without them the script makes some up, in which the words before a name tell what it stands for.
"""

import argparse
import random
from pathlib import Path

from kpt.data import read_conll
from kpt.evaluation import evaluate_task
from kpt.training import FinetuneSettings, finetune, load_task_model, trained_source

NAMES = (("Paris",), ("London",), ("Jordan",), ("Old", "York"), ("Sydney",), ("San", "Marino"))
BEFORE = {"place": (("lives", "in"), ("flew", "to"), ("is", "from")), "person": (("talked", "to"), ("was", "called"))}


def made_up(path: Path, count: int) -> Path:
    """Write texts such as "He lives in Old York and was called Sydney ."."""
    texts = []
    for _ in range(count):
        tagged = [(random.choice(("He", "She", "Somebody")), "O")]
        for number, kind in enumerate(random.choices(list(BEFORE), k=2)):
            tagged += [("and", "O")] * number + [(word, "O") for word in random.choice(BEFORE[kind])]
            tagged += [(w, f"{'I' if at else 'B'}-{kind}") for at, w in enumerate(random.choice(NAMES))]
        texts.append("\n".join(f"{word}\t{tag}" for word, tag in [*tagged, (".", "O")]))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n\n".join(texts) + "\n", encoding="utf-8")
    return path


parser = argparse.ArgumentParser()
parser.add_argument("--from", dest="source", default="runs/bert")
parser.add_argument("--train")
parser.add_argument("--validation")
parser.add_argument("--out", default="runs/entities")
parser.add_argument("--count", type=int, default=800)
parser.add_argument("--epochs", type=int, default=6)
arguments = parser.parse_args()

random.seed(0)
train, validation = arguments.train, arguments.validation
if train is None:
    folder = Path(f"{arguments.out}-data")
    train, validation = made_up(folder / "train.conll", arguments.count), made_up(folder / "validation.conll", 200)

settings = FinetuneSettings(task="tag", epochs=arguments.epochs)
source = trained_source(arguments.source)
results = finetune(source, train, validation, arguments.out, settings, overwrite=True, progress=True)
print(f"best epoch {results['best_epoch']} of {results['epochs']}: {results['report']}")

model = load_task_model(arguments.out)
scores = evaluate_task(model, read_conll(validation))
low, high = scores["intervals"]["f1"]
print(f"validation: entity F1 {scores['f1']:.1%} ({low:.1%} to {high:.1%})")
for kind, one in scores["types"].items():
    print(f"  {kind}: {one['f1']:.1%}")

text = "She flew to Old York and talked to Jordan."
(told,) = model.tell([text])
print(f"{text} -> {len(told['entities'])} entities")
for entity in told["entities"]:
    print(f"  {entity['text']}: {entity['type']} (characters {entity['begin']} to {entity['end']})")
