package dev.virtiolab.lab.ebs;

import dev.virtiolab.firmware.uefi.EfiStatus;

/** Who calls ExitBootServices, and how. */
interface Loader {
  /** How often it is called at most. */
  int TRIES = 3;

  /** Fetches the map and calls, and once more with a fresh map if that one had changed. */
  Loader PLAIN = desk -> callUntilAccepted(desk);

  /** Before steps count: what it does to the machine first. */
  default void prepare(Run.Desk desk) {}

  /** Calls until it succeeds; returns what the last call returned. */
  EfiStatus exitBootServices(Run.Desk desk);

  /** What a loader does whose first call may come too late. */
  static EfiStatus callUntilAccepted(Run.Desk desk) {
    EfiStatus status = EfiStatus.INVALID_PARAMETER;
    for (int tries = 0; tries < TRIES && status.isError(); tries++) {
      desk.fetchMap();
      status = desk.call();
    }
    return status;
  }
}
