/** Read positions: who shares a round, who waits for application, who is told that it failed. */
import { expect, test } from 'vitest';
import { raftError } from './pending.ts';
import { Reads } from './reads.ts';

const OUTLOOK = { leader: null, quorumReachable: true };

function setUp(): { reads: Reads; ask: () => Promise<number> } {
  const reads = new Reads(10);
  const ask = (): Promise<number> =>
    new Promise((resolve, reject) => reads.submit({ resolve, reject, deadlineMs: 1000 }));
  return { reads, ask };
}

test('callers of one turn share a round, a later one gets its own', async () => {
  const { reads, ask } = setUp();
  const [a, b] = [ask(), ask()];
  expect(reads.take(0)).toBe(10);
  const c = ask();
  expect(reads.take(0)).toBe(11);
  expect(reads.take(0)).toBeNull();
  reads.ready(10, 5, 9);
  await expect(Promise.all([a, b])).resolves.toEqual([5, 5]);
  reads.ready(11, 7, 9);
  await expect(c).resolves.toBe(7);
});

test('a confirmed position is told only when it is applied here', async () => {
  const { reads, ask } = setUp();
  let told = 0;
  const read = ask().then((index) => {
    told = index;
  });
  reads.take(0);
  reads.ready(10, 5, 3);
  reads.applied(4);
  await Promise.resolve();
  expect(told).toBe(0);
  reads.applied(6);
  await read;
  expect(told).toBe(5);
});

test('a round that found no leader is asked again, never under the same number', async () => {
  const { reads, ask } = setUp();
  const read = ask();
  reads.take(0);
  reads.failed({ seq: 10, refused: 'no-leader', nowMs: 0, outlook: OUTLOOK });
  expect(reads.take(1)).toBeNull();
  reads.sweep(2, true, OUTLOOK);
  expect(reads.take(2)).toBe(11);
  // A late answer to the first round confirms nothing.
  reads.ready(10, 5, 9);
  reads.ready(11, 6, 9);
  await expect(read).resolves.toBe(6);
});

test('deadlines hold in every stage', async () => {
  const { reads, ask } = setUp();
  const confirmed = ask();
  reads.take(0);
  reads.ready(10, 5, 3);
  const asked = ask();
  reads.take(0);
  const waiting = ask();
  reads.sweep(1000, false, { leader: null, quorumReachable: false });
  for (const read of [confirmed, asked, waiting]) await expect(read).rejects.toMatchObject({ code: 'NO_QUORUM' });
});

test('a refusal that will not pass is told, and stop tells everyone', async () => {
  const { reads, ask } = setUp();
  const refused = ask();
  reads.take(0);
  reads.failed({ seq: 10, refused: 'overloaded', nowMs: 0, outlook: OUTLOOK });
  await expect(refused).rejects.toMatchObject({ code: 'OVERLOADED' });
  const stopped = ask();
  reads.stop();
  await expect(stopped).rejects.toMatchObject({ code: raftError('STOPPED', null).code });
});
