"""The screen as a camera: a monitor, a window, a region. On X11, by a connection of our own (python-xlib, ``mscli[screen]``).

PyAV's ``x11grab`` is not used: it ends the process with a segmentation fault if OpenCV is loaded too, because each brings parts
of another libxcb. It also does not notice a window's new size, what lies over the window, and that the server is gone.

- ``backend``: the displays of this system, and what is at an address
- ``stream``: passes on pictures as they change
- ``xserver``: a connection to an X server: monitors, windows, pictures, the pointer
- ``pixels``: memory that the X server writes into
- ``pointer``: draws the pointer into a picture
"""
