/**
 * How our schemas are written: TypeBox, with one rule. Every optional property has a default, `null` where "not set" means
 * something, so that a normalised document has every property and nobody downstream tests for absence.
 */
import Type, { type Static, type TSchema } from 'typebox';

/** Every id and name of a configuration: a label of DNS in lower case, so that it may be a host name, a label of a metric, a part of a path. */
export const ID_PATTERN = '^[a-z0-9][a-z0-9-]{0,62}$';
/** A field name of HTTP (RFC 9110 token). */
const TOKEN_PATTERN = "^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$";

export function id(description: string) {
  return Type.String({ pattern: ID_PATTERN, description });
}

export function token(description: string) {
  return Type.String({ pattern: TOKEN_PATTERN, description });
}

export function oneOf<const T extends readonly (string | number)[]>(values: T, description?: string) {
  const allStrings = values.every((value) => typeof value === 'string');
  return Type.Unsafe<T[number]>({
    ...(allStrings ? { type: 'string' } : {}),
    enum: [...values],
    ...(description === undefined ? {} : { description }),
  });
}

/** Optional, with the default that normalisation fills in. */
export function withDefault<T extends TSchema>(schema: T, value: unknown) {
  return Type.Optional<T>({ ...schema, default: value });
}

/** Optional, and `null` where it is not given. */
export function orNull<T extends TSchema>(schema: T) {
  return withDefault(Type.Union([schema, Type.Null()]), null);
}

/** A map of strings; keys match `keyPattern`. */
export function stringMap(keyPattern: string, valueMaxLength: number, maxProperties: number) {
  return Type.Unsafe<Record<string, string>>({
    type: 'object',
    patternProperties: { [keyPattern]: { type: 'string', maxLength: valueMaxLength } },
    additionalProperties: false,
    maxProperties,
  });
}

export function headerMap(valueMaxLength: number, maxProperties: number) {
  return stringMap(TOKEN_PATTERN, valueMaxLength, maxProperties);
}

export function closed<P extends Record<string, TSchema>>(properties: P, description?: string) {
  return Type.Object(properties, {
    additionalProperties: false,
    ...(description === undefined ? {} : { description }),
  });
}

/** A type with every optional property filled in: what `checkShape` makes of what a schema accepts. */
export type Complete<T> = T extends readonly (infer U)[]
  ? readonly Complete<U>[]
  : T extends object
    ? string extends keyof T
      ? Readonly<T>
      : { readonly [K in keyof T]-?: Complete<Exclude<T[K], undefined>> }
    : T;

export type CompleteStatic<S extends TSchema> = Complete<Static<S>>;
