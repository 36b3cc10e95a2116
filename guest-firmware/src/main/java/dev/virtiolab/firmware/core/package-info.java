/**
 * The UEFI core: events and task priority levels, timers, the memory map, pool, handles, drivers,
 * ExitBootServices. UEFI Specification 2.10, chapter 7 "Services - Boot Services"; where that
 * leaves something open, as edk2's MdeModulePkg/Core/Dxe has it.
 *
 * <pre>
 *                          DxeCore  (BootServices)
 *      +-------------+--------+-------+---------------+----------------+
 *   IdleLoop    TimerService  |   PoolAllocator       |        HandleDatabase
 *      |             |        |       |               |                |
 *      +------> EventService -+  PageAllocator     TplService    DriverConnector
 *                    |                |               |
 *               GroupOrder        MemoryMap      NotifyQueue
 * </pre>
 *
 * <p>What an explorer may put in is in {@code CoreSetup}: the {@code GroupOrder}, somebody who is
 * told of each notification, and defects. {@code ExitBootServicesHook} tells of two moments that
 * UEFI gives nobody a way to learn of.
 *
 * <p>One thread, the firmware's. Nothing in here waits, except {@code IdleLoop}, which lets time
 * pass by the board's clock.
 */
package dev.virtiolab.firmware.core;
