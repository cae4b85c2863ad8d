/** The dashboard's files, read once: a static page that is a client of the API like any other. Served at `/`. */
import { readFileSync } from 'node:fs';

export interface DashboardFile {
  /** Where it is served, e.g. `/app.js`. */
  readonly path: string;
  readonly type: string;
  readonly body: string;
}

const FILES = [
  { path: '/', file: 'index.html', type: 'text/html; charset=utf-8' },
  { path: '/style.css', file: 'style.css', type: 'text/css; charset=utf-8' },
  { path: '/app.js', file: 'app.js', type: 'text/javascript; charset=utf-8' },
  { path: '/api.js', file: 'api.js', type: 'text/javascript; charset=utf-8' },
  { path: '/overview.js', file: 'overview.js', type: 'text/javascript; charset=utf-8' },
  { path: '/views.js', file: 'views.js', type: 'text/javascript; charset=utf-8' },
] as const;

export function dashboardFiles(): readonly DashboardFile[] {
  return FILES.map(({ path, file, type }) => ({
    path,
    type,
    body: readFileSync(new URL(`../public/${file}`, import.meta.url), 'utf8'),
  }));
}
