"""How near a query comes to each principle: the meaning of its texts, and the probability of its scenario. Only arithmetic.

Every result is an array with one number per principle, in library order; deciding on them is `index.py`'s job.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from principles_store.embedding import Vectors
from principles_store.library import Library
from principles_store.principle import SCENARIO_VALUES

Floats = npt.NDArray[np.float32]


class Rows:
    """Vectors of one kind in library order, for a maximum per principle."""

    def __init__(self, texts: Sequence[str], owners: Sequence[int], vectors: Vectors, count: int) -> None:
        """`owners` holds the position of each text's principle among the `count` of them, ascending."""
        self._texts = texts
        self._vectors = vectors
        self._starts = np.flatnonzero(np.diff(owners, prepend=-1))
        self._owners = np.array(owners, dtype=np.int64)[self._starts]
        self._bounds: list[int] = np.searchsorted(owners, np.arange(count + 1)).tolist()

    def products(self, queries: Vectors | None) -> Floats:
        """Return each row's similarity to the nearest query, shape (rows,); empty without a query."""
        if queries is None or not len(queries):
            return np.empty(0, dtype=np.float32)
        products: Floats = self._vectors @ queries.T
        return products[:, 0] if len(queries) == 1 else products.max(axis=1)

    def best(self, products: Floats) -> Floats:
        """Return the highest product per principle, shape (principles,); 0 for a principle without rows."""
        best = np.zeros(len(self._bounds) - 1, dtype=np.float32)
        if len(products):
            best[self._owners] = np.maximum.reduceat(products, self._starts)
        return best

    def nearest(self, products: Floats, position: int) -> str:
        """Return the text with the highest product among those of the principle at `position`."""
        start, end = self._bounds[position], self._bounds[position + 1]
        return self._texts[start + int(products[start:end].argmax())]

    def centres(self) -> Floats:
        """Return each principle's mean vector at unit length, shape (principles, D); every principle must have rows."""
        sums = np.add.reduceat(self._vectors, self._starts, axis=0)
        centres: Floats = sums / np.linalg.norm(sums, axis=1, keepdims=True)
        return centres


class ScenarioTable:
    """Which scenario values each principle allows, per dimension.

    A task type has two facets, so its values count as two dimensions here. A principle that is silent on a dimension
    allows all of it.
    """

    def __init__(self, library: Library) -> None:
        task = SCENARIO_VALUES["task_type"]
        facets = [values for name, values in SCENARIO_VALUES.items() if name != "task_type"]
        facets += [tuple(v for v in task if v.startswith("setting-") == setting) for setting in (False, True)]
        self._values = [value for values in facets for value in values]
        sets = list(dict.fromkeys(frozenset(principle.scenarios) for principle in library))
        self._set_of = np.array([sets.index(frozenset(principle.scenarios)) for principle in library])
        # The last column stands for a silent dimension: it is always certain.
        self._allowed = np.zeros((len(facets), len(sets), len(self._values) + 1), dtype=np.float32)
        for facet, values in enumerate(facets):
            for number, named in enumerate(sets):
                columns = [self._values.index(value) for value in values if value in named]
                self._allowed[facet, number, columns or -1] = 1.0

    def weights(self, scenario: Mapping[str, float]) -> Floats:
        """Return per principle the probability of its scenario values in its least likely dimension, shape (P,)."""
        probabilities = np.array([*(scenario.get(value, 1.0) for value in self._values), 1.0], dtype=np.float32)
        weights: Floats = np.minimum((self._allowed @ probabilities).min(axis=0), 1.0)[self._set_of]
        return weights
