/** What the cluster layer needs of the processes of its node; the composition root provides it. */
import type { GenServer } from '../process/gen-server.js'
import type { RemoteName } from '../process/signal.js'
import type { Pid } from '../term/pid.js'

/** A class whose instances run as processes. */
export type ServerModule = new () => GenServer

export interface ProcessPort {
  isAlive(pid: Pid): boolean
  /** Starts a process that is linked to nobody. Rejects when its `init` fails. */
  spawn(module: ServerModule, args: readonly unknown[], name?: string): Promise<Pid>
  /** Calls back once when a process of this node has ended; at once if it has already. */
  watchExit(pid: Pid, listener: (pid: Pid, reason: unknown) => void): void
  /** As a parent would: a server ends, also one that traps exits. `kill`: at once. */
  exit(pid: Pid, reason: unknown): void
  send(to: Pid, message: unknown): boolean
  /** A message of the node itself to a process of its own: never refused, never copied. */
  notify(to: Pid, message: unknown): void
  call(
    to: RemoteName,
    method: string,
    args: readonly unknown[],
    timeoutMs: number,
  ): Promise<unknown>
}
