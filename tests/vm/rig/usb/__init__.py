"""USB devices made of software, for the virtual machine: `fake-usb`."""
