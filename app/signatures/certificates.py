"""Certificates that a sender publishes beside its signatures."""

from datetime import UTC, datetime

from cryptography.x509 import Certificate, load_pem_x509_certificate

from app.signatures.verdict import Reason, Refused


def read_certificate(pem: bytes, now: float) -> Certificate:
    """The first certificate of a PEM file. Raises ``Refused`` for none, or one that is not valid at ``now``.

    It is trusted for the place where it was found: an https address on a host of the sender.
    """
    try:
        certificate = load_pem_x509_certificate(pem)
        moment = datetime.fromtimestamp(now, UTC)
    except (ValueError, OverflowError, OSError):
        raise Refused(Reason.MISMATCH, "What is published as the certificate is none.") from None
    if not certificate.not_valid_before_utc <= moment <= certificate.not_valid_after_utc:
        raise Refused(Reason.MISMATCH, "The certificate is not valid now.")
    return certificate
