#!/usr/bin/env bash
# npm run torture -- [NAME…]: what takes long because it tries very many things, or waits for what others do not do: links at
# every place of a mirror, rude clients, patterns against hostile input, writers side by side, workers that are killed, bad
# networks; and for hours each job killed at hundreds of points (KILLS, 300), on machines that fail (HARDSHIPS, 20), a million
# inputs for the readers (INPUTS), half an hour of everything at once (SOAK, seconds; CROWD, connections). SEED gives other
# chances. Arguments go to vitest.
set -euo pipefail
cd "$(dirname "$0")/../.."
node node_modules/vitest/vitest.mjs run --config test/torture/vitest.config.ts "$@"
