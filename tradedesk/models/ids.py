import os
import time
import uuid


def new_id() -> uuid.UUID:
    """Return a UUID of version 7: ids made later sort later, so an index on them is in order of time."""
    milliseconds = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10), "big")
    value = (milliseconds & (1 << 48) - 1) << 80 | random
    value = value & ~(0xF << 76) | 7 << 76
    value = value & ~(0x3 << 62) | 2 << 62
    return uuid.UUID(int=value)


def earlier(identity: uuid.UUID, seconds: int) -> uuid.UUID:
    """Return an id that sorts before every id made up to so many seconds before this one."""
    milliseconds = max(0, (identity.int >> 80) - seconds * 1000)
    return uuid.UUID(int=milliseconds << 80)
