/**
 * The protocols that the comparison of plain HTTP does not cover, each beside the peer that is measured against: raw TCP beside
 * HAProxy, HTTP/2 (with and without TLS) and gRPC beside Caddy. One core and one proxy thread for the contestant.
 *
 *   ./scripts/with-node node bench/proxy-protocols.ts [--rounds 3] [--seconds 3] [--only tcp,h2c,h2,grpc]
 *
 * Needs nginx, haproxy, caddy, wrk, h2load (nghttp2), openssl and ports 8110-8520, 9001-9013 of 127.0.0.1. Prints medians: requests
 * per second, microseconds of CPU per request, and Flotilla's ratio to the peer.
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { waitFor } from '@flotilla/shared/testing';
import { accepts, cpuUs, GRPC_PORTS, h2load, LAUNCHER, median, ORIGIN_PORTS, Scene, wrk } from './harness/beside.ts';
import type { Contestant, Load } from './harness/beside.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '3' },
    only: { type: 'string', default: 'tcp,h2c,h2,grpc' },
  },
});
const SECONDS = Number(values.seconds);
/** Code is compiled as it is used. */
const WARM_UP_SECONDS = 2;
const H2_LOAD = ['-c16', '-m32'];
const scene = new Scene();
const { cert, key } = scene.certificate();

/** Our ports and the peers': listener, and 100 above it. */
const PORTS = { tcp: 8110, h2c: 8210, h2: 8310, grpc: 8410 };
type Protocol = keyof typeof PORTS;

function flotilla(): Contestant {
  const route = (pool: string): object[] => [{ match: {}, pool }];
  const backends = (ports: readonly number[]): object[] =>
    ports.map((port) => ({ id: `b${port}`, address: `127.0.0.1:${port}` }));
  const plain = { name: 'plain', health: { protocol: 'tcp' }, backends: backends(ORIGIN_PORTS) };
  const grpc = { ...plain, name: 'grpc', upstream: { protocol: 'h2c' }, backends: backends(GRPC_PORTS) };
  const listeners = [
    { name: 'tcp', port: PORTS.tcp, protocol: 'tcp', routes: route('plain') },
    { name: 'h2c', port: PORTS.h2c, protocol: 'http', routes: route('plain') },
    { name: 'h2', port: PORTS.h2, protocol: 'https', tls: { certificates: ['local'] }, routes: route('plain') },
    { name: 'grpc', port: PORTS.grpc, protocol: 'http', routes: route('grpc') },
  ];
  const certificates = [{ name: 'local', certPem: read(cert), keyPem: read(key) }];
  const config = scene.file('cluster.yaml', JSON.stringify({ listeners, pools: [plain, grpc], certificates }));
  const node = `${LAUNCHER} node --node-id bench --data-dir ${scene.folder}/node --initial-config ${config}`;
  const bound = '--api-listen 127.0.0.1:17410 --raft-listen 127.0.0.1:17510 --bind-address 127.0.0.1';
  return { name: 'flotilla', port: PORTS.grpc, command: `${node} ${bound} --proxy-threads 1 --log-level warn` };
}

function haproxy(): Contestant {
  const servers = ORIGIN_PORTS.map((port) => `  server s${port} 127.0.0.1:${port}`).join('\n');
  const config = scene.file(
    'haproxy.cfg',
    `global\n  nbthread 1\n  maxconn 4000\ndefaults\n  mode tcp\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n` +
      `frontend f\n  bind 127.0.0.1:${PORTS.tcp + 100}\n  default_backend b\nbackend b\n  balance roundrobin\n${servers}\n`,
  );
  return { name: 'haproxy', port: PORTS.tcp + 100, command: `haproxy -db -q -f ${config}` };
}

function caddy(): Contestant {
  const kept = `transport http {\n keepalive_idle_conns_per_host 512\n `;
  const to = (ports: readonly number[], scheme: string, versions: string): string =>
    `reverse_proxy ${ports.map((port) => `${scheme}127.0.0.1:${port}`).join(' ')} {\n lb_policy round_robin\n ${kept}${versions}\n }\n }`;
  const config = scene.file(
    'Caddyfile',
    `{\n admin off\n auto_https off\n servers {\n protocols h1 h2 h2c\n }\n}\n` +
      `http://:${PORTS.h2c + 100} {\n ${to(ORIGIN_PORTS, '', '')}\n}\n` +
      `https://localhost:${PORTS.h2 + 100} {\n tls ${cert} ${key}\n ${to(ORIGIN_PORTS, '', '')}\n}\n` +
      `http://:${PORTS.grpc + 100} {\n ${to(GRPC_PORTS, 'h2c://', 'versions h2c 2')}\n}\n`,
  );
  const env = { GOMAXPROCS: '1', XDG_DATA_HOME: scene.folder, XDG_CONFIG_HOME: scene.folder };
  return { name: 'caddy', port: PORTS.h2c + 100, command: `caddy run --config ${config} --adapter caddyfile`, env };
}

function read(path: string): string {
  return readFileSync(path, 'utf8');
}

const call = scene.file('call', Buffer.concat([Buffer.from([0, 0, 0, 0, 16]), Buffer.alloc(16, 0x62)]));
const load: Record<Protocol, (port: number, seconds: number) => Load> = {
  tcp: (port, seconds) => wrk(`http://127.0.0.1:${port}/`, { seconds, connections: 64 }),
  h2c: (port, seconds) => h2load(`http://127.0.0.1:${port}/`, seconds, H2_LOAD),
  h2: (port, seconds) => h2load(`https://localhost:${port}/`, seconds, H2_LOAD),
  grpc: (port, seconds) => {
    const fields = ['-H', 'content-type: application/grpc', '-H', 'te: trailers'];
    return h2load(`http://127.0.0.1:${port}/bench.Echo/Say`, seconds, [...H2_LOAD, '-d', call, ...fields]);
  },
};

interface Measured {
  readonly perSecond: number[];
  readonly usPerRequest: number[];
}

const table: Record<string, Record<string, number>> = {};
try {
  await scene.startOrigin();
  const wanted = (Object.keys(PORTS) as Protocol[]).filter((protocol) => values.only.split(',').includes(protocol));
  const measured = new Map<string, Measured>();
  for (let round = 0; round < Number(values.rounds); round += 1)
    for (const contestant of [haproxy(), caddy(), flotilla()])
      await scene.during(contestant, '0', async (pid) => {
        for (const protocol of wanted.filter((one) => takesPart(contestant.name, one))) {
          const port = PORTS[protocol] + (contestant.name === 'flotilla' ? 0 : 100);
          await waitFor(`port ${port}`, () => accepts(port));
          load[protocol](port, WARM_UP_SECONDS);
          const before = cpuUs(pid);
          const { requests, perSecond } = load[protocol](port, SECONDS);
          const name = `${protocol} ${contestant.name}`;
          const one = measured.get(name) ?? { perSecond: [], usPerRequest: [] };
          measured.set(name, one);
          one.perSecond.push(perSecond);
          one.usPerRequest.push((cpuUs(pid) - before) / requests);
        }
      });
  for (const [name, { perSecond, usPerRequest }] of measured)
    table[name] = {
      'requests/s': Math.round(median(perSecond)),
      'CPU µs/request': Number(median(usPerRequest).toFixed(1)),
    };
  for (const protocol of wanted) {
    const peer = protocol === 'tcp' ? 'haproxy' : 'caddy';
    const own = measured.get(`${protocol} flotilla`)?.perSecond ?? [];
    const theirs = measured.get(`${protocol} ${peer}`)?.perSecond ?? [];
    table[`${protocol} ratio to ${peer}`] = { 'requests/s': Number((median(own) / median(theirs)).toFixed(2)) };
  }
} finally {
  await scene.close();
}
console.table(table);

function takesPart(contestant: string, protocol: Protocol): boolean {
  return contestant === 'flotilla' || (contestant === 'haproxy') === (protocol === 'tcp');
}
