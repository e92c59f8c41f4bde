// TinyBase's mergeable stores over its WebSocket server, a relay in a process of its own. No disk.
import { spawn } from 'node:child_process';
import { createMergeableStore } from 'tinybase';
import { createWsSynchronizer } from 'tinybase/synchronizers/synchronizer-ws-client';
import WebSocket from 'ws';
import { freePort, listening, pause } from '../util.mjs';
import { CLIENTS, fanout } from './fanout.mjs';

const port = await freePort();
const code = `
  import { createWsServer } from 'tinybase/synchronizers/synchronizer-ws-server';
  import { WebSocketServer } from 'ws';
  createWsServer(new WebSocketServer({ port: ${port}, host: '127.0.0.1' }));`;
const server = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: 'inherit' });
process.on('exit', () => server.kill());
await listening(port);
const connect = async () => {
  const store = createMergeableStore();
  const synchronizer = await createWsSynchronizer(store, new WebSocket(`ws://127.0.0.1:${port}/room`), 5);
  await synchronizer.startSync();
  return store;
};
const writer = await connect();
writer.setRow('todos', 'row1', { title: 'x', prio: 0 });
const { seen, go } = fanout('TinyBase WsServer', async (k) => writer.setCell('todos', 'row1', 'prio', k));
for (let i = 0; i < CLIENTS; i++) {
  const store = await connect();
  store.addCellListener('todos', 'row1', 'prio', (_store, _table, _row, _cell, value) => seen(i, value ?? 0));
}
// It has no word for "all clients are in step".
await pause(1500);
await go();
process.exit(0);
