/** Schemas: one source of types, validation, defaults and OpenAPI for the configuration document and the API. Pure. */
export * from './build.ts';
export * from './config.ts';
export * from './limits.ts';
export * from './listener.ts';
export * from './pool.ts';
