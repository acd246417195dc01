"""The version of mscli."""

__version__ = "0.1.0"
