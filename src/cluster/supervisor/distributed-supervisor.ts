/** A distributed supervisor as users have it. */
import type { GenServer } from '../../process/gen-server.js'
import type { InitArgs } from '../../process/typed-call.js'
import type { Pid } from '../../term/pid.js'
import type { ChildEvent } from '../children/child-events.js'
import type { ChildHandle } from '../children/child-handle.js'
import type {
  LeaveOptions,
  Modules,
  StartChildOptions,
  StaticChild,
  SupervisorOptions,
} from './children-options.js'
import type { Move, MovesResult } from './rebalancer.js'

export type { LeaveOptions, Modules, StartChildOptions, StaticChild, SupervisorOptions }

/** How many children there are. */
export interface ChildCounts {
  /** That should run in the cluster. */
  readonly specs: number
  /** That run in the cluster. */
  readonly running: number
  /** That this node runs. */
  readonly local: number
  /** That this node is starting. */
  readonly starting: number
  /** That should run and have no node. */
  readonly orphans: number
}

export interface DistributedSupervisor {
  /** What all members share. */
  readonly name: string

  /**
   * Starts a child on the node its id belongs on. Resolves when `init` has returned and at least one
   * other member, if there is one, knows of it.
   * @throws CitadelError `already_started` with the running child's `pid`; `no_placement` when no
   *   member may run the class; `init_failed`; `unavailable` when the node is not reachable now.
   */
  startChild<T extends GenServer>(
    module: new () => T,
    args: InitArgs<T>,
    options: StartChildOptions,
  ): Promise<Pid<T>>
  /** By the name that the members have for the class, from a node that has it not. */
  startChild(module: string, args: readonly unknown[], options: StartChildOptions): Promise<Pid>

  /** The process that runs the child, or undefined. */
  lookup(id: unknown): Pid | undefined

  /** All children that run in the cluster, by id. */
  members(): Map<unknown, Pid>

  /** The children that run on this node, by id. */
  localChildren(): Map<unknown, Pid>

  /** How many children there are, in the cluster and here. */
  counts(): ChildCounts

  /**
   * What happens to children from now on, on all members: started, crashed, moved and so on, and the
   * progress of moves over many. A reader that falls 10,000 events behind gets `overloaded`.
   */
  events(): AsyncIterableIterator<ChildEvent>

  /** The member nodes, sorted by name. */
  nodes(): string[]

  /** The node that the id belongs on now; undefined when no member may run it. */
  nodeFor(id: unknown, module?: string): string | undefined

  /**
   * A fencing token that grows with each node the child is given to: 0 when it is not known. On the node
   * that a child moves to it is the new one's from its `init` on.
   */
  epoch(id: unknown): number

  /**
   * Stops the child and forgets it. Once this resolves, any member that can be reached may start the id.
   * @throws CitadelError `not_found` when no such child is known.
   */
  terminateChild(id: unknown): Promise<void>

  /** A handle that follows the child wherever it runs. */
  child<T = unknown>(id: unknown): ChildHandle<T>

  /**
   * Hands a child over to another member, with its state. With `rebalance: 'auto'` and a placement
   * that is not sticky it comes back when the members next change. False: it stays, and an event
   * says why.
   * @throws CitadelError `not_found`; `no_placement` when `to` may not run it.
   */
  moveChild(id: unknown, to: string): Promise<boolean>

  /** Which children, in the whole cluster, `rebalance()` would move now, or are on their way. */
  plan(): Promise<Move[]>

  /**
   * Moves every child that belongs on another node, or as many as it takes to be even by a placement
   * that counts, and whose class has a `handoff` method. Resolves when it is done, with how many moved and how many stay where they are.
   */
  rebalance(): Promise<MovesResult>

  /**
   * Leaves the supervisor: hands all children of this node over, with their state, and is no member
   * any more. What cannot be handed over within the budget is stopped and started elsewhere.
   */
  leave(options?: LeaveOptions): Promise<void>

  /** The same as `leave`: so that this node can be stopped without a child missing anywhere. */
  drain(options?: LeaveOptions): Promise<void>
}

/** What the `init` of a class takes that is known by that name; anything, where the class is not known. */
type ArgsOf<M extends Modules, N extends string> = string extends keyof M
  ? readonly unknown[]
  : N extends keyof M
    ? Readonly<InitArgs<InstanceType<M[N]>>>
    : readonly unknown[]

type ServerOf<M extends Modules, N extends string> = string extends keyof M
  ? unknown
  : N extends keyof M
    ? InstanceType<M[N]>
    : unknown

/** Any of the classes of a supervisor; unknown, where it was given none. */
type AnyOf<M extends Modules> = string extends keyof M
  ? unknown
  : [keyof M] extends [never]
    ? unknown
    : InstanceType<M[keyof M]>

/** A supervisor whose type knows the classes that it was given as `modules`, by their names. */
export interface SupervisorOf<M extends Modules>
  extends Omit<DistributedSupervisor, 'startChild' | 'child'> {
  startChild<T extends GenServer>(
    module: new () => T,
    args: InitArgs<T>,
    options: StartChildOptions,
  ): Promise<Pid<T>>

  /** By the name that the members have for the class: also one that this node has not. */
  startChild<N extends string>(
    module: N,
    args: ArgsOf<M, N>,
    options: StartChildOptions,
  ): Promise<Pid<ServerOf<M, N>>>

  /** A handle that follows the child wherever it runs. */
  child<T = AnyOf<M>>(id: unknown): ChildHandle<T>
}
