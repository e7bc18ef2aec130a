"""Models that are loaded here: memory that does not suffice, for the model and for a sample."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from sparkle.generation.backends.local_model import LocalModel, lora_weights, retry_out_of_memory
from sparkle.generation.needs import Estimate, ModelNeed
from sparkle.schemas.errors import ConfigError, SampleError

torch = pytest.importorskip("torch")
FULL = "CUDA out of memory. Tried to allocate 90 GiB. GPU 0 has 80 GiB."


@dataclass(kw_only=True)
class TooLarge(LocalModel):
    """A model that does not fit."""

    capability = "flow"
    required_packages = ("torch",)

    @property
    def models(self):
        return (ModelNeed("somebody/large"),)

    @property
    def vram_bytes(self):
        return 90

    def seconds(self):
        return {"flow": Estimate(1, 2)}

    def load(self):
        raise torch.OutOfMemoryError(FULL)


def test_a_model_that_does_not_fit_is_the_configurations_fault():
    with pytest.raises(ConfigError, match="does not fit into the device's memory") as caught:
        TooLarge(device="cpu").setup()
    assert caught.value.got == "CUDA out of memory"
    assert caught.value.where == "[backends.flow]"
    assert caught.value.fix


def test_only_a_model_on_a_gpu_needs_memory_and_counted_time():
    assert TooLarge(device="cuda").requirements.vram_bytes == 90
    assert TooLarge(device="cuda").requirements.seconds == {"flow": Estimate(1, 2)}
    on_cpu = TooLarge(device="cpu").requirements
    assert (on_cpu.vram_bytes, on_cpu.seconds, on_cpu.models) == (0, {}, (ModelNeed("somebody/large"),))


@pytest.mark.parametrize("times", [0, 1, 2])
def test_a_full_memory_is_given_a_second_chance_per_sample(times):
    calls = []

    def call():
        calls.append(1)
        if len(calls) <= times:
            raise torch.OutOfMemoryError(FULL)
        return "done"

    if times < 2:
        assert retry_out_of_memory(call, what="track") == "done"
        assert len(calls) == times + 1
    else:
        with pytest.raises(SampleError, match="too small for this sample") as caught:
            retry_out_of_memory(call, what="track")
        assert caught.value.where == "track"
        assert len(calls) == 2


def test_a_lora_has_a_revision_and_a_revision_has_a_lora():
    assert lora_weights(None, None) == {}
    assert lora_weights("somebody/lora", "main")["lora_revision"].model == "somebody/lora"
    with pytest.raises(ConfigError, match="no LoRA"):
        lora_weights(None, "main")
