// @ts-check
/** Data in, elements out. Text is always set as text, never as markup: names come from users. */

/**
 * @param {string} tag @param {Record<string, string>} attributes @param {(Node | string)[]} children
 * @returns {HTMLElement}
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** @param {[string, string][]} pairs */
function facts(pairs) {
  return element('dl', {}, ...pairs.flatMap(([term, value]) => [element('dt', {}, term), element('dd', {}, value)]));
}

/** What a follower has heard of another's log is a moment old; fewer entries than this are no news. */
const BEHIND_SHOWN_COUNT = 100;

/** @param {any} member @returns {[string, string]} */
function standing(member) {
  if (!member.alive) return ['bad', 'gone'];
  if (member.drain !== null) return ['warn', member.drain.phase === 'drained' ? 'drained' : 'draining'];
  return member.ready ? ['good', 'ready'] : ['warn', 'not ready'];
}

/** @param {any} member @returns {[string, string][]} */
function notices(member) {
  const { drain, reasons } = member;
  const others = reasons.filter((/** @type {string} */ reason) => drain === null || reason !== 'draining');
  const left = drain?.connections ?? null;
  const phase = drain === null ? '' : `${drain.phase}${left === null ? '' : `, ${left} connections left`}`;
  return [
    .../** @type {[string, string][]} */ (drain === null ? [] : [['drain', phase]]),
    .../** @type {[string, string][]} */ (drain?.reason ? [['for', drain.reason]] : []),
    .../** @type {[string, string][]} */ (others.map((/** @type {string} */ reason) => ['why', reason])),
  ];
}

/** @param {any} member @param {number} appliedIndex */
export function nodeCard(member, appliedIndex) {
  const [tone, word] = standing(member);
  // Of one that is gone only what it had is known.
  const log =
    member.matchIndex === null || !member.alive
      ? 'unknown'
      : appliedIndex - member.matchIndex < BEHIND_SHOWN_COUNT
        ? 'up to date'
        : `${appliedIndex - member.matchIndex} behind`;
  const state = element('small', { class: tone }, word);
  return element(
    'article',
    { class: `card ${tone}-edge${member.role === 'leader' ? ' leader' : ''}` },
    element('h3', {}, `${member.id} `, state),
    facts([
      ['role', member.voter ? member.role : 'learner'],
      ['API', member.api],
      ['log', log],
      ['version', member.version],
      ...notices(member),
    ]),
  );
}

/** @param {any} observer */
function observation(observer) {
  const tone = observer.ok ? 'good' : 'bad';
  const text = observer.ok ? `✓ ${observer.latencyMs.toFixed(1)} ms` : `✗ ${observer.detail}`;
  const title = `${observer.detail}${observer.counts ? '' : ` (no vote: ${observer.why})`}`;
  return element('span', { class: observer.counts ? tone : 'hint', title }, text);
}

/** Where there is no room for a row, its cells stand below one another, each with its title. @param {string} title @param {Node | string} content */
function cell(title, content) {
  return element('td', { 'data-title': title }, content);
}

/** @param {string} verdict */
function verdictTone(verdict) {
  if (verdict === 'up') return 'good';
  return verdict === 'unknown' ? 'warn' : 'bad';
}

/** The verdict is the cluster's; what this node does without a quorum is its own. @param {string} verdict @param {any} health */
function verdictCell(verdict, health) {
  const title = health?.reason ?? '';
  if (health?.avoidedHere)
    return element(
      'td',
      { class: 'warn', title, 'data-title': 'Verdict' },
      element('span', {}, 'avoided here ', element('small', {}, `was ${verdict}`)),
    );
  const why = verdict === 'up' || title === '' ? [] : [' ', element('small', {}, title)];
  const attributes = { class: verdictTone(verdict), title, 'data-title': 'Verdict' };
  return element('td', attributes, element('span', {}, verdict, ...why));
}

/**
 * @param {any} backend @param {any} health @param {{ nodes: string[], share: string, onChange: (change: object) => void }} context
 */
function backendRow(backend, health, context) {
  const weight = /** @type {HTMLInputElement} */ (
    element('input', {
      type: 'number',
      min: '0',
      max: '1000',
      value: String(backend.weight),
      'aria-label': `weight of ${backend.id}`,
    })
  );
  weight.addEventListener('change', () => context.onChange({ weight: Number(weight.value) }));
  const states = ['enabled', 'draining', 'maintenance'].map((state) =>
    element('option', state === backend.state ? { selected: '' } : {}, state),
  );
  const state = /** @type {HTMLSelectElement} */ (
    element('select', { 'aria-label': `state of ${backend.id}` }, ...states)
  );
  state.addEventListener('change', () => context.onChange({ state: state.value }));
  const seen = new Map((health?.observers ?? []).map((/** @type {any} */ one) => [one.node, one]));
  const verdict = health?.verdict ?? 'unknown';
  return element(
    'tr',
    { 'data-backend': backend.id },
    element('td', { class: 'name' }, element('strong', {}, backend.id), ' ', element('small', {}, backend.address)),
    verdictCell(verdict, health),
    cell('Weight', weight),
    cell('State', state),
    cell('Share here', context.share),
    ...context.nodes.map((node) => cell(`seen by ${node}`, seen.has(node) ? observation(seen.get(node)) : '–')),
  );
}

/**
 * @param {any} pool @param {any[]} health @param {{ nodes: string[], shares: Map<string, number>, onChange: (backend: string, change: object) => void }} context
 */
export function poolTable(pool, health, context) {
  const titles = [
    'Backend',
    'Verdict',
    'Weight',
    'State',
    'Share here',
    ...context.nodes.map((node) => `seen by ${node}`),
  ];
  const rows = pool.backends.map((/** @type {any} */ backend) => {
    const share = context.shares.get(`pool="${pool.name}",backend="${backend.id}"`);
    return backendRow(
      backend,
      health.find((item) => item.pool === pool.name && item.backend === backend.id),
      {
        nodes: context.nodes,
        share: share === undefined ? '–' : `${(share * 100).toFixed(0)} %`,
        onChange: (change) => context.onChange(backend.id, change),
      },
    );
  });
  return element(
    'table',
    {},
    element('caption', {}, `${pool.name} `, element('small', {}, pool.algorithm)),
    element('thead', {}, element('tr', {}, ...titles.map((title) => element('th', { scope: 'col' }, title)))),
    element('tbody', {}, ...rows),
  );
}

/** @param {any} change */
export function changeLine(change) {
  const at = new Date(change.timeMs);
  return element(
    'li',
    {},
    element('time', { datetime: at.toISOString() }, at.toLocaleTimeString()),
    ` ${change.target === '' || change.summary.includes(change.target) ? '' : `${change.target}: `}${change.summary} `,
    element('small', {}, `${change.author}, log ${change.index}`),
  );
}
