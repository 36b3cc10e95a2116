/**
 * The lab between machines, with a real Docker engine and the real kernel: guests of this JVM on
 * container networks, and labs in containers that a wire joins. What befalls them here is what
 * befalls real ones: a network that goes and comes back, {@code kill -9}, a process that is frozen.
 *
 * <p>Every container and network carries the kit's label ({@link
 * dev.virtiolab.testkit.containers.Owned}); a class shares its own and removes them. Tests that
 * need an engine are skipped with one line where there is none, and fail under {@code -Dstrict}.
 */
package dev.virtiolab.integration.containers;
