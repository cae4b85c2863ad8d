/**
 * Schema of the configuration document: listeners, pools with backends, certificates, settings. The one source of the types,
 * the validation, the defaults and the OpenAPI of everything that a user configures.
 */
import Type, { type Static } from 'typebox';
import { closed, type CompleteStatic, id, token, withDefault } from './build.ts';
import { CERTIFICATES_MAX_COUNT, LISTENERS_MAX_COUNT, PEM_MAX_CHARS, POOLS_MAX_COUNT } from './limits.ts';
import { ListenerSchema } from './listener.ts';
import { PoolSchema } from './pool.ts';

/** Stands for a private key that is there but never read back; written back it keeps the key of that name. */
export const KEPT_KEY = '(kept)';

export const CertificateSchema = closed({
  name: id('Name.'),
  certPem: Type.String({ maxLength: PEM_MAX_CHARS, description: 'Certificate and its chain, or a bundle of CAs.' }),
  keyPem: withDefault(
    Type.String({
      maxLength: PEM_MAX_CHARS,
      description: `Private key; empty for a bundle of CAs. Never read back: "${KEPT_KEY}" stands for it, and keeps it when written back.`,
    }),
    '',
  ),
});

export const SettingsSchema = closed({
  readyWithoutQuorum: withDefault(
    Type.Boolean({ description: 'A node that lost the quorum stays ready and says that it is stale.' }),
    true,
  ),
  viaName: withDefault(token('Our name in the Via field.'), 'flotilla'),
  drainPropagationMs: withDefault(
    Type.Integer({
      minimum: 0,
      maximum: 600_000,
      description:
        'Planned drain of a node: from readiness down to closing connections, for whatever distributes traffic.',
    }),
    3_000,
  ),
});

export const ConfigSchema = closed(
  {
    listeners: withDefault(Type.Array(ListenerSchema, { maxItems: LISTENERS_MAX_COUNT }), []),
    pools: withDefault(Type.Array(PoolSchema, { maxItems: POOLS_MAX_COUNT }), []),
    certificates: withDefault(Type.Array(CertificateSchema, { maxItems: CERTIFICATES_MAX_COUNT }), []),
    settings: withDefault(SettingsSchema, {}),
  },
  'The whole configuration.',
);

export type CertificateInput = Static<typeof CertificateSchema>;
export type CertificateConfig = CompleteStatic<typeof CertificateSchema>;
export type SettingsConfig = CompleteStatic<typeof SettingsSchema>;
export type ConfigInput = Static<typeof ConfigSchema>;
/** Normalised: every property there, in the order of the schema. */
export type Config = CompleteStatic<typeof ConfigSchema>;
