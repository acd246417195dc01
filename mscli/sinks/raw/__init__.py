"""Frames one after the other, in the formats of ``mscli.core.outputformats``.

- ``sink``: write them, converted if asked
- ``headers``: the headers of some formats
- ``framelog``: a line of JSON for each
"""
