"""Classifiers: ONNX says what scikit-learn learned, the same bytes each time, and nothing else is ever loaded."""

import hashlib
import pickle
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tickline.errors import ConfigError, Corrupt
from tickline.lake.schema import NS
from tickline.signals import classifier
from tickline.signals.classifier import Learner, Training, load, predict, save, serve, train

pytestmark = pytest.mark.slow

START = datetime(2026, 1, 1, tzinfo=UTC)
ROWS, HORIZON = 400, 5
TRAINED_TO = START + timedelta(hours=249)


def samples(rows=ROWS):
    """Hourly samples whose label, known five hours later, mostly follows two of three features."""
    draws = np.random.default_rng(1)
    table = draws.normal(size=(rows, 3))
    label = (table[:, 0] + 0.5 * table[:, 1] + 0.3 * draws.normal(size=rows) > 0).astype(int) + (table[:, 0] > 1.2)
    ts = pl.Series([START + timedelta(hours=hour) for hour in range(rows)]).cast(NS)
    return pl.DataFrame(
        {
            "instrument": "A",
            "ts": ts,
            "label_ts": ts + timedelta(hours=HORIZON),
            "label": label,
            **{name: table[:, at] for at, name in enumerate("abc")},
        }
    )


def training(learner=Learner.FOREST, **changes):
    return Training(
        **{
            "name": "side",
            "features": ("a", "b", "c"),
            "trained_to": TRAINED_TO,
            "inputs": {"bars": "00ff"},
            "learner": learner,
            "seed": 3,
        }
        | changes
    )


@pytest.fixture(scope="module", params=list(Learner))
def learned(request):
    return training(request.param), *train(samples(), training(request.param))


def test_onnx_says_what_scikit_learn_learned(learned):
    asked, card, model = learned
    known = samples().filter(pl.col("label_ts") <= TRAINED_TO)
    reference = classifier._learner(asked).fit(
        known.select("a", "b", "c").to_numpy().astype(np.float32), known["label"].to_numpy()
    )
    later = samples().filter(pl.col("ts") > TRAINED_TO)
    table = later.select("a", "b", "c").to_numpy().astype(np.float32)
    said = predict(serve(card, model), samples())
    assert card.classes == (0, 1, 2)
    np.testing.assert_allclose(said.select("p_0", "p_1", "p_2").to_numpy(), reference.predict_proba(table), atol=1e-5)
    assert said["label"].to_list() == reference.predict(table).tolist()
    assert (said["label"] == later["label"]).mean() > 0.75


def test_the_same_samples_give_the_same_bytes(learned):
    asked, card, model = learned
    assert train(samples().sample(fraction=1.0, shuffle=True, seed=5), asked) == (card, model)


def test_labels_known_after_the_training_span_are_purged(learned):
    asked, card, model = learned
    assert (card.samples, card.purged) == (250 - HORIZON, HORIZON)
    rewritten = samples().with_columns(
        label=pl.when(pl.col("label_ts") > TRAINED_TO).then(2 - pl.col("label")).otherwise(pl.col("label"))
    )
    assert train(rewritten, asked) == (card, model)
    assert train(samples().head(300), asked) == (card, model)


def test_nothing_is_said_of_the_training_span_and_the_future_changes_nothing(learned):
    _, card, model = learned
    served = serve(card, model)
    said = predict(served, samples())
    assert said["ts"].min() > TRAINED_TO
    assert predict(served, samples().head(300)).equals(said.head(50))
    assert predict(served, samples().head(200)).is_empty()


def test_a_row_without_a_feature_has_no_label(learned):
    _, card, model = learned
    holes = samples().tail(3).with_columns(b=pl.Series([0.5, None, float("nan")]))
    said = predict(serve(card, model), holes)
    assert said["label"].is_null().to_list() == said["p_0"].is_null().to_list() == [False, True, True]


def test_what_was_saved_is_loaded(learned, tmp_path):
    _, card, model = learned
    save(tmp_path, card, model)
    found = load(tmp_path, "side")
    assert found.card == card
    assert predict(found, samples()).equals(predict(serve(card, model), samples()))


@pytest.fixture
def saved(tmp_path):
    """A folder with a saved classifier."""
    card, model = train(samples(), training(Learner.LOGISTIC))
    save(tmp_path, card, model)
    return tmp_path, card, model


class Bomb:
    """An object whose unpickling leaves a file behind."""

    def __init__(self, at):
        self.at = at

    def __reduce__(self):
        return Path.touch, (self.at,)


def test_a_planted_pickle_is_refused_and_never_loaded(saved):
    folder, card, _ = saved
    planted = pickle.dumps(Bomb(folder / "exploded"))
    (folder / "side.onnx").write_bytes(planted)
    with pytest.raises(Corrupt, match="hash"):
        load(folder, "side")
    agreeing = card.model_copy(update={"sha256": hashlib.sha256(planted).hexdigest()})
    (folder / "side.json").write_text(agreeing.model_dump_json())
    with pytest.raises(ConfigError, match="not an ONNX model"):
        load(folder, "side")
    assert not (folder / "exploded").exists()
    pickle.loads(planted)
    assert (folder / "exploded").exists()  # it would have


def test_a_changed_byte_is_noticed(saved):
    folder, _, model = saved
    (folder / "side.onnx").write_bytes(model[:-1] + bytes([model[-1] ^ 1]))
    with pytest.raises(Corrupt, match="hash"):
        load(folder, "side")


def test_a_model_that_is_not_the_one_of_its_card_is_refused(saved):
    folder, card, model = saved
    with pytest.raises(ConfigError, match="not what its card describes"):
        serve(card.model_copy(update={"features": ("a", "b")}), model)
    (folder / "other.json").write_text(card.model_dump_json())
    (folder / "other.onnx").write_bytes(model)
    with pytest.raises(ConfigError, match="own name"):
        load(folder, "other")
    with pytest.raises(ConfigError, match="no classifier"):
        load(folder, "nobody")


def test_too_little_to_learn_from_is_refused():
    with pytest.raises(ConfigError, match="49 samples"):
        train(samples(49), training())
    with pytest.raises(ConfigError, match="of 1 labels"):
        train(samples().with_columns(label=1), training())
    with pytest.raises(ConfigError, match="lack b"):
        train(samples().drop("b"), training())
