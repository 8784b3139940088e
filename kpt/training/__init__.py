"""What `fit` receives: optimizers, schedules, callbacks, and the run folder they write to.

Names load on their first use: an optimizer needs neither the report's libraries nor a tokenizer.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

_HOMES = {
    "BertSettings": "pretrain",
    "Checkpoints": "run_folder",
    "MetricsLog": "metrics_log",
    "RunFolder": "run_folder",
    "TrainingProgress": "progress",
    "WarmupDecay": "schedule",
    "adamw": "optimizers",
    "pretrain_bert": "pretrain",
    "write_report": "report",
}


def __getattr__(name: str) -> Any:
    """Import a public name on its first use (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'kpt.training' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"kpt.training.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the lazy names beside the loaded ones."""
    return sorted(set(globals()) | set(__all__))
