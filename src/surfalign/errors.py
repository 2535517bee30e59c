"""Every error that surfalign raises on purpose.

Each error is also the builtin that a caller would guess, so ``except ValueError`` keeps working.
Each message says what was found, what was expected and what to do; :class:`SurfalignError` takes
the three as separate arguments so that none is forgotten.
"""

from __future__ import annotations


class SurfalignError(Exception):
    """Base of all errors raised by surfalign.

    Parameters
    ----------
    found
        What was met, with the offending value.
    expected
        What would have been acceptable.
    remedy
        What the user can do about it.
    """

    def __init__(self, found: str, expected: str = "", remedy: str = "") -> None:
        super().__init__(found, expected, remedy)
        self.found = found
        self.expected = expected
        self.remedy = remedy

    def __str__(self) -> str:
        parts = [self.found]
        if self.expected:
            parts.append(f"Expected: {self.expected}")
        if self.remedy:
            parts.append(f"To do: {self.remedy}")
        return " ".join(part if part.endswith((".", "!", "?")) else part + "." for part in parts)


# --- input: crystals -------------------------------------------------------------------------


class InvalidStructureError(SurfalignError, ValueError):
    """A structure file or structure cannot be used (corrupt, empty, no crystal with an anion)."""


class ContradictoryFileError(InvalidStructureError):
    """A structure file says two things of its crystal that cannot both be true."""


class PartialOccupancyError(InvalidStructureError):
    """Some sites are partially occupied or disordered."""


class OverlappingAtomsError(InvalidStructureError):
    """Two atoms are closer than any bond."""


class MagneticIonError(InvalidStructureError):
    """The crystal holds an ion with open d or f shells, which is outside the method's domain."""


class UnknownAnionError(InvalidStructureError):
    """The crystal is a compound of an anion without rules for its charge (hydrides, carbides, ...)."""


class OxidationStateError(InvalidStructureError):
    """Oxidation states do not follow from the composition, or those that a file states do not balance."""


class UnknownMaterialError(SurfalignError, LookupError):
    """A name is neither in the library nor a file nor a known database id."""


class OfflineError(SurfalignError, ConnectionError):
    """A remote database (Materials Project, OPTIMADE) could not be reached."""


# --- input: surfaces -------------------------------------------------------------------------


class SurfaceError(SurfalignError, ValueError):
    """A surface cannot be built."""


class PolarSurfaceError(SurfaceError):
    """No point operation of the crystal reverses the normal of this orientation."""


class TerminationError(SurfaceError):
    """The orientation has no symmetric, stoichiometric, nonpolar termination."""


class ShapeError(SurfaceError):
    """Surface energies from which no shape of a crystal follows."""


class TimeLimitError(SurfalignError, TimeoutError):
    """The work on one crystal took longer than it may."""


# --- physics ---------------------------------------------------------------------------------


class PhysicsInputError(SurfalignError, ValueError):
    """Arrays or numbers handed to a physics function do not make sense together."""


class MetallicError(SurfalignError, ValueError):
    """The band gap closes; IP and EA of an insulator are not defined."""


# --- engines ---------------------------------------------------------------------------------


class EngineError(SurfalignError, RuntimeError):
    """A calculation failed for a reason that has no name of its own."""


class MissingDatasetError(EngineError):
    """There is no PAW dataset for an element."""


class ConvergenceError(EngineError):
    """A self-consistent or geometry cycle did not converge."""


class EngineKilledError(EngineError):
    """The engine's process ended without a result (killed, out of memory, crashed)."""


class InsufficientMemoryError(EngineError, MemoryError):
    """The calculation would need more memory than it is allowed to use."""


# --- stores, settings, environment -----------------------------------------------------------


class DatabaseError(SurfalignError, RuntimeError):
    """The results database refused an operation, or failed in it."""


class DatabaseUnreachableError(DatabaseError, ConnectionError):
    """The results database does not answer, or does not let this user in."""


class FilledStoreError(DatabaseError):
    """What is restored into must be empty, and holds documents."""


class DamagedArchiveError(SurfalignError, ValueError):
    """A backup or a published data set is truncated, or a file of it was changed."""


class QuerySyntaxError(SurfalignError, ValueError):
    """A query text cannot be understood."""


class PublicationError(SurfalignError, ValueError):
    """Results cannot be published as they are: not public, without a licence, or none at all."""


class RegistrationError(SurfalignError, ValueError):
    """Levels to be registered do not fit their template."""


class DocumentNotFoundError(SurfalignError, LookupError):
    """No document has this identifier."""


class SharingError(SurfalignError, ValueError):
    """What is said of owner, visibility, embargo or licence cannot be."""


class AccessError(SurfalignError, PermissionError):
    """Who asks has not shown who it is."""


class RoleError(AccessError):
    """Who asks is known, and may not do this."""


class ManyFailedLoginsError(AccessError):
    """Logins failed too often; ``wait`` tells for how long nothing more is looked at (s)."""

    def __init__(self, found: str, expected: str, remedy: str, wait: int = 60) -> None:
        super().__init__(found, expected, remedy)
        self.wait = wait


class ConfigurationError(SurfalignError, ValueError):
    """A setting is missing, unknown or out of range."""


class QuestionError(ConfigurationError):
    """What was chosen for one question is unknown, out of range, or means nothing to it."""


class AddressRefusedError(ConfigurationError):
    """A server would be reached from where it must not be."""


class UnwritableFileError(ConfigurationError, OSError):
    """A file cannot be written where it should be."""


class MissingFileError(ConfigurationError, FileNotFoundError):
    """A file that was named is not there."""


class MissingDependencyError(SurfalignError, ImportError):
    """An optional package or program is needed and absent."""


class PluginError(SurfalignError, ImportError):
    """A part that another package adds (engine, launcher, learner) cannot be used."""


# --- learner ---------------------------------------------------------------------------------


class LearnerError(SurfalignError, ValueError):
    """Data or settings handed to the learner cannot be used."""


class EmptyDatasetError(LearnerError):
    """There is nothing to learn from."""


class InvalidLabelError(LearnerError):
    """A label is not a finite number, or is missing where one is needed."""


class MixedUnitsError(LearnerError):
    """Labels of one property come in different units, or in an unknown one."""


class MissingUnitError(LearnerError):
    """A property stands without the unit that its numbers have."""


class MixedLevelsError(LearnerError):
    """Slabs stand where crystals are expected, or both stand together."""


class UnknownPropertyError(LearnerError, LookupError):
    """A property has no declaration, or no label."""


class UninformativeLabelsError(LearnerError):
    """Labels of a property are too few, or all equal: nothing can be learned from them."""


class MissingStructureError(LearnerError, LookupError):
    """A row of a table has no structure, or one that cannot be read."""


class MixedMethodsError(LearnerError):
    """Results of different functionals stand where one is expected."""


class UnknownElementError(LearnerError):
    """A symbol is no chemical element, or the learner has no row for it."""


class DamagedFileError(LearnerError):
    """A file of the learner (data set, weights, cache) is truncated or was changed."""


class ModelVersionError(LearnerError):
    """A stored model was written by a version of the code that this one cannot read."""


class ModelNotFoundError(SurfalignError, LookupError):
    """The registry has no model, or no version of it, by this name."""


class UncalibratedModelError(LearnerError):
    """A model has no intervals, and what was asked for rests on them."""


# --- exploration -----------------------------------------------------------------------------


class ExplorationError(SurfalignError, RuntimeError):
    """A loop that chooses, computes and learns cannot go on; its state is as it was."""


class EmptyPoolError(ExplorationError, ValueError):
    """There is no surface to choose from."""


class LoopLockedError(ExplorationError):
    """Another process runs the same loop."""


class ClockError(ExplorationError):
    """The clock of this machine is behind the last step of a loop."""
