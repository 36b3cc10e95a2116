/** Puts a machine together, and the {@code vlab} command line. */
module dev.virtiolab.lab {
  requires transitive dev.virtiolab.firmware;
  requires transitive dev.virtiolab.virtio;
  requires dev.virtiolab.posix;
  requires info.picocli;

  exports dev.virtiolab.lab;
}
