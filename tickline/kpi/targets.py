"""What a set of lanes is held to, as its configuration declares it."""

from typing import Annotated

from pydantic import Field

from tickline.kpi.identification import IdentificationTarget
from tickline.kpi.promotion import Promotion
from tickline.kpi.retuning import Retuning
from tickline.reference.models import Declared


class LaneTargets(Declared):
    """How a set of lanes is measured, and what it must show before money follows it.

    `outliers` is how many of a lane's largest results `without_top` leaves out.
    """

    outliers: Annotated[int, Field(ge=1, le=1_000)] = 3
    identification: IdentificationTarget = IdentificationTarget()
    retuning: Retuning = Retuning()
    promotion: Promotion = Promotion()
