-- Demands, their claims and their story; residents apart
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

-- True if `target_id` is `acting_id` or stands below it. The tree has five levels; 8 bounds the walk.
CREATE FUNCTION acts_for(acting_id text, target_id text) RETURNS boolean
LANGUAGE sql STABLE
RETURN acting_id = target_id OR (
    WITH RECURSIVE up (id, parent_id, depth) AS (
        SELECT o.organization_id, o.parent_id, 1 FROM organization AS o WHERE o.organization_id = target_id
        UNION ALL
        SELECT o.organization_id, o.parent_id, up.depth + 1
        FROM organization AS o JOIN up ON o.organization_id = up.parent_id
        WHERE up.depth < 8
    )
    SELECT EXISTS (SELECT FROM up WHERE up.id = acting_id)
);

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
    posted_by_role text NOT NULL,
    on_behalf text UNIQUE,
    state text NOT NULL DEFAULT 'open',
    posted_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    claimed_at timestamptz,
    withdrawn_reason text,
    rating integer,
    residents_served integer,
    comment text
);
CREATE INDEX demand_posted ON demand (posted_at DESC, demand_id);
CREATE INDEX demand_state ON demand (state, posted_at DESC, demand_id);
CREATE INDEX demand_category ON demand (category, posted_at DESC, demand_id);
CREATE INDEX demand_town ON demand (town, posted_at DESC, demand_id);
CREATE INDEX demand_venue ON demand (venue_id, posted_at DESC, demand_id);
CREATE INDEX demand_expiry ON demand (wanted_until) WHERE state = 'open';
COMMENT ON COLUMN demand.claimed_at IS 'when it became known here that all places are taken';
COMMENT ON COLUMN demand.on_behalf IS 'reference to a resident, the only thing about one that leaves this database';

CREATE TABLE claim (
    claim_id text PRIMARY KEY,
    demand_id text NOT NULL REFERENCES demand,
    provider_id text NOT NULL,
    provider_name text NOT NULL,
    status text NOT NULL,
    requested_at timestamptz NOT NULL,
    requested_by_subject text NOT NULL,
    requested_by_organization text NOT NULL,
    decided_at timestamptz,
    reason text,
    reason_zh text,
    reason_en text,
    winner_id text,
    winner_name text,
    lease_until timestamptz,
    scheduled_at timestamptz,
    place text NOT NULL DEFAULT '',
    note text NOT NULL DEFAULT '',
    ending boolean NOT NULL DEFAULT false,
    ended_by_subject text,
    ended_by_organization text,
    explanation text NOT NULL DEFAULT ''
);
CREATE INDEX claim_demand ON claim (demand_id, requested_at DESC);
CREATE INDEX claim_live ON claim (demand_id, status) WHERE status IN ('requested', 'confirmed');
CREATE INDEX claim_provider ON claim (provider_id, demand_id) WHERE status = 'confirmed';

CREATE TABLE timeline (
    entry_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    demand_id text NOT NULL REFERENCES demand,
    at timestamptz NOT NULL,
    type text NOT NULL,
    organization_id text NOT NULL,
    data bytea NOT NULL
);
CREATE INDEX timeline_demand ON timeline (demand_id, entry_id);

-- No constraint on what is personal: a database names the offending row in its error.
CREATE TABLE resident (
    reference text PRIMARY KEY,
    key_hash bytea NOT NULL,
    name text,
    phone text,
    address text,
    note text,
    erased_at timestamptz
);
COMMENT ON TABLE resident IS 'restricted: read through GET /v1/demands/{id}/resident alone, which logs every look-up';
COMMENT ON COLUMN resident.key_hash IS 'of the call that brought it, whose body must be forgotten with it';

CREATE TABLE resident_access (
    access_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    demand_id text NOT NULL,
    reference text NOT NULL,
    subject text NOT NULL,
    organization_id text NOT NULL,
    outcome text NOT NULL
);
CREATE INDEX resident_access_reference ON resident_access (reference, access_id);
COMMENT ON COLUMN resident_access.outcome IS 'shown, refused, gone or erased';

CREATE TABLE idempotency (
    key_hash bytea PRIMARY KEY,
    body_hash bytea NOT NULL,
    answer bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN idempotency.key_hash IS 'SHA-256 of organization, call and Idempotency-Key';

-- migrate: rollback
DROP TABLE idempotency, resident_access, resident, timeline, claim, demand;
DROP FUNCTION acts_for;
DROP TABLE organization;
