/**
 * Draws a history that is not linearizable: one row per client, one bar per operation, numbered in the longest order
 * that a correct object could have taken; what no order could hold is marked. A self-contained HTML page.
 */
import type { KeyResult } from './checker.ts';
import type { Model } from './history.ts';

const ROW_HEIGHT_PX = 34;
const BAR_HEIGHT_PX = 22;
const WIDTH_PX = 1600;
const MARGIN_PX = 90;

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

/** The page for one key's result. */
export function drawTimeline<TState, TInput, TOutput>(
  model: Model<TState, TInput, TOutput>,
  result: KeyResult<TInput, TOutput>,
): string {
  const { operations } = result;
  const clients = [...new Set(operations.map((operation) => operation.client))].toSorted((a, b) => a - b);
  const starts = operations.map((operation) => operation.calledAt);
  const ends = operations.map((operation) => operation.returnedAt).filter(Number.isFinite);
  const from = Math.min(...starts);
  const to = Math.max(...starts, ...ends) + 1;
  const x = (at: number): number => MARGIN_PX + ((Math.min(at, to) - from) / (to - from)) * (WIDTH_PX - 2 * MARGIN_PX);
  const place = new Map(result.longestOrder.map((id, position) => [id, position + 1]));
  const bars = operations.map((operation, id) => {
    const y = 30 + clients.indexOf(operation.client) * ROW_HEIGHT_PX;
    const left = x(operation.calledAt);
    const width = Math.max(3, x(operation.returnedAt) - left);
    const text = escape(model.describe(operation.input, operation.output));
    const order = place.get(id);
    const kind = order === undefined ? 'stuck' : operation.output === null ? 'unknown' : 'done';
    const label = `${order === undefined ? '✗' : `${order}.`} ${text}`;
    return `<g class="${kind}"><title>${label}</title><rect x="${left.toFixed(1)}" y="${y}" width="${width.toFixed(1)}" height="${BAR_HEIGHT_PX}" rx="3"/><text x="${(left + 4).toFixed(1)}" y="${y + 15}">${label}</text></g>`;
  });
  const rows = clients.map(
    (client, row) => `<text class="client" x="8" y="${45 + row * ROW_HEIGHT_PX}">client ${client}</text>`,
  );
  const height = 50 + clients.length * ROW_HEIGHT_PX;
  return `<!doctype html><meta charset="utf-8"><title>History of ${escape(result.key)}: ${result.verdict}</title>
<style>body{font:14px system-ui;margin:16px}svg text{font:11px ui-monospace,monospace}.client{font-weight:bold}
.done rect{fill:#cfe8cf;stroke:#4a8f4a}.unknown rect{fill:#eee;stroke:#999;stroke-dasharray:4}.stuck rect{fill:#f6c9c9;stroke:#b33}</style>
<h1>${escape(result.key)}: ${result.verdict}</h1>
<p>Numbers give the longest order that a correct object could have taken. Marked ✗: what no such order could hold next. Dashed: outcome unknown.</p>
<svg width="${WIDTH_PX}" height="${height}" role="img">${rows.join('')}${bars.join('')}</svg>
`;
}
