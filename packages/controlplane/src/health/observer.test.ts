/** Observations: batched, newest opinion wins, repeated until committed, heartbeats; and the overlay without a quorum. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { HealthSpec } from '@flotilla/shared';
import { waitFor } from '@flotilla/shared/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { overlayAfterMs } from '../limits.ts';
import { Publisher } from '../publish/publisher.ts';
import type { ObservationInput } from '../state/index.ts';
import { TestProxyThread } from '../testing/proxy-thread.ts';
import { Observer } from './observer.ts';
import { Overlay } from './overlay.ts';
import { Prober } from './prober.ts';
import type { ProbeTarget } from './target.ts';

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

const HEALTH: HealthSpec = {
  protocol: 'http',
  path: '/ready',
  method: 'GET',
  host: null,
  expectStatus: [200],
  port: null,
  timeoutMs: 500,
  intervalMs: 20,
  unhealthyAfter: 1,
  healthyAfter: 1,
  observers: 'majority',
};

/** A backend with a switch, and what probes it. */
async function probed(): Promise<{
  prober: Prober;
  observer: (propose: Propose) => Observer;
  backend: { status: number };
}> {
  const backend = { status: 200 };
  const server = createServer((_request, response) => void response.writeHead(backend.status).end());
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  let current: Observer | null = null;
  const prober = new Prober({ onOpinion: (opinion) => current?.note(opinion) });
  closers.push(
    () => prober.close(),
    () => server.close(),
    () => current?.close(),
  );
  const target = (id: string): ProbeTarget => ({
    pool: 'api',
    backend: id,
    host: '127.0.0.1',
    port,
    health: HEALTH,
    http2: false,
    proxyProtocol: 'none',
    tls: null,
  });
  const observer = (propose: Propose): Observer => {
    current = new Observer({ prober, propose, quiet: () => false });
    current.start();
    prober.setTargets([target('b1'), target('b2')]);
    return current;
  };
  return { prober, observer, backend };
}

type Propose = (observations: readonly ObservationInput[]) => Promise<unknown>;
const facts = (batch: readonly ObservationInput[]): string[] =>
  batch.map(({ backend, ok }) => `${backend}:${ok}`).sort();

describe('observer', () => {
  it('proposes edges together, and says nothing while nothing changes', async () => {
    const { observer, backend } = await probed();
    const batches: string[][] = [];
    observer((batch) => {
      if (batch.length > 0) batches.push(facts(batch));
      return Promise.resolve();
    });
    await waitFor('first opinions', () => batches.flat().length === 2);
    backend.status = 503;
    await waitFor('the fall', () => batches.flat().includes('b1:false') && batches.flat().includes('b2:false'));
    expect(batches.flat().filter((fact) => fact === 'b1:true')).toHaveLength(1);
  });

  it('proposes while news goes on coming, instead of waiting for a pause', async () => {
    const { observer, prober } = await probed();
    let proposed = 0;
    const own = observer((batch) => {
      proposed += batch.length;
      return Promise.resolve();
    });
    await waitFor('first opinions', () => proposed >= 2);
    const before = proposed;
    const opinion = prober.opinion('api', 'b1')!;
    const news = setInterval(() => own.note(opinion), 1);
    try {
      await waitFor('proposals meanwhile', () => proposed > before + 3);
    } finally {
      clearInterval(news);
    }
  });

  it('repeats what could not be committed, with the newest opinion', async () => {
    const { observer, backend } = await probed();
    const attempts: string[][] = [];
    let refuse = true;
    observer((batch) => {
      if (batch.length > 0) attempts.push(facts(batch));
      return refuse ? Promise.reject(new Error('no quorum')) : Promise.resolve();
    });
    await waitFor('a first attempt', () => attempts.flat().includes('b1:true'));
    backend.status = 503;
    refuse = false;
    await waitFor('the newest opinion', () => attempts.at(-1)?.includes('b1:false'));
  });
});

describe('overlay', () => {
  it('routes round what is down here only while there is no quorum', async () => {
    const { prober, observer, backend } = await probed();
    backend.status = 503;
    observer(() => Promise.resolve());
    await waitFor('opinions', () => [...prober.opinions()].length === 2);
    const publisher = new Publisher(() => null);
    const thread = new TestProxyThread(0);
    closers.push(
      () => publisher.close(),
      () => thread.close(),
    );
    publisher.addPort(0, thread.controlPort);
    const overlay = new Overlay(prober, publisher);
    overlay.update(true, 0);
    overlay.update(false, 1_000);
    overlay.update(false, 1_000 + overlayAfterMs - 1);
    await publisher.collect(5_000);
    // Said once: a control thread that died may have left it another.
    expect(thread.messages.filter(({ type }) => type === 'overlay')).toEqual([{ type: 'overlay', down: [] }]);
    overlay.update(false, 1_000 + overlayAfterMs);
    await waitFor('the overlay', () => thread.overlay.length === 2);
    overlay.update(true, 10_000);
    await waitFor('no overlay', () => thread.overlay.length === 0);
  });
});
