/**
 * A mesh with a sink that records, over a real transport that a test can harm: all connections
 * reset, or the whole node gone as after SIGKILL (sockets closed by the system, not a word said).
 */

import { systemWorld } from '../../src/base/system-world.js'
import type {
  Address,
  Connection,
  ConnectionHandlers,
  Listener,
  Transport,
} from '../../src/base/transport.js'
import type { World } from '../../src/base/world.js'
import { Epmd } from '../../src/epmd/epmd.js'
import type { SignalSink } from '../../src/kernel/router.js'
import { Mesh } from '../../src/mesh/mesh.js'
import type { MeshEvent } from '../../src/mesh/mesh-event.js'
import type { MeshOptions } from '../../src/mesh/mesh-options.js'
import type { Signal } from '../../src/process/signal.js'
import { Pid } from '../../src/term/pid.js'
import type { Ref } from '../../src/term/ref.js'
import { LogRecorder } from './log-recorder.js'

/** A transport whose connections a test can close under its owner's feet. */
export class HarmedTransport implements Transport {
  readonly connections = new Set<Connection>()
  private readonly listeners = new Set<Listener>()
  private dead = false
  /** The owner is not told that its connections close. */
  hideCloses = false

  constructor(private readonly real: Transport) {}

  async listen(at: Address, accept: (connection: Connection) => ConnectionHandlers) {
    const listener = await this.real.listen(at, (connection) => {
      this.connections.add(connection)
      return this.watch(connection, accept(connection))
    })
    this.listeners.add(listener)
    return listener
  }

  dial(to: Address, handlers: ConnectionHandlers, options?: { timeoutMs?: number }): Connection {
    const watched = this.watch(undefined, handlers)
    const connection = this.real.dial(to, watched, options)
    watched.connection = connection
    this.connections.add(connection)
    return connection
  }

  /** Every connection breaks. */
  reset(): void {
    for (const connection of this.connections) connection.destroy()
  }

  /** As the system does for a process that was killed. */
  async kill(): Promise<void> {
    this.dead = true
    const closed = [...this.listeners].map((listener) => listener.close())
    this.reset()
    await Promise.all(closed)
  }

  private watch(connection: Connection | undefined, handlers: ConnectionHandlers) {
    const watched = {
      connection,
      opened: () => {
        if (!this.dead) handlers.opened?.()
        else watched.connection?.destroy()
      },
      received: (bytes: Uint8Array) => {
        if (!this.dead) handlers.received(bytes)
      },
      drained: () => {
        if (!this.dead) handlers.drained?.()
      },
      closed: (error?: NodeJS.ErrnoException) => {
        if (watched.connection) this.connections.delete(watched.connection)
        if (!this.dead && !this.hideCloses) handlers.closed(error)
      },
    }
    return watched
  }
}

/** What the processes of a node would have been told, in order. */
export class RecordingSink implements SignalSink {
  readonly messages: unknown[] = []
  readonly signals: Signal[] = []
  readonly log: string[] = []
  onNamed: ((name: string, message: unknown, from: Pid) => void) | undefined

  deliver(_to: Pid, message: unknown): void {
    this.messages.push(message)
  }

  deliverNamed(name: string, message: unknown, from: Pid): void {
    this.messages.push(message)
    this.onNamed?.(name, message, from)
  }

  deliverToAlias(_ref: Ref, message: unknown): void {
    this.messages.push(message)
  }

  receiveSignal(signal: Signal): void {
    this.signals.push(signal)
  }

  disconnected(node: string): void {
    this.log.push(`disconnected ${node}`)
  }
}

export interface MeshNodeOptions extends Partial<MeshOptions> {
  epmdPort: number
  /** Where this machine's EPMD is, 127.0.0.1 unless given. */
  epmdHost?: string
  world?: World
}

export class MeshNode {
  readonly sink = new RecordingSink()
  readonly log = new LogRecorder()
  readonly transport: HarmedTransport
  readonly mesh: Mesh
  readonly events: MeshEvent[] = []
  readonly epmd: Epmd
  /** A process of this node, for what tests send. */
  readonly pid: Pid

  constructor(
    readonly name: string,
    { epmdPort, epmdHost, world = systemWorld(), ...options }: MeshNodeOptions,
  ) {
    this.transport = new HarmedTransport(world.transport)
    const harmed = { ...world, transport: this.transport }
    // EPMD is another program: it lives on when the node is killed.
    this.epmd = new Epmd({ world, epmdPort, host: epmdHost })
    this.mesh = new Mesh({
      world: harmed,
      log: this.log,
      name,
      cookie: 'secret',
      sink: this.sink,
      capability: () => ({ version: 1, features: [], modules: ['Worker'], weight: 1 }),
      epmd: this.epmd,
      times: { stopMs: 200 },
      ...options,
    })
    this.pid = new Pid(name, 80, 0, this.mesh.creation)
    this.mesh.onEvent((event) => {
      this.events.push(event)
      this.sink.log.push(`${event.type} ${event.node}`)
    })
  }

  get story(): string[] {
    return this.sink.log
  }

  saw(type: MeshEvent['type'], node: string): number {
    return this.events.filter((event) => event.type === type && event.node === node).length
  }

  status(node: string): string | undefined {
    for (const peer of this.mesh.peers()) if (peer.node === node) return peer.status
    return undefined
  }

  async stop(): Promise<void> {
    await this.mesh.stop()
    await this.epmd.close()
  }
}
