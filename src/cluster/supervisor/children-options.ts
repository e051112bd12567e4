/** What users say of a distributed supervisor and of its children. */

import type { ServerModule } from '../../kernel/process-port.js'
import type { GenServer } from '../../process/gen-server.js'
import type { Placement } from '../placement/placement.js'
import type { Resolve } from '../tables/claim-order.js'
import type { ChildRecipe } from '../tables/spec-table.js'
import type { RunnerOptions } from './child-runner.js'
import type { RebalanceOptions } from './rebalancer.js'

/** A child that is to be there from the start, and again after all nodes were stopped. */
export interface StaticChild extends StartChildOptions {
  readonly module: (new () => GenServer) | string
  readonly args?: readonly unknown[] | undefined
}

/** Each may be left out, or be undefined. */
type Optional<T> = { [K in keyof T]?: T[K] | undefined }

/** Classes by the names that all members use for them. */
export type Modules = Readonly<Record<string, ServerModule>>

export interface SupervisorOptions<M extends Modules = Modules>
  extends Optional<RunnerOptions>,
    Optional<RebalanceOptions> {
  /** The classes this node can start. */
  modules?: M | undefined
  /**
   * When a child that ended is started again: always (`permanent`), unless it ended with `normal`
   * or `shutdown` (`transient`, the default, as the original Citadel), or never (`temporary`).
   */
  restart?: ChildRecipe['restart'] | undefined
  /**
   * Which of two processes of an id stays, `a` or `b`, that a partition has left: the one with the later
   * epoch, `a`, unless given. It must answer the same on all nodes.
   */
  resolve?: Resolve | undefined
  /** Which member a child belongs on, the same on all members; `rendezvous` unless given. */
  placement?: Placement | undefined
  /** Children run only on nodes that have this role. Give the same on all members. */
  role?: string | undefined
  /** This node's share of children relative to the others; 1 unless given. */
  weight?: number | undefined
  /** Children that are to be there, once each, as soon as there is a member that may run them. */
  children?: readonly StaticChild[] | undefined
}

export interface StartChildOptions {
  /** What names the child in the cluster: any term, compared by value. */
  id: unknown
  restart?: ChildRecipe['restart'] | undefined
  /** How long its `terminate` may take when it is stopped, in milliseconds; 5,000 unless given. */
  shutdownMs?: number | undefined
  /** How long to wait for it to run, in milliseconds; 5,000 unless given. */
  timeoutMs?: number | undefined
}

export interface LeaveOptions {
  /** How long handing the children over may take in all; 25,000 ms unless given. */
  budgetMs?: number | undefined
}
