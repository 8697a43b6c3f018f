"""A file of an object store whose failures can be told from damaged data."""

from __future__ import annotations

import errno
import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

from windrow.tasks.texts.uris import shown_text, shown_uri


@contextmanager
def telling_no_secrets(location: str) -> Iterator[None]:
    """Let what fails in the block name the place without its login and its tokens."""
    try:
        yield
    except Exception as error:
        text = shown_text(str(error))
        status = getattr(error, "status", None)
        if text == str(error) and status not in (401, 403):
            raise
        is_access = isinstance(error, (FileNotFoundError, PermissionError))
        kind = type(error) if is_access else PermissionError if status in (401, 403) else OSError
        number = getattr(error, "errno", None) or (errno.EACCES if kind is PermissionError else errno.EIO)
        raise kind(number, text, shown_uri(location)) from None


class RemoteFile(io.RawIOBase):
    """Reads another file; whatever that raises comes as an OSError with a number.

    A connection that breaks in the middle of a file raises the exception of some library, or an OSError without a
    number, as do decoders of damaged files. Taken for damage, it would be on record for as long as the file stays.
    """

    def __init__(self, file: BinaryIO, location: str) -> None:
        self._file, self._location = file, location

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def read(self, size: int | None = -1) -> bytes:
        """Read up to `size` bytes, all of them by default. Raises OSError."""
        with self._told():
            return self._file.read(-1 if size is None else size)

    def readinto(self, buffer: Any) -> int:
        """Read as many bytes as fit, as a buffered reader asks for them. Raises OSError."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a byte. Raises OSError."""
        with self._told():
            return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return the place of the next byte."""
        return self._file.tell()

    def close(self) -> None:
        """Close the other file too."""
        if not self.closed:
            self._file.close()
        super().close()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            if isinstance(error, OSError) and error.errno is not None and shown_text(str(error)) == str(error):
                raise
            text = shown_text(f"{type(error).__name__}: {error}")
            raise OSError(errno.EIO, text, shown_uri(self._location)) from None
