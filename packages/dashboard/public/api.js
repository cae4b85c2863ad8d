// @ts-check
/** The page's only way to the outside: this node's own API, with the token of this tab where one is needed. */

const TOKEN_KEY = 'flotilla-token';
const TIMEOUT_MS = 4000;

/** What the API said no with; `status` 0 where it did not answer. */
export class ApiError extends Error {
  /** @param {number} status @param {string} message */
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** @param {string} token */
export function rememberToken(token) {
  sessionStorage.setItem(TOKEN_KEY, token);
}

/** @param {string} path @param {RequestInit} [init] @returns {Promise<Response>} */
async function send(path, init = {}) {
  const token = sessionStorage.getItem(TOKEN_KEY);
  const headers = new Headers(init.headers);
  if (token !== null) headers.set('authorization', `Bearer ${token}`);
  try {
    return await fetch(path, { ...init, headers, signal: AbortSignal.timeout(TIMEOUT_MS) });
  } catch {
    throw new ApiError(0, 'this node does not answer');
  }
}

/** @param {string} path @param {RequestInit} [init] @returns {Promise<any>} */
export async function call(path, init) {
  const response = await send(path, init);
  const body = await response.json();
  if (!response.ok) throw new ApiError(response.status, body.error.message);
  return body;
}

/** @param {string} path @param {object} body */
export async function patch(path, body) {
  return call(path, { method: 'PATCH', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
}

/**
 * One family of this node's metrics: label text → value.
 * @param {string} text @param {string} name @returns {Map<string, number>}
 */
export function metricFamily(text, name) {
  const found = new Map();
  for (const line of text.split('\n')) {
    if (!line.startsWith(`${name}{`)) continue;
    const end = line.lastIndexOf('}');
    found.set(line.slice(name.length + 1, end), Number(line.slice(end + 1)));
  }
  return found;
}

/** @returns {Promise<string>} */
export async function metrics() {
  return (await send('/metrics')).text();
}
