"""Operations on the syntax tree of a Python module. Each changes exactly one node of one function, class or name.

    drop-call F [WORD ...]      remove the statement that calls F; of `with F():` keep the body
    drop W [WORD ...]           remove the argument, element, entry, operand of an operator or `with` item W
    drop-handler E              `except E` raises again; `drop-handler finally`: the block runs after success only
    unwrap F [W] [WORD ...]     put in place of the call of F its argument (or object) that mentions W
    always-true WORD ...        put True in place of the smallest condition that mentions all words; always-false
    text-always-true TEXT       in a string (DynamoDB's conditions): put `(TEXT OR NOT TEXT)` in place of TEXT
    return EXPRESSION           put `return EXPRESSION` in place of a function's body
    set EXPRESSION              give a module's or class's name this value

Further WORDs choose among several nodes: all must be mentioned by the node around W, or by the call of F. `#2` takes
the second of several. A word is a name, the end of a dotted name, a constant, or a key: `row.etag` is also
`row["etag"]`. So a mutant outlives reformatting, and the rewriting of all but what it takes out.
"""

import ast
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple


class Place(NamedTuple):
    """A node, and where its parent has it."""

    node: Any
    parent: ast.AST
    field: str
    index: int | None

    def put(self, *nodes: ast.AST) -> None:
        """Put these in the node's place; an emptied block passes."""
        if self.index is None:
            setattr(self.parent, self.field, *nodes)
            return
        siblings = getattr(self.parent, self.field)
        siblings[self.index : self.index + 1] = nodes
        if not siblings and self.field in ("body", "orelse", "finalbody"):
            siblings.append(ast.Pass())


Operation = Callable[[ast.AST, list[str]], None]


def mutated_module(source: str, qualname: str, operation: str, argument: str) -> str:
    """Return the module with the operation done. Raise ValueError unless it fits exactly one place."""
    tree = ast.parse(source)
    scope = _find(tree, qualname)
    top: Any = next(node for node in tree.body if any(each is scope for each in ast.walk(node)))
    before = ast.unparse(top)
    OPERATIONS[operation](scope, argument)
    if ast.unparse(top) == before:
        raise ValueError("it changes nothing")
    lines = source.split("\n")
    first = min([top.lineno, *(each.lineno for each in getattr(top, "decorator_list", ()))])
    changed = "\n".join([*lines[: first - 1], ast.unparse(top), *lines[top.end_lineno :]])
    ast.parse(changed)
    return changed


def _find(tree: ast.Module, qualname: str) -> Any:
    found: Any = tree
    for name in qualname.split("."):
        named = [node for node in _definitions(found) if name in _names_of(node)]
        if len(named) != 1:
            raise ValueError(f"{len(named)} definitions of {name}")
        found = named[0]
    return found


def _definitions(scope: ast.AST) -> Iterator[ast.AST]:
    """Functions, classes and assignments of a scope, those in its blocks (`if TYPE_CHECKING:`) too."""
    for node in ast.iter_child_nodes(scope):
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Assign | ast.AnnAssign):
            yield node
        else:
            yield from _definitions(node)


def _names_of(node: Any) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _places(scope: ast.AST) -> Iterator[Place]:
    for field, value in ast.iter_fields(scope):
        for index, node in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if isinstance(node, ast.AST):
                yield Place(node, scope, field, index)
                yield from _places(node)


def _dotted(node: Any) -> str:
    """`a.b` for a.b, a["b"], a.b(...), *a.b and b=...; a constant as it prints; "" for what has no name."""
    match node:
        case ast.Name(id=name) | ast.keyword(arg=str(name)) | ast.alias(name=name):
            return name
        case (
            ast.Attribute(value=value, attr=name) | ast.Subscript(value=value, slice=ast.Constant(value=name))
        ):
            return f"{_dotted(value)}.{name}"
        case ast.Constant(value=value):
            return str(value)
        case ast.Call(func=inner) | ast.Starred(value=inner) | ast.withitem(context_expr=inner):
            return _dotted(inner)
    return ""


def _is(node: ast.AST, word: str) -> bool:
    return f".{_dotted(node)}".endswith(f".{word}")


def _mentions(node: ast.AST, words: Sequence[str]) -> bool:
    nodes = list(ast.walk(node))
    return all(any(_is(each, word) for each in nodes) for word in words)


def _only(places: list[Place], words: list[str]) -> Place:
    """Return the one there is, or the one that `#n` asks for."""
    if words and words[-1].startswith("#"):
        return places[int(words[-1][1:]) - 1]
    if len(places) != 1:
        raise ValueError(f"it fits {len(places)} places")
    return places[0]


def _split(argument: str) -> tuple[list[str], list[str]]:
    """Return the words, and `#n` if it is there."""
    words = argument.split()
    return [word for word in words if not word.startswith("#")], words[-1:]


def _drop_call(scope: ast.AST, argument: str) -> None:
    (name, *context), number = _split(argument)

    def calls(node: ast.AST) -> bool:
        found = (each for each in ast.walk(node) if isinstance(each, ast.Call) and _is(each, name))
        return any(_mentions(each, context) for each in found)

    removable = (ast.Expr, ast.AugAssign, ast.withitem)
    place = _only(
        [each for each in _places(scope) if isinstance(each.node, removable) and calls(each.node)], number
    )
    if isinstance(place.node, ast.withitem):
        _drop_with_item(scope, place)
    else:
        place.put()


def _drop_with_item(scope: ast.AST, place: Place) -> None:
    place.put()
    if not place.parent.items:  # type: ignore[attr-defined]
        (around,) = (each for each in _places(scope) if each.node is place.parent)
        around.put(*place.parent.body)  # type: ignore[attr-defined]


def _drop(scope: ast.AST, argument: str) -> None:
    (name, *context), number = _split(argument)
    fields = {("args", ast.Call), ("keywords", ast.Call), ("keywords", ast.ClassDef), ("elts", ast.List)}
    fields |= {("elts", ast.Tuple), ("elts", ast.Set), ("left", ast.BinOp), ("right", ast.BinOp)}
    fields |= {("keys", ast.Dict), ("values", ast.Dict), ("items", ast.With)}

    def fits(place: Place) -> bool:
        if (place.field, type(place.parent)) not in fields or not _is(place.node, name):
            return False
        if place.field == "values" and place.parent.keys[place.index] is not None:  # type: ignore[attr-defined]
            return False
        return _mentions(place.parent, context)

    place = _only([each for each in _places(scope) if fits(each)], number)
    parent: Any = place.parent
    if isinstance(parent, ast.Dict):
        assert place.index is not None
        del parent.keys[place.index], parent.values[place.index]
    elif isinstance(parent, ast.BinOp):
        (around,) = (each for each in _places(scope) if each.node is parent)
        around.put(parent.right if place.field == "left" else parent.left)
    elif isinstance(parent, ast.With):
        _drop_with_item(scope, place)
    else:
        place.put()


def _drop_handler(scope: ast.AST, argument: str) -> None:
    (name,), number = _split(argument)
    if name == "finally":
        tries = [each for each in _places(scope) if isinstance(each.node, ast.Try) and each.node.finalbody]
        place = _only(tries, number)
        last, place.node.finalbody = place.node.finalbody, []
        place.put(*([place.node] if place.node.handlers else place.node.body), *last)
        return
    handlers = [each for each in _places(scope) if isinstance(each.node, ast.ExceptHandler)]
    place = _only([each for each in handlers if each.node.type and _mentions(each.node.type, [name])], number)
    place.node.body = [ast.Raise()]


def _unwrap(scope: ast.AST, argument: str) -> None:
    (name, *words), number = _split(argument)
    calls = [each for each in _places(scope) if isinstance(each.node, ast.Call) and _is(each.node, name)]
    place = _only([each for each in calls if _mentions(each.node, words)], number)
    call = place.node
    choices = [*call.args, *([call.func.value] if isinstance(call.func, ast.Attribute) else [])]
    if words:
        choices = [each for each in choices if _mentions(each, words[:1])]
    elif call.args:
        choices = call.args
    if len(choices) != 1:
        raise ValueError(f"{len(choices)} arguments could take the call's place")
    place.put(choices[0])


def _always(value: bool) -> Operation:
    def replace(scope: ast.AST, argument: str) -> None:
        words, number = _split(argument)
        fitting = [each for each in _places(scope) if _is_condition(each) and _mentions(each.node, words)]
        nodes = {id(each.node) for each in fitting}
        smallest = [
            each for each in fitting if not any(id(inner.node) in nodes for inner in _places(each.node))
        ]
        _only(smallest, number).put(ast.Constant(value))

    return replace


def _is_condition(place: Place) -> bool:
    tested = {("test", ast.If), ("test", ast.IfExp), ("test", ast.While), ("test", ast.Assert)}
    tested |= {("ifs", ast.comprehension), ("values", ast.BoolOp)}
    is_negated = isinstance(place.parent, ast.UnaryOp) and isinstance(place.parent.op, ast.Not)
    return isinstance(place.node, ast.Compare) or is_negated or (place.field, type(place.parent)) in tested


def _text_always_true(scope: ast.AST, argument: str) -> None:
    constants = [each for each in _places(scope) if isinstance(each.node, ast.Constant)]
    texts = [each for each in constants if not isinstance(each.parent, ast.Expr)]  # else a docstring
    place = _only([each for each in texts if argument in str(each.node.value)], [])
    put = f"({argument} OR NOT {argument})"
    place.put(ast.Constant(place.node.value.replace(argument, put)))


def _return(scope: Any, argument: str) -> None:
    scope.body = [ast.Return(_expression(argument))]


def _set(scope: Any, argument: str) -> None:
    scope.value = _expression(argument)


def _expression(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


OPERATIONS: dict[str, Any] = {
    "drop-call": _drop_call,
    "drop": _drop,
    "drop-handler": _drop_handler,
    "unwrap": _unwrap,
    "always-true": _always(True),
    "always-false": _always(False),
    "text-always-true": _text_always_true,
    "return": _return,
    "set": _set,
}
