-- Progress of lanes, the outbox and its relay
-- depends:

-- migrate: apply
CREATE TABLE lane_progress (
    lane text NOT NULL,
    partition integer NOT NULL,
    next_offset bigint NOT NULL DEFAULT 0,
    last_id bytea,
    high_water bigint[],
    published_offset bigint NOT NULL DEFAULT -1,
    PRIMARY KEY (lane, partition)
);
COMMENT ON COLUMN lane_progress.next_offset IS 'first offset not yet worked; advanced in the transaction of the work';
COMMENT ON COLUMN lane_progress.last_id IS 'SHA-256 of the ce_id of the record before next_offset';
COMMENT ON COLUMN lane_progress.high_water IS 'highest position of the source seen, for dropping what is published twice';
COMMENT ON COLUMN lane_progress.published_offset IS 'all that was decided up to this offset is on the broker; never falls';

CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    position bigint UNIQUE,
    topic text NOT NULL,
    key bytea,
    value bytea,
    headers bytea[] NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX outbox_unnumbered ON outbox (id) WHERE position IS NULL;

CREATE TABLE relay (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    last_position bigint NOT NULL DEFAULT 0,
    published_position bigint NOT NULL DEFAULT 0
);
INSERT INTO relay DEFAULT VALUES;

-- migrate: rollback
DROP TABLE relay;
DROP TABLE outbox;
DROP TABLE lane_progress;
