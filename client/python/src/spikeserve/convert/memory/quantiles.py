"""Quantiles near the top of many values that pass by, from the largest of them alone."""

from __future__ import annotations

import math

import numpy as np

from spikeserve.convert.arrays import Array

QUANTILE = 0.99
_PENDING = 1 << 18  # values of all columns that wait to be sorted in


class Quantiles:
    """The 99th percentile of the values above 0 in each of some columns; of none it is 0."""

    def __init__(self, columns: int, most: int) -> None:
        """`most`: values that a column will be given at most, which none may be below 0."""
        self._kept = math.ceil((1 - QUANTILE) * most) + 2  # of a column: all that the percentile may need
        self._largest = np.zeros((columns, 0), np.float32)
        self._pending: list[Array] = []
        self._waiting = 0
        self._above = np.zeros(columns, np.int64)

    def add(self, rows: Array) -> None:
        """More values [n, columns]."""
        self._above += np.count_nonzero(rows, axis=0)
        if len(self._largest) == 1 and self._largest.shape[1] == self._kept:
            rows = rows[rows > self._largest.min()][:, None]  # the others are none of the largest
        self._pending.append(rows.T.copy())
        self._waiting += rows.size
        if self._waiting > max(_PENDING, 2 * self._largest.size):
            self._sort_in()

    def values(self) -> Array:
        """[columns] interpolated between the two closest values, as numpy does."""
        self._sort_in()
        ordered = np.sort(self._largest, axis=1)
        place = np.maximum(self._above - 1, 0) * QUANTILE
        lower = np.floor(place).astype(np.int64)
        upper = np.minimum(lower + 1, np.maximum(self._above - 1, 0))
        behind = ordered.shape[1] - np.maximum(self._above, 1)  # largest values that are not kept, or zeros
        columns = np.arange(len(ordered))
        low, high = (ordered[columns, at + behind].astype(np.float64) for at in (lower, upper))
        found = low + (high - low) * (place - lower)
        return np.where(self._above > 0, found, 0.0)

    def _sort_in(self) -> None:
        values = np.concatenate([self._largest, *self._pending], axis=1)
        self._pending, self._waiting = [], 0
        surplus = values.shape[1] - self._kept
        if surplus > 0:
            values = np.partition(values, surplus, axis=1)[:, surplus:].copy()
        self._largest = values
