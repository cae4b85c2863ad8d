/**
 * What a schema cannot say: names that must exist or be unique, ports that must differ, fields that need or forbid each other.
 *
 * Works on a normalised document, adds every fault with its path, and warns of what is allowed but surely not meant.
 */
import { isCidr } from './address.ts';
import type { Faults } from './check.ts';
import type { CertificateConfig, Config } from './config.ts';
import { BACKENDS_MAX_COUNT, ROUTES_TOTAL_MAX_COUNT } from './limits.ts';
import type { ListenerConfig } from './listener.ts';
import { checkCertificateName, type RelationContext } from './relation-context.ts';
import { checkPool } from './relations-pool.ts';
import { checkRoutes } from './relations-route.ts';

export function checkRelations(config: Config, faults: Faults, warnings: Faults): void {
  const context: RelationContext = {
    pools: faults.has('pools') ? null : new Set(config.pools.map((pool) => pool.name)),
    certificates: faults.has('certificates') ? null : new Map(config.certificates.map((one) => [one.name, one])),
    faults,
    warnings,
  };
  unique(config.listeners, 'listeners', faults);
  unique(config.pools, 'pools', faults);
  unique(config.certificates, 'certificates', faults);
  checkPorts(config.listeners, faults);
  checkTotals(config, faults);
  for (const [at, listener] of config.listeners.entries()) checkListener(listener, `listeners[${at}]`, context);
  for (const [at, pool] of config.pools.entries()) checkPool(pool, `pools[${at}]`, context);
  for (const [at, one] of config.certificates.entries()) checkPem(one, `certificates[${at}]`, context);
}

function checkTotals(config: Config, faults: Faults): void {
  const backends = config.pools.reduce((sum, pool) => sum + pool.backends.length, 0);
  if (backends > BACKENDS_MAX_COUNT) {
    faults.add('pools', `have ${backends} backends together; at most ${BACKENDS_MAX_COUNT}`);
  }
  const routes = config.listeners.reduce((sum, listener) => sum + listener.routes.length, 0);
  if (routes > ROUTES_TOTAL_MAX_COUNT) {
    faults.add('listeners', `have ${routes} routes together; at most ${ROUTES_TOTAL_MAX_COUNT}`);
  }
}

function unique(items: readonly { readonly name: string }[], path: string, faults: Faults): void {
  const seen = new Map<string, number>();
  for (const [at, { name }] of items.entries()) {
    const first = seen.get(name);
    if (first === undefined) seen.set(name, at);
    else faults.add(`${path}[${at}].name`, `"${name}" is already the name of ${path}[${first}]`);
  }
}

/** TCP and UDP have ports of their own. */
function checkPorts(listeners: readonly ListenerConfig[], faults: Faults): void {
  const seen = new Map<string, number>();
  for (const [at, { port, protocol }] of listeners.entries()) {
    const family = protocol === 'udp' ? 'udp' : 'tcp';
    const first = seen.get(`${family} ${port}`);
    if (first === undefined) seen.set(`${family} ${port}`, at);
    else faults.add(`listeners[${at}].port`, `${port} (${family}) is already the port of listeners[${first}]`);
  }
}

function checkListener(listener: ListenerConfig, path: string, context: RelationContext): void {
  const { faults, warnings } = context;
  // Most relations hang on the protocol: where that is unknown they would only mislead.
  const known = !faults.has(`${path}.protocol`);
  if (known) checkTls(listener, path, context);
  checkCidrs(listener.trustedProxies, `${path}.trustedProxies`, faults);
  checkCidrs(listener.proxyProtocol.trusted, `${path}.proxyProtocol.trusted`, faults);
  if (listener.proxyProtocol.accept && listener.protocol === 'udp') {
    faults.add(`${path}.proxyProtocol.accept`, 'is for listeners over TCP; this one is udp');
  } else if (listener.proxyProtocol.accept && listener.proxyProtocol.trusted.length === 0) {
    warnings.add(`${path}.proxyProtocol.trusted`, 'is empty: nobody is trusted to send the PROXY protocol');
  }
  if (listener.routes.length === 0) warnings.add(`${path}.routes`, 'is empty: this listener serves nothing');
  if (known) checkRoutes(listener, `${path}.routes`, context);
}

function checkTls(listener: ListenerConfig, path: string, context: RelationContext): void {
  const { faults } = context;
  const { tls, protocol } = listener;
  if (tls === null) {
    if (protocol === 'https') faults.add(`${path}.tls`, 'is required for https, with at least one certificate');
    return;
  }
  if (protocol !== 'https') {
    const why = protocol === 'tls' ? 'a tls listener passes TLS through and ends none' : `this one is ${protocol}`;
    faults.add(`${path}.tls`, `is for https listeners only; ${why}`);
  } else if (tls.certificates.length === 0) {
    faults.add(`${path}.tls.certificates`, 'needs at least one certificate');
  }
  for (const [at, name] of tls.certificates.entries()) {
    checkCertificateName(name, `${path}.tls.certificates[${at}]`, context, { key: true });
  }
  if (tls.clientCa !== null) {
    checkCertificateName(tls.clientCa, `${path}.tls.clientCa`, context, { key: false });
  }
}

function checkCidrs(cidrs: readonly string[], path: string, faults: Faults): void {
  for (const [at, cidr] of cidrs.entries()) {
    if (!isCidr(cidr)) faults.add(`${path}[${at}]`, `must be an address or a network such as 10.0.0.0/8, is "${cidr}"`);
  }
}

/** The look of PEM only. Whether it is a certificate, and the key its own, is `checkCertificates`' to say: that takes a crypto library. */
function checkPem(certificate: CertificateConfig, path: string, context: RelationContext): void {
  if (!/-----BEGIN (X509 |TRUSTED )?CERTIFICATE-----/.test(certificate.certPem)) {
    context.faults.add(`${path}.certPem`, 'must be PEM text with "-----BEGIN CERTIFICATE-----"');
  }
  if (certificate.keyPem !== '' && !/-----BEGIN ([A-Z]+ )?PRIVATE KEY-----/.test(certificate.keyPem)) {
    context.faults.add(`${path}.keyPem`, 'must be PEM text with "-----BEGIN PRIVATE KEY-----", or empty');
  }
}
