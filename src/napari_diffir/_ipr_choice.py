"""What a person has chosen about the IPR, and the options that it comes to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from diffir_core.errors import InputError
from diffir_core.ipr import IPR, blend
from diffir_core.options import RestoreOptions

if TYPE_CHECKING:
    from diffir_core.model import Model

Scope = Literal["plane", "time", "stack", "region"]
Use = Literal["own", "slots"]
Region = tuple[int, int, int, int]
_OF_IPR = "ipr ipr_scope region strength attention_scope seed steps"
_NO_IPR = RestoreOptions().model_dump(include=set(_OF_IPR.split()))


@dataclass(frozen=True, slots=True)
class Choice:
    """All that undo and redo go through; IPRs are values, too."""

    use: Use = "own"
    """'own' estimates the IPR from the image, 'slots' blends A and B."""
    scope: Scope = "plane"
    region: Region | None = None
    """Where scope 'region' looks."""
    seed: int = 0
    steps: int | None = None
    strength: float = 1.0
    a: IPR | None = None
    b: IPR | None = None
    weight: float = 0.0
    """0 is A, 1 is B."""
    base: RestoreOptions = RestoreOptions()  # noqa: RUF009 - frozen
    """All that is not about the IPR: from the preferences, or from a job."""
    attention: Literal["plane", "stack"] = "plane"
    """Of a job; it counts where all planes share an IPR."""

    @property
    def blended(self) -> IPR:
        """The IPR between the slots; an empty one does not count.

        Raises
        ------
        InputError
            If both are empty.
        """
        if self.a is None or self.b is None or self.weight in (0.0, 1.0):
            first, second = (self.b, self.a) if self.weight == 1 else (self.a, self.b)
            only = first or second
            if only is None:
                raise InputError("Slots A and B are empty; keep or import an IPR.")
            return only
        return blend(self.a, self.b, self.weight)

    def options(self, model: Model) -> RestoreOptions:
        """Give the options that do what was chosen, for all planes alike."""
        if self.use == "own":
            is_shared = self.scope in ("stack", "region")
            return self.of_each_plane().replace(
                ipr_scope=self.scope,
                region=self.region if self.scope == "region" else None,
                strength=self.strength,
                attention_scope=self.attention if is_shared else "plane",
            )
        from diffir_core.ipr_steering import steer

        ipr = steer(self.blended, model, self.strength)
        return self.of_each_plane().replace(ipr=ipr, attention_scope=self.attention)

    def of_each_plane(self) -> RestoreOptions:
        """Give the options under which each plane has its own IPR, as it is."""
        return self.base.replace(seed=self.seed, steps=self.steps)

    def taking(self, options: RestoreOptions) -> Choice:
        """Give the choice that options stand for; an IPR in them goes to slot A."""
        both = replace(
            self,
            seed=options.seed,
            steps=options.steps,
            base=options.replace(**_NO_IPR),
            attention=options.attention_scope,
        )
        if options.ipr is not None:
            ruled = replace(both, use="slots", a=options.ipr)
            return replace(ruled, weight=0.0, strength=1.0)
        return replace(
            both,
            use="own",
            scope=options.ipr_scope,
            region=options.region,
            strength=options.strength,
        )
