"""`kpt generate`: goes on with texts, by a decoder that `kpt pretrain gpt` or somebody else has trained."""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from typing import Any

from kpt.cli.arguments import (
    add_backend_argument,
    add_source_argument,
    positive_integer,
    positive_number,
    proportion,
    whole_number,
)
from kpt.cli.backend import load_backend
from kpt.cli.output import Output
from kpt.errors import InputError

__all__ = ["add_parser", "run"]

# What is handed on to `kpt.generate` under its own name.
OPTIONS = (
    "max_new_tokens",
    "temperature",
    "top_k",
    "top_p",
    "min_p",
    "num_beams",
    "num_return_sequences",
    "no_repeat_ngram_size",
    "repetition_penalty",
    "stop",
    "seed",
)


def add_parser(verbs: Any) -> argparse.ArgumentParser:
    """Describe the verb."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "generate",
        help="go on with texts",
        description="Go on with texts. The most probable token follows, unless one of the options of drawing is given; "
        "the text of a single prompt appears as it is written.",
        epilog='Example: kpt generate --from run "Once upon a time" --temperature 0.8 --top-p 0.95',
    )
    parser.add_argument("prompts", nargs="+", metavar="PROMPT", help="beginning of a text; - reads it from the input")
    add_source_argument(parser)
    parser.add_argument("--max-new-tokens", type=positive_integer, default=50, metavar="N", help="(default: 50)")
    parser.add_argument(
        "--weights", choices=("int8",), help="round the large matrices to 8 bits: less to read for each token"
    )
    add_backend_argument(parser)
    group = parser.add_argument_group("drawing")
    group.add_argument("--temperature", type=positive_number, metavar="X", help="what logits are divided by")
    group.add_argument("--top-k", type=positive_integer, metavar="N", help="draw from so many tokens")
    group.add_argument("--top-p", type=proportion, metavar="X", help="draw from tokens that have this probability")
    group.add_argument("--min-p", type=proportion, metavar="X", help="draw from tokens so probable beside the first")
    group.add_argument(
        "--num-return-sequences", type=positive_integer, default=1, metavar="N", help="texts a prompt (default: 1)"
    )
    group.add_argument("--seed", type=whole_number, default=0, metavar="N", help="(default: 0)")
    group = parser.add_argument_group("searching")
    group.add_argument("--num-beams", type=positive_integer, default=1, metavar="N", help="of beam search (default: 1)")
    group.add_argument(
        "--no-repeat-ngram-size", type=whole_number, default=0, metavar="N", help="let no N tokens occur twice"
    )
    group.add_argument(
        "--repetition-penalty", type=positive_number, default=1.0, metavar="X", help="on tokens that occurred"
    )
    group.add_argument("--stop", action="append", default=[], metavar="TEXT", help="end before this text (repeatable)")
    parser.set_defaults(run=run)
    return parser


def run(arguments: argparse.Namespace, output: Output) -> dict[str, Any]:
    """Load and generate."""
    prompts = [sys.stdin.read() if prompt == "-" else prompt for prompt in arguments.prompts]
    load_backend(arguments.backend)
    from kpt.generation import generate, print_text
    from kpt.objectives import CausalLM
    from kpt.training import open_source

    source = open_source(arguments.source)
    model = source.load(compile=False)
    if not any(isinstance(objective, CausalLM) for objective in getattr(model, "objectives", ())):
        raise InputError(f"the model of {source.path} writes no text; give a run of `kpt pretrain gpt`, or a decoder")
    if arguments.weights:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Keras names each layer that has no large matrix
            model.quantize(arguments.weights)
    options = {name: getattr(arguments, name) for name in OPTIONS}
    streamed = len(prompts) == 1 and arguments.num_return_sequences == arguments.num_beams == 1 and not output.as_json
    if streamed:
        print(prompts[0], end="", flush=True)
        options["stream"] = print_text
    begin = time.perf_counter()
    texts = generate(model, source.tokenizer, prompts, **options)
    seconds = time.perf_counter() - begin
    if output.as_json:
        return {"texts": texts, "prompts": prompts, "step": source.step, "seconds": round(seconds, 2)}
    if streamed:
        print(flush=True)
        return {}
    for number, text in enumerate(texts):
        if number:
            output.line("---")
        output.line(prompts[number // arguments.num_return_sequences] + text)
    return {}
