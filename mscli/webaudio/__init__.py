"""The rendering half of audio graphs: https://www.w3.org/TR/webaudio-1.0/#rendering-loop. It knows no tracks and no devices.

The control half (``mscli.api.audiocontext`` and the classes of nodes) posts messages; ``Graph.render`` runs them, and then
computes one span of sound. No other thread touches what is in here, but for the few attributes that say so.

- ``graph``: the order of the nodes, cycles, and the messages
- ``processor``: the base class of nodes, spans, and what enters and leaves a graph
- ``mixing``: up-mixing and down-mixing, and the sum of an input's connections
- ``timeline``: the automation of a parameter, as a function of time
- ``param``: the values of a parameter during a span
- ``gain``, ``panner``, ``channels``, ``delay``, ``biquad``, ``compressor``, ``analyser``: nodes that process
- ``scheduled``, ``constant``, ``oscillator``, ``buffersource``: nodes that make sound
- ``line``: the sound that waits between a track and the graph

A block is an array of (channels, samples), or None for silence. A node never changes a block that it was given. All modules but
this one import NumPy, and are only imported by modules that are imported late themselves.
"""
