"""Media files as cameras and microphones.

- ``backend``: what a file, or a blob, holds
- ``player``: plays it
"""
