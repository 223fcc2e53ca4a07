"""The configuration of training: recipes, their keys, and the reference of all keys.

Each part of a recipe is a config class (`yt360.config`), declared beside the code that it
configures and put together in `avsa.config.train_config.TrainConfig`.

A section with a ``kind``, such as ``stages.NAME.task`` or ``encoders.video``, is read as the config
class of the entry of that name in a registry (`yt360.registry`). To make a field such a section::

    task: Annotated[TaskConfig, Section(TASKS)]
    video: Annotated[VideoEncoder, Section(VIDEO_ENCODERS, default="r2plus1d")]

The first part is the type that the code sees (a base class or a protocol); ``default`` is the kind
where the recipe names none. An entry's class has its name as the only value of ``kind``::

    @config_class
    class AvsaConfig(TaskConfig):
        \"\"\"Which view of the audio belongs to which view of the video.\"\"\"

        kind: Literal["avsa"] = "avsa"
        \"\"\"Name of the task.\"\"\"

Entries of users are read, checked and listed by ``--help-config`` and ``--schema`` like the
built-in ones.
"""
