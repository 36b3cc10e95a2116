package dev.virtiolab.firmware.stack.tcp;

/**
 * What tells one connection of this host from another: RFC 9293, 3.3.1.
 *
 * @param address the other host's
 * @param port the other host's
 * @param localPort ours
 */
record TcpPeer(int address, int port, int localPort) {}
