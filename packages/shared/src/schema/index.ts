/** Schemas: one source of types, validation, defaults and OpenAPI for the configuration document and the API. Pure. */
export * from './address.ts';
export * from './build.ts';
export { checkShape, Faults } from './check.ts';
export * from './config.ts';
export * from './limits.ts';
export * from './listener.ts';
export * from './merge-patch.ts';
export * from './pool.ts';
export * from './validate.ts';
