package dev.virtiolab.pci.cpu;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.MemorySegment;
import java.lang.reflect.Method;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/**
 * The guest firmware may enter this package and no other of the room: so what it finds here must
 * not lead it further.
 */
class CpuDoorTest {

  @Test
  void theCpusDoorNamesNoOtherTypeOfTheRoom() {
    for (Class<?> door : List.of(CpuBus.class, CpuMemory.class, CpuClock.class, CpuCache.class)) {
      for (Method method : door.getMethods()) {
        Stream.concat(Stream.of(method.getReturnType()), Stream.of(method.getParameterTypes()))
            .forEach(
                type ->
                    assertTrue(
                        type.isPrimitive() || type == MemorySegment.class,
                        () -> door.getSimpleName() + "." + method.getName() + " names " + type));
      }
    }
  }
}
