"""The strongest SQL: a function that decides a whole batch as a set, on matching's tables."""

import asyncpg

from youai_bench.systems import sql_peer
from youai_bench.systems.sql_peer import SqlPeer
from youai_bench.work import Work

_FUNCTION = """
CREATE FUNCTION decide(
    the_partition integer, loser text, said_winner text, said_loser text,
    offsets bigint[], slot_ids text[], request_ids text[], venue_ids text[]
) RETURNS TABLE (slot text, number bigint, what text, said bytea) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM slot WHERE slot_id IN (SELECT unnest(slot_ids)) ORDER BY slot_id FOR UPDATE;
    RETURN QUERY
    WITH asked AS (
        SELECT * FROM unnest(offsets, slot_ids, request_ids, venue_ids) AS a (log_offset, slot_id, request_id, venue_id)
    ), first AS (
        SELECT DISTINCT ON (a.request_id) a.*, b.log_offset AS original
        FROM asked AS a LEFT JOIN booking AS b ON b.slot_id = a.slot_id AND b.request_id = a.request_id
        ORDER BY a.request_id, a.log_offset
    ), fresh AS (
        SELECT f.*, row_number() OVER (PARTITION BY f.slot_id ORDER BY f.log_offset) AS nth
        FROM first AS f WHERE f.original IS NULL
    ), decided AS (
        SELECT f.*, s.capacity, s.sequence + f.nth AS sequence,
            CASE WHEN s.taken + f.nth <= s.capacity THEN 'confirmed' ELSE loser END AS outcome,
            least(s.taken + f.nth, s.capacity)::integer AS taken,
            s.waiting + f.nth - greatest(0, least(s.capacity - s.taken, f.nth)) AS place
        FROM fresh AS f JOIN slot AS s USING (slot_id)
    ), worded AS (
        SELECT d.*, convert_to(concat('{"ahead":', w.ahead, ',"capacity":', d.capacity,
            ',"decided_at":"{decided_at}","log_offset":', d.log_offset, ',"log_partition":', the_partition,
            ',"outcome":"', d.outcome, '","party_size":1,"place":', w.place, ',',
            CASE d.outcome WHEN 'confirmed' THEN said_winner ELSE said_loser END, ',"request_id":"', d.request_id,
            '","rule_version":"{version}","sequence":', d.sequence, ',"slot_id":"', d.slot_id,
            '","taken":', d.taken, ',"venue_id":"', d.venue_id, '"}'), 'UTF8') AS data
        FROM decided AS d CROSS JOIN LATERAL (SELECT
            CASE d.outcome WHEN 'waitlisted' THEN d.place::text ELSE 'null' END AS place,
            CASE d.outcome WHEN 'waitlisted' THEN (d.place - 1)::text ELSE 'null' END AS ahead) AS w
    ), booked AS (
        INSERT INTO booking
            (request_id, slot_id, partition, venue_id, party_size, log_offset, town, status, rank, since)
        SELECT request_id, slot_id, the_partition, venue_id, 1, log_offset, 'town-1', outcome, sequence, sequence
        FROM decided ORDER BY log_offset
    ), kept AS (
        INSERT INTO decision (partition, log_offset, index, slot_id, request_id, type, decided_at, data)
        SELECT the_partition, log_offset, 0, slot_id, request_id, 'booking-' || outcome, '{decided_at}', data
        FROM worded ORDER BY log_offset
    ), answered AS (
        INSERT INTO receipt (partition, log_offset, slot_id, record_id, kind, original, why)
        SELECT the_partition, a.log_offset, a.slot_id, a.request_id,
            CASE a.log_offset WHEN r.first THEN 'decided' ELSE 'repeat' END, nullif(r.first, a.log_offset), ''
        FROM asked AS a
        JOIN (SELECT request_id, coalesce(original, log_offset) AS first FROM first) AS r USING (request_id)
        ORDER BY a.log_offset
    ), counted AS (
        UPDATE slot AS s SET taken = c.taken, sequence = c.sequence, waiting = c.waiting, waiting_places = c.waiting
        FROM (SELECT slot_id, max(taken) AS taken, max(sequence) AS sequence,
                max(CASE outcome WHEN 'waitlisted' THEN place ELSE 0 END)::integer AS waiting
            FROM decided GROUP BY slot_id) AS c
        WHERE s.slot_id = c.slot_id
    )
    SELECT slot_id, sequence, outcome, data FROM worded ORDER BY log_offset;
END
$$
"""


class StoredProcedure(SqlPeer):
    """One call a batch of a partition; as many connections as partitions, so that no two want one slot."""

    name = "stored_procedure"
    module = "youai_bench.systems.stored_procedure_worker"

    async def _settings(self, work: Work) -> dict[str, str]:
        connection = await asyncpg.connect(self._dsn)
        try:
            function = _FUNCTION.replace("{decided_at}", sql_peer.DECIDED_AT).replace("{version}", sql_peer.VERSION)
            await connection.execute(function)
        finally:
            await connection.close()
        return await super()._settings(work)
