/** A dead thread takes its own counts with it, and nobody else's. */
import { expect, test } from 'vitest';
import { BACKEND_SLOTS_MAX } from '@flotilla/shared';
import { allocateMemory, forgetThread } from './memory.ts';

test('forgets one thread of two', () => {
  const memory = allocateMemory(2);
  const inFlight = new Int32Array(memory.inFlight);
  const rows = new Int32Array(memory.inFlightByThread!);
  const connections = new Int32Array(memory.connections);
  connections.set([4, 9]);
  inFlight[7] = 5;
  rows[7] = 3;
  rows[BACKEND_SLOTS_MAX + 7] = 2;
  forgetThread(memory, 0);
  expect([inFlight[7], ...connections]).toEqual([2, 0, 9]);
  forgetThread(memory, 1);
  forgetThread(memory, 1);
  expect([inFlight[7], ...connections]).toEqual([0, 0, 0]);
});
