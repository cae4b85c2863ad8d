/** A dead thread takes its counts with it and leaves those of the others alone. */
import { expect, it } from 'vitest';
import { BACKEND_SLOTS_MAX } from '@flotilla/shared';
import { allocateMemory, forgetThread } from './memory.ts';

it('takes out what one thread had counted', () => {
  const memory = allocateMemory(2);
  const inFlight = new Int32Array(memory.inFlight);
  const byThread = new Int32Array(memory.inFlightByThread ?? new SharedArrayBuffer(0));
  const connections = new Int32Array(memory.connections);
  inFlight[7] = 5;
  byThread[7] = 2;
  byThread[BACKEND_SLOTS_MAX + 7] = 3;
  connections.set([4, 6]);
  forgetThread(memory, 1);
  expect(inFlight[7]).toBe(2);
  expect(byThread[7]).toBe(2);
  expect(byThread[BACKEND_SLOTS_MAX + 7]).toBe(0);
  expect([...connections]).toEqual([4, 0]);
});
