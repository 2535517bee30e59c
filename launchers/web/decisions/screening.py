"""The page of screening: which surfaces meet a rule, how probable that is, and why the others do not."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from surfalign.errors import QuestionError
from surfalign.launchers.figures.screening import screening_figure
from surfalign.launchers.web.access import Reader, Store
from surfalign.launchers.web.answers import unless_known
from surfalign.launchers.web.decisions.choices import (
    Flagged,
    Number,
    Text,
    WhereText,
    answered,
)
from surfalign.launchers.web.decisions.predicted import LibraryQuestion
from surfalign.launchers.web.pages import pictures
from surfalign.launchers.web.prediction_process import PredictionProcess
from surfalign.settings import load_settings
from surfalign.stores.query.language import Filter, to_filter
from surfalign.stores.screening.candidates import (
    Candidates,
    element_symbols,
    methods,
    stored_candidates,
    without_elements,
)
from surfalign.stores.screening.evaluation import FormulaRow, Screening, by_formula, screen
from surfalign.stores.screening.question import Question, Terms, ask
from surfalign.stores.screening.report import counted_reasons, require_surfaces, rule_words
from surfalign.stores.screening.rules import Rule, known_rule, known_rules

if TYPE_CHECKING:
    from surfalign.stores.database import Database

#: Rows of a page, and most that the REST interface returns.
SHOWN, MOST = 60, 1000
#: Surfaces that were left out and are named.
NAMED = 200
#: Upper end of a window of gaps that has none, eV.
WIDEST_GAP = 100.0
#: Probability from which a surface is counted as one that meets the rule.
LIKELY = 0.5


@dataclass(frozen=True)
class Choice:
    """What a person asked for; None and empty texts leave what the rule says."""

    rule: str = ""
    query: str = ""
    ph: float | None = None
    margin: float | None = None
    gap_above: float | None = None
    gap_below: float | None = None
    couple: str = ""
    work_function: float | None = None
    partner: str = ""
    in_water: bool = False
    without: str = ""
    flagged: bool = False
    by: str = "surface"
    origin: str = "computed"

    def terms(self, rule: Rule) -> Terms:
        """Return what is chosen of what the rule asks for: a form keeps its boxes when the rule changes.

        Raises
        ------
        QuestionError
            When the window of the gap holds nothing.
        """
        return Terms(
            ph=self.ph if rule.takes_ph else None,
            margin=self.margin if rule.takes_margin else None,
            gap=self._gap(rule),
            couple=(self.couple or None) if "couple" in rule.words else None,
            work_function=self.work_function if "work_function" in rule.words else None,
            partner=(self.partner or None) if rule.partners else None,
            in_water=self.in_water and rule.takes_ph,
            hydrogen_electrode=load_settings().hydrogen_electrode,
        )

    def _gap(self, rule: Rule) -> tuple[float, float] | None:
        """Return the window of the gap; an end that is left empty is the rule's."""
        own = [c for c in rule.conditions if c.quantity == "band_gap"]
        if not own or (self.gap_above is None and self.gap_below is None):
            return None
        low = own[0].above if self.gap_above is None else self.gap_above
        high = own[0].below if self.gap_below is None else self.gap_below
        low, high = float(low or 0), WIDEST_GAP if high is None else float(high)
        if not 0 <= low < high:
            raise QuestionError(
                f"a gap above {low:g} and below {high:g} eV",
                "two numbers, the smaller one first",
                "fill in both, e.g. 1.5 and 3.1",
            )
        return low, high


def choice(
    query: WhereText = "",
    ph: Number = None,
    margin: Number = None,
    gap_above: Number = None,
    gap_below: Number = None,
    couple: Text = "",
    work_function: Number = None,
    partner: Text = "",
    in_water: Annotated[bool, Query()] = False,
    without: Text = "",
    flagged: Flagged = False,
    by: Annotated[Literal["surface", "formula"], Query()] = "surface",
    origin: Annotated[
        Literal["computed", "predicted", "both"],
        Query(
            description="Stored results, predictions for the cleavage planes of the library, or both"
        ),
    ] = "computed",
) -> Choice:
    """Return what the address of a request asks for, but for the rule."""
    return Choice(
        "", query, ph, margin, gap_above, gap_below, couple, work_function, partner, in_water,
        without, flagged, by, origin,
    )  # fmt: skip


@dataclass(frozen=True)
class Ranking:
    """The best surfaces of a screening, and what is counted of all.

    Attributes
    ----------
    screening
        The most probable surfaces.
    formulas
        Of all surfaces.
    number, likely
        How many surfaces were screened, and how many of them meet the rule more probably than not.
    methods
        Of the levels of all.
    area_fractions
        Of the surfaces shown, by surface identifier; empty where some results may be hidden.
    reasons
        Why surfaces were left out, and how many for each reason.
    left_out
        The first of them with their reasons.
    """

    screening: Screening
    formulas: list[FormulaRow]
    number: int
    likely: int
    methods: dict[str, int]
    area_fractions: dict[str, float]
    reasons: dict[str, int]
    left_out: tuple[tuple[str, str], ...]


def routes(store: Store, process: PredictionProcess) -> APIRouter:
    """Return the page of screening and its picture."""
    router = APIRouter()

    @router.get("/screen")
    def page(
        request: Request, terms: Annotated[Choice, Depends(choice)], rule: Text = ""
    ) -> Response:
        """Show the rules, and the surfaces that one of them ranks."""
        chosen = replace(terms, rule=rule)

        def answer() -> dict[str, object]:
            with store.reading(request) as reader:
                return {"made": ranking(reader, chosen, process)}

        rules = known_rules()
        return answered(
            request,
            "screening.html",
            answer if chosen.rule else dict,
            chosen=chosen,
            rules=rules,
            rule=rules.get(chosen.rule),
            words={name: rule_words(rule) for name, rule in rules.items()},
            shown=SHOWN,
        )

    @router.get("/screen/band-edges.svg")
    def picture(
        request: Request, terms: Annotated[Choice, Depends(choice)], rule: Text
    ) -> Response:
        """Draw the band edges of the surfaces that meet a rule most probably."""
        with store.reading(request) as reader:
            made = ranking(reader, replace(terms, rule=rule), process)
        drawn = pictures.drawn(lambda: screening_figure(made.screening))
        return pictures.confined(unless_known(request, drawn, pictures.SVG))

    return router


def question(chosen: Choice) -> Question:
    """Return the rule with its numbers; errors as of :func:`surfalign.stores.screening.question.ask`."""
    rule = known_rule(chosen.rule)
    return ask(rule, chosen.terms(rule))


def ranking(
    reader: Reader, chosen: Choice, process: PredictionProcess, most: int = SHOWN
) -> Ranking:
    """Return the surfaces that a request may see, ranked; they are noted as served."""
    # Another model may predict the next time.
    remembered = chosen.origin == "computed"
    made = reader.made(ranked, chosen, process, most, queries=[chosen.query], remembered=remembered)
    reader.note(s.identifier for s in made.screening.surfaces if s.source == "computed")
    return made


def ranked(
    database: Database, chosen: Choice, process: PredictionProcess, most: int, *, within: Filter
) -> Ranking:
    """Return the stored surfaces that may be seen, and predicted ones, ranked by a rule.

    Parameters
    ----------
    database
        Where they are.
    chosen
        The question.
    process
        Predicts.
    most
        Surfaces that are kept.
    within
        MongoDB's filter of what may be seen.

    Raises
    ------
    DocumentNotFoundError
        When there is no surface.
    SurfalignError
        When the question makes no sense.
    """
    asked = question(chosen)
    avoided = element_symbols([chosen.without], "--without")
    found = Candidates()
    if chosen.origin != "predicted":
        found += stored_candidates(database, chosen.query, flagged=chosen.flagged, within=within)
    if chosen.origin != "computed":
        to_filter(chosen.query)
        # Who sees all has models of their own: others may not be told what they learned from.
        found += process.ask(LibraryQuestion(chosen.query, chosen.flagged, not within))
    found = without_elements(found, avoided)
    require_surfaces(found, chosen.query)
    answer = screen(asked, found)
    best = answer.best(most)
    shown = {surface.surface_identifier for surface in best.surfaces}
    return Ranking(
        screening=best,
        formulas=by_formula(answer, found.area_fractions),
        number=len(answer.surfaces),
        likely=int((answer.probabilities >= LIKELY).sum()),
        methods=methods(answer.surfaces),
        area_fractions={s: f for s, f in found.area_fractions.items() if s in shown},
        reasons=counted_reasons(answer.left_out),
        left_out=answer.left_out[:NAMED],
    )
