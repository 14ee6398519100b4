// Tests import `../src/x.js` for their types and run what ships: every such import is sent to the built
// file in dist/ as native ESM, so that worker threads, validators and stack traces are production's own.
import { fileURLToPath } from 'node:url';
import { defineConfig, type Plugin } from 'vitest/config';

const root = fileURLToPath(new URL('.', import.meta.url));

const runWhatShips: Plugin = {
  name: 'run-what-ships',
  enforce: 'pre',
  resolveId(source, importer) {
    if (!importer || !source.startsWith('.') || !source.endsWith('.js')) return null;
    const target = fileURLToPath(new URL(source, `file://${importer}`));
    if (!target.startsWith(`${root}src/`)) return null;
    return { id: `${root}dist/${target.slice(`${root}src/`.length)}`, external: true };
  },
};

export default defineConfig({
  plugins: [runWhatShips],
  test: {
    include: ['tests/**/*.test.ts'],
    // Limits tell of what hangs; nothing here is measured, and a loaded machine takes its time.
    testTimeout: 240_000,
    hookTimeout: 300_000,
    expect: { poll: { timeout: 60_000 } },
    server: { deps: { external: [/\/dist\//] } },
  },
});
