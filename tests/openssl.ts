// Whether certificates can be made here: the command openssl is there.
import { execFileSync } from 'node:child_process';

export const hasOpenssl = ((): boolean => {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();
