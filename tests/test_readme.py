"""What README and docs/ name is there: the files and functions of the paper's table and readings, tests, pages."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HEADING = "## Where the paper is in the code"


def section(text: str) -> str:
    """From the heading to the next one."""
    assert text.count(HEADING) == 1, f"README.md has no section '{HEADING[3:]}'"
    return re.split(r"^## ", text.split(HEADING)[1], maxsplit=1, flags=re.MULTILINE)[0]


def table_rows(text: str) -> list[list[str]]:
    """The cells of the section's table, without its head."""
    lines = [line for line in section(text).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def references(text: str) -> Iterator[tuple[str, str]]:
    """(file, name) for everything in code quotes: `a.py: name`, `name` of the file before it, or `a.py` alone.

    What is no Python name and no path is a symbol or a flag, and stands for nothing here.
    """
    file = ""
    for quoted in re.findall(r"`([^`]+)`", text):
        path, _, names = quoted.partition(":")
        if path.endswith(".py") or "/" in path:
            file = path.strip()
            yield file, ""
        else:
            names = quoted
        for name in filter(None, (part.strip() for part in names.split(","))):
            if re.fullmatch(r"[A-Za-z_]\w*(\.\w+)*", name):
                yield file, name


def defined_names(path: Path) -> set[str]:
    """Functions, classes with their methods and fields, and constants of a module."""
    names: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        names |= _of(node)
        if isinstance(node, ast.ClassDef):
            names |= {f"{node.name}.{name}" for inner in node.body for name in _of(inner)}
    return names


def _of(node: ast.stmt) -> set[str]:
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return {node.name}
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return {target.id for target in targets if isinstance(target, ast.Name)}


def what_is_missing(text: str, root: Path) -> list[str]:
    """A line for every file or name that does not exist."""
    missing = []
    for file, name in references(text):
        path = root / file
        if not path.exists():
            missing.append(f"{file}: no such file")
        elif name and (path.is_dir() or name not in defined_names(path)):
            missing.append(f"{file}: no {name}")
    return missing


def test_everything_that_the_table_names_exists() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = table_rows(text)
    assert len(rows) > 10
    for row in rows:
        named = [name for name in references(row[-1]) if name[0]]
        assert named, f"the row {row} names no place in the code"
    assert what_is_missing(section(text), ROOT) == []


def test_every_reading_names_its_place_in_the_code() -> None:
    text = (ROOT / "docs" / "paper.md").read_text(encoding="utf-8")
    assert what_is_missing(text, ROOT) == []
    readings = [part for part in text.split("\n\n") if part.startswith("**")]
    assert len(readings) > 40
    # What cannot be compared is a reading of no code.
    assert [part for part in readings if not any(references(part))] == [readings[-1]]


@pytest.mark.parametrize("page", [f"docs/{page.name}" for page in sorted((ROOT / "docs").glob("*.md"))])
def test_every_test_that_a_page_names_exists(page: str) -> None:
    files = list((ROOT / "tests").rglob("test_*.py"))
    tests = {name for file in files for name in re.findall(r"def (test_\w+)", file.read_text(encoding="utf-8"))}
    named = re.findall(r"(?:`|::)(test_\w+)(\.py|…|/|)", (ROOT / page).read_text(encoding="utf-8"))
    for name, ending in named:
        known = {file.stem for file in files} if ending == ".py" else tests
        assert name in known or (ending == "…" and any(test.startswith(name) for test in known)), name + ending


@pytest.mark.parametrize("page", ["README.md", "manifests/README.md"])
def test_links_lead_somewhere(page: str) -> None:
    """Those of docs/ are looked after by `make docs`."""
    path = ROOT / page
    links = re.findall(r"\]\(([^)#\s]+)", path.read_text(encoding="utf-8"))
    assert [link for link in links if not link.startswith("http") and not (path.parent / link).exists()] == []


@pytest.mark.parametrize(
    ("cell", "missing"),
    [
        ("`a.py: run`, `Big.method`, `Big.size` and `LIMIT`", []),
        ("`a.py`; φ is `sub/b.py: warp`", []),
        ("`sub/`", []),
        ("`a.py: gone`", ["a.py: no gone"]),
        ("`a.py: run`, `Big.gone`", ["a.py: no Big.gone"]),
        ("`sub/b.py: warp`, `run`", ["sub/b.py: no run"]),
        ("`c.py: run`", ["c.py: no such file", "c.py: no such file"]),
    ],
)
def test_what_is_missing_is_found(cell: str, missing: list[str], tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.py").write_text(
        "LIMIT = 3\n\ndef run(): ...\n\nclass Big:\n    size: int\n    def method(self): ...\n"
    )
    (tmp_path / "sub" / "b.py").write_text("def warp(): ...\n")
    assert what_is_missing(cell, tmp_path) == missing


def test_a_section_ends_with_the_next_one() -> None:
    table = "| a | b |\n| --- | --- |\n| Eq. 1 | `x.py: y` |\n"
    text = f"# Title\n\n{HEADING}\n\n{table}\n### inside\n\n## Next\n\n| not | me |\n"
    assert table_rows(text) == [["Eq. 1", "`x.py: y`"]]
    assert "inside" in section(text)
    assert "not" not in section(text)
