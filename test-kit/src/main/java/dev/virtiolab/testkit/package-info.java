/** A guest with an emulated NIC, for other people's tests. */
package dev.virtiolab.testkit;
