package dev.virtiolab.firmware;

import dev.virtiolab.firmware.uefi.EfiStatus;
import java.util.List;

/** The guest did not boot: which step failed, and with what status. */
public final class BootException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  private final String step;
  private final EfiStatus status;

  public BootException(String step, EfiStatus status) {
    super("the guest did not boot: " + step + " ended with " + status);
    this.step = step;
    this.status = status;
  }

  public BootException(String step, EfiStatus status, List<String> reasons) {
    super(
        "the guest did not boot: %s ended with %s (%s)"
            .formatted(step, status, String.join("; ", reasons)));
    this.step = step;
    this.status = status;
  }

  public String step() {
    return step;
  }

  public EfiStatus status() {
    return status;
  }
}
