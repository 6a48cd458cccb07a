-- Sessions that change, draws, holds that lapse, and the order of a queue in which places move
-- depends: 0003-muted

-- migrate: apply
ALTER TABLE session ADD COLUMN mode text NOT NULL DEFAULT 'arrival';
ALTER TABLE session ADD COLUMN town_shares jsonb NOT NULL DEFAULT '{}';
ALTER TABLE session ADD COLUMN revised_at timestamptz;
ALTER TABLE session ADD COLUMN revised_reason text;

ALTER TABLE slot ADD COLUMN decided_at timestamptz;
ALTER TABLE slot ADD COLUMN entered integer NOT NULL DEFAULT 0;
COMMENT ON COLUMN slot.decided_at IS 'slot''s time of decision number `sequence`; null: decided before this version';

ALTER TABLE booking ADD COLUMN hold_until timestamptz;
UPDATE booking SET queued_at = sequence WHERE status = 'waitlisted';
COMMENT ON COLUMN booking.queued_at IS 'order of the queue: number of the decision that put it there, negative if at its head';
CREATE INDEX booking_entered ON booking (slot_id) WHERE status = 'entered';
DROP INDEX booking_unmet;
CREATE INDEX booking_unmet ON booking (slot_id) INCLUDE (party_size, venue_id, status, reason)
    WHERE status IN ('waitlisted', 'rejected', 'released', 'lapsed', 'displaced');

-- migrate: rollback
DROP INDEX booking_unmet;
CREATE INDEX booking_unmet ON booking (slot_id) INCLUDE (party_size, venue_id, status, reason)
    WHERE status IN ('waitlisted', 'rejected', 'released');
DROP INDEX booking_entered;
COMMENT ON COLUMN booking.queued_at IS 'offset in the slot log of the first decision: the order of the queue';
ALTER TABLE booking DROP COLUMN hold_until;
ALTER TABLE slot DROP COLUMN entered;
ALTER TABLE slot DROP COLUMN decided_at;
ALTER TABLE session DROP COLUMN revised_reason;
ALTER TABLE session DROP COLUMN revised_at;
ALTER TABLE session DROP COLUMN town_shares;
ALTER TABLE session DROP COLUMN mode;
