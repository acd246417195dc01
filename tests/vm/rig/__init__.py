"""A virtual machine with real media drivers, and what runs in it."""
