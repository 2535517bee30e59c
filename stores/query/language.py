"""The query language of results: ``ionization_potential > 6 eV and formula = "MgO"``.

Grammar::

    expression := term (or term)*
    term       := factor (and factor)*
    factor     := not factor | ( expression ) | comparison
    comparison := field (= | != | < | <= | > | >=) value | field [not] in ( value, ... )
    value      := number [unit] | "text" | word | true | false | null | ( number, ... )

A comparison never holds for a missing value, and neither does its negation (as in SQL); ``= null`` and
``!= null`` ask for missing values. For a list (``failed_checks``, ``timings.step``) a comparison holds
when it holds for one item, and its negation when it holds for none. Only known fields pass and values become plain numbers and texts, so that no
text can reach the database as an operator.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from functools import cache
from typing import Any, NoReturn

import pyparsing as pp

from surfalign.errors import QuerySyntaxError
from surfalign.stores.documents import SurfaceLevelsDocument
from surfalign.stores.query.fields import FieldDescription, Kind, describe
from surfalign.stores.query.values import Literal, mongo_value

Filter = dict[str, Any]

#: Longest text that is parsed; a query that people write is far shorter.
MAX_LENGTH = 10_000

_NEGATED = {"=": "!=", "!=": "=", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}
_OPERATORS = {"<": "$lt", "<=": "$lte", ">": "$gt", ">=": "$gte"}
_ORDERED = {Kind.NUMBER, Kind.INTEGER, Kind.TIME, Kind.MAPPING}

REMEDY = "see docs/how-to/query-the-store.md, e.g. 'ionization_potential > 6 eV and formula = MgO'"


@dataclass(frozen=True)
class Comparison:
    """``field operator value``."""

    field: str
    operator: str
    value: Literal

    def filter(self, negated: bool) -> Filter:
        """Return MongoDB's filter."""
        field = known_field(self.field)
        value = mongo_value(field, self.field, self.value)
        operator = self.operator
        if operator in _OPERATORS and (field.kind not in _ORDERED or value is None):
            raise QuerySyntaxError(
                f"{self.field} {operator} {self.value.text} compares what has no order",
                f"= or != for the {field.kind} field {self.field}",
                REMEDY,
            )
        if negated and field.repeated and operator in _OPERATORS:
            return {self.field: {"$not": {_OPERATORS[operator]: value}}}
        if negated:
            operator = _NEGATED[operator]
        if operator == "=":
            return {self.field: value if value is None else _one_of(field, [value])}
        if operator == "!=":
            return {self.field: {"$ne": None} if value is None else _none_of(field, [value])}
        return {self.field: {_OPERATORS[operator]: value}}


@dataclass(frozen=True)
class Membership:
    """``field [not] in (value, ...)``."""

    field: str
    values: tuple[Literal, ...]
    excluded: bool

    def filter(self, negated: bool) -> Filter:
        """Return MongoDB's filter."""
        field = known_field(self.field)
        values = [mongo_value(field, self.field, value) for value in self.values]
        if None in values:
            raise QuerySyntaxError(
                f"null stands in a list of values of {self.field}", f"{self.field} = null", REMEDY
            )
        if negated != self.excluded:
            return {self.field: _none_of(field, values)}
        return {self.field: {"$in": values} if field.default is None else _one_of(field, values)}


def _one_of(field: FieldDescription, values: list[Any]) -> Any:
    """Return the condition of having one of some values; where there is none, the default counts."""
    if field.default is not None and field.default in values:
        return {"$in": [*values, None]}
    return values[0] if len(values) == 1 else {"$in": values}


def _none_of(field: FieldDescription, values: list[Any]) -> Filter:
    """Return the condition of having another value than these; where there is none, the default counts."""
    counts = field.default is not None and field.default not in values
    return {"$nin": values if counts else [*values, None]}


@dataclass(frozen=True)
class Not:
    """``not operand``."""

    operand: Node

    def filter(self, negated: bool) -> Filter:
        """Return MongoDB's filter."""
        return self.operand.filter(not negated)


@dataclass(frozen=True)
class Junction:
    """Operands joined by ``and`` or by ``or``."""

    operator: str
    operands: tuple[Node, ...]

    def filter(self, negated: bool) -> Filter:
        """Return MongoDB's filter; De Morgan's laws carry a negation inwards."""
        joined_by_and = (self.operator == "and") != negated
        operands = [operand.filter(negated) for operand in self.operands]
        return {"$and" if joined_by_and else "$or": operands}


Node = Comparison | Membership | Not | Junction


def to_filter(text: str) -> Filter:
    """Translate a query into a MongoDB filter.

    Parameters
    ----------
    text
        The query; an empty one matches everything.

    Raises
    ------
    QuerySyntaxError
        When the text does not follow the grammar, a field is unknown, or a value or its unit does not
        fit the field.
    """
    if not text.strip():
        return {}
    if len(text) > MAX_LENGTH:
        raise QuerySyntaxError(
            f"the query has {len(text)} characters", f"at most {MAX_LENGTH}", "shorten it"
        )
    try:
        node: Node = _grammar().parse_string(text, parse_all=True)[0]
        return node.filter(negated=False)
    except pp.ParseBaseException as error:
        _refuse(text, error)
    except RecursionError as error:
        raise QuerySyntaxError(
            "the query is nested too deeply", "a few parentheses in each other", "simplify it"
        ) from error


def known_field(path: str) -> FieldDescription:
    """Return the description of a field that can be filtered and sorted by.

    Raises
    ------
    QuerySyntaxError
        When there is no such field, with the nearest names; or when it is a structure or a record.
    """
    fields = describe(SurfaceLevelsDocument)
    field = fields.get(path) or _inside_mapping(path, fields)
    searchable = [p for p, f in fields.items() if f.kind not in (Kind.STRUCTURE, Kind.RECORD)]
    if field is None:
        near = difflib.get_close_matches(path, searchable, n=3, cutoff=0.5)
        raise QuerySyntaxError(
            f"there is no field {path!r}",
            f"a field such as {', '.join(near or ('formula', 'ionization_potential', 'band_gap'))}",
            "docs/reference/documents.md lists all fields",
        )
    if field.kind in (Kind.STRUCTURE, Kind.RECORD):
        inner = [p for p in searchable if p.startswith(f"{path}.")]
        raise QuerySyntaxError(
            f"{path} is a {field.kind}, which has no value to compare",
            f"one of {', '.join(inner)}" if inner else "another field",
            REMEDY,
        )
    return field


def _inside_mapping(path: str, fields: dict[str, FieldDescription]) -> FieldDescription | None:
    """Return the mapping (``settings``, ``code_versions``, ...) that a path points into."""
    head = path
    while "." in head:
        head = head.rpartition(".")[0]
        if head in fields and fields[head].kind is Kind.MAPPING:
            return fields[head]
    return None


@cache
def _grammar() -> pp.ParserElement:
    """Build the parser: LL(1), so no backtracking whatever the text."""
    and_, or_, not_, in_ = (pp.CaselessKeyword(word) for word in ("and", "or", "not", "in"))
    not_.set_name("comparison")  # refusals name what stands there, not the parser's own words
    in_.set_name("in")
    reserved = and_ | or_ | not_ | in_
    opening, closing = pp.Suppress("("), pp.Suppress(")")

    name = ~reserved + pp.Regex(r"[A-Za-z_]\w*(?:\.[\w@-]+)*")
    field = name.set_name("field name")
    number = pp.Regex(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?").set_name("number")
    unit = ~reserved + pp.Regex(r"(?:[A-Za-zÅ%]|1/)[\w/^*²³-]*")
    quoted = pp.QuotedString('"', esc_char="\\") | pp.QuotedString("'", esc_char="\\")
    bracket = (opening | pp.Suppress("[")).set_name("value")
    end = (closing | pp.Suppress("]")).set_name("closing bracket")
    vector = bracket + pp.DelimitedList(number) + end
    word = ~reserved + pp.Regex(r"[A-Za-z_][\w:.+-]*")

    value = (
        vector.add_parse_action(lambda tokens: Literal.vector(list(tokens)))
        | (number + pp.Optional(unit)).add_parse_action(lambda tokens: Literal.number(*tokens))
        | quoted.add_parse_action(lambda tokens: Literal.quoted(tokens[0]))
        | word.add_parse_action(lambda tokens: Literal.word(tokens[0]))
    ).set_name("value")
    operator = pp.one_of("= == != <> < <= > >=").copy()
    operator.add_parse_action(lambda tokens: {"==": "=", "<>": "!="}.get(tokens[0], tokens[0]))

    values = opening - pp.Group(pp.DelimitedList(value)) + closing
    membership = pp.Optional(not_) + in_.suppress() - values
    comparison = field - ((operator - value) | membership.add_parse_action(_membership)).set_name(
        "one of = != < <= > >= in"
    )
    comparison.add_parse_action(_comparison)

    expression = pp.Forward()
    factor = pp.Forward()
    factor <<= (
        (not_.suppress() - factor).add_parse_action(lambda tokens: Not(tokens[0]))
        | (opening - expression + closing)
        | comparison
    ).set_name("comparison")
    term = factor + pp.ZeroOrMore(and_.suppress() - factor)
    expression <<= term.add_parse_action(_junction("and")) + pp.ZeroOrMore(or_.suppress() - term)
    return expression.add_parse_action(_junction("or")).set_name("comparison")


def _membership(tokens: pp.ParseResults) -> tuple[bool, tuple[Literal, ...]]:
    return len(tokens) == 2, tuple(tokens[-1])


def _comparison(tokens: pp.ParseResults) -> Comparison | Membership:
    if isinstance(tokens[1], tuple):
        excluded, values = tokens[1]
        return Membership(tokens[0], values, excluded)
    return Comparison(tokens[0], tokens[1], tokens[2])


def _junction(operator: str) -> Any:
    def join(tokens: pp.ParseResults) -> Node:
        return tokens[0] if len(tokens) == 1 else Junction(operator, tuple(tokens))

    return join


def _refuse(text: str, error: pp.ParseBaseException) -> NoReturn:
    place = error.loc
    near = text[place : place + 20].strip()
    raise QuerySyntaxError(
        f"the query cannot be understood at character {place + 1}, "
        + (f"{near!r}" if near else "its end"),
        error.msg.removeprefix("Expected "),
        REMEDY,
    ) from error
