/**
 * How frames cross from one thread to another inside a back end: rings in native memory with one
 * producer and one consumer, and the rule that whoever waits leaves a note. No door: other rooms
 * see {@link dev.virtiolab.net.NetBackend} only.
 */
package dev.virtiolab.net.ring;
