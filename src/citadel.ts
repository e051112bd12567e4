/**
 * The face of a node: what users call. `Citadel.start()` gives the node with the verbs of its root
 * process; `this.citadel` in a GenServer and `self` in a function process are the same face with
 * the verbs of that process. What is behind it is put together in node.ts.
 */
import { CitadelError } from './base/errors.js'
import { giveLook } from './base/looks.js'
import { FollowingHandle } from './cluster/children/following-handle.js'
import type { Groups } from './cluster/registry/groups.js'
import { TimedGroupCaller } from './cluster/registry/process-groups.js'
import type { Registry } from './cluster/registry/registry.js'
import type {
  Modules,
  SupervisorOf,
  SupervisorOptions,
} from './cluster/supervisor/distributed-supervisor.js'
import type { MeshEvent } from './mesh/mesh-event.js'
import { Node } from './node.js'
import type { CitadelOptions, StopOptions, WhenMembersOptions } from './node-options.js'
import { ProcessVerbs } from './process/bound-node.js'
import { fenced } from './process/fenced.js'
import type { Process } from './process/process.js'

declare module './process/bound-node.js' {
  interface BoundNode extends Citadel {}
}

export class Citadel extends ProcessVerbs {
  readonly #node: Node
  /** What it sees of what all processes share; only where there is a lease. */
  readonly #faces: Map<object, object> | undefined
  readonly #process: Process

  /** For the runtime: use `Citadel.start()`. */
  constructor(process: Process, node: Node) {
    super(process)
    if (!(node instanceof Node)) {
      throw new CitadelError('bad_argument', 'A node starts with `await Citadel.start(options)`.')
    }
    this.#process = process
    this.#node = node
    this.#faces = node.hasLease ? new Map() : undefined
  }

  /**
   * Starts a node. All options have defaults: a free name on 127.0.0.1, Erlang's cookie, no
   * discovery unless `CITADEL_REDIS_URL` is set.
   * @throws CitadelError `bad_argument`, `name_taken`, `bad_cookie`.
   */
  static async start(options?: CitadelOptions): Promise<Citadel> {
    const node = new Node(options, (process, owner) => new Citadel(process, owner))
    await node.start()
    return node.root as Citadel
  }

  /** Names of processes, in the whole cluster. */
  get registry(): Registry {
    return this.#faced(this.#node.registry)
  }

  /** Groups of processes, in the whole cluster. */
  get groups(): Groups {
    return this.#faced(this.#node.groups)
  }

  /** Unique to this start of the node. */
  get creation(): number {
    return this.#node.creation
  }

  /** Where the node listens: `['tcp://127.0.0.1:40113']`. */
  get addresses(): readonly string[] {
    return this.#node.addresses
  }

  /**
   * Joins the distributed supervisor of that name, as one of its members: children whose class is
   * in `modules` may run here. Members of one supervisor use the same names for the same classes.
   * Joining twice answers the same supervisor.
   */
  supervisor<M extends Modules = Modules>(
    name: string,
    options?: SupervisorOptions<M>,
  ): Promise<SupervisorOf<M>> {
    const joined = this.#node.supervisor(name, options) as Promise<SupervisorOf<M>>
    return this.#faces ? joined.then((supervisor) => this.#faced(supervisor)) : joined
  }

  /**
   * Connects to a node. True: it is connected, and if it is a Citadel node, its rows are here.
   * False: it is not; the log says why.
   * @throws CitadelError `bad_argument` when the name is not `name@host`.
   */
  connect(node: string): Promise<boolean> {
    return this.#node.connectLoudly(node)
  }

  /**
   * Cuts the connection. The node is not taken for dead, and not dialled again until `connect`. Its end
   * is still noticed.
   */
  disconnect(node: string): boolean {
    return this.#node.disconnect(node)
  }

  /** The nodes that are connected now, other Erlang nodes included, sorted by name. */
  nodes(): string[] {
    return this.#node.nodes()
  }

  /**
   * The nodes that discovery lists, this one included, sorted by name. Without discovery: this node
   * and those connected.
   */
  members(): Promise<string[]> {
    return this.#node.members()
  }

  /**
   * Resolves when at least `count` Citadel nodes, this one included, are connected and agree on who is a
   * member, within `timeoutMs` (30,000).
   * @throws CitadelError `timeout`, which says who is there; `bad_argument`; `stopped` when this node stops.
   */
  whenMembers(count: number, options?: WhenMembersOptions): Promise<void> {
    return this.#node.whenMembers(count, options)
  }

  /** Connects to all nodes that discovery lists: one boolean for each of `members()`. */
  joinCluster(): Promise<boolean[]> {
    return this.#node.joinCluster()
  }

  /** Nodes as they come and go, from now on; a reader 10,000 events behind is ended `overloaded`. */
  watchNodes(): AsyncIterableIterator<MeshEvent> {
    return this.#node.watchNodes()
  }

  /**
   * Stops the node: hands the children of its supervisors over to the other members, with their
   * state, answers the last calls, tells the other nodes, ends its processes, closes its connections.
   * What cannot be handed over within `budgetMs` (25,000) is stopped and started elsewhere. Calling it
   * again waits for the same end.
   */
  stop(options?: StopOptions): Promise<void> {
    return this.#node.stop(options)
  }

  #faced<T extends object>(shared: T): T {
    if (this.#faces === undefined) return shared
    const face = this.#faces.get(shared) ?? fenced(this.#process, shared, isHandle)
    this.#faces.set(shared, face)
    return face as T
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }
}

giveLook(Citadel, 'Citadel', ({ name, pid }) => ({ name, pid }))

const isHandle = (value: unknown): value is object =>
  value instanceof FollowingHandle || value instanceof TimedGroupCaller

export type { CitadelOptions, StopOptions, WhenMembersOptions }
