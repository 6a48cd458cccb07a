-- Room in a page for a slot's next row: each batch writes one of each slot that it touches
-- depends: 0004-door

-- migrate: apply
ALTER TABLE slot SET (fillfactor = 50);

-- migrate: rollback
ALTER TABLE slot RESET (fillfactor);
