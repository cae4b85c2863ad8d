/**
 * The memory that all threads of a node share. The supervisor allocates it once, so it outlives every other thread.
 */
import { BACKEND_SLOTS_MAX } from '@flotilla/shared';
import type { SharedMemory } from '@flotilla/shared';

export function allocateMemory(proxyThreads: number): SharedMemory {
  return {
    inFlight: new SharedArrayBuffer(BACKEND_SLOTS_MAX * Int32Array.BYTES_PER_ELEMENT),
    connections: new SharedArrayBuffer(proxyThreads * Int32Array.BYTES_PER_ELEMENT),
  };
}

/**
 * Forgets what a dead proxy thread had counted. In-flight counts are one number for all threads: they can be cleared only
 * where no other thread is counting.
 */
export function forgetThread(memory: SharedMemory, threadId: number): void {
  const connections = new Int32Array(memory.connections);
  Atomics.store(connections, threadId, 0);
  if (connections.length === 1) new Int32Array(memory.inFlight).fill(0);
}
