"""Outputs of bytes: named files, pipes, descriptors and file objects; and how files are named.

- ``output``: write bytes, and translate the system's errors about them
- ``sockets``: sockets that several readers may join
- ``ring``: a ring of frames in shared memory
- ``hidden``: the hidden name of a file until it can be read
- ``series``: name the files of a series, and remove surplus ones
"""
