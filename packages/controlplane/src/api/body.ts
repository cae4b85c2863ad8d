/**
 * Bodies in: JSON, JSON merge patch and YAML, each with a bound on size (the server's) and on depth. Nothing here knows
 * what the document means.
 */
import { FlotillaError } from '@flotilla/shared';
import type { FastifyInstance } from 'fastify';
import { parseDocument } from 'yaml';
import { bodyDepthMax, largeBodyBytes, yamlLimitBytes } from '../limits.ts';

export function addBodyParsers(app: FastifyInstance): void {
  const json = app.getDefaultJsonParser('error', 'error');
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(
    ['application/json', 'application/merge-patch+json'],
    { parseAs: 'string' },
    (request, text: string, done) => {
      // An empty body with a content type is what many clients send with DELETE and plain POST.
      if (text.length === 0) return done(null, undefined);
      return json(request, text, (error, value: unknown) => {
        if (error !== null) return done(error);
        if (tooDeep(value)) return done(depthError());
        if (text.length < largeBodyBytes) return done(null, value);
        // What comes next holds the loop once more: heartbeats leave first.
        return void setImmediate(() => done(null, value));
      });
    },
  );
  app.addContentTypeParser(
    ['application/yaml', 'application/x-yaml', 'text/yaml'],
    { parseAs: 'string', bodyLimit: yamlLimitBytes },
    (_request, text: string, done) => {
      try {
        done(null, parseYaml(text));
      } catch (error) {
        done(error as Error);
      }
    },
  );
}

function parseYaml(text: string): unknown {
  const document = parseDocument(text, { uniqueKeys: true, prettyErrors: true, logLevel: 'error' });
  const [fault] = document.errors;
  if (fault !== undefined) throw new FlotillaError('BAD_REQUEST', `the YAML cannot be read: ${fault.message}`);
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    throw new FlotillaError('BAD_REQUEST', 'the YAML expands too far', { cause: error });
  }
  if (tooDeep(value)) throw depthError();
  return value;
}

/** Iterative: a hostile document must not overflow the stack. */
export function tooDeep(root: unknown): boolean {
  let level: unknown[] = [root];
  for (let depth = 0; depth <= bodyDepthMax; depth += 1) {
    const next: unknown[] = [];
    for (const value of level)
      if (typeof value === 'object' && value !== null)
        for (const child of Object.values(value)) if (typeof child === 'object' && child !== null) next.push(child);
    if (next.length === 0) return false;
    level = next;
  }
  return true;
}

function depthError(): FlotillaError {
  return new FlotillaError('BAD_REQUEST', `the body is nested deeper than ${bodyDepthMax} levels`);
}
