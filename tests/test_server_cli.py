"""The command `serve`: what it refuses to open, and a real process that serves until it is told to stop."""

import os
import re
import signal
import socket
import subprocess
import sys

import pytest
import typer
from openai import AuthenticationError, OpenAI
from serving import ASKED, DRAFT, HTTP
from typer.testing import CliRunner

from agent.errors import ConfigError
from agent.serving.cli import listen, serve, take_keys, url

KEY = "sk-test-Quux1234"
app = typer.Typer()
app.command()(serve)


def refusal(*arguments, key=None):
    """Return the message with which `serve` refuses, before it opens anything."""
    result = CliRunner().invoke(app, arguments, env={"CLINALIGN_SERVER_KEY": key})
    assert isinstance(result.exception, ConfigError), result.output
    assert "\n" not in str(result.exception)
    return str(result.exception)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_others_are_not_let_in_without_a_key(host):
    assert "set CLINALIGN_SERVER_KEY, or say --no-key" in refusal("--host", host)


@pytest.mark.parametrize(
    ("arguments", "key", "message"),
    [
        (["--no-key"], KEY, "contradicts"),
        ([], "", "set but empty"),
        ([], " , ", "set but empty"),
        ([], "a b", "no client can send"),
        (["--host", "x" * 64], None, "can't listen on 'xxx"),
        (["--host", ""], None, "can't listen on ''"),
        (["--host", "x" * 64], KEY, "can't listen on xxx"),
        (["--max-concurrency", "0"], None, "max_concurrency must be 1 or more"),
        (["--max-waiting", "-1"], None, "max_waiting must be 0 or more"),
        (["--max-body-kb", "0"], None, "max_body_kb must be 1 or more"),
        (["--max-seconds", "0"], None, "max_seconds must be positive"),
    ],
)
def test_what_makes_no_sense_is_told_in_one_line(arguments, key, message):
    assert message in refusal(*arguments, key=key)


def test_a_port_in_use_is_told_in_one_line():
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        assert f"port {port}: Address already in use" in refusal("--port", str(port))


def test_a_missing_package_is_told_with_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "fastapi", None)
    monkeypatch.delitem(sys.modules, "agent.server", raising=False)
    assert "fastapi is missing" in (message := refusal())
    assert "pip install 'clinalign[serve]'" in message


def test_a_refusal_does_not_tell_the_key():
    assert KEY not in refusal("--no-key", key=KEY)


def test_keys_are_taken_out_of_the_environment():
    environment = {"CLINALIGN_SERVER_KEY": f" {KEY}, other ", "HOME": "/"}
    assert take_keys(environment) == (KEY, "other")
    assert environment == {"HOME": "/"}


@pytest.mark.parametrize(("host", "start"), [("127.0.0.1", "http://127.0.0.1:"), ("localhost", "http://")])
def test_the_address_is_one_to_click_on(host, start):
    with listen(host, 0) as listener:
        assert url(listener).startswith(start)


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
def test_ipv6_has_brackets():
    try:
        listener = listen("::1", 0)
    except ConfigError:
        pytest.skip("no IPv6 address on the loopback")
    with listener:
        assert url(listener).startswith("http://[::1]:")


@pytest.fixture(scope="module")
def running(built_store, tmp_path_factory):
    """Give the address of a server in a process of its own, and its process."""
    code = "import typer; from agent.serving.cli import serve; app = typer.Typer(); app.command()(serve); app()"
    file = tmp_path_factory.mktemp("serve") / "threads.sqlite"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "--port", "0", "--checkpoints", str(file)],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"CLINALIGN_SERVER_KEY": KEY, "CLINALIGN_STORE": str(built_store)},
    )
    line = process.stderr.readline()
    address = re.search(r"clinalign/embedded at (http://127\.0\.0\.1:\d+)/v1, 1 key\(s\)", line)
    assert address, line
    assert KEY not in line
    yield address[1], process
    process.kill()
    process.wait()


def test_a_real_process_serves_and_stops_when_told(running):
    address, process = running
    client = OpenAI(base_url=f"{address}/v1", api_key=KEY, max_retries=5)
    reply = client.chat.completions.create(
        model="clinalign/embedded", messages=ASKED, extra_body={"clinalign": {"draft": DRAFT, "thread": "t"}}
    )
    assert reply.choices[0].message.content
    with pytest.raises(AuthenticationError):
        client.with_options(api_key="wrong").models.list()
    assert "server" not in HTTP.get(f"{address}/health").headers
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) in (0, -signal.SIGTERM)
    assert process.stderr.read() == ""
