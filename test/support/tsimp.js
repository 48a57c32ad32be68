// Loads TypeScript by tsimp, and does not wait for ever for its daemon.
import {register} from 'node:module';
import 'tsimp/import';

register('./tsimpHooks.js', import.meta.url);
