"""What `fit` receives: optimizers, schedules, callbacks, and the run folder they write to.

Names load on their first use: an optimizer needs neither the report's libraries nor a tokenizer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kpt.lazy import lazy_names

if TYPE_CHECKING:
    from kpt.training.bert import BertSettings, pretrain_bert
    from kpt.training.checkpoints import Checkpoints
    from kpt.training.continual import ContinualSettings, finetune_continual
    from kpt.training.finetune_settings import FinetuneSettings
    from kpt.training.finetuning import finetune, load_task_model, new_source, trained_source
    from kpt.training.generate_samples import GenerateSamples
    from kpt.training.gpt import GptSettings, pretrain_gpt
    from kpt.training.metrics_log import MetricsLog
    from kpt.training.multi_task import finetune_multi_task
    from kpt.training.optimizers import (
        adamw,
        bert_optimizer,
        decoder_optimizer,
        encoder_optimizer,
        finetune_optimizer,
        gpt2_optimizer,
    )
    from kpt.training.pretraining import Pretraining, pretrain
    from kpt.training.pretraining_data import RecordSource
    from kpt.training.progress import TrainingProgress
    from kpt.training.report import write_report
    from kpt.training.run_folder import RunFolder
    from kpt.training.schedule import WarmupDecay
    from kpt.training.sources import Loaded, load, open_source
    from kpt.training.task_files import TaskFiles, read_task_files
    from kpt.training.word2vec import pretrain_word2vec
    from kpt.training.word2vec_settings import Word2VecSettings

__all__ = [
    "BertSettings",
    "Checkpoints",
    "ContinualSettings",
    "FinetuneSettings",
    "GenerateSamples",
    "GptSettings",
    "Loaded",
    "MetricsLog",
    "Pretraining",
    "RecordSource",
    "RunFolder",
    "TaskFiles",
    "TrainingProgress",
    "WarmupDecay",
    "Word2VecSettings",
    "adamw",
    "bert_optimizer",
    "decoder_optimizer",
    "encoder_optimizer",
    "finetune",
    "finetune_continual",
    "finetune_multi_task",
    "finetune_optimizer",
    "gpt2_optimizer",
    "load",
    "load_task_model",
    "new_source",
    "open_source",
    "pretrain",
    "pretrain_bert",
    "pretrain_gpt",
    "pretrain_word2vec",
    "read_task_files",
    "trained_source",
    "write_report",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "BertSettings": "kpt.training.bert",
        "Checkpoints": "kpt.training.checkpoints",
        "GenerateSamples": "kpt.training.generate_samples",
        "FinetuneSettings": "kpt.training.finetune_settings",
        "GptSettings": "kpt.training.gpt",
        "Loaded": "kpt.training.sources",
        "TaskFiles": "kpt.training.task_files",
        "MetricsLog": "kpt.training.metrics_log",
        "Pretraining": "kpt.training.pretraining",
        "RecordSource": "kpt.training.pretraining_data",
        "RunFolder": "kpt.training.run_folder",
        "TrainingProgress": "kpt.training.progress",
        "WarmupDecay": "kpt.training.schedule",
        "Word2VecSettings": "kpt.training.word2vec_settings",
        "adamw": "kpt.training.optimizers",
        "bert_optimizer": "kpt.training.optimizers",
        "decoder_optimizer": "kpt.training.optimizers",
        "encoder_optimizer": "kpt.training.optimizers",
        "finetune": "kpt.training.finetuning",
        "ContinualSettings": "kpt.training.continual",
        "finetune_continual": "kpt.training.continual",
        "finetune_multi_task": "kpt.training.multi_task",
        "finetune_optimizer": "kpt.training.optimizers",
        "gpt2_optimizer": "kpt.training.optimizers",
        "load": "kpt.training.sources",
        "open_source": "kpt.training.sources",
        "load_task_model": "kpt.training.finetuning",
        "new_source": "kpt.training.finetuning",
        "pretrain": "kpt.training.pretraining",
        "pretrain_bert": "kpt.training.bert",
        "pretrain_gpt": "kpt.training.gpt",
        "pretrain_word2vec": "kpt.training.word2vec",
        "read_task_files": "kpt.training.task_files",
        "trained_source": "kpt.training.finetuning",
        "write_report": "kpt.training.report",
    },
)
