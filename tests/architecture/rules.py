"""House rules that a tool does not know: what is wrong with a file's source, as sentences."""

import ast
import sys
from collections.abc import Iterator

from tests.architecture.workspace import dotted, imports

# Values, text and structure. Whatever reads a clock, chance, a file, the network or the environment is not here.
_MAY_IN_DOMAIN = frozenset(
    """abc base64 bisect calendar collections contextlib copy csv dataclasses datetime decimal enum fractions functools
    hashlib heapq io itertools json math numbers operator re string textwrap types typing unicodedata
    zoneinfo""".split()  # noqa: SIM905
)
# The contracts' classes are msgspec's: to encode or replace one takes it, and it does no I/O.
_MAY_BESIDE = frozenset({"youai_contracts", "msgspec"})
_CLOCKS = ("now", "utcnow", "today")
_CLOCK_OR_CHANCE = frozenset(
    {f"{prefix}{name}.{clock}" for prefix in ("", "datetime.") for name in ("datetime", "date") for clock in _CLOCKS}
    | {"uuid.uuid1", "uuid.uuid4", "open", "input", "print", "eval", "exec", "__import__"}
)


def impurities(source: str, package: str) -> Iterator[str]:
    """What makes a file of `package`'s domain impure: imports beyond values and contracts, a clock, chance, I/O."""
    tree = ast.parse(source)
    for found in imports(tree):
        top = found.module.split(".")[0]
        own = found.module.startswith((f"{package}.domain", "."))
        if not own and top not in _MAY_IN_DOMAIN | _MAY_BESIDE:
            kind = "the standard library's I/O, clock or chance" if top in sys.stdlib_module_names else "no contract"
            yield f"line {found.line}: a domain may not import {found.module} ({kind})"
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and dotted(node.func) in _CLOCK_OR_CHANCE:
            yield f"line {node.lineno}: a domain may not call {dotted(node.func)}: pass it in"
        elif isinstance(node, ast.AsyncFunctionDef | ast.Await):
            yield f"line {node.lineno}: a domain waits for nothing"


def readings_of_settings(source: str, package: str, file_name: str) -> Iterator[str]:
    """Where a service's file reads settings although it is not `__main__.py` (nor the class itself)."""
    if file_name in ("__main__.py", "settings.py"):
        return
    tree = ast.parse(source)
    for found in imports(tree):
        if found.module.startswith((f"{package}.settings", "youai_runtime.settings")):
            yield f"line {found.line}: only __main__.py reads settings; take what you need as an argument"
    yield from readings_of_environment(source)


def readings_of_environment(source: str) -> Iterator[str]:
    """Where a file looks at the process's environment."""
    for node in ast.walk(ast.parse(source)):
        if dotted(node) in ("os.environ", "os.getenv", "environ", "getenv"):
            yield f"line {getattr(node, 'lineno', 0)}: the environment is read through settings alone"


def shape(source: str, most_lines: int) -> Iterator[str]:
    """What is wrong with a file's outer shape: too long, or no sentence on its job."""
    lines = source.count("\n")
    if lines > most_lines:
        yield f"{lines} lines are more than {most_lines}: split it"
    if source.strip() and not ast.get_docstring(ast.parse(source)):
        yield "opens with no sentence on its job"
