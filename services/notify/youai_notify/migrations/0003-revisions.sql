-- Who has a live booking in a slot, and the changes of sessions that they are to be told of
-- depends: 0002-traces

-- migrate: apply
ALTER TABLE session ADD COLUMN offer_id text;

CREATE TABLE live (
    slot_id text NOT NULL,
    venue_id text NOT NULL,
    request_id text NOT NULL,
    PRIMARY KEY (slot_id, venue_id)
);
COMMENT ON TABLE live IS 'venues that are confirmed, held for, waiting or in a draw; a venue has one live request a slot';

CREATE TABLE revision (
    slot_id text NOT NULL,
    ce_id text NOT NULL,
    value bytea NOT NULL,
    at timestamptz NOT NULL,
    traceparent text,
    PRIMARY KEY (slot_id, ce_id)
);
COMMENT ON TABLE revision IS 'session-revised as they were read, for bookings that are read later and were made before';

-- What was told before this version says who is live, but for those who cancelled: these are told once too much.
INSERT INTO live (slot_id, venue_id, request_id)
SELECT subject_id, recipient_id, '' FROM (
    SELECT DISTINCT ON (subject_id, recipient_id) subject_id, recipient_id, kind FROM inbox
    WHERE kind LIKE 'booking-%' AND kind <> 'booking-rejected' ORDER BY subject_id, recipient_id, position DESC
) AS latest WHERE kind <> 'booking-released';
COMMENT ON COLUMN live.request_id IS 'empty: known from the inbox alone';

-- migrate: rollback
DROP TABLE revision;
DROP TABLE live;
ALTER TABLE session DROP COLUMN offer_id;
