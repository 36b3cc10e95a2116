/** Reserved for a guest with an emulated NIC in other people's tests; there is nothing here yet. */
package dev.virtiolab.testkit;
