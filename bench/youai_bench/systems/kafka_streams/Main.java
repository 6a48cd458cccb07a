package youai.bench;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.Map;

/**
 * One long-lived process, so that the machine's compiler is warm: a JSON object a line in, one a line out.
 *
 * <p>{"do": "start", …} begins a round that stands still, {"do": "drain"} lets it run to its end and answers with its
 * seconds, {"do": "stop"} ends it.
 */
public final class Main {

    private static final ObjectMapper JSON = new ObjectMapper();

    private Main() {}

    public static void main(String[] arguments) throws Exception {
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        Round round = null;
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            JsonNode asked = JSON.readTree(line);
            Map<String, ?> answer;
            try {
                switch (asked.get("do").asText()) {
                    case "start" -> {
                        round = Round.start(asked);
                        answer = Map.of("running", true);
                    }
                    case "drain" -> answer = Map.of("seconds", round.drain(asked.get("records").asLong()));
                    default -> {
                        round.close();
                        answer = Map.of("stopped", true);
                    }
                }
            } catch (Exception error) {
                error.printStackTrace();
                answer = Map.of("error", String.valueOf(error));
            }
            System.out.println(JSON.writeValueAsString(answer));
            System.out.flush();
        }
        System.exit(0);
    }
}
