/**
 * The picture that `top` draws: pure text from one reading.
 */
import colors from 'picocolors';
import { duration, renderList } from '../output/render.ts';
import type { TopBackend, TopNode, TopView } from './source.ts';

/** How backends are ordered; `s` goes through them. */
export const SORTS = ['name', 'requests', 'errors'] as const;
export type TopSort = (typeof SORTS)[number];

/** Below this many columns names are shortened, so that what is told of them has room. */
const WIDE_COLUMNS = 160;
const NAME_SHOWN_CHARS = 16;

/** `columns`: how wide a line may be, where that matters. */
export function renderTop(view: TopView, sort: TopSort, columns = Infinity): string {
  const { server, counted, leader, quorum, revision, nodes, backends } = view;
  const ready = nodes.filter((node) => node.ready).length;
  const up = backends.filter(({ verdict }) => verdict === 'up').length;
  const head = `${leader === null ? colors.red('no leader') : `leader ${leader}`}, ${
    quorum ? 'quorum' : colors.red('NO QUORUM')
  }, revision ${revision}; ${ready} of ${nodes.length} nodes ready, ${up} of ${backends.length} backends up`;
  return [
    head,
    '',
    renderList('table', { value: null, rows: nodes, columns: NODE_COLUMNS }),
    '',
    renderList('table', { value: null, rows: shortened(sorted(backends, sort), columns), columns: BACKEND_COLUMNS }),
    '',
    colors.dim(`through ${server}; requests of ${counted.join(', ') || 'nobody'}; sorted by ${sort}; q quits, s sorts`),
  ].join('\n');
}

function sorted(backends: readonly TopBackend[], sort: TopSort): TopBackend[] {
  const by = { name: () => 0, requests: (row: TopBackend) => row.perSecond ?? 0, errors: errorsOf }[sort];
  const name = ({ pool, backend }: TopBackend): string => `${pool}/${backend}`;
  return backends.toSorted((a, b) => by(b) - by(a) || (name(a) < name(b) ? -1 : 1));
}

function shortened(backends: readonly TopBackend[], columns: number): readonly TopBackend[] {
  if (columns >= WIDE_COLUMNS) return backends;
  return backends.map((row) => ({ ...row, pool: short(row.pool), backend: short(row.backend) }));
}

/** Names that differ at their ends only stay apart. */
const short = (name: string): string =>
  name.length <= NAME_SHOWN_CHARS
    ? name
    : `${name.slice(0, NAME_SHOWN_CHARS / 2)}…${name.slice(1 - NAME_SHOWN_CHARS / 2)}`;

const errorsOf = (row: TopBackend): number => row.errorsPerSecond ?? 0;
const rate = (perSecond: number | null): string | null => perSecond?.toFixed(1) ?? null;

const NODE_COLUMNS = [
  { title: 'node', of: (row: TopNode) => row.id },
  { title: 'role', of: (row: TopNode) => row.role },
  { title: 'alive', of: (row: TopNode) => (row.alive ? 'yes' : 'no') },
  { title: 'ready', of: (row: TopNode) => (row.ready ? 'yes' : 'no') },
  { title: 'drain', of: (row: TopNode) => row.drain },
  { title: 'applied', of: (row: TopNode) => row.appliedIndex },
  { title: 'digest', of: (row: TopNode) => row.digest?.slice(0, 8) },
  { title: 'req/s', of: (row: TopNode) => rate(row.perSecond) },
  { title: 'conns', of: (row: TopNode) => row.connections },
  { title: 'loop', of: (row: TopNode) => duration(row.eventLoopDelayMs) },
  { title: 'up', of: (row: TopNode) => duration(row.uptimeMs) },
];

const BACKEND_COLUMNS = [
  { title: 'pool', of: (row: TopBackend) => row.pool },
  { title: 'backend', of: (row: TopBackend) => row.backend },
  { title: 'verdict', of: (row: TopBackend) => row.verdict },
  { title: 'weight', of: (row: TopBackend) => row.weight },
  { title: 'req/s', of: (row: TopBackend) => rate(row.perSecond) },
  { title: '5xx/s', of: (row: TopBackend) => rate(row.errorsPerSecond) },
  { title: 'observers', of: (row: TopBackend) => row.observers },
  { title: 'reason', of: (row: TopBackend) => row.reason },
];
