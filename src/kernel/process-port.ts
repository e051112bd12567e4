/** What the cluster layer needs of the processes of its node; the composition root provides it. */
import type { ChildIdentity } from '../process/child-identity.js'
import type { GenServer } from '../process/gen-server.js'
import type { RemoteName } from '../process/signal.js'
import type { Pid } from '../term/pid.js'

/** A class whose instances run as processes. */
export type ServerModule = new () => GenServer

export interface ProcessPort {
  isAlive(pid: Pid): boolean
  /**
   * Starts a process that is linked to nobody, and that owns something already: where there is a
   * lease, it ends with it. Rejects when its `init` fails.
   */
  spawn(module: ServerModule, args: readonly unknown[], child: ChildIdentity): Promise<Pid>
  /** Calls back once when a process of this node has ended; at once if it has already. */
  watchExit(pid: Pid, listener: (pid: Pid, reason: unknown) => void): void
  /** As a parent would: a server ends, also one that traps exits. `kill`: at once. */
  exit(pid: Pid, reason: unknown): void
  send(to: Pid, message: unknown): boolean
  /** A message of the node itself to a process of its own: never refused, never copied. */
  notify(to: Pid, message: unknown): void
  call(
    to: RemoteName | Pid,
    method: string,
    args: readonly unknown[],
    timeoutMs: number,
  ): Promise<unknown>

  /** Where a process has moved to, as far as this node knows. */
  successor(pid: Pid): Pid | undefined
  /** The process that one of this node, which does not handle messages yet, is to take over from. */
  predecessor(pid: Pid): Pid | undefined
}

/** The same for supervised children, which can move; see process/moves.ts. */
export interface ChildPort extends ProcessPort {
  /** Warns of what is wrong with a class, once. @throws CitadelError `bad_argument` for its `callable`. */
  noteClass(module: unknown): void
  /** False: not sent. Throws `unserializable` for what cannot cross. */
  cast(to: RemoteName, method: string, args: readonly unknown[]): boolean
  /** Holds a process still and resolves with its state; when it rejects, the process goes on. */
  hold(pid: Pid, timeoutMs: number): Promise<unknown>
  /** Its state as it can go to `node`, with the callers in it; `stays` when it does not go. */
  carry(state: unknown, node: string): { state: unknown; stays(): void }
  /**
   * Has a process hear the state of another one that lost a conflict against it. Rejects `unavailable`,
   * `noproc` or `overloaded` when it has not heard of it.
   */
  merge(pid: Pid, state: unknown): Promise<void>
  /** A held process goes on here. */
  goOn(pid: Pid): void
  /** Starts the successor of `from`. Resolves when it has begun, held, with its state taken over. */
  arrive(
    module: ServerModule,
    args: readonly unknown[],
    arrival: { state: unknown; from: Pid },
    child: ChildIdentity,
  ): Promise<Pid>
  /** The successor handles messages from now on; those of `awaited` nodes once their marker has come. */
  admit(pid: Pid, via: string, awaited: readonly string[]): void
  /** It is known now that `to` took over from `from`. */
  learned(from: Pid, to: Pid): void
}
