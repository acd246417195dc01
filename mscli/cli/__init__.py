"""The command line. Only this package knows Click, rich, the terminal and exit codes.

Commands

- ``main``: the command tree
- ``surface``: the arguments, options and help of each command
- ``helppages``: help in groups
- ``helptexts``: the help pages as text files, printed without Click
- ``overview``: what ``mscli`` alone shows
- ``devices``, ``capabilities``, ``snapshot``, ``record``, ``capture``: one command each
- ``shooting``, ``hooks``: pictures and series of pictures, and the commands of ``--exec``
- ``watch``, ``watch_table``, ``change``: ``devices --watch``

Options

- ``shared``: the options of every command
- ``options``: the options of the capturing commands
- ``encoding``, ``series``: the options of a recording
- ``paramtypes``: how option values are parsed
- ``target``: the target of a recording
- ``resolve``: finds a device by name, path, id or address
- ``completion``, ``shells``: shell completion
- ``manual``, ``manpage``: the man pages, and what writes them and the help texts
- ``reference``: writes the reference of the library

During a capture

- ``session``: the devices, stream, signals and events of one run; saves and restores the controls of cameras
- ``opening``: opens the devices
- ``signals``, ``leaving``: signals during, before and after a command
- ``keys``, ``trigger``, ``control``, ``commands``: commands from keys, signals, stdin and a socket
- ``eventlog``: ``--events``; ``change`` follows the devices for it

Output for people and scripts

- ``say``, ``status``, ``tables``: messages, status line, tables
- ``draw``: pictures in a terminal
- ``preview``, ``terminalscreen``: the preview of a command, and its picture in the terminal
- ``report``: the final report
- ``exitcodes``, ``failure``, ``usage``: errors and exit codes
- ``logs``: the log on stderr
- ``printable``, ``style``: escapes control characters; colours
- ``forgiving``: stalled or missing readers
"""
