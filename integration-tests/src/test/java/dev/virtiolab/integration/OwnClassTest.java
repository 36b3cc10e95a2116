package dev.virtiolab.integration;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

/** {@code vlab ebs --with} where the lab is on the class path, as in somebody's tests. */
class OwnClassTest {
  private static final String POLICY =
      """
      package dev.virtiolab.firmware.exitboot.policy;
      import dev.virtiolab.firmware.iommu.*;
      import dev.virtiolab.firmware.uefi.EfiStatus;
      public class CoreHook implements TeardownPolicy {
        public String name() { return "mine"; }
        public String title() { return "a title"; }
        public EfiStatus arm(TeardownSeat seat) { return EfiStatus.SUCCESS; }
      }
      """;

  /** Nothing keeps it from having the name of one of ours here, and it is the one that is meant. */
  @Test
  void theUsersClassIsTakenAlsoWhereOneOfOursHasItsName() throws IOException {
    try (Vlab vlab = Vlab.asMyself()) {
      Path file = Files.writeString(vlab.out("CoreHook.java"), POLICY);

      Vlab.Ended ended = vlab.run("ebs", "--with", file.toString(), "--policy", "no-such");

      assertEquals(2, ended.exitCode(), ended.err());
      assertTrue(ended.err().contains(", mine, not no-such"), ended.err());
      vlab.assertNothingLeft();
    }
  }
}
