/**
 * The memory that all threads of a node share. The supervisor allocates it once, so it outlives every other thread.
 */
import { BACKEND_SLOTS_MAX } from '@flotilla/shared';
import type { SharedMemory } from '@flotilla/shared';

export function allocateMemory(proxyThreads: number): SharedMemory {
  return {
    inFlight: new SharedArrayBuffer(BACKEND_SLOTS_MAX * Int32Array.BYTES_PER_ELEMENT),
    inFlightByThread: new SharedArrayBuffer(proxyThreads * BACKEND_SLOTS_MAX * Int32Array.BYTES_PER_ELEMENT),
    connections: new SharedArrayBuffer(proxyThreads * Int32Array.BYTES_PER_ELEMENT),
  };
}

/** Forgets what a dead proxy thread had counted; what the others count goes on. */
export function forgetThread(memory: SharedMemory, threadId: number): void {
  Atomics.store(new Int32Array(memory.connections), threadId, 0);
  if (memory.inFlightByThread === undefined) return;
  const offset = threadId * BACKEND_SLOTS_MAX * Int32Array.BYTES_PER_ELEMENT;
  const own = new Int32Array(memory.inFlightByThread, offset, BACKEND_SLOTS_MAX);
  const inFlight = new Int32Array(memory.inFlight);
  own.forEach((count, slot) => {
    if (count !== 0) Atomics.sub(inFlight, slot, count);
  });
  own.fill(0);
}
