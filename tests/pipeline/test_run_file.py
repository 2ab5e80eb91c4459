"""Settings in a file: what is written is read again, what is wrong is named with its file, and what is typed holds."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli import Parser
from pipeline.errors import InputError
from pipeline.run_file import config_of, expanded, read_table, words_of, write_run_file


@pytest.fixture
def parser() -> Parser:
    """Every kind of flag that the commands have."""
    made = Parser(prog="flnet train", argument_default=argparse.SUPPRESS)
    made.add_argument("--config", type=Path)
    made.add_argument("--steps", type=int)
    made.add_argument("--rate", type=float)
    made.add_argument("--out", type=Path)
    made.add_argument("--decay", choices=("line", "tenth"))
    made.add_argument("--tint", action=argparse.BooleanOptionalAction)
    made.add_argument("--rescan", action="store_true")
    made.add_argument("--ablation", action="append")
    made.add_argument("--only", nargs="+")
    made.add_argument("--network-flags")
    return made


def test_a_table_is_what_the_user_would_have_typed(parser: Parser) -> None:
    table = {
        "steps": 3, "rate": 1e-05, "out": "-a b/é", "decay": "tenth", "tint": False, "rescan": False,
        "ablation": ["bank=3", "streams=warp"], "only": ["2", "4"], "network-flags": {"flnet": "--steps 3"},
    }  # fmt: skip
    args = vars(parser.parse_args(words_of(table, parser, "x.toml")))
    assert args == {
        "steps": 3, "rate": 1e-05, "out": Path("-a b/é"), "decay": "tenth", "tint": False,
        "ablation": ["bank=3", "streams=warp"], "only": ["2", "4"], "network_flags": '{"flnet": "--steps 3"}',
    }  # fmt: skip


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"stepz": 3}, "x.toml: there is no setting stepz; did you mean steps?"),
        ({"qqq": 3}, "x.toml: there is no setting qqq; there are ablation, decay, network_flags, only, out, rate, "),
        ({"config": "y.toml"}, "x.toml: there is no setting config"),
        ({"steps": "3"}, "x.toml: steps must be a whole number, got '3'"),
        ({"steps": 3.5}, "x.toml: steps must be a whole number, got 3.5"),
        ({"steps": True}, "x.toml: steps must be a whole number, got True"),
        ({"rate": "1"}, "x.toml: rate must be a number, got '1'"),
        ({"tint": "yes"}, "x.toml: tint must be true or false, got 'yes'"),
        ({"out": ["a"]}, "x.toml: out must be a single value, got ['a']"),
        ({"decay": "lime"}, "x.toml: decay: there is no 'lime'; did you mean line?"),
    ],
)
def test_a_wrong_setting_is_named_with_its_file(parser: Parser, table: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as error:
        words_of(table, parser, "x.toml")
    assert str(error.value).startswith(message)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    table = {
        "tiny": 1e-05, "third": 1 / 3, "whole": 7, "yes": True, "text": 'q"u\\o\tte\n\x7f\u2028 é 😀', "empty": "",
        "list": ["a", "b"], "table": {"a b": "c"},
    }  # fmt: skip
    path = tmp_path / "run.toml"
    write_run_file(path, "build timit", table, "two\nlines")
    assert read_table(path, "build timit") == table
    assert path.read_text().startswith("# two\n# lines\n[build.timit]\n")
    before = path.stat().st_mtime_ns
    write_run_file(path, "build timit", table, "two\nlines")
    assert path.stat().st_mtime_ns == before, "a file that says the same stays"


def test_a_name_that_is_no_text_is_left_out_and_said(tmp_path: Path) -> None:
    write_run_file(tmp_path / "run.toml", "train", {"shards": "a\udcff", "steps": 1})
    assert read_table(tmp_path / "run.toml", "train") == {"steps": 1}
    assert "# shards is no UTF-8 text" in (tmp_path / "run.toml").read_text()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("steps = ", "is no TOML"),
        ("[trian]", "there is no table [trian]; did you mean train?"),
        ("[build.timitt]", "there is no table [build.timitt]; did you mean build.timit?"),
        ("steps = 3", "there is no table [steps]"),
        ("[build.folder]", "has no table [train]"),
    ],
)
def test_a_wrong_file_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "run.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=r"run\.toml") as error:
        read_table(path, "train")
    assert message in str(error.value)


def test_what_is_typed_goes_before_the_file(parser: Parser, tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text("[train]\nsteps = 3\nrate = 2\ntint = true\n")
    words = expanded(parser, ["--steps=4", "--no-tint", "--config", str(path)], "train")
    args = parser.parse_args(words)
    assert (args.steps, args.rate, args.tint) == (4, 2.0, False)
    assert config_of(["--steps", "4"]) is None


def test_a_wrong_file_ends_the_command(parser: Parser, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as end:
        expanded(parser, ["--config", str(tmp_path / "none.toml")], "train")
    assert end.value.code == 2
    assert "none.toml: no such file of settings; check --config" in capsys.readouterr().err
