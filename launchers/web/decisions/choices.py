"""What the pages of decisions are asked for, and how their errors are said where there is no command line."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Query, Request
from pydantic import BeforeValidator, Field
from starlette.responses import Response

from surfalign.errors import SurfalignError
from surfalign.launchers.web.answers import status_of, told
from surfalign.launchers.web.pages.rendering import render

#: Longest text of the query language that an address can hold.
_LONGEST_QUERY = 10_000


def _unless_empty(value: object) -> object:
    """Return None for what a form leaves empty."""
    return None if isinstance(value, str) and not value.strip() else value


Text = Annotated[str, Query(max_length=200)]
#: As the query language limits it.
WhereText = Annotated[str, Query(max_length=2 * _LONGEST_QUERY, description="Query language")]
_Finite = Annotated[float, Field(allow_inf_nan=False, ge=-1e6, le=1e6)]
Number = Annotated[_Finite | None, BeforeValidator(_unless_empty), Query()]
Flagged = Annotated[bool, Query(description="Use results that failed a check, marked")]
Mixed = Annotated[bool, Query(description="Let levels of several methods stand side by side")]

#: What options of the command line are called on a page.
_NAMES = {
    "--flagged": "“Flagged results, too”",
    "--mixed": "“Several methods side by side”",
    "--where": "“Only surfaces that meet”",
    "--without": "“Without elements”",
    "--ph": "pH",
    "--margin": "“Margin”",
    "--gap": "“Gap”",
    "--couple": "“Couple”",
    "--partner": "“Partner”",
    "--work-function": "“Work function”",
    "--in-water": "“Edges as in water”",
    "--type": "“Type”",
    "--from predicted": "“Levels” predicted",
    " or --predictions FILE": "",
}
_OPTION = re.compile("|".join(map(re.escape, sorted(_NAMES, key=len, reverse=True))))


def on_page(text: str) -> str:
    """Return a text with the names of boxes for those of options."""
    return _OPTION.sub(lambda found: _NAMES[found[0]], text)


def answered(
    request: Request, template: str, answer: Callable[[], dict[str, Any]], **chosen: Any
) -> Response:
    """Return a page: its form, and below it the answer, or why there is none.

    Parameters
    ----------
    request
        The request.
    template
        File name of the template; it is given ``answer``, which is None beside a ``problem``.
    answer
        Returns what the template shows of the answer.
    **chosen
        What the form shows.
    """
    try:
        found, problem = answer(), None
    except SurfalignError as error:
        found, problem = None, error
    said = None if problem is None else _said(told(request, problem))
    return render(
        request,
        template,
        200 if problem is None else status_of(problem),
        problem=said,
        answer=found,
        on_page=on_page,
        **chosen,
    )


def _said(error: SurfalignError) -> SurfalignError:
    return SurfalignError(*map(on_page, (error.found, error.expected, error.remedy)))
