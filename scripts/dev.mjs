// npm run dev [-- tsela start options]: compiles on every change and restarts the server in open mode when that worked.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { build, install, root } from './ready.mjs';

install();
build();
const options = process.argv.slice(2);
let server;
let isStopping = false;

const compiler = spawn(
  process.execPath,
  [
    join(root, 'node_modules/typescript/bin/tsc'),
    '-p',
    'tsconfig.build.json',
    '--watch',
    '--preserveWatchOutput',
  ],
  {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
  },
);
compiler.stdout.on('data', chunk => {
  const text = String(chunk);
  process.stdout.write(text);
  if (/Found 0 errors/.test(text)) restart();
});

function restart() {
  if (isStopping) return;
  const before = server;
  if (before !== undefined && before.exitCode === null && before.signalCode === null) {
    before.removeAllListeners('exit').once('exit', begin);
    before.kill('SIGTERM');
  } else begin();
}

function begin() {
  if (isStopping) return;
  server = spawn(process.execPath, ['--enable-source-maps', 'dist/cli.js', 'start', '--open', ...options], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
}

const stop = () => {
  isStopping = true;
  compiler.kill();
  server?.kill('SIGTERM');
};
process.once('SIGINT', stop).once('SIGTERM', stop);
