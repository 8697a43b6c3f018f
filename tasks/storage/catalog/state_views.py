"""The view `states`: which classes each sample is of, and is not of, in lists, put together as it is asked.

The tables have a row only for what is not commonest; here every class of a sample that is not unknown is listed.
"""

from __future__ import annotations

from windrow.schemas.states import PSEUDO_STATES

VIEW = "states"

# Of classes that a vocabulary names, those without a row are absent.
STATES_SQL = f"""
CREATE VIEW {VIEW} AS
WITH listed AS (
    SELECT label_set, sample_id, list(label) AS labels,
           list({{'label': label, 'p': probability}} ORDER BY label) FILTER (state = 'present') AS present,
           list({{'label': label, 'p': probability}} ORDER BY label) FILTER (state = 'absent') AS absent
    FROM label_states GROUP BY ALL
),
implied AS (
    SELECT label_set, vocabulary, list({{'label': label, 'p': probability}} ORDER BY label) AS absent
    FROM vocabularies GROUP BY ALL
),
looked AS (SELECT * FROM looked_for JOIN implied USING (label_set, vocabulary)),
joined AS (
    SELECT label_set, sample_id, coalesce(l.present, []) AS present,
           list_sort(list_concat(
               coalesce(l.absent, []),
               list_filter(coalesce(v.absent, []), lambda x: NOT list_contains(coalesce(l.labels, []), x.label))
           )) AS absent
    FROM listed l FULL JOIN looked v USING (label_set, sample_id)
)
SELECT sample_id, label_set,
       list_transform(present, lambda x: x.label) AS present,
       list_transform(absent, lambda x: x.label) AS absent,
       list_transform(present, lambda x: x.p) AS present_probabilities,
       list_transform(absent, lambda x: x.p) AS absent_probabilities
FROM joined
"""
# Beside all else that is known of a sample; of runs whose samples are of one class nothing is added.
WITH_STATES_SQL = f"""
SELECT p.*, s.present, s.absent FROM ({{pool}}) p
LEFT JOIN (SELECT * FROM {VIEW} WHERE label_set = '{PSEUDO_STATES}') s USING (sample_id)
"""
