/** Schema of a listener and its routes: where clients connect, and which pool answers what. Relations are in `relations.ts`. */
import Type, { type Static } from 'typebox';
import { closed, type CompleteStatic, headerMap, id, oneOf, orNull, token, withDefault } from './build.ts';
import {
  BODY_MAX_BYTES,
  CIDRS_MAX_COUNT,
  DURATION_MAX_MS,
  HEADER_EDITS_MAX_COUNT,
  HEADER_VALUE_MAX_CHARS,
  ROUTES_MAX_COUNT,
  SPLITS_MAX_COUNT,
  TEXT_MAX_CHARS,
  WEIGHT_MAX,
} from './limits.ts';

const text = (description: string) => Type.String({ minLength: 1, maxLength: TEXT_MAX_CHARS, description });
const durationMs = (minimum: number, description: string) =>
  Type.Integer({ minimum, maximum: DURATION_MAX_MS, description });
const ratio = (description: string) => Type.Number({ minimum: 0, maximum: 1, description });
const cidrs = (description: string) =>
  Type.Array(Type.String({ maxLength: 64 }), { maxItems: CIDRS_MAX_COUNT, description });

const HeaderEditsSchema = {
  set: withDefault(headerMap(HEADER_VALUE_MAX_CHARS, HEADER_EDITS_MAX_COUNT), {}),
  remove: withDefault(Type.Array(token('Field name.'), { maxItems: HEADER_EDITS_MAX_COUNT }), []),
};

export const RouteSchema = closed(
  {
    match: withDefault(
      closed(
        {
          host: orNull(text('Exact host, or `*.example.com` for its subdomains. Case does not matter; no port.')),
          pathPrefix: orNull(text('The path is this, or goes on after it with `/`.')),
          path: orNull(text('The path is exactly this.')),
          method: orNull(token('Method, e.g. GET.')),
          header: withDefault(headerMap(HEADER_VALUE_MAX_CHARS, HEADER_EDITS_MAX_COUNT), {}),
          sni: orNull(text('Server name of a TLS client; on tls listeners only.')),
        },
        'All that are given must hold. Nothing given: everything matches.',
      ),
      {},
    ),
    pool: orNull(id('Pool that answers. Exactly one of `pool` and `redirect`.')),
    split: withDefault(
      Type.Array(
        closed({
          pool: id('Pool that takes this share.'),
          weight: Type.Integer({ minimum: 0, maximum: WEIGHT_MAX, description: 'Percent of the requests.' }),
        }),
        { maxItems: SPLITS_MAX_COUNT, description: 'Shares in percent that go elsewhere; the rest goes to `pool`.' },
      ),
      [],
    ),
    redirect: orNull(
      closed({
        scheme: orNull(oneOf(['http', 'https'])),
        host: orNull(text('Host to send the client to.')),
        path: orNull(text('Path to send the client to.')),
        status: withDefault(oneOf([301, 302, 303, 307, 308] as const), 308),
      }),
    ),
    rewrite: withDefault(
      closed({
        pathPrefix: orNull(text('Replaces what `match.pathPrefix` matched.')),
        host: orNull(text('Host that the backend sees.')),
      }),
      {},
    ),
    headers: withDefault(closed({ ...HeaderEditsSchema, response: withDefault(closed(HeaderEditsSchema), {}) }), {}),
  },
  'First match wins.',
);

export const ListenerTlsSchema = closed({
  certificates: withDefault(
    Type.Array(id('Certificate name.'), { maxItems: ROUTES_MAX_COUNT, description: 'The first is the default.' }),
    [],
  ),
  clientCa: orNull(id('Certificate whose PEM is the CA that client certificates must chain to.')),
  clientAuth: withDefault(
    oneOf(['require', 'optional'], 'Where there is a clientCa: whether they must have one.'),
    'require',
  ),
  minVersion: withDefault(oneOf(['1.2', '1.3']), '1.2'),
  alpn: withDefault(Type.Array(oneOf(['h2', 'http/1.1']), { maxItems: 2 }), ['h2', 'http/1.1']),
});

export const ListenerSchema = closed(
  {
    name: id('Name.'),
    port: Type.Integer({
      minimum: 1,
      maximum: 65_535,
      description: 'A node adds its own bind address and port offset.',
    }),
    protocol: oneOf(['http', 'https', 'tcp', 'tls', 'udp'], 'tls: passed through by server name, not terminated.'),
    tls: orNull(ListenerTlsSchema),
    proxyProtocol: withDefault(
      closed({
        accept: withDefault(Type.Boolean(), false),
        trusted: withDefault(cidrs('Networks that may send it.'), []),
      }),
      {},
    ),
    trustedProxies: withDefault(cidrs('Networks whose X-Forwarded-* fields are believed.'), []),
    maxConnections: withDefault(Type.Integer({ minimum: 1, maximum: 1_000_000, description: 'Of one node.' }), 20_000),
    maxConnectionsPerClient: withDefault(
      Type.Integer({
        minimum: 0,
        maximum: 1_000_000,
        description:
          'On each proxy thread: a node with four of them lets an address (IPv6: a /64) have up to four times as many. 0: no limit.',
      }),
      0,
    ),
    maxConnectionAgeMs: withDefault(durationMs(0, '0: no limit.'), 0),
    maxRequestBodyBytes: withDefault(
      Type.Integer({ minimum: 0, maximum: BODY_MAX_BYTES, description: '0: no limit.' }),
      0,
    ),
    maxResponseBodyBytes: withDefault(
      Type.Integer({ minimum: 0, maximum: BODY_MAX_BYTES, description: 'A longer answer is an error. 0: no limit.' }),
      0,
    ),
    timeouts: withDefault(
      closed({
        headerMs: withDefault(durationMs(10, 'Until the whole head of a request is there.'), 10_000),
        idleMs: withDefault(durationMs(10, 'Between requests, and between bytes of a body.'), 75_000),
        requestMs: withDefault(durationMs(10, 'From a request to the end of its response.'), 60_000),
        tunnelMs: withDefault(durationMs(10, 'Without a byte either way, in tunnels and on tcp and tls.'), 3_600_000),
        udpIdleMs: withDefault(durationMs(10, 'Life of a UDP session without a datagram.'), 30_000),
      }),
      {},
    ),
    accessLog: withDefault(
      closed({ sampleRatio: withDefault(ratio('Share of the requests that get a line. 0: none, 1: all.'), 0) }),
      {},
    ),
    traceContext: withDefault(
      closed({
        startRatio: withDefault(ratio('Share of the requests without a W3C trace context that one is started for.'), 0),
      }),
      {},
    ),
    routes: withDefault(Type.Array(RouteSchema, { maxItems: ROUTES_MAX_COUNT }), []),
  },
  'Where clients connect.',
);

/** As written by people: defaults may be left out. */
export type ListenerInput = Static<typeof ListenerSchema>;
/** Normalised: every property there. */
export type ListenerConfig = CompleteStatic<typeof ListenerSchema>;
export type RouteConfig = CompleteStatic<typeof RouteSchema>;
