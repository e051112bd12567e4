/**
 * What processes send each other besides messages: one union, local and remote alike. The meanings
 * are Erlang's (Erlang Reference Manual, "Processes", and "Distribution Protocol").
 */
import type { Pid } from '../term/pid.js'
import type { Ref } from '../term/ref.js'

/** Where a message or monitor goes: a process, or a registered name on a node. */
export interface RemoteName {
  readonly name: string
  readonly node: string
}
export type Target = Pid | RemoteName

export type Signal =
  | { type: 'link'; from: Pid; to: Pid }
  /** `id` pairs with the acknowledgement, per the UNLINK_ID protocol; never 0. */
  | { type: 'unlink'; id: bigint; from: Pid; to: Pid }
  | { type: 'unlinkAck'; id: bigint; from: Pid; to: Pid }
  /** A linked process ended. */
  | { type: 'exit'; from: Pid; to: Pid; reason: unknown }
  /** Somebody called `exit(pid, reason)`. */
  | { type: 'exit2'; from: Pid; to: Pid; reason: unknown }
  | { type: 'monitor'; from: Pid; to: Target; ref: Ref }
  | { type: 'demonitor'; from: Pid; to: Target; ref: Ref }
  /** What `from` monitored is gone; also the refusal of a call between Citadel nodes (`ref` is the call's). */
  | { type: 'down'; from: Target; to: Pid; ref: Ref; reason: unknown }
