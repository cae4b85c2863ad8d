/** Configuration documents: what is wrong with bad ones, all of it; what good ones become; what hostile ones cannot do. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KEPT_KEY } from './config.ts';
import { FAULTS_MAX_COUNT } from './limits.ts';
import { validateBackend, validateConfig, validatePool } from './validate.ts';

const CERT = '-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----';
const KEY = '-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----';

function faultsOf(document: unknown): string[] {
  const result = validateConfig(document);
  return result.ok ? [] : result.faults.map(({ path, message }) => `${path}: ${message}`).sort();
}

const web = (more: object = {}) => ({
  name: 'web',
  port: 8080,
  protocol: 'http',
  routes: [{ pool: 'api' }],
  ...more,
});
const api = (more: object = {}) => ({ name: 'api', backends: [{ id: 'b1', address: '10.0.0.1:80' }], ...more });
const site = { name: 'site', certPem: CERT, keyPem: KEY };

/** One thing wrong each: the document, and the complete list of what is said. */
const FAULTS: readonly [what: string, document: unknown, faults: readonly string[]][] = [
  ['not an object', 'text', [': must be an object, is "text"']],
  ['a list', [], [': must be an object, is a list']],
  [
    'unknown fields, one of them nearly known',
    { setings: {}, extra: 1 },
    ['extra: is not a field that is known here', 'setings: is not a known field; did you mean "settings"?'],
  ],
  ['a list that is none', { listeners: {} }, ['listeners: must be a list, is an object']],
  [
    'everything required missing',
    { listeners: [{}], pools: [{ backends: [{}] }], certificates: [{}] },
    [
      'certificates[0].certPem: is required',
      'certificates[0].name: is required',
      'listeners[0].name: is required',
      'listeners[0].port: is required',
      'listeners[0].protocol: is required',
      'pools[0].backends[0].address: is required',
      'pools[0].backends[0].id: is required',
      'pools[0].name: is required',
    ],
  ],
  [
    'wrong types and ranges',
    {
      listeners: [web({ port: 70_000, maxConnections: 1.5, tls: 'yes', protocol: 'htpp' })],
      pools: [api({ failOpen: 'no', slowStartMs: -1 })],
    },
    [
      'listeners[0].maxConnections: must be a whole number, is 1.5',
      'listeners[0].port: must be from 1 to 65535, is 70000',
      'listeners[0].protocol: must be one of "http", "https", "tcp", "tls", "udp", is "htpp"; did you mean "http"?',
      'listeners[0].tls: must be an object, is "yes"',
      'pools[0].failOpen: must be true or false, is "no"',
      'pools[0].slowStartMs: must be from 0 to 86400000, is -1',
    ],
  ],
  [
    'a version that YAML read as a number',
    {
      listeners: [web({ protocol: 'https', tls: { certificates: ['site'], minVersion: 1.2 } })],
      pools: [api()],
      certificates: [site],
    },
    ['listeners[0].tls.minVersion: must be one of "1.2", "1.3", is 1.2; write it as "1.2"'],
  ],
  [
    'names that dangle',
    {
      listeners: [
        web({
          protocol: 'https',
          tls: { certificates: ['none'], clientCa: 'ca' },
          routes: [{ pool: 'apii', split: [{ pool: 'v2', weight: 10 }] }],
        }),
      ],
      pools: [api({ upstream: { tls: { ca: 'corp', clientCertificate: 'me' } } })],
    },
    [
      'listeners[0].routes[0].pool: there is no pool "apii"',
      'listeners[0].routes[0].split[0].pool: there is no pool "v2"',
      'listeners[0].tls.certificates[0]: there is no certificate "none"',
      'listeners[0].tls.clientCa: there is no certificate "ca"',
      'pools[0].upstream.tls.ca: there is no certificate "corp"',
      'pools[0].upstream.tls.clientCertificate: there is no certificate "me"',
    ],
  ],
  [
    'names, ids and ports twice',
    {
      listeners: [web(), web(), web({ name: 'dns', protocol: 'udp' })],
      pools: [
        api(),
        api({
          backends: [
            { id: 'b1', address: 'a:1' },
            { id: 'b1', address: 'b:1' },
          ],
        }),
      ],
      certificates: [site, site],
    },
    [
      'certificates[1].name: "site" is already the name of certificates[0]',
      'listeners[1].name: "web" is already the name of listeners[0]',
      'listeners[1].port: 8080 (tcp) is already the port of listeners[0]',
      'pools[1].backends[1].id: "b1" is already the id of pools[1].backends[0]',
      'pools[1].name: "api" is already the name of pools[0]',
    ],
  ],
  [
    'TLS where none can be, and none where it must be',
    {
      listeners: [
        web({ name: 'a', protocol: 'https' }),
        web({ name: 'b', port: 1, tls: { certificates: ['site'] } }),
        web({ name: 'c', port: 2, protocol: 'https', tls: {} }),
        web({ name: 'd', port: 3, protocol: 'https', tls: { certificates: ['ca'] } }),
      ],
      pools: [api({ upstream: { protocol: 'h2' } }), api({ name: 'x', upstream: { protocol: 'h2c', tls: {} } })],
      certificates: [site, { name: 'ca', certPem: CERT }],
    },
    [
      'listeners[0].tls: is required for https, with at least one certificate',
      'listeners[1].tls: is for https listeners only; this one is http',
      'listeners[2].tls.certificates: needs at least one certificate',
      'listeners[3].tls.certificates[0]: certificate "ca" has no keyPem',
      'pools[0].upstream.tls: is required for h2; without TLS it is h2c',
      'pools[1].upstream.protocol: h2c is without TLS; with tls it is h2',
    ],
  ],
  [
    'routes that say too little or too much',
    {
      listeners: [
        web({
          routes: [
            {},
            { pool: 'api', redirect: { scheme: 'https' } },
            { redirect: {} },
            { match: { path: 'x', pathPrefix: '/y', sni: 'a', host: 'a:80' }, pool: 'api' },
            { pool: 'api', rewrite: { pathPrefix: 'z' } },
            {
              pool: 'api',
              split: [
                { pool: 'api', weight: 60 },
                { pool: 'v2', weight: 60 },
              ],
            },
            { pool: 'api', headers: { set: { 'x-a': 'b\r\nc: d' } } },
          ],
        }),
      ],
      pools: [api(), api({ name: 'v2' })],
    },
    [
      'listeners[0].routes[0]: needs a pool or a redirect',
      'listeners[0].routes[1]: has both a pool and a redirect; only one can be',
      'listeners[0].routes[2].redirect: needs a scheme, a host or a path; as it is it would go round in circles',
      'listeners[0].routes[3].match.host: must be a host name, or "*." and a host name, without a port; is "a:80"',
      'listeners[0].routes[3].match.path: must begin with "/"',
      'listeners[0].routes[3].match.sni: is for tls listeners only; match on host',
      'listeners[0].routes[3].match: has both path and pathPrefix; only one can be',
      'listeners[0].routes[4].rewrite.pathPrefix: must begin with "/"',
      'listeners[0].routes[4].rewrite.pathPrefix: needs match.pathPrefix, which it replaces',
      'listeners[0].routes[5].split: weights are percent and add up to 120; at most 100',
      'listeners[0].routes[5].split[0].pool: "api" already has a share',
      'listeners[0].routes[6].headers.set["x-a"]: must not have control characters',
    ],
  ],
  [
    'HTTP on a stream',
    {
      listeners: [
        web({
          protocol: 'tcp',
          routes: [
            {
              match: { host: 'a', sni: 'a', header: { a: 'b' } },
              pool: 'api',
              rewrite: { host: 'b' },
              headers: { remove: ['x'] },
            },
          ],
        }),
      ],
      pools: [api()],
    },
    [
      'listeners[0].routes[0].headers: is for http and https; this listener is tcp',
      'listeners[0].routes[0].match.header: is for http and https; this listener is tcp',
      'listeners[0].routes[0].match.host: is for http and https; this listener is tcp',
      'listeners[0].routes[0].match.sni: is for tls listeners only; this one is tcp',
      'listeners[0].routes[0].rewrite: is for http and https; this listener is tcp',
    ],
  ],
  [
    'addresses, networks and PEM that cannot be read',
    {
      listeners: [
        web({ trustedProxies: ['10.0.0.0/33', 'fd00::/8'], proxyProtocol: { accept: true, trusted: ['x'] } }),
      ],
      pools: [
        api({
          backends: [
            { id: 'b1', address: '10.0.0.1' },
            { id: 'b2', address: '999.1.1.1:80' },
          ],
        }),
      ],
      certificates: [{ name: 'site', certPem: 'x', keyPem: 'y' }],
    },
    [
      'certificates[0].certPem: must be PEM text with "-----BEGIN CERTIFICATE-----"',
      'certificates[0].keyPem: must be PEM text with "-----BEGIN PRIVATE KEY-----", or empty',
      'listeners[0].proxyProtocol.trusted[0]: must be an address or a network such as 10.0.0.0/8, is "x"',
      'listeners[0].trustedProxies[0]: must be an address or a network such as 10.0.0.0/8, is "10.0.0.0/33"',
      'pools[0].backends[0].address: must be HOST:PORT such as "10.0.0.1:3000", "app.internal:3000" or "[fd00::1]:3000", is "10.0.0.1"',
      'pools[0].backends[1].address: must be HOST:PORT such as "10.0.0.1:3000", "app.internal:3000" or "[fd00::1]:3000", is "999.1.1.1:80"',
    ],
  ],
  [
    'a timeout beyond its interval, an affinity without a name',
    { pools: [api({ health: { intervalMs: 100, timeoutMs: 200 }, affinity: { type: 'header' } })] },
    [
      'pools[0].affinity.name: is required for header',
      'pools[0].health.timeoutMs: is 200; must not be more than intervalMs, which is 100',
    ],
  ],
  [
    'shape and relations in one go',
    {
      listeners: [
        web({ routes: [{ pool: 'nope' }] }),
        { name: 'Bad', port: 'x', protocol: 'http', routes: [{ pool: 'nope' }] },
      ],
      pools: [api({ backends: [{ id: 'b1', address: 'bad', wieght: 5 }] })],
    },
    [
      'listeners[0].routes[0].pool: there is no pool "nope"',
      'listeners[1].name: must be 1 to 63 lower-case letters, digits and dashes, beginning with a letter or digit, is "Bad"',
      'listeners[1].port: must be a whole number, is "x"',
      'listeners[1].routes[0].pool: there is no pool "nope"',
      'pools[0].backends[0].address: must be HOST:PORT such as "10.0.0.1:3000", "app.internal:3000" or "[fd00::1]:3000", is "bad"',
      'pools[0].backends[0].wieght: is not a known field; did you mean "weight"?',
    ],
  ],
  [
    'a kept key that is not there',
    { certificates: [{ name: 'site', certPem: CERT, keyPem: KEPT_KEY }] },
    ['certificates[0].keyPem: is "(kept)", but there is no key of certificate "site" to keep'],
  ],
];

describe('what is wrong with a document', () => {
  it.each(FAULTS)('%s', (_what, document, faults) => {
    expect(faultsOf(document)).toEqual([...faults].sort());
  });

  it('counts the faults beyond those that it lists', () => {
    const backends = Array.from({ length: FAULTS_MAX_COUNT + 5 }, (_, at) => ({ id: `b${at}`, address: 'bad' }));
    const faults = faultsOf({ pools: [api({ backends })] });
    expect(faults).toHaveLength(FAULTS_MAX_COUNT + 1);
    expect(faults).toContain(': and 5 more faults');
  });

  it('says of one resource what it says of a document, by its own paths', () => {
    const bad = validateBackend({ id: 'b1', address: 'x', weight: 2_000 });
    expect(bad).toMatchObject({ ok: false, faults: [{ path: 'weight' }, { path: 'address' }] });
    expect(validateBackend({ id: 'b1', address: 'x' })).toMatchObject({ ok: false, faults: [{ path: 'address' }] });
  });
});

describe('what a good document becomes', () => {
  it('gives every property its default', () => {
    const result = validateConfig({ listeners: [web()], pools: [api({ affinity: { type: 'cookie' } })] });
    expect(result).toMatchObject({
      ok: true,
      config: {
        listeners: [
          {
            tls: null,
            maxConnections: 20_000,
            timeouts: { headerMs: 10_000, idleMs: 75_000, requestMs: 60_000, tunnelMs: 3_600_000 },
            routes: [{ match: { host: null, header: {} }, pool: 'api', split: [], redirect: null }],
          },
        ],
        pools: [
          {
            algorithm: 'round-robin',
            affinity: { type: 'cookie', name: '', ttlMs: 3_600_000, strict: false },
            health: { protocol: 'http', path: '/ready', expectStatus: [200], timeoutMs: 2_000, intervalMs: 5_000 },
            outlier: null,
            retry: { attempts: 2, budgetRatio: 0.2 },
            failOpen: false,
            upstream: { protocol: 'http1', tls: null, connectTimeoutMs: 2_000 },
            backends: [{ weight: 100, state: 'enabled', priority: 0, tags: {} }],
          },
        ],
        certificates: [],
        settings: { readyWithoutQuorum: true, viaName: 'flotilla', drainPropagationMs: 3_000 },
      },
    });
  });

  it('is the same when it is normalised again', () => {
    const once = validateConfig({ listeners: [web()], pools: [api()], certificates: [site] });
    if (!once.ok) throw new Error('the document is good');
    expect(validateConfig(once.config)).toEqual(once);
    expect(JSON.stringify(validateConfig(JSON.parse(JSON.stringify(once.config))))).toBe(JSON.stringify(once));
  });

  it('accepts an empty document, and none', () => {
    expect(validateConfig({})).toMatchObject({ ok: true, config: { listeners: [], pools: [] } });
    expect(validateConfig(null)).toMatchObject({ ok: true });
  });

  it('lets the default timeout give way to a short interval', () => {
    expect(validatePool(api({ health: { intervalMs: 100 } }))).toMatchObject({ value: { health: { timeoutMs: 100 } } });
  });

  it('keeps a key that is there', () => {
    const document = { certificates: [{ ...site, keyPem: KEPT_KEY }] };
    const kept = validateConfig(document, new Map([['site', KEY]]));
    expect(kept).toMatchObject({ ok: true, config: { certificates: [{ keyPem: KEY }] } });
  });

  it('warns of what is allowed and surely not meant', () => {
    const result = validateConfig({
      listeners: [web({ routes: [{ pool: 'api' }, { match: { path: '/x' }, pool: 'idle' }] })],
      pools: [api(), api({ name: 'idle', backends: [{ id: 'b1', address: 'a:1', weight: 0 }] }), { name: 'none' }],
    });
    expect(result).toMatchObject({
      ok: true,
      warnings: [
        { path: 'listeners[0].routes[1]', message: 'is never reached: listeners[0].routes[0] matches everything' },
        { path: 'pools[1].backends' },
        { path: 'pools[2].backends' },
      ],
    });
  });
});

describe('what a hostile document cannot do', () => {
  it('gives an answer for anything, without throwing', () => {
    fc.assert(
      fc.property(fc.anything({ withBigInt: true, withDate: true, withMap: true, withSparseArray: true }), (value) => {
        const around = [
          value,
          { listeners: [value], pools: [value], certificates: [value], settings: value },
          { listeners: value, pools: value, certificates: value },
        ];
        for (const document of around) {
          const result = validateConfig(document);
          expect(result.ok ? 1 : result.faults.length).toBeGreaterThan(0);
        }
      }),
    );
  });

  it('does not touch prototypes', () => {
    const document: unknown = JSON.parse(
      '{"__proto__":{"x":1},"pools":[{"name":"api","backends":[{"id":"b","address":"a:1","tags":{"__proto__":"y"}}]}],"constructor":{}}',
    );
    expect(faultsOf(document)).toEqual([
      '__proto__: is not a field that is known here',
      'constructor: is not a field that is known here',
      'pools[0].backends[0].tags["__proto__"]: is not a name that is allowed here',
    ]);
    expect(({} as { x?: number }).x).toBeUndefined();
  });

  it('ends early where there is too much', () => {
    const routes = Array.from({ length: 1_000 }, () => ({}));
    const listeners = Array.from({ length: 1_000 }, () => ({ routes }));
    expect(faultsOf({ listeners })).toContain(': has more than 1500000 values');
  });

  it('takes nesting of any depth', () => {
    let deep: unknown = {};
    for (let level = 0; level < 100_000; level++) deep = { pools: [deep] };
    expect(faultsOf(deep).length).toBeGreaterThan(0);
  });
});

it('takes ten thousand backends in a thousand pools', () => {
  const pools = Array.from({ length: 1_000 }, (_, pool) => ({
    name: `p${pool}`,
    backends: Array.from({ length: 10 }, (_unused, at) => ({ id: `b${at}`, address: `10.0.${pool % 256}.${at}:80` })),
  }));
  expect(validateConfig({ pools })).toMatchObject({ ok: true });
});
