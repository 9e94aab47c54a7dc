"""Where a check's names get what answers are compared with.

A twin changes an expected value where it arises and not only where it is compared, so
that an answer that looks it up, in the check's frame or among its globals, finds the
changed one. That can be done with names which hold nothing of the answer's making, and
which the check does nothing with but compare.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Collection, Iterable, Iterator, Mapping

Origin = ast.Assign | ast.For
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_BUILTINS = set(vars(builtins))


def origins(
    tree: ast.Module, asserts: Collection[int]
) -> dict[int, Mapping[str, Origin]]:
    """The statements that give each assert in ``asserts``, an `id`, its expected values.

    They are by name; a name that is not only compared, or may hold what an answer has
    made, is not among them. One that is bound once, to a literal, always is.
    """
    found: dict[int, Mapping[str, Origin]] = {}
    _follow(tree.body, {}, asserts, found)
    own = _authors(tree)
    usable = own & _only_compared(tree)
    once = _bound_once(tree)

    def is_expected(name: str, origin: Origin) -> bool:
        literal = isinstance(origin, ast.Assign) and is_literal(origin.value)
        return name in usable or (literal and name in once)

    return {
        place: {name: at for name, at in names.items() if is_expected(name, at)}
        for place, names in found.items()
    }


def is_literal(node: ast.expr) -> bool:
    """Whether the value is written out."""
    try:
        ast.literal_eval(node)
    except (ValueError, TypeError):
        return False
    return True


def _follow(
    body: Iterable[ast.stmt],
    names: dict[str, Origin],
    asserts: Collection[int],
    found: dict[int, Mapping[str, Origin]],
) -> None:
    """Note for each assert which statement has last bound each name, reading downwards."""
    for node in body:
        match node:
            case ast.Assert() if id(node) in asserts:
                found[id(node)] = dict(names)
            case ast.Assign(targets=[ast.Name(id=name)]):
                names[name] = node
            case ast.For():
                bound: dict[str, Origin] = dict.fromkeys(_stored(node.target), node)
                _follow(node.body, names | bound, asserts, found)
            case _:
                for block in _blocks(node):
                    _follow(block, dict(names), asserts, found)


def _blocks(node: ast.AST) -> Iterator[list[ast.stmt]]:
    """The statements in a compound one."""
    for _, value in ast.iter_fields(node):
        parts = value if isinstance(value, list) else []
        yield [part for part in parts if isinstance(part, ast.stmt)]
        for part in parts:
            if isinstance(part, (ast.ExceptHandler, ast.match_case)):
                yield part.body


def _stored(node: ast.AST) -> set[str]:
    return {
        child.id
        for child in ast.walk(node)
        if isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store)
    }


def _loaded(node: ast.AST) -> set[str]:
    """The names that a value is made of; a function's parameters are its own."""
    names = {
        child.id
        for child in ast.walk(node)
        if isinstance(child, ast.Name) and isinstance(child.ctx, ast.Load)
    }
    return names - _parameters(node) if isinstance(node, _FUNCTIONS) else names


def _parameters(node: ast.AST) -> set[str]:
    return {child.arg for child in ast.walk(node) if isinstance(child, ast.arg)}


def _authors(tree: ast.Module) -> set[str]:
    """Names whose values the check makes without anything from outside of it.

    What is outside may be the answer, or made by it. So may be whatever is handed to it.
    """
    bindings = list(_bindings(tree))
    names = {name for bound, _ in bindings for name in bound} - _parameters(tree)
    while True:
        known = names | _BUILTINS
        tainted = {
            name
            for bound, value in bindings
            if _loaded(value) - known
            for name in bound
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and _loaded(node.func) - known:
                tainted.update(*map(_loaded, [*node.args, *node.keywords]))
        if not tainted & names:
            return names
        names -= tainted


def _bindings(tree: ast.Module) -> Iterator[tuple[set[str], ast.AST]]:
    """Names, and what their values are made of."""
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=targets, value=value):
                yield set().union(*map(_changed_by, targets)), value
            case ast.AugAssign(target=target, value=value):
                yield _changed_by(target), value
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                yield _changed_by(target), value
            case ast.NamedExpr(target=target, value=value):
                yield _stored(target), value
            case ast.For(target=target, iter=value):
                yield _stored(target), value
            case ast.comprehension(target=target, iter=value):
                yield _stored(target), value
            case ast.withitem(ast.expr() as value, ast.expr() as target):
                yield _stored(target), value
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                yield {name}, node
            case ast.Call(func=ast.Attribute(value=owner)):
                yield _loaded(owner), node  # as list.append, which changes the list


def _changed_by(target: ast.expr) -> set[str]:
    """Names that an assignment binds, or whose objects it changes."""
    return {child.id for child in ast.walk(target) if isinstance(child, ast.Name)}


def _only_compared(tree: ast.Module) -> set[str]:
    """Names that the check binds and uses for nothing but comparing and its messages."""
    used = []

    def visit(node: ast.AST) -> None:
        match node:
            case ast.Name(id=name, ctx=ast.Load()):
                used.append(name)
            case ast.Assert(test=test):
                visit_test(test)
            case ast.Raise() | ast.JoinedStr():
                pass
            case _:
                for child in ast.iter_child_nodes(node):
                    visit(child)

    def visit_test(test: ast.expr) -> None:
        match test:
            case ast.BoolOp(values=values):
                for value in values:
                    visit_test(value)
            case ast.Compare(left=left, comparators=others):
                for side in (left, *others):
                    if not isinstance(side, ast.Name):
                        visit(side)
            case _:
                visit(test)

    visit(tree)
    return _stored(tree).difference(used)


def _bound_once(tree: ast.Module) -> set[str]:
    names = [name for bound, _ in _bindings(tree) for name in bound]
    return {name for name in names if names.count(name) == 1}
