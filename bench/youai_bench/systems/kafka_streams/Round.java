package youai.bench;

import com.fasterxml.jackson.databind.JsonNode;
import java.time.Duration;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.atomic.LongAdder;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ListConsumerGroupOffsetsOptions;
import org.apache.kafka.clients.admin.ListOffsetsOptions;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.IsolationLevel;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;

/** One application over one input topic: started and standing still, drained, closed. */
final class Round implements AutoCloseable {

    private final String application;
    private final String input;
    private final String output;
    private final int partitions;
    private final LongAdder decided = new LongAdder();
    private final AtomicReference<Throwable> failure = new AtomicReference<>();
    private final CountDownLatch running = new CountDownLatch(1);
    private final CountDownLatch go = new CountDownLatch(1);
    private final Admin admin;
    private final KafkaStreams streams;

    private Round(JsonNode asked) {
        application = asked.get("application").asText();
        input = asked.get("input").asText();
        output = asked.get("output").asText();
        partitions = asked.get("partitions").asInt();
        String bootstrap = asked.get("bootstrap").asText();
        admin = Admin.create(Map.of("bootstrap.servers", bootstrap));
        Topology topology = new Topology();
        topology.addSource("log", input)
                .addProcessor("decider", BookingDecider.supplier(decided), "log")
                .addSink("decisions", output, "decider");
        streams = new KafkaStreams(topology, new StreamsConfig(settings(asked, bootstrap)), new HeldClients(go));
        streams.setStateListener((now, before) -> {
            if (now == KafkaStreams.State.RUNNING) {
                running.countDown();
            }
        });
        streams.setUncaughtExceptionHandler(error -> {
            failure.set(error);
            running.countDown();
            return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
    }

    private Properties settings(JsonNode asked, String bootstrap) {
        Properties settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, application);
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap);
        settings.put(StreamsConfig.STATE_DIR_CONFIG, asked.get("state").asText());
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        settings.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
        settings.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.ByteArraySerde.class);
        settings.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.ByteArraySerde.class);
        settings.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 32L << 20);
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
        // What was tuned is given by the caller, so that it can be tried: threads, commit interval, batches.
        asked.get("settings").properties().forEach(one -> settings.put(one.getKey(), one.getValue().asText()));
        return settings;
    }

    /** Starts the application: it has its partitions and stores, and stands still until {@link #drain}. */
    static Round start(JsonNode asked) throws Exception {
        Round round = new Round(asked);
        round.streams.start();
        if (!round.running.await(60, TimeUnit.SECONDS)) {
            throw new IllegalStateException("the application did not come up");
        }
        round.check();
        return round;
    }

    /** Decides everything there is; the seconds until the last decision is durable and can be read as committed. */
    double drain(long records) throws Exception {
        long begun = System.nanoTime();
        go.countDown();
        while (decided.sum() < records) {
            Thread.sleep(2);
            check();
        }
        while (!(isCommitted() && isPublished())) {
            Thread.sleep(2);
            check();
        }
        return (System.nanoTime() - begun) / 1e9;
    }

    private boolean isCommitted() throws Exception {
        Map<TopicPartition, OffsetAndMetadata> done = admin
                .listConsumerGroupOffsets(application, new ListConsumerGroupOffsetsOptions().requireStable(false))
                .partitionsToOffsetAndMetadata().get();
        return ends(input, IsolationLevel.READ_UNCOMMITTED).entrySet().stream().allMatch(end -> {
            OffsetAndMetadata there = done.get(end.getKey());
            return end.getValue() == 0 || (there != null && there.offset() >= end.getValue());
        });
    }

    private boolean isPublished() throws Exception {
        return ends(output, IsolationLevel.READ_COMMITTED).equals(ends(output, IsolationLevel.READ_UNCOMMITTED));
    }

    private Map<TopicPartition, Long> ends(String topic, IsolationLevel level) throws Exception {
        Map<TopicPartition, OffsetSpec> wanted = IntStream.range(0, partitions).boxed()
                .collect(Collectors.toMap(number -> new TopicPartition(topic, number), number -> OffsetSpec.latest()));
        return admin.listOffsets(wanted, new ListOffsetsOptions(level)).all().get().entrySet().stream()
                .collect(Collectors.toMap(Map.Entry::getKey, found -> found.getValue().offset()));
    }

    private void check() {
        if (failure.get() != null) {
            throw new IllegalStateException(failure.get());
        }
    }

    @Override
    public void close() {
        streams.close(Duration.ofSeconds(20));
        streams.cleanUp();
        admin.close();
    }
}
