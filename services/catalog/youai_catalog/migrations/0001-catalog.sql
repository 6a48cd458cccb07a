-- Organizations, offers and sessions, and the answers that were given to idempotency keys
-- depends:

-- migrate: apply
CREATE TABLE organization (
    organization_id text PRIMARY KEY,
    parent_id text REFERENCES organization,
    kind text NOT NULL,
    level text NOT NULL,
    name text NOT NULL,
    town text NOT NULL,
    categories text[] NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX organization_parent ON organization (parent_id, organization_id);
CREATE INDEX organization_town ON organization (town, organization_id);
CREATE UNIQUE INDEX organization_root ON organization ((true)) WHERE parent_id IS NULL;

-- True if `target_id` is `acting_id` or stands below it. The tree has five levels; 8 bounds the walk.
CREATE FUNCTION acts_for(acting_id text, target_id text) RETURNS boolean
LANGUAGE sql STABLE
RETURN (
    WITH RECURSIVE up (id, parent_id, depth) AS (
        SELECT o.organization_id, o.parent_id, 1 FROM organization AS o WHERE o.organization_id = target_id
        UNION ALL
        SELECT o.organization_id, o.parent_id, up.depth + 1
        FROM organization AS o JOIN up ON o.organization_id = up.parent_id
        WHERE up.depth < 8
    )
    SELECT EXISTS (SELECT FROM up WHERE up.id = acting_id)
);

CREATE TABLE organization_staging (
    import_id uuid NOT NULL,
    position integer NOT NULL,
    line integer NOT NULL,
    organization_id text NOT NULL,
    parent_id text,
    kind text NOT NULL,
    level text NOT NULL,
    name text NOT NULL,
    town text NOT NULL,
    categories text[] NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (import_id, position)
);
CREATE INDEX organization_staging_age ON organization_staging (created_at);
COMMENT ON COLUMN organization_staging.line IS 'row of the file, its header being row 1';
COMMENT ON COLUMN organization_staging.position IS 'order of merging, from 0: parents first';

CREATE TABLE offer (
    offer_id text PRIMARY KEY,
    provider_id text NOT NULL REFERENCES organization,
    provider_name text NOT NULL,
    category text NOT NULL,
    title text NOT NULL,
    description text NOT NULL,
    towns text[] NOT NULL,
    audience text NOT NULL,
    mode text NOT NULL,
    state text NOT NULL DEFAULT 'published' CHECK (state IN ('published', 'withdrawn')),
    reason text,
    withdrawn_by_subject text,
    withdrawn_by_organization text,
    sessions_settled boolean NOT NULL DEFAULT true,
    published_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX offer_provider ON offer (provider_id, offer_id);
CREATE INDEX offer_category ON offer (category, offer_id);
CREATE INDEX offer_unsettled ON offer (offer_id) WHERE NOT sessions_settled;
COMMENT ON COLUMN offer.sessions_settled IS 'false from the withdrawal until the last of its sessions is cancelled';

CREATE TABLE session (
    session_id text PRIMARY KEY,
    offer_id text NOT NULL REFERENCES offer,
    capacity integer NOT NULL,
    opens_at timestamptz NOT NULL,
    closes_at timestamptz NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    waitlist bigint,
    venue_name text NOT NULL,
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'cancelled')),
    reason text
);
CREATE INDEX session_offer ON session (offer_id, starts_at, session_id);

CREATE TABLE idempotency (
    key_hash bytea PRIMARY KEY,
    body_hash bytea NOT NULL,
    answer bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN idempotency.key_hash IS 'SHA-256 of organization, call and Idempotency-Key';

-- migrate: rollback
DROP TABLE idempotency;
DROP TABLE session;
DROP TABLE offer;
DROP TABLE organization_staging;
DROP FUNCTION acts_for;
DROP TABLE organization;
