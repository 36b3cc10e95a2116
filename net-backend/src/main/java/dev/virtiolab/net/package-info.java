/**
 * The wire behind a NIC. A device drives exactly one {@link dev.virtiolab.net.NetBackend}; what is
 * on its far side (a kernel TAP, another NIC, nothing), and whether a capture stands before it, the
 * device cannot tell.
 *
 * <p>A back end is owned by the device's thread: every method is called from there, except where it
 * says otherwise.
 */
package dev.virtiolab.net;
