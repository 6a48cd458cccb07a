-- The resource pool, who asked for what of it, and the days that the city's calendar has otherwise
-- depends: 0001-catalog

-- migrate: apply
CREATE TABLE resource (
    resource_id text PRIMARY KEY,
    owner_id text NOT NULL REFERENCES organization,
    owner_name text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('person', 'place', 'thing')),
    title text NOT NULL,
    description text NOT NULL,
    skills text[] NOT NULL,
    categories text[] NOT NULL,
    town text NOT NULL,
    capacity integer,
    windows jsonb NOT NULL,
    state text NOT NULL DEFAULT 'listed' CHECK (state IN ('listed', 'retired')),
    words tsvector NOT NULL,
    listed_at timestamptz NOT NULL DEFAULT now(),
    revised_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX resource_words ON resource USING gin (words);
CREATE INDEX resource_owner ON resource (owner_id, resource_id);
COMMENT ON COLUMN resource.words IS 'words of title (A), skills (B), description (C), and pairs of characters (D): words.py';
COMMENT ON COLUMN resource.town IS 'empty: it serves every town';

CREATE TABLE resource_ask (
    ask_id text PRIMARY KEY,
    resource_id text NOT NULL REFERENCES resource,
    asker_id text NOT NULL REFERENCES organization,
    asker_name text NOT NULL,
    message text NOT NULL,
    wanted_from timestamptz,
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'accepted', 'declined')),
    answer text,
    asked_at timestamptz NOT NULL,
    answered_at timestamptz
);
CREATE INDEX resource_ask_resource ON resource_ask (resource_id, asked_at, ask_id);

CREATE TABLE calendar_override (
    day date PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('workday', 'holiday')),
    note text NOT NULL,
    subject text NOT NULL,
    organization_id text NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE calendar_override IS 'days that are otherwise than the announced calendar, or than weekends where none is';

-- migrate: rollback
DROP TABLE calendar_override;
DROP TABLE resource_ask;
DROP TABLE resource;
