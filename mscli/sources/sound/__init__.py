"""Microphones and speakers, through PortAudio, and through libpulse where there is a sound server.

- ``portaudio``: the backend
- ``portaudio_library``: PortAudio's global state: its device list, environment and output
- ``portaudio_stream``: an open speaker, and an open microphone without a sound server
- ``pulse_stream``: an open microphone of a sound server
- ``sampleclock``: determines when samples were captured
- ``pulse``: the names of a sound server's sources and sinks, through libpulse
- ``alsa``: the sound cards in the kernel's lists
- ``watch``: notifications about sound devices
"""
