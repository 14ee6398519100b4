// npm run build: installs what is missing, compiles src to dist and the validators beside it.
import { ready } from './ready.mjs';

ready();
