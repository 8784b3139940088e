"""What `fit` receives: optimizers, schedules, callbacks, and the run folder they write to."""

from kpt.training.metrics_log import MetricsLog
from kpt.training.optimizers import adamw
from kpt.training.pretrain import BertSettings, pretrain_bert
from kpt.training.progress import TrainingProgress
from kpt.training.report import write_report
from kpt.training.run_folder import Checkpoints, RunFolder
from kpt.training.schedule import WarmupDecay

__all__ = [
    "BertSettings",
    "Checkpoints",
    "MetricsLog",
    "RunFolder",
    "TrainingProgress",
    "WarmupDecay",
    "adamw",
    "pretrain_bert",
    "write_report",
]
