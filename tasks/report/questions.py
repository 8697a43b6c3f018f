"""Questions that a report leaves open, and the SQL that answers them: starting points for `windrow query`."""

QUESTIONS: tuple[tuple[str, str], ...] = (
    (
        "How sure are the labels of each class, and how many abstained?",
        "SELECT classes[1] AS class, count(*) AS n, round(avg(confidence), 3) AS confidence,\n"
        "       count(*) FILTER (abstained) AS abstained\n"
        "FROM curated GROUP BY class ORDER BY n DESC",
    ),
    (
        "What would another near-duplicate threshold bring back?",
        "SELECT floor(similarity * 100) / 100 AS similarity, count(*) AS n\n"
        "FROM selection WHERE dropped_by = 'near_duplicate' GROUP BY 1 ORDER BY 1",
    ),
    (
        "Which shards hold what cannot be read?",
        "SELECT source_uri, shard, reason, count(*) AS n\n"
        "FROM outcomes JOIN occurrences USING (occurrence_id)\n"
        "WHERE outcome = 'unreadable' GROUP BY ALL ORDER BY n DESC",
    ),
    (
        "Which given labels are probably wrong?",
        "SELECT sample_id, given_label, suggested_label, round(label_quality, 3) AS label_quality\n"
        "FROM pool WHERE is_doubtful ORDER BY label_quality, sample_id LIMIT 20",
    ),
    (
        "Where do the most unusual samples of the curated set come from?",
        "SELECT c.sample_id, round(c.outlier_score, 3) AS outlier_score, o.source_uri, o.shard, o.key\n"
        "FROM curated c JOIN occurrences o USING (sample_id)\n"
        "ORDER BY c.outlier_score DESC, c.sample_id LIMIT 20",
    ),
)
