-- Draws, holds, classes and shares; and a slot's memory is loaded when it is first needed
-- depends: 0002-claims

-- migrate: apply
ALTER TABLE slot
    ADD COLUMN town_shares text NOT NULL DEFAULT '{}',
    ADD COLUMN draw text NOT NULL DEFAULT '' CHECK (draw IN ('', 'window', 'awaited', 'drawn')),
    ADD COLUMN seed_hash text NOT NULL DEFAULT '',
    ADD COLUMN overrides integer NOT NULL DEFAULT 0;
CREATE INDEX slot_awaited ON slot (slot_id) WHERE draw = 'awaited';

ALTER TABLE booking
    ADD COLUMN town text NOT NULL DEFAULT '',
    ADD COLUMN points bigint NOT NULL DEFAULT 0,
    ADD COLUMN working_from text,
    ADD COLUMN working_until text,
    ADD COLUMN drawn_in boolean NOT NULL DEFAULT false,
    ADD COLUMN rank bigint NOT NULL DEFAULT 0,
    ADD COLUMN second boolean NOT NULL DEFAULT false,
    ADD COLUMN passes integer NOT NULL DEFAULT 0,
    ADD COLUMN lapses integer NOT NULL DEFAULT 0,
    ADD COLUMN since bigint NOT NULL DEFAULT 0;
UPDATE booking AS b SET rank = d.sequence, since = d.sequence
FROM (
    SELECT slot_id, request_id, max((convert_from(data, 'UTF8')::jsonb ->> 'sequence')::bigint) AS sequence
    FROM decision GROUP BY slot_id, request_id
) AS d
WHERE d.slot_id = b.slot_id AND d.request_id = b.request_id;
DROP INDEX booking_queue;
CREATE INDEX booking_queue ON booking (slot_id, second, rank) INCLUDE (party_size) WHERE status = 'waitlisted';
DROP INDEX booking_partition;

DROP INDEX receipt_record;
CREATE INDEX receipt_record ON receipt (slot_id, record_id);

ALTER TABLE slot_rule ADD COLUMN seed text;

-- migrate: rollback
ALTER TABLE slot_rule DROP COLUMN seed;
DROP INDEX receipt_record;
CREATE INDEX receipt_record ON receipt (record_id);
CREATE INDEX booking_partition ON booking (partition, log_offset);
DROP INDEX booking_queue;
CREATE INDEX booking_queue ON booking (slot_id, log_offset) INCLUDE (party_size) WHERE status = 'waitlisted';
ALTER TABLE booking DROP COLUMN since, DROP COLUMN lapses, DROP COLUMN passes, DROP COLUMN second, DROP COLUMN rank,
    DROP COLUMN drawn_in, DROP COLUMN working_until, DROP COLUMN working_from, DROP COLUMN points, DROP COLUMN town;
DROP INDEX slot_awaited;
ALTER TABLE slot DROP COLUMN overrides, DROP COLUMN seed_hash, DROP COLUMN draw, DROP COLUMN town_shares;
