"""A converted network: the definition the server takes, its report, and the `.spk` file."""

from __future__ import annotations

import hashlib
import os
import struct
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

from google.protobuf.message import DecodeError

from spikeserve import _show
from spikeserve._report import ConversionReport, read_report
from spikeserve.v1 import network_pb2 as pb

MAGIC = b"SPKNET\r\n"
FILE_VERSION = 1
FORMAT_VERSION = 1
_HEADER = struct.Struct("<8sIIQ32s")
_LARGEST_MODE = pb.MODE_INT8  # how a server stored it; a client says so anew when it loads
MAX_PAYLOAD_BYTES = (1 << 31) - 1  # the largest protobuf message


class NetworkFileError(ValueError):
    """A `.spk` file that cannot be used."""


class NotANetworkFileError(NetworkFileError):
    """The file is not a `.spk` file at all."""


class NetworkFileVersionError(NetworkFileError):
    """The file was written by a version of spikeserve that this one does not know."""


class DamagedNetworkFileError(NetworkFileError):
    """The file is truncated, has trailing bytes or fails its checksum."""


class Network:
    """A spiking network that can be saved, loaded into a server, or inspected.

    `definition` is the protobuf message the server takes; treat it as read-only.
    """

    def __init__(self, definition: pb.NetworkDefinition, report: ConversionReport | None = None) -> None:
        self._definition = definition
        self._report = report or read_report(definition.provenance)

    @property
    def definition(self) -> pb.NetworkDefinition:
        """The NetworkDefinition message."""
        return self._definition

    @property
    def report(self) -> ConversionReport:
        """What the conversion did."""
        return self._report

    def to_bytes(self) -> bytes:
        """The serialized NetworkDefinition, as it goes to the server."""
        return self._definition.SerializeToString(deterministic=True)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes a `.spk` file: to a temporary file beside it, synced, then renamed over `path`."""
        target = Path(path)
        payload = self.to_bytes()
        header = _HEADER.pack(
            MAGIC, FILE_VERSION, pb.MODE_UNSPECIFIED, len(payload), hashlib.sha256(payload).digest()
        )
        _write_atomically(target, header, payload)

    def to_nir(
        self, path: str | os.PathLike[str], *, approximate: bool = False, sum_pools: bool = False
    ) -> None:
        """Writes a NIR file, as Norse, Sinabs, snnTorch, Lava and others read it.

        A spike is a 1 there, a time step is not in the file, and images have their channels first. What NIR
        cannot say (signed neurons, neurons with memory, refractory periods, initial voltages ...) raises
        ConversionError with each operation; `approximate`: what has a near relative in NIR is written as
        that, with a ConversionWarning that names the difference. `sum_pools`: means under a window are sums,
        and the weights behind divide (Norse and Sinabs know SumPool2d alone, snnTorch AvgPool2d alone). Read
        it again with `read_nir` and the dt of the network.
        """
        from spikeserve.convert.errors import ConversionWarning, printable
        from spikeserve.convert.nir.write.definition import write_nir

        content, said = write_nir(self._definition, approximate, sum_pools)
        _write_atomically(Path(path), content)
        for text in said:
            warnings.warn(printable(text), ConversionWarning, stacklevel=2)

    def summary(self) -> str:
        """A table of the operations with output shape, neurons and parameters."""
        from spikeserve.convert.definition.summary import summary_table

        return summary_table(self._definition)

    def settings(self) -> list[str]:
        """A line for every neuron, filter, delay and default in force."""
        from spikeserve.convert.definition.summary import settings_lines

        return settings_lines(self._definition)

    def __repr__(self) -> str:
        definition = self._definition
        kinds = [operation.WhichOneof("kind") for operation in definition.operations]
        ends = [
            f"input {item.name} {list(item.input.shape)}"
            for item in definition.operations
            if item.HasField("input")
        ]
        ends += [f"probe {item.name}" for item in definition.probes]
        return _show.line(
            "Network",
            _show.count(len(kinds), "operation"),
            _show.some_of(ends),
            _show.count(kinds.count("neuron"), "spiking layer"),
            f"{definition.ByteSize():,} bytes",
        )

    def _repr_html_(self) -> str:
        """In a notebook: the operations."""
        from spikeserve.convert.definition.summary import COLUMNS, summary_rows

        return _show.table(repr(self)[1:-1], COLUMNS, summary_rows(self._definition))


def load_network(path: str | os.PathLike[str]) -> Network:
    """Reads a `.spk` file written by `Network.save`.

    Raises NotANetworkFileError, NetworkFileVersionError or DamagedNetworkFileError (all ValueError),
    and OSError where the file cannot be read.
    """
    source = Path(path)
    with source.open("rb") as stream:
        payload = _check_header(source, stream.read(_HEADER.size), stream.read)
    definition = pb.NetworkDefinition()
    try:
        definition.ParseFromString(payload)
    except DecodeError as error:
        raise DamagedNetworkFileError(f"{source}: not a network definition: {error}") from error
    if definition.format_version != FORMAT_VERSION:
        raise NetworkFileVersionError(
            f"{source}: definition format {definition.format_version}, this version reads {FORMAT_VERSION}"
        )
    return Network(definition)


def _check_header(source: Path, header: bytes, read: Callable[[int], bytes]) -> bytes:
    if header[: len(MAGIC)] != MAGIC:
        raise NotANetworkFileError(f"{source}: not a .spk file (wrong magic bytes)")
    if len(header) < _HEADER.size:
        raise DamagedNetworkFileError(f"{source}: the header is truncated")
    _, version, mode, length, digest = _HEADER.unpack(header)
    if version != FILE_VERSION:
        raise NetworkFileVersionError(f"{source}: file version {version}, this version reads {FILE_VERSION}")
    if mode > _LARGEST_MODE:
        raise DamagedNetworkFileError(f"{source}: mode {mode} in the header, wanted 0..{_LARGEST_MODE}")
    if length > MAX_PAYLOAD_BYTES:
        raise DamagedNetworkFileError(
            f"{source}: the header declares {length} bytes, the limit is {MAX_PAYLOAD_BYTES}"
        )
    payload = read(length + 1)
    if len(payload) != length:
        raise DamagedNetworkFileError(
            f"{source}: the header declares {length} bytes, the file holds "
            f"{'more' if len(payload) > length else len(payload)}"
        )
    if hashlib.sha256(payload).digest() != digest:
        raise DamagedNetworkFileError(f"{source}: the SHA-256 checksum does not match")
    return payload


def _write_atomically(target: Path, *parts: bytes) -> None:
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.writelines(parts)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(name, 0o644)
        os.replace(name, target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    _sync_folder(target.parent)


def _sync_folder(folder: Path) -> None:
    """Makes the rename durable where the system lets a folder be opened."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:
        pass
    finally:
        os.close(handle)
