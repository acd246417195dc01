"""Encoding: turn the frames of tracks into chunks, once for any number of outputs.

- ``encoding``: an ``Encoding`` and the ``PacketSink`` interface of its outputs
- ``options``: the options of a sink
- ``chunks``: descriptions of tracks for packet sinks
- ``codecs``: the table of containers, and MIME types
- ``profiles``: codec names with profile and level
- ``codecstring``: the name of a codec with profile and level, for MIME types
- ``tuning``: the table of FFmpeg's video encoders and their options
- ``video``, ``audio``: the encoders of video and sound
- ``shared``: sound that several encodings share
- ``copier``: a camera's encoded video, without re-encoding
- ``ffmpeg``: FFmpeg's encoders and streams
- ``headers``: headers of WAV files, correct ones of growing files and of MP3s
- ``mp4``: the index of an MP4 in front, and its sample entries
- ``samplesets``: where an MP4 has the parameter sets of a copy
- ``fragment``: the tracks and the fragments of an MP4
"""
