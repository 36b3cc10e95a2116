/** A guest with an emulated NIC, for other people's tests. */
module dev.virtiolab.testkit {
  requires transitive dev.virtiolab.lab;
  requires transitive org.junit.jupiter.api;

  exports dev.virtiolab.testkit;
}
