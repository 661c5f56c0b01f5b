"""What the libraries say while a model is trained: nothing but warnings, and no one's words."""

from __future__ import annotations

import logging
import warnings

_NOT_TOLD = (
    "returned None for the following kwargs",  # and then question and answer; the reward counts them
    "missing keys in the checkpoint model loaded: ['lm_head.weight']",  # tied to the embedding, which is there
)


def quieten() -> None:
    """Silence progress bars, and warnings that say nothing to a user or too much."""
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")  # of TRL's calls, not the user's
    for name in ("trl.trainer.grpo_trainer", "transformers.trainer"):
        logging.getLogger(name).addFilter(_is_worth_telling)
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # tells of every retry, twice


def _is_worth_telling(record: logging.LogRecord) -> bool:
    told = record.getMessage()
    return not any(words in told for words in _NOT_TOLD)
