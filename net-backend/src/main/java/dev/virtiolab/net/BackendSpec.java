package dev.virtiolab.net;

import dev.virtiolab.posix.Tap;
import java.nio.charset.StandardCharsets;

/** What {@code --backend} names: {@value #FORMS}. */
public sealed interface BackendSpec {

  /** The forms that are known, as a usage line shows them. */
  String FORMS = "tap[:NAME]|loopback|sink";

  /**
   * A TAP interface.
   *
   * @param name empty to let the kernel choose
   */
  record TapInterface(String name) implements BackendSpec {
    @Override
    public TapBackend open() {
      return TapBackend.open(name);
    }
  }

  /** A plug that hands the NIC its own frames back. */
  record Loopback() implements BackendSpec {
    private static final int FRAMES = 256;

    @Override
    public NetBackend open() {
      return LoopbackBackend.single(FRAMES, NetBackend.LARGEST_FRAME);
    }
  }

  /** A wire that leads nowhere. */
  record Sink() implements BackendSpec {
    @Override
    public NetBackend open() {
      return new SinkBackend();
    }
  }

  /**
   * Makes the back end.
   *
   * @throws dev.virtiolab.posix.PosixException if the kernel refuses a TAP
   */
  NetBackend open();

  /**
   * Reads {@value #FORMS}.
   *
   * @throws BackendSpecException if it is none of these
   */
  static BackendSpec parse(String text) {
    int colon = text.indexOf(':');
    String kind = colon < 0 ? text : text.substring(0, colon);
    String argument = colon < 0 ? null : text.substring(colon + 1);
    switch (kind) {
      case "tap" -> {
        return new TapInterface(argument == null ? "" : checkName(text, argument));
      }
      case "loopback" -> {
        refuseArgument(text, argument);
        return new Loopback();
      }
      case "sink" -> {
        refuseArgument(text, argument);
        return new Sink();
      }
      default -> throw new BackendSpecException(text, "no such back end");
    }
  }

  private static String checkName(String text, String name) {
    int bytes = name.getBytes(StandardCharsets.UTF_8).length;
    if (bytes == 0 || bytes > Tap.MAX_NAME_BYTES) {
      throw new BackendSpecException(
          text, "an interface's name has from 1 to " + Tap.MAX_NAME_BYTES + " bytes");
    }
    return name;
  }

  private static void refuseArgument(String text, String argument) {
    if (argument != null) {
      throw new BackendSpecException(text, "nothing may follow");
    }
  }
}
