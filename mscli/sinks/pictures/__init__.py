"""Pictures, each in a file.

- ``image``: convert and compress a picture
- ``exif``: write metadata into it
- ``album``: the files of a series of pictures
"""
