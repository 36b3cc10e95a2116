package dev.virtiolab.testkit.containers;

import com.github.dockerjava.api.DockerClient;
import com.github.dockerjava.api.exception.NotFoundException;
import dev.virtiolab.lab.LabException;
import java.util.Optional;
import org.testcontainers.DockerClientFactory;

/** The Docker engine that Testcontainers has found, and the lab's image there. */
public final class Engine {
  /** The property that names the image of the lab. */
  public static final String IMAGE_PROPERTY = "virtiolab.image";

  /** The environment variable that does, where the property is not set. */
  public static final String IMAGE_VARIABLE = "VIRTIO_LAB_IMAGE";

  private static final String USUAL_IMAGE = "virtio-lab/lab";

  /** Of Docker 20.10. */
  private static final String OLDEST_API = "1.41";

  private Engine() {}

  /** The image of the lab's containers. */
  public static String image() {
    String given = System.getProperty(IMAGE_PROPERTY, System.getenv(IMAGE_VARIABLE));
    return given == null || given.isBlank() ? USUAL_IMAGE : given;
  }

  /** In one line, why no container of the lab can be started here; empty if one can. */
  public static Optional<String> obstacle() {
    DockerClient client;
    String api;
    try {
      client = DockerClientFactory.instance().client();
      api = client.versionCmd().exec().getApiVersion();
    } catch (RuntimeException e) {
      return Optional.of(
          "no Docker engine answers: start dockerd, or set DOCKER_HOST (" + firstLine(e) + ")");
    }
    if (isOlder(api)) {
      return Optional.of(
          "the Docker engine is too old: its API is %s, and %s of Docker 20.10 is needed"
              .formatted(api, OLDEST_API));
    }
    try {
      client.inspectImageCmd(image()).exec();
      return Optional.empty();
    } catch (NotFoundException e) {
      return Optional.of(
          "the engine has no image %s: make it with docker/build of virtio-lab, or name another with -D%s=IMAGE"
              .formatted(image(), IMAGE_PROPERTY));
    } catch (RuntimeException e) {
      return Optional.of("the engine does not tell of image " + image() + ": " + firstLine(e));
    }
  }

  /**
   * Makes sure that a container of the lab can be started.
   *
   * @throws LabException with {@link #obstacle()} if none can
   */
  static void require() {
    obstacle()
        .ifPresent(
            line -> {
              throw LabException.usage(line);
            });
  }

  /** Whether an API's version, such as 1.41, is before the oldest that will do. */
  static boolean isOlder(String version) {
    int[] given = numbers(version);
    int[] needed = numbers(OLDEST_API);
    return given[0] != needed[0] ? given[0] < needed[0] : given[1] < needed[1];
  }

  private static int[] numbers(String version) {
    int[] numbers = new int[2];
    String[] parts = (version == null ? "" : version).split("\\.", -1);
    for (int i = 0; i < numbers.length && i < parts.length; i++) {
      if (parts[i].matches("[0-9]{1,6}")) {
        numbers[i] = Integer.parseInt(parts[i]);
      }
    }
    return numbers;
  }

  private static String firstLine(Throwable failure) {
    String text = String.valueOf(failure.getMessage());
    return text.lines().findFirst().orElse("").strip();
  }
}
