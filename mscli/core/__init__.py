"""The vocabulary and the algorithms of media capture. Standard library only; no device, no file output.

Media and time

- ``frames``: frames and encoded chunks of video and audio, the tables of pixel and sample formats, counts
- ``codecs``: the table of codecs
- ``outputformats``: the table of the formats of ``mscli capture``
- ``flaws``: checks of frames and chunks that somebody else's code gives
- ``ring``: the layout of a ring of frames in shared memory
- ``loans``: memory that is lent without copying, and used again
- ``clock``: CLOCK_MONOTONIC in microseconds, and its conversion to UTC
- ``timing``: the times of a device's frames: replaces impossible ones, finds missing frames, and makes filler frames
- ``drift``: finds a source's clock that runs at another rate than ours
- ``ticks``: the times of a series of pictures or files
- ``timelapse``: the times of frames in a film that plays faster than it was recorded
- ``orientation``: how pictures are cropped, flipped, rotated and captioned
- ``motion``: when motion before a camera begins and ends
- ``screens``: the base class of what shows a preview
- ``window``: the requested part of a capture, and pauses
- ``playing``: the position of what is played, and the sound on its way to a speaker
- ``channels``: chosen channels of a device
- ``level``: the levels of sound: peaks, loudness and silence
- ``shaping``: crop, scale and drop frames for derived settings
- ``annexb``, ``codedpictures``, ``h264``, ``hevc``, ``jpeg``: the headers of H.264, HEVC and JPEG chunks
- ``references``: which chunks depend on a lost one

Negotiation

- ``properties``: the table of constrainable properties
- ``webidl``: conversion of constraints from JSON
- ``constraints``: constraints as rules, and the fitness distance
- ``boxes``: what a device can do, as sets of values
- ``derived``: settings that we derive from native modes
- ``aspect``: width and height under an aspect ratio
- ``select``, ``selection``: the choice of settings, and its result
- ``controls``: camera controls, and the order in which to set them

Devices

- ``device_state``: the state table of a device
- ``calls``: calls to drivers that may never return
- ``limits``: all time limits
- ``trouble``: why a device cannot be used, and remedies

Infrastructure

- ``eventloop``: bounded frame queues, and tasks for the consumer's thread
- ``threads``: threads that leave signals to the main thread
- ``children``: starts processes of our own
- ``locks``: locks that a signal handler may find held by its own thread
- ``events``: events and event targets
- ``errors``: the errors of the API
- ``log``: the log
- ``nearest``: suggests a known name for an unknown one
- ``plugins``: sources and sinks from other packages
- ``addresses``: URLs and file suffixes
- ``location``: the parts of an address of the network
- ``trust``: the certificates that the system trusts
- ``quantities``: durations, sizes and rates as people write them
- ``blobs``: the addresses of blobs
- ``folders``: resolves a path to a name in an open folder, without following links of other users
- ``unixsocket``: a Unix socket at a path, by the same rules
- ``descriptors``: stalled readers of file descriptors
- ``reported``: loops that survive unexpected exceptions
- ``version``: the version of mscli
- ``tuples``: ``NamedTuple``, faster to define
- ``readonly``, ``ids``: attributes and ids of API objects
"""
