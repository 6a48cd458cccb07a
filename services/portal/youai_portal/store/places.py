"""How many places a session has, of two topics that both say so."""

CAPACITY = (
    "CASE WHEN t.decided_at > coalesce(s.revised_at + interval '60 s', '-infinity')"
    " OR t.capacity_since > s.revised_at OR t.taken > s.capacity THEN t.capacity ELSE s.capacity END"
)
"""SQL over `session AS s` and `slot AS t`.

A provider's change is in the session first, and in decisions once matching has read it; the guidance center may add
places in matching alone. So decisions are believed, but for the minute in which they may not know of a change yet: then
if they have told of other places since the change, or of more places taken than it leaves.
"""
