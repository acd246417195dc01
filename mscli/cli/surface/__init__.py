"""The commands as people see them: arguments, options, help and examples. What runs a command is imported when it runs.

- ``common``: arguments and options that several commands share
- ``filters``: the options that change pictures
- ``preview``: the options of a preview
- ``pictures``: the options of pictures and of series of pictures
- ``devices``, ``capabilities``, ``snapshot``, ``record``, ``capture``: one command each
"""
