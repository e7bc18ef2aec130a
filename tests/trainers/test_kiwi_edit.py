"""Kiwi-Edit's own code on tiny weights: its items beside the drop-in's, and a training that is killed."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def kiwi_edit(checkout):
    return checkout("KIWI_EDIT", "github.com/showlab/Kiwi-Edit")


def test_it_is_a_checkout(kiwi_edit):
    assert (kiwi_edit / "diffsynth/trainers/utils.py").is_file()
