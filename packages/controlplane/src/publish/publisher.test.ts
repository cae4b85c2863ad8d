/** Publishing: order, late threads, acknowledgements, bind errors, counters across a restart of a thread. */
import type { RoutingSnapshot } from '@flotilla/shared';
import { waitFor } from '@flotilla/shared/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { OwnDrain } from '../cluster/drain.ts';
import { Overlay } from '../health/overlay.ts';
import { Prober } from '../health/prober.ts';
import { TestProxyThread } from '../testing/proxy-thread.ts';
import { Publisher } from './publisher.ts';

const threads: TestProxyThread[] = [];
let publisher: Publisher | null = null;
afterEach(() => {
  publisher?.close();
  for (const thread of threads.splice(0)) thread.close();
});

function thread(id: number): TestProxyThread {
  const one = new TestProxyThread(id);
  threads.push(one);
  return one;
}

function snapshot(revision: number): RoutingSnapshot {
  return {
    index: revision,
    revision,
    logTimeMs: 1,
    listeners: [{ name: 'web', port: 8080 } as RoutingSnapshot['listeners'][number]],
    pools: [],
    certificates: [],
    settings: { viaName: 'flotilla', affinityKey: '' },
  };
}

describe('publisher', () => {
  it('gives a thread that appears late the newest picture, then deltas in order', async () => {
    const made = (publisher = new Publisher(() => snapshot(7)));
    const late = thread(1);
    made.addPort(1, late.controlPort);
    made.publishDelta({ index: 8, revision: 8, logTimeMs: 2, backends: [] });
    expect(await made.whenActive(8, 5_000)).toBe(true);
    expect(late.messages.map(({ type }) => type)).toEqual(['snapshot', 'delta']);
    expect(made.threads).toEqual([{ id: 1, activeRevision: 8, activeIndex: 8 }]);
  });

  it('waits for the slowest thread and says when it does not follow', async () => {
    const made = (publisher = new Publisher(() => null));
    const [quick, slow] = [thread(1), thread(2)];
    slow.acknowledge = false;
    made.addPort(1, quick.controlPort);
    made.addPort(2, slow.controlPort);
    made.publishSnapshot(snapshot(3));
    expect(await made.whenActive(3, 30)).toBe(false);
    const later = made.whenActive(3, 5_000);
    slow.say({ type: 'active', index: 3, revision: 3 });
    expect(await later).toBe(true);
  });

  it('needs no word of deltas from a thread that looks for them, once it follows the newest snapshot', async () => {
    const made = (publisher = new Publisher(() => snapshot(7)));
    const one = thread(1);
    const posted = new Int32Array(new SharedArrayBuffer(4));
    made.addPort(1, one.controlPort);
    one.say({ type: 'hello', threadId: 1, index: 0, revision: 0, posted: posted.buffer as SharedArrayBuffer });
    expect(await made.whenActive(7, 5_000)).toBe(true);
    one.acknowledge = false;
    made.publishDelta({ index: 8, revision: 8, logTimeMs: 2, backends: [] });
    expect([made.activeRevision, posted[0]]).toEqual([8, 1]);
    made.publishSnapshot(snapshot(9));
    made.publishDelta({ index: 10, revision: 10, logTimeMs: 2, backends: [] });
    expect([made.activeRevision, posted[0]]).toEqual([8, 2]);
    one.say({ type: 'active', index: 9, revision: 9 });
    expect(await made.whenActive(10, 5_000)).toBe(true);
  });

  it('reports what could not be bound, with the reason', async () => {
    const made = (publisher = new Publisher(() => snapshot(1)));
    const one = thread(1);
    one.bindErrors.set(8080, 'EADDRINUSE');
    made.addPort(1, one.controlPort);
    expect(made.listenerFaults(['web'])).toEqual(['listener web is not bound yet']);
    await made.whenActive(1, 5_000);
    expect(made.listenerFaults(['web'])).toEqual(['listener web cannot bind port 8080: EADDRINUSE']);
  });

  it('keeps the counters of a thread that was replaced', async () => {
    const made = (publisher = new Publisher(() => null));
    const first = thread(1);
    first.stats = { ...first.stats, requests: [['web', 'api', 'b1', '2xx', 5]], connections: [['web', 2]] };
    made.addPort(1, first.controlPort);
    await made.collect(5_000);
    const second = thread(1);
    second.stats = { ...second.stats, requests: [['web', 'api', 'b1', '2xx', 1]] };
    made.addPort(1, second.controlPort);
    const stats = await made.collect(5_000);
    expect(stats.flatMap(({ requests }) => requests.map((row) => row[4])).reduce((a, b) => a + b)).toBe(6);
    expect(stats.flatMap(({ connections }) => connections)).toEqual([]);
  });

  it('a thread that a dead control thread left draining, with an overlay and with pins, is told that they are over', async () => {
    const made = (publisher = new Publisher(() => snapshot(1)));
    const one = thread(1);
    one.draining = true;
    one.overlay = [{ pool: 'api', id: 'b1' }];
    one.pins = new SharedArrayBuffer(8);
    made.addPort(1, one.controlPort);
    const prober = new Prober({ onOpinion: () => undefined, onProbe: () => undefined });
    new OwnDrain(made).follow(undefined, 1);
    new Overlay(prober, made).update(true, 1);
    made.setPins(null);
    await waitFor('the end of all that', () => !one.draining && one.overlay.length === 0 && one.pins === null);
    prober.close();
  });

  it('tells a thread that appears late of the drain and the overlay that hold', async () => {
    const made = (publisher = new Publisher(() => null));
    made.drain(5_000);
    made.setOverlay([{ pool: 'api', id: 'b1' }]);
    const late = thread(1);
    made.addPort(1, late.controlPort);
    await waitFor('both', () => late.draining && late.overlay.length === 1);
  });

  it('a drain that begins anew is over only when the threads say so anew', async () => {
    const made = (publisher = new Publisher(() => null));
    const one = thread(1);
    made.addPort(1, one.controlPort);
    made.drain(5_000);
    await waitFor('the end of the drain', () => made.drained);
    made.drain(5_000);
    expect(made.drained).toBe(false);
    await waitFor('the end of the second', () => made.drained);
  });

  it('who waits for all threads does not wait for one that ended', async () => {
    const made = (publisher = new Publisher(() => null));
    const [quick, slow] = [thread(1), thread(2)];
    slow.acknowledge = false;
    made.addPort(1, quick.controlPort);
    made.addPort(2, slow.controlPort);
    made.publishSnapshot(snapshot(3));
    const served = made.whenActive(3, 60_000);
    await made.collect(5_000);
    slow.close();
    expect(await served).toBe(true);
  });

  it('answers a scrape in time although a thread hangs', async () => {
    const made = (publisher = new Publisher(() => null));
    const hung = thread(1);
    made.addPort(1, hung.controlPort);
    hung.close();
    expect(await made.collect(50)).toEqual([]);
    await waitFor('the link to go', () => made.threads.length === 0);
  });
});
