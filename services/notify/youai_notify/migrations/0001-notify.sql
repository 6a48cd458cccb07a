-- Inboxes, what notify knows of that which notifications are about, and notifications whose subject is not known yet
-- depends:

-- migrate: apply
CREATE TABLE organization (
    organization_id text PRIMARY KEY,
    parent_id text,
    level text NOT NULL,
    name text NOT NULL,
    categories text[] NOT NULL
);
CREATE INDEX organization_department ON organization (organization_id) WHERE level = 'department';

CREATE TABLE offer (
    offer_id text PRIMARY KEY,
    title text NOT NULL
);

CREATE TABLE session (
    slot_id text PRIMARY KEY,
    title text,
    starts_at timestamptz,
    place text
);
COMMENT ON COLUMN session.title IS 'null: a booking was read first; the row is there to be locked';

CREATE TABLE demand (
    demand_id text PRIMARY KEY,
    venue_id text NOT NULL,
    venue_name text NOT NULL,
    title text NOT NULL
);

CREATE TABLE claim (
    claim_id text PRIMARY KEY,
    demand_id text,
    provider_name text
);
CREATE INDEX claim_demand ON claim (demand_id);
COMMENT ON COLUMN claim.demand_id IS 'null: its decision was read first; the row is there to be locked';

CREATE TABLE resource (
    resource_id text PRIMARY KEY,
    title text NOT NULL
);

CREATE TABLE held (
    topic text NOT NULL,
    ce_id text NOT NULL,
    partition integer NOT NULL,
    log_offset bigint NOT NULL,
    subject_id text NOT NULL,
    type text NOT NULL,
    value bytea NOT NULL,
    at timestamptz NOT NULL,
    held_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (topic, ce_id)
);
CREATE INDEX held_subject ON held (topic, subject_id);
COMMENT ON TABLE held IS 'decisions that owe a notification and whose slot or claim was not read yet';

CREATE TABLE recipient (
    recipient_id text PRIMARY KEY,
    last_position bigint NOT NULL DEFAULT 0,
    muted text[] NOT NULL DEFAULT '{}'
);
COMMENT ON TABLE recipient IS 'an inbox; whoever writes into it holds its row, so positions are committed in order';

CREATE TABLE inbox (
    notification_id text PRIMARY KEY,
    recipient_id text NOT NULL,
    position bigint NOT NULL,
    kind text NOT NULL,
    subject_id text NOT NULL,
    source_topic text NOT NULL,
    source_id text NOT NULL,
    title_zh text NOT NULL,
    title_en text NOT NULL,
    body_zh text NOT NULL,
    body_en text NOT NULL,
    occurred_at timestamptz NOT NULL,
    sent_at timestamptz NOT NULL DEFAULT now(),
    read_at timestamptz,
    UNIQUE (recipient_id, position)
);
CREATE INDEX inbox_unread ON inbox (recipient_id, position, kind) WHERE read_at IS NULL;
CREATE INDEX inbox_kind ON inbox (recipient_id, kind, position);
COMMENT ON COLUMN inbox.position IS 'counts an inbox from 1 in the order of commits; may have gaps';
COMMENT ON COLUMN inbox.occurred_at IS 'when the broker took the event that it tells of';

-- migrate: rollback
DROP TABLE inbox;
DROP TABLE recipient;
DROP TABLE held;
DROP TABLE resource;
DROP TABLE claim;
DROP TABLE demand;
DROP TABLE session;
DROP TABLE offer;
DROP TABLE organization;
