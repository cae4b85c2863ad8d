// @ts-check
/** The page: asks this node every second, draws what it says, and sends the changes that people make. */
import { ApiError, call, metricFamily, metrics, patch, rememberToken } from './api.js';
import { overview } from './overview.js';
import { changeLine, element, nodeCard, poolTable } from './views.js';

const REFRESH_MS = 1000;
const CHANGES_SHOWN = 15;
/** No status of HTTP: there was no answer. */
const SILENT = 0;

/** When this node last answered; null: not yet. @type {Date | null} */
let answeredAt = null;

/** @param {string} id @returns {HTMLElement} */
function byId(id) {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`no element ${id}`);
  return found;
}

/** @param {string} text */
function problem(text) {
  const place = byId('problem');
  place.hidden = text === '';
  place.textContent = text;
}

/** @param {any} status @param {any[]} members @param {any[]} health */
function drawSummary(status, members, health) {
  byId('cluster').textContent = status.clusterName ?? '';
  const leader = status.leader === null ? 'no leader' : `${status.leader.id} leads in term ${status.term}`;
  byId('summary').textContent =
    `seen from ${status.node.id}: ${leader}, revision ${status.revision}, digest ${status.digest.slice(0, 8)} at ${status.appliedIndex}`;
  const { tone, title, details } = overview(status, members, health);
  const place = byId('state');
  place.className = `${tone}-state`;
  place.replaceChildren(element('strong', {}, title), ...details.map((detail) => element('p', {}, detail)));
  document.title = tone === 'good' ? 'Flotilla' : `${title} · Flotilla`;
}

/** @param {string} pool @param {string} backend @param {object} change */
async function changeBackend(pool, backend, change) {
  try {
    await patch(`/v1/pools/${pool}/backends/${backend}`, change);
    problem('');
  } catch (error) {
    problem(`${pool}/${backend}: ${error instanceof Error ? error.message : 'failed'}`);
  }
  await refresh();
}

async function refresh() {
  const local = '?consistency=local';
  const [status, members, pools, health, audit, text] = await Promise.all([
    call('/v1/status'),
    call(`/v1/members${local}`),
    call(`/v1/pools${local}`),
    call(`/v1/health${local}`),
    call(`/v1/audit${local}`),
    metrics(),
  ]);
  drawSummary(status, members.items, health.items);
  byId('nodes').replaceChildren(...members.items.map((/** @type {any} */ one) => nodeCard(one, status.appliedIndex)));
  // Whoever is typing a number keeps the field.
  if (!byId('backends').contains(document.activeElement)) {
    const context = {
      nodes: members.items.map((/** @type {any} */ one) => one.id),
      shares: metricFamily(text, 'flotilla_backend_share_ratio'),
    };
    byId('backends').replaceChildren(
      ...pools.items.map((/** @type {any} */ pool) =>
        poolTable(pool, health.items, {
          ...context,
          onChange: (backend, change) => void changeBackend(pool.name, backend, change),
        }),
      ),
    );
  }
  byId('changes').replaceChildren(...audit.items.slice(0, CHANGES_SHOWN).map(changeLine));
  answeredAt = new Date();
}

/** Nothing below is known to be true any more, and least of all that all is well. */
function drawSilence() {
  const place = byId('state');
  place.className = 'bad-state';
  const age =
    answeredAt === null ? 'It has not answered yet.' : `Below is what it said at ${answeredAt.toLocaleTimeString()}.`;
  place.replaceChildren(
    element('strong', {}, 'This node does not answer'),
    element('p', {}, `${age} The other nodes have a page of their own. Asking again every second.`),
  );
  document.title = 'This node does not answer · Flotilla';
}

async function loop() {
  try {
    await refresh();
    byId('login').hidden = true;
    if (byId('problem').dataset.from === 'loop') problem('');
  } catch (error) {
    const status = error instanceof ApiError ? error.status : -1;
    byId('login').hidden = status !== 401;
    if (status === SILENT) drawSilence();
    byId('problem').dataset.from = 'loop';
    problem(status === 401 || status === SILENT ? '' : error instanceof Error ? error.message : 'failed');
  }
  setTimeout(() => void loop(), REFRESH_MS);
}

byId('login').addEventListener('submit', (event) => {
  event.preventDefault();
  const field = byId('token');
  if (field instanceof HTMLInputElement) rememberToken(field.value);
});
// A changed weight counts when the field is left; leaving it also lets the table refresh again.
document.addEventListener('change', (event) => {
  if (event.target instanceof HTMLElement) event.target.blur();
});
void loop();
