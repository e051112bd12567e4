/** Everything an application needs. Each export is named here, once. */
export { CitadelError, type ErrorCode } from './base/errors.js'
export { type Logger, silent } from './base/log.js'
export { Refusal } from './base/refusal.js'
export {
  Citadel,
  type CitadelOptions,
  type StopOptions,
  type WhenMembersOptions,
} from './citadel.js'
export type { ChildEvent } from './cluster/children/child-events.js'
export type { ChildHandle } from './cluster/children/child-handle.js'
export type { HandoffStep } from './cluster/handoff/handoff-offer.js'
export {
  type LeastChildren,
  type LeastChildrenOptions,
  leastChildren,
} from './cluster/placement/least-children.js'
export { type Pins, pinned } from './cluster/placement/pinned.js'
export { type Placement, type PlacementMember, rendezvous } from './cluster/placement/placement.js'
export type {
  BroadcastOptions,
  GroupCaller,
  GroupCallOptions,
  GroupEvent,
  GroupMember,
  Groups,
  JoinOptions,
  MultiCallResult,
} from './cluster/registry/groups.js'
export type {
  RegisterOptions,
  Registration,
  Registry,
  ReplaceOptions,
  Resolve,
  WhenRegisteredOptions,
} from './cluster/registry/registry.js'
export type { RegistryEvent, RegistryReason } from './cluster/registry/registry-events.js'
export type { RegistrySelector } from './cluster/registry/registry-watches.js'
export type {
  ChildCounts,
  DistributedSupervisor,
  LeaveOptions,
  Modules,
  StartChildOptions,
  StaticChild,
  SupervisorOf,
  SupervisorOptions,
} from './cluster/supervisor/distributed-supervisor.js'
export type { Move, MovesResult } from './cluster/supervisor/rebalancer.js'
export type { DiscoveredNode, Discovery } from './discovery/discovery.js'
export type { DiscoveryOption } from './discovery/discovery-options.js'
export type { ServerModule } from './kernel/process-port.js'
export {
  type JsonLoggerOptions,
  jsonLogger,
  type PinoLike,
  pinoLogger,
  stderrLogger,
} from './loggers.js'
export type { MeshEvent } from './mesh/mesh-event.js'
export type { BoundNode } from './process/bound-node.js'
export type { ChildIdentity } from './process/child-identity.js'
export type { ChildSpec } from './process/child-spec.js'
export type { Destination } from './process/destination.js'
export type { ExitReason } from './process/exit-reason.js'
export type { ReceiveOptions } from './process/function-process.js'
export { GenServer } from './process/gen-server.js'
export type { CallOptions, SpawnOptions } from './process/process.js'
export type { ProcessTimer } from './process/process-timers.js'
export { type From, noReply } from './process/request.js'
export {
  type ChildInfo,
  type Strategy,
  Supervisor,
  type SupervisorOptions as LocalSupervisorOptions,
} from './process/supervisor.js'
export { Down, Exit, KeyLost } from './process/system-messages.js'
export type { InitArgs, MethodArgs, MethodName, MethodResult } from './process/typed-call.js'
export {
  type StopOnSignalsOptions,
  type Stoppable,
  type StopSignal,
  stopOnSignals,
} from './signals.js'
export { Atom } from './term/atom.js'
export { decodeTerm, encodeTerm } from './term/codec.js'
export { ImproperList } from './term/improper-list.js'
export { OpaqueTerm } from './term/opaque.js'
export { Pid } from './term/pid.js'
export { Ref } from './term/ref.js'
export { Tuple } from './term/tuple.js'
