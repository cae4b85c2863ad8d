/**
 * Phase 5, respond: the response as the client gets it, and how its body is framed there.
 */
import { copyFields, droppedNames, fieldMask, HOP_BY_HOP } from '../http1/copy-fields.ts';
import { FAULT } from '../http1/faults.ts';
import type { Fault } from '../http1/faults.ts';
import type { ResponseHead } from '../http1/head.ts';
import { forwardableTrailers } from '../http1/trailers.ts';
import { FIELD } from '../http1/known-fields.ts';
import type { BodyFraming } from '../upstream/user.ts';
import type { Exchange } from './exchange.ts';
import { routeEdits } from './route-edits.ts';

const MASK = fieldMask(...HOP_BY_HOP);
/** RFC 9110 §8.6: no Content-Length in 1xx and 204. */
const NO_LENGTH_MASK = fieldMask(...HOP_BY_HOP, FIELD.contentLength);
const NO_EDITS: readonly string[] = [];
const SPACE = 0x20;
const LAST_CHUNK = '0\r\n';

/** Decides framing and persistence, records them in the exchange, and gives the head with its empty line. */
export function responseHeadText(exchange: Exchange, head: ResponseHead, framing: BodyFraming): string {
  const { engine, route } = exchange;
  const request = exchange.head;
  exchange.status = head.status;
  exchange.noteAnswered();
  exchange.upstreamFraming = framing;
  exchange.responseFraming = framingFor(exchange, framing);
  exchange.responseKeepAlive = exchange.responseFraming !== 'close' && mayPersist(exchange);
  const edits = route === null ? null : routeEdits(route.spec).response;
  const names = droppedNames(head, edits === null ? NO_EDITS : edits.drop);
  let text = statusLineAndFields(head, head.status === 204 ? NO_LENGTH_MASK : MASK, names);
  if (edits !== null && edits.add !== '') text += edits.add;
  if (exchange.setCookie !== '') text += exchange.setCookie;
  if (exchange.pool?.spec.affinity?.type === 'cookie-learn') learnSession(exchange, head);
  if (head.indexOf(FIELD.date) < 0) text += engine.dateLine();
  if (exchange.responseFraming === 'chunked') text += 'Transfer-Encoding: chunked\r\n';
  else if (request.method === 'HEAD' && head.chunked && request.minorVersion === 1)
    text += 'Transfer-Encoding: chunked\r\n';
  if (!exchange.responseKeepAlive) text += 'Connection: close\r\n';
  else if (request.minorVersion === 0) text += 'Connection: keep-alive\r\n';
  return `${text}\r\n`;
}

function learnSession({ pool, backend, engine }: Exchange, head: ResponseHead): void {
  if (pool === null || backend === null) return;
  const values: string[] = [];
  for (let index = 0; index < head.fieldCount; index++)
    if (head.isNamed(index, 'set-cookie')) values.push(head.value(index));
  engine.affinity.learn(pool, backend, values);
}

/** A 1xx other than 101, as it goes on to the client. */
export function interimHeadText(head: ResponseHead): string {
  return `${statusLineAndFields(head, NO_LENGTH_MASK, droppedNames(head, NO_EDITS))}\r\n`;
}

export function switchingHeadText(head: ResponseHead): string {
  const upgrade = head.field('upgrade') ?? '';
  const fields = statusLineAndFields(head, NO_LENGTH_MASK, droppedNames(head, NO_EDITS));
  return `${fields}Connection: Upgrade\r\nUpgrade: ${upgrade}\r\n\r\n`;
}

/** Whether another request may follow on the client's connection. */
export function mayPersist({ head, requestDone, client }: Exchange): boolean {
  const wanted = head.minorVersion === 1 ? !head.connectionClose : head.connectionKeepAlive;
  // A response that overtakes its request ends the connection: the rest of the request has no place to go.
  return wanted && requestDone && !client.isEnding;
}

function framingFor({ head, client }: Exchange, framing: BodyFraming): BodyFraming {
  if (framing === 'none' || framing === 'length') return framing;
  return head.minorVersion === 0 || client.out.framesBodies ? 'close' : 'chunked';
}

/** Content on its way to the client, in chunks where nothing else says where the body ends. */
export function writeContent(exchange: Exchange, buffer: Buffer, start: number, end: number): void {
  const { client, responseFraming, upstreamFraming } = exchange;
  const { out } = client;
  exchange.responseBytes += end - start;
  if (responseFraming === 'chunked' && upstreamFraming === 'close') {
    out.text(`${(end - start).toString(16)}\r\n`);
    out.copy(buffer, start, end);
    out.text('\r\n');
  } else out.copy(buffer, start, end);
}

/** The end of a body of unknown length, with its trailers. What keeps it from being the end: then nothing was written. */
export function writeEnd(exchange: Exchange, trailers: string): Fault | null {
  const { client, responseFraming, upstreamFraming, responseBytes } = exchange;
  const { out } = client;
  if (exchange.isTooLong(responseBytes)) return FAULT.responseTooLarge;
  if (responseFraming !== 'chunked' && !out.framesBodies) return null;
  const lines = forwardableTrailers(trailers, null);
  if (lines === null) return FAULT.upstreamInvalid;
  if (responseFraming === 'chunked' && upstreamFraming === 'close') out.text(LAST_CHUNK);
  out.trailers(lines);
  return null;
}

function statusLineAndFields(head: ResponseHead, mask: Uint8Array, names: readonly string[]): string {
  const { raw } = head;
  if (head.minorVersion === 1 && raw.charCodeAt(7) === 0x31 && raw.charCodeAt(12) === SPACE)
    return copyFields(head, 0, mask, names);
  const phrase = raw.slice(13, head.fieldsStart - 2);
  return `HTTP/1.1 ${head.status} ${phrase}\r\n${copyFields(head, head.fieldsStart, mask, names)}`;
}
