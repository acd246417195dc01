"""fake-usb camera|microphone|webcam [--name NAME] [--serial SERIAL]: a USB device of software, plugged into this kernel.

The kernel's own uvcvideo and snd-usb-audio bind to it; a webcam is a camera and a microphone in one device. It is unplugged by
SIGTERM or SIGINT; SIGUSR1 makes it hold its data back, SIGUSR2 lets it go on. For root, in the virtual machine.
"""

from __future__ import annotations

import argparse
import signal

from tests.vm.rig.usb.camera import Camera
from tests.vm.rig.usb.microphone import Microphone
from tests.vm.rig.usb.usbip import Device, Function


def functions(kind: str) -> list[Function]:
    wanted: dict[str, list[type[Function]]] = {"camera": [Camera], "microphone": [Microphone], "webcam": [Camera, Microphone]}
    return [make(first_interface=2 * place) for place, make in enumerate(wanted[kind])]


def main() -> None:
    parser = argparse.ArgumentParser(prog="fake-usb")
    parser.add_argument("kind", choices=("camera", "microphone", "webcam"))
    parser.add_argument("--name", help="default: Test and the kind")
    parser.add_argument("--serial", default="0001")
    asked = parser.parse_args()
    product = {"camera": 0x0102, "microphone": 0x0101, "webcam": 0x0103}[asked.kind]
    device = Device(asked.name or f"Test {asked.kind}", asked.serial, product, functions(asked.kind))
    device.plug()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: device.link.close())
    signal.signal(signal.SIGUSR1, lambda *_: device.link.flowing.clear())
    signal.signal(signal.SIGUSR2, lambda *_: device.link.flowing.set())
    device.serve()


if __name__ == "__main__":
    main()
