"""The reference of the protocol has all that the .proto files have, and refuses what has no comment."""

from __future__ import annotations

from pathlib import Path

import protocol_pages
import pytest

COMPLETE = """
syntax = "proto3";
package p.v1;
// A colour.
enum Colour {
  COLOUR_UNSPECIFIED = 0;
  COLOUR_RED = 1;  // like <a> | rose*
}
// The question
// over two lines.
message Ask {
  // Inside.
  message Inner { bool yes = 1; }
  string name = 1;              // behind
  // Before.
  repeated Inner inner = 2;
  optional int64 count = 3;     // steps
  oneof kind {
    Colour colour = 4;
    double number = 5;          // s
  }
}
// The answer.
message Answer {}
// Answers.
service Oracle {
  // Asks.
  rpc Speak(stream Ask) returns (Answer);
}
"""


def page_of(text: str, folder: Path) -> str:
    (folder / "a.proto").write_text(text)
    return protocol_pages.page(protocol_pages.read_descriptors(folder, ["a.proto"]))


def test_everything_is_on_the_page(tmp_path: Path) -> None:
    page = page_of(COMPLETE, tmp_path)
    for line in (
        "## Oracle {#oracle}",
        "| `Speak`(stream of [Ask](#ask)) returns ([Answer](#answer)) | Asks. |",
        "The question over two lines.",
        "| `name` | 1 | string | behind |",
        "| `inner` | 2 | repeated [Ask.Inner](#ask-inner) | Before. |",
        "| `count` | 3 | optional int64 | steps |",
        "| `colour` | 4 | one of `kind`: [Colour](#colour) | A colour. |",
        "| `number` | 5 | one of `kind`: double | s |",
        "### Ask.Inner {#ask-inner}",
        "| `yes` | 1 | bool | as the message says |",
        "| `COLOUR_UNSPECIFIED` | 0 | none was given |",
        "| `COLOUR_RED` | 1 | like \\<a\\> \\| rose\\* |",
    ):
        assert line in page.splitlines()


@pytest.mark.parametrize(
    ("comment", "missing"),
    [
        ("// A colour.", "p.v1.Colour"),
        ("  // like <a> | rose*", "p.v1.Colour.COLOUR_RED"),
        ("// The question\n// over two lines.", "p.v1.Ask"),
        ("// Inside.", "p.v1.Ask.Inner"),
        ("// behind", "p.v1.Ask.name"),
        ("// s\n", "p.v1.Ask.number"),
        ("// The answer.", "p.v1.Answer"),
        ("// Answers.", "p.v1.Oracle"),
        ("// Asks.", "p.v1.Oracle.Speak"),
    ],
)
def test_what_has_no_comment_is_refused(comment: str, missing: str, tmp_path: Path) -> None:
    assert comment in COMPLETE
    with pytest.raises(protocol_pages.MissingCommentError) as error:
        page_of(COMPLETE.replace(comment, "\n"), tmp_path)
    assert missing in str(error.value).split()


def test_the_protocol_itself_is_complete() -> None:
    files = protocol_pages.spikeserve_files()
    page = protocol_pages.page(protocol_pages.read_descriptors(protocol_pages.PROTO_ROOT, files))
    assert len(files) == 3
    for name in ("SimulationService", "NetworkService", "SimulateRequest", "NetworkDefinition", "Mode"):
        assert f"## {name} {{#{name.lower()}}}" in page
