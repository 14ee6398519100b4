#!/usr/bin/env node
// The command line: what there is, its options, and how failures are told. Each command's code is imported when it is
// used, so that `tsela --help` answers at once. docs/cli.md is the manual.
import { readFileSync } from 'node:fs';
import { Command, InvalidArgumentError, Option } from 'commander';
import type { BackupOptions } from './cli/backup.js';
import type { ClientAddOptions } from './cli/client.js';
import type { ExportOptions } from './cli/export.js';
import type { FacilityOptions } from './cli/facility.js';
import type { LoadOptions } from './cli/load.js';
import { Problem, sentenceOf } from './cli/problem.js';
import type { SampleCommandOptions } from './cli/sample.js';
import type { ParameterOptions } from './cli/reindex-parameters.js';
import type { StartOptions } from './cli/start.js';
import type { DataOptions, TargetOptions } from './cli/target.js';
import type { TerminologyLoadOptions } from './cli/terminology.js';
import type { BrandOptions } from './cli/brand.js';
import type { PersonOptions, UserAddOptions } from './cli/user.js';

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

const program = new Command('tsela')
  .description('Tsela, a FHIR R4 interoperability server')
  .version(version, '-V, --version', 'print the version')
  .option('--verbose', 'show stack traces of failures')
  .helpOption('-h, --help', 'show help')
  .helpCommand('help [command]', 'show help for a command')
  .showHelpAfterError('(tsela --help shows what there is)')
  .configureHelp({ showGlobalOptions: true });

const whole =
  (from: number, to: number) =>
  (text: string): number => {
    const value = Number(text);
    if (!/^-?\d+$/.test(text) || value < from || value > to)
      throw new InvalidArgumentError(`Expected a whole number from ${from} to ${to}.`);
    return value;
  };
const collect = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];

const dataOptions = (command: Command): Command =>
  command
    .option('--data <folder>', 'the folder of the embedded store (TSELA_DATA)')
    .option('--mongodb-url <url>', 'the MongoDB to use instead (MONGODB_URL)');
const targetOptions = (command: Command): Command =>
  dataOptions(
    command.option('--url <base>', 'the FHIR base of a running server, such as http://127.0.0.1:8080/fhir'),
  ).option(
    '--header <line>',
    'an HTTP header to send with every request, "Name: value"; may be repeated',
    collect,
  );
const keyFileOption = [
  '--key-file <file>',
  'encrypt with the key in this file, made with: openssl rand -base64 32',
] as const;
const parallelOption = ['--parallel <n>', 'requests under way at once', whole(1, 64), 4] as const;

/** Runs a command and takes its exit code. */
const exitWith = async (code: Promise<number>): Promise<void> => {
  process.exitCode = await code;
};

dataOptions(
  program
    .command('start')
    .description('start the server')
    .option('--port <n>', 'the port to listen on (TSELA_PORT)')
    .option('--host <address>', 'the address to listen on (TSELA_HOST)')
    .option('--open', 'serve everything to everyone without login, on this machine only: for trying out'),
).action(async (options: StartOptions) => {
  await exitWith((await import('./cli/start.js')).start(options));
});

targetOptions(
  program
    .command('load')
    .description(
      'load files, folders, http(s) addresses or standard input (-): JSON and NDJSON, also gzipped',
    )
    .argument('<paths...>', 'what to load'),
)
  .option(...parallelOption)
  .option('--failures <file>', 'write every failure to this file, as NDJSON')
  .addOption(
    new Option(
      '--as <form>',
      'bundles that are neither transaction nor batch: stored whole or as their entries; auto stores documents and messages whole',
    )
      .choices(['auto', 'bundle', 'entries'])
      .default('auto'),
  )
  .option('--group <n>', 'resources per transaction, where they come singly', whole(1, 5000), 200)
  .option('--retries <n>', 'how often a request is sent again before giving up', whole(0, 100), 8)
  .option('--run <name>', 'load again what was loaded before: a new name makes it a new load', '')
  .option('--quiet', 'show no progress')
  .action(async (paths: string[], options: LoadOptions) => {
    await exitWith((await import('./cli/load.js')).load(paths, options));
  });

targetOptions(
  program
    .command('sample')
    .description('make up a small health district in Lesotho: the same seed and size give the same data'),
)
  .option('--patients <n>', 'how many patients', whole(0, 10_000_000), 50)
  .option('--seed <n>', 'another number, another district', whole(-(2 ** 31), 2 ** 31 - 1), 1)
  .option('--today <date>', 'the day everything is counted from', '2026-01-05')
  .addOption(
    new Option('--format <form>', 'one resource a line, or one transaction bundle a line')
      .choices(['ndjson', 'bundles'])
      .default('ndjson'),
  )
  .option('--out <file>', 'write to this file; .gz compresses')
  .option(...parallelOption)
  .option('--quiet', 'show no progress')
  .action(async (options: SampleCommandOptions) => {
    await exitWith((await import('./cli/sample.js')).sample(options));
  });

targetOptions(program.command('export').description('write every resource to one NDJSON file per type'))
  .option('--type <type>', 'only this resource type; may be repeated', collect)
  .option('--out <folder>', 'where to', './export')
  .option('--quiet', 'show no progress')
  .action(async (options: ExportOptions) => {
    await exitWith((await import('./cli/export.js')).exportResources(options));
  });

targetOptions(
  program
    .command('package')
    .description('implementation guides: their profiles, value sets and code systems')
    .command('install')
    .description('install the packages (.tgz) of implementation guides')
    .argument('<files...>', 'the packages'),
).action(async (paths: string[], options: TargetOptions) => {
  await exitWith((await import('./cli/package.js')).installPackages(paths, options));
});

targetOptions(
  program
    .command('reindex')
    .description(
      "make every index row anew, on a stopped server's data; with --parameter bring search in line with stored SearchParameters, also while a server runs",
    ),
)
  .option('--parameter <url>', 'the canonical url of a SearchParameter; may be repeated', collect)
  .option('--quiet', 'show no progress')
  .action(async ({ parameter, ...options }: ParameterOptions) => {
    await exitWith(
      parameter === undefined
        ? (await import('./cli/reindex.js')).reindex(options)
        : (await import('./cli/reindex-parameters.js')).reindexParameters({ ...options, parameter }),
    );
  });

dataOptions(
  program
    .command('backup')
    .description('copy everything in the data folder of a stopped server to a new file')
    .argument('<path>', 'the new file'),
)
  .option(...keyFileOption)
  .action(async (path: string, options: BackupOptions) => {
    await exitWith((await import('./cli/backup.js')).backup(path, options));
  });

dataOptions(
  program
    .command('restore')
    .description('put a backup in the place of a data folder that is not there')
    .argument('<path>', 'the backup'),
)
  .option(...keyFileOption)
  .action(async (path: string, options: BackupOptions) => {
    await exitWith((await import('./cli/backup.js')).restore(path, options));
  });

dataOptions(
  program
    .command('doctor')
    .description('check the machine, the configuration and the store, and say how to mend what is wrong'),
)
  .option('--full', 'compare the index of every resource with its content')
  .action(async (options: DataOptions & { full?: boolean }) => {
    await exitWith((await import('./cli/doctor.js')).doctor(options));
  });

const role = program.command('role').description('what each role may (docs/roles.md)');
dataOptions(role.command('list').description('list them')).action(async (options: DataOptions) => {
  await exitWith((await import('./cli/role.js')).listRoles(options));
});
dataOptions(role.command('show').description('print one as JSON').argument('<name>')).action(
  async (name: string, options: DataOptions) => {
    await exitWith((await import('./cli/role.js')).showRole(name, options));
  },
);
dataOptions(
  role
    .command('set')
    .description('change one')
    .argument('<name>')
    .argument('<file>', 'JSON as show prints it; - reads standard input'),
).action(async (name: string, file: string, options: DataOptions) => {
  await exitWith((await import('./cli/role.js')).setRole(name, file, options));
});
dataOptions(role.command('reset').description('make one again what it came as').argument('<name>')).action(
  async (name: string, options: DataOptions) => {
    await exitWith((await import('./cli/role.js')).resetRole(name, options));
  },
);

const brand = program
  .command('brand')
  .description('what apps show people of the district and its facilities');
const ofFacility = ['--facility <id>', 'of a facility, not of the district'] as const;
dataOptions(
  brand
    .command('set')
    .description('give one, in the place of what it was')
    .argument('<file>', 'an Organization as JSON; - reads standard input'),
)
  .option(...ofFacility)
  .option('--developers <url>', 'where developers register apps, if not at the website of the brand')
  .action(async (file: string, options: BrandOptions) => {
    await exitWith((await import('./cli/brand.js')).setBrand(file, options));
  });
dataOptions(brand.command('list').description('list them')).action(async (options: DataOptions) => {
  await exitWith((await import('./cli/brand.js')).listBrands(options));
});
dataOptions(brand.command('remove').description('remove one'))
  .option(...ofFacility)
  .action(async (options: BrandOptions) => {
    await exitWith((await import('./cli/brand.js')).removeBrand(options));
  });

const user = program.command('user').description('who can sign in');
const personOptions = (command: Command): Command =>
  dataOptions(command)
    .requiredOption('--is <reference>', 'who that is in the records, such as Practitioner/7 or Patient/3')
    .option('--role <role>', 'what they work as; may be repeated', collect)
    .option('--patient <id>', 'whose record they may see; may be repeated', collect)
    .option('--facility <id>', 'the facility they belong to')
    .option('--mail <address>', 'where invitations, new passwords and notices go');
personOptions(user.command('add').description('add somebody').argument('<name>', 'what they type to sign in'))
  .option('--password-stdin', 'take the password from the first line of standard input instead of making one')
  .action(async (name: string, options: UserAddOptions) => {
    await exitWith((await import('./cli/user.js')).addUser(name, options));
  });
personOptions(
  user
    .command('invite')
    .description('invite somebody, who chooses a password; again for a new invitation')
    .argument('<name>', 'what they will type to sign in'),
).action(async (name: string, options: PersonOptions) => {
  await exitWith((await import('./cli/user.js')).inviteUser(name, options));
});
dataOptions(
  user
    .command('mail')
    .description('change where mail for somebody goes; without an address nowhere')
    .argument('<name>')
    .argument('[address]'),
).action(async (name: string, address: string | undefined, options: DataOptions) => {
  await exitWith((await import('./cli/user.js')).setMail(name, address, options));
});
dataOptions(user.command('list').description('list them: name, reference, roles')).action(
  async (options: DataOptions) => {
    await exitWith((await import('./cli/user.js')).listUsers(options));
  },
);
for (const disabled of [true, false]) {
  dataOptions(
    user
      .command(disabled ? 'disable' : 'enable')
      .description(disabled ? 'end what somebody may do' : 'let somebody sign in again')
      .argument('<name>'),
  ).action(async (name: string, options: DataOptions) => {
    await exitWith((await import('./cli/user.js')).setUserDisabled(name, disabled, options));
  });
}
dataOptions(user.command('password').description('give somebody a new password').argument('<name>'))
  .option('--password-stdin', 'take it from the first line of standard input instead of making one')
  .option('--without-second-factor', 'take off the second factor and passkeys too: for a lost phone')
  .action(async (name: string, options: DataOptions & { passwordStdin?: boolean }) => {
    await exitWith((await import('./cli/user.js')).setPassword(name, options));
  });

dataOptions(
  user
    .command('link')
    .description('let somebody sign in through another provider')
    .argument('<name>')
    .argument('<provider>', 'its id in the file of TSELA_LOGIN_PROVIDERS')
    .argument('<subject>', 'what it calls them (sub)'),
).action(async (name: string, provider: string, subject: string, options: DataOptions) => {
  await exitWith((await import('./cli/user.js')).linkUser(name, provider, subject, options));
});
dataOptions(
  user.command('unlink').description('no longer let somebody sign in through others').argument('<name>'),
).action(async (name: string, options: DataOptions) => {
  await exitWith((await import('./cli/user.js')).unlinkUser(name, options));
});

const client = program.command('client').description('which apps and backend services there are');
dataOptions(
  client.command('add').description('register one').argument('<name>', 'what people are asked about'),
)
  .requiredOption('--scope <scopes>', 'the most it may be granted, separated by spaces')
  .option('--id <id>', 'its client_id; made where none is given')
  .option('--redirect <uri>', 'where it gets its codes; may be repeated; none: a backend service', collect)
  .option('--secret', 'it proves itself by a secret, which is printed once')
  .option('--jwks <file>', 'it proves itself by assertions signed with these keys')
  .option('--jwks-uri <url>', 'it proves itself by assertions signed with keys it publishes here')
  .option('--launch-uri <url>', 'where an EHR opens it')
  .option('--introspect', 'it may ask about tokens of others')
  .option('--state <code>', 'system|code it may keep state under, or system|; may be repeated', collect)
  .option('--dpop', 'every token of it is bound to a key of its own')
  .option('--ehr', 'it may launch other apps for its user')
  .option('--trusted', 'people are not asked for consent')
  .action(async (name: string, options: ClientAddOptions) => {
    await exitWith((await import('./cli/client.js')).addClient(name, options));
  });
dataOptions(client.command('list').description('list them: id, name, kind, redirects, scopes')).action(
  async (options: DataOptions) => {
    await exitWith((await import('./cli/client.js')).listClients(options));
  },
);
dataOptions(client.command('remove').description('remove one').argument('<id>')).action(
  async (id: string, options: DataOptions) => {
    await exitWith((await import('./cli/client.js')).removeClient(id, options));
  },
);
dataOptions(
  client.command('token').description('print a token with which one app can register itself within a week'),
)
  .requiredOption('--scope <scopes>', 'the most it may register for')
  .action(async (options: DataOptions & { scope: string }) => {
    await exitWith((await import('./cli/client.js')).registrationToken(options));
  });

const facility = program
  .command('facility')
  .description('the facilities of the district, each with its store');
const facilityOptions = (command: Command): Command =>
  dataOptions(command)
    .argument('<id>', 'part of its address: a-z, 0-9 and "-"')
    .option('--name <name>', 'what people call it')
    .option(
      '--organization <id>',
      'patients managed by this Organization are its own; may be repeated',
      collect,
    )
    .option('--client <id>', 'a client whose requests to the district are for it; may be repeated', collect);
facilityOptions(facility.command('add').description('add one, with an empty store')).action(
  async (id: string, options: FacilityOptions) => {
    await exitWith((await import('./cli/facility.js')).addFacility(id, options));
  },
);
facilityOptions(facility.command('set').description('change what is given of one')).action(
  async (id: string, options: FacilityOptions) => {
    await exitWith((await import('./cli/facility.js')).changeFacility(id, options));
  },
);
dataOptions(
  facility.command('list').description('list them: id, name, address, organizations, clients'),
).action(async (options: DataOptions) => {
  await exitWith((await import('./cli/facility.js')).listFacilities(options));
});

const terminology = program
  .command('terminology')
  .description('code systems too large for a resource: SNOMED CT, LOINC, CSV');
dataOptions(
  terminology
    .command('load')
    .description('load a code system, or a supplement to one; a running server has it within a second')
    .argument('<path>', 'a file, folder or zip archive'),
)
  .option('--system <url>', 'the url of the code system; a must for CSV')
  .option('--system-version <version>', 'its version')
  .option('--name <name>', 'its name')
  .addOption(
    new Option('--format <form>', 'the form of the files, where it is not seen by their names').choices([
      'csv',
      'loinc',
      'rf2',
      'fhir',
    ]),
  )
  .option('--supplements <url>', 'the code system that this is a supplement to')
  .option('--quiet', 'show no progress')
  .action(async (path: string, options: TerminologyLoadOptions) => {
    await exitWith((await import('./cli/terminology.js')).loadTerminology(path, options));
  });
dataOptions(terminology.command('list').description('list what is loaded')).action(
  async (options: DataOptions) => {
    await exitWith((await import('./cli/terminology.js')).listTerminology(options));
  },
);
dataOptions(
  terminology
    .command('remove')
    .description('remove a loaded code system')
    .argument('<system>', 'the url of the code system')
    .option('--system-version <version>', 'its version'),
).action(async (system: string, options: DataOptions & { systemVersion?: string }) => {
  await exitWith((await import('./cli/terminology.js')).removeTerminology(system, options));
});

try {
  await program.parseAsync();
} catch (error) {
  const verbose = program.opts<{ verbose?: boolean }>().verbose ?? false;
  const known =
    error instanceof Problem || (error instanceof Error && ['ConfigError', 'FhirError'].includes(error.name));
  process.stderr.write(`${known ? '' : 'Tsela failed: '}${sentenceOf(error)}\n`);
  if (error instanceof Problem && error.hint !== undefined) process.stderr.write(`${error.hint}\n`);
  if (verbose && error instanceof Error) process.stderr.write(`${error.stack ?? ''}\n`);
  else if (!known) process.stderr.write('tsela --verbose shows where.\n');
  process.exitCode = 1;
}
