"""Fake devices, for tests and for trying the program without hardware.

    import mscli
    loose = {"kind": "videoinput", "label": "Loose plug", "faults": {"vanishAfterFrames": 3}}
    with mscli.MediaDevices(backends=[mscli.FakeBackend({"devices": [loose]})]) as devices:
        (track,) = devices.get_user_media({"video": True}).get_tracks()
        with mscli.MediaStreamTrackProcessor({"track": track}).readable as frames:
            assert len(list(frames)) <= 3

- ``backend``: the backend; its docstring specifies times and faults
- ``description``: parses the JSON description of devices
- ``video``: the frames of a camera
- ``sound``: the audio blocks of a microphone
- ``speaker``: what a speaker plays
"""
