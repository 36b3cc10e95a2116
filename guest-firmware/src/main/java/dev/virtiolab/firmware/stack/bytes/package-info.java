/**
 * What every layer of the network stack reads and writes with: values in network byte order, the
 * checksum of RFC 1071, and a ring of bytes. Not exported.
 */
package dev.virtiolab.firmware.stack.bytes;
