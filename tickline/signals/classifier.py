"""Trained classifiers: learned with scikit-learn, kept as ONNX bytes with a JSON card, served by onnxruntime alone.

No pickle is written or read. A model says nothing of rows of its training span.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import AwareDatetime, Field, ValidationError

from tickline.errors import ConfigError, Corrupt
from tickline.reference.models import Declared

Table: TypeAlias = npt.NDArray[np.float32]

FEWEST = 50
"""The fewest samples a classifier is trained on."""

_INPUT = "features"


class Learner(StrEnum):
    """What learns."""

    LOGISTIC = "logistic"  # multinomial regression on standardised features
    FOREST = "forest"  # 100 trees of at most 6 levels
    BOOSTING = "boosting"  # 100 trees of at most 3 levels, each on the errors of those before


class Card(Declared):
    """What a model is: what it reads, in this order, what it tells apart, and what it was made of.

    `purged` samples of the training span were left out because their label was known only after it. `inputs` are the
    sha256 of what the features and labels were made of, by name; `sha256` is that of the ONNX bytes.
    """

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
    learner: Learner
    features: tuple[str, ...]
    classes: tuple[int, ...]
    trained_from: AwareDatetime
    trained_to: AwareDatetime
    samples: int
    purged: int
    seed: int
    inputs: dict[str, str]
    sha256: str


@dataclass(frozen=True, slots=True)
class Training:
    """What is learned from what: columns of the samples, up to when (UTC), of which inputs (sha256 by name)."""

    name: str
    features: tuple[str, ...]
    trained_to: datetime
    inputs: Mapping[str, str]
    learner: Learner = Learner.LOGISTIC
    seed: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Classifier:
    """A model ready to serve; `session` is onnxruntime's."""

    card: Card
    session: Any


def train(samples: pl.DataFrame, training: Training) -> tuple[Card, bytes]:
    """Learn to tell labels apart; the card and the ONNX bytes, the same ones for the same samples.

    `samples` has `ts` (UTC ns, when the features were known), `label_ts` (when the label was), `label` (whole numbers)
    and the features (numbers). Samples with a missing feature or label are passed over; those known by `trained_to`
    whose label is not are purged. Source: M. Lopez de Prado, Advances in Financial Machine Learning (2018), chapter 7.

    Raises ConfigError where a column is missing, or fewer than 50 samples or a single label are left.
    """
    _require(samples, ("ts", "label_ts", "label", *training.features))
    whole = samples.filter(
        pl.col("ts") <= training.trained_to, pl.col("label").is_not_null(), _present(training.features)
    ).sort("ts", maintain_order=True)
    known = whole.filter(pl.col("label_ts") <= training.trained_to)
    labels = known["label"].cast(pl.Int64).to_numpy()
    if known.height < FEWEST or np.unique(labels).size < 2:
        raise ConfigError(
            f"classifier {training.name}: {known.height} samples of {np.unique(labels).size} labels are known by "
            f"{training.trained_to:%F %T}; give {FEWEST} of two or more"
        )
    learned = _learner(training).fit(_table(known, training.features), labels)
    model = _to_onnx(learned, len(training.features), training.name)
    card = Card(
        name=training.name,
        learner=training.learner,
        features=training.features,
        classes=tuple(learned.classes_.tolist()),
        trained_from=known["ts"].min(),
        trained_to=training.trained_to,
        samples=known.height,
        purged=whole.height - known.height,
        seed=training.seed,
        inputs=dict(training.inputs),
        sha256=hashlib.sha256(model).hexdigest(),
    )
    return card, model


def save(folder: Path, card: Card, model: bytes) -> None:
    """Write `<name>.onnx` and `<name>.json` into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{card.name}.onnx").write_bytes(model)
    (folder / f"{card.name}.json").write_text(card.model_dump_json(indent=2) + "\n")


def load(folder: Path, name: str) -> Classifier:
    """The classifier saved under a name.

    Raises ConfigError where there is none, or its file is not an ONNX model that reads and says what its card says;
    Corrupt where the bytes are not those of the card.
    """
    try:
        card = Card.model_validate_json((folder / f"{name}.json").read_bytes())
        model = (folder / f"{name}.onnx").read_bytes()
    except (OSError, ValidationError) as error:
        raise ConfigError(f"no classifier {name!r} in {folder}: {error}") from error
    if card.name != name:
        raise ConfigError(f"{folder / name}.json is the card of {card.name!r}; keep a model under its own name")
    return serve(card, model)


def serve(card: Card, model: bytes) -> Classifier:
    """A classifier out of its card and its ONNX bytes; raises as `load`."""
    if (found := hashlib.sha256(model).hexdigest()) != card.sha256:
        raise Corrupt(f"classifier {card.name}: its bytes hash to {found}, its card says {card.sha256}; train it anew")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # sums in one order
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has one type for each kind of failure, all outside its public names
        raise ConfigError(f"classifier {card.name} is not an ONNX model: {error}") from error
    reads = [(one.name, one.shape[1:]) for one in session.get_inputs()]
    says = [one.shape[1:] for one in session.get_outputs()]
    if reads != [(_INPUT, [len(card.features)])] or says != [[], [len(card.classes)]]:
        raise ConfigError(f"classifier {card.name} reads {reads} and says {says}, which is not what its card describes")
    return Classifier(card, session)


def predict(classifier: Classifier, rows: pl.DataFrame) -> pl.DataFrame:
    """What a classifier says of each row after its training span.

    `rows` has `instrument`, `ts` (UTC ns) and the card's features. Columns: `instrument`, `ts`, `label` (Int64) and
    `p_<class>` (Float64) for each class; null where a feature is missing. Raises ConfigError for missing columns.
    """
    card = classifier.card
    _require(rows, ("instrument", "ts", *card.features))
    later = rows.filter(pl.col("ts") > card.trained_to).with_row_index("row")
    whole = later.filter(_present(card.features))
    labels, likely = _run(classifier, _table(whole, card.features))
    said = whole.select("row").with_columns(
        pl.Series("label", labels, pl.Int64),
        *(pl.Series(f"p_{name}", likely[:, at], pl.Float64) for at, name in enumerate(card.classes)),
    )
    return later.select("row", "instrument", "ts").join(said, on="row", how="left", maintain_order="left").drop("row")


def _run(classifier: Classifier, table: Table) -> tuple[npt.NDArray[np.int64], Table]:
    if not len(table):
        return np.zeros(0, np.int64), np.zeros((0, len(classifier.card.classes)), np.float32)
    labels, likely = classifier.session.run(None, {_INPUT: table})
    return labels, likely


def _learner(training: Training) -> Any:
    from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    match training.learner:
        case Learner.LOGISTIC:
            return make_pipeline(StandardScaler(), LogisticRegression(max_iter=1_000))
        case Learner.FOREST:
            return RandomForestClassifier(100, max_depth=6, random_state=training.seed, n_jobs=1)
        case Learner.BOOSTING:
            return GradientBoostingClassifier(n_estimators=100, max_depth=3, random_state=training.seed)


def _to_onnx(learned: Any, features: int, name: str) -> bytes:
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType

    typed = [(_INPUT, FloatTensorType([None, features]))]
    # The name is part of the bytes; one that is not given is drawn.
    model = convert_sklearn(learned, name=name, initial_types=typed, options={"zipmap": False})
    return bytes(model.SerializeToString())


def _table(rows: pl.DataFrame, features: Sequence[str]) -> Table:
    """Features as Float32, which is what ONNX compares: training on them keeps both on one side of every threshold."""
    return rows.select(pl.col(features).cast(pl.Float32)).to_numpy()


def _present(features: Sequence[str]) -> pl.Expr:
    return pl.all_horizontal(pl.col(features).cast(pl.Float32).is_finite().fill_null(False))


def _require(frame: pl.DataFrame, columns: Sequence[str]) -> None:
    if missing := [name for name in columns if name not in frame.columns]:
        raise ConfigError(f"samples lack {', '.join(missing)}; give a column for each")
