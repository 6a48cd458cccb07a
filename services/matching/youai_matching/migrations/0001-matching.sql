-- Slots, requests, decisions and receipts
-- depends:

-- migrate: apply
CREATE TABLE organization (
    organization_id text PRIMARY KEY,
    parent_id text,
    kind text NOT NULL,
    level text NOT NULL,
    name text NOT NULL,
    town text NOT NULL
);

CREATE TABLE slot (
    slot_id text PRIMARY KEY,
    partition integer NOT NULL,
    offer_id text NOT NULL,
    session_id text NOT NULL,
    phase text NOT NULL,
    closed_for text NOT NULL,
    capacity integer NOT NULL,
    opens_at bigint NOT NULL,
    closes_at bigint NOT NULL,
    starts_at bigint NOT NULL,
    ends_at bigint NOT NULL,
    waitlist bigint,
    rule_version text NOT NULL,
    time bigint NOT NULL,
    sequence bigint NOT NULL,
    previous_hash text NOT NULL,
    taken integer NOT NULL,
    waiting integer NOT NULL,
    waiting_places bigint NOT NULL,
    CHECK (taken BETWEEN 0 AND capacity)
);
CREATE INDEX slot_partition ON slot (partition);

CREATE TABLE booking (
    request_id text NOT NULL,
    slot_id text NOT NULL,
    partition integer NOT NULL,
    venue_id text NOT NULL,
    party_size integer NOT NULL,
    log_offset bigint NOT NULL,
    status text NOT NULL,
    PRIMARY KEY (slot_id, request_id)
);
CREATE INDEX booking_partition ON booking (partition, log_offset);
CREATE INDEX booking_queue ON booking (slot_id, log_offset) INCLUDE (party_size) WHERE status = 'waitlisted';

CREATE TABLE decision (
    partition integer NOT NULL,
    log_offset bigint NOT NULL,
    index integer NOT NULL,
    slot_id text NOT NULL,
    request_id text NOT NULL,
    type text NOT NULL,
    decided_at text NOT NULL,
    data bytea NOT NULL,
    traceparent text,
    PRIMARY KEY (partition, log_offset, index)
);
CREATE INDEX decision_request ON decision (request_id);

CREATE TABLE receipt (
    partition integer NOT NULL,
    log_offset bigint NOT NULL,
    slot_id text,
    record_id text,
    kind text NOT NULL,
    original bigint,
    why text,
    PRIMARY KEY (partition, log_offset)
);
CREATE INDEX receipt_record ON receipt (record_id);

CREATE TABLE timer (
    slot_id text NOT NULL,
    kind text NOT NULL,
    subject text NOT NULL,
    due_at bigint NOT NULL,
    partition integer NOT NULL,
    appended_at timestamptz,
    PRIMARY KEY (slot_id, kind, subject, due_at)
);
CREATE INDEX timer_due ON timer (due_at);
CREATE INDEX timer_partition ON timer (partition);

CREATE TABLE slot_rule (
    slot_id text PRIMARY KEY,
    rule_version text NOT NULL
);

CREATE TABLE request (
    request_id text PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('booking', 'cancel')),
    slot_id text NOT NULL,
    partition integer NOT NULL,
    booking_id text,
    organization_id text NOT NULL,
    venue_id text NOT NULL,
    party_size integer NOT NULL,
    body_hash bytea NOT NULL,
    data bytea NOT NULL,
    traceparent text,
    created_at timestamptz NOT NULL DEFAULT now(),
    appended_at timestamptz NOT NULL DEFAULT now(),
    settled boolean NOT NULL DEFAULT false
);
CREATE INDEX request_unsettled ON request (appended_at) WHERE NOT settled;

-- migrate: rollback
DROP TABLE request, slot_rule, timer, receipt, decision, booking, slot, organization;
