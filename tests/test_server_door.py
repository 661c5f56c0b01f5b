"""Who is let in: keys, hosts, and what a web page must not be able to do."""

import hashlib
import hmac

import httpx
import openai
import pytest
from serving import HTTP, acting, served

from agent.errors import ConfigError
from agent.server import ServerOptions


def error(reply: httpx.Response) -> dict:
    return reply.json()["error"]


@pytest.fixture(scope="module")
def server(context):
    with served(acting(context)) as running:
        yield running


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_what_a_web_page_can_send_without_leave_is_refused(server, kind):
    reply = HTTP.post(f"{server.url}/v1/chat/completions", content=b"{}", headers={"content-type": kind})
    assert reply.status_code == 415
    assert "application/json" in error(reply)["message"]


def test_a_server_of_this_machine_alone_answers_to_its_own_names_only(context):
    with served(acting(context), hosts=frozenset({"127.0.0.1", "localhost", "::1"})) as server:
        port = server.url.rsplit(":", 1)[1]
        replies = {
            host: HTTP.get(f"{server.url}/v1/models", headers={"host": host}).status_code
            for host in ("evil.example", f"evil.example:{port}", f"localhost:{port}", f"[::1]:{port}")
        }
        assert list(replies.values()) == [403, 403, 200, 200]
        assert server.post().status_code == 200


@pytest.fixture(scope="module")
def locked(context):
    with served(acting(context), keys=("first-key", "second-key")) as running:
        yield running


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer first", "Bearer first-key2", "Basic first-key", "Bearer é"]
)
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/models", "/v1/models/clinalign/fake:model", "/metrics"])
def test_without_the_key_nothing_opens(locked, header, path):
    headers = {} if header is None else {"authorization": header.encode("latin-1")}
    method = "POST" if path.endswith("completions") else "GET"
    reply = HTTP.request(method, locked.url + path, headers=headers, json=locked.body())
    assert (reply.status_code, error(reply)["code"]) == (401, "invalid_api_key")
    assert "-key" not in reply.text
    assert reply.headers["www-authenticate"] == "Bearer"


def test_any_of_the_keys_opens(locked):
    for key in ("first-key", "second-key"):
        client = openai.OpenAI(base_url=f"{locked.url}/v1", api_key=key, max_retries=0)
        assert client.models.list().data[0].id == locked.model
    with pytest.raises(openai.AuthenticationError):
        openai.OpenAI(base_url=f"{locked.url}/v1", api_key="third-key", max_retries=0).models.list()


def test_an_empty_key_is_no_key():
    with pytest.raises(ConfigError, match="open the server to everybody"):
        ServerOptions(keys=("first-key", ""))


def test_options_do_not_show_the_keys():
    assert "first-key" not in repr(ServerOptions(keys=("first-key",)))


def test_health_is_open_and_tells_no_secret(locked):
    assert locked.health()["ready"] is True
    assert "-key" not in str(locked.health())


@pytest.mark.parametrize("given", ["first-key", "second-key", "x", "first-kex", "y" * 10_000])
def test_keys_are_compared_in_constant_time(locked, given, monkeypatch):
    compared = []
    real = hmac.compare_digest

    def spy(left, right):
        compared.append((left, right))
        return real(left, right)

    monkeypatch.setattr(hmac, "compare_digest", spy)
    HTTP.get(f"{locked.url}/v1/models", headers={"authorization": f"Bearer {given}"})
    digests = {hashlib.sha256(key.encode()).digest() for key in ("first-key", "second-key")}
    # All keys, whichever fits, by digests of one length: neither length nor order nor nearness changes the work.
    assert {left for left, _ in compared} == digests
    assert {len(right) for _, right in compared} == {32}
