"""Where the workspace's parts are, and what their source imports: shared by the tests of this folder."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SERVICES: tuple[str, ...] = tuple(sorted(path.parent.name for path in (ROOT / "services").glob("*/pyproject.toml")))
PACKAGES: dict[str, Path] = {
    path.name: path
    for pattern in ("shared/*/youai_*", "services/*/youai_*", "bench/youai_*")
    for path in ROOT.glob(pattern)
    if path.is_dir()
}


@dataclass(frozen=True)
class Import:
    """An import as it stands in a file: the module named, and the line."""

    module: str
    line: int


def python_files(*folders: Path) -> list[Path]:
    """The Python files below the folders (default: all of the repository's own)."""
    wanted = folders or tuple(
        ROOT / name for name in ("shared", "services", "bench", "verifier", "examples", "deploy", "tests")
    )
    return sorted(
        path
        for folder in wanted
        for path in folder.rglob("*.py")
        if not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def domain_files(service: Path) -> list[Path]:
    """The files of a service's package that must be pure: `domain.py`, or all of `domain/`."""
    return [path for path in (service / "domain.py",) if path.exists()] + python_files(service / "domain")


def imports(tree: ast.AST) -> Iterator[Import]:
    """Every import in the tree, those inside functions included. `from a import b` is named `a.b`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, node.lineno)
        elif isinstance(node, ast.ImportFrom):
            prefix = "." * node.level + (node.module or "")
            for alias in node.names:
                yield Import(f"{prefix}.{alias.name}", node.lineno)


def functions(tree: ast.AST, owner: str = "") -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Every function in the tree, those inside others included, each with the class that it stands in (or "")."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield owner, node
        yield from functions(node, node.name if isinstance(node, ast.ClassDef) else owner)


def dotted(node: ast.AST) -> str:
    """`a.b.c` of an attribute chain; empty where it is none."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = dotted(node.value)
        return f"{before}.{node.attr}" if before else ""
    return ""
