"""Two or three small tasks in files, from the same texts."""

from __future__ import annotations

from pathlib import Path

from kpt.training.task_files import TaskFiles
from tests.training.small_finetuning import small_columns, small_files


def small_tasks(folder: Path) -> list[TaskFiles]:
    """Mood of texts, words that are tagged, and a number for a text."""
    records, columns = small_files(folder), small_columns(folder)
    return [
        TaskFiles("mood", *records, own={"windows": 2}),
        TaskFiles("names", *columns, "tag", own={"repair_tags": True}),
        TaskFiles("score", *records, "regress", own={"label_field": "score"}),
    ]
