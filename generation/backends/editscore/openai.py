"""EditScore behind an OpenAI-compatible endpoint, such as vLLM with EditScore's LoRA.

The questions are the same as in process and go through the endpoint of the `vlm` named `openai`: its retries,
its cache of answers and its handling of the key are theirs. Answers are free text, as EditScore was trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sparkle.generation.backend import Identity
from sparkle.generation.backends.editscore import scoring
from sparkle.generation.backends.editscore.scoring import EditScoring
from sparkle.generation.backends.vlm.openai import Backend as OpenAi
from sparkle.generation.backends.vlm.reading import Answer, Question
from sparkle.generation.needs import ESTIMATED, Requirements, card_note, needed, operational, package_versions
from sparkle.generation.weights import Weights


@dataclass(kw_only=True)
class Backend(EditScoring):
    """The `image_scorer` EditScore behind an endpoint.

    Args:
        model: The name by which the endpoint serves it.
        revision: The commit or version that the endpoint serves: it cannot be asked, so it is said here.
        note: What a reader of the card must know of the model.
        extra_body: Further fields of the request; EditScore's own are these.
        base_url: The endpoint; without it, `OPENAI_BASE_URL` of the environment.
        api_key_env: The environment variable that holds the key; None for a server without one.
        concurrency: Questions under way at once, in each worker process.
        timeout: Seconds for one attempt.
        retries: Further attempts after the first.
        backoff: Seconds before the second attempt; each further wait is twice as long.
    """

    model: str
    revision: str
    note: str = ""
    extra_body: dict[str, Any] = field(default_factory=lambda: {"top_p": 0.9, "top_k": 20})
    base_url: str | None = operational(None)
    api_key_env: str | None = operational(None)
    concurrency: int = operational(8)
    timeout: float = operational(300.0)
    retries: int = operational(5)
    backoff: float = operational(1.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._endpoint = OpenAi(
            model=self.model,
            revision=self.revision,
            temperature=self.temperature,
            structured=False,
            extra_body=self.extra_body,
            base_url=self.base_url,
            api_key_env=self.api_key_env,
            concurrency=self.concurrency,
            timeout=self.timeout,
            retries=self.retries,
            backoff=self.backoff,
            max_tokens=self.max_tokens,
        )

    @property
    def identity(self) -> Identity:
        """As the configuration says it."""
        return Identity(self.model, self.revision, card_note(self.model, self.note))

    @property
    def requirements(self) -> Requirements:
        """No GPU here; the endpoint's takes the time that the model takes in process."""
        model = needed(Weights(self.model, self.revision), served=True, note=self.note)
        return Requirements((model,), 0, self.seconds(), ESTIMATED)

    def packages(self) -> dict[str, str]:
        """What reads the answers."""
        return scoring.package_versions()

    def setup(self) -> None:
        """Open the cache and the client; nothing is sent.

        Raises:
            ConfigError: a package is missing, there is no address or no key, or the address holds a secret.
        """
        package_versions(("openai",), extra="vlm")
        self._endpoint.setup()
        super().setup()

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        """The answers, asked `concurrency` at a time."""
        return self._endpoint.ask(questions)
