/** Story: an operator turns the access log on, reads its lines on standard output, and loses none while the control thread is gone. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { waitFor } from '@flotilla/shared/testing';
import { Edge } from '../strangers/edge.ts';
import { startOrigin } from '../strangers/origin.ts';

let edge: Edge;
let close: () => Promise<void>;

beforeAll(async () => {
  const origin = await startOrigin('origin');
  close = () => origin.close();
  edge = await Edge.start({
    listeners: { web: { protocol: 'http', accessLog: { sampleRatio: 1 } } },
    pools: { app: { ports: [origin.port] } },
    env: { FLOTILLA_DEBUG: '1' },
  });
});
afterAll(async () => {
  await edge?.[Symbol.asyncDispose]();
  await close?.();
});

interface Line {
  readonly thread: string;
  readonly time: string;
  readonly access: Readonly<Record<string, unknown>>;
}

const lines = (): Line[] =>
  edge.node.process.output
    .split('\n')
    .filter((line) => line.includes('"access":{'))
    .map((line) => JSON.parse(line) as Line);
const ask = async (path: string): Promise<void> => {
  await (await fetch(`http://127.0.0.1:${edge.port('web')}${path}`)).text();
};

it('has one line of JSON for each request, from the thread that served it', async () => {
  for (let asked = 0; asked < 20; asked++) await ask(`/${asked}`);
  const seen = await waitFor('twenty lines', () => (lines().length >= 20 ? lines() : null));
  expect(seen.map(({ access }) => access['target'])).toEqual(Array.from({ length: 20 }, (_, at) => `/${at}`));
  expect(seen[0]).toMatchObject({ thread: 'proxy-0', access: { status: 200, pool: 'app', backend: 'b1' } });
  expect(Number.isNaN(Date.parse(seen[0]?.time ?? ''))).toBe(false);
});

it('goes on while the control thread is gone', async () => {
  edge.node.process.signal('SIGUSR2');
  await edge.node.process.waitForOutput(/thread crashed/);
  await ask('/without-control');
  await waitFor('its line', () => lines().some(({ access }) => access['target'] === '/without-control'));
});
