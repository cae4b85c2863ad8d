/** Schema of a pool and its backends: who answers, how one is chosen, how health is judged. Relations are in `relations.ts`. */
import Type, { type Static } from 'typebox';
import { closed, type CompleteStatic, id, oneOf, orNull, stringMap, token, withDefault } from './build.ts';
import {
  BACKENDS_MAX_COUNT,
  DURATION_MAX_MS,
  PIN_TTL_MAX_MS,
  PRIORITY_MAX,
  TAGS_MAX_COUNT,
  TEXT_MAX_CHARS,
  WEIGHT_MAX,
} from './limits.ts';

const durationMs = (minimum: number, description?: string) =>
  Type.Integer({ minimum, maximum: DURATION_MAX_MS, ...(description === undefined ? {} : { description }) });
const text = (description: string) => Type.String({ minLength: 1, maxLength: TEXT_MAX_CHARS, description });

const weight = Type.Integer({ minimum: 0, maximum: WEIGHT_MAX, description: '0: no new work.' });
const state = oneOf(
  ['enabled', 'draining', 'maintenance'],
  'draining: no new sessions, present ones go on. maintenance: nothing.',
);

export const BackendSchema = closed({
  id: id('Unique in its pool.'),
  address: Type.String({
    maxLength: 280,
    description: 'HOST:PORT; an IPv6 address in brackets.',
  }),
  weight: withDefault(weight, 100),
  state: withDefault(state, 'enabled'),
  priority: withDefault(
    Type.Integer({
      minimum: 0,
      maximum: PRIORITY_MAX,
      description: 'Lower is preferred; a higher one serves only where no lower one can.',
    }),
    0,
  ),
  tags: withDefault(stringMap('^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}$', TEXT_MAX_CHARS, TAGS_MAX_COUNT), {}),
});

export const HealthSchema = closed({
  protocol: withDefault(oneOf(['http', 'tcp', 'grpc', 'none']), 'http'),
  path: withDefault(Type.String({ pattern: '^/[^\\s#]*$', maxLength: TEXT_MAX_CHARS }), '/ready'),
  method: withDefault(token('Method.'), 'GET'),
  host: orNull(text('Host field of the probe; the backend address where not given.')),
  expectStatus: withDefault(
    Type.Array(Type.Integer({ minimum: 100, maximum: 599 }), { minItems: 1, maxItems: 100 }),
    [200],
  ),
  port: orNull(
    Type.Integer({ minimum: 1, maximum: 65_535, description: "Of the probe; the backend's where not given." }),
  ),
  timeoutMs: withDefault(durationMs(10, 'At most intervalMs.'), 2_000),
  intervalMs: withDefault(durationMs(50, 'Between two probes of one node.'), 5_000),
  unhealthyAfter: withDefault(
    Type.Integer({ minimum: 1, maximum: 100, description: "Failures in a row, for one node's opinion." }),
    2,
  ),
  healthyAfter: withDefault(
    Type.Integer({ minimum: 1, maximum: 100, description: "Successes in a row, for one node's opinion." }),
    2,
  ),
  observers: withDefault(
    oneOf(['majority', 'any', 'all'], 'How many of the fresh observers must see a backend down.'),
    'majority',
  ),
});

export const PoolSchema = closed(
  {
    name: id('Name.'),
    algorithm: withDefault(
      oneOf(['round-robin', 'least-connections', 'p2c', 'ewma', 'random', 'rendezvous', 'maglev']),
      'round-robin',
    ),
    hash: withDefault(
      closed({
        on: withDefault(
          Type.String({
            pattern: "^(source-ip|path|(header|cookie|query):[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128})$",
            description: 'source-ip, path, header:NAME, cookie:NAME or query:NAME.',
          }),
          'source-ip',
        ),
      }),
      {},
    ),
    boundedLoadRatio: withDefault(
      Type.Number({
        minimum: 0,
        maximum: 100,
        description: 'Rendezvous and maglev: most load of a backend, in multiples of the mean. 0: no bound.',
      }),
      0,
    ),
    affinity: orNull(
      closed({
        type: oneOf(
          ['cookie', 'source-ip', 'header', 'cookie-learn'],
          'cookie: signed and given by us, needs no table. The others are replicated pins; cookie-learn goes by a cookie of the application.',
        ),
        name: withDefault(
          Type.String({ maxLength: 128, description: 'Cookie or header. For `cookie`: FLOTILLA where not given.' }),
          '',
        ),
        ttlMs: withDefault(Type.Integer({ minimum: 1_000, maximum: PIN_TTL_MAX_MS }), 3_600_000),
        strict: withDefault(
          Type.Boolean({ description: '503 rather than another backend when the pinned one cannot serve.' }),
          false,
        ),
      }),
    ),
    health: withDefault(HealthSchema, {}),
    outlier: orNull(
      closed({
        consecutiveErrors: withDefault(
          Type.Integer({ minimum: 1, maximum: 10_000, description: 'Failed requests in a row.' }),
          5,
        ),
        baseEjectionMs: withDefault(durationMs(100, 'Times the number of ejections; five minutes at most.'), 30_000),
        maxEjectedRatio: withDefault(
          Type.Number({
            minimum: 0,
            maximum: 1,
            description: 'Share of the pool, but at least one, and never the last that serves. 0: none.',
          }),
          0.33,
        ),
      }),
    ),
    retry: withDefault(
      closed({
        attempts: withDefault(Type.Integer({ minimum: 0, maximum: 10, description: 'Tries after the first.' }), 2),
        on: withDefault(
          Type.Array(oneOf(['connect-failure', 'reset', 'timeout', 502, 503, 504] as const), { maxItems: 6 }),
          ['connect-failure', 'reset'],
        ),
        budgetRatio: withDefault(
          Type.Number({
            minimum: 0,
            maximum: 1,
            description: "Share of the pool's recent requests that may be tried again.",
          }),
          0.2,
        ),
        budgetMinCount: withDefault(
          Type.Integer({ minimum: 0, maximum: 1_000, description: 'As many in any case, on each proxy thread.' }),
          3,
        ),
      }),
      {},
    ),
    slowStartMs: withDefault(durationMs(0, 'Until a backend that has come up has its full weight.'), 0),
    failOpen: withDefault(
      Type.Boolean({ description: 'Where no backend is up, try all of them rather than answer 503.' }),
      false,
    ),
    upstream: withDefault(
      closed({
        protocol: withDefault(oneOf(['http1', 'h2c', 'h2']), 'http1'),
        tls: orNull(
          closed({
            verify: withDefault(Type.Boolean(), true),
            ca: orNull(id("Certificate whose PEM is the CA; the system's where not given.")),
            serverName: orNull(text('Name that the certificate must carry.')),
            clientCertificate: orNull(id('Certificate that we present.')),
          }),
        ),
        proxyProtocol: withDefault(oneOf(['none', 'v1', 'v2']), 'none'),
        connectTimeoutMs: withDefault(durationMs(10), 2_000),
        responseTimeoutMs: withDefault(durationMs(0, 'Wait for the response head. 0: requestMs of the listener.'), 0),
        maxConnections: withDefault(
          Type.Integer({ minimum: 0, maximum: 1_000_000, description: 'Per backend and node. 0: no limit.' }),
          0,
        ),
        maxPending: withDefault(
          Type.Integer({
            minimum: 0,
            maximum: 1_000_000,
            description: 'Requests that wait for one backend, on each proxy thread. 0: 1,024.',
          }),
          0,
        ),
        queueTimeoutMs: withDefault(durationMs(0, 'How long they wait.'), 1_000),
        keepAliveMs: withDefault(durationMs(0, 'An idle connection to a backend is kept for this.'), 60_000),
      }),
      {},
    ),
    backends: withDefault(Type.Array(BackendSchema, { maxItems: BACKENDS_MAX_COUNT }), []),
  },
  'Backends that answer alike, and how one of them is chosen.',
);

/** What `PATCH …/backends/:id` takes: the numbers that change while traffic runs. */
export const BackendPatchSchema = closed({ weight: Type.Optional(weight), state: Type.Optional(state) });

export type BackendInput = Static<typeof BackendSchema>;
export type BackendConfig = CompleteStatic<typeof BackendSchema>;
export type HealthConfig = CompleteStatic<typeof HealthSchema>;
export type PoolInput = Static<typeof PoolSchema>;
export type PoolConfig = CompleteStatic<typeof PoolSchema>;
export type BackendPatch = Static<typeof BackendPatchSchema>;
