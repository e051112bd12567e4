/** The registry as users have it: names for processes, found from any node. */
import type { Pid } from '../../term/pid.js'
import type { Registration, Resolve } from '../tables/claim-order.js'
import type { RegistryEvent } from './registry-events.js'
import type { RegisterOptions, ReplaceOptions, WhenRegisteredOptions } from './registry-options.js'
import type { RegistrySelector } from './registry-watches.js'

export type { RegisterOptions, Registration, ReplaceOptions, Resolve, WhenRegisteredOptions }

export interface Registry {
  /**
   * Registers `pid`, of any connected node, under `key`: any term, compared by value.
   * @throws CitadelError `already_registered` with the owner's `pid`; `noproc` when `pid` is dead; `stopped`;
   *   `unavailable` when who decides about the key cannot be reached; `timeout`; `noconnection`;
   *   `unserializable` and `limit_exceeded` for metadata that cannot be on every node.
   */
  register(key: unknown, pid: Pid, options?: RegisterOptions): Promise<void>

  /**
   * Frees `key`, also if a process of another node owns it. Resolves when all members that can be reached know of it.
   * @throws CitadelError `not_found` when nobody does; `noconnection` when the owner's node is gone.
   */
  unregister(key: unknown): Promise<void>

  /**
   * Gives the registration of `key` other metadata, whoever owns it; the epoch stays. Of several
   * updates at the same time the one that comes to the owner's node last is left. Resolves when all
   * members that can be reached know of it.
   * @throws CitadelError `not_found` when nobody owns it; `noconnection` when the owner's node is
   *   gone; `unserializable` and `limit_exceeded` for metadata that cannot be on every node.
   */
  update(key: unknown, meta: unknown): Promise<void>

  /**
   * Gives `key` to `newPid`, of any connected node, if `oldPid` owns it at this moment, in one step:
   * nobody else can have it in between. The old process lives on and gets a `KeyLost` message.
   * @throws CitadelError `not_found` when nobody owns the key; `already_registered` with the owner's
   *   `pid` when that is not `oldPid`; else as `register`.
   */
  replace(key: unknown, oldPid: Pid, newPid: Pid, options?: ReplaceOptions): Promise<void>

  /** Resolves with the process registered under `key`, at once or when there is one. */
  whenRegistered(key: unknown, options?: WhenRegisteredOptions): Promise<Pid>

  /**
   * What is registered now, with the reason `present`, and then each change: of one key, of all keys
   * that begin with a string or with the elements of an array, or of all. Ends when the loop that
   * reads it does; a reader that falls 10,000 events behind gets a CitadelError `overloaded`.
   */
  watch(selector?: RegistrySelector): AsyncIterableIterator<RegistryEvent>

  /** The process registered under `key`, or undefined. */
  findByKey(key: unknown): Pid | undefined

  /** The whole registration of `key`: its process, metadata and epoch. */
  lookup(key: unknown): Registration | undefined

  /** The keys of a process. */
  findByPid(pid: Pid): unknown[]

  /** The keys of the processes of a node. */
  findByNode(node: string): unknown[]

  /** All registered keys. */
  keys(): IterableIterator<unknown>

  /** How many keys are registered in the cluster. */
  readonly size: number
}
