"""What is left of a Kelly size where the probability it stands on is an estimate."""

from dataclasses import dataclass

from tickline.sizing.kelly import break_even, kelly_units


@dataclass(frozen=True, slots=True)
class Haircut:
    """Kelly units for each 1 of capital: as if the estimate were exact, and two ways to doubt it."""

    full: float
    lowered: float
    shrunk: float

    @property
    def units(self) -> float:
        """The smaller of the two."""
        return min(self.lowered, self.shrunk)


def haircut(chance: float, error: float, *, win: float, loss: float, z: float) -> Haircut:
    """Kelly units at an estimate of `chance` with a standard error of `error`, doubted in two ways.

    Lowered: Kelly at chance - z x error. Shrunk: full Kelly times k = e^2 / (e^2 + error^2), e the estimate's distance
    above break-even: the k of the least squared error of k x estimate (the idea of Baker and McHale 2013, Optimal
    betting under parameter uncertainty). Both rise with the estimate and fall with its error.
    """
    full = kelly_units(chance, win=win, loss=loss)
    above = chance - break_even(win=win, loss=loss)
    kept = above * above / (above * above + error * error) if above > 0 else 0.0
    lowered = kelly_units(max(chance - z * error, 0.0), win=win, loss=loss)
    return Haircut(full=full, lowered=lowered, shrunk=full * kept if kept else 0.0)
