import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * The toy step of toy.py on Kafka Streams: the Processor API, a persistent RocksDB store with its
 * changelog, typed JSON. GUARANTEE is at_least_once or exactly_once_v2; all else is the default,
 * and the store caches as it does in the DSL.
 */
public final class ToyStep {
  record Bought(double total, String cartId, String url, double sent) {}

  record Event(String event, String userId, String messageId, Bought properties) {}

  record Wait(String id, String cart, String step) {}

  record User(long count, String last, List<Wait> waits) {}

  record Output(
      String id, String user, double total, String cart, String url, long n, double sent) {}

  static final class Step implements Processor<String, Event, String, Output> {
    private ProcessorContext<String, Output> context;
    private KeyValueStore<String, User> users;

    @Override
    public void init(ProcessorContext<String, Output> context) {
      this.context = context;
      users = context.getStateStore("users");
    }

    @Override
    public void process(Record<String, Event> message) {
      Event event = message.value();
      User before = users.get(message.key());
      long count = before == null ? 1 : before.count() + 1;
      List<Wait> waits = before == null ? List.of() : before.waits();
      Output output = null;
      if (event.event().equals("checkout_started") && event.properties().total() > 50) {
        Bought p = event.properties();
        waits = new ArrayList<>(waits);
        waits.add(new Wait(event.messageId(), p.cartId(), "bought"));
        if (waits.size() > 2) {
          waits.remove(0);
        }
        String id = event.userId() + ":" + event.messageId();
        output =
            new Output(id, event.userId(), p.total(), p.cartId(), p.url(), count, p.sent());
      }
      users.put(message.key(), new User(count, event.messageId(), waits));
      if (output != null) {
        context.forward(message.withValue(output));
      }
    }
  }

  private static <T> Serde<T> json(Class<T> type) {
    ObjectMapper mapper =
        new ObjectMapper().configure(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES, false);
    return Serdes.serdeFrom(
        (topic, value) -> {
          try {
            return value == null ? null : mapper.writeValueAsBytes(value);
          } catch (IOException error) {
            throw new UncheckedIOException(error);
          }
        },
        (topic, bytes) -> {
          try {
            return bytes == null ? null : mapper.readValue(bytes, type);
          } catch (IOException error) {
            throw new UncheckedIOException(error);
          }
        });
  }

  public static void main(String[] arguments) {
    Map<String, String> environment = System.getenv();
    Properties settings = new Properties();
    settings.put(StreamsConfig.APPLICATION_ID_CONFIG, environment.get("NAME"));
    settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, environment.get("BROKER"));
    settings.put(StreamsConfig.STATE_DIR_CONFIG, environment.get("STATE"));
    settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, environment.get("GUARANTEE"));
    settings.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");

    Serde<String> text = Serdes.String();
    Topology topology = new Topology();
    topology
        .addSource(
            "events", text.deserializer(), json(Event.class).deserializer(), environment.get("INPUT"))
        .addProcessor("step", Step::new, "events")
        .addStateStore(
            Stores.keyValueStoreBuilder(
                    Stores.persistentKeyValueStore("users"), text, json(User.class))
                .withCachingEnabled(),
            "step")
        .addSink(
            "outputs",
            environment.get("OUTPUT"),
            text.serializer(),
            json(Output.class).serializer(),
            "step");

    KafkaStreams streams = new KafkaStreams(topology, settings);
    Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
    streams.start();
  }
}
