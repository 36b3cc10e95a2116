/** A guest with an emulated NIC, for other people's tests. */
module dev.virtiolab.testkit {
  requires transitive dev.virtiolab.lab;
  requires transitive org.junit.jupiter.api;

  // Of package containers alone, and of who uses it: libraries of the class path.
  requires static testcontainers;
  requires static com.github.dockerjava.api;

  exports dev.virtiolab.testkit;
  exports dev.virtiolab.testkit.containers;
}
