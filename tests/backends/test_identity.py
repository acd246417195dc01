"""Ids that survive a reboot and a replug, from the test's own sysfs."""

from __future__ import annotations

from pathlib import Path

import pytest

from mscli.sources.identity import distinct_ids, group_id, physical_device, port_path, stable_id

CONTROLLER = "devices/pci0000:00/0000:00:14.0"


class Sysfs:
    """A tree of devices, laid out as by the kernel."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def usb(self, bus: int, version: str, ports: str, serial: str = "") -> Path:
        """Add a USB device at the end of a chain of ports."""
        hub = self.folder / CONTROLLER / f"usb{bus}"
        device = hub / f"{bus}-{ports}"
        device.mkdir(parents=True, exist_ok=True)
        for folder in (hub, device):
            (folder / "idVendor").write_text("1d6b\n")
        (hub / "version").write_text(f" {version}\n")
        if serial:
            (device / "serial").write_text(f"{serial}\n")
        return device

    def node(self, device: Path, interface: int, name: str) -> str:
        """Add a class device (video0, card1) of one of the interfaces."""
        driver = device / f"{device.name}:1.{interface}"
        own = driver / "class" / name
        own.mkdir(parents=True)
        (own / "device").symlink_to(driver)
        link = self.folder / name
        link.symlink_to(own)
        return str(link)


@pytest.fixture
def sysfs(tmp_path: Path) -> Sysfs:
    return Sysfs(tmp_path)


def test_a_port_is_the_same_whatever_number_its_bus_has(tmp_path: Path) -> None:
    paths = []
    for boot, bus in (("first", 1), ("second", 3)):
        device = Sysfs(tmp_path / boot).usb(bus, "2.00", "4.1")
        paths.append(port_path(f"{device}/{bus}-4.1:1.0").removeprefix(str(tmp_path / boot)))
    assert paths == [f"/{CONTROLLER}/usb2/-4.1/-4.1:1.0"] * 2


def test_the_two_buses_of_a_controller_are_told_apart_by_their_version(sysfs: Sysfs) -> None:
    assert port_path(str(sysfs.usb(1, "2.00", "2"))) != port_path(str(sysfs.usb(2, "3.10", "2")))


def test_a_path_without_usb_is_left_as_it_is() -> None:
    for path in ("/sys/devices/platform/vivid.0", "/sys/devices/pci0000:00/0000:00:1f.3", "/sys/devices/virtual/video4linux"):
        assert port_path(path) == path


def test_camera_and_microphone_of_a_webcam_have_one_group(sysfs: Sysfs) -> None:
    webcam = sysfs.usb(1, "2.00", "2", serial="A1")
    camera, card = sysfs.node(webcam, 0, "video0"), sysfs.node(webcam, 2, "card1")
    assert physical_device(camera) == physical_device(card) == str(webcam)
    assert group_id(camera) == group_id(card)


def test_equal_webcams_in_two_ports_have_two_groups(sysfs: Sysfs) -> None:
    nodes = [sysfs.node(sysfs.usb(1, "2.00", port), 0, f"video{port}") for port in ("1", "2")]
    assert group_id(nodes[0]) != group_id(nodes[1])


def test_a_group_is_the_same_after_a_boot_that_numbers_the_buses_otherwise(tmp_path: Path) -> None:
    groups = []
    for bus in (1, 5):
        place = tmp_path / "sys"
        tree = Sysfs(place)
        groups.append(group_id(tree.node(tree.usb(bus, "2.00", "2", serial="A1"), 0, "video0")))
        place.rename(tmp_path / f"boot{bus}")
    assert groups[0] == groups[1]


def test_what_nothing_tells_apart_is_counted() -> None:
    first, other, second = distinct_ids([("camera", "x"), ("camera", "y"), ("camera", "x")])
    assert len({first, other, second}) == 3
    assert first == stable_id("camera", "x")
