"""Whether something was signed recently: asked after the signature was found right."""

from app.signatures.presets import Preset
from app.signatures.verdict import Reason, Refused


def check_age(preset: Preset, signed_at: float, now: float) -> None:
    """Raises ``Refused``."""
    age = now - signed_at
    if age > preset.tolerance or (age < -preset.tolerance if preset.allows_future else age < 0):
        when = f"{age:.0f} s ago" if age >= 0 else f"{-age:.0f} s in the future"
        raise Refused(Reason.STALE, f"It was signed {when}; {preset.tolerance} s are allowed.")
