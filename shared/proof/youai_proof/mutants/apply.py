"""Puts a mutant into the running process: a function's new code, a constant's new value, or a migration's new text."""

import importlib
import inspect
import tomllib
import types
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from youai_stack import root


@dataclass(frozen=True, slots=True)
class Mutant:
    """One break: in the file of `module` (or the migration `module`, if it ends with .sql), `old` becomes `new`.

    `of` is the rule (R1 to R10) or the mechanism that it breaks. `old` must stand there exactly once. `scene`
    names the scene in which the race that it opens is likely: its seeds are tried first.
    """

    name: str
    of: str
    module: str
    old: str
    new: str
    scene: str = ""


class NoSuchText(ValueError):
    """The text that a mutant changes is not there once: the code has moved on, and the mutant must follow."""


_SERVICES = root.path() / "services"
_migrations: dict[str, Mutant] = {}
"""Of migrations, by file name: which mutant changes its text."""


def migration(file: Path) -> str:
    """The text of a migration, as the mutants that were applied leave it."""
    text = file.read_text(encoding="utf-8")
    return _changed(_migrations[file.name], text) if file.name in _migrations else text


@cache
def catalogue() -> tuple[Mutant, ...]:
    """All mutants."""
    text = Path(__file__).with_name("catalogue.toml").read_text(encoding="utf-8")
    return tuple(Mutant(**mutant) for mutant in tomllib.loads(text)["mutant"])


def named(name: str) -> Mutant:
    """Apply the mutant of this name, for as long as this process lives."""
    mutant = next(one for one in catalogue() if one.name == name)
    apply(mutant)
    return mutant


def changed(mutant: Mutant) -> tuple[str, str]:
    """The text of the mutant's file as it is, and as the mutant has it. Raises NoSuchText."""
    if mutant.module.endswith(".sql"):
        (file,) = _SERVICES.glob(f"*/youai_*/migrations/{mutant.module}")
    else:
        file = Path(str(importlib.import_module(mutant.module).__file__))
    source = file.read_text(encoding="utf-8")
    return source, _changed(mutant, source)


def apply(mutant: Mutant) -> None:
    """Apply a mutant. Raises NoSuchText."""
    source, other = changed(mutant)
    if mutant.module.endswith(".sql"):
        _migrations[mutant.module] = mutant
        return
    module = importlib.import_module(mutant.module)
    before, after = (dict(_codes(compile(text, str(module.__file__), "exec"))) for text in (source, other))
    done = False
    for name, code in after.items():
        if code != before.get(name) and not _holds_other(code, before.get(name)):
            function = _function(module, name)
            function.__code__ = code.replace(co_freevars=function.__code__.co_freevars)
            done = True
    if not done:
        _constants(module, other)


def _changed(mutant: Mutant, source: str) -> str:
    if source.count(mutant.old) != 1:
        raise NoSuchText(f"mutant {mutant.name}: the text stands {source.count(mutant.old)} times in {mutant.module}")
    return source.replace(mutant.old, mutant.new)


def _codes(code: types.CodeType) -> Iterator[tuple[str, types.CodeType]]:
    """Every function's code in a module's and its classes', by qualified name, with all that stands inside it."""
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            if constant.co_flags & inspect.CO_OPTIMIZED:
                yield constant.co_qualname, constant
            else:
                yield from _codes(constant)


def _holds_other(code: types.CodeType, before: types.CodeType | None) -> bool:
    """Whether it differs only by where it stands, or by what stands inside of it."""
    return before is not None and _shape(code) == _shape(before)


def _shape(code: types.CodeType) -> tuple[Any, ...]:
    """All that a function does by itself: code within it counts for itself, unless it can only be reached so."""
    inner = tuple(_shape(c) if isinstance(c, types.CodeType) else (type(c).__name__, c) for c in code.co_consts)
    return code.co_code, inner, code.co_names, code.co_varnames, code.co_freevars


def _function(module: types.ModuleType, name: str) -> Any:
    found: Any = module
    for part in name.split("."):
        found = inspect.getattr_static(found, part)
    found = getattr(found, "__func__", found)
    found = getattr(found, "fget", None) or found
    return inspect.unwrap(found)


def _constants(module: types.ModuleType, source: str) -> None:
    """The change is of what a module or class holds: take over values from a second copy of the module."""
    copy = types.ModuleType(module.__name__)
    copy.__dict__.update({"__file__": module.__file__, "__package__": module.__package__})
    exec(compile(source, str(module.__file__), "exec"), copy.__dict__)
    for name, value in vars(copy).items():
        if name.startswith("__"):
            continue
        old = module.__dict__.get(name)
        if isinstance(value, str | int | float | tuple | frozenset | dict | set) and value != old:
            if isinstance(old, dict) and isinstance(value, dict):
                old.clear()
                old.update(value)
            module.__dict__[name] = old if isinstance(old, dict) else value
        elif isinstance(value, type) and isinstance(old, type) and value.__module__ == module.__name__:
            for field, inner in vars(value).items():
                plain = isinstance(inner, str | int | float | bool) and not field.startswith("__")
                if plain and vars(old).get(field) != inner:
                    setattr(old, field, inner)
