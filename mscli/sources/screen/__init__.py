"""The screen as a camera: a monitor, a window, a region. Each window system has a backend, and a row in the registry.

On X11, by a connection of our own (python-xlib, ``mscli[screen]``):

- ``backend``: the displays of this system, and what is at an address
- ``stream``: passes on pictures as they change
- ``xserver``: a connection to an X server: monitors, windows, pictures, the pointer
- ``pixels``: memory that the X server writes into
- ``pointer``: draws the pointer into a picture

PyAV's ``x11grab`` is not used: it ends the process with a segmentation fault if OpenCV is loaded too, because each brings parts
of another libxcb. It also does not notice a window's new size, what lies over the window, and that the server is gone.

On Wayland, by the portal of the desktop (dbus-fast, ``mscli[screen]``) and PipeWire:

- ``wayland``: the display that the user chooses, and its pictures
- ``portal``: asks the user
- ``tokens``: keeps what the user has chosen
- ``pipewire``: a stream of pictures
- ``pods``: PipeWire's parameters

On macOS and Windows, by PyAV:

- ``desktops``: the displays of both
"""
