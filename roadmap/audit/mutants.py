"""Machine-made mistakes: the reference answer with one small thing changed.

The operators are those of the field (cosmic-ray's, mutmut's, PIT's): arithmetic,
comparisons and their boundaries, constants, removed statements and calls, swapped
arguments, ``None`` instead of the result. They are written here on ``ast``:
cosmic-ray has no removed statements, swapped arguments or returned ``None``, knows no
marks, and brings a database, an HTTP server and git along for the operators it has.
A mutant is an edit of the text at a node's place, not an unparsed tree, so that its
diff shows the one change, and IPython's own lines stay what they are.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

_Placed = ast.expr | ast.stmt | ast.excepthandler  # nodes that know where they stand
_ASYNC = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT

_BEGIN, _END = (re.compile(rf"\s*###\s*{word} SOLUTION") for word in ("BEGIN", "END"))
_MAGIC = re.compile(r"^([ \t]*)([%!]).*$", re.MULTILINE)
# A cell whose text becomes a module: Python below its first line.
_MODULE = re.compile(r"\A\s*%%writefile[ \t].*\.py[\"']?[ \t]*$", re.MULTILINE)
_BINARY: dict[type[ast.operator], tuple[str, ...]] = {
    ast.Add: ("-",),
    ast.Sub: ("+",),
    ast.Mult: ("+", "/"),
    ast.Div: ("*", "//"),
    ast.FloorDiv: ("/",),
    ast.Mod: ("//",),
    ast.Pow: ("*",),
    ast.LShift: (">>",),
    ast.RShift: ("<<",),
    ast.BitOr: ("&",),
    ast.BitAnd: ("|",),
    ast.BitXor: ("&",),
}
_COMPARED: dict[type[ast.cmpop], tuple[str, ...]] = {
    ast.Lt: ("<=", ">="),
    ast.LtE: ("<", ">"),
    ast.Gt: (">=", "<="),
    ast.GtE: (">", "<"),
    ast.Eq: ("!=",),
    ast.NotEq: ("==",),
    ast.Is: ("is not",),
    ast.IsNot: ("is",),
    ast.In: ("not in",),
    ast.NotIn: ("in",),
}
_BINARY_SIGN = re.compile(r"\*\*|//|<<|>>|[-+*/%|&^]")
_COMPARED_SIGN = re.compile(r"\bis\s+not\b|\bis\b|\bnot\s+in\b|\bin\b|[=!<>]=|[<>]")
_BOOLEAN_SIGN = re.compile(r"\b(?:and|or)\b")
_ASSIGNED_SIGN = re.compile(r"(?:\*\*|//|<<|>>|[-+*/%|&^@])=")
_REMOVABLE = (
    ast.Expr,
    ast.Assign,
    ast.AugAssign,
    ast.AnnAssign,
    ast.Delete,
    ast.Raise,
    ast.Assert,
    ast.If,
    ast.For,
    ast.AsyncFor,
    ast.While,
    ast.With,
    ast.AsyncWith,
    ast.Try,
)
_SIMPLE = (ast.Name, ast.Attribute, ast.Subscript, ast.Call, ast.Constant)


@dataclass(frozen=True)
class Mutant:
    """One changed answer: ``source`` is the whole cell, ``line`` the first changed one in it."""

    line: int
    operator: str
    source: str


@dataclass(frozen=True)
class _Edit:
    start: int
    end: int
    text: str
    operator: str


def mutants(source: str) -> list[Mutant]:
    """Every mutant of an answer cell, in the order of the text, no two alike.

    ``source`` has its BEGIN and END SOLUTION marks; only what stands between them is
    changed. A cell that writes a module (``%%writefile app.py``) keeps its first line.
    There are none of a cell that is no Python (``%%bash``, SQL, another file's text).
    """
    text = _Text(source)
    if text.tree is None:
        return []
    seen = {ast.dump(text.tree)}
    made = []
    for edit in sorted(
        _edits(text.tree, text), key=lambda edit: (edit.start, edit.end)
    ):
        changed = text.edited(edit)
        form = same_code(changed)
        if form is not None and form not in seen:
            seen.add(form)
            made.append(Mutant(text.line(edit.start), edit.operator, changed))
    return made


def sample(everything: list[Mutant], limit: int) -> list[Mutant]:
    """``limit`` of them at most, evenly spread over the text."""
    total = len(everything)
    if total <= limit:
        return everything
    return [everything[number * total // limit] for number in range(limit)]


def same_code(source: str) -> str | None:
    """A text that two cells share if they differ in comments and layout only.

    None when ``source`` is not Python that compiles.
    """
    masked = _without_magics(source)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(masked)
            compile(masked, "<mutant>", "exec", _ASYNC)
    except (SyntaxError, ValueError):
        return None
    pattern = _MODULE if _MODULE.match(source) else _MAGIC
    magics = "\n".join(match[0].strip() for match in pattern.finditer(source))
    return f"{ast.dump(tree)}\n{magics}" if magics else ast.dump(tree)


def _without_magics(source: str) -> str:
    """IPython's lines as ``pass``, each line as long as it was counted from its left.

    The first line of a module's text is a comment: ``from __future__`` may follow it.
    """
    if module := _MODULE.match(source):
        return f"{source[: module.end()].replace('%%', '#', 1)}{source[module.end() :]}"
    try:
        ast.parse(source)
    except SyntaxError:
        return _MAGIC.sub(r"\1pass", source)
    return source


class _Text:
    """A cell's source with its tree, and the way from a node to the bytes it stands on."""

    def __init__(self, source: str) -> None:
        self._bytes = source.encode()
        self._starts = [0]
        for line in self._bytes.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))
        self.tree: ast.Module | None = None
        if _MODULE.match(source) or not source.lstrip().startswith("%%"):
            masked = _without_magics(source)
            try:
                self.tree = ast.parse(masked)
            except SyntaxError:
                self.tree = None
        self._open = self._lines_between_marks(source)

    @staticmethod
    def _lines_between_marks(source: str) -> set[int]:
        lines, inside = set(), False
        for number, line in enumerate(source.split("\n"), 1):
            if _BEGIN.match(line):
                inside = True
            elif _END.match(line):
                inside = False
            elif inside:
                lines.add(number)
        return lines

    def is_open(self, node: _Placed) -> bool:
        """Whether the node stands between the marks."""
        return {node.lineno, node.end_lineno} <= self._open

    def span(self, node: _Placed) -> tuple[int, int]:
        """The bytes that a node stands on: the first, and the one behind its last."""
        last, column = node.end_lineno or 0, node.end_col_offset or 0  # never None here
        return (
            self._starts[node.lineno - 1] + node.col_offset,
            self._starts[last - 1] + column,
        )

    def before(self, node: _Placed, sign: str) -> int:
        """Where the last ``sign`` before a node stands."""
        return self._bytes.rindex(sign.encode(), 0, self.span(node)[0])

    def of(self, node: _Placed) -> str:
        start, end = self.span(node)
        return self._bytes[start:end].decode()

    def slice(self, start: int, end: int) -> str:
        return self._bytes[start:end].decode()

    def line(self, offset: int) -> int:
        return self._bytes.count(b"\n", 0, offset) + 1

    def edited(self, edit: _Edit) -> str:
        changed = (
            self._bytes[: edit.start] + edit.text.encode() + self._bytes[edit.end :]
        )
        return changed.decode()

    def sign(
        self, left: _Placed, right: _Placed, sign: re.Pattern[str]
    ) -> tuple[int, int] | None:
        """Where the operator between two operands stands."""
        start, end = self.span(left)[1], self.span(right)[0]
        found = sign.search(self._bytes[start:end].decode())
        if found is None:
            return None
        return start + found.start(), start + found.end()


def _edits(tree: ast.Module, text: _Text) -> Iterator[_Edit]:
    for node, in_message in _walk(tree, in_message=False):
        if not isinstance(node, _Placed) or not text.is_open(node):
            continue
        if in_message and isinstance(node, ast.Constant | ast.JoinedStr):
            continue
        yield from _edits_of(node, text)


def _walk(node: ast.AST, *, in_message: bool) -> Iterator[tuple[ast.AST, bool]]:
    """The nodes that mean something when the code runs, and if they are part of a message."""
    yield node, in_message
    if isinstance(node, ast.JoinedStr):
        return  # up to Python 3.11 what is inside does not know where it stands
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns"):
            continue
        children = value if isinstance(value, list) else [value]
        if name == "body" and _is_text(children[:1]):
            children = children[1:]
        message = in_message or (
            (isinstance(node, ast.Assert) and name == "msg")
            or (isinstance(node, ast.Raise) and name in ("exc", "cause"))
        )
        for child in children:
            if isinstance(child, ast.AST):
                yield from _walk(child, in_message=message)


def _is_text(statements: list[ast.AST]) -> bool:
    return bool(
        statements
        and isinstance(statements[0], ast.Expr)
        and isinstance(statements[0].value, ast.Constant)
    )


def _edits_of(node: _Placed, text: _Text) -> Iterator[_Edit]:
    """What can be done to one node itself; its parts have their turn."""
    if isinstance(node, _REMOVABLE):
        yield _Edit(*text.span(node), "pass", "statement removed")
    match node:
        case ast.BinOp(left=left, op=op, right=right):
            where = text.sign(left, right, _BINARY_SIGN)
            yield from _signs(where, _BINARY.get(type(op), ()), "arithmetic")
        case ast.AugAssign(target=target, op=op, value=value):
            where = text.sign(target, value, _ASSIGNED_SIGN)
            signs = [f"{sign}=" for sign in _BINARY.get(type(op), ())]
            yield from _signs(where, [*signs, "="], "assignment")
        case ast.Compare(left=left, ops=ops, comparators=comparators):
            pairs = zip([left, *comparators[:-1]], ops, comparators, strict=True)
            for one, compared, other in pairs:
                where = text.sign(one, other, _COMPARED_SIGN)
                yield from _signs(where, _COMPARED[type(compared)], "comparison")
        case ast.BoolOp(op=op, values=values):
            word = "or" if isinstance(op, ast.And) else "and"
            for one, other in pairwise(values):
                where = text.sign(one, other, _BOOLEAN_SIGN)
                yield from _signs(where, [word], "and, or")
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            yield _Edit(*text.span(node), text.of(operand), "sign or not removed")
        case ast.Await(value=value):
            yield _Edit(*text.span(node), text.of(value), "await removed")
        case ast.Constant():
            yield from _constants(node, text)
        case ast.JoinedStr():
            yield _Edit(*text.span(node), '""', "constant")
        case (
            ast.Return(value=ast.expr() as value) | ast.Yield(value=ast.expr() as value)
        ):
            yield _Edit(*text.span(value), "None", "None instead of the result")
        case ast.Break():
            yield _Edit(*text.span(node), "continue", "break, continue")
        case ast.Continue():
            yield _Edit(*text.span(node), "break", "break, continue")
        case ast.ExceptHandler(type=ast.expr() as caught):
            yield _Edit(*text.span(caught), "()", "exception not caught")
        case ast.Call():
            yield from _calls(node, text)
        case ast.Slice(lower=lower, upper=upper):
            yield from _bounds([lower, upper], text)
        case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test):
            yield from _negated([test], text)
        case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
            for loop in node.generators:
                yield from _negated(loop.ifs, text)
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            for decorator in node.decorator_list:
                start, end = text.before(decorator, "@"), text.span(decorator)[1]
                yield _Edit(start, end, "", "decorator removed")


def _signs(
    where: tuple[int, int] | None, signs: Iterable[str], operator: str
) -> Iterator[_Edit]:
    if where is not None:
        for sign in signs:
            yield _Edit(*where, sign, operator)


def _constants(node: ast.Constant, text: _Text) -> Iterator[_Edit]:
    value, written = node.value, text.of(node)
    if isinstance(value, bool):
        others = [str(not value)]
    elif isinstance(value, int):
        others = [str(value + 1), str(value - 1) if value else "(-1)"]
    elif isinstance(value, float):
        others = [str(value + 1)]
    elif isinstance(value, str | bytes):
        quotes = 3 if written.endswith(('"""', "'''")) else 1
        others = [f"{written[:-quotes]}X{written[-quotes:]}"]
    elif value is None:
        others = ["0"]
    else:
        others = []
    for other in others:
        yield _Edit(*text.span(node), other, "constant")


def _calls(node: ast.Call, text: _Text) -> Iterator[_Edit]:
    arguments = [a for a in node.args if not isinstance(a, ast.Starred)]
    if len(arguments) == len(node.args):
        for one, other in pairwise(arguments):
            (start, mid), (resume, end) = text.span(one), text.span(other)
            swapped = f"{text.of(other)}{text.slice(mid, resume)}{text.of(one)}"
            yield _Edit(start, end, swapped, "arguments swapped")
    inner: ast.expr | None = None
    if len(arguments) == 1 and not node.keywords:
        inner = arguments[0]
    elif not node.args and isinstance(node.func, ast.Attribute):
        inner = node.func.value
    if inner is not None:
        written = text.of(inner)
        if not isinstance(inner, _SIMPLE):
            written = f"({written})"
        yield _Edit(*text.span(node), written, "call removed")
    if isinstance(node.func, ast.Name) and node.func.id == "range":
        yield from _bounds(arguments, text)


def _bounds(bounds: Iterable[ast.expr | None], text: _Text) -> Iterator[_Edit]:
    """One more and one less, where a bound is not written as a number anyway."""
    for bound in bounds:
        if bound is not None and not isinstance(bound, ast.Constant):
            for sign in "+-":
                yield _Edit(*text.span(bound), f"{text.of(bound)} {sign} 1", "boundary")


def _negated(tests: Iterable[ast.expr], text: _Text) -> Iterator[_Edit]:
    """The other way round, unless an operator of the test itself has that turned already."""
    for test in tests:
        turned = (isinstance(test, ast.Compare) and len(test.ops) == 1) or (
            isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not)
        )
        if not turned:
            yield _Edit(*text.span(test), f"not ({text.of(test)})", "condition negated")
