"""A package that wants what is another's: the suffix of our own .mkv, and the one that mscli-thing has taken."""

raise AssertionError("nobody has a use for it")
