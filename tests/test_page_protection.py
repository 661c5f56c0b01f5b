"""What an answer of the page carries, so that a browser keeps it safe and knows whose conversations are whose."""

from __future__ import annotations

import httpx
import pytest
from page_inside import JOIN, asked, door

from agent.errors import InputError
from agent.page.owners import owner_of


def directives(response: httpx.Response) -> dict[str, str]:
    parts = response.headers["content-security-policy"].split("; ")
    return {name: value for name, _, value in (part.partition(" ") for part in parts)}


def test_only_the_pages_own_scripts_run() -> None:
    first, second = asked("GET", "/"), asked("GET", "/")
    policy = directives(first)
    nonce = policy["script-src"].split("'nonce-")[1].split("'")[0]
    assert first.text.count("<script") == first.text.count(f'<script nonce="{nonce}"') == 2
    assert "unsafe-inline" not in policy["script-src"]
    assert nonce not in second.text
    assert int(first.headers["content-length"]) == len(first.content)


def test_a_page_may_ask_nothing_of_others() -> None:
    policy = directives(asked("GET", "/"))
    assert policy["default-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["object-src"] == "'none'"
    assert "http" not in str(policy)


@pytest.mark.parametrize(("path", "status"), [("/", 200), ("/assets/x.js", 200), ("/health", 200), ("/nowhere", 404)])
def test_every_answer_is_protected(path: str, status: int) -> None:
    answer = asked("GET", path)
    assert answer.status_code == status
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "content-security-policy" in answer.headers


def test_what_may_hold_text_is_stored_nowhere() -> None:
    assert [asked(*ask).headers.get("cache-control") for ask in [("GET", "/"), ("POST", JOIN)]] == ["no-store"] * 2
    assert "cache-control" not in asked("GET", "/assets/x.js").headers


def test_no_other_site_may_read() -> None:
    answer = asked("GET", "/", headers={"origin": "http://page.example"})
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_health_is_told_to_everyone_and_tells_of_nobody() -> None:
    local = door(hosts=frozenset({"localhost"}))
    answer = asked("GET", "/health", through=local, headers={"cookie": "clinalign=" + "x" * 43})
    assert answer.json() == {"status": "ok"}
    assert "set-cookie" not in answer.headers


# Whose it is


def given(answer: httpx.Response) -> str:
    return next(line for line in answer.headers.get_list("set-cookie") if "clinalign" in line)


def test_a_browser_gets_a_number_that_no_script_and_no_other_site_can_use() -> None:
    name, *rest = given(asked("GET", "/")).split("; ")
    assert len(name) == len("clinalign=") + 43
    assert rest == ["Path=/", "Max-Age=31536000", "HttpOnly", "SameSite=Lax"]


def test_over_https_it_is_sent_over_https_only_and_set_by_this_page_only() -> None:
    cookie = given(asked("GET", "/", base="https://page.example"))
    assert cookie.startswith("__Host-clinalign=")
    assert cookie.endswith("; Secure")


def test_a_browser_keeps_its_number() -> None:
    number = given(asked("GET", "/")).split(";")[0]
    assert given(asked("GET", "/", headers={"cookie": f"other=1; {number}"})).startswith(number)


@pytest.mark.parametrize("cookie", ["clinalign=short", "clinalign=" + "x" * 44, "clinalign=" + "<" * 43])
def test_a_number_that_is_none_of_ours_is_replaced(cookie: str) -> None:
    assert cookie not in given(asked("GET", "/", headers={"cookie": cookie}))


def test_over_https_a_number_that_another_site_can_have_set_does_not_count() -> None:
    planted = "x" * 43
    answer = asked("GET", "/", base="https://page.example", headers={"cookie": f"clinalign={planted}"})
    assert planted not in given(answer)


def test_two_browsers_get_two_numbers() -> None:
    assert given(asked("GET", "/")) != given(asked("GET", "/"))


def test_gradios_own_cookie_is_not_sent_with_other_sites_requests() -> None:
    cookie = next(line for line in asked("GET", "/").headers.get_list("set-cookie") if "access-token" in line)
    assert cookie == "access-token-x=secret; HttpOnly; Path=/; Secure; SameSite=Lax"


def test_who_logged_in_is_the_owner_whatever_the_cookie_says() -> None:
    assert owner_of({"clinalign": "x" * 43}, "ann") == "user:ann"


def test_nobody_can_take_a_browsers_number_for_a_name() -> None:
    assert owner_of({"clinalign": "x" * 43}, None) not in {owner_of({}, "x" * 43), owner_of({}, "browser:" + "x" * 43)}


def test_the_number_of_https_comes_first() -> None:
    assert owner_of({"clinalign": "a" * 43, "__Host-clinalign": "b" * 43}, None) == "browser:" + "b" * 43


@pytest.mark.parametrize("cookies", [{}, {"clinalign": ""}, {"clinalign": "x" * 42}, {"Clinalign": "x" * 43}])
def test_without_a_cookie_it_is_told_what_to_do(cookies: dict[str, str]) -> None:
    with pytest.raises(InputError, match="allow cookies"):
        owner_of(cookies, None)
