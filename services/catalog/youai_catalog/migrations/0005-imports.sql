-- What files of offers have brought, so that the same rows again change nothing
-- depends: 0004-keys

-- migrate: apply
CREATE TABLE imported (
    id text PRIMARY KEY,
    said bytea NOT NULL,
    imported_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE imported IS 'offers and sessions that came by a file, by the id that its keys give';
COMMENT ON COLUMN imported.said IS 'SHA-256 of what the file said of it';

-- migrate: rollback
DROP TABLE imported;
