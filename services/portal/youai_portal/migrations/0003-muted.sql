-- Messages of a kind that their organization had muted do not count for the badge
-- depends: 0002-plans

-- migrate: apply
ALTER TABLE notification ADD COLUMN muted boolean NOT NULL DEFAULT false;
DROP INDEX notification_unread;
CREATE INDEX notification_counted ON notification (recipient_id) WHERE read_at IS NULL AND NOT muted;

-- migrate: rollback
DROP INDEX notification_counted;
CREATE INDEX notification_unread ON notification (recipient_id) WHERE read_at IS NULL;
ALTER TABLE notification DROP COLUMN muted;
