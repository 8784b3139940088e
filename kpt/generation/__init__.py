"""Text from causal language models, and how probable they find a text."""

from kpt.generation.generate import generate
from kpt.generation.sampling import Sampling
from kpt.generation.scoring import Scores, score
from kpt.generation.text_stream import TextStream, print_text
from kpt.generation.zero_shot import zero_shot

__all__ = ["Sampling", "Scores", "TextStream", "generate", "print_text", "score", "zero_shot"]
