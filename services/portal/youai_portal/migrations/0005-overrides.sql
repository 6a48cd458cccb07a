-- What the guidance center gave past the queue, counted for everybody to see; and who came to a session
-- depends: 0004-rules

-- migrate: apply
CREATE TABLE override_given (
    slot_id text NOT NULL,
    sequence bigint NOT NULL,
    request_id text NOT NULL,
    venue_id text NOT NULL,
    party_size integer NOT NULL,
    reason_zh text NOT NULL,
    reason_en text NOT NULL,
    decided_at timestamptz NOT NULL,
    PRIMARY KEY (slot_id, sequence)
);
COMMENT ON TABLE override_given IS 'a row stays when the booking is cancelled later: the count never goes down';
ALTER TABLE slot ADD COLUMN overrides integer NOT NULL DEFAULT 0;

CREATE TABLE attendance (
    request_id text PRIMARY KEY,
    slot_id text NOT NULL,
    attended integer NOT NULL,
    recorded_at timestamptz NOT NULL
);

-- migrate: rollback
DROP TABLE attendance;
ALTER TABLE slot DROP COLUMN overrides;
DROP TABLE override_given;
