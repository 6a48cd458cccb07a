-- Projections of what the other services say, and the portal's own: who is signed in, and what was asked through it
-- depends:

-- migrate: apply
CREATE TABLE organization (
    organization_id text PRIMARY KEY,
    parent_id text,
    kind text NOT NULL,
    level text NOT NULL,
    name text NOT NULL,
    town text NOT NULL,
    categories text[] NOT NULL
);
CREATE INDEX organization_parent ON organization (parent_id);
CREATE INDEX organization_name ON organization (name);

CREATE TABLE offer (
    offer_id text PRIMARY KEY,
    provider_id text NOT NULL,
    provider_name text NOT NULL,
    category text NOT NULL,
    title text NOT NULL,
    description text NOT NULL,
    towns text[] NOT NULL,
    audience text NOT NULL,
    mode text NOT NULL,
    state text NOT NULL DEFAULT 'published',
    reason text,
    published_at timestamptz NOT NULL
);
CREATE INDEX offer_provider ON offer (provider_id);

CREATE TABLE session (
    slot_id text PRIMARY KEY,
    session_id text NOT NULL,
    offer_id text NOT NULL,
    capacity integer NOT NULL,
    opens_at timestamptz NOT NULL,
    closes_at timestamptz NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    waitlist bigint,
    venue_name text NOT NULL,
    state text NOT NULL DEFAULT 'open',
    reason text
);
CREATE INDEX session_offer ON session (offer_id, starts_at, slot_id);

-- What is booked of a slot, after its decision number `sequence`. Written by the booking lane alone, for cross-topic
-- order is not given: decisions may be read before the session that they are about.
CREATE TABLE slot (
    slot_id text PRIMARY KEY,
    capacity integer NOT NULL,
    taken integer NOT NULL,
    waiting integer NOT NULL DEFAULT 0,
    waiting_places integer NOT NULL DEFAULT 0,
    sequence bigint NOT NULL
);

CREATE TABLE booking (
    request_id text PRIMARY KEY,
    slot_id text NOT NULL,
    venue_id text NOT NULL,
    party_size integer NOT NULL,
    status text NOT NULL,
    reason text NOT NULL,
    reason_zh text NOT NULL,
    reason_en text NOT NULL,
    sequence bigint NOT NULL,
    queued_at bigint NOT NULL,
    first_at timestamptz NOT NULL,
    decided_at timestamptz NOT NULL
);
COMMENT ON COLUMN booking.queued_at IS 'offset in the slot log of the first decision: the order of the queue';
CREATE INDEX booking_venue ON booking (venue_id, first_at DESC, request_id DESC);
CREATE INDEX booking_queue ON booking (slot_id, queued_at) INCLUDE (request_id, party_size) WHERE status = 'waitlisted';
CREATE INDEX booking_slot ON booking (slot_id, venue_id);
CREATE INDEX booking_unmet ON booking (slot_id) INCLUDE (party_size, venue_id, status, reason)
    WHERE status IN ('waitlisted', 'rejected', 'released');

CREATE TABLE demand (
    demand_id text PRIMARY KEY,
    venue_id text NOT NULL,
    venue_name text NOT NULL,
    town text NOT NULL,
    category text NOT NULL,
    title text NOT NULL,
    description text NOT NULL,
    residents integer NOT NULL,
    wanted_from timestamptz NOT NULL,
    wanted_until timestamptz NOT NULL,
    places_wanted integer NOT NULL,
    for_resident boolean NOT NULL,
    state text NOT NULL,
    claims jsonb NOT NULL DEFAULT '[]',
    teams text NOT NULL DEFAULT '',
    rating integer,
    residents_served integer,
    posted_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL
);
COMMENT ON COLUMN demand.claims IS 'live claims: claim_id, provider_id, provider_name, lease_until, scheduled_at, place, note';
COMMENT ON COLUMN demand.teams IS 'names of the providers of the live claims, for the table and the search';
CREATE INDEX demand_posted ON demand (posted_at DESC, demand_id DESC);
CREATE INDEX demand_venue ON demand (venue_id, posted_at DESC);

CREATE TABLE demand_event (
    demand_id text NOT NULL,
    log_offset bigint NOT NULL,
    type text NOT NULL,
    at timestamptz NOT NULL,
    organization_id text NOT NULL,
    details jsonb NOT NULL,
    PRIMARY KEY (demand_id, log_offset)
);

-- A claim as it was asked for (demand's topic) and as it was decided (matching's): each lane writes its own table.
CREATE TABLE claim_request (
    claim_id text PRIMARY KEY,
    demand_id text NOT NULL,
    provider_id text NOT NULL,
    provider_name text NOT NULL,
    asked_at timestamptz NOT NULL
);
CREATE INDEX claim_request_demand ON claim_request (demand_id, asked_at);
CREATE INDEX claim_request_provider ON claim_request (provider_id, asked_at DESC, claim_id DESC);

CREATE TABLE claim (
    claim_id text PRIMARY KEY,
    demand_id text NOT NULL,
    provider_id text NOT NULL,
    status text NOT NULL,
    reason text NOT NULL,
    reason_zh text NOT NULL,
    reason_en text NOT NULL,
    winner_name text,
    sequence bigint NOT NULL,
    decided_at timestamptz NOT NULL
);
CREATE INDEX claim_demand ON claim (demand_id);

CREATE TABLE notification (
    notification_id text PRIMARY KEY,
    recipient_id text NOT NULL,
    kind text NOT NULL,
    subject_id text NOT NULL,
    source_topic text NOT NULL,
    title_zh text NOT NULL,
    title_en text NOT NULL,
    body_zh text NOT NULL,
    body_en text NOT NULL,
    occurred_at timestamptz NOT NULL,
    read_at timestamptz
);
CREATE INDEX notification_inbox ON notification (recipient_id, occurred_at DESC, notification_id DESC);
CREATE INDEX notification_unread ON notification (recipient_id) WHERE read_at IS NULL;

CREATE TABLE resource (
    resource_id text PRIMARY KEY,
    owner_id text NOT NULL,
    owner_name text NOT NULL,
    kind text NOT NULL,
    title text NOT NULL,
    description text NOT NULL,
    skills text[] NOT NULL,
    categories text[] NOT NULL,
    town text NOT NULL,
    capacity integer,
    windows jsonb NOT NULL,
    state text NOT NULL DEFAULT 'listed',
    listed_at timestamptz NOT NULL
);

CREATE TABLE resource_ask (
    ask_id text PRIMARY KEY,
    resource_id text NOT NULL,
    asker_id text NOT NULL,
    asker_name text NOT NULL,
    message text NOT NULL,
    wanted_from timestamptz,
    asked_at timestamptz NOT NULL,
    accepted boolean,
    answer text,
    answered_at timestamptz
);
CREATE INDEX resource_ask_resource ON resource_ask (resource_id, asked_at DESC);
CREATE INDEX resource_ask_asker ON resource_ask (asker_id, asked_at DESC);

-- The portal's own
CREATE TABLE asked (
    request_id text PRIMARY KEY,
    slot_id text NOT NULL,
    venue_id text NOT NULL,
    party_size integer NOT NULL,
    asked_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX asked_venue ON asked (venue_id, asked_at DESC);
CREATE INDEX asked_age ON asked (asked_at);
COMMENT ON TABLE asked IS 'bookings sent through this portal, to be shown as received until their decision is read';

CREATE TABLE web_session (
    id_hash bytea PRIMARY KEY,
    subject text NOT NULL,
    organization_id text NOT NULL,
    roles text[] NOT NULL,
    token text,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL
);
CREATE INDEX web_session_expiry ON web_session (expires_at);
COMMENT ON COLUMN web_session.token IS 'the access token of an OIDC sign-in; null where the portal signs for development';

CREATE TABLE secret (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    key bytea NOT NULL
);
INSERT INTO secret (key) SELECT decode(string_agg(replace(gen_random_uuid()::text, '-', ''), ''), 'hex')
FROM generate_series(1, 3);
COMMENT ON TABLE secret IS 'signs cookies and form tokens; the same for every process of the portal';

-- migrate: rollback
DROP TABLE secret;
DROP TABLE web_session;
DROP TABLE asked;
DROP TABLE resource_ask;
DROP TABLE resource;
DROP TABLE notification;
DROP TABLE claim;
DROP TABLE claim_request;
DROP TABLE demand_event;
DROP TABLE demand;
DROP TABLE booking;
DROP TABLE slot;
DROP TABLE session;
DROP TABLE offer;
DROP TABLE organization;
