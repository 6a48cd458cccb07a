-- What is held keeps the trace context of its decision
-- depends: 0001-notify

-- migrate: apply
ALTER TABLE held ADD COLUMN traceparent text;

-- migrate: rollback
ALTER TABLE held DROP COLUMN traceparent;
