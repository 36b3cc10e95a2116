/**
 * What drivers get wrong about DMA: each mistake is a {@link
 * dev.virtiolab.firmware.smallnet.SmallNet} that takes one decision differently, and nothing else.
 *
 * <p>{@link dev.virtiolab.firmware.mistake.Mistake} lists them. Every one of them works on a PC,
 * which is how they come to be shipped.
 */
package dev.virtiolab.firmware.mistake;
