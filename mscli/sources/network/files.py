"""Files of a web server: played as those of a disk if they can be read in parts, or else from their beginning to their end."""

from __future__ import annotations

from mscli.core.errors import NotReadableError
from mscli.sources.base import InputOptions
from mscli.sources.demux import InputContainer, InputContent, open_container
from mscli.sources.file.player import Player
from mscli.sources.network.http import HttpFile, WebClient
from mscli.sources.network.links import LinkReader
from mscli.sources.pipe.feeds import ContainerFeed

WITHIN = {"protocol_whitelist": "data"}  # FFmpeg opens nothing that a file names


class HttpFiles:
    """The opened readings of one file. ``length``: in bytes."""

    def __init__(self, client: WebClient, length: int) -> None:
        self.name = client.where.name
        self._client, self._length = client, length
        self._current: HttpFile | None = None
        self._shut = False

    def container(self) -> InputContainer:
        """Open the file from its beginning. Raises NotReadableError after a stop, which a reader takes for the end."""
        if self._current is not None:
            self._current.close()
        self._current = file = HttpFile(self._client, self._length)
        if self._shut:
            raise NotReadableError(f"{self.name} was closed")
        return InputContainer(open_container(file, self.name, container_options=WITHIN), self.name)

    def shut(self) -> None:
        """End a wait of another thread. Nothing more is read."""
        self._shut = True
        self._client.shut()
        if self._current is not None:
            self._current.shut()

    def close(self) -> None:
        """Close the last connection."""
        self.shut()
        if self._current is not None:
            self._current.close()


class HttpPlayer(Player):
    """A playing file of a web server."""

    def __init__(self, files: HttpFiles, content: InputContent, options: InputOptions) -> None:
        super().__init__(files.name, files.container, content, options)
        self._files = files

    def interrupt(self) -> None:
        """End a wait for the server at a stop."""
        if self.stopping:
            self._files.shut()

    def close(self) -> None:
        """Close the file."""
        super().close()
        self._files.close()


class PassingContainer(ContainerFeed):
    """A file that a web server sends from its beginning to its end."""

    def __init__(self, reader: LinkReader, container: InputContainer, content: InputContent, *, live: bool) -> None:
        super().__init__(reader, container, content, live=live)
        self._link = reader

    def interrupt(self) -> None:
        """End a wait for the server at a stop."""
        if self.stopping:
            self._link.shut()

    def close(self) -> None:
        """Close the file and the connection."""
        super().close()
        self._link.close()
