"""What a client is told of the way to its server, checked before the first call."""

from __future__ import annotations

import base64
import binascii
import os
import re
import socket
import ssl
import time
from pathlib import Path

PathOrBytes = str | os.PathLike[str] | bytes

WANTED = "HOST:PORT, [IPV6]:PORT, unix:PATH, dns:///NAME:PORT or ipv4:ADDRESS:PORT,ADDRESS:PORT"

_HOST = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+(?:%\w+)?\]|[^\[\]:/@\s,]+):(?P<port>[^:\s,]*)")
_PEM = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----\s.*?-----END \1-----", re.DOTALL)
_CERTIFICATE = "CERTIFICATE"
_DER_SEQUENCE = b"\x30"  # what every key begins with


class ConnectionOptionError(ValueError):
    """An argument of a client that cannot be used: `option` is its name, `reason` what is wrong with it."""

    def __init__(self, option: str, reason: str) -> None:
        super().__init__(f"{option}: {reason}")
        self.option = option
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.option}: {self.reason}"


class ConnectionFileError(ConnectionOptionError, OSError):
    """A file of a client's certificates or key that cannot be read."""


def check_address(address: object) -> str:
    """The address as gRPC takes it; ConnectionOptionError where no server can be there."""
    wanted = f"got {address!r}, wanted {WANTED}"
    if not isinstance(address, str) or not address or address != address.strip():
        raise ConnectionOptionError("address", wanted)
    scheme, _, rest = address.partition(":")
    if scheme in ("http", "https", "grpc", "grpcs") and rest.startswith("//"):
        encrypted = " and encryption (tls, root_cert)" if scheme.endswith("s") else ""
        raise ConnectionOptionError("address", f"{wanted}, without {scheme}://{encrypted}")
    if scheme in ("unix", "unix-abstract"):
        if not rest.removeprefix("//"):
            raise ConnectionOptionError("address", wanted)
        return address
    targets = [address]
    if scheme == "dns" and not rest.isdigit():
        targets = [rest.rpartition("/")[2]]
    elif scheme in ("ipv4", "ipv6") and not rest.isdigit():
        targets = rest.split(",")
    for target in targets:
        _check_target(target, address)
    return address


def _check_target(target: str, address: str) -> None:
    wanted = f"wanted {WANTED}"
    found = _HOST.fullmatch(target)
    if found is None:
        missing = " has no port" if re.fullmatch(r"\[[^\]]*\]|[^\[\]:/@\s]+", target) else ""
        raise ConnectionOptionError("address", f"got {address!r}, which{missing or ' is none'}; {wanted}")
    port = found["port"]
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise ConnectionOptionError("address", f"got {address!r}, whose port is {port!r}; wanted 1 to 65535")


def speaks_tls(address: str, timeout: float = 2.0) -> bool:
    """Whether a server at HOST:PORT speaks TLS; False where that is not seen within `timeout` seconds."""
    host, _, port = address.rpartition(":")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False  # no secret is sent: it is only seen how the server answers
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    try:
        with (
            socket.create_connection((host.strip("[]"), int(port)), timeout) as plain,
            context.wrap_socket(plain),
        ):
            return True
    except (OSError, ValueError):
        return False


def check_token(token: str | None) -> str | None:
    """The token; ConnectionOptionError where it cannot be sent. The message does not repeat it."""
    if token is None:
        return None
    if not token:
        raise ConnectionOptionError("token", "got an empty text, wanted the token")
    if not (token.isascii() and token.isprintable()):
        raise ConnectionOptionError(
            "token", "it has characters that cannot be sent, wanted one line of printable ASCII"
        )
    return token


def read_pem(option: str, source: PathOrBytes | None, kind: str) -> bytes | None:
    """The PEM file or its bytes, which hold a CERTIFICATE or a PRIVATE KEY; ConnectionOptionError else."""
    if source is None:
        return None
    label = "the bytes given" if isinstance(source, bytes) else os.fspath(source)
    content = source if isinstance(source, bytes) else _read(option, source)
    found = [name.decode() for name in _PEM.findall(content)]
    if not any(name.endswith(kind) for name in found):
        got = ", ".join(sorted(set(found))) if found else "no PEM block"
        raise ConnectionOptionError(option, f"{label}: got {got}, wanted a PEM file with a {kind}")
    if kind == _CERTIFICATE:
        _check_certificates(option, label, content)
    else:
        _check_key(option, label, content)
    return content


def _read(option: str, source: str | os.PathLike[str]) -> bytes:
    try:
        return Path(source).read_bytes()
    except OSError as error:
        raise ConnectionFileError(option, f"{os.fspath(source)}: {error.strerror}") from error


def _check_certificates(option: str, label: str, content: bytes) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cadata=content.decode("ascii", errors="replace"))
    except (ssl.SSLError, ValueError) as error:
        raise ConnectionOptionError(option, f"{label}: its certificate is damaged: {error}") from error
    # Those of authorities are the only ones that Python shows.
    ends = [str(shown["notAfter"]) for shown in context.get_ca_certs() if "notAfter" in shown]
    if len(ends) == context.cert_store_stats()["x509"] > 0:
        last = max(ends, key=ssl.cert_time_to_seconds)
        if ssl.cert_time_to_seconds(last) < time.time():
            raise ConnectionOptionError(option, f"{label}: its certificate expired on {last}")


def _check_key(option: str, label: str, content: bytes) -> None:
    for block in _PEM.finditer(content):
        if not block[1].endswith(b"PRIVATE KEY"):
            continue
        if b"ENCRYPTED" in block[0]:
            raise ConnectionOptionError(option, f"{label}: is encrypted, wanted one without a password")
        try:
            encoded = base64.b64decode(b"".join(block[0].split(b"-----")[2].split()), validate=True)
        except binascii.Error as error:
            raise ConnectionOptionError(option, f"{label}: its private key is damaged: {error}") from error
        if not encoded.startswith(_DER_SEQUENCE):
            raise ConnectionOptionError(option, f"{label}: its private key is damaged: it is no DER")


def check_pair(certificate: PathOrBytes | None, key: PathOrBytes | None) -> None:
    """ConnectionOptionError where the files of a certificate and a key do not belong together."""
    if certificate is None or key is None or isinstance(certificate, bytes) or isinstance(key, bytes):
        return  # no private key is written to a file only to look at it

    def no_password() -> str:
        raise ConnectionOptionError("client_key", f"{os.fspath(key)}: is encrypted, wanted one without")

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(certificate, key, no_password)
    except ssl.SSLError as error:
        raise ConnectionOptionError(
            "client_key", f"{os.fspath(key)}: is no key for {os.fspath(certificate)}: {error}"
        ) from error
