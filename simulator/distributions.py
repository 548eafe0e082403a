"""How long things take: fixed, uniform, normal, exponential, or usually short with spikes. All in seconds."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

LONGEST_S = 7 * 86_400.0
Seconds = Annotated[float, Field(ge=0, le=LONGEST_S)]
Share = Annotated[float, Field(ge=0, le=1)]


class Model(BaseModel):
    """Immutable, and refuses what it does not know: a misspelt option must not pass for a default."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Fixed(Model):
    kind: Literal["fixed"] = "fixed"
    value_s: Seconds


class Uniform(Model):
    kind: Literal["uniform"] = "uniform"
    low_s: Seconds
    high_s: Seconds

    @model_validator(mode="after")
    def _ordered(self) -> Uniform:
        if self.low_s > self.high_s:
            raise ValueError("low_s must not exceed high_s")
        return self


class Normal(Model):
    """Cut at zero."""

    kind: Literal["normal"] = "normal"
    mean_s: Seconds
    deviation_s: Seconds


class Exponential(Model):
    kind: Literal["exponential"] = "exponential"
    mean_s: Seconds


class Spikes(Model):
    """`base_s`, but for a `share` that takes `spike_s`."""

    kind: Literal["spikes"] = "spikes"
    base_s: Seconds
    spike_s: Seconds
    share: Share


def _shorthand(value: Any) -> Any:
    return {"kind": "fixed", "value_s": value} if isinstance(value, int | float) else value


Distribution = Annotated[
    Annotated[Fixed | Uniform | Normal | Exponential | Spikes, Field(discriminator="kind")], BeforeValidator(_shorthand)
]
NONE = Fixed(value_s=0)


def sampler(distribution: Distribution, rng: random.Random) -> float | Callable[[], float]:
    """A constant, or a function that draws one value from `rng` a call."""
    match distribution:
        case Fixed(value_s=value):
            return value
        case Uniform(low_s=low, high_s=high):
            return lambda: low + (high - low) * rng.random()
        case Normal(mean_s=mean, deviation_s=deviation):
            return lambda: max(0.0, rng.gauss(mean, deviation))
        case Exponential(mean_s=mean):
            return lambda: rng.expovariate(1 / mean) if mean else 0.0
        case Spikes(base_s=base, spike_s=spike, share=share):
            return lambda: spike if rng.random() < share else base
