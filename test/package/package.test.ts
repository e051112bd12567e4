import { execFileSync } from 'node:child_process'
import {
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { freePort } from '../support/free-port.js'
import { ROOT } from '../support/root.js'
import { scratch } from '../support/scratch.js'
import { buildOnce } from '../support/shell-program.js'

const MINUTES_MS = 170_000
const { dependencies, exports, version } = JSON.parse(
  readFileSync(join(ROOT, 'package.json'), 'utf8'),
) as { dependencies: Record<string, string>; exports: Record<string, unknown>; version: string }

/** A project of somebody who has installed the package. */
const project = scratch('package')
let packed: string[] = []
let tarball = ''

interface Packed {
  filename: string
  files: { path: string }[]
}

beforeAll(() => {
  buildOnce()
  const packing = ['pack', '--json', '--ignore-scripts', '--pack-destination', project.path]
  const [made] = JSON.parse(npm(packing, ROOT)) as [Packed]
  packed = made.files.map(({ path }) => path)
  tarball = made.filename
  const manifest = { name: 'consumer', private: true, type: 'module' }
  writeFileSync(join(project.path, 'package.json'), JSON.stringify(manifest))
  install(join(project.path, tarball))
}, MINUTES_MS)

afterAll(() => project.remove())

function npm(args: readonly string[], cwd: string): string {
  const env = { ...process.env, npm_config_update_notifier: 'false', npm_config_logs_max: '0' }
  return execFileSync('npm', args, {
    cwd,
    env,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

/** By npm; when the registry is away, unpacked, with the dependencies of this clone. */
function install(tarball: string): void {
  const flags = ['--prefer-offline', '--no-audit', '--no-fund', '--ignore-scripts']
  try {
    npm(['install', ...flags, '--fetch-retries=0', tarball], project.path)
  } catch (error) {
    const { stderr } = error as { stderr: unknown }
    if (!/ENOTFOUND|ENOTCACHED|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|network/.test(String(stderr))) {
      throw error
    }
    console.warn('the npm registry is away: the dependencies of this clone are linked instead')
    unpack(tarball)
  }
}

function unpack(tarball: string): void {
  const modules = join(project.path, 'node_modules')
  mkdirSync(join(modules, 'citadel'), { recursive: true })
  mkdirSync(join(modules, '.bin'))
  execFileSync('tar', ['-xzf', tarball, '--strip-components=1', '-C', join(modules, 'citadel')])
  symlinkSync('../citadel/dist/shell/main.js', join(modules, '.bin', 'citadel'))
  for (const name of Object.keys(dependencies)) link(name)
}

function link(name: string): void {
  const target = join(project.path, 'node_modules', name)
  mkdirSync(dirname(target), { recursive: true })
  symlinkSync(join(ROOT, 'node_modules', name), target)
}

function node(args: readonly string[], env: Record<string, string> = {}): string {
  const surroundings = { PATH: process.env.PATH ?? '', HOME: project.path, ...env }
  return execFileSync(process.execPath, args, {
    cwd: project.path,
    env: surroundings,
    encoding: 'utf8',
    timeout: 60_000,
  })
}

test('the tarball holds the build, README, licence and package.json, and nothing else', () => {
  const others = packed.filter((path) => !path.startsWith('dist/')).sort()
  expect(others).toEqual(['LICENSE', 'README.md', 'package.json'])
  const strange = packed.filter((path) => !/^dist\/.+\.(js|js\.map|d\.ts)$/.test(path))
  expect(strange.sort()).toEqual(others)
  expect(packed.filter((path) => /test\.|\/bench\//.test(path))).toEqual([])
})

test('every file of the tarball has a source', () => {
  const src = join(ROOT, 'src')
  const sources = readdirSync(src, { recursive: true, encoding: 'utf8' })
  const stems = new Set(sources.map((file) => file.replace(/\.ts$/, '')))
  const stale = packed
    .filter((path) => path.startsWith('dist/'))
    .filter((path) => !stems.has(path.slice('dist/'.length).replace(/\.(js|js\.map|d\.ts)$/, '')))
  expect(stale).toEqual([])
})

test('every subpath can be imported, and only those', () => {
  const subpaths = Object.keys(exports).filter((path) => !path.endsWith('.json'))
  expect(subpaths).toEqual(['.', './testing'])
  for (const path of subpaths) {
    const name = `citadel${path.slice(1)}`
    const program = `const it = await import('${name}'); console.log(Object.keys(it).length > 0)`
    expect(node(['--input-type=module', '-e', program])).toBe('true\n')
  }
  const inside = "await import('citadel/dist/node.js').catch((e) => console.log(e.code))"
  expect(node(['--input-type=module', '-e', inside])).toBe('ERR_PACKAGE_PATH_NOT_EXPORTED\n')
})

test('the command is there', () => {
  const command = (flag: string): string =>
    npm(['exec', '--offline', '--', 'citadel', flag], project.path)
  expect(command('--version')).toBe(`${version}\n`)
  const help = command('--help')
  for (const word of ['shell', 'run', 'demo']) expect(help).toContain(word)
})

test('a strict program compiles against the types, and runs: every promised name is there', async () => {
  copyFileSync(join(ROOT, 'test', 'package', 'consumer.ts'), join(project.path, 'consumer.ts'))
  for (const name of ['@types/node', 'undici-types']) link(name)
  const compilerOptions = {
    target: 'ES2022',
    lib: ['ES2023', 'ESNext.Disposable'],
    module: 'NodeNext',
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    noPropertyAccessFromIndexSignature: true,
    noImplicitOverride: true,
    noImplicitReturns: true,
    noUnusedLocals: true,
    isolatedModules: true,
    verbatimModuleSyntax: true,
    skipLibCheck: false,
    types: ['node'],
  }
  const config = { compilerOptions, files: ['consumer.ts'] }
  writeFileSync(join(project.path, 'tsconfig.json'), JSON.stringify(config))
  const tsc = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc')
  expect(compilerOutput([tsc, '-p', project.path])).toBe('')
  const env = { ERL_EPMD_PORT: String(await freePort()) }
  expect(node(['consumer.js'], env)).toBe('everything is there\n')
})

test('a program in CommonJS compiles and runs, too', () => {
  const text = `import { Citadel, silent } from 'citadel'
void Citadel.start({ name: 'cjs@127.0.0.1', cookie: 'c', discovery: false, logger: silent }).then(
  async (citadel) => {
    console.log(citadel.name)
    await citadel.stop()
  },
)
`
  writeFileSync(join(project.path, 'program.cts'), text)
  const tsc = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc')
  const flags = ['--module', 'NodeNext', '--target', 'ES2023', '--strict', '--types', 'node']
  expect(compilerOutput([tsc, ...flags, '--ignoreConfig', 'program.cts'])).toBe('')
  expect(node(['program.cjs'], { ERL_EPMD_PORT: '1' })).toBe('cjs@127.0.0.1\n')
})

test.each([
  ['attw', '@arethetypeswrong/cli/dist/index.js', ['--config-path', join(ROOT, '.attw.json')]],
  ['publint', 'publint/src/cli.js', ['--strict']],
])('%s finds nothing wrong with the tarball', (_name, program, flags) => {
  const path = join(ROOT, 'node_modules', program)
  expect(compilerOutput([path, join(project.path, tarball), ...flags])).toMatch(
    /No problems found|All good!/,
  )
})

function compilerOutput(args: readonly string[]): string {
  try {
    return node(args)
  } catch (error) {
    return String((error as { stdout: unknown }).stdout)
  }
}
