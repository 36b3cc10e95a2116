package dev.virtiolab.lab.host;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Why a host refuses a namespace, and what to do about it, in one line. */
class NetworkNamespaceTest {
  private static final String REFUSAL = "unshare: Operation not permitted";

  @ParameterizedTest
  @CsvSource({
    "/proc/sys/kernel/apparmor_restrict_unprivileged_userns, 1, AppArmor",
    "/proc/sys/kernel/unprivileged_userns_clone, 0, kernel.unprivileged_userns_clone=1",
    "/proc/sys/user/max_user_namespaces, 0, user.max_user_namespaces=10000",
  })
  void anOrdinaryUserIsToldTheSettingThatForbidsIt(String file, String value, String named) {
    String line =
        NetworkNamespace.explain(
            false, path -> Map.of(file, value).getOrDefault(path, ""), REFUSAL);

    assertTrue(line.contains(named), line);
    assertTrue(line.contains("run as root"), line);
    assertEquals(1, line.lines().count());
  }

  @Test
  void whereNoSettingForbidsItTheRefusalIsPassedOn() {
    assertTrue(NetworkNamespace.explain(false, path -> "", REFUSAL).contains(REFUSAL));
  }

  @Test
  void rootIsNotToldToBecomeRoot() {
    String line = NetworkNamespace.explain(true, path -> "1", REFUSAL);

    assertTrue(line.contains("CAP_SYS_ADMIN") && line.contains(REFUSAL), line);
    assertTrue(!line.contains("run as root"), line);
  }
}
