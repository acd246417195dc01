"""The objects of the W3C specifications, one file per interface, and the way from constraints to live tracks.

    import mscli
    with mscli.MediaDevices() as devices:
        stream = devices.get_user_media({"audio": True, "video": {"frameRate": 30}})
        recorder = mscli.MediaRecorder(stream, file="clip.mkv", window=(0.5, None))  # for half a second
        recorder.start()
        recorder.join()

Interfaces

- ``mediadevices``: the devices of a machine; the entry point of the library
- ``mediadeviceinfo``, ``devicechangeevent``: descriptions of devices, and their changes
- ``mediastream``, ``mediastreamtrack``: streams and tracks, and what a source has delivered to a track
- ``mediastreamtrackprocessor``: reads a track's frames
- ``canvas``, ``trackgenerator``, ``trackfrom``, ``programs``: tracks of frames that a program makes, and what they share
- ``mediaelement``, ``timeranges``: plays files, addresses and streams, and the parts where it can
- ``elementmedia``, ``elementcapture``, ``soundoutput``: reads them at their pace, captures them, brings sound to a speaker
- ``audiocontext``, ``offlineaudiocontext``: audio graphs, in real time and into memory
- ``audionode``, ``audionodes``, ``audiosources``, ``audiostreams``: their nodes: what is common, effects, tones, and streams
- ``audioparam``, ``audiobuffer``, ``audiovalues``: the parameters of nodes, sound in memory, and checks of arguments
- ``audiorender``: the thread that renders a graph
- ``url``: addresses of blobs
- ``imagecapture``: takes single pictures
- ``mediarecorder``: records a stream; its options and events
- ``blob``: what a recorder hands out
- ``dictionaries``: the dictionaries of the standard, for type checkers
- ``getdisplaymedia``: the options of ``get_display_media``, and the choice among displays
- ``ring``: reads a ring of frames in shared memory
- ``motionwatch``: watches a camera for motion
- ``preview``: shows the tracks of a run on a screen
- ``aiortctrack``: tracks for aiortc

From constraints to tracks

- ``wanted``: the requested tracks
- ``getusermedia``: chooses, opens, starts and replaces devices
- ``settings_space``: a device's abilities as boxes of settings
- ``sharing``: several tracks on one source
- ``nativeformats``: cameras whose encoded video is copied

From tracks to outputs

- ``recording``: writes frames into sinks on separate threads, judges the tracks, and keeps recordings without a file
- ``monitoring``: lets microphones be heard while they are captured
- ``mixing``: several tracks of sound as one
- ``listening``: notices silence and sound on the way into an output
- ``commands``: the commands for a running capture

Devices and events

- ``machine``: lists and finds the devices of all backends, and those at addresses
- ``listing``: lists a backend's devices within a time limit
- ``devicewatch``: the watch behind ``devicechange``
- ``eventthread``: runs events for programs without a loop
"""
