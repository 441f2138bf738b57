"""The forms in which senders write a moment."""

import re
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Literal

TimestampUnit = Literal["s", "ms", "rfc3339", "imf-fixdate"]

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII)
_IMF_FIXDATE = re.compile(r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT", re.ASCII)
_DIGITS = re.compile(r"\d{1,15}", re.ASCII)


def unix_seconds(text: str, unit: TimestampUnit) -> float | None:
    """None when the text is of another form: RFC 3339, or the preferred one of RFC 9110, section 5.6.7."""
    try:
        match unit:
            case "s" | "ms":
                if not _DIGITS.fullmatch(text):
                    return None
                return int(text) / (1000 if unit == "ms" else 1)
            case "rfc3339":
                return datetime.fromisoformat(text).timestamp() if _RFC3339.fullmatch(text) else None
            case "imf-fixdate":
                return parsedate_to_datetime(text).timestamp() if _IMF_FIXDATE.fullmatch(text) else None
    except (ValueError, OverflowError):
        return None
