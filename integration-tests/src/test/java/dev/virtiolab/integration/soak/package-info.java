/**
 * {@code ./vlab soak}: guests under traffic and faults for as long as one likes, and whether the
 * process that they live in stays as it is: heap, resident memory, descriptors, threads.
 *
 * <p>{@link dev.virtiolab.integration.soak.Soak} is the command, {@link
 * dev.virtiolab.integration.soak.SoakRound} what happens again and again, {@link
 * dev.virtiolab.integration.soak.Vitals} what is looked at in between, {@link
 * dev.virtiolab.integration.soak.Flatness} the verdict. All of it is the main thread's; guests,
 * devices and the far ends of transfers have threads of their own, of which none is left when a
 * round is over.
 */
package dev.virtiolab.integration.soak;
