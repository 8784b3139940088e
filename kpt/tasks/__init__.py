"""Task models: a thin head on a backbone, trained on labelled texts."""

from kpt.tasks.classifier import Classifier
from kpt.tasks.entities import entities
from kpt.tasks.multi_task import MultiTask, refuse_several
from kpt.tasks.question_answerer import QuestionAnswerer
from kpt.tasks.regressor import Regressor
from kpt.tasks.tagger import Tagger
from kpt.tasks.task_model import TaskModel

__all__ = [
    "Classifier",
    "MultiTask",
    "QuestionAnswerer",
    "Regressor",
    "Tagger",
    "TaskModel",
    "entities",
    "refuse_several",
]
