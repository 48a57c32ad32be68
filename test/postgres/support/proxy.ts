/** A way to a server that a test can block, or cut. */
import {once} from 'node:events';
import {
  connect,
  createServer,
  type AddressInfo,
  type Server as TcpServer,
  type Socket,
} from 'node:net';

export class Proxy {
  readonly #server: TcpServer;
  readonly #sockets = new Set<Socket>();
  #isStalled = false;

  private constructor(server: TcpServer) {
    this.#server = server;
  }

  static async start(port: number): Promise<Proxy> {
    const server = createServer();
    const proxy = new Proxy(server);
    server.on('connection', (near) => proxy.#join(near, connect(port, '127.0.0.1')));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  #join(near: Socket, far: Socket): void {
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(from);
      from.on('data', (data) => to.write(data));
      from.on('error', () => undefined);
      from.on('close', () => {
        this.#sockets.delete(from);
        // As when packets no longer arrive: nobody learns that the other is gone.
        if (!this.#isStalled) to.destroy();
      });
      if (this.#isStalled) from.pause();
    }
  }

  /** From now on nothing arrives, and nobody is told. */
  stall(): void {
    this.#isStalled = true;
    for (const socket of this.#sockets) socket.pause();
  }

  /** Everything arrives again, also what was sent meanwhile. */
  resume(): void {
    this.#isStalled = false;
    for (const socket of this.#sockets) socket.resume();
  }

  /** Ends all connections. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async end(): Promise<void> {
    this.#isStalled = false;
    this.cut();
    this.#server.close();
    await once(this.#server, 'close');
  }
}
