-- Places that a session keeps for towns, and who came to it
-- depends: 0002-resources

-- migrate: apply
ALTER TABLE session ADD COLUMN town_shares jsonb NOT NULL DEFAULT '{}';
COMMENT ON COLUMN session.town_shares IS 'town to places kept for it';

CREATE TABLE attendance (
    session_id text NOT NULL REFERENCES session,
    request_id text NOT NULL,
    venue_id text NOT NULL,
    attended integer NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (session_id, request_id)
);
COMMENT ON TABLE attendance IS 'what the provider said last of each booking; whether there is such a booking, matching knows';

-- migrate: rollback
DROP TABLE attendance;
ALTER TABLE session DROP COLUMN town_shares;
