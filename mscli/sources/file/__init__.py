"""Media files as cameras and microphones.

- ``backend``: what a file holds
- ``player``: plays it
"""
