// Hocuspocus (Yjs), its server in a process of its own. No disk.
import { HocuspocusProvider } from '@hocuspocus/provider';
import { spawn } from 'node:child_process';
import WebSocket from 'ws';
import * as Y from 'yjs';
import { freePort, listening } from '../util.mjs';
import { CLIENTS, fanout } from './fanout.mjs';

const port = await freePort();
const code = `
  import { Server } from '@hocuspocus/server';
  new Server({ port: ${port}, address: '127.0.0.1', quiet: true }).listen();`;
const server = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: 'inherit' });
process.on('exit', () => server.kill());
await listening(port);
const connect = () => new Promise((resolve) => {
  const document = new Y.Doc();
  const url = `ws://127.0.0.1:${port}`;
  new HocuspocusProvider({ url, name: 'room', document, WebSocketPolyfill: WebSocket, onSynced: () => resolve(document) });
});
const writer = await connect();
const { seen, go } = fanout('Hocuspocus', async (k) => {
  writer.getMap('todos').set('row1', { id: 'row1', title: 'x'.repeat(40), prio: k });
});
for (let i = 0; i < CLIENTS; i++) {
  const todos = (await connect()).getMap('todos');
  todos.observe(() => seen(i, todos.get('row1')?.prio ?? 0));
}
await go();
process.exit(0);
