// Runs one of the outside kits and writes its dated report: `npm run conformance -- validator`.
const kits = { smart: './smart/run.mjs', validator: './validator/run.mjs' };
const kit = kits[process.argv[2] ?? ''];
if (kit === undefined) {
  console.error(`Which? One of: ${Object.keys(kits).join(', ')}`);
  process.exit(2);
}
await (await import(kit)).run(process.argv.slice(3));
