-- Answers to idempotency keys are forgotten by their age
-- depends: 0001-demand

-- migrate: apply
CREATE INDEX idempotency_age ON idempotency (created_at);

-- migrate: rollback
DROP INDEX idempotency_age;
