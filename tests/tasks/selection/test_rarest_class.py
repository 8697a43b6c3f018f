"""Where samples may be of several classes, a policy by classes counts each for the rarest that is present in it."""

import numpy as np

from windrow.tasks.selection.candidates import read_evidence
from windrow.tasks.storage.catalog.views import connect


def test_a_sample_counts_for_the_rarest_class_that_is_present_in_it() -> None:
    connection = connect({})
    connection.execute("INSERT INTO samples (sample_id) VALUES ('a'), ('b'), ('c'), ('d')")
    connection.execute("""
        INSERT INTO label_states VALUES
            ('a', 'pseudo', 'cat', 'present', 0.9, 'windrow'), ('a', 'pseudo', 'dog', 'present', 1.0, 'source'),
            ('b', 'pseudo', 'cat', 'present', 1.0, 'source'), ('b', 'pseudo', 'owl', 'unknown', 0.9, 'windrow'),
            ('c', 'pseudo', 'dog', 'absent', 0.0, 'source'), ('d', 'given', 'owl', 'present', 1.0, 'source')
    """)
    said = read_evidence(connection, {}, np.ones(4, np.bool_), ("probabilities",), ()).probabilities
    assert said is not None
    assert said.classes[:, 0].tolist() == [1, 0, -1, -1]  # of a, dog is rarer than cat; c and d are of none
    assert said.probabilities[:, 0].tolist() == [1.0, 1.0, 0.0, 0.0]
