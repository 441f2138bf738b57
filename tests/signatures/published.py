"""What a sender publishes, as the port for it hands it over; and certificates made for a test."""

from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import CertificateBuilder, Name, NameAttribute, random_serial_number
from cryptography.x509.oid import NameOID

from app.signatures.key_source import host_of
from app.signatures.verdict import Reason, Refused
from tests.signatures.requests import NOW


class Published:
    """A ``KeySource`` of documents by address; remembers what it was asked for."""

    def __init__(self, documents, later=None):
        self.documents = documents
        self.later = later or {}
        self.asked = []

    async def document(self, url, hosts, *, newer=False):
        self.asked.append((url, newer))
        if not hosts.fullmatch(host_of(url) or ""):
            raise Refused(Reason.MALFORMED, "not allowed")
        found = self.later.get(url) if newer else None
        found = found or self.documents.get(url)
        if found is None:
            raise Refused(Reason.MISMATCH, "nothing there")
        return found


def certificate(key: rsa.RSAPrivateKey, *, days=(-1, 1)) -> bytes:
    """PEM, valid for the days around ``NOW``."""
    name = Name([NameAttribute(NameOID.COMMON_NAME, "sender.example")])
    moment = datetime.fromtimestamp(NOW, UTC)
    built = (
        CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(random_serial_number())
        .not_valid_before(moment + timedelta(days=days[0]))
        .not_valid_after(moment + timedelta(days=days[1]))
        .sign(key, SHA256())
    )
    return built.public_bytes(Encoding.PEM)
