/** The wire: where a NIC's frames go and come from. */
module dev.virtiolab.net {
  requires dev.virtiolab.posix;
  requires io.netty.buffer;
  requires io.netty.common;
  requires io.netty.handler;
  requires io.netty.transport;
  requires jdk.net;

  exports dev.virtiolab.net;
  exports dev.virtiolab.net.bridge;
  exports dev.virtiolab.net.fault;
  exports dev.virtiolab.net.netty;
}
