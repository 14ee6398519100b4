// The server under test, as `tsela start --open` runs it: logs, metrics and guard on, every commit synced before its
// answer. Only the parent's messages are added.
import { answering } from './children.mjs';

let running;
answering({
  async listen({ data, mongo }) {
    const { readConfig } = await import('../dist/config.js');
    const { start } = await import('../dist/main.js');
    const given = { port: '0', open: 'true', data, durability: 'full' };
    const environment =
      mongo === undefined ? {} : { MONGODB_URL: process.env.MONGODB_URL, TSELA_MONGODB_DATABASE: mongo };
    running = await start(readConfig(given, environment));
    return Number(new URL(running.origin).port);
  },
  close: () => running.close(),
});
