/**
 * Things that are to be closed whatever happens. Each belongs to the thread that opens and closes.
 */
package dev.virtiolab.lab.resource;
