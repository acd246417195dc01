"""Frames one after the other, in the formats of ``mscli.core.outputformats``.

- ``sink``: write them, converted if asked
- ``framelog``: a line of JSON for each
"""
