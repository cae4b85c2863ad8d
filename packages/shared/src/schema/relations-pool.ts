/** Relations inside one pool: backends, affinity, health, the way to the backends. */
import { parseAddress } from './address.ts';
import { type Faults, fieldPath } from './check.ts';
import type { BackendConfig, PoolConfig } from './pool.ts';
import { checkCertificateName, type RelationContext } from './relation-context.ts';

const FIELD_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

export function checkPool(pool: PoolConfig, path: string, context: RelationContext): void {
  const { faults } = context;
  checkBackends(pool, `${path}.backends`, context);
  checkAffinity(pool, path, faults);
  if (pool.health.timeoutMs > pool.health.intervalMs && !faults.has(`${path}.health.intervalMs`)) {
    const { timeoutMs, intervalMs } = pool.health;
    faults.add(`${path}.health.timeoutMs`, `is ${timeoutMs}; must not be more than intervalMs, which is ${intervalMs}`);
  }
  checkUpstream(pool, `${path}.upstream`, context);
}

/** What one backend must satisfy by itself. */
export function checkBackend(backend: BackendConfig, path: string, faults: Faults): void {
  if (parseAddress(backend.address) === null) {
    const example = '"10.0.0.1:3000", "app.internal:3000" or "[fd00::1]:3000"';
    faults.add(fieldPath(path, 'address'), `must be HOST:PORT such as ${example}, is "${backend.address}"`);
  }
}

function checkBackends(pool: PoolConfig, path: string, { faults, warnings }: RelationContext): void {
  const ids = new Map<string, number>();
  const addresses = new Map<string, number>();
  let weights = 0;
  for (const [at, backend] of pool.backends.entries()) {
    const here = `${path}[${at}]`;
    checkBackend(backend, here, faults);
    weights += backend.state === 'enabled' ? backend.weight : 0;
    const sameId = ids.get(backend.id);
    if (sameId !== undefined) faults.add(`${here}.id`, `"${backend.id}" is already the id of ${path}[${sameId}]`);
    else ids.set(backend.id, at);
    const sameAddress = addresses.get(backend.address);
    if (sameAddress !== undefined) warnings.add(`${here}.address`, `is the same as that of ${path}[${sameAddress}]`);
    else addresses.set(backend.address, at);
  }
  if (pool.backends.length === 0) warnings.add(path, 'is empty: this pool serves nothing');
  else if (weights === 0) warnings.add(path, 'none is enabled with a weight above 0: this pool takes no new work');
}

function checkAffinity({ affinity }: PoolConfig, path: string, faults: Faults): void {
  if (affinity === null) return;
  const at = `${path}.affinity.name`;
  if (affinity.name === '' && (affinity.type === 'header' || affinity.type === 'cookie-learn')) {
    faults.add(at, `is required for ${affinity.type}`);
  } else if (affinity.name !== '' && !FIELD_NAME.test(affinity.name)) {
    faults.add(at, `must be a name without spaces and separators, is ${JSON.stringify(affinity.name)}`);
  }
}

function checkUpstream({ upstream }: PoolConfig, path: string, context: RelationContext): void {
  const { faults } = context;
  const { protocol, tls } = upstream;
  if (protocol === 'h2' && tls === null) faults.add(`${path}.tls`, 'is required for h2; without TLS it is h2c');
  if (protocol === 'h2c' && tls !== null) faults.add(`${path}.protocol`, 'h2c is without TLS; with tls it is h2');
  if (tls === null) return;
  if (tls.ca !== null) checkCertificateName(tls.ca, `${path}.tls.ca`, context, { key: false });
  if (tls.clientCertificate !== null) {
    checkCertificateName(tls.clientCertificate, `${path}.tls.clientCertificate`, context, { key: true });
  }
}
