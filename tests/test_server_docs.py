"""The examples of docs/server.md, run as they stand against a real server."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from serving import served

from agent.serving.openai_protocol import Extension

PAGE = (Path(__file__).parent.parent / "docs" / "server.md").read_text(encoding="utf-8")
KEY = "documented-key"


def example(language):
    found = re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert found
    return found[1]


@pytest.fixture(scope="module")
def server(context):
    with served(context, keys=(KEY,)) as running:
        yield running


def test_the_example_of_the_official_client_runs(server, monkeypatch, capsys):
    monkeypatch.setenv("CLINALIGN_SERVER_KEY", KEY)
    exec(example("python").replace("http://127.0.0.1:8000", server.url), {})
    said = capsys.readouterr().out
    assert "No language model is configured" in said
    assert "principle" in said
    assert "result" in said


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_the_example_of_curl_runs(server, monkeypatch):
    monkeypatch.setenv("CLINALIGN_SERVER_KEY", KEY)
    command = example("sh").replace("http://127.0.0.1:8000", server.url)
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True, timeout=20)
    assert json.loads(done.stdout)["choices"][0]["message"]["content"] == "Yes, it is."


def test_the_page_names_every_event_and_every_field_of_ours():
    source = (Path(__file__).parent.parent / "agent" / "serving" / "openai_reply.py").read_text(encoding="utf-8")
    events = set(re.findall(r'"event": "(\w+)"', source)) - {"answer"}
    assert len(events) >= 8
    fields = events | set(Extension.model_fields) | {"notice", "disclaimer", "ignored", "thread"}
    assert {name for name in fields if not re.search(rf"`(?:event: )?{name}`", PAGE)} == set()


def test_the_page_is_short():
    assert len(PAGE.splitlines()) <= 120
