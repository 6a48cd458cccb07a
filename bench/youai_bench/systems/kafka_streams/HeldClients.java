package youai.bench;

import java.time.Duration;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.streams.processor.internals.DefaultKafkaClientSupplier;

/**
 * Clients whose consumers of the log fetch nothing before the go, though they join their group and are given partitions.
 *
 * <p>So an application has its threads, tasks and stores before the clock starts, as everybody else has.
 */
final class HeldClients extends DefaultKafkaClientSupplier {

    private static final Duration GLANCE = Duration.ofMillis(20);

    private final CountDownLatch go;

    HeldClients(CountDownLatch go) {
        this.go = go;
    }

    @Override
    public Consumer<byte[], byte[]> getConsumer(Map<String, Object> settings) {
        return new Held(settings, go);
    }

    private static final class Held extends KafkaConsumer<byte[], byte[]> {

        private final CountDownLatch go;
        private final Set<TopicPartition> held = new HashSet<>();

        Held(Map<String, Object> settings, CountDownLatch go) {
            super(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer());
            this.go = go;
        }

        @Override
        public ConsumerRecords<byte[], byte[]> poll(Duration timeout) {
            if (go.getCount() == 0) {
                held.retainAll(assignment());
                resume(held);
                held.clear();
                return super.poll(timeout);
            }
            hold(assignment());
            ConsumerRecords<byte[], byte[]> early = super.poll(timeout.compareTo(GLANCE) < 0 ? timeout : GLANCE);
            hold(assignment());
            // What came in the very poll that brought the partition is read again.
            early.partitions().forEach(from -> seek(from, early.records(from).get(0).offset()));
            return ConsumerRecords.empty();
        }

        private void hold(Set<TopicPartition> partitions) {
            pause(partitions);
            held.addAll(partitions);
        }
    }
}
