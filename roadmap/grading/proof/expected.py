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

from roadmap.grading.proof.likeness import likeness, only_compares

Origin = ast.Assign | ast.For
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_BUILTINS = set(vars(builtins))


def origins(
    tree: ast.Module, asserts: Collection[int]
) -> dict[int, Mapping[str, Origin]]:
    """The statements that give each of ``asserts`` its expected values.

    ``asserts`` are `id`s of statements and expressions (see ``asserted``).
    The values are by name; a name that is not only compared, or may hold what an answer has
    made, or something else by then, is not among them.
    """
    seen = _Seen(asserts)
    seen.follow(tree.body, {}, ())
    usable = (
        authors(tree, untouched=True) & _only_compared(tree, asserts)
    ) - _bound_otherwise(tree)
    return {
        place: {
            name: origin
            for name, origin in names.items()
            if name in usable and seen.surely_binds(name, place)
        }
        for place, names in seen.origins.items()
    }


def is_literal(node: ast.expr) -> bool:
    """Whether the value is written out."""
    try:
        ast.literal_eval(node)
    except (ValueError, TypeError):
        return False
    return True


_Place = tuple[int, ...]  # the blocks that a statement stands in, from the outermost


class _Seen:
    """What has bound a name last, for each assert, reading downwards."""

    def __init__(self, asserts: Collection[int]) -> None:
        self.origins: dict[int, Mapping[str, Origin]] = {}
        self._asserts = asserts
        self._asserted: dict[int, tuple[_Place, int]] = {}
        self._bound: dict[str, list[tuple[_Place, int]]] = {}

    def follow(
        self, body: Iterable[ast.stmt], names: dict[str, Origin], place: _Place
    ) -> None:
        """Read a block, before which ``names`` were bound."""
        for node in body:
            where = place, node.lineno
            for part in map(id, _own_parts(node)):
                if part in self._asserts:
                    self.origins[part] = dict(names)
                    self._asserted[part] = where
            match node:
                case ast.Assign(targets=[ast.Name(id=name)]):
                    names[name] = node
                    self._bound.setdefault(name, []).append(where)
                case ast.For():
                    bound: dict[str, Origin] = dict.fromkeys(_stored(node.target), node)
                    for name in bound:
                        self._bound.setdefault(name, []).append(where)
                    names |= bound
                    for block in _blocks(node):
                        self.follow(block, dict(names), (*place, id(block)))
                case _:
                    for block in _blocks(node):
                        self.follow(block, dict(names), (*place, id(block)))

    def surely_binds(self, name: str, place: int) -> bool:
        """Whether no other statement can have bound the name since, in another block."""
        blocks, line = self._asserted[place]
        return all(
            blocks[: len(others)] == others and (at < line or not others)
            for others, at in self._bound[name]
        )


def _own_parts(node: ast.AST) -> Iterator[ast.AST]:
    """A statement and its parts, without the statements in it."""
    yield node
    for part in ast.iter_child_nodes(node):
        if not isinstance(part, (ast.stmt, ast.ExceptHandler, ast.match_case)):
            yield from _own_parts(part)


def _blocks(node: ast.AST) -> Iterator[list[ast.stmt]]:
    """The statements in a compound one."""
    for _, value in ast.iter_fields(node):
        parts = value if isinstance(value, list) else []
        if parts and isinstance(parts[0], ast.stmt):
            yield parts
        for part in parts:
            if isinstance(part, (ast.ExceptHandler, ast.match_case)):
                yield part.body


def _stored(node: ast.AST) -> set[str]:
    return {
        child.id
        for child in ast.walk(node)
        if isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store)
    }


def loaded(node: ast.AST) -> set[str]:
    """The names that a value is made of; a function's parameters are its own."""
    names = {
        child.id
        for child in ast.walk(node)
        if isinstance(child, ast.Name) and isinstance(child.ctx, ast.Load)
    }
    return names - parameters(node) if isinstance(node, _FUNCTIONS) else names


def parameters(node: ast.AST) -> set[str]:
    return {child.arg for child in ast.walk(node) if isinstance(child, ast.arg)}


def authors(tree: ast.Module, *, untouched: bool) -> set[str]:
    """Names whose values the check makes without anything from outside of it; and builtins.

    What is outside may be the answer, or made by it. So may be whatever is handed to it,
    which with ``untouched`` is not among them, either.
    """
    bindings = list(_bindings(tree))
    names = {name for bound, _ in bindings for name in bound} - parameters(tree)
    while True:
        known = names | _BUILTINS
        tainted = {
            name for bound, value in bindings if loaded(value) - known for name in bound
        }
        if untouched:
            tainted |= _handed_out(tree, known)
        if not tainted & names:
            return known
        names -= tainted


def _handed_out(tree: ast.Module, known: set[str]) -> set[str]:
    """Names whose values are handed to functions that are not ``known``."""
    return {
        name
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and not only_compares(node)
        and loaded(node.func) - known
        for part in [*node.args, *node.keywords]
        for name in loaded(part)
    }


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
                yield loaded(owner), node  # as list.append, which changes the list


def _changed_by(target: ast.expr) -> set[str]:
    """Names that an assignment binds, or whose objects it changes."""
    return {child.id for child in ast.walk(target) if isinstance(child, ast.Name)}


def _only_compared(tree: ast.Module, asserts: Collection[int]) -> set[str]:
    """Names that the check binds and uses for nothing but comparing and its messages."""
    used = []

    def visit(node: ast.AST) -> None:
        match node:
            case ast.Assert(test=test):
                visit_test(test)
            case ast.Raise():
                pass
            case ast.Expr(value=test) if id(node) in asserts:
                visit_test(test)
            case ast.expr() if id(node) in asserts:
                visit_test(node)
            case _:
                visit_parts(node)

    def visit_parts(node: ast.AST) -> None:
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            used.append(node.id)
        for child in ast.iter_child_nodes(node):
            visit(child)

    def visit_test(test: ast.expr) -> None:
        alike = likeness(test)
        match test:
            case ast.BoolOp(values=values):
                for value in values:
                    visit_test(value)
            case _ if alike is not None:
                visit_sides(alike.left, alike.right)
                nothing = ast.Constant(None)
                visit(alike.of(nothing, nothing))
            case ast.Compare(left=left, comparators=others):
                visit_sides(left, *others)
            case _:
                visit_parts(test)

    def visit_sides(*sides: ast.expr) -> None:
        for side in sides:
            if not isinstance(side, ast.Name):
                visit(side)

    visit(tree)
    return _stored(tree).difference(used)


def _bound_otherwise(tree: ast.Module) -> set[str]:
    """Names that are bound by more than plain assignments and loops."""
    plain = {id(target) for node in ast.walk(tree) for target in _plain_targets(node)}
    names = parameters(tree)
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()) if (
                id(node) not in plain
            ):
                names.add(name)
            case ast.Global(names=declared) | ast.Nonlocal(names=declared):
                names.update(declared)
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                names.add(name)
            case ast.MatchMapping(rest=str(name)) | ast.ExceptHandler(name=str(name)):
                names.add(name)
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.alias(name=name, asname=other):
                names.add(other or name)
    return names


def _plain_targets(node: ast.AST) -> list[ast.AST]:
    match node:
        case ast.Assign(targets=[ast.Name() as target]):
            return [target]
        case ast.For(target=target):
            return list(ast.walk(target))
    return []
