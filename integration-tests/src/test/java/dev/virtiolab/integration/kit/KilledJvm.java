package dev.virtiolab.integration.kit;

import dev.virtiolab.testkit.GuestSpec;
import dev.virtiolab.testkit.Lab;
import dev.virtiolab.testkit.containers.NetworkCable;
import dev.virtiolab.testkit.containers.Owned;
import java.util.concurrent.locks.LockSupport;
import org.testcontainers.containers.Network;

/**
 * A program that has a guest on a container network until somebody kills it: see {@link KillTest}.
 */
final class KilledJvm {

  private KilledJvm() {}

  /** Says the label's value when all is up, and waits. */
  public static void main(String[] arguments) {
    Network network = Owned.network();
    Lab lab = Lab.start(GuestSpec.named("guest").wiredTo(NetworkCable.into(network)));
    System.out.println("up " + Owned.labels().get(Owned.LABEL));
    System.out.flush();
    while (!lab.guests().isEmpty()) {
      LockSupport.park();
    }
  }
}
