/**
 * What every layer of the network stack reads and writes with: values in network byte order, and
 * the checksum of RFC 1071. Stateless; any thread. Not exported.
 */
package dev.virtiolab.firmware.stack.bytes;
