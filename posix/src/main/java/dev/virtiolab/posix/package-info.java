/**
 * Linux as the lab needs it: file descriptors that are closed once, memfd, foreign memory, eventfd,
 * poll, sockets over which descriptors are passed, and tun/tap, by JNA direct mapping. Nothing
 * outside this package declares a native method.
 *
 * <p>A call that fails throws {@link dev.virtiolab.posix.PosixException}, which names the call and
 * the error; a call that merely would block says so by its return value. Man pages are the
 * reference. No thread is owned here.
 */
package dev.virtiolab.posix;
