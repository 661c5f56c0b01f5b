"""The file of who may log in: what it may hold, who may read it, and that its errors don't tell what stands in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.errors import ConfigError
from agent.page.users import read_users

LONG = "correct horse"


def users(folder: Path, text: str, *, mode: int = 0o600) -> Path:
    file = folder / "users"
    file.write_bytes(text.encode())
    file.chmod(mode)
    return file


def test_who_stands_in_it_may_log_in_and_nobody_else(tmp_path: Path) -> None:
    is_user = read_users(users(tmp_path, f"ann:{LONG}\nbob:tr0ub4dor&3\n"))
    assert is_user("ann", LONG)
    assert is_user("bob", "tr0ub4dor&3")
    assert not any(
        is_user(*pair) for pair in [("ann", "tr0ub4dor&3"), ("bob", LONG), ("eve", LONG), ("", ""), ("ann", "")]
    )


@pytest.mark.parametrize(
    ("line", "name", "password"),
    [
        ("ann:with:colon:s", "ann", "with:colon:s"),
        (" ann :a password", "ann", "a password"),
        ("Żółć:zażółć gęślą", "Żółć", "zażółć gęślą"),
        ("ann:#no comment", "ann", "#no comment"),
        ("\ufeffann:from windows\r\n", "ann", "from windows"),
        (f"# eve:{LONG}\n\nann:after these\n", "ann", "after these"),
    ],
)
def test_how_a_line_is_read(tmp_path: Path, line: str, name: str, password: str) -> None:
    assert read_users(users(tmp_path, line))(name, password)


def test_a_line_that_is_left_out_lets_nobody_in(tmp_path: Path) -> None:
    is_user = read_users(users(tmp_path, f"#eve:{LONG}\nann:{LONG}\n"))
    assert not is_user("eve", LONG)
    assert not is_user("#eve", LONG)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"ann:{LONG}\nbob{LONG}\n", "line 2: write it as `name:password`"),
        (f":{LONG}\n", "line 1: write it as"),
        (f"ann:{LONG}\n\nann:another one\n", "line 3: this name is there twice"),
        (f"ann:{LONG} \n", "line 1: the password begins or ends with a space"),
        ("ann:short77\n", "line 1: the password has fewer than 8 characters"),
        ("ann:\n", "line 1: the password has fewer"),
        ("", "names nobody"),
        ("# all:left out\n \n", "names nobody"),
    ],
)
def test_what_is_wrong_is_told_without_the_password(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        read_users(users(tmp_path, text))
    assert message in str(error.value)
    assert str(tmp_path) in str(error.value)
    assert not any(secret in str(error.value) for secret in (LONG, "short77", "another one"))


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o620, 0o602, 0o666])
def test_a_file_that_others_can_read_or_change_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(ConfigError, match="chmod 600"):
        read_users(users(tmp_path, f"ann:{LONG}\n", mode=mode))


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o440, 0o640])
def test_a_file_that_a_group_was_given_to_read_is_not(tmp_path: Path, mode: int) -> None:
    assert read_users(users(tmp_path, f"ann:{LONG}\n", mode=mode))("ann", LONG)


def test_a_file_that_is_not_there_or_no_text_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"can't read the users in .*: No such file"):
        read_users(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="can't read the users"):
        read_users(tmp_path)
    file = users(tmp_path, "")
    file.write_bytes(b"ann:\xff\xfe12345678")
    with pytest.raises(ConfigError, match="UTF-8"):
        read_users(file)
