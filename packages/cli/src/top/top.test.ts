/** The live table: what it reads of /metrics, how it is ordered, what stands out. */
import { describe, expect, it } from 'vitest';
import { clipped, clippedLine } from '../commands/top.ts';
import { Rates } from './rates.ts';
import { parseSamples, sumOf } from './samples.ts';
import { renderTop } from './screen.ts';
import type { TopBackend, TopView } from './source.ts';

const backend = (id: string, perSecond: number, errorsPerSecond: number): TopBackend => ({
  pool: 'api',
  backend: id,
  verdict: id === 'b2' ? 'down' : 'up',
  reason: '',
  observers: 'n1 ✓',
  weight: 100,
  perSecond,
  errorsPerSecond,
});

const view: TopView = {
  server: '127.0.0.1:7401',
  counted: ['n1'],
  leader: 'n1',
  quorum: true,
  revision: 7,
  nodes: [
    {
      id: 'n1',
      role: 'leader',
      alive: true,
      ready: true,
      drain: null,
      appliedIndex: 12,
      digest: '0123456789abcdef',
      connections: 3,
      eventLoopDelayMs: 1,
      uptimeMs: 90_000,
      perSecond: 15,
    },
  ],
  backends: [backend('b1', 5, 0), backend('b2', 9, 0), backend('b3', 1, 2)],
};

const order = (text: string): string[] => [...text.matchAll(/\bb[123]\b/g)].map(([id]) => id);

describe('top', () => {
  it('adds up samples by backend, whatever their other labels', () => {
    const samples = parseSamples(
      [
        '# TYPE flotilla_requests_total counter',
        'flotilla_requests_total{listener="web",pool="api",backend="b1",code_class="2xx"} 4',
        'flotilla_requests_total{listener="tls",pool="api",backend="b1",code_class="5xx"} 3',
        'flotilla_requests_total{listener="a\\"b",pool="api",backend="b2",code_class="2xx"} 1e3 1700000000000',
        'up 1',
      ].join('\n'),
    );
    expect([...sumOf(samples, 'flotilla_requests_total', () => true)]).toEqual([
      ['api/b1', 7],
      ['api/b2', 1000],
    ]);
    expect([...sumOf(samples, 'flotilla_requests_total', ({ code_class }) => code_class === '5xx')]).toEqual([
      ['api/b1', 3],
    ]);
  });

  it('adds up what the nodes count, and counts a node only once it was read twice in a row', () => {
    const counts = (b1: number, failed: number) =>
      parseSamples(
        `flotilla_requests_total{pool="api",backend="b1",code_class="2xx"} ${b1}\n` +
          `flotilla_requests_total{pool="api",backend="b1",code_class="5xx"} ${failed}\n`,
      );
    const rates = new Rates();
    rates.update(new Map([['n1', counts(100, 0)]]), 0);
    expect(rates.byBackend.size).toBe(0);
    expect(rates.ofBackend('api/b1')).toBeNull();
    rates.update(
      new Map([
        ['n1', counts(120, 4)],
        ['n2', counts(900, 0)],
      ]),
      2_000,
    );
    expect(rates.ofBackend('api/never-asked')).toEqual({ perSecond: 0, errorsPerSecond: 0 });
    expect(rates.byBackend.get('api/b1')).toEqual({ perSecond: 12, errorsPerSecond: 2 });
    rates.update(
      new Map([
        ['n1', counts(130, 4)],
        ['n2', counts(920, 0)],
      ]),
      4_000,
    );
    expect(rates.byBackend.get('api/b1')).toEqual({ perSecond: 15, errorsPerSecond: 0 });
    expect(rates.byNode.get('n2')).toEqual({ perSecond: 10, errorsPerSecond: 0 });
    // Started anew: its counters began again at nothing.
    rates.update(
      new Map([
        ['n1', counts(5, 0)],
        ['n2', counts(940, 0)],
      ]),
      6_000,
    );
    expect(rates.byBackend.get('api/b1')).toEqual({ perSecond: 10, errorsPerSecond: 0 });
  });

  it('clips a line to the terminal, and keeps its colours', () => {
    expect(clippedLine('\u001b[1mname\u001b[22m and more', 6)).toBe('\u001b[1mname\u001b[22m a');
    expect(clippedLine('short', 80)).toBe('short');
  });

  it('shows nodes and backends, ordered as asked', () => {
    const text = renderTop(view, 'name');
    expect(text).toContain('leader n1');
    expect(text).toContain('1 of 1 nodes ready, 2 of 3 backends up');
    expect(text).toContain('01234567');
    expect(order(text)).toEqual(['b1', 'b2', 'b3']);
    expect(order(renderTop(view, 'requests'))).toEqual(['b2', 'b1', 'b3']);
    expect(order(renderTop(view, 'errors'))).toEqual(['b3', 'b1', 'b2']);
  });

  it('says aloud that there is no quorum', () => {
    expect(renderTop({ ...view, leader: null, quorum: false }, 'name')).toContain('NO QUORUM');
  });
});

it('says how much it leaves out where not all fits', () => {
  const text = Array.from({ length: 30 }, (_, at) => `line ${at}`).join('\n');
  const shown = clipped(text, 24, 80).split('\r\n');
  expect(shown).toHaveLength(23);
  expect(shown.at(-2)).toContain('8 more lines');
  expect(shown.at(-1)).toBe('line 29');
  expect(clipped('a\nb', 24, 80)).toBe('a\r\nb');
});

it('gives the room to what stands first, coloured or not', () => {
  expect(clippedLine('abc\u001b[32mdef\u001b[39mghi', 5)).toBe('abc\u001b[32mde\u001b[39m');
});

it('shortens long names where a line is short, and keeps their ends', () => {
  const long = {
    ...view,
    backends: [backend('a-name-of-many-letters-1', 1, 0), backend('a-name-of-many-letters-2', 1, 0)],
  };
  expect(renderTop(long, 'name', 80)).toContain('a-name-o…tters-1');
  expect(renderTop(long, 'name', 80)).toContain('a-name-o…tters-2');
  expect(renderTop(long, 'name', 200)).toContain('a-name-of-many-letters-1');
});
