-- Demands are slots too, and claims are requests of providers
-- depends: 0001-matching

-- migrate: apply
ALTER TABLE slot ADD COLUMN kind text NOT NULL DEFAULT 'session' CHECK (kind IN ('session', 'demand'));
ALTER TABLE booking ADD COLUMN name text NOT NULL DEFAULT '';

-- migrate: rollback
ALTER TABLE booking DROP COLUMN name;
ALTER TABLE slot DROP COLUMN kind;
