"""What PyTorch does for a function, recorded once and then done without Keras."""

from kpt.recording.operations import Recording, record
from kpt.recording.training_steps import RecordedSteps

__all__ = ["RecordedSteps", "Recording", "record"]
