"""Where master keys come from: the environment or a file of mode 0600, never the database."""

import base64
import os
import tempfile
from contextlib import suppress
from pathlib import Path

from app.core.boot import Misconfigured
from app.core.crypto import MasterKey, MasterKeys, decode_key, new_key
from app.core.settings import Settings


def default_file(settings: Settings) -> Path:
    return settings.master_key_file or settings.data / "keys" / "master.key"


def load(settings: Settings) -> MasterKeys | None:
    """The configured master keys, or None when there is no key yet. Raises ``Misconfigured``."""
    also = [
        _key(key.get_secret_value(), "JACKFIELD_MASTER_KEYS_ALSO_DECRYPT")
        for key in settings.master_keys_also_decrypt
    ]
    if settings.master_key is not None:
        return MasterKeys(_key(settings.master_key.get_secret_value(), "JACKFIELD_MASTER_KEY"), also)
    path = default_file(settings)
    try:
        return MasterKeys(_key(path.read_text(), str(path)), also)
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise Misconfigured(f"The master key file {path} cannot be read: {reason}.") from None


def create(settings: Settings) -> MasterKeys:
    """Make the first master key. Call it for an empty database only: a second key would open nothing.

    Of two processes that make one at once, one wins, and both go on with its key.
    """
    path = default_file(settings)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write_once(path, base64.b64encode(new_key()).decode() + "\n")
    except OSError as error:
        raise Misconfigured(f"The master key file {path} cannot be made: {error.strerror}.") from None
    return MasterKeys(_key(path.read_text(), str(path)))


def _write_once(path: Path, text: str) -> None:
    """Write a file whole, durably and for nobody else to read, unless it is there."""
    descriptor, name = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)
    draft = Path(name)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(draft, path)  # atomic, and refuses to replace a key that is there
    finally:
        draft.unlink()
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """What is sealed with the key is durable at once: the file's name has to be so before it."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _key(text: str, source: str) -> MasterKey:
    try:
        return MasterKey(decode_key(text))
    except ValueError as error:
        raise Misconfigured(f"{source}: {error}.") from None
