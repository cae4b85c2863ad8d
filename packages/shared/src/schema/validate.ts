/**
 * From anything to a normalised configuration document, or to the full list of what is wrong with it.
 *
 * Pure and total. Faults of shape and of relations are reported together, wherever the relations can still be judged.
 */
import type { TSchema } from 'typebox';
import type { FaultDetail } from '../errors.ts';
import { checkShape, Faults, fieldPath } from './check.ts';
import {
  type CertificateConfig,
  CertificateSchema,
  type Config,
  ConfigSchema,
  KEPT_KEY,
  type SettingsConfig,
  SettingsSchema,
} from './config.ts';
import { type ListenerConfig, ListenerSchema } from './listener.ts';
import { type BackendConfig, BackendSchema, type PoolConfig, PoolSchema } from './pool.ts';
import { checkRelations } from './relations.ts';
import { checkBackend } from './relations-pool.ts';

export type Validated<T> =
  | { readonly ok: true; readonly value: T; readonly warnings: readonly FaultDetail[] }
  | { readonly ok: false; readonly faults: readonly FaultDetail[] };

export type ValidatedConfig =
  | { readonly ok: true; readonly config: Config; readonly warnings: readonly FaultDetail[] }
  | { readonly ok: false; readonly faults: readonly FaultDetail[] };

/** `keys`: private keys by certificate name that `(kept)` stands for. */
export function validateConfig(document: unknown, keys: ReadonlyMap<string, string> = new Map()): ValidatedConfig {
  const faults = new Faults();
  const shaped = checkShape(ConfigSchema, document ?? {}, faults);
  const wellShaped = !faults.any;
  faults.settle();
  const config = keepKeys(fitTimeouts(shaped as Config, document), keys, faults);
  const warnings = new Faults();
  if (wellShaped || !faults.has('')) checkRelations(config, faults, warnings);
  return faults.any ? { ok: false, faults: faults.all() } : { ok: true, config, warnings: warnings.all() };
}

/** Relations only, of a document that is made of normalised parts. */
export function validateRelations(config: Config): ValidatedConfig {
  const faults = new Faults();
  const warnings = new Faults();
  checkRelations(config, faults, warnings);
  return faults.any ? { ok: false, faults: faults.all() } : { ok: true, config, warnings: warnings.all() };
}

/** A short interval alone is not a fault: the default timeout gives way. One that was written down is kept, and may be at fault. */
function fitTimeouts(config: Config, document: unknown): Config {
  const given = (document as { readonly pools?: readonly unknown[] } | null | undefined)?.pools;
  return { ...config, pools: config.pools.map((pool, at) => fitTimeout(pool, given?.[at])) };
}

function fitTimeout(pool: PoolConfig, given: unknown): PoolConfig {
  const { health } = pool;
  if (health.timeoutMs <= health.intervalMs) return pool;
  const written = (given as { readonly health?: { readonly timeoutMs?: unknown } } | null | undefined)?.health
    ?.timeoutMs;
  return written === undefined ? { ...pool, health: { ...health, timeoutMs: health.intervalMs } } : pool;
}

function keepKeys(config: Config, keys: ReadonlyMap<string, string>, faults: Faults): Config {
  if (!config.certificates.some(({ keyPem }) => keyPem === KEPT_KEY)) return config;
  const certificates = config.certificates.map((certificate, at) =>
    keepKey(certificate, `certificates[${at}]`, keys, faults),
  );
  return { ...config, certificates };
}

function keepKey(
  certificate: CertificateConfig,
  path: string,
  keys: ReadonlyMap<string, string>,
  faults: Faults,
): CertificateConfig {
  if (certificate.keyPem !== KEPT_KEY) return certificate;
  const keyPem = keys.get(certificate.name);
  if (keyPem !== undefined && keyPem !== '') return { ...certificate, keyPem };
  faults.add(
    fieldPath(path, 'keyPem'),
    `is "${KEPT_KEY}", but there is no key of certificate "${certificate.name}" to keep`,
  );
  return { ...certificate, keyPem: '' };
}

export function validateListener(value: unknown): Validated<ListenerConfig> {
  return validateOne<ListenerConfig>(ListenerSchema, value);
}

export function validatePool(value: unknown): Validated<PoolConfig> {
  return validateOne<PoolConfig>(PoolSchema, value, (pool) => fitTimeout(pool, value));
}

/** A backend stands alone: nothing outside it is referred to. */
export function validateBackend(value: unknown): Validated<BackendConfig> {
  return validateOne<BackendConfig>(BackendSchema, value, (backend, faults) => {
    checkBackend(backend, '', faults);
    return backend;
  });
}

export function validateCertificate(
  value: unknown,
  keys: ReadonlyMap<string, string> = new Map(),
): Validated<CertificateConfig> {
  return validateOne<CertificateConfig>(CertificateSchema, value, (one, faults) => keepKey(one, '', keys, faults));
}

export function validateSettings(value: unknown): Validated<SettingsConfig> {
  return validateOne<SettingsConfig>(SettingsSchema, value);
}

function validateOne<T>(
  schema: TSchema,
  value: unknown,
  more: (value: T, faults: Faults) => T = (same) => same,
): Validated<T> {
  const faults = new Faults();
  const shaped = checkShape(schema, value ?? {}, faults) as T;
  faults.settle();
  const result = more(shaped, faults);
  return faults.any ? { ok: false, faults: faults.all() } : { ok: true, value: result, warnings: [] };
}
