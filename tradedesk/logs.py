import logging
import re
from collections.abc import MutableMapping
from typing import Any

import structlog

# A webhook token stands in the address, a bearer or API token in a header, a password in an address.
SECRETS = (
    (re.compile(r"(/webhooks/tradingview/)[^\s\"']+"), r"\1[token]"),
    (re.compile(r"((?:Bearer|Token)\s+)[\w.\-]+", re.IGNORECASE), r"\1[token]"),
    (re.compile(r"(\w+://[^:/@\s]*:)[^@\s]+@"), r"\1[password]@"),
    (re.compile(r"(\"token\"\s*:\s*\")[^\"]+"), r"\1[token]"),
)


def redact(text: str) -> str:
    """Return the text with webhook tokens, bearer tokens and passwords in addresses cut out."""
    for pattern, replacement in SECRETS:
        text = pattern.sub(replacement, text)
    return text


def _redact_event(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = redact(value)
    return event


def configure(level: str, *, as_json: bool) -> None:
    """Send structlog and the standard library's logging through one redacting formatter on standard error."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _redact_event,
    ]
    renderer = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer(colors=False, pad_event_to=0)
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _redact_event, renderer],
    )
    handler = logging.StreamHandler()
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for chatty in ("httpx", "urllib3"):
        logging.getLogger(chatty).setLevel("WARNING")
    # It may name the addresses that notices go to, and those hold tokens.
    notices = logging.getLogger("apprise")
    notices.handlers[:], notices.propagate = [logging.NullHandler()], False
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
