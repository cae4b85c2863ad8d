/** Health check of a container: exits 0 when the URL answers 2xx, else 1. The image has neither curl nor wget. */
const [url] = process.argv.slice(2);
try {
  const answer = await fetch(url);
  process.exit(answer.ok ? 0 : 1);
} catch {
  process.exit(1);
}
