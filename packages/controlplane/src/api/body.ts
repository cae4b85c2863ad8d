/**
 * Bodies in: JSON, JSON merge patch and YAML, each with a bound on size (the server's) and on depth. Nothing here knows
 * what the document means.
 */
import { FlotillaError } from '@flotilla/shared';
import { errorCodes, type FastifyInstance } from 'fastify';
import { parseDocument } from 'yaml';
import { bodyDepthMax, bodyLimitBytes, largeBodyBytes, yamlLimitBytes } from '../limits.ts';
import type { RequestMessage } from './request-message.ts';

export function addBodyParsers(app: FastifyInstance): void {
  const json = app.getDefaultJsonParser('error', 'error');
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(['application/json', 'application/merge-patch+json'], (request, _payload, done) => {
    const onParsed = (error: Error | null, value?: unknown, bytes = 0): void => {
      if (error !== null) done(error);
      // Each level takes two bytes.
      else if (bytes > 2 * bodyDepthMax && tooDeep(value)) done(depthError());
      else if (bytes < largeBodyBytes) done(null, value);
      // What comes next holds the loop once more: heartbeats leave first.
      else setImmediate(() => done(null, value));
    };
    (request.raw as RequestMessage).takeBody(bodyLimitBytes, (body) => {
      if (body === null) done(new errorCodes.FST_ERR_CTP_BODY_TOO_LARGE());
      // An empty body with a content type is what many clients send with DELETE and plain POST.
      else if (body.length === 0) done(null, undefined);
      else void json(request, body.toString(), (error, value: unknown) => onParsed(error, value, body.length));
    });
  });
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
function tooDeep(root: unknown): boolean {
  let level = isObject(root) ? [root] : [];
  for (let depth = 0; depth <= bodyDepthMax; depth += 1) {
    level = level.flatMap((value) => Object.values(value).filter(isObject));
    if (level.length === 0) return false;
  }
  return true;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function depthError(): FlotillaError {
  return new FlotillaError('BAD_REQUEST', `the body is nested deeper than ${bodyDepthMax} levels`);
}
