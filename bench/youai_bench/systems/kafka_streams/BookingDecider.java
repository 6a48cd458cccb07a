package youai.bench;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.format.DateTimeFormatter;
import java.time.format.DateTimeFormatterBuilder;
import java.util.Set;
import java.util.concurrent.atomic.LongAdder;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.ProcessorSupplier;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.processor.api.RecordMetadata;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;

/**
 * Decides the requests of each slot in the log's order: confirmed while places are free, then waitlisted or rejected.
 *
 * <p>A slot is one small row of the store "slots", which stays in the cache between commits; a request is one row of
 * the store "requests", written once and read when an id comes, so that a repeat is answered with its first outcome.
 */
final class BookingDecider implements Processor<byte[], byte[], byte[], byte[]> {

    private static final JsonFactory JSON = new JsonFactory();
    private static final DateTimeFormatter MOMENT = new DateTimeFormatterBuilder().appendInstant(3).toFormatter();
    private static final String NO_HASH = "0".repeat(64);
    private static final Header SPEC = header("ce_specversion", "1.0");
    private static final Header SOURCE = header("ce_source", "/youai/matching");
    private static final Header JSON_TYPE = header("content-type", "application/json");

    private final LongAdder decided;
    private ProcessorContext<byte[], byte[]> context;
    private KeyValueStore<byte[], byte[]> slots;
    private KeyValueStore<byte[], byte[]> requests;

    private BookingDecider(LongAdder decided) {
        this.decided = decided;
    }

    /** Makes the deciders and their stores; {@code decided} counts the records that any of them has worked. */
    static ProcessorSupplier<byte[], byte[], byte[], byte[]> supplier(LongAdder decided) {
        return new ProcessorSupplier<>() {
            @Override
            public Processor<byte[], byte[], byte[], byte[]> get() {
                return new BookingDecider(decided);
            }

            @Override
            public Set<StoreBuilder<?>> stores() {
                return Set.of(store("slots").withCachingEnabled(), store("requests").withCachingDisabled());
            }
        };
    }

    private static StoreBuilder<KeyValueStore<byte[], byte[]>> store(String name) {
        return Stores.keyValueStoreBuilder(
                Stores.persistentKeyValueStore(name), Serdes.ByteArray(), Serdes.ByteArray());
    }

    @Override
    public void init(ProcessorContext<byte[], byte[]> processorContext) {
        context = processorContext;
        slots = context.getStateStore("slots");
        requests = context.getStateStore("requests");
    }

    @Override
    public void process(Record<byte[], byte[]> input) {
        Asked asked = Asked.read(input.value());
        if ("slot-opened".equals(text(input.headers().lastHeader("ce_type")))) {
            slots.put(input.key(), new Slot(asked.capacity, asked.waitlist, 0, 0, 0, asked.ruleVersion).bytes());
        } else {
            answer(input, asked);
        }
        decided.increment();
    }

    private void answer(Record<byte[], byte[]> input, Asked asked) {
        byte[] id = requestKey(input.key(), asked.requestId);
        byte[] known = requests.get(id);
        RecordMetadata place = context.recordMetadata().orElseThrow();
        String at = place.partition() + "-" + place.offset() + "-0";
        if (known != null) {
            forward(input, at, "booking-repeated", known);
            return;
        }
        Slot slot = Slot.read(slots.get(input.key()));
        String outcome;
        String reason;
        if (asked.partySize <= slot.capacity - slot.taken) {
            outcome = "confirmed";
            reason = "place-free";
            slot.taken += asked.partySize;
        } else if (slot.waitlist < 0 || slot.waiting < slot.waitlist) {
            outcome = "waitlisted";
            reason = "full";
            slot.waiting += 1;
            slot.waitingPlaces += asked.partySize;
        } else {
            outcome = "rejected";
            reason = "waitlist-full";
        }
        slot.sequence += 1;
        slots.put(input.key(), slot.bytes());
        byte[] event = event(asked, slot, outcome, reason, place, MOMENT.format(Instant.ofEpochMilli(input.timestamp())));
        requests.put(id, row(asked, slot, outcome, place));
        forward(input, at, "booking-" + outcome, event);
    }

    private void forward(Record<byte[], byte[]> input, String id, String type, byte[] value) {
        Headers headers = new RecordHeaders(new Header[] {
            SPEC, header("ce_id", id), header("ce_type", type), SOURCE,
            header("ce_time", MOMENT.format(Instant.ofEpochMilli(input.timestamp()))), JSON_TYPE
        });
        context.forward(new Record<>(input.key(), value, input.timestamp(), headers));
    }

    /** What the store keeps of a request, as JSON: who asked for how much, and what became of it. */
    private static byte[] row(Asked asked, Slot slot, String outcome, RecordMetadata at) {
        return new StringBuilder(200)
                .append("{\"log_offset\":").append(at.offset())
                .append(",\"outcome\":\"").append(outcome)
                .append("\",\"party_size\":").append(asked.partySize)
                .append(",\"request_id\":").append(quoted(asked.requestId))
                .append(",\"sequence\":").append(slot.sequence)
                .append(",\"town\":").append(quoted(asked.town))
                .append(",\"venue_id\":").append(quoted(asked.venueId))
                .append('}').toString().getBytes(StandardCharsets.UTF_8);
    }

    private static byte[] event(
            Asked asked, Slot slot, String outcome, String reason, RecordMetadata at, String decidedAt) {
        boolean waits = "waitlisted".equals(outcome);
        long ahead = slot.waitingPlaces - asked.partySize;
        StringBuilder json = new StringBuilder(900)
                .append("{\"ahead\":").append(waits ? Long.toString(ahead) : "null")
                .append(",\"capacity\":").append(slot.capacity)
                .append(",\"decided_at\":\"").append(decidedAt)
                .append("\",\"hash\":\"").append(NO_HASH)
                .append("\",\"log_offset\":").append(at.offset())
                .append(",\"log_partition\":").append(at.partition())
                .append(",\"outcome\":\"").append(outcome)
                .append("\",\"party_size\":").append(asked.partySize)
                .append(",\"place\":").append(waits ? Long.toString(slot.waiting) : "null")
                .append(",\"previous_hash\":\"").append(NO_HASH)
                .append("\",\"reason\":\"").append(reason).append("\",\"reason_en\":\"");
        if (waits) {
            json.append("All ").append(slot.capacity).append(" places are taken. You are number ").append(slot.waiting)
                    .append(" in the queue, with ").append(ahead).append(" places wanted before you.");
        } else if ("confirmed".equals(outcome)) {
            json.append("There was room: your ").append(asked.partySize).append(" places are confirmed.");
        } else {
            json.append("All ").append(slot.capacity).append(" places are taken, and the queue is full.");
        }
        json.append("\",\"reason_zh\":\"");
        if (waits) {
            json.append("名额已满（共").append(slot.capacity).append("个）。您排在候补第").append(slot.waiting)
                    .append("位，前面还有").append(ahead).append("个名额的需求。");
        } else if ("confirmed".equals(outcome)) {
            json.append("有名额，已为您确认").append(asked.partySize).append("个名额。");
        } else {
            json.append("名额已满（共").append(slot.capacity).append("个），候补也已满。");
        }
        return json.append("\",\"request_id\":").append(quoted(asked.requestId))
                .append(",\"rule_version\":").append(quoted(slot.ruleVersion))
                .append(",\"sequence\":").append(slot.sequence)
                .append(",\"slot_id\":").append(quoted(asked.slotId))
                .append(",\"taken\":").append(slot.taken)
                .append(",\"venue_id\":").append(quoted(asked.venueId))
                .append('}').toString().getBytes(StandardCharsets.UTF_8);
    }

    private static String quoted(String text) {
        char[] escaped = com.fasterxml.jackson.core.io.JsonStringEncoder.getInstance().quoteAsString(text);
        return new StringBuilder(escaped.length + 2).append('"').append(escaped).append('"').toString();
    }

    private static byte[] requestKey(byte[] slot, String requestId) {
        byte[] id = requestId.getBytes(StandardCharsets.UTF_8);
        return ByteBuffer.allocate(slot.length + 1 + id.length).put(slot).put((byte) 0).put(id).array();
    }

    private static Header header(String name, String value) {
        return new RecordHeader(name, value.getBytes(StandardCharsets.UTF_8));
    }

    private static String text(Header header) {
        return header == null ? "" : new String(header.value(), StandardCharsets.UTF_8);
    }

    /** A slot between two records. {@code waitlist} is the longest queue, or -1 for any length. */
    private static final class Slot {
        final int capacity;
        final long waitlist;
        int taken;
        long waiting;
        long waitingPlaces;
        long sequence;
        final String ruleVersion;

        Slot(int capacity, long waitlist, int taken, long waiting, long waitingPlaces, String ruleVersion) {
            this.capacity = capacity;
            this.waitlist = waitlist;
            this.taken = taken;
            this.waiting = waiting;
            this.waitingPlaces = waitingPlaces;
            this.ruleVersion = ruleVersion;
        }

        static Slot read(byte[] bytes) {
            ByteBuffer in = ByteBuffer.wrap(bytes);
            int capacity = in.getInt();
            long waitlist = in.getLong();
            int taken = in.getInt();
            long waiting = in.getLong();
            long waitingPlaces = in.getLong();
            long sequence = in.getLong();
            byte[] version = new byte[in.remaining()];
            in.get(version);
            Slot slot = new Slot(
                    capacity, waitlist, taken, waiting, waitingPlaces, new String(version, StandardCharsets.US_ASCII));
            slot.sequence = sequence;
            return slot;
        }

        byte[] bytes() {
            byte[] version = ruleVersion.getBytes(StandardCharsets.US_ASCII);
            return ByteBuffer.allocate(40 + version.length)
                    .putInt(capacity).putLong(waitlist).putInt(taken)
                    .putLong(waiting).putLong(waitingPlaces).putLong(sequence)
                    .put(version).array();
        }
    }

    /** The fields of a record of the slot log that are needed here. */
    private static final class Asked {
        String slotId = "";
        String requestId = "";
        String venueId = "";
        String town = "";
        String ruleVersion = "";
        int partySize;
        int capacity;
        long waitlist = -1;

        static Asked read(byte[] value) {
            Asked asked = new Asked();
            try (JsonParser parser = JSON.createParser(value)) {
                parser.nextToken();
                while (parser.nextToken() != JsonToken.END_OBJECT) {
                    String name = parser.currentName();
                    JsonToken token = parser.nextToken();
                    switch (name) {
                        case "slot_id" -> asked.slotId = parser.getText();
                        case "request_id" -> asked.requestId = parser.getText();
                        case "venue_id" -> asked.venueId = parser.getText();
                        case "town" -> asked.town = parser.getText();
                        case "rule_version" -> asked.ruleVersion = parser.getText();
                        case "party_size" -> asked.partySize = parser.getIntValue();
                        case "capacity" -> asked.capacity = parser.getIntValue();
                        case "waitlist" -> asked.waitlist = token == JsonToken.VALUE_NULL ? -1 : parser.getLongValue();
                        default -> parser.skipChildren();
                    }
                }
            } catch (IOException error) {
                throw new UncheckedIOException(error);
            }
            return asked;
        }
    }
}
