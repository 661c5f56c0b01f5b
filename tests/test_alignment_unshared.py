"""What is built for one process alone is not cut up, whatever transformers has noted of ZeRO-3; afterwards it holds again."""

from __future__ import annotations

import pytest
from transformers.integrations import deepspeed

from training.alignment.unshared import built_unshared


class Noted:
    """As transformers notes it."""

    def is_zero3(self) -> bool:
        return True


@pytest.mark.parametrize("fails", [False, True])
def test_zero3_holds_again_afterwards(monkeypatch: pytest.MonkeyPatch, fails: bool) -> None:
    noted = Noted()  # held weakly
    monkeypatch.setattr(deepspeed, "_hf_deepspeed_config_weak_ref", None)
    deepspeed.set_hf_deepspeed_config(noted)
    try:
        with built_unshared():
            assert not deepspeed.is_deepspeed_zero3_enabled()
            if fails:
                raise RuntimeError
    except RuntimeError:
        assert fails
    assert deepspeed.is_deepspeed_zero3_enabled()
