/**
 * What every Transport must do, as named cases. `start` answers a started transport of a replica and where it listens;
 * everything that it started is closed by `destroy`.
 */
import assert from 'node:assert/strict';
import { waitFor } from '@flotilla/shared/testing';
import type { Message } from '../core/messages.ts';
import type { ReplicaId, SnapshotMeta, Term } from '../core/types.ts';
import type { PeerAddress, Transport, TransportHandlers } from '../driver/ports.ts';
import { chunksOf, CONF, entries } from './storage-suite.ts';
import type { NamedCase } from './storage-suite.ts';

export interface TransportSubject {
  create(replica: ReplicaId): Promise<{ readonly transport: Transport; readonly address: PeerAddress }>;
  destroy(): Promise<void>;
}

/** A transport with everything that it was told. */
export interface Station {
  readonly replica: ReplicaId;
  readonly address: PeerAddress;
  readonly transport: Transport;
  readonly messages: { readonly from: ReplicaId; readonly message: Message }[];
  readonly links: string[];
  readonly snapshots: { readonly from: ReplicaId; readonly term: Term; readonly meta: SnapshotMeta; bytes: Buffer }[];
  /** Bytes that the next inbound snapshot is said to have already. */
  resumeAt: number;
  /** Refuse the next inbound snapshot with this. */
  refuse: string | null;
}

export async function station(subject: TransportSubject, replica: ReplicaId): Promise<Station> {
  const { transport, address } = await subject.create(replica);
  const self: Station = {
    replica,
    address,
    transport,
    messages: [],
    links: [],
    snapshots: [],
    resumeAt: 0,
    refuse: null,
  };
  const handlers: TransportHandlers = {
    onMessage: (from, message) => void self.messages.push({ from, message }),
    onLinkUp: (peer) => void self.links.push(`up ${peer}`),
    onLinkDown: (peer, reset) => void self.links.push(`down ${peer}${reset ? ' reset' : ''}`),
    onSnapshot: async ({ from, term, meta, chunks, resumeAt }) => {
      if (self.refuse !== null) throw new Error(self.refuse);
      resumeAt(self.resumeAt);
      const parts: Uint8Array[] = [];
      for await (const chunk of chunks) parts.push(Uint8Array.from(chunk));
      self.snapshots.push({ from, term, meta, bytes: Buffer.concat(parts) });
    },
  };
  await transport.start(handlers);
  return self;
}

/** Everyone knows everyone, and all links stand. */
export async function introduce(...stations: readonly Station[]): Promise<void> {
  const book = stations.map((one) => one.address);
  for (const one of stations) one.transport.setPeers(book.filter((peer) => peer.replica !== one.replica));
  await waitFor(
    'all links',
    () =>
      stations.every((one) =>
        stations.every((other) => one === other || one.links.at(-1) === undefined || isUp(one, other.replica)),
      ) && stations.every((one) => stations.every((other) => one === other || isUp(one, other.replica))),
  );
}

export function isUp(one: Station, peer: ReplicaId): boolean {
  return one.links.findLast((line) => line.split(' ')[1] === peer)?.startsWith('up') ?? false;
}

const MESSAGES: readonly Message[] = [
  { type: 'vote', term: 7, pre: true, lastIndex: 2 ** 40, lastTerm: 6, transfer: false },
  { type: 'vote', term: 7, pre: false, lastIndex: 3, lastTerm: 6, transfer: true, commit: 2, commitTerm: 5 },
  { type: 'vote-response', term: 7, pre: false, granted: true },
  { type: 'vote-response', term: 7, pre: true, granted: false, commit: 2, commitTerm: 5 },
  { type: 'append', term: 7, prevIndex: 4, prevTerm: 6, entries: entries(5, 9, 7), commit: 4 },
  { type: 'append', term: 7, prevIndex: 4, prevTerm: 6, entries: [], commit: 4 },
  {
    type: 'append-response',
    term: 7,
    rejected: true,
    index: 3,
    hintIndex: 2,
    hintTerm: 1,
    digestIndex: 1024,
    digest: 'abc',
  },
  { type: 'heartbeat', term: 7, commit: 12, readSeq: 2 ** 50 },
  { type: 'heartbeat-response', term: 7, readSeq: 3 },
  { type: 'timeout-now', term: 7 },
  { type: 'forward', term: 7, proposals: [{ seq: 2 ** 47, data: Buffer.from('x') }] },
  {
    type: 'forward-response',
    term: 7,
    results: [
      { seq: 1, index: 5, entryTerm: 7, refused: null },
      { seq: 2, index: 0, entryTerm: 0, refused: 'not-leader' },
    ],
  },
  {
    type: 'forward-conf',
    term: 7,
    seq: 9,
    change: {
      steps: [
        { op: 'add-learner', id: 'n4#d' },
        { op: 'remove', id: 'n1#a' },
      ],
      context: Buffer.from('{}'),
    },
  },
  { type: 'read-index', term: 7, seq: 4 },
  { type: 'read-index-response', term: 7, seq: 4, index: 99, refused: 'no-quorum' },
];

const same = (message: Message): string =>
  JSON.stringify(message, (_key, value: unknown) => {
    const bytes = value as { type?: string; data?: unknown };
    return bytes?.type === 'Buffer' ? Buffer.from(bytes.data as number[]).toString('hex') : value;
  });

const SCENARIOS: Record<string, (subject: TransportSubject) => Promise<void>> = {
  'every message arrives as it was sent, in order, on both lanes': async (subject) => {
    const [a, b] = [await station(subject, 'n1#a'), await station(subject, 'n2#b')];
    await introduce(a, b);
    for (const lane of ['control', 'bulk'] as const) {
      // The bulk lane may stand a moment later than the link is reported.
      await waitFor(`the ${lane} lane`, () => {
        a.transport.send('n2#b', { type: 'timeout-now', term: 1 }, lane);
        return b.messages.length > 0;
      });
      await waitFor('quiet', async () => {
        const before = b.messages.length;
        await new Promise((resolve) => setImmediate(resolve));
        return before === b.messages.length;
      });
      b.messages.length = 0;
      for (const message of MESSAGES) a.transport.send('n2#b', message, lane);
      await waitFor(
        'all messages',
        () => b.messages.filter(({ message }) => message.term === 7).length === MESSAGES.length,
      );
      const got = b.messages.filter(({ message }) => message.term === 7);
      assert.deepEqual(
        got.map(({ message }) => same(message)),
        MESSAGES.map(same),
      );
      assert.ok(got.every(({ from }) => from === 'n1#a'));
      b.messages.length = 0;
    }
  },
  'a message to nobody is dropped': async (subject) => {
    const a = await station(subject, 'n1#a');
    a.transport.send('n9#z', { type: 'timeout-now', term: 1 }, 'control');
    assert.deepEqual(a.messages, []);
  },
  'a peer that stops is reported as gone, and as back when it returns': async (subject) => {
    const [a, b] = [await station(subject, 'n1#a'), await station(subject, 'n2#b')];
    await introduce(a, b);
    await b.transport.close();
    await waitFor('the loss', () => a.links.includes('down n2#b reset'));
  },
  'a replica that is taken out of the address book is not talked to any more': async (subject) => {
    const [a, b] = [await station(subject, 'n1#a'), await station(subject, 'n2#b')];
    await introduce(a, b);
    a.transport.setPeers([]);
    await waitFor('the end of the link', () => a.links.includes('down n2#b'));
    b.messages.length = 0;
    a.transport.send('n2#b', { type: 'timeout-now', term: 1 }, 'control');
    b.transport.send('n1#a', { type: 'timeout-now', term: 1 }, 'control');
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(a.messages, []);
    assert.deepEqual(b.messages, []);
  },
  'a snapshot arrives whole, from the offset that the receiver names': async (subject) => {
    const [a, b] = [await station(subject, 'n1#a'), await station(subject, 'n2#b')];
    await introduce(a, b);
    const bytes = Buffer.alloc(3_000_000, 'snapshot ');
    const meta = { index: 9, term: 2, conf: CONF, digest: 'd', sizeBytes: bytes.length, checksum: 'c' };
    const read = (offset: number): AsyncIterable<Uint8Array> => chunksOf(bytes.subarray(offset), 300_000);
    b.resumeAt = 1_000_000;
    await a.transport.sendSnapshot('n2#b', 3, meta, read);
    assert.equal(b.snapshots.length, 1);
    const [got] = b.snapshots;
    assert.deepEqual(got?.meta, meta);
    assert.equal(got?.term, 3);
    assert.ok(got?.bytes.equals(bytes.subarray(1_000_000)));
  },
  'a refused snapshot rejects at the sender': async (subject) => {
    const [a, b] = [await station(subject, 'n1#a'), await station(subject, 'n2#b')];
    await introduce(a, b);
    b.refuse = 'busy';
    const meta = { index: 9, term: 2, conf: CONF, digest: 'd', sizeBytes: 10, checksum: 'c' };
    await assert.rejects(() => a.transport.sendSnapshot('n2#b', 3, meta, () => chunksOf(Buffer.alloc(10), 5)));
  },
};

export function transportCases(create: () => TransportSubject): NamedCase[] {
  return Object.entries(SCENARIOS).map(([name, scenario]) => ({
    name,
    run: async () => {
      const subject = create();
      try {
        await scenario(subject);
      } finally {
        await subject.destroy();
      }
    },
  }));
}
