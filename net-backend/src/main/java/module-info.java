/** The wire: where a NIC's frames go and come from. */
module dev.virtiolab.net {
  requires dev.virtiolab.posix;

  exports dev.virtiolab.net;
}
