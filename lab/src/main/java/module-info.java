/** Puts a machine together, and the {@code vlab} command line. */
module dev.virtiolab.lab {
  requires transitive dev.virtiolab.firmware;
  requires transitive dev.virtiolab.virtio;
  requires dev.virtiolab.posix;
  requires info.picocli;
  requires java.compiler;
  requires java.logging;
  requires jdk.jfr;
  requires jdk.management;
  requires tools.jackson.databind;

  exports dev.virtiolab.lab;
  exports dev.virtiolab.lab.bench;
  exports dev.virtiolab.lab.dmacheck;
  exports dev.virtiolab.lab.dump;
  exports dev.virtiolab.lab.ebs;
  exports dev.virtiolab.lab.host;
  exports dev.virtiolab.lab.qemu;
  exports dev.virtiolab.lab.segment;
  exports dev.virtiolab.lab.serve;
  exports dev.virtiolab.lab.socket;
  exports dev.virtiolab.lab.trace;
  exports dev.virtiolab.lab.throughput;

  // picocli sets options by reflection, Jackson reads the records that --json prints.
  opens dev.virtiolab.lab.cli to
      info.picocli,
      tools.jackson.databind;
}
