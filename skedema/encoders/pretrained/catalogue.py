"""The names of recipes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from skedema._plugins import resolve
from skedema.encoders.pretrained.recipe import RECIPES, AnyRecipe


def register_recipe(name: str, factory: Callable[[], Any]) -> None:
    """Make a recipe known by name.

    Parameters
    ----------
    name : str
        What users write as ``recipe=``.
    factory : callable
        Gives a `Recipe` with its default parameters; usually its class.

    Raises
    ------
    ValueError
        When another recipe has the name.

    Examples
    --------
    >>> from skedema.encoders.pretrained import FMHCT, list_recipes, register_recipe
    >>> register_recipe("fm_hct_128", lambda: FMHCT(shape=128, patch=16))
    >>> "fm_hct_128" in list_recipes()
    True
    """
    RECIPES.register(name, factory)


def list_recipes() -> list[str]:
    """List the recipes that can be given by name.

    Returns
    -------
    list of str
        Sorted, those of installed packages (entry-point group ``skedema.recipes``) included.

    Examples
    --------
    >>> from skedema.encoders.pretrained import list_recipes
    >>> list_recipes()
    ['ct_fm', 'fm_hct', 'hlip_head_ct', 'monai'...]
    """
    return RECIPES.names()


def make_recipe(recipe: Any) -> AnyRecipe:
    """Resolve a name or an object to a recipe.

    Parameters
    ----------
    recipe : str or Recipe
        The value of the ``recipe`` parameter.

    Returns
    -------
    Recipe
        It tells how weights are loaded, and under which terms.

    Raises
    ------
    ValueError
        When the name is unknown.
    TypeError
        For anything that is no recipe.

    Examples
    --------
    >>> from skedema.encoders.pretrained import make_recipe
    >>> print(make_recipe("ct_fm").licence)
    Apache-2.0 (weights), MIT (code)
    """
    found: AnyRecipe = resolve(recipe, RECIPES, lambda made: isinstance(made, AnyRecipe))
    return found
