package dev.virtiolab.integration.ebs;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.virtiolab.integration.ebs.Mapping.Kind;
import java.util.Set;
import org.junit.jupiter.api.Test;

class WorldTest {

  private static Set<Invariant> brokenByUnmapOfALiveDevices(Kind kind) {
    World world = new World(Board.SEV);
    world.map(world.addNic(false), 1, kind);
    world.unmapAllOpen();
    return world.handOff();
  }

  @Test
  void whatTheDeviceHoldsMustNotBeUnmappedWhileItIsLiveAndWhatItHasSentMay() {
    assertAll(
        () ->
            assertEquals(
                Set.of(Invariant.I1, Invariant.I4), brokenByUnmapOfALiveDevices(Kind.TRANSMIT)),
        () -> assertEquals(Set.of(Invariant.I4), brokenByUnmapOfALiveDevices(Kind.TRANSMITTED)));
  }

  @Test
  void aHandlerOfTheBeforeGroupMayAllocateForTheKeyIsTakenAfterIt() {
    World world = new World(Board.SEV);
    world.allocate();
    world.acceptMemoryMap();

    assertEquals(Set.of(), world.handOff());
  }

  @Test
  void whatADeviceWroteBeforeItStoppedIsLostOnlyInABounceBufferThatIsNeverUnmapped() {
    World world = new World(Board.VTD);
    Nic nic = world.addNic(false);
    world.map(nic, 1, Kind.RECEIVE);
    world.reset(nic);
    assertEquals(Set.of(Invariant.I2, Invariant.I6, Invariant.I9), world.handOff());

    World neverLive = new World(Board.VTD);
    Nic quiet = neverLive.addNic(false);
    quiet.running = false;
    neverLive.map(quiet, 1, Kind.RECEIVE);
    assertEquals(Set.of(Invariant.I2, Invariant.I9), neverLive.handOff());
  }
}
