/**
 * The composition root: makes the parts of one node from its options, starts them in order and
 * stops them in the opposite one. The only file that knows all layers.
 */

import { Cookie } from './base/cookie.js'
import { EventQueue } from './base/event-queue.js'
import { guardedClock } from './base/guard.js'
import { Lease } from './base/lease.js'
import { LeaseWatch } from './base/lease-watch.js'
import type { Logger } from './base/log.js'
import { parseNodeName } from './base/node-name.js'
import { QuietLog } from './base/quiet-log.js'
import { once, safeLog, userLog } from './base/safe-log.js'
import { systemWorld } from './base/system-world.js'
import { within } from './base/within.js'
import type { World } from './base/world.js'
import {
  type ArbiterSettings,
  arbiterFeature,
  arbiterSettings,
  leaseLengthMs,
} from './cluster/arbiters/arbiter-options.js'
import { type ArbiterFactory, meshArbiter, quorumArbiter } from './cluster/arbiters/arbiters.js'
import { type EtcdArbiter, etcdArbiter } from './cluster/arbiters/etcd-arbiter.js'
import { MembersHere } from './cluster/arbiters/members-here.js'
import { Ownership } from './cluster/arbiters/ownership.js'
import { majorityOf } from './cluster/arbiters/quorum.js'
import { predecessorOf } from './cluster/handoff/handoff-offer.js'
import { MovingRows } from './cluster/handoff/moving-rows.js'
import { FAN_OUT, FAN_OUT_ENDPOINT, FanOut } from './cluster/registry/fan-out.js'
import { KeyRegistry, REGISTRY_SCOPE, ROW_SERVER } from './cluster/registry/key-registry.js'
import { GROUPS_SCOPE, ProcessGroups } from './cluster/registry/process-groups.js'
import { RowServer } from './cluster/registry/row-server.js'
import { ProcessRows } from './cluster/scopes/process-rows.js'
import { SCOPES_ENDPOINT } from './cluster/scopes/scope-sender.js'
import { Scopes } from './cluster/scopes/scopes.js'
import type { SupervisorOptions } from './cluster/supervisor/distributed-supervisor.js'
import { JoinedSupervisor } from './cluster/supervisor/joined-supervisor.js'
import { readSupervisorOptions } from './cluster/supervisor/supervisor-options.js'
import { SupervisorServer, type SupervisorShare } from './cluster/supervisor/supervisor-server.js'
import type { ClaimChange } from './cluster/tables/claim-table.js'
import { Connector } from './discovery/connector.js'
import type { Discovery } from './discovery/discovery.js'
import { createDiscovery } from './discovery/discovery-options.js'
import { systemEnvironment } from './environment.js'
import { Epmd } from './epmd/epmd.js'
import { KeptServers } from './kernel/kept-servers.js'
import { Kernel } from './kernel/kernel.js'
import { processPort } from './kernel/kernel-port.js'
import type { ChildPort } from './kernel/process-port.js'
import type { Router } from './kernel/router.js'
import { loggerOf, stderrLogger } from './loggers.js'
import { type Capability, PROTOCOL_VERSION } from './mesh/capability.js'
import { Mesh } from './mesh/mesh.js'
import type { MeshEvent } from './mesh/mesh-event.js'
import {
  type CitadelOptions,
  isLoopback,
  listenAddress,
  readCitadelOptions,
  readStopOptions,
  readWhenMembers,
  type StopOptions,
  unreachableName,
  type WhenMembersOptions,
} from './node-options.js'
import type { BoundNode } from './process/bound-node.js'
import { CALL_CHAIN } from './process/call-chain.js'
import type { Process } from './process/process.js'
import { creationOf, type Pid } from './term/pid.js'

type Bind = (process: Process, node: Node) => BoundNode

const SYNC_MS = 5_000
const SYNC_CHECK_MS = 2
/** How long to wait for members, unless told. */
const MEMBERS_MS = 30_000
const NODE_EVENTS_MAX = 10_000
/** How long a node that stops hands its children over, unless a budget is given. */
const STOP_MS = 25_000
/** Of its budget a node that stops keeps this much to answer what was passed on. */
const LAST_ANSWERS_SHARE = 0.2
/** Of a lease: how long after its end what was said before may still go out. Others wait longer. */
const LATE_OUTPUT_SHARE = 0.01

export class Node {
  readonly name: string
  readonly creation: number
  readonly root: BoundNode
  readonly registry: KeyRegistry
  readonly groups: ProcessGroups
  readonly kernel: Kernel
  readonly mesh: Mesh
  readonly scopes: Scopes
  private readonly options: CitadelOptions
  private readonly arbiter: ArbiterSettings
  /** Until when this node may act for what it owns; the mesh arbiter has none. */
  private readonly lease: Lease | undefined
  private readonly leaseWatch: LeaseWatch | undefined
  private etcd: EtcdArbiter | undefined
  private readonly world: World
  private readonly log: Logger
  private readonly epmd: Epmd
  private readonly processes: ChildPort
  private readonly supervisorMembers: ProcessGroups
  private readonly movingRows: MovingRows
  private readonly fanOut: FanOut
  private readonly membersHere: MembersHere
  private readonly servers: KeptServers
  private readonly supervisors = new Map<string, Promise<JoinedSupervisor>>()
  private readonly discovery: Discovery | undefined
  private readonly connector: Connector | undefined
  private readonly watchers = new Set<EventQueue<MeshEvent>>()
  /** Nodes that the user cut off: discovery must not bring them back. */
  private readonly disconnected = new Set<string>()
  private stopping: Promise<void> | undefined

  constructor(given: CitadelOptions | undefined, bind: Bind) {
    const options = readCitadelOptions(given)
    // The cookie stays in an object that shows nothing of it.
    this.options = { ...options, cookie: undefined }
    const environment = options.environment ?? systemEnvironment()
    const logger = loggerOf(options.logger)
    const logFailed = once((error) => stderrLogger.error('the logger of this node', error))
    this.log = safeLog(logger, logFailed)
    const world = options.world ?? systemWorld()
    this.world = { ...world, clock: guardedClock(world.clock, this.log) }
    const { clock, random } = this.world
    this.name = options.name ?? `node-${random.uint32().toString(36)}@127.0.0.1`
    const { host } = parseNodeName(this.name)
    const listen = listenAddress(options, host)
    const unreachable = unreachableName(this.name, host, listen.host)
    if (unreachable !== undefined) this.log.warn(unreachable)
    this.arbiter = arbiterSettings(options.arbiter)
    this.lease = this.arbiter.type === 'mesh' ? undefined : new Lease()
    this.leaseWatch = this.lease && this.watchLease(this.lease)
    this.creation = creationOf(random.uint32())
    const epmdPort = options.epmdPort ?? environment.epmdPort
    // Nodes of other machines ask this machine's EPMD, so then it must not be on loopback only.
    const epmdHost = isLoopback(listen.host) ? undefined : listen.host
    this.epmd = new Epmd({ world: this.world, log: this.log, epmdPort, host: epmdHost })
    this.kernel = new Kernel({
      name: this.name,
      creation: this.creation,
      clock,
      random,
      log: this.log,
      userLog: userLog(logger, logFailed),
      strictMessages: options.strictMessages,
      mailboxMax: options.mailboxMax,
      mailboxMaxBytes: options.mailboxMaxBytes,
      resolveKey: (key: unknown) => this.registry.findByKey(key),
      bind: (process: Process) => bind(process, this),
      router: this.router(),
      lease: this.lease,
      beforeRun: () => this.mesh.noticeTime(),
    })
    const cookie = Cookie.of(options.cookie ?? environment.cookie())
    this.mesh = new Mesh({
      world: this.world,
      log: this.log,
      name: this.name,
      creation: this.creation,
      cookie,
      sink: this.kernel,
      // Whom a majority does not hear has no lease, even if a few others still hear it.
      buriers: this.arbiter.type === 'quorum' ? majorityOf(this.arbiter.size) : undefined,
      beforeTraffic: this.lease && ((now) => this.beforeTraffic(now)),
      epmd: this.epmd,
      listen,
      refusal: (node, capability) => this.refusal(node, capability),
      capability: () => ({
        version: PROTOCOL_VERSION,
        features: this.features,
        modules: Object.keys(options.modules ?? {}),
        weight: options.weight ?? 1,
      }),
    })
    this.root = this.kernel.root
    this.noteClasses(options.modules)
    this.processes = processPort(this.kernel)
    this.scopes = new Scopes({
      mesh: this.mesh,
      clock,
      log: this.log,
      logMax: options.logMax,
      arbiter: this.arbiterFactory(),
      ownership: this.lease && new Ownership(this.lease, clock, this.kernel),
      hasLooked: () => this.connector?.hasLooked ?? true,
    })
    this.membersHere = new MembersHere(this.scopes)
    const rows = new ProcessRows(this.scopes, this.processes)
    rows.cover(this.scopes.scope<'c'>(REGISTRY_SCOPE))
    rows.cover(this.scopes.scope<'g'>(GROUPS_SCOPE))
    rows.cover(this.scopes.scope<'g'>(SUPERVISORS_SCOPE))
    this.registry = new KeyRegistry(this.scopes, this.processes, rows.watch, {
      resolve: options.resolve,
      log: this.log,
      neverSplits: this.lease !== undefined,
      looked: () => this.connector?.looked,
    })
    this.servers = new KeptServers(this.kernel, clock, this.log)
    this.fanOut = new FanOut({
      node: this.name,
      creation: this.creation,
      clock,
      log: new QuietLog(this.log, clock),
      mesh: this.mesh,
      deliver: (to, message, source) => this.kernel.deliver(to, message, source),
      strict: options.strictMessages === true,
    })
    this.groups = new ProcessGroups(
      this.scopes,
      this.processes,
      rows.watch,
      GROUPS_SCOPE,
      this.fanOut,
    )
    this.supervisorMembers = new ProcessGroups(
      this.scopes,
      this.processes,
      rows.watch,
      SUPERVISORS_SCOPE,
    )
    this.movingRows = new MovingRows(this.registry, this.groups, rows.remove)
    this.scopes.onClaim((scope, change) => this.claimChanged(scope, change))
    this.discovery = createDiscovery(options.discovery, {
      environment: {
        redisUrl: environment.redisUrl,
        domain: options.domain ?? environment.domain,
      },
      cookie,
      clock,
      random,
      log: this.log,
      epmdNames: () => this.epmd.names(),
    })
    if (this.discovery) this.connector = this.makeConnector(this.discovery)
  }

  /** Whether what owns something here depends on a lease. */
  get hasLease(): boolean {
    return this.lease !== undefined
  }

  get addresses(): readonly string[] {
    return this.mesh.addresses
  }

  async start(): Promise<void> {
    this.kernel.registerEndpoint(SCOPES_ENDPOINT, (message, from) =>
      this.scopes.receive(message, from),
    )
    this.kernel.registerEndpoint(FAN_OUT_ENDPOINT, (message, _from, source) => {
      if (source) this.fanOut.receive(message, source)
    })
    this.scopes.start()
    this.etcd?.open()
    this.mesh.onEvent((event) => {
      for (const watcher of this.watchers) watcher.push(event)
    })
    const rowServer = { registry: this.registry, groups: this.groups }
    await this.servers.keep(() => this.root.spawn(RowServer, [rowServer], { name: ROW_SERVER }))
    try {
      await this.mesh.start()
    } catch (error) {
      await this.close()
      throw error
    }
    await this.connector?.start({ name: this.name, addresses: this.addresses })
  }

  async supervisor(name: string, given: SupervisorOptions | undefined): Promise<JoinedSupervisor> {
    const options = readSupervisorOptions(name, given)
    this.noteClasses(options.modules)
    const present = this.supervisors.get(name)
    if (present) return present.then((known) => known.extend(options).then(() => known))
    const seat = {
      lease: this.lease,
      scopes: this.scopes,
      members: this.supervisorMembers,
      rows: this.movingRows,
      roles: this.options.roles ?? [],
      processes: this.processes,
      verbs: this.root as never,
      world: this.world,
      log: this.log,
      looked: this.connector?.looked,
      left: () => this.supervisors.delete(name),
      startServer: (name: string, share: SupervisorShare, again: (pid: Pid) => void) =>
        this.servers.keep(() => this.root.spawn(SupervisorServer, [share], { name }), again),
    }
    const modules = { ...this.options.modules, ...options.modules }
    const weight = options.weight ?? this.options.weight
    const supervisor = new JoinedSupervisor(name, seat, { ...options, modules, weight })
    const joined = supervisor.join().then(
      () => supervisor,
      (error) => {
        this.supervisors.delete(name)
        throw error
      },
    )
    this.supervisors.set(name, joined)
    return joined
  }

  /** What a person asked for: a failure is worth a word in the log. */
  async connectLoudly(node: string): Promise<boolean> {
    const connected = await this.connect(node)
    const error = connected ? undefined : this.mesh.lastConnectError(node)
    // The mesh has warned already of what its owner can put right.
    if (error && (error.code === 'noconnection' || error.code === 'timeout')) {
      this.log.warn(error.message)
    }
    return connected
  }

  async connect(node: string, hints?: readonly string[]): Promise<boolean> {
    this.disconnected.delete(node)
    if (!(await this.mesh.connect(node, hints))) return false
    if (this.mesh.kind(node) === 'citadel') await this.awaitRows(node)
    return this.mesh.kind(node) !== undefined || node === this.name
  }

  disconnect(node: string): boolean {
    this.disconnected.add(parseNodeName(node).full)
    return this.mesh.disconnect(node)
  }

  nodes(): string[] {
    return this.mesh.nodes().sort()
  }

  async members(): Promise<string[]> {
    if (!this.discovery) return [this.name, ...this.nodes()].sort()
    return (await this.discovery.members()).map(({ name }) => name)
  }

  async whenMembers(count: number, given: WhenMembersOptions | undefined): Promise<void> {
    const { timeoutMs = MEMBERS_MS } = readWhenMembers(count, given)
    return this.membersHere.wait(count, timeoutMs)
  }

  async joinCluster(): Promise<boolean[]> {
    if (this.connector) return this.connector.joinCluster()
    return (await this.members()).map(() => true)
  }

  watchNodes(): AsyncIterableIterator<MeshEvent> {
    const queue = new EventQueue<MeshEvent>(NODE_EVENTS_MAX, () => this.watchers.delete(queue))
    this.watchers.add(queue)
    if (this.kernel.isStopped) queue.close()
    return queue
  }

  async stop(given?: StopOptions): Promise<void> {
    const { budgetMs = STOP_MS } = readStopOptions(given)
    this.stopping ??= this.shutDown(budgetMs)
    return this.stopping
  }

  /** Says goodbye only when nobody needs this node any more: see docs/decisions/0010-handoff.md. */
  private async shutDown(budgetMs: number): Promise<void> {
    this.membersHere.stop()
    const { clock } = this.world
    const deadline = clock.now() + budgetMs
    await this.connector?.stop()
    if (this.supervisors.size > 0) {
      this.mesh.leaving()
      const drainMs = budgetMs * (1 - LAST_ANSWERS_SHARE)
      const left: JoinedSupervisor[] = []
      const leaving = [...this.supervisors.values()].map(async (joined) => {
        const supervisor = await joined
        left.push(supervisor)
        return supervisor.drain({ budgetMs: drainMs })
      })
      await within(clock, deadline - clock.now(), Promise.allSettled(leaving))
      for (const supervisor of left) supervisor.abandon()
    }
    // Also of supervisors that this node had left before.
    await within(clock, deadline - clock.now(), this.kernel.moves.settled())
    await this.close()
  }

  /** A misspelt method is told of before anything starts. */
  private noteClasses(modules: CitadelOptions['modules'] = {}): void {
    for (const module of Object.values(modules)) this.kernel.noteClass(module)
  }

  private get features(): readonly string[] {
    const feature = arbiterFeature(this.arbiter)
    const always = [FAN_OUT, CALL_CHAIN]
    return feature === undefined ? always : [feature, ...always]
  }

  /** Nodes that decide about keys in different ways would each have owners of their own. */
  private decidesAlike({ features }: Capability): boolean {
    return features.find((name) => name.startsWith('arbiter:')) === arbiterFeature(this.arbiter)
  }

  private refusal(node: string, capability: Capability): string | undefined {
    if (this.decidesAlike(capability)) return undefined
    this.disconnected.add(node)
    return `${node} has another arbiter, or other settings of it, and was disconnected: give all nodes of a cluster the same.`
  }

  private beforeTraffic(now: number): void {
    this.lease?.check(now)
    this.leaseWatch?.goesOut(now)
  }

  /** To be made first of all that listens to the lease. */
  private watchLease(lease: Lease): LeaseWatch {
    return new LeaseWatch(lease, {
      clock: this.world.clock,
      log: this.log,
      marginMs: leaseLengthMs(this.arbiter) * LATE_OUTPUT_SHARE,
      cutPending: () => this.mesh.cutPending(),
    })
  }

  private arbiterFactory(): ArbiterFactory {
    const { arbiter, lease } = this
    if (arbiter.type === 'mesh') return meshArbiter
    if (arbiter.type === 'quorum') return quorumArbiter(arbiter, lease!)
    return etcdArbiter(arbiter, lease!, this.world, (made) => {
      this.etcd = made
    })
  }

  /** A child has moved: whoever holds its old pid means the new one. */
  private claimChanged(scope: string, { after }: ClaimChange): void {
    if (!after?.pid || !scope.startsWith(SUPERVISOR_CLAIMS)) return
    const from = predecessorOf(after)
    this.kernel.moves.stays(after.pid)
    if (from) this.kernel.moves.learned(from, after.pid)
  }

  private async close(): Promise<void> {
    await this.connector?.stop()
    this.registry.close()
    this.groups.close()
    this.fanOut.stop()
    this.servers.stop()
    for (const watcher of [...this.watchers]) watcher.close()
    this.scopes.stop()
    await this.kernel.stop()
    this.leaseWatch?.stop()
    await this.etcd?.close()
    await this.mesh.stop()
    await this.epmd.close()
  }

  /**
   * Waits until the rows of a newly connected node are here, and those of the members that it has named, or it takes
   * too long: what it runs for others would look like nobody's.
   */
  private async awaitRows(node: string): Promise<void> {
    const { clock } = this.world
    const deadline = clock.now() + SYNC_MS
    const isWhole = (): boolean =>
      this.scopes.synced(node) && this.membersHere.haveTold && !this.mesh.isCompleting
    while (!isWhole() && clock.now() < deadline && !this.stopping) {
      if (this.mesh.kind(node) === undefined) return
      await new Promise<void>((resolve) => clock.after(SYNC_CHECK_MS, resolve))
    }
  }

  /** The kernel is made before the mesh that carries its signals. */
  private router(): Router {
    return {
      kind: (node) => this.mesh.kind(node),
      offers: (node, feature) => this.mesh.offers(node, feature),
      send: (from, to, message) => this.mesh.send(from, to, message),
      sendToAlias: (from, ref, message) => this.mesh.sendToAlias(from, ref, message),
      signal: (node, signal) => this.mesh.signal(node, signal),
      pass: (node, endpoint, message) => this.mesh.pass(node, endpoint, message),
      onceWritable: (node, callback) => this.mesh.onceWritable(node, callback),
    }
  }

  private makeConnector(discovery: Discovery): Connector {
    return new Connector({
      self: this.name,
      discovery,
      clock: this.world.clock,
      random: this.world.random,
      log: this.log,
      connected: () => this.mesh.nodes(),
      skip: (name) => this.disconnected.has(name),
      connect: (name, addresses) => this.connect(name, addresses),
    })
  }
}

const SUPERVISORS_SCOPE = 'g:supervisors'
const SUPERVISOR_CLAIMS = 'c:supervisor/'
