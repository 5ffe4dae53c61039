"""The lint tests catch what they are there for, in a small repository made for the purpose."""

from __future__ import annotations

import tempfile
import unittest
from pathlib import Path

import pages
import repository
import version


class Repository(unittest.TestCase):
    def test_long_code_files_are_caught(self) -> None:
        assert repository.text_violations("server/a.cc", "\n" * 400) == []
        assert len(repository.text_violations("server/a.cc", "\n" * 401)) == 1
        assert repository.text_violations("docs/a.md", "\n" * 401) == []

    def test_crowded_folders_are_caught(self) -> None:
        names = [f"server/serving/file{i}.cc" for i in range(repository.MAX_FILES)]
        assert repository.crowded_folders([*names, "server/serving/networks/file.cc"]) == []
        assert len(repository.crowded_folders([*names, "server/serving/one_more.cc"])) == 1
        assert repository.crowded_folders([name.replace("server", "tests") for name in [*names, "x"]]) == []

    def test_private_paths_are_caught(self) -> None:
        for path in ("/".join(("", "work", "main")), "/".join(("", "home", "me", "x")), "../" + "shared/x"):
            with self.subTest(path=path):
                assert len(repository.text_violations("docs/a.md", f"see\n{path}\n")) == 1
        assert repository.text_violations("docs/a.md", "framework/main, a/work/b, ../docs") == []

    def test_conflict_marks_are_caught(self) -> None:
        assert len(repository.text_violations("a.py", "x\n" + "<" * 7 + " HEAD\n")) == 1

    def test_kernels_that_no_test_can_force_are_caught(self) -> None:
        for code in ('__attribute__((target_clones("avx2", "default")))', '__builtin_cpu_supports("avx2")'):
            with self.subTest(code=code):
                assert len(repository.text_violations("kernels/cpu/a.cc", f"\n{code}\n")) == 1
                assert len(repository.text_violations("server/engine/cpu/a.h", f"\n{code}\n")) == 1
                assert repository.text_violations("tests/unit/a_test.cc", f"\n{code}\n") == []
        assert repository.text_violations("kernels/cpu/a.cc", "HWY_DYNAMIC_DISPATCH(Sum)\n") == []

    def test_big_files_are_caught(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            (root / "fine.bin").write_bytes(bytes(repository.MAX_BYTES))
            assert repository.check(root) == (1, [])
            (root / "big.bin").write_bytes(bytes(repository.MAX_BYTES + 1))
            assert len(repository.check(root)[1]) == 1


class Version(unittest.TestCase):
    def test_a_second_statement_is_caught(self) -> None:
        for line in ('version = "1.2.3"', "v1.2.3", "Since 1.2.3."):
            with self.subTest(line=line):
                assert len(version.statements("client/python/pyproject.toml", line, "1.2.3")) == 1
        assert version.statements("CHANGELOG.md", "## 1.2.3", "1.2.3") == []

    def test_other_numbers_pass(self) -> None:
        text = "127.1.2.3, 1.2.3.4, 11.2.3, 1.2.30, 1x2x3"
        assert version.statements("docs/a.md", text, "1.2.3") == []

    def test_a_tree_is_read_from_disk(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            (root / "VERSION").write_text("1.2.3\n")
            assert version.check(root) == (1, [])
            (root / "setup.cfg").write_text("version = 1.2.3\n")
            assert len(version.check(root)[1]) == 1
            for bad in ("1.2\n", "1.2.3", "01.2.3\n", "1.2.3\n\n", "v1.2.3\n"):
                (root / "VERSION").write_text(bad)
                with self.subTest(bad=bad):
                    assert len(version.check(root)[1]) == 1


class Pages(unittest.TestCase):
    NAMES = ("server/base/clock.h", "server/base/status.h", "server/base/status.cc", "docs/a.md", "Makefile")

    def paths(self, text: str) -> list[str]:
        return pages.path_violations("CONTRIBUTING.md", text, list(self.NAMES))

    def test_paths_that_exist_pass(self) -> None:
        for path in (
            "server/base/clock.h", "server/base", "server/base/", "server", "server/base/*.h",
            "server/*/clock.h", "server/base/status.{h,cc}", "server/base/NAME.cc", "docs/a.md --all",
        ):  # fmt: skip
            with self.subTest(path=path):
                assert self.paths(f"see `{path}`") == []

    def test_paths_that_do_not_exist_are_caught(self) -> None:
        for path in (
            "server/base/clock.cc", "server/bases", "server/clock.h", "server/*.h", "server/base/*.py",
            "server/base/clock.{h,cc}", "docs/b.md --all",
        ):  # fmt: skip
            with self.subTest(path=path):
                assert len(self.paths(f"see `{path}`")) == 1

    def test_what_is_no_path_of_the_repository_passes(self) -> None:
        text = "`build/x`, `a/b`, `/metrics`, `server`, server/x, `Nothing`\n```\n`docs/x`\n```\n"
        assert self.paths(text) == []

    ROOMS: dict[str, frozenset[str]] = {  # noqa: RUF012
        "kernels/math": frozenset(),
        "server/base": frozenset(),
        "server/a": frozenset({"server/base", "kernels/math"}),
        "server/b": frozenset({"server/a", "server/base", "kernels/math"}),
    }
    TABLE = (
        "| room | what | may include |\n|---|---|---|\n"
        "| `kernels/math` | x | nothing |\n| `server/base` | x | nothing |\n"
        "| `server/a` | x | `server/base`, `kernels/math` |\n| `server/b` | x | all of `server/a` |\n"
        "\n- `server/b/main.cc` may include `server/c` too.\n"
    )
    FILES: dict[str, frozenset[str]] = {"server/b/main.cc": frozenset({"server/c"})}  # noqa: RUF012

    def test_a_table_as_the_layers_are_passes(self) -> None:
        assert pages.room_violations(self.TABLE, self.ROOMS, self.FILES) == []

    def test_a_table_that_differs_is_caught(self) -> None:
        for right, wrong in (
            ("| `server/base` | x | nothing |\n", ""),
            ("| nothing |", "| `kernels/math` |"),
            ("`server/base`, `kernels/math`", "`server/base`"),
            ("all of `server/a`", "`server/a`"),
            ("| `server/b` | x", "| `server/c` | x | nothing |\n| `server/b` | x"),
            ("may include `server/c`", "may include `server/d`"),
            ("- `server/b/main.cc`", "`server/b/main.cc`"),
        ):
            with self.subTest(wrong=wrong):
                assert right in self.TABLE
                text = self.TABLE.replace(right, wrong)
                assert pages.room_violations(text, self.ROOMS, self.FILES) != []

    def test_links_to_nothing_are_caught(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            (root / "docs").mkdir()
            (root / "docs/a.md").write_text("")
            good = "[a](a.md), [b](../docs/a.md#x), [c](#here), [d](https://x.org/y), [e](mailto:x)"
            assert pages.link_violations("docs/b.md", good, root) == []
            assert len(pages.link_violations("docs/b.md", "[a](b.md#x), [b](docs/a.md)", root)) == 2


if __name__ == "__main__":
    unittest.main()
