"""An RTSP server for Debian's Python: ``rtsp_server.py [USER PASSWORD]``. It tells its port.

``/live`` is a test picture and sound; ``/taken`` takes H.264 and AAC.
"""

from __future__ import annotations

import sys

import gi  # type: ignore[import-not-found]

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # type: ignore[import-not-found]  # noqa: E402

VIDEO = (
    "videotestsrc is-live=true ! video/x-raw,width=160,height=120,framerate=25/1 ! "
    "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=25 ! rtph264pay name=pay0 pt=96"
)
SOUND = "audiotestsrc is-live=true ! audio/x-raw,rate=8000,channels=1 ! alawenc ! rtppcmapay name=pay1 pt=8"

Gst.init(None)
server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1")
server.set_service("0")
factory = GstRtspServer.RTSPMediaFactory()
factory.set_launch(f"( {VIDEO} {SOUND} )")
factory.set_shared(True)
if len(sys.argv) > 1:
    auth, token = GstRtspServer.RTSPAuth(), GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "user")
    auth.add_basic(GstRtspServer.RTSPAuth.make_basic(*sys.argv[1:]), token)
    server.set_auth(auth)
    allowed = GstRtspServer.RTSPPermissions()
    for permission in ("media.factory.access", "media.factory.construct"):
        allowed.add_permission_for_role("user", permission, True)
    factory.set_permissions(allowed)
taker = GstRtspServer.RTSPMediaFactory()
taker.set_transport_mode(GstRtspServer.RTSPTransportMode.RECORD)
taker.set_launch("( rtph264depay name=depay0 ! fakesink rtpmp4gdepay name=depay1 ! fakesink )")
if len(sys.argv) > 1:
    taker.set_permissions(allowed)
server.get_mount_points().add_factory("/live", factory)
server.get_mount_points().add_factory("/taken", taker)
server.attach(None)
print(server.get_bound_port(), flush=True)
GLib.MainLoop().run()
