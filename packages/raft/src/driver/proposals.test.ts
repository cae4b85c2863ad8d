/** What callers are told about their proposals, and which ones are tried again. */
import { expect, test } from 'vitest';
import { EntryKind } from '../core/types.ts';
import type { Entry, Term } from '../core/types.ts';
import { Proposals } from './proposals.ts';
import type { Committed } from './proposals.ts';

const OUTLOOK = { leader: null, quorumReachable: true };

function setUp(): { proposals: Proposals; submit: (text: string, once?: boolean) => Promise<Committed> } {
  const proposals = new Proposals({ self: 'n1#a', firstSeq: 100, commitSeconds: undefined });
  const submit = (text: string, once = false): Promise<Committed> =>
    new Promise((resolve, reject) => {
      const given = { data: Buffer.from(text), change: null, once, startedMs: 0, deadlineMs: 1000 };
      proposals.submit({ ...given, resolve, reject });
    });
  return { proposals, submit };
}

function applied(term: Term, seq: number, origin = 'n1#a'): Entry {
  return { index: 7, term, kind: EntryKind.normal, stampMs: 0, origin, seq, data: new Uint8Array(0) };
}

const seqs = (proposals: Proposals): number[] => proposals.take().proposals.map(({ seq }) => seq);

test('a proposal resolves with the result of its application', async () => {
  const { proposals, submit } = setUp();
  const result = submit('a');
  expect(seqs(proposals)).toEqual([100]);
  proposals.outcomes([{ seq: 100, accepted: true, index: 7, term: 3 }], 1, OUTLOOK);
  proposals.applied(applied(3, 100, 'n2#b'), 'another', 1);
  proposals.applied(applied(3, 100), 'ours', 1);
  await expect(result).resolves.toEqual({ index: 7, term: 3, result: 'ours' });
  expect(proposals.count).toBe(0);
});

test('one that was refused for want of a leader is tried again under a new number', () => {
  const { proposals, submit } = setUp();
  void submit('a');
  expect(seqs(proposals)).toEqual([100]);
  proposals.outcomes([{ seq: 100, accepted: false, refused: 'no-leader' }], 1, OUTLOOK);
  proposals.retry(2, false);
  expect(seqs(proposals)).toEqual([]);
  proposals.retry(2, true);
  expect(seqs(proposals)).toEqual([101]);
});

test('one that was forwarded is tried again once an entry of a later term is applied, not before', () => {
  const { proposals, submit } = setUp();
  void submit('a');
  proposals.take();
  proposals.forwarded([100], 3, true, 1);
  proposals.applied(applied(3, 5, 'n2#b'), null, 1);
  proposals.retry(500, true);
  expect(seqs(proposals)).toEqual([]);
  proposals.applied(applied(4, 0, ''), null, 1);
  proposals.retry(500, true);
  expect(seqs(proposals)).toEqual([101]);
  // The late answer to the first attempt changes nothing.
  proposals.outcomes([{ seq: 100, accepted: false, refused: 'not-leader' }], 1, OUTLOOK);
  proposals.retry(500, true);
  expect(seqs(proposals)).toEqual([]);
});

test('one whose term is not known is not tried again', async () => {
  const { proposals, submit } = setUp();
  const result = submit('a');
  proposals.take();
  proposals.applied(applied(9, 0, ''), null, 1);
  proposals.retry(500, true);
  expect(seqs(proposals)).toEqual([]);
  proposals.expire(2000, OUTLOOK);
  await expect(result).rejects.toMatchObject({ code: 'UNKNOWN_OUTCOME' });
});

test('one that is meant for this moment is not tried again: what it follows from may hold no longer', async () => {
  const { proposals, submit } = setUp();
  const [refused, lost] = [submit('a', true), submit('b', true)];
  proposals.take();
  proposals.forwarded([101], 3, true, 1);
  proposals.outcomes([{ seq: 100, accepted: false, refused: 'transferring' }], 1, OUTLOOK);
  await expect(refused).rejects.toMatchObject({ code: 'NO_LEADER' });
  proposals.applied(applied(4, 0, ''), null, 1);
  await expect(lost).rejects.toMatchObject({ code: 'NO_LEADER' });
  expect(proposals.count).toBe(0);
});

test('one that never left is tried again', () => {
  const { proposals, submit } = setUp();
  void submit('a');
  proposals.take();
  proposals.forwarded([100], 3, false, 1);
  proposals.retry(500, false);
  expect(seqs(proposals)).toEqual([101]);
});

test('a snapshot that may hold it makes its outcome unknown', async () => {
  const { proposals, submit } = setUp();
  const inside = submit('a');
  void submit('b');
  proposals.take();
  proposals.forwarded([100], 3, true, 1);
  proposals.forwarded([101], 5, true, 1);
  proposals.skippedTo(4);
  await expect(inside).rejects.toMatchObject({ code: 'UNKNOWN_OUTCOME' });
  expect(proposals.count).toBe(1);
});

test('deadlines tell a lost chance from an open question, and no majority from no leader', async () => {
  const { proposals, submit } = setUp();
  const sent = submit('a');
  proposals.take();
  proposals.forwarded([100], 3, true, 1);
  const waiting = submit('b');
  proposals.expire(999, OUTLOOK);
  expect(proposals.count).toBe(2);
  proposals.expire(1000, { leader: null, quorumReachable: false });
  await expect(sent).rejects.toMatchObject({ code: 'UNKNOWN_OUTCOME' });
  await expect(waiting).rejects.toMatchObject({ code: 'NO_QUORUM' });
  const later = submit('c');
  proposals.expire(1000, OUTLOOK);
  await expect(later).rejects.toMatchObject({ code: 'NO_LEADER' });
});

test('a refusal that will not pass by itself is told at once', async () => {
  const { proposals, submit } = setUp();
  const result = submit('a');
  proposals.take();
  proposals.outcomes([{ seq: 100, accepted: false, refused: 'disk-full' }], 1, OUTLOOK);
  await expect(result).rejects.toMatchObject({ code: 'DISK_FULL' });
});
