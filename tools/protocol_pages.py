"""Writes the reference of the protocol, one Markdown page, from the comments of the .proto files.

    tools/protocol_pages.py PAGE

Every service, method, message, field, enum and value is on it. What has no comment is an error, except a
field whose type is a message or an enum with one, the only field of a message, and values that mean "none was
given" (NAME_UNSPECIFIED = 0). Needs protoc.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from google.protobuf import descriptor_pb2 as pb

ROOT = Path(__file__).resolve().parent.parent
PROTO_ROOT = ROOT / "proto"
_INTRODUCTION = """# Protocol reference

Made from the comments of `proto/spikeserve/v1`; [the protocol](../docs/protocol.md) says how it is used. All
numbers of fields are those of the wire. A field that is not sent has its zero value, unless its comment says
otherwise; those marked optional can be told from their zero value.
"""

# Numbers of fields in descriptor.proto, which paths of comments are made of.
_MESSAGE, _ENUM, _SERVICE = 4, 5, 6  # of a file
_FIELD, _NESTED, _NESTED_ENUM = 2, 3, 4  # of a message
_VALUE, _METHOD = 2, 2  # of an enum, of a service


@dataclass
class Comments:
    """The comments of one file by path, and what was asked for and is missing."""

    texts: dict[tuple[int, ...], str]
    missing: list[str] = field(default_factory=list)

    def find(self, path: tuple[int, ...], name: str, otherwise: str = "") -> str:
        """The comment of an element; where it has none `otherwise`, and where that is empty it is missing."""
        text = self.texts.get(path, otherwise)
        if not text:
            self.missing.append(name)
        return text


class MissingCommentError(Exception):
    """Elements of the protocol without a comment, each named in full."""


def read_descriptors(proto_root: Path, files: Sequence[str]) -> pb.FileDescriptorSet:
    """What protoc makes of the files, comments included."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "set.pb"
        subprocess.run(
            ["protoc", f"--proto_path={proto_root}", f"--descriptor_set_out={out}", "--include_source_info",
             *files],
            check=True,
        )  # fmt: skip
        return pb.FileDescriptorSet.FromString(out.read_bytes())


def _comments(file: pb.FileDescriptorProto) -> Comments:
    texts = {}
    for location in file.source_code_info.location:
        text = " ".join(f"{location.leading_comments} {location.trailing_comments}".split())
        if text:
            texts[tuple(location.path)] = text
    return Comments(texts)


def _escape(text: str) -> str:
    """Plain text of a comment as Markdown that shows it as it is, backticks apart."""
    for character in "\\*_<>[]|":
        text = text.replace(character, f"\\{character}")
    return text


def _anchor(name: str) -> str:
    return name.replace(".", "-").lower()


def _short(type_name: str, package: str) -> str:
    return type_name.removeprefix(f".{package}.").removeprefix(".")


def _heading(level: int, name: str) -> str:
    return f"{'#' * level} {name} {{#{_anchor(name)}}}"


@dataclass
class Writer:
    """Writes one file's part of the page."""

    file: pb.FileDescriptorProto
    comments: Comments
    described: dict[str, str]  # by full name of a message or an enum: its comment

    def lines(self) -> Iterator[str]:
        """The part, line by line."""
        for index, service in enumerate(self.file.service):
            yield from self._service((_SERVICE, index), service)
        for index, message in enumerate(self.file.message_type):
            yield from self._message((_MESSAGE, index), message, "")
        for index, enum in enumerate(self.file.enum_type):
            yield from self._enum((_ENUM, index), enum, "")

    def _full(self, name: str) -> str:
        return f"{self.file.package}.{name}"

    def _service(self, path: tuple[int, ...], service: pb.ServiceDescriptorProto) -> Iterator[str]:
        comment = self.comments.find(path, self._full(service.name))
        yield from (_heading(2, service.name), "", _escape(comment), "", "| method | |", "|---|---|")
        for index, method in enumerate(service.method):
            name = f"{service.name}.{method.name}"
            takes = self._link(method.input_type, method.client_streaming)
            gives = self._link(method.output_type, method.server_streaming)
            text = _escape(self.comments.find((*path, _METHOD, index), self._full(name)))
            yield f"| `{method.name}`({takes}) returns ({gives}) | {text} |"
        yield ""

    def _message(self, path: tuple[int, ...], message: pb.DescriptorProto, outer: str) -> Iterator[str]:
        name = outer + message.name
        text = self.comments.find(path, self._full(name))
        yield from (_heading(2 if not outer else 3, name), "", _escape(text), "")
        if message.field:
            yield from ("| field | number | type | |", "|---|---|---|---|")
        for index, one in enumerate(message.field):
            yield self._field((*path, _FIELD, index), one, message, name)
        yield ""
        for index, nested in enumerate(message.nested_type):
            yield from self._message((*path, _NESTED, index), nested, f"{name}.")
        for index, enum in enumerate(message.enum_type):
            yield from self._enum((*path, _NESTED_ENUM, index), enum, f"{name}.")

    def _field(
        self, path: tuple[int, ...], one: pb.FieldDescriptorProto, message: pb.DescriptorProto, name: str
    ) -> str:
        label = "repeated " if one.label == one.LABEL_REPEATED else "optional " if one.proto3_optional else ""
        if one.HasField("oneof_index") and not one.proto3_optional:
            label = f"one of `{message.oneof_decl[one.oneof_index].name}`: "
        kind = self._link(one.type_name) if one.type_name else pb.FieldDescriptorProto.Type.Name(one.type)
        kind = kind.removeprefix("TYPE_").lower() if not one.type_name else kind
        otherwise = self.described.get(one.type_name, "")
        if len(message.field) == 1:
            otherwise = otherwise or "as the message says"
        text = self.comments.find(path, f"{self._full(name)}.{one.name}", otherwise)
        return f"| `{one.name}` | {one.number} | {label}{kind} | {_escape(text)} |"

    def _enum(self, path: tuple[int, ...], enum: pb.EnumDescriptorProto, outer: str) -> Iterator[str]:
        name = outer + enum.name
        comment = self.comments.find(path, self._full(name))
        yield from (_heading(2, name), "", _escape(comment), "", "| value | number | |", "|---|---|---|")
        for index, value in enumerate(enum.value):
            none = "none was given" if value.number == 0 and value.name.endswith("_UNSPECIFIED") else ""
            text = self.comments.find((*path, _VALUE, index), f"{self._full(name)}.{value.name}", none)
            yield f"| `{value.name}` | {value.number} | {_escape(text)} |"
        yield ""

    def _link(self, type_name: str, streamed: bool = False) -> str:
        name = _short(type_name, self.file.package)
        text = f"[{name}](#{_anchor(name)})" if type_name in self.described else f"`{name}`"
        return f"stream of {text}" if streamed else text


def _described(file: pb.FileDescriptorProto, comments: Comments) -> Iterator[tuple[str, str]]:
    """Every message and enum of a file by its full name, with its comment."""

    def walk(path: tuple[int, ...], message: pb.DescriptorProto, prefix: str) -> Iterator[tuple[str, str]]:
        name = f"{prefix}.{message.name}"
        yield name, comments.texts.get(path, "")
        for index, nested in enumerate(message.nested_type):
            yield from walk((*path, _NESTED, index), nested, name)
        for index, enum in enumerate(message.enum_type):
            yield f"{name}.{enum.name}", comments.texts.get((*path, _NESTED_ENUM, index), "")

    for index, message in enumerate(file.message_type):
        yield from walk((_MESSAGE, index), message, f".{file.package}")
    for index, enum in enumerate(file.enum_type):
        yield f".{file.package}.{enum.name}", comments.texts.get((_ENUM, index), "")


def page(descriptors: pb.FileDescriptorSet) -> str:
    """The whole page; MissingCommentError names everything without a comment."""
    files = [(file, _comments(file)) for file in descriptors.file]
    described = {name: text for file, comments in files for name, text in _described(file, comments)}
    lines = [_INTRODUCTION]
    for file, comments in files:
        lines += Writer(file, comments, described).lines()
    missing = [name for _, comments in files for name in comments.missing]
    if missing:
        raise MissingCommentError("without a comment:\n  " + "\n  ".join(missing))
    return "\n".join(lines)


def spikeserve_files(proto_root: Path = PROTO_ROOT) -> list[str]:
    """The files of the protocol, what a client reads first at the front."""
    first = ["simulation", "network"]
    paths = sorted((proto_root / "spikeserve").rglob("*.proto"))
    paths.sort(key=lambda path: first.index(path.stem) if path.stem in first else len(first))
    return [path.relative_to(proto_root).as_posix() for path in paths]


def main() -> int:
    """Writes the page, or says what is missing."""
    target = Path(sys.argv[1])
    try:
        text = page(read_descriptors(PROTO_ROOT, spikeserve_files()))
    except MissingCommentError as error:
        print(f"protocol_pages: {error}", file=sys.stderr)
        return 1
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
