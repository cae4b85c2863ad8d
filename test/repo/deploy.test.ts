/** The container files keep to the public map of services and ports, and know every package. Whether they run is the container suite's matter. */
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { filesBelow, packages, read, report } from './workspace.ts';

interface Service {
  readonly command: readonly string[];
  readonly ports?: readonly string[];
  readonly environment?: Readonly<Record<string, string | number>>;
  readonly volumes?: readonly string[];
  readonly stop_grace_period: string;
  readonly healthcheck: { readonly test: readonly string[] };
}

const compose = parse(read('docker-compose.yml'), { merge: true }) as { services: Record<string, Service> };
const nodes = ['n1', 'n2', 'n3'];
const backends = ['b1', 'b2', 'b3'];

describe('docker-compose.yml', () => {
  test('has three nodes and three backends', () => {
    expect(Object.keys(compose.services).toSorted()).toEqual([...backends, ...nodes]);
  });

  test.each(nodes)('publishes %s on loopback only, on the ports of the map', (name) => {
    const number = name.slice(1);
    expect(compose.services[name]?.ports).toEqual([`127.0.0.1:740${number}:7400`, `127.0.0.1:808${number}:8080`]);
  });

  test.each(nodes)('gives %s its name, a disk of its own, a token, a secret and time to drain', (name) => {
    const service = compose.services[name];
    const environment = service?.environment ?? {};
    expect(environment).toMatchObject({ FLOTILLA_NODE_ID: name, FLOTILLA_API_ADVERTISE: `${name}:7400` });
    // oxlint-disable-next-line no-template-curly-in-string -- Compose fills it in.
    expect(environment['FLOTILLA_API_TOKENS']).toBe('admin:${FLOTILLA_TOKEN:-flotilla-dev}');
    expect(environment['FLOTILLA_CLUSTER_SECRET']).toContain('FLOTILLA_CLUSTER_SECRET');
    expect(service?.volumes).toEqual([`${name}:/var/lib/flotilla`]);
    expect(Number.parseInt(service?.stop_grace_period ?? '', 10) * 1000).toBeGreaterThan(
      Number(environment['FLOTILLA_DRAIN_MS']),
    );
  });

  test.each(backends)('runs %s as a sample backend on port 9100', (name) => {
    expect(compose.services[name]?.command).toEqual(['backend', '--id', name, '--listen', '0.0.0.0:9100']);
  });

  test('every service has a health check with a script that is in the image', () => {
    const faults = Object.entries(compose.services).filter(([, { healthcheck }]) => {
      const file = healthcheck.test.find((part) => part.endsWith('.mjs')) ?? '';
      return !filesBelow('deploy').includes(file.replace('/opt/flotilla/', ''));
    });
    expect(
      report(
        faults.map(([name]) => name),
        'ask deploy/healthcheck.mjs',
      ),
    ).toBe('');
  });

  test('the initial configuration leads to the three backends', () => {
    const config = parse(read('deploy/compose/config.yaml')) as { pools: { backends: { address: string }[] }[] };
    expect(config.pools.flatMap((pool) => pool.backends.map(({ address }) => address))).toEqual(
      backends.map((name) => `${name}:9100`),
    );
  });
});

describe('Dockerfile', () => {
  test('copies the manifest of every package before it installs', () => {
    const manifests = [...packages().map(({ name }) => `packages/${name}`), 'test', 'bench'];
    const faults = manifests.filter((path) => !read('Dockerfile').includes(`COPY ${path}/package.json ${path}/\n`));
    expect(report(faults, 'add COPY <folder>/package.json <folder>/ beside the others')).toBe('');
  });

  test('runs as a user without rights', () => {
    expect(read('Dockerfile')).toMatch(/^USER node$/m);
  });
});
