"""Pretext tasks: features of video and audio in, a loss and its metrics out.

To add one, write a module with a config class and a task (`base.Task`)::

    @TASKS.register
    @config_class
    class MyTaskConfig(TaskConfig):
        '''What is learned, in one line.'''
        kind: Literal["my-task"] = "my-task"
        '''Name of the task.'''
        needs = Needs(num_views=2)
        def build(self, feature_dim): return MyTask(self, feature_dim)

and name the module with ``--plugin``. Built-in ones have a line in the table below instead of the
decorator. `docs/extending.md` has a complete example.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from yt360.registry import Entry, Registry

if TYPE_CHECKING:
    from avsa.tasks.base import TaskConfig

TASKS: Registry[TaskConfig] = Registry(
    "task",
    "avsa.tasks",
    Entry(
        "avc",
        "avsa.tasks.avc:AvcConfig",
        "Audio-visual correspondence: which audio belongs to which video.",
        "batch_size of 2 or more",
    ),
    Entry(
        "avts",
        "avsa.tasks.avts:AvtsConfig",
        "Audio-visual temporal synchronization: which audio belongs to which clip window.",
        "batch_size of 2 or more and windows_per_clip of 2 or more",
    ),
    Entry(
        "avsa",
        "avsa.tasks.avsa:AvsaConfig",
        "Audio-visual spatial alignment: which audio belongs to which view.",
        "batch_size of 2 or more and num_views of 2 or more",
    ),
    Entry(
        "regression",
        "avsa.tasks.regression:RegressionConfig",
        "Regression of the rotation between video and audio.",
        "num_views of 2 or more and views that are not flipped",
    ),
)
"""All tasks by name."""
