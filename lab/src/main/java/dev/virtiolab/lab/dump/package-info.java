/** The NIC's registers as a person reads them: bytes as lspci prints them, and tables. */
package dev.virtiolab.lab.dump;
