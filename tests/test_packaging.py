"""The wheel: the four packages with their data and nothing else, and what is installed from it is what is imported."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("agent", "evals", "principles_store", "training")
DATA = {".css", ".html", ".js", ".json", ".md", ".txt", ".typed", ".yaml", ".toml"}
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from a copy of what the repository tracks or would track, and return it."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    listed = _run("git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", cwd=ROOT).split("\0")
    for name in filter(None, listed):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, source / name)
    _run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), cwd=source)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel without its dependencies and return the folder."""
    target = tmp_path_factory.mktemp("installed")
    options = ("--no-deps", "--no-index", "--quiet", "--disable-pip-version-check", "--target", str(target))
    _run(sys.executable, "-m", "pip", "install", *options, str(wheel), cwd=target)
    return target


def _run(*command: str, cwd: Path, **environment: str) -> str:
    result = subprocess.run(command, cwd=cwd, capture_output=True, text=True, env=environment or None, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def _content(wheel: Path) -> list[PurePosixPath]:
    with zipfile.ZipFile(wheel) as archive:
        return [PurePosixPath(name) for name in archive.namelist()]


def test_the_wheel_holds_exactly_the_four_packages(wheel: Path) -> None:
    tops = {path.parts[0] for path in _content(wheel) if not path.parts[0].endswith(".dist-info")}
    assert tops == set(PACKAGES)


def test_the_wheel_holds_every_module_and_data_file_of_the_packages(wheel: Path) -> None:
    present = {str(path) for path in _content(wheel)}
    expected = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and path.suffix in {".py", *DATA} and "__pycache__" not in path.parts
    }
    assert len(expected) > 30
    assert expected <= present, f"missing: {sorted(expected - present)}"


def test_the_wheel_holds_no_tests_and_no_leftovers(wheel: Path) -> None:
    inside = [path for path in _content(wheel) if path.parts[0] in PACKAGES]
    assert {path.suffix for path in inside} == {".py", *DATA}
    tests = [path for path in inside if path.name.startswith("test_") or "tests" in path.parts]
    assert not tests, "agent/testing*.py is the public fake, no test"
    assert all(f"{package}/py.typed" in map(str, inside) for package in PACKAGES)


def test_what_is_installed_is_what_is_imported(installed: Path) -> None:
    code = (
        "import agent, evals, principles_store, training\n"
        "from principles_store.library import load_library\n"
        "from principles_store.scenario import EXEMPLARS, parse_exemplars\n"
        "parse_exemplars(EXEMPLARS.read_text(encoding='utf-8'), 'exemplars')\n"
        "print(agent.__file__, len(load_library()))\n"
    )
    # -S and -I keep the development install's own finder out; the dependencies come from the path.
    paths = [str(installed), *(path for path in sys.path if path.endswith("site-packages"))]
    start = f"import sys; sys.path[:0] = {paths!r}\n"
    file, principles = _run(sys.executable, "-I", "-S", "-c", start + code, cwd=installed.parent).split()
    assert Path(file) == installed / "agent" / "__init__.py"
    assert int(principles) > 0


def test_the_console_script_and_its_commands_are_declared(installed: Path) -> None:
    (entry_points,) = installed.glob("clinalign-*.dist-info/entry_points.txt")
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    text = entry_points.read_text(encoding="utf-8")
    points = declared["entry-points"]
    commands = declared["scripts"] | points["clinalign.commands"] | points["clinalign.eval_commands"]
    for name, target in commands.items():
        assert f"{name} = {target}" in text
        module = target.split(":")[0]
        assert (installed / (module.replace(".", "/") + ".py")).is_file(), f"{target} is not in the wheel"
