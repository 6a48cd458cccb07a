-- Since when decisions have told of as many places as they do
-- depends: 0005-overrides

-- migrate: apply
ALTER TABLE slot ADD COLUMN capacity_since timestamptz;
COMMENT ON COLUMN slot.capacity_since IS 'time of the first decision with this capacity after one with another; null: there was none';

-- migrate: rollback
ALTER TABLE slot DROP COLUMN capacity_since;
