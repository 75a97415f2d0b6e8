"""What happens to the fused tokens before they are pooled; one way a file, reached by name."""

from __future__ import annotations

from skedema.refiners.base import Refiner, list_refiners, make_refiner, register_refiner
from skedema.refiners.mixer import Mixer

register_refiner("mixer", Mixer)

__all__ = ["Mixer", "Refiner", "list_refiners", "make_refiner", "register_refiner"]
