/**
 * The seam between the processes of a node (the kernel) and the mesh. `Router` is what the kernel
 * asks of the network and the mesh implements; `SignalSink` is what the mesh asks of the kernel.
 */

import type { Signal, Target } from '../process/signal.js'
import type { Pid } from '../term/pid.js'
import type { Ref } from '../term/ref.js'

export interface Router {
  /** What runs at `node` at this moment: another Citadel, some other Erlang node, or not connected. */
  kind(node: string): 'citadel' | 'beam' | undefined
  /** Whether it is a Citadel node that has told that feature. */
  offers(node: string, feature: string): boolean
  /**
   * Sends a message. False: not sent, because the node is not connected or its link is above the
   * high mark. Throws `unserializable` for what cannot cross, and then nothing is sent.
   */
  send(from: Pid, to: Target, message: unknown): boolean
  /** Sends to the alias `ref` of a process at `ref.node` (ALIAS_SEND): how replies travel. */
  sendToAlias(from: Pid, ref: Ref, message: unknown): boolean
  /** Sends a signal to `node`. False: not connected. Signals are queued above the high mark too. */
  signal(node: string, signal: Signal): boolean
  /**
   * Sends to an endpoint of another Citadel node, above the high mark too: for what was accepted and
   * must not be dropped. False: not connected. Throws `unserializable`, and then nothing is sent.
   */
  pass(node: string, endpoint: string, message: unknown): boolean
  /** Calls back once when the link to `node` can take messages again or is gone. Answers a cancel. */
  onceWritable(node: string, callback: () => void): () => void
}

/** The link that brought something: what its node is, whatever is written in the frame. */
export interface Source {
  readonly node: string
  readonly creation: number
  /** Until it is known to be a member, a node may reach no server of the runtime. */
  readonly kind?: 'unknown' | 'citadel' | 'beam'
  /** What the frame took that is being handled. */
  readonly frameBytes?: number
}

export interface SignalSink {
  /** A message for a pid of this node. An unknown or dead pid: dropped, as Erlang does. */
  deliver(to: Pid, message: unknown, source: Source): void
  /** A message for a registered name of this node. `from` is a process of the source. */
  deliverNamed(name: string, message: unknown, from: Pid, source: Source): void
  /** A message for an alias: the reply of a call. An unknown alias: dropped. */
  deliverToAlias(ref: Ref, message: unknown, source: Source): void
  /** A signal from another node. Its sender is a process of the source. */
  receiveSignal(signal: Signal, source: Source): void
  /** The connection to `node` is gone: links, monitors and calls there fire `noconnection`, at once. */
  disconnected(node: string): void
}

/** The router of a node without a network. */
export const noRouter: Router = {
  kind: () => undefined,
  offers: () => false,
  send: () => false,
  sendToAlias: () => false,
  signal: () => false,
  pass: () => false,
  onceWritable: (_node, callback) => {
    queueMicrotask(callback)
    return () => {}
  },
}
