/** What is published of the state: nothing too early, a whole picture or a delta, and always the newest. */
import { waitFor } from '@flotilla/shared/testing';
import { afterEach, expect, it } from 'vitest';
import { CertificateOpener } from '../secrets/certificate-opener.ts';
import { Keyring } from '../secrets/keyring.ts';
import { sampleDocument, TestLog } from '../state/testing/log.ts';
import { TestProxyThread } from '../testing/proxy-thread.ts';
import { Feed } from './feed.ts';
import { Publisher } from './publisher.ts';

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

function world() {
  const log = new TestLog();
  const publisher: Publisher = new Publisher(() => feed.current());
  const opener = new CertificateOpener(
    new Keyring({ keys: [], clusterSecret: '', clusterName: 'test' }),
    () => undefined,
  );
  const feed: Feed = new Feed({ state: () => log.state, publisher, opener, onSnapshot: () => undefined });
  log.machine.onApplied(({ changes, restored }) => (restored ? feed.replaced() : feed.changed(changes)));
  const thread = (id: number): TestProxyThread => {
    const one = new TestProxyThread(id);
    publisher.addPort(id, one.controlPort);
    closers.push(() => one.close());
    return one;
  };
  closers.push(() => publisher.close());
  const setWeight = (weight: number) => log.run({ type: 'backend.set', pool: 'api', id: 'b1', weight });
  return { log, publisher, feed, thread, setWeight };
}

const kinds = (thread: TestProxyThread): string[] => thread.messages.map(({ type }) => type);

it('publishes nothing while the log is replayed, then the newest picture, then what changes', async () => {
  const { log, publisher, feed, thread, setWeight } = world();
  const one = thread(1);
  log.run({ type: 'config.replace', document: sampleDocument(2) });
  await publisher.collect(5_000);
  setWeight(7);
  await publisher.collect(5_000);
  expect(kinds(one)).toEqual(['collect', 'collect']);
  feed.open();
  setWeight(8);
  expect(await publisher.whenActive(log.state.meta.revision, 5_000)).toBe(true);
  expect(kinds(one).slice(2)).toEqual(['snapshot', 'delta']);
  expect(one.snapshot?.pools[0]?.backends[0]?.weight).toBe(7);
  expect(one.deltas).toMatchObject([{ pool: 'api', id: 'b1', weight: 8 }]);
});

it('a number for which somebody waits is published at once, any other a little later', async () => {
  const { log, publisher, feed, thread, setWeight } = world();
  log.run({ type: 'config.replace', document: sampleDocument(2) });
  feed.open();
  const one = thread(1);
  setWeight(7);
  await publisher.collect(5_000);
  expect(await publisher.whenActive(log.state.meta.revision, 5_000)).toBe(true);
  const waiting = publisher.whenActive(log.state.meta.revision + 1, 5_000);
  setWeight(8);
  await publisher.collect(5_000);
  expect(kinds(one)).toEqual(['snapshot', 'collect', 'delta', 'delta', 'collect']);
  expect(await waiting).toBe(true);
});

it('a thread that appears late gets the picture of now, not one of before', async () => {
  const { log, publisher, feed, thread, setWeight } = world();
  log.run({ type: 'config.replace', document: sampleDocument(2) });
  feed.open();
  setWeight(7);
  const late = thread(2);
  expect(await publisher.whenActive(log.state.meta.revision, 5_000)).toBe(true);
  expect(late.snapshot?.pools[0]?.backends[0]?.weight).toBe(7);
});

it('a state that was replaced is published whole', async () => {
  const { log, publisher, feed, thread } = world();
  feed.open();
  const one = thread(1);
  const other = new TestLog();
  for (const backends of [1, 2, 3]) other.run({ type: 'config.replace', document: sampleDocument(backends) });
  const { sizeBytes, digest, chunks } = other.machine.capture();
  const conf = { voters: [], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };
  await log.machine.restore({ index: 3, term: 1, conf, digest, sizeBytes }, chunks);
  expect(await publisher.whenActive(3, 5_000)).toBe(true);
  await waitFor('its three backends', () => one.snapshot?.pools[0]?.backends.length === 3);
});
