package dev.virtiolab.integration.ebs;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ExpectedMatrixTest {

  @Test
  void namesEveryCellOnce() {
    List<String> expected = new ArrayList<>();
    for (Board board : Board.values()) {
      for (String policy : Cast.POLICIES) {
        for (String driver : Cast.DRIVERS) {
          expected.add(board.name().toLowerCase(Locale.ROOT) + " " + policy + " " + driver);
        }
      }
    }
    List<String> named =
        ExpectedMatrix.rows().stream()
            .map(row -> row.platform() + " " + row.policy() + " " + row.driver())
            .toList();

    assertEquals(expected.stream().sorted().toList(), named.stream().sorted().toList());
  }

  @ParameterizedTest
  @ValueSource(strings = {"sev", "vtd", "noncoherent", "pc"})
  void workedOutByHandIsWhatTheModelFinds(String platform) {
    assertEquals(
        List.of(),
        ExpectedMatrix.differences(
            platform, (on, policy, driver) -> Model.cell(on, policy, List.of(driver)).text()));
  }
}
