/**
 * The Transport of one simulated program: its listeners and the connections it dials. Hosts are
 * dialled by name; `127.0.0.1` is the host itself, and a listener there is reached from it only.
 */
import type {
  Address,
  Connection,
  ConnectionHandlers,
  Listener,
  Transport,
} from '../base/transport.js'
import type { DialTrouble, NetworkConditions } from './network-conditions.js'
import type { ProgramRuntime } from './program-runtime.js'
import { SimulatedConnection, socketError } from './simulated-connection.js'
import type { SimulatedHost } from './simulated-host.js'
import { label } from './trace.js'

type Accept = (connection: Connection) => ConnectionHandlers

const ACCEPT = label('accept')
const LATE = label('late')

export interface SimulatedListener extends Listener {
  readonly runtime: ProgramRuntime
  readonly accept: Accept
}

export class SimulatedTransport implements Transport {
  readonly #network: NetworkConditions<SimulatedListener>
  readonly #host: SimulatedHost<SimulatedListener>
  readonly #runtime: ProgramRuntime
  readonly #connections: Set<SimulatedConnection>

  constructor(
    network: NetworkConditions<SimulatedListener>,
    host: SimulatedHost<SimulatedListener>,
    runtime: ProgramRuntime,
    connections: Set<SimulatedConnection>,
  ) {
    this.#network = network
    this.#host = host
    this.#runtime = runtime
    this.#connections = connections
  }

  async listen(at: Address, accept: Accept): Promise<Listener> {
    const host = this.#host
    if (!this.#runtime.alive) throw socketError('EACCES', 'listen', at)
    if (!host.owns(at.host)) throw socketError('EADDRNOTAVAIL', 'listen', at)
    const address = { host: at.host, port: at.port === 0 ? host.freePort() : at.port }
    if (host.listeners.has(address.port)) throw socketError('EADDRINUSE', 'listen', address)
    const close = async (): Promise<void> => {
      if (host.listeners.get(address.port) === listener) host.listeners.delete(address.port)
    }
    const listener: SimulatedListener = { address, accept, runtime: this.#runtime, close }
    host.listeners.set(address.port, listener)
    return listener
  }

  dial(
    to: Address,
    handlers: ConnectionHandlers,
    options: { timeoutMs?: number } = {},
  ): Connection {
    const target = this.#network.resolve(to.host, this.#host)
    const dialler = this.#end(this.#runtime, this.#host, target ?? this.#host, to, handlers)
    if (target === undefined) dialler.fail(socketError('ENOTFOUND', 'getaddrinfo', to))
    else this.#connect(dialler, target, to, options.timeoutMs)
    return dialler
  }

  /** All connections and ports of the program go, as its kernel does it when a program dies. */
  crash(): void {
    for (const end of this.#own()) end.crash()
    for (const [port, listener] of [...this.#host.listeners]) {
      if (listener.runtime === this.#runtime) this.#host.listeners.delete(port)
    }
  }

  /** The same when the machine loses power: nobody is told. */
  vanish(): void {
    for (const end of this.#own()) end.vanish()
  }

  #own(): SimulatedConnection[] {
    return [...this.#connections].filter((end) => end.runtime === this.#runtime)
  }

  #end(
    runtime: ProgramRuntime,
    from: SimulatedHost,
    to: SimulatedHost,
    remote: Address,
    handlers?: ConnectionHandlers,
  ): SimulatedConnection {
    const setting = { network: this.#network, connections: this.#connections }
    return new SimulatedConnection({ ...setting, runtime, from, to, remote }, handlers)
  }

  #connect(
    dialler: SimulatedConnection,
    target: SimulatedHost<SimulatedListener>,
    to: Address,
    timeoutMs = this.#network.options.dialTimeoutMs,
  ): void {
    const timer = this.#runtime.clock.after(timeoutMs, () => {
      if (dialler.dialling) dialler.fail(socketError('ETIMEDOUT', 'connect', to))
    })
    dialler.onceSettled(() => timer.cancel())
    const trouble = this.#network.takeTrouble(this.#host, target)
    const knock = (): void => this.#knock(dialler, target, to.port, trouble)
    const { lateMs = 0 } = trouble ?? {}
    dialler.open(() => {
      if (lateMs === 0) knock()
      else this.#network.timeline.schedule(lateMs, knock, LATE)
    })
  }

  /** The first packet of a dial has arrived at the kernel of the target. */
  #knock(
    dialler: SimulatedConnection,
    target: SimulatedHost<SimulatedListener>,
    port: number,
    trouble: DialTrouble | undefined,
  ): void {
    if (dialler.closed) return
    const listener = target.listenerAt(port, this.#host)
    const end = this.#comeTo(target, listener)
    if (listener === undefined) {
      end.refuse(dialler)
      return
    }
    end.accepted(dialler)
    if (trouble?.cut !== undefined) dialler.cutAfter(trouble.cut)
    listener.runtime.run(() => end.attach(listener.accept(end)), ACCEPT)
    if (trouble?.isDoubled !== true) return
    const ghost = this.#comeTo(target, listener)
    ghost.acceptedForNobody()
    listener.runtime.run(() => ghost.attach(listener.accept(ghost)), ACCEPT)
  }

  /** The end at the target of a connection from here. */
  #comeTo(
    target: SimulatedHost<SimulatedListener>,
    listener: SimulatedListener | undefined,
  ): SimulatedConnection {
    const remote = { host: this.#host.name, port: this.#host.freePort() }
    return this.#end(listener?.runtime ?? this.#runtime, target, this.#host, remote)
  }
}
