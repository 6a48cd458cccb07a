-- What spans slots is reserved at the door: limits, overlaps, points; and the commands of holds and overrides
-- depends: 0003-rules

-- migrate: apply
ALTER TABLE request DROP CONSTRAINT request_kind_check;
ALTER TABLE request
    ADD CONSTRAINT request_kind_check CHECK (kind IN ('booking', 'cancel', 'accept', 'decline', 'override')),
    ADD COLUMN offer_id text,
    ADD COLUMN starts_at bigint,
    ADD COLUMN ends_at bigint,
    ADD COLUMN overlap_ok boolean NOT NULL DEFAULT false,
    ADD COLUMN auto_accept boolean NOT NULL DEFAULT false,
    ADD COLUMN reserved boolean NOT NULL DEFAULT false,
    ADD COLUMN reserved_since bigint NOT NULL DEFAULT 0;
UPDATE request AS r SET offer_id = s.offer_id, starts_at = s.starts_at, ends_at = s.ends_at,
    auto_accept = coalesce((convert_from(r.data, 'UTF8')::jsonb ->> 'auto_accept')::boolean, false),
    reserved = coalesce(
        (SELECT b.status FROM booking AS b WHERE b.slot_id = r.slot_id AND b.request_id = r.request_id), 'received'
    ) IN ('received', 'entered', 'promoted', 'confirmed')
FROM slot AS s WHERE s.slot_id = r.slot_id AND r.kind = 'booking';
CREATE INDEX request_reserved_time ON request (venue_id, ends_at) INCLUDE (starts_at, slot_id) WHERE reserved;
CREATE INDEX request_reserved_offer ON request (venue_id, offer_id) INCLUDE (slot_id) WHERE reserved;

CREATE TABLE point (
    source text PRIMARY KEY,
    venue_id text NOT NULL,
    points integer NOT NULL CHECK (points > 0),
    at bigint NOT NULL
);
CREATE INDEX point_venue ON point (venue_id, at);

CREATE INDEX booking_number ON booking (slot_id, log_offset);
CREATE INDEX decision_given ON decision (slot_id, log_offset, index)
    WHERE type IN ('booking-confirmed', 'booking-promoted');

-- A session that moves takes its reservations along. What the door writes in the same moment, the door's lane mends.
CREATE FUNCTION move_reservations() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE request AS r SET starts_at = NEW.starts_at, ends_at = NEW.ends_at
    FROM booking AS b WHERE b.slot_id = NEW.slot_id AND r.request_id = b.request_id AND r.reserved;
    RETURN NULL;
END
$$;
CREATE TRIGGER slot_moved AFTER UPDATE OF starts_at, ends_at ON slot FOR EACH ROW
    WHEN ((OLD.starts_at, OLD.ends_at) IS DISTINCT FROM (NEW.starts_at, NEW.ends_at))
    EXECUTE FUNCTION move_reservations();

CREATE FUNCTION is_within(the_top text, the_organization text) RETURNS boolean LANGUAGE sql STABLE AS $$
    WITH RECURSIVE above AS (
        SELECT organization_id, parent_id, 0 AS depth FROM organization WHERE organization_id = the_organization
        UNION ALL
        SELECT o.organization_id, o.parent_id, above.depth + 1
        FROM organization AS o JOIN above ON o.organization_id = above.parent_id WHERE above.depth < 16
    )
    SELECT the_top = the_organization OR EXISTS (SELECT FROM above WHERE organization_id = the_top)
$$;

-- What stands in the way of a reservation, as JSON with a code; null for nothing. The venue's lock must be held.
CREATE FUNCTION reservation_obstacle(
    the_venue text, the_slot text, the_offer text, from_ms bigint, until_ms bigint, may_overlap boolean,
    most_per_offer integer, most_per_month integer, utc_offset_ms bigint
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    month timestamp := date_trunc('month', to_timestamp((from_ms + utc_offset_ms) / 1000.0) AT TIME ZONE 'UTC');
    month_from bigint := extract(epoch FROM month) * 1000 - utc_offset_ms;
    month_until bigint := extract(epoch FROM month + interval '1 month') * 1000 - utc_offset_ms;
    booked integer;
    other record;
BEGIN
    SELECT count(*) INTO booked FROM request
    WHERE venue_id = the_venue AND offer_id = the_offer AND reserved AND slot_id <> the_slot;
    IF booked >= most_per_offer THEN
        RETURN json_build_object('code', 'limit-offer', 'booked', booked, 'most', most_per_offer);
    END IF;
    SELECT count(*) INTO booked FROM request
    WHERE venue_id = the_venue AND reserved AND slot_id <> the_slot
        AND ends_at >= month_from AND starts_at >= month_from AND starts_at < month_until;
    IF booked >= most_per_month THEN
        RETURN json_build_object(
            'code', 'limit-month', 'booked', booked, 'most', most_per_month, 'month', to_char(month, 'YYYY-MM'));
    END IF;
    IF NOT may_overlap THEN
        SELECT request_id, slot_id, starts_at, ends_at INTO other FROM request
        WHERE venue_id = the_venue AND reserved AND slot_id <> the_slot
            AND ends_at > from_ms AND starts_at < until_ms
        ORDER BY starts_at LIMIT 1;
        IF FOUND THEN
            RETURN json_build_object('code', 'overlap', 'request_id', other.request_id, 'slot_id', other.slot_id,
                'starts_at', other.starts_at, 'ends_at', other.ends_at);
        END IF;
    END IF;
    RETURN NULL;
END
$$;

-- Many bookings asked for at once, each as if it had come alone: what is known of venue, slot and id, and either why
-- not, or the row that keeps and reserves it, with the record's data, into which town and points are put here.
-- verdict: known (the id is there), refused (by what is known), obstacle, shut (its log takes nothing now), taken.
-- The rules' arrays go by rule version, the others by booking; of a venue one transaction takes at a time.
CREATE FUNCTION take_bookings(
    now_ms bigint, versions text[], most_per_offer integer[], most_per_month integer[], utc_offsets bigint[],
    points_from bigint[], points_forgiven integer[],
    request_ids text[], organization_ids text[], venue_ids text[], slot_ids text[], partitions integer[],
    party_sizes integer[], auto_accepts boolean[], overlap_oks boolean[], are_open boolean[], body_hashes bytea[],
    heads text[], middles text[], tails text[], traceparents text[]
) RETURNS TABLE (
    verdict text, venue_kind text, in_scope boolean, slot_phase text, slot_capacity integer, slot_opens_at bigint,
    slot_closes_at bigint, first_body bytea, obstacle text, taken_data bytea
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    item record;
    known record;
    rule integer;
    owed bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(7119, key)
    FROM (SELECT DISTINCT hashtext(venue) AS key FROM unnest(venue_ids) AS v (venue) ORDER BY key) AS k;
    FOR item IN
        SELECT * FROM unnest(request_ids, organization_ids, venue_ids, slot_ids, partitions, party_sizes, auto_accepts,
            overlap_oks, are_open, body_hashes, heads, middles, tails, traceparents)
            AS i (request_id, organization_id, venue_id, slot_id, partition, party_size, auto_accept, overlap_ok,
            is_open, body_hash, head, middle, tail, traceparent)
    LOOP
        SELECT v.kind, coalesce(v.town, '') AS town, s.phase, s.capacity, s.opens_at, s.closes_at, s.starts_at,
            s.ends_at, s.offer_id, s.rule_version, r.body_hash INTO known
        FROM (SELECT 1) AS one
        LEFT JOIN organization AS v ON v.organization_id = item.venue_id
        LEFT JOIN slot AS s ON s.slot_id = item.slot_id AND s.kind = 'session'
        LEFT JOIN request AS r ON r.request_id = item.request_id;
        venue_kind := known.kind;
        in_scope := CASE WHEN item.organization_id = item.venue_id THEN true
            ELSE is_within(item.organization_id, item.venue_id) END;
        slot_phase := known.phase;
        slot_capacity := known.capacity;
        slot_opens_at := known.opens_at;
        slot_closes_at := known.closes_at;
        first_body := known.body_hash;
        obstacle := NULL;
        taken_data := NULL;
        rule := array_position(versions, known.rule_version);
        IF first_body IS NOT NULL THEN
            verdict := 'known';
        ELSIF NOT in_scope OR venue_kind IS DISTINCT FROM 'venue' OR slot_phase IS DISTINCT FROM 'open'
            OR now_ms < slot_opens_at OR now_ms >= slot_closes_at OR item.party_size > slot_capacity THEN
            verdict := 'refused';
        ELSE
            IF most_per_offer[rule] IS NOT NULL THEN
                obstacle := reservation_obstacle(item.venue_id, item.slot_id, known.offer_id, known.starts_at,
                    known.ends_at, item.overlap_ok, most_per_offer[rule], most_per_month[rule], utc_offsets[rule]);
            END IF;
            IF obstacle IS NOT NULL THEN
                verdict := 'obstacle';
            ELSIF NOT item.is_open THEN
                verdict := 'shut';
            ELSE
                owed := 0;
                IF points_from[rule] IS NOT NULL THEN
                    SELECT coalesce(sum(p.points), 0) INTO owed FROM (
                        SELECT points FROM point WHERE venue_id = item.venue_id AND at > points_from[rule]
                        ORDER BY at, source OFFSET points_forgiven[rule]
                    ) AS p;
                END IF;
                taken_data := convert_to(
                    item.head || to_json(known.town)::text || item.middle || owed::text || item.tail, 'UTF8');
                INSERT INTO request (request_id, kind, slot_id, partition, organization_id, venue_id, party_size,
                    body_hash, data, traceparent, offer_id, starts_at, ends_at, overlap_ok, auto_accept, reserved)
                VALUES (item.request_id, 'booking', item.slot_id, item.partition, item.organization_id, item.venue_id,
                    item.party_size, item.body_hash, taken_data, item.traceparent, known.offer_id, known.starts_at,
                    known.ends_at, item.overlap_ok, item.auto_accept, true)
                ON CONFLICT (request_id) DO NOTHING;
                verdict := 'taken';
                IF NOT FOUND THEN
                    SELECT r.body_hash INTO first_body FROM request AS r WHERE r.request_id = item.request_id;
                    verdict := 'known';
                END IF;
            END IF;
        END IF;
        RETURN NEXT;
    END LOOP;
END
$$;

-- Bookings whose hold is to be accepted, reserved again: one row each, with the verdict taken, obstacle or not-held.
CREATE FUNCTION reserve_again(
    versions text[], most_per_offer integer[], most_per_month integer[], utc_offsets bigint[], request_ids text[]
) RETURNS TABLE (held_id text, verdict text, obstacle text) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    wanted text;
    known record;
    rule integer;
BEGIN
    PERFORM pg_advisory_xact_lock(7119, key)
    FROM (
        SELECT DISTINCT hashtext(venue_id) AS key FROM request WHERE request_id = ANY(request_ids) ORDER BY key
    ) AS k;
    FOREACH wanted IN ARRAY request_ids LOOP
        SELECT r.venue_id, r.overlap_ok, s.slot_id, s.offer_id, s.starts_at, s.ends_at, s.sequence, s.rule_version
        INTO known
        FROM request AS r
        JOIN slot AS s ON s.slot_id = r.slot_id
        JOIN booking AS b ON b.slot_id = r.slot_id AND b.request_id = r.request_id
        JOIN timer AS t ON t.slot_id = r.slot_id AND t.kind = 'hold' AND t.subject = r.request_id
        WHERE r.request_id = wanted AND b.status = 'promoted';
        held_id := wanted;
        obstacle := NULL;
        verdict := 'not-held';
        IF FOUND THEN
            rule := array_position(versions, known.rule_version);
            IF most_per_offer[rule] IS NOT NULL THEN
                obstacle := reservation_obstacle(known.venue_id, known.slot_id, known.offer_id, known.starts_at,
                    known.ends_at, known.overlap_ok, most_per_offer[rule], most_per_month[rule], utc_offsets[rule]);
            END IF;
            verdict := 'obstacle';
            IF obstacle IS NULL THEN
                UPDATE request SET reserved = true, reserved_since = known.sequence, offer_id = known.offer_id,
                    starts_at = known.starts_at, ends_at = known.ends_at
                WHERE request_id = wanted;
                verdict := 'taken';
            END IF;
        END IF;
        RETURN NEXT;
    END LOOP;
END
$$;

-- migrate: rollback
DROP FUNCTION reserve_again, take_bookings, reservation_obstacle, is_within;
DROP TRIGGER slot_moved ON slot;
DROP FUNCTION move_reservations;
DROP INDEX decision_given, booking_number;
DROP TABLE point;
DROP INDEX request_reserved_offer, request_reserved_time;
DELETE FROM request WHERE kind IN ('accept', 'decline', 'override');
ALTER TABLE request DROP CONSTRAINT request_kind_check;
ALTER TABLE request
    ADD CONSTRAINT request_kind_check CHECK (kind IN ('booking', 'cancel')),
    DROP COLUMN reserved_since, DROP COLUMN reserved, DROP COLUMN auto_accept, DROP COLUMN overlap_ok,
    DROP COLUMN ends_at, DROP COLUMN starts_at, DROP COLUMN offer_id;
