/**
 * JMH benchmarks of the parts that a frame passes through, each for itself: the chain walk, a page
 * that changes between private and shared, map and unmap, a write to a TAP.
 *
 * <p>{@code ./vlab bench parts} runs them; the ordinary build compiles them, and {@code PartsTest}
 * runs each for a moment, so that they cannot rot. What each costs in heap is measured as well, and
 * asserted there where nothing may be allocated. They live here, on the class path, since JMH does
 * not run on the module path.
 */
package dev.virtiolab.integration.parts;
