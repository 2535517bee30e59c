"""Filters of OPTIMADE, evaluated here: what a database's own operators make of them differs from one to the next.

The grammar is the one of optimade-python-tools, read by an LALR parser, whose time grows with the length of the
text alone. A comparison with a property that an entry lacks is neither true nor false, and so is its negation;
an entry matches where the whole filter is true.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

from lark import Lark, Token, Tree
from lark.exceptions import LarkError
from optimade.exceptions import BadRequest, NotImplementedResponse
from optimade.filterparser import LarkParser

from surfalign.launchers.web.optimade.comparisons import (
    OPERATORS,
    TEXT_TESTS,
    TURNED,
    Operand,
    Test,
    Truth,
    Values,
    agree,
    all_of,
    any_of,
    both,
    check_sign,
    compared,
    fits,
    negated,
)
from surfalign.launchers.web.optimade.properties import OWN_PREFIX, Property, Vocabulary

#: Longest filter (characters).
LONGEST = 10_000
#: Prefixes of the providers that providers.optimade.org lists: their properties are unknown without a warning.
KNOWN_PREFIXES = frozenset(
    [
        "aflow",
        "aiida",
        "alexandria",
        "ccdc",
        "ccpnc",
        "cmr",
        "cod",
        "exmpl",
        "httk",
        "jarvis",
        "matcloud",
        "matterverse",
        "mcloud",
        "mcloudarchive",
        "mp",
        "mpdd",
        "mpds",
        "mpod",
        "nmd",
        "odbx",
        "omdb",
        "optimade",
        "optimake",
        "oqmd",
        "psdi",
        "tcod",
        "twodmatpedia",
    ]
)
#: Fields of related entries that filters may name.
_RELATED = ("structures.id", "references.id")


@dataclass(frozen=True)
class CompiledFilter:
    """A filter that was understood.

    Attributes
    ----------
    test
        Tells of an entry whether it matches.
    warnings
        What the asker should know.
    """

    test: Test
    warnings: list[str] = field(default_factory=list)


def compiled(text: str, vocabulary: Vocabulary) -> CompiledFilter:
    """Return what a filter asks of an entry.

    Parameters
    ----------
    text
        In the filter language.
    vocabulary
        What entries have, and the names of the specification; those that they do not have are unknown.

    Raises
    ------
    BadRequest
        When the filter is not understood, or names a property that there is not.
    NotImplementedResponse
        When it compares values of different types.
    """
    if len(text) > LONGEST:
        raise BadRequest(f"the filter has {len(text)} characters; at most {LONGEST} are read")
    try:
        tree = _grammar().parse(text)
        expressions = _trees(tree)
        if len(expressions) != 1:
            raise BadRequest("the filter is not one expression: join comparisons by AND or OR")
        compiler = _Compiler(vocabulary)
        return CompiledFilter(compiler.expression(expressions[0]), compiler.warnings)
    except LarkError as error:
        said = str(error).partition("\n")[0]
        raise BadRequest(f"the filter is not understood: {said}") from error
    except RecursionError as error:
        raise BadRequest("the filter has too many parentheses inside each other") from error
    except ValueError as error:  # Python reads no number of thousands of digits
        raise BadRequest("the filter holds a number with too many digits") from error


@cache
def _grammar() -> Lark:
    # Its own parser needs a second for some hundred comparisons.
    library = LarkParser(version=(1, 2, 0))
    return Lark(
        library.lark.source_grammar, parser="lalr", maybe_placeholders=False, keep_all_tokens=True
    )


class _Compiler:
    """Turns the tree of a filter into tests of entries."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self.warnings: list[str] = []

    def expression(self, tree: Tree[Token]) -> Test:
        return any_of([self.clause(part) for part in _trees(tree)])

    def clause(self, tree: Tree[Token]) -> Test:
        return all_of([self.phrase(part) for part in _trees(tree)])

    def phrase(self, tree: Tree[Token]) -> Test:
        inner = _trees(tree)[0]
        test = self.comparison(inner) if inner.data == "comparison" else self.expression(inner)
        return negated(test) if _tokens(tree, "NOT") else test

    def comparison(self, tree: Tree[Token]) -> Test:
        inner = _trees(tree)[0]
        if inner.data == "constant_first_comparison":
            first, second = (self.operand(part) for part in _trees(inner))
            sign = str(_tokens(inner, "OPERATOR")[0])
            return compared(second, TURNED.get(sign, sign), first)
        subject, right = _trees(inner)[:2]
        found = self.operand(subject)
        rule: Callable[[Operand, Tree[Token]], Test] = getattr(self, str(right.data))
        return rule(found, right)

    def operand(self, tree: Tree[Token]) -> Operand:
        """Return a constant or a property."""
        while tree.data in ("value", "constant", "non_string_value", "not_implemented_string"):
            tree = _trees(tree)[0]
        token = tree.children[0]
        if tree.data == "string":
            return Operand("string", _unquoted(str(token)))
        if tree.data in ("number", "signed_int"):
            if _tokens(tree, "SIGNED_INT"):
                return Operand("integer", int(str(token)))
            return Operand("float", float(str(token)))
        if tree.data == "bool":
            return Operand("boolean", str(token) == "TRUE")
        return self.named("".join(map(str, tree.children)))

    def named(self, name: str) -> Operand:
        """Return the property of a name, as the specification treats names that there are not."""
        if name in _RELATED:
            return Operand("list of string", property=name)
        known = self.vocabulary.properties.get(name.partition(".")[0])
        if known is not None and known.is_searchable and known.name == name:
            return Operand(_full_type(known), property=name)
        if known is not None:
            raise NotImplementedResponse(f"{name} cannot be searched")
        if name in self.vocabulary.standard:
            return Operand("unknown", property=name)
        if name.startswith("_") and not name.startswith(OWN_PREFIX):
            if name.split("_")[1] not in KNOWN_PREFIXES:
                self.warnings.append(
                    f"{name} has a prefix of no known provider: its value is taken as unknown"
                )
            return Operand("unknown", property=name)
        raise BadRequest(f"there is no property {name:.60}; /info lists all")

    def value_op_rhs(self, subject: Operand, tree: Tree[Token]) -> Test:
        sign = str(_tokens(tree, "OPERATOR")[0])
        return compared(subject, sign, self.operand(_trees(tree)[0]))

    def known_op_rhs(self, subject: Operand, tree: Tree[Token]) -> Test:
        wants_known = bool(_tokens(tree, "KNOWN"))
        return lambda values: (subject.of(values) is not None) == wants_known

    def fuzzy_string_op_rhs(self, subject: Operand, tree: Tree[Token]) -> Test:
        sign = str(tree.children[0])
        part = self.operand(_trees(tree)[0])
        agree(subject, part, ("string",), sign)
        return both(subject, part, TEXT_TESTS[sign])

    def length_op_rhs(self, subject: Operand, tree: Tree[Token]) -> Test:
        if not subject.type.startswith("list") and subject.type != "unknown":
            raise NotImplementedResponse(f"{subject.property} is no list and has no LENGTH")
        signs = _tokens(tree, "OPERATOR")
        compare = OPERATORS[str(signs[0]) if signs else "="]
        wanted = self.operand(_trees(tree)[0])
        return both(subject, wanted, lambda found, number: compare(len(found), number))

    def set_op_rhs(self, subject: Operand, tree: Tree[Token]) -> Test:
        listed = [part for part in _trees(tree) if part.data == "value_list"]
        wanted = self.signed_values(listed[0] if listed else tree)
        return self.has([subject], tree, [[one] for one in wanted])

    def set_zip_op_rhs(self, subject: Operand, tree: Tree[Token]) -> Test:
        addon, asked = _trees(tree)
        subjects = [subject, *(self.operand(part) for part in _trees(addon))]
        zips = _trees(asked) if asked.data == "value_zip_list" else [asked]
        wanted = [self.signed_values(one) for one in zips]
        if any(len(one) != len(subjects) for one in wanted):
            raise BadRequest(f"{len(subjects)} lists are compared: give as many values with ':'")
        return self.has(subjects, tree, wanted)

    def signed_values(self, tree: Tree[Token]) -> list[tuple[str, Operand]]:
        """Return the values of a list, each with its operator."""
        found, sign = [], "="
        for child in tree.children:
            if isinstance(child, Token):
                sign = str(child) if child.type == "OPERATOR" else sign
            else:
                found.append((sign, self.operand(child)))
                sign = "="
        return found

    def has(
        self, subjects: list[Operand], tree: Tree[Token], wanted: list[list[tuple[str, Operand]]]
    ) -> Test:
        """Return the test of lists for rows of values at the same positions."""
        for subject in subjects:
            if not subject.type.startswith("list") and subject.type != "unknown":
                raise NotImplementedResponse(f"{subject.property} is no list: HAS has no meaning")
        for row in wanted:
            for subject, (sign, value) in zip(subjects, row, strict=True):
                check_sign(Operand(_item_type(subject)), sign, value)
        mode = next((m for m in ("ALL", "ONLY") if _tokens(tree, m)), "ANY")

        def test(values: Values) -> Truth:
            lists = [subject.of(values) for subject in subjects]
            rows = [[(sign, value.of(values)) for sign, value in row] for row in wanted]
            if None in lists or any(value is None for row in rows for _, value in row):
                return None
            items = list(zip(*lists, strict=False))
            if mode == "ONLY":
                return all(any(fits(item, row) for row in rows) for item in items)
            found = (any(fits(item, row) for item in items) for row in rows)
            return all(found) if mode == "ALL" else any(found)

        return test


def _full_type(known: Property) -> str:
    return f"list of {known.items}" if known.type == "list" else known.type


def _item_type(subject: Operand) -> str:
    return subject.type.removeprefix("list of ")


def _trees(tree: Tree[Token]) -> list[Tree[Token]]:
    return [child for child in tree.children if isinstance(child, Tree)]


def _tokens(tree: Tree[Token], type_: str) -> list[Token]:
    return [child for child in tree.children if isinstance(child, Token) and child.type == type_]


def _unquoted(text: str) -> str:
    """Return a text without its quotes; a backslash takes the character behind it as it is."""
    inner, found, position = text[1:-1], [], 0
    while position < len(inner):
        position += inner[position] == "\\" and position + 1 < len(inner)
        found.append(inner[position])
        position += 1
    return "".join(found)
