/** The shape of every command of `commands.ts`. What does not fit is refused when applied, on every node alike. */
import { closed, id, oneOf, WEIGHT_MAX } from '@flotilla/shared/schema';
import Type, { type TSchema } from 'typebox';
import type { CommandType } from './commands.ts';
import {
  DRAIN_MAX_MS,
  MEMBERS_MAX_COUNT,
  OBSERVATIONS_MAX_COUNT,
  PIN_PARTITIONS_COUNT,
  SESSION_KEY_MAX_CHARS,
  TEXT_MAX_CHARS,
} from './limits.ts';

const text = Type.String({ maxLength: TEXT_MAX_CHARS });
const count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const anything = Type.Unknown();

function command(fields: Record<string, TSchema>) {
  return closed({
    v: Type.Integer({ minimum: 1, maximum: 1 }),
    type: text,
    author: Type.Optional(text),
    source: Type.Optional(text),
    key: Type.Optional(Type.String({ minLength: 1, maxLength: TEXT_MAX_CHARS })),
    ...fields,
  });
}

const ifMatch = Type.Optional(count);
const node = id('Node id.');
const resource = {
  kind: oneOf(['listener', 'pool', 'certificate', 'backend', 'settings']),
  name: Type.String({ maxLength: 63 }),
  pool: Type.Optional(Type.String({ maxLength: 63 })),
  ifMatch,
};

/** All but `pins.put`, which is not JSON text. */
export const COMMAND_SCHEMAS: Readonly<Record<Exclude<CommandType, 'pins.put'>, TSchema>> = {
  'config.replace': command({ document: anything, ifMatch }),
  'config.rollback': command({ revision: count, ifMatch }),
  'resource.put': command({ ...resource, value: anything }),
  'resource.patch': command({ ...resource, patch: anything }),
  'resource.delete': command(resource),
  'backend.set': command({
    pool: id('Pool.'),
    id: id('Backend.'),
    weight: Type.Optional(Type.Integer({ minimum: 0, maximum: WEIGHT_MAX })),
    state: Type.Optional(oneOf(['enabled', 'draining', 'maintenance'])),
    ifMatch,
  }),
  observe: command({
    node,
    incarnation: text,
    observations: Type.Array(
      closed({
        pool: id('Pool.'),
        backend: id('Backend.'),
        ok: Type.Boolean(),
        latencyMs: Type.Number({ minimum: 0, maximum: 1e9 }),
        detail: text,
        atMs: count,
      }),
      { maxItems: OBSERVATIONS_MAX_COUNT },
    ),
  }),
  'member.announce': command({
    id: node,
    replica: text,
    raft: text,
    api: text,
    version: text,
    featureLevel: count,
  }),
  'member.status': command({ id: node, ready: Type.Boolean(), reasons: Type.Array(text, { maxItems: 64 }) }),
  'member.liveness': command({
    items: Type.Array(closed({ id: node, alive: Type.Boolean() }), { maxItems: MEMBERS_MAX_COUNT }),
  }),
  'member.remove': command({ id: node }),
  'member.fence': command({ id: node, replica: text, index: count, digest: text, itsDigest: text }),
  'drain.set': command({
    id: node,
    deadlineMs: Type.Optional(Type.Integer({ minimum: 0, maximum: DRAIN_MAX_MS })),
    propagationMs: Type.Optional(Type.Integer({ minimum: 0, maximum: DRAIN_MAX_MS })),
    reason: Type.Optional(text),
    force: Type.Optional(Type.Boolean()),
  }),
  'drain.phase': command({
    id: node,
    phase: oneOf(['withdrawing', 'draining', 'drained']),
    connections: Type.Optional(count),
  }),
  'drain.cancel': command({ id: node }),
  'outlier.propose': command({ pool: id('Pool.'), backend: id('Backend.'), node }),
  'cluster.init': command({ affinityKey: Type.String({ minLength: 16, maxLength: 256 }) }),
  'pins.delete': command({ pool: id('Pool.'), session: Type.String({ maxLength: SESSION_KEY_MAX_CHARS }) }),
  'pins.clear': command({
    pool: id('Pool.'),
    backend: Type.Optional(id('Backend.')),
    partition: Type.Integer({ minimum: 0, maximum: PIN_PARTITIONS_COUNT - 1 }),
  }),
  tick: command({}),
  'features.raise': command({ level: Type.Integer({ minimum: 1, maximum: 1_000_000 }) }),
};
