// Jazz: the sync server of jazz-run in memory, in a process of its own; signed values.
import { LocalNode } from 'cojson';
import { WasmCrypto } from 'cojson/crypto/WasmCrypto';
import { createWebSocketPeer } from 'cojson-transport-ws';
import { spawn } from 'node:child_process';
import WebSocket from 'ws';
import { freePort, listening } from '../util.mjs';
import { CLIENTS, fanout } from '../srv/fanout.mjs';

const port = await freePort();
const server = spawn('node_modules/.bin/jazz-run', ['sync', '--in-memory', '--port', String(port)], { stdio: 'ignore' });
process.on('exit', () => server.kill());
await listening(port);
const crypto = await WasmCrypto.create();
let clients = 0;
const connect = async () => {
  const websocket = new WebSocket(`ws://127.0.0.1:${port}`);
  await new Promise((resolve) => websocket.on('open', resolve));
  const peer = createWebSocketPeer({ id: `client${++clients}`, websocket, role: 'server' });
  return (await LocalNode.withNewlyCreatedAccount({ creationProps: { name: 'x' }, peers: [peer], crypto })).node;
};
const group = (await connect()).createGroup();
group.addMember('everyone', 'writer');
const todo = group.createMap();
todo.set('prio', 0, 'trusting');
const { seen, go } = fanout('Jazz', async (k) => todo.set('prio', k, 'trusting'));
for (let i = 0; i < CLIENTS; i++) {
  const copy = await (await connect()).load(todo.id);
  if (copy === 'unavailable') throw new Error('a client cannot load the value');
  copy.subscribe((value) => seen(i, value.get('prio') ?? 0));
}
await go();
process.exit(0);
