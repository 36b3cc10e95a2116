package dev.virtiolab.integration.kit;

import dev.virtiolab.posix.fixture.Requirements;
import dev.virtiolab.testkit.containers.Engine;

/** The engine and the images that tests with containers need. */
public final class DockerEngine {

  private DockerEngine() {}

  /** Skips the test where there are none; under {@code -Dstrict} that is a failure. */
  public static void require() {
    Engine.obstacle().ifPresent(DockerEngine::missing);
  }

  private static void missing(String line) {
    Requirements.assume(false, line + "; ./vlab test as root on Debian starts one and makes it");
  }

  /** The image of a peer with the usual tools. */
  public static String peerImage() {
    String given = System.getenv("VIRTIO_LAB_PEER_IMAGE");
    return given == null ? "virtio-lab/peer" : given;
  }
}
