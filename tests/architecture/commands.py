"""The command line as documents name it: which `./youai …` calls a text has, and what is wrong with one."""

import re
import shlex
from collections.abc import Callable, Iterator
from typing import Any

import typer
from youai_bench.command import app as bench
from youai_proof.command import app as prove
from youai_stack import cli
from youai_stack.demo.command import demo
from youai_stack.testing import test as test_command

_CALL = re.compile(r"\./youai(?=[ `\n])([^`\n|;)#]*)")


def group() -> Any:
    """The whole command line, `demo`, `test`, `prove` and `bench` in full."""
    app = typer.Typer()
    app.registered_commands = list(cli.app.registered_commands)
    app.registered_groups = list(cli.app.registered_groups)
    lazy: dict[str, Callable[..., None]] = {"demo": demo, "test": test_command}
    app.registered_commands = [command for command in app.registered_commands if command.name not in lazy]
    for name, function in lazy.items():
        app.command(name)(function)
    app.add_typer(prove, name="prove")
    app.add_typer(bench, name="bench")
    return typer.main.get_command(app)


def calls(text: str) -> list[list[str]]:
    """Every `./youai …` in a text, as words. What only stands for something (DIR, …) is a word like any other."""
    return [shlex.split(found) for found in _CALL.findall(text.replace("\\\n", " "))]


def faults(words: list[str], commands: Any) -> Iterator[str]:
    """What is wrong with a call: no such command, no such option."""
    if not words:
        return
    name, *rest = words
    if name in ("COMMAND", "--help"):
        return
    command = commands.commands.get(name)
    if command is None:
        yield f"there is no command `{name}`"
        return
    if hasattr(command, "commands") and not (command.invoke_without_command and rest and rest[0].startswith("-")):
        yield from faults(rest, command)
        return
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    for word in rest:
        option = word.split("=")[0]
        if option.startswith("-") and option not in known | {"--help", "-h"}:
            yield f"`{name}` has no option {option}"
