"""The front door: the only folder that knows Click, rich, the terminal and exit codes. One file per command."""
