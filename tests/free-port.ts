// A port of this machine that nothing listens on, for servers that have to know theirs before they start. It is none of
// those that the system gives to who asks for any, be it to listen or to call from: until the server takes it, and while it
// is killed and started again, nobody is given it.
import { createServer } from 'node:net';

/** Above the ports that browsers refuse. */
const first = 11_000;
/** Side by side, processes ask in places of their own. */
const perProcess = 20;
const places = 1_000;
const place = process.pid % places;
let asked = 0;

export async function freePort(): Promise<number> {
  for (let tried = 0; tried < perProcess; tried++) {
    const port = first + place * perProcess + (asked++ % perProcess);
    if (await isFree(port)) return port;
  }
  throw new Error(`no port of ${first + place * perProcess} and the ${perProcess - 1} after it is free`);
}

const isFree = (port: number): Promise<boolean> =>
  new Promise(resolve => {
    const probe = createServer()
      .once('error', () => resolve(false))
      .listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
