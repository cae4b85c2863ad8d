/** Arbitrary commands for property tests: small worlds, so that commands meet one another; wrong ones among them. */
import { encodeKey, newPinKey } from '@flotilla/shared';
import fc from 'fast-check';
import { featureLevel } from '../../limits.ts';
import type { TestCommand } from './log.ts';

const node = fc.constantFrom('n1', 'n2', 'n3');
const pool = fc.constantFrom('api', 'web', 'none');
const backend = fc.constantFrom('b1', 'b2', 'b3', 'b4');
const name = fc.constantFrom('api', 'web', 'site', 'other');
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
const conditional = { ifMatch: maybe(fc.nat(20)), key: maybe(fc.constantFrom('k1', 'k2')) };

const backendValue = fc.record(
  {
    id: backend,
    address: fc.constantFrom('10.0.0.1:80', '10.0.0.2:80', '[::1]:80', 'bad'),
    weight: fc.integer({ min: -1, max: 1_001 }),
    state: fc.constantFrom('enabled', 'draining', 'maintenance'),
    tags: fc.dictionary(fc.string({ maxLength: 3 }), fc.string({ maxLength: 3 }), { maxKeys: 2 }),
  },
  { requiredKeys: ['id', 'address'] },
);

const poolValue = fc.record(
  {
    name: fc.constantFrom('api', 'web'),
    backends: fc.uniqueArray(backendValue, { maxLength: 4, selector: (one) => one.id }),
    health: fc.record({ observers: fc.constantFrom('majority', 'any', 'all') }),
    outlier: fc.constantFrom(null, {}),
    slowStartMs: fc.nat(1_000),
    affinity: fc.constantFrom(
      null,
      { type: 'source-ip', ttlMs: 30_000 },
      { type: 'header', name: 'x-user', ttlMs: 30_000, strict: true },
    ),
    failOpen: fc.boolean(),
  },
  { requiredKeys: ['name'] },
);

const listenerValue = fc.record({
  name: fc.constantFrom('l1', 'l2'),
  port: fc.constantFrom(80, 81),
  protocol: fc.constantFrom('http', 'tcp'),
  routes: fc.array(fc.record({ pool }), { maxLength: 2 }),
});

const document = fc.record(
  {
    pools: fc.uniqueArray(poolValue, { maxLength: 2, selector: (one) => one.name }),
    listeners: fc.array(listenerValue, { maxLength: 2 }),
  },
  { requiredKeys: [] },
);

const kind = fc.constantFrom('listener', 'pool', 'certificate', 'backend', 'settings');

const arbitraries: readonly fc.Arbitrary<object>[] = [
  fc.record({ type: fc.constant('config.replace'), document, ...conditional }),
  fc.record({ type: fc.constant('config.rollback'), revision: fc.nat(40), ...conditional }),
  fc.record({
    type: fc.constant('resource.put'),
    kind,
    name: fc.oneof(name, backend),
    pool: maybe(pool),
    value: fc.oneof(backendValue, poolValue, listenerValue, fc.jsonValue()),
    ...conditional,
  }),
  fc.record({
    type: fc.constant('resource.patch'),
    kind,
    name: fc.oneof(name, backend),
    pool: maybe(pool),
    patch: fc.oneof(fc.record({ weight: fc.nat(1_000) }), fc.record({ slowStartMs: fc.nat(9) }), fc.jsonValue()),
    ...conditional,
  }),
  fc.record({
    type: fc.constant('resource.delete'),
    kind,
    name: fc.oneof(name, backend),
    pool: maybe(pool),
    ...conditional,
  }),
  fc.record({
    type: fc.constant('backend.set'),
    pool,
    id: backend,
    weight: maybe(fc.integer({ min: -1, max: 1_001 })),
    state: maybe(fc.constantFrom('enabled', 'draining', 'maintenance')),
    ...conditional,
  }),
  fc.record({
    type: fc.constant('observe'),
    node,
    incarnation: fc.constantFrom('1', '1', '1', '2'),
    observations: fc.array(
      fc.record({
        pool,
        backend,
        ok: fc.boolean(),
        latencyMs: fc.float({ min: 0, max: 100, noNaN: true }),
        detail: fc.string({ unit: 'binary', maxLength: 4 }),
        atMs: fc.nat(),
      }),
      { maxLength: 6 },
    ),
  }),
  fc.record({
    type: fc.constant('member.announce'),
    id: node,
    replica: fc.oneof(
      node.map((id) => `${id}#1`),
      node.map((id) => `${id}#2`),
    ),
    raft: fc.constant('r'),
    api: fc.constant('a'),
    version: fc.constant('1'),
    featureLevel: fc.constantFrom(1, featureLevel, featureLevel, featureLevel),
  }),
  fc.record({ type: fc.constant('member.status'), id: node, ready: fc.boolean(), reasons: fc.array(fc.string()) }),
  fc.record({
    type: fc.constant('member.liveness'),
    items: fc.array(fc.record({ id: node, alive: fc.boolean() }), { maxLength: 3 }),
  }),
  fc.record({ type: fc.constant('member.remove'), id: node }),
  fc.record({ type: fc.constant('drain.set'), id: node, force: fc.boolean(), reason: fc.string() }),
  fc.record({
    type: fc.constant('drain.phase'),
    id: node,
    phase: fc.constantFrom('withdrawing', 'draining', 'drained'),
    connections: maybe(fc.nat()),
  }),
  fc.record({ type: fc.constant('drain.cancel'), id: node }),
  fc.record({
    type: fc.constant('member.fence'),
    id: node,
    replica: node.map((id) => `${id}#1`),
    index: fc.nat(9),
    digest: fc.constant('aa'),
    itsDigest: fc.constant('bb'),
  }),
  fc.record({ type: fc.constant('outlier.propose'), pool, backend, node }),
  fc.record({ type: fc.constant('cluster.init'), affinityKey: fc.string({ maxLength: 20 }) }),
  fc.array(fc.tuple(pool, fc.nat(30), fc.nat(8)), { maxLength: 6 }).map((list) => pinsPut(list)),
  fc.record({ type: fc.constant('pins.delete'), pool, session: fc.nat(30).map((n) => `client-${n}`) }),
  fc.record({
    type: fc.constant('pins.clear'),
    pool,
    backend: maybe(backend),
    partition: fc.constantFrom(0, 1, 255, 256),
  }),
  fc.record({ type: fc.constant('tick') }),
  fc.record({ type: fc.constant('features.raise'), level: fc.nat(featureLevel) }),
];

/** Pins clients, by number, to the backends that have these slots. */
export function pinsPut(pins: readonly (readonly [pool: string, client: number, slot: number])[]) {
  const key = newPinKey();
  const items = pins.flatMap(([name, client, slot]) => {
    encodeKey(name, `client-${client}`, key);
    return [key.pool, ...key.words, slot];
  });
  return { type: 'pins.put', items: Int32Array.from(items) } as const;
}

/** A command, and how much log time passes before it. */
export const step: fc.Arbitrary<{ readonly command: TestCommand; readonly waitMs: number }> = fc.record({
  // Wrong commands are wanted too, so the shapes are looser than the types.
  command: fc.oneof(...arbitraries) as fc.Arbitrary<TestCommand>,
  waitMs: fc.constantFrom(0, 0, 10, 1_000, 20_000),
});

/** Enough of a world for most commands to find what they name. */
export const WORLD: readonly TestCommand[] = [
  {
    type: 'config.replace',
    document: {
      listeners: [{ name: 'l1', port: 80, protocol: 'http', routes: [{ pool: 'api' }] }],
      pools: ['api', 'web'].map((one) => ({
        name: one,
        outlier: {},
        affinity: { type: 'source-ip', ttlMs: 60_000 },
        health: { observers: 'any' },
        backends: ['b1', 'b2', 'b3'].map((id, at) => ({ id, address: `10.0.0.${at}:80` })),
      })),
    },
  },
  ...['n1', 'n2', 'n3'].flatMap((id): TestCommand[] => [
    { type: 'member.announce', id, replica: `${id}#1`, raft: 'r', api: 'a', version: '1', featureLevel },
    { type: 'member.status', id, ready: true, reasons: [] },
  ]),
  { type: 'features.raise', level: featureLevel },
];
