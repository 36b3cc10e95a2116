package dev.virtiolab.iommu.vtd;

/** Told of pages that a requester reaches, run by run. */
@FunctionalInterface
public interface ReachVisitor {
  /**
   * A run of pages that lie one after the other both on the bus and in memory, all of it in RAM.
   *
   * @param busPage number of the first page as the requester addresses it: bits 47 to 12
   * @param memoryPage number of the page in guest-physical memory that it meets there
   * @param pages at least 1
   * @param readable whether it may read them
   * @param writable whether it may write them; at least one of the two holds
   */
  void run(long busPage, long memoryPage, long pages, boolean readable, boolean writable);
}
