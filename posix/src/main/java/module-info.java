/** Every native call of the project. */
module dev.virtiolab.posix {
  requires com.sun.jna;

  exports dev.virtiolab.posix;
}
